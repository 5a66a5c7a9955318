//! The list explains the digest, every input counts, and names are found.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cvmkit_formats::digest::Sha384;
use cvmkit_measure::firmware::Firmware;
use cvmkit_measure::gpa::Gpa;
use cvmkit_measure::kernel_hashes::KernelHashes;
use cvmkit_measure::names::UnknownName;
use cvmkit_measure::sev;
use cvmkit_measure::snp::{
    self, FirmwareFold, Fold, Guest, GuestFeatures, LaunchDigest, Meaning, Mode, PageType,
    VCPU_TYPES, VcpuSignature, VcpuType, Vmm, VmmType,
};

const AMD_SEV: &[u8] = include_bytes!("fixtures/ovmf_AmdSev_suffix.bin");

fn hashes(kernel: &[u8], initrd: &[u8], cmdline: &[u8]) -> Option<KernelHashes> {
    KernelHashes::from_bytes(kernel, Some(initrd), cmdline).ok()
}

fn guest() -> Guest {
    let vcpu = "EPYC-Milan".parse::<VcpuType>().unwrap().signature();
    Guest { kernel: hashes(b"k", b"i", b"c"), ..Guest::new(Vmm::Qemu { vcpu }) }
}

fn digest(image: &[u8], guest: &Guest, vcpus: u32) -> LaunchDigest {
    snp::launch(&Firmware::of_end(image).unwrap(), guest, vcpus).unwrap().digest()
}

#[test]
fn every_input_changes_the_digest() {
    let base = guest();
    let with = |change: fn(&mut Guest)| {
        let mut changed = base.clone();
        change(&mut changed);
        digest(AMD_SEV, &changed, 2)
    };
    let mut first_byte = AMD_SEV.to_vec();
    first_byte[0] ^= 1;
    let mut last_byte = AMD_SEV.to_vec();
    last_byte[4095] ^= 0x80;
    let mut digests = vec![
        digest(AMD_SEV, &base, 1),
        digest(AMD_SEV, &base, 2),
        digest(AMD_SEV, &base, 3),
        digest(&first_byte, &base, 2),
        digest(&last_byte, &base, 2),
        with(|guest| guest.features = GuestFeatures::SNP_ACTIVE_DEBUG_SWAP),
        with(|guest| guest.features = GuestFeatures(1 << 63)),
        with(|guest| guest.kernel = None),
        with(|guest| guest.kernel = hashes(b"K", b"i", b"c")),
        with(|guest| guest.kernel = hashes(b"k", b"I", b"c")),
        with(|guest| guest.kernel = hashes(b"k", b"i", b"C")),
        with(|guest| guest.kernel = hashes(b"k", b"i", b"c\n")),
        with(|guest| guest.kernel = hashes(b"k", b"", b"c")),
        with(|guest| guest.kernel = hashes(b"i", b"k", b"c")),
        with(|guest| guest.vmm = Vmm::Qemu { vcpu: VcpuSignature(0x00a0_0f12) }),
        with(|guest| guest.vmm = Vmm::Ec2),
        with(|guest| guest.vmm = Vmm::Gce),
        with(|guest| guest.firmware_digest = Some(LaunchDigest(Sha384::of(b"other")))),
    ];
    let count = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), count);
}

/// Equal pages in a row are hashed once; what is folded is what each of them hashes to.
#[test]
fn runs_of_equal_pages_fold_like_single_pages() {
    let pages = [[0xff; 4096], [0xff; 4096], [0xff; 4096], [0; 4096], [0xff; 4096], [0; 4096]];
    let mut almost = [0xff; 4096];
    almost[4095] = 0xfe;
    let image = [&pages.concat()[..], &almost, &[0xff; 4096], AMD_SEV].concat();
    let mut fold = Fold::resume(LaunchDigest(Sha384::ZERO));
    let start = (1 << 32) - image.len() as u64;
    for (at, page) in (start..).step_by(4096).zip(image.chunks(4096)) {
        fold.page(PageType::Normal, Gpa(at), Some(Sha384::of(page)));
    }
    let firmware = Firmware::of_end(&image).unwrap();
    assert_eq!(snp::firmware_digest(&firmware), fold.digest());

    let (pages, _) = image.as_chunks::<4096>();
    for size in 1..=pages.len() {
        let mut pieces = FirmwareFold::new(image.len() as u64).unwrap();
        pages.chunks(size).for_each(|piece| pieces.pages(piece));
        assert_eq!(pieces.finish(), Some(fold.digest()), "{size} pages at once");
    }
}

