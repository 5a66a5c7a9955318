//! How a firmware measures a boot, by its file or by its name: one firmware, one row.
//!
//! A firmware file does not say how it measures. Known are files of Debian by SHA-256, of releases
//! that boots were compared of: `crates/cli/tests/boots/vtpm` and `crates/cli/tests/boots/tdx.rs` boot them, and
//! `tests/tdx_launch.rs` has the MRTDs of those for TDs. What is built in another way (for one
//! technology, with keys enrolled) may measure other boot options, so it is not in the table.

use std::fmt;
use std::str::FromStr;

use cvmkit_formats::digest::Sha256;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::layout::Layout;
use crate::uefi::load_options::InitrdArgument;
use crate::uefi::variables::SecureBoot;

/// What differs between builds of OVMF and reaches a register that is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Where `initrd=initrd` is in the command line of a kernel that QEMU hands over.
    pub initrd_argument: InitrdArgument,
    /// Whether the first `ExitBootServices` fails and the second succeeds where
    /// [`crate::uefi::medium`] says so: two more events in PCR 5.
    pub first_exit_may_fail: bool,
}

impl Behaviour {
    /// Debian's OVMF 2022.11 and 2025.02.
    pub const OVMF_2025_02: Self =
        Self { initrd_argument: InitrdArgument::Last, first_exit_may_fail: false };

    /// Debian's OVMF 2026.08.
    pub const OVMF_2026_08: Self =
        Self { initrd_argument: InitrdArgument::First, first_exit_may_fail: true };
}

/// The releases of OVMF whose boots were compared with predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FirmwareBuild {
    /// Debian 12's OVMF: edk2 2022.11.
    Ovmf202211,
    /// Debian 13's OVMF: edk2 2025.02.
    Ovmf202502,
    /// Debian forky's OVMF: edk2 2026.08.
    Ovmf202608,
}

/// Their names.
const NAMES: [(&str, FirmwareBuild); 3] = [
    ("ovmf-2022.11", FirmwareBuild::Ovmf202211),
    ("ovmf-2025.02", FirmwareBuild::Ovmf202502),
    ("ovmf-2026.08", FirmwareBuild::Ovmf202608),
];

/// What is known of one file.
struct File {
    sha256: &'static str,
    build: FirmwareBuild,
    /// Whether it was built with Secure Boot, where a boot of it has shown that.
    secure_boot: Option<bool>,
    /// The edk2 release whose layout of events a TD has with it, where it was compared with one.
    layout: Option<&'static str>,
}

const fn file(sha256: &'static str, build: FirmwareBuild, secure_boot: Option<bool>) -> File {
    File { sha256, build, secure_boot, layout: None }
}

/// A file that starts TDs too.
const fn whole(
    sha256: &'static str,
    build: FirmwareBuild,
    secure_boot: bool,
    layout: &'static str,
) -> File {
    File { sha256, build, secure_boot: Some(secure_boot), layout: Some(layout) }
}

