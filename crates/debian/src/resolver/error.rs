//! Why there is no selection.

use thiserror::Error;

use crate::relation::RelationError;

/// Why there is no selection.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolveError {
    /// A requested package that no suite has.
    #[error("no suite has a package `{name}`{}", near_names(.near))]
    UnknownPackage {
        /// What was asked for.
        name: String,
        /// Similar names, most similar first; at most five.
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
    #[error("`{package}` {field} `{relation}`, which matches the selected `{with}`")]
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
