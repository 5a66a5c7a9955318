//! Accounts and groups that somebody who has the image can enter with a password.

use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;
use crate::rootfs::finding::{Finding, FindingKind, Verdict};

/// Where passwords are (passwd(5), shadow(5), group(5), gshadow(5)), each in the second field, and whether an empty
/// one lets everybody in: a group's lets in its members alone.
const FILES: [(&str, bool); 4] =
    [("/etc/passwd", true), ("/etc/shadow", true), ("/etc/group", false), ("/etc/gshadow", false)];

/// What is found of the passwords of all accounts and groups.
pub(super) fn find(assembly: &Assembly<'_>) -> Result<Vec<Finding>, RootfsError> {
    let mut found = Vec::new();
    for (path, is_open_if_empty) in FILES {
        let text = assembly.text(path)?.unwrap_or_default();
        for line in text.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(password)) = (fields.next(), fields.next()) else { continue };
            let (finding, detail) = match password {
                "" if !is_open_if_empty => continue,
                "" => (FindingKind::EmptyPassword, "takes an empty password"),
                // crypt(3): no hash starts with these; `x` leads to shadow(5).
                "x" => continue,
                locked if locked.starts_with(['!', '*']) => continue,
                _ => (FindingKind::Password, "has the hash of a password"),
            };
            found.push(Finding {
                finding,
                path: format!("{path}:{name}"),
                package: None,
                detail: detail.to_owned(),
                verdict: Verdict::Refused,
                reason: None,
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::assembly;

    #[test]
    fn an_account_is_locked_or_found() {
        let request = Request::default();
        let passwd = "root:x:0:0:root:/root:/bin/sh\nold::5:5::/:/bin/sh\nhashed:ab12:6:6::/:\n";
        let shadow = "root:*:1::::::\na:!:1::::::\nb:!!:1::::::\nc:!$y$j9T$x:1::::::\n\
                      d::1::::::\ne:$y$j9T$x$y:1::::::\nno-line\n";
        let group = "root:x:0:\na::1:\nold:$1$x$y:2:a\n";
        let gshadow = "root:*::\na:!::\nb:::\nc:$y$j9T$x$y::\n";
        let tree = assembly(
            &request,
            &[
                ("/etc/passwd", passwd),
                ("/etc/shadow", shadow),
                ("/etc/group", group),
                ("/etc/gshadow", gshadow),
            ],
        );
        let found = find(&tree).unwrap();
        let rows: Vec<String> =
            found.iter().map(|one| format!("{} {}", one.finding.name(), one.path)).collect();
        assert_eq!(
            rows,
            [
                "empty-password /etc/passwd:old",
                "password /etc/passwd:hashed",
                "empty-password /etc/shadow:d",
                "password /etc/shadow:e",
                "password /etc/group:old",
                "password /etc/gshadow:c",
            ]
        );
        assert!(found.iter().all(|one| one.verdict == Verdict::Refused));
        assert!(find(&assembly(&request, &[])).unwrap().is_empty());
    }
}
