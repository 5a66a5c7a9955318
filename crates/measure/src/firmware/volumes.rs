//! Whether a file is a whole firmware image: firmware volumes from its first byte to its last.
//!
//! What a launch measures is found from the end of the image, and the end of a part, of a container
//! or of a compressed file can look like that of an image. So the beginning is looked at: an image
//! for UEFI starts with the header of a firmware volume, each volume says how long it is, and they
//! follow one another up to the end, with nothing but erased flash between them.
//!
//! Standard: UEFI PI 1.9, volume 3, section 3.2.1 "EFI_FIRMWARE_VOLUME_HEADER". Oracle: every
//! firmware image of Debian's packages.

use std::io;

use cvmkit_formats::container::Container;
use cvmkit_formats::source::Source;
use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::Error;
use crate::gpa::PAGE_SIZE;

/// `EFI_FIRMWARE_VOLUME_HEADER`, before the block map.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    /// `ZeroVector`
    zero: [u8; 16],
    /// `FileSystemGuid`
    file_system: [u8; 16],
    /// `FvLength`, header included.
    length: U64,
    /// `Signature`, "_FVH".
    signature: [u8; 4],
    /// `Attributes`
    attributes: U32,
    /// `HeaderLength`, block map included.
    header_length: U16,
    /// `Checksum`: the 16-bit words of the header add up to 0.
    checksum: U16,
    /// `ExtHeaderOffset`
    extended: U16,
    /// `Reserved`
    reserved: u8,
    /// `Revision`, 2.
    revision: u8,
}
const _: () = assert!(size_of::<Header>() == 56);

const SIGNATURE: [u8; 4] = *b"_FVH";

/// Insists that a file is a whole firmware image, as the VMM maps it.
///
/// # Errors
/// [`Error::Container`], [`Error::NoVolume`], [`Error::CorruptVolume`], [`Error::Cut`] and
/// [`Error::Read`].
pub fn check_whole<S: Source + ?Sized>(file: &S) -> Result<(), Error> {
    check_container(file)?;
    let len = file.len();
    let mut at = match volume(file, 0)? {
        Some(length) => length,
        None => return Err(Error::NoVolume { at: 0, found: found(file, 0)? }),
    };
    while at < len {
        match volume(file, at)? {
            Some(length) => at = at.saturating_add(length),
            None if is_erased(file, at)? => at = at.saturating_add(PAGE_SIZE as u64),
            None => return Err(Error::NoVolume { at, found: found(file, at)? }),
        }
    }
    Ok(())
}

/// Refuses a file in which the image is, rather than the image.
///
/// # Errors
/// [`Error::Container`] and [`Error::Read`].
pub fn check_container<S: Source + ?Sized>(file: &S) -> Result<(), Error> {
    match Container::of(file).map_err(read)? {
        Some(found) => Err(Error::Container { found }),
        None => Ok(()),
    }
}

/// The length of the volume at a place, if there is one.
fn volume<S: Source + ?Sized>(file: &S, at: u64) -> Result<Option<u64>, Error> {
    let mut raw = [0; size_of::<Header>()];
    let left = file.len().saturating_sub(at);
    if left < raw.len() as u64 {
        return Ok(None);
    }
    file.read_at(at, &mut raw).map_err(read)?;
    let Ok(header) = Header::ref_from_bytes(&raw) else { return Ok(None) };
    if header.signature != SIGNATURE {
        return Ok(None);
    }
    let corrupt =
        |what, found: String, expected: String| Error::CorruptVolume { at, what, found, expected };
    let header_length = header.header_length.get();
    let whole = u64::from(header_length);
    if !header_length.is_multiple_of(2) || !(raw.len() as u64..=left).contains(&whole) {
        let expected = format!("an even number from {} to {left}", raw.len());
        return Err(corrupt("length of the header", header_length.to_string(), expected));
    }
    let mut words = vec![0; usize::from(header_length)];
    file.read_at(at, &mut words).map_err(read)?;
    let (pairs, _) = words.as_chunks();
    let sum = pairs.iter().fold(0_u16, |sum, pair| sum.wrapping_add(u16::from_le_bytes(*pair)));
    if sum != 0 {
        let right = header.checksum.get().wrapping_sub(sum);
        let found = format!("{:#06x}", header.checksum.get());
        return Err(corrupt("checksum of the header", found, format!("{right:#06x}")));
    }
    let length = header.length.get();
    if length < whole {
        return Err(corrupt("length", length.to_string(), format!("at least {whole}")));
    }
    if length > left {
        return Err(Error::Cut { at, length, left });
    }
    Ok(Some(length))
}

/// Whether the page at a place, or what is left of it, is one byte over and over that flash has
/// where nothing was written.
fn is_erased<S: Source + ?Sized>(file: &S, at: u64) -> Result<bool, Error> {
    let left = usize::try_from(file.len().saturating_sub(at)).unwrap_or(PAGE_SIZE);
    let mut page = vec![0; left.min(PAGE_SIZE)];
    file.read_at(at, &mut page).map_err(read)?;
    let first = page.first().copied().unwrap_or_default();
    Ok(matches!(first, 0 | 0xff) && page.iter().all(|&byte| byte == first))
}

/// The bytes in the place of a signature, for an error.
fn found<S: Source + ?Sized>(file: &S, at: u64) -> Result<[u8; 4], Error> {
    let mut bytes = [0; 4];
    let place = at.saturating_add(std::mem::offset_of!(Header, signature) as u64);
    match file.read_at(place, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(bytes),
        Err(error) => Err(read(error)),
    }
}

fn read(error: io::Error) -> Error {
    Error::Read { kind: error.kind() }
}
