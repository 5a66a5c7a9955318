//! Accounts that somebody who has the image can enter with a password.

use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;
use crate::rootfs::finding::{Finding, FindingKind, Verdict};

/// Where passwords are (passwd(5), shadow(5)), each in the second field.
const FILES: [&str; 2] = ["/etc/passwd", "/etc/shadow"];

/// What is found of the passwords of all accounts.
pub(super) fn find(assembly: &Assembly<'_>) -> Result<Vec<Finding>, RootfsError> {
    let mut found = Vec::new();
    for path in FILES {
        let text = assembly.text(path)?.unwrap_or_default();
        for line in text.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(password)) = (fields.next(), fields.next()) else { continue };
            let (finding, detail) = match password {
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
        let tree = assembly(&request, &[("/etc/passwd", passwd), ("/etc/shadow", shadow)]);
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
            ]
        );
        assert!(found.iter().all(|one| one.verdict == Verdict::Refused));
        assert!(find(&assembly(&request, &[])).unwrap().is_empty());
    }
}
