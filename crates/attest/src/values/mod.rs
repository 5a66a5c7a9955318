//! Reference values (RFC 9334, section 8.3): what hardware will measure of an image, for every
//! profile x vCPU count x memory that its definition asks for.
//!
//! [`values`] is a function of profiles and files alone, so `build` computes them of the files it
//! staged, `verify` of the files it finds, and `plan` of files that do not exist yet. A register
//! that can't be known has no value but a reason; both what a value rests on and why there is none
//! are codes, so that no wording is digested.

mod claims;
mod error;
mod evidence;
mod image_files;
mod order;
mod read;
mod schema;
mod se;
mod snp;
mod tdx;
mod tpm;

use std::path::Path;

use cvmkit_measure::tpm::Platform;
use rayon::prelude::*;

pub use error::ReferenceError;
pub use image_files::ImageFiles;
pub(crate) use image_files::kernel_hashes;
pub use order::set as set_by_number;
pub use order::{by_number, names_by_number};
pub use read::{Digests, ReadError, ValueFault};
pub use schema::{ReferenceValue, ReferenceValues, SCHEMA, SecureExecutionValue};
pub(crate) use tdx::machine as td_machine;

use crate::predict::TpmMachine;
use crate::profile::{Profile, Technology};

/// The machine with a TPM that a profile of an image in a folder describes, for predictions of it by
/// other commands.
///
/// # Errors
/// A file of the machine that is not as it should be.
pub fn tpm_machine(profile: &Profile, folder: &Path) -> Result<TpmMachine, ReferenceError> {
    tpm::machine_of(profile, &ImageFiles::of_files(folder, false, |_| None))
}

/// Who gives the machine of a profile its TPM; nothing for a profile of something else.
#[must_use]
pub fn tpm_platform(profile: &Profile) -> Option<Platform> {
    (profile.technology == Technology::Tpm).then(|| tpm::platform(profile.vmm))
}

/// The reference values of these profiles for an image.
///
/// # Errors
/// A file that can't be measured, or a profile that can't be met by this image.
pub fn values(
    profiles: &[Profile],
    subject: &ImageFiles,
) -> Result<ReferenceValues, ReferenceError> {
    let of_profile = |profile: &Profile| match profile.technology {
        Technology::SevSnp => snp::values(profile, subject),
        Technology::Tdx => tdx::values(profile, subject),
        Technology::Tpm => tpm::values(profile, subject),
        Technology::Se => se::values(profile, subject),
    };
    let values: Vec<Vec<ReferenceValue>> =
        profiles.par_iter().with_max_len(1).map(of_profile).collect::<Result<_, _>>()?;
    Ok(ReferenceValues {
        schema: SCHEMA,
        debug: subject.debug,
        profiles: profiles.to_vec(),
        values: values.concat(),
    })
}
