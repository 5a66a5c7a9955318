#![forbid(unsafe_code)]
//! POSIX shell scripts, evaluated over a virtual world.
//!
//! A script is parsed ([`syntax`]) and then evaluated as dash(1) would, over files, commands and a
//! terminal that do not exist. Nothing here starts a process, opens a file, or reads a clock.
//!
//! What is not implemented is an error that names the script, the line and the words: it never becomes a
//! guess. Oracle: dash.

pub mod commands;
pub mod evaluation;
pub mod memory;
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
