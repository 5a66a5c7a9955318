//! A hardening audit of the finished tree: what an attacker, or nobody at all, could make use of.
//!
//! [`find`] lists findings, [`judge`] asks which of them the definition allows. Contents are read once, in
//! parallel. Who can enter by settings and passwords is among them; what opens a terminal is not, as
//! [`super::terminals`] refuses an image that has it. Deliberately absent: versions with known faults, which a
//! scanner of the SBOM knows.

mod access;
mod elf;
mod keys;
mod logins;
mod needs;
mod origin;
mod passwords;

use cvmkit_formats::source::Source as _;
use cvmkit_formats::tree::{InodeId, Node};
use rayon::prelude::*;

use super::assembly::Assembly;
use super::finding::{Allowed, Finding, FindingKind, Verdict};
use super::{RootfsError, Unused, glob};
use crate::content::Content;
use access::Names;
use needs::Libraries;
use origin::Says;

/// Files that say whose keys log in (sshd_config(5), `AuthorizedKeysFile`).
const AUTHORIZED_KEYS: [&str; 2] = ["/.ssh/authorized_keys", "/.ssh/authorized_keys2"];

/// What is found in a tree, sorted; of what files need of others only if it is asked for.
pub(crate) fn find(assembly: &Assembly<'_>, with_needs: bool) -> Result<Vec<Finding>, RootfsError> {
    let search = Search {
        assembly,
        names: Names::of(assembly)?,
        libraries: with_needs.then(|| Libraries::of(assembly)).transpose()?,
    };
    let nodes = assembly.tree.walk();
    let found: Result<Vec<Vec<Finding>>, RootfsError> =
        nodes.par_iter().map(|(path, id)| search.file(path, *id)).collect();
    let mut findings: Vec<Finding> = found?.into_iter().flatten().collect();
    findings.extend(passwords::find(assembly)?);
    findings.extend(logins::find(assembly)?);
    findings.sort_by(|one, other| {
        (one.finding, &one.path, &one.detail).cmp(&(other.finding, &other.path, &other.detail))
    });
    // A file of keys may be found by its name and by a setting.
    findings.dedup();
    Ok(findings)
}

/// Marks the findings that the definition allows.
///
/// # Errors
/// [`RootfsError::NoEffect`]: something is allowed that was not found.
pub(crate) fn judge(findings: &mut [Finding], allowed: &[Allowed]) -> Result<(), RootfsError> {
    let mut unused = Vec::new();
    for Allowed { finding, path, reason } in allowed {
        let fits = |found: &&mut Finding| {
            let is_same = found.finding == *finding && found.verdict != Verdict::Listed;
            is_same && glob::matches(path.as_bytes(), found.path.as_bytes())
        };
        let mut is_used = false;
        for found in findings.iter_mut().filter(fits) {
            is_used = true;
            found.verdict = Verdict::Allowed;
            found.reason.get_or_insert_with(|| reason.clone());
        }
        if !is_used {
            unused.push(Unused {
                key: format!("allow.{}", finding.name()),
                value: path.clone(),
                why: "matches nothing that would be refused".to_owned(),
            });
        }
    }
    if unused.is_empty() { Ok(()) } else { Err(RootfsError::NoEffect(unused)) }
}

/// A tree, and what is known of it.
struct Search<'a> {
    assembly: &'a Assembly<'a>,
    names: Names,
    libraries: Option<Libraries<'a>>,
}

