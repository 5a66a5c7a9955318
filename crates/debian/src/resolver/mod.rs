//! Chooses packages as `apt-get install` does on an empty system, without Recommends.
//!
//! The contract: the same suites and requests, in the same order, give the same selection on every
//! machine, and it is the one apt 2.6 gives. The search is apt's: depth first, the first
//! alternative that can be installed, a real package before those that provide its name, candidates
//! by pin priority and then version. Where apt would call its problem resolver and may give
//! packages up, this is an error that names the packages and the relation. Deliberately absent:
//! backtracking, installed systems, foreign architectures, Recommends. The oracle is `apt-get -s
//! install` with an empty status file.

mod marking;
mod universe;

use std::fmt;

use thiserror::Error;

use crate::packages::{Index, Package, RelationField};
use crate::relation::RelationError;
use crate::release::PinPriority;
use marking::Marking;
use universe::Universe;

/// An index with what the resolver must know of its suite.
#[derive(Clone, Copy, Debug)]
pub struct Suite<'a> {
    /// The caller's name for it, in results and errors.
    pub id: &'a str,
    /// From its `Release`.
    pub priority: PinPriority,
    /// Its packages.
    pub index: &'a Index<'a>,
}

/// What to resolve for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// Debian's name of the architecture, such as `amd64`.
    pub architecture: &'a str,
    /// Whether every `Essential: yes` package is installed too. Nothing depends on those, so only a
    /// tree that is no Debian system can do without.
    pub essential: bool,
}

/// Why a package is in the selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason<'a> {
    /// The caller named it.
    Requested,
    /// It is `Essential: yes`.
    Essential,
    /// Another package of the selection depends on it.
    Dependency {
        /// Which package.
        of: &'a str,
        /// By which field: `Depends` or `Pre-Depends`.
        field: RelationField,
        /// The group of alternatives that it satisfies, as text.
        relation: String,
    },
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("requested"),
            Self::Essential => f.write_str("essential"),
            Self::Dependency { of, field, relation } => {
                write!(f, "{} of {of}: {relation}", field.name())
            }
        }
    }
}

/// One chosen package.
#[derive(Clone, Debug)]
pub struct Selected<'a> {
    /// The package.
    pub package: &'a Package<'a>,
    /// The [`Suite::id`] of the first suite that has it.
    pub suite: &'a str,
    /// Why it was chosen first.
    pub reason: Reason<'a>,
}

/// The answer.
#[derive(Clone, Debug, Default)]
pub struct Selection<'a> {
    /// The chosen packages by name.
    pub packages: Vec<Selected<'a>>,
}

impl<'a> Selection<'a> {
    /// A chosen package by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Selected<'a>> {
        let at = self.packages.binary_search_by(|found| found.package.name.cmp(name)).ok()?;
        self.packages.get(at)
    }

    /// The chain from a package to a requested or essential one; empty if it was not chosen.
    #[must_use]
    pub fn explain(&self, name: &str) -> Vec<&Selected<'a>> {
        let mut chain = Vec::new();
        let mut next = self.get(name);
        while let Some(selected) = next {
            chain.push(selected);
            next = match selected.reason {
                // The bound is a matter of course: reasons are given in the order of choosing.
                Reason::Dependency { of, .. } if chain.len() <= self.packages.len() => self.get(of),
                _ => None,
            };
        }
        chain
    }
}

/// Why there is no selection.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolveError {
    /// A requested package that no suite has.
    #[error("no suite has a package `{name}`{}", near_names(.near))]
    UnknownPackage {
        /// What was asked for.
        name: String,
        /// Names that look alike, best first.
        near: Vec<String>,
    },
    /// A requested name that other packages provide.
    #[error("`{name}` is virtual: name one of its providers: `{}`", .providers.join("`, `"))]
    VirtualPackage {
        /// What was asked for.
        name: String,
        /// Who provides it.
        providers: Vec<String>,
    },
    /// A requested version that no suite has.
    #[error("no suite has `{name}` in version `{version}`, found: `{}`", .known.join("`, `"))]
    UnknownVersion {
        /// Which package.
        name: String,
        /// What was asked for.
        version: String,
        /// Which there are.
        known: Vec<String>,
    },
    /// A relationship field of a package that is under consideration.
    #[error("package `{package}`, field `{field}`")]
    Relation {
        /// Which package.
        package: String,
        /// Which field.
        field: &'static str,
        /// Why.
        source: RelationError,
    },
    /// A dependency that nothing can satisfy.
    #[error("`{package}` {field} on `{relation}`, but {}", .why.join("; "))]
    Unsatisfied {
        /// Which package.
        package: String,
        /// `Depends` or `Pre-Depends`.
        field: &'static str,
        /// The group of alternatives.
        relation: String,
        /// For each alternative, what stands against it.
        why: Vec<String>,
    },
    /// Two chosen packages that exclude each other.
    #[error("`{package}` {field} `{relation}`, which is `{with}` of the selection")]
    Conflict {
        /// Which package.
        package: String,
        /// `Conflicts` or `Breaks`.
        field: &'static str,
        /// The relation.
        relation: String,
        /// Which other package it is true of, with its version.
        with: String,
    },
    /// A chain of dependencies longer than any archive has.
    #[error("the dependencies of `{0}` are nested too deeply")]
    TooDeep(String),
}

fn near_names(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean `{}`?", near.join("`, `")) }
}

/// Chooses the requested packages and all they need. A request is a name or `name=version`; order
/// matters as it does to apt: of two requests that could satisfy one dependency, both are
/// installed, but what the first one pulls in is seen by the second one. Essential packages come
/// before all requests, in the order of their names.
///
/// # Errors
/// [`ResolveError`].
pub fn resolve<'a>(
    suites: &[Suite<'a>],
    requests: &[&str],
    options: &Options<'a>,
) -> Result<Selection<'a>, ResolveError> {
    let (names, pins): (Vec<_>, Vec<_>) = requests.iter().map(|request| split(request)).unzip();
    let pins: Vec<_> = pins.into_iter().flatten().collect();
    let universe = Universe::new(suites, &pins, options.architecture)?;
    let essential = universe.essential().filter(|_| options.essential);
    let mut wanted: Vec<(usize, Reason<'a>)> =
        essential.map(|id| (id, Reason::Essential)).collect();
    for name in names {
        let id = universe.find(name)?;
        match wanted.iter_mut().find(|(known, _)| *known == id) {
            Some((_, reason)) => *reason = Reason::Requested,
            None => wanted.push((id, Reason::Requested)),
        }
    }
    Marking::new(&universe).select(&wanted)
}

/// `name=version`, or a name alone.
fn split(request: &str) -> (&str, Option<(&str, &str)>) {
    match request.split_once('=') {
        Some((name, version)) => (name, Some((name, version))),
        None => (request, None),
    }
}
