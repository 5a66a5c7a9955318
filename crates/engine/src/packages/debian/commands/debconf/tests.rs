//! The same selections and commands, given to this module and to debconf itself.
#![expect(clippy::disallowed_methods, reason = "the oracle's databases are real files")]

use std::collections::BTreeMap;
use std::fs;

use cvmkit_shell::evaluation::Start;

use super::{Answers, Database};
use crate::packages::debian::commands::tests::{machine, run};
use crate::packages::debian::commands::{Script, System};
use crate::packages::debian::tests::package;
use crate::rootfs::Request;
use crate::rootfs::tests::{assembly, oracle};

const TEMPLATES: &str = "\
Template: p/flag
Type: boolean
Default: true
Description: d

Template: p/choice
Type: select
Choices: one, two three, four\\, five, six,seven
Default: two three
Description: d

Template: p/many
Type: multiselect
Choices: one, two three, four\\, five
Default: one
Description: d

Template: p/text
Type: string
Default: of the template
Description: d

Template: p/filled
Type: select
Choices: ${more}
Description: d
";

/// Commands of the protocol, one on a line.
const COMMANDS: &str = "\
GET p/flag
FGET p/flag seen
GET p/choice
FGET p/choice seen
INPUT high p/choice
GO
GET p/choice
GET p/many
INPUT high p/many
GO
GET p/many
GET p/text
FGET p/text seen
SUBST p/filled more a, b, c\\, d
INPUT high p/filled
GO
GET p/filled
REGISTER p/flag p/own
GET p/own
FGET p/own seen
FGET p/text isdefault
FSET p/text isdefault false
FGET p/text seen
FGET p/text isdefault
RESET p/flag
GET p/flag
FGET p/flag seen
SET p/text of a script
GET p/text
UNREGISTER p/own
REGISTER p/flag p/own
GET p/own
";

/// What each command answers after these selections.
fn ours(selections: &[[&str; 3]]) -> Vec<String> {
    let answers = selections.iter().map(|[name, _, value]| ((*name).into(), (*value).into()));
    let request = Request::default();
    let mut assembly = assembly(&request, &[]);
    let mut system = System::new(&mut assembly, &[], "amd64");
    system.debconf = Database::new(Answers::new(answers.collect(), false));
    system.debconf.load(TEMPLATES.as_bytes()).unwrap();
    let calls = COMMANDS.lines().map(|line| {
        let words = line.split(' ').map(|word| format!(" '{word}'")).collect::<String>();
        format!("/usr/share/debconf/frontend{words}\n")
    });
    let start = Start { environment: BTreeMap::new(), name: "x".into(), ..Start::default() };
    let finished = system.script(calls.collect::<String>().as_bytes(), start).unwrap();
    assert!(system.debconf.problems(true).is_empty(), "{selections:?}");
    lines(&String::from_utf8(finished.output).unwrap())
}

/// The same of debconf, with databases of its own.
fn theirs(selections: &[[&str; 3]]) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let database = |name: &str| {
        format!("Name: {name}\nDriver: File\nFilename: {}\n", at(&format!("{name}.dat")))
    };
    let settings = format!("Config: c\nTemplates: t\n\n{}\n{}", database("c"), database("t"));
    let lines_of = |[name, kind, value]: &[&str; 3]| format!("p {name} {kind} {value}\n");
    let load = format!("X_LOADTEMPLATEFILE {}\n{COMMANDS}", at("templates"));
    for (name, text) in [
        ("settings", settings),
        ("templates", TEMPLATES.to_owned()),
        ("selections", selections.iter().map(lines_of).collect()),
        ("commands", load),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let script = format!(
        "command -v debconf-set-selections debconf-communicate >/dev/null || exit 0\n\
         export DEBCONF_SYSTEMRC={} DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true\n\
         unset DEBCONF_DB_OVERRIDE DEBCONF_DB_FALLBACK DEBCONF_DB_REPLACE\n\
         debconf-set-selections {} && debconf-communicate p <{}",
        at("settings"),
        at("selections"),
        at("commands")
    );
    let said = oracle("sh", &["-c", &script])?;
    if said.is_empty() {
        // As any oracle that is not there.
        return oracle("debconf-communicate", &["--help"]).and(None);
    }
    // The first answer is that of the templates.
    Some(lines(&said).split_off(1))
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Each script has a frontend of its own, which knows of no capability that another one asked for.
#[test]
fn what_a_script_escapes_is_its_own() {
    let request = Request::default();
    let mut assembly = assembly(&request, &[("/usr/share/debconf/confmodule", "")]);
    let packages = [package("p", "", &[])];
    let mut system = System::new(&mut assembly, &packages, "amd64");
    system.debconf.load(TEMPLATES.as_bytes()).unwrap();
    for (capability, value) in [("escape", "a\nb"), ("", "a\\nb")] {
        let script = format!(
            "#!/bin/sh\n. /usr/share/debconf/confmodule\ndb_capb {capability}\ndb_set p/text 'a\\nb'\n"
        );
        let script = script.replace("db_capb \n", "");
        system.maintain(&packages[0], &Script::Config, script.as_bytes(), true).unwrap();
        assert_eq!(system.debconf.value("p/text"), value, "{capability}");
    }
}

#[test]
fn an_answer_is_what_a_preseed_is() {
    for selections in [
        &[][..],
        &[["p/flag", "boolean", "false"], ["p/choice", "select", "four, five"]],
        &[
            ["p/choice", "select", "six,seven"],
            ["p/many", "multiselect", "two three, four\\, five"],
        ],
        &[["p/text", "string", "a  b \\c"], ["p/own", "boolean", "false"]],
        &[["p/text", "string", ""], ["p/many", "multiselect", ""]],
        &[["p/filled", "select", "b"], ["p/choice", "select", "one"]],
        &[["p/filled", "select", "c, d"], ["p/flag", "boolean", "true"]],
    ] {
        let Some(theirs) = theirs(selections) else { return };
        for ((command, ours), theirs) in COMMANDS.lines().zip(ours(selections)).zip(theirs) {
            assert_eq!(ours, theirs, "{command} after {selections:?}");
        }
    }
}

/// As `_db_cmd` of debconf 1.5.91, which gives IFS back as a text whether it was set or not: ucf keeps its
/// files in this order because of it.
#[test]
fn an_ifs_that_is_unset_is_empty_after_a_question() {
    let request = Request::default();
    let mut assembly = machine(&request, &[("/usr/share/debconf/confmodule", "")]);
    let mut system = System::new(&mut assembly, &[], "amd64");
    let script = ". /usr/share/debconf/confmodule
        words() { set -- $(echo a,b c d); echo $# >&3; }
        words; db_version 2.0; words
        IFS=,; words; db_version 2.0; words
        unset IFS; words; db_version 2.0; words";
    let finished = run(&mut system, script).unwrap();
    let errors = String::from_utf8_lossy(&finished.errors);
    assert_eq!(String::from_utf8_lossy(&finished.output), "3\n3\n2\n2\n3\n1\n", "{errors}");
}

/// On a fresh system nothing of a package is stored before its first `config` ends.
#[test]
fn nothing_is_stored_when_a_package_asks_first() {
    use crate::packages::debian::commands::tests::{output, stop};

    let files = [("/usr/bin/debconf-show", "+x")];
    let of = "DPKG_MAINTSCRIPT_NAME=config debconf-show";
    assert_eq!(output(&files, &format!("{of} p; echo $?")), "0\n");
    assert!(stop(&files, &format!("{of} q")).contains("questions that may be stored"));
    assert!(stop(&files, "debconf-show p").contains("questions that may be stored"));
}
