//! Whether packages that were chosen before are a set that stands: what each says itself of others, against
//! the others that are there.
//!
//! The contract: every flaw is found, none is repaired. A dependency is met as in the search: by name,
//! version, `Provides` with its version, and the architecture behind the colon. Who wrote the list of
//! packages is not believed: a package that nothing asks for is a flaw too. Oracle: the search, whose every
//! selection has none.

use std::collections::BTreeSet;
use std::fmt;

use super::error::ResolveError;
use super::selection::Suite;
use super::universe::{Group, Universe};
use crate::packages::Index;
use crate::release::PinPriority;

/// The packages that are there.
const PRESENT: &str = "present";

/// Those that are left out.
const DROPPED: &str = "dropped";

/// Packages that were chosen.
#[derive(Clone, Debug)]
pub struct Closure<'a> {
    /// Those that are there, each name once.
    pub present: &'a Index<'a>,
    /// Those that are left out on purpose: what they would meet is met.
    pub dropped: &'a Index<'a>,
    /// The names of those that stand for themselves: requested, or essential.
    pub roots: BTreeSet<&'a str>,
    /// Debian's name of the architecture, such as `amd64`.
    pub architecture: &'a str,
}

/// What does not stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A package of another architecture.
    Foreign {
        /// Its name.
        package: String,
        /// What it is for.
        architecture: String,
    },
    /// A dependency that no package meets.
    Unmet(Need),
    /// Two packages that exclude each other.
    Conflict {
        /// Which package says so.
        package: String,
        /// `Conflicts` or `Breaks`.
        field: &'static str,
        /// The relation.
        relation: String,
        /// The other one, with its version.
        with: String,
    },
    /// A package that no chain of dependencies, recommendations and suggestions leads to from a root.
    Unasked {
        /// Its name.
        package: String,
    },
}

/// A dependency as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Whose it is.
    pub package: String,
    /// `Depends` or `Pre-Depends`.
    pub field: &'static str,
    /// The group of alternatives.
    pub relation: String,
}

/// What is to be said of a set of packages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// All that does not stand, package by package in the order of the index.
    pub flaws: Vec<Flaw>,
    /// The dependencies that only a dropped package would meet, each with the names of those that would.
    pub excused: Vec<(Need, Vec<String>)>,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { package, field, relation } = self;
        write!(f, "{field} of {package}: {relation}")
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign { package, architecture } => {
                write!(f, "`{package}` is for {architecture}")
            }
            Self::Unmet(Need { package, field, relation }) => {
                write!(f, "`{package}` {field} on `{relation}`, which no package meets")
            }
            Self::Conflict { package, field, relation, with } => {
                write!(f, "`{package}` {field} `{relation}`, which `{with}` matches")
            }
            Self::Unasked { package } => {
                write!(f, "`{package}` is there, and neither requested nor needed")
            }
        }
    }
}

impl Closure<'_> {
    /// Judges the packages as a set.
    ///
    /// # Errors
    /// [`ResolveError::Relation`]: a field of a package that does not parse.
    pub fn judge(&self) -> Result<Verdict, ResolveError> {
        let suites = [
            Suite { id: PRESENT, priority: PinPriority::File, index: self.present },
            Suite { id: DROPPED, priority: PinPriority::Default, index: self.dropped },
        ];
        let universe = Universe::new(&suites, &[], self.architecture)?;
        let mut verdict = Verdict::default();
        for package in self.present.packages.iter().filter(|one| !universe.is_native(one)) {
            let (package, architecture) = (package.name.into(), package.architecture.into());
            verdict.flaws.push(Flaw::Foreign { package, architecture });
        }
        let reached = self.reached(&universe)?;
        let all = 0..universe.candidates.len();
        for id in all.filter(|id| is_present(&universe, *id)) {
            relations(&universe, id, &mut verdict)?;
            if !reached.contains(&id) {
                verdict.flaws.push(Flaw::Unasked { package: universe.name(id).to_owned() });
            }
        }
        Ok(verdict)
    }

    /// The packages that are there because of the roots, as apt keeps them (`pkgDepCache::MarkRequired`).
    fn reached(&self, universe: &Universe<'_>) -> Result<BTreeSet<usize>, ResolveError> {
        let roots = (0..universe.candidates.len())
            .filter(|id| self.roots.contains(universe.name(*id)) && is_present(universe, *id));
        let mut reached: BTreeSet<usize> = roots.collect();
        let mut pending: Vec<usize> = reached.iter().copied().collect();
        while let Some(id) = pending.pop() {
            let mentioned = universe.mentioned(id)?.into_iter();
            for next in mentioned.filter(|next| is_present(universe, *next)) {
                if reached.insert(next) {
                    pending.push(next);
                }
            }
        }
        Ok(reached)
    }
}

