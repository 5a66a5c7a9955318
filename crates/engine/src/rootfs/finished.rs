//! What the steps leave in the end.

use std::collections::BTreeMap;

use cvmkit_attest::output::Notice;
use cvmkit_formats::tree::Tree;

use super::accounts::Accounts;
use super::finding::Finding;
use super::scripts::EvaluatedScript;
use crate::content::Content;

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
    /// What maintainer scripts did, in the order in which they first ran; what is locked of it belongs into
    /// the lock.
    pub scripts: Vec<EvaluatedScript>,
    /// What the audit found; nothing is decided about it yet.
    pub findings: Vec<Finding>,
    /// Kernel releases whose `modules.dep` and its relatives are still to be made.
    pub kernels: Vec<String>,
}
