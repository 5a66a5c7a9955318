//! Programs that make, change and find files (GNU coreutils 9.7, findutils 4.10).

pub(super) mod copy;
pub(super) mod directories;
pub(super) mod find;
pub(super) mod install;
pub(super) mod links;
pub(super) mod ls;
pub(super) mod mktemp;
pub(super) mod mode;
pub(super) mod nodes;
pub(super) mod owner;
mod paths;
pub(super) mod remove;
pub(super) mod rename;
pub(super) mod sizes;
pub(super) mod stat;
pub(super) mod touch;
