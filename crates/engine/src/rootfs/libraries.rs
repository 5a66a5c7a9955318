//! Why there is no `/etc/ld.so.cache`, checked.
//!
//! The loader of Debian's glibc searches `/lib/<triplet>`, `/usr/lib/<triplet>`, `/lib` and
//! `/usr/lib` by itself (`ld.so --help`, "system search path"), so a cache only saves a few
//! look-ups. It is needed when `/etc/ld.so.conf` names another folder that holds a library: that is
//! an error here.

use super::RootfsError;
use super::assembly::{Assembly, bare};

const CONFIGURATION: &str = "/etc/ld.so.conf";

/// Checks every folder the configuration names.
pub(crate) fn check(assembly: &Assembly<'_>) -> Result<(), RootfsError> {
    let mut folders = Vec::new();
    for path in configuration(assembly)? {
        let text = assembly.text(&path)?.unwrap_or_default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.starts_with('/') {
                folders.push((path.clone(), line.to_owned()));
            }
        }
    }
    for (path, folder) in folders {
        let mut names = assembly.names(&folder)?.into_iter();
        let library = names.find(|name| name.contains(".so"));
        if let Some(library) = library.filter(|_| !is_built_in(assembly, &folder)) {
            return Err(RootfsError::Unsupported {
                path: format!("{}/{library}", bare(&folder)),
                what: format!("a library that only a loader cache finds ({path} names its folder)"),
            });
        }
    }
    Ok(())
}

/// The main file and what its one kind of `include` names.
fn configuration(assembly: &Assembly<'_>) -> Result<Vec<String>, RootfsError> {
    let mut paths = vec![CONFIGURATION.to_owned()];
    let text = assembly.text(CONFIGURATION)?.unwrap_or_default();
    for (number, line) in (1..).zip(text.lines()) {
        let Some(pattern) = line.trim().strip_prefix("include ") else { continue };
        let folder = pattern.trim().strip_suffix("/*.conf").ok_or_else(|| RootfsError::Syntax {
            path: bare(CONFIGURATION).to_owned(),
            line: number,
            why: format!("include `{pattern}`: expected /folder/*.conf"),
        })?;
        let names = assembly.names(folder)?.into_iter().filter(|name| name.ends_with(".conf"));
        paths.extend(names.map(|name| format!("{folder}/{name}")));
    }
    Ok(paths)
}

fn is_built_in(assembly: &Assembly<'_>, folder: &str) -> bool {
    let real = assembly.tree.canonical(bare(folder).as_bytes()).unwrap_or_default();
    let real = String::from_utf8_lossy(&real).into_owned();
    real == "usr/lib"
        || real.strip_prefix("usr/lib/").is_some_and(|rest| {
            !rest.contains('/')
                && (rest.ends_with("-linux-gnu") || rest.ends_with("-linux-gnueabihf"))
        })
}
