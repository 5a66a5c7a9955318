//! The AMD SEV and SEV-ES launch digest.
//!
//! SHA-256 over everything the VMM encrypts with LAUNCH_UPDATE_DATA and LAUNCH_UPDATE_VMSA, in
//! order (Secure Encrypted Virtualization API, publication 55766, sections 6.3 and 6.4): the
//! firmware, the table of kernel hashes, and for SEV-ES one VMSA per vCPU. LAUNCH_MEASURE answers
//! with an HMAC over this digest, the policy and a nonce. Deliberately absent: that HMAC, whose key
//! only the guest owner has. Oracle: sev-snp-measure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use cvmkit_formats::digest::Sha256;
use serde::Serialize;
use sha2::Digest as _;

use crate::digest::role;
use crate::firmware::Firmware;
use crate::kernel_hashes::KernelHashes;
use crate::snp::{Error, GuestFeatures, Meaning, Vmm};
use crate::snp::{check_vcpus, most_vcpus, prefix_digests, usable_hash_table, vmsa};

role! {
    /// GCTX.LD of an SEV or SEV-ES guest: 32 bytes.
    LaunchDigest(Sha256)
}

/// Bytes the VMM encrypts for one reason.
#[derive(Clone, Debug)]
pub struct Operation<'a> {
    /// Why the bytes are in the launch.
    pub meaning: Meaning,
    /// The bytes as they are encrypted.
    pub bytes: Cow<'a, [u8]>,
}

/// Everything the VMM encrypts, in order.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    operations: Vec<Operation<'a>>,
}

impl<'a> Launch<'a> {
    /// The operations in the order of the VMM.
    #[must_use]
    pub fn operations(&self) -> &[Operation<'a>] {
        &self.operations
    }

    /// The launch digest: the last of [`Launch::explain`].
    #[must_use]
    pub fn digest(&self) -> LaunchDigest {
        let empty = || LaunchDigest(Sha256::of(b""));
        self.explain().last().map_or_else(empty, |step| step.digest)
    }

    /// Every operation in order with the digest after it.
    pub fn explain(&self) -> impl Iterator<Item = Step> + '_ {
        let mut fold = sha2::Sha256::new();
        self.operations.iter().enumerate().map(move |(index, operation)| {
            fold.update(&operation.bytes);
            Step {
                index,
                meaning: operation.meaning,
                size: operation.bytes.len(),
                contents: Sha256::of(&operation.bytes),
                digest: LaunchDigest(Sha256(fold.clone().finalize().into())),
            }
        })
    }
}

/// One operation of a launch, and the digest after it. Prints as
/// `index | meaning | bytes | contents | running digest`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Place of the operation in the launch, from 0.
    pub index: usize,
    /// Why the bytes are in the launch.
    pub meaning: Meaning,
    /// Number of bytes.
    pub size: usize,
    /// SHA-256 of these bytes.
    pub contents: Sha256,
    /// The launch digest after them.
    pub digest: LaunchDigest,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, meaning, size, contents, digest } = self;
        write!(f, "{index:>5} | {meaning:<21} | {size:>10} | {contents} | {digest}")
    }
}

/// The launch of an SEV guest.
///
/// # Errors
/// [`Error::NoHashTable`] or [`Error::HashTableTooSmall`] for a kernel the firmware can't check.
pub fn launch<'a>(
    firmware: &Firmware<'a>,
    kernel: Option<&KernelHashes>,
) -> Result<Launch<'a>, Error> {
    let image = Operation { meaning: Meaning::Firmware, bytes: Cow::Borrowed(firmware.image()) };
    let mut operations = vec![image];
    if let Some(hashes) = kernel {
        usable_hash_table(firmware)?;
        let table = hashes.table().to_vec();
        operations.push(Operation { meaning: Meaning::KernelHashes, bytes: Cow::Owned(table) });
    }
    Ok(Launch { operations })
}

/// The launch of an SEV-ES guest with `vcpus` virtual processors. `SEV_FEATURES` is 0.
///
/// # Errors
/// As for [`launch`], and for firmware without SEV-ES reset block or a wrong number of vCPUs.
pub fn launch_es<'a>(
    firmware: &Firmware<'a>,
    vmm: Vmm,
    kernel: Option<&KernelHashes>,
    vcpus: u32,
) -> Result<Launch<'a>, Error> {
    let reset_vector = firmware.ap_reset_vector()?;
    check_vcpus(vcpus, reset_vector)?;
    let mut launch = launch(firmware, kernel)?;
    for vcpu in 0..vcpus {
        let eip = if vcpu == 0 { vmsa::BSP_EIP } else { reset_vector };
        let page = vmsa::page(vmm, eip, GuestFeatures(0)).to_vec();
        let meaning = Meaning::Vmsa { vcpu };
        launch.operations.push(Operation { meaning, bytes: Cow::Owned(page) });
    }
    Ok(launch)
}

/// The launch digests of an SEV-ES guest for several numbers of vCPUs, at the cost of the largest.
///
/// # Errors
/// As for [`launch_es`], with any of the numbers.
pub fn digests_es(
    firmware: &Firmware<'_>,
    vmm: Vmm,
    kernel: Option<&KernelHashes>,
    vcpus: &[u32],
) -> Result<BTreeMap<u32, LaunchDigest>, Error> {
    let Some(most) = most_vcpus(vcpus)? else { return Ok(BTreeMap::new()) };
    let launch = launch_es(firmware, vmm, kernel, most)?;
    Ok(prefix_digests(vcpus, launch.explain().map(|step| (step.meaning, step.digest))))
}
