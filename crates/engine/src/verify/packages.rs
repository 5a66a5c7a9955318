//! The packages that the manifest lists, beside those that the root file system says it is made of.

use std::collections::BTreeSet;

use cvmkit_attest::output::{MANIFEST_FILE, Role};
use cvmkit_debian::deb822;

use super::examination::Examination;
use super::root::{PACKAGES, Root};
use super::{Check, Examined};

/// Name, version and architecture.
type Installed = (String, String, String);

/// Checks the list of packages. An image without a package database has nothing to compare it with,
/// which [`super::Report::notes`] tells.
pub(super) fn examine(subject: Examined<'_>, root: Option<&Root>) -> Examination {
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

/// Every stanza of dpkg's `status`.
fn installed(status: &[u8]) -> Result<BTreeSet<Installed>, String> {
    let text = str::from_utf8(status).map_err(|error| error.to_string())?;
    let mut installed = BTreeSet::new();
    for stanza in deb822::paragraphs(text) {
        let stanza = stanza.map_err(|error| error.to_string())?;
        let field = |name: &str| {
            let value = stanza.get(name).map(str::to_owned);
            value.ok_or_else(|| format!("a stanza without `{name}`"))
        };
        let package = (field("Package")?, field("Version")?, field("Architecture")?);
        if !installed.insert(package.clone()) {
            return Err(format!("`{}` {} twice", package.0, package.1));
        }
    }
    Ok(installed)
}
