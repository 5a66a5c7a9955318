//! For an image whose `/var` is a fresh tmpfs at each boot (`systemd.volatile=state`, systemd(1)):
//! a tmpfiles.d file that makes it again as it was assembled.
//!
//! Directories and links come back as lines, regular files as copies of `/usr/share/factory/var`,
//! where they get a second name. dpkg's database is only linked to there: it is read, never written.

use cvmkit_formats::tree::{Inode, InodeId, Meta, Node, Tree, TreeError};

use super::{Rootfs, RootfsError, escape};
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

/// One line of tmpfiles.d(5): the path quoted, the argument escaped, `%` doubled.
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
            let target = escape::encoded(target).replace('%', "%%");
            format!("L \"/{name}\" - - - - {target}\n")
        }
        Node::File(_) => {
            let original = escape::encoded(format!("/usr/share/factory/{name}").as_bytes());
            format!("C \"/{name}\" {mode:04o} {uid} {gid} - {original}\n")
        }
        _ => {
            let what = "a device, pipe or socket, which a volatile /var can't have".to_owned();
            return Err(RootfsError::Unsupported { path: path.to_owned(), what });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::tests::assembly;
    use crate::rootfs::{Accounts, Request};

    /// A finished root file system of these files, and the lines that make its /var again.
    fn after(
        files: &[(&str, &str)],
        change: impl Fn(&mut Rootfs),
    ) -> Result<(Rootfs, String), RootfsError> {
        let request = Request::default();
        let mut rootfs = Rootfs {
            tree: assembly(&request, files).tree,
            owners: std::collections::BTreeMap::new(),
            accounts: Accounts::default(),
            log: Vec::new(),
            notices: Vec::new(),
            scripts: Vec::new(),
            findings: Vec::new(),
            kernels: Vec::new(),
        };
        change(&mut rootfs);
        remake_var_at_boot(&mut rootfs, 7)?;
        let id = rootfs.tree.lookup(PATH.as_bytes()).unwrap();
        let Node::File(content) = &rootfs.tree.inode(id).node else { panic!() };
        let text = cvmkit_formats::source::read_all(content, 1 << 20).unwrap();
        Ok((rootfs, String::from_utf8(text).unwrap()))
    }

    const HEAD: &str = "# /var as it was assembled, for a boot with systemd.volatile=state.\n";

    #[test]
    fn each_path_below_var_is_a_line_and_each_file_has_a_second_name() {
        let files = [
            ("/etc/x", "not of /var"),
            ("/var/lib/a/file", "text"),
            ("/var/lib/a b/100%", "percent"),
            ("/var/link", "-> lib/50%"),
            ("/var/run", "-> ../run"),
            ("/var/lock/x", "left out"),
            ("/variable/x", "another folder"),
        ];
        let (rootfs, text) = after(&files, |rootfs| {
            let id = rootfs.tree.lookup(b"var/lib/a/file").unwrap();
            let meta = rootfs.tree.meta_mut(id);
            (meta.mode, meta.uid, meta.gid) = (0o4640, 5, 6);
        })
        .unwrap();
        let lines = "d \"/var/lib\" 0755 0 0 -\n\
             d \"/var/lib/a\" 0755 0 0 -\n\
             C \"/var/lib/a/file\" 4640 5 6 - /usr/share/factory/var/lib/a/file\n\
             d \"/var/lib/a b\" 0755 0 0 -\n\
             C \"/var/lib/a b/100%%\" 0644 0 0 - /usr/share/factory/var/lib/a b/100%%\n\
             L \"/var/link\" - - - - lib/50%%\n";
        assert_eq!(text, format!("{HEAD}{lines}"));
        let id = |path: &str| rootfs.tree.lookup(path.as_bytes());
        for path in ["var/lib/a/file", "var/lib/a b/100%"] {
            assert_eq!(id(path), id(&format!("usr/share/factory/{path}")), "{path}");
        }
        assert!(id("usr/share/factory/var/link").is_none());
        assert!(id("usr/share/factory/var/lock").is_none());
        let meta = &rootfs.tree.inode(id(PATH).unwrap()).meta;
        assert_eq!((meta.mode, meta.mtime), (0o644, 7));
        assert_eq!(rootfs.log, [format!("/{PATH} makes /var again at each boot")]);
    }

    #[test]
    fn a_tree_without_var_has_no_lines() {
        assert_eq!(after(&[("/etc/x", "")], |_| {}).unwrap().1, HEAD);
    }

    /// tmpfiles.d(5): the argument is the rest of a line, with C-style escapes.
    #[test]
    fn a_target_or_a_name_is_spelt_so_that_tmpfiles_reads_it() {
        for (path, target, line) in [
            ("/var/a", "-> b\\c", r#"L "/var/a" - - - - b\\c"#),
            ("/var/a", "-> -", r#"L "/var/a" - - - - \x2d"#),
            ("/var/a", "-> b ", r#"L "/var/a" - - - - b\s"#),
            ("/var/a", "-> b\nc", r#"L "/var/a" - - - - b\x0ac"#),
            ("/var/a ", "text", r#"C "/var/a " 0644 0 0 - /usr/share/factory/var/a\s"#),
        ] {
            assert_eq!(after(&[(path, target)], |_| {}).unwrap().1, format!("{HEAD}{line}\n"));
        }
    }

    /// It is read, never written: a link is enough.
    #[test]
    fn the_database_of_dpkg_is_linked_to() {
        let files = [("/var/lib/dpkg/status", "s"), ("/var/lib/dpkg/info/a.list", "l")];
        let (rootfs, text) = after(&files, |_| {}).unwrap();
        let link = "L /var/lib/dpkg - - - - /usr/share/factory/var/lib/dpkg\n";
        assert_eq!(text, format!("{HEAD}d \"/var/lib\" 0755 0 0 -\n{link}"));
        for path in ["var/lib/dpkg/status", "var/lib/dpkg/info/a.list"] {
            let copy = format!("usr/share/factory/{path}");
            let found = rootfs.tree.lookup(copy.as_bytes());
            assert_eq!(rootfs.tree.lookup(path.as_bytes()), found, "{path}");
        }
    }

    #[test]
    fn what_tmpfiles_can_not_make_is_refused() {
        for name in ["a\"b", "a\\b", "a\nb"] {
            let path = format!("/var/{name}");
            let error = after(&[(&path, "")], |_| {}).map(drop).unwrap_err().to_string();
            assert!(error.contains("holds a name that tmpfiles.d can't spell"), "{error}");
        }
        let noise = after(&[], |rootfs| {
            rootfs.tree.make_directories(b"var", &Meta::root(0o755, 0)).unwrap();
            rootfs.tree.put(b"var/\xff", Inode::file(Meta::root(0o644, 0), "".into())).unwrap();
        });
        assert!(noise.is_err());
        let pipe = after(&[("/var/x", "")], |rootfs| {
            let inode = Inode { meta: Meta::root(0o644, 0), node: Node::Fifo };
            rootfs.tree.put(b"var/pipe", inode).unwrap();
        });
        let error = pipe.map(drop).unwrap_err().to_string();
        assert!(error.contains("`/var/pipe` holds a device, pipe or socket"), "{error}");
        let taken = after(&[("/var/x", ""), ("/usr/share/factory", "a file")], |_| {});
        let error = taken.map(drop).unwrap_err();
        assert!(matches!(error, RootfsError::Place { .. }), "{error}");
    }
}
