//! Digests other people published: those in sev-snp-measure's tests; the SVSM ones were measured on
//! hardware (`fixtures/README.md`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "fixtures too large to commit are named by the environment"
)]

mod ovmf_image;

use cvmkit_formats::digest::Sha256;
use cvmkit_measure::firmware::Firmware;
use cvmkit_measure::kernel_hashes::KernelHashes;
use cvmkit_measure::snp::{self, Guest, GuestFeatures, SvsmGuest, VcpuSignature, VcpuType, Vmm};
use cvmkit_measure::{firmware, sev};
use ovmf_image::OvmfImage;

const AMD_SEV: &[u8] = include_bytes!("fixtures/ovmf_AmdSev_suffix.bin");
const OVMF_X64: &[u8] = include_bytes!("fixtures/ovmf_OvmfX64_suffix.bin");
const LOUD: &[u8] = b"console=ttyS0 loglevel=7";

fn epyc_v4() -> VcpuSignature {
    "EPYC-v4".parse::<VcpuType>().unwrap().signature()
}

fn qemu() -> Vmm {
    Vmm::Qemu { vcpu: epyc_v4() }
}

/// Kernel and initrd of no bytes.
fn empty_kernel(cmdline: &[u8]) -> Option<KernelHashes> {
    Some(KernelHashes::from_bytes(b"", Some(b""), cmdline).unwrap())
}

