//! What can be wrong with a definition.

use std::path::PathBuf;

use cvmkit_attest::profile::ProfileError;
use cvmkit_host::fault::{Diagnosis, Fault, near};
use cvmkit_host::files::FileError;
use thiserror::Error;

/// What is wrong with a definition, and where.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DefinitionError {
    /// There is no such file.
    #[error("no image definition at `{}`", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is longer than any.
    #[error("the definition is longer than {limit} bytes\n  --> {}", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most there may be.
        limit: u64,
    },
    /// It is no text.
    #[error("the definition is not UTF-8 at byte {at}\n  --> {}", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Where.
        at: usize,
    },
    /// A key that does not exist.
    #[error("unknown key `{key}`\n  --> {}:{line}:{column}", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What was written.
        key: String,
        /// What could have been written there.
        known: Vec<String>,
    },
    /// No TOML, or a value of the wrong type.
    #[error("{message}\n  --> {}:{line}:{column}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A value that can't be.
    #[error(
        "`{key}` can't be `{found}`\n  --> {}\n  expected: {expected}",
        path.display()
    )]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The key, with its tables.
        key: String,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: String,
    },
    /// A key that must be there.
    #[error("`{key}` is missing\n  --> {}", path.display())]
    MissingKey {
        /// The file.
        path: PathBuf,
        /// The key, with its tables.
        key: String,
        /// What to write.
        example: String,
    },
    /// A platform that can't be.
    #[error("a platform of the definition can't be measured\n  --> {}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<ProfileError>,
    },
    /// A variant that the definition does not have.
    #[error("unknown variant `{name}`\n  --> {}", path.display())]
    UnknownVariant {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
}

impl Diagnosis for DefinitionError {
    fn fault(&self) -> Fault {
        match self {
            Self::File(error) => error.fault(),
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => {
                Some("name a folder that holds `image.toml`, or the file itself".into())
            }
            Self::File(error) => error.hint(),
            Self::UnknownKey { key, known, .. } => {
                Some(match near(key, known.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("the keys here are {}", known.join(", ")),
                })
            }
            Self::MissingKey { example, .. } => Some(format!("write `{example}`")),
            Self::UnknownVariant { name, known, .. } => Some(match known.as_slice() {
                [] => "the definition has no variants; add a table `[variant.NAME]`".into(),
                known => match near(name, known.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("the variants are {}", known.join(", ")),
                },
            }),
            Self::Profile { source, .. } => source.hint(),
            Self::TooLong { .. } => {
                Some("put long contents into files of their own, with `source`".into())
            }
            Self::Malformed { .. } | Self::Invalid { .. } | Self::Encoding { .. } => None,
        }
    }
}
