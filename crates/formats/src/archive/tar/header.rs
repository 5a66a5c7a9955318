//! The 512-byte header of an entry (POSIX.1-2017 pax(1), "ustar Interchange Format", table "ustar
//! Header Block").

use std::ops::Range;

use super::error::TarReason;

/// The unit of a tar archive, and the length of a header (POSIX.1-2017 pax(1)).
pub(super) const BLOCK: usize = 512;

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHKSUM: Range<usize> = 148..156;
const TYPEFLAG: usize = 156;
const LINKNAME: Range<usize> = 157..257;
const MAGIC_AND_VERSION: Range<usize> = 257..265;
const DEVMAJOR: Range<usize> = 329..337;
const DEVMINOR: Range<usize> = 337..345;
/// ustar only; GNU keeps its access time and sparse map there.
const PREFIX: Range<usize> = 345..500;
/// GNU only: the access and change times of incremental archives (GNU tar manual, "Basic Tar
/// Format", `struct oldgnu_header`), whose use would mean other dialects of the rest.
const GNU_EXTRA: Range<usize> = 345..500;

const USTAR: &[u8] = b"ustar\x0000";
const GNU: &[u8] = b"ustar  \0";

/// One decoded header.
pub(super) struct Header {
    /// `prefix` and `name`, joined.
    pub(super) name: Vec<u8>,
    pub(super) linkname: Vec<u8>,
    pub(super) kind: u8,
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) mtime: i64,
    pub(super) major: u32,
    pub(super) minor: u32,
}

impl Header {
    /// The name in a block that may not decode, for messages.
    pub(super) fn printable_name(block: &[u8; BLOCK]) -> String {
        let name = block[NAME].split(|&byte| byte == 0).next().unwrap_or_default();
        name.escape_ascii().to_string()
    }

    pub(super) fn decode(block: &[u8; BLOCK]) -> Result<Self, TarReason> {
        verify_checksum(block)?;
        let gnu = match &block[MAGIC_AND_VERSION] {
            USTAR => false,
            GNU => true,
            _ => return Err(TarReason::Magic),
        };
        let mut name = text(&block[NAME], "name")?.to_vec();
        if gnu && block[GNU_EXTRA].iter().any(|&byte| byte != 0) {
            return Err(TarReason::Sparse);
        }
        let prefix = text(&block[PREFIX], "prefix")?;
        if !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        let kind = match block[TYPEFLAG] {
            // POSIX: NUL is the old mark of a regular file.
            0 => b'0',
            b'S' => return Err(TarReason::Sparse),
            kind @ (b'0'..=b'6' | b'x' | b'L' | b'K') => kind,
            other => return Err(TarReason::Type(char::from(other))),
        };
        let mode = unsigned(&block[MODE], "mode")?;
        let mode = u16::try_from(mode).ok().filter(|mode| *mode <= 0o7777);
        Ok(Self {
            name,
            linkname: text(&block[LINKNAME], "linkname")?.to_vec(),
            kind,
            mode: mode.ok_or(TarReason::Number("mode"))?,
            uid: narrow(&block[UID], "uid")?,
            gid: narrow(&block[GID], "gid")?,
            size: unsigned(&block[SIZE], "size")?,
            mtime: signed(&block[MTIME], "mtime")?,
            major: optional(&block[DEVMAJOR], "devmajor")?,
            minor: optional(&block[DEVMINOR], "devminor")?,
        })
    }
}

/// The sum of all bytes, with the checksum field taken as spaces.
fn verify_checksum(block: &[u8; BLOCK]) -> Result<(), TarReason> {
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    let found = sum(block) - sum(&block[CHKSUM]) + 8 * u32::from(b' ');
    let expected = narrow(&block[CHKSUM], "chksum")?;
    if expected == found { Ok(()) } else { Err(TarReason::Checksum { expected, found }) }
}

/// A text field: up to its first NUL, behind which only NULs may follow.
fn text<'a>(field: &'a [u8], name: &'static str) -> Result<&'a [u8], TarReason> {
    let len = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    let (text, rest) = field.split_at(len);
    if rest.iter().any(|&byte| byte != 0) { Err(TarReason::Nul(name)) } else { Ok(text) }
}

fn narrow(field: &[u8], name: &'static str) -> Result<u32, TarReason> {
    u32::try_from(unsigned(field, name)?).map_err(|_| TarReason::Number(name))
}

/// A device number field, which entries that are no devices may leave all NUL.
fn optional(field: &[u8], name: &'static str) -> Result<u32, TarReason> {
    if field.iter().all(|&byte| byte == 0) { Ok(0) } else { narrow(field, name) }
}

fn unsigned(field: &[u8], name: &'static str) -> Result<u64, TarReason> {
    u64::try_from(signed(field, name)?).map_err(|_| TarReason::Number(name))
}

/// Octal digits closed by spaces or NULs, or GNU's base-256: a first byte of 0x80 (0xff when
/// negative), then the number in big-endian two's complement.
fn signed(field: &[u8], name: &'static str) -> Result<i64, TarReason> {
    let refused = || TarReason::Number(name);
    let (&first, rest) = field.split_first().ok_or_else(refused)?;
    if matches!(first, 0x80 | 0xff) {
        let start = if first == 0x80 { 0 } else { -1 };
        let digit = |number: i64, &byte: &u8| number.checked_mul(256)?.checked_add(byte.into());
        return rest.iter().try_fold(start, digit).ok_or_else(refused);
    }
    let len = field.iter().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    let (digits, end) = field.split_at(len);
    if digits.is_empty() || end.iter().any(|byte| !matches!(byte, 0 | b' ')) {
        return Err(refused());
    }
    let digit = |number: i64, &byte: &u8| number.checked_mul(8)?.checked_add((byte - b'0').into());
    digits.iter().try_fold(0, digit).ok_or_else(refused)
}
