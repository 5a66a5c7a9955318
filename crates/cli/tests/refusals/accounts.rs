//! Ids of system accounts: given out by the lock, once, and by nothing else.

use std::fs;

use crate::archive::{Archive, Deb};
use crate::lock::write;

const BEFORE: &str = "[packages]\ninstall = [\"mail\", \"kernel\"]\nessential = false\n";
const AFTER: &str = "[packages]\ninstall = [\"agent\", \"mail\", \"kernel\"]\nessential = false\n";

/// Packages with users; `agent` comes before `mail` in the alphabet.
fn debs() -> [Deb; 4] {
    let with_user = |name: &'static str| {
        let line = format!("u {name} - \"A service\" /var/lib/{name}\n");
        Deb::new(name).file(&format!("usr/lib/sysusers.d/{name}.conf"), line.as_bytes())
    };
    [with_user("agent"), with_user("mail"), Deb::base(), Deb::kernel()]
}

fn locked(definition: &str) -> Option<Archive> {
    let archive = Archive::new(&debs())?;
    archive.define(definition);
    archive.lock();
    Some(archive)
}

fn text(archive: &Archive) -> String {
    fs::read_to_string(archive.project().join("image.lock")).unwrap()
}

fn account(name: &str, id: u32) -> String {
    format!("[[account]]\nname = \"{name}\"\nid = {id}\nroles = [\"root\"]\n")
}

#[track_caller]
fn has(archive: &Archive, accounts: &[(&str, u32)]) {
    let text = text(archive);
    for (name, id) in accounts {
        assert!(text.contains(&account(name, *id)), "{name} {id}\n{text}");
    }
    assert_eq!(text.matches("[[account]]").count(), accounts.len(), "{text}");
}

/// A new package's user took the first id, and those of the others changed.
#[test]
fn another_package_renumbers_nobody() {
    let Some(archive) = locked(BEFORE) else { return };
    has(&archive, &[("mail", 999)]);
    archive.build().answer();
    archive.define(AFTER);
    let said = archive.cvmkit(&["lock"]).answer();
    assert!(said.contains("+ account agent, id 998"), "{said}");
    has(&archive, &[("agent", 998), ("mail", 999)]);
    archive.build().answer();
    archive.cvmkit(&["lock", "--update", "--"]).answer();
    has(&archive, &[("agent", 998), ("mail", 999)]);
    let said = archive.cvmkit(&["lock"]).answer();
    assert!(said.trim_end().ends_with(", unchanged"), "{said}");
    // A variant has the same ids, and what only it has comes last, whatever its name.
    let debug = "[variant.debug]\ndebug = true\n[[variant.debug.users]]\nname = \"aardvark\"\n";
    archive.define(&format!("{AFTER}{debug}"));
    archive.lock();
    let text = text(&archive);
    assert!(text.contains("name = \"aardvark\"\nid = 997\nroles = [\"root:debug\"]"), "{text}");
    assert!(text.contains("name = \"agent\"\nid = 998\nroles = [\"root\", \"root:debug\"]"));
    archive.cvmkit(&["build", "--variant", "debug", "--out", "debug"]).answer();
    // Who leaves is gone from the lock, and nobody moves up.
    archive.define(BEFORE);
    let said = archive.cvmkit(&["lock"]).answer();
    assert!(said.contains("- account agent, id 998"), "{said}");
    has(&archive, &[("mail", 999)]);
    // Without a lock they are given out anew: this is what the lock is for.
    fs::remove_file(archive.project().join("image.lock")).unwrap();
    archive.define(AFTER);
    archive.lock();
    has(&archive, &[("agent", 999), ("mail", 998)]);
}

/// The same text may be evaluated otherwise by another version of this program, or find something else.
#[test]
fn a_script_does_what_the_lock_says_or_ends_the_build() {
    let [agent, mail, base, kernel] = debs();
    let agent = Deb { postinst: Some("#!/bin/sh\nset -e\necho x > /etc/made\n"), ..agent };
    let Some(archive) = Archive::new(&[agent, mail, base, kernel]) else { return };
    archive.define(AFTER);
    archive.lock();
    let good = text(&archive);
    let effects = good.lines().find(|line| line.starts_with("effects = ")).unwrap();
    write(&archive, &good.replace(effects, &format!("effects = \"{}\"", "7".repeat(64))));
    let said = "postinst of agent has the same text and another effect";
    archive.build().refused(2, &["a maintainer script does something else than", said, "hint: "]);
    archive.nothing_built();
    archive.cvmkit(&["lock", "--explain", "agent"]).refused(2, &[said]);
    let told = archive.cvmkit(&["lock"]).answer();
    assert!(told.contains(&format!("  ~ {said}\n")), "{told}");
    assert_eq!(text(&archive), good);
    archive.build().answer();
    let explained = archive.cvmkit(&["lock", "--explain", "agent"]).answer();
    let expected = "postinst of agent (root)\n  /etc/made 0644 root:root\n";
    assert!(explained.ends_with(expected), "{explained}");
}

