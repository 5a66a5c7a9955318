#![forbid(unsafe_code)]
//! POSIX shell scripts, evaluated over a virtual world.
//!
//! A script is parsed ([`syntax`]) and then evaluated as dash(1) would, or bash(1), over files, commands and a
//! terminal that do not exist. Nothing here starts a process, opens a file, or reads a clock.
//!
//! There are two dialects ([`syntax::Dialect`]). dash's is whole but for what [`syntax`] and [`evaluation`]
//! name. bash's has what maintainer scripts use of bash: `[[ ]]` and `==`, braces, `$'...'`, `&>`, `|&`, `<<<`,
//! `+=`, `${x:1:2}`, `${x/a/b}`, `${x^^}`, `${!x}`, `function`, `declare`, `source`, `pipefail`, and bash's own
//! answers wherever the two shells differ over a POSIX script. Every other form in which bash differs is
//! recognised.
//!
//! What is not implemented is an error that names the script, the line and the words: it never becomes a
//! guess. Oracles: dash 0.5.12 and bash 5.2.

pub mod commands;
mod escape;
pub mod evaluation;
pub mod memory;
mod mode;
mod pattern;
mod stop;
pub mod syntax;
#[cfg(test)]
mod tests;
pub mod world;

// The world of the tests below `tests` is that of those here.
#[cfg(test)]
extern crate self as cvmkit_shell;

pub use stop::Stop;
