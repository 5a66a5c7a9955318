//! A Linux file system as a value.
//!
//! Ownership, modes, device nodes and extended attributes are plain data here, which is why
//! building an image never needs root. File contents are whatever `C` is: the build uses references
//! into its store, tests use `Vec<u8>`.
//!
//! Paths are bytes, relative to the root, without a leading slash: `usr/bin/env`. The empty path is
//! the root. Entries iterate in byte order of their names, on every machine.

use std::collections::BTreeMap;

use thiserror::Error;

/// The last component of a path.
pub type Name = Vec<u8>;

/// The longest name Linux accepts (`NAME_MAX`, `linux/limits.h`).
pub const NAME_MAX: usize = 255;

/// How many symbolic links one path may pass (`MAXSYMLINKS`, `linux/namei.h`).
const SYMLINKS_MAX: usize = 40;

/// An inode's place in its [`Tree`]. Two directory entries with one id are hard links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId(usize);

impl InodeId {
    /// A dense index, below [`Tree::inode_slots`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}

/// What every inode carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits with setuid, setgid and sticky: `0o0000` to `0o7777`.
    pub mode: u16,
    /// Owner's user ID, as in the image: never looked up on the host.
    pub uid: u32,
    /// Owner's group ID, as in the image.
    pub gid: u32,
    /// Modification time, seconds since 1970-01-01 UTC.
    pub mtime: i64,
    /// Extended attributes by full name, such as `security.capability`.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Meta {
    /// Owned by root, no extended attributes.
    #[must_use]
    pub fn root(mode: u16, mtime: i64) -> Self {
        Self { mode, mtime, ..Self::default() }
    }
}

/// Major and minor number of a device node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Number of the driver: 12 bits in squashfs, 32 in cpio.
    pub major: u32,
    /// Number of the unit: 20 bits in squashfs, 32 in cpio.
    pub minor: u32,
}

/// What an inode is, with what only that type has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node<C> {
    /// Entries by name, in byte order.
    Directory(BTreeMap<Name, InodeId>),
    /// A regular file and its contents.
    File(C),
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// A character device.
    CharDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A named pipe (FIFO).
    Fifo,
    /// A Unix domain socket.
    Socket,
}

/// A file, directory, link, device, pipe or socket, without its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inode<C> {
    /// What every inode carries: owner, mode, time, attributes.
    pub meta: Meta,
    /// Type and contents.
    pub node: Node<C>,
}

impl<C> Inode<C> {
    /// A directory without entries.
    #[must_use]
    pub fn directory(meta: Meta) -> Self {
        Self { meta, node: Node::Directory(BTreeMap::new()) }
    }

    /// A regular file with these contents.
    #[must_use]
    pub fn file(meta: Meta, contents: C) -> Self {
        Self { meta, node: Node::File(contents) }
    }

    /// A symbolic link; links carry mode 0777 as the kernel shows them.
    #[must_use]
    pub fn symlink(target: impl Into<Vec<u8>>, mtime: i64) -> Self {
        Self { meta: Meta::root(0o777, mtime), node: Node::Symlink(target.into()) }
    }

    /// True for a directory; a link to one is not.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(self.node, Node::Directory(_))
    }
}

/// Why a path operation was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeError {
    /// A component does not exist.
    #[error("`/{0}` does not exist")]
    NotFound(String),
    /// A component that must be a directory is something else.
    #[error("`/{0}` is not a directory")]
    NotADirectory(String),
    /// The path exists already, as something that can't be replaced by what was given.
    #[error("`/{0}` exists already")]
    Exists(String),
    /// More than 40 symbolic links in one look-up.
    #[error("`/{0}` passes too many symbolic links")]
    SymlinkLoop(String),
    /// Empty, `.`, `..`, longer than 255 bytes, or with a slash or NUL.
    #[error("`{0}` is not a valid file name")]
    InvalidName(String),
}

/// A file system: inodes and the directory entries that name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree<C> {
    /// Indexed by [`InodeId`]; slot 0 is the root. Unlinked inodes stay as unreachable slots.
    inodes: Vec<Inode<C>>,
}

impl<C> Tree<C> {
    /// A tree of nothing but its root directory.
    #[must_use]
    pub fn new(root: Meta) -> Self {
        Self { inodes: vec![Inode::directory(root)] }
    }

