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
