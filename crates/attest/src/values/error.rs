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

/// Why reference values can't be computed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// A file of the image.
    #[error(transparent)]
    File(#[from] FileError),
    /// A profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The firmware can't be measured.
    #[error("the firmware `{firmware}` can't be measured")]
    Firmware {
        /// Its file.
        firmware: String,
        /// Why.
        source: Box<firmware::Error>,
    },
    /// The launch can't be computed.
    #[error("the SEV-SNP launch with firmware `{firmware}` can't be computed")]
    Snp {
        /// Its file.
        firmware: String,
        /// Why.
        source: Box<snp::Error>,
    },
    /// The command line holds a NUL byte.
    #[error("the command line can't be measured")]
    CommandLine(#[from] CmdlineNulError),
    /// A boot with a TPM.
    #[error("profile `{profile}`: the boot can't be predicted")]
    Tpm {
        /// The profile.
        profile: String,
        /// Why.
        source: Box<PredictionError>,
    },
    /// Firmware of a machine with a TPM of which it is not known how it measures.
    #[error("profile `{profile}`: how `{firmware}` measures is unknown")]
    Behaviour {
        /// The profile.
        profile: String,
        /// The firmware's file.
        firmware: String,
        /// Why.
        source: UnknownFirmware,
    },
    /// A TD.
    #[error("profile `{profile}`: the TD can't be predicted")]
    Td {
        /// The profile.
        profile: String,
        /// Why.
        source: Box<TdError>,
    },
    /// A Secure Execution image.
    #[error("`{image}` is not a Secure Execution image")]
    SecureExecution {
        /// Its file.
        image: String,
        /// Why.
        source: Box<se::Error>,
    },
    /// The image has no such file.
    #[error("profile `{profile}` needs a {}, and the image has none", role.words())]
    NoFile {
        /// The profile.
        profile: String,
        /// What is missing.
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
