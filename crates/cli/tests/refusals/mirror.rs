//! Mirrors that lie, that are old, that lost something, and that break off.

use std::fs;

use cvmkit_engine::digest::Sha256;

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
        &[SUITE, "not signed by a key that counts", "no valid signature", "hint: ", "key-files"],
    );
}

#[test]
fn a_changed_release_file_is_refused() {
    unlockable(Release::Altered, &[SUITE, "not signed by a key that counts", "signature is wrong"]);
}

#[test]
fn an_expired_release_is_refused_unless_it_is_taken_knowingly() {
    let words = [SUITE, "valid until", "now it is", "`--accept-expired tiny`"];
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
    let said = archive.cvmkit(&["build", "--offline", "--out", "out"]);
    said.refused(3, &["1 of the locked files", DEB, "hint: run without `--offline` once"]);
    archive.nothing_built();
    assert!(archive.requests(DEB).is_empty());
}
