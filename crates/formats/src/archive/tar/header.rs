//! The 512-byte header of an entry (POSIX.1-2017 pax(1), "ustar Interchange Format", table "ustar
//! Header Block").

use std::ops::Range;

use super::dialect::{Dialect, without_type};
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

    pub(super) fn decode(block: &[u8; BLOCK], dialect: Dialect) -> Result<Self, TarReason> {
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
            b'g' if dialect.is_layer() => b'g',
            other => return Err(TarReason::Type(char::from(other))),
        };
        let mode = unsigned(&block[MODE], "mode")?;
        let mode = if dialect.is_layer() { without_type(mode, kind) } else { mode };
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A ustar header of a file `a`, with other bytes at an offset and the checksum that they make.
    fn block(magic: &[u8; 8], at: usize, bytes: &[u8]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[0] = b'a';
        block[100..108].copy_from_slice(b"0000644\0");
        block[108..116].copy_from_slice(b"0000001\0");
        block[116..124].copy_from_slice(b"0000002\0");
        block[124..136].copy_from_slice(b"00000000003\0");
        block[136..148].copy_from_slice(b"00000000004\0");
        block[156] = b'0';
        block[257..265].copy_from_slice(magic);
        block[at..at + bytes.len()].copy_from_slice(bytes);
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    fn ustar(at: usize, bytes: &[u8]) -> Result<Header, TarReason> {
        Header::decode(&block(b"ustar\x0000", at, bytes), Dialect::Package)
    }

    /// The offsets are those of the table "ustar Header Block".
    #[test]
    fn fields_are_where_the_table_has_them() {
        let header = ustar(329, b"0000005\x000000006\0").unwrap();
        assert_eq!((header.name, header.kind), (b"a".to_vec(), b'0'));
        assert_eq!((header.mode, header.uid, header.gid), (0o644, 1, 2));
        assert_eq!((header.size, header.mtime, header.major, header.minor), (3, 4, 5, 6));
        assert_eq!(ustar(157, b"to").unwrap().linkname, b"to");
        assert_eq!(ustar(345, b"dir/sub").unwrap().name, b"dir/sub/a");
        // A name may fill its field.
        assert_eq!(ustar(0, &[b'n'; 100]).unwrap().name, [b'n'; 100]);
        assert_eq!(ustar(157, &[b'l'; 100]).unwrap().linkname, [b'l'; 100]);
        let gnu = Header::decode(&block(b"ustar  \0", 0, b"b"), Dialect::Package).unwrap();
        assert_eq!((gnu.name, gnu.major), (b"b".to_vec(), 0));
    }

    #[test]
    fn types_are_those_of_packages() {
        for kind in b"0123456xLK" {
            assert_eq!(ustar(156, &[*kind]).unwrap().kind, *kind);
        }
        assert_eq!(ustar(156, &[0]).unwrap().kind, b'0');
        assert_eq!(ustar(156, b"S").err(), Some(TarReason::Sparse));
        for kind in b"7gADMNVX\x01\xff" {
            assert_eq!(ustar(156, &[*kind]).err(), Some(TarReason::Type(char::from(*kind))));
        }
    }

    #[test]
    fn a_layer_may_have_the_type_in_the_mode_and_a_global_comment() {
        let layer =
            |at, bytes: &[u8]| Header::decode(&block(b"ustar\x0000", at, bytes), Dialect::Layer);
        assert_eq!(layer(100, b"0104755\0").unwrap().mode, 0o4755);
        assert_eq!(layer(100, b"0040755\0").err(), Some(TarReason::Number("mode")));
        assert_eq!(layer(156, b"g").unwrap().kind, b'g');
        assert_eq!(layer(156, b"S").err(), Some(TarReason::Sparse));
    }

    #[test]
    fn a_header_that_is_ambiguous_is_refused() {
        for (at, bytes, reason) in [
            (257, &b"ustar\x0001"[..], TarReason::Magic),
            (257, b"ustar \0\0", TarReason::Magic),
            (257, &[0; 8], TarReason::Magic),
            (1, b"\0b", TarReason::Nul("name")),
            (157, b"a\0b", TarReason::Nul("linkname")),
            (345, b"a\0b", TarReason::Nul("prefix")),
            (100, b"0010000\0", TarReason::Number("mode")),
            (100, b"000064x\0", TarReason::Number("mode")),
            (108, b"        ", TarReason::Number("uid")),
            (108, b"\x80\0\0\x01\0\0\0\0", TarReason::Number("uid")),
            (116, b"\xff\xff\xff\xff\xff\xff\xff\xff", TarReason::Number("gid")),
            (124, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", TarReason::Number("size")),
            (136, b"1 1        \0", TarReason::Number("mtime")),
            (329, b"8", TarReason::Number("devmajor")),
            (337, b"8", TarReason::Number("devminor")),
        ] {
            assert_eq!(ustar(at, bytes).err(), Some(reason), "{at}");
        }
        for at in [345, 499] {
            let old = Header::decode(&block(b"ustar  \0", at, b"1"), Dialect::Package);
            assert_eq!(old.err(), Some(TarReason::Sparse), "the times of an incremental archive");
        }
        assert_eq!(ustar(100, b"0007777\0").unwrap().mode, 0o7777);
    }

    /// The checksum field counts as eight spaces, and all bytes as unsigned.
    #[test]
    fn the_sum_of_the_bytes_is_checked() {
        let mut block = block(b"ustar\x0000", 0, &[0xff; 4]);
        assert!(Header::decode(&block, Dialect::Package).is_ok());
        let found: u32 = {
            let field: u32 = block[148..156].iter().map(|&byte| u32::from(byte)).sum();
            block.iter().map(|&byte| u32::from(byte)).sum::<u32>() - field + 256
        };
        block[0] = 0xfe;
        let reason = TarReason::Checksum { expected: found, found: found - 1 };
        assert_eq!(Header::decode(&block, Dialect::Package).err(), Some(reason));
        block[148] = b'x';
        assert_eq!(
            Header::decode(&block, Dialect::Package).err(),
            Some(TarReason::Number("chksum"))
        );
    }

    /// Octal digits (POSIX) and base 256 (GNU tar manual, "Basic Tar Format").
    #[test]
    fn numbers_have_two_forms() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"644 \0   ", Some(0o644)),
            (b"77777777", Some(0o7777_7777)),
            (b"0\0\0\0", Some(0)),
            (b"777777777777777777777", Some(i64::MAX)),
            (b"1000000000000000000000", None),
            (b"\x80\0\0\0\0\0\x01\x02", Some(0x102)),
            (b"\x80\0\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\x80\0\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\xff\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", Some(i64::MIN)),
            (b"\xff\xff\xff\xff\xff\x7f\0\0\0\0\0\0\0", None),
            (b"\x81\0\0\x01", None),
            (b"", None),
            (b" 644", None),
            (b"\0", None),
            (b"8", None),
            (b"7x", None),
            (b"-1", None),
        ] {
            let found = signed(field, "size");
            assert_eq!(found, expected.ok_or(TarReason::Number("size")), "{field:?}");
        }
        assert_eq!(unsigned(b"\xff\xff", "size"), Err(TarReason::Number("size")));
        assert_eq!(narrow(b"37777777777", "uid"), Ok(u32::MAX));
        assert_eq!(narrow(b"40000000000", "uid"), Err(TarReason::Number("uid")));
        assert_eq!(optional(&[0; 8], "devmajor"), Ok(0));
        assert_eq!(optional(b"        ", "devmajor"), Err(TarReason::Number("devmajor")));
    }

    #[test]
    fn a_name_in_a_message_is_printable() {
        let mut block = [0; BLOCK];
        block[..5].copy_from_slice(b"a\n\x1b\xffb");
        assert_eq!(Header::printable_name(&block), "a\\n\\x1b\\xffb");
        assert_eq!(Header::printable_name(&[b'x'; BLOCK]), "x".repeat(100));
    }
}
