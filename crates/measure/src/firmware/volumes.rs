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

#[cfg(test)]
mod tests {
    use super::*;

    /// A volume of `len` bytes, of which the header says `length`; 72 of header with its block map.
    fn volume(len: usize, length: u64) -> Vec<u8> {
        let mut bytes = vec![0xaa; len];
        bytes[..72].fill(0);
        bytes[32..40].copy_from_slice(&length.to_le_bytes());
        bytes[40..44].copy_from_slice(b"_FVH");
        bytes[48] = 72;
        bytes[55] = 2;
        sealed(bytes)
    }

    fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes[50..52].fill(0);
        let len = usize::from(u16::from_le_bytes([bytes[48], bytes[49]])).min(bytes.len());
        let words = bytes[..len].chunks_exact(2).map(|word| u16::from_le_bytes([word[0], word[1]]));
        let sum = words.fold(0_u16, u16::wrapping_add).wrapping_neg();
        bytes[50..52].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn refusal(file: &[u8]) -> String {
        check_whole(file).unwrap_err().to_string()
    }

    #[test]
    fn volumes_and_erased_pages_follow_each_other() {
        let one = volume(4096, 4096);
        for file in [
            one.clone(),
            [one.clone(), one.clone()].concat(),
            [one.clone(), vec![0xff; 8192], one.clone()].concat(),
            [one.clone(), vec![0; 4096], vec![0xff; 100]].concat(),
        ] {
            assert_eq!(check_whole(&file), Ok(()), "{} bytes", file.len());
        }
        let place = "no firmware volume at 0x1000: expected `_FVH` at 0x1028, found";
        let mut mixed = vec![0xff; 4096];
        mixed[4095] = 0;
        for behind in [mixed, vec![0x11; 4096], b"trailing bytes".to_vec()] {
            let found = refusal(&[one.clone(), behind].concat());
            assert!(found.starts_with(place), "{found}");
        }
        assert!(refusal(&[0xff; 4096]).starts_with("no firmware volume at 0x0"));
        assert!(refusal(&[]).starts_with("no firmware volume at 0x0"));
    }

    /// UEFI PI 1.9, volume 3, section 3.2.1: what the header says of itself and of the volume.
    #[test]
    fn headers_that_contradict_themselves_are_refused() {
        let with_header_length = |length: u16| {
            let mut bytes = volume(4096, 4096);
            bytes[48..50].copy_from_slice(&length.to_le_bytes());
            sealed(bytes)
        };
        let header = "corrupt firmware volume at 0x0: length of the header is";
        for length in [0, 54, 73, 4098, u16::MAX - 1] {
            let expected = format!("{header} {length}, expected an even number from 56 to 4096");
            assert_eq!(refusal(&with_header_length(length)), expected);
        }
        assert_eq!(check_whole(&with_header_length(56)), Ok(()));
        let mut flipped = volume(4096, 4096);
        flipped[54] ^= 1;
        assert!(
            refusal(&flipped).starts_with("corrupt firmware volume at 0x0: checksum of the header")
        );
        assert_eq!(
            refusal(&volume(4096, 71)),
            "corrupt firmware volume at 0x0: length is 71, expected at least 72"
        );
        assert_eq!(
            refusal(&volume(4096, 4097)),
            "the file ends inside the firmware volume at 0x0: expected 4097 bytes, found 4096"
        );
        let later = [volume(4096, 4096), volume(4096, u64::MAX)].concat();
        assert!(refusal(&later).starts_with("the file ends inside the firmware volume at 0x1000"));
    }
}
