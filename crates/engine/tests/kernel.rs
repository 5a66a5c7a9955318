//! Kernel modules against kmod: `depmod` writes the same files, `modinfo` reads the same fields.
//!
//! The modules are assembled here, small ones that cover what a real kernel has; with
//! `CVMKIT_KERNEL_TREE` set to a folder into which a kernel package was unpacked, that one is
//! compared too.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the oracles are programs, which need files; a test that can't go on fails"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use cvmkit_engine::content::Content;
use cvmkit_engine::kernel::index::Index;
use cvmkit_engine::kernel::{Kernel, KernelError, depmod};
use cvmkit_formats::tree::{Inode, Meta, Tree};

const RELEASE: &str = "6.12.0-test";

/// Name of the file, exports, imports, `.modinfo`.
type Source =
    (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const MODULES: [Source; 9] = [
    ("kernel/lib/rs.ko", &["decode_rs", "encode_rs"], &["printk"], &["license=GPL"]),
    (
        "kernel/md/dm-mod.ko",
        &["dm_get", "dm_put"],
        &[],
        &["alias=devname:mapper/control", "alias=char-major-10-236", "depends="],
    ),
    ("kernel/md/dm-bufio.ko", &["bufio_read"], &["dm_put"], &["depends=dm-mod"]),
    (
        "kernel/md/dm-verity.ko",
        &[],
        &["decode_rs", "bufio_read", "dm_get", "dm_put"],
        &[
            "depends=dm-mod,dm-bufio,rs",
            "softdep=pre: crypto-sum post: late",
            "alias=dm-target-verity",
        ],
    ),
    ("kernel/crypto/sum_generic.ko", &[], &[], &["alias=crypto-sum", "alias=sum"]),
    (
        "kernel/crypto/sum-fast.ko",
        &[],
        &[],
        &["alias=crypto-sum", "alias=cpu:type:x86,ven*fam*mod*:feature:*00C8*"],
    ),
    (
        "kernel/late.ko",
        &["bufio_write"],
        &["bufio_read"],
        &["softdep=pre: dm-verity", "depends=dm-bufio"],
    ),
    (
        "kernel/usb.ko",
        &["usb_go"],
        &["bufio_write"],
        &["alias=usb:v[0-9A-F]p-x*", "alias=usb:v1", "alias=usb:v1"],
    ),
    ("updates/usb2.ko", &[], &["usb_go", "decode_rs"], &["alias=usb:v1", "depends=usb,rs,absent"]),
];

const BUILTIN: &str = "kernel/fs/ext4.ko\nkernel/drivers/virtio/virtio-pci.ko\n";
const BUILTIN_INFO: &[u8] = b"ext4.alias=fs-ext4\0ext4.alias=ext3\0ext4.license=GPL\0\
    virtio_pci.alias=pci:v00001AF4d*\0virtio_pci.alias=fs-ext4\0";

/// Answers whether the programs are there.
fn oracles(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| {
        let run = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        run.is_err()
    });
    if let Some(program) = missing {
        let required = std::env::var("CVMKIT_ORACLES").is_ok_and(|value| value == "require");
        assert!(!required, "{program} is not installed");
        eprintln!("SKIPPED: {program} is not installed");
    }
    missing.is_none()
}

/// A relocatable object with the sections and symbols by which kmod and the kernel know a module.
fn assemble(to: &Path, (_, exports, imports, info): Source) {
    let mut text = String::from(".section .modinfo,\"a\"\n");
    for field in info {
        text += &format!(".asciz \"{field}\"\n");
    }
    text += ".section __ksymtab_strings,\"a\"\n";
    for export in exports {
        text += &format!(".asciz \"{export}\"\n");
    }
    text += ".section __ksymtab,\"a\"\n";
    for export in exports {
        text += &format!("__ksymtab_{export}: .long 0\n");
    }
    text += ".data\n";
    for import in imports {
        text += &format!(".quad {import}\n");
    }
    let mut child =
        Command::new("as").arg("-o").arg(to).arg("-").stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Writes the made-up kernel to `root`.
fn make(root: &Path) {
    let folder = root.join("usr/lib/modules").join(RELEASE);
    for module in MODULES {
        let path = folder.join(module.0);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assemble(&path, module);
    }
    let fast = folder.join("kernel/crypto/sum-fast.ko");
    let packed = Command::new("xz").arg("--check=crc32").arg(&fast).status().unwrap();
    assert!(packed.success());
    let order = MODULES.iter().rev().map(|module| format!("{}\n", module.0));
    fs::write(folder.join("modules.order"), order.collect::<String>()).unwrap();
    fs::write(folder.join("modules.builtin"), BUILTIN).unwrap();
    fs::write(folder.join("modules.builtin.modinfo"), BUILTIN_INFO).unwrap();
    fs::create_dir_all(root.join("boot")).unwrap();
    fs::write(root.join("boot").join(format!("vmlinuz-{RELEASE}")), "vmlinuz").unwrap();
}

/// The files below `root` as a tree.
fn tree(root: &Path) -> Tree<Content> {
    let mut tree = Tree::new(Meta::root(0o755, 0));
    let mut pending = vec![String::new()];
    while let Some(at) = pending.pop() {
        for entry in fs::read_dir(root.join(&at)).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let path = if at.is_empty() { name } else { format!("{at}/{name}") };
            if entry.file_type().unwrap().is_dir() {
                tree.make_directories(path.as_bytes(), &Meta::root(0o755, 0)).unwrap();
                pending.push(path);
            } else {
                let contents = Content::from(fs::read(entry.path()).unwrap());
                tree.make_directories(at.as_bytes(), &Meta::root(0o755, 0)).unwrap();
                tree.put(path.as_bytes(), Inode::file(Meta::root(0o644, 0), contents)).unwrap();
            }
        }
    }
    tree
}