#[test]
fn an_account_has_the_id_of_the_lock_or_none() {
    let Some(archive) = locked(AFTER) else { return };
    let good = text(&archive);
    let (agent, mail) = (account("agent", 999), account("mail", 998));
    for (forged, words) in [
        (
            good.replace(&format!("{mail}\n"), "").replace(&format!("\n{mail}"), ""),
            "the lock has no id for the account `mail`",
        ),
        (good.replace(&mail, &account("mail", 999)), "account `mail`: id 999 is that of `agent`"),
        (good.replace(&mail, &account("mail", 0)), "account `mail`: id = 0, expected 100 to 999"),
        (
            good.replace(&mail, &format!("{mail}\n{}", account("mole", 997))),
            "the lock gives the account `mole` the id 997, but no account",
        ),
        (good.replace(&agent, &format!("{agent}\n{agent}")), "account `agent` is twice"),
    ] {
        assert_ne!(forged, good, "{words}");
        write(&archive, &forged);
        archive.build().refused(2, &[words, "hint: "]);
        archive.nothing_built();
    }
    fs::write(archive.project().join("image.lock"), good.replace("id = 998", "id = 997")).unwrap();
    archive.build().refused(2, &["image.lock` was edited"]);
    archive.cvmkit(&["lock"]).refused(2, &["image.lock` was edited"]);
    // Another free id, meant so: it is as good, and stays.
    write(&archive, &good.replace("id = 998", "id = 500"));
    archive.build().answer();
    archive.lock();
    has(&archive, &[("agent", 999), ("mail", 500)]);
}

/// Neither may move without being asked: data outside of the image may be theirs.
#[test]
fn an_id_that_is_fixed_elsewhere_by_now_is_refused() {
    let Some(archive) = locked(BEFORE) else { return };
    let before = text(&archive);
    archive.define(&format!("{BEFORE}[[users]]\nname = \"op\"\nuid = 999\n"));
    let words = ["the lock gives the account `mail` the id 999, which `op` has", "hint: "];
    archive.cvmkit(&["lock"]).refused(2, &words);
    assert_eq!(text(&archive), before);
    archive.define(&format!("{BEFORE}[[users]]\nname = \"op\"\nuid = 997\n"));
    archive.lock();
    has(&archive, &[("mail", 999)]);
    archive.build().answer();
    // What the definition gives an id needs none of the lock.
    archive.define(&format!("{BEFORE}[[users]]\nname = \"mail\"\nuid = 300\n"));
    archive.lock();
    has(&archive, &[]);
    archive.build().answer();
}

/// Who can't tell the accounts says so, keeps what was known, and nothing is built of it.
#[test]
fn accounts_that_cannot_be_told_are_not_passed_over() {
    let script = "#!/bin/sh\nset -e\nfrobnicate\n";
    let [agent, mail, base, kernel] = debs();
    let agent = Deb { postinst: Some(script), ..agent };
    let Some(archive) = Archive::new(&[agent, mail, base, kernel]) else { return };
    archive.define(BEFORE);
    archive.lock();
    archive.define(AFTER);
    let said = archive.cvmkit(&["lock"]);
    let note = "tiny 1: its maintainer scripts are not evaluated, so the lock has neither ";
    assert!(
        said.stderr.contains(note) && said.stderr.contains("frobnicate: not found"),
        "{said:?}"
    );
    said.answer();
    has(&archive, &[("mail", 999)]);
    assert!(text(&archive).contains("\nunknown-ids-of = [\"root\"]\n"));
    archive.cvmkit(&["lock", "--check"]).refused(1, &["may lack ids of system accounts", "hint: "]);
    let said = archive.build();
    said.refused(2, &["postinst of agent, line 3: "]);
    let start = said.stderr.find("scripts.agent.skip = [").unwrap();
    let skip = said.stderr[start..].lines().next().unwrap();
    archive.define(&format!("{AFTER}{skip}\n"));
    archive.lock();
    has(&archive, &[("agent", 998), ("mail", 999)]);
    archive.build().answer();
}

/// Accounts may come from local files, and are told from the packages, which need no network.
#[test]
fn without_the_network_ids_come_of_the_store_or_of_a_vendor_folder() {
    let more = "[[files]]\npath = \"/usr/lib/sysusers.d/own.conf\"\ncontent = \"g alone -\"\n";
    let Some(archive) = locked(BEFORE) else { return };
    archive.cvmkit(&["vendor", "vendor"]).answer();
    archive.define(&format!("{BEFORE}{more}"));
    let asked = archive.requests("").len();
    archive.cvmkit(&["lock", "--offline"]).answer();
    has(&archive, &[("alone", 998), ("mail", 999)]);

    fs::remove_dir_all(archive.path("store")).unwrap();
    archive.define(&format!("{BEFORE}{}", more.replace("alone", "other")));
    let said = archive.cvmkit(&["lock", "--offline"]);
    assert!(said.stderr.contains("3 of the locked files are not in the store"), "{said:?}");
    said.answer();
    has(&archive, &[("alone", 998), ("mail", 999)]);
    archive.cvmkit(&["lock", "--offline", "--vendor", "vendor"]).answer();
    has(&archive, &[("mail", 999), ("other", 997)]);
    archive.cvmkit(&["build", "--offline", "--vendor", "vendor", "--out", "out"]).answer();

    // Other packages are a question for the archives.
    archive.define(AFTER);
    archive.cvmkit(&["lock", "--offline"]).refused(
        3,
        &["packages have to be resolved again", "hint: run `cvmkit lock` without `--offline`"],
    );
    assert_eq!(archive.requests("").len(), asked);
}
