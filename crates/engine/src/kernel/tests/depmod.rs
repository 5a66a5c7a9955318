//! The files of depmod(8) for kernels of a few modules. `tests/kernel.rs` compares whole kernels with kmod's.

use super::elf::module;
use super::*;
use crate::kernel::index::Index;

/// Path, `.modinfo`, exports and imports.
type Row<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a [&'a str]);

fn kernel_of(rows: &[Row<'_>], lists: &[(&str, &[u8])]) -> Tree<Content> {
    let packed = |path: &str, bytes: Vec<u8>| match path.ends_with(".zst") {
        true => zstd::encode_all(bytes.as_slice(), 3).unwrap(),
        false => bytes,
    };
    let bytes: Vec<(&str, Vec<u8>)> = rows
        .iter()
        .map(|(path, info, exports, imports)| (*path, packed(path, module(info, exports, imports))))
        .collect();
    let modules = bytes.iter().map(|(path, bytes)| (*path, bytes.as_slice()));
    release(&modules.chain(lists.iter().copied()).collect::<Vec<_>>())
}

fn files_of(tree: &Tree<Content>) -> Result<BTreeMap<&'static str, Vec<u8>>, KernelError> {
    crate::kernel::depmod::files(&find(tree, None).unwrap())
}

fn file(tree: &Tree<Content>, name: &str) -> Vec<u8> {
    files_of(tree).unwrap().remove(name).unwrap()
}

fn text(tree: &Tree<Content>, name: &str) -> String {
    String::from_utf8(file(tree, name)).unwrap()
}

fn index(tree: &Tree<Content>, name: &str) -> Index {
    Index::decode(&file(tree, name)).unwrap()
}

#[test]
fn all_files_are_there_for_a_kernel_without_modules() {
    let tree = release(&[]);
    let files = files_of(&tree).unwrap();
    let names: Vec<&str> = files.keys().copied().collect();
    assert_eq!(
        names,
        [
            "modules.alias",
            "modules.alias.bin",
            "modules.builtin.alias.bin",
            "modules.builtin.bin",
            "modules.dep",
            "modules.dep.bin",
            "modules.devname",
            "modules.softdep",
            "modules.symbols",
            "modules.symbols.bin",
        ]
    );
    // What depmod 30 writes into an empty folder.
    for (name, text) in [
        ("modules.alias", "# Aliases extracted from modules themselves.\n"),
        ("modules.dep", ""),
        ("modules.devname", "# Device nodes to trigger on-demand module loading.\n"),
        ("modules.softdep", "# Soft dependencies extracted from modules themselves.\n"),
        ("modules.symbols", "# Aliases for symbols, used by symbol_request().\n"),
    ] {
        assert_eq!(files[name], text.as_bytes(), "{name}");
    }
    assert_eq!(files["modules.dep.bin"], Index::default().encode().unwrap());
}

#[test]
fn dependencies_are_listed_in_the_order_of_modules_order_with_users_first() {
    let rows: &[Row<'_>] = &[
        ("kernel/a.ko", &[], &["a1", "a2"], &[]),
        ("kernel/b.ko.zst", &[], &["b1"], &["a1", "a2", "printk"]),
        ("kernel/c.ko", &[], &[], &["a2", "b1", "a1"]),
        ("kernel/d.ko", &[], &[], &["printk"]),
        ("kernel/e-f.ko", &[], &[], &["b1"]),
    ];
    let order = b"kernel/c.ko\nkernel/b.ko\nkernel/gone.ko\n";
    let tree = kernel_of(rows, &[("modules.order", order)]);
    assert_eq!(
        text(&tree, "modules.dep"),
        "kernel/c.ko: kernel/b.ko.zst kernel/a.ko\nkernel/b.ko.zst: kernel/a.ko\nkernel/a.ko:\n\
         kernel/d.ko:\nkernel/e-f.ko: kernel/b.ko.zst kernel/a.ko\n"
    );
    let dep = index(&tree, "modules.dep.bin");
    assert_eq!(dep.values("c"), [(0, "kernel/c.ko: kernel/b.ko.zst kernel/a.ko".to_owned())]);
    assert_eq!(dep.values("e_f"), [(4, "kernel/e-f.ko: kernel/b.ko.zst kernel/a.ko".to_owned())]);
    assert!(dep.values("e-f").is_empty());
}

#[test]
fn a_symbol_is_of_the_last_module_that_exports_it() {
    let rows: &[Row<'_>] = &[
        ("kernel/one.ko", &[], &["shared", "own"], &[]),
        ("kernel/two.ko", &[], &["shared"], &[]),
        ("kernel/user.ko", &[], &[], &["shared"]),
    ];
    let forth = kernel_of(rows, &[("modules.order", b"kernel/one.ko\nkernel/two.ko\n")]);
    assert!(text(&forth, "modules.dep").ends_with("kernel/user.ko: kernel/two.ko\n"));
    assert_eq!(
        text(&forth, "modules.symbols"),
        "# Aliases for symbols, used by symbol_request().\nalias symbol:own one\n\
         alias symbol:shared two\n"
    );
    let symbols = index(&forth, "modules.symbols.bin");
    assert_eq!(symbols.values("symbol:shared"), [(1, "two".to_owned())]);
    assert_eq!(symbols.values("symbol:own"), [(0, "one".to_owned())]);
    let back = kernel_of(rows, &[("modules.order", b"kernel/two.ko\nkernel/one.ko\n")]);
    assert!(text(&back, "modules.dep").ends_with("kernel/user.ko: kernel/one.ko\n"));
}

#[test]
fn modules_that_need_each_other_are_refused() {
    let rows: &[Row<'_>] = &[
        ("kernel/a.ko", &[], &["a1"], &["b1"]),
        ("kernel/b.ko", &[], &["b1"], &["a1"]),
        ("kernel/c.ko", &[], &[], &["a1"]),
    ];
    let error = files_of(&kernel_of(rows, &[])).unwrap_err();
    assert!(matches!(&error, KernelError::Cycle(name) if name == "a"), "{error}");
}

#[test]
fn aliases_are_in_the_order_of_the_modules_and_dashes_become_underscores() {
    let rows: &[Row<'_>] = &[
        ("kernel/a.ko", &["alias=pci:v1-x", "alias=usb:v[0-9]p-x"], &[], &[]),
        ("kernel/b.ko", &["alias=pci:v1-x", "license=GPL", "softdep=pre: a post: c"], &[], &[]),
    ];
    let tree = kernel_of(rows, &[("modules.order", b"kernel/b.ko\n")]);
    assert_eq!(
        text(&tree, "modules.alias"),
        "# Aliases extracted from modules themselves.\nalias pci:v1-x b\nalias pci:v1-x a\n\
         alias usb:v[0-9]p-x a\n"
    );
    let alias = index(&tree, "modules.alias.bin");
    assert_eq!(alias.values("pci:v1_x"), [(0, "b".to_owned()), (1, "a".to_owned())]);
    assert_eq!(alias.values("usb:v[0-9]p_x"), [(1, "a".to_owned())]);
    assert_eq!(
        text(&tree, "modules.softdep"),
        "# Soft dependencies extracted from modules themselves.\nsoftdep b pre: a post: c\n"
    );
}

#[test]
fn an_alias_that_an_index_can_not_hold_is_refused() {
    for (alias, what) in [
        ("alias=a]", "unmatched bracket in alias `a]`"),
        ("alias=[a", "unmatched bracket in alias `[a`"),
        ("alias=é", "`é` is not printable ASCII"),
    ] {
        let tree = kernel_of(&[("kernel/a.ko", &[alias], &[], &[])], &[]);
        let error = files_of(&tree).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let info = "ext4.alias=a[\0".as_bytes();
    let tree = release(&[("modules.builtin.modinfo", info)]);
    assert!(files_of(&tree).unwrap_err().to_string().contains("unmatched bracket in alias `a[`"));
}

/// depmod(8), `modules.devname`: a node's name, and the number of its device.
#[test]
fn a_device_node_needs_a_name_and_a_number() {
    for (info, line) in [
        (&["alias=devname:cuse", "alias=char-major-10-203"][..], Some("m cuse c10:203")),
        (&["alias=block-major-7-0", "alias=devname:loop-control"], Some("m loop-control b7:0")),
        (&["alias=devname:one", "alias=devname:two", "alias=char-major-1-2"], Some("m two c1:2")),
        (&["alias=devname:one", "alias=char-major-1-2", "alias=devname:two"], Some("m one c1:2")),
        (&["alias=devname:x", "alias=char-major-1-*", "alias=char-major-3-4"], Some("m x c3:4")),
        (&["alias=devname:x"], None),
        (&["alias=char-major-1-2"], None),
        (&["alias=devname:x", "alias=char-major-1-*"], None),
        (&["devname=x", "alias=char-major-1-2"], None),
    ] {
        let tree = kernel_of(&[("kernel/m.ko", info, &[], &[])], &[]);
        let expected: String = line.map(|line| format!("{line}\n")).unwrap_or_default();
        let found = text(&tree, "modules.devname");
        let head = "# Device nodes to trigger on-demand module loading.\n";
        assert_eq!(found.strip_prefix(head), Some(expected.as_str()), "{info:?}");
    }
}

#[test]
fn what_is_built_in_is_indexed_by_name_and_alias() {
    let tree = release(&[
        ("modules.builtin", b"kernel/fs/ext4/ext4.ko\nkernel/virtio-pci.ko\n"),
        (
            "modules.builtin.modinfo",
            b"ext4.alias=fs-ext4\0ext4.license=GPL\0virtio-pci.alias=pci:v[a-f]-x\0alias=none\0x.alias=fs-ext4\0",
        ),
    ]);
    let builtin = index(&tree, "modules.builtin.bin");
    assert_eq!(builtin.values("ext4"), [(0, String::new())]);
    assert_eq!(builtin.values("virtio_pci"), [(0, String::new())]);
    let alias = index(&tree, "modules.builtin.alias.bin");
    assert_eq!(alias.values("fs_ext4"), [(0, "x".to_owned()), (0, "ext4".to_owned())]);
    assert_eq!(alias.values("pci:v[a-f]_x"), [(0, "virtio_pci".to_owned())]);
    assert!(alias.values("GPL").is_empty() && alias.values("none").is_empty());
}

#[test]
fn the_lists_of_the_kernel_must_be_there() {
    let whole = release(&[]);
    for list in ["modules.order", "modules.builtin.modinfo"] {
        let mut tree = whole.clone();
        let path = format!("usr/lib/modules/{RELEASE}/{list}");
        assert!(tree.remove(path.as_bytes()));
        let error = files_of(&tree).unwrap_err();
        assert!(matches!(&error, KernelError::Missing(missing) if *missing == path), "{error}");
    }
}
