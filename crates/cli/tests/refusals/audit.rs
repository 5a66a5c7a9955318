//! Packages that are dropped, what then can't run, and what an audit finds.

use std::fs;

use crate::archive::{Archive, Deb};
use crate::lock::write;

/// A package that depends on an interpreter, which has data of its own.
fn packages() -> Vec<Deb> {
    let hello = Deb { fields: "Depends: tool, base\n", ..Deb::new("hello") };
    let tool = Deb { fields: "Depends: tool-data, base\n", ..Deb::new("tool") };
    vec![hello, tool.file("usr/bin/tool", b"x"), Deb::new("tool-data"), Deb::base(), Deb::kernel()]
}

const INSTALL: &str = "[packages]\ninstall = [\"hello\", \"kernel\"]\nessential = false\n";

#[test]
fn a_dropped_package_goes_with_what_stood_only_for_it() {
    let Some(archive) = Archive::new(&packages()) else { return };
    archive.define(INSTALL);
    archive.lock();
    let all = fs::read_to_string(archive.project().join("image.lock")).unwrap();
    assert!(all.contains("name = \"tool-data\"") && !all.contains("[[dropped]]"), "{all}");
    archive.define(&format!("{INSTALL}drop = {{ tool = \"hello does without\" }}\n"));
    let said = archive.cvmkit(&["lock"]);
    assert!(said.stdout.contains("2 packages dropped"), "{}", said.stdout);
    said.answer();
    let lock = fs::read_to_string(archive.project().join("image.lock")).unwrap();
    assert_eq!(lock.matches("[[dropped]]").count(), 2, "{lock}");
    assert!(lock.contains("because = \"hello does without\""), "{lock}");
    let said = archive.cvmkit(&["lock", "--explain", "tool-data"]);
    assert!(said.stdout.contains("dropped with what needed it"), "{}", said.stdout);
    archive.build().answer();
    let manifest = fs::read_to_string(archive.path("out/manifest.json")).unwrap();
    assert!(!manifest.contains("\"name\": \"tool"), "{manifest}");
    assert!(manifest.contains("\"code\": \"package-dropped\""), "{manifest}");
    assert!(manifest.contains("\"because\": \"hello does without\""), "{manifest}");
}

/// A lock from which a package was taken and that was sealed again made a weaker image, and nothing said so.
#[test]
fn a_lock_does_without_what_the_definition_drops_and_nothing_else() {
    let Some(archive) = Archive::new(&packages()) else { return };
    archive.define(INSTALL);
    archive.lock();
    let path = archive.project().join("image.lock");
    let good = fs::read_to_string(&path).unwrap();
    let without = |text: &str, name: &str| -> String {
        let of = |record: &&str| !record.contains(&format!("\nname = \"{name}\"\n"));
        let is_script = |record: &&str| !record.contains(&format!("\npackage = \"{name}\"\n"));
        let kept: String = text.split_inclusive("\n\n").filter(of).filter(is_script).collect();
        format!("{}\n", kept.trim_end())
    };
    write(&archive, &without(&good, "tool-data"));
    let words = ["`tool` Depends on `tool-data`, which no package meets", "hint: restore the lock"];
    archive.build().refused(2, &words);
    archive.cvmkit(&["audit"]).refused(2, &words);
    write(&archive, &without(&good, "tool"));
    let unasked = "`tool-data` is there, and neither requested nor needed";
    archive.build().refused(2, &["`hello` Depends on `tool`, which no package meets", unasked]);
    // A record of the lock alone is no decision.
    let record = "[[dropped]]\nname = \"tool-data\"\nversion = \"1.0\"\nreason = \"Depends of tool: \
                  tool-data\"\nroles = [\"root\"]\n\n";
    let forged = without(&good, "tool-data");
    let at = forged.find("[[file]]").unwrap_or(forged.len());
    let at = forged.find("[[script]]").unwrap_or(at);
    let padding = if at == forged.len() { "\n" } else { "" };
    let forged = format!("{}{padding}{record}{}", &forged[..at], &forged[at..]);
    write(&archive, &format!("{}\n", forged.trim_end()));
    let words = ["the lock drops `tool-data`", "and the definition does not", "hint: restore"];
    archive.build().refused(2, &words);
    archive.cvmkit(&["lock", "--check"]).refused(1, &words[..2]);
    archive.nothing_built();
    // Nor is it gone where the definition decides so.
    archive.define(&format!("{INSTALL}drop = {{ tool = \"hello does without\" }}\n"));
    archive.lock();
    let dropping = fs::read_to_string(&path).unwrap();
    write(&archive, &dropping.replace("hello does without", "another reason"));
    archive
        .build()
        .refused(2, &["`tool` with the reason `hello does without`, the lock: `another"]);
    write(&archive, &dropping);
    archive.build().answer();
}

#[test]
fn what_is_dropped_is_not_requested_and_needed_by_somebody() {
    let Some(archive) = Archive::new(&packages()) else { return };
    archive.define(&format!("{INSTALL}drop = {{ hello = \"x\" }}\n"));
    let words = ["`packages.drop.`hello``", "no package that `packages.install` requests"];
    archive.cvmkit(&["lock"]).refused(2, &words);
    archive.define(&format!("{INSTALL}drop = {{ gone = \"x\", tool = \"y\" }}\n"));
    archive
        .cvmkit(&["lock"])
        .refused(2, &["drops `gone`, which no package", "hint: take them out"]);
}

