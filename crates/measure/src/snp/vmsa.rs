//! The VMSA: the page with a virtual processor's initial registers.
//!
//! Offsets are those of the SEV-ES save area in AMD64 Architecture Programmer's Manual volume 2
//! (publication 24593), appendix B, table B-4. Values are what a processor has after INIT (same
//! volume, table 14-1) as each VMM sets them. Every byte not named is 0.

use super::{GuestFeatures, VcpuSignature, Vmm};
use crate::gpa::{Gpa, PAGE_SIZE};

/// The address VMSA pages are measured with. Linux gives them to the secure processor at address -1
/// (`snp_launch_update_vmsa` in `arch/x86/kvm/svm/sev.c`), of which page and address width remain.
pub const GPA: Gpa = Gpa(0xffff_ffff_f000);

/// Where the boot processor starts: the reset vector, `CS.base` 0xffff0000 and `RIP` 0xfff0.
pub const BSP_EIP: u32 = 0xffff_fff0;

/// Segment registers, 16 bytes each: selector `u16`, attributes `u16`, limit `u32`, base `u64`.
const ES: usize = 0x000;
const CS: usize = 0x010;
const SS: usize = 0x020;
const DS: usize = 0x030;
const FS: usize = 0x040;
const GS: usize = 0x050;
const GDTR: usize = 0x060;
const LDTR: usize = 0x070;
const IDTR: usize = 0x080;
const TR: usize = 0x090;
const EFER: usize = 0x0d0;
const CR4: usize = 0x148;
const CR0: usize = 0x158;
const DR7: usize = 0x160;
const DR6: usize = 0x168;
const RFLAGS: usize = 0x170;
const RIP: usize = 0x178;
const G_PAT: usize = 0x268;
const RDX: usize = 0x310;
const SEV_FEATURES: usize = 0x3b0;
const XCR0: usize = 0x3e8;
/// `u32`.
const MXCSR: usize = 0x408;
/// `u16`.
const X87_FCW: usize = 0x410;

/// EFER.SVME, which KVM sets for every guest.
const EFER_SVME: u64 = 0x1000;
/// CR4.MCE, which KVM sets for every encrypted guest.
const CR4_MCE: u64 = 0x40;
/// CR0.ET; reads as 1.
const CR0_ET: u64 = 0x10;
/// CR0.PE: protected mode.
const CR0_PE: u64 = 0x1;
/// DR7 and DR6 after INIT.
const DR7_INIT: u64 = 0x400;
const DR6_INIT: u64 = 0xffff_0ff0;
/// Bit 1 of RFLAGS reads as 1.
const RFLAGS_INIT: u64 = 0x2;
/// PAT after reset (same volume, section 7.8).
const PAT_INIT: u64 = 0x0007_0406_0007_0406;
/// The PAT GCE starts guests with.
const PAT_GCE: u64 = 0x0007_0106;
/// XCR0.x87 reads as 1.
const XCR0_X87: u64 = 0x1;
/// MXCSR after reset, which QEMU sets.
const MXCSR_INIT: u32 = 0x1f80;
/// FCW after FNINIT, which QEMU sets.
const FCW_INIT: u16 = 0x37f;
/// What EC2 and GCE start every vCPU with in EDX, whatever the processor.
const RDX_FIXED: u64 = 0x600;

/// What VMMs do differently.
struct Differences {
    cs_attributes: u16,
    ss_attributes: u16,
    tr_attributes: u16,
    g_pat: u64,
    rdx: u64,
    mxcsr: u32,
    x87_fcw: u16,
}

impl Differences {
    fn of(vmm: Vmm, eip: u32) -> Self {
        match vmm {
            Vmm::Qemu { vcpu } => Self {
                cs_attributes: 0x9b,
                ss_attributes: 0x93,
                tr_attributes: 0x8b,
                g_pat: PAT_INIT,
                rdx: vcpu.0.into(),
                mxcsr: MXCSR_INIT,
                x87_fcw: FCW_INIT,
            },
            Vmm::Ec2 => Self {
                // Only at the reset vector the code segment is not marked as accessed.
                cs_attributes: if eip == BSP_EIP { 0x9a } else { 0x9b },
                ss_attributes: 0x92,
                tr_attributes: 0x83,
                g_pat: PAT_INIT,
                rdx: RDX_FIXED,
                mxcsr: 0,
                x87_fcw: 0,
            },
            Vmm::Gce => Self {
                cs_attributes: 0x9b,
                ss_attributes: 0x93,
                tr_attributes: 0x8b,
                g_pat: PAT_GCE,
                rdx: RDX_FIXED,
                mxcsr: 0,
                x87_fcw: 0,
            },
        }
    }
}

