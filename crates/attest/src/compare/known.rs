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

#[cfg(test)]
mod tests {
    use cvmkit_measure::event::Bank;
    use serde_json::json;

    use super::super::tests::fixture::{known_of, pcr};
    use super::*;
    use crate::tests::image::value;

    #[test]
    fn a_value_has_its_name_its_digests_and_the_profile_of_its_name() {
        let profile = serde_json::to_value(Profile::built_in("qemu-vtpm").unwrap()).unwrap();
        let of = |name: &str| {
            let registers = json!({ "sha256": { "pcr4": "04".repeat(32) } });
            let more = json!({ "registers": registers, "guest-features": "0x21" });
            value(name, ["tpm", "qemu", "uki-disk"], more)
        };
        let known = known_of(&[profile], &[of("qemu-vtpm"), of("other")]);
        assert_eq!(known[0].name, "qemu-vtpm (qemu, uki-disk boot, features 0x21)");
        let value = known[0].digests.registers[&Bank::Sha256][&pcr(4)];
        assert_eq!(value.as_bytes(), [4; 32]);
        assert_eq!(known[0].features(), Some(GuestFeatures(0x21)));
        let profiles: Vec<_> =
            known.iter().map(|known| known.profile.as_ref().map(|of| of.name.as_str())).collect();
        assert_eq!(profiles, [Some("qemu-vtpm"), None]);
    }
}
