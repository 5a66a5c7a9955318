//! Files of the definition, which win over whatever packages and effects put in their place.
//!
//! They are placed twice: before the effects, so that a unit, a sysusers.d file or a certificate of
//! the definition takes part, and after them with their owners, so that nothing overwrites them.

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

/// Places the request's files; without `accounts` they belong to root for now.
pub(super) fn place(
    assembly: &mut Assembly<'_>,
    accounts: Option<&Accounts>,
) -> Result<(), RootfsError> {
    for file in assembly.request.files {
        let mut meta = assembly.root(file.mode & 0o7777);
        if let Some(accounts) = accounts {
            let what = format!("`{}`", file.path);
            meta.uid = accounts.uid(&file.user, &what)?;
            meta.gid = accounts.gid(&file.group, &what)?;
        } else if let Some(owner) = owner(assembly, &file.path) {
            assembly.note(format!("`{}` of the definition replaces that of {owner}", file.path));
        }
        assembly.put(&file.path, inode(file, meta))?;
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
        PlacedNode::Directory => Inode::directory(meta),
        PlacedNode::Symlink(target) => {
            let node = Node::Symlink(target.clone().into_bytes());
            Inode { meta: Meta { mode: 0o777, ..meta }, node }
        }
    }
}
