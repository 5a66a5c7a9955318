//! What a kernel image says it is.

use cvmkit_formats::source::Source;

/// `header`, offset 0x202 of a bzImage: `HdrS` (Linux `Documentation/arch/x86/boot.rst`).
const MAGIC: (u64, [u8; 4]) = (0x202, *b"HdrS");

/// `kernel_version`, offset 0x20e: 16 bits, little-endian, where the version text is, less 0x200.
const VERSION: u64 = 0x20e;

/// Longest version text that is looked at: what `uname -r` says has 64 bytes at most.
const VERSION_MAX: u64 = 128;

/// What `uname -r` will say under this kernel.
///
/// # Errors
/// What is found instead.
pub(super) fn release<S: Source + ?Sized>(kernel: &S) -> Result<String, String> {
    let io = |error: std::io::Error| error.to_string();
    let mut magic = [0; 4];
    kernel.read_at(MAGIC.0, &mut magic).map_err(io)?;
    if magic != MAGIC.1 {
        return Err(format!("`{}` at byte {:#x}", magic.escape_ascii(), MAGIC.0));
    }
    let mut pointer = [0; 2];
    kernel.read_at(VERSION, &mut pointer).map_err(io)?;
    let at = u64::from(u16::from_le_bytes(pointer)) + 0x200;
    let len = kernel.len().saturating_sub(at).min(VERSION_MAX);
    let mut text = vec![0; usize::try_from(len).unwrap_or_default()];
    kernel.read_at(at, &mut text).map_err(io)?;
    let word = text.split(|&byte| byte == 0 || byte == b' ').next().unwrap_or_default();
    match str::from_utf8(word) {
        Ok(word) if !word.is_empty() => Ok(word.to_owned()),
        _ => Err(format!("no version text at byte {at:#x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_the_first_word_of_the_version() {
        let mut image = vec![0; 0x400];
        assert!(release(&image).is_err());
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&[0x00, 0x01]);
        assert!(release(&image).is_err());
        image[0x300..0x310].copy_from_slice(b"6.12.1-a (b@c) #");
        assert_eq!(release(&image).unwrap(), "6.12.1-a");
        image[0x20f] = 0xff;
        assert!(release(&image).is_err());
        assert!(release(&image[..0x203]).is_err());
    }
}