/// Firmware of Debian. Boots of all but the older release of 2025.02 are in `crates/cli/tests/boots/vtpm`.
const FILES: [File; 16] = {
    use FirmwareBuild::{Ovmf202211, Ovmf202502, Ovmf202608};
    [
        // ovmf 2022.11-6+deb12u2: OVMF.fd, OVMF_CODE_4M.fd, OVMF_CODE_4M.secboot.fd.
        whole(
            "7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773",
            Ovmf202211,
            true,
            "edk2-stable202205",
        ),
        file(
            "b157d97b1f69729514feb7f201d2cbe4957f23ab77920e361fe9f822ba49ca4c",
            Ovmf202211,
            Some(true),
        ),
        file(
            "d50189a486d22af418198226a3a5bcb6ddac775590f6a808bd629474ee034d62",
            Ovmf202211,
            Some(true),
        ),
        // ovmf 2025.02-8+deb13u1: OVMF.fd, OVMF_CODE_4M.secboot.fd, OVMF_CODE_4M.fd,
        // OVMF_CODE_4M.secboot.strictnx.fd.
        whole(
            "14954040cc754ade0c625ac3470ea46d4c14318b5b1396de4ef77090203d76db",
            Ovmf202502,
            false,
            "edk2-stable202502",
        ),
        file(
            "1a46295574430cfb7f825ee3e4dc64b052acbef08e310377ed7c64cb757a9dc1",
            Ovmf202502,
            Some(true),
        ),
        file(
            "624e06de18b4fa535e90db7160d00d3d07d206422b89999bf1e27d920264e4e0",
            Ovmf202502,
            Some(false),
        ),
        file(
            "9ee9f2382e0c6aa95c87fed4131f9c1080a084d8ef7bff3d8b89147bf2a34b1b",
            Ovmf202502,
            Some(true),
        ),
        // ovmf 2025.02-8, the last of them OVMF.fd.
        file("0b161be29be3838bb572b0db5c1cd3543f74cf16017164c90b99293824d5b333", Ovmf202502, None),
        file("175c974ee3aacfc6a64db5bcd0880a80939e2fe9a353e0faad43dd6ed4768a7e", Ovmf202502, None),
        file("a12ce2fb8ec4d95938e770005e326c401cacd12fcdb20ea2fa5ed9c75f2a7711", Ovmf202502, None),
        whole(
            "4226e006ccff0ec70cb9909c75314b7c46ea90fe15ca9dca757a608d30576310",
            Ovmf202502,
            false,
            "edk2-stable202502",
        ),
        // ovmf-generic 2026.08+ds-2: OVMF_CODE_4M.secboot.strictnx.fd, OVMF.fd, OVMF_CODE_4M.fd,
        // OVMF_CODE_4M.secboot.fd.
        file(
            "6038b93ae5f86a57cae845e85b2c0382a778406a6e1547b09be1488feca58413",
            Ovmf202608,
            Some(true),
        ),
        whole(
            "6a3e8f438ad7269f5dfd884647587b88391fb23965bb3aa7902b519438dba129",
            Ovmf202608,
            false,
            "edk2-stable202508",
        ),
        file(
            "7e34e3b83224968bb0714c0ebc88f75c5c37b4cc892c902e511ccc7a7c107f94",
            Ovmf202608,
            Some(false),
        ),
        file(
            "b3cdbd705066cdf2bb0c0b40b77c341dc2a19e0db56c9af0a54fa1737ff3ee5b",
            Ovmf202608,
            Some(true),
        ),
        // ovmf-legacy 2026.08+ds-2: OVMF.legacy.fd. OVMF.inteltdx.ms.fd is not here: with the keys
        // that are in it, it starts nothing that this project could sign.
        whole(
            "2f88d4dc4c4d8391acd9848b582aac434061c3480c30d3414af86a6ff8d5e620",
            Ovmf202608,
            false,
            "edk2-stable202508",
        ),
    ]
};

/// Whether firmware has Secure Boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecureBootBuild {
    /// It has no such variables.
    Absent,
    /// It has, and the keys that its variable store has.
    BuiltIn,
}

impl fmt::Display for SecureBootBuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Absent => "absent",
            Self::BuiltIn => "built-in",
        })
    }
}

impl FromStr for SecureBootBuild {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "absent" => Ok(Self::Absent),
            "built-in" => Ok(Self::BuiltIn),
            _ => Err(format!("expected absent or built-in, found `{text}`")),
        }
    }
}

impl Serialize for SecureBootBuild {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecureBootBuild {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How a TD's events are laid out with the firmware of this digest, and whether it has Secure Boot;
/// none if it is not known.
#[must_use]
pub fn of_td(digest: Sha256) -> Option<(Layout, SecureBootBuild)> {
    let digest = digest.to_string();
    let file = FILES.iter().find(|file| file.sha256 == digest)?;
    let build = match file.secure_boot? {
        true => SecureBootBuild::BuiltIn,
        false => SecureBootBuild::Absent,
    };
    Some((file.layout?.parse().ok()?, build))
}

/// A name or digest of no firmware in the table: how it measures is not known.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "unknown firmware `{found}`: expected ovmf-2022.11, ovmf-2025.02, ovmf-2026.08, or the \
     SHA-256 of an image of these releases from Debian"
)]
pub struct UnknownFirmware {
    /// The name or digest that no row has.
    pub found: String,
}

