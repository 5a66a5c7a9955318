//! How a firmware build measures a boot, by its file or by name.

use std::fmt;
use std::str::FromStr;

use cvmkit_measure::tpm::Behaviour;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::digest::Sha256;

/// Builds of OVMF that measure alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FirmwareBuild {
    /// edk2 2022.11 to 2025.02.
    Ovmf202502,
    /// edk2 2026.08.
    Ovmf202608,
}

/// Names, each with the release it stands for; the first of a build is the one that is printed.
const NAMES: [(&str, FirmwareBuild); 3] = [
    ("ovmf-2025.02", FirmwareBuild::Ovmf202502),
    ("ovmf-2026.08", FirmwareBuild::Ovmf202608),
    ("ovmf-2022.11", FirmwareBuild::Ovmf202502),
];

/// SHA-256 of `OVMF.fd`, `OVMF_CODE_4M.fd` and `OVMF_CODE_4M.*.fd` in Debian's packages ovmf
/// 2022.11-6+deb12u2, ovmf 2025.02-8 and 2025.02-8+deb13u1, ovmf-generic 2026.08+ds-2. Boots of them
/// are in `crates/cli/tests/vtpm`.
const FILES: [(&str, FirmwareBuild); 15] = [
    ("7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773", FirmwareBuild::Ovmf202502),
    ("b157d97b1f69729514feb7f201d2cbe4957f23ab77920e361fe9f822ba49ca4c", FirmwareBuild::Ovmf202502),
    ("d50189a486d22af418198226a3a5bcb6ddac775590f6a808bd629474ee034d62", FirmwareBuild::Ovmf202502),
    ("14954040cc754ade0c625ac3470ea46d4c14318b5b1396de4ef77090203d76db", FirmwareBuild::Ovmf202502),
    ("1a46295574430cfb7f825ee3e4dc64b052acbef08e310377ed7c64cb757a9dc1", FirmwareBuild::Ovmf202502),
    ("624e06de18b4fa535e90db7160d00d3d07d206422b89999bf1e27d920264e4e0", FirmwareBuild::Ovmf202502),
    ("9ee9f2382e0c6aa95c87fed4131f9c1080a084d8ef7bff3d8b89147bf2a34b1b", FirmwareBuild::Ovmf202502),
    ("0b161be29be3838bb572b0db5c1cd3543f74cf16017164c90b99293824d5b333", FirmwareBuild::Ovmf202502),
    ("175c974ee3aacfc6a64db5bcd0880a80939e2fe9a353e0faad43dd6ed4768a7e", FirmwareBuild::Ovmf202502),
    ("4226e006ccff0ec70cb9909c75314b7c46ea90fe15ca9dca757a608d30576310", FirmwareBuild::Ovmf202502),
    ("a12ce2fb8ec4d95938e770005e326c401cacd12fcdb20ea2fa5ed9c75f2a7711", FirmwareBuild::Ovmf202502),
    ("6038b93ae5f86a57cae845e85b2c0382a778406a6e1547b09be1488feca58413", FirmwareBuild::Ovmf202608),
    ("6a3e8f438ad7269f5dfd884647587b88391fb23965bb3aa7902b519438dba129", FirmwareBuild::Ovmf202608),
    ("7e34e3b83224968bb0714c0ebc88f75c5c37b4cc892c902e511ccc7a7c107f94", FirmwareBuild::Ovmf202608),
    ("b3cdbd705066cdf2bb0c0b40b77c341dc2a19e0db56c9af0a54fa1737ff3ee5b", FirmwareBuild::Ovmf202608),
];

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

impl FirmwareBuild {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Ovmf202502, Self::Ovmf202608];

    /// The build that this file is.
    ///
    /// # Errors
    /// A file that no boot was seen with.
    pub fn of_file(digest: Sha256) -> Result<Self, UnknownFirmware> {
        digest.to_string().parse()
    }

    /// What it does.
    #[must_use]
    pub const fn behaviour(self) -> Behaviour {
        match self {
            Self::Ovmf202502 => Behaviour::OVMF_2025_02,
            Self::Ovmf202608 => Behaviour::OVMF_2026_08,
        }
    }
}

impl FromStr for FirmwareBuild {
    type Err = UnknownFirmware;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = || NAMES.iter().chain(FILES.iter());
        let found = known().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, build)| *build).ok_or_else(|| UnknownFirmware { found: text.to_owned() })
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
