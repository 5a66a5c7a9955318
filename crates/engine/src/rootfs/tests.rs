//! A small tree in memory, and the tools that it is compared with, for the tests that stand beside the steps.
#![expect(clippy::disallowed_types, reason = "oracle tools are started")]
#![expect(clippy::disallowed_methods, reason = "CI has a switch for oracles")]

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use cvmkit_formats::tree::{Inode, Node};

use super::accounts::Masters;
use super::assembly::Assembly;
use super::{Request, RootfsError};

/// Master files that no test has unless it puts them there.
pub(crate) const MASTERS: Masters = Masters {
    package: "base-passwd",
    passwd: "/usr/share/base/passwd.master",
    group: "/usr/share/base/group.master",
};

/// A tree of `files`: a path that ends in `/` is a directory, `-> x` a link to x, anything else the text of
/// a file with mode 0644.
pub(crate) fn assembly<'a>(request: &'a Request<'a>, files: &[(&str, &str)]) -> Assembly<'a> {
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
pub(crate) fn at(assembly: &Assembly<'_>, path: &str) -> Option<String> {
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
pub(crate) fn access(assembly: &Assembly<'_>, path: &str) -> (u16, u32, u32) {
    let meta = &assembly.tree.inode(assembly.find(path).unwrap()).meta;
    (meta.mode, meta.uid, meta.gid)
}

/// Expects a refusal whose text has `words`.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, RootfsError>, words: &str) {
    let text = result.unwrap_err().to_string();
    assert!(text.contains(words), "expected `{words}`, found: {text}");
}

/// Runs a tool and answers its standard output; nothing, loudly, if it is not installed.
pub(crate) fn oracle(tool: &str, arguments: &[&str]) -> Option<String> {
    let output = match Command::new(tool).args(arguments).env("LC_ALL", "C").output() {
        Ok(output) => output,
        Err(_) => {
            assert!(
                std::env::var_os("CVMKIT_ORACLES").is_none_or(|value| value != "require"),
                "{tool} is not installed"
            );
            eprintln!("SKIPPED: {tool} is not installed");
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    // `is-enabled` says no with its exit code and yes or no in words too.
    assert!(output.status.success() || !text.is_empty(), "{tool} {arguments:?}: {complaint}");
    Some(text)
}

/// What gives files to root needs root.
pub(crate) fn is_root() -> bool {
    let mine = tempfile::tempfile().unwrap().metadata().unwrap().uid() == 0;
    if !mine {
        eprintln!("SKIPPED: systemd-sysusers --root needs root");
    }
    mine
}
