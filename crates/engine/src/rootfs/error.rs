//! Why a root file system can't be assembled.

use cvmkit_debian::scripts::{UnknownScript, UnknownTrigger};
use cvmkit_formats::tree::TreeError;
use thiserror::Error;

use crate::fault::{Diagnosis, Fault};

/// Why a root file system can't be assembled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RootfsError {
    /// A maintainer script does something nobody has read.
    #[error(transparent)]
    UnknownScript(#[from] Box<UnknownScript>),
    /// A trigger nobody has looked at.
    #[error(transparent)]
    UnknownTrigger(#[from] UnknownTrigger),
    /// Two packages write one path and neither replaces the other.
    #[error("`{first}` and `{second}` both contain `/{path}`, and neither replaces the other")]
    PackageConflict {
        /// The path.
        path: String,
        /// One package.
        first: String,
        /// The other.
        second: String,
    },
    /// A package does not fit into the tree.
    #[error("can't unpack `/{path}` of `{package}`: {source}")]
    Unpack {
        /// The package.
        package: String,
        /// Its path.
        path: String,
        /// Why.
        source: TreeError,
    },
    /// A path of an effect or of the definition does not fit into the tree.
    #[error("can't make `/{path}`: {source}")]
    Place {
        /// The path.
        path: String,
        /// Why.
        source: TreeError,
    },
    /// The contents of a file could not be read.
    #[error("can't read `/{path}`: {source}")]
    Read {
        /// The path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not say what its format allows.
    #[error("`/{path}`, line {line}: {why}")]
    Syntax {
        /// The file.
        path: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong, with what was found.
        why: String,
    },
    /// Something would have to be done that cvmkit does not do.
    #[error("`/{path}` holds {what}: not supported")]
    Unsupported {
        /// Where.
        path: String,
        /// What it is.
        what: String,
    },
    /// A name that no account has.
    #[error("{what} needs the {kind} `{name}`, which does not exist")]
    UnknownAccount {
        /// Who asks.
        what: String,
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Two accounts with one id.
    #[error("`{first}` and `{second}` both have the {kind} id {id}")]
    DuplicateId {
        /// `user` or `group`.
        kind: &'static str,
        /// The id.
        id: u32,
        /// One name.
        first: String,
        /// The other.
        second: String,
    },
    /// An account can't be made as it is asked for.
    #[error("account `{name}`: {why}")]
    Account {
        /// The account.
        name: String,
        /// Why.
        why: String,
    },
    /// A unit can't be enabled or masked as it is asked for.
    #[error("unit `{unit}`: {why}")]
    Unit {
        /// The unit.
        unit: String,
        /// Why.
        why: String,
    },
    /// A value of the request is malformed.
    #[error("{field} `{value}`: {why}")]
    Value {
        /// Which one.
        field: &'static str,
        /// What was found.
        value: String,
        /// What was expected.
        why: &'static str,
    },
}

impl Diagnosis for RootfsError {
    fn fault(&self) -> Fault {
        match self {
            Self::Read { .. } => Fault::Environment,
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownScript(unknown) => format!(
                "read the text above; if nothing in it matters to this image, say so with \
                 `scripts.{0} = \"skip\"`, otherwise leave `{0}` out (running scripts is not \
                 supported)",
                unknown.package
            ),
            Self::UnknownTrigger(unknown) => format!(
                "if nothing of it matters to this image, say so with `scripts.{} = \"skip\"`",
                unknown.package
            ),
            Self::PackageConflict { first, second, .. } => {
                format!("leave `{first}` or `{second}` out, or exclude the path")
            }
            Self::DuplicateId { .. } => "pin another id in the definition".to_owned(),
            _ => return None,
        })
    }
}
