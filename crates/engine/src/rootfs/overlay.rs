//! Files of the definition, which win over whatever packages and effects put in their place.
//!
//! They are placed twice: before the effects, so that a unit, a sysusers.d file or a certificate of
//! the definition takes part, and after them with their owners, so that nothing overwrites them.

use std::collections::BTreeSet;

use cvmkit_formats::tree::{Inode, Meta, Node, TreeError};

use super::assembly::{Assembly, bare};
use super::{Accounts, Changes, Placed, PlacedNode, RootfsError, Unused, capability, hidden};
use crate::content::Content;

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
        let is_kept =
            matches!(file.node, PlacedNode::OverlayDirectory) && kept.contains(file.path.as_str());
        if is_kept {
            owners(file, accounts)?;
            continue;
        }
        if !matches!(file.node, PlacedNode::Existing(_)) {
            // Nobody would ever see it.
            hidden::check(assembly, &file.path, "files", hidden::mounted_over)?;
        }
        place_one(assembly, file, accounts, "files")?;
    }
    Ok(())
}

/// The ids of a file's user and group.
fn owners(file: &Placed, accounts: &Accounts) -> Result<(u32, u32), RootfsError> {
    let what = format!("`{}`", file.path);
    Ok((accounts.uid(&file.user, &what)?, accounts.gid(&file.group, &what)?))
}

/// Places one file with its owner, or changes what is there; `key` has it in the definition.
pub(crate) fn place_one(
    assembly: &mut Assembly<'_>,
    file: &Placed,
    accounts: &Accounts,
    key: &str,
) -> Result<(), RootfsError> {
    if let PlacedNode::Existing(changes) = &file.node {
        change(assembly, file, changes, accounts, key)?;
    } else {
        let mut meta = assembly.root(file.mode & 0o7777);
        (meta.uid, meta.gid) = owners(file, accounts)?;
        if let Some(inode) = inode(file, meta) {
            assembly.put(&file.path, inode)?;
        }
    }
    if let Ok(path) = assembly.tree.canonical(bare(&file.path).as_bytes()) {
        assembly.attribution.placed(&path, file);
    }
    Ok(())
}