fn is_present(universe: &Universe<'_>, id: usize) -> bool {
    universe.candidates[id].suite.id == PRESENT
}

/// Notes what of a package's relations is not as it says.
fn relations(
    universe: &Universe<'_>,
    id: usize,
    verdict: &mut Verdict,
) -> Result<(), ResolveError> {
    let package = || universe.name(id).to_owned();
    let all = universe.dependencies(id)?;
    for group in &all.groups {
        let targets = targets(universe, group);
        if targets.iter().any(|target| is_present(universe, *target)) {
            continue;
        }
        let (field, relation) = (group.field.name(), group.text());
        let need = Need { package: package(), field, relation };
        match targets.is_empty() {
            true => verdict.flaws.push(Flaw::Unmet(need)),
            false => {
                let by: BTreeSet<_> = targets.iter().map(|by| universe.name(*by)).collect();
                verdict.excused.push((need, by.into_iter().map(str::to_owned).collect()));
            }
        }
    }
    for (field, relation) in &all.negative {
        // Nobody excludes itself (Debian Policy 7.6.2).
        let targets = universe.targets(relation).into_iter();
        let rivals = targets.filter(|&rival| rival != id && is_present(universe, rival));
        for rival in rivals.collect::<BTreeSet<_>>() {
            let with = universe.candidates[rival].package;
            verdict.flaws.push(Flaw::Conflict {
                package: package(),
                field: field.name(),
                relation: relation.to_string(),
                with: format!("{} {}", with.name, with.version),
            });
        }
    }
    Ok(())
}

