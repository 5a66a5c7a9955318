//! Triggers (deb-triggers(5)): packages that wait for what others do, and act on it all at once.
//!
//! As in dpkg, a trigger counts for packages that are configured when it is activated: one that is not will
//! find everything when its own turn comes. Oracle: dpkg.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_debian::triggers::{Directive, Trigger, parse};

use super::error::AssembleError;
use super::package::Package;

/// Who waits for what, and what is pending.
#[derive(Debug, Default)]
pub(super) struct Triggers<'r> {
    /// What each package says of triggers.
    of: BTreeMap<&'r str, Vec<Trigger>>,
    /// Packages whose `postinst` is to run again, each with the triggers that it is told.
    pending: BTreeMap<&'r str, BTreeSet<String>>,
    /// Packages that are configured.
    configured: BTreeSet<&'r str>,
}

impl<'r> Triggers<'r> {
    /// Reads what the packages say of triggers.
    ///
    /// # Errors
    /// [`AssembleError::Triggers`]: a control file that does not parse.
    pub(super) fn of(packages: &[&'r Package]) -> Result<Self, AssembleError> {
        let mut of = BTreeMap::new();
        for package in packages {
            let Some(text) = package.control.files.get("triggers") else { continue };
            let triggers = parse(text).map_err(|source| AssembleError::Triggers {
                package: package.name.clone(),
                source,
            })?;
            of.insert(package.name.as_str(), triggers);
        }
        Ok(Self { of, ..Self::default() })
    }

    /// A package is unpacked: its files, and what it activates itself, count from now on.
    pub(super) fn unpacked(&mut self, package: &Package) {
        let waits = |trigger: &&Trigger| trigger.directive == Directive::Interest;
        let mut found = Vec::new();
        for name in &self.configured {
            for trigger in self.of.get(name).into_iter().flatten().filter(waits) {
                let covers = |path: &[u8]| match str::from_utf8(path) {
                    Ok(path) => trigger.covers(&format!("/{path}")),
                    Err(_) => false,
                };
                if package.entries.iter().any(|entry| covers(&entry.path)) {
                    found.push((*name, trigger.name.clone()));
                }
            }
        }
        for (name, trigger) in found {
            self.pending.entry(name).or_default().insert(trigger);
        }
        self.changed(&package.name);
    }

    /// A package is configured: triggers count for it from now on.
    pub(super) fn configured(&mut self, package: &'r Package) {
        self.configured.insert(&package.name);
        self.changed(&package.name);
    }

    /// What a package activates by changing its state.
    fn changed(&mut self, package: &str) {
        let activates = |trigger: &&Trigger| trigger.directive == Directive::Activate;
        let names = self.of.get(package).into_iter().flatten().filter(activates);
        for name in names.map(|trigger| trigger.name.clone()).collect::<Vec<_>>() {
            self.activate(&name);
        }
    }

    /// Activates a trigger by its name, or by the path of what changed (`dpkg-trigger`).
    pub(super) fn activate(&mut self, name: &str) {
        let waits = |trigger: &Trigger| {
            trigger.directive == Directive::Interest
                && (trigger.name == name || trigger.covers(name))
        };
        for package in &self.configured {
            for trigger in self.of.get(package).into_iter().flatten().filter(|one| waits(one)) {
                self.pending.entry(package).or_default().insert(trigger.name.clone());
            }
        }
    }

    /// The next package that has to act, with the triggers that it is told.
    pub(super) fn next(&mut self) -> Option<(&'r str, BTreeSet<String>)> {
        self.pending.pop_first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::debian::tests::{package, with_script};

    fn pending(triggers: &mut Triggers<'_>) -> Vec<(String, Vec<String>)> {
        std::iter::from_fn(|| triggers.next())
            .map(|(package, names)| (package.to_owned(), names.into_iter().collect()))
            .collect()
    }

    fn of(name: &str, lines: &str, entries: &[(&str, &str)]) -> Package {
        with_script(package(name, "", entries), "triggers", lines)
    }

    #[test]
    fn a_trigger_counts_for_packages_that_are_configured() {
        let packages = [
            of("man", "interest /usr/share/man\ninterest-noawait again\n", &[]),
            of("lib", "activate-noawait ldconfig\n", &[("usr/share/man/man1/x", "")]),
            of("libc", "interest-noawait ldconfig\n", &[]),
        ];
        let [man, lib, libc] = packages.each_ref();
        let mut triggers = Triggers::of(&[man, lib, libc]).unwrap();
        triggers.unpacked(lib);
        triggers.activate("again");
        assert_eq!(pending(&mut triggers), []);
        triggers.configured(man);
        triggers.configured(libc);
        triggers.unpacked(lib);
        triggers.activate("again");
        triggers.activate("/usr/share/man/x");
        triggers.activate("/usr/share");
        let found = pending(&mut triggers);
        let expected = [
            ("libc".to_owned(), vec!["ldconfig".to_owned()]),
            ("man".to_owned(), vec!["/usr/share/man".to_owned(), "again".to_owned()]),
        ];
        assert_eq!(found, expected);
        triggers.configured(lib);
        assert_eq!(pending(&mut triggers), expected[..1]);
    }

    #[test]
    fn a_control_file_that_does_not_parse_is_named() {
        let package = of("p", "\nprovide x\n", &[]);
        let error = Triggers::of(&[&package]).unwrap_err();
        assert_eq!(error.to_string(), "the control file `triggers` of `p` does not parse");
    }
}
