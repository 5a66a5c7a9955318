//! Why a root file system can't be assembled.

use std::fmt;

use cvmkit_formats::tree::TreeError;
use cvmkit_host::fault::{Diagnosis, Fault};
use thiserror::Error;

/// Why a root file system can't be assembled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RootfsError {
    /// A program without what runs it.
    #[error("`/{path}` can't run: `{runner}`, which runs it, is not in the image")]
    NoInterpreter {
        /// The program.
        path: String,
        /// Its interpreter or loader.
        runner: String,
    },
    /// The definition asks for something that changes nothing.
    #[error("{} {} no effect:{}", .0.len(), if .0.len() == 1 { "key has" } else { "keys have" }, lines(.0))]
    NoEffect(Vec<Idle>),
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
    /// The image needs something that cvmkit does not support.
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
    /// Accounts that the lock does not know.
    #[error(
        "the lock has no id for the {} {}, and nothing else fixes one",
        if .names.len() == 1 { "account" } else { "accounts" },
        quoted(.names)
    )]
    NoLockedId {
        /// Their names.
        names: Vec<String>,
    },
    /// An id of the lock that no account of the image takes.
    #[error(
        "the lock gives the account `{name}` the id {id}, but no account of that name needs one"
    )]
    IdleLockedId {
        /// The name.
        name: String,
        /// The id.
        id: u32,
    },
    /// An id of the lock that somebody else has by a package or the definition.
    #[error("the lock gives the account `{name}` the id {id}, which `{other}` has")]
    LockedIdTaken {
        /// The name.
        name: String,
        /// The id.
        id: u32,
        /// Who has it.
        other: String,
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
    /// A production image could be entered from a terminal.
    #[error(
        "{what} {why}\n  --> {path}{}\n  no terminal of a production image leads to a shell",
        if started_by.is_empty() { String::new() } else { format!("\n  started by: {}", started_by.join(" -> ")) }
    )]
    Terminal {
        /// The unit, generator, program or setting.
        what: String,
        /// The file that says so.
        path: String,
        /// What it does.
        why: String,
        /// The units from the first one to it, if a boot starts it.
        started_by: Vec<String>,
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

/// A key of the definition, what it asks for, and why that changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    /// The key, with its tables.
    pub key: String,
    /// What is asked for.
    pub value: String,
    /// Why nothing comes of it.
    pub why: String,
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, why } = self;
        write!(f, "{key}: `{value}` {why}")
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn lines(idle: &[Idle]) -> String {
    idle.iter().map(|idle| format!("\n  {idle}")).collect()
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
            Self::NoInterpreter { path, .. } => {
                format!("install the package that has it, or leave `/{path}` out")
            }
            Self::UnknownAccount { kind: "group", name, .. } => format!(
                "write a table `[[users]]` with `name = \"{name}\"`, which makes a group of that name \
                 too, or install the package that makes it"
            ),
            Self::UnknownAccount { name, .. } => format!(
                "write a table `[[users]]` with `name = \"{name}\"`, or install the package that \
                 makes it"
            ),
            Self::Terminal { what, .. } => match what.strip_prefix("unit `") {
                Some(rest) => format!(
                    "mask it with `units.mask = [\"{}\"]`, leave it out, or keep it to a variant \
                     with `debug = true`",
                    rest.trim_end_matches('`')
                ),
                None => "leave it out, or keep it to a variant with `debug = true`".to_owned(),
            },
            Self::NoEffect(_) => "correct it or leave it out".to_owned(),
            Self::NoLockedId { .. } | Self::IdleLockedId { .. } => {
                "run `cvmkit lock`, which keeps the ids that are there".to_owned()
            }
            Self::LockedIdTaken { name, other, .. } => format!(
                "give one of them another id with `uid` in a table `[[users]]` of the definition: \
                 `{other}`, or `{name}` if no file outside of the image belongs to it"
            ),
            Self::DuplicateId { .. } => "pin another id in the definition".to_owned(),
            _ => return None,
        })
    }
}