/// Firmware, VMM, vCPUs, guest features, command line if there is a kernel, launch digest.
type Published = (&'static [u8], Vmm, u32, u64, Option<&'static [u8]>, &'static str);

#[test]
fn snp_digests_are_the_published_ones() {
    let cases: [Published; 14] = [
        (
            AMD_SEV,
            qemu(),
            1,
            0x21,
            Some(LOUD),
            "803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb2\
             8c653360fe4b3aba7e534442e7e1e17895dfe778d0228977",
        ),
        (
            AMD_SEV,
            qemu(),
            1,
            0x1,
            Some(LOUD),
            "6d287813eb5222d770f75005c664e34c204f385ce832cc2c\
             e7d0d6f354454362f390ef83a92046c042e706363b4b08fa",
        ),
        (
            AMD_SEV,
            qemu(),
            1,
            0x21,
            None,
            "e1e1ca029dd7973ab9513295be68198472dcd4fc834bd9af\
             9b63f6e8a1674dbf281a9278a4a2ebe0eed9f22adbcd0e2b",
        ),
        (
            AMD_SEV,
            qemu(),
            1,
            0x1,
            None,
            "19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6\
             013b26869a5fc6ecabe033c48dd6f6db5d6d76e7c5df632d",
        ),
        (
            AMD_SEV,
            qemu(),
            1,
            0x21,
            Some(b""),
            "329c8ce0972ae52343b64d34a434a86f245dfd74f5ed7aae\
             15d22efc78fb9683632b9b50e4e1d7fa41179ef98a7ef198",
        ),
        (
            AMD_SEV,
            qemu(),
            1,
            0x1,
            Some(b""),
            "ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3\
             ac99fc4bfa04ba6e9fc98646d4a07a9079397fa3852819b5",
        ),
        (
            AMD_SEV,
            qemu(),
            4,
            0x21,
            Some(b""),
            "4953b1fb416fa874980e8442b3706d345926d5f38879134e\
             00813c5d7abcbe78eafe7b422907be0b4698e2414a631942",
        ),
        (
            AMD_SEV,
            qemu(),
            4,
            0x1,
            Some(b""),
            "5061fffb019493a903613d56d54b94912a1a2f9e4502385f\
             5c194616753720a92441310ba6c4933de877c36e23046ad5",
        ),
        (
            AMD_SEV,
            Vmm::Ec2,
            1,
            0x21,
            Some(b""),
            "0ce9ccc06bab55eebe8abc234f3df6514883977a68a591b7\
             1052498ab52b2f1aa415db338033946ef93aa8278c0d67fb",
        ),
        (
            AMD_SEV,
            Vmm::Ec2,
            1,
            0x1,
            Some(b""),
            "0883bd0eeb716e65b7b977a321c278d1e51b33b5c655fab9\
             85443bbcc65c086b9c15e8a0bd8811050dec7e24964e5056",
        ),
        (
            AMD_SEV,
            Vmm::Gce,
            1,
            0x1,
            Some(b""),
            "5da7106cf14cf46b1725ebab123eb9e53bd46a1e9f400cd0\
             c08e7827b04b688ea8b4e403c8404efed4397ea5d5d0722e",
        ),
        (
            AMD_SEV,
            Vmm::Gce,
            4,
            0x1,
            Some(b""),
            "5c5debf100fc339f90276e761ee1f1658d08922c3b20e2a2\
             e6c7a6c3370b2452a15a00eae11886a93d6fd1e7ab81e29d",
        ),
        (
            OVMF_X64,
            qemu(),
            1,
            0x21,
            None,
            "28797ae0afaba4005a81e629acebfb59e6687949d6be4400\
             7cd5506823b0dd66f146aaae26ff291eed7b493d8a64c385",
        ),
        (
            OVMF_X64,
            qemu(),
            1,
            0x1,
            None,
            "da0296de8193586a5512078dcd719eccecbd87e2b825ad41\
             48c44f665dc87df21e5b49e21523a9ad993afdb6a30b4005",
        ),
    ];
    for (image, vmm, vcpus, features, cmdline, expected) in cases {
        let firmware = Firmware::of_end(image).unwrap();
        let kernel = cmdline.and_then(empty_kernel);
        let guest = Guest { features: GuestFeatures(features), kernel, ..Guest::new(vmm) };
        let launch = snp::launch(&firmware, &guest, vcpus).unwrap();
        assert_eq!(launch.digest().to_string(), expected, "{guest:?} with {vcpus} vCPUs");
    }
}

#[test]
fn a_precomputed_firmware_digest_stands_for_the_firmware() {
    let firmware = Firmware::of_end(AMD_SEV).unwrap();
    let digest = snp::firmware_digest(&firmware);
    assert_eq!(
        digest.to_string(),
        "086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2\
         c37faaa4b24af3aa16aff8c374c2a55c467a50da6d466b74"
    );
    let whole = Guest { kernel: empty_kernel(b""), ..Guest::new(qemu()) };
    let resumed = Guest { firmware_digest: Some(digest), ..whole.clone() };
    let [whole, resumed] = [whole, resumed].map(|guest| snp::launch(&firmware, &guest, 1).unwrap());
    assert_eq!(resumed.digest(), whole.digest());
    assert_eq!(resumed.start(), digest);
    assert_eq!(resumed.operations().len() + 1, whole.operations().len());
}

#[test]
fn sev_and_sev_es_digests_are_the_published_ones() {
    let amd_sev = Firmware::of_end(AMD_SEV).unwrap();
    let x64 = Firmware::of_end(OVMF_X64).unwrap();
    let sev = |firmware, kernel: Option<KernelHashes>| {
        sev::launch(firmware, kernel.as_ref()).unwrap().digest().to_string()
    };
    assert_eq!(
        sev(&amd_sev, empty_kernel(LOUD)),
        "82a3ee5d537c3620628270c292ae30cb40c3c878666a7890ee7ef2a08fb535ff"
    );
    let bare = KernelHashes::from_bytes(b"", None, b"").ok();
    assert_eq!(
        sev(&amd_sev, bare),
        "77f613d7bbcdf12a73782ea9e88b0172aeda50d1a54201cb903594ff52846898"
    );
    assert_eq!(sev(&x64, None), Sha256::of(OVMF_X64).to_string());
    assert_eq!(sev(&x64, None), "b4c021e085fb83ceffe6571a3d357b4a98773c83c474e47f76c876708fe316da");

    let kernel = empty_kernel(b"");
    let digests = sev::digests_es(&amd_sev, qemu(), kernel.as_ref(), &[1, 4]).unwrap();
    assert_eq!(
        digests[&1].to_string(),
        "13810ae661ea11e2bb205621f582fee268f0367c8f97bc297b7fadef3e12002c"
    );
    assert_eq!(
        digests[&4].to_string(),
        "0dccbcaba8e90b261bd0d2e1863a2f9da714768b7b2a19363cd6ae35aa90de91"
    );
    let alone = sev::launch_es(&amd_sev, qemu(), kernel.as_ref(), 4).unwrap();
    assert_eq!(alone.digest(), digests[&4]);
}

#[test]
fn a_kernel_the_firmware_cannot_check_is_refused() {
    let x64 = Firmware::of_end(OVMF_X64).unwrap();
    let kernel = empty_kernel(b"");
    let guest = Guest { kernel, ..Guest::new(qemu()) };
    let error = snp::launch(&x64, &guest, 1).unwrap_err();
    assert_eq!(error, snp::Error::NoKernelHashesSection);
    for word in ["kernel hashes", "SNP_KERNEL_HASHES", "SEV metadata"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    let error = sev::launch(&x64, kernel.as_ref()).unwrap_err();
    assert_eq!(error, snp::Error::NoHashTable);
    assert!(error.to_string().contains("kernel hashes"), "{error}");
    assert_eq!(sev::launch_es(&x64, qemu(), kernel.as_ref(), 1).unwrap_err(), error);
}

/// What sev-snp-measure 0.0.13 prints: no published EC2 digest has more than one vCPU.
#[test]
fn ec2_application_processors_differ_from_the_boot_processor() {
    let firmware = Firmware::of_end(AMD_SEV).unwrap();
    let guest = Guest { kernel: empty_kernel(b""), ..Guest::new(Vmm::Ec2) };
    assert_eq!(
        snp::launch(&firmware, &guest, 4).unwrap().digest().to_string(),
        "011b1f26c364b296c80a51fac7bc7f957ed13814fb4ace34\
         2cca6b3db312511335ec910caa2bceb32a5957d89b5239a6"
    );
}

/// What sev-snp-measure 0.0.13 prints for these images, so that no oracle is needed to notice a
/// change: `--mode snp:svsm --vcpu-type EPYC-Milan --vars-size 540672`.
#[test]
fn made_up_svsm_digests_stay() {
    let sections = [[0, 0x9e000, 1], [0x9e000, 0x1000, 2], [0x9f000, 0x1000, 3]].to_vec();
    let svsm = OvmfImage {
        pages: 3,
        sections: Some(sections),
        svsm_entry: Some(0x40),
        ..OvmfImage::default()
    };
    let (ovmf, svsm) = (OvmfImage::default().without_volume(), svsm.without_volume());
    let (ovmf, svsm) = (Firmware::of_end(&ovmf).unwrap(), Firmware::svsm(&svsm).unwrap());
    let vcpu = "EPYC-Milan".parse::<VcpuType>().unwrap().signature();
    let guest = SvsmGuest { vcpu, vars_size: 540_672 };
    let digests = snp::svsm_digests(&ovmf, &svsm, &guest, &[1, 3]).unwrap();
    assert_eq!(
        digests[&1].to_string(),
        "a8e882724b5e3234f05c564b8b92724c8e1dac8ab429e943\
         f60e321ea2b0a0e7b3a84be40b687445fa7a55163156d7cf"
    );
    assert_eq!(
        digests[&3].to_string(),
        "604215e2bc41b287b6c4877dc60da7038f9ea8364e23416c\
         fe8da716d17cb17a45be993882fb04da853e87b61a914a6c"
    );
}

/// Measured by COCONUT-SVSM on hardware, with 540672 bytes of variables.
#[test]
fn svsm_digests_are_the_published_ones() {
    let named = |expected: &str| {
        let paths = std::env::var("CVMKIT_FIRMWARE").unwrap_or_default();
        let files = paths.split(':').filter_map(|path| std::fs::read(path).ok());
        files.into_iter().find(|bytes| Sha256::of(bytes).to_string() == expected)
    };
    let svsm = named("287fcee67b501b072e4953b5006059d088b454e9197bc318885385acb233d5d1");
    let ovmf = named("50d1bf8676c7fb2ff6b8e50cf8fc0491534de27c12d6345a2dcefef51cbac97e");
    let (Some(svsm), Some(ovmf)) = (svsm, ovmf) else {
        eprintln!(
            "SKIPPED: svsm.bin and svsm_ovmf.fd of sev-snp-measure are not in CVMKIT_FIRMWARE"
        );
        return;
    };
    let (svsm, ovmf) = (Firmware::svsm(&svsm).unwrap(), Firmware::of_end(&ovmf).unwrap());
    let guest = SvsmGuest { vcpu: epyc_v4(), vars_size: 540_672 };
    let digests = snp::svsm_digests(&ovmf, &svsm, &guest, &[2, 4]).unwrap();
    assert_eq!(
        digests[&2].to_string(),
        "9b94745036aafddf4f7f8b00c7513abb5b7703178cb95aaa\
         57928bd963d68d3bfcb715d6019b9167ee2517b11b0d9be7"
    );
    assert_eq!(
        digests[&4].to_string(),
        "27d154c27b7b359c935e250ec6fee72aa0ae8c1225e3b0e1\
         cf46a9567e938066d7d6f94bbdc4a857818bdb79277a44b2"
    );
    let swapped = snp::launch_svsm(&svsm, &ovmf, &guest, 2).unwrap_err();
    assert_eq!(swapped, snp::Error::Firmware(firmware::Error::NoSvsmInfo));
}
