//! Launch digests of SEV-SNP.

use cvmkit_measure::firmware::Firmware;
use cvmkit_measure::snp::{self, Guest, GuestFeatures, LaunchDigest, VcpuType, Vmm};

use super::error::ReferenceError;
use super::image_files::ImageFiles;
use super::schema::{LAUNCH_DIGEST, ReferenceValue};
use crate::profile::{self, Boot, Features, Profile};

/// One value for each vCPU type and number of vCPUs.
pub(super) fn values(
    profile: &Profile,
    subject: &ImageFiles,
) -> Result<Vec<ReferenceValue>, ReferenceError> {
    let name = profile.firmware.as_deref().unwrap_or_default();
    let bytes = subject.machine_file(name)?;
    let firmware = Firmware::parse(&bytes).map_err(|source| ReferenceError::Firmware {
        firmware: name.to_owned(),
        source: Box::new(source),
    })?;
    let kernel = match profile.boot {
        Boot::Direct => Some(subject.hashes(profile)?),
        Boot::UkiDisk => None,
    };
    // The firmware's own pages are the same in every launch, and most of the work.
    let firmware_digest = Some(snp::firmware_digest(&firmware));
    let features = profile.guest_features.unwrap_or(Features(GuestFeatures::SNP_ACTIVE.0));
    let mut values = Vec::new();
    for (vcpu_type, vmm) in vmms(profile)? {
        let guest = Guest { vmm, features: GuestFeatures(features.0), kernel, firmware_digest };
        let digests = snp::digests(&firmware, &guest, &profile.vcpus).map_err(|source| {
            ReferenceError::Snp { firmware: name.to_owned(), source: Box::new(source) }
        })?;
        let value = |(vcpus, digest): (u32, LaunchDigest)| ReferenceValue {
            vcpus: Some(vcpus),
            vcpu_type: vcpu_type.clone(),
            guest_features: Some(features),
            launch_digest: Some(digest.to_string()),
            conditions: profile
                .condition()
                .map(|code| (LAUNCH_DIGEST.to_owned(), vec![code.into()]))
                .into_iter()
                .collect(),
            ..ReferenceValue::of(profile)
        };
        values.extend(digests.into_iter().map(value));
    }
    Ok(values)
}