/// The state of a processor that starts in real mode at `eip`: `CS.base` is its upper half and
/// `RIP` its lower.
#[must_use]
pub fn page(vmm: Vmm, eip: u32, features: GuestFeatures) -> [u8; PAGE_SIZE] {
    let vmm = Differences::of(vmm, eip);
    let mut vmsa = Vmsa::after_init();
    for offset in [ES, DS, FS, GS] {
        vmsa.segment(offset, 0, 0x93, 0xffff, 0);
    }
    vmsa.segment(CS, 0xf000, vmm.cs_attributes, 0xffff, (eip & 0xffff_0000).into());
    vmsa.segment(SS, 0, vmm.ss_attributes, 0xffff, 0);
    vmsa.segment(TR, 0, vmm.tr_attributes, 0xffff, 0);
    vmsa.u64(CR0, CR0_ET);
    vmsa.u64(RIP, (eip & 0xffff).into());
    vmsa.u64(G_PAT, vmm.g_pat);
    vmsa.u64(RDX, vmm.rdx);
    vmsa.u64(SEV_FEATURES, features.0);
    vmsa.put(MXCSR, vmm.mxcsr.to_le_bytes());
    vmsa.put(X87_FCW, vmm.x87_fcw.to_le_bytes());
    vmsa.0
}

/// The state of a processor that starts at COCONUT-SVSM's entry point `rip`: 32-bit protected mode
/// with flat segments, as the QEMU of the COCONUT-SVSM project sets it (`target/i386/sev.c`).
#[must_use]
pub fn svsm_page(vcpu: VcpuSignature, rip: u64) -> [u8; PAGE_SIZE] {
    let mut vmsa = Vmsa::after_init();
    for offset in [ES, SS, DS, FS] {
        vmsa.segment(offset, 0x10, 0xc93, 0xffff_ffff, 0);
    }
    vmsa.segment(CS, 0x08, 0xc9b, 0xffff_ffff, 0);
    vmsa.segment(GS, 0, 0x93, 0xffff, 0);
    vmsa.segment(TR, 0, 0x8b, 0xffff, 0);
    vmsa.u64(CR0, CR0_ET | CR0_PE);
    vmsa.u64(RIP, rip);
    vmsa.u64(G_PAT, PAT_INIT);
    vmsa.u64(RDX, vcpu.0.into());
    vmsa.u64(SEV_FEATURES, GuestFeatures::SNP_ACTIVE.0);
    vmsa.put(MXCSR, MXCSR_INIT.to_le_bytes());
    // FCW stays 0, unlike without an SVSM: so it was on the hardware the test vectors are from.
    vmsa.0
}

struct Vmsa([u8; PAGE_SIZE]);

impl Vmsa {
    /// What all processors start with.
    fn after_init() -> Self {
        let mut vmsa = Self([0; PAGE_SIZE]);
        vmsa.segment(GDTR, 0, 0, 0xffff, 0);
        vmsa.segment(LDTR, 0, 0x82, 0xffff, 0);
        vmsa.segment(IDTR, 0, 0, 0xffff, 0);
        vmsa.u64(EFER, EFER_SVME);
        vmsa.u64(CR4, CR4_MCE);
        vmsa.u64(DR7, DR7_INIT);
        vmsa.u64(DR6, DR6_INIT);
        vmsa.u64(RFLAGS, RFLAGS_INIT);
        vmsa.u64(XCR0, XCR0_X87);
        vmsa
    }

    /// Every offset is a constant of this module, and the highest is far below a page.
    fn put<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) {
        self.0[offset..offset + N].copy_from_slice(&bytes);
    }

    fn u64(&mut self, offset: usize, value: u64) {
        self.put(offset, value.to_le_bytes());
    }

    fn segment(&mut self, offset: usize, selector: u16, attributes: u16, limit: u32, base: u64) {
        self.put(offset, selector.to_le_bytes());
        self.put(offset + 2, attributes.to_le_bytes());
        self.put(offset + 4, limit.to_le_bytes());
        self.u64(offset + 8, base);
    }
}