/// Why it is not known how a file measures.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FirmwareFileError {
    /// The file is not a whole firmware image.
    #[error("not a whole firmware image")]
    NotWhole(#[from] super::Error),
    /// No boot was compared with this file.
    #[error(transparent)]
    Unknown(#[from] UnknownFirmware),
}

impl FirmwareBuild {
    /// The latest of each [`Behaviour`].
    pub const OF_EACH_BEHAVIOUR: [Self; 2] = [Self::Ovmf202502, Self::Ovmf202608];

    /// The build that this file is.
    ///
    /// # Errors
    /// [`FirmwareFileError::NotWhole`], or [`FirmwareFileError::Unknown`] for a file that no boot was
    /// compared with.
    pub fn of_file(image: &[u8]) -> Result<Self, FirmwareFileError> {
        super::check_whole(image)?;
        Ok(Sha256::of(image).to_string().parse::<KnownFirmware>()?.build)
    }

    /// Whether it takes a kernel as it is in its file, where QEMU offers that.
    #[must_use]
    pub const fn takes_kernel_file(self) -> bool {
        !matches!(self, Self::Ovmf202211)
    }

    /// How the build measures, where builds differ.
    #[must_use]
    pub const fn behaviour(self) -> Behaviour {
        match self {
            Self::Ovmf202211 | Self::Ovmf202502 => Behaviour::OVMF_2025_02,
            Self::Ovmf202608 => Behaviour::OVMF_2026_08,
        }
    }
}

/// Firmware by a name, or by the SHA-256 of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownFirmware {
    /// The release, which decides how it measures.
    pub build: FirmwareBuild,
    /// Whether it was built with Secure Boot, if that is known.
    pub secure_boot: Option<bool>,
}

impl KnownFirmware {
    /// What is known of this file.
    ///
    /// # Errors
    /// As [`FirmwareBuild::of_file`].
    pub fn of_file(image: &[u8]) -> Result<Self, FirmwareFileError> {
        super::check_whole(image)?;
        Ok(Sha256::of(image).to_string().parse()?)
    }

    /// The Secure Boot state of a machine of whose variables nothing is said: without keys, if the
    /// firmware has it.
    #[must_use]
    pub fn without_keys(self) -> SecureBoot {
        let enabled = (self.secure_boot == Some(true)).then_some(false);
        SecureBoot { enabled, ..SecureBoot::default() }
    }
}

impl FromStr for KnownFirmware {
    type Err = UnknownFirmware;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((_, build)) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            return Ok(Self { build: *build, secure_boot: None });
        }
        let found = FILES.iter().find(|file| file.sha256.eq_ignore_ascii_case(text));
        let known = |file: &File| Self { build: file.build, secure_boot: file.secure_boot };
        found.map(known).ok_or_else(|| UnknownFirmware { found: text.to_owned() })
    }
}

impl FromStr for FirmwareBuild {
    type Err = UnknownFirmware;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<KnownFirmware>().map(|known| known.build)
    }
}

impl fmt::Display for FirmwareBuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, build)| build == self);
        f.pad(name.map_or("", |(name, _)| name))
    }
}

impl Serialize for FirmwareBuild {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_digest_and_names_a_layout() {
        for file in &FILES {
            let digest: Sha256 = file.sha256.parse().unwrap();
            assert_eq!(file.sha256.parse::<FirmwareBuild>().unwrap(), file.build);
            assert_eq!(of_td(digest).is_some(), file.layout.is_some(), "{}", file.sha256);
        }
        assert_eq!(FILES.iter().filter(|file| file.layout.is_some()).count(), 5);
        assert!(of_td(Sha256::ZERO).is_none());
    }

    #[test]
    fn names_of_builds_round_trip() {
        for build in [SecureBootBuild::Absent, SecureBootBuild::BuiltIn] {
            assert_eq!(build.to_string().parse(), Ok(build));
        }
        assert!("on".parse::<SecureBootBuild>().is_err());
    }
}