#[test]
fn what_lost_its_interpreter_is_named_and_may_be_allowed() {
    let mut packages = packages();
    let hello = packages.remove(0).file("usr/share/hello/run", b"#!/usr/bin/tool\n");
    packages.push(hello);
    let Some(archive) = Archive::new(&packages) else { return };
    let drop = "drop = { tool = \"hello does without\" }\n";
    let run = "[[files]]\npath = \"/usr/share/hello/run\"\nmode = \"0755\"\n";
    archive.define(&format!("{INSTALL}{run}"));
    archive.lock();
    archive.build().answer();
    archive.define(&format!("{INSTALL}{drop}{run}"));
    archive.lock();
    let lacks = "missing-interpreter: `/usr/share/hello/run` of hello needs the interpreter \
                 `/usr/bin/tool`";
    archive.build().refused(2, &[lacks, "hint: ", "finding = \"missing-interpreter\""]);
    let allow = "[[allow]]\nfinding = \"missing-interpreter\"\n\
                 path = \"/usr/share/hello/run\"\nreason = \"nothing calls it\"\n";
    archive.define(&format!("{INSTALL}{drop}{run}{allow}"));
    archive.lock();
    let said = archive.build();
    assert!(said.stderr.contains("allows missing-interpreter"), "{}", said.stderr);
    said.answer();
    let said = archive.cvmkit(&["audit"]);
    assert!(said.stdout.contains("(nothing calls it)"), "{}", said.stdout);
    said.answer();
}

#[test]
fn findings_end_a_production_build_unless_they_are_allowed() {
    let Some(archive) = Archive::new(&packages()) else { return };
    let key = "-----BEGIN PRIVATE KEY-----\n\
               MC4CAQAwBQYDK2VwBCIEIPIR8kHc1tmCBnGG0DD5bWZc3bZSGfFW8oIVgGHoQqzt\n\
               -----END PRIVATE KEY-----\n";
    fs::write(archive.project().join("key.pem"), key).unwrap();
    let file = "[[files]]\npath = \"/etc/key.pem\"\nsource = \"key.pem\"\nmode = \"0600\"\n";
    archive.define(&format!("{INSTALL}{file}"));
    archive.lock();
    let words = ["private-key: `/etc/key.pem` holds a private key", "hint: ", "[[allow]]"];
    archive.build().refused(2, &words);
    archive.nothing_built();
    let said = archive.cvmkit(&["audit"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("refused  private-key: `/etc/key.pem`"), "{}", said.stdout);
    let allow = |path: &str| {
        format!("[[allow]]\nfinding = \"private-key\"\npath = \"{path}\"\nreason = \"a test\"\n")
    };
    archive.define(&format!("{INSTALL}{file}{}", allow("/etc/other.pem")));
    archive.lock();
    archive.build().refused(2, &["allow.private-key: `/etc/other.pem` matches nothing"]);
    archive.define(&format!("{INSTALL}{file}{}", allow("/etc/*.pem")));
    archive.lock();
    let said = archive.build();
    assert!(said.stderr.contains("allows private-key at /etc/*.pem (1 found)"), "{}", said.stderr);
    said.answer();
    archive.cvmkit(&["audit"]).answer();
    // A debug image has it with a note.
    let variant = "[variant.debug]\ndebug = true\n";
    archive.define(&format!("{INSTALL}{file}{variant}"));
    archive.lock();
    let said = archive.cvmkit(&["build", "--variant", "debug", "--out", "debug"]);
    assert!(said.stderr.contains("refused in a production image"), "{}", said.stderr);
    said.answer();
    archive.cvmkit(&["audit", "--variant", "debug"]).answer();
}

#[test]
fn settings_that_let_somebody_in_end_a_production_build() {
    let Some(archive) = Archive::new(&packages()) else { return };
    let drop_in = "/etc/systemd/system/serial-getty@.service.d/autologin.conf";
    let texts = [
        ("/etc/ssh/sshd_config", "Include sshd_config.d/*.conf\nPermitEmptyPasswords yes\n"),
        (
            "/etc/ssh/sshd_config.d/10-keys.conf",
            "AuthorizedKeysFile /etc/keys/%u\nAuthorizedKeysCommand /usr/bin/keys %u\n",
        ),
        ("/etc/keys/root", "ssh-ed25519 AAAA\n"),
        ("/etc/sudoers", "@includedir /etc/sudoers.d\n"),
        ("/etc/sudoers.d/ops", "%ops ALL=(ALL) NOPASSWD: ALL\nDefaults !authenticate\n"),
        (drop_in, "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root %I\n"),
    ];
    let mut files = String::new();
    for (number, (path, text)) in texts.iter().enumerate() {
        fs::write(archive.project().join(format!("{number}.txt")), text).unwrap();
        files += &format!("[[files]]\npath = \"{path}\"\nsource = \"{number}.txt\"\n");
    }
    archive.define(&format!("{INSTALL}{files}"));
    archive.lock();
    archive.build().refused(2, &["ssh-login", "autologin", "sudo-without-password", "hint: "]);
    archive.nothing_built();
    let said = archive.cvmkit(&["audit"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("listed   authorized-keys: `/etc/keys/root`"), "{}", said.stdout);
    let allow: String = [
        ("ssh-login", "/etc/ssh/*"),
        ("autologin", drop_in),
        ("sudo-without-password", "/etc/sudoers.d/ops"),
    ]
    .map(|(finding, path)| {
        format!("[[allow]]\nfinding = \"{finding}\"\npath = \"{path}\"\nreason = \"a test\"\n")
    })
    .concat();
    archive.define(&format!("{INSTALL}{files}{allow}"));
    archive.lock();
    archive.build().answer();
}
