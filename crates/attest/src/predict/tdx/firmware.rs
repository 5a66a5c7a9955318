//! The firmware of a TD: its file, and how it measures.
//!
//! A firmware file does not say how it measures. Known are files of Debian by SHA-256, of releases
//! that boots were compared of: `crates/cli/tests/tdx.rs` boots one of each, and
//! `crates/measure/tests/tdx_launch.rs` has the MRTDs of all. What is built in another way (for one
//! technology, with keys enrolled) may measure other boot options, so it is not in the list.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use cvmkit_measure::firmware::{Firmware, TdvfSection, TdvfSectionType};
use cvmkit_measure::tdx::hob::{self, TdHob};
use cvmkit_measure::tdx::layout::Layout;
use cvmkit_measure::tdx::mrtd::{self, Mrtd, Rule};
use cvmkit_measure::tdx::rtmr::cfv_digests;
use cvmkit_measure::uefi::variable_store::Variables;
use cvmkit_measure::uefi::variables::SecureBoot;

use super::{FirmwareCause, TdError};

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

/// How one image measures.
#[derive(Clone, Copy, Debug)]
struct Known {
    sha256: &'static str,
    layout: &'static str,
    secure_boot: SecureBootBuild,
}

const KNOWN: &[Known] = &[
    // ovmf 2022.11-6+deb12u2, OVMF.fd
    Known {
        sha256: "7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773",
        layout: "edk2-stable202205",
        secure_boot: SecureBootBuild::BuiltIn,
    },
    // ovmf 2025.02-8, OVMF.fd
    Known {
        sha256: "4226e006ccff0ec70cb9909c75314b7c46ea90fe15ca9dca757a608d30576310",
        layout: "edk2-stable202502",
        secure_boot: SecureBootBuild::Absent,
    },
    // ovmf 2025.02-8+deb13u1, OVMF.fd
    Known {
        sha256: "14954040cc754ade0c625ac3470ea46d4c14318b5b1396de4ef77090203d76db",
        layout: "edk2-stable202502",
        secure_boot: SecureBootBuild::Absent,
    },
    // ovmf-generic 2026.08+ds-2, OVMF.fd
    Known {
        sha256: "6a3e8f438ad7269f5dfd884647587b88391fb23965bb3aa7902b519438dba129",
        layout: "edk2-stable202508",
        secure_boot: SecureBootBuild::Absent,
    },
    // ovmf-legacy 2026.08+ds-2, OVMF.legacy.fd
    Known {
        sha256: "2f88d4dc4c4d8391acd9848b582aac434061c3480c30d3414af86a6ff8d5e620",
        layout: "edk2-stable202508",
        secure_boot: SecureBootBuild::Absent,
    },
];

impl Known {
    fn of(digest: Sha256) -> Option<&'static Self> {
        let digest = digest.to_string();
        KNOWN.iter().find(|known| known.sha256 == digest)
    }

    fn layout(&self) -> Option<Layout> {
        self.layout.parse().ok()
    }
}

/// A whole firmware image that can start a TD.
#[derive(Clone, Debug)]
pub struct TdFirmware {
    path: PathBuf,
    bytes: Vec<u8>,
    digest: Sha256,
    cfv: OnceLock<Digests>,
}

impl TdFirmware {
    /// The image with these bytes; the path is what errors name it by.
    ///
    /// # Errors
    /// [`TdError::Firmware`]: something else.
    pub fn new(path: &Path, bytes: Vec<u8>) -> Result<Self, TdError> {
        let digest = Sha256::of(&bytes);
        let cfv = OnceLock::new();
        let firmware = Self { path: path.to_owned(), bytes, digest, cfv };
        firmware.parsed()?;
        Ok(firmware)
    }

    /// SHA-256 of the file.
    #[must_use]
    pub const fn digest(&self) -> Sha256 {
        self.digest
    }

    /// The file's name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The layout, if that of this file is known.
    #[must_use]
    pub fn known_layout(&self) -> Option<Layout> {
        Known::of(self.digest).and_then(Known::layout)
    }