    /// The root directory, which every tree has.
    #[must_use]
    pub fn root(&self) -> InodeId {
        InodeId(0)
    }

    /// One more than the largest [`InodeId::index`].
    #[must_use]
    pub fn inode_slots(&self) -> usize {
        self.inodes.len()
    }

    /// The inode behind an id of this tree.
    #[must_use]
    pub fn inode(&self, id: InodeId) -> &Inode<C> {
        &self.inodes[id.0]
    }

    /// The metadata behind an id, to change.
    pub fn meta_mut(&mut self, id: InodeId) -> &mut Meta {
        &mut self.inodes[id.0].meta
    }

    /// The contents of a regular file, to change: all its names see the change. None of anything else.
    pub fn contents_mut(&mut self, id: InodeId) -> Option<&mut C> {
        match &mut self.inodes[id.0].node {
            Node::File(contents) => Some(contents),
            _ => None,
        }
    }

    /// The entries of a directory, in byte order; none for anything else.
    pub fn entries(&self, id: InodeId) -> impl Iterator<Item = (&Name, InodeId)> {
        let entries = match &self.inode(id).node {
            Node::Directory(entries) => Some(entries),
            _ => None,
        };
        entries.into_iter().flatten().map(|(name, &id)| (name, id))
    }

    /// Looks `path` up without following a link anywhere.
    #[must_use]
    pub fn lookup(&self, path: &[u8]) -> Option<InodeId> {
        components(path).try_fold(self.root(), |id, name| match &self.inode(id).node {
            Node::Directory(entries) => entries.get(name).copied(),
            _ => None,
        })
    }

    /// Looks `path` up as the kernel would: links are followed, the last one too, `..` works, and
    /// nothing leaves the root.
    ///
    /// # Errors
    /// [`TreeError::NotFound`], [`TreeError::NotADirectory`] or [`TreeError::SymlinkLoop`].
    pub fn resolve(&self, path: &[u8]) -> Result<InodeId, TreeError> {
        self.follow(path).map(|(_, id)| id)
    }

    /// The real path of `path`: links in its parents are followed, the last component is taken as
    /// it is and need not exist. `lib/x` becomes `usr/lib/x` on a merged-/usr tree.
    ///
    /// # Errors
    /// As for [`Tree::resolve`], of a parent.
    pub fn canonical(&self, path: &[u8]) -> Result<Vec<u8>, TreeError> {
        let (parent, name) = split(path);
        let (mut real, id) = self.follow(parent)?;
        if name.is_empty() {
            return Ok(real);
        }
        if !self.inode(id).is_directory() {
            return Err(TreeError::NotADirectory(show(&real)));
        }
        if !real.is_empty() {
            real.push(b'/');
        }
        real.extend_from_slice(name);
        Ok(real)
    }

    /// The path of what `path` leads to, all links followed, the last one too.
    ///
    /// # Errors
    /// As for [`Tree::resolve`].
    pub fn real_path(&self, path: &[u8]) -> Result<Vec<u8>, TreeError> {
        self.follow(path).map(|(real, _)| real)
    }

    /// The real path and the inode that `path` leads to, all links followed.
    fn follow(&self, path: &[u8]) -> Result<(Vec<u8>, InodeId), TreeError> {
        let mut links = 0;
        let mut pending: Vec<Vec<u8>> = components(path).map(<[u8]>::to_vec).collect();
        pending.reverse();
        // The names and ids passed so far; `..` goes back along them.
        let mut passed: Vec<(Vec<u8>, InodeId)> = Vec::new();
        while let Some(name) = pending.pop() {
            let here = passed.last().map_or(self.root(), |&(_, id)| id);
            // `.` and `..` are names in a directory, too.
            let Node::Directory(entries) = &self.inode(here).node else {
                return Err(TreeError::NotADirectory(show(&joined(&passed))));
            };
            if name == b"." {
                continue;
            }
            if name == b".." {
                passed.pop();
                continue;
            }
            let Some(&next) = entries.get(&name) else {
                passed.push((name, here));
                return Err(TreeError::NotFound(show(&joined(&passed))));
            };
            match &self.inode(next).node {
                Node::Symlink(target) => {
                    links += 1;
                    if links > SYMLINKS_MAX {
                        return Err(TreeError::SymlinkLoop(show(path)));
                    }
                    if target.first() == Some(&b'/') {
                        passed.clear();
                    }
                    let start = pending.len();
                    pending.extend(components(target).map(<[u8]>::to_vec));
                    pending[start..].reverse();
                }
                _ => passed.push((name, next)),
            }
        }
        let id = passed.last().map_or(self.root(), |&(_, id)| id);
        Ok((joined(&passed), id))
    }

