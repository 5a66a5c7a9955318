//! Every command is described as the list of commands describes it, with its own options.
//!
//! The help of each is a snapshot, in the 100 columns that [`Folder`] sets.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::program::Folder;
use crate::snapshots;

/// The names below `Commands:` and how their descriptions begin.
pub(crate) fn listed(help: &str) -> Vec<(String, String)> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    let command = |line: &str| {
        let (name, text) = line.strip_prefix("  ")?.split_once("  ")?;
        // A description that is longer than a line goes on below it.
        (!name.is_empty()).then(|| (name.to_owned(), text.trim().chars().take(40).collect()))
    };
    lines.filter_map(command).filter(|(name, _)| name != "help").collect()
}

#[test]
fn commands_are_described_where_they_are_listed() {
    let folder = Folder::new();
    let say = |words: &[&str]| folder.cvmkit_with(words).answer();
    let commands = listed(&say(&["--help"]));
    assert!(commands.len() > 10, "{commands:?}");
    for (name, text) in &commands {
        let help = say(&[name, "--help"]);
        assert!(help.starts_with(text.as_str()), "{name}: {text}\n{help}");
        assert_eq!(help, say(&["help", name]), "{name}");
        assert!(help.contains("--quiet"), "{name}: {help}");
    }
    for (name, text) in listed(&say(&["measure", "--help"])) {
        let help = say(&["measure", &name, "--help"]);
        assert!(help.starts_with(&text), "{name}: {text}\n{help}");
    }
    assert!(say(&["build", "--help"]).contains("--vendor <DIR>"));
    assert!(say(&["measure", "snp", "--help"]).contains("--guest-features <VALUE>"));
    assert!(say(&["completions", "bash"]).contains("--guest-features"));
}

/// Reviews the help of a command and of those below it.
fn review(folder: &Folder, words: &[&str], reviewed: &mut BTreeSet<String>) {
    let say = |option| folder.cvmkit_with(&[words, &[option]].concat()).answer();
    let command = [&["cvmkit"], words].concat().join(" ");
    let (long, short) = (say("--help"), say("-h"));
    let mut text = format!("$ {command} --help\n{long}");
    if short != long {
        write!(text, "\n$ {command} -h\n{short}").unwrap();
    }
    let name = command.replace(' ', "-");
    snapshots::review("help", &name, &text);
    reviewed.insert(name);
    for (name, _) in listed(&long) {
        review(folder, &[words, &[name.as_str()]].concat(), reviewed);
    }
}

#[test]
fn the_help_of_every_command_is_reviewed() {
    let mut reviewed = BTreeSet::new();
    review(&Folder::new(), &[], &mut reviewed);
    assert!(reviewed.contains("cvmkit-measure-snp"), "{reviewed:?}");
    assert_eq!(snapshots::names("help"), reviewed, "snapshots of commands that are gone");
}

/// `measure`'s own commands have more options than any other.
#[test]
fn every_command_at_any_depth_has_a_manual_page() {
    let folder = Folder::new();
    folder.cvmkit("man pages").answer();
    let page = |name: &str| String::from_utf8(folder.get(&format!("pages/{name}.1"))).unwrap();
    for name in
        ["cvmkit", "cvmkit-build", "cvmkit-measure", "cvmkit-measure-tdx", "cvmkit-verity-format"]
    {
        assert!(page(name).starts_with(".ie"), "{name}: {}", page(name));
    }
    assert!(page("cvmkit-measure-snp").contains("guest\\-features"));
}
