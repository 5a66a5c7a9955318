//! For an image whose `/var` is a fresh tmpfs at each boot (`systemd.volatile=state`, systemd(1)):
//! a tmpfiles.d file that makes it again as it was assembled.
//!
//! Directories and links come back as lines, regular files as copies of `/usr/share/factory/var`,
//! where they get a second name. dpkg's database is only linked to there: it is read, never written.

use cvmkit_formats::tree::{Inode, InodeId, Meta, Node, Tree, TreeError};

use super::{Rootfs, RootfsError};
use crate::content::Content;

/// Named to come first, so that a line of a package for the same path is the one that is ignored.
const PATH: &str = "usr/lib/tmpfiles.d/00-cvmkit-var.conf";

/// Where tmpfiles.d(5) expects originals.
const FACTORY: &str = "usr/share/factory";

/// Not made again file by file.
const LEFT_OUT: &[&str] = &[DPKG, "var/run", "var/lock"];

/// dpkg's database.
const DPKG: &str = "var/lib/dpkg";

/// Adds the file to a finished root file system; what it makes has the time `mtime`. Call it last:
/// what is put below `/var` afterwards is not there after a boot.
///
/// # Errors
/// [`RootfsError::Unsupported`] for what tmpfiles.d can't make, [`RootfsError::Place`] where
/// something is in the way.
pub fn remake_var_at_boot(rootfs: &mut Rootfs, mtime: i64) -> Result<(), RootfsError> {
    let tree = &mut rootfs.tree;
    let below: Vec<(String, InodeId)> = tree
        .walk()
        .into_iter()
        .map(|(path, id)| (String::from_utf8_lossy(&path).into_owned(), id))
        .filter(|(path, _)| path.starts_with("var/") && !is_left_out(path))
        .collect();
    let mut text =
        String::from("# /var as it was assembled, for a boot with systemd.volatile=state.\n");
    for (path, id) in below {
        text += &line(tree, &path, id)?;
        if matches!(tree.inode(id).node, Node::File(_)) {
            let copy = format!("{FACTORY}/{path}");
            place(tree, &copy, mtime, |tree| tree.link(copy.as_bytes(), id))?;
        }
    }
    text += &dpkg(tree, mtime)?;
    let inode = Inode::file(Meta::root(0o644, mtime), text.as_str().into());
    place(tree, PATH, mtime, |tree| tree.put(PATH.as_bytes(), inode).map(drop))?;
    rootfs.log.push(format!("/{PATH} makes /var again at each boot"));
    Ok(())
}

/// Gives the files of dpkg's database a second name outside of `/var`; answers the line of a link.
fn dpkg(tree: &mut Tree<Content>, mtime: i64) -> Result<String, RootfsError> {
    let below: Vec<(String, InodeId)> = tree
        .walk()
        .into_iter()
        .map(|(path, id)| (String::from_utf8_lossy(&path).into_owned(), id))
        .filter(|(path, _)| path.strip_prefix(DPKG).is_some_and(|rest| rest.starts_with('/')))
        .collect();
    if below.is_empty() {
        return Ok(String::new());
    }
    for (path, id) in below {
        let copy = format!("{FACTORY}/{path}");
        match tree.inode(id).is_directory() {
            true => {
                let inode = Inode::directory(tree.inode(id).meta.clone());
                place(tree, &copy, mtime, |tree| tree.put(copy.as_bytes(), inode).map(drop))?;
            }
            false => place(tree, &copy, mtime, |tree| tree.link(copy.as_bytes(), id))?,
        }
    }
    Ok(format!("L /{DPKG} - - - - /{FACTORY}/{DPKG}\n"))
}

fn place(
    tree: &mut Tree<Content>,
    path: &str,
    mtime: i64,
    put: impl FnOnce(&mut Tree<Content>) -> Result<(), TreeError>,
) -> Result<(), RootfsError> {
    let placed = |source| RootfsError::Place { path: path.to_owned(), source };
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    tree.make_directories(folder.as_bytes(), &Meta::root(0o755, mtime)).map_err(placed)?;
    put(tree).map_err(placed)
}

fn is_left_out(path: &str) -> bool {
    LEFT_OUT.iter().any(|left_out| {
        path.strip_prefix(left_out).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// One line of tmpfiles.d(5), path quoted, `%` doubled.
fn line(tree: &Tree<Content>, path: &str, id: InodeId) -> Result<String, RootfsError> {
    let inode = tree.inode(id);
    let meta = &inode.meta;
    if path.contains(['"', '\\', '\n', '\u{fffd}']) {
        let what = "a name that tmpfiles.d can't spell".to_owned();
        return Err(RootfsError::Unsupported { path: path.to_owned(), what });
    }
    let (mode, uid, gid) = (meta.mode, meta.uid, meta.gid);
    let name = path.replace('%', "%%");
    Ok(match &inode.node {
        Node::Directory(_) => format!("d \"/{name}\" {mode:04o} {uid} {gid} -\n"),
        Node::Symlink(target) => {
            let target = String::from_utf8_lossy(target).replace('%', "%%");
            format!("L \"/{name}\" - - - - {target}\n")
        }
        Node::File(_) => {
            format!("C \"/{name}\" {mode:04o} {uid} {gid} - /usr/share/factory/{name}\n")
        }
        _ => {
            let what = "a device, pipe or socket, which a volatile /var can't have".to_owned();
            return Err(RootfsError::Unsupported { path: path.to_owned(), what });
        }
    })
}
