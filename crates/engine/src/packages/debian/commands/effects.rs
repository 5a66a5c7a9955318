//! What a script changed: each path that it touched, before and after.
//!
//! A path counts where its state differs in the end: what a script makes and takes away again is no effect.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Write as _;

use cvmkit_formats::digest::{Hasher, Sha256};
use cvmkit_formats::source::{Source as _, read_all};
use cvmkit_formats::tree::{Inode, Meta, Node};

use super::accounts::{AccountChange, Versions, changes};
use super::system::{Before, System};
use crate::content::Content;
use crate::rootfs::capability;

/// The longest contents that are compared; longer ones count as changed.
const COMPARED_MAX: u64 = 64 << 20;

/// How much of contents is hashed at a time.
const PIECE: u64 = 1 << 20;

/// What a script did to one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// To a path: its spelling in the tree with a leading `/`, what is there now, and what of it no log shows.
    Path(String, PathState, String),
    /// To an account.
    Account(AccountChange),
    /// It asks another step of the build for something.
    Asks(String),
    /// It asks no longer for what a script has asked for before.
    AsksNoMore(String),
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathState {
    /// Nothing any more.
    Gone,
    /// A link to this target.
    Link(String),
    /// Anything else.
    Node {
        /// `file`, `folder` and so on.
        kind: &'static str,
        /// Twelve bits.
        mode: u16,
        /// The owner's name, or its id where it has none.
        user: String,
        /// The group's, likewise.
        group: String,
    },
}

impl Effect {
    /// As one line with everything that makes it differ from another: what a digest covers.
    #[must_use]
    pub fn record(&self) -> String {
        match self {
            // A name with spaces could read as a name and what became of it.
            Self::Path(path, _, detail) if path.contains(' ') => {
                format!("{} bytes: {self}{detail}", path.len())
            }
            Self::Path(_, _, detail) => format!("{self}{detail}"),
            Self::Account(change) => change.record(),
            Self::Asks(_) | Self::AsksNoMore(_) => self.to_string(),
        }
    }

    /// Whether a log has it.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        match self {
            Self::Account(change) => change.is_shown(),
            Self::Path(..) | Self::Asks(_) | Self::AsksNoMore(_) => true,
        }
    }
}

impl fmt::Display for Effect {
    /// As a log has it: `/etc/redis/redis.conf 0640 redis:redis`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path, PathState::Gone, _) => write!(f, "{path} is gone"),
            Self::Path(path, PathState::Link(target), _) => write!(f, "{path} -> {target}"),
            Self::Path(path, PathState::Node { kind, mode, user, group }, detail) => {
                let slash = if *kind == "folder" { "/" } else { "" };
                write!(f, "{path}{slash} {mode:04o} {user}:{group}")?;
                let is_capable = detail.contains(&format!(", {}=", capability::ATTRIBUTE));
                if is_capable { f.write_str(" with capabilities") } else { Ok(()) }
            }
            Self::Account(change) => change.fmt(f),
            Self::Asks(what) => f.write_str(what),
            Self::AsksNoMore(what) => write!(f, "no longer: {what}"),
        }
    }
}

impl System<'_, '_> {
    /// Remembers what is at a path, before a script changes it for the first time.
    pub(super) fn touch(&mut self, path: &[u8]) {
        let tree = &self.assembly.tree;
        let Ok(canonical) = tree.canonical(path) else { return };
        let id = tree.lookup(&canonical);
        // What changes is an inode, whichever of its names it is changed by.
        if let Some(id) = id.filter(|id| !self.made_inodes.contains(id)) {
            self.touched_inodes.entry(id).or_insert_with(|| light(tree.inode(id)));
        }
        let inode = || id.map(|id| (id, light(tree.inode(id))));
        self.touched.entry(canonical).or_insert_with(|| {
            let inode = inode();
            Before { id: inode.as_ref().map(|(id, _)| *id), inode: inode.map(|(_, inode)| inode) }
        });
    }

    /// Remembers that nothing is at a path whose folder is not there yet.
    pub(super) fn touch_new(&mut self, canonical: Vec<u8>) {
        self.touched.entry(canonical).or_insert(Before { id: None, inode: None });
    }

