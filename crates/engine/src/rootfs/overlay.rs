//! Files of the definition, which win over whatever packages and effects put in their place.
//!
//! They are placed twice: before the effects, so that a unit, a sysusers.d file or a certificate of
//! the definition takes part, and after them with their owners, so that nothing overwrites them.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::tree::{Inode, Meta, Node, TreeError};

use super::assembly::{Assembly, bare};
use super::{Accounts, Idle, RootfsError, capability};
use crate::content::Content;

/// What the definition puts somewhere.
#[derive(Clone, Debug)]
pub enum PlacedNode {
    /// A regular file.
    File(Content),
    /// A directory; what is in it already stays.
    Directory,
    /// A parent of the files of an overlay: one that is there already keeps its mode
    /// and owner, so that a file below `/root` or `/tmp` does not open the one and close the other.
    OverlayDirectory,
    /// A symbolic link with this target.
    Symlink(String),
    /// What is there already, by a package, an effect or an overlay.
    Existing(Changes),
}

/// What becomes another of something that is there; the rest stays.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Permission bits.
    pub mode: Option<u16>,
    /// Owner, by name or number.
    pub user: Option<String>,
    /// Group, by name or number.
    pub group: Option<String>,
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
    /// Extended attributes by full name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What it is.
    pub node: PlacedNode,
}

/// Places the request's files, which belong to root for now. Answers the directories of overlays
/// that packages have too.
pub(crate) fn place<'a>(assembly: &mut Assembly<'a>) -> Result<BTreeSet<&'a str>, RootfsError> {
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
        if matches!(file.node, PlacedNode::Existing(_)) {
            continue;
        }
        if let Some(owner) = owner(assembly, &file.path) {
            assembly.note(format!("`{}` of the definition replaces that of {owner}", file.path));
        }
        let meta = assembly.root(file.mode & 0o7777);
        if let Some(inode) = inode(file, meta) {
            assembly.put(&file.path, inode)?;
        }
    }
    Ok(kept)
}

/// Places them again, with their owners, but for the directories that are `kept`.
pub(crate) fn place_owned(
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
        if let PlacedNode::Existing(changes) = &file.node {
            change(assembly, file, changes, accounts)?;
        } else if let Some(inode) = inode(file, meta).filter(|_| !is_kept) {
            boot_hides(file)?;
            assembly.put(&file.path, inode)?;
        }
    }
    Ok(())
}

/// Refuses a file where every boot has a file system of its own: nobody would ever see it.
fn boot_hides(file: &Placed) -> Result<(), RootfsError> {
    let hidden = ["/run", "/proc", "/sys", "/dev"]
        .iter()
        .find(|folder| file.path.strip_prefix(**folder).is_some_and(|rest| rest.starts_with('/')));
    match hidden {
        None => Ok(()),
        Some(folder) => Err(RootfsError::NoEffect(vec![Idle {
            key: "files".to_owned(),
            value: file.path.clone(),
            why: format!("is below {folder}, where a boot puts a file system of its own"),
        }])),
    }
}

/// Changes what is given of something that is there.
fn change(
    assembly: &mut Assembly<'_>,
    file: &Placed,
    changes: &Changes,
    accounts: &Accounts,
) -> Result<(), RootfsError> {
    let path = bare(&file.path);
    let placed = |source| RootfsError::Place { path: path.to_owned(), source };
    let real = assembly.tree.canonical(path.as_bytes()).map_err(placed)?;
    let id = assembly.tree.lookup(&real);
    let id = id.ok_or_else(|| placed(TreeError::NotFound(path.to_owned())))?;
    let is_regular = matches!(assembly.tree.inode(id).node, Node::File(_));
    if let Node::Symlink(target) = &assembly.tree.inode(id).node {
        let what = format!(
            "a link to `{}`: name what it leads to, as a link has no attributes of its own",
            String::from_utf8_lossy(target)
        );
        return Err(RootfsError::Unsupported { path: path.to_owned(), what });
    }
    if !is_regular && file.xattrs.contains_key(capability::ATTRIBUTE.as_bytes()) {
        let what = "something other than a regular file: only those have capabilities".to_owned();
        return Err(RootfsError::Unsupported { path: path.to_owned(), what });
    }
    let what = format!("`{}`", file.path);
    let uid = changes.user.as_deref().map(|name| accounts.uid(name, &what)).transpose()?;
    let gid = changes.group.as_deref().map(|name| accounts.gid(name, &what)).transpose()?;
    let old = assembly.tree.inode(id).meta.clone();
    let meta = assembly.tree.meta_mut(id);
    meta.mode = changes.mode.map_or(old.mode, |mode| mode & 0o7777);
    meta.uid = uid.unwrap_or(old.uid);
    meta.gid = gid.unwrap_or(old.gid);
    meta.xattrs.extend(file.xattrs.clone());
    if *meta == old {
        return Err(RootfsError::NoEffect(vec![Idle {
            key: "files".to_owned(),
            value: file.path.clone(),
            why: "has all that is asked for already".to_owned(),
        }]));
    }
    let (mode, uid, gid) = (meta.mode, meta.uid, meta.gid);
    assembly.note(format!("{} is {mode:04o} {uid}:{gid} as the definition says", file.path));
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

fn inode(file: &Placed, meta: Meta) -> Option<Inode<Content>> {
    let meta = Meta { xattrs: file.xattrs.clone(), ..meta };
    Some(match &file.node {
        PlacedNode::Existing(_) => return None,
        PlacedNode::File(content) => Inode::file(meta, content.clone()),
        PlacedNode::Directory | PlacedNode::OverlayDirectory => Inode::directory(meta),
        PlacedNode::Symlink(target) => {
            let node = Node::Symlink(target.clone().into_bytes());
            Inode { meta: Meta { mode: 0o777, ..meta }, node }
        }
    })
}
