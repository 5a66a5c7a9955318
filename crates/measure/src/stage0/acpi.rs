//! The ACPI tables: stage0 measures what QEMU gives it to make them from.

use std::ops::Range;

use cvmkit_formats::digest::Sha256;
use sha2::{Digest as _, Sha256 as Hasher};
use thiserror::Error;

use super::AcpiDigest;

/// Bytes of a command of `etc/table-loader` (`BiosLinkerLoaderEntry` in QEMU's
/// hw/acpi/bios-linker-loader.c).
const COMMAND_LEN: usize = 128;
/// `BIOS_LINKER_LOADER_COMMAND_ALLOCATE`.
const ALLOCATE: u32 = 1;
/// Bytes of a file name in a command.
const NAME_LEN: usize = 56;

/// Why there is no digest.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcpiError {
    /// The loader is not a list of whole commands.
    #[error("`etc/table-loader` has {found} bytes, expected a multiple of {COMMAND_LEN}")]
    Length {
        /// Bytes of the loader.
        found: usize,
    },
    /// A command that names no file.
    #[error("the command at {at:#x} of `etc/table-loader` names no file, expected text and a NUL")]
    Name {
        /// Byte offset of the command in the loader.
        at: usize,
    },
    /// A file that is not there.
    #[error("`etc/table-loader` at {at:#x} needs the file `{name}`, which is not given")]
    Missing {
        /// Byte offset of the command in the loader.
        at: usize,
        /// Name of the file in fw_cfg.
        name: String,
    },
}

/// Addresses for PCI devices, which stage0 measures since Oak's commit ba19d887bc of 2026-08-14.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PciWindows {
    /// I/O ports, from the first to behind the last.
    pub ports: Range<u16>,
    /// Addresses below 4 GiB, from the first to behind the last.
    pub memory32: Range<u32>,
    /// Addresses above 4 GiB, from the first to behind the last.
    pub memory64: Range<u64>,
}

/// The digest over `etc/table-loader`, the PCI windows where stage0 is new enough to measure them
/// and finds a PCI bus, and each file in the order in which the loader allocates them: all as
/// QEMU's fw_cfg device gives it.
///
/// # Errors
/// Any of [`AcpiError`].
pub fn acpi_digest<'a>(
    loader: &[u8],
    windows: Option<&PciWindows>,
    file: impl Fn(&str) -> Option<&'a [u8]>,
) -> Result<AcpiDigest, AcpiError> {
    let (commands, rest) = loader.as_chunks::<COMMAND_LEN>();
    if !rest.is_empty() {
        return Err(AcpiError::Length { found: loader.len() });
    }
    let mut digest = Hasher::new();
    digest.update(loader);
    if let Some(PciWindows { ports, memory32, memory64 }) = windows {
        for port in [ports.start, ports.end] {
            digest.update(port.to_le_bytes());
        }
        for address in [memory32.start, memory32.end] {
            digest.update(address.to_le_bytes());
        }
        for address in [memory64.start, memory64.end] {
            digest.update(address.to_le_bytes());
        }
    }
    for (index, command) in commands.iter().enumerate() {
        let at = index * COMMAND_LEN;
        if let Some(name) = allocated(command, at)? {
            let missing = || AcpiError::Missing { at, name: name.to_owned() };
            digest.update(file(name).ok_or_else(missing)?);
        }
    }
    Ok(AcpiDigest(Sha256(digest.finalize().into())))
}

/// The file a command allocates; none for the other commands.
fn allocated(command: &[u8; COMMAND_LEN], at: usize) -> Result<Option<&str>, AcpiError> {
    let Some((tag, body)) = command.split_first_chunk::<4>() else { return Ok(None) };
    if u32::from_le_bytes(*tag) != ALLOCATE {
        return Ok(None);
    }
    let name = body.get(..NAME_LEN).unwrap_or_default().split(|byte| *byte == 0).next();
    let name = name.filter(|name| !name.is_empty() && name.len() < NAME_LEN);
    let text = name.and_then(|name| std::str::from_utf8(name).ok());
    text.map(Some).ok_or(AcpiError::Name { at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(tag: u32, name: &[u8]) -> Vec<u8> {
        let mut command = tag.to_le_bytes().to_vec();
        command.extend(name);
        command.resize(COMMAND_LEN, 0);
        command
    }

    fn digest(loader: &[u8], windows: Option<&PciWindows>) -> Result<String, String> {
        let file = |name: &str| match name {
            "etc/acpi/rsdp" => Some(&b"rsdp"[..]),
            "etc/acpi/tables" => Some(&b"tables"[..]),
            _ => None,
        };
        let digest = acpi_digest(loader, windows, file);
        digest.map(|digest| digest.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn commands_windows_and_files_are_hashed_in_this_order() {
        let loader = [
            command(1, b"etc/acpi/tables"),
            command(2, b"etc/acpi/rsdp"),
            command(1, b"etc/acpi/rsdp"),
        ]
        .concat();
        let hashed = [loader.as_slice(), b"tables", b"rsdp"].concat();
        assert_eq!(digest(&loader, None).unwrap(), Sha256::of(&hashed).to_string());
        let windows = PciWindows { ports: 1..2, memory32: 3..4, memory64: 5..6 };
        let between = [
            &[1, 0, 2, 0][..],
            &[3, 0, 0, 0, 4, 0, 0, 0],
            &[5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0],
        ];
        let hashed = [loader.as_slice(), &between.concat(), b"tables", b"rsdp"].concat();
        assert_eq!(digest(&loader, Some(&windows)).unwrap(), Sha256::of(&hashed).to_string());
        assert_eq!(digest(&[], None).unwrap(), Sha256::of(b"").to_string());
    }

    #[test]
    fn commands_that_name_no_file_are_refused() {
        let no_name =
            "the command at 0x80 of `etc/table-loader` names no file, expected text and a NUL";
        for name in [&b""[..], b"\xff", &[b'x'; NAME_LEN]] {
            let loader = [command(3, b""), command(1, name)].concat();
            assert_eq!(digest(&loader, None).unwrap_err(), no_name);
        }
        let missing = digest(&command(1, &[b'x'; NAME_LEN - 1]), None).unwrap_err();
        assert!(missing.ends_with("xxx`, which is not given"), "{missing}");
        assert_eq!(
            digest(&command(1, b"")[..127], None).unwrap_err(),
            "`etc/table-loader` has 127 bytes, expected a multiple of 128"
        );
    }
}