    /// What scripts have changed since the last call: accounts and paths by path, then what they ask of others.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        let mut touched = std::mem::take(&mut self.touched);
        let groups = self.group_names();
        self.add_other_names(&mut touched);
        let mut effects: Vec<Effect> = Vec::new();
        for (path, before) in touched {
            let accounts = self.account_changes(&path, &before, &groups);
            let is_table = accounts.is_some();
            effects.extend(accounts.into_iter().flatten().map(Effect::Account));
            effects.extend(self.effect(&path, &before, is_table));
        }
        let asks: BTreeSet<String> = self.asked.lines().collect();
        let news = asks.difference(&self.told).cloned().map(Effect::Asks);
        effects.extend(news);
        effects.extend(self.told.difference(&asks).cloned().map(Effect::AsksNoMore));
        effects.extend(std::mem::take(&mut self.deferred).into_iter().map(Effect::Asks));
        self.told = asks;
        effects
    }

    /// Adds the names by which a file was not changed: it was by another one, which a script made or took away.
    fn add_other_names(&mut self, touched: &mut BTreeMap<Vec<u8>, Before>) {
        self.made_inodes.clear();
        let mut changed = std::mem::take(&mut self.touched_inodes);
        let tree = &self.assembly.tree;
        for (path, before) in touched.iter() {
            // Told by the name that it had and has.
            if let Some(id) = before.id.filter(|id| tree.lookup(path) == Some(*id)) {
                changed.remove(&id);
            }
        }
        changed.retain(|id, before| {
            let now = tree.inode(*id);
            !is_same_meta(&now.meta, &before.0) || !is_same_node(&now.node, &before.1)
        });
        if changed.is_empty() {
            return;
        }
        for (path, id) in tree.walk() {
            if let Some(inode) = changed.get(&id) {
                let before = Before { id: Some(id), inode: Some(inode.clone()) };
                touched.entry(path).or_insert(before);
            }
        }
    }

    /// The changes of a table of accounts that was there before and is there now.
    fn account_changes(
        &self,
        path: &[u8],
        before: &Before,
        groups: &BTreeMap<String, String>,
    ) -> Option<Vec<AccountChange>> {
        let text = |content: &Content| {
            let bytes = read_all(content, COMPARED_MAX).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let (_, Node::File(before)) = before.inode.as_ref()? else { return None };
        let id = self.assembly.tree.lookup(path)?;
        let Node::File(now) = &self.assembly.tree.inode(id).node else { return None };
        let path = [b"/", path].concat();
        let (before, now) = (text(before)?, text(now)?);
        let (unfixed, day) = (&self.unfixed, self.day());
        changes(&path, &Versions { before: &before, now: &now, unfixed, day: &day, groups })
    }

    fn effect(&self, path: &[u8], before: &Before, is_table: bool) -> Option<Effect> {
        let tree = &self.assembly.tree;
        let now = tree.lookup(path).map(|id| tree.inode(id));
        let text = format!("/{}", String::from_utf8_lossy(path));
        let (state, detail) = match (now, &before.inode) {
            (None, None) => return None,
            (None, Some(_)) => (PathState::Gone, String::new()),
            (Some(now), Some((meta, node))) => {
                let same_meta = is_same_meta(&now.meta, meta);
                // What is in a table of accounts is told by account.
                let same_node = is_table || is_same_node(&now.node, node);
                if same_meta && same_node {
                    return None;
                }
                (self.state(now), detail(now, !same_node))
            }
            (Some(now), None) => (self.state(now), detail(now, true)),
        };
        Some(Effect::Path(text, state, detail + &self.unsaid(path, now)))
    }

    /// What the words for a path leave out: its bytes where they are no text, and the owner of a link.
    fn unsaid(&self, path: &[u8], now: Option<&Inode<Content>>) -> String {
        let bytes = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(_) => String::new(),
            Err(_) => format!(", as bytes {}", hex::encode(bytes)),
        };
        let mut text = bytes(path);
        if let Some(Inode { meta, node: Node::Symlink(target) }) = now {
            text += &bytes(target);
            if (meta.uid, meta.gid) != (0, 0) {
                let user = self.name_of("/etc/passwd", meta.uid);
                text += &format!(", of {user}:{}", self.name_of("/etc/group", meta.gid));
            }
        }
        text
    }

    fn state(&self, inode: &Inode<Content>) -> PathState {
        let Inode { meta, node } = inode;
        let kind = match node {
            Node::Symlink(target) => {
                return PathState::Link(String::from_utf8_lossy(target).into_owned());
            }
            Node::File(_) => "file",
            Node::Directory(_) => "folder",
            Node::CharDevice(_) => "character device",
            Node::BlockDevice(_) => "block device",
            Node::Fifo => "fifo",
            Node::Socket => "socket",
        };
        PathState::Node {
            kind,
            mode: meta.mode,
            user: self.name_of("/etc/passwd", meta.uid),
            group: self.name_of("/etc/group", meta.gid),
        }
    }
}

