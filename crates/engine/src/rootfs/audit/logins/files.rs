//! The files that settings are in, and what is found in one.

use super::super::origin;
use crate::rootfs::assembly::Assembly;
use crate::rootfs::finding::{Finding, FindingKind, Verdict};
use crate::rootfs::{RootfsError, glob};

/// The finding of what a file says.
pub(super) fn finding(
    assembly: &Assembly<'_>,
    finding: FindingKind,
    path: &str,
    detail: String,
    verdict: impl FnOnce(&origin::Says<'_>) -> Verdict,
) -> Finding {
    let spelled = assembly.tree.canonical(path.as_bytes()).unwrap_or_default();
    let says = origin::says(assembly, &spelled);
    let package = says.own_package().or_else(|| origin::package(assembly, &spelled));
    Finding {
        finding,
        path: path.to_owned(),
        package: package.map(str::to_owned),
        detail,
        verdict: verdict(&says),
        reason: None,
    }
}

/// The text of a file, whatever its bytes are; nothing if there is none.
pub(super) fn text(assembly: &Assembly<'_>, path: &str) -> Result<Option<String>, RootfsError> {
    Ok(assembly.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The paths that a pattern of glob(3) matches, in their order: a `*` matches no slash, and no dot at the start.
pub(super) fn matches(assembly: &Assembly<'_>, pattern: &str) -> Result<Vec<String>, RootfsError> {
    let mut paths = vec![String::new()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for folder in paths {
            if !part.contains(['*', '?', '[', '\\']) {
                next.push(format!("{folder}/{part}"));
                continue;
            }
            let names = assembly.names(if folder.is_empty() { "/" } else { &folder })?;
            let fits = |name: &String| {
                glob::matches(part.as_bytes(), name.as_bytes())
                    && (!name.starts_with('.') || part.starts_with('.'))
            };
            next.extend(names.into_iter().filter(fits).map(|name| format!("{folder}/{name}")));
        }
        paths = next;
    }
    paths.retain(|path| assembly.occupied(path));
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::assembly;

    #[test]
    fn a_pattern_matches_as_globs_of_a_shell_do() {
        let request = Request::default();
        let files = ["/a/x/1.conf", "/a/y/2.conf", "/a/y/.3.conf", "/a/y/4.txt"];
        let files = files.map(|path| (path, ""));
        let tree = assembly(&request, &files);
        assert_eq!(matches(&tree, "/a/*/*.conf").unwrap(), ["/a/x/1.conf", "/a/y/2.conf"]);
        assert_eq!(matches(&tree, "/a/y/4.txt").unwrap(), ["/a/y/4.txt"]);
        assert_eq!(matches(&tree, "/a/y/.*").unwrap(), ["/a/y/.3.conf"]);
        assert!(matches(&tree, "/none/*").unwrap().is_empty());
    }
}
