//! Which SEV-SNP guest a launch digest is of: one of those expected, or the same files started
//! otherwise.

use std::fmt;
use std::path::Path;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files;
use cvmkit_measure::compare::identify;
use cvmkit_measure::firmware::Firmware;
use cvmkit_measure::kernel_hashes::KernelHashes;
use cvmkit_measure::snp::{
    self, Guest, GuestFeatures, LaunchDigest, VCPU_TYPES, VcpuSignature, Vmm, VmmType,
};
use serde::Serialize;

use super::error::CompareError;
use super::known::KnownValue;
use crate::machine_name::MachineName;
use crate::output::{Manifest, Role};
use crate::profile;
use crate::values::{ReferenceError, kernel_hashes};

/// Numbers of vCPUs that are tried.
const VCPUS_TRIED: u32 = 64;

/// What the kernel, initrd and command line of a guest are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelFiles {
    /// All three of the image.
    AsBuilt,
    /// Those of the image, without the initrd.
    WithoutInitrd,
    /// Those of the image, with an empty command line.
    WithoutCommandLine,
    /// None: kernel hashes off, or a boot from the disk.
    NotMeasured,
}

/// How a guest may have been started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Start {
    /// Who started it, as profiles name VMMs.
    pub vmm: String,
    /// Number of its vCPUs, from 1 to 64.
    pub vcpus: u32,
    /// Types its vCPUs can be of; the digest does not tell them apart. Empty where none counts.
    pub vcpu_types: Vec<&'static str>,
    /// SEV features of its VMSAs, such as `0x1`.
    pub guest_features: String,
    /// Which files of the image it was given.
    pub kernel: KernelFiles,
    /// In what it is none of the expected guests, as sentences.
    pub causes: Vec<String>,
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = (!self.vcpu_types.is_empty()).then(|| self.vcpu_types.join(" or "));
        let kernel = match self.kernel {
            KernelFiles::AsBuilt => "kernel, initrd and command line of the image",
            KernelFiles::WithoutInitrd => "kernel and command line of the image, no initrd",
            KernelFiles::WithoutCommandLine => "kernel and initrd of the image, no command line",
            KernelFiles::NotMeasured => "no kernel measured",
        };
        let machine = MachineName::default().with(&self.vmm).vcpus(Some(self.vcpus), types);
        machine.features(Some(&self.guest_features)).with(kernel).fmt(f)
    }
}

/// Whether a launch digest is expected.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LaunchComparison {
    /// The digest that was observed.
    pub observed: LaunchDigest,
    /// The reference values it is, in words.
    pub matching: Vec<String>,
    /// Number of reference values it could have been.
    pub reference_values: usize,
    /// If it is none of them: the launches of this image that would give the digest.
    pub would_match: Vec<Start>,
    /// Number of launches that were tried.
    pub tried: usize,
}

impl LaunchComparison {
    /// Whether the digest is that of a machine of the reference values.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        !self.matching.is_empty()
    }
}

