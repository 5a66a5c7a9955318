//! The order in which packages are unpacked and configured: each after those that it depends on.
//!
//! As on a system that is made from nothing, the essential packages come first, all of them unpacked before
//! any script runs (Debian Policy 3.8). Among packages that depend on one another the name decides.
//! Oracle: the scripts themselves, which find what they depend on.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_debian::relation;

use super::error::AssembleError;
use super::package::{BASE_PACKAGE, Package};

/// The fields whose packages come before (Debian Policy 7.2).
const BEFORE: [&str; 2] = ["Pre-Depends", "Depends"];

/// Packages in their order.
pub(super) struct Order<'r> {
    /// All of them, each once.
    pub(super) packages: Vec<&'r Package>,
    /// How many of the first are essential, or what those depend on.
    pub(super) essential: usize,
}

/// Puts packages in order.
///
/// # Errors
/// [`AssembleError::Relation`]: a field that does not parse.
pub(super) fn of<'r>(packages: &'r [Package], machine: &str) -> Result<Order<'r>, AssembleError> {
    let mut sorted: Vec<&Package> = packages.iter().collect();
    sorted.sort_by_key(|package| (package.name != BASE_PACKAGE, &package.name));
    let mut walk = Walk::new(&sorted, machine);
    for package in sorted.iter().filter(|package| is_essential(package)) {
        walk.visit(package)?;
    }
    let essential = walk.done.len();
    for package in sorted {
        walk.visit(package)?;
    }
    Ok(Order { packages: walk.done, essential })
}

fn is_essential(package: &Package) -> bool {
    package.control.fields.get("Essential").is_some_and(|value| value == "yes")
}

/// A walk through dependencies, depth first.
struct Walk<'r, 'm> {
    machine: &'m str,
    /// Packages by name, and by each name that they provide.
    named: BTreeMap<String, Vec<&'r Package>>,
    seen: BTreeSet<&'r str>,
    done: Vec<&'r Package>,
}

impl<'r, 'm> Walk<'r, 'm> {
    fn new(packages: &[&'r Package], machine: &'m str) -> Self {
        let mut named: BTreeMap<String, Vec<&Package>> = BTreeMap::new();
        for package in packages {
            named.insert(package.name.clone(), vec![package]);
        }
        for package in packages {
            let provides = package.control.fields.get("Provides").unwrap_or_default();
            // A provision that does not parse is nobody's: what needs it was chosen without it.
            for group in relation::parse(provides).unwrap_or_default() {
                for provided in group {
                    named.entry(provided.name.to_owned()).or_default().push(package);
                }
            }
        }
        Self { machine, named, seen: BTreeSet::new(), done: Vec::new() }
    }

    /// Puts a package behind those that it depends on. One that is waiting already, in a circle of
    /// dependencies, comes when its own are done.
    fn visit(&mut self, package: &'r Package) -> Result<(), AssembleError> {
        let mut path = vec![(package, self.before(package)?)];
        if !self.seen.insert(&package.name) {
            return Ok(());
        }
        while let Some((package, waiting)) = path.last_mut() {
            let Some(next) = waiting.pop() else {
                self.done.push(package);
                path.pop();
                continue;
            };
            if self.seen.insert(&next.name) {
                let before = self.before(next)?;
                path.push((next, before));
            }
        }
        Ok(())
    }

    /// What a package depends on, the last first: of each group of alternatives the first that is there.
    fn before(&self, package: &'r Package) -> Result<Vec<&'r Package>, AssembleError> {
        let mut found = Vec::new();
        for field in BEFORE {
            let text = package.control.fields.get(field).unwrap_or_default();
            let groups = relation::parse(text).map_err(|source| AssembleError::Relation {
                package: package.name.clone(),
                field,
                source,
            })?;
            for group in groups {
                let mut there = group.iter().filter(|one| one.applies_to(self.machine));
                let named = there.find_map(|one| self.named.get(one.name)?.first());
                found.extend(named.copied());
            }
        }
        found.reverse();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::debian::tests::package;

    fn names(packages: &[Package]) -> (Vec<&str>, usize) {
        let order = of(packages, "amd64").unwrap();
        (order.packages.iter().map(|package| package.name.as_str()).collect(), order.essential)
    }

    #[test]
    fn a_package_comes_after_those_that_it_depends_on() {
        let packages = [
            package("a", "Depends: z, y (>= 1)\n", &[]),
            package("b", "Pre-Depends: gone | x [amd64]\nDepends: w [arm64]\n", &[]),
            package("w", "", &[]),
            package("x", "", &[]),
            package("y", "", &[]),
            package("z", "", &[]),
        ];
        assert_eq!(names(&packages), (vec!["z", "y", "a", "x", "b", "w"], 0));
    }

    #[test]
    fn essential_packages_come_first_with_what_they_need() {
        let packages = [
            package("a", "", &[]),
            package("base-files", "Essential: yes\nPre-Depends: awk\n", &[]),
            package("mawk", "Provides: awk\n", &[]),
            package("bash", "Essential: yes\n", &[]),
        ];
        assert_eq!(names(&packages), (vec!["mawk", "base-files", "bash", "a"], 3));
    }

    #[test]
    fn a_circle_ends_where_it_began() {
        let packages = [
            package("a", "Depends: b\n", &[]),
            package("b", "Depends: c\n", &[]),
            package("c", "Depends: a, c\n", &[]),
        ];
        assert_eq!(names(&packages), (vec!["c", "b", "a"], 0));
    }

    #[test]
    fn a_field_that_does_not_parse_is_named() {
        let packages = [package("a", "Depends: b (?? 1)\n", &[])];
        let error = of(&packages, "amd64").map(|order| order.essential).unwrap_err();
        assert_eq!(error.to_string(), "`Depends` of `a` does not parse");
    }
}
