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

/// A whole firmware image, and what is known of its file.
#[derive(Clone, Debug)]
pub struct TdFirmware {
    path: PathBuf,
    bytes: Vec<u8>,
    digest: Sha256,
    cfv: OnceLock<Digests>,
}

impl TdFirmware {
    /// The image with these bytes; errors name it by the path, which is not opened.
    ///
    /// # Errors
    /// [`TdError::Firmware`] for bytes that are not a whole firmware image.
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

    /// The path by which errors name it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The layout of firmware with this SHA-256 ([`behaviour::of_td`]); none for an unknown file.
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

    /// The operations by which a VMM that follows `rule` builds the TD's initial memory.
    ///
    /// # Errors
    /// [`TdError::Firmware`] for firmware that can't start a TD.
    pub fn launch<'a>(&'a self, rule: &Rule<'a>) -> Result<mrtd::Launch<'a>, TdError> {
        mrtd::launch(&self.parsed()?, rule).map_err(|error| self.refused(error))
    }

    /// The MRTD of a TD with this firmware: [`mrtd::Launch::digest`] of [`TdFirmware::launch`].
    ///
    /// # Errors
    /// As [`TdFirmware::launch`].
    pub fn mrtd(&self, rule: &Rule<'_>) -> Result<Mrtd, TdError> {
        Ok(self.launch(rule)?.digest())
    }

    /// Layout and Secure Boot: each as it is given, or as it is known of the file. What is given and known
    /// must agree.
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

    /// Bytes of the memory of a `q35` machine whose TD HOB has this digest, found by trying whole MiB up
    /// to 16 GiB and whole GiB up to 4 TiB; none if no such machine has it.
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
    use cvmkit_measure::firmware::TdvfError;
    use cvmkit_measure::gpa::Gpa;
    use cvmkit_measure::tdx::Error;
    use cvmkit_measure::uefi::variable_store;

    use super::*;
    use crate::tests::debian_firmware;
    use crate::tests::ovmf_image::OvmfImage;
    use crate::tests::tdvf_image::{EDK2_MEMORY, empty_variables, whole_firmware};

    /// Debian's files of `FILES` in `measure::firmware::behaviour`: release, layout, Secure Boot.
    const KNOWN: [(&str, &str, SecureBootBuild); 3] = [
        (
            "7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773",
            "edk2-stable202205",
            SecureBootBuild::BuiltIn,
        ),
        (
            "14954040cc754ade0c625ac3470ea46d4c14318b5b1396de4ef77090203d76db",
            "edk2-stable202502",
            SecureBootBuild::Absent,
        ),
        (
            "6a3e8f438ad7269f5dfd884647587b88391fb23965bb3aa7902b519438dba129",
            "edk2-stable202508",
            SecureBootBuild::Absent,
        ),
    ];

    fn firmware(variables: &[u8]) -> TdFirmware {
        let bytes = whole_firmware(0x40_0000, variables, &EDK2_MEMORY);
        TdFirmware::new(Path::new("OVMF.fd"), bytes).unwrap()
    }

    /// A file of this digest: how it measures is all that is asked.
    fn of_digest(digest: &str) -> TdFirmware {
        let (path, cfv) = ("OVMF.fd".into(), OnceLock::new());
        TdFirmware { path, bytes: Vec::new(), digest: digest.parse().unwrap(), cfv }
    }

    fn layout(name: &str) -> Layout {
        name.parse().unwrap()
    }

