//! Packages that can't become a root file system, and firmware that can't be measured.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cvmkit_formats::digest::Sha256;

use crate::archive::{Archive, Deb};
use crate::ovmf_image;

#[test]
fn a_truncated_package_is_named_although_its_hash_fits() {
    let hello = Deb { cut: 5000, ..Deb::new("hello") };
    let Some(archive) = Archive::new(&[hello]) else { return };
    archive.lock();
    let words = ["package `hello` can't be read", "hello_1.0_amd64.deb", "image.lock:", "hint: "];
    archive.build().refused(3, &words);
    archive.nothing_built();
}

#[test]
fn a_maintainer_script_that_cannot_be_evaluated_is_named() {
    let script = "#!/bin/sh\nset -e\nfrobnicate --every-boot\n";
    let hello = Deb { postinst: Some(script), ..Deb::new("hello") };
    let Some(archive) = Archive::new(&[hello, Deb::base(), Deb::kernel()]) else { return };
    archive.lock();
    let words = ["postinst of hello, line 3: frobnicate: not found", "scripts.hello.skip = [\""];
    let said = archive.build();
    said.refused(2, &words);
    archive.nothing_built();
    // The hint is put into the definition as it is.
    let start = said.stderr.find("scripts.hello.skip = [").unwrap();
    let key = said.stderr[start..].lines().next().unwrap();
    let packages = "[packages]\ninstall = [\"hello\", \"kernel\"]\nessential = false\n";
    archive.define(&format!("{packages}{key}\n"));
    archive.lock();
    let said = archive.build();
    assert!(said.stderr.contains("postinst of hello was skipped"), "{}", said.stderr);
    let lock = fs::read_to_string(archive.project().join("image.lock")).unwrap();
    assert!(lock.contains("\ndecision = \"skip\"\n"), "{lock}");
    said.answer();
    // An unchanged build says it again, from the manifest.
    assert!(archive.build().stderr.contains("postinst of hello was skipped"));
    let manifest = fs::read_to_string(archive.path("out/manifest.json")).unwrap();
    assert!(manifest.contains("\"script-skipped\""), "{manifest}");
}

/// The effect of a script is given instead of it: accounts of the lock, files of the definition's folder.
#[test]
fn what_is_given_stands_for_a_script() {
    let script = "#!/bin/sh\nset -e\nfrobnicate --every-boot\n";
    let hello = Deb { postinst: Some(script), ..Deb::new("hello") };
    let Some(archive) = Archive::new(&[hello, Deb::base(), Deb::kernel()]) else { return };
    fs::write(archive.project().join("conf"), b"own").unwrap();
    let define = |sha256: Sha256| {
        archive.define(&format!(
            "[packages]\ninstall = [\"hello\", \"kernel\"]\nessential = false\n\
             [[packages.scripts.hello.give]]\nscript = \"{sha256}\"\nusers = [{{ name = \"web\" }}]\n\
             files = [{{ path = \"/etc/hello\", source = \"conf\", owner = \"web\", mode = \"0600\" }}]\n"
        ));
    };
    // Of no script, and the script has nothing instead of it: both are told.
    define(Sha256::of(b"another"));
    archive.lock();
    let words = ["postinst of hello, line 3", "packages.scripts.\"hello\".give: ", "matches none"];
    archive.build().refused(2, &words);
    archive.nothing_built();
    define(Sha256::of(script.as_bytes()));
    archive.build().refused(2, &["image.lock", "cvmkit lock"]);
    archive.lock();
    let lock = fs::read_to_string(archive.project().join("image.lock")).unwrap();
    let account = "[[account]]\nname = \"web\"\nid = 999\n";
    for words in [account, "[[file]]\npath = \"conf\"\n", "\ndecision = \"give\"\n"] {
        assert!(lock.contains(words), "{words} in {lock}");
    }
    let said = archive.build();
    let words = "the definition gives what postinst of hello does";
    assert!(said.stderr.contains(words), "{}", said.stderr);
    assert!(said.stderr.contains("): user web, /etc/hello\n"), "{}", said.stderr);
    said.answer();
    let manifest = fs::read_to_string(archive.path("out/manifest.json")).unwrap();
    assert!(manifest.contains("\"script-given\""), "{manifest}");
}

