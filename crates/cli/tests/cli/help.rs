//! Every command is described as the list of commands describes it, with its own options.

use crate::program::Folder;

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
