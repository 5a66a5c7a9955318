//! The tree while it is being assembled, with the few operations by which effects change it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cvmkit_attest::output::Notice;
use cvmkit_formats::source::read_all;
use cvmkit_formats::tree::{Inode, InodeId, Meta, Node, Tree, TreeError, split};

use super::attribution::Attribution;
use super::{Request, RootfsError};
use crate::content::Content;

/// The largest file an effect reads: configuration, unit files, certificates.
const TEXT_MAX: u64 = 16 << 20;

/// How many links out of the tree are followed.
const LINKS_MAX: usize = 8;

/// How many links are followed on the way to where something is put (`MAXSYMLINKS` of Linux).
const DEPTH_MAX: usize = 40;

/// What layers have placed, by real path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layered {
    /// Files, links and devices.
    pub files: BTreeSet<Vec<u8>>,
    /// Folders that were not there before.
    pub folders: BTreeSet<Vec<u8>>,
    /// What another step took away for good.
    pub withheld: BTreeSet<Vec<u8>>,
}

/// The state all effects share.
#[derive(Debug)]
pub(crate) struct Assembly<'a> {
    /// What was asked for.
    pub request: &'a Request<'a>,
    /// The tree so far.
    pub tree: Tree<Content>,
    /// Package by path.
    pub owners: BTreeMap<Vec<u8>, String>,
    /// Who else says what of a path.
    pub attribution: Attribution,
    /// The virtual packages that each package provides, by its name.
    pub provided: BTreeMap<String, BTreeSet<String>>,
    /// What layers have placed.
    pub layered: Layered,
    /// What was done and why.
    pub log: Vec<String>,
    /// What is to be known beyond this build.
    pub notices: Vec<Notice>,
}

