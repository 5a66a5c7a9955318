//! Crate `sev` answers the same for QEMU, and something else for EC2: its model of that VMM is the
//! one sev-snp-measure had before 0.0.13.
//!
//! Runs with the feature `cross-check`, which compiles that crate.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "crate `sev` takes files")]

mod ovmf_image;

use std::fs;
use std::path::Path;

use cvmkit_formats::digest::Sha384;
use cvmkit_measure::firmware::Firmware;
use cvmkit_measure::gpa::PAGE_SIZE;
use cvmkit_measure::kernel_hashes::KernelHashes;
use cvmkit_measure::snp::{
    self, Contents, Fold, Guest, GuestFeatures, LaunchDigest, Meaning, VcpuType, Vmm,
};
use ovmf_image::OvmfImage;
use sev::measurement::snp::{SnpMeasurementArgs, snp_calc_launch_digest};
use sev::measurement::vcpu_types::CpuType;
use sev::measurement::vmsa::{GuestFeatures as TheirFeatures, VMMType};
use sev::parser::ByteParser as _;

/// Offset of RDX in a VMSA (AMD64 Architecture Programmer's Manual volume 2, table B-4).
const RDX: usize = 0x310;
const CMDLINE: &str = "console=ttyS0 loglevel=7";

struct Case<'a> {
    folder: &'a Path,
    image: &'a [u8],
    kernel: bool,
    vcpus: u32,
    features: u64,
}

impl Case<'_> {
    fn theirs(&self, vcpu_type: CpuType, vmm: VMMType) -> String {
        let ovmf_file = self.folder.join("ovmf.fd");
        fs::write(&ovmf_file, self.image).unwrap();
        let file = |name: &str| self.kernel.then(|| self.folder.join(name));
        let arguments = SnpMeasurementArgs {
            vcpus: self.vcpus,
            vcpu_type,
            ovmf_file,
            guest_features: TheirFeatures::from_bytes(&self.features.to_le_bytes()).unwrap(),
            kernel_file: file("kernel"),
            initrd_file: file("initrd"),
            append: self.kernel.then_some(CMDLINE),
            ovmf_hash_str: None,
            vmm_type: Some(vmm),
        };
        snp_calc_launch_digest(arguments).unwrap().get_hex_ld()
    }

    fn ours(&self, vmm: Vmm) -> snp::Launch<'_> {
        let read = |name: &str| fs::read(self.folder.join(name)).unwrap();
        let kernel = self.kernel.then(|| {
            let initrd = read("initrd");
            KernelHashes::from_bytes(&read("kernel"), Some(&initrd), CMDLINE.as_bytes()).unwrap()
        });
        let features = GuestFeatures(self.features);
        let guest = Guest { features, kernel, ..Guest::new(vmm) };
        snp::launch(&Firmware::of_end(self.image).unwrap(), &guest, self.vcpus).unwrap()
    }
}

/// Every case: images x kernel or none x vCPUs x features.
fn each(mut check: impl FnMut(&Case<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("kernel"), [0xc3; 70_000]).unwrap();
    fs::write(folder.path().join("initrd"), b"an initrd of an odd length").unwrap();
    let small = OvmfImage::default().bytes();
    let larger = OvmfImage { pages: 5, reset_vector: Some(0xfff0_1234), ..OvmfImage::default() };
    let suffix = include_bytes!("fixtures/ovmf_AmdSev_suffix.bin");
    for image in [&small[..], &larger.bytes(), suffix] {
        for kernel in [false, true] {
            for (vcpus, features) in [(1, 0x1), (2, 0x21), (5, 0x1)] {
                check(&Case { folder: folder.path(), image, kernel, vcpus, features });
            }
        }
    }
}

#[test]
fn qemu_s_digests_are_those_of_crate_sev() {
    let types = [
        ("EPYC-v4", CpuType::EpycV4),
        ("EPYC-Rome", CpuType::EpycRome),
        ("EPYC-Milan", CpuType::EpycMilan),
        ("EPYC-Genoa", CpuType::EpycGenoa),
        ("EPYC-Turin", CpuType::EpycTurin),
    ];
    let mut equal = 0;
    each(|case| {
        for (name, theirs) in types {
            let vcpu = name.parse::<VcpuType>().unwrap().signature();
            let ours = case.ours(Vmm::Qemu { vcpu }).digest().to_string();
            assert_eq!(ours, case.theirs(theirs, VMMType::QEMU), "{name}");
            equal += 1;
        }
    });
    assert_eq!(equal, 90);
}

/// The launch with RDX 0 in every VMSA: what EC2 was taken to do until it was seen that guests
/// start with 0x600 there (sev-snp-measure 0.0.13, whose digests ours are).
fn with_old_rdx(launch: &snp::Launch<'_>) -> LaunchDigest {
    let mut fold = Fold::resume(launch.start());
    for step in launch.explain() {
        let operation = launch.operations().iter().find(|o| o.meaning == step.meaning).unwrap();
        let contents = match (&operation.contents, step.meaning) {
            (Contents::Page(page), Meaning::Vmsa { .. }) => {
                let mut vmsa: [u8; PAGE_SIZE] = *page.bytes();
                assert_eq!(vmsa[RDX..RDX + 8], 0x600_u64.to_le_bytes());
                vmsa[RDX..RDX + 8].fill(0);
                Some(Sha384::of(&vmsa))
            }
            _ => step.contents,
        };
        fold.page(step.page_type, step.gpa, contents);
    }
    fold.digest()
}

#[test]
fn ec2_s_digests_differ_by_rdx_and_nothing_else() {
    each(|case| {
        let ours = case.ours(Vmm::Ec2);
        let theirs = case.theirs(CpuType::EpycMilan, VMMType::EC2);
        assert_ne!(ours.digest().to_string(), theirs);
        assert_eq!(with_old_rdx(&ours).to_string(), theirs);
    });
}
