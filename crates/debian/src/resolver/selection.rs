//! What goes in and what comes out: suites, chosen packages and why each was chosen.

use std::fmt;

use crate::packages::{Index, Package, RelationField};
use crate::release::PinPriority;

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
    /// The package, as the index of its suite has it.
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
