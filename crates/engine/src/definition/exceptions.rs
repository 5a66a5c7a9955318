//! What the definition must say of a package that it leaves out, and of a finding that it allows.

use crate::packages::debian::is_package_name;

/// The longest reason: it is one line of the lock.
const REASON_MAX: usize = 200;

/// What is wrong with a value: its key, what was found, and the rule.
type Refusal = (String, String, &'static str);

/// Checks one package of `packages.drop`.
pub(super) fn check(name: &str, reason: &str, install: &[String]) -> Result<(), Refusal> {
    if !is_package_name(name) {
        let rule = "the name of a package, without a version";
        return Err(("packages.drop".to_owned(), name.to_owned(), rule));
    }
    let key = format!("packages.drop.`{name}`");
    let requested = install.iter().find(|request| request.split('=').next() == Some(name));
    if let Some(request) = requested {
        let rule = "no package that `packages.install` requests";
        return Err((key, request.clone(), rule));
    }
    is_reason(reason).map_err(|rule| (key, reason.to_owned(), rule))
}

/// Checks one table of `allow`.
pub(super) fn allows(path: &str, reason: &str) -> Result<(), Refusal> {
    if !path.starts_with('/') {
        let rule = "an absolute path, or a pattern of such";
        return Err(("allow.path".to_owned(), path.to_owned(), rule));
    }
    is_reason(reason).map_err(|rule| (format!("allow.`{path}`.reason"), reason.to_owned(), rule))
}

/// Refuses what is no reason that a reviewer of the definition could judge.
fn is_reason(text: &str) -> Result<(), &'static str> {
    let is_line = !text.chars().any(char::is_control);
    let is_trimmed = text.trim() == text && !text.is_empty();
    match is_line && is_trimmed && text.len() <= REASON_MAX {
        true => Ok(()),
        false => Err("the reason in one line, of at most 200 bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_allowed_at_a_path_with_a_reason() {
        allows("/etc/shadow:bot", "no login leads to it").unwrap();
        allows("/usr/share/*", "x").unwrap();
        for (path, reason, key) in [
            ("etc/x", "x", "allow.path"),
            ("*", "x", "allow.path"),
            ("", "x", "allow.path"),
            ("/etc/x", "", "allow.`/etc/x`.reason"),
            ("/etc/x", "a\tb", "allow.`/etc/x`.reason"),
        ] {
            assert_eq!(allows(path, reason).unwrap_err().0, key, "{path}");
        }
    }

    #[test]
    fn a_package_is_dropped_by_its_name_with_a_reason() {
        let install = ["asked".to_owned(), "pinned=1.0".to_owned()];
        let (long, longest) = ("x".repeat(201), "x".repeat(200));
        for (name, reason, key) in [
            ("perl-base", "nothing runs Perl", None),
            ("perl-base", &longest, None),
            ("perl-base", "", Some("packages.drop.`perl-base`")),
            ("perl-base", " x", Some("packages.drop.`perl-base`")),
            ("perl-base", "x\ny", Some("packages.drop.`perl-base`")),
            ("perl-base", &long, Some("packages.drop.`perl-base`")),
            ("perl base", "x", Some("packages.drop")),
            ("perl=1", "x", Some("packages.drop")),
            ("", "x", Some("packages.drop")),
            ("asked", "x", Some("packages.drop.`asked`")),
            ("pinned", "x", Some("packages.drop.`pinned`")),
        ] {
            let found = check(name, reason, &install);
            assert_eq!(found.err().map(|(key, ..)| key).as_deref(), key, "{name} {reason}");
        }
    }
}