/// Runs `depmod` on a copy of the modules and compares every file.
fn compare(root: &Path) {
    let tree = tree(root);
    let kernel = Kernel::find(&tree, None).unwrap();
    let ours = depmod::files(&kernel).unwrap();
    let copy = tempfile::tempdir().unwrap();
    let to = copy.path().join("lib");
    fs::create_dir_all(&to).unwrap();
    let from = root.join("usr/lib/modules");
    assert!(Command::new("cp").arg("-r").args([&from, &to]).status().unwrap().success());
    let base = copy.path();
    let run = Command::new("depmod").arg("-b").arg(base).arg(kernel.release()).status().unwrap();
    assert!(run.success());
    let written = to.join("modules").join(kernel.release());
    let theirs: BTreeSet<String> = fs::read_dir(&written)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("modules."))
        .filter(|name| !from.join(kernel.release()).join(name).exists())
        .collect();
    assert!(theirs.iter().map(String::as_str).eq(ours.keys().copied()), "{theirs:?}");
    for (name, bytes) in &ours {
        let expected = fs::read(written.join(name)).unwrap();
        if *name == "modules.symbols" {
            let lines = |bytes: &[u8]| -> BTreeSet<String> {
                str::from_utf8(bytes).unwrap().lines().map(Into::into).collect()
            };
            assert_eq!(lines(bytes), lines(&expected));
        } else {
            let first = bytes.iter().zip(&expected).position(|(a, b)| a != b);
            assert!(*bytes == expected, "{name} differs at {first:?}");
        }
        if name.ends_with(".bin") {
            assert_eq!(Index::decode(bytes).unwrap().encode().unwrap(), *bytes, "{name}");
        }
    }
}

#[test]
fn depmod_writes_the_same_files() {
    if !oracles(&["as", "depmod", "xz"]) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    make(root.path());
    compare(root.path());
}

#[test]
fn depmod_writes_the_same_files_for_a_real_kernel() {
    match std::env::var_os("CVMKIT_KERNEL_TREE") {
        Some(root) => compare(Path::new(&root)),
        None => eprintln!("SKIPPED: CVMKIT_KERNEL_TREE names no unpacked kernel package"),
    }
}

#[test]
fn the_closure_of_a_real_kernel_loads_what_verity_needs() {
    let Some(root) = std::env::var_os("CVMKIT_KERNEL_TREE") else {
        eprintln!("SKIPPED: CVMKIT_KERNEL_TREE names no unpacked kernel package");
        return;
    };
    let tree = tree(Path::new(&root));
    let kernel = Kernel::find(&tree, None).unwrap();
    let wanted = [
        "dm_verity",
        "squashfs",
        "erofs",
        "virtio_blk",
        "virtio_pci",
        "virtio_scsi",
        "sd_mod",
        "nvme",
    ];
    let closure = kernel.closure(&wanted).unwrap();
    let names: Vec<_> = closure.iter().map(|module| module.name.as_str()).collect();
    eprintln!("{}: {}", kernel.release(), names.join(" "));
    let place = |name| names.iter().position(|found| *found == name).unwrap();
    assert!(place("dm_mod") < place("dm_bufio") && place("dm_bufio") < place("dm_verity"));
    assert!(place("scsi_mod") < place("sd_mod"));
    for module in &closure {
        assert!(module.path.ends_with(".ko") && module.contents.starts_with(b"\x7fELF"));
        depends_as_modinfo_says(module, &names, &kernel);
    }
}

