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

use crate::rootfs::{RootfsError, Unused, glob};

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
    /// dpkg's test for what may be a parent of something that this inclusion brings back: more
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
        let unused: Vec<Unused> = self
            .patterns
            .into_iter()
            .filter(|pattern| !pattern.has_effect)
            .map(|pattern| {
                let (key, why) = match pattern.excludes {
                    true => ("packages.exclude-paths", "matches no path of a package"),
                    false => ("packages.include-paths", "brings back no path that is left out"),
                };
                let why = format!("{why}, or other patterns decide all that it matches");
                Unused { key: key.to_owned(), value: pattern.text.to_owned(), why }
            })
            .collect();
        if unused.is_empty() { Ok(()) } else { Err(RootfsError::NoEffect(unused)) }
    }
}

/// `lib/x` as `usr/lib/x`.
fn merged(path: &[u8]) -> Cow<'_, [u8]> {
    match MERGED.iter().any(|folder| path.starts_with(folder)) {
        true => Cow::Owned([b"usr/", path].concat()),
        false => Cow::Borrowed(path),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// An entry by its path: `/` at the end is a directory, `@` a link, anything else a file.
    fn entry(path: &str) -> Entry {
        let kind = match path.chars().last() {
            Some('/') => EntryKind::Directory,
            Some('@') => EntryKind::Symlink(b"x".to_vec()),
            _ => EntryKind::File { offset: 0, len: 0 },
        };
        Entry {
            path: path.trim_end_matches(['/', '@']).into(),
            kind,
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: 0,
            xattrs: BTreeMap::new(),
        }
    }

    /// dpkg(1), `--path-exclude` and `--path-include`: the last pattern that matches decides; a directory or
    /// link stays if an inclusion may match below it (`filter_should_skip`, `src/main/filters.c`).
    #[test]
    fn the_last_pattern_decides_and_parents_of_inclusions_stay() {
        let paths = [
            "usr/",
            "usr/doc/",
            "usr/doc/a/",
            "usr/doc/a/copyright",
            "usr/doc/a/news",
            "usr/doc/b@",
            "usr/x",
        ];
        for (patterns, gone) in [
            (
                &["/usr/doc/*"][..],
                &["usr/doc/a", "usr/doc/a/copyright", "usr/doc/a/news", "usr/doc/b"][..],
            ),
            (&["/usr/doc/*", "!/usr/doc/*/copyright"], &["usr/doc/a/news"]),
            (&["/usr/doc/*", "!/usr/doc/a/copyright"], &["usr/doc/a/news", "usr/doc/b"]),
            (&["!/usr/doc/*", "/usr/doc/a/news"], &["usr/doc/a/news"]),
            (&["/usr/doc/*", "!/usr/doc/*", "/usr/doc/a/news"], &["usr/doc/a/news"]),
            (&["/usr/doc/a"], &[]),
            (&["*/copyright"], &["usr/doc/a/copyright"]),
            (&["/usr/[!a-w]"], &["usr/x"]),
            (&["/nothing"], &[]),
        ] {
            let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
            let entries: Vec<Entry> = paths.iter().map(|path| entry(path)).collect();
            let (kept, left_out) = Filter::new(&patterns).kept(&entries);
            let kept: BTreeSet<&[u8]> = kept.iter().map(|entry| entry.path.as_slice()).collect();
            let found: Vec<&str> = entries
                .iter()
                .filter(|entry| !kept.contains(entry.path.as_slice()))
                .map(|entry| std::str::from_utf8(&entry.path).unwrap())
                .collect();
            assert_eq!(found, gone, "{patterns:?}");
            assert_eq!(left_out, gone.len(), "{patterns:?}");
        }
    }

    #[test]
    fn a_file_that_stays_keeps_the_folders_above_it() {
        let entries = ["", "opt/", "opt/a/", "opt/a/b/", "opt/a/b/x", "opt/c/"].map(entry);
        let patterns = ["/opt*".to_owned(), "!*/x".to_owned()];
        let (kept, left_out) = Filter::new(&patterns).kept(&entries);
        // dpkg's test for parents takes any, since `*/x` may match anywhere.
        assert_eq!((kept.len(), left_out), (6, 0));
        let patterns = ["/opt/[ac]*".to_owned(), "!/opt/a/b/x".to_owned()];
        let (kept, left_out) = Filter::new(&patterns).kept(&entries);
        let kept: Vec<&[u8]> = kept.iter().map(|entry| entry.path.as_slice()).collect();
        assert_eq!(kept, [&b""[..], b"opt", b"opt/a", b"opt/a/b", b"opt/a/b/x"]);
        assert_eq!(left_out, 1);
    }

    #[test]
    fn both_spellings_of_a_merged_folder_are_one_path() {
        for (pattern, path) in [
            ("/lib/modules/*", "lib/modules/x"),
            ("/lib/modules/*", "usr/lib/modules/x"),
            ("/usr/lib/modules/*", "lib/modules/x"),
            ("/sbin/x", "usr/sbin/x"),
            ("//usr/bin/x", "bin/x"),
            ("/lib64/x", "usr/lib64/x"),
        ] {
            let patterns = [pattern.to_owned()];
            let entries = [entry(path)];
            assert_eq!(Filter::new(&patterns).kept(&entries).1, 1, "{pattern} {path}");
        }
        let patterns = ["/library/*".to_owned()];
        assert_eq!(Filter::new(&patterns).kept(&[entry("usr/library/x")]).1, 0);
    }

    #[test]
    fn a_pattern_without_effect_is_refused_with_its_key() {
        for (patterns, words) in [
            (&["/x/*"][..], "packages.exclude-paths: `/x/*`"),
            (&["/usr/*", "/usr/a"], "packages.exclude-paths: `/usr/a`"),
            (&["!/usr/a"], "packages.include-paths: `/usr/a`"),
            (&["/usr/*", "!/x"], "packages.include-paths: `/x`"),
        ] {
            let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
            let mut filter = Filter::new(&patterns);
            filter.kept(&[entry("usr/a")]);
            let error = filter.check().unwrap_err().to_string();
            assert!(error.contains(words) && error.starts_with("1 key has"), "{words}: {error}");
        }
        let patterns = ["/usr/*".to_owned(), "!/usr/a".to_owned()];
        let mut filter = Filter::new(&patterns);
        filter.kept(&[entry("usr/a")]);
        filter.check().unwrap();
    }
}
