//! Reference values (RFC 9334, section 8.3): what hardware will measure of an image, for every
//! profile x vCPU count x memory that its definition asks for.
//!
//! [`values`] is a function of profiles and files alone, so `build` computes them of the files it
//! staged, `verify` of the files it finds, and `plan` of files that do not exist yet. A register
//! that can't be known has no value but a reason; both what a value rests on and why there is none
//! are codes, so that no wording is digested.

mod claims;
mod error;
mod read;
mod schema;
mod se;
mod snp;
mod subject;
mod tdx;
mod tpm;

use rayon::prelude::*;

pub use error::ReferenceError;
pub use read::{Digests, ReadError, ValueFault};
pub use schema::{ReferenceValue, ReferenceValues, SCHEMA, SecureExecutionValue};
pub(crate) use snp::kernel_hashes;
pub use subject::Subject;
pub(crate) use tdx::machine as td_machine;

use crate::profile::{Profile, Technology};

/// The reference values of these profiles for an image.
///
/// # Errors
/// A file that can't be measured, or a profile that can't be met by this image.
pub fn values(profiles: &[Profile], subject: &Subject) -> Result<ReferenceValues, ReferenceError> {
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
