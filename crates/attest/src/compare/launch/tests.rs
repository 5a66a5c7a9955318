//! A launch digest that is expected, one that the same files give otherwise, and one that they never give.

use cvmkit_measure::snp::VcpuType;
use serde_json::{Value, json};

use super::super::expectation::Expectation;
use super::super::options::Options;
use super::super::tests::fixture::known;
use super::*;
use crate::tests::bzimage::efi_kernel;
use crate::tests::image::{ImageFolder, snp_firmware, value};
use crate::tests::{COMMAND_LINE as LINE, INITRD};

/// A guest with these files, by the crate that measures launches (`measure`, against sev-snp-measure).
fn digest(vmm: Vmm, vcpus: u32, features: u64, kernel: Option<KernelHashes>) -> LaunchDigest {
    let bytes = snp_firmware();
    let firmware = Firmware::parse(&bytes).unwrap();
    let guest = Guest { vmm, features: GuestFeatures(features), kernel, firmware_digest: None };
    snp::digests(&firmware, &guest, &[vcpus]).unwrap()[&vcpus]
}

fn qemu(name: &str) -> Vmm {
    let vcpu: VcpuType = name.parse().unwrap();
    Vmm::Qemu { vcpu: vcpu.signature() }
}

fn hashes(initrd: Option<&[u8]>, line: &str) -> KernelHashes {
    let initrd = initrd.map(Sha256::of);
    KernelHashes::from_digests(Sha256::of(&efi_kernel()), initrd, line.as_bytes()).unwrap()
}

fn whole() -> Option<KernelHashes> {
    Some(hashes(Some(INITRD), LINE))
}

fn guest(vcpus: u32) -> Value {
    let launch = digest(qemu("EPYC-v4"), vcpus, 1, whole());
    let more = json!({
        "vcpus": vcpus, "vcpu-type": "EPYC-v4", "guest-features": "0x1", "firmware": "OVMF.fd",
        "launch-digest": launch.to_string(),
    });
    value("snp", ["sev-snp", "qemu", "direct"], more)
}

/// An image with the reference values of 1 and 2 vCPUs.
fn image() -> ImageFolder {
    ImageFolder::direct()
        .file("firmware", "OVMF.fd", &snp_firmware())
        .values(&[], &[guest(1), guest(2)])
        .finish()
}

fn compared(observed: LaunchDigest, path: &Path) -> LaunchComparison {
    let expectation = Expectation::read(path, &Options::default()).unwrap();
    compare(observed, &expectation.known, expectation.folder).unwrap()
}

#[test]
fn a_digest_that_is_expected_names_its_machine() {
    let image = image();
    let observed = digest(qemu("EPYC-v4"), 2, 1, whole());
    for path in [image.path(), &image.at("reference-values.json")] {
        let found = compared(observed, path);
        assert_eq!(
            found.matching,
            ["snp (qemu, direct boot, 2 vCPUs EPYC-v4, features 0x1, OVMF.fd)"]
        );
        assert!(found.is_equal());
        // What is expected is looked for nowhere else.
        assert_eq!((found.reference_values, found.tried), (2, 0));
        assert_eq!(found.would_match, []);
        let text = format!("launch digest {observed}\n  matches {}\n", found.matching[0]);
        assert_eq!(found.to_string(), text);
    }
}

/// The one launch that would give a digest, and in what it is none of those expected.
#[test]
fn a_digest_of_the_same_files_started_otherwise_names_what_differs() {
    let image = image();
    let v4 = || qemu("EPYC-v4");
    let of_v4 = ["EPYC", "EPYC-v1", "EPYC-v2", "EPYC-IBPB", "EPYC-v3", "EPYC-v4", "EPYC-v5"];
    let start = |vcpus, kernel, cause: &str| Start {
        vmm: "qemu".to_owned(),
        vcpus,
        vcpu_types: of_v4.to_vec(),
        guest_features: "0x1".to_owned(),
        kernel,
        causes: vec![cause.to_owned()],
    };
    let as_built = KernelFiles::AsBuilt;
    let turin = Start {
        vcpu_types: vec!["EPYC-Turin", "EPYC-Turin-v1"],
        ..start(
            1,
            as_built,
            "the vCPUs are of type EPYC-Turin or EPYC-Turin-v1; the reference values are for EPYC-v4",
        )
    };
    let debug_swap = Start {
        guest_features: "0x21".to_owned(),
        ..start(
            2,
            as_built,
            "the guest features are 0x21, which the host's kernel decides; the reference values are \
             for 0x1",
        )
    };
    let of_vmm = |vmm: &str| Start {
        vmm: vmm.to_owned(),
        vcpu_types: Vec::new(),
        ..start(1, as_built, &format!("the VMM is {vmm}; the reference values are for qemu"))
    };
    let rows = [
        (
            digest(v4(), 3, 1, whole()),
            start(3, as_built, "the guest has 3 vCPUs; the reference values are for 1, 2"),
        ),
        (
            digest(v4(), 64, 1, whole()),
            start(64, as_built, "the guest has 64 vCPUs; the reference values are for 1, 2"),
        ),
        (digest(qemu("EPYC-Turin"), 1, 1, whole()), turin),
        (digest(v4(), 2, 0x21, whole()), debug_swap),
        (digest(Vmm::Ec2, 1, 1, whole()), of_vmm("ec2")),
        (digest(Vmm::Gce, 1, 1, whole()), of_vmm("gce")),
        (
            digest(v4(), 1, 1, Some(hashes(None, LINE))),
            start(1, KernelFiles::WithoutInitrd, "the guest was started without the initrd"),
        ),
        (
            digest(v4(), 1, 1, Some(hashes(Some(INITRD), ""))),
            start(
                1,
                KernelFiles::WithoutCommandLine,
                "the guest was started without the command line",
            ),
        ),
        (
            digest(v4(), 1, 1, None),
            start(
                1,
                KernelFiles::NotMeasured,
                "no kernel was measured: `kernel-hashes=on` is missing, or the guest booted from a \
                 disk",
            ),
        ),
    ];
    // Files x VMMs (QEMU with five signatures) x features x vCPU counts.
    let tried = 4 * 7 * 2 * 64;
    for (observed, expected) in rows {
        let found = compared(observed, image.path());
        assert!(!found.is_equal() && found.matching.is_empty());
        assert_eq!(found.would_match, [expected]);
        assert_eq!(found.tried, tried);
    }
}

