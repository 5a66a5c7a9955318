//! The tree while it is being assembled, with the few operations by which effects change it.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::source::read_all;
use cvmkit_formats::tree::{Inode, InodeId, Meta, Node, Tree, TreeError, split};

use super::{Notice, Request, RootfsError};
use crate::content::Content;

/// The largest file an effect reads: configuration, unit files, certificates.
const TEXT_MAX: u64 = 16 << 20;

/// The state all effects share.
#[derive(Debug)]
pub(crate) struct Assembly<'a> {
    /// What was asked for.
    pub request: &'a Request<'a>,
    /// The tree so far.
    pub tree: Tree<Content>,
    /// Package by path.
    pub owners: BTreeMap<Vec<u8>, String>,
    /// The virtual packages that each package provides, by its name.
    pub provided: BTreeMap<String, BTreeSet<String>>,
    /// What was done and why.
    pub log: Vec<String>,
    /// What is to be known beyond this build.
    pub notices: Vec<Notice>,
}

impl<'a> Assembly<'a> {
    pub(crate) fn new(request: &'a Request<'a>) -> Self {
        let tree = Tree::new(Meta::root(0o755, request.mtime));
        Self {
            request,
            tree,
            owners: BTreeMap::new(),
            provided: BTreeMap::new(),
            log: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Metadata of root's own things made now.
    pub(crate) fn root(&self, mode: u16) -> Meta {
        Meta::root(mode, self.request.mtime)
    }

    /// The inode at `path` with all links followed, if there is one.
    pub(crate) fn find(&self, path: &str) -> Option<InodeId> {
        self.tree.resolve(path.as_bytes()).ok()
    }

    /// True if anything is at `path`, be it a link to nowhere.
    pub(crate) fn occupied(&self, path: &str) -> bool {
        let canonical = self.tree.canonical(path.as_bytes());
        canonical.is_ok_and(|canonical| self.tree.lookup(&canonical).is_some())
    }

    /// True if a regular file is at `path`, links followed.
    pub(crate) fn is_file(&self, path: &str) -> bool {
        self.find(path).is_some_and(|id| matches!(self.tree.inode(id).node, Node::File(_)))
    }

    /// The contents of the regular file at `path`, links followed; nothing if there is none.
    pub(crate) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, RootfsError> {
        let Some(id) = self.find(path) else { return Ok(None) };
        let Node::File(content) = &self.tree.inode(id).node else { return Ok(None) };
        read_all(content, TEXT_MAX)
            .map(Some)
            .map_err(|source| RootfsError::Read { path: bare(path).to_owned(), source })
    }

    /// As [`Assembly::read`], as text.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>, RootfsError> {
        let Some(bytes) = self.read(path)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|_| RootfsError::Syntax {
            path: bare(path).to_owned(),
            line: 1,
            why: "is not UTF-8".to_owned(),
        })
    }

    /// The names in the directory at `path`, in byte order; none if there is no such directory.
    pub(crate) fn names(&self, path: &str) -> Result<Vec<String>, RootfsError> {
        let Some(id) = self.find(path) else { return Ok(Vec::new()) };
        let names = self.tree.entries(id);
        names
            .map(|(name, _)| match std::str::from_utf8(name) {
                Ok(name) => Ok(name.to_owned()),
                // A program that reads the folder at boot finds it: it must not be passed over here.
                Err(_) => Err(RootfsError::Unsupported {
                    path: bare(path).to_owned(),
                    what: format!("a name that is not UTF-8 (`{}`)", name.escape_ascii()),
                }),
            })
            .collect()
    }

    /// The target of the link at `path`, if it is one.
    pub(crate) fn target(&self, path: &str) -> Option<String> {
        let canonical = self.tree.canonical(path.as_bytes()).ok()?;
        match &self.tree.inode(self.tree.lookup(&canonical)?).node {
            Node::Symlink(target) => Some(String::from_utf8_lossy(target).into_owned()),
            _ => None,
        }
    }

    /// Puts an inode at `path`, making missing parents.
    pub(crate) fn put(&mut self, path: &str, inode: Inode<Content>) -> Result<(), RootfsError> {
        let path = bare(path);
        let placed = |source| RootfsError::Place { path: path.to_owned(), source };
        let (parent, _) = split(path.as_bytes());
        let meta = self.root(0o755);
        self.tree.make_directories(parent, &meta).map_err(placed)?;
        self.tree.put(path.as_bytes(), inode).map(drop).map_err(placed)
    }

    /// Writes a regular file of root's.
    pub(crate) fn write(
        &mut self,
        path: &str,
        mode: u16,
        contents: impl Into<Content>,
    ) -> Result<(), RootfsError> {
        self.put(path, Inode::file(self.root(mode), contents.into()))
    }

    /// Makes a symbolic link, in the place of another link or file.
    pub(crate) fn link(&mut self, path: &str, target: &str) -> Result<(), RootfsError> {
        self.put(path, Inode::symlink(target, self.request.mtime))
    }

    /// Makes `path` a directory if nothing is there.
    pub(crate) fn directory(&mut self, path: &str, meta: Meta) -> Result<(), RootfsError> {
        match self.tree.resolve(bare(path).as_bytes()) {
            Ok(id) if self.tree.inode(id).is_directory() => Ok(()),
            Ok(_) => Err(RootfsError::Place {
                path: bare(path).to_owned(),
                source: TreeError::NotADirectory(bare(path).to_owned()),
            }),
            Err(_) => self.put(path, Inode::directory(meta)),
        }
    }

    /// Remembers what was done and why.
    pub(crate) fn note(&mut self, line: impl Into<String>) {
        self.log.push(line.into());
    }
}

/// A path without its leading slash.
pub(crate) fn bare(path: &str) -> &str {
    path.trim_start_matches('/')
}
