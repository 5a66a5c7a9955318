//! Why an evaluation ends before its script does.

use thiserror::Error;

use crate::syntax::SyntaxError;

/// Why an evaluation ends before its script does. None of these is an error of the script's own, which
/// would be a message and a status.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// A script that does not parse.
    #[error("{script}")]
    Syntax {
        /// The script.
        script: String,
        /// Where and why.
        source: SyntaxError,
    },
    /// Something that is not implemented.
    #[error("{script}, line {line}: {what}")]
    Unsupported {
        /// The script.
        script: String,
        /// From 1.
        line: u32,
        /// What it is, with its words.
        what: String,
    },
    /// More work, or more bytes, than any real script asks for.
    #[error("{script}, line {line}: more than {limit} {what}")]
    Limit {
        /// The script.
        script: String,
        /// From 1.
        line: u32,
        /// The most there may be.
        limit: u64,
        /// Of what.
        what: &'static str,
    },
}
