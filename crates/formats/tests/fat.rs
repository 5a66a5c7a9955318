//! Volumes against `fsck.vfat` and mtools, and against themselves.

#![expect(clippy::disallowed_methods, reason = "oracles take files")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tool;

use cvmkit_formats::fat::{self, Error, Options, Plan, Width};
use cvmkit_formats::sink::Checked;
use cvmkit_formats::source::{Source, read_all};
use cvmkit_formats::tree::{Inode, Meta, Node, Tree};
use proptest::prelude::*;

fn options(width: Width) -> Options {
    Options {
        width,
        volume_id: 0x1234_abcd,
        label: "ESP".into(),
        timestamp: 1_709_210_096,
        ..Options::default()
    }
}

fn written<C: Source>(tree: &Tree<C>, options: &Options) -> Vec<u8> {
    let plan = Plan::new(tree, options).unwrap();
    let mut sink = Checked::new(Vec::new());
    plan.write(&mut sink).unwrap();
    sink.finish(plan.len()).unwrap()
}

fn tree_of(files: &[(&str, Vec<u8>)]) -> Tree<Vec<u8>> {
    let mut tree = Tree::new(Meta::root(0o755, 0));
    for (path, contents) in files {
        let (parent, _) = cvmkit_formats::tree::split(path.as_bytes());
        tree.make_directories(parent, &Meta::root(0o755, 0)).unwrap();
        let file = Inode::file(Meta::root(0o644, 0), contents.clone());
        tree.put(path.as_bytes(), file).unwrap();
    }
    tree
}

fn esp() -> Tree<Vec<u8>> {
    let mut tree = tree_of(&[
        ("EFI/BOOT/BOOTX64.EFI", (0..70_000u32).flat_map(u32::to_le_bytes).collect()),
        ("EFI/Linux/oasis-vm_1.2.3_debug.efi", b"uki".to_vec()),
        ("EFI/Linux/oasis-vm_1.2.4.efi", b"another".to_vec()),
        ("loader/entries.srel", b"type1\n".to_vec()),
        ("loader/größe und ünicode.conf", Vec::new()),
    ]);
    tree.put(b"empty", Inode::directory(Meta::root(0o755, 0))).unwrap();
    tree
}

fn contents<C: Source>(tree: &Tree<C>) -> Vec<(String, Option<Vec<u8>>)> {
    let walk = tree.walk().into_iter();
    walk.map(|(path, id)| {
        let bytes = match &tree.inode(id).node {
            Node::File(file) => Some(read_all(file, 1 << 30).unwrap()),
            _ => None,
        };
        (String::from_utf8(path).unwrap(), bytes)
    })
    .collect()
}

#[test]
fn fsck_has_nothing_to_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut many = Tree::new(Meta::root(0o755, 0));
    many.make_directories(b"many", &Meta::root(0o755, 0)).unwrap();
    for number in 0..300 {
        let path = format!("many/a rather long name number {number}.conf");
        let file = Inode::file(Meta::root(0o644, 0), path.clone().into_bytes());
        many.put(path.as_bytes(), file).unwrap();
    }
    let large = Options { min_len: 300 << 20, ..options(Width::Fat32) };
    let unlabelled = Options { label: String::new(), ..options(Width::Fat16) };
    for (number, (tree, options)) in [
        (esp(), options(Width::Fat32)),
        (esp(), options(Width::Fat16)),
        (esp(), large),
        (many, options(Width::Fat32)),
        (tree_of(&[]), unlabelled),
    ]
    .into_iter()
    .enumerate()
    {
        let bytes = written(&tree, &options);
        let read = fat::read(&bytes).unwrap();
        assert_eq!(contents(&read.tree), contents(&tree));
        let path = folder.path().join(number.to_string());
        std::fs::write(&path, &bytes).unwrap();
        let args = ["-n", path.to_str().unwrap()];
        let Some(text) = tool::accepts("fsck.vfat", &args) else { return };
        // The version and the summary, nothing between them.
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{number}: {text}");
        let used = read.clusters - read.free_clusters;
        assert!(lines[1].contains(&format!("{used}/{} clusters", read.clusters)), "{text}");
    }
}

#[test]
fn mtools_reads_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("esp");
    std::fs::write(&path, written(&esp(), &options(Width::Fat32))).unwrap();
    let image = path.to_str().unwrap();
    let Some(text) = tool::accepts("mdir", &["-i", image, "-/", "-a", "::"]) else { return };
    for expected in [
        "Volume in drive : is ESP",
        "Volume Serial Number is 1234-ABCD",
        "BOOTX64  EFI    280000 2024-02-29  12:34",
        "OASIS-~1 EFI         3 2024-02-29  12:34  oasis-vm_1.2.3_debug.efi",
        "OASIS-~2 EFI         7 2024-02-29  12:34  oasis-vm_1.2.4.efi",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let out = folder.path().join("out");
    let args = ["-i", image, "::EFI/BOOT/BOOTX64.EFI", out.to_str().unwrap()];
    tool::accepts("mcopy", &args).unwrap();
    let tree = esp();
    let id = tree.lookup(b"EFI/BOOT/BOOTX64.EFI").unwrap();
    let Node::File(expected) = &tree.inode(id).node else { unreachable!() };
    assert_eq!(&std::fs::read(out).unwrap(), expected);
}

