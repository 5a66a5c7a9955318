//! A hardening audit of the finished tree: what an attacker, or nobody at all, could make use of.
//!
//! [`find`] lists findings, [`judge`] asks which of them the definition allows. Contents are read once, in
//! parallel. Login paths are not among them: [`super::terminals`] refuses an image that has one. Deliberately
//! absent: versions with known faults, which a scanner of the SBOM knows.

mod access;
mod elf;
mod keys;
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
use origin::{Origin, Origins};

/// Files that say whose keys log in (sshd_config(5), `AuthorizedKeysFile`).
const AUTHORIZED_KEYS: [&str; 2] = ["/.ssh/authorized_keys", "/.ssh/authorized_keys2"];

/// What is found in a tree, sorted; of what files need of others only if it is asked for.
pub(crate) fn find(assembly: &Assembly<'_>, with_needs: bool) -> Result<Vec<Finding>, RootfsError> {
    let search = Search {
        assembly,
        origins: Origins::of(assembly),
        names: Names::of(assembly)?,
        libraries: with_needs.then(|| Libraries::of(assembly)).transpose()?,
    };
    let nodes = assembly.tree.walk();
    let found: Result<Vec<Vec<Finding>>, RootfsError> =
        nodes.par_iter().map(|(path, id)| search.file(path, *id)).collect();
    let mut findings: Vec<Finding> = found?.into_iter().flatten().collect();
    findings.extend(passwords::find(assembly)?);
    findings.sort_by(|one, other| {
        (one.finding, &one.path, &one.detail).cmp(&(other.finding, &other.path, &other.detail))
    });
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
    origins: Origins<'a>,
    names: Names,
    libraries: Option<Libraries<'a>>,
}

impl Search<'_> {
    /// What is found of one file.
    fn file(&self, bytes: &[u8], id: InodeId) -> Result<Vec<Finding>, RootfsError> {
        let inode = self.assembly.tree.inode(id);
        let path = String::from_utf8_lossy(bytes).into_owned();
        let origin = self.origins.origin(bytes);
        let mut rows = access::find(&path, &inode.meta, &inode.node, &origin, &self.names);
        let absolute = format!("/{path}");
        if let Node::File(content) = &inode.node {
            let is_executable = inode.meta.mode & 0o111 != 0;
            rows.extend(self.contents(&absolute, content, is_executable, &origin)?);
        }
        let package = self.origins.package(bytes).map(str::to_owned);
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
        origin: &Origin<'_>,
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
            // Whoever has the package has its key already: one of a test or an example.
            let verdict = match origin {
                Origin::Package(_) => Verdict::Listed,
                Origin::Definition | Origin::Made => Verdict::Refused,
            };
            found.push((FindingKind::PrivateKey, "holds a private key".to_owned(), verdict));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rootfs::tests::{assembly, refused};
    use crate::rootfs::{Placed, PlacedNode, Request};

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
    fn what_the_definition_says_of_a_file_is_listed() {
        let files = [Placed {
            path: "/usr/bin/made".into(),
            mode: 0o4755,
            user: "root".into(),
            group: "root".into(),
            xattrs: BTreeMap::new(),
            node: PlacedNode::Existing(crate::rootfs::Changes::default()),
        }];
        let request = Request { files: &files, ..Request::default() };
        let found = find(&with_files(&request), false).unwrap();
        let made = found.iter().find(|found| found.path == "/usr/bin/made").unwrap();
        assert_eq!(made.verdict, Verdict::Listed);
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
