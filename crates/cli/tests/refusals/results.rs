//! What the commands answer that need an archive, as text and as JSON, so that wording and fields are
//! reviewed together.

use std::fmt::Write as _;
use std::fs;

use cvmkit_formats::digest::Sha256;

use crate::archive::{Archive, Deb};
use crate::packages;
use crate::rig::{cvmkit, run, snapshots};

/// The definition: an image that has values.
const DEFINITION: &str = "\
[packages]
install = [\"hello\", \"kernel\"]
essential = false
[firmware]
path = \"firmware.fd\"
sha256 = \"SHA256\"
[[platforms]]
profile = \"qemu-snp\"
vcpus = [1]
vcpu-types = [\"EPYC-v4\"]
guest-features = \"0x1\"
";

/// An edit of it, whose lock is made before the second plan.
const EDIT: &str = "[kernel]\ncommand-line = [\"quiet\"]\n";

/// The runs by command, in order: each has what the ones before made. `DEF` is the definition's folder.
const RUNS: [(&str, &str); 14] = [
    ("lock", "lock DEF"),
    ("lock", "lock DEF"),
    ("lock", "lock --check DEF"),
    ("vendor", "vendor vendor DEF"),
    ("audit", "audit DEF"),
    ("build", "build --out out DEF"),
    ("build", "build --out out DEF"),
    ("verify", "verify out"),
    ("measure-image", "measure image out"),
    ("export", "export out --as katana --out document"),
    ("dump", "dump out/tiny_1.raw"),
    ("plan", "plan --with out DEF"),
    ("plan", "plan --with out --edit firmware --edit vcpus DEF"),
    ("plan", EDITED),
];

/// The last run: the definition is edited and locked before it.
const EDITED: &str = "plan --with out --offline DEF";

/// The text without lengths, digests and times: packages are compressed by the dpkg-deb of the machine, and
/// stage 1 is linked with its C library.
fn redacted(text: &str) -> String {
    let (mut redacted, mut digits) = (String::new(), String::new());
    for letter in snapshots::redacted(text).chars().chain(['\0']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        redacted += if digits.len() < 5 { &digits } else { "[number]" };
        digits.clear();
        redacted.extend((letter != '\0').then_some(letter));
    }
    redacted
}

/// What the runs print in this format, by command.
fn printed(format: &str) -> Option<Vec<(&'static str, String)>> {
    let archive = Archive::new(&[Deb::new("hello"), Deb::base(), Deb::kernel()])?;
    let firmware = packages::shipped("ovmf_AmdSev_suffix.bin");
    fs::write(archive.project().join("firmware.fd"), &firmware).unwrap();
    let definition = DEFINITION.replace("SHA256", &Sha256::of(&firmware).to_string());
    archive.define(&definition);
    let said = RUNS.map(|(name, line)| {
        if line == EDITED {
            archive.define(&format!("{definition}{EDIT}"));
            archive.lock();
        }
        let shown = format!("{line}{format}");
        let project = archive.project();
        let words = shown.split(' ').map(|word| match word {
            "DEF" => project.as_os_str(),
            word => word.as_ref(),
        });
        let mut command = cvmkit(words);
        command.current_dir(archive.path("")).env("CVMKIT_STORE", archive.path("store"));
        command.env("CVMKIT_MIRROR", &archive.address);
        command.env("XDG_CONFIG_HOME", archive.path("config"));
        let said = run(&mut command);
        let mut text = format!("$ cvmkit {shown}\n{}{}", said.stderr, said.stdout);
        if said.code != Some(0) {
            writeln!(text, "exit {}", said.code.unwrap_or(-1)).unwrap();
        }
        (name, redacted(&text))
    });
    Some(said.into())
}

#[test]
fn results_are_reviewed() {
    snapshots::no_transcript();
    let (Some(texts), Some(json)) = (printed(""), printed(" --format json")) else { return };
    let mut commands: Vec<&str> = RUNS.iter().map(|(name, _)| *name).collect();
    commands.dedup();
    for command in commands {
        let runs = texts.iter().zip(&json).filter(|((name, _), _)| *name == command);
        let text: String = runs.map(|((_, text), (_, json))| format!("{text}\n{json}\n")).collect();
        snapshots::review("results", command, &text);
    }
}
