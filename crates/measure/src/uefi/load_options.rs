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
    /// Before the command line, and a space: edk2-stable202508 and later.
    First,
    /// Behind the command line and a space: earlier edk2.
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

#[cfg(test)]
mod tests {
    use cvmkit_formats::digest::Sha256;

    use super::*;

    /// Values of `tests/folds.py`.
    #[test]
    fn the_initrd_is_named_before_or_behind() {
        for (argument, expected) in [
            (
                InitrdArgument::Last,
                "81acfd3f55a36c4c51d5b57463bce956ee313418025095b7520eba041f0eb5fc",
            ),
            (
                InitrdArgument::First,
                "86024a44477e6fdfa00a79782d6bc55bcc0302ca52ba725309f004b6c843681c",
            ),
        ] {
            let options = argument.load_options(b"quiet", true);
            assert_eq!(Sha256::of(&measured(&options)).to_string(), expected);
            assert_eq!(
                argument.load_options(b"quiet", false),
                "quiet".encode_utf16().collect::<Vec<_>>()
            );
        }
    }

    /// `AsciiStrToUnicodeStrS`: a unit for each byte, so that UTF-8 falls apart.
    #[test]
    fn bytes_become_units() {
        let options = InitrdArgument::Last.load_options("\u{e9}".as_bytes(), false);
        assert_eq!(options, [0xc3, 0xa9]);
        assert_eq!(measured(&options), [0xc3, 0, 0xa9, 0, 0, 0]);
        assert_eq!(measured(&[]), [0, 0]);
    }
}
