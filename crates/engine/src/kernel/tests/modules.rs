//! What modules say about themselves, and the order in which they load.

use super::elf::{Symbol, module, object};
use super::*;

#[test]
fn a_module_says_what_it_is_exports_and_needs() {
    let info = ["license=GPL", "depends=a,b", "alias=x", "alias=y=z", "intree", "", "author="];
    let symbols = [
        Symbol::Defined("__ksymtab_dm_get"),
        Symbol::Defined("dm_get"),
        Symbol::Needed("printk"),
        Symbol::Weak("maybe"),
        Symbol::Local("mine"),
        Symbol::Needed(""),
        Symbol::Defined("__ksymtab_dm_put"),
        Symbol::Needed("kfree"),
    ];
    let found = ModuleInfo::parse(&object(Some(&info), &symbols)).unwrap();
    let field = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        found.fields,
        [
            field("license", "GPL"),
            field("depends", "a,b"),
            field("alias", "x"),
            field("alias", "y=z"),
            field("intree", ""),
            field("author", ""),
        ]
    );
    assert_eq!(found.exports, ["dm_get", "dm_put"]);
    assert_eq!(found.imports, ["printk", "maybe", "kfree"]);
    assert_eq!(found.values("alias").collect::<Vec<_>>(), ["x", "y=z"]);
    assert_eq!(found.values("alia").count(), 0);
}

#[test]
fn what_is_no_module_is_refused() {
    assert_eq!(ModuleInfo::parse(&object(None, &[])).unwrap_err(), "no .modinfo section");
    let good = module(&["license=GPL"], &["a"], &["b"]);
    for len in [0, 4, 63, 64, 200] {
        assert!(ModuleInfo::parse(&good[..len]).is_err(), "{len}");
    }
    assert!(ModuleInfo::parse(b"#!/bin/sh\n").is_err());
}

#[test]
fn empty_names_are_no_dependencies() {
    for (value, names) in [
        ("depends=", &[][..]),
        ("depends=a", &["a"]),
        ("depends=a,b-c", &["a", "b-c"]),
        ("depends=,a,,b,", &["a", "b"]),
        ("softdep=pre: a", &[]),
    ] {
        let info = ModuleInfo::parse(&module(&[value], &[], &[])).unwrap();
        assert_eq!(info.depends().collect::<Vec<_>>(), names, "{value}");
    }
}

/// Modules by path, each with its `.modinfo`.
fn kernel_of(modules: &[(&str, &[&str])], lists: &[(&str, &[u8])]) -> Tree<Content> {
    let bytes: Vec<(&str, Vec<u8>)> =
        modules.iter().map(|(path, info)| (*path, module(info, &[], &[]))).collect();
    let files: Vec<(&str, &[u8])> = bytes
        .iter()
        .map(|(path, bytes)| (*path, bytes.as_slice()))
        .chain(lists.iter().copied())
        .collect();
    release(&files)
}

fn names(tree: &Tree<Content>, wanted: &[&str]) -> Vec<String> {
    let kernel = find(tree, None).unwrap();
    kernel.closure(wanted).unwrap().into_iter().map(|module| module.name).collect()
}

/// modprobe(8): what a module needs is loaded before it.
#[test]
fn what_a_module_needs_comes_before_it_and_once() {
    let tree = kernel_of(
        &[
            ("kernel/top.ko", &["depends=mid-a,mid_b"]),
            ("kernel/mid_a.ko", &["depends=base"]),
            ("kernel/mid-b.ko", &["depends=base,inside"]),
            ("kernel/base.ko", &[]),
            ("kernel/alone.ko", &["depends="]),
        ],
        &[("modules.builtin", b"kernel/inside.ko\n")],
    );
    for (wanted, order) in [
        (&["top"][..], &["base", "mid_a", "mid_b", "top"][..]),
        (&["alone", "top"], &["alone", "base", "mid_a", "mid_b", "top"]),
        (&["mid_b", "top"], &["base", "mid_b", "mid_a", "top"]),
        (&["mid-b", "mid_b", "base"], &["base", "mid_b"]),
        (&["inside"], &[]),
        (&[], &[]),
    ] {
        assert_eq!(names(&tree, wanted), order, "{wanted:?}");
    }
}

