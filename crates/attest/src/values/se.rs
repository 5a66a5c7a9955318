//! The header of a Secure Execution image, which is itself the reference value.

use cvmkit_measure::se;

use super::error::ReferenceError;
use super::image_files::ImageFiles;
use super::schema::{ReferenceValue, SecureExecutionValue};
use crate::profile::Profile;

/// One value: what a verifier compares.
pub(super) fn values(
    profile: &Profile,
    subject: &ImageFiles,
) -> Result<Vec<ReferenceValue>, ReferenceError> {
    let name = profile.image.as_deref().unwrap_or_default();
    let image = subject.machine_file(name)?;
    let (_, header) = se::find(&image).map_err(|source| ReferenceError::SecureExecution {
        image: name.to_owned(),
        source: Box::new(source),
    })?;
    let value = SecureExecutionValue {
        tag: header.tag.to_string(),
        page_digest: header.page_digest.to_string(),
        address_digest: header.address_digest.to_string(),
        tweak_digest: header.tweak_digest.to_string(),
        host_keys: header.key_slots.iter().map(|slot| slot.host_key_hash.to_string()).collect(),
    };
    Ok(vec![ReferenceValue { secure_execution: Some(value), ..ReferenceValue::of(profile) }])
}
