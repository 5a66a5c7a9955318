//! What a definition asks for that its lock has nothing of.
//!
//! Nothing is wrong with it: a suite of updates may be empty today. But whoever reads the definition
//! takes it for something that the image rests on, so `lock` names it.

use std::collections::BTreeSet;
use std::path::Path;

use super::error::LockError;
use super::records::Lock;
use crate::definition::Definition;
use crate::local::LocalFolder;
use crate::packages::debian::{Fingerprint, Source, is_flat};
use crate::packages::{LockedPackage, LockedSuite};
use crate::rootfs::Unused;

/// What had no effect on a lock, in any variant; `folder` is that of the definitions.
pub(super) fn unused(
    definitions: &[Definition],
    lock: &Lock,
    folder: &Path,
) -> Result<Vec<Unused>, LockError> {
    let mut found: Vec<Unused> = Vec::new();
    let sources = definitions.iter().flat_map(|definition| &definition.sources);
    for unused in sources.flat_map(|source| of_source(source, lock)) {
        if !found.contains(&unused) {
            found.push(unused);
        }
    }
    found.extend(local_packages(definitions, lock));
    found.extend(outside_folders(definitions, lock, folder)?);
    Ok(found)
}

fn of_source(source: &Source, lock: &Lock) -> Vec<Unused> {
    let archive = &source.archive;
    let unused = |key: &str, value: &str, why: String| Unused {
        key: format!("sources.{key}"),
        value: value.to_owned(),
        why,
    };
    let of = |suite: &str| -> Vec<&LockedPackage> {
        let packages = lock.packages.iter();
        packages.filter(|one| one.archive == *archive && one.suite == suite).collect()
    };
    let mut found = Vec::new();
    let (used, empty): (Vec<&String>, Vec<&String>) =
        source.suites.iter().partition(|suite| !of(suite).is_empty());
    if used.is_empty() {
        let why = format!("is an archive that no package comes from (suites {})", list(&empty));
        return vec![unused("archive", archive, why)];
    }
    for suite in empty {
        found.push(unused(
            "suites",
            suite,
            format!("of `{archive}` is one that no package comes from"),
        ));
    }
    let packages: Vec<_> = used.iter().flat_map(|suite| of(suite)).collect();
    let has_components = source.suites.iter().any(|suite| !is_flat(suite));
    let components = source.components.iter().filter(|_| has_components);
    for component in components.filter(|own| !may_be_used(own, &packages)) {
        let why = format!("of `{archive}` is a component that no package comes from");
        found.push(unused("components", component, why));
    }
    let suites = lock.suites.iter().filter(|one| one.archive == *archive);
    let suites: Vec<&LockedSuite> =
        suites.filter(|suite| source.suites.contains(&suite.name)).collect();
    for key in &source.keys {
        // The lock has fingerprints in the program's own spelling.
        let spelt = key.parse::<Fingerprint>().map(|key| key.to_string());
        let signed =
            |suite: &&LockedSuite| spelt.as_ref().is_ok_and(|key| suite.signed_by.contains(key));
        if !suites.iter().any(signed) {
            found.push(unused("keys", key, format!("has signed no suite of `{archive}`")));
        }
    }
    if let Some(days) = source.max_age_days
        && suites.iter().all(|suite| suite.valid_until.is_some())
    {
        let why = "is not used: every suite has a `Valid-Until`".to_owned();
        found.push(unused("max-age-days", &days.to_string(), why));
    }
    found
}

/// Whether one of the packages may be of a component: pools are sorted by it, and what lies elsewhere
/// can't be told.
fn may_be_used(component: &str, packages: &[&LockedPackage]) -> bool {
    let in_pool = |path: &str| path.starts_with("pool/");
    let of_it = |path: &str| format!("/{path}").contains(&format!("/{component}/"));
    packages.iter().any(|package| !in_pool(&package.path) || of_it(&package.path))
}

