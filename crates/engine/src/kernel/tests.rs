//! Kernels in memory: which one, which modules, in which order.

mod depmod;
mod elf;
mod modules;

use cvmkit_formats::tree::{Inode, Meta};

use super::*;

const RELEASE: &str = "6.12.0-test";

/// A tree with these files below its root.
fn tree(files: &[(&str, &[u8])]) -> Tree<Content> {
    let folder = Meta::root(0o755, 0);
    let mut tree = Tree::new(folder.clone());
    for (path, bytes) in files {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        tree.make_directories(parent.as_bytes(), &folder).unwrap();
        let file = Inode::file(Meta::root(0o644, 0), Content::from(bytes.to_vec()));
        tree.put(path.as_bytes(), file).unwrap();
    }
    tree
}

/// The same below the folder of one release, with the lists that are not among `files` empty.
fn release(files: &[(&str, &[u8])]) -> Tree<Content> {
    let lists = ["modules.order", "modules.builtin", "modules.builtin.modinfo"];
    let absent = lists.iter().filter(|list| files.iter().all(|(path, _)| path != *list));
    let all = absent.map(|list| (*list, &b""[..])).chain(files.iter().copied());
    let below: Vec<(String, &[u8])> =
        all.map(|(path, bytes)| (format!("usr/lib/modules/{RELEASE}/{path}"), bytes)).collect();
    let below: Vec<(&str, &[u8])> =
        below.iter().map(|(path, bytes)| (path.as_str(), *bytes)).collect();
    tree(&below)
}

fn find<'a>(tree: &'a Tree<Content>, release: Option<&str>) -> Result<Kernel<'a>, KernelError> {
    Kernel::find(tree, release)
}

/// Why no kernel is found.
fn refused(tree: &Tree<Content>, release: Option<&str>) -> KernelError {
    find(tree, release).map(|kernel| kernel.release).unwrap_err()
}

#[test]
fn the_only_kernel_is_taken_and_one_of_several_has_to_be_named() {
    let builtin = |release: &str| format!("usr/lib/modules/{release}/modules.builtin");
    let (one, other) = (builtin("6.1"), builtin("6.12"));
    let both = tree(&[(&one, b""), (&other, b"")]);
    let found = find(&both, Some("6.12")).unwrap();
    assert_eq!((found.release(), found.folder()), ("6.12", "usr/lib/modules/6.12"));
    let error = refused(&both, None);
    assert!(matches!(&error, KernelError::Several { found } if *found == ["6.1", "6.12"]));
    assert!(error.hint().unwrap().starts_with("name the release"));
    let error = refused(&both, Some("6.1."));
    let KernelError::UnknownRelease { release, found } = &error else { panic!("{error}") };
    assert_eq!((release.as_str(), found.as_slice()), ("6.1.", &["6.1".into(), "6.12".into()][..]));

    let single = tree(&[(&one, b""), ("usr/lib/modules/README", b"a file is no release")]);
    assert_eq!(find(&single, None).unwrap().release(), "6.1");
    let empty = tree(&[("usr/lib/modules/README", b"")]);
    for tree in [tree(&[]), empty, tree(&[("usr/lib/modules", b"a file")])] {
        for release in [None, Some("6.1")] {
            let error = refused(&tree, release);
            assert!(matches!(error, KernelError::None), "{error}");
            assert!(error.hint().unwrap().contains("linux-image-"));
            assert_eq!(error.fault(), Fault::Definition);
        }
    }
}

/// A package that was made before /usr was merged.
#[test]
fn lib_modules_counts_where_usr_has_none() {
    let old = tree(&[("lib/modules/6.1/modules.builtin", b"")]);
    assert_eq!(find(&old, None).unwrap().folder(), "lib/modules/6.1");
    let both = tree(&[
        ("lib/modules/6.1/modules.builtin", b""),
        ("usr/lib/modules/6.12/modules.builtin", b""),
    ]);
    assert_eq!(find(&both, None).unwrap().folder(), "usr/lib/modules/6.12");
}

#[test]
fn what_belongs_to_a_kernel_is_read_below_boot() {
    let files = [
        ("usr/lib/modules/6.1/modules.builtin", &b""[..]),
        ("boot/vmlinuz-6.1", b"image"),
        ("boot/config-6.1", b"CONFIG_X=y\n"),
    ];
    let whole = tree(&files);
    let kernel = find(&whole, None).unwrap();
    assert_eq!(read_all(kernel.vmlinuz().unwrap(), 9).unwrap(), b"image");
    assert_eq!(kernel.config().unwrap(), "CONFIG_X=y\n");
    let bare = tree(&files[..1]);
    let kernel = find(&bare, None).unwrap();
    for (error, path) in [
        (kernel.vmlinuz().map(drop).unwrap_err(), "boot/vmlinuz-6.1"),
        (kernel.config().map(drop).unwrap_err(), "boot/config-6.1"),
    ] {
        assert!(matches!(&error, KernelError::Missing(missing) if missing == path), "{error}");
        assert_eq!(error.to_string(), format!("/{path} is not a file of the image"));
    }
    let folder = tree(&[files[0], ("boot/config-6.1/x", b"")]);
    let error = find(&folder, None).unwrap().config().unwrap_err();
    assert!(matches!(error, KernelError::Missing(_)), "{error}");
    let noise = tree(&[files[0], ("boot/config-6.1", b"\xff")]);
    let error = find(&noise, None).unwrap().config().unwrap_err();
    assert!(matches!(&error, KernelError::Corrupt { path, .. } if path == "boot/config-6.1"));
    let without = tree(&[("usr/lib/modules/6.1/kernel/x.ko", b"")]);
    let error = refused(&without, None);
    assert!(
        matches!(&error, KernelError::Missing(path) if path == "usr/lib/modules/6.1/modules.builtin"),
        "{error}"
    );
}