/// What meets one of the alternatives.
fn targets<'a>(universe: &Universe<'a>, group: &Group<'a>) -> Vec<usize> {
    let alternatives = group.alternatives.iter();
    alternatives.flat_map(|relation| universe.targets(relation)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{index_text, with};
    use super::super::{Options, resolve};
    use super::*;

    fn judged(present: &str, dropped: &str, roots: &[&str]) -> Verdict {
        let (present, dropped) = (index_text(present), index_text(dropped));
        let [present, dropped] =
            [&present, &dropped].map(|text| Index::parse(text.as_bytes()).unwrap());
        let roots = roots.iter().copied().collect();
        let closure =
            Closure { present: &present, dropped: &dropped, roots, architecture: "amd64" };
        closure.judge().unwrap()
    }

    /// The flaws in words.
    fn flaws(present: &str, dropped: &str) -> Vec<String> {
        judged(present, dropped, &["app"]).flaws.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_dependency_has_to_be_met() {
        let app =
            |relations: &str, others: &str| flaws(&format!("app 1; {relations}\n{others}"), "");
        for (relations, others) in [
            ("Depends: lib", "lib 1"),
            ("Depends: lib (>= 2), x", "lib 2\nx 1"),
            ("Pre-Depends: gone | lib", "lib 1"),
            ("Depends: mta (>= 3)", "mail 1; Provides: mta (= 3)"),
            ("Depends: mta", "mail 1; Provides: mta"),
            ("Depends: py:any", "py 1; Multi-Arch: allowed; Architecture: amd64"),
            ("Depends: lib [arm64]", ""),
        ] {
            assert_eq!(app(relations, others), [""; 0], "{relations}");
        }
        for (relations, others, field, relation) in [
            ("Depends: lib", "", "Depends", "lib"),
            ("Depends: lib (>= 2)", "lib 1; Recommends: x", "Depends", "lib (>= 2)"),
            ("Pre-Depends: gone | other", "", "Pre-Depends", "gone | other"),
            ("Depends: mta (>= 3)", "mail 1; Provides: mta (= 2)", "Depends", "mta (>= 3)"),
            ("Depends: mta (>= 3)", "mail 1; Provides: mta", "Depends", "mta (>= 3)"),
            ("Depends: py:any", "py 1; Architecture: amd64", "Depends", "py:any"),
        ] {
            let first = format!("`app` {field} on `{relation}`, which no package meets");
            assert_eq!(app(relations, others).first(), Some(&first), "{relations} {others}");
        }
        // All of them, of all packages.
        let all = flaws("app 1; Depends: a, b; Suggests: other\nother 1; Depends: c", "");
        assert_eq!(all.len(), 3, "{all:?}");
    }

    #[test]
    fn what_a_dropped_package_would_meet_is_told() {
        let app = "app 1; Depends: tool (>= 2) | other, mta, py:any";
        let dropped = "tool 2\nmail 1; Provides: mta\npy 1; Multi-Arch: allowed";
        let verdict = judged(app, dropped, &["app"]);
        assert_eq!(verdict.flaws, []);
        let told = verdict.excused.iter().map(|(need, by)| format!("{need} ({})", by.join(" ")));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                "Depends of app: tool (>= 2) | other (tool)",
                "Depends of app: mta (mail)",
                "Depends of app: py:any (py)",
            ]
        );
        // An older one would not, nor does one excuse what it does not offer.
        let unmet = flaws(app, "tool 1\nmail 1\npy 1; Multi-Arch: allowed");
        assert_eq!(unmet.len(), 2, "{unmet:?}");
        // What a dropped package needs is nobody's need.
        assert_eq!(flaws("app 1; Depends: tool", "tool 1; Depends: deep"), [""; 0]);
    }

    #[test]
    fn packages_that_exclude_each_other_do_not_stand() {
        let set = |relation: &str| {
            flaws(&format!("app 1; Depends: x, y\nx 1; {relation}\ny 2; Provides: v"), "")
        };
        for relation in ["Conflicts: y", "Breaks: y (<< 3)", "Conflicts: v"] {
            let (field, what) = relation.split_once(": ").unwrap();
            assert_eq!(set(relation), [format!("`x` {field} `{what}`, which `y 2` matches")]);
        }
        for relation in ["Conflicts: z", "Breaks: y (<< 2)", "Conflicts: x", "Breaks: y [arm64]"] {
            assert_eq!(set(relation), [""; 0], "{relation}");
        }
        assert_eq!(flaws("app 1; Conflicts: tool", "tool 1"), [""; 0]);
    }

    #[test]
    fn a_package_is_requested_or_needed_and_of_this_architecture() {
        let lines = "app 1; Depends: lib; Recommends: r\nlib 1; Suggests: s\nr 1\ns 1\nmore 1; Depends: app\n\
                     own 1; Depends: own-data\nown-data 1; Depends: own";
        let more = |name: &str| format!("`{name}` is there, and neither requested nor needed");
        assert_eq!(flaws(lines, ""), [more("more"), more("own"), more("own-data")]);
        assert_eq!(judged(lines, "", &["more", "own"]).flaws, []);
        // A dropped package asks for nothing.
        assert_eq!(flaws("app 1\nx 1", "tool 1; Depends: x"), [more("x")]);
        let foreign = flaws("app 1; Depends: lib\nlib 1; Architecture: arm64", "");
        let unmet = "`app` Depends on `lib`, which no package meets";
        assert_eq!(foreign, ["`lib` is for arm64", unmet]);
    }

    /// What the search chooses stands, whatever ways it gave up.
    #[test]
    fn a_selection_has_no_flaw() {
        let lines = "app 1; Depends: x | y, mta; Recommends: lib\nx 1; Depends: lib, z\ny 1\n\
                     z 1; Conflicts: app\nlib 1; Depends: deep\ndeep 1\nmail 1; Provides: mta\n\
                     base 1; Essential: yes; Depends: lib\nunused 1";
        with(lines, |suites| {
            let options = Options { architecture: "amd64", essential: true };
            let chosen = resolve(suites, &["app"], &options).unwrap();
            let packages = chosen.packages.iter().map(|one| one.package.clone()).collect();
            let (present, dropped) = (Index { packages }, Index::default());
            let roots = BTreeSet::from(["app", "base"]);
            let closure =
                Closure { present: &present, dropped: &dropped, roots, architecture: "amd64" };
            assert_eq!(closure.judge().unwrap(), Verdict::default());
            assert!(present.packages.len() > 5);
        });
    }
}