#[test]
fn a_digest_that_no_launch_of_the_image_gives_is_said_to_be_of_other_files() {
    let image = image();
    let others = [
        digest(qemu("EPYC-v4"), 65, 1, whole()),
        digest(qemu("EPYC-v4"), 1, 1, Some(hashes(Some(b"another"), LINE))),
        digest(qemu("EPYC-v4"), 1, 5, whole()),
    ];
    for observed in others {
        let found = compared(observed, image.path());
        assert_eq!((found.would_match.len(), found.reference_values), (0, 2));
        let text = found.to_string();
        assert!(text.contains("matches none of the 2 reference values"), "{text}");
        assert!(text.contains("none of 3584 launches of this image (1 to 64 vCPUs"), "{text}");
    }
    // Reference values alone have no files to try with.
    let found = compared(others[0], &image.at("reference-values.json"));
    assert_eq!((found.would_match.len(), found.tried), (0, 0));
    assert!(found.to_string().contains("with the image's folder in place of"), "{found}");
}

/// What is expected of the guest features is tried beside those that kernels set, each once.
#[test]
fn features_that_are_expected_are_tried() {
    let of = |features: &[&str]| {
        let guest = |features: &&str| {
            let more = json!({ "guest-features": features });
            value("snp", ["sev-snp", "qemu", "direct"], more)
        };
        let known = known(&features.iter().map(guest).collect::<Vec<_>>());
        let all = super::features(&known.iter().collect::<Vec<_>>());
        all.into_iter().map(|features| features.0).collect::<Vec<_>>()
    };
    assert_eq!(of(&[]), [0x1, 0x21]);
    assert_eq!(of(&["0x1", "0x21", "0x5", "0x5", "0x3"]), [0x1, 0x21, 0x5, 0x3]);
}

/// Each processor once, whatever QEMU calls it, and the clouds.
#[test]
fn every_vmm_is_tried_with_each_signature_once() {
    let found = vmms();
    let signatures: Vec<u32> = found
        .iter()
        .filter_map(|(_, vmm)| match vmm {
            Vmm::Qemu { vcpu } => Some(vcpu.0),
            _ => None,
        })
        .collect();
    let mut distinct = signatures.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!((signatures.len(), distinct.len(), found.len()), (5, 5, 7));
    let types: Vec<VmmType> = found.iter().map(|(vmm_type, _)| *vmm_type).collect();
    assert_eq!(types[4..], [VmmType::Qemu, VmmType::Ec2, VmmType::Gce]);
    // As a profile calls them; Azure starts none.
    let words = [VmmType::Qemu, VmmType::Ec2, VmmType::Gce].map(word_of);
    assert_eq!(words, ["qemu", "ec2", "gce"]);
    assert_eq!(of_profile(profile::Vmm::Azure), None);
}