    #[test]
    fn a_known_file_says_how_it_measures() {
        for (digest, name, build) in KNOWN {
            let (firmware, known) = (of_digest(digest), layout(name));
            assert_eq!(firmware.known_layout(), Some(known));
            for (given, secure_boot) in
                [(None, None), (Some(known), None), (None, Some(build)), (Some(known), Some(build))]
            {
                assert_eq!(firmware.behaviour(given, secure_boot).unwrap(), (known, build));
            }
            let other = layout("edk2-stable202411");
            match firmware.behaviour(Some(other), None).unwrap_err() {
                TdError::OtherLayout { path, given, known: found } => {
                    assert_eq!((path, given, found), ("OVMF.fd".into(), other, known));
                }
                error => panic!("{error}"),
            }
            let other = match build {
                SecureBootBuild::Absent => SecureBootBuild::BuiltIn,
                SecureBootBuild::BuiltIn => SecureBootBuild::Absent,
            };
            let error = firmware.behaviour(None, Some(other)).unwrap_err();
            assert!(matches!(error, TdError::OtherSecureBoot { .. }), "{error}");
        }
    }

    #[test]
    fn an_unknown_file_must_be_described() {
        let firmware = firmware(&empty_variables());
        let given = layout("edk2-stable202411");
        assert_eq!(firmware.known_layout(), None);
        for build in [SecureBootBuild::Absent, SecureBootBuild::BuiltIn] {
            let found = firmware.behaviour(Some(given), Some(build)).unwrap();
            assert_eq!(found, (given, build));
        }
        match firmware.behaviour(None, Some(SecureBootBuild::Absent)).unwrap_err() {
            TdError::NoLayout { path, digest } => {
                assert_eq!((path, digest), ("OVMF.fd".into(), Sha256::of(&firmware.bytes)));
            }
            error => panic!("{error}"),
        }
        match firmware.behaviour(Some(given), None).unwrap_err() {
            TdError::NoSecureBoot { path } => assert_eq!(path, Path::new("OVMF.fd")),
            error => panic!("{error}"),
        }
    }

    /// MRTDs of td-shim's `td_shim_tee_info_hash.py`, in one pass and in two
    /// (`measure/tests/fixtures/README.md`).
    #[test]
    fn the_mrtd_of_debian_s_firmware_is_td_shim_s() {
        let rows = [
            (
                "7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773",
                "4c7206f0f483c524f12c366c711e9049030a8d47c471ee5aa9c4999a08de4057\
                 fb887fed0744d5631a212967fb231c47",
                "acccbcc870a381adab0d3919d90a7f268ac3b0364771f202ed4bb4e892d045b3\
                 3db3b32e6924cba830a724eed443f7e1",
            ),
            (
                "14954040cc754ade0c625ac3470ea46d4c14318b5b1396de4ef77090203d76db",
                "bdc6fb145880f06f30c8b346b8dce2a99d9351b56892df22f80fcf6574caa9f9\
                 c31df8e8576d53b4d0cd1c3f28910e11",
                "456f07902150d008bb913c3e1e84e9297f735a6c83cd2a957a1f0a8bbedb06df\
                 188e3837ae48d32c73d473d097dc0db2",
            ),
        ];
        for image in debian_firmware::images() {
            let firmware = TdFirmware::new(&image.path, image.bytes).unwrap();
            assert_eq!(firmware.path(), image.path);
            let digest = firmware.digest().to_string();
            let Some((_, single, two)) = rows.iter().find(|(known, ..)| *known == digest) else {
                continue;
            };
            for (major, expected) in [(9, single), (8, two)] {
                let mrtd = firmware.mrtd(&Rule::of_qemu(major)).unwrap();
                assert_eq!(mrtd.to_string(), **expected, "{}", image.package.name);
            }
        }
    }

