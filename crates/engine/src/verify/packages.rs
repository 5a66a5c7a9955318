//! The packages that the manifest lists, beside those that the root file system says it is made of.

use std::collections::BTreeSet;

use cvmkit_attest::output::{MANIFEST_FILE, Role};

use super::Check;
use super::examination::Examination;
use super::root::{PACKAGES, Root};
use super::subject::Subject;
use crate::packages::debian::{Installed, installed};

/// Checks the list of packages. An image without a package database has nothing to compare it with,
/// which [`super::Report::notes`] tells.
pub(super) fn examine(subject: Subject<'_>, root: Option<&Root>) -> Examination {
    let mut examination = Examination::new(Check::Packages);
    let (Some(root), Some((name, _))) = (root, subject.file(Role::Disk)) else {
        examination.skip("all of it", "the root file system can't be read");
        return examination;
    };
    let Some(status) = &root.packages else {
        examination.detail = "no package database in the image to compare them with".into();
        return examination;
    };
    let installed = match installed(status) {
        Ok(installed) => installed,
        Err(why) => {
            examination.find(name, format!("/{PACKAGES}"), "stanzas of packages", why);
            return examination;
        }
    };
    let records = subject.manifest.packages.iter();
    let listed: BTreeSet<Installed> =
        records.map(|it| (it.name.clone(), it.version.clone(), it.architecture.clone())).collect();
    let shown = |(name, version, architecture): &Installed| {
        format!("`{name}` {version} for {architecture}")
    };
    let what = format!("packages, by /{PACKAGES} in `{name}`");
    for package in installed.difference(&listed) {
        examination.find(MANIFEST_FILE, &what, shown(package), "no such package");
    }
    for package in listed.difference(&installed) {
        examination.find(MANIFEST_FILE, &what, "no such package", shown(package));
    }
    if subject.manifest.packages.len() != listed.len() {
        let found = subject.manifest.packages.len();
        examination.find(MANIFEST_FILE, &what, format!("{} packages", listed.len()), found);
    }
    examination.detail = format!("{} in the package database", installed.len());
    examination
}
