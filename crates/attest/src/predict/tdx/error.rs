//! Why nothing can be predicted of a TD: always the fault of what was said or of a file.

use std::path::PathBuf;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::FileError;
use cvmkit_measure::firmware::TdvfError;
use cvmkit_measure::firmware::layout::{LAYOUTS, Layout};
use cvmkit_measure::tdx::prediction::Unknown;
use cvmkit_measure::tdx::rtmr;
use cvmkit_measure::uefi::variable_store;
use cvmkit_measure::{firmware, linux, tdx};
use thiserror::Error;

use super::super::error::PredictionError;

/// Why firmware can't be measured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FirmwareCause {
    /// It can't start a TD, or not in a machine with so little memory.
    #[error(transparent)]
    Tdx(#[from] tdx::Error),
    /// Its CFV section holds no store of UEFI variables.
    #[error(transparent)]
    Variables(#[from] variable_store::Error),
}

impl From<TdvfError> for FirmwareCause {
    fn from(error: TdvfError) -> Self {
        Self::Tdx(error.into())
    }
}

impl From<firmware::Error> for FirmwareCause {
    fn from(error: firmware::Error) -> Self {
        TdvfError::from(error).into()
    }
}

/// Why the registers of a TD can't be predicted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TdError {
    /// A file that can't be opened or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// An output folder without the files of the boot, or an image on a disk that can't be predicted.
    #[error(transparent)]
    Image(#[from] PredictionError),
    /// Firmware with an unknown SHA-256, and no layout given.
    #[error("how `{}` measures is unknown (SHA-256 {digest})", path.display())]
    NoLayout {
        /// Path of the firmware.
        path: PathBuf,
        /// SHA-256 of the file.
        digest: Sha256,
    },
    /// A given layout that contradicts the known one of the file.
    #[error("`{}` is known to measure as {known}, not as {given}", path.display())]
    OtherLayout {
        /// Path of the firmware.
        path: PathBuf,
        /// The layout that was given.
        given: Layout,
        /// The layout of the file's SHA-256.
        known: Layout,
    },
    /// Neither a file of the firmware nor its layout is given.
    #[error("how the firmware measures is unknown, and no file of it is given")]
    NoFirmware,
    /// Firmware with an unknown SHA-256, and not given whether it was built with Secure Boot.
    #[error("whether `{}` was built with Secure Boot is unknown", path.display())]
    NoSecureBoot {
        /// Path of the firmware.
        path: PathBuf,
    },
    /// Secure Boot is given as built in or absent, and the file is known to be the other.
    #[error("whether `{}` was built with Secure Boot is known, and differs from what is given", path.display())]
    OtherSecureBoot {
        /// Path of the firmware.
        path: PathBuf,
    },
    /// Firmware that can't start the TD, or can't be measured.
    #[error("cannot measure `{}`", path.display())]
    Firmware {
        /// Path of the firmware.
        path: PathBuf,
        /// The part of the firmware that is refused.
        source: FirmwareCause,
    },
    /// A kernel that QEMU or the firmware would refuse.
    #[error("cannot measure the kernel `{}`", path.display())]
    Kernel {
        /// Path of the kernel.
        path: PathBuf,
        /// What QEMU or the firmware would refuse.
        source: linux::Error,
    },
    /// A direct boot that the firmware would not start, or whose command line QEMU would cut.
    #[error("cannot predict the boot")]
    Boot(#[source] rtmr::Error),
}

impl From<rtmr::Error> for TdError {
    fn from(error: rtmr::Error) -> Self {
        Self::Boot(error)
    }
}

impl From<Unknown> for TdError {
    fn from(unknown: Unknown) -> Self {
        Self::Boot(unknown.into())
    }
}

/// The names of all layouts of [`LAYOUTS`], oldest first, joined by `, `: for messages.
#[must_use]
pub fn layouts() -> String {
    LAYOUTS.iter().map(|layout| layout.name).collect::<Vec<_>>().join(", ")
}

impl Diagnosis for TdError {
    fn fault(&self) -> Fault {
        match self {
            Self::File(error) if !error.is_not_found() => error.fault(),
            Self::Image(error) => error.fault(),
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::File(error) => return error.hint(),
            Self::Image(error) => return error.hint(),
            Self::NoLayout { .. } | Self::NoFirmware => {
                return Some(format!(
                    "name the latest layout that is not younger than its edk2: {}",
                    layouts()
                ));
            }
            Self::NoSecureBoot { .. } => {
                "Secure Boot is built in if the firmware's event log has data for the variable \
                 SecureBoot, otherwise absent"
            }
            Self::OtherLayout { .. } => "leave the layout out: the file's SHA-256 decides it",
            Self::OtherSecureBoot { .. } => "leave Secure Boot out: the file's SHA-256 decides it",
            Self::Firmware {
                source: FirmwareCause::Tdx(tdx::Error::Tdvf(TdvfError::Firmware(error))),
                ..
            } if error.next_step().is_some() => error.next_step()?,
            Self::Firmware {
                source:
                    FirmwareCause::Tdx(tdx::Error::Tdvf(TdvfError::NoMetadata | TdvfError::Firmware(_))),
                ..
            } => {
                "use a whole firmware image built for TDX, such as Debian's OVMF.fd, not its \
                 variables and not an image split from them"
            }
            Self::Boot(rtmr::Error::Unknown(Unknown::SmbiosTables { .. })) => {
                "give the digest of the event EV_EFI_HANDOFF_TABLES from the event log of such a TD"
            }
            Self::Boot(rtmr::Error::NoAuthority) => {
                "sign the kernel with a key that the firmware's db has, or use firmware without \
                 Secure Boot"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use cvmkit_formats::container::Container;
    use cvmkit_measure::firmware::Error;
    use cvmkit_measure::guid::Guid;

    use super::*;
    use crate::output::{MissingFile, Role};

    fn file(kind: io::ErrorKind) -> FileError {
        FileError { action: "read", path: "folder/a".into(), source: kind.into() }
    }

    fn path() -> PathBuf {
        "OVMF.fd".into()
    }

    fn firmware(source: impl Into<FirmwareCause>) -> TdError {
        TdError::Firmware { path: path(), source: source.into() }
    }

    fn layout(name: &str) -> Layout {
        name.parse().unwrap()
    }

    #[test]
    fn only_a_file_that_is_there_and_cannot_be_read_is_the_environment_s_fault() {
        let denied = io::ErrorKind::PermissionDenied;
        let image = |kind| TdError::from(PredictionError::from(file(kind)));
        for (error, expected) in [
            (TdError::from(file(denied)), Fault::Environment),
            (file(io::ErrorKind::NotFound).into(), Fault::Definition),
            (image(denied), Fault::Environment),
            (image(io::ErrorKind::NotFound), Fault::Definition),
            (TdError::NoFirmware, Fault::Definition),
            (rtmr::Error::NoAuthority.into(), Fault::Definition),
        ] {
            assert_eq!(error.fault(), expected, "{error}");
        }
    }

    /// The releases of edk2 that changed what is measured in a TD.
    #[test]
    fn layouts_are_listed_oldest_first() {
        assert_eq!(
            layouts(),
            "edk2-stable202205, edk2-stable202411, edk2-stable202502, edk2-stable202505, \
             edk2-stable202508"
        );
    }

    #[test]
    fn what_can_be_done_has_a_hint() {
        let container = Container::of(&b"QFI\xfb\0\0\0\x03".to_vec()).unwrap().unwrap();
        let (given, known) = (layout("edk2-stable202205"), layout("edk2-stable202502"));
        let missing = MissingFile { folder: "out".into(), role: Role::Uki };
        let no_table = Error::NoFooterTable { found: Guid::new(7) };
        let smbios = Unknown::SmbiosTables { layout: "edk2-stable202505" };
        let by_layout = format!("not younger than its edk2: {}", layouts());
        for (error, hint) in [
            (TdError::NoFirmware, by_layout.as_str()),
            (TdError::NoLayout { path: path(), digest: Sha256::ZERO }, &by_layout),
            (TdError::NoSecureBoot { path: path() }, "data for the variable SecureBoot"),
            (TdError::OtherLayout { path: path(), given, known }, "leave the layout out"),
            (TdError::OtherSecureBoot { path: path() }, "leave Secure Boot out"),
            (firmware(Error::Container { found: container }), container.hint()),
            (firmware(no_table), "a whole firmware image built for TDX"),
            (firmware(TdvfError::NoMetadata), "a whole firmware image built for TDX"),
            (smbios.into(), "the event EV_EFI_HANDOFF_TABLES"),
            (rtmr::Error::NoAuthority.into(), "sign the kernel with a key"),
            (file(io::ErrorKind::PermissionDenied).into(), "see who may write to `folder`"),
            (PredictionError::from(missing).into(), "predict a direct boot"),
        ] {
            let found = error.hint().unwrap_or_default();
            assert!(found.contains(hint), "{error}: {found}");
        }
        let store = variable_store::Error::NoStore { at: 16, what: "a GUID" };
        for error in [
            firmware(store),
            firmware(tdx::Error::NoCode),
            TdError::Kernel { path: path(), source: linux::Error::NotHigh { found: 0 } },
            Unknown::AcpiTables.into(),
            rtmr::Error::CommandLineNul { at: 1 }.into(),
            file(io::ErrorKind::NotFound).into(),
        ] {
            assert_eq!(error.hint(), None, "{error}");
        }
    }

    #[test]
    fn what_is_unknown_of_a_boot_is_its_cause() {
        let error = TdError::from(Unknown::AcpiTables);
        assert!(
            matches!(error, TdError::Boot(rtmr::Error::Unknown(Unknown::AcpiTables))),
            "{error}"
        );
        let error = FirmwareCause::from(Error::NoSevMetadata);
        let expected = tdx::Error::Tdvf(TdvfError::Firmware(Error::NoSevMetadata));
        assert!(matches!(error, FirmwareCause::Tdx(found) if found == expected));
    }
}
