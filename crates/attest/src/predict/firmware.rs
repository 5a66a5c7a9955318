//! How a firmware build measures a boot, by its file or by name.

use std::fmt;
use std::str::FromStr;

use cvmkit_formats::digest::Sha256;
use cvmkit_measure::firmware;
use cvmkit_measure::tpm::Behaviour;
use cvmkit_measure::uefi::variables::SecureBoot;
use serde::{Serialize, Serializer};
use thiserror::Error;

/// Releases of OVMF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FirmwareBuild {
    /// edk2 2022.11.
    Ovmf202211,
    /// edk2 2025.02.
    Ovmf202502,
    /// edk2 2026.08.
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
}

const fn file(sha256: &'static str, build: FirmwareBuild, secure_boot: Option<bool>) -> File {
    File { sha256, build, secure_boot }
}

/// Firmware of Debian. Boots of all but the older release of 2025.02 are in `crates/cli/tests/vtpm`.
const FILES: [File; 16] = {
    use FirmwareBuild::{Ovmf202211, Ovmf202502, Ovmf202608};
    [
        // ovmf 2022.11-6+deb12u2: OVMF.fd, OVMF_CODE_4M.fd, OVMF_CODE_4M.secboot.fd.
        file(
            "7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773",
            Ovmf202211,
            Some(true),
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
        file(
            "14954040cc754ade0c625ac3470ea46d4c14318b5b1396de4ef77090203d76db",
            Ovmf202502,
            Some(false),
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
        file(
            "4226e006ccff0ec70cb9909c75314b7c46ea90fe15ca9dca757a608d30576310",
            Ovmf202502,
            Some(false),
        ),
        // ovmf-generic 2026.08+ds-2: OVMF_CODE_4M.secboot.strictnx.fd, OVMF.fd, OVMF_CODE_4M.fd,
        // OVMF_CODE_4M.secboot.fd.
        file(
            "6038b93ae5f86a57cae845e85b2c0382a778406a6e1547b09be1488feca58413",
            Ovmf202608,
            Some(true),
        ),
        file(
            "6a3e8f438ad7269f5dfd884647587b88391fb23965bb3aa7902b519438dba129",
            Ovmf202608,
            Some(false),
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
        file(
            "2f88d4dc4c4d8391acd9848b582aac434061c3480c30d3414af86a6ff8d5e620",
            Ovmf202608,
            Some(false),
        ),
    ]
};

/// A firmware of which it is not known how it measures.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "it is not known how firmware `{found}` measures, expected ovmf-2022.11, ovmf-2025.02, \
     ovmf-2026.08, or the SHA-256 of an image of these releases from Debian"
)]
pub struct UnknownFirmware {
    /// What was given.
    pub found: String,
}

/// A file of which it can't be said how it measures.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FirmwareFileError {
    /// It is no whole firmware image.
    #[error("it is no whole firmware image")]
    NotWhole(#[from] firmware::Error),
    /// No boot was seen with it.
    #[error(transparent)]
    Unknown(#[from] UnknownFirmware),
}

impl FirmwareBuild {
    /// The latest of each [`Behaviour`].
    pub const OF_EACH_BEHAVIOUR: [Self; 2] = [Self::Ovmf202502, Self::Ovmf202608];

    /// The build that this file is.
    ///
    /// # Errors
    /// A file that is no whole firmware image, and one that no boot was seen with.
    pub fn of_file(image: &[u8]) -> Result<Self, FirmwareFileError> {
        firmware::check_whole(image)?;
        Ok(Sha256::of(image).to_string().parse::<KnownFirmware>()?.build)
    }

    /// Whether it takes a kernel as it is in its file, where QEMU offers that.
    #[must_use]
    pub const fn takes_kernel_file(self) -> bool {
        !matches!(self, Self::Ovmf202211)
    }

    /// What it does.
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
    /// How it measures.
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
        firmware::check_whole(image)?;
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
