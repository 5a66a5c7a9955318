//! The files of an output folder, each opened once, and how they are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use cvmkit_attest::output::DESCRIPTION_MAX;
use cvmkit_formats::digest::{Hasher, Sha256};
use cvmkit_formats::source::{Source, read_all};
use cvmkit_host::files::{self, FileSource, cannot};
use cvmkit_host::progress::Progress;
use rayon::prelude::*;

use super::VerifyError;

/// Digests by file name.
pub(super) type Digests = BTreeMap<String, Sha256>;

/// Bytes read at a time; no answer depends on it.
const PIECE: usize = 1 << 20;

/// Longest text that is taken: a guard, the longest real ones have some 100 kB.
const TEXT_MAX: u64 = DESCRIPTION_MAX;

/// A folder and those of its files that the image is made of.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// All names, in byte order.
    listed: BTreeSet<String>,
    sources: BTreeMap<String, FileSource>,
}

impl Folder {
    /// Lists a folder and opens nothing yet.
    pub(super) fn list(path: &Path) -> Result<Self, VerifyError> {
        let no_image = |why| VerifyError::NoImage { folder: path.to_owned(), why };
        let names = files::list(path).map_err(|error| match error.source.kind() {
            io::ErrorKind::NotFound => no_image("it does not exist"),
            io::ErrorKind::NotADirectory => no_image("it is not a folder"),
            _ => error.into(),
        })?;
        let listed = names.into_iter().map(|(name, _)| name.to_string_lossy().into_owned());
        Ok(Self { path: path.to_owned(), listed: listed.collect(), sources: BTreeMap::new() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// All names that the folder has, in byte order.
    pub(super) fn listed(&self) -> impl Iterator<Item = &str> {
        self.listed.iter().map(String::as_str)
    }

    /// Opens a regular file of the folder; what is not there or is something else stays closed. A
    /// name that is no plain one is never in the listing, so nothing outside is opened.
    pub(super) fn open(&mut self, name: &str) -> Result<(), VerifyError> {
        let path = self.path.join(name);
        if !self.listed.contains(name) || self.sources.contains_key(name) {
            return Ok(());
        }
        match path.metadata() {
            // Opening a pipe would wait for a writer.
            Ok(meta) if meta.is_file() => {
                self.sources.insert(name.to_owned(), FileSource::open(&path)?);
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(cannot("read", &path)(error).into()),
        }
    }

    /// An opened file.
    pub(super) fn source(&self, name: &str) -> Option<&FileSource> {
        self.sources.get(name)
    }

    /// The opened files, in byte order of their names.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&str, &FileSource)> {
        self.sources.iter().map(|(name, source)| (name.as_str(), source))
    }

    /// What stands in the place of a file that is not opened.
    pub(super) fn absence(&self, name: &str) -> &'static str {
        if self.listed.contains(name) { "something other than a regular file" } else { "no file" }
    }

    /// Bytes of all opened files.
    pub(super) fn total(&self) -> u64 {
        self.sources.values().map(Source::len).fold(0, u64::saturating_add)
    }

    /// The whole of a small opened file; nothing if it is not there or too long to be what it
    /// should.
    pub(super) fn text(&self, name: &str) -> Result<Option<Vec<u8>>, VerifyError> {
        let Some(source) = self.sources.get(name) else { return Ok(None) };
        match read_all(source, TEXT_MAX) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(None),
            Err(error) => Err(cannot("read", &self.path.join(name))(error).into()),
        }
    }

    /// The digests of all opened files.
    pub(super) fn digests(&self, progress: &dyn Progress) -> Result<Digests, VerifyError> {
        let digest = |(name, source): (&String, &FileSource)| {
            let digest = digest(source, progress);
            let digest = digest.map_err(cannot("read", &self.path.join(name)))?;
            Ok((name.clone(), digest))
        };
        self.sources.par_iter().map(digest).collect()
    }
}

fn digest(source: &FileSource, progress: &dyn Progress) -> io::Result<Sha256> {
    let mut hasher = Hasher::default();
    each_piece(source, |_, piece| {
        hasher.update(piece);
        progress.advance(piece.len() as u64);
        Ok(true)
    })?;
    Ok(hasher.finish().0)
}

/// Hands `source` to `take` in order, until it answers false.
pub(super) fn each_piece<S: Source + ?Sized>(
    source: &S,
    mut take: impl FnMut(u64, &[u8]) -> io::Result<bool>,
) -> io::Result<()> {
    let mut buf = vec![0; PIECE];
    let mut at = 0;
    while at < source.len() {
        let step = usize::try_from(source.len() - at).unwrap_or(PIECE).min(PIECE);
        let (piece, _) = buf.split_at_mut(step);
        source.read_at(at, piece)?;
        if !take(at, piece)? {
            return Ok(());
        }
        at += step as u64;
    }
    Ok(())
}

/// Where two sources differ first; at the end of the shorter one if that is all.
pub(super) fn difference<A: Source + ?Sized, B: Source + ?Sized>(
    a: &A,
    b: &B,
) -> io::Result<Option<u64>> {
    let shared = a.len().min(b.len());
    let mut found = (a.len() != b.len()).then_some(shared);
    let mut other = vec![0; PIECE];
    each_piece(a, |at, piece| {
        let len = usize::try_from(shared.saturating_sub(at)).unwrap_or(PIECE).min(piece.len());
        let (other, _) = other.split_at_mut(len);
        b.read_at(at, other)?;
        let (shared, _) = piece.split_at(len);
        // Whole pieces are nearly always equal, and compared much faster than byte by byte.
        let differs = (shared != other)
            .then(|| shared.iter().zip(other.iter()).position(|(a, b)| a != b))
            .flatten();
        match differs {
            Some(first) => {
                found = Some(at + first as u64);
                Ok(false)
            }
            None => Ok(len == piece.len()),
        }
    })?;
    Ok(found)
}

/// Where a source is not zero first.
pub(super) fn not_zero<S: Source + ?Sized>(source: &S) -> io::Result<Option<u64>> {
    let mut found = None;
    let zeros = vec![0; PIECE];
    each_piece(source, |at, piece| {
        if zeros.get(..piece.len()) != Some(piece) {
            found = piece.iter().position(|&byte| byte != 0).map(|first| at + first as u64);
        }
        Ok(found.is_none())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_the_first_ones() {
        let long = vec![7; PIECE + 10];
        let mut other = long.clone();
        assert_eq!(difference(&long, &other).unwrap(), None);
        other[PIECE + 3] = 8;
        assert_eq!(difference(&long, &other).unwrap(), Some(PIECE as u64 + 3));
        other[5] = 8;
        assert_eq!(difference(&long, &other).unwrap(), Some(5));
        for (a, b) in [(&long[..PIECE], &long[..]), (&long[..], &long[..PIECE])] {
            assert_eq!(difference(a, b).unwrap(), Some(PIECE as u64));
        }
        assert_eq!(difference(&long[..0], &long[..0]).unwrap(), None);
        let mut zeros = vec![0; 2 * PIECE];
        assert_eq!(not_zero(&zeros).unwrap(), None);
        zeros[PIECE] = 1;
        assert_eq!(not_zero(&zeros).unwrap(), Some(PIECE as u64));
    }

    /// A folder with these files, and what is in it.
    fn listed(files: &[(&str, &str)]) -> (tempfile::TempDir, Folder) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            files::replace(&folder.path().join(name), text.as_bytes()).unwrap();
        }
        let listed = Folder::list(folder.path()).unwrap();
        (folder, listed)
    }

    #[test]
    fn only_regular_files_of_the_folder_are_opened() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        files::replace(&at("file"), b"bytes").unwrap();
        files::make_folder(&at("folder")).unwrap();
        files::replace(&at("folder/inner"), b"inner").unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        mknodat(CWD, at("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let mut listed = Folder::list(folder.path()).unwrap();
        let names = [
            "file",
            "folder",
            "dangling",
            "pipe",
            "none",
            "../x",
            "folder/inner",
            "/etc/passwd",
            ".",
        ];
        for name in names {
            listed.open(name).unwrap();
            assert_eq!(listed.source(name).is_some(), name == "file", "{name}");
        }
        assert_eq!(listed.absence("folder"), "something other than a regular file");
        assert_eq!(listed.absence("pipe"), "something other than a regular file");
        assert_eq!(listed.absence("none"), "no file");
        assert_eq!(listed.listed().collect::<Vec<_>>(), ["dangling", "file", "folder", "pipe"]);
    }

    #[test]
    fn what_is_no_folder_holds_no_image() {
        let (folder, _) = listed(&[("f", "")]);
        for (path, words) in [("none", "it does not exist"), ("f", "it is not a folder")] {
            let error = Folder::list(&folder.path().join(path)).unwrap_err();
            assert!(matches!(error, VerifyError::NoImage { why, .. } if why == words), "{error:?}");
        }
    }

    #[test]
    fn files_are_counted_and_hashed_by_name() {
        let (_folder, mut listed) = listed(&[("a", "aa"), ("b", "bbb"), ("c", "")]);
        assert_eq!(listed.total(), 0, "none is open yet");
        ["b", "a", "b"].iter().for_each(|name| listed.open(name).unwrap());
        assert_eq!(listed.total(), 5);
        let names: Vec<_> = listed.sources().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
        let digests = listed.digests(&cvmkit_host::progress::Silent).unwrap();
        let expected = [("a", "aa"), ("b", "bbb")];
        let expected = expected.map(|(name, text)| (name.to_owned(), Sha256::of(text.as_bytes())));
        assert_eq!(digests, Digests::from(expected));
    }

    #[test]
    fn a_text_that_is_too_long_to_be_one_is_not_read() {
        let (folder, mut listed) = listed(&[("a", "text"), ("b", "")]);
        let file = std::fs::File::options().write(true).open(folder.path().join("b")).unwrap();
        file.set_len(TEXT_MAX).unwrap();
        ["a", "b"].iter().for_each(|name| listed.open(name).unwrap());
        assert_eq!(listed.text("a").unwrap().as_deref(), Some(&b"text"[..]));
        assert_eq!(listed.text("b").unwrap().map(|text| text.len() as u64), Some(TEXT_MAX));
        assert_eq!(listed.text("none").unwrap(), None);
        file.set_len(TEXT_MAX + 1).unwrap();
        let mut longer = Folder::list(folder.path()).unwrap();
        longer.open("b").unwrap();
        assert_eq!(longer.text("b").unwrap(), None);
    }

    #[test]
    fn pieces_come_in_order_until_they_are_refused() {
        let bytes: Vec<u8> = (0..=255).cycle().take(2 * PIECE + 10).collect();
        let mut seen = Vec::new();
        each_piece(&bytes, |at, piece| {
            assert_eq!(at, seen.len() as u64);
            seen.extend_from_slice(piece);
            Ok(true)
        })
        .unwrap();
        assert!(seen == bytes);
        let mut count = 0;
        each_piece(&bytes, |_, _| {
            count += 1;
            Ok(count < 2)
        })
        .unwrap();
        assert_eq!(count, 2);
    }

    #[test]
    fn a_byte_that_is_not_zero_is_found_in_the_last_piece_too() {
        for at in [0, PIECE - 1, PIECE, PIECE + 9] {
            let mut bytes = vec![0; PIECE + 10];
            bytes[at] = 1;
            bytes[PIECE + 9] = 1;
            assert_eq!(not_zero(&bytes).unwrap(), Some(at as u64));
        }
        assert_eq!(not_zero(&[0; 0][..]).unwrap(), None);
    }
}
