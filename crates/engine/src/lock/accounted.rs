//! Whether what a lock leaves out is what its definition drops.
//!
//! Anybody can edit a lock and seal it again: nothing it says of packages that are not there is believed that
//! the definition does not say too.

use std::collections::BTreeSet;

use super::dropped::{DropProblem, LockedDrop};
use super::records::Lock;
use super::role::root_role;
use crate::definition::Definition;

/// All that is not as one definition says.
pub(super) fn problems(lock: &Lock, definition: &Definition) -> Vec<DropProblem> {
    let role = root_role(definition.variant.as_deref());
    let own: Vec<&LockedDrop> =
        lock.dropped.iter().filter(|one| one.roles.contains(&role)).collect();
    let mut problems = Vec::new();
    for (name, because) in &definition.packages.drop {
        let named = |one: &&&LockedDrop| one.name == *name;
        let is_told = |one: &LockedDrop| one.name == *name && one.because.as_ref() == Some(because);
        let (name, defined) = (name.clone(), because.clone());
        if lock.packages_of(&role).any(|package| package.name == name) {
            problems.push(DropProblem::There { name });
        } else if let Some(record) = own.iter().find(named) {
            if record.because.as_ref() != Some(because) {
                let locked = record.because.clone();
                problems.push(DropProblem::OtherReason { name, defined, locked });
            }
        } else if !lock.dropped.iter().any(is_told) {
            // What the base drops need not be in each variant.
            problems.push(DropProblem::NoRecord { name });
        }
    }
    let requested: BTreeSet<&str> = definition.packages.requested().collect();
    let gone: BTreeSet<&str> = own.iter().map(|one| one.name.as_str()).collect();
    for LockedDrop { name, reason, because, .. } in own {
        if requested.contains(name.as_str()) {
            problems.push(DropProblem::Requested { name: name.clone() });
        } else if !definition.packages.drop.contains_key(name)
            && (because.is_some() || !stood_for(reason).is_some_and(|of| gone.contains(of)))
        {
            let (name, reason) = (name.clone(), reason.clone());
            problems.push(DropProblem::Unaccounted { name, reason });
        }
    }
    problems
}

/// The package of a reason that reads `Depends of OTHER: RELATION`.
fn stood_for(reason: &str) -> Option<&str> {
    Some(reason.split_once(" of ")?.1.split_once(':')?.0)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{dropped, lock, package};
    use super::*;
    use crate::definition::sample;

    const DROP: &str = "[packages]\ninstall = [\"app\", \"pinned=1\"]\ndrop = { tool = \"not used\" }\n\
                        [variant.v.packages]\ndrop = { more = \"here\" }";

    fn of(dropped: Vec<LockedDrop>, variant: Option<&str>) -> Vec<String> {
        let project = sample::project(&sample::text("", DROP)).unwrap();
        let lock = Lock { dropped, ..lock(vec![package("app"), package("pinned")]) };
        let problems = problems(&lock, &project.definition(variant).unwrap());
        problems.iter().map(ToString::to_string).collect()
    }

    fn tool(because: Option<&str>) -> LockedDrop {
        dropped("tool", "Depends of app: tool", because)
    }

    #[test]
    fn a_lock_drops_what_its_definition_drops() {
        let data = || dropped("data", "Depends of tool: data", None);
        let deep = || dropped("deep", "Pre-Depends of data: deep (>= 1)", None);
        let own = || tool(Some("not used"));
        assert_eq!(of(vec![own()], None), [""; 0]);
        assert_eq!(of(vec![data(), deep(), own()], None), [""; 0]);
        for (records, expected) in [
            (vec![], "the definition drops `tool`, and the lock has no record of it"),
            (
                vec![tool(Some("other"))],
                "the definition drops `tool` with the reason `not used`, the lock: `other`",
            ),
            (
                vec![tool(None)],
                "the definition drops `tool` with the reason `not used`, the lock: `none`",
            ),
            (
                vec![own(), dropped("x", "Depends of app: x", Some("because"))],
                "the lock drops `x` (Depends of app: x), and the definition does not",
            ),
            (
                vec![own(), dropped("x", "Depends of app: x", None)],
                "the lock drops `x` (Depends of app: x), and the definition does not",
            ),
            (
                vec![own(), dropped("x", "essential", None)],
                "the lock drops `x` (essential), and the definition does not",
            ),
            (
                vec![own(), dropped("pinned", "Depends of tool: pinned", None)],
                "the definition requests `pinned`, and the lock drops it",
            ),
        ] {
            assert_eq!(of(records, None), [expected]);
        }
        // All at once.
        let many = vec![deep(), tool(None), dropped("app", "requested", None)];
        assert_eq!(of(many, None).len(), 3);
    }

    /// A package of the base need not be in each variant, and what is there is not dropped.
    #[test]
    fn a_record_is_of_its_root_file_systems() {
        let more = LockedDrop {
            roles: vec!["root:v".into()],
            ..dropped("more", "Depends of app: more", Some("here"))
        };
        assert_eq!(of(vec![more.clone(), tool(Some("not used"))], Some("v")), [""; 0]);
        assert_eq!(of(vec![more.clone(), tool(Some("not used"))], None), [""; 0]);
        let missing = of(vec![tool(Some("not used"))], Some("v"));
        assert_eq!(missing, ["the definition drops `more`, and the lock has no record of it"]);
        let project = sample::project(&sample::text("", DROP)).unwrap();
        let there = Lock { dropped: vec![more], ..lock(vec![package("tool")]) };
        let found = problems(&there, &project.definition(None).unwrap());
        assert_eq!(found, [DropProblem::There { name: "tool".into() }]);
    }
}
