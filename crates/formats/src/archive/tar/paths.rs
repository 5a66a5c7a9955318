//! Paths of entries: their one normal form, and which may stand beside which.

use std::collections::{BTreeMap, BTreeSet};

use super::dialect::Dialect;
use super::error::TarReason;
use crate::archive::entry::{Entry, EntryKind};

/// The longest name Linux accepts (`NAME_MAX`, `linux/limits.h`).
const NAME_MAX: usize = 255;

/// Strips the leading `./` and a directory's trailing slash; everything else must be normal.
pub(super) fn normalise(name: &[u8], directory: bool) -> Result<Vec<u8>, TarReason> {
    if name.is_empty() {
        return Err(TarReason::EmptyPath);
    }
    if name.starts_with(b"/") {
        return Err(TarReason::AbsolutePath);
    }
    if name.contains(&b'\n') {
        return Err(TarReason::LineBreakPath);
    }
    if matches!(name, b"." | b"./") {
        return if directory { Ok(Vec::new()) } else { Err(TarReason::Root) };
    }
    let mut path = name.strip_prefix(b"./").unwrap_or(name);
    if let Some(stripped) = path.strip_suffix(b"/") {
        if !directory {
            return Err(TarReason::SlashPath);
        }
        path = stripped;
    }
    for component in path.split(|&byte| byte == b'/') {
        match component {
            b".." => return Err(TarReason::ParentPath),
            b"" | b"." => return Err(TarReason::UnnormalisedPath),
            _ if component.len() > NAME_MAX => return Err(TarReason::LongName),
            _ => {}
        }
    }
    Ok(path.to_vec())
}

/// The paths seen so far.
#[derive(Default)]
pub(super) struct Paths {
    dialect: Dialect,
    seen: BTreeMap<Vec<u8>, Seen>,
    /// Paths that came again, as something else.
    pub(super) repeated: BTreeSet<Vec<u8>>,
}

enum Seen {
    /// A directory, in full: it may come again if it is the same.
    Directory(Entry),
    /// Something a hard link may point at.
    Leaf,
}

impl Paths {
    pub(super) fn of(dialect: Dialect) -> Self {
        Self { dialect, ..Self::default() }
    }

    /// Notes an entry. Answers whether it is new; a directory repeated exactly is not. In a layer a path may
    /// come again as the same type, and replaces what it was.
    pub(super) fn admit(&mut self, entry: &Entry) -> Result<bool, TarReason> {
        let directory = entry.kind == EntryKind::Directory;
        match self.seen.get(&entry.path) {
            None => {}
            Some(Seen::Directory(first)) if first == entry => return Ok(false),
            Some(_) if !self.dialect.is_layer() => return Err(TarReason::Duplicate),
            Some(seen) if directory != matches!(seen, Seen::Directory(_)) => {
                return Err(TarReason::TwoTypes);
            }
            Some(_) => {
                self.repeated.insert(entry.path.clone());
            }
        }
        self.check_parents(&entry.path)?;
        if let EntryKind::HardLink(target) = &entry.kind {
            let is_file = matches!(self.seen.get(target), Some(Seen::Leaf));
            if !is_file || *target == entry.path {
                return Err(TarReason::LinkTarget(target.escape_ascii().to_string()));
            }
        }
        if !directory && self.has_entries_below(&entry.path) {
            return Err(TarReason::Parent(entry.path.escape_ascii().to_string()));
        }
        let seen = if directory { Seen::Directory(entry.clone()) } else { Seen::Leaf };
        self.seen.insert(entry.path.clone(), seen);
        Ok(true)
    }

    /// No parent may be a link or file: where the entry lands would depend on the reader.
    fn check_parents(&self, path: &[u8]) -> Result<(), TarReason> {
        let slashes = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
        for (at, _) in slashes {
            if let Some(Seen::Leaf) = self.seen.get(&path[..at]) {
                return Err(TarReason::Parent(path[..at].escape_ascii().to_string()));
            }
        }
        Ok(())
    }

