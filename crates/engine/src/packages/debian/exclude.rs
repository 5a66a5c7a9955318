//! Which packaged paths are left out: dpkg's `path-exclude` and `path-include` (dpkg(1)).
//!
//! The last pattern that matches decides. As in dpkg, a directory or link that is left out stays if
//! an inclusion starts with it or may match below it. Both patterns and paths are read as on a merged
//! /usr: `/lib/modules/*` means `/usr/lib/modules/*`. A pattern that changes nothing is an error.
//!
//! Oracle: `dpkg --unpack --path-exclude --path-include`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use cvmkit_formats::archive::{Entry, EntryKind};
use cvmkit_formats::tree::split;

use crate::rootfs::{Idle, RootfsError, glob};

/// Folders that are links into /usr.
const MERGED: [&[u8]; 4] = [b"bin/", b"lib/", b"lib64/", b"sbin/"];

/// What fnmatch(3) does not take as it is.
const WILDCARDS: &[u8] = b"*?[\\";

/// Patterns in their order.
pub(super) struct Filter<'a> {
    patterns: Vec<Pattern<'a>>,
}

struct Pattern<'a> {
    text: &'a str,
    excludes: bool,
    glob: Vec<u8>,
    /// It has left something out, or kept something that would have been.
    has_effect: bool,
}

impl Pattern<'_> {
    /// dpkg's test for what may be on the way to something that this inclusion brings back: more
    /// than is needed, as there (`filter_should_skip`, `src/main/filters.c`).
    fn may_match_below(&self, path: &[u8]) -> bool {
        let end = self.glob.iter().position(|byte| WILDCARDS.contains(byte));
        let fixed = self.glob.get(..end.unwrap_or(self.glob.len())).unwrap_or_default();
        let slashes = fixed.iter().rev().take_while(|&&byte| byte == b'/').count();
        let fixed = fixed.get(..fixed.len() - slashes).unwrap_or_default();
        !self.excludes && path.starts_with(fixed)
    }
}

impl<'a> Filter<'a> {
    /// Exclusions, and inclusions with a leading `!`.
    pub(super) fn new(patterns: &'a [String]) -> Self {
        let pattern = |text: &'a String| {
            let included = text.strip_prefix('!');
            let text = included.unwrap_or(text);
            let glob = merged(text.trim_start_matches('/').as_bytes()).into_owned();
            Pattern { text, excludes: included.is_none(), glob, has_effect: false }
        };
        Self { patterns: patterns.iter().map(pattern).collect() }
    }

    /// The entries that stay, and how many do not.
    pub(super) fn kept<'e>(&mut self, entries: &'e [Entry]) -> (Vec<&'e Entry>, usize) {
        if self.patterns.is_empty() {
            return (entries.iter().collect(), 0);
        }
        let verdicts: Vec<bool> = entries.iter().map(|entry| self.excludes(entry)).collect();
        // What a file needs stays with it: dpkg would fail there.
        let mut needed = BTreeSet::new();
        for (entry, _) in entries.iter().zip(&verdicts).filter(|(_, excluded)| !**excluded) {
            let mut parent = split(&entry.path).0;
            while !parent.is_empty() && needed.insert(parent) {
                parent = split(parent).0;
            }
        }
        let stays = |(entry, excluded): &(&Entry, &bool)| {
            !**excluded || entry.path.is_empty() || needed.contains(entry.path.as_slice())
        };
        let kept: Vec<&Entry> =
            entries.iter().zip(&verdicts).filter(stays).map(|(entry, _)| entry).collect();
        let left_out = entries.len() - kept.len();
        (kept, left_out)
    }

    fn excludes(&mut self, entry: &Entry) -> bool {
        let path = merged(&entry.path);
        let mut excluded = false;
        for pattern in &mut self.patterns {
            if pattern.excludes != excluded && glob::matches(&pattern.glob, &path) {
                excluded = pattern.excludes;
                pattern.has_effect = true;
            }
        }
        let may_lead = matches!(entry.kind, EntryKind::Directory | EntryKind::Symlink(_));
        excluded
            && !(may_lead && self.patterns.iter().any(|pattern| pattern.may_match_below(&path)))
    }

    /// Names the patterns that changed nothing.
    pub(super) fn check(self) -> Result<(), RootfsError> {
        let idle: Vec<Idle> = self
            .patterns
            .into_iter()
            .filter(|pattern| !pattern.has_effect)
            .map(|pattern| {
                let (key, why) = match pattern.excludes {
                    true => ("packages.exclude-paths", "matches no path of a package"),
                    false => ("packages.include-paths", "brings back no path that is left out"),
                };
                let why = format!("{why}, or none that another pattern does not decide");
                Idle { key: key.to_owned(), value: pattern.text.to_owned(), why }
            })
            .collect();
        if idle.is_empty() { Ok(()) } else { Err(RootfsError::NoEffect(idle)) }
    }
}

/// `lib/x` as `usr/lib/x`.
fn merged(path: &[u8]) -> Cow<'_, [u8]> {
    match MERGED.iter().any(|folder| path.starts_with(folder)) {
        true => Cow::Owned([b"usr/", path].concat()),
        false => Cow::Borrowed(path),
    }
}