/// The local packages, and folders of them, that no installed package comes from.
fn local_packages(definitions: &[Definition], lock: &Lock) -> Vec<Unused> {
    let named = definitions.iter().flat_map(|definition| &definition.packages.local);
    let named: BTreeSet<&String> = named.collect();
    let is_used = |name: &str| {
        let mut local = lock.packages.iter().filter(|package| package.is_local());
        local.any(|package| {
            let rest = package.path.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let unused = named.into_iter().filter(|name| !is_used(name)).map(|name| Unused {
        key: "packages.local".to_owned(),
        value: name.clone(),
        why: "has no package that is installed; `packages.install` names those that are".to_owned(),
    });
    unused.collect()
}

/// The folders outside that no local file of any variant is in.
fn outside_folders(
    definitions: &[Definition],
    lock: &Lock,
    folder: &Path,
) -> Result<Vec<Unused>, LockError> {
    let mut named: BTreeSet<&String> = BTreeSet::new();
    let mut used: BTreeSet<String> = BTreeSet::new();
    for definition in definitions {
        let local = LocalFolder::of(definition, folder)?;
        named.extend(&definition.outside_folders);
        for file in &lock.files {
            // What another variant alone may have is not in this one's folders.
            let Ok(Some(outside)) = local.outside_folder_of(&file.path) else { continue };
            used.extend(definition.outside_folders.get(outside).cloned());
        }
    }
    let unused = named.into_iter().filter(|name| !used.contains(*name));
    let unused = unused.map(|name| Unused {
        key: "outside-folders".to_owned(),
        value: name.clone(),
        why: "is a folder that no local file comes from".to_owned(),
    });
    Ok(unused.collect())
}

fn list(names: &[&String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use cvmkit_formats::digest::Sha256;
    use cvmkit_host::files;
    use cvmkit_host::timestamp::Timestamp;

    use super::super::records::empty;
    use super::*;
    use crate::definition::Project;

    const KEY: &str = "04B54C3CDCA79751B16BC6B5225629DF75B188BD";
    const OTHER_KEY: &str = "41587F7DB8C774BCCF131416762F67A0B2C39DE4";

    fn suite(archive: &str, name: &str, until: Option<i64>) -> LockedSuite {
        LockedSuite {
            name: name.into(),
            archive: archive.into(),
            date: Timestamp(0),
            valid_until: until.map(Timestamp),
            expired: false,
            older_than: None,
            inrelease: Sha256::of(b""),
            signed_by: vec![KEY.to_owned()],
            expired_keys: Vec::new(),
            indices: Vec::new(),
        }
    }

    fn package(archive: &str, suite: &str, path: &str) -> LockedPackage {
        LockedPackage {
            name: "a".into(),
            version: "1".into(),
            architecture: "all".into(),
            archive: archive.into(),
            suite: suite.into(),
            path: path.into(),
            size: 700,
            sha256: Sha256::of(path.as_bytes()),
            roles: vec!["root".into()],
            reason: "requested".into(),
        }
    }

    /// What is unused of a definition with these sources, in a variant or not.
    fn found(sources: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.toml");
        let text = format!(
            "id = \"x\"\nversion = \"1\"\narchitecture = \"x86-64\"\n\
             seed = \"0e9a6fe0-68f6-408c-bbeb-136054d20445\"\n{sources}"
        );
        files::replace(&path, text.as_bytes()).unwrap();
        let project = Project::open(&path).unwrap();
        let local = LockedPackage { name: "b".into(), ..package("", "", "debs/b.deb") };
        let lock = Lock {
            suites: vec![
                suite("debian", "trixie", Some(9)),
                suite("debian", "trixie-updates", None),
                suite("vendor", "tools", None),
            ],
            packages: vec![package("debian", "trixie", "pool/main/a/a_1_all.deb"), local],
            ..empty(Sha256::of(b""), Sha256::of(b""))
        };
        let found = unused(&project.definitions().unwrap(), &lock, folder.path()).unwrap();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn local_packages_that_nothing_needs_are_named() {
        let tables = "[[sources]]\nsuites = [\"trixie\"]\n[packages]\n";
        let local = "local = [\"debs\", \"debs/b.deb\", \"deb\", \"other.deb\"]\n";
        let of = |name: &str| {
            format!(
                "packages.local: `{name}` has no package that is installed; `packages.install` names \
                 those that are"
            )
        };
        assert_eq!(found(&format!("{tables}{local}")), [of("deb"), of("other.deb")]);
    }

    #[test]
    fn what_of_a_source_came_to_nothing_is_named_once() {
        assert!(found("[[sources]]\nsuites = [\"trixie\"]\n").is_empty());
        let sources = "[[sources]]\nsuites = [\"trixie\", \"trixie-updates\"]\n\
                       components = [\"main\", \"contrib\"]\nmax-age-days = 3\n";
        let keys = format!("keys = [\"{KEY}\", \"{OTHER_KEY}\"]\n");
        let more = "[[sources]]\narchive = \"vendor\"\nsuites = [\"tools\"]\n";
        let variant = "[variant.debug]\ndebug = true\n";
        assert_eq!(
            found(&format!("{sources}{keys}{more}{variant}")),
            [
                "sources.suites: `trixie-updates` of `debian` is one that no package comes from",
                "sources.components: `contrib` of `debian` is a component that no package comes \
                 from",
                &format!("sources.keys: `{OTHER_KEY}` has signed no suite of `debian`"),
                "sources.archive: `vendor` is an archive that no package comes from (suites \
                 `tools`)",
            ]
        );
        // One suite does not say until when it is valid: its age is looked at.
        let dated = "[[sources]]\nsuites = [\"trixie\"]\nmax-age-days = 3\n";
        assert_eq!(
            found(dated),
            ["sources.max-age-days: `3` is not used: every suite has a `Valid-Until`"]
        );
    }
}
