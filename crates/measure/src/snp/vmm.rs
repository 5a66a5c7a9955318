//! Who starts the guest, and what that changes.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::VcpuSignature;
use crate::names::UnknownName;

/// A virtual machine monitor whose launch of guests is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VmmType {
    /// QEMU with KVM, and what behaves like it.
    Qemu,
    /// Amazon EC2, whose launch sev-snp-measure knows.
    Ec2,
    /// Google Compute Engine, whose launch sev-snp-measure knows.
    Gce,
}

/// sev-snp-measure's spellings.
const NAMES: [(&str, VmmType); 3] =
    [("QEMU", VmmType::Qemu), ("ec2", VmmType::Ec2), ("gce", VmmType::Gce)];

impl FromStr for VmmType {
    type Err = UnknownName;

    /// Reads a VMM type, whatever its case.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let unknown = || UnknownName::new("VMM type", name, NAMES.map(|(known, _)| known));
        known.map(|&(_, vmm)| vmm).ok_or_else(unknown)
    }
}

impl fmt::Display for VmmType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Qemu => "QEMU",
            Self::Ec2 => "ec2",
            Self::Gce => "gce",
        })
    }
}

/// QEMU without a vCPU type.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no vCPU type: QEMU starts each vCPU with its CPUID signature in RDX, which is measured")]
pub struct MissingVcpuType;

impl VmmType {
    /// This VMM with a virtual processor. EC2 and GCE measure the same for all of them, so there
    /// `vcpu` has no effect.
    ///
    /// # Errors
    /// [`MissingVcpuType`] for QEMU without one.
    pub fn with(self, vcpu: Option<VcpuSignature>) -> Result<Vmm, MissingVcpuType> {
        match self {
            Self::Qemu => vcpu.map(|vcpu| Vmm::Qemu { vcpu }).ok_or(MissingVcpuType),
            Self::Ec2 => Ok(Vmm::Ec2),
            Self::Gce => Ok(Vmm::Gce),
        }
    }
}

/// A VMM, with what of its configuration is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vmm {
    /// QEMU with KVM, which measures the vCPU's signature.
    Qemu {
        /// The virtual processor of `-cpu`.
        vcpu: VcpuSignature,
    },
    /// Amazon EC2, whose launch sev-snp-measure knows.
    Ec2,
    /// Google Compute Engine, whose launch sev-snp-measure knows.
    Gce,
}

/// `SEV_FEATURES` of the VMSA (AMD64 Architecture Programmer's Manual volume 2, appendix B, table
/// B-4, offset 0x3B0). The host kernel decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestFeatures(pub u64);

impl GuestFeatures {
    /// SNPActive, bit 0: every SEV-SNP guest has it.
    pub const SNP_ACTIVE: Self = Self(1);
    /// SNPActive and DebugSwap, bit 5: what Linux 6.6 and 6.7 give.
    pub const SNP_ACTIVE_DEBUG_SWAP: Self = Self(0x21);
}

impl Default for GuestFeatures {
    /// [`GuestFeatures::SNP_ACTIVE`], what Linux 6.8 and later give.
    fn default() -> Self {
        Self::SNP_ACTIVE
    }
}
