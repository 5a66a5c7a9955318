//! The grammar of the shell: POSIX.1-2024, XCU 2 "Shell Command Language", as dash reads it.
//!
//! [`parse`] makes a [`List`] of a script's bytes. Words stay as they were written, in pieces: what they
//! expand to is known when they are evaluated.
//!
//! Deliberately absent: aliases, `select`, `[[`, arrays, process substitution and all else that is not of
//! POSIX or `local`.

mod ast;
mod error;
mod lexer;
mod limits;
mod parser;
#[cfg(test)]
mod shown;
mod words;

pub use ast::{
    AndOr, Assignment, Command, CommandKind, Connector, List, Operation, Parameter, ParameterName,
    Piece, Pipeline, Redirection, RedirectionKind, Word,
};
pub use error::SyntaxError;
pub use lexer::is_reserved;
pub use limits::Limits;
pub use parser::parse;
