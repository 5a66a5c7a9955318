//! What comes of the findings of an audit: a production image is not built with one that its definition does
//! not allow, and who publishes or verifies an image is told of all others.

use std::collections::BTreeMap;

use cvmkit_attest::output::Notice;

use super::error::BuildError;
use super::inputs::Inputs;
use crate::definition::{Definition, Project};
use crate::fetch::Origins;
use crate::lock::LockFile;
use crate::packages::debian::{self, AssembleError};
use crate::rootfs::audit::judge;
use crate::rootfs::{Allowed, Finding, FindingKind, Rootfs, RootfsError, Verdict, glob};

/// What an audit of a definition found.
#[derive(Clone, Debug)]
pub struct Audited {
    /// What the image is called: `minimal 1`, `minimal 1 (debug)`.
    pub title: String,
    /// Whether it is a debug image, which is built whatever was found.
    pub debug: bool,
    /// All findings, by class and path.
    pub findings: Vec<Finding>,
}

impl Audited {
    /// How many findings end the build of a production image.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == Verdict::Refused).count()
    }
}

/// Audits the root file system that a definition and its lock describe, without building an image.
///
/// # Errors
/// [`BuildError`], as of a build up to its root file system.
pub fn audit(
    project: &Project,
    variant: Option<&str>,
    origins: Origins<'_>,
) -> Result<Audited, BuildError> {
    let definition = project.definition(variant)?;
    let lock = LockFile::open(project)?;
    let inputs = Inputs::check(project, &definition, &lock)?;
    let packages = inputs.root_packages(origins)?.packages;
    let parts = inputs.rootfs_request(&packages, origins.store)?.with_needs();
    let mut findings = debian::assemble(&parts.as_request())?.findings;
    judge(&mut findings, &definition.allow).map_err(AssembleError::from)?;
    Ok(Audited { title: definition.title(), debug: definition.debug, findings })
}

/// Ends the build of a production image with a finding that is not allowed, and notes what is to be known.
pub(super) fn decide(rootfs: &mut Rootfs, definition: &Definition) -> Result<(), BuildError> {
    judge(&mut rootfs.findings, &definition.allow).map_err(AssembleError::from)?;
    let is_refused = |finding: &&Finding| finding.verdict == Verdict::Refused;
    let refused: Vec<Finding> = rootfs.findings.iter().filter(is_refused).cloned().collect();
    if !refused.is_empty() && !definition.debug {
        return Err(AssembleError::from(RootfsError::Findings(refused)).into());
    }
    rootfs.notices.extend(tolerated(&refused));
    rootfs.notices.extend(allowed(&rootfs.findings, &definition.allow));
    Ok(())
}

/// One notice for each class of what a debug image may have.
fn tolerated(refused: &[Finding]) -> Vec<Notice> {
    let mut classes: BTreeMap<FindingKind, (u64, &str)> = BTreeMap::new();
    for Finding { finding, path, .. } in refused {
        classes.entry(*finding).or_insert((0, path.as_str())).0 += 1;
    }
    let notice = |(finding, (count, first)): (FindingKind, (u64, &str))| Notice::FindingsOfDebug {
        finding: finding.name().into(),
        count,
        first: first.into(),
    };
    classes.into_iter().map(notice).collect()
}

/// One notice for each table that allows something.
fn allowed(findings: &[Finding], allowed: &[Allowed]) -> Vec<Notice> {
    let count = |one: &Allowed| {
        let fits = |finding: &&Finding| {
            let is_same = finding.finding == one.finding && finding.verdict == Verdict::Allowed;
            is_same && glob::matches(one.path.as_bytes(), finding.path.as_bytes())
        };
        findings.iter().filter(fits).count() as u64
    };
    let notice = |one: &Allowed| Notice::FindingsAllowed {
        finding: one.finding.name().into(),
        path: one.path.clone(),
        count: count(one),
    };
    allowed.iter().map(notice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(finding: FindingKind, path: &str, verdict: Verdict) -> Finding {
        let (path, detail) = (path.to_owned(), "x".to_owned());
        Finding { finding, path, package: None, detail, verdict, reason: None }
    }

    #[test]
    fn notices_count_what_they_are_about() {
        use FindingKind::{MissingInterpreter, Setuid};
        let refused = [
            finding(Setuid, "/a", Verdict::Refused),
            finding(MissingInterpreter, "/b", Verdict::Refused),
            finding(Setuid, "/c", Verdict::Refused),
        ];
        let of = |finding: &str, count, first: &str| Notice::FindingsOfDebug {
            finding: finding.into(),
            count,
            first: first.into(),
        };
        assert_eq!(
            tolerated(&refused),
            [of("setuid", 2, "/a"), of("missing-interpreter", 1, "/b")]
        );
        assert!(tolerated(&[]).is_empty());
        let rule = |finding, path: &str| Allowed { finding, path: path.into(), reason: "r".into() };
        let findings = [
            finding(Setuid, "/a", Verdict::Allowed),
            finding(Setuid, "/b", Verdict::Allowed),
            finding(Setuid, "/c", Verdict::Listed),
            finding(MissingInterpreter, "/a", Verdict::Allowed),
        ];
        let rules = [rule(Setuid, "/*"), rule(MissingInterpreter, "/a")];
        let of = |finding: &str, path: &str, count| Notice::FindingsAllowed {
            finding: finding.into(),
            path: path.into(),
            count,
        };
        assert_eq!(
            allowed(&findings, &rules),
            [of("setuid", "/*", 2), of("missing-interpreter", "/a", 1)]
        );
    }
}