/// QEMU with each vCPU type, or the cloud, which measures the same for all.
fn vmms(profile: &Profile) -> Result<Vec<(Option<String>, Vmm)>, ReferenceError> {
    let of_type = |name: &String| {
        let vcpu: VcpuType =
            name.parse().map_err(|error: cvmkit_measure::names::UnknownName| {
                profile.invalid("vcpu-types", name, error.to_string())
            })?;
        Ok((Some(name.clone()), Vmm::Qemu { vcpu: vcpu.signature() }))
    };
    match profile.vmm {
        profile::Vmm::Qemu => profile.vcpu_types.iter().map(of_type).collect(),
        profile::Vmm::Ec2 => Ok(vec![(None, Vmm::Ec2)]),
        profile::Vmm::Gce => Ok(vec![(None, Vmm::Gce)]),
        profile::Vmm::Azure => {
            Err(profile.invalid("vmm", "azure", "`qemu`, `ec2` or `gce` for `sev-snp`").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use cvmkit_measure::firmware;
    use cvmkit_measure::kernel_hashes::KernelHashes;

    use super::*;
    use crate::profile::ProfileError;
    use crate::tests::bzimage::efi_kernel;
    use crate::tests::ovmf_image::{OvmfImage, SECTIONS};
    use crate::tests::{COMMAND_LINE, Folder, INITRD};

    fn profile(name: &str) -> Profile {
        let firmware = Some("OVMF.fd".to_owned());
        Profile { firmware, ..Profile::built_in(name).unwrap() }
    }

    /// The image of [`Folder::image`] with this firmware beside it.
    fn with(firmware: &[u8], profile: &Profile) -> Result<Vec<ReferenceValue>, ReferenceError> {
        let folder = Folder::image();
        folder.put("OVMF.fd", firmware);
        let manifest = crate::output::Manifest::read(folder.root()).unwrap();
        values(profile, &ImageFiles::of_folder(&manifest, folder.root()))
    }

    /// The launch, page by page; `measure/tests/oracle.rs` compares it with sev-snp-measure.
    fn launched(vmm: Vmm, features: u64, kernel: bool, vcpus: u32) -> Option<String> {
        let line = COMMAND_LINE.as_bytes();
        let hashes = KernelHashes::from_bytes(&efi_kernel(), Some(INITRD), line).unwrap();
        let kernel = kernel.then_some(hashes);
        let guest = Guest { vmm, features: GuestFeatures(features), kernel, firmware_digest: None };
        let bytes = OvmfImage::default().bytes();
        let firmware = Firmware::parse(&bytes).unwrap();
        Some(snp::launch(&firmware, &guest, vcpus).unwrap().digest().to_string())
    }

    #[test]
    fn qemu_has_a_value_for_each_type_and_number_of_vcpus() {
        let vcpu_types = ["EPYC-v4", "EPYC-Turin"].map(str::to_owned).to_vec();
        let own = Profile {
            vcpus: vec![3, 1],
            vcpu_types,
            guest_features: Some(Features(0x21)),
            ..profile("qemu-snp")
        };
        let found = with(&OvmfImage::default().bytes(), &own).unwrap();
        let expected = [("EPYC-v4", 1), ("EPYC-v4", 3), ("EPYC-Turin", 1), ("EPYC-Turin", 3)];
        assert_eq!(found.len(), expected.len());
        for (value, (name, vcpus)) in found.iter().zip(expected) {
            let vcpu = name.parse::<VcpuType>().unwrap().signature();
            assert_eq!((value.vcpu_type.as_deref(), value.vcpus), (Some(name), Some(vcpus)));
            assert_eq!(value.guest_features, Some(Features(0x21)));
            let launched = launched(Vmm::Qemu { vcpu }, 0x21, true, vcpus);
            assert_eq!(value.launch_digest, launched, "{name}, {vcpus}");
            assert!(value.conditions.is_empty() && value.registers.is_empty());
            assert_eq!(value.firmware.as_deref(), Some("OVMF.fd"));
        }
    }

    /// A cloud boots from the disk, so that no kernel is measured, and its launch was never compared.
    #[test]
    fn a_cloud_measures_firmware_and_vcpus_alone() {
        for (name, vmm) in [("ec2-snp", Vmm::Ec2), ("gce-snp", Vmm::Gce)] {
            let own = Profile { guest_features: None, vcpus: vec![2], ..profile(name) };
            let [value] = with(&OvmfImage::default().bytes(), &own).unwrap().try_into().unwrap();
            assert_eq!((value.vcpus, &value.vcpu_type), (Some(2), &None));
            // Of a host that says nothing: SNPActive.
            assert_eq!(value.guest_features, Some(Features(1)));
            assert_eq!(value.launch_digest, launched(vmm, 1, false, 2), "{name}");
            let conditions = serde_json::to_value(&value.conditions).unwrap();
            let expected = serde_json::json!({ "launch-digest": [{ "code": "documented-rules" }] });
            assert_eq!(conditions, expected, "{name}");
        }
    }

    #[test]
    fn a_profile_of_no_machine_is_refused() {
        let bytes = OvmfImage::default().bytes();
        let azure = Profile { vmm: profile::Vmm::Azure, ..profile("ec2-snp") };
        let vcpu_types = vec!["EPYC-v9".to_owned()];
        let unknown = Profile { vcpu_types, ..profile("qemu-snp") };
        for (own, key, found) in [(azure, "vmm", "azure"), (unknown, "vcpu-types", "EPYC-v9")] {
            match with(&bytes, &own).unwrap_err() {
                ReferenceError::Profile(ProfileError::Invalid { key: of, found: is, .. }) => {
                    assert_eq!((of.as_str(), is.as_str()), (key, found));
                }
                error => panic!("{error}"),
            }
        }
    }

    #[test]
    fn firmware_that_cannot_check_the_kernel_is_refused_by_name() {
        let own = profile("qemu-snp");
        match with(b"no firmware", &own).unwrap_err() {
            ReferenceError::Firmware { firmware, source } => {
                assert_eq!(firmware, "OVMF.fd");
                assert!(matches!(*source, firmware::Error::NoVolume { .. }), "{source}");
            }
            error => panic!("{error}"),
        }
        let mut sections = SECTIONS.to_vec();
        sections.retain(|[.., kind]| *kind != 0x10);
        let without = OvmfImage { sections: Some(sections), ..OvmfImage::default() }.bytes();
        match with(&without, &own).unwrap_err() {
            ReferenceError::Snp { firmware, source } => {
                assert_eq!(
                    (firmware.as_str(), *source),
                    ("OVMF.fd", snp::Error::NoKernelHashesSection)
                );
            }
            error => panic!("{error}"),
        }
        // A cloud has no kernel to check.
        assert!(with(&without, &profile("gce-snp")).is_ok());
        let missing = Profile { firmware: None, ..own };
        let error = with(&without, &missing).unwrap_err();
        assert!(matches!(error, ReferenceError::File(_)), "{error}");
    }
}