    /// Puts an inode at `path`, whose parent must exist (links in the parent are followed). What is
    /// there already is replaced, unless a directory meets a directory: then the entries stay and
    /// only the metadata is taken over.
    ///
    /// # Errors
    /// [`TreeError::Exists`] when a directory meets something else, [`TreeError::InvalidName`], or
    /// as for [`Tree::resolve`] of the parent.
    pub fn put(&mut self, path: &[u8], inode: Inode<C>) -> Result<InodeId, TreeError> {
        if components(path).next().is_none() {
            return match inode.node {
                Node::Directory(_) => {
                    self.inodes[0].meta = inode.meta;
                    Ok(self.root())
                }
                _ => Err(TreeError::Exists(String::new())),
            };
        }
        let (parent, name) = self.parent_for(path)?;
        if let Some(old) = self.entry(parent, &name) {
            match (self.inode(old).is_directory(), inode.is_directory()) {
                (true, true) => {
                    self.inodes[old.0].meta = inode.meta;
                    return Ok(old);
                }
                (false, false) => {}
                _ => return Err(TreeError::Exists(show(path))),
            }
        }
        let id = InodeId(self.inodes.len());
        self.inodes.push(inode);
        self.set_entry(parent, name, id);
        Ok(id)
    }

    /// Makes `path` another name of the inode `id`, which must not be a directory.
    ///
    /// # Errors
    /// [`TreeError::Exists`] if `path` is a directory or `id` is one; otherwise as [`Tree::put`].
    pub fn link(&mut self, path: &[u8], id: InodeId) -> Result<(), TreeError> {
        let (parent, name) = self.parent_for(path)?;
        let replaces_directory =
            self.entry(parent, &name).is_some_and(|old| self.inode(old).is_directory());
        if replaces_directory || self.inode(id).is_directory() {
            return Err(TreeError::Exists(show(path)));
        }
        self.set_entry(parent, name, id);
        Ok(())
    }

    /// Makes sure `path` and its parents are directories; those that are missing get `meta`.
    ///
    /// # Errors
    /// [`TreeError::NotADirectory`] where something else has the name.
    pub fn make_directories(&mut self, path: &[u8], meta: &Meta) -> Result<InodeId, TreeError> {
        let mut at = Vec::new();
        let mut id = self.root();
        for name in components(path) {
            if !at.is_empty() {
                at.push(b'/');
            }
            at.extend_from_slice(name);
            id = match self.resolve(&at) {
                Ok(id) if self.inode(id).is_directory() => id,
                Ok(_) => return Err(TreeError::NotADirectory(show(&at))),
                Err(TreeError::NotFound(_)) => self.put(&at, Inode::directory(meta.clone()))?,
                Err(other) => return Err(other),
            };
        }
        Ok(id)
    }

    /// Removes the entry at `path` with all below it, following no link; false if there was none.
    pub fn remove(&mut self, path: &[u8]) -> bool {
        let (parent, name) = split(path);
        let Some(parent) = self.lookup(parent) else { return false };
        match &mut self.inodes[parent.0].node {
            Node::Directory(entries) => entries.remove(name).is_some(),
            _ => false,
        }
    }

