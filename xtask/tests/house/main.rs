//! The house: arrows between crates point down, and neither modules nor files of a crate go round in a circle.
//!
//! `ARCHITECTURE.md` draws it. A crate's modules are its files and folders below `src`; one leads to
//! another where its code, tests aside, names an item of it ([`paths`]).

#![expect(clippy::disallowed_methods, reason = "the test reads the project's own files")]
#![expect(clippy::unwrap_used, reason = "a test ends where its premises do")]

mod paths;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each crate may link of the others.
const ARROWS: [(&str, &[&str]); 10] = [
    ("cli", &["attest", "debian", "engine", "formats", "host", "measure", "vm"]),
    ("engine", &["attest", "debian", "formats", "host", "measure", "shell"]),
    ("attest", &["formats", "host", "measure"]),
    ("vm", &["formats", "host", "measure"]),
    ("measure", &["formats"]),
    ("debian", &["formats"]),
    ("host", &["formats"]),
    ("formats", &[]),
    ("shell", &[]),
    ("stage1", &[]),
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("crates")
}

#[test]
fn arrows_point_down() {
    let listed = fs::read_dir(crates()).unwrap();
    let names: BTreeSet<String> =
        listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let drawn: BTreeSet<String> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names, drawn, "every crate has its place in the house");
    for (name, allowed) in ARROWS {
        let manifest = fs::read_to_string(crates().join(name).join("Cargo.toml")).unwrap();
        let linked = linked(&manifest);
        let up: Vec<_> = linked.iter().filter(|of| !allowed.contains(&of.as_str())).collect();
        assert!(up.is_empty(), "`{name}` links {up:?}, which is not below it");
        let unused: Vec<_> = allowed.iter().filter(|of| !linked.contains(**of)).collect();
        assert!(unused.is_empty(), "`{name}` does not link {unused:?}: draw the house as it is");
    }
}

/// The crates of the project that a manifest links, tests aside.
fn linked(manifest: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut links = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            links = line == "[dependencies]";
        } else if let Some(name) = line.strip_prefix("cvmkit-").filter(|_| links) {
            found.extend(name.split(['.', ' ']).next().map(str::to_owned));
        }
    }
    found
}

#[test]
fn no_modules_go_round_in_a_circle() {
    let mut modules = 0;
    for (name, _) in ARROWS {
        let graph = paths::modules(&graph(name));
        modules += graph.len();
        let circles = paths::circles(&graph);
        assert!(circles.is_empty(), "`{name}`: these modules lead to one another: {circles:?}");
    }
    assert!(modules > 60, "only {modules} modules");
}

/// The file that others build on owns the type, and its folder's head calls.
#[test]
fn no_files_go_round_in_a_circle() {
    for (name, _) in ARROWS {
        let circles = paths::circles(&graph(name));
        assert!(circles.is_empty(), "`{name}`: these files lead to one another: {circles:#?}");
    }
}

/// Where what maintainer scripts ask for is done: nothing below names what touches the machine, its clock or its
/// environment, so no script does.
const SEALED: [(&str, &str); 2] = [("shell", ""), ("engine", "packages/debian/commands")];

/// What would touch it. A type that only says why a read failed does not.
const OUTSIDE: [&str; 12] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time",
    "cvmkit_host",
    "libc::",
    "rustix",
    "unsafe",
    "crate::store",
];

#[test]
fn what_evaluates_scripts_can_touch_no_machine() {
    let mut files = 0;
    for (name, folder) in SEALED {
        for (module, text) in paths::sources(&crates().join(name).join("src")) {
            if !module.join("/").starts_with(folder) {
                continue;
            }
            files += 1;
            let lines = paths::without_tests(&text).lines();
            let lines = lines.filter(|line| !line.trim_start().starts_with("//"));
            for line in lines {
                let outside = OUTSIDE.iter().find(|outside| line.contains(**outside));
                // `forbid(unsafe_code)` is the one line that has the word; faults and hints are words.
                let is_harmless = ["forbid(unsafe_code)", "use cvmkit_host::fault::"]
                    .iter()
                    .any(|harmless| line.contains(harmless));
                let found = outside.filter(|_| !is_harmless);
                assert_eq!(found, None, "`{name}`, {}: {line}", module.join("/"));
            }
        }
    }
    assert!(files > 100, "only {files} files");
}

fn graph(name: &str) -> paths::Graph {
    paths::files(&paths::sources(&crates().join(name).join("src")))
}

#[test]
fn a_circle_and_an_arrow_that_points_up_are_found() {
    let source = |module: &str, text: &str| {
        (
            module.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            text.to_owned(),
        )
    };
    let mut sources = paths::Sources::from([
        source("", "mod a;\npub use crate::a::A;"),
        source("a", "use crate::b::B;\n#[cfg(test)]\nmod tests {\n    use crate::top::T;\n}\n"),
        source("b", "use crate::c;\n// crate::a::A\nfn b() {\n    c::call();\n}"),
        source("c", "struct C;"),
        source("top", "use crate::A;"),
    ]);
    let found = |sources: &paths::Sources| Vec::from_iter(paths::circles(&paths::files(sources)));
    assert_eq!(found(&sources), Vec::<Vec<String>>::new());
    sources.extend([source("c", "fn c() {\n    crate::a::call();\n}")]);
    assert_eq!(found(&sources), [["a", "b", "c"]]);
    let manifest = "[dependencies]\ncvmkit-host.workspace = true\ncvmkit-engine = { workspace = true }\n\
                    [dev-dependencies]\ncvmkit-vm.workspace = true\n";
    assert_eq!(linked(manifest).into_iter().collect::<Vec<_>>(), ["engine", "host"]);
}

/// A head that only hands names on makes no circle; one that owns what its files build on does.
#[test]
fn a_circle_of_a_folder_and_its_files_is_found() {
    let leaf = "use super::{\n    Error,\n    deep::{self, Deep as D},\n};\nfn leaf() {\n    deep::call();\n}";
    for (head, circle) in [
        ("pub use error::Error;\npub(crate) use leaf::leaf;", &[][..]),
        ("pub use error::Error;\nfn head() {\n    leaf::leaf()\n}", &[]),
        ("pub struct Error;\npub use leaf::leaf;", &[]),
        ("pub struct Error;\npub use leaf::leaf;\nfn head() {\n    leaf()\n}", &["m", "m/leaf"]),
        ("pub struct Error;\nuse self::leaf::leaf;", &["m", "m/leaf"]),
    ] {
        let module = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let sources = paths::Sources::from([
            (module(&["m"]), head.to_owned()),
            (module(&["m", "leaf"]), leaf.to_owned()),
            (module(&["m", "deep"]), "use super::error::*;".to_owned()),
            (module(&["m", "error"]), "pub struct Error;".to_owned()),
        ]);
        let found = paths::circles(&paths::files(&sources));
        assert_eq!(found.into_iter().flatten().collect::<Vec<_>>(), circle, "{head}");
    }
}
