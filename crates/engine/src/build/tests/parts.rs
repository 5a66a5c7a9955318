//! Which part of an image a change of its inputs reaches.

use cvmkit_attest::output::PartsRecord;

use super::*;

const STAGE1: &[u8] = b"stage 1";
const STUB: &[u8] = b"stub";

/// A root file system with a kernel, a base and one package more.
fn packages() -> Vec<LockedPackage> {
    ["base-files", "linux-image-6.12", "p"].map(package).to_vec()
}

fn parts_of(text: &str, files: &[(&str, &str)], lock: Lock) -> PartsRecord {
    Bench::of(text, files, None, lock).inputs().parts(STAGE1, STUB)
}

fn parts(top: &str, tables: &str) -> PartsRecord {
    parts_of(&definitions::text(top, tables), &[], lock(packages()))
}

/// The names of the parts that differ.
fn differing(one: &PartsRecord, other: &PartsRecord) -> String {
    let differs = [
        ("root", one.root != other.root),
        ("initrd", one.initrd != other.initrd),
        ("kernel", one.kernel != other.kernel),
        ("stub", one.stub != other.stub),
        ("os-release", one.os_release != other.os_release),
    ];
    let names = differs.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name);
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_key_of_the_definition_reaches_the_parts_that_it_decides() {
    let plain = parts("", "");
    let platform = "[[platforms]]\nprofile = \"qemu-vtpm\"";
    for (top, tables, reached) in [
        ("", "", ""),
        ("hostname = \"x\"", "", "root"),
        ("", "[packages]\ninstall = [\"p\"]", "root"),
        ("", "[packages]\nmetadata = \"none\"", "root"),
        ("", "[[users]]\nname = \"u\"", "root"),
        ("", "[units]\nmask = [\"a\"]", "root"),
        ("", "[[files]]\npath = \"/a\"\ncontent = \"\"", "root"),
        ("", "[root]\ncompression-level = 4", "root"),
        ("", "[verity]\nsalt = \"00\"", "root"),
        ("", "[kernel]\nmodules = [\"ahci\"]", "initrd"),
        // Known without a build, and compared as what they are.
        ("", "[kernel]\ncommand-line = [\"quiet\"]", ""),
        ("", "[boot]\nkind = \"direct\"", ""),
        ("", platform, ""),
        ("mirrors = [\"http://a.test/debian\"]", "", ""),
        ("outside-folders = [\".\"]", "", ""),
        ("", "[variant.v]\nhostname = \"x\"", ""),
    ] {
        assert_eq!(differing(&plain, &parts(top, tables)), reached, "{top}{tables}");
    }
    let text = definitions::text("", "");
    let named = |from: &str, to: &str| parts_of(&text.replace(from, to), &[], lock(packages()));
    assert_eq!(differing(&plain, &named("version = \"1\"", "version = \"2\"")), "root os-release");
    assert_eq!(differing(&plain, &named("id = \"tiny\"", "id = \"tint\"")), "root os-release");
}

#[test]
fn a_package_reaches_the_parts_that_are_made_of_it() {
    let plain = parts("", "");
    let with = |change: &dyn Fn(&mut Lock)| {
        let mut changed = lock(packages());
        change(&mut changed);
        parts_of(&definitions::text("", ""), &[], changed)
    };
    let newer = |at: usize| with(&|lock| lock.packages[at].sha256 = Sha256::of(b"newer"));
    assert_eq!(differing(&plain, &newer(0)), "root os-release");
    assert_eq!(differing(&plain, &newer(1)), "root initrd kernel");
    assert_eq!(differing(&plain, &newer(2)), "root");
    assert_eq!(differing(&plain, &with(&|lock| drop(lock.packages.pop()))), "root");
    let reason = with(&|lock| lock.packages[1].reason = "requested".into());
    assert_eq!(differing(&plain, &reason), "");
    let other = with(&|lock| {
        let roles = vec!["stub".to_owned()];
        lock.packages.push(LockedPackage { roles, ..package("q") });
    });
    assert_eq!(differing(&plain, &other), "", "of no root file system");
    let id = with(&|lock| lock.accounts = vec![crate::lock::sample::account("a", 999, &["root"])]);
    assert_eq!(differing(&plain, &id), "root");
    let time = with(&|lock| lock.suites[0].date = cvmkit_host::timestamp::Timestamp(8));
    assert_eq!(differing(&plain, &time), "root initrd");
}

#[test]
fn stage_1_and_the_stub_are_parts_of_their_own() {
    let bench = Bench::of(&definitions::text("", ""), &[], None, lock(packages()));
    let inputs = bench.inputs();
    let plain = inputs.parts(STAGE1, STUB);
    assert_eq!(differing(&plain, &inputs.parts(b"stage 2", STUB)), "initrd");
    assert_eq!(differing(&plain, &inputs.parts(STAGE1, b"other")), "stub");
    assert_eq!(plain.stub, Sha256::of(STUB));
}

/// Where no package has a kernel, or a file may be one, all that changes the root may change it.
#[test]
fn a_kernel_that_no_package_tells_may_be_anything() {
    let without = || vec![package("base-files"), package("p")];
    let of = |tables: &str, files: &[(&str, &str)], packages: Vec<LockedPackage>| {
        parts_of(&definitions::text("", tables), files, lock(packages))
    };
    let newer = |mut packages: Vec<LockedPackage>| {
        packages.last_mut().unwrap().sha256 = Sha256::of(b"newer");
        packages
    };
    let (one, other) = (of("", &[], without()), of("", &[], newer(without())));
    assert_eq!(differing(&one, &other), "root initrd kernel");
    let overlay = "[[overlays]]\nsource = \"tree\"";
    let kernel = |text| of(overlay, &[("tree/boot/vmlinuz-6.12", text)], packages());
    assert_eq!(differing(&kernel("a"), &kernel("b")), "root initrd kernel");
    let file = |text| of(overlay, &[("tree/boot/vmlinux", text)], packages());
    assert_eq!(differing(&file("a"), &file("b")), "root");
    // A layer may hold a kernel, and any file of the system's name.
    let layer = |text| of("[[layers]]\nsource = \"l\"", &[("l", text)], packages());
    assert_eq!(differing(&layer("a"), &layer("b")), "root initrd kernel os-release");
    // One name of a file, with another as its neighbour.
    let single = "[[files]]\npath = \"/boot/vmlinuz-x\"\nsource = \"boot/vmlinuz-x\"";
    let single = |text| of(single, &[("boot/vmlinuz-x", text)], packages());
    assert_eq!(differing(&single("a"), &single("b")), "root initrd kernel");
}

/// Files of machines, keys and profiles are beside the root file system, not in it.
#[test]
fn local_files_of_other_things_are_not_of_the_root() {
    let firmware = |text: &str| {
        let top = format!("firmware = {}", pinned("boot/vmlinuz-fw", text));
        parts_of(&definitions::text(&top, ""), &[("boot/vmlinuz-fw", text)], lock(packages()))
    };
    assert_eq!(differing(&firmware("a"), &firmware("b")), "");
    let key = |text: &str| {
        let tables = "key-files = [\"k.asc\"]";
        parts_of(&definitions::text("", tables), &[("k.asc", text)], lock(packages()))
    };
    assert_eq!(differing(&key("a"), &key("b")), "");
}
