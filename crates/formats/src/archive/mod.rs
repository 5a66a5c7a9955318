//! Archives of files, as packages and container layers have them: a list of entries whose contents
//! stay where they are.
//!
//! The contract: a reader answers entries that mean one thing only, or refuses the archive. Nothing
//! is ever unpacked: [`EntryKind::File`] says where contents lie in the decompressed stream. What
//! the entries become in a root file system is for the caller to decide, who knows which archive
//! may replace which. Deliberately absent: writing. ([`crate::cpio`] reads and writes an initramfs,
//! which is one tree, as a [`crate::tree::Tree`].)

mod entry;
pub mod tar;

pub use entry::{Entry, EntryKind};
