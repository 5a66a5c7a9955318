//! The command line that OVMF gives a kernel that QEMU hands over.
//!
//! QEMU has it as bytes, and OVMF makes one UTF-16 unit of each byte (`AsciiStrToUnicodeStrS` in
//! `QemuLoadImageLib`): no text in UTF-8 survives that. It also names the initrd. systemd-stub does
//! something else ([`crate::tpm::Stub::handed_over`]). What a kernel is given is what it measures,
//! whoever keeps the registers.

use serde::Serialize;

/// Where firmware puts `initrd=initrd`, by which the kernel finds the initrd it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitrdArgument {
    /// Before the command line.
    First,
    /// Behind it.
    Last,
}

impl InitrdArgument {
    /// The load options of a kernel with this command line, without a final NUL.
    #[must_use]
    pub fn load_options(self, command_line: &[u8], has_initrd: bool) -> Vec<u16> {
        let (before, behind) = match self {
            _ if !has_initrd => ("", ""),
            Self::First => ("initrd=initrd ", ""),
            Self::Last => ("", " initrd=initrd"),
        };
        let parts = [before.as_bytes(), command_line, behind.as_bytes()];
        parts.concat().into_iter().map(u16::from).collect()
    }
}

/// Load options as the kernel measures them: with their NUL.
#[must_use]
pub fn measured(units: &[u16]) -> Vec<u8> {
    units.iter().chain(&[0]).flat_map(|unit| unit.to_le_bytes()).collect()
}
