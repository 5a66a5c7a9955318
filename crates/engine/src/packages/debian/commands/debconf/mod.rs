//! debconf: questions of packages, answered by the definition or by the default of their template.
//!
//! A script that reads `/usr/share/debconf/confmodule` gets functions of the same names, which call
//! [`frontend`] with a command of the protocol (debconf-devel(7)). The databases below
//! `/var/cache/debconf` are not made. Oracle: debconf 1.5.91 with the noninteractive frontend.

mod answers;
mod protocol;
mod question;
#[cfg(test)]
mod tests;

pub use answers::AnswerProblem;
pub(crate) use answers::Answers;
pub(super) use protocol::{command, frontend, show};
pub(crate) use question::{Database, Frontend};

/// What scripts read to have the functions.
pub(super) const CONFMODULE_PATH: &[u8] = b"/usr/share/debconf/confmodule";

/// The program that the functions call.
pub(super) const FRONTEND_PATH: &[u8] = b"/usr/share/debconf/frontend";

/// The functions themselves.
pub(super) const CONFMODULE: &str = include_str!("confmodule.sh");
