//! The house: arrows between crates point down, and no modules of a crate go round in a circle.
//!
//! `ARCHITECTURE.md` draws it. A crate's modules are its files and folders below `src`; one leads to
//! another where its code, tests aside, names it (`crate::other`).

#![expect(clippy::disallowed_methods, reason = "the test reads the project's own files")]
#![expect(clippy::unwrap_used, reason = "a test ends where its premises do")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each crate may link of the others.
const ARROWS: [(&str, &[&str]); 9] = [
    ("cli", &["attest", "debian", "engine", "formats", "host", "measure", "vm"]),
    ("engine", &["attest", "debian", "formats", "host", "measure"]),
    ("attest", &["formats", "host", "measure"]),
    ("vm", &["formats", "host", "measure"]),
    ("measure", &["formats"]),
    ("debian", &["formats"]),
    ("host", &["formats"]),
    ("formats", &[]),
    ("stage1", &[]),
];

type Graph = BTreeMap<String, BTreeSet<String>>;

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
        let graph = graph(&sources(&crates().join(name).join("src")));
        modules += graph.len();
        let circle = circle(&graph);
        assert!(circle.is_empty(), "`{name}`: {} lead to one another", circle.join(", "));
    }
    assert!(modules > 60, "only {modules} modules");
}

/// The files of a crate, each with the module at the top that it is of.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut texts = Vec::new();
        collect(&path, &mut texts);
        found.extend(texts.into_iter().map(|text| (module.clone(), text)));
    }
    found
}

/// The texts of a file, or of those of a folder; those that are tests alone are left out.
fn collect(path: &Path, texts: &mut Vec<String>) {
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| collect(&entry.unwrap().path(), texts));
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        let of_tests = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
        if !path.iter().any(of_tests) {
            texts.push(fs::read_to_string(path).unwrap());
        }
    }
}

/// Which module leads to which.
fn graph(sources: &[(String, String)]) -> Graph {
    let is_root = |module: &str| matches!(module, "lib" | "main");
    let modules = sources.iter().map(|(module, _)| module).filter(|module| !is_root(module));
    let mut graph: Graph = modules.map(|module| (module.clone(), BTreeSet::new())).collect();
    let names: BTreeSet<String> = graph.keys().cloned().collect();
    for (module, text) in sources.iter().filter(|(module, _)| !is_root(module)) {
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text);
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        for named in lines.flat_map(|line| line.split("crate::").skip(1)) {
            let end = named.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            let named = named.get(..end.unwrap_or(named.len())).unwrap_or_default();
            if named != module && names.contains(named) {
                graph.get_mut(module).unwrap().insert(named.to_owned());
            }
        }
    }
    graph
}

/// The modules that are left when those that lead nowhere are taken away, again and again, and those
/// that nothing leads to: none, if there is no circle.
fn circle(graph: &Graph) -> Vec<String> {
    let mut left = graph.clone();
    loop {
        let before = left.len();
        let names: BTreeSet<String> = left.keys().cloned().collect();
        left.values_mut().for_each(|to| to.retain(|name| names.contains(name)));
        left.retain(|_, to| !to.is_empty());
        let reached: BTreeSet<String> = left.values().flatten().cloned().collect();
        left.retain(|name, _| reached.contains(name));
        if left.len() == before {
            return left.into_keys().collect();
        }
    }
}

#[test]
fn a_circle_and_an_arrow_that_points_up_are_found() {
    let source = |module: &str, text: &str| (module.to_owned(), text.to_owned());
    let mut sources = vec![
        source("lib", "mod a; pub use crate::a::A;"),
        source("a", "use crate::b::B;\n#[cfg(test)]\nmod tests {\n    use crate::top::T;\n}\n"),
        source("b", "use crate::c;\n// crate::a\n"),
        source("c", "struct C;"),
        source("top", "use crate::a::A;"),
    ];
    assert_eq!(circle(&graph(&sources)), Vec::<String>::new());
    sources.push(source("c", "fn c() {\n    crate::a::call();\n}"));
    assert_eq!(circle(&graph(&sources)), ["a", "b", "c"]);
    let manifest = "[dependencies]\ncvmkit-host.workspace = true\ncvmkit-engine = { workspace = true }\n\
                    [dev-dependencies]\ncvmkit-vm.workspace = true\n";
    assert_eq!(linked(manifest).into_iter().collect::<Vec<_>>(), ["engine", "host"]);
}
