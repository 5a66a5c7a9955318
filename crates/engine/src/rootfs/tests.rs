//! A small tree in memory, for the tests that stand beside the steps.

use cvmkit_formats::tree::{Inode, Node};

use super::assembly::Assembly;
use super::{Request, RootfsError};

/// A tree of `files`: a path that ends in `/` is a directory, `-> x` a link to x, anything else the text of
/// a file with mode 0644.
pub(super) fn assembly<'a>(request: &'a Request<'a>, files: &[(&str, &str)]) -> Assembly<'a> {
    let mut assembly = Assembly::new(request);
    for (path, what) in files {
        let placed = match what.strip_prefix("-> ") {
            Some(target) => assembly.link(path, target),
            None if path.ends_with('/') => {
                let meta = assembly.root(0o755);
                assembly.put(path.trim_end_matches('/'), Inode::directory(meta))
            }
            None => assembly.write(path, 0o644, *what),
        };
        placed.unwrap();
    }
    assembly
}

/// What is at `path` itself: `-> x` for a link to x, `/` for a directory, the text of a file; nothing if
/// nothing is there.
pub(super) fn at(assembly: &Assembly<'_>, path: &str) -> Option<String> {
    if let Some(target) = assembly.target(path) {
        return Some(format!("-> {target}"));
    }
    let id = assembly.find(path)?;
    match &assembly.tree.inode(id).node {
        Node::Directory(_) => Some("/".to_owned()),
        _ => assembly.text(path).unwrap(),
    }
}

/// Mode, user and group of what is at `path`.
pub(super) fn access(assembly: &Assembly<'_>, path: &str) -> (u16, u32, u32) {
    let meta = &assembly.tree.inode(assembly.find(path).unwrap()).meta;
    (meta.mode, meta.uid, meta.gid)
}

/// Expects a refusal whose text has `words`.
pub(super) fn refused<T: std::fmt::Debug>(result: Result<T, RootfsError>, words: &str) {
    let text = result.unwrap_err().to_string();
    assert!(text.contains(words), "expected `{words}`, found: {text}");
}