impl Search<'_> {
    /// What is found of one file.
    fn file(&self, bytes: &[u8], id: InodeId) -> Result<Vec<Finding>, RootfsError> {
        let inode = self.assembly.tree.inode(id);
        let path = String::from_utf8_lossy(bytes).into_owned();
        let says = origin::says(self.assembly, bytes);
        let mut rows = access::find(&path, &inode.meta, &inode.node, &says, &self.names);
        let absolute = format!("/{path}");
        if let Node::File(content) = &inode.node {
            let is_executable = inode.meta.mode & 0o111 != 0;
            rows.extend(self.contents(&absolute, content, is_executable, &says)?);
        }
        let owner = says.own_package().or_else(|| origin::package(self.assembly, bytes));
        let package = owner.map(str::to_owned);
        let finding = |(finding, detail, verdict)| Finding {
            finding,
            path: absolute.clone(),
            package: package.clone(),
            detail,
            verdict,
            reason: None,
        };
        Ok(rows.into_iter().map(finding).collect())
    }

    fn contents(
        &self,
        path: &str,
        content: &Content,
        is_executable: bool,
        says: &Says<'_>,
    ) -> Result<Vec<(FindingKind, String, Verdict)>, RootfsError> {
        let read =
            |source| RootfsError::Read { path: path.trim_start_matches('/').to_owned(), source };
        let mut start = vec![0; usize::try_from(content.len().min(4)).unwrap_or_default()];
        content.read_at(0, &mut start).map_err(read)?;
        let mut found = Vec::new();
        if AUTHORIZED_KEYS.iter().any(|name| path.ends_with(name)) {
            let words = "says whose keys log in over SSH".to_owned();
            found.push((FindingKind::AuthorizedKeys, words, Verdict::Listed));
        }
        if start.starts_with(b"\x7fELF") {
            if let Some(libraries) = &self.libraries {
                let lacking = libraries.lacking(path, content)?.into_iter();
                found.extend(lacking.map(|(kind, words)| (kind, words, Verdict::Refused)));
            }
        } else if start.starts_with(b"#!") && is_executable && self.libraries.is_some() {
            let lacks = needs::interpreter(self.assembly, path)?;
            let row = |words| (FindingKind::MissingInterpreter, words, Verdict::Refused);
            found.extend(lacks.map(row));
        }
        if keys::holds_key(content).map_err(read)? {
            let words = "holds a private key".to_owned();
            found.push((FindingKind::PrivateKey, words, says.contents.of_secret()));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rootfs::attribution::Attribution;
    use crate::rootfs::tests::{assembly, refused};
    use crate::rootfs::{Changes, Placed, PlacedNode, Request};

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
                       MC4CAQAwBQYDK2VwBCIEIPIR8kHc1tmCBnGG0DD5bWZc3bZSGfFW8oIVgGHoQqzt\n\
                       -----END PRIVATE KEY-----\n";

    fn rows(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(|found| format!("{} {found}", found.verdict.name())).collect()
    }

    /// A tree with one finding of each class that needs no mode.
    fn with_files<'a>(request: &'a Request<'a>) -> Assembly<'a> {
        let mut tree = assembly(
            request,
            &[
                ("/etc/shadow", "a::1::::::\n"),
                ("/etc/key.pem", KEY),
                ("/usr/share/test.pem", KEY),
                ("/root/.ssh/authorized_keys", "ssh-ed25519 AAAA\n"),
                ("/usr/share/script.txt", "#!/usr/bin/gone\n"),
            ],
        );
        tree.write("/usr/bin/tool", 0o755, "#!/usr/bin/gone\n").unwrap();
        tree.write("/usr/bin/su", 0o4755, "x").unwrap();
        tree.write("/usr/bin/made", 0o4755, "x").unwrap();
        for path in ["usr/bin/su", "usr/bin/tool", "usr/share/test.pem"] {
            tree.owners.insert(path.as_bytes().to_vec(), "pkg".into());
        }
        tree
    }

    #[test]
    fn findings_name_the_file_the_package_and_what_is_wrong() {
        let request = Request::default();
        let tree = with_files(&request);
        assert_eq!(
            rows(&find(&tree, true).unwrap()),
            [
                "refused private-key: `/etc/key.pem` holds a private key",
                "listed private-key: `/usr/share/test.pem` of pkg holds a private key",
                "refused empty-password: `/etc/shadow:a` takes an empty password",
                "refused setuid: `/usr/bin/made` has mode 4755, 0:0",
                "listed setuid: `/usr/bin/su` of pkg has mode 4755, 0:0",
                "listed authorized-keys: `/root/.ssh/authorized_keys` says whose keys log in over SSH",
                "refused missing-interpreter: `/usr/bin/tool` of pkg needs the interpreter \
                 `/usr/bin/gone`",
            ]
        );
        let without = find(&tree, false).unwrap();
        assert!(without.iter().all(|found| !found.finding.is_missing()), "{without:?}");
        assert_eq!(without.len(), 6);
    }

    #[test]
    fn what_packages_of_the_author_bring_is_refused() {
        let own_packages = ["pkg".to_owned()].into();
        let request = Request { own_packages, ..Request::default() };
        let found = rows(&find(&with_files(&request), false).unwrap());
        for row in [
            "refused private-key: `/usr/share/test.pem` of pkg holds a private key",
            "refused setuid: `/usr/bin/su` of pkg has mode 4755, 0:0",
        ] {
            assert!(found.iter().any(|one| one == row), "{row}: {found:?}");
        }
    }

    #[test]
    fn who_said_last_what_a_file_is_decides() {
        let request = Request::default();
        let placed = |path: &str, node| Placed {
            path: path.into(),
            mode: 0o4755,
            user: "root".into(),
            group: "root".into(),
            xattrs: BTreeMap::new(),
            node,
        };
        let existing = |mode| {
            let changes = Changes { mode, group: Some("root".into()), ..Changes::default() };
            placed("/x", PlacedNode::Existing(changes))
        };
        let whole = placed("/x", PlacedNode::File("x".into()));
        let of = |path: &str, say: &dyn Fn(&mut Attribution)| {
            let mut tree = with_files(&request);
            say(&mut tree.attribution);
            let found = find(&tree, false).unwrap();
            let found = found.into_iter().find(|found| found.path == format!("/{path}")).unwrap();
            format!("{} {}", found.verdict.name(), found.package.unwrap_or_default())
        };
        let (su, made, key) = ("usr/bin/su", "usr/bin/made", "usr/share/test.pem");
        assert_eq!(of(made, &|by| by.placed(made.as_bytes(), &whole)), "listed ");
        assert_eq!(of(made, &|by| by.placed(made.as_bytes(), &existing(Some(0o4755)))), "listed ");
        // An entry that says nothing of the mode.
        assert_eq!(of(made, &|by| by.placed(made.as_bytes(), &existing(None))), "refused ");
        assert_eq!(of(su, &|by| by.changed(su.as_bytes(), "mine")), "refused mine");
        let both = |by: &mut Attribution| {
            by.changed(su.as_bytes(), "mine");
            by.placed(su.as_bytes(), &whole);
        };
        assert_eq!(of(su, &both), "listed pkg");
        // What the definition changes a file of a package to is not its contents.
        assert_eq!(of(key, &|by| by.placed(key.as_bytes(), &existing(Some(0o600)))), "listed pkg");
        assert_eq!(of(key, &|by| by.placed(key.as_bytes(), &whole)), "refused pkg");
        assert_eq!(of(key, &|by| by.changed(key.as_bytes(), "mine")), "refused mine");
    }

    #[test]
    fn a_finding_is_allowed_by_its_class_and_path() {
        let request = Request::default();
        let allow =
            |finding, path: &str| Allowed { finding, path: path.into(), reason: "why".into() };
        let judged = |allowed: &[Allowed]| {
            let mut findings = find(&with_files(&request), true).unwrap();
            judge(&mut findings, allowed).map(|()| {
                let of = findings.into_iter().filter(|found| found.verdict == Verdict::Allowed);
                of.map(|found| format!("{} {:?}", found.path, found.reason)).collect::<Vec<_>>()
            })
        };
        assert_eq!(judged(&[]).unwrap(), [""; 0]);
        let key = allow(FindingKind::PrivateKey, "/etc/key.pem");
        assert_eq!(judged(std::slice::from_ref(&key)).unwrap(), ["/etc/key.pem Some(\"why\")"]);
        let pattern = allow(FindingKind::MissingInterpreter, "/usr/*");
        assert_eq!(judged(&[pattern, key]).unwrap().len(), 2);
        for (finding, path) in [
            (FindingKind::PrivateKey, "/etc/other.pem"),
            (FindingKind::WorldWritable, "/etc/key.pem"),
            // What is listed needs no leave.
            (FindingKind::Setuid, "/usr/bin/su"),
        ] {
            let words = format!("allow.{}: `{path}` matches nothing", finding.name());
            refused(judged(&[allow(finding, path)]), &words);
        }
    }
}
