//! The host's apt: what is installed, how to install as root, and the release's backports.
//!
//! No mirror is named here: a backports entry is derived from the host's own entry for its release.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step;

const SOURCES_FOLDER: &str = "/etc/apt/sources.list.d";

/// Installed packages of those named, with their versions.
pub(crate) fn installed(names: &[&str]) -> BTreeMap<String, String> {
    let format = "${Package} ${db:Status-Status} ${Version}\n";
    let mut query = step::command("dpkg-query", ["-W", "-f", format]);
    // It fails when one of the names is unknown, and lists the others all the same.
    let listed = query.args(names).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&listed)
        .lines()
        .filter_map(|line| match line.split(' ').collect::<Vec<_>>().as_slice() {
            [name, "installed", version] => Some(((*name).into(), (*version).into())),
            _ => None,
        })
        .collect()
}

/// The upstream part of a Debian version (Debian Policy, section 5.6.12).
pub(crate) fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

/// The first number of an upstream version.
pub(crate) fn major(version: &str) -> u32 {
    let digits = upstream(version).split(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The version apt would install now.
pub(crate) fn candidate(package: &str) -> Result<Option<String>> {
    let policy = step::output(&mut step::command("apt-cache", ["policy", package]))?;
    let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    Ok(line.filter(|version| *version != "(none)").map(str::to_owned))
}

/// The Debian mirror to fetch from: that of `CVMKIT_MIRROR`, or the first that apt uses.
pub(crate) fn mirror() -> Result<String> {
    let named = std::env::var("CVMKIT_MIRROR").unwrap_or_default();
    let targets = match named.is_empty() {
        true => step::output(&mut step::command(
            "apt-get",
            ["indextargets", "--format", "$(REPO_URI)"],
        ))?,
        false => named,
    };
    let mut addresses = targets.split_whitespace().map(|address| address.trim_end_matches('/'));
    let found = addresses.find(|address| address.ends_with("/debian"));
    found.map(str::to_owned).context("apt has no Debian mirror: set CVMKIT_MIRROR to one")
}

/// Brings the lists of packages up to date.
pub(crate) fn update() -> Result<()> {
    step::run(&mut as_root(&["apt-get", "update", "-q"])?)
}

/// Installs packages, without the recommended ones; from another suite if one is named.
pub(crate) fn install(packages: &[&str], suite: Option<&str>) -> Result<()> {
    let mut words = vec!["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-q", "-y"];
    words.push("--no-install-recommends");
    if let Some(suite) = suite {
        words.extend(["-t", suite]);
    }
    words.extend(packages);
    step::run(&mut as_root(&words)?)
}

/// The suite of this release's backports, added to apt's sources if none has it.
pub(crate) fn backports() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").context("cannot read `/etc/os-release`")?;
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("`/etc/os-release` has no VERSION_CODENAME, expected a Debian release")?;
    let suite = format!("{codename}-backports");
    let sources = sources()?;
    if !sources.iter().any(|text| has_suite(text, &suite)) {
        let entry = sources
            .iter()
            .find_map(|text| derived(text, codename))
            .with_context(|| format!("no apt source of this machine has the suite `{codename}`"))?;
        let path = format!("{SOURCES_FOLDER}/cvmkit-backports.sources");
        println!(
            "  apt has no source for {suite}: adding {path}\n{}",
            entry.replace('\n', "\n    ")
        );
        let script = format!("printf %s \"$1\" >{path}");
        step::run(&mut as_root(&["sh", "-c", &script, "sh", &entry])?)?;
        update()?;
    }
    Ok(suite)
}

/// A command run as root: directly, or through sudo.
fn as_root(words: &[&str]) -> Result<Command> {
    if step::output(&mut step::command("id", ["-u"]))? == "0" {
        return Ok(step::command(words[0], &words[1..]));
    }
    let command = step::command("sudo", words);
    if Command::new("sudo").arg("--version").output().is_err() {
        let words = step::command(words[0], &words[1..]);
        bail!("this needs root, and sudo is missing; run as root: {}", step::shown(&words));
    }
    Ok(command)
}

/// The texts of all of apt's source files, in the order of their names.
fn sources() -> Result<Vec<String>> {
    let mut paths = vec!["/etc/apt/sources.list".into()];
    if let Ok(folder) = fs::read_dir(SOURCES_FOLDER) {
        let mut more = folder.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        more.retain(|path| path.extension().is_some_and(|end| end == "list" || end == "sources"));
        more.sort();
        paths.extend(more);
    }
    Ok(paths.iter().filter_map(|path: &std::path::PathBuf| read_source(path)).collect())
}

/// One source file without comments.
fn read_source(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let kept: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    Some(kept.join("\n") + "\n")
}

fn has_suite(text: &str, suite: &str) -> bool {
    text.split_whitespace().any(|word| word == suite)
}

/// A backports entry like the entry that serves the release, in deb822 style (sources.list(5)).
fn derived(text: &str, codename: &str) -> Option<String> {
    let (uris, signed_by) =
        text.split("\n\n")
            .find_map(|stanza| stanza_source(stanza, codename))
            .or_else(|| text.lines().find_map(|line| line_source(line, codename)))?;
    let signed_by = signed_by.map(|key| format!("Signed-By: {key}\n")).unwrap_or_default();
    Some(format!(
        "Types: deb\nURIs: {uris}\nSuites: {codename}-backports\nComponents: main\n{signed_by}"
    ))
}

/// URIs and keys of a deb822 stanza that has binary packages of the suite.
fn stanza_source(stanza: &str, codename: &str) -> Option<(String, Option<String>)> {
    let field = |name: &str| {
        let mut lines = stanza.lines().skip_while(|line| {
            !line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name))
        });
        let first = lines.next()?.split_once(':')?.1.trim().to_owned();
        // An inline key continues on indented lines.
        Some(
            lines
                .take_while(|line| line.starts_with(' '))
                .fold(first, |text, line| text + "\n" + line),
        )
    };
    let types = field("Types")?;
    let suites = field("Suites")?;
    let enabled = field("Enabled").is_none_or(|value| value != "no");
    (enabled && has_suite(&types, "deb") && has_suite(&suites, codename))
        .then(|| Some((field("URIs")?, field("Signed-By"))))?
}