impl<'a> Assembly<'a> {
    pub(crate) fn new(request: &'a Request<'a>) -> Self {
        let tree = match request.base {
            Some(base) => base.tree.clone(),
            None => Tree::new(Meta::root(0o755, request.mtime)),
        };
        Self {
            request,
            tree,
            owners: BTreeMap::new(),
            attribution: Attribution::default(),
            provided: BTreeMap::new(),
            layered: Layered::default(),
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

    /// Where `path` leads: links are followed as far as the tree has them, so that a link to a device of
    /// the running machine gives the device's name.
    pub(crate) fn led_to(&self, path: &str) -> String {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            if let Ok(real) = self.tree.real_path(bare(&path).as_bytes()) {
                return format!("/{}", String::from_utf8_lossy(&real));
            }
            let Some(target) = self.target(&path) else { break };
            path = match target.strip_prefix('/') {
                Some(_) => target,
                None => format!("{}/{target}", path.rsplit_once('/').map_or("", |(to, _)| to)),
            };
        }
        plain(&path)
    }

    /// Where what is put at `path` comes to be: links above it are followed, whether what they lead to is there
    /// or not, and a link at `path` itself is not.
    pub(crate) fn destination(&self, path: &str) -> String {
        let mut names: VecDeque<String> = path.split('/').map(str::to_owned).collect();
        let (mut at, mut links) = (Vec::<String>::new(), 0);
        while let Some(name) = names.pop_front() {
            if name.is_empty() || name == "." {
                continue;
            }
            if name == ".." {
                at.pop();
                continue;
            }
            at.push(name);
            let is_last = names.iter().all(String::is_empty);
            let target = self.target(&at.join("/")).filter(|_| !is_last && links < DEPTH_MAX);
            if let Some(target) = target {
                links += 1;
                at.pop();
                if target.starts_with('/') {
                    at.clear();
                }
                target.split('/').rev().for_each(|name| names.push_front(name.to_owned()));
            }
        }
        format!("/{}", at.join("/"))
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

/// A path without empty names, `.` and `..`.
fn plain(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// A path without its leading slash.
pub(crate) fn bare(path: &str) -> &str {
    path.trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::tests::{access, assembly, at, refused};

    #[test]
    fn links_are_followed_by_what_reads_and_not_by_what_asks_for_the_name() {
        let request = Request::default();
        let tree = assembly(
            &request,
            &[
                ("/etc/file", "text"),
                ("/etc/folder/x", ""),
                ("/etc/link", "-> file"),
                ("/etc/dead", "-> gone"),
                ("/short", "-> etc"),
            ],
        );
        for (path, is_found, is_occupied, is_file, target) in [
            ("/etc/file", true, true, true, None),
            ("etc/file", true, true, true, None),
            ("/short/file", true, true, true, None),
            ("/etc/link", true, true, true, Some("file")),
            ("/etc/dead", false, true, false, Some("gone")),
            ("/etc/folder", true, true, false, None),
            ("/short", true, true, false, Some("etc")),
            ("/gone", false, false, false, None),
            ("/etc/file/x", false, false, false, None),
            ("/", true, true, false, None),
        ] {
            assert_eq!(tree.find(path).is_some(), is_found, "{path}");
            assert_eq!(tree.occupied(path), is_occupied, "{path}");
            assert_eq!(tree.is_file(path), is_file, "{path}");
            assert_eq!(tree.target(path).as_deref(), target, "{path}");
            assert_eq!(tree.read(path).unwrap().is_some(), is_file, "{path}");
        }
        assert_eq!(tree.text("/etc/link").unwrap().as_deref(), Some("text"));
    }

    #[test]
    fn a_file_that_is_no_text_is_refused_as_text_alone() {
        let request = Request::default();
        let mut tree = assembly(&request, &[]);
        tree.write("/etc/x", 0o644, vec![0xff]).unwrap();
        assert_eq!(tree.read("/etc/x").unwrap(), Some(vec![0xff]));
        refused(tree.text("/etc/x"), "`/etc/x`, line 1: is not UTF-8");
    }

    /// Sparse: 16 MiB are never in memory before the length is known.
    #[test]
    fn a_file_of_more_than_16_mib_is_not_read() {
        let request = Request::default();
        let object = tempfile::tempfile().unwrap();
        object.set_len(TEXT_MAX + 1).unwrap();
        let object = std::sync::Arc::new(object);
        for (len, is_read) in [(TEXT_MAX, true), (TEXT_MAX + 1, false)] {
            let mut tree = assembly(&request, &[]);
            let content = Content::Stored { object: object.clone(), offset: 0, len };
            tree.write("/etc/x", 0o644, content).unwrap();
            match tree.read("/etc/x") {
                Ok(bytes) => assert!(is_read && bytes.unwrap().len() as u64 == len),
                Err(RootfsError::Read { path, .. }) => assert!(!is_read && path == "etc/x"),
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn names_come_in_the_order_of_their_bytes_and_must_be_utf_8() {
        let request = Request::default();
        let mut tree = assembly(
            &request,
            &[("/etc/b", ""), ("/etc/a", ""), ("/etc/B", ""), ("/etc/é", ""), ("/link", "-> etc")],
        );
        let names = ["B", "a", "b", "é"];
        assert_eq!(tree.names("/etc").unwrap(), names);
        assert_eq!(tree.names("/link").unwrap(), names);
        for path in ["/gone", "/etc/a"] {
            assert_eq!(tree.names(path).unwrap(), [""; 0], "{path}");
        }
        let inode = Inode::file(tree.root(0o644), "".into());
        tree.tree.put(b"etc/\xff", inode).unwrap();
        refused(tree.names("/etc"), "`/etc` holds a name that is not UTF-8 (`\\xff`)");
    }

    #[test]
    fn what_is_put_has_parents_of_root_and_the_time_of_the_image() {
        let request = Request { mtime: 42, ..Request::default() };
        let mut tree = assembly(&request, &[]);
        tree.write("/a/b/file", 0o4711, "x").unwrap();
        tree.link("//a/b/link", "file").unwrap();
        assert_eq!(access(&tree, "/a/b"), (0o755, 0, 0));
        assert_eq!(access(&tree, "/a/b/file"), (0o4711, 0, 0));
        for path in ["/a", "/a/b", "/a/b/file"] {
            assert_eq!(tree.tree.inode(tree.find(path).unwrap()).meta.mtime, 42, "{path}");
        }
        // Another file or link takes the place, and a file is no folder.
        tree.link("/a/b/file", "other").unwrap();
        assert_eq!(at(&tree, "/a/b/file").as_deref(), Some("-> other"));
        tree.write("/a/b/link", 0o644, "now a file").unwrap();
        assert_eq!(at(&tree, "/a/b/link").as_deref(), Some("now a file"));
        refused(tree.write("/a/b/link/x", 0o644, ""), "can't make `/a/b/link/x`");
        refused(tree.write("/a/b", 0o644, ""), "can't make `/a/b`");
    }

    #[test]
    fn a_directory_is_made_once_and_in_the_place_of_nothing_else() {
        let request = Request::default();
        let mut tree =
            assembly(&request, &[("/etc/file", ""), ("/etc/real/", ""), ("/etc/link", "-> real")]);
        let meta = tree.root(0o700);
        for (path, mode) in [("/etc/new", 0o700), ("/etc/real", 0o755), ("/etc/link", 0o755)] {
            tree.directory(path, meta.clone()).unwrap();
            assert_eq!(access(&tree, path).0, mode, "{path}");
        }
        let made = tree.directory("/etc/file", meta);
        assert!(
            matches!(&made, Err(RootfsError::Place { path, source: TreeError::NotADirectory(of) })
                if path == "etc/file" && of == "etc/file"),
            "{made:?}"
        );
    }

    #[test]
    fn a_path_loses_its_leading_slashes() {
        for (path, expected) in [("/a/b", "a/b"), ("//a", "a"), ("a/", "a/"), ("/", ""), ("", "")] {
            assert_eq!(bare(path), expected);
        }
    }

    #[test]
    fn where_a_path_leads_is_followed_as_far_as_the_tree_has_it() {
        let request = Request::default();
        let assembly = assembly(
            &request,
            &[
                ("/usr/bin/x", ""),
                ("/bin", "-> usr/bin"),
                ("/etc/a", "-> b"),
                ("/etc/b", "-> ../dev/ttyS0"),
                ("/etc/loop", "-> loop"),
                ("/etc/abs", "-> /dev/./hvc0"),
            ],
        );
        for (path, led) in [
            ("/bin/x", "/usr/bin/x"),
            ("/usr//bin/./x", "/usr/bin/x"),
            ("/etc/a", "/dev/ttyS0"),
            ("/etc/abs", "/dev/hvc0"),
            ("/gone/../dev/console", "/dev/console"),
            ("/../..", "/"),
            ("/etc/loop", "/etc/loop"),
        ] {
            assert_eq!(assembly.led_to(path), led, "{path}");
        }
    }
}