#[test]
fn an_answer_that_no_question_takes_is_named() {
    let templates = b"Template: hello/area\nType: select\nChoices: Etc, Europe\nDefault: Etc\n\
                      Description: where\n\nTemplate: hello/on\nType: boolean\nDefault: true\n\
                      Description: whether\n\nTemplate: hello/secret\nType: password\nDescription: what\n\n\
                      Template: hello/idle\nType: string\nDescription: why\n";
    let script =
        "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_get hello/area\ndb_get hello/on\n";
    let hello = Deb { postinst: Some(script), ..Deb::new("hello") };
    let hello = hello.file("DEBIAN/templates", templates);
    let debconf = Deb::new("debconf").file("usr/share/debconf/confmodule", b"");
    let debs = [hello, debconf, Deb::base(), Deb::kernel()];
    let Some(archive) = Archive::new(&debs) else { return };
    let define = |answers: &str| {
        archive.define(&format!(
            "[packages]\ninstall = [\"debconf\", \"hello\", \"kernel\"]\nessential = false\n\
             [packages.debconf]\n{answers}\n"
        ));
    };
    define(
        "\"hello/area\" = \"Europ\"\n\"hello/idle\" = \"x\"\n\"hello/on\" = \"yes\"\n\"hello/secret\" = \"guess\"\n\"helo/on\" = true",
    );
    archive.lock();
    let words = [
        "5 answers of [packages.debconf] can't be used",
        "`hello/idle` changes nothing: no script of the image reads it",
        "`hello/area` has no choice `Europ`, only `Etc`, `Europe`",
        "`hello/on` is `true` or `false`, not `yes`",
        "`hello/secret` asks for a password",
        "`helo/on` is a question of no package of the image",
        "`helo/on`: did you mean `hello/on`?",
    ];
    let said = archive.build();
    said.refused(2, &words);
    assert!(!said.stderr.contains("guess"), "{}", said.stderr);
    archive.nothing_built();
    // Another answer is another definition, and its lock a stale one.
    define("\"hello/area\" = \"Europe\"\n\"hello/on\" = false");
    archive.build().refused(2, &["image.lock", "cvmkit lock"]);
    archive.lock();
    archive.build().answer();
}

