//! What a systemd stub measures beside the sections of its image, by its version.
//!
//! Each row of [`KNOWN`] was seen in event logs of boots with that version; versions between them
//! are not guessed at.

use serde::Serialize;

use super::error::Error;
use super::stub_version::StubVersion;

/// What a version of systemd-stub measures and changes, as boots showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stub {
    /// The version that section `.sdmagic` names.
    pub version: StubVersion,
    /// Whether it loads the kernel through the firmware, which measures it into PCR 4 unless Secure
    /// Boot is on; otherwise it starts the kernel itself.
    pub loads_kernel: bool,
    /// Whether it measures SMBIOS tables of the machine into PCR 1.
    pub measures_smbios: bool,
    /// Whether it loses characters above U+FFFF of the command line.
    pub drops_above_ffff: bool,
    /// Whether it adds a console of the machine to a command line without `console=`.
    pub adds_console: bool,
    /// Whether it adds a secret of the machine to the initrd where it can keep a random seed in
    /// the EFI system partition.
    pub adds_boot_secret: bool,
}

/// Debian 13 and forky have these.
const KNOWN: [Stub; 2] = [
    Stub {
        version: StubVersion(257),
        loads_kernel: true,
        measures_smbios: false,
        drops_above_ffff: true,
        adds_console: false,
        adds_boot_secret: false,
    },
    Stub {
        version: StubVersion(262),
        loads_kernel: false,
        measures_smbios: true,
        drops_above_ffff: true,
        adds_console: true,
        adds_boot_secret: true,
    },
];

/// What the version comes after in section `.sdmagic`
/// (`#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####`; systemd-boot(7), "LoaderInfo").
const MARK: &str = "LoaderInfo: systemd-stub ";

impl Stub {
    /// The stub with this section `.sdmagic`.
    ///
    /// # Errors
    /// [`Error::NoStub`] and [`Error::UnknownStub`].
    pub fn of_magic(magic: &[u8]) -> Result<Self, Error> {
        let text = String::from_utf8_lossy(magic);
        let (_, version) = text.split_once(MARK).ok_or(Error::NoStub)?;
        let digits = version.split(|c: char| !c.is_ascii_digit()).next();
        let found = digits.and_then(|digits| digits.parse().ok()).ok_or(Error::NoStub)?;
        let unknown = || {
            let known: Vec<_> = KNOWN.iter().map(|stub| stub.version.to_string()).collect();
            Error::UnknownStub { found, known: known.join(", ") }
        };
        KNOWN.into_iter().find(|stub| stub.version.0 == found).ok_or_else(unknown)
    }
}

impl Stub {
    /// The command line that it makes of section `.cmdline`: characters above U+FFFF are lost when it
    /// becomes UTF-16, then control characters become spaces, and the ends lose theirs (systemd,
    /// `xstrn8_to_16` and `mangle_stub_cmdline` of `src/boot/efi-string.c`).
    #[must_use]
    pub fn handed_over(&self, section: &str) -> String {
        let is_space = |c: char| c <= ' ' || c == '\x7f';
        let text = section.split('\0').next().unwrap_or_default();
        let is_kept = |c: &char| !self.drops_above_ffff || c.len_utf16() == 1;
        let kept: String = text.chars().filter(is_kept).collect();
        let trimmed = kept.trim_matches(is_space);
        trimmed.chars().map(|c| if is_space(c) { ' ' } else { c }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_versions_are_taken() {
        let debian = Stub::of_magic(b"#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####\0\0");
        assert_eq!(debian.unwrap().version, StubVersion(257));
        let error = Stub::of_magic(b"#### LoaderInfo: systemd-stub 260-1 ####").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown systemd-stub 260: what it measures is not known, expected 257, 262"
        );
        for other in [&b""[..], b"#### LoaderInfo: systemd-boot 257 ####", b"\xff", MARK.as_bytes()]
        {
            assert!(matches!(Stub::of_magic(other), Err(Error::NoStub)), "{other:?}");
        }
    }

    #[test]
    fn command_lines_lose_their_ends() {
        for stub in KNOWN {
            assert_eq!(stub.handed_over(" \t quiet\n\x7fro \n\0hidden"), "quiet  ro");
            assert_eq!(stub.handed_over("\n"), "");
            assert_eq!(stub.handed_over("a=é漢 b=\u{1f600}c \u{1f600}"), "a=é漢 b=c");
        }
    }
}
