//! Packages that the image does without because its definition drops them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::packages::LockedPackage;
use crate::packages::debian::Gone;

/// A package that others depend on and that the image does not have.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedDrop {
    /// The field `Package` of deb-control(5).
    pub name: String,
    /// The version that would be there.
    pub version: String,
    /// Why it would be there: `Depends of OTHER: RELATION`, or `essential`.
    pub reason: String,
    /// Why the definition drops it. `None` for a package that stood only for dropped ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The field `Provides` of a package that the definition drops, in one line: what needs one of these names
    /// does without it too.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provides: String,
    /// The root file systems that do without it: `root`, `root:VARIANT`, at least one.
    pub roles: Vec<String>,
}

impl LockedDrop {
    /// Its place in the lock.
    pub(super) fn key(&self) -> (&str, &str, &str, Option<&str>, &str) {
        let Self { name, version, reason, because, provides, .. } = self;
        (name, version, reason, because.as_deref(), provides)
    }
}

impl fmt::Display for LockedDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, because, .. } = self;
        match because {
            Some(because) => write!(f, "{reason} (dropped: {because})"),
            None => write!(f, "{reason} (dropped with what needed it)"),
        }
    }
}

/// What of the dropped packages of a lock is not as the definition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DropProblem {
    /// The definition drops a package, and the lock has no record of it.
    NoRecord {
        /// The package.
        name: String,
    },
    /// The definition drops a package that the root file system has.
    There {
        /// The package.
        name: String,
    },
    /// The lock has another reason than the definition.
    OtherReason {
        /// The package.
        name: String,
        /// In the definition.
        defined: String,
        /// In the lock.
        locked: Option<String>,
    },
    /// The definition requests a package that the lock says to be dropped.
    Requested {
        /// The package.
        name: String,
    },
    /// Neither does the definition drop it, nor did it stand for a package that is dropped.
    Unaccounted {
        /// The package.
        name: String,
        /// Why it would be there, in the lock.
        reason: String,
    },
}

impl fmt::Display for DropProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecord { name } => {
                write!(f, "the definition drops `{name}`, and the lock has no record of it")
            }
            Self::There { name } => write!(f, "the definition drops `{name}`, and the lock has it"),
            Self::OtherReason { name, defined, locked } => {
                let locked = locked.as_deref().unwrap_or("none");
                write!(
                    f,
                    "the definition drops `{name}` with the reason `{defined}`, the lock: `{locked}`"
                )
            }
            Self::Requested { name } => {
                write!(f, "the definition requests `{name}`, and the lock drops it")
            }
            Self::Unaccounted { name, reason } => {
                write!(f, "the lock drops `{name}` ({reason}), and the definition does not")
            }
        }
    }
}

/// All that a record says but its roles, in its order ([`LockedDrop::key`]).
type Key = (String, String, String, Option<String>, String);

/// What the definitions of a project drop, while packages are chosen.
#[derive(Debug, Default)]
pub(super) struct Drops {
    gone: BTreeMap<Key, Vec<String>>,
    used: BTreeSet<String>,
    unused: BTreeSet<String>,
}

impl Drops {
    /// Notes what one definition drops, and what goes with it.
    pub(super) fn note(&mut self, drop: &BTreeMap<String, String>, gone: Vec<Gone>, role: &str) {
        for Gone { package: LockedPackage { name, version, reason, .. }, provides } in gone {
            let because = drop.get(&name).cloned();
            // Nothing that stays needs one that went with another.
            let provides = if because.is_some() { provides } else { String::new() };
            if because.is_some() {
                self.used.insert(name.clone());
            }
            let key = (name, version, reason, because, provides);
            self.gone.entry(key).or_default().push(role.to_owned());
        }
        self.unused.extend(drop.keys().filter(|name| !self.used.contains(*name)).cloned());
    }

    /// The records; or the packages that no root file system would have anyway.
    pub(super) fn finish(self) -> Result<Vec<LockedDrop>, Vec<String>> {
        let unused: Vec<String> = self.unused.difference(&self.used).cloned().collect();
        if !unused.is_empty() {
            return Err(unused);
        }
        let record = |((name, version, reason, because, provides), roles)| LockedDrop {
            name,
            version,
            reason,
            because,
            provides,
            roles,
        };
        Ok(self.gone.into_iter().map(record).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::package;
    use super::*;

    fn of(name: &str, reason: &str) -> Gone {
        let provides = format!("{name}-api (= 2)");
        Gone { package: LockedPackage { reason: reason.into(), ..package(name) }, provides }
    }

    #[test]
    fn what_several_root_file_systems_drop_alike_is_one_record() {
        let drop = BTreeMap::from([("tool".to_owned(), "not used".to_owned())]);
        let gone = || vec![of("data", "Depends of tool: data"), of("tool", "Depends of app: tool")];
        let mut drops = Drops::default();
        drops.note(&drop, gone(), "root");
        drops.note(&drop, gone(), "root:v");
        let other = BTreeMap::from([("tool".to_owned(), "another reason".to_owned())]);
        drops.note(&other, gone(), "root:w");
        let records = drops.finish().unwrap();
        let rows: Vec<String> = records
            .iter()
            .map(|one| format!("{} {}: {one}", one.name, one.roles.join(" ")))
            .collect();
        assert_eq!(
            rows,
            [
                "data root root:v root:w: Depends of tool: data (dropped with what needed it)",
                "tool root:w: Depends of app: tool (dropped: another reason)",
                "tool root root:v: Depends of app: tool (dropped: not used)",
            ]
        );
        assert!(records.is_sorted_by_key(LockedDrop::key));
        // What nothing needs provides nothing.
        let provides = records.iter().map(|one| one.provides.as_str());
        assert_eq!(provides.collect::<Vec<_>>(), ["", "tool-api (= 2)", "tool-api (= 2)"]);
    }

    /// A drop of the base has its effect if one variant needs it.
    #[test]
    fn a_drop_of_what_no_root_file_system_has_is_unused() {
        let drop = |names: &[&str]| -> BTreeMap<String, String> {
            names.iter().map(|name| ((*name).to_owned(), "why".to_owned())).collect()
        };
        for (in_base, in_variant, unused) in [
            (&["a", "b"][..], &["a", "b"][..], &[][..]),
            (&["a"], &["a", "b"], &[]),
            (&[], &["b"], &["a"]),
            (&[], &[], &["a", "b"]),
        ] {
            let mut drops = Drops::default();
            for (names, role) in [(in_base, "root"), (in_variant, "root:v")] {
                let gone = names.iter().map(|name| of(name, "essential")).collect();
                drops.note(&drop(&["a", "b"]), gone, role);
            }
            let found = drops.finish().map(drop_records).unwrap_or_else(|unused| unused);
            assert_eq!(found, unused, "{in_base:?} {in_variant:?}");
        }
    }

    /// Nothing, for what is no error.
    fn drop_records(_: Vec<LockedDrop>) -> Vec<String> {
        Vec::new()
    }
}
