//! What is not as it was, beside a manifest of a build before.

use cvmkit_attest::output::PackageRecord;
use cvmkit_attest::profile::{Features, Memory, Profile};
use cvmkit_attest::values::{ReferenceValues, SCHEMA};
use cvmkit_host::timestamp::Timestamp;

use super::*;
use crate::build::machines::Machines;
use crate::build::sample::Bench;
use crate::definition::sample as definitions;
use crate::describe::sample;
use crate::lock::LockedPackage;
use crate::lock::sample::{lock, package};

fn earlier(change: impl Fn(&mut Manifest)) -> Earlier {
    let mut manifest = sample::manifest();
    change(&mut manifest);
    let values =
        ReferenceValues { schema: SCHEMA, debug: false, profiles: Vec::new(), values: Vec::new() };
    Earlier { folder: "out".into(), manifest, values }
}

/// The parts as they were.
fn same() -> PartsRecord {
    sample::manifest().inputs.parts
}

#[test]
fn a_part_whose_inputs_changed_is_named() {
    type Change = fn(&mut PartsRecord);
    let changes: [(Change, &[Edit]); 6] = [
        (|_| (), &[]),
        (|parts| parts.root = Sha256::of(b"x"), &[Edit::Root]),
        (|parts| parts.kernel = Sha256::of(b"x"), &[Edit::Kernel]),
        (|parts| parts.initrd = Sha256::of(b"x"), &[Edit::Initrd]),
        (|parts| parts.os_release = Sha256::of(b"x"), &[Edit::OsRelease]),
        // The stub is known without a build.
        (|parts| parts.stub = Sha256::of(b"x"), &[]),
    ];
    for (change, edits) in changes {
        let mut now = same();
        change(&mut now);
        assert_eq!(of_parts(&earlier(|_| ()), &now), edits);
    }
}

/// Name, version and digest of what was, and what is.
#[test]
fn packages_are_compared_by_their_digests() {
    let record = |name: &str, version: &str, of: &str| PackageRecord {
        name: name.into(),
        version: version.into(),
        architecture: "all".into(),
        sha256: Sha256::of(of.as_bytes()),
        local: None,
    };
    let was = earlier(|manifest| {
        manifest.packages = vec![
            record("gone", "1", "gone"),
            record("kept", "1", "kept"),
            record("newer", "1", "older"),
            record("other", "1", "as it was"),
        ];
    });
    let locked =
        |name: &str, version: &str| LockedPackage { version: version.into(), ..package(name) };
    let stub = LockedPackage { roles: vec!["stub".into()], ..package("stub") };
    let packages = vec![
        locked("kept", "1"),
        locked("new", "3"),
        locked("newer", "2"),
        locked("other", "1"),
        stub,
    ];
    let bench = Bench::of(&definitions::text("", ""), &[], None, lock(packages));
    let found = super::packages(&was.manifest, &bench.inputs());
    let owned = |text: &str| Some(text.to_owned());
    let shown = |of: &str| owned(&format!("1 ({})", Sha256::of(of.as_bytes())));
    let expected = [
        ("gone", owned("1"), None),
        ("newer", owned("1"), owned("2")),
        // One version of two digests: the digests tell.
        ("other", shown("as it was"), shown("other")),
        ("new", None, owned("3")),
    ];
    let expected = expected.map(|(name, from, to)| (name.to_owned(), from, to));
    assert_eq!(found, expected);
}

#[test]
fn a_machine_is_told_with_all_that_a_definition_can_say_of_it() {
    let mut snp = Profile::built_in("qemu-snp").unwrap();
    (snp.vcpus, snp.guest_features) = (vec![1, 2], Some(Features(0x21)));
    assert_eq!(machine(&snp), "qemu-snp vCPUs 1, 2 EPYC-v4 0x21");
    let mut td = Profile::built_in("qemu-tdx-direct").unwrap();
    td.memory = vec![Memory(1 << 30), Memory(2 << 30)];
    assert_eq!(machine(&td), "qemu-tdx-direct vCPUs 1 1G, 2G");
    assert_eq!(machine(&Profile::built_in("qemu-vtpm").unwrap()), "qemu-vtpm");
}

/// All changes of a definition and its lock against the manifest of [`sample`], as a plan prints them.
fn changes(bench: &Bench, was: &Earlier, files: Vec<MachineFile>, stage1: &[u8]) -> Vec<String> {
    let builder = Builder { origins: bench.origins(), stage1, version: "1.0", program: None };
    let machines = Machines { profiles: was.values.profiles.clone(), files };
    let external = External { stub: Vec::new(), local_stub: None, machines };
    let found = between(was, &bench.inputs(), &external, &builder, &same());
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    found.iter().map(|of| format!("{}: {} {}", of.what, shown(&of.from), shown(&of.to))).collect()
}