/// `modinfo -F depends` names only modules that come earlier, or are built in.
fn depends_as_modinfo_says(
    module: &cvmkit_engine::kernel::Module,
    order: &[&str],
    kernel: &Kernel<'_>,
) {
    if !oracles(&["modinfo"]) {
        return;
    }
    let mut file = tempfile::Builder::new().suffix(".ko").tempfile().unwrap();
    file.write_all(&module.contents).unwrap();
    let output = Command::new("modinfo").args(["-F", "depends"]).arg(file.path()).output().unwrap();
    let place = order.iter().position(|name| *name == module.name).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for needed in text.trim().split(',').filter(|name| !name.is_empty()) {
        let met = order[..place].contains(&needed.replace('-', "_").as_str());
        assert!(met || kernel.is_builtin(needed), "{} needs {needed}", module.name);
    }
}

fn made_up() -> Option<(tempfile::TempDir, Tree<Content>)> {
    if !oracles(&["as", "xz"]) {
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    make(root.path());
    let tree = tree(root.path());
    Some((root, tree))
}

#[test]
fn a_closure_is_ordered_and_leaves_out_what_is_built_in() {
    let Some((_root, tree)) = made_up() else { return };
    let kernel = Kernel::find(&tree, Some(RELEASE)).unwrap();
    let names = |wanted: &[&str]| -> Vec<String> {
        kernel.closure(wanted).unwrap().into_iter().map(|module| module.name).collect()
    };
    // The soft dependency is met by the generic module, not by the one bound to a processor, and
    // the circle between dm-verity and late is no obstacle.
    let verity = ["sum_generic", "dm_mod", "dm_bufio", "rs", "dm_verity", "late"];
    assert_eq!(names(&["dm-verity", "virtio_pci", "dm_verity"]), verity);
    assert_eq!(names(&["ext4"]), [""; 0]);
    assert_eq!(names(&["rs", "dm_mod"]), ["rs", "dm_mod"]);
    let fast = &kernel.closure(&["sum_fast"]).unwrap()[0];
    assert_eq!(fast.path, format!("/usr/lib/modules/{RELEASE}/kernel/crypto/sum-fast.ko"));
    assert!(fast.contents.starts_with(b"\x7fELF"));
}

#[test]
fn what_is_missing_is_named() {
    let Some((_root, tree)) = made_up() else { return };
    let kernel = Kernel::find(&tree, None).unwrap();
    assert!(kernel.vmlinuz().is_ok());
    let error = kernel.closure(&["dm_verify"]).unwrap_err();
    assert_eq!(error.to_string(), "kernel 6.12.0-test has no module `dm_verify`");
    assert!(
        matches!(error, KernelError::UnknownModule { near: Some(near), .. } if near == "dm_verity")
    );
    let error = kernel.closure(&["usb2"]).unwrap_err().to_string();
    assert_eq!(error, "kernel 6.12.0-test has no module `absent`, which `usb2` needs");
    assert!(matches!(Kernel::find(&tree, Some("6.1")), Err(KernelError::UnknownRelease { .. })));
    let empty = Tree::new(Meta::root(0o755, 0));
    assert!(matches!(Kernel::find(&empty, None), Err(KernelError::None)));
}

#[test]
fn a_second_module_of_one_name_counts_only_from_updates() {
    let Some((_root, mut tree)) = made_up() else { return };
    let folder = format!("usr/lib/modules/{RELEASE}");
    let mut put = |path: &str| {
        let file = Inode::file(Meta::root(0o644, 0), Content::from("no module"));
        tree.put(format!("{folder}/{path}").as_bytes(), file).unwrap();
        Kernel::find(&tree, None).map(|kernel| kernel.closure(&["rs"]).map_err(|e| e.to_string()))
    };
    let corrupt = put("updates/rs.ko").unwrap().unwrap_err();
    assert!(corrupt.starts_with(&format!("/{folder}/updates/rs.ko: ")), "{corrupt}");
    assert!(put("kernel/rs.ko.xz").is_ok());
    assert!(matches!(put("updates/rs.ko.xz"), Err(KernelError::Duplicate { .. })));
    let Some((_root, mut tree)) = made_up() else { return };
    let file = Inode::file(Meta::root(0o644, 0), Content::from("no module"));
    tree.put(format!("{folder}/kernel/rs.ko.zst").as_bytes(), file).unwrap();
    assert!(matches!(Kernel::find(&tree, None), Err(KernelError::Duplicate { .. })));
}
