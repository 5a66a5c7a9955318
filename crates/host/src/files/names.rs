//! Names of files, without a look at what has them.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// The folder a path is in; `.` for a bare name.
#[must_use]
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A name beside `name` that this process alone uses.
pub fn partial_name(name: &OsStr) -> OsString {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut partial = OsString::from(".");
    partial.push(name);
    partial.push(format!(".partial-{process}-{count}"));
    partial
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_in_the_folder_at_hand() {
        for (path, expected) in [
            ("/a/b", "/a"),
            ("/a", "/"),
            ("a/b", "a"),
            ("a", "."),
            ("", "."),
            ("/", "."),
            ("../a", ".."),
        ] {
            assert_eq!(parent(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn a_partial_name_is_hidden_and_comes_once() {
        let name = |name: &str| partial_name(OsStr::new(name)).into_string().unwrap();
        let (one, other) = (name("a.raw"), name("a.raw"));
        let start = format!(".a.raw.partial-{}-", std::process::id());
        assert!(one.starts_with(&start) && other.starts_with(&start), "{one} {other}");
        assert_ne!(one, other);
    }
}