/// modprobe.d(5), `softdep`: before and after, where they exist.
#[test]
fn soft_dependencies_come_before_and_after_where_they_exist() {
    let tree = kernel_of(
        &[
            ("kernel/a.ko", &["softdep=pre: b post: c", "softdep=pre: gone d"]),
            ("kernel/b.ko", &[]),
            ("kernel/c.ko", &["softdep=pre: a"]),
            ("kernel/d.ko", &["softdep=post: a-b"]),
            ("kernel/a_b.ko", &[]),
            ("kernel/hard.ko", &["softdep=pre: b", "depends=d"]),
        ],
        &[],
    );
    assert_eq!(names(&tree, &["a"]), ["b", "d", "a_b", "a", "c"]);
    assert_eq!(names(&tree, &["hard"]), ["b", "d", "a_b", "hard"]);
    // A circle of soft dependencies is no obstacle.
    assert_eq!(names(&tree, &["c"]), ["b", "d", "a_b", "a", "c"]);
}

#[test]
fn a_soft_dependency_may_be_an_alias() {
    let modules: &[(&str, &[&str])] = &[
        ("kernel/user.ko", &["softdep=pre: crypto-sum"]),
        ("kernel/generic.ko", &["alias=crypto_sum"]),
        ("kernel/other.ko", &["alias=crypto-sum"]),
        ("kernel/fast.ko", &["alias=crypto-sum", "alias=cpu:type:x86,ven*fam*mod*:feature:*00C8*"]),
        ("kernel/unrelated.ko", &["alias=crypto"]),
    ];
    let tree = kernel_of(modules, &[]);
    assert_eq!(names(&tree, &["user"]), ["generic", "other", "user"]);
    for builtin in ["sum.alias=crypto-sum\0", "sum.alias=crypto_sum\0"] {
        let lists = [("modules.builtin.modinfo", builtin.as_bytes())];
        assert_eq!(names(&kernel_of(modules, &lists), &["user"]), ["user"], "{builtin}");
    }
    let lists = [("modules.builtin.modinfo", &b"sum.license=crypto-sum\0sum.alias=x\0"[..])];
    assert_eq!(names(&kernel_of(modules, &lists), &["user"]), ["generic", "other", "user"]);
    let lists = [("modules.builtin", &b"kernel/crypto-sum.ko\n"[..])];
    assert_eq!(names(&kernel_of(modules, &lists), &["user"]), ["user"], "built in by name");
}

#[test]
fn a_closure_that_can_not_be_loaded_is_refused() {
    let tree = kernel_of(
        &[
            ("kernel/a.ko", &["depends=b"]),
            ("kernel/b.ko", &["depends=c"]),
            ("kernel/c.ko", &["depends=a"]),
            ("kernel/self.ko", &["depends=self"]),
            ("kernel/lost.ko", &["depends=d"]),
        ],
        &[("kernel/noise.ko", b"no module")],
    );
    let kernel = find(&tree, None).unwrap();
    let refused = |name: &str| kernel.closure(&[name]).map(drop).unwrap_err();
    for name in ["a", "b", "c", "self"] {
        let error = refused(name);
        assert!(matches!(&error, KernelError::Cycle(of) if of == name), "{name}: {error}");
    }
    let error = refused("lost");
    let KernelError::UnknownModule { release, name, needed_by, .. } = &error else {
        panic!("{error}")
    };
    let of = (release.as_str(), name.as_str(), needed_by.as_deref());
    assert_eq!(of, (RELEASE, "d", Some("lost")));
    let error = refused("slef");
    assert_eq!(error.hint().as_deref(), Some("did you mean `self`?"));
    let error = refused("noise");
    let path = format!("usr/lib/modules/{RELEASE}/kernel/noise.ko");
    assert!(matches!(&error, KernelError::Corrupt { path: of, .. } if *of == path), "{error}");
}

/// The kernel takes a module's signature behind its bytes, so those are as they were packed.
#[test]
fn a_module_keeps_its_bytes_and_loses_the_ending_of_its_compressor() {
    let bytes =
        [module(&["license=GPL"], &[], &[]), b"~Module signature appended~\n".to_vec()].concat();
    let packed = zstd::encode_all(bytes.as_slice(), 3).unwrap();
    let tree = release(&[("kernel/net/a-b.ko.zst", &packed), ("kernel/c.ko", &bytes)]);
    let kernel = find(&tree, None).unwrap();
    let found = kernel.closure(&["a-b", "c"]).unwrap();
    let module = |name: &str, path: &str| Module {
        name: name.into(),
        path: format!("/usr/lib/modules/{RELEASE}/{path}"),
        contents: bytes.clone(),
    };
    assert_eq!(found, [module("a_b", "kernel/net/a-b.ko"), module("c", "kernel/c.ko")]);
}
