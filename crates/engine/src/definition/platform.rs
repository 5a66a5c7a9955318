//! What a definition says otherwise than a profile.

use cvmkit_attest::profile::{Profile, ProfileError};

use super::raw::RawPlatform;

impl RawPlatform {
    /// The profile with every value replaced that is given here.
    ///
    /// # Errors
    /// The values do not fit together.
    pub fn applied(&self, profile: Profile) -> Result<Profile, ProfileError> {
        let changed = Profile {
            vcpus: self.vcpus.clone().unwrap_or(profile.vcpus),
            vcpu_types: self.vcpu_types.clone().unwrap_or(profile.vcpu_types),
            guest_features: self.guest_features.or(profile.guest_features),
            memory: self.memory.clone().unwrap_or(profile.memory),
            vmm_version: self.vmm_version.clone().or(profile.vmm_version),
            boot: self.boot.unwrap_or(profile.boot),
            firmware_layout: self.firmware_layout.clone().or(profile.firmware_layout),
            firmware_behaviour: self.firmware_behaviour.clone().or(profile.firmware_behaviour),
            secure_boot: self.secure_boot.or(profile.secure_boot),
            disk: self.disk.or(profile.disk),
            disk_bus: self.disk_bus.or(profile.disk_bus),
            firmware_by: self.firmware_by.or(profile.firmware_by),
            ..profile
        };
        changed.check()?;
        Ok(changed)
    }
}
