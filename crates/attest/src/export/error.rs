//! Why there is no document.

use std::path::PathBuf;

use cvmkit_formats::pe;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::FileError;
use cvmkit_measure::event::RtmrIndex;
use cvmkit_measure::firmware;
use thiserror::Error;

use super::request::Shape;
use crate::output::{ManifestError, MissingFile};
use crate::predict::{PredictionError, TdError};
use crate::values::ReadError;

/// Why there is no document: what was asked for does not fit the image, or the image is broken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A file of the image, or the reference values, that can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The manifest of the image's folder, for shapes that need its files.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The image, of which nothing can be predicted.
    #[error(transparent)]
    Prediction(#[from] PredictionError),
    /// A file that holds no reference values of this schema.
    #[error(transparent)]
    Values(#[from] ReadError),
    /// Values of a debug image, which nobody asked to export.
    #[error("`{}` is of a debug image, whose values no verifier may accept in production", path.display())]
    Debug {
        /// The image's folder, or its reference values.
        path: PathBuf,
    },
    /// A document of a debug image that does not say so.
    #[error("the document of a debug image does not say so: `{shape}` has no mark")]
    Unmarked {
        /// The shape that was asked for.
        shape: Shape,
    },
    /// A machine whose profile the reference values do not hold.
    #[error("`{}` has machines of `{profile}`, but no profile of that name", path.display())]
    NoProfile {
        /// The image's folder, or its reference values.
        path: PathBuf,
        /// The name that the machines have for it.
        profile: String,
    },
    /// The selection fits no machine.
    #[error("`{}` has no such machine; there are:{}", path.display(), listed(known))]
    NoMachine {
        /// The image's folder, or its reference values.
        path: PathBuf,
        /// The machines that there are, in words.
        known: Vec<String>,
    },
    /// A shape for one machine, and none or several were chosen.
    #[error("`{shape}` has place for one machine, and there are:{}", listed(machines))]
    SeveralMachines {
        /// The shape that was asked for.
        shape: Shape,
        /// The machines that were chosen, in words.
        machines: Vec<String>,
    },
    /// Platforms that go into different documents.
    #[error(
        "`{shape}` has one document for each platform, and there are {}",
        platforms.join(" and ")
    )]
    SeveralPlatforms {
        /// The shape that was asked for.
        shape: Shape,
        /// The platforms of the machines that were chosen, each once, as definitions name them.
        platforms: Vec<String>,
    },
    /// Machines of platforms that the shape does not know.
    #[error("`{shape}` has no place for {}: it carries {carries}", platforms.join(", "))]
    NoPlace {
        /// The shape that was asked for.
        shape: Shape,
        /// The platforms of the machines that were chosen, each once.
        platforms: Vec<String>,
        /// What the shape carries, in words.
        carries: &'static str,
        /// What to add to the definition's platforms.
        add: &'static str,
    },
    /// A value that the shape is useless without.
    #[error("`{shape}` needs {what} of {machine}: {why}")]
    Missing {
        /// The shape that was asked for.
        shape: Shape,
        /// The machine in words.
        machine: String,
        /// The name of the value, such as `rtmr0`.
        what: String,
        /// Why it is not there, in words.
        why: String,
    },
    /// A shape that is made of files of the image.
    #[error(
        "`{shape}` is made from the {what}, and `{}` is not the image's folder",
        path.display()
    )]
    NoFolder {
        /// The image's folder, or its reference values.
        path: PathBuf,
        /// The shape that was asked for.
        shape: Shape,
        /// The files that are needed, in words.
        what: &'static str,
    },
    /// The image has no file of a role that the shape needs.
    #[error(transparent)]
    NoFile(#[from] MissingFile),
    /// Firmware whose metadata can't be read.
    #[error("`{}` can't be described for dstack", path.display())]
    Firmware {
        /// The firmware's file.
        path: PathBuf,
        /// What is wrong with its metadata.
        source: Box<firmware::Error>,
    },
    /// The firmware has nowhere to look for kernel hashes.
    #[error("`{}` has no place for kernel hashes: dstack refuses it", path.display())]
    NoHashTable {
        /// The firmware's file.
        path: PathBuf,
    },
    /// A command line that dstack refuses.
    #[error(
        "dstack takes no image whose command line lacks `dstack.rootfs_hash=` and 64 \
         hexadecimal digits"
    )]
    NoRootfsHash,
    /// The image, of which a boot as a TD can't be predicted.
    #[error(transparent)]
    Td(#[from] TdError),
    /// A boot that dstack's verifier does not know.
    #[error(
        "dstack's verifier would refuse every guest: it assumes that event {at} of RTMR \
         {register} is {expected}, and {machine} measures {found}"
    )]
    OtherBoot {
        /// The machine in words.
        machine: String,
        /// The register that parts.
        register: RtmrIndex,
        /// Which event of the register, counted from 1.
        at: usize,
        /// What the verifier takes for granted: the event with its digest, or nothing.
        expected: String,
        /// What is measured, in the same form.
        found: String,
    },
    /// A unified kernel image that is no PE image.
    #[error("`{}` can't be measured", path.display())]
    Image {
        /// The unified kernel image.
        path: PathBuf,
        /// What is wrong with its headers.
        source: Box<pe::Error>,
    },
    /// A key or a time for a shape that has no place for it.
    #[error("`{shape}` has no place for a signature or a time: only `corim` has")]
    Unsigned {
        /// The shape that was asked for.
        shape: Shape,
    },
    /// Plain data that does not serialise.
    #[error("the document can't be written as JSON")]
    Json(#[source] serde_json::Error),
    /// Plain data that does not serialise.
    #[error("the document can't be written as CBOR: {reason}")]
    Cbor {
        /// What the writer of CBOR said.
        reason: String,
    },
}

