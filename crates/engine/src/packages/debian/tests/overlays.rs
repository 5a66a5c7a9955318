//! What files of the definition may not do to the rest of the image, no matter who wrote them.

use super::*;

pub(super) fn placed(path: &str, user: &str, node: PlacedNode) -> Placed {
    let (user, group, xattrs) = (user.into(), "root".into(), BTreeMap::new());
    Placed { path: path.into(), mode: 0o755, user, group, xattrs, node }
}

fn access(rootfs: &Rootfs, path: &str) -> (u16, u32) {
    let meta = &rootfs.tree.inode(rootfs.tree.lookup(path.as_bytes()).unwrap()).meta;
    (meta.mode, meta.uid)
}

#[test]
fn parent_folders_keep_their_modes_and_owners() {
    let mut base = package("base", "", &[("root/", ""), ("tmp/", ""), ("usr/", "")]);
    for (entry, mode) in base.entries.iter_mut().zip([0o700, 0o1777, 0o755]) {
        entry.mode = mode;
    }
    let parent = |path: &str| placed(path, "7", PlacedNode::OverlayDirectory);
    let files = [
        parent("/root"),
        placed("/root/x", "7", PlacedNode::File("x".into())),
        parent("/tmp"),
        parent("/usr"),
        parent("/usr/new"),
        // A second overlay that has the same folder does not take it back.
        parent("/usr/new"),
        placed("/srv", "7", PlacedNode::Directory),
    ];
    let packages = [base];
    let rootfs = assemble(&Request {
        root: rootfs::Request { files: &files, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap();
    assert_eq!(access(&rootfs, "root"), (0o700, 0));
    assert_eq!(access(&rootfs, "tmp"), (0o1777, 0));
    assert_eq!(access(&rootfs, "usr"), (0o755, 0));
    assert_eq!(access(&rootfs, "usr/new"), (0o755, 7));
    assert_eq!(access(&rootfs, "root/x"), (0o755, 7));
    assert_eq!(access(&rootfs, "srv"), (0o755, 7));
}

#[test]
fn a_file_of_the_definition_does_not_open_what_is_closed() {
    let getty = "/usr/lib/systemd/system/getty@.service";
    let text = "[Service]\nStandardInput=tty\n";
    let packages = [package("systemd", "", &[(getty.trim_start_matches('/'), text)])];
    let link = |path: &str| [placed(path, "root", PlacedNode::Symlink(getty.into()))];
    let built = |path: &str, debug| {
        let files = link(path);
        assemble(&Request {
            root: rootfs::Request { files: &files, debug, ..request(&packages).root },
            ..request(&packages)
        })
        .map(drop)
    };
    let login = "/etc/systemd/system/getty@.service";
    for path in [login, "/usr/lib/systemd/system/console-getty.service"] {
        let error = built(path, false).unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
        built(path, true).unwrap();
    }
    // The disk is the host's in a debug image too.
    let trusting = "/etc/systemd/system-generators/systemd-gpt-auto-generator";
    assert!(built(trusting, true).is_err());
    let masked = [placed(trusting, "root", PlacedNode::Symlink("/dev/null".into()))];
    assemble(&Request {
        root: rootfs::Request { files: &masked, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap();
}
