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

#[cfg(test)]
mod tests {
    use super::*;

    const VCPU: VcpuSignature = VcpuSignature(0x0080_0f12);

    fn hex_at(page: &[u8], at: usize, len: usize) -> String {
        hex::encode(&page[at..at + len])
    }

    /// AMD64 Architecture Programmer's Manual volume 2, table B-4: offsets written out once more, as
    /// bytes in memory.
    #[test]
    fn a_processor_of_qemu_starts_at_the_reset_vector() {
        let page = page(Vmm::Qemu { vcpu: VCPU }, BSP_EIP, GuestFeatures::SNP_ACTIVE);
        for (at, expected) in [
            (0x000, "00009300ffff00000000000000000000"), // ES
            (0x010, "00f09b00ffff00000000ffff00000000"), // CS
            (0x020, "00009300ffff00000000000000000000"), // SS
            (0x060, "00000000ffff00000000000000000000"), // GDTR
            (0x070, "00008200ffff00000000000000000000"), // LDTR
            (0x090, "00008b00ffff00000000000000000000"), // TR
            (0x0d0, "0010000000000000"),                 // EFER
            (0x148, "4000000000000000"),                 // CR4
            (0x158, "1000000000000000"),                 // CR0
            (0x160, "0004000000000000"),                 // DR7
            (0x168, "f00fffff00000000"),                 // DR6
            (0x170, "0200000000000000"),                 // RFLAGS
            (0x178, "f0ff000000000000"),                 // RIP
            (0x268, "0604070006040700"),                 // G_PAT
            (0x310, "120f800000000000"),                 // RDX
            (0x3b0, "0100000000000000"),                 // SEV_FEATURES
            (0x3e8, "0100000000000000"),                 // XCR0
            (0x408, "801f0000"),                         // MXCSR
            (0x410, "7f03"),                             // X87_FCW
        ] {
            assert_eq!(hex_at(&page, at, expected.len() / 2), expected, "{at:#x}");
        }
        let set = page.iter().filter(|&&byte| byte != 0).count();
        assert_eq!(set, 57, "and nothing else");
    }

    #[test]
    fn clouds_start_processors_with_their_own_values() {
        let features = GuestFeatures::SNP_ACTIVE;
        let [ec2, gce] = [Vmm::Ec2, Vmm::Gce].map(|vmm| page(vmm, BSP_EIP, features));
        let ap = page(Vmm::Ec2, 0x0080_b004, features);
        // CS of an application processor: accessed, and its base is the upper half of its start.
        assert_eq!(hex_at(&ec2, 0x010, 16), "00f09a00ffff00000000ffff00000000");
        assert_eq!(hex_at(&ap, 0x010, 16), "00f09b00ffff00000000800000000000");
        assert_eq!(hex_at(&ap, 0x178, 8), "04b0000000000000");
        for (page, ss, tr, pat) in
            [(&ec2, "92", "83", "0604070006040700"), (&gce, "93", "8b", "0601070000000000")]
        {
            assert_eq!((hex_at(page, 0x022, 1), hex_at(page, 0x092, 1)), (ss.into(), tr.into()));
            assert_eq!(hex_at(page, 0x268, 8), pat);
            assert_eq!(hex_at(page, 0x310, 2), "0006");
            assert_eq!(
                (hex_at(page, 0x408, 4), hex_at(page, 0x410, 2)),
                ("00000000".into(), "0000".into())
            );
        }
        let swap = page(Vmm::Gce, BSP_EIP, GuestFeatures::SNP_ACTIVE_DEBUG_SWAP);
        let differing: Vec<_> = (0..PAGE_SIZE).filter(|&at| swap[at] != gce[at]).collect();
        assert_eq!(differing, [0x3b0]);
    }

    #[test]
    fn an_svsm_starts_in_protected_mode() {
        let page = svsm_page(VCPU, 0x1234_5678_9abc);
        for (at, expected) in [
            (0x000, "1000930cffffffff0000000000000000"),
            (0x010, "08009b0cffffffff0000000000000000"),
            (0x040, "1000930cffffffff0000000000000000"),
            (0x050, "00009300ffff00000000000000000000"),
            (0x158, "1100000000000000"),
            (0x178, "bc9a785634120000"),
            (0x3b0, "0100000000000000"),
            (0x410, "0000"),
        ] {
            assert_eq!(hex_at(&page, at, expected.len() / 2), expected, "{at:#x}");
        }
    }
}
