//! Mirrors that lie, that are old, that lost something, and that break off.

use std::fs;

use cvmkit_formats::digest::Sha256;

use crate::archive::{Archive, Deb, Fault, Release, SUITE};
use crate::rig;

const DEB: &str = "hello_1.0_amd64.deb";

fn archive(fault: Fault) -> Option<Archive> {
    let archive = Archive::with(&[Deb::new("hello")], Release::Good, &[(DEB, fault)])?;
    archive.lock();
    Some(archive)
}

#[test]
fn other_bytes_than_the_locked_ones_are_refused() {
    let Some(archive) = archive(Fault::Altered) else { return };
    let mut altered = archive.content(DEB).to_vec();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    let (expected, computed) = (Sha256::of(archive.content(DEB)), Sha256::of(&altered));
    archive.build().refused(
        3,
        &[
            "`hello` does not match the lock",
            "SHA-256 mismatch for ",
            DEB,
            &format!("expected: {expected}  (image.lock:"),
            &format!("computed: {computed}"),
            "hint: the mirror changed or the lock is stale; `cvmkit lock --update hello`",
        ],
    );
    archive.nothing_built();
    archive.not_stored(&altered);
    assert!(rig::names(&archive.path("store/partial")).is_empty(), "nothing bad is resumed");
}

#[test]
fn what_is_gone_is_named_with_ways_to_go_on() {
    let Some(archive) = archive(Fault::Gone) else { return };
    let words = ["`hello` is gone from the mirrors", DEB, "image.lock:", "HTTP 404", "--vendor"];
    archive.build().refused(3, &words);
    archive.build().refused(3, &["`cvmkit lock --update`", "snapshot"]);
    archive.nothing_built();
}

/// Its index lists the package: the suite has it, and the mirror has not.
#[test]
fn a_mirror_that_lacks_what_its_index_lists_is_incomplete() {
    let Some(archive) = Archive::with(&[Deb::new("hello")], Release::Good, &[(DEB, Fault::Gone)])
    else {
        return;
    };
    let said = archive.cvmkit(&["lock"]);
    let words = [
        "mirror incomplete: its indices list what is not there",
        "`hello`: pool/main/hello/hello_1.0_amd64.deb",
        "name a complete mirror in CVMKIT_MIRROR",
    ];
    words.iter().for_each(|words| assert!(said.stderr.contains(words), "{}", said.stderr));
    said.answer();
}

/// Fetches into a vendor folder and compares with what the archive has.
#[track_caller]
fn vendors(archive: &Archive) {
    archive.cvmkit(&["vendor", "vendor"]).answer();
    let fetched = fs::read(archive.path("vendor/debian/pool/main/hello").join(DEB)).unwrap();
    assert!(fetched == archive.content(DEB));
}

#[test]
fn a_connection_that_breaks_off_is_resumed() {
    let Some(archive) = archive(Fault::BreaksOffOnce) else { return };
    vendors(&archive);
    let half = archive.content(DEB).len() / 2;
    let path = format!("/debian/pool/main/hello/{DEB}");
    let expected = [format!("{path} from 0"), format!("{path} from {half}")];
    assert_eq!(archive.requests(DEB), expected);
}

#[test]
fn a_server_that_ignores_ranges_is_read_anew() {
    let Some(archive) = archive(Fault::IgnoresRange) else { return };
    vendors(&archive);
    assert_eq!(archive.requests(DEB).len(), 2, "{:?}", archive.requests(DEB));
}

#[test]
fn a_mirror_that_always_breaks_off_is_an_error_of_the_environment() {
    let Some(archive) = archive(Fault::BreaksOffAlways) else { return };
    archive.build().refused(3, &["`hello` can't be fetched", DEB, "hint: try again"]);
    archive.nothing_built();
    archive.not_stored(archive.content(DEB));
    assert!(archive.requests(DEB).len() > 2, "{:?}", archive.requests(DEB));
}

/// `cvmkit lock` that is refused and makes no lock.
#[track_caller]
fn unlockable(release: Release, words: &[&str]) {
    let Some(archive) = Archive::with(&[Deb::new("hello")], release, &[]) else { return };
    archive.cvmkit(&["lock"]).refused(3, words);
    assert_eq!(rig::names(&archive.project()), ["archive.asc", "image.toml"]);
}

