//! The grammar of the shell: POSIX.1-2024, XCU 2 "Shell Command Language", as dash reads it, or bash.
//!
//! [`parse`] makes a [`List`] of a script's bytes. Words stay as they were written, in pieces: what they
//! expand to is known when they are evaluated.
//!
//! Deliberately absent from the dialect of dash: `select`, `[[`, arrays, process substitution and all
//! else that is not of POSIX or `local`. [`parse_as`] takes the [`Dialect`] of bash: what it has of the forms
//! of bash is read as bash does, and each other one is an error that names it.

mod alias;
mod aliases;
mod ast;
mod bash;
mod braces;
mod condition;
mod dialect;
mod error;
mod lexer;
mod limits;
mod parser;
#[cfg(test)]
mod shown;
mod substitutions;
mod words;

pub use aliases::Aliases;
pub use ast::{
    AndOr, Assignment, Command, CommandKind, Condition, Connector, List, Matches, Operation,
    Parameter, ParameterName, Piece, Pipeline, Redirection, RedirectionKind, Word,
};
pub use dialect::Dialect;
pub use error::SyntaxError;
pub use lexer::is_reserved;
pub use limits::Limits;
pub use parser::{parse, parse_as, parse_with};