#[test]
fn what_an_overlay_does_not_bring_along_is_told() {
    let Some(archive) = Archive::new(&[Deb::base(), Deb::kernel()]) else { return };
    let packages = "[packages]\ninstall = [\"kernel\"]\nessential = false\n\
                    [[overlays]]\nsource = \"tree\"\n";
    let folder = archive.project().join("tree/etc");
    fs::create_dir_all(&folder).unwrap();
    archive.define(&packages.replace("\"tree\"", "\"tree/etc\""));
    archive.lock();
    archive.build().refused(2, &["overlays.source: `tree/etc` is an empty folder"]);
    fs::write(folder.join("secret"), "x").unwrap();
    fs::set_permissions(folder.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    archive.define(packages);
    archive.lock();
    // Closed to others, and with the rights of its owner.
    fs::write(folder.join("taker"), "x").unwrap();
    fs::set_permissions(folder.join("taker"), fs::Permissions::from_mode(0o4755)).unwrap();
    archive.lock();
    let said = archive.build();
    assert!(said.stderr.contains("`tree/etc/secret` (0600): others"), "{}", said.stderr);
    assert!(said.stderr.contains("`tree/etc/taker` (4755): setuid, setgid"), "{}", said.stderr);
    said.answer();
    // Said in the definition, it is a mode of the image.
    let mode = "[[files]]\npath = \"/etc/secret\"\nmode = \"0600\"\n\
                [[files]]\npath = \"/etc/taker\"\nmode = \"4755\"\n";
    archive.define(&format!("{packages}{mode}"));
    archive.lock();
    let said = archive.build();
    assert!(!said.stderr.contains("secret"), "{}", said.stderr);
    assert!(!said.stderr.contains("taker"), "{}", said.stderr);
    said.answer();
    // Sums that are none do not say what is of an earlier image; this is told, and mended.
    fs::write(archive.path("out/SHA256SUMS"), "not sums\n").unwrap();
    let said = archive.build();
    assert!(said.stderr.contains("was no list of sums"), "{}", said.stderr);
    said.answer();
    assert!(!archive.build().stderr.contains("was no list of sums"));
}

#[test]
fn one_path_of_two_packages_is_named() {
    let twice = |name| Deb::new(name).file("usr/share/both", name.as_bytes());
    let Some(archive) = Archive::new(&[twice("hello"), twice("other")]) else { return };
    archive.define("[packages]\ninstall = [\"hello\", \"other\"]\nessential = false\n");
    archive.lock();
    archive.build().refused(2, &["`hello`", "`other`", "`/usr/share/both`", "hint: leave "]);
    archive.nothing_built();
}

#[test]
fn an_image_needs_a_kernel() {
    let hello = Deb { fields: "Depends: base\n", ..Deb::new("hello") };
    let Some(archive) = Archive::new(&[hello, Deb::base()]) else { return };
    archive.lock();
    archive.build().refused(2, &["no kernel in the image", "hint: add a kernel package"]);
    archive.nothing_built();
}

/// A project whose image is measured with this firmware.
fn measured_with(firmware: &[u8]) -> Option<Archive> {
    let archive = Archive::new(&[Deb::base(), Deb::kernel()])?;
    fs::write(archive.project().join("firmware.fd"), firmware).unwrap();
    archive.define(&format!(
        "[packages]\ninstall = [\"kernel\"]\nessential = false\n\n\
         [firmware]\npath = \"firmware.fd\"\nsha256 = \"{}\"\n\n\
         [[platforms]]\nprofile = \"qemu-snp\"\nvcpus = [1]\n\
         vcpu-types = [\"EPYC-v4\"]\nguest-features = \"0x1\"\n",
        Sha256::of(firmware)
    ));
    archive.lock();
    Some(archive)
}

/// The end of an OVMF image of Debian's packages, with the metadata that is read, behind the start of a
/// firmware volume.
pub(crate) fn shipped(name: &str) -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../measure/tests/fixtures");
    ovmf_image::whole(&fs::read(fixtures.join(name)).unwrap())
}

#[test]
fn firmware_without_metadata_is_never_measured() {
    let Some(archive) = measured_with(&vec![0xff; 1 << 20]) else { return };
    archive.build().refused(2, &["firmware.fd", "can't be measured"]);
    archive.nothing_built();
}

#[test]
fn firmware_without_a_page_for_kernel_hashes_is_never_measured() {
    let Some(archive) = measured_with(&shipped("ovmf_OvmfX64_suffix.bin")) else { return };
    archive.build().refused(2, &["firmware.fd", "kernel", "hash"]);
    archive.nothing_built();
}

#[test]
fn firmware_that_can_hold_the_hashes_is_measured() {
    let Some(archive) = measured_with(&shipped("ovmf_AmdSev_suffix.bin")) else { return };
    archive.build().answer();
    let values = fs::read_to_string(archive.path("out/reference-values.json")).unwrap();
    assert!(values.contains("EPYC-v4"), "{values}");
}

#[test]
fn firmware_other_than_the_pinned_one_is_refused() {
    let Some(archive) = measured_with(&shipped("ovmf_AmdSev_suffix.bin")) else { return };
    fs::write(archive.project().join("firmware.fd"), b"another").unwrap();
    archive.build().refused(2, &["firmware.fd", "hint: "]);
    archive.nothing_built();
}
