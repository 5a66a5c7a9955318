//! Reference values (RFC 9334, section 8.3): what hardware will measure of an image, for every
//! profile x vCPU count x memory that its definition asks for.
//!
//! [`values`] is a function of profiles and files alone, so `build` computes them of the files it
//! staged, `verify` of the files it finds, and `plan` of files that do not exist yet. A register
//! that is not predictable has no value but a reason; both what a value rests on and why there is none
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

/// The machine with a TPM that a profile describes, whose files lie in `folder`: what `measure tpm` predicts
/// for.
///
/// # Errors
/// [`ReferenceError::File`], [`ReferenceError::Firmware`], [`ReferenceError::Behaviour`] and
/// [`ReferenceError::Tpm`] for files of the machine that can't be read or are something else;
/// [`ReferenceError::Profile`] for a behaviour that contradicts the firmware's file.
pub fn tpm_machine(profile: &Profile, folder: &Path) -> Result<TpmMachine, ReferenceError> {
    tpm::machine_of(profile, &ImageFiles::of_files(folder, false, |_| None))
}

/// Who gives the machine of a profile its TPM; none for a profile of another technology.
#[must_use]
pub fn tpm_platform(profile: &Profile) -> Option<Platform> {
    (profile.technology == Technology::Tpm).then(|| tpm::platform(profile.vmm))
}

/// The reference values of an image for these profiles, in their order: for each one value per size of
/// memory, vCPU type and number of vCPUs that counts for it.
///
/// # Errors
/// The first [`ReferenceError`] of any profile: no values are better than some.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Manifest;
    use crate::profile::ProfileError;
    use crate::tests::Folder;
    use crate::tests::se_image::HEADER;
    use crate::tests::tdvf_image::empty_variables;

    fn built_in(name: &str) -> Profile {
        Profile::built_in(name).unwrap()
    }

    #[test]
    fn values_stand_in_the_order_of_their_profiles() {
        let folder = Folder::image();
        folder.put("se.img", HEADER);
        let manifest = Manifest::read(folder.root()).unwrap();
        let files = ImageFiles::of_folder(&manifest, folder.root());
        let se = Profile { image: Some("se.img".into()), ..built_in("se") };
        let td = Profile { vcpus: vec![1, 2], ..built_in("gce-tdx") };
        let profiles = [built_in("qemu-vtpm"), se, td, built_in("azure-vtpm")];
        let found = values(&profiles, &files).unwrap();
        let names: Vec<_> = found.values.iter().map(|value| value.profile.as_str()).collect();
        assert_eq!(names, ["qemu-vtpm", "se", "gce-tdx", "gce-tdx", "azure-vtpm"]);
        assert_eq!(
            (found.schema, found.debug, &found.profiles[..]),
            (SCHEMA, false, &profiles[..])
        );
        let none = values(&[], &ImageFiles::of_files(folder.root(), true, |_| None)).unwrap();
        assert!(none.debug && none.values.is_empty() && none.profiles.is_empty());
    }

    #[test]
    fn one_profile_that_cannot_be_met_fails_all() {
        let folder = Folder::image();
        let manifest = Manifest::read(folder.root()).unwrap();
        let files = ImageFiles::of_folder(&manifest, folder.root());
        let missing = Profile { firmware: Some("none.fd".into()), ..built_in("qemu-snp") };
        let error = values(&[built_in("azure-vtpm"), missing], &files).unwrap_err();
        assert!(matches!(error, ReferenceError::File(_)), "{error}");
        let unknown = ReferenceError::from(Profile::built_in("none").unwrap_err());
        assert!(matches!(unknown, ReferenceError::Profile(ProfileError::Unknown { .. })));
    }

    /// Who gives a machine its TPM, by the cloud's name in profiles.
    #[test]
    fn profiles_of_a_tpm_have_a_platform() {
        for (name, expected) in [
            ("qemu-vtpm", Some(Platform::QemuOvmf)),
            ("azure-vtpm", Some(Platform::Azure)),
            ("gce-vtpm", Some(Platform::Gce)),
            ("nitro-tpm", Some(Platform::NitroTpm)),
            ("qemu-snp", None),
            ("gce-tdx", None),
            ("se", None),
        ] {
            assert_eq!(tpm_platform(&built_in(name)), expected, "{name}");
            // As `measure tpm --platform` has it.
            assert!(expected.is_none_or(|platform| platform.to_string() == name), "{name}");
        }
    }

    #[test]
    fn the_files_of_a_machine_lie_in_the_folder_of_the_image() {
        let folder = Folder::new();
        folder.put("VARS.fd", &empty_variables());
        let own = Profile { variables: Some("VARS.fd".into()), ..built_in("qemu-vtpm") };
        let machine = tpm_machine(&own, folder.root()).unwrap();
        assert_eq!(machine.secure_boot.enabled, Some(false));
        assert!(tpm_machine(&own, &folder.path("none")).is_err());
    }
}