impl fmt::Display for LaunchComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "launch digest {}", self.observed)?;
        for name in &self.matching {
            writeln!(f, "  matches {name}")?;
        }
        if self.matching.is_empty() {
            writeln!(f, "  matches none of the {} reference values", self.reference_values)?;
            for start in &self.would_match {
                writeln!(f, "  would match: {start}")?;
                for cause in &start.causes {
                    writeln!(f, "  likely: {cause}")?;
                }
            }
            match (self.would_match.is_empty(), self.tried) {
                (true, 0) => writeln!(
                    f,
                    "  likely: unknown; with the image's folder in place of its reference values, other \
                     launches are tried"
                )?,
                (true, tried) => writeln!(
                    f,
                    "  likely: another firmware, kernel, initrd or command line; none of {tried} \
                     launches of this image (1 to {VCPUS_TRIED} vCPUs, every vCPU type, VMM and \
                     known guest features) gives this digest"
                )?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Compares a digest with the reference values, and then with other launches of the image.
pub(super) fn compare(
    observed: LaunchDigest,
    known: &[KnownValue],
    folder: Option<&Path>,
) -> Result<LaunchComparison, CompareError> {
    let expected = || known.iter().filter_map(|value| Some((value, value.digests.launch_digest?)));
    let found = identify(&observed, expected());
    let mut comparison = LaunchComparison {
        observed,
        matching: found.matching.iter().map(|value| value.name.clone()).collect(),
        reference_values: found.tried,
        would_match: Vec::new(),
        tried: 0,
    };
    if let Some(folder) = folder.filter(|_| comparison.matching.is_empty()) {
        let expected: Vec<_> = expected().map(|(value, _)| value).collect();
        (comparison.would_match, comparison.tried) = try_others(observed, &expected, folder)?;
    }
    Ok(comparison)
}

/// Looks for the digest among other launches of the image in a folder.
fn try_others(
    observed: LaunchDigest,
    expected: &[&KnownValue],
    folder: &Path,
) -> Result<(Vec<Start>, usize), CompareError> {
    let manifest = Manifest::read(folder)?;
    let Some(name) = manifest.firmware.as_deref() else { return Ok((Vec::new(), 0)) };
    let bytes = files::read(&folder.join(name))?;
    let firmware = Firmware::parse(&bytes).map_err(|source| ReferenceError::Firmware {
        firmware: name.to_owned(),
        source: Box::new(source),
    })?;
    // The firmware's own pages are the same in every launch, and most of the work.
    let firmware_digest = Some(snp::firmware_digest(&firmware));
    let counts: Vec<u32> = (1..=VCPUS_TRIED).collect();
    let (mut would_match, mut tried) = (Vec::new(), 0);
    for (kernel, hashes) in kernel_files(&manifest, folder)? {
        for (vmm_type, vmm) in vmms() {
            for features in features(expected) {
                let guest = Guest { vmm, features, kernel: hashes, firmware_digest };
                // Firmware that can't be started so starts no image.
                let Ok(digests) = snp::digests(&firmware, &guest, &counts) else { continue };
                let found = identify(&observed, digests);
                tried += found.tried;
                let start = |vcpus| start((vmm_type, vmm), vcpus, features, kernel, expected);
                would_match.extend(found.matching.into_iter().map(start));
            }
        }
    }
    Ok((would_match, tried))
}

/// The files of the image, all and some of them, with their hashes.
fn kernel_files(
    manifest: &Manifest,
    folder: &Path,
) -> Result<Vec<(KernelFiles, Option<KernelHashes>)>, CompareError> {
    let mut files = vec![(KernelFiles::NotMeasured, None)];
    let path = |role| manifest.file(role).map(|name| folder.join(name));
    let paths = (path(Role::Kernel), path(Role::Initrd), path(Role::CommandLine));
    if let (Some(kernel), Some(initrd), Some(command_line)) = paths {
        let all = kernel_hashes(&kernel, &initrd, &command_line)?;
        let line = files::read(&command_line)?;
        let some = |initrd, line: &[u8]| {
            KernelHashes::from_digests(all.kernel(), initrd, line).map_err(ReferenceError::from)
        };
        files.insert(0, (KernelFiles::AsBuilt, Some(all)));
        files.push((KernelFiles::WithoutInitrd, Some(some(None, &line)?)));
        let initrd: Sha256 = all.initrd();
        files.push((KernelFiles::WithoutCommandLine, Some(some(Some(initrd), b"")?)));
    }
    Ok(files)
}

/// Every VMM, QEMU with each kind of vCPU.
fn vmms() -> Vec<(VmmType, Vmm)> {
    let mut signatures: Vec<VcpuSignature> = VCPU_TYPES.iter().map(|t| t.signature()).collect();
    signatures.dedup();
    let qemu = signatures.into_iter().map(|vcpu| (VmmType::Qemu, Vmm::Qemu { vcpu }));
    qemu.chain([(VmmType::Ec2, Vmm::Ec2), (VmmType::Gce, Vmm::Gce)]).collect()
}

/// The features that kernels set, and those that are expected.
fn features(expected: &[&KnownValue]) -> Vec<GuestFeatures> {
    let mut all = vec![GuestFeatures::SNP_ACTIVE, GuestFeatures::SNP_ACTIVE_DEBUG_SWAP];
    for features in expected.iter().filter_map(|value| value.features()) {
        if !all.contains(&features) {
            all.push(features);
        }
    }
    all
}

fn start(
    (vmm_type, vmm): (VmmType, Vmm),
    vcpus: u32,
    features: GuestFeatures,
    kernel: KernelFiles,
    expected: &[&KnownValue],
) -> Start {
    let vcpu_types: Vec<&'static str> = match vmm {
        Vmm::Qemu { vcpu } => {
            let fitting = VCPU_TYPES.iter().filter(|known| known.signature() == vcpu);
            fitting.map(|known| known.name).collect()
        }
        _ => Vec::new(),
    };
    let causes = causes(vmm_type, vcpus, &vcpu_types, features, kernel, expected);
    let guest_features = format!("{:#x}", features.0);
    let vmm = word_of(vmm_type);
    Start { vmm, vcpus, vcpu_types, guest_features, kernel, causes }
}

/// What tells a launch from the expected ones.
fn causes(
    vmm: VmmType,
    vcpus: u32,
    vcpu_types: &[&'static str],
    features: GuestFeatures,
    kernel: KernelFiles,
    expected: &[&KnownValue],
) -> Vec<String> {
    let mut causes = Vec::new();
    if !expected.iter().any(|value| of_profile(value.value.vmm) == Some(vmm)) {
        let others = listed(expected.iter().map(|value| value.value.vmm));
        let vmm = word_of(vmm);
        causes.push(format!("the VMM is {vmm}; the reference values are for {others}"));
    }
    let counts = listed(expected.iter().filter_map(|value| value.value.vcpus));
    if !expected.iter().any(|value| value.value.vcpus == Some(vcpus)) {
        let plural = if vcpus == 1 { "" } else { "s" };
        causes.push(format!(
            "the guest has {vcpus} vCPU{plural}; the reference values are for {counts}"
        ));
    }
    let is_type = |value: &&KnownValue| {
        value.value.vcpu_type.as_deref().is_some_and(|name| vcpu_types.contains(&name))
    };
    if !vcpu_types.is_empty() && !expected.iter().any(is_type) {
        let names = listed(expected.iter().filter_map(|value| value.value.vcpu_type.clone()));
        let found = vcpu_types.join(" or ");
        causes.push(format!("the vCPUs are of type {found}; the reference values are for {names}"));
    }
    if !expected.iter().any(|value| value.features() == Some(features)) {
        let others = expected.iter().filter_map(|value| value.features());
        let others = listed(others.map(|features| format!("{:#x}", features.0)));
        causes.push(format!(
            "the guest features are {:#x}, which the host's kernel decides; the reference values \
             are for {others}",
            features.0
        ));
    }
    causes.extend(match kernel {
        KernelFiles::AsBuilt => None,
        KernelFiles::WithoutInitrd => Some("the guest was started without the initrd".to_owned()),
        KernelFiles::WithoutCommandLine => {
            Some("the guest was started without the command line".to_owned())
        }
        KernelFiles::NotMeasured => Some(
            "no kernel was measured: `kernel-hashes=on` is missing, or the guest booted from a disk"
                .to_owned(),
        ),
    });
    if causes.is_empty() {
        causes.push("each of these is expected, but not in this combination".to_owned());
    }
    causes
}

/// The VMM as profiles name it.
fn word_of(vmm: VmmType) -> String {
    let known = [profile::Vmm::Qemu, profile::Vmm::Ec2, profile::Vmm::Gce];
    let named = known.into_iter().find(|known| of_profile(*known) == Some(vmm));
    named.map_or_else(|| vmm.to_string(), |named| named.to_string())
}

/// The VMM as launches know it; Azure starts none that could be computed.
const fn of_profile(vmm: profile::Vmm) -> Option<VmmType> {
    match vmm {
        profile::Vmm::Qemu => Some(VmmType::Qemu),
        profile::Vmm::Ec2 => Some(VmmType::Ec2),
        profile::Vmm::Gce => Some(VmmType::Gce),
        profile::Vmm::Azure => None,
    }
}

/// Distinct values in order, as words.
fn listed<T: Ord + fmt::Display>(values: impl Iterator<Item = T>) -> String {
    let distinct: std::collections::BTreeSet<T> = values.collect();
    let words: Vec<_> = distinct.iter().map(ToString::to_string).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests;
