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
pub mod capability;
mod configuration;
pub(crate) mod effects;
mod error;
mod escape;
pub(crate) mod glob;
pub(crate) mod identity;
pub(crate) mod libraries;
pub(crate) mod mode;
pub(crate) mod overlay;
pub(crate) mod programs;
pub(crate) mod terminals;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod tmpfiles;
pub mod units;
mod volatile;

use std::collections::BTreeMap;

use cvmkit_formats::tree::Tree;

pub use accounts::{Accounts, GroupRequest, Ids, UserRequest};
pub(crate) use accounts::{SYSTEM_ID_MAX, SYSTEM_ID_MIN, is_account_name};
pub use error::{RootfsError, Unused};
pub(crate) use identity::is_hostname;
pub use overlay::{Changes, Placed, PlacedNode};
pub use units::Units;
pub use volatile::remake_var_at_boot;

use cvmkit_attest::output::Notice;

use crate::content::Content;

/// What a root file system is made of beside its packages.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// Users the definition adds.
    pub users: &'a [UserRequest],
    /// Groups the definition adds.
    pub groups: &'a [GroupRequest],
    /// Where ids come from that nothing else fixes.
    pub ids: Ids,
    /// The kernel command line but `roothash=`.
    pub command_line: &'a [String],
    /// Units to enable and mask.
    pub units: Units,
    /// Files, directories and links of the definition; they win over packages and effects.
    pub files: &'a [Placed],
    /// `/etc/hostname`; `localhost` when absent.
    pub hostname: Option<&'a str>,
    /// `IMAGE_ID=` of os-release(5): the id of the definition.
    pub image_id: &'a str,
    /// `IMAGE_VERSION=` of os-release(5): the version of the definition.
    pub image_version: &'a str,
    /// A debug image: consoles and logins are allowed, and os-release says so.
    pub debug: bool,
    /// `/var` is a fresh tmpfs at each boot (`systemd.volatile=state`): [`remake_var_at_boot`].
    pub volatile_var: bool,
    /// Time of everything made here, seconds since 1970; packaged files keep theirs if older.
    pub mtime: i64,
}

/// The finished tree and what is known about it.
#[derive(Clone, Debug)]
pub struct Rootfs {
    /// Every file with its owner, mode, time and attributes; contents are shared with the store.
    pub tree: Tree<Content>,
    /// The package that owns each packaged path, without leading slash, as the tree spells it.
    pub owners: BTreeMap<Vec<u8>, String>,
    /// Users and groups; their ids belong into the lock.
    pub accounts: Accounts,
    /// What was done that no package file shows, and why; one line each.
    pub log: Vec<String>,
    /// What the publisher of the image has to know; it belongs into the manifest.
    pub notices: Vec<Notice>,
    /// Kernel releases whose `modules.dep` and its relatives are still to be made.
    pub kernels: Vec<String>,
}
