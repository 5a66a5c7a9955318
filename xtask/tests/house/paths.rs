//! Which file of a crate names an item of which other.
//!
//! A small reader of Rust as rustfmt lays it out: `use` and paths, comments and tests aside. A name that a
//! module only hands on (`pub use`) counts for the file that declares the item, so a table of contents makes
//! no circle. Deliberately absent: macros, and modules within a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Which module leads to which, each by its path below `src`, such as `event/log`.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// A module by its names from the crate's root on; the root itself has none.
type Module = Vec<String>;

/// The text of each module.
pub(crate) type Sources = BTreeMap<Module, String>;

/// The files below a crate's `src`; those that are tests alone are left out.
pub(crate) fn sources(src: &Path) -> Sources {
    let mut sources = Sources::new();
    collect(src, &[], &mut sources);
    sources
}

fn collect(folder: &Path, module: &[String], sources: &mut Sources) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let below = || [module, &[name.to_owned()]].concat();
        if name == "tests" {
            continue;
        }
        if path.is_dir() {
            collect(&path, &below(), sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = match name {
                "lib" | "main" if module.is_empty() => Module::new(),
                "mod" => module.to_vec(),
                _ => below(),
            };
            sources.insert(module, fs::read_to_string(&path).unwrap());
        }
    }
}

/// A file up to the module of its tests.
pub(crate) fn without_tests(text: &str) -> &str {
    ["mod tests {", "pub(super) mod tests {"].into_iter().fold(text, |text, module| {
        text.split(&format!("\n#[cfg(test)]\n{module}")).next().unwrap_or_default()
    })
}

/// Which file leads to which. The crate's root is left out: it leads everywhere.
pub(crate) fn files(sources: &Sources) -> Graph {
    let files: BTreeMap<&Module, File> =
        sources.iter().map(|(module, text)| (module, File::read(text))).collect();
    let mut graph = Graph::new();
    for (module, file) in files.iter().filter(|(module, _)| !module.is_empty()) {
        let imported = file.imports.iter().filter(|(name, _)| file.uses(name));
        let paths = imported.map(|(_, path)| path).chain(&file.paths);
        let to = paths.filter_map(|path| declaring(&files, module, path, 0));
        let to = to.filter(|to| to != *module && !to.is_empty()).map(|to| to.join("/"));
        graph.insert(module.join("/"), to.collect());
    }
    graph
}

/// The same graph of the modules at the top of the crate.
pub(crate) fn modules(files: &Graph) -> Graph {
    let top = |file: &String| file.split('/').next().unwrap_or_default().to_owned();
    let mut graph = Graph::new();
    for (file, to) in files {
        let from = top(file);
        let to = to.iter().map(top).filter(|to| *to != from).collect::<Vec<_>>();
        graph.entry(from).or_default().extend(to);
    }
    graph
}

/// The circles: files each of which leads to all others of its circle.
pub(crate) fn circles(graph: &Graph) -> BTreeSet<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|name| (name, reached(graph, name))).collect();
    let circle = |name: &String| {
        let there_and_back = reach[name].iter().filter(|to| reach[*to].contains(name));
        there_and_back.map(|to| (*to).clone()).collect::<Vec<_>>()
    };
    graph.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
}

fn reached<'a>(graph: &'a Graph, from: &String) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&String> = graph[from].iter().collect();
    while let Some(name) = next.pop() {
        if reached.insert(name) {
            next.extend(&graph[name]);
        }
    }
    reached
}

/// The file that declares the item at the end of a path; none if the path is that of a module.
fn declaring(
    files: &BTreeMap<&Module, File>,
    from: &Module,
    path: &[String],
    depth: usize,
) -> Option<Module> {
    /// More than any name is handed on.
    const DEPTH: usize = 8;
    let mut at = from.clone();
    for (index, name) in path.iter().enumerate() {
        let below = [at.clone(), vec![name.clone()]].concat();
        match name.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            _ if files.contains_key(&below) => at = below,
            _ => {
                let import = files.get(&at).and_then(|file| file.imports.get(name));
                let Some(import) = import.filter(|_| depth < DEPTH) else { return Some(at) };
                let path = [import, &path[index + 1..]].concat();
                return declaring(files, &at, &path, depth + 1);
            }
        }
    }
    None
}

/// What a file names.
#[derive(Debug, Default, PartialEq, Eq)]
struct File {
    /// The path behind each imported name.
    imports: BTreeMap<String, Vec<String>>,
    /// The imported names that others may import from here.
    exports: BTreeSet<String>,
    /// The paths in its code.
    paths: BTreeSet<Vec<String>>,
    /// The words of its code.
    words: BTreeSet<String>,
}

impl File {
    fn read(text: &str) -> Self {
        let text = without_tests(text);
        let mut file = Self::default();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        while let Some(line) = lines.next() {
            let Some((visibility, mut tree)) = import(line) else {
                file.code(line);
                continue;
            };
            while !tree.ends_with(';') {
                tree.push_str(lines.next().expect("a `use` ends in a semicolon"));
            }
            let mut leaves = Vec::new();
            expand(&[], tree.trim_end_matches(';'), &mut leaves);
            for (name, path) in leaves {
                if visibility {
                    file.exports.insert(name.clone());
                }
                match name.as_str() {
                    "*" => drop(file.paths.insert(path)),
                    _ => drop(file.imports.insert(name, path)),
                }
            }
        }
        file
    }

    /// Adds the words and paths of a line.
    fn code(&mut self, line: &str) {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_:".contains(letter);
        for text in line.split(|letter| !is_part(letter)) {
            let names = text.split("::").take_while(|name| !name.is_empty() && !name.contains(':'));
            let path: Vec<String> = names.map(str::to_owned).collect();
            self.words.extend(path.first().cloned());
            if path.len() > 1 {
                self.paths.insert(path);
            }
        }
    }

    /// Whether the file itself needs an imported name, which it may only hand on.
    fn uses(&self, name: &str) -> bool {
        !self.exports.contains(name) || self.words.contains(name)
    }
}

/// The tree of a `use`, and whether it is handed on.
fn import(line: &str) -> Option<(bool, String)> {
    let (visibility, tree) = line.split_once("use ")?;
    let is_visibility = visibility.is_empty()
        || visibility.starts_with("pub")
            && visibility.ends_with([' '])
            && !visibility.contains('=');
    is_visibility.then(|| (!visibility.is_empty(), tree.to_owned()))
}

/// The names that a tree of `use` brings, each with its path.
fn expand(before: &[String], tree: &str, leaves: &mut Vec<(String, Vec<String>)>) {
    let (path, inner) = match tree.split_once('{') {
        Some((path, inner)) => (path, inner.strip_suffix('}')),
        None => (tree, None),
    };
    let (path, alias) = path.split_once(" as ").unwrap_or((path, ""));
    let names = path.split("::").map(str::trim).filter(|name| !name.is_empty());
    let mut path = before.to_vec();
    path.extend(names.filter(|name| *name != "self" || before.is_empty()).map(str::to_owned));
    match inner {
        Some(inner) => branches(inner).into_iter().for_each(|tree| expand(&path, tree, leaves)),
        None => {
            let last = path.last().cloned().unwrap_or_default();
            leaves.push((if alias.is_empty() { last } else { alias.to_owned() }, path));
        }
    }
}

/// The parts of a list between the commas that are in no braces.
fn branches(list: &str) -> Vec<&str> {
    let mut depth = 0;
    let between = |letter: char| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        depth == 0 && letter == ','
    };
    list.split(between).map(str::trim).filter(|tree| !tree.is_empty()).collect()
}