/// Changes what is given of something that is there.
fn change(
    assembly: &mut Assembly<'_>,
    file: &Placed,
    changes: &Changes,
    accounts: &Accounts,
    key: &str,
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
        return Err(RootfsError::NoEffect(vec![Unused {
            key: key.to_owned(),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rootfs::tests::{MASTERS, access, assembly, at, refused};
    use crate::rootfs::{Request, accounts};

    fn placed(path: &str, node: PlacedNode) -> Placed {
        Placed {
            path: path.into(),
            mode: 0o640,
            user: "daemon".into(),
            group: "4".into(),
            xattrs: BTreeMap::new(),
            node,
        }
    }

    fn file(path: &str) -> Placed {
        placed(path, PlacedNode::File("own".into()))
    }

    /// The tree of `packaged` files after both placings; `daemon` is user 1.
    fn after<'a>(
        request: &'a Request<'a>,
        packaged: &[(&str, &str)],
    ) -> Result<Assembly<'a>, RootfsError> {
        let mut assembly = assembly(request, packaged);
        for (path, _) in packaged {
            assembly.owners.insert(bare(path).as_bytes().to_vec(), "pkg".into());
        }
        let kept = place(&mut assembly)?;
        assembly.write("/usr/lib/sysusers.d/x.conf", 0o644, "u daemon 1\n")?;
        let accounts = accounts::collect(&mut assembly, MASTERS)?;
        place_owned(&mut assembly, &accounts, &kept)?;
        Ok(assembly)
    }

    #[test]
    fn each_node_is_placed_with_its_mode_and_owners() {
        let files = [
            file("/srv/file"),
            placed("/srv/folder", PlacedNode::Directory),
            placed("/srv/new", PlacedNode::OverlayDirectory),
            placed("/srv/link", PlacedNode::Symlink("file".into())),
            Placed { mode: 0o14755, ..file("/srv/setuid") },
        ];
        let request = Request { files: &files, ..Request::default() };
        let tree = after(&request, &[]).unwrap();
        for (path, is, mode) in [
            ("/srv/file", "own", 0o640),
            ("/srv/folder", "/", 0o640),
            ("/srv/new", "/", 0o640),
            ("/srv/setuid", "own", 0o4755),
        ] {
            assert_eq!(at(&tree, path).as_deref(), Some(is), "{path}");
            assert_eq!(access(&tree, path), (mode, 1, 4), "{path}");
        }
        let link = tree.tree.lookup(b"srv/link").unwrap();
        let meta = &tree.tree.inode(link).meta;
        assert_eq!((meta.mode, meta.uid, meta.gid), (0o777, 1, 4));
    }

    #[test]
    fn before_owners_are_known_everything_is_roots() {
        let files = [file("/srv/file")];
        let request = Request { files: &files, ..Request::default() };
        let mut tree = assembly(&request, &[]);
        place(&mut tree).unwrap();
        assert_eq!(access(&tree, "/srv/file"), (0o640, 0, 0));
    }

    #[test]
    fn a_file_of_a_package_is_replaced_and_that_is_told() {
        let files =
            [file("/etc/x"), placed("/etc/folder", PlacedNode::Directory), file("/etc/new")];
        let request = Request { files: &files, ..Request::default() };
        let tree = after(&request, &[("/etc/x", "packaged"), ("/etc/folder/", "")]).unwrap();
        assert_eq!(at(&tree, "/etc/x").as_deref(), Some("own"));
        assert_eq!(tree.log, ["`/etc/x` of the definition replaces that of pkg"]);
    }

    /// A folder on the way to a file of an overlay keeps what a package says of it.
    #[test]
    fn folders_of_overlays_give_way_and_others_do_not() {
        let overlay = |path: &str| placed(path, PlacedNode::OverlayDirectory);
        let files = [overlay("/root"), overlay("/new"), overlay("/new"), overlay("/link")];
        let request = Request { files: &files, ..Request::default() };
        let packaged = [("/root/", ""), ("/real/", ""), ("/link", "-> real")];
        let tree = after(&request, &packaged).unwrap();
        assert_eq!(access(&tree, "/root"), (0o755, 0, 0));
        assert_eq!(access(&tree, "/new"), (0o640, 1, 4));
        assert_eq!(at(&tree, "/link").as_deref(), Some("-> real"));
        assert_eq!(access(&tree, "/real"), (0o755, 0, 0));
        let kept = place(&mut assembly(&request, &packaged)).unwrap();
        assert_eq!(kept, BTreeSet::from(["/root", "/link"]));
        // The same as a directory of the definition takes over.
        let files = [placed("/root", PlacedNode::Directory)];
        let request = Request { files: &files, ..Request::default() };
        assert_eq!(access(&after(&request, &packaged).unwrap(), "/root"), (0o640, 1, 4));
    }

    #[test]
    fn an_overlay_takes_no_file_for_a_folder() {
        for node in [PlacedNode::OverlayDirectory, PlacedNode::Directory] {
            let files = [placed("/etc/x", node)];
            let request = Request { files: &files, ..Request::default() };
            refused(after(&request, &[("/etc/x", "a file")]), "can't make `/etc/x`");
        }
    }

    fn existing(path: &str, changes: Changes) -> Placed {
        placed(path, PlacedNode::Existing(changes))
    }

    #[test]
    fn what_exists_changes_in_what_is_given_alone() {
        let own = |text: &str| Some(text.to_owned());
        for (changes, is) in [
            (Changes { mode: Some(0o600), ..Changes::default() }, (0o600, 0, 0)),
            (Changes { mode: Some(0o14755), ..Changes::default() }, (0o4755, 0, 0)),
            (Changes { user: own("daemon"), ..Changes::default() }, (0o644, 1, 0)),
            (Changes { group: own("7"), ..Changes::default() }, (0o644, 0, 7)),
            (Changes { mode: Some(0o400), user: own("7"), group: own("8") }, (0o400, 7, 8)),
        ] {
            let files = [existing("/etc/x", changes)];
            let request = Request { files: &files, ..Request::default() };
            let tree = after(&request, &[("/etc/x", "text")]).unwrap();
            assert_eq!(
                (access(&tree, "/etc/x"), at(&tree, "/etc/x").unwrap()),
                (is, "text".into())
            );
            let (mode, uid, gid) = is;
            let note = format!("/etc/x is {mode:04o} {uid}:{gid} as the definition says");
            assert_eq!(tree.log, [note]);
        }
        // Attributes are added to those that are there.
        let files = [Placed {
            xattrs: BTreeMap::from([(b"user.a".to_vec(), b"b".to_vec())]),
            ..existing("/etc/x", Changes::default())
        }];
        let request = Request { files: &files, ..Request::default() };
        let tree = after(&request, &[("/etc/x", "text")]).unwrap();
        let id = tree.find("/etc/x").unwrap();
        assert_eq!(tree.tree.inode(id).meta.xattrs[b"user.a".as_slice()], b"b");
    }

    #[test]
    fn a_change_that_can_not_be_is_refused() {
        let private = || Changes { mode: Some(0o600), ..Changes::default() };
        let capable = |path: &str| Placed {
            xattrs: BTreeMap::from([(capability::ATTRIBUTE.as_bytes().to_vec(), vec![1])]),
            ..existing(path, Changes::default())
        };
        let nobody = || Changes { user: Some("nobody-there".into()), ..Changes::default() };
        for (one, words) in [
            (existing("/etc/gone", private()), "can't make `/etc/gone`"),
            (existing("/etc/link", private()), "`/etc/link` holds a link to `x`"),
            (existing("/etc/x", Changes::default()), "files: `/etc/x` has all that is asked for"),
            (
                existing("/etc/x", Changes { mode: Some(0o644), ..Changes::default() }),
                "has all that is asked for already",
            ),
            (capable("/etc"), "`/etc` holds something other than a regular file"),
            (existing("/etc/x", nobody()), "`/etc/x` needs the user `nobody-there`"),
            (
                Placed { group: "nobody-there".into(), ..file("/etc/y") },
                "`/etc/y` needs the group `nobody-there`",
            ),
        ] {
            let files = [one];
            let request = Request { files: &files, ..Request::default() };
            refused(after(&request, &[("/etc/x", "text"), ("/etc/link", "-> x")]), words);
        }
        let files = [capable("/etc/x")];
        let request = Request { files: &files, ..Request::default() };
        after(&request, &[("/etc/x", "text")]).unwrap();
    }

    #[test]
    fn a_file_below_what_every_boot_mounts_is_refused() {
        for (path, folder) in [
            ("/run/x", Some("/run")),
            ("/proc/x", Some("/proc")),
            ("/sys/a/b", Some("/sys")),
            ("/dev/x", Some("/dev")),
            ("/var/run/x", Some("/run")),
            ("/runner/x", None),
            ("/tmp/x", None),
            ("/run", None),
        ] {
            let node =
                if path == "/run" { PlacedNode::Directory } else { PlacedNode::File("".into()) };
            let files = [placed(path, node)];
            let request = Request { files: &files, ..Request::default() };
            match (after(&request, &[("/run/", ""), ("/var/run", "-> /run")]), folder) {
                (Ok(_), None) => {}
                (result, Some(folder)) => {
                    let words = format!("below {folder}, where a boot puts a file system");
                    let error = result.map(drop).unwrap_err().to_string();
                    assert!(error.contains(&words) && error.contains(path), "{error}");
                }
                (Err(error), None) => panic!("{path}: {error}"),
            }
        }
    }
}