#[test]
fn an_image_without_a_kernel_is_tried_without() {
    let names = |folder: &ImageFolder| -> Vec<KernelFiles> {
        let manifest = Manifest::read(folder.path()).unwrap();
        let files = kernel_files(&manifest, folder.path()).unwrap();
        files.iter().map(|(kind, _)| *kind).collect()
    };
    let all = [
        KernelFiles::AsBuilt,
        KernelFiles::NotMeasured,
        KernelFiles::WithoutInitrd,
        KernelFiles::WithoutCommandLine,
    ];
    assert_eq!(names(&ImageFolder::direct().finish()), all);
    let disk = ImageFolder::new().file("kernel", "tiny.vmlinuz", b"kernel").finish();
    assert_eq!(names(&disk), [KernelFiles::NotMeasured]);
    let folder = ImageFolder::direct().finish();
    let manifest = Manifest::read(folder.path()).unwrap();
    let files = kernel_files(&manifest, folder.path()).unwrap();
    let expected = [whole(), None, Some(hashes(None, LINE)), Some(hashes(Some(INITRD), ""))];
    for ((kind, found), expected) in files.into_iter().zip(expected) {
        let table = |hashes: Option<KernelHashes>| digest(qemu("EPYC"), 1, 1, hashes);
        assert_eq!(table(found), table(expected), "{kind:?}");
    }
}

#[test]
fn firmware_that_is_missing_or_broken_is_told_apart() {
    let observed = digest(qemu("EPYC-v4"), 3, 1, whole());
    // Without firmware nothing is tried.
    let without = ImageFolder::direct().values(&[], &[guest(1)]).finish();
    let found = compared(observed, without.path());
    assert_eq!((found.would_match.len(), found.tried), (0, 0));
    let image = image();
    image.put("OVMF.fd", b"no firmware");
    let expectation = Expectation::read(image.path(), &Options::default()).unwrap();
    let error = compare(observed, &expectation.known, expectation.folder).unwrap_err();
    let CompareError::Reference(ReferenceError::Firmware { firmware, .. }) = &error else {
        panic!("{error}")
    };
    assert_eq!(firmware, "OVMF.fd");
    files::remove(&image.at("OVMF.fd")).unwrap();
    let error = compare(observed, &expectation.known, expectation.folder).unwrap_err();
    assert!(matches!(error, CompareError::File(_)), "{error}");
}

/// Reference values that lack a fact, and facts that are each expected of another machine.
#[test]
fn causes_name_what_is_expected_of_no_machine() {
    let of = |more: Value| value("snp", ["sev-snp", "qemu", "direct"], more);
    let causes = |values: &[Value], vcpus: u32| {
        let known = known(values);
        let expected: Vec<&KnownValue> = known.iter().collect();
        let features = GuestFeatures::SNP_ACTIVE;
        let types = ["EPYC", "EPYC-v4"];
        causes(VmmType::Qemu, vcpus, &types, features, KernelFiles::AsBuilt, &expected)
    };
    let nothing = [
        "the VMM is qemu; the reference values are for none",
        "the guest has 1 vCPU; the reference values are for none",
        "the vCPUs are of type EPYC or EPYC-v4; the reference values are for none",
        "the guest features are 0x1, which the host's kernel decides; the reference values are for \
         none",
    ];
    assert_eq!(causes(&[], 1), nothing);
    assert_eq!(causes(&[of(json!({}))], 1), nothing[1..]);
    let apart = [
        of(json!({ "vcpus": 1, "vcpu-type": "EPYC-v4", "guest-features": "0x21" })),
        of(json!({ "vcpus": 2, "vcpu-type": "EPYC-Milan", "guest-features": "0x1" })),
    ];
    assert_eq!(causes(&apart, 1), ["each of these is expected, but not in this combination"]);
    assert_eq!(causes(&apart, 10), ["the guest has 10 vCPUs; the reference values are for 1, 2"]);
}

/// What a person reads of a launch.
#[test]
fn a_start_is_worded_with_its_files() {
    let start = |kernel, vcpu_types: &[&'static str]| Start {
        vmm: "qemu".to_owned(),
        vcpus: 1,
        vcpu_types: vcpu_types.to_vec(),
        guest_features: "0x1".to_owned(),
        kernel,
        causes: Vec::new(),
    };
    for (kernel, words) in [
        (KernelFiles::AsBuilt, "kernel, initrd and command line of the image"),
        (KernelFiles::WithoutInitrd, "kernel and command line of the image, no initrd"),
        (KernelFiles::WithoutCommandLine, "kernel and initrd of the image, no command line"),
        (KernelFiles::NotMeasured, "no kernel measured"),
    ] {
        let found = start(kernel, &["EPYC", "EPYC-v4"]).to_string();
        assert_eq!(found, format!("qemu, 1 vCPU EPYC or EPYC-v4, features 0x1, {words}"));
    }
    let cloud = start(KernelFiles::NotMeasured, &[]).to_string();
    assert_eq!(cloud, "qemu, 1 vCPU, features 0x1, no kernel measured");
}

#[test]
fn what_differs_is_listed_once_and_in_order() {
    assert_eq!(listed([2, 10, 1, 2].into_iter()), "1, 2, 10");
    assert_eq!(listed(["b", "a"].into_iter()), "a, b");
    assert_eq!(listed(std::iter::empty::<u32>()), "none");
}
