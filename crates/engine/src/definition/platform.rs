//! The platforms that reference values are computed for: a profile, what the definition says otherwise
//! than it, and the files of the machine.

use cvmkit_attest::profile::{Profile, ProfileError};

use super::input::Input;
use super::raw::RawPlatform;

/// A platform to compute reference values for.
#[derive(Clone, Debug)]
pub struct Platform {
    /// Where its profile is.
    pub profile: ProfileSource,
    /// What is different here.
    pub changes: RawPlatform,
    /// Its firmware, if it needs one.
    pub firmware: Option<Input>,
    /// Its firmware's variables.
    pub variables: Option<Input>,
    /// The event log that PCR 0 and 1 are pinned by.
    pub pinned: Option<Input>,
    /// A finished Secure Execution image.
    pub image: Option<Input>,
}

/// Where a profile is.
#[derive(Clone, Debug)]
pub enum ProfileSource {
    /// In the program.
    BuiltIn(Box<Profile>),
    /// In a file, relative to the definition.
    File(String),
}

impl Platform {
    /// The files that the machine has beside the image.
    pub fn inputs(&self) -> impl Iterator<Item = &Input> {
        [&self.firmware, &self.variables, &self.pinned, &self.image].into_iter().flatten()
    }

    /// Its firmware, where the definition names `default` for all platforms.
    #[must_use]
    pub fn firmware_of<'a>(
        &'a self,
        profile: &Profile,
        default: Option<&'a Input>,
    ) -> Option<&'a Input> {
        self.firmware.as_ref().or(default.filter(|_| profile.takes_default_firmware()))
    }

    /// The profile with the changes put in; `text` reads a file beside the definition.
    ///
    /// # Errors
    /// The file can't be read or is not a profile, or the changes do not fit it.
    pub fn resolve<E: From<ProfileError>>(
        &self,
        text: impl FnOnce(&str) -> Result<String, E>,
    ) -> Result<Profile, E> {
        let profile = match &self.profile {
            ProfileSource::BuiltIn(profile) => (**profile).clone(),
            ProfileSource::File(path) => Profile::parse(&text(path)?, path)?,
        };
        let mut changed = self.changes.applied(profile)?;
        // What a profile says of its own firmware is not true of another.
        if self.firmware.is_some() && self.changes.firmware_behaviour.is_none() {
            changed.firmware_behaviour = None;
        }
        Ok(changed)
    }
}

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

#[cfg(test)]
mod tests {
    use cvmkit_attest::profile::{Boot, DiskAccess, Features, Memory};
    use cvmkit_host::fault::Diagnosis as _;
    use cvmkit_measure::firmware::behaviour::SecureBootBuild;
    use cvmkit_measure::uefi::medium::{DiskBus, FirmwareBy};

    use super::*;
    use crate::definition::sample;

    /// A platform without files and what a definition says of it.
    fn platform(profile: &str, keys: &str) -> Platform {
        let file = "sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"";
        let firmware = format!("[firmware]\npath = \"f\"\n{file}\n");
        let tables = format!("{firmware}[[platforms]]\nprofile = \"{profile}\"\n{keys}");
        sample::definition(&tables).platforms.remove(0)
    }

    fn applied(profile: &str, keys: &str) -> Profile {
        let base = Profile::built_in(profile).unwrap();
        platform(profile, keys).changes.applied(base).unwrap()
    }

    /// One key, a profile that may have it, and what is to be changed of the profile.
    #[test]
    fn each_key_replaces_that_of_the_profile_and_no_other() {
        type Expected = fn(Profile) -> Profile;
        let cases: [(&str, &str, Expected); 12] = [
            ("vcpus = [3, 4]", "qemu-snp", |of| Profile { vcpus: vec![3, 4], ..of }),
            ("vcpu-types = [\"EPYC\"]", "qemu-snp", |of| Profile {
                vcpu_types: vec!["EPYC".into()],
                ..of
            }),
            ("guest-features = \"0x21\"", "qemu-snp", |of| Profile {
                guest_features: Some(Features(0x21)),
                ..of
            }),
            ("memory = [\"3G\"]", "qemu-tdx-direct", |of| Profile {
                memory: vec![Memory(3 << 30)],
                ..of
            }),
            ("vmm-version = \"10.0\"", "qemu-tdx-direct", |of| Profile {
                vmm_version: Some("10.0".into()),
                ..of
            }),
            ("boot = \"direct\"", "qemu-vtpm", |of| Profile { boot: Boot::Direct, ..of }),
            ("firmware-layout = \"edk2-stable202411\"", "qemu-tdx-direct", |of| Profile {
                firmware_layout: Some("edk2-stable202411".into()),
                ..of
            }),
            ("secure-boot = \"absent\"", "qemu-tdx-direct", |of| Profile {
                secure_boot: Some(SecureBootBuild::Absent),
                ..of
            }),
            ("firmware-behaviour = \"ovmf-2022.11\"", "qemu-vtpm", |of| Profile {
                firmware_behaviour: Some("ovmf-2022.11".into()),
                ..of
            }),
            ("disk = \"read-only\"", "qemu-vtpm", |of| Profile {
                disk: Some(DiskAccess::ReadOnly),
                ..of
            }),
            ("disk-bus = \"nvme\"", "qemu-vtpm", |of| Profile {
                disk_bus: Some(DiskBus::Nvme),
                ..of
            }),
            ("firmware-by = \"bios\"", "qemu-vtpm", |of| Profile {
                firmware_by: Some(FirmwareBy::Bios),
                ..of
            }),
        ];
        for (keys, name, expected) in cases {
            let base = Profile::built_in(name).unwrap();
            assert_ne!(expected(base.clone()), base, "the premise: {keys} is a change");
            assert_eq!(applied(name, keys), expected(base), "{keys}");
        }
    }

