//! The exact inputs of a definition: which suites were trusted and why, every package with its
//! digest, every local file, every id that an account got, what each maintainer script does.
//!
//! A lock is bound to its definition by checksum: [`LockFile::open`] refuses a stale one. It holds
//! paths and digests, never hosts. Its records are sorted, one to a block, so that a change reviews
//! well; it has one form, and its head has the digest of its body, so that nobody edits it by chance.

mod accounted;
mod difference;
mod dropped;
mod error;
mod evaluation;
mod fault;
mod file;
mod inputs;
mod local;
mod records;
mod resolve;
mod role;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod text;
mod unused;

pub use difference::{ScriptChange, ScriptDifference};
pub use dropped::{DropProblem, LockedDrop};
pub use error::LockError;
pub use evaluation::{Evaluate, Unevaluated};
pub use file::LockFile;
pub(crate) use inputs::source_of;
pub use local::{LocalFile, LocalKind, survey};
pub use records::{Lock, LockedAccount, LockedScript};
pub use resolve::{Changes, Resolving, Update, check, lock};
pub use role::{FIRMWARE_ROLE, STUB_ROLE, input_role, root_role};
pub use text::Unreadable;

pub use crate::packages::debian::{Accepted, Fingerprint, SuiteError};
pub use crate::packages::{LockedIndex, LockedPackage, LockedSuite};
