//! Files of the definition, which win over whatever packages and effects put in their place.
//!
//! They are placed twice: before the effects, so that a unit, a sysusers.d file or a certificate of
//! the definition takes part, and after them with their owners, so that nothing overwrites them.

use std::collections::BTreeSet;

use cvmkit_formats::tree::{Inode, Meta, Node};

use super::assembly::{Assembly, bare};
use super::{Accounts, RootfsError};
use crate::content::Content;

/// What the definition puts somewhere.
#[derive(Clone, Debug)]
pub enum PlacedNode {
    /// A regular file.
    File(Content),
    /// A directory; what is in it already stays.
    Directory,
    /// A directory on the way to the files of an overlay: one that is there already keeps its mode
    /// and owner, so that a file below `/root` or `/tmp` does not open the one and close the other.
    OverlayDirectory,
    /// A symbolic link with this target.
    Symlink(String),
}

/// One file, directory or link of the definition.
#[derive(Clone, Debug)]
pub struct Placed {
    /// An absolute path.
    pub path: String,
    /// Permission bits, `0o0000` to `0o7777`; links ignore them.
    pub mode: u16,
    /// Owner, by name or number.
    pub user: String,
    /// Group, by name or number.
    pub group: String,
    /// What it is.
    pub node: PlacedNode,
}

/// Places the request's files, which belong to root for now. Answers the directories of overlays
/// that packages have too.
pub(super) fn place<'a>(assembly: &mut Assembly<'a>) -> Result<BTreeSet<&'a str>, RootfsError> {
    let (mut kept, mut made) = (BTreeSet::new(), BTreeSet::new());
    for file in assembly.request.files {
        if let PlacedNode::OverlayDirectory = file.node {
            let found = assembly.find(&file.path).map(|id| assembly.tree.inode(id).is_directory());
            if found == Some(true) && !made.contains(file.path.as_str()) {
                kept.insert(file.path.as_str());
                continue;
            }
            made.insert(file.path.as_str());
        }
        if let Some(owner) = owner(assembly, &file.path) {
            assembly.note(format!("`{}` of the definition replaces that of {owner}", file.path));
        }
        let meta = assembly.root(file.mode & 0o7777);
        assembly.put(&file.path, inode(file, meta))?;
    }
    Ok(kept)
}

/// Places them again, with their owners, but for the directories that are `kept`.
pub(super) fn place_owned(
    assembly: &mut Assembly<'_>,
    accounts: &Accounts,
    kept: &BTreeSet<&str>,
) -> Result<(), RootfsError> {
    for file in assembly.request.files {
        let what = format!("`{}`", file.path);
        let mut meta = assembly.root(file.mode & 0o7777);
        meta.uid = accounts.uid(&file.user, &what)?;
        meta.gid = accounts.gid(&file.group, &what)?;
        let is_kept =
            matches!(file.node, PlacedNode::OverlayDirectory) && kept.contains(file.path.as_str());
        if !is_kept {
            assembly.put(&file.path, inode(file, meta))?;
        }
    }
    Ok(())
}

fn owner(assembly: &Assembly<'_>, path: &str) -> Option<String> {
    let path = assembly.tree.canonical(bare(path).as_bytes()).ok()?;
    let is_directory = assembly.tree.lookup(&path).map(|id| assembly.tree.inode(id).is_directory());
    match is_directory {
        Some(false) => assembly.owners.get(&path).cloned(),
        _ => None,
    }
}

fn inode(file: &Placed, meta: Meta) -> Inode<Content> {
    match &file.node {
        PlacedNode::File(content) => Inode::file(meta, content.clone()),
        PlacedNode::Directory | PlacedNode::OverlayDirectory => Inode::directory(meta),
        PlacedNode::Symlink(target) => {
            let node = Node::Symlink(target.clone().into_bytes());
            Inode { meta: Meta { mode: 0o777, ..meta }, node }
        }
    }
}
