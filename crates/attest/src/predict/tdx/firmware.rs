//! The firmware of a TD: its file, and how it measures.
//!
//! How it measures is said, or known of its file ([`behaviour`]).

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use cvmkit_measure::firmware::behaviour::{self, SecureBootBuild};
use cvmkit_measure::firmware::layout::Layout;
use cvmkit_measure::firmware::{Firmware, TdvfSection, TdvfSectionType};
use cvmkit_measure::tdx::hob::{self, TdHob};
use cvmkit_measure::tdx::mrtd::{self, Mrtd, Rule};
use cvmkit_measure::tdx::rtmr::cfv_digests;
use cvmkit_measure::uefi::variable_store::Variables;
use cvmkit_measure::uefi::variables::SecureBoot;

use super::error::{FirmwareCause, TdError};

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
        behaviour::of_td(self.digest).map(|(layout, _)| layout)
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
        let known = behaviour::of_td(self.digest).map(|(_, build)| build);
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
