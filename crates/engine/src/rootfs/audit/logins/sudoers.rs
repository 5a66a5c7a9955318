//! Who becomes another user without a password: sudoers(5) and doas.conf(5).

use std::collections::BTreeSet;

use super::files::{finding, text};
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;
use crate::rootfs::finding::{Finding, FindingKind};

/// The file that sudo reads.
const SUDOERS: &str = "/etc/sudoers";

/// The file that doas reads.
const DOAS: &str = "/etc/doas.conf";

/// Words before a file or a folder that is read in this place.
const INCLUDES: [(&str, bool); 4] =
    [("@include", false), ("#include", false), ("@includedir", true), ("#includedir", true)];

pub(super) fn find(assembly: &Assembly<'_>) -> Result<Vec<Finding>, RootfsError> {
    let mut found = Vec::new();
    let mut pending = vec![SUDOERS.to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(path) = pending.pop() {
        let Some(text) = text(assembly, &path)? else { continue };
        if !seen.insert(path.clone()) {
            continue;
        }
        for line in lines(&text) {
            match included(assembly, &path, &line)? {
                Some(files) => pending.extend(files),
                None if asks_nothing(&line) => found.push(row(assembly, &path, &line)),
                None => {}
            }
        }
    }
    for line in lines(&text(assembly, DOAS)?.unwrap_or_default()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let rule = words.split(|word| *word == "as" || *word == "cmd").next().unwrap_or_default();
        if rule.first() == Some(&"permit") && rule.contains(&"nopass") {
            found.push(row(assembly, DOAS, &line));
        }
    }
    Ok(found)
}

/// A distribution's packages are reviewed; who brings the rule himself says why.
fn row(assembly: &Assembly<'_>, path: &str, line: &str) -> Finding {
    let words = format!("asks for no password: `{line}`");
    finding(assembly, FindingKind::SudoWithoutPassword, path, words, |says| {
        says.contents.of_secret()
    })
}

/// Lines with their continuations, blanks as one and comments left out: `#` begins one unless digits follow it, which
/// are a user's id, or it includes something.
fn lines(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let mut lines = Vec::new();
    for line in joined.lines() {
        let mut kept: Vec<&str> = Vec::new();
        for word in line.split_whitespace() {
            let is_include =
                kept.is_empty() && INCLUDES.iter().any(|(include, _)| *include == word);
            let is_id = word
                .strip_prefix('#')
                .is_some_and(|rest| rest.starts_with(|sign: char| sign.is_ascii_digit()));
            if word.starts_with('#') && !is_include && !is_id {
                break;
            }
            kept.push(word);
        }
        if !kept.is_empty() {
            lines.push(kept.join(" "));
        }
    }
    lines
}

/// The files that a line includes, if it includes some: of a folder those without a dot and a tilde at the end.
fn included(
    assembly: &Assembly<'_>,
    from: &str,
    line: &str,
) -> Result<Option<Vec<String>>, RootfsError> {
    let Some((word, rest)) = line.split_once(' ') else { return Ok(None) };
    let Some((_, is_folder)) = INCLUDES.iter().find(|(include, _)| *include == word) else {
        return Ok(None);
    };
    let rest = rest.trim_matches('"').replace("\\ ", " ");
    let path = match rest.starts_with('/') {
        true => rest,
        // As the file that includes it.
        false => format!("{}/{rest}", from.rsplit_once('/').map_or("", |(folder, _)| folder)),
    };
    if !is_folder {
        return Ok(Some(vec![path]));
    }
    let folder = path.trim_end_matches('/');
    let names = assembly.names(folder)?.into_iter();
    let read = names.filter(|name| !name.contains('.') && !name.ends_with('~'));
    Ok(Some(read.map(|name| format!("{folder}/{name}")).collect()))
}

/// Whether a rule or a default asks for no password (sudoers(5), "Tag_Spec" and `authenticate`).
fn asks_nothing(line: &str) -> bool {
    if line.starts_with("Defaults") {
        let options = line.split([',', ' ']).map(str::trim);
        return options.into_iter().any(|option| {
            option.trim_start_matches('!') == "authenticate"
                && option.chars().take_while(|sign| *sign == '!').count() % 2 == 1
        });
    }
    line.match_indices("NOPASSWD").any(|(at, tag)| {
        let before = line[..at].chars().next_back();
        let is_start = before.is_none_or(|sign| sign.is_whitespace() || "=:),".contains(sign));
        is_start && line[at + tag.len()..].trim_start().starts_with(':')
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::rows;
    use super::*;
    use crate::rootfs::tests::assembly;
    use crate::rootfs::{Request, Verdict};

    #[test]
    fn rules_that_ask_for_no_password_are_found() {
        let found = |rule: &str| !rows(&[(SUDOERS, rule)]).is_empty();
        for rule in [
            "a ALL=(ALL) NOPASSWD: ALL",
            "a ALL = NOPASSWD : ALL",
            "a ALL=(ALL)NOPASSWD:ALL",
            "%g ALL=(ALL:ALL) SETENV:NOPASSWD: /bin/x",
            "a ALL=(root) \\\n  NOPASSWD: ALL",
            "#1000 ALL=NOPASSWD: ALL",
            "Defaults !authenticate",
            "Defaults:a env_reset,!authenticate",
            "Defaults env_reset, !authenticate # why",
        ] {
            assert!(found(rule), "{rule}");
        }
        for rule in [
            "# a ALL=(ALL) NOPASSWD: ALL",
            "a ALL=(ALL) ALL # NOPASSWD: ALL",
            "a ALL=(ALL) PASSWD: ALL",
            "Cmnd_Alias XNOPASSWD = /bin/x",
            "Defaults authenticate",
            "Defaults !!authenticate",
            "root ALL=(ALL:ALL) ALL",
        ] {
            assert!(!found(rule), "{rule}");
        }
        let rule = "%sudo  ALL=(ALL:ALL)\tNOPASSWD: ALL";
        let words = "refused sudo-without-password: `/etc/sudoers` asks for no password: `%sudo ALL=(ALL:ALL) \
                     NOPASSWD: ALL`";
        assert_eq!(rows(&[(SUDOERS, rule)]), [words]);
    }

    #[test]
    fn included_files_are_read_and_others_are_not() {
        let rule = "a ALL=NOPASSWD: ALL\n";
        let files = |main: &'static str| {
            let rows = rows(&[
                (SUDOERS, main),
                ("/etc/sudoers.d/one", rule),
                ("/etc/sudoers.d/two.conf", rule),
                ("/etc/sudoers.d/three~", rule),
                ("/etc/more", rule),
            ]);
            rows.iter()
                .filter_map(|row| row.split('`').nth(1).map(str::to_owned))
                .collect::<Vec<_>>()
        };
        assert_eq!(files("@includedir /etc/sudoers.d\n"), ["/etc/sudoers.d/one"]);
        assert_eq!(files("#includedir sudoers.d\n"), ["/etc/sudoers.d/one"]);
        assert_eq!(files("@include /etc/more\n"), ["/etc/more"]);
        assert!(files("Defaults env_reset\n").is_empty());
    }

    #[test]
    fn a_package_of_a_distribution_may_and_doas_is_no_other() {
        let request = Request::default();
        let rule = "a ALL=NOPASSWD: ALL\n";
        let mut tree = assembly(&request, &[(SUDOERS, rule), (DOAS, "permit nopass :wheel\n")]);
        tree.owners.insert(b"etc/sudoers".to_vec(), "tool".into());
        let found = find(&tree).unwrap();
        let verdicts: Vec<Verdict> = found.iter().map(|one| one.verdict).collect();
        assert_eq!(verdicts, [Verdict::Listed, Verdict::Refused]);
        assert_eq!(found[0].package.as_deref(), Some("tool"));
        let words =
            "sudo-without-password: `/etc/doas.conf` asks for no password: `permit nopass :wheel`";
        assert_eq!(found[1].to_string(), words);
        for rule in ["deny nopass a", "permit a as nopass", "# permit nopass a"] {
            assert!(rows(&[(DOAS, rule)]).is_empty(), "{rule}");
        }
    }
}
