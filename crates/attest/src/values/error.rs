//! Why there are no reference values.

use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::FileError;
use cvmkit_measure::firmware::behaviour::UnknownFirmware;
use cvmkit_measure::kernel_hashes::CmdlineNulError;
use cvmkit_measure::{firmware, se, snp, tpm};
use thiserror::Error;

use crate::output::Role;
use crate::predict::{PredictionError, TdError, layouts};
use crate::profile::ProfileError;

/// Why the reference values of an image can't be computed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// A file of the image or of a machine that can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A profile that is unknown, or whose keys don't fit together or the firmware.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A file that is not a whole firmware image.
    #[error("the firmware `{firmware}` can't be measured")]
    Firmware {
        /// Name of the file beside the image.
        firmware: String,
        /// The structure that is missing or contradicts itself.
        source: Box<firmware::Error>,
    },
    /// Firmware that can't start an SEV-SNP guest, or can't check its kernel.
    #[error("the SEV-SNP launch with firmware `{firmware}` can't be computed")]
    Snp {
        /// Name of the file beside the image.
        firmware: String,
        /// What the firmware lacks.
        source: Box<snp::Error>,
    },
    /// The command line holds a NUL byte, where QEMU would end it.
    #[error("the command line can't be measured")]
    CommandLine(#[from] CmdlineNulError),
    /// A boot of a machine with a TPM that can't be predicted.
    #[error("profile `{profile}`: the boot can't be predicted")]
    Tpm {
        /// Name of the profile.
        profile: String,
        /// The file, and what is wrong with it.
        source: Box<PredictionError>,
    },
    /// Firmware of a machine with a TPM that no boot was compared with, and no behaviour named.
    #[error("profile `{profile}`: how `{firmware}` measures is unknown")]
    Behaviour {
        /// Name of the profile.
        profile: String,
        /// Name of the firmware's file beside the image.
        firmware: String,
        /// The digest of the file, and the releases that are known.
        source: UnknownFirmware,
    },
    /// A TD that can't be predicted.
    #[error("profile `{profile}`: the TD can't be predicted")]
    Td {
        /// Name of the profile.
        profile: String,
        /// The file, and what is wrong with it or not known of it.
        source: Box<TdError>,
    },
    /// A file without the header of a Secure Execution image.
    #[error("`{image}` is not a Secure Execution image")]
    SecureExecution {
        /// Name of the file beside the image.
        image: String,
        /// What was found in the place of the header.
        source: Box<se::Error>,
    },
    /// The image has no file of a role that a profile's boot needs.
    #[error("profile `{profile}` needs a {}, and the image has none", role.words())]
    NoFile {
        /// Name of the profile.
        profile: String,
        /// The role that no file has.
        role: Role,
    },
}