/// An inode without the entries of a folder.
fn light(inode: &Inode<Content>) -> (Meta, Node<Content>) {
    match &inode.node {
        Node::Directory(_) => (inode.meta.clone(), Node::Directory(BTreeMap::new())),
        node => (inode.meta.clone(), node.clone()),
    }
}

/// What of an inode its state does not say: contents if they are the script's, device numbers, attributes.
fn detail(inode: &Inode<Content>, is_new_content: bool) -> String {
    let mut text = String::new();
    match &inode.node {
        // What can't be read is told by whoever reads it ([`System::take_broken`]).
        Node::File(content) if is_new_content => match sha256(content) {
            Some(sha256) => text += &format!(", a file with SHA-256 {sha256}"),
            None => text += ", a file that can't be read",
        },
        Node::File(_) => text += ", a file",
        Node::CharDevice(device) => {
            text += &format!(", a character device {}:{}", device.major, device.minor);
        }
        Node::BlockDevice(device) => {
            text += &format!(", a block device {}:{}", device.major, device.minor);
        }
        Node::Fifo => text += ", a pipe",
        Node::Socket => text += ", a socket",
        Node::Directory(_) | Node::Symlink(_) => {}
    }
    for (name, value) in &inode.meta.xattrs {
        let _ = write!(text, ", {}={}", String::from_utf8_lossy(name), hex::encode(value));
    }
    text
}

fn sha256(content: &Content) -> Option<Sha256> {
    let mut hasher = Hasher::default();
    let mut at = 0;
    while at < content.len() {
        let mut piece = vec![0; usize::try_from(PIECE.min(content.len() - at)).ok()?];
        content.read_at(at, &mut piece).ok()?;
        hasher.update(&piece);
        at += PIECE;
    }
    Some(hasher.finish().0)
}

/// Whether attributes are as before; times do not count.
fn is_same_meta(now: &Meta, before: &Meta) -> bool {
    let of = |meta: &Meta| (meta.mode, meta.uid, meta.gid, meta.xattrs.clone());
    of(now) == of(before)
}

/// Whether what was there is there still, but for the entries of a folder.
fn is_same_node(now: &Node<Content>, before: &Node<Content>) -> bool {
    match (now, before) {
        (Node::File(now), Node::File(before)) => is_same_content(now, before),
        (Node::Directory(_), Node::Directory(_)) => true,
        (Node::Symlink(now), Node::Symlink(before)) => now == before,
        (Node::CharDevice(now), Node::CharDevice(before))
        | (Node::BlockDevice(now), Node::BlockDevice(before)) => now == before,
        (Node::Fifo, Node::Fifo) | (Node::Socket, Node::Socket) => true,
        _ => false,
    }
}

