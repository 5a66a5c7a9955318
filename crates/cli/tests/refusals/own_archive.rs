//! An archive of the user's own beside Debian's: flat or with suites and components, signed by a key that
//! stands beside the definition.

use std::fs;

use crate::archive::{Archive, Deb, Fault};

const PACKAGES: &str = "[packages]\ninstall = [\"kernel\", \"tool\"]\nessential = false\n[[sources]]\narchive = \"own\"\n";

/// Debian's archive, and one with `tool`, which needs Debian's `hello`.
fn archives(is_flat: bool, faults: &[(&str, Fault)]) -> Option<Archive> {
    let archive = Archive::new(&[Deb::new("hello"), Deb::base(), Deb::kernel()])?;
    let tool = Deb { fields: "Depends: hello\n", ..Deb::new("tool") };
    let address = archive.own(&[tool], is_flat, faults);
    let suites = match is_flat {
        true => "suites = [\"./\"]",
        false => "suites = [\"own\"]\ncomponents = [\"tools\"]",
    };
    let keys = format!("mirrors = [\"{address}\"]\nkey-files = [\"own.asc\"]");
    archive.define(&format!("{PACKAGES}{suites}\n{keys}\n"));
    Some(archive)
}

#[test]
fn a_user_s_own_archive_is_a_source_of_packages() {
    for (is_flat, suite, index) in
        [(true, "./", "Packages"), (false, "own", "tools/binary-amd64/Packages")]
    {
        let Some(archive) = archives(is_flat, &[]) else { return };
        let said = archive.cvmkit(&["lock"]);
        assert!(!said.stderr.contains("no effect"), "{}", said.stderr);
        said.answer();
        let lock = fs::read_to_string(archive.project().join("image.lock")).unwrap();
        let record = format!("archive = \"own\"\nsuite = \"{suite}\"\npath = \"tool.deb\"\n");
        assert!(lock.contains(&record), "{lock}");
        assert!(lock.contains(&format!("path = \"{index}\"")), "{lock}");
        archive.build().answer();
        archive.cvmkit(&["vendor", "vendor"]).answer();
        assert!(archive.path("vendor/own/tool.deb").is_file());
    }
}

#[test]
fn a_key_of_another_archive_does_not_vouch_for_it() {
    let Some(archive) = archives(true, &[]) else { return };
    fs::copy(archive.project().join("archive.asc"), archive.project().join("own.asc")).unwrap();
    let words = ["no valid signature from a trusted key on the suite `./` of `own`", "key-files"];
    archive.cvmkit(&["lock"]).refused(3, &words);
}

#[test]
fn components_of_a_flat_archive_are_refused() {
    let Some(archive) = archives(true, &[]) else { return };
    let sources = "suites = [\"./\"]\ncomponents = [\"tools\"]\nkey-files = [\"own.asc\"]\n";
    archive.define(&format!("{PACKAGES}{sources}"));
    let words =
        ["`sources.components` can't be `tools`", "no components: `./` is of a flat archive"];
    archive.cvmkit(&["lock"]).refused(2, &words);
}

/// The release file lists the index, so the suite is not without packages: the mirror is.
#[test]
fn a_mirror_without_an_index_that_it_lists_is_incomplete() {
    let Some(archive) = archives(false, &[("/Packages", Fault::Gone)]) else { return };
    let words = [
        "mirror incomplete: the release file of suite `own` of `own` lists \
         `tools/binary-amd64/Packages`, which is not there",
        "HTTP 404",
        "hint: name a complete mirror",
    ];
    archive.cvmkit(&["lock"]).refused(3, &words);
}