impl Diagnosis for ReferenceError {
    fn fault(&self) -> Fault {
        match self {
            Self::File(error) => error.fault(),
            Self::Tpm { source, .. } => source.fault(),
            Self::Td { source, .. } => source.fault(),
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Profile(error) => error.hint(),
            Self::Tpm { source, .. } => match &**source {
                PredictionError::Image { source, .. }
                    if matches!(**source, tpm::Error::BootSecret { .. }) =>
                {
                    Some(
                        "set `disk = \"read-only\"` in the platform if the machine can't write to \
                         the disk"
                            .into(),
                    )
                }
                source => source.hint(),
            },
            Self::Td { source, .. } => match **source {
                TdError::NoLayout { .. } | TdError::NoFirmware => Some(format!(
                    "set `firmware-layout` in the platform to the latest layout that is not \
                     younger than the firmware's edk2: {}",
                    layouts()
                )),
                TdError::NoSecureBoot { .. } => Some(
                    "set `secure-boot = \"built-in\"` in the platform if its event log has data \
                     for the variable SecureBoot, otherwise `secure-boot = \"absent\"`"
                        .into(),
                ),
                _ => source.hint(),
            },
            Self::Firmware { source, .. } if source.next_step().is_some() => {
                source.next_step().map(str::to_owned)
            }
            Self::Firmware { .. } | Self::Snp { .. } => {
                Some("use a firmware built for SEV-SNP with kernel hashes, such as `OVMF.amdsev.fd` of package `ovmf-amdsev`".into())
            }
            Self::Behaviour { .. } => Some(
                "set `firmware-behaviour` in the platform instead of naming the file".into(),
            ),
            Self::NoFile { role: Role::Uki, .. } => {
                Some("boot the image from its disk: `kind = \"disk\"` in `[boot]`".into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use cvmkit_formats::container::Container;
    use cvmkit_formats::digest::Sha256;
    use cvmkit_measure::tpm::StubVersion;

    use super::*;
    use crate::profile::Profile;

    fn file(kind: io::ErrorKind) -> FileError {
        FileError { action: "read", path: "folder/a".into(), source: kind.into() }
    }

    fn tpm(source: PredictionError) -> ReferenceError {
        ReferenceError::Tpm { profile: "mine".into(), source: Box::new(source) }
    }

    fn td(source: TdError) -> ReferenceError {
        ReferenceError::Td { profile: "mine".into(), source: Box::new(source) }
    }

    fn image(source: tpm::Error) -> ReferenceError {
        tpm(PredictionError::Image { path: "a.efi".into(), source: Box::new(source) })
    }

    fn firmware(source: firmware::Error) -> ReferenceError {
        ReferenceError::Firmware { firmware: "OVMF.fd".into(), source: Box::new(source) }
    }

    fn no_file(role: Role) -> ReferenceError {
        ReferenceError::NoFile { profile: "mine".into(), role }
    }

    #[test]
    fn whose_fault_it_is_follows_the_cause() {
        let denied = io::ErrorKind::PermissionDenied;
        let missing = io::ErrorKind::NotFound;
        for (error, expected) in [
            (file(denied).into(), Fault::Environment),
            // The image is there, so a file that it lists must be.
            (file(missing).into(), Fault::Environment),
            (tpm(file(denied).into()), Fault::Environment),
            (tpm(file(missing).into()), Fault::Definition),
            (td(file(denied).into()), Fault::Environment),
            (td(TdError::NoFirmware), Fault::Definition),
            (firmware(firmware::Error::NoSevMetadata), Fault::Definition),
            (no_file(Role::Uki), Fault::Definition),
        ] {
            assert_eq!(error.fault(), expected, "{error}");
        }
    }

    /// A definition has keys where a command has options.
    #[test]
    fn hints_name_keys_of_a_definition() {
        let version = StubVersion(262);
        let container = Container::of(&b"QFI\xfb\0\0\0\x03".to_vec()).unwrap().unwrap();
        let snp = |source| ReferenceError::Snp { firmware: "a".into(), source: Box::new(source) };
        let behaviour = ReferenceError::Behaviour {
            profile: "mine".into(),
            firmware: "OVMF.fd".into(),
            source: UnknownFirmware { found: "x".into() },
        };
        let no_layout = TdError::NoLayout { path: "a".into(), digest: Sha256::ZERO };
        let by_layout = format!(
            "set `firmware-layout` in the platform to the latest layout that is not \
                                 younger than the firmware's edk2: {}",
            layouts()
        );
        for (error, hint) in [
            (
                image(tpm::Error::BootSecret { version }),
                "set `disk = \"read-only\"` in the platform",
            ),
            (
                image(tpm::Error::NotAuthorized { what: "image" }),
                "sign the image with a key of `db`",
            ),
            (td(no_layout), by_layout.as_str()),
            (td(TdError::NoFirmware), &by_layout),
            (
                td(TdError::NoSecureBoot { path: "a".into() }),
                "set `secure-boot = \"built-in\"` in the platform",
            ),
            (
                td(TdError::OtherSecureBoot { path: "a".into() }),
                "leave Secure Boot out: the file's SHA-256 decides it",
            ),
            (firmware(firmware::Error::Container { found: container }), container.hint()),
            (firmware(firmware::Error::NoSevMetadata), "use a firmware built for SEV-SNP"),
            (snp(snp::Error::NoKernelHashesSection), "use a firmware built for SEV-SNP"),
            (behaviour, "set `firmware-behaviour` in the platform"),
            (no_file(Role::Uki), "boot the image from its disk"),
            (file(io::ErrorKind::PermissionDenied).into(), "see who may write to `folder`"),
            (Profile::built_in("qemu-sn").unwrap_err().into(), "did you mean `qemu-snp`?"),
        ] {
            let found = error.hint().unwrap_or_default();
            assert!(found.starts_with(hint), "{error}: {found}");
        }
        let header = ReferenceError::SecureExecution {
            image: "se.img".into(),
            source: Box::new(se::Error::NotFound),
        };
        let nul = ReferenceError::CommandLine(CmdlineNulError { at: 1 });
        let none = image(tpm::Error::NoStub);
        for error in
            [no_file(Role::Kernel), header, nul, none, file(io::ErrorKind::NotFound).into()]
        {
            assert_eq!(error.hint(), None, "{error}");
        }
    }
}