#[test]
fn a_fold_of_other_pages_than_were_promised_has_no_digest() {
    let two = || FirmwareFold::new(0x2000).unwrap();
    let after = |mut fold: FirmwareFold, pages: &[[u8; 4096]]| {
        fold.pages(pages);
        fold.finish()
    };
    assert!(after(two(), &[[0; 4096]; 2]).is_some());
    assert!(after(two(), &[[0; 4096]; 1]).is_none() && after(two(), &[[0; 4096]; 3]).is_none());
    for len in [0, 1, 4095, 4097, 1 << 32, (1 << 32) + 4096] {
        assert!(FirmwareFold::new(len).is_err(), "{len}");
    }
    assert!(FirmwareFold::new((1 << 32) - 4096).is_ok());
}

#[test]
fn sev_and_sev_es_inputs_change_the_digest() {
    let firmware = Firmware::of_end(AMD_SEV).unwrap();
    let kernel = hashes(b"k", b"i", b"c");
    let es = |vmm, kernel: Option<KernelHashes>, vcpus| {
        sev::launch_es(&firmware, vmm, kernel.as_ref(), vcpus).unwrap().digest()
    };
    let qemu = guest().vmm;
    let mut digests = vec![
        sev::launch(&firmware, None).unwrap().digest(),
        sev::launch(&firmware, kernel.as_ref()).unwrap().digest(),
        es(qemu, None, 1),
        es(qemu, kernel, 1),
        es(qemu, kernel, 2),
        es(Vmm::Qemu { vcpu: VcpuSignature(1) }, kernel, 1),
        es(Vmm::Ec2, kernel, 1),
        es(Vmm::Gce, kernel, 1),
    ];
    let count = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), count);
}

#[test]
fn digests_for_many_counts_equal_those_for_one() {
    let firmware = Firmware::of_end(AMD_SEV).unwrap();
    let counts = [512, 1, 2, 4, 3, 2];
    for vmm in [guest().vmm, Vmm::Ec2, Vmm::Gce] {
        let guest = Guest { vmm, ..guest() };
        let digests = snp::digests(&firmware, &guest, &counts).unwrap();
        assert_eq!(digests.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 512]);
        for (vcpus, digest) in digests {
            let launch = snp::launch(&firmware, &guest, vcpus).unwrap();
            assert_eq!(launch.digest(), digest, "{vcpus}");
        }
    }
}

#[test]
fn the_explanation_ends_in_the_digest_and_folds_to_it() {
    let firmware = Firmware::of_end(AMD_SEV).unwrap();
    let launch = snp::launch(&firmware, &guest(), 2).unwrap();
    let steps: Vec<_> = launch.explain().collect();
    // 1 firmware, 9 + 3 + 15 SEC memory, 1 each of the four others, 2 VMSA.
    assert_eq!(steps.len(), 1 + 27 + 4 + 2);
    assert_eq!(steps.last().unwrap().digest, launch.digest());
    let mut fold = Fold::resume(launch.start());
    for (index, step) in steps.iter().enumerate() {
        assert_eq!(step.index, index);
        fold.page(step.page_type, step.gpa, step.contents);
        assert_eq!(fold.digest(), step.digest);
    }
    let pages: u64 = launch.operations().iter().map(snp::Operation::pages).sum();
    assert_eq!(pages, steps.len() as u64);

    let third = steps[3].to_string();
    let start = "    3 | ZERO       | 0x000000802000 | SEC memory +0x2000    | -    ";
    assert!(third.starts_with(start), "{third}");
    assert!(third.ends_with(&format!(" | {}", steps[3].digest)), "{third}");
    let listed: Vec<_> = launch.operations().iter().map(ToString::to_string).collect();
    assert_eq!(listed[0], "NORMAL     0x0000fffff000 firmware, pages: 1");
    assert_eq!(listed[6], "NORMAL     0x000000810000 kernel hashes, pages: 1");
    assert_eq!(listed[9], "VMSA       0xfffffffff000 VMSA of vCPU 1, pages: 1");
}

#[test]
fn ec2_measures_cpuid_last_and_gce_leaves_sec_memory_unmeasured() {
    let firmware = Firmware::of_end(AMD_SEV).unwrap();
    let types = |vmm| -> Vec<(PageType, Meaning)> {
        let launch = snp::launch(&firmware, &Guest { vmm, ..guest() }, 1).unwrap();
        launch.operations().iter().map(|op| (op.page_type, op.meaning)).collect()
    };
    let ec2 = types(Vmm::Ec2);
    assert_eq!(ec2[ec2.len() - 2], (PageType::Cpuid, Meaning::Cpuid));
    assert_eq!(ec2.len(), types(guest().vmm).len());
    let gce = types(Vmm::Gce);
    let unmeasured = gce.iter().filter(|(page_type, _)| *page_type == PageType::Unmeasured);
    assert!(unmeasured.clone().all(|(_, meaning)| *meaning == Meaning::SecMem));
    assert_eq!(unmeasured.count(), 3);
}