    pub(super) fn parsed(&self) -> Result<Firmware<'_>, TdError> {
        Firmware::parse(&self.bytes).map_err(|error| self.refused(error))
    }

    pub(super) fn refused(&self, source: impl Into<FirmwareCause>) -> TdError {
        TdError::Firmware { path: self.path.clone(), source: source.into() }
    }

    /// How a VMM puts it into memory.
    ///
    /// # Errors
    /// [`TdError::Firmware`]: firmware that can't start a TD.
    pub fn launch<'a>(&'a self, rule: &Rule<'a>) -> Result<mrtd::Launch<'a>, TdError> {
        mrtd::launch(&self.parsed()?, rule).map_err(|error| self.refused(error))
    }

    /// [`mrtd::Launch::digest`] of [`TdFirmware::launch`].
    ///
    /// # Errors
    /// As there.
    pub fn mrtd(&self, rule: &Rule<'_>) -> Result<Mrtd, TdError> {
        Ok(self.launch(rule)?.digest())
    }

    /// How it measures: what is said of it, or what is known of the file; where both are they must
    /// agree.
    ///
    /// # Errors
    /// [`TdError::NoLayout`], [`TdError::OtherLayout`], [`TdError::NoSecureBoot`] and
    /// [`TdError::OtherSecureBoot`].
    pub fn behaviour(
        &self,
        layout: Option<Layout>,
        secure_boot: Option<SecureBootBuild>,
    ) -> Result<(Layout, SecureBootBuild), TdError> {
        let path = || self.path.clone();
        let layout = match (layout, self.known_layout()) {
            (Some(given), Some(known)) if given != known => {
                return Err(TdError::OtherLayout { path: path(), given, known });
            }
            (given, known) => given.or(known),
        };
        let layout =
            layout.ok_or_else(|| TdError::NoLayout { path: path(), digest: self.digest })?;
        let known = Known::of(self.digest).map(|known| known.secure_boot);
        match (secure_boot, known) {
            (Some(given), Some(known)) if given != known => {
                Err(TdError::OtherSecureBoot { path: path() })
            }
            (given, known) => {
                let build = given.or(known);
                Ok((layout, build.ok_or_else(|| TdError::NoSecureBoot { path: path() })?))
            }
        }
    }

    /// [`hob::added`]: the memory that the TD HOB calls accepted.
    pub(crate) fn added_memory(&self) -> Result<Vec<TdvfSection<'_>>, TdError> {
        hob::added(&self.parsed()?).map_err(|error| self.refused(error))
    }

    /// The volume of variables as it is in the file, hashed once.
    pub(super) fn cfv(&self) -> Result<Digests, TdError> {
        if let Some(digests) = self.cfv.get() {
            return Ok(*digests);
        }
        let digests = cfv_digests(&self.parsed()?).map_err(|error| self.refused(error))?;
        Ok(*self.cfv.get_or_init(|| digests))
    }

    /// The size of the memory of a `q35` machine whose TD HOB has this digest: of whole MiB up to
    /// 16 GiB, and of whole GiB up to 4 TiB.
    #[must_use]
    pub fn memory_of_hob(&self, digest: Sha384) -> Option<u64> {
        let firmware = self.parsed().ok()?;
        let is_it = |memory: &u64| {
            let hob = TdHob::q35(&firmware, *memory);
            hob.is_ok_and(|hob| Sha384::of(&hob.measured_bytes()) == digest)
        };
        let small = (1..=16 << 10).map(|mib| mib << 20);
        small.chain((17..=4 << 10).map(|gib| gib << 30)).find(is_it)
    }

    /// The Secure Boot state of a TD: its variables are those in the file.
    pub(super) fn secure_boot(&self, build: SecureBootBuild) -> Result<SecureBoot, TdError> {
        match build {
            SecureBootBuild::Absent => Ok(SecureBoot::default()),
            SecureBootBuild::BuiltIn => {
                let firmware = self.parsed()?;
                let section = firmware.tdvf_section(TdvfSectionType::Cfv);
                let section = section.map_err(|error| self.refused(error))?;
                let variables = Variables::read(section.data).map_err(|e| self.refused(e))?;
                Ok(SecureBoot::of(&variables))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_names_a_layout_and_a_digest() {
        for known in KNOWN {
            let digest: Sha256 = known.sha256.parse().unwrap();
            assert_eq!(Known::of(digest).unwrap().layout, known.layout);
            assert!(known.layout().is_some(), "{known:?}");
        }
        assert!(Known::of(Sha256::ZERO).is_none());
    }

    #[test]
    fn names_of_builds_round_trip() {
        for build in [SecureBootBuild::Absent, SecureBootBuild::BuiltIn] {
            assert_eq!(build.to_string().parse(), Ok(build));
        }
        assert!("on".parse::<SecureBootBuild>().is_err());
    }
}