    fn has_entries_below(&self, path: &[u8]) -> bool {
        let below = [path, b"/"].concat();
        let next = self.seen.range(below.clone()..).next();
        next.is_some_and(|(found, _)| found.starts_with(&below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_normal_form() {
        for (name, directory, expected) in [
            ("a", false, Ok("a")),
            ("./a", false, Ok("a")),
            ("a/b.c/..d", false, Ok("a/b.c/..d")),
            ("a/", true, Ok("a")),
            ("./a/b/", true, Ok("a/b")),
            ("./", true, Ok("")),
            (".", true, Ok("")),
            (".", false, Err(TarReason::Root)),
            ("./", false, Err(TarReason::Root)),
            ("", true, Err(TarReason::EmptyPath)),
            ("/", true, Err(TarReason::AbsolutePath)),
            ("/a", false, Err(TarReason::AbsolutePath)),
            ("a\nb", false, Err(TarReason::LineBreakPath)),
            ("a/", false, Err(TarReason::SlashPath)),
            ("..", true, Err(TarReason::ParentPath)),
            ("a/../b", false, Err(TarReason::ParentPath)),
            ("./..", true, Err(TarReason::ParentPath)),
            ("a//b", false, Err(TarReason::UnnormalisedPath)),
            ("a/./b", false, Err(TarReason::UnnormalisedPath)),
            ("././a", false, Err(TarReason::UnnormalisedPath)),
            ("a//", true, Err(TarReason::UnnormalisedPath)),
            (".//a", false, Err(TarReason::UnnormalisedPath)),
        ] {
            let found = normalise(name.as_bytes(), directory);
            assert_eq!(found, expected.map(|path| path.as_bytes().to_vec()), "{name:?}");
        }
        let name = |len| [b"d/".as_slice(), &vec![b'x'; len]].concat();
        assert!(normalise(&name(255), false).is_ok());
        assert_eq!(normalise(&name(256), false), Err(TarReason::LongName));
    }

    fn entry(path: &str, kind: EntryKind) -> Entry {
        let (path, xattrs) = (path.into(), BTreeMap::new());
        Entry { path, kind, mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs }
    }

    fn file(path: &str) -> Entry {
        entry(path, EntryKind::File { offset: 0, len: 0 })
    }

    fn directory(path: &str) -> Entry {
        entry(path, EntryKind::Directory)
    }

    fn link(path: &str, target: &str) -> Entry {
        entry(path, EntryKind::HardLink(target.into()))
    }

    /// Where an entry lands must not depend on the reader.
    #[test]
    fn entries_that_contradict_each_other_are_refused() {
        let changed = Entry { mode: 0o700, ..directory("a") };
        let parent = |path: &str| Err(TarReason::Parent(path.into()));
        let target = |path: &str| Err(TarReason::LinkTarget(path.into()));
        let rows: [(&[Entry], Entry, Result<bool, TarReason>); 15] = [
            (&[], file("a"), Ok(true)),
            (&[], file("a/b"), Ok(true)),
            (&[directory("a")], file("a/b"), Ok(true)),
            (&[file("ab")], file("a"), Ok(true)),
            (&[directory("a")], directory("a"), Ok(false)),
            (&[directory("a")], changed, Err(TarReason::Duplicate)),
            (&[directory("a")], file("a"), Err(TarReason::Duplicate)),
            (&[file("a")], file("a"), Err(TarReason::Duplicate)),
            (&[file("a")], file("a/b/c"), parent("a")),
            (&[entry("a", EntryKind::Symlink("b".into()))], file("a/c"), parent("a")),
            (&[file("a/b")], file("a"), parent("a")),
            (&[file("a")], link("b", "a"), Ok(true)),
            (&[file("a"), link("b", "a")], link("c", "b"), Ok(true)),
            (&[directory("a")], link("b", "a"), target("a")),
            (&[file("b")], link("c", "a"), target("a")),
        ];
        for (before, entry, expected) in rows {
            let mut paths = Paths::default();
            for entry in before {
                assert_eq!(paths.admit(entry), Ok(true), "{entry:?}");
            }
            assert_eq!(paths.admit(&entry), expected, "{before:?} {entry:?}");
        }
        // What a layer may have in addition.
        let two_types = Err(TarReason::TwoTypes);
        type Row<'a> = (&'a [Entry], Entry, Result<bool, TarReason>, usize);
        let rows: [Row<'_>; 9] = [
            (&[directory("a")], directory("a"), Ok(false), 0),
            (&[directory("a")], Entry { mode: 0o700, ..directory("a") }, Ok(true), 1),
            (&[file("a")], file("a"), Ok(true), 1),
            (&[file("a")], entry("a", EntryKind::Symlink("b".into())), Ok(true), 1),
            (&[file("a"), file("b")], link("b", "a"), Ok(true), 1),
            (&[file("a")], link("a", "a"), target("a"), 1),
            (&[directory("a")], file("a"), two_types.clone(), 0),
            (&[file("a")], directory("a"), two_types, 0),
            (&[file("a")], file("a/b"), parent("a"), 0),
        ];
        for (before, entry, expected, repeated) in rows {
            let mut paths = Paths::of(Dialect::Layer);
            for entry in before {
                assert_eq!(paths.admit(entry), Ok(true), "{entry:?}");
            }
            assert_eq!(paths.admit(&entry), expected, "{before:?} {entry:?}");
            assert_eq!(paths.repeated.len(), repeated, "{before:?} {entry:?}");
        }
        // A directory may come after what is in it.
        let mut paths = Paths::default();
        assert_eq!((paths.admit(&file("a/b")), paths.admit(&directory("a"))), (Ok(true), Ok(true)));
    }
}
