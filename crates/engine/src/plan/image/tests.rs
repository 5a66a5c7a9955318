//! Each edit changes what it is an edit of, by as little as possible.

use super::*;
use crate::describe::sample;

fn profile(name: &str) -> Profile {
    Profile::built_in(name).unwrap()
}

fn file(name: &str, role: Role, bytes: &[u8]) -> MachineFile {
    let origin = "a test".into();
    MachineFile { name: name.into(), role, bytes: bytes.to_vec(), origin, local: None }
}

fn planned() -> PlannedImage {
    PlannedImage {
        kernel: b"kernel".to_vec(),
        kernel_release: "6.12".into(),
        initrd: b"initrd".to_vec(),
        other_initrd: false,
        os_release: b"ID=tiny".to_vec(),
        stub: Vec::new(),
        command_line: vec!["quiet".into(), "a=b".into()],
        root: RootExtent { len: 1, hashes_len: 2, root_hash: RootHash::new(vec![0x0f; 32]) },
        machine_files: vec![
            file("f.fd", Role::Firmware, b"firmware"),
            file("v.fd", Role::FirmwareVariables, b"variables"),
            file("log", Role::EventLog, b"log"),
        ],
        profiles: vec![profile("qemu-snp"), profile("qemu-tdx-direct"), profile("qemu-vtpm")],
    }
}

/// What is another one in the second image, in words.
fn differing(one: &PlannedImage, other: &PlannedImage) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |what: &str, is: bool| found.extend(is.then(|| what.to_owned()));
    note("kernel", one.kernel != other.kernel);
    note("initrd", one.initrd != other.initrd);
    note("other initrd", one.other_initrd != other.other_initrd);
    note("os-release", one.os_release != other.os_release);
    note("stub", one.stub != other.stub);
    note("command line", one.command_line != other.command_line);
    note("root hash", one.root.root_hash != other.root.root_hash);
    note(
        "root length",
        (one.root.len, one.root.hashes_len) != (other.root.len, other.root.hashes_len),
    );
    for (one, other) in one.machine_files.iter().zip(&other.machine_files) {
        note(&one.name, one.bytes != other.bytes);
    }
    for (one, other) in one.profiles.iter().zip(&other.profiles) {
        note(&one.name, one != other);
    }
    found
}

#[test]
fn an_edit_changes_that_part_alone() {
    for (edit, parts) in [
        (Edit::Root, &["root hash"][..]),
        (Edit::Kernel, &["kernel"]),
        (Edit::Initrd, &["other initrd"]),
        (Edit::CommandLine, &["command line"]),
        (Edit::Stub, &[]),
        (Edit::OsRelease, &["os-release"]),
        // Without sections the middle of its code; and it has no variables of its own.
        (Edit::Firmware, &["f.fd"]),
        (Edit::FirmwareVariables, &[]),
        (Edit::Vcpus, &["qemu-snp", "qemu-tdx-direct"]),
        (Edit::VcpuType, &["qemu-snp"]),
        (Edit::GuestFeatures, &["qemu-snp"]),
        (Edit::Memory, &["qemu-tdx-direct"]),
    ] {
        let mut now = planned();
        now.apply(&[edit]).unwrap();
        assert_eq!(differing(&planned(), &now), parts, "{edit}");
    }
    let mut now = planned();
    now.apply(&[Edit::Kernel, Edit::Root]).unwrap();
    assert_eq!(differing(&planned(), &now), ["kernel", "root hash"]);
    now.apply(&[]).unwrap();
    assert_eq!(differing(&planned(), &now), ["kernel", "root hash"]);
}

#[test]
fn an_edit_changes_as_little_as_it_can() {
    let mut now = planned();
    now.apply(&[Edit::Root, Edit::Kernel, Edit::Firmware]).unwrap();
    assert_eq!(now.root.root_hash, RootHash::new(vec![0xf0; 32]), "every bit, of one length");
    assert_eq!(now.kernel, b"keroel", "one bit, in the middle");
    assert_eq!(now.machine_files[0].bytes, b"firmvare");
    let line = |words: &[&str]| {
        let mut now = planned();
        now.command_line = words.iter().map(ToString::to_string).collect();
        now.apply(&[Edit::CommandLine]).unwrap();
        now.command_line.join(" ")
    };
    // The length decides the layout of the disk: it stays.
    assert_eq!(line(&["quiet", "a=b"]), "quiet a=x");
    assert_eq!(line(&["quiet", "a=x"]), "quiet a=y");
    assert_eq!(line(&["x"]), "y");
    assert_eq!(line(&[]), "x");
}

#[test]
fn a_byte_is_flipped_where_there_is_one() {
    let flipped = |at| {
        let mut bytes = [0, 0, 0];
        flip(&mut bytes, at);
        bytes
    };
    assert_eq!([flipped(0), flipped(2), flipped(3)], [[1, 0, 0], [0, 0, 1], [0; 3]]);
    assert_eq!(flipped(u64::MAX), [0; 3]);
    for (len, at) in [(1, 0), (2, 1), (3, 1), (4, 2)] {
        let mut bytes = vec![0; len];
        flip_middle(&mut bytes);
        assert_eq!(bytes.iter().position(|&byte| byte == 1), Some(at), "{len}");
    }
    flip_middle(&mut []);
}

#[test]
fn firmware_without_sections_is_code_alone() {
    assert_eq!(middle_of(b"firmware", TdvfSectionType::Bfv), Some(4));
    assert_eq!(middle_of(b"firmware", TdvfSectionType::Cfv), None);
}