fn record(name: &str, bytes: &[u8]) -> MachineFileRecord {
    let (name, origin) = (name.into(), "o".into());
    MachineFileRecord { name, origin, sha256: Sha256::of(bytes), local: None }
}

fn firmware(name: &str, bytes: &[u8]) -> MachineFile {
    MachineFile {
        name: name.into(),
        role: Role::Firmware,
        bytes: bytes.to_vec(),
        origin: "o".into(),
        local: None,
    }
}

/// As the sample was built, but for its one package.
fn unchanged() -> Earlier {
    earlier(|manifest| {
        manifest.packages = vec![PackageRecord {
            name: "p".into(),
            version: "1".into(),
            architecture: "all".into(),
            sha256: Sha256::of(b"p"),
            local: None,
        }];
    })
}

#[test]
fn what_stayed_is_not_told() {
    let bench = Bench::new("", &[]);
    assert_eq!(changes(&bench, &unchanged(), Vec::new(), b"stage 1"), [""; 0]);
}

#[test]
fn what_changed_is_told_with_what_it_was() {
    let bench = Bench::new("[kernel]\ncommand-line = [\"quiet\"]", &[]);
    let mut was = unchanged();
    was.manifest.cvmkit = "0.9".into();
    was.manifest.inputs.parts.stub = Sha256::of(b"other stub");
    was.manifest.inputs.machine_files =
        vec![record("gone.fd", b"g"), record("kept.fd", b"k"), record("new.fd", b"old")];
    let files =
        vec![firmware("added.fd", b"a"), firmware("kept.fd", b"k"), firmware("new.fd", b"new")];
    let digest = |of: &[u8]| Sha256::of(of).to_string();
    let own = "efi=noruntime systemd.import_credentials=no";
    let expected = [
        "version of cvmkit: 0.9 1.0".to_owned(),
        format!("command line: roothash= {own} -- roothash= {own} quiet --"),
        format!("stage 1: {} {}", digest(b"stage 1"), digest(b"stage 2")),
        format!("systemd stub: {} {}", digest(b"other stub"), digest(b"stub")),
        format!("gone.fd: {} -", digest(b"g")),
        format!("new.fd: {} {}", digest(b"old"), digest(b"new")),
        format!("added.fd: - {}", digest(b"a")),
    ];
    assert_eq!(changes(&bench, &was, files, b"stage 2"), expected);
}

/// A root file system that is made of other files has no other line that says so.
#[test]
fn a_root_of_the_same_packages_is_told_as_a_whole() {
    let bench = Bench::new("", &[]);
    let mut was = unchanged();
    was.manifest.inputs.parts.root = Sha256::of(b"other");
    let all = "root file system: files, users, units or other keys of the definition: - -";
    assert_eq!(changes(&bench, &was, Vec::new(), b"stage 1"), [all]);
    was.manifest.packages[0].version = "0".into();
    was.manifest.packages[0].sha256 = Sha256::of(b"older");
    assert_eq!(changes(&bench, &was, Vec::new(), b"stage 1"), ["package p: 0 1"]);
}

#[test]
fn platforms_are_told_when_one_differs() {
    let bench = Bench::new("", &[]);
    let mut was = unchanged();
    let snp = Profile::built_in("qemu-snp").unwrap();
    was.values.profiles = vec![snp.clone()];
    let told = |profiles: Vec<Profile>| {
        let origins = bench.origins();
        let builder = Builder { origins, stage1: b"stage 1", version: "1.0", program: None };
        let machines = Machines { profiles, files: Vec::new() };
        let external = External { stub: Vec::new(), local_stub: None, machines };
        between(&was, &bench.inputs(), &external, &builder, &same())
    };
    assert_eq!(told(vec![snp.clone()]), []);
    let more = Profile { vcpus: vec![1, 2], ..snp.clone() };
    let found = told(vec![more, Profile::built_in("qemu-vtpm").unwrap()]);
    let [Change { what, from, to }] = &found[..] else { panic!("{found:?}") };
    assert_eq!(what, "platforms");
    assert_eq!(from.as_deref(), Some("qemu-snp vCPUs 1 EPYC-v4 0x1"));
    assert_eq!(to.as_deref(), Some("qemu-snp vCPUs 1, 2 EPYC-v4 0x1; qemu-vtpm"));
}

/// The time of the manifest is no change of its own: it is a part of the root.
#[test]
fn a_command_line_that_does_not_begin_with_the_root_hash_is_shown_whole() {
    let bench = Bench::new("", &[]);
    let mut was = unchanged();
    was.manifest.image.timestamp = Timestamp(8);
    was.manifest.image.command_line = "quiet".into();
    let own = "roothash= efi=noruntime systemd.import_credentials=no --";
    let found = changes(&bench, &was, Vec::new(), b"stage 1");
    assert_eq!(found, [format!("command line: quiet {own}")]);
}