    /// Gives the entry at `from` the name `to`, in the place of what has it: a directory only in the place of
    /// an empty one (rename(2)). Links in the parents are followed, the last components are taken as they are.
    ///
    /// # Errors
    /// [`TreeError::Exists`] if `to` is a directory that is not empty, is one where `from` is none or the
    /// other way round, or lies below `from`; [`TreeError::NotFound`]; otherwise as [`Tree::put`].
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), TreeError> {
        let (old_parent, old_name) = self.parent_for(from)?;
        let (parent, name) = self.parent_for(to)?;
        let id = self.entry(old_parent, &old_name);
        let id = id.ok_or_else(|| TreeError::NotFound(show(from)))?;
        if self.is_below(id, parent) {
            return Err(TreeError::Exists(show(to)));
        }
        if let Some(there) = self.entry(parent, &name) {
            if there == id {
                // Two names of one file: both stay (rename(2)).
                return Ok(());
            }
            let is_directory = self.inode(id).is_directory();
            let is_taken = self.inode(there).is_directory() != is_directory
                || self.entries(there).next().is_some();
            if is_taken {
                return Err(TreeError::Exists(show(to)));
            }
        }
        if let Node::Directory(entries) = &mut self.inodes[old_parent.0].node {
            entries.remove(&old_name);
        }
        self.set_entry(parent, name, id);
        Ok(())
    }

    /// Whether `inner` is `outer` or a directory somewhere below it.
    fn is_below(&self, outer: InodeId, inner: InodeId) -> bool {
        let mut pending = vec![outer];
        while let Some(id) = pending.pop() {
            if id == inner {
                return true;
            }
            let below = self.entries(id).map(|(_, id)| id);
            pending.extend(below.filter(|&id| self.inode(id).is_directory()));
        }
        false
    }

    /// Every path with its inode, parents before their entries, in byte order within a directory.
    /// The root comes first, as the empty path. A hard-linked inode comes once per name.
    #[must_use]
    pub fn walk(&self) -> Vec<(Vec<u8>, InodeId)> {
        let mut found = Vec::with_capacity(self.inodes.len());
        let mut pending = vec![(Vec::new(), self.root())];
        while let Some((path, id)) = pending.pop() {
            let below = pending.len();
            for (name, child) in self.entries(id) {
                let mut child_path = path.clone();
                if !child_path.is_empty() {
                    child_path.push(b'/');
                }
                child_path.extend_from_slice(name);
                pending.push((child_path, child));
            }
            pending[below..].reverse();
            found.push((path, id));
        }
        found
    }

    /// How many names each inode has, indexed by [`InodeId::index`]; 0 for unlinked slots. For a
    /// directory it is 1: its `.` and its entries' `..` are not counted.
    #[must_use]
    pub fn link_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.inodes.len()];
        for (_, id) in self.walk() {
            counts[id.0] += 1;
        }
        counts
    }

    /// The same tree with other contents.
    ///
    /// # Errors
    /// The first one `convert` answers.
    pub fn try_map<D, E>(self, mut convert: impl FnMut(C) -> Result<D, E>) -> Result<Tree<D>, E> {
        let inodes = self.inodes.into_iter().map(|Inode { meta, node }| {
            let node = match node {
                Node::Directory(entries) => Node::Directory(entries),
                Node::File(contents) => Node::File(convert(contents)?),
                Node::Symlink(target) => Node::Symlink(target),
                Node::CharDevice(device) => Node::CharDevice(device),
                Node::BlockDevice(device) => Node::BlockDevice(device),
                Node::Fifo => Node::Fifo,
                Node::Socket => Node::Socket,
            };
            Ok(Inode { meta, node })
        });
        Ok(Tree { inodes: inodes.collect::<Result<_, _>>()? })
    }

    fn entry(&self, directory: InodeId, name: &[u8]) -> Option<InodeId> {
        match &self.inode(directory).node {
            Node::Directory(entries) => entries.get(name).copied(),
            _ => None,
        }
    }

    fn set_entry(&mut self, directory: InodeId, name: Name, id: InodeId) {
        if let Node::Directory(entries) = &mut self.inodes[directory.0].node {
            entries.insert(name, id);
        }
    }

    fn parent_for(&self, path: &[u8]) -> Result<(InodeId, Name), TreeError> {
        let (parent, name) = split(path);
        if !is_valid_name(name) {
            return Err(TreeError::InvalidName(show(name)));
        }
        let id = self.resolve(parent)?;
        if !self.inode(id).is_directory() {
            return Err(TreeError::NotADirectory(show(parent)));
        }
        Ok((id, name.to_vec()))
    }
}

/// True for what Linux takes as the name of a directory entry.
#[must_use]
pub fn is_valid_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name != b"."
        && name != b".."
        && name.len() <= NAME_MAX
        && !name.contains(&b'/')
        && !name.contains(&0)
}

/// The parent and the last component of a path: `usr/bin/env` is `usr/bin` and `env`.
#[must_use]
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

/// The components of a path; repeated slashes count as one.
pub fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
}

fn joined(passed: &[(Vec<u8>, InodeId)]) -> Vec<u8> {
    let names: Vec<&[u8]> = passed.iter().map(|(name, _)| name.as_slice()).collect();
    names.join(&b'/')
}

fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests;