/// What is changed of a machine is something that it can have.
#[test]
fn an_edited_machine_is_one_that_can_be() {
    let mut snp = profile("qemu-snp");
    snp.vcpus = vec![1, 7];
    add_vcpu(&mut snp);
    assert_eq!(snp.vcpus, [2, 8]);
    let features = |bits: Option<u64>| {
        let mut snp = Profile { guest_features: bits.map(Features), ..profile("qemu-snp") };
        change_features(&mut snp);
        snp.guest_features
    };
    assert_eq!(features(Some(1)), Some(Features(0x21)));
    assert_eq!(features(Some(0x21)), Some(Features(1)));
    assert_eq!(features(None), Some(Features(0x21)));
    let mut td = profile("qemu-tdx-direct");
    change_features(&mut td);
    assert_eq!(td.guest_features, None, "it has none");
    td.memory = vec![Memory(2 << 30), Memory(u64::MAX)];
    add_memory(&mut td);
    assert_eq!(td.memory, [Memory(3 << 30), Memory(u64::MAX)]);
}

/// Types share signatures: another name alone would change no launch digest.
#[test]
fn an_edited_type_has_another_signature() {
    let signature = |name: &str| name.parse::<VcpuType>().unwrap().signature();
    for known in VCPU_TYPES {
        let mut profile =
            Profile { vcpu_types: vec![known.name.to_owned()], ..profile("qemu-snp") };
        change_vcpu_type(&mut profile);
        assert_ne!(signature(&profile.vcpu_types[0]), known.signature(), "{}", known.name);
    }
    let mut two = profile("qemu-snp");
    two.vcpu_types = vec!["EPYC".into(), "EPYC-Milan".into()];
    change_vcpu_type(&mut two);
    assert_eq!(two.vcpu_types.len(), 2);
}

/// How an edited firmware measures is what is known of the one that it was.
#[test]
fn what_is_known_of_firmware_is_said_of_the_edited_one() {
    let other = file("f.fd", Role::Firmware, b"nothing is known of these bytes");
    let mut profiles = [profile("qemu-vtpm"), profile("qemu-vtpm")];
    profiles[0].firmware = Some("f.fd".into());
    profiles[1].firmware = Some("g.fd".into());
    let before = profiles.clone();
    remember_behaviour(&mut profiles, &other);
    assert_eq!(profiles, before, "what the profile says stays");
    profiles[0].firmware_behaviour = None;
    remember_behaviour(&mut profiles, &other);
    assert_eq!(profiles[0].firmware_behaviour, None);
}

/// An earlier image in a folder, with what its manifest says changed.
fn earlier(
    folder: &std::path::Path,
    change: impl Fn(&mut cvmkit_attest::output::Manifest),
) -> Earlier {
    let mut manifest = sample::manifest();
    change(&mut manifest);
    let values = ReferenceValues {
        schema: values::SCHEMA,
        debug: false,
        profiles: Vec::new(),
        values: Vec::new(),
    };
    Earlier { folder: folder.to_owned(), manifest, values }
}

#[test]
fn where_the_root_was_is_in_the_manifest() {
    let folder = std::path::Path::new("out");
    let of = |change: fn(&mut cvmkit_attest::output::Manifest)| extent(&earlier(folder, change));
    let found = of(|_| ()).unwrap();
    assert_eq!((found.len, found.hashes_len), (8192, 12_288));
    assert_eq!(found.root_hash, RootHash::new(vec![0x0a; 32]));
    let missing = |change: fn(&mut cvmkit_attest::output::Manifest)| match of(change).unwrap_err() {
        PlanError::Missing { folder: named, what } => {
            assert_eq!(named, folder);
            what
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(|of| drop(of.partitions.remove(0))), "partition `root`");
    assert_eq!(missing(|of| drop(of.partitions.pop())), "partition `root-verity`");
    assert_eq!(missing(|of| of.root.root_hash = "x".into()), "root hash in hex");
}

#[test]
fn a_file_of_an_earlier_image_is_read_by_its_role() {
    let folder = tempfile::tempdir().unwrap();
    files::replace(&folder.path().join("tiny_1.raw"), b"disk").unwrap();
    let image = earlier(folder.path(), |_| ());
    assert_eq!(super::file(&image, Role::Disk, "disk").unwrap(), b"disk");
    let missing = super::file(&image, Role::Kernel, "kernel").unwrap_err();
    assert!(matches!(missing, PlanError::Missing { what: "kernel", .. }), "{missing:?}");
    files::remove(&folder.path().join("tiny_1.raw")).unwrap();
    let gone = super::file(&image, Role::Disk, "disk").unwrap_err();
    assert!(matches!(gone, PlanError::File(_)), "{gone:?}");
}

#[test]
fn an_image_without_a_uki_does_not_tell_its_os_release() {
    let folder = tempfile::tempdir().unwrap();
    let direct = earlier(folder.path(), |_| ());
    assert_eq!(told_by_uki(&direct).unwrap(), (Vec::new(), String::new()));
    let disk = earlier(folder.path(), |manifest| {
        manifest.artifacts[0].role = Role::Uki.name().to_owned();
        manifest.artifacts[0].name = "tiny_1.efi".to_owned();
    });
    files::replace(&folder.path().join("tiny_1.efi"), b"no PE image").unwrap();
    let error = told_by_uki(&disk).unwrap_err();
    assert!(matches!(error, PlanError::Pe { what: "the UKI", .. }), "{error:?}");
}
