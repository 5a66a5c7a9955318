//! What a script changed: each path that it touched, before and after.
//!
//! A path counts where its state differs in the end: what a script makes and takes away again is no effect.

use std::collections::BTreeMap;
use std::fmt;

use cvmkit_formats::source::{Source as _, read_all};
use cvmkit_formats::tree::{Inode, Meta, Node};

use super::system::{Before, System};
use crate::content::Content;

/// The longest contents that are compared; longer ones count as changed.
const COMPARED_MAX: u64 = 64 << 20;

/// What a script did to one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Absolute, as the tree spells it.
    pub path: String,
    /// What is there now.
    pub state: PathState,
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

impl fmt::Display for Effect {
    /// As a log has it: `/etc/redis/redis.conf 0640 redis:redis`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, state } = self;
        match state {
            PathState::Gone => write!(f, "{path} is gone"),
            PathState::Link(target) => write!(f, "{path} -> {target}"),
            PathState::Node { kind, mode, user, group, .. } => {
                let slash = if *kind == "folder" { "/" } else { "" };
                write!(f, "{path}{slash} {mode:04o} {user}:{group}")
            }
        }
    }
}

impl System<'_, '_> {
    /// Remembers what is at a path, before a script changes it for the first time.
    pub(super) fn touch(&mut self, path: &[u8]) {
        let tree = &self.assembly.tree;
        let Ok(canonical) = tree.canonical(path) else { return };
        if self.touched.contains_key(&canonical) {
            return;
        }
        let light = |inode: &Inode<Content>| match &inode.node {
            Node::Directory(_) => (inode.meta.clone(), Node::Directory(BTreeMap::new())),
            node => (inode.meta.clone(), node.clone()),
        };
        let inode = tree.lookup(&canonical).map(|id| light(tree.inode(id)));
        self.touched.insert(canonical, Before { inode });
    }

    /// Remembers that nothing is at a path whose folder is not there yet.
    pub(super) fn touch_new(&mut self, canonical: Vec<u8>) {
        self.touched.entry(canonical).or_insert(Before { inode: None });
    }

    /// What scripts have changed since the last call, by path.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        let touched = std::mem::take(&mut self.touched);
        let effects = touched.into_iter().filter_map(|(path, before)| self.effect(&path, &before));
        effects.collect()
    }

    fn effect(&self, path: &[u8], before: &Before) -> Option<Effect> {
        let tree = &self.assembly.tree;
        let now = tree.lookup(path).map(|id| tree.inode(id));
        let text = format!("/{}", String::from_utf8_lossy(path));
        let state = match (now, &before.inode) {
            (None, None) => return None,
            (None, Some(_)) => PathState::Gone,
            (Some(now), Some(before)) if is_same(now, before) => return None,
            (Some(now), _) => self.state(now),
        };
        Some(Effect { path: text, state })
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

/// Whether what was there is there still; times do not count.
fn is_same(now: &Inode<Content>, (meta, node): &(Meta, Node<Content>)) -> bool {
    let is_same_node = match (&now.node, node) {
        (Node::File(now), Node::File(before)) => is_same_content(now, before),
        (Node::Directory(_), Node::Directory(_)) => true,
        (Node::Symlink(now), Node::Symlink(before)) => now == before,
        (Node::CharDevice(now), Node::CharDevice(before))
        | (Node::BlockDevice(now), Node::BlockDevice(before)) => now == before,
        (Node::Fifo, Node::Fifo) | (Node::Socket, Node::Socket) => true,
        _ => false,
    };
    let of = |meta: &Meta| (meta.mode, meta.uid, meta.gid, meta.xattrs.clone());
    is_same_node && of(&now.meta) == of(meta)
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
}