    #[test]
    fn a_platform_that_says_nothing_is_its_profile() {
        for name in ["qemu-snp", "qemu-tdx-direct", "qemu-tdx-uki", "qemu-vtpm", "gce-tdx"] {
            assert_eq!(applied(name, ""), Profile::built_in(name).unwrap());
        }
    }

    #[test]
    fn values_that_do_not_fit_together_are_refused_after_they_were_put_in() {
        let base = || Profile::built_in("qemu-snp").unwrap();
        let changes = RawPlatform { vmm_version: Some("10.0".into()), ..Default::default() };
        assert!(changes.applied(base()).is_ok());
        let vcpu_types = Some(vec!["EPYC-Turin".to_owned()]);
        let error = RawPlatform { vcpu_types, ..changes }.applied(base()).unwrap_err();
        let words = "expected: QEMU 10.1 or later for `EPYC-Turin`";
        assert!(error.to_string().ends_with(words), "{error}");
    }

    /// `qemu-vtpm` says how OVMF of Debian measures: of another firmware nothing is known.
    #[test]
    fn what_a_profile_says_of_its_firmware_is_not_said_of_another() {
        let resolved = |keys: &str| {
            let read = |_: &str| Err(ProfileError::Unknown { name: "no file is read".into() });
            platform("qemu-vtpm", keys).resolve(read).unwrap().firmware_behaviour
        };
        let own = format!("firmware = {{ path = \"own.fd\", sha256 = \"{}\" }}", "0a".repeat(32));
        let said = "firmware-behaviour = \"ovmf-2022.11\"";
        assert_eq!(resolved("").as_deref(), Some("ovmf-2025.02"));
        assert_eq!(resolved(&own), None);
        assert_eq!(resolved(said).as_deref(), Some("ovmf-2022.11"));
        assert_eq!(resolved(&format!("{said}\n{own}")).as_deref(), Some("ovmf-2022.11"));
    }

    #[test]
    fn a_profile_of_a_file_is_read_when_it_is_needed() {
        let own = platform("./mine.toml", "vcpus = [7]");
        let text = include_str!("../../../attest/profiles/qemu-snp.toml");
        let read = |path: &str| {
            assert_eq!(path, "mine.toml");
            Ok::<_, ProfileError>(text.replace("name = \"qemu-snp\"", "name = \"mine\""))
        };
        let profile = own.resolve(read).unwrap();
        assert_eq!((profile.name.as_str(), profile.vcpus), ("mine", vec![7]));
        let error = own.resolve(|_| Ok::<_, ProfileError>("version = 1".into())).unwrap_err();
        assert!(error.to_string().starts_with("`mine.toml` is not a platform profile"), "{error}");
        let refused = ProfileError::Unknown { name: "qemu-vtmp".into() };
        assert_eq!(
            own.resolve(|_| Err(refused)).unwrap_err().hint().unwrap(),
            "did you mean `qemu-vtpm`?"
        );
    }

    #[test]
    fn the_files_of_a_machine_are_listed_in_one_order() {
        let file =
            |name: &str| format!("{{ path = \"{name}\", sha256 = \"{}\" }}", "0a".repeat(32));
        let keys = ["image", "pinned", "variables", "firmware"];
        let keys: String = keys.map(|key| format!("{key} = {}\n", file(key))).concat();
        let tables = format!("[[platforms]]\nprofile = \"./p.toml\"\n{keys}");
        let platform = sample::definition(&tables).platforms.remove(0);
        let names: Vec<_> = platform
            .inputs()
            .map(|input| match input {
                Input::Local { path, .. } => path.as_str(),
                Input::Package { .. } => "a package",
            })
            .collect();
        assert_eq!(names, ["firmware", "variables", "pinned", "image"]);
        let bare = sample::definition("[[platforms]]\nprofile = \"./p.toml\"").platforms.remove(0);
        assert_eq!(bare.inputs().count(), 0);
    }
}