#[test]
fn steps_serialize_with_the_fields_of_the_listing() {
    let firmware = Firmware::of_end(AMD_SEV).unwrap();
    let launch = snp::launch(&firmware, &guest(), 1).unwrap();
    let steps: Vec<_> = launch.explain().collect();
    let json = serde_json::to_value(&steps[2]).unwrap();
    let expected = serde_json::json!({
        "index": 2, "page-type": "ZERO", "gpa": "0x000000801000", "meaning": "SEC memory",
        "offset": 4096, "contents": null, "digest": steps[2].digest.to_string(),
    });
    assert_eq!(json, expected);
    let json = serde_json::to_value(steps.last().unwrap()).unwrap();
    assert_eq!(json["meaning"], "VMSA of vCPU 0");
    assert_eq!(json["digest"], launch.digest().to_string());
    assert_eq!(json["contents"].as_str().unwrap().len(), 96);

    let sev = sev::launch(&firmware, guest().kernel.as_ref()).unwrap();
    let json = serde_json::to_value(sev.explain().last().unwrap()).unwrap();
    assert_eq!(json["digest"], sev.digest().to_string());
    assert_eq!(json["meaning"], "kernel hashes");
}

#[test]
fn addresses_print_in_full_width() {
    assert_eq!(Gpa(0x1000).to_string(), "0x000000001000");
    assert_eq!(snp::vmsa::GPA.to_string(), "0xfffffffff000");
}

/// The signatures are what AMD processors of these models answer in CPUID Fn0000_0001_EAX.
#[test]
fn vcpu_types_have_their_signatures() {
    let signature = |name: &str| name.parse::<VcpuType>().unwrap().signature().0;
    assert_eq!(signature("EPYC-v4"), 0x0080_0f12);
    assert_eq!(signature("EPYC-Rome"), 0x0083_0f10);
    assert_eq!(signature("EPYC-Milan-v2"), 0x00a0_0f11);
    assert_eq!(signature("EPYC-Genoa"), 0x00a1_0f10);
    assert_eq!(signature("EPYC-Turin"), 0x00b0_0f00);
    for vcpu_type in VCPU_TYPES {
        let VcpuType { family, model, stepping, .. } = vcpu_type;
        assert_eq!(VcpuSignature::new(family, model, stepping), Ok(vcpu_type.signature()));
    }
    assert_eq!(VcpuSignature::new(6, 15, 3), Ok(VcpuSignature(0x6f3)));
    for (family, model, stepping, what) in
        [(271, 0, 0, "family"), (23, 256, 0, "model"), (23, 0, 16, "stepping")]
    {
        assert_eq!(VcpuSignature::new(family, model, stepping).unwrap_err().what, what);
    }
}

#[test]
fn names_are_found_or_the_near_ones_listed() {
    for (name, mode) in [
        ("sev", Mode::Sev),
        ("SEV-ES", Mode::SevEs),
        ("seves", Mode::SevEs),
        ("snp", Mode::Snp),
        ("SEV-SNP", Mode::Snp),
        ("snp:ovmf-hash", Mode::SnpOvmfHash),
        ("SNP:SVSM", Mode::SnpSvsm),
    ] {
        assert_eq!(name.parse::<Mode>().unwrap(), mode, "{name}");
    }
    for (name, vmm) in [
        ("QEMU", VmmType::Qemu),
        ("qemu", VmmType::Qemu),
        ("EC2", VmmType::Ec2),
        ("gce", VmmType::Gce),
    ] {
        assert_eq!(name.parse::<VmmType>().unwrap(), vmm, "{name}");
    }
    assert!(VmmType::Qemu.with(None).is_err());
    assert_eq!(VmmType::Gce.with(None), Ok(Vmm::Gce));

    let near = |error: UnknownName| error.near;
    assert_eq!(near("epyc-turin".parse::<VcpuType>().unwrap_err()), ["EPYC-Turin"]);
    assert_eq!(
        near("Genoa".parse::<VcpuType>().unwrap_err()),
        ["EPYC-Genoa", "EPYC-Genoa-v1", "EPYC-Genoa-v2"]
    );
    assert_eq!(near("EPYC-Trin".parse::<VcpuType>().unwrap_err()), ["EPYC-Turin"]);
    assert_eq!(near("quemu".parse::<VmmType>().unwrap_err()), ["QEMU"]);
    let error = "host".parse::<VcpuType>().unwrap_err();
    assert_eq!(error.near, [""; 0]);
    assert!(error.to_string().starts_with("unknown vCPU type `host`, expected one of EPYC, "));
    let error = "tdx".parse::<Mode>().unwrap_err().to_string();
    assert!(error.starts_with("unknown guest mode `tdx`, expected one of sev, seves, "), "{error}");
}