#[test]
fn a_stranger_s_signature_is_refused() {
    unlockable(
        Release::Stranger,
        &[SUITE, "no valid signature from a trusted key", "no such key", "hint: ", "key-files"],
    );
}

#[test]
fn a_changed_release_file_is_refused() {
    unlockable(
        Release::Altered,
        &[SUITE, "no valid signature from a trusted key", "signature does not verify"],
    );
}

#[test]
fn an_expired_release_is_refused_unless_it_is_taken_knowingly() {
    let words = [SUITE, "valid until 20", "now it is 20", "`--accept-expired tiny`"];
    unlockable(Release::Expired, &words);
    let hello = Deb::new("hello");
    let Some(archive) = Archive::with(&[hello], Release::Expired, &[]) else { return };
    let mut command = archive.command(&["lock", "--accept-expired", SUITE]);
    let said = rig::run(&mut command);
    assert!(said.stderr.contains("expired at"), "{said:?}");
    said.answer();
    let lock = fs::read_to_string(archive.project().join("image.lock")).unwrap();
    assert!(lock.contains("expired = true"), "{lock}");
}

#[test]
fn an_index_that_is_not_the_signed_one_is_refused() {
    let faults = [("Packages.gz", Fault::Altered)];
    let hello = Deb::new("hello");
    let Some(archive) = Archive::with(&[hello], Release::Good, &faults) else { return };
    let words =
        ["index of the suite `tiny`", "expected: ", "(release file)", "computed: ", "hint: "];
    archive.cvmkit(&["lock"]).refused(3, &words);
    assert!(!archive.project().join("image.lock").exists());
}

#[test]
fn offline_and_without_files_says_what_is_missing() {
    let Some(archive) = Archive::new(&[Deb::new("hello")]) else { return };
    archive.lock();
    fs::remove_dir_all(archive.path("store")).unwrap();
    let before = archive.requests("").len();
    let said = archive.cvmkit(&["build", "--offline", "--out", "out"]);
    said.refused(3, &["1 of the locked files", DEB, "hint: run without `--offline` once"]);
    archive.nothing_built();
    assert_eq!(archive.requests("").len(), before);
}

/// The keys of an archive sign all of its suites: a mirror that served one in the place of another
/// was locked without a word.
#[test]
fn another_suite_of_the_same_keys_is_refused() {
    let words = [
        "release file of suite `tiny`",
        "requested: tiny",
        "found:     other (stable-other)",
        "hint: the mirror serves another suite in its place",
    ];
    unlockable(Release::AnotherSuite, &words);
}

#[test]
fn an_archive_says_who_it_is() {
    let Some(archive) = Archive::new(&[Deb::new("hello")]) else { return };
    let path = archive.project().join("image.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("key-files", "label = \"Tiny\"\nkey-files")).unwrap();
    let words = ["a different archive", "expected: `Label: Tiny`", "no field `Label`", "hint: "];
    archive.cvmkit(&["lock"]).refused(3, &words);
    assert!(!archive.project().join("image.lock").exists());
}

#[test]
fn an_older_state_than_the_locked_one_is_refused_unless_it_is_accepted() {
    let Some(archive) = Archive::new(&[Deb::new("hello")]) else { return };
    archive.lock();
    let Some(older) = Archive::with(&[Deb::new("hello")], Release::Older, &[]) else { return };
    let key = "archive.asc";
    fs::copy(older.project().join(key), archive.project().join(key)).unwrap();
    let lock = |more: &[&str]| {
        archive.with_mirrors(&[&older.address], &[&["lock", "--update"], more].concat())
    };
    let before = fs::read(archive.project().join("image.lock")).unwrap();
    let words = ["`tiny` went back in time", "locked: 20", "found:  20", "`--accept-older tiny`"];
    archive.with_mirrors(&[&older.address], &["lock"]).refused(3, &words);
    lock(&["--accept-older", "other", "--"]).refused(3, &words);
    assert_eq!(before, fs::read(archive.project().join("image.lock")).unwrap());
    lock(&["--accept-older", SUITE, "--"]).answer();
    let text = fs::read_to_string(archive.project().join("image.lock")).unwrap();
    assert!(text.contains("older-than = \"20"), "{text}");
}

