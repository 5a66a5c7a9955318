//! Layers on top of each other: "Applying Changesets" of the Image Layer Filesystem Changeset Specification.
//!
//! Whiteouts remove what layers below have, never what their own layer brings, wherever they stand in it. They
//! follow no link: a parent that is one is an error. An entry replaces whatever has its path, a folder with all
//! in it; two folders are one, with the mode and owner of the upper.

use cvmkit_formats::archive::tar::Members;
use cvmkit_formats::archive::{Entry, EntryKind};
use cvmkit_formats::tree::{Inode, Meta, Tree, TreeError, split};

use super::digest::Digest;
use super::error::OciError;
use crate::content::{self, Content};

/// How the name of a whiteout starts ("Whiteouts").
const WHITEOUT: &[u8] = b".wh.";

/// The whiteout of all that is in its folder ("Opaque Whiteout").
const OPAQUE: &[u8] = b".wh..wh..opq";

/// How names start that are reserved for the storage of some builders, and remove nothing.
const RESERVED: &[u8] = b".wh..wh.";

/// The tree of layers, as far as they are applied.
#[derive(Clone, Debug)]
pub struct Stack {
    tree: Tree<Content>,
    /// The time of folders that no layer has.
    mtime: i64,
    /// Whiteouts of what was not there.
    idle: Vec<Vec<u8>>,
}

impl Stack {
    /// Of no layer; `mtime` is the latest time that anything may have.
    #[must_use]
    pub fn new(mtime: i64) -> Self {
        Self { tree: Tree::new(Meta::root(0o755, mtime)), mtime, idle: Vec::new() }
    }

    /// The tree, and whiteouts that found nothing to remove.
    #[must_use]
    pub fn finish(self) -> (Tree<Content>, Vec<Vec<u8>>) {
        (self.tree, self.idle)
    }

    /// Puts a layer on top, whose members lie in `archive`.
    ///
    /// # Errors
    /// [`OciError::Entries`] with every entry that can't be applied.
    pub fn apply(
        &mut self,
        digest: Digest,
        members: &Members,
        archive: &Content,
    ) -> Result<(), OciError> {
        let mut problems = Vec::new();
        let mut collect = |path: &[u8], done: Result<(), String>| {
            problems.extend(done.err().map(|why| format!("`{}`: {why}", path.escape_ascii())));
        };
        let is_whiteout = |entry: &&Entry| split(&entry.path).1.starts_with(WHITEOUT);
        for entry in members.entries.iter().filter(is_whiteout) {
            collect(&entry.path, self.whiteout(entry));
        }
        for entry in members.entries.iter().filter(|entry| !is_whiteout(entry)) {
            let below = split(&entry.path).0.split(|&byte| byte == b'/');
            let done = match { below }.any(|name| name.starts_with(WHITEOUT)) {
                true => Err("lies below a whiteout".to_owned()),
                false => self.entry(entry, archive).map_err(|why| why.to_string()),
            };
            collect(&entry.path, done);
        }
        if problems.is_empty() { Ok(()) } else { Err(OciError::Entries { digest, problems }) }
    }

    fn whiteout(&mut self, entry: &Entry) -> Result<(), String> {
        let (parent, name) = split(&entry.path);
        if !matches!(entry.kind, EntryKind::File { len: 0, .. }) {
            return Err("a whiteout is an empty regular file".to_owned());
        }
        let removed = name.get(WHITEOUT.len()..).unwrap_or_default();
        let is_opaque = name == OPAQUE;
        if !is_opaque && (name.starts_with(RESERVED) || matches!(removed, b"" | b"." | b"..")) {
            return Err("is no whiteout that the specification knows".to_owned());
        }
        self.check_real(parent)?;
        let Some(folder) = self.tree.lookup(parent) else {
            self.idle.push(entry.path.clone());
            return Ok(());
        };
        let names = match is_opaque {
            true => self.tree.entries(folder).map(|(name, _)| name.clone()).collect(),
            false => vec![removed.to_vec()],
        };
        let mut is_idle = true;
        for name in names {
            let path = if parent.is_empty() { name } else { [parent, b"/", &name].concat() };
            is_idle &= !self.tree.remove(&path);
        }
        if is_idle {
            self.idle.push(entry.path.clone());
        }
        Ok(())
    }

    /// Refuses a parent that a link leads to, or that is no folder: a whiteout there would remove something
    /// else, or nothing, depending on who applies it.
    fn check_real(&self, parent: &[u8]) -> Result<(), String> {
        let ends = parent.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(at, _)| at);
        for end in ends.chain([parent.len()]) {
            let path = &parent[..end];
            if let Some(id) = self.tree.lookup(path)
                && !self.tree.inode(id).is_directory()
            {
                return Err(format!("its parent `{}` is not a folder", path.escape_ascii()));
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, archive: &Content) -> Result<(), TreeError> {
        let meta = content::meta(entry, self.mtime);
        if entry.path.is_empty() {
            *self.tree.meta_mut(self.tree.root()) = meta;
            return Ok(());
        }
        let parents = Meta::root(0o755, self.mtime);
        self.tree.make_directories(split(&entry.path).0, &parents)?;
        let path = self.tree.canonical(&entry.path)?;
        let is_folder = entry.kind == EntryKind::Directory;
        // Before anything goes: it may be what has the path.
        let linked = match &entry.kind {
            EntryKind::HardLink(target) => Some(self.target(target)?),
            _ => None,
        };
        let there = self.tree.lookup(&path).map(|id| self.tree.inode(id).is_directory());
        if there.is_some_and(|there| there != is_folder) {
            self.tree.remove(&path);
        }
        if let Some(id) = linked {
            return self.tree.link(&path, id);
        }
        match content::node(&entry.kind, |offset, len| archive.part(offset, len)) {
            Some(node) => self.tree.put(&path, Inode { meta, node }).map(drop),
            None => Ok(()),
        }
    }

    fn target(&self, target: &[u8]) -> Result<cvmkit_formats::tree::InodeId, TreeError> {
        let path = self.tree.canonical(target)?;
        let found = self.tree.lookup(&path);
        found.ok_or_else(|| TreeError::NotFound(path.escape_ascii().to_string()))
    }
}

#[cfg(test)]
mod tests;
