//! A selection without packages that the caller does without.
//!
//! What was chosen stays chosen: nothing takes the place of a dropped package. A package goes with it if a
//! chain of dependencies led to it from what was requested or is essential, and none does any more. Each chosen package
//! that satisfies a dependency counts as a link of such a chain, so that what may be needed stays.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ResolveError;
use super::selection::{Reason, Selected, Selection};
use super::universe::relations;
use crate::packages::RelationField;
use crate::version::Version;

/// What is left of a selection.
#[derive(Clone, Debug, Default)]
pub struct Remaining<'a> {
    /// The packages that stay, by name.
    pub kept: Vec<Selected<'a>>,
    /// Those that go, by name: the dropped ones, and what stood only for them.
    pub gone: Vec<Selected<'a>>,
}

/// Who offers each name: the place of a package among the selected ones, and the version it offers, if any.
type Offers<'a> = BTreeMap<&'a str, Vec<(usize, Option<Version>)>>;

impl<'a> Selection<'a> {
    /// Takes packages out by name, and with them what only they depended on. A name that was not chosen takes
    /// nothing out.
    ///
    /// # Errors
    /// [`ResolveError::Relation`]: a field of a chosen package that does not parse.
    pub fn without(
        self,
        names: &BTreeSet<&str>,
        architecture: &str,
    ) -> Result<Remaining<'a>, ResolveError> {
        let offered = self.offered()?;
        let roots: BTreeSet<usize> = (0..self.packages.len())
            .filter(|at| matches!(self.packages[*at].reason, Reason::Requested | Reason::Essential))
            .collect();
        let chained = self.reached(&offered, roots.clone(), &BTreeSet::new(), architecture)?;
        // What no chain leads to is there for another reason (recommended, protected), and stays for it.
        let others = (0..self.packages.len()).filter(|at| !chained.contains(at));
        let stays = roots.into_iter().chain(others);
        let stays = stays.filter(|at| !names.contains(self.packages[*at].package.name)).collect();
        let kept = self.reached(&offered, stays, names, architecture)?;
        let reasons = self.reasons(&offered, &kept, names, architecture)?;
        let mut remaining = Remaining::default();
        for (at, selected) in self.packages.into_iter().enumerate() {
            let reason = reasons.get(&at).cloned().unwrap_or_else(|| selected.reason.clone());
            let selected = Selected { reason, ..selected };
            let part = if kept.contains(&at) { &mut remaining.kept } else { &mut remaining.gone };
            part.push(selected);
        }
        Ok(remaining)
    }

    /// Why those stood there that go with a dropped package: for another one that goes. The search may have
    /// met one on a way that it gave up.
    fn reasons(
        &self,
        offered: &Offers<'a>,
        kept: &BTreeSet<usize>,
        names: &BTreeSet<&str>,
        architecture: &str,
    ) -> Result<BTreeMap<usize, Reason<'a>>, ResolveError> {
        let is_gone = |at: &usize| !kept.contains(at);
        let name = |at: usize| self.packages[at].package.name;
        let gone: Vec<usize> = (0..self.packages.len()).filter(is_gone).collect();
        let is_told = |at: usize| match &self.packages[at].reason {
            Reason::Dependency { of, .. } => gone.iter().any(|other| name(*other) == *of),
            Reason::Requested | Reason::Essential => false,
        };
        let untold = gone.iter().filter(|at| !names.contains(name(**at)) && !is_told(**at));
        let untold: BTreeSet<usize> = untold.copied().collect();
        let mut reasons = BTreeMap::new();
        for &of in gone.iter().filter(|_| !untold.is_empty()) {
            for field in [RelationField::PreDepends, RelationField::Depends] {
                for group in relations(self.packages[of].package, field)? {
                    let group: Vec<_> =
                        group.into_iter().filter(|one| one.applies_to(architecture)).collect();
                    let named = group.iter().flat_map(|relation| {
                        let named = offered.get(relation.name).into_iter().flatten();
                        named.filter(|(_, version)| relation.accepts(version.as_ref()))
                    });
                    let text: Vec<String> = group.iter().map(ToString::to_string).collect();
                    for (at, _) in named.filter(|(at, _)| *at != of && untold.contains(at)) {
                        let relation = text.join(" | ");
                        let reason = Reason::Dependency { of: name(of), field, relation };
                        reasons.entry(*at).or_insert(reason);
                    }
                }
            }
        }
        Ok(reasons)
    }

    /// The packages that chains of dependencies lead to from some, themselves among them, without going over
    /// those of the `names`.
    fn reached(
        &self,
        offered: &Offers<'a>,
        roots: BTreeSet<usize>,
        names: &BTreeSet<&str>,
        architecture: &str,
    ) -> Result<BTreeSet<usize>, ResolveError> {
        let is_dropped = |at: usize| names.contains(self.packages[at].package.name);
        let mut pending: Vec<usize> = roots.iter().copied().collect();
        let mut reached = roots;
        while let Some(at) = pending.pop() {
            let package = self.packages[at].package;
            for field in [RelationField::PreDepends, RelationField::Depends] {
                let relations = relations(package, field)?.into_iter().flatten();
                for relation in relations.filter(|one| one.applies_to(architecture)) {
                    let named = offered.get(relation.name).into_iter().flatten();
                    let fits = named.filter(|(_, version)| relation.accepts(version.as_ref()));
                    for &(next, _) in fits.filter(|(next, _)| !is_dropped(*next)) {
                        if reached.insert(next) {
                            pending.push(next);
                        }
                    }
                }
            }
        }
        Ok(reached)
    }

    /// By name: which chosen package it is or who provides it, and as which version.
    fn offered(&self) -> Result<Offers<'a>, ResolveError> {
        let mut offered: BTreeMap<&str, Vec<(usize, Option<Version>)>> = BTreeMap::new();
        for (at, selected) in self.packages.iter().enumerate() {
            let package = selected.package;
            let own = (at, Some(package.version.clone()));
            offered.entry(package.name).or_default().push(own);
            for provided in relations(package, RelationField::Provides)?.into_iter().flatten() {
                let version = provided.constraint.map(|(_, version)| version);
                offered.entry(provided.name).or_default().push((at, version));
            }
        }
        Ok(offered)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with;
    use super::super::{Options, resolve};
    use super::*;

    /// What stays and what goes of the packages that `requests` choose.
    fn left(lines: &str, requests: &[&str], drop: &[&str]) -> (String, String) {
        with(lines, |suites| {
            let options = Options { architecture: "amd64", essential: true };
            let selection = resolve(suites, requests, &options).unwrap();
            let remaining = selection.without(&drop.iter().copied().collect(), "amd64").unwrap();
            let names = |of: &[Selected<'_>]| {
                of.iter().map(|one| one.package.name).collect::<Vec<_>>().join(" ")
            };
            (names(&remaining.kept), names(&remaining.gone))
        })
    }

    #[test]
    fn what_stood_only_for_a_dropped_package_goes_with_it() {
        let lines = "app 1; Depends: tool, lib\ntool 1; Depends: tool-data, lib\n\
                     tool-data 1; Pre-Depends: deep\ndeep 1\nlib 1\nbase 1; Essential: yes";
        let all = "app base deep lib tool tool-data";
        assert_eq!(left(lines, &["app"], &[]), (all.to_owned(), String::new()));
        assert_eq!(left(lines, &["app"], &["other"]), (all.to_owned(), String::new()));
        for (drop, kept, gone) in [
            (&["tool"][..], "app base lib", "deep tool tool-data"),
            (&["deep"], "app base lib tool tool-data", "deep"),
            (&["tool", "deep"], "app base lib", "deep tool tool-data"),
            (&["base"], "app deep lib tool tool-data", "base"),
        ] {
            assert_eq!(left(lines, &["app"], drop), (kept.to_owned(), gone.to_owned()), "{drop:?}");
        }
        // Who is requested stands for itself.
        let (kept, gone) = left(lines, &["app", "deep"], &["tool"]);
        assert_eq!((kept.as_str(), gone.as_str()), ("app base deep lib", "tool tool-data"));
    }

    /// What was chosen first for a package that was given up stands for another one when that goes.
    #[test]
    fn what_goes_with_a_package_says_for_which() {
        let lines = "app 1; Depends: x | y, tool\nx 1; Depends: lib, z\ny 1\nz 1; Conflicts: app\n\
                     lib 1; Depends: deep\ndeep 1\ntool 1; Depends: other | lib (>= 1)";
        with(lines, |suites| {
            let options = Options { architecture: "amd64", essential: true };
            let selection = resolve(suites, &["app"], &options).unwrap();
            let remaining = selection.without(&BTreeSet::from(["tool"]), "amd64").unwrap();
            let reasons = remaining.gone.iter();
            let reasons = reasons.map(|one| format!("{}: {}", one.package.name, one.reason));
            assert_eq!(
                reasons.collect::<Vec<_>>(),
                [
                    "deep: Depends of lib: deep",
                    "lib: Depends of tool: other | lib (>= 1)",
                    "tool: Depends of app: tool",
                ]
            );
        });
    }

    #[test]
    fn packages_that_need_only_one_another_go_together() {
        let lines = "app 1; Depends: a\na 1; Depends: b\nb 1; Depends: c\nc 1; Depends: b";
        assert_eq!(left(lines, &["app"], &["a"]), ("app".to_owned(), "a b c".to_owned()));
    }

    /// What the resolver keeps for another reason than a dependency, as apt does, is there with and without a drop:
    /// a recommended package that was chosen on a way which was given up, and what it needs.
    #[test]
    fn what_no_chain_leads_to_stays() {
        let lines = "app 1; Depends: x | y; Recommends: lib\nx 1; Depends: lib, z\ny 1\n\
                     z 1; Conflicts: app\nlib 1; Depends: deep\ndeep 1\nother 1; Depends: data\ndata 1";
        let all = "app data deep lib other y";
        assert_eq!(left(lines, &["app", "other"], &[]), (all.to_owned(), String::new()));
        let lines = format!("{lines}\ntop 1; Depends: app, other");
        let expected = ("app deep lib top y".to_owned(), "data other".to_owned());
        assert_eq!(left(&lines, &["top"], &["other"]), expected);
    }

    /// A chain may lead over an alternative, or over what a package provides, in a version that fits.
    #[test]
    fn what_may_be_needed_stays() {
        let lines = "app 1; Depends: x, tool | other\ntool 1; Depends: other\nother 1\nx 1";
        assert_eq!(left(lines, &["app"], &["tool"]), ("app other x".to_owned(), "tool".to_owned()));
        for (wanted, provided, kept, gone) in [
            ("mta", "mta", "app mail", "tool"),
            ("mta (>= 2)", "mta (= 2)", "app mail", "tool"),
            ("z | mta (>= 3)", "mta (= 2)", "app z", "mail tool"),
            ("z | mta (>= 3)", "mta", "app z", "mail tool"),
        ] {
            let lines = format!(
                "app 1; Depends: tool, {wanted}\ntool 1; Depends: mail\nz 1\n\
                 mail 7; Provides: {provided}"
            );
            let expected = (kept.to_owned(), gone.to_owned());
            assert_eq!(left(&lines, &["app"], &["tool"]), expected, "{wanted} {provided}");
        }
        // A relation of another architecture is none.
        let lines = "app 1; Depends: tool, other [arm64]\ntool 1; Depends: other\nother 1";
        assert_eq!(left(lines, &["app"], &["tool"]), ("app".to_owned(), "other tool".to_owned()));
    }
}