    #[test]
    fn what_cannot_start_a_td_is_refused_with_its_path() {
        let refused = |error: TdError| match error {
            TdError::Firmware { path, source } => {
                assert_eq!(path, Path::new("OVMF.fd"));
                source
            }
            error => panic!("{error}"),
        };
        for bytes in [Vec::new(), vec![0; 4096]] {
            let error = TdFirmware::new(Path::new("OVMF.fd"), bytes).unwrap_err();
            let source = refused(error);
            assert!(
                matches!(source, FirmwareCause::Tdx(Error::Tdvf(TdvfError::Firmware(_)))),
                "{source}"
            );
        }
        // Firmware of SEV alone.
        let sev = OvmfImage::default().bytes();
        let sev = TdFirmware::new(Path::new("OVMF.fd"), sev).unwrap();
        let rule = Rule::of_qemu(10);
        for error in [
            sev.mrtd(&rule).unwrap_err(),
            sev.launch(&rule).unwrap_err(),
            sev.cfv().unwrap_err(),
            sev.added_memory().unwrap_err(),
            sev.secure_boot(SecureBootBuild::BuiltIn).unwrap_err(),
        ] {
            let source = refused(error);
            assert!(
                matches!(source, FirmwareCause::Tdx(Error::Tdvf(TdvfError::NoMetadata))),
                "{source}"
            );
        }
        assert_eq!(sev.memory_of_hob(Sha384::ZERO), None);
        assert_eq!(of_digest(KNOWN[0].0).memory_of_hob(Sha384::ZERO), None);
    }

    #[test]
    fn the_volume_of_variables_is_measured_as_it_is_in_the_file() {
        let mut variables = empty_variables();
        let empty = firmware(&variables);
        // Once computed, once kept.
        assert_eq!(empty.cfv().unwrap(), Digests::of(&variables));
        assert_eq!(empty.cfv().unwrap(), Digests::of(&variables));
        *variables.last_mut().unwrap() ^= 1;
        assert_eq!(firmware(&variables).cfv().unwrap(), Digests::of(&variables));
    }

    /// UEFI 2.11, section 32.3: without a platform key Secure Boot is off.
    #[test]
    fn the_secure_boot_state_is_that_of_the_variables_in_the_file() {
        let empty = firmware(&empty_variables());
        let off = SecureBoot { enabled: Some(false), ..SecureBoot::default() };
        assert_eq!(empty.secure_boot(SecureBootBuild::BuiltIn).unwrap(), off);
        let none = SecureBoot::default();
        assert_eq!(empty.secure_boot(SecureBootBuild::Absent).unwrap(), none);
        // Firmware without Secure Boot has no variables that count.
        let other = firmware(&[0x5a; 0x1000]);
        assert_eq!(other.secure_boot(SecureBootBuild::Absent).unwrap(), none);
        match other.secure_boot(SecureBootBuild::BuiltIn).unwrap_err() {
            TdError::Firmware { path, source: FirmwareCause::Variables(source) } => {
                assert_eq!(path, Path::new("OVMF.fd"));
                assert!(
                    matches!(source, variable_store::Error::NoStore { at: 16, .. }),
                    "{source}"
                );
            }
            error => panic!("{error}"),
        }
    }

    /// What edk2 reserved until its release of May 2025, by address.
    #[test]
    fn memory_that_the_vmm_adds_is_listed_by_address() {
        let firmware = firmware(&empty_variables());
        let sections = firmware.added_memory().unwrap();
        let found: Vec<_> = sections.iter().map(|section| (section.gpa, section.size)).collect();
        let expected = [
            (Gpa(0x80_0000), 0x6000),
            (Gpa(0x80_9000), 0x2000),
            (Gpa(0x80_b000), 0x2000),
            (Gpa(0x81_0000), 0x1_0000),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_size_of_the_memory_is_found_by_the_td_hob() {
        const MIB: u64 = 1 << 20;
        const GIB: u64 = 1 << 30;
        let firmware = firmware(&empty_variables());
        let parsed = firmware.parsed().unwrap();
        let of = |memory| {
            let hob = TdHob::q35(&parsed, memory).unwrap();
            firmware.memory_of_hob(Sha384::of(&hob.measured_bytes()))
        };
        // The sections end at 8.125 MiB; MiB count up to 16 GiB, then GiB up to 4 TiB.
        for memory in [9 * MIB, 2 * GIB, 2 * GIB + MIB, 16 * GIB, 17 * GIB, 4096 * GIB] {
            assert_eq!(of(memory), Some(memory), "{memory:#x}");
        }
        for memory in [2 * GIB + 1, 16 * GIB + MIB, 4097 * GIB] {
            assert_eq!(of(memory), None, "{memory:#x}");
        }
    }
}
