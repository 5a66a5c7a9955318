//! Reference values as a comparison needs them: for each machine a name, a launch digest, registers.

use std::path::Path;

use cvmkit_measure::snp::GuestFeatures;

use crate::profile::{Features, Profile};
use crate::values::{Digests, ReadError, ReferenceValue, ReferenceValues};

/// The reference values of one machine.
#[derive(Clone, Debug)]
pub(super) struct KnownValue {
    /// The machine.
    pub(super) name: String,
    pub(super) value: ReferenceValue,
    /// What is taken for granted of it.
    pub(super) profile: Option<Profile>,
    pub(super) digests: Digests,
}

impl KnownValue {
    /// The SEV features of its VMSAs.
    pub(super) fn features(&self) -> Option<GuestFeatures> {
        self.value.guest_features.map(|Features(bits)| GuestFeatures(bits))
    }
}

/// Reads a file of reference values.
pub(super) fn read(path: &Path) -> Result<Vec<KnownValue>, ReadError> {
    let ReferenceValues { profiles, values, .. } = ReferenceValues::read(path)?;
    let known = |value: ReferenceValue| {
        let profile = profiles.iter().find(|profile| profile.name == value.profile).cloned();
        let name = value.to_string();
        let refused =
            |fault| ReadError::Value { path: path.to_owned(), machine: name.clone(), fault };
        let digests = value.digests().map_err(refused)?;
        Ok(KnownValue { name: name.clone(), digests, value, profile })
    };
    values.into_iter().map(known).collect()
}