fn is_same_content(now: &Content, before: &Content) -> bool {
    now.len() == before.len()
        && match (read_all(now, COMPARED_MAX), read_all(before, COMPARED_MAX)) {
            (Ok(now), Ok(before)) => now == before,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use cvmkit_shell::world::Files as _;

    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::assembly;

    #[test]
    fn no_two_effects_have_one_record() {
        let link = |path: &str, target: &str| {
            Effect::Path(path.to_owned(), PathState::Link(target.to_owned()), String::new())
        };
        let gone = |path: &str| Effect::Path(path.to_owned(), PathState::Gone, String::new());
        for (one, other) in [
            (link("/a", "b is gone"), gone("/a -> b")),
            (link("/a", "b -> c"), link("/a -> b", "c")),
        ] {
            assert_eq!(one.to_string(), other.to_string());
            assert_ne!(one.record(), other.record());
        }
        assert_eq!(gone("/a").record(), "/a is gone");
    }

    #[test]
    fn what_differs_in_the_end_is_told_with_names() {
        let request = Request::default();
        let files = [
            ("/etc/passwd", "root:x:0:0::/:/bin/sh\nweb:x:33:33::/:/bin/sh\n"),
            ("/etc/group", "root:x:0:\nweb:x:33:\n"),
            ("/etc/same", "same"),
            ("/etc/other", "old"),
            ("/etc/gone", ""),
            ("/etc/moved/below", "x"),
        ];
        let mut tree = assembly(&request, &files);
        let mut system = System::new(&mut tree, &[], "amd64");
        system.write(b"/etc/same", b"same", 0o644).unwrap();
        system.write(b"/etc/other", b"new", 0o644).unwrap();
        system.set_owner(b"/etc/other", Some(33), Some(7), true).unwrap();
        system.write(b"/etc/temporary", b"", 0o600).unwrap();
        system.remove(b"/etc/temporary").unwrap();
        system.remove(b"/etc/gone").unwrap();
        system.make_symlink(b"/etc/link", b"other").unwrap();
        system.make_directory(b"/etc/new", 0o750).unwrap();
        system.rename(b"/etc/moved", b"/etc/to").unwrap();
        let effects: Vec<String> = system.take_effects().iter().map(Effect::to_string).collect();
        assert_eq!(
            effects,
            [
                "/etc/gone is gone",
                "/etc/link -> other",
                "/etc/moved is gone",
                "/etc/moved/below is gone",
                "/etc/new/ 0750 root:root",
                "/etc/other 0644 web:7",
                "/etc/to/ 0755 root:root",
                "/etc/to/below 0644 root:root",
            ]
        );
        assert!(system.take_effects().is_empty());
    }

    /// What a script changes by a name that it makes and takes away is told by the name that stays.
    #[test]
    fn a_file_that_was_changed_by_another_name_is_told() {
        let request = Request::default();
        let files = [("/usr/bin/dash", "x"), ("/usr/bin/kept", "y"), ("/etc/moved", "z")];
        let mut tree = assembly(&request, &files);
        let mut system = System::new(&mut tree, &[], "amd64");
        let told = |system: &mut System<'_, '_>| {
            system.take_effects().iter().map(Effect::to_string).collect::<Vec<_>>()
        };
        system.make_link(b"/usr/bin/dash", b"/etc/d").unwrap();
        system.set_mode(b"/etc/d", 0o4755).unwrap();
        system.remove(b"/etc/d").unwrap();
        assert_eq!(told(&mut system), ["/usr/bin/dash 4755 0:0"]);
        // In one run it is made, in the next it serves.
        system.make_link(b"/usr/bin/kept", b"/etc/k").unwrap();
        assert_eq!(told(&mut system), ["/etc/k 0644 0:0"]);
        system.write(b"/etc/k", b"other", 0o644).unwrap();
        system.remove(b"/etc/k").unwrap();
        assert_eq!(told(&mut system), ["/etc/k is gone", "/usr/bin/kept 0644 0:0"]);
        // A file that moved is told once, and so is one that is new.
        system.rename(b"/etc/moved", b"/etc/there").unwrap();
        system.set_mode(b"/etc/there", 0o600).unwrap();
        system.write(b"/etc/new", b"", 0o644).unwrap();
        system.set_mode(b"/etc/new", 0o640).unwrap();
        let expected = ["/etc/moved is gone", "/etc/new 0640 0:0", "/etc/there 0600 0:0"];
        assert_eq!(told(&mut system), expected);
        system.set_mode(b"/etc/new", 0o640).unwrap();
        assert_eq!(told(&mut system), [""; 0]);
    }
}
