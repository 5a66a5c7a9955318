//! The root file system: a tree, and the steps that make one of it, whatever its packages are of.
//!
//! [`assembly::Assembly`] is the tree while it is put together; each module is a step that changes or checks it. A
//! source of packages unpacks them and calls the steps in its order ([`crate::packages::debian::assemble`]).
//! The result is a function of the [`Request`] and the packages; nothing touches the host, and nothing is
//! left to chance: an unknown tmpfiles.d directive, a unit that never starts, a login path in a production
//! image are errors.
//!
//! Deliberately absent: the loader cache, host keys, the journal's catalogue and the hardware database.
//! Oracle: the tree that the distribution's own tools make of the same packages.

pub mod accounts;
pub(crate) mod assembly;
pub(crate) mod attribution;
pub(crate) mod audit;
pub(crate) mod base;
pub mod capability;
mod configuration;
pub(crate) mod effects;
mod error;
mod escape;
mod finding;
mod finished;
pub(crate) mod glob;
pub(crate) mod hidden;
pub(crate) mod identity;
pub(crate) mod layer;
pub(crate) mod libraries;
pub(crate) mod mode;
pub(crate) mod overlay;
pub(crate) mod programs;
mod request;
mod scripts;
pub(crate) mod terminals;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod tmpfiles;
pub mod units;
mod volatile;

pub use accounts::{Accounts, GroupRequest, Ids, UserRequest};
pub(crate) use accounts::{SYSTEM_ID_MAX, SYSTEM_ID_MIN, is_packaged_name};
pub use error::{MissingProgram, RootfsError, Unused};
pub use finding::{Allowed, Finding, FindingKind, Verdict};
pub use finished::Rootfs;
pub(crate) use identity::is_hostname;
pub use request::{Base, Changes, Layer, Placed, PlacedNode, Request, Units};
pub use scripts::{Evaluated, EvaluatedScript, ScriptDecision};
pub use volatile::remake_var_at_boot;