/// URI and keys of a one-line entry: `deb [options] URI SUITE COMPONENT...`.
fn line_source(line: &str, codename: &str) -> Option<(String, Option<String>)> {
    let rest = line.trim().strip_prefix("deb ")?.trim();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let uri = words.next()?;
    let signed_by = options.split_whitespace().find_map(|word| word.strip_prefix("signed-by="));
    (words.next()? == codename).then(|| (uri.into(), signed_by.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(upstream("1:10.0.2+ds-2+deb13u1~bpo12+1"), "10.0.2+ds");
        assert_eq!(upstream("2:2.6.1-4~deb12u2"), "2.6.1");
        assert_eq!((major("1:7.2+dfsg-7"), major("12.9"), major("x")), (7, 12, 0));
    }

    #[test]
    fn backports_come_from_where_the_release_comes_from() {
        let stanza = "Types: deb\nURIs: http://mirror.example/security\nSuites: twelve-security\n\n\
                      Types: deb deb-src\nURIs: http://mirror.example/debian\n\
                      Suites: twelve twelve-updates\nComponents: main\nSigned-By: /keys/a.gpg\n";
        let expected = "Types: deb\nURIs: http://mirror.example/debian\nSuites: twelve-backports\n\
                        Components: main\nSigned-By: /keys/a.gpg\n";
        assert_eq!(derived(stanza, "twelve").unwrap(), expected);
        assert_eq!(derived(stanza, "thirteen"), None);
        assert!(!has_suite(stanza, "twelve-backports"));
        assert!(has_suite(expected, "twelve-backports"));

        let line = "deb-src http://mirror.example/src twelve main\n\
                    deb [arch=amd64 signed-by=/keys/a.gpg] http://mirror.example/debian \
                    twelve main\n";
        assert_eq!(derived(line, "twelve").unwrap(), expected);
        let bare = derived("deb http://mirror.example/debian twelve main", "twelve").unwrap();
        assert!(!bare.contains("Signed-By"), "{bare}");
    }

    #[test]
    fn an_inline_key_is_kept_whole() {
        let stanza = "Types: deb\nURIs: http://mirror.example/debian\nSuites: twelve\n\
                      Signed-By:\n -----BEGIN\n .\n abc\n";
        let entry = derived(stanza, "twelve").unwrap();
        assert!(entry.ends_with("Signed-By: \n -----BEGIN\n .\n abc\n"), "{entry}");
    }
}