#[test]
fn the_layout_needs_no_contents() {
    struct Unreadable(u64);
    impl Source for Unreadable {
        fn len(&self) -> u64 {
            self.0
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
            Err(std::io::Error::other("not there yet"))
        }
    }
    let mut tree = Tree::new(Meta::root(0o755, 0));
    let id = tree.put(b"a", Inode::file(Meta::root(0o644, 0), Unreadable(200 << 20))).unwrap();
    let plan = Plan::new(&tree, &options(Width::Fat32)).unwrap();
    assert_eq!((plan.len(), plan.cluster_len()), (204 << 20, 512));
    assert!(plan.offset_of(id).is_some());
    assert!(matches!(plan.write(&mut Vec::new()), Err(Error::Io { .. })));
}

#[test]
fn the_listing_of_an_esp() {
    let bytes = written(&esp(), &options(Width::Fat32));
    insta::assert_snapshot!(fat::dump(&fat::read(&bytes).unwrap()), @r"
    FAT32 volume 1234-abcd
      label         `ESP`
      length        34603008 bytes
      cluster       512 bytes
      clusters      66512, 65956 free
    /
    /EFI/
    /EFI/BOOT/
    /EFI/BOOT/BOOTX64.EFI 280000 bytes [0x86600+0x44600]
    /EFI/Linux/
    /EFI/Linux/oasis-vm_1.2.3_debug.efi 3 bytes [0xcae00+0x200]
    /EFI/Linux/oasis-vm_1.2.4.efi 7 bytes [0xcb000+0x200]
    /empty/
    /loader/
    /loader/entries.srel 6 bytes [0xcb600+0x200]
    /loader/größe und ünicode.conf 0 bytes []
    ");
}

#[test]
fn what_fat_can_not_hold_is_refused() {
    let refused = |tree: Tree<Vec<u8>>| {
        let answer = Plan::new(&tree, &options(Width::Fat32)).map(|_| ());
        assert!(matches!(answer, Err(Error::Refused { .. })), "{answer:?}");
    };
    let mut tree = tree_of(&[]);
    tree.put(b"link", Inode::symlink("x", 0)).unwrap();
    refused(tree);
    let mut tree = tree_of(&[("a", Vec::new())]);
    tree.link(b"b", tree.lookup(b"a").unwrap()).unwrap();
    refused(tree);
    refused(tree_of(&[("a", Vec::new()), ("A", Vec::new())]));
    refused(tree_of(&[("d/a:b", Vec::new())]));
    for label in ["lower", "TWELVE CHARS", " X"] {
        let options = Options { label: label.into(), ..Options::default() };
        assert!(Plan::new(&tree_of(&[]), &options).is_err());
    }
}

#[test]
fn hostile_volumes_never_panic() {
    let bytes = written(&esp(), &options(Width::Fat16));
    let data = usize::try_from(fat::read(&bytes).unwrap().len).unwrap();
    for len in (0..data).step_by(4099) {
        assert!(fat::read(&bytes[..len]).is_err());
    }
    // Boot sector, the start of both FATs, the root directory.
    let mut broken = bytes.clone();
    let fats = (512..560).chain(512 * 20..512 * 20 + 64);
    let tail = (0..data).filter(|at| bytes[*at] != 0 && *at < 60_000).step_by(3);
    for at in (0..64).chain(fats).chain(tail) {
        for value in [0, 1, 0x0f, 0x7f, 0xe5, 0xff] {
            let old = std::mem::replace(&mut broken[at], value);
            if let Ok(volume) = fat::read(&broken) {
                let _ = contents(&volume.tree).len();
            }
            broken[at] = old;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_written_is_read(
        files in prop::collection::btree_map(
            "[a-d]{1,9}(/[a-d A]{0,20}[a-d]{1,2}(\\.[a-d]{1,4})?){0,2}", 0..5000usize, 0..40)
    ) {
        let mut tree = Tree::new(Meta::root(0o755, 0));
        for (path, len) in files {
            let (parent, _) = cvmkit_formats::tree::split(path.as_bytes());
            if tree.make_directories(parent, &Meta::root(0o755, 0)).is_ok() {
                let bytes = path.bytes().cycle().take(len).collect::<Vec<u8>>();
                let _ = tree.put(path.as_bytes(), Inode::file(Meta::root(0o644, 0), bytes));
            }
        }
        match Plan::new(&tree, &options(Width::Fat16)) {
            Err(Error::Refused { .. }) => {}
            Err(error) => prop_assert!(false, "{error}"),
            Ok(_) => {
                let bytes = written(&tree, &options(Width::Fat16));
                let volume = fat::read(&bytes).unwrap();
                prop_assert_eq!(contents(&volume.tree), contents(&tree));
                let times = volume.tree.walk().into_iter().skip(1);
                for (_, id) in times {
                    prop_assert_eq!(volume.tree.inode(id).meta.mtime, 1_709_210_096);
                }
            }
        }
    }
}
