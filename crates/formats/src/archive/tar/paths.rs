//! Paths of entries: their one normal form, and which may stand beside which.

use std::collections::BTreeMap;

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
    seen: BTreeMap<Vec<u8>, Seen>,
}

enum Seen {
    /// A directory, in full: it may come again if it is the same.
    Directory(Entry),
    /// Something a hard link may point at.
    Leaf,
}

impl Paths {
    /// Notes an entry. Answers whether it is new; a directory repeated exactly is not.
    pub(super) fn admit(&mut self, entry: &Entry) -> Result<bool, TarReason> {
        match self.seen.get(&entry.path) {
            Some(Seen::Directory(first)) if first == entry => return Ok(false),
            Some(_) => return Err(TarReason::Duplicate),
            None => {}
        }
        self.check_parents(&entry.path)?;
        if let EntryKind::HardLink(target) = &entry.kind
            && !matches!(self.seen.get(target), Some(Seen::Leaf))
        {
            return Err(TarReason::LinkTarget(target.escape_ascii().to_string()));
        }
        let directory = entry.kind == EntryKind::Directory;
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