#[test]
fn a_suite_of_any_age_without_an_end_is_noted() {
    let hello = Deb::new("hello");
    let Some(archive) = Archive::with(&[hello], Release::Timeless, &[]) else { return };
    let said = archive.cvmkit(&["lock"]);
    for word in ["suite `tiny` is of 20", "days old", "`max-age-days` is 120"] {
        assert!(said.stderr.contains(word), "{word}: {said:?}");
    }
    said.answer();
    let path = archive.project().join("image.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("key-files", "max-age-days = 500\nkey-files")).unwrap();
    let said = archive.cvmkit(&["lock"]);
    assert!(!said.stderr.contains("days old"), "{said:?}");
    said.answer();
}

/// The signed release file says how long the index is that its digest is of.
#[test]
fn an_index_that_swells_is_refused_at_its_listed_length() {
    let words = ["Packages.gz` does not decompress", "more than the limit of "];
    unlockable(Release::Bomb, &words);
}

#[test]
fn a_mirror_that_gives_junk_is_passed_over() {
    let Some(archive) = Archive::new(&[Deb::new("hello")]) else { return };
    let junk = archive.junk();
    let said = archive.with_mirrors(&[&junk, &archive.address], &["lock"]);
    assert!(said.stderr.contains(&format!("{junk} was passed over: ")), "{said:?}");
    said.answer();
    // In JSON the same, in the result of a command that has no notes of its own.
    let said =
        archive.with_mirrors(&[&junk, &archive.address], &["lock", "--update", "--format", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&said.answer()).unwrap();
    let note = answer["notes"][0].as_str().unwrap();
    assert!(note.starts_with(&format!("{junk} was passed over: ")), "{answer}");
    let other = archive.junk();
    let words = [
        "no mirror of `debian` serves a suite `tiny` that can be trusted",
        &junk,
        &other,
        "hint: ",
    ];
    let update = ["lock", "--update", "--"];
    archive.with_mirrors(&[&junk, &other], &update).refused(3, &words);
}

/// Wrong bytes of the first mirror were reported as the second's 404.
#[test]
fn what_each_mirror_did_wrong_is_said() {
    let Some(archive) = Archive::new(&[Deb::new("hello")]) else { return };
    archive.lock();
    fs::remove_dir_all(archive.path("store")).unwrap();
    let altered = archive.mirror(&[(DEB, Fault::Altered)]);
    let gone = archive.mirror(&[(DEB, Fault::Gone)]);
    let build = ["build", "--out", "out"];
    archive.with_mirrors(&[&altered, &gone], &build).refused(
        3,
        &[
            "no mirror has `hello` as it is locked",
            &format!("{altered}: `hello` does not match the lock: SHA-256 mismatch"),
            &format!("{gone}: `hello` is gone from the mirrors"),
            "HTTP 404",
            "hint: the mirror changed or the lock is stale",
        ],
    );
    archive.nothing_built();
    let said = archive.with_mirrors(&[&gone, &altered, &archive.address], &["vendor", "vendor"]);
    for mirror in [&gone, &altered] {
        assert!(said.stderr.contains(&format!("{mirror} was passed over: ")), "{said:?}");
    }
    said.answer();
}

#[test]
fn the_named_mirror_comes_first_and_the_others_behind_it() {
    let Some(archive) = Archive::new(&[Deb::new("hello")]) else { return };
    let gone = archive.mirror(&[("InRelease", Fault::Gone)]);
    let path = archive.project().join("image.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("mirrors = [\"{}\"]\n{text}", archive.address)).unwrap();
    let said = archive.with_mirrors(&[&gone], &["lock"]);
    assert!(said.stderr.contains(&format!("{gone} was passed over: ")), "{said:?}");
    said.answer();
}

/// It said to update the lock, which is no help against a damaged copy.
#[test]
fn a_damaged_file_of_a_vendor_folder_is_to_be_copied_again() {
    let Some(archive) = Archive::new(&[Deb::new("hello")]) else { return };
    archive.lock();
    archive.cvmkit(&["vendor", "vendor"]).answer();
    let path = archive.path("vendor/debian/pool/main/hello").join(DEB);
    let mut bytes = fs::read(&path).unwrap();
    bytes[99] ^= 1;
    fs::write(&path, &bytes).unwrap();
    fs::remove_dir_all(archive.path("store")).unwrap();
    let build = ["build", "--offline", "--vendor", "vendor", "--out", "out"];
    let said = archive.cvmkit(&build);
    let words =
        ["`hello` in the vendor folder does not match the lock", DEB, "hint: the file is damaged"];
    said.refused(3, &words);
    assert!(!said.stderr.contains("--update"), "{said:?}");
}