/// Lines of a list.
fn listed(items: &[String]) -> String {
    items.iter().map(|item| format!("\n    {item}")).collect()
}

impl Diagnosis for ExportError {
    fn fault(&self) -> Fault {
        match self {
            Self::File(error) if !error.is_not_found() => error.fault(),
            Self::Manifest(error) => error.fault(),
            Self::Values(error) => error.fault(),
            Self::Prediction(error) => error.fault(),
            Self::Td(error) => error.fault(),
            Self::Unmarked { .. } | Self::Json(_) | Self::Cbor { .. } => Fault::Bug,
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::File(error) => return error.hint(),
            Self::Manifest(error) => return error.hint(),
            Self::Prediction(error) => return error.hint(),
            Self::Td(error) => return error.hint(),
            Self::Values(error) => return error.hint(),
            Self::Missing { what, .. } if what == "rtmr0" => {
                "record the digests of the ACPI tables in `[[acpi]]` of a profile of your own, which \
                 the definition's `platforms` then names"
            }
            Self::Missing { what, .. } if what == "mrtd" => {
                "name the `firmware` of this platform in the definition"
            }
            Self::NoProfile { .. } => {
                "name the folder of an image that this version of cvmkit built, or its \
                 `reference-values.json`"
            }
            Self::NoMachine { .. } | Self::SeveralMachines { .. } => {
                "choose by profile, number of vCPUs, vCPU type and memory"
            }
            Self::SeveralPlatforms { .. } => "choose by profile",
            Self::NoPlace { add, .. } => {
                return Some(format!("add {add} to the definition's `platforms`"));
            }
            Self::NoFolder { .. } => "name the image's folder",
            Self::NoHashTable { .. } => {
                "use a firmware with kernel hashes, such as `OVMF.amdsev.fd` of package \
                 `ovmf-amdsev`"
            }
            Self::OtherBoot { .. } => {
                "use firmware of edk2 2024.11 to 2025.02 without Secure Boot and without variables, \
                 such as `OVMF.fd` of Debian's ovmf 2025.02"
            }
            Self::NoRootfsHash => "add the parameter to `[kernel] command-line`",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
