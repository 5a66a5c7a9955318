//! Why a script can't be parsed.

use thiserror::Error;

/// Why a script can't be parsed. Lines count from 1.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyntaxError {
    /// Something else stands where the grammar wants this.
    #[error("line {line}: expected {expected}, found {found}")]
    Unexpected {
        /// Where.
        line: u32,
        /// What the grammar wants.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A quote or substitution without its end.
    #[error("line {line}: {what} without its end")]
    Unterminated {
        /// Where it starts.
        line: u32,
        /// What it is.
        what: &'static str,
    },
    /// A here-document whose delimiter never comes.
    #[error("line {line}: here-document without its delimiter `{delimiter}`")]
    HereDocument {
        /// Where it is announced.
        line: u32,
        /// The delimiter.
        delimiter: String,
    },
    /// `${...}` that is none.
    #[error("line {line}: bad substitution `{found}`")]
    BadSubstitution {
        /// Where.
        line: u32,
        /// What is there.
        found: String,
    },
    /// A form of bash that is not implemented.
    #[error("line {line}: {what}")]
    Unsupported {
        /// Where.
        line: u32,
        /// What it is, with its words.
        what: String,
    },
    /// Commands within commands, beyond any real script.
    #[error("line {line}: nested more than {limit} deep")]
    TooDeep {
        /// Where.
        line: u32,
        /// The most levels there may be.
        limit: u32,
    },
    /// A script beyond any real one.
    #[error("the script has {len} bytes, expected at most {limit}")]
    TooLong {
        /// Its length.
        len: usize,
        /// The most bytes there may be.
        limit: usize,
    },
}
