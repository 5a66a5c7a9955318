//! `SHA256SUMS`, as `sha256sum` writes and checks it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files::{self, FileError, cannot};
use rayon::prelude::*;
use thiserror::Error;

/// Name of the file that holds the sums of all others, in every output folder.
pub const SUMS_FILE: &str = "SHA256SUMS";

/// SHA-256 of files by their names, which are those of one folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    by_name: BTreeMap<String, Sha256>,
}

/// A line in another form than `sha256sum` writes, or one whose name came before.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{SUMS_FILE}:{line}: expected `DIGEST  NAME` with a plain name of its own, found `{}`",
    found.escape_debug()
)]
pub struct SumsError {
    /// Which line, from 1.
    pub line: usize,
    /// The line, without its end.
    pub found: String,
}

/// A file whose digest differs from its sum, or that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumMismatch {
    /// Name of the file.
    pub name: String,
    /// The digest in the sums.
    pub expected: Sha256,
    /// The digest of the file; none if it is missing.
    pub computed: Option<Sha256>,
}

impl Sums {
    /// Sums of these names and digests; of a name that comes twice the last counts.
    pub fn new(files: impl IntoIterator<Item = (String, Sha256)>) -> Self {
        Self { by_name: files.into_iter().collect() }
    }

    /// Reads what `sha256sum` wrote. Names are plain: they stay in their folder, have no control
    /// characters, and come once, because of two digests only one would be checked.
    ///
    /// # Errors
    /// The first line in another form.
    pub fn parse(text: &str) -> Result<Self, SumsError> {
        let mut by_name = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            let refused = || SumsError { line: at + 1, found: line.to_owned() };
            let (digest, name) = line.split_once("  ").ok_or_else(refused)?;
            let outside = name.is_empty() || name.contains('/') || name.starts_with('.');
            if outside || name.contains(char::is_control) {
                return Err(refused());
            }
            let digest = Sha256::of_document(digest).map_err(|_| refused())?;
            if by_name.insert(name.to_owned(), digest).is_some() {
                return Err(refused());
            }
        }
        Ok(Self { by_name })
    }

    /// The first line of a text that was read as these sums and is not as they are written: its
    /// number, and what is wrong with it.
    #[must_use]
    pub fn flaw(&self, text: &str) -> Option<(usize, String)> {
        let written = self.to_string();
        let mut expected = written.split_inclusive('\n');
        for (at, line) in text.split_inclusive('\n').enumerate() {
            let wanted = expected.next().unwrap_or_default();
            if line == wanted {
                continue;
            }
            let name = |line: &str| line.get(66..).unwrap_or_default().trim_end().to_owned();
            let flaw = if line.ends_with("\r\n") {
                "ends in CR LF".to_owned()
            } else if !line.ends_with('\n') {
                "its end of line is missing".to_owned()
            } else if name(line) == name(wanted) {
                "its digest is not in lower-case hex digits".to_owned()
            } else {
                format!("`{}` is not in byte order of the names", name(line))
            };
            return Some((at + 1, flaw));
        }
        None
    }

    /// The names, in byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The digest of the file with this name; none if it is not listed.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Sha256> {
        self.by_name.get(name).copied()
    }

    /// Every file of `folder` that does not have its sum, in byte order of the names.
    ///
    /// # Errors
    /// Names a file that exists and can't be read.
    pub fn mismatches(&self, folder: &Path) -> Result<Vec<SumMismatch>, FileError> {
        let check = |(name, expected): (&String, &Sha256)| {
            let path = folder.join(name);
            let computed = match files::open(&path) {
                Ok(file) => Some(Sha256::of_reader(file).map_err(cannot("read", &path))?.0),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error),
            };
            let (name, expected) = (name.clone(), *expected);
            Ok((computed != Some(expected)).then_some(SumMismatch { name, expected, computed }))
        };
        let found: Result<Vec<_>, FileError> = self.by_name.par_iter().map(check).collect();
        Ok(found?.into_iter().flatten().collect())
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.by_name.iter().try_for_each(|(name, digest)| writeln!(f, "{digest}  {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_back_and_stay_in_their_folder() {
        let sums = Sums::new([("b".into(), Sha256::of(b"b")), ("a".into(), Sha256::of(b"a"))]);
        assert_eq!(Sums::parse(&sums.to_string()), Ok(sums));
        let digest = Sha256::of(b"");
        for name in ["../x", "/x", ".x", ""] {
            assert!(Sums::parse(&format!("{digest}  {name}\n")).is_err(), "{name}");
        }
        assert_eq!(Sums::parse("nonsense\n").unwrap_err().line, 1);
    }

    #[test]
    fn a_text_in_another_form_is_named_by_line() {
        let [one, two] = [b"one", b"two"].map(|bytes| Sha256::of(bytes));
        let form = |text: &str| Sums::parse(text).unwrap().flaw(text);
        assert_eq!(form(&format!("{one}  a\n{two}  b\n")), None);
        for (text, line, words) in [
            (format!("{one}  a\n{two}  b\r\n"), 2, "ends in CR LF"),
            (format!("{one}  a\r\n{two}  b\n"), 1, "ends in CR LF"),
            (format!("{one}  a\n{two}  b"), 2, "its end of line is missing"),
            (format!("{one}  b\n{two}  a\n"), 1, "byte order"),
        ] {
            let (found, flaw) = form(&text).unwrap();
            assert_eq!(found, line, "{text:?}");
            assert!(flaw.contains(words), "{flaw}");
        }
    }

    #[test]
    fn every_line_counts() {
        let [one, two] = [b"one", b"two"].map(|bytes| Sha256::of(bytes));
        let error = Sums::parse(&format!("{one}  a\n{two}  a\n")).unwrap_err();
        assert_eq!(error.line, 2);
        // Written back, the second carriage return would be part of the line break.
        assert!(Sums::parse(&format!("{one}  a\r\r\n")).is_err());
    }

    #[test]
    fn changed_and_missing_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        files::replace(&folder.path().join("a"), b"a").unwrap();
        let sums = Sums::new([("a".into(), Sha256::of(b"x")), ("b".into(), Sha256::of(b"b"))]);
        let found = sums.mismatches(folder.path()).unwrap();
        assert_eq!(found[0].computed, Some(Sha256::of(b"a")));
        assert_eq!((found[1].name.as_str(), found[1].computed), ("b", None));
    }

    /// SHA-256 of `abc` (FIPS 180-4, the example of the Secure Hash Standard).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// A line of sha256sum(1): the digest, two blanks, the name.
    #[test]
    fn sums_are_written_as_sha256sum_does_in_byte_order() {
        let digest: Sha256 = ABC.parse().unwrap();
        let names = ["b", "a b", "B", "a"].map(|name| (name.to_owned(), digest));
        let sums = Sums::new(names);
        let expected = format!("{ABC}  B\n{ABC}  a\n{ABC}  a b\n{ABC}  b\n");
        assert_eq!(sums.to_string(), expected);
        assert_eq!(sums.names().collect::<Vec<_>>(), ["B", "a", "a b", "b"]);
        assert_eq!((sums.get("a b"), sums.get("c")), (Some(digest), None));
        assert_eq!(sums.flaw(&expected), None);
        assert_eq!(Sums::parse(""), Ok(Sums::default()));
    }

    #[test]
    fn a_line_in_another_form_is_refused_by_its_number() {
        let upper = ABC.to_uppercase();
        for line in [
            format!("{ABC} a"),
            format!("{ABC} *a"),
            format!("{ABC}  "),
            format!("{upper}  a"),
            format!("{}  a", &ABC[1..]),
            format!("0{ABC}  a"),
            format!("{ABC}  a/b"),
            format!("{ABC}  .."),
            format!("{ABC}  .hidden"),
            format!("{ABC}  a\tb"),
            format!("{ABC}  a\u{7f}"),
            // sha256sum(1) escapes names with a line break, and marks the line.
            format!("\\{ABC}  a"),
            String::new(),
        ] {
            let text = format!("{ABC}  first\n{line}\n");
            let expected = SumsError { line: 2, found: line.clone() };
            assert_eq!(Sums::parse(&text), Err(expected), "{line:?}");
        }
        // Text that a terminal would take for more than it is.
        let error = Sums::parse("\u{1b}[2J\n").unwrap_err().to_string();
        assert!(error.ends_with("found `\\u{1b}[2J`"), "{error}");
    }

    #[test]
    fn the_flaw_of_a_text_is_what_differs_first() {
        let digest: Sha256 = ABC.parse().unwrap();
        let sums = Sums::new(["a", "b"].map(|name| (name.to_owned(), digest)));
        let upper = ABC.to_uppercase();
        for (text, line, flaw) in [
            (format!("{ABC}  a\n{ABC}  b"), 2, "its end of line is missing"),
            (format!("{ABC}  a\r\n{ABC}  b"), 1, "ends in CR LF"),
            (format!("{ABC}  b\n{ABC}  a\n"), 1, "`b` is not in byte order of the names"),
            (format!("{upper}  a\n{ABC}  b\n"), 1, "its digest is not in lower-case hex digits"),
            (format!("{ABC}  a\n{ABC}  b\n{ABC}  c\n"), 3, "`c` is not in byte order of the names"),
        ] {
            assert_eq!(sums.flaw(&text), Some((line, flaw.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn only_files_that_differ_are_named() {
        let folder = crate::tests::Folder::new();
        for name in ["a", "b", "c", "more"] {
            folder.put(name, b"abc");
        }
        folder.put("b", b"abd");
        let expected: Sha256 = ABC.parse().unwrap();
        let sums = Sums::new(["a", "b", "c", "d"].map(|name| (name.to_owned(), expected)));
        let mismatch =
            |name: &str, computed| SumMismatch { name: name.to_owned(), expected, computed };
        let found = sums.mismatches(folder.root()).unwrap();
        assert_eq!(found, [mismatch("b", Some(Sha256::of(b"abd"))), mismatch("d", None)]);
        // What is there and can't be read is no mismatch.
        files::make_folder(&folder.path("d")).unwrap();
        let error = sums.mismatches(folder.root()).unwrap_err();
        assert!(error.is_unsuitable() && error.path == folder.path("d"), "{error}");
    }
}