/// kmod takes `-` and `_` for one letter in the names of modules (modprobe(8)).
#[test]
fn built_in_modules_are_known_by_either_spelling() {
    let list = b"kernel/fs/ext4/ext4.ko\nkernel/drivers/virtio/virtio-pci.ko\nkernel/a.b.ko\n";
    let tree = release(&[("modules.builtin", list)]);
    let kernel = find(&tree, None).unwrap();
    for (name, is_builtin) in [
        ("ext4", true),
        ("virtio_pci", true),
        ("virtio-pci", true),
        ("a", true),
        ("ext4.ko", false),
        ("virtio", false),
        ("", false),
    ] {
        assert_eq!(kernel.is_builtin(name), is_builtin, "{name}");
    }
}

#[test]
fn modules_are_found_by_their_endings_in_every_folder() {
    let tree = release(&[
        ("kernel/drivers/net/virtio-net.ko", b""),
        ("kernel/z.ko.xz", b""),
        ("kernel/b.ko.zst", b""),
        ("extra/deep/c.ko", b""),
        ("top.ko", b""),
        ("kernel/old.ko.gz", b""),
        ("kernel/notes.txt", b""),
        ("kernel/debug.ko.debug", b""),
    ]);
    let kernel = find(&tree, None).unwrap();
    let names: Vec<&str> = kernel.names().collect();
    assert_eq!(names, ["b", "c", "top", "virtio_net", "z"]);
    let file = |name: &str| kernel.files[name].as_str();
    assert_eq!(file("virtio_net"), "kernel/drivers/net/virtio-net.ko");
    assert_eq!(file("z"), "kernel/z.ko.xz");
}

/// depmod.d(5), `search`: `updates` goes before everything else.
#[test]
fn a_module_of_updates_hides_another_and_any_other_pair_is_refused() {
    for (one, other, chosen) in [
        ("updates/a.ko", "kernel/a.ko", Some("updates/a.ko")),
        ("updates/dkms/a.ko", "extra/a.ko.xz", Some("updates/dkms/a.ko")),
        ("kernel/a.ko", "kernel/sub/a.ko", None),
        ("kernel/a-b.ko", "kernel/a_b.ko", None),
        ("kernel/a.ko", "kernel/a.ko.xz", None),
        ("updates/a.ko", "updates/sub/a.ko", None),
        ("kernel/a.ko", "updates-old/a.ko", None),
    ] {
        for files in [[(one, &b""[..]), (other, b"")], [(other, b""), (one, b"")]] {
            let tree = release(&files);
            match (find(&tree, None), chosen) {
                (Ok(kernel), Some(chosen)) => assert_eq!(kernel.files["a"], chosen),
                (Err(KernelError::Duplicate { name, first, second }), None) => {
                    assert!(["a", "a_b"].contains(&name.as_str()), "{name}");
                    let mut both = [one, other];
                    both.sort_unstable();
                    assert_eq!([first.as_str(), second.as_str()], both);
                }
                (found, _) => panic!("{one} {other}: {:?}", found.map(|kernel| kernel.files)),
            }
        }
    }
}

#[test]
fn a_module_is_decompressed_by_its_ending() {
    let packed = zstd::encode_all(&b"inner"[..], 3).unwrap();
    let tree = release(&[
        ("kernel/plain.ko", b"inner"),
        ("kernel/packed.ko.zst", &packed),
        ("kernel/broken.ko.zst", b"inner"),
        ("kernel/cut.ko.xz", b"\xfd7zXZ\0"),
    ]);
    let kernel = find(&tree, None).unwrap();
    for file in ["kernel/plain.ko", "kernel/packed.ko.zst"] {
        assert_eq!(kernel.module(file).unwrap(), b"inner", "{file}");
    }
    for file in ["kernel/broken.ko.zst", "kernel/cut.ko.xz"] {
        let error = kernel.module(file).unwrap_err();
        let KernelError::Compression { path, .. } = &error else { panic!("{error}") };
        assert_eq!(*path, format!("usr/lib/modules/{RELEASE}/{file}"));
        assert_eq!((error.fault(), error.hint()), (Fault::Definition, None));
    }
    assert!(matches!(kernel.module("kernel/gone.ko"), Err(KernelError::Missing(_))));
}

#[test]
fn faults_are_of_the_definition_but_for_the_disk_and_ourselves() {
    let io = || std::io::Error::other("x");
    for (error, fault, hint) in [
        (KernelError::Read { path: "x".into(), source: io() }, Fault::Environment, None),
        (KernelError::IndexTooLarge(1), Fault::Bug, None),
        (KernelError::Cycle("x".into()), Fault::Definition, None),
        (KernelError::NotAscii("x".into()), Fault::Definition, None),
        (
            KernelError::UnknownModule {
                release: "6".into(),
                name: "exto4".into(),
                needed_by: None,
                near: Some("ext4".into()),
            },
            Fault::Definition,
            Some("did you mean `ext4`?"),
        ),
        (
            KernelError::UnknownModule {
                release: "6".into(),
                name: "x".into(),
                needed_by: None,
                near: None,
            },
            Fault::Definition,
            None,
        ),
    ] {
        assert_eq!((error.fault(), error.hint().as_deref()), (fault, hint), "{error}");
    }
}
