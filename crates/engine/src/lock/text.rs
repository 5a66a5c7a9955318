//! The text of a lock: written in one form, and read back only in that form.
//!
//! ```text
//! # two lines of words
//!
//! format = 4                       read first, and loosely: another format says so before all else
//! sha256 = "…"                     of the text without the words and this line
//! definition = "…"
//! package-request = "…"
//!
//! [[suite]], [[package]], [[dropped]], [[account]], [[script]], [[file]] records, parsed one at a time:
//!                                  a lock of any length takes no more memory than what it says
//! ```

use std::collections::BTreeSet;
use std::path::Path;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::document;
use cvmkit_host::versioned;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::dropped::LockedDrop;
use super::error::LockError;
use super::local::LocalFile;
use super::records::{
    FORMAT, FORMAT_WITHOUT_DIGEST, FORMAT_WITHOUT_IDS, FORMAT_WITHOUT_SCRIPTS, Lock, LockedAccount,
    LockedScript, empty,
};
use super::role::ROOT_ROLE;
use crate::packages::{LockedPackage, LockedSuite};

/// The first lines of every lock.
const HEADER: &str = "\
# The exact inputs of the image definition beside this file, made by `cvmkit lock`.
# Commit it and review its changes; do not edit it.

";

/// How a record begins.
const RECORDS: [&str; 6] =
    ["[[suite]]", "[[package]]", "[[dropped]]", "[[account]]", "[[script]]", "[[file]]"];

/// The head of a lock of the current format.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Head {
    format: u32,
    sha256: Sha256,
    definition: Sha256,
    package_request: Sha256,
    #[serde(default)]
    unknown_ids_of: Vec<String>,
}

/// The head of a lock of the first format.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FirstHead {
    format: u32,
    definition: Sha256,
    package_request: Sha256,
    // Records that there were none of stood in the head, as `file = []`.
    #[serde(default, rename = "suite")]
    suites: Vec<LockedSuite>,
    #[serde(default, rename = "package")]
    packages: Vec<LockedPackage>,
    #[serde(default, rename = "file")]
    files: Vec<LocalFile>,
}

/// What every head has, in every format.
#[derive(Deserialize)]
struct AnyHead {
    format: u32,
}

/// One record.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(default)]
    suite: Vec<LockedSuite>,
    #[serde(default)]
    package: Vec<LockedPackage>,
    #[serde(default)]
    dropped: Vec<LockedDrop>,
    #[serde(default)]
    account: Vec<LockedAccount>,
    #[serde(default)]
    script: Vec<LockedScript>,
    #[serde(default)]
    file: Vec<LocalFile>,
}

/// Why a text is not a usable lock, before its file is known.
#[derive(Debug)]
pub enum Unreadable {
    /// Its format is not the expected one.
    Format(u32),
    /// It is not as `cvmkit lock` writes it.
    Malformed {
        /// The line, from 1.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// Its body is not what its head says.
    Edited {
        /// The line of the digest, from 1.
        line: usize,
        /// In the head.
        stated: Sha256,
        /// Of the body.
        computed: Sha256,
    },
}

impl Unreadable {
    /// A text that is not UTF-8: the line of its first bad byte.
    pub(super) fn encoding(error: &std::string::FromUtf8Error) -> Self {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Self::Malformed { line: Some(line), message: "it is not UTF-8".into() }
    }

    /// The error of a file.
    pub(super) fn in_file(self, path: &Path) -> LockError {
        let path = path.to_owned();
        match self {
            Self::Format(found) => {
                versioned::other_version::<Lock>(u64::from(found), path.display()).into()
            }
            Self::Malformed { line, message } => LockError::Malformed { path, line, message },
            Self::Edited { line, stated, computed } => {
                LockError::Edited { path, line, stated, computed }
            }
        }
    }
}

impl Lock {
    /// The text of the lock file.
    ///
    /// # Errors
    /// The serialiser's; plain data does not fail.
    pub fn to_text(&self) -> Result<String, LockError> {
        let body = self.body()?;
        Ok(text(&body, &Sha256::of(body.as_bytes())))
    }

    /// What the digest in the head covers: everything but the words in front and the digest's line.
    fn body(&self) -> Result<String, LockError> {
        toml::to_string(self)
            .map_err(|error| LockError::Unserialisable { message: error.to_string() })
    }

    /// What a text says, whether its digest matches or not.
    ///
    /// # Errors
    /// The text is not a lock of the current format.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        parse(text, FORMAT).map(|(lock, _)| lock)
    }

    /// What a text says that `cvmkit lock` wrote.
    ///
    /// # Errors
    /// Another format, a record that no lock has, another form, or another digest.
    pub(super) fn read(text: &str, format: u32) -> Result<Self, Unreadable> {
        let (lock, stated) = parse(text, format)?;
        if let Some((message, words)) = lock.fault() {
            // Where words are twice, the second place is the one too many.
            let line = text.lines().enumerate().filter(|(_, line)| line.contains(&words)).last();
            return Err(Unreadable::Malformed { line: line.map(|(at, _)| at + 1), message });
        }
        if let Some(stated) = stated {
            check_form(text, &lock, stated)?;
        }
        Ok(lock.of_this_format())
    }

    /// What a lock of an older format says, as one of this format: none had what scripts do.
    fn of_this_format(self) -> Self {
        if self.format == FORMAT {
            return self;
        }
        let roles = self.packages.iter().flat_map(|package| &package.roles);
        let roots = roles.filter(|role| role.starts_with(ROOT_ROLE));
        let roots: BTreeSet<String> = roots.cloned().collect();
        Self { format: FORMAT, unknown_ids_of: roots.into_iter().collect(), ..self }
    }
}

/// Most bytes of the head, and of a record, which has some hundred. To parse one takes up to 150 times
/// its length, so a lock is never parsed as a whole.
const PART_MAX: usize = 1 << 20;

/// A body with its head.
fn text(body: &str, digest: &Sha256) -> String {
    // The format is the first line of the body: serde writes fields in their order.
    let (format, rest) = body.split_once('\n').unwrap_or((body, ""));
    format!("{HEADER}{format}\nsha256 = \"{digest}\"\n{rest}")
}

fn check_form(found: &str, lock: &Lock, stated: Sha256) -> Result<(), Unreadable> {
    let unserialisable =
        |error: LockError| Unreadable::Malformed { line: None, message: error.to_string() };
    let body = lock.body().map_err(unserialisable)?;
    let expected = text(&body, &stated);
    if found != expected {
        let lines = expected.split('\n').zip(found.split('\n'));
        let at = lines.take_while(|(ours, theirs)| ours == theirs).count();
        let shown = |text: &str| match text.split('\n').nth(at) {
            Some(line) => format!("`{}`", line.escape_debug()),
            None => "the end".to_owned(),
        };
        let message = format!("expected {}, found {}", shown(&expected), shown(found));
        return Err(Unreadable::Malformed { line: Some(at + 1), message });
    }
    let computed = Sha256::of(body.as_bytes());
    if computed != stated {
        let line = HEADER.lines().count() + 2;
        return Err(Unreadable::Edited { line, stated, computed });
    }
    Ok(())
}

/// What a text says, and the digest that it states of itself.
fn parse(text: &str, format: u32) -> Result<(Lock, Option<Sha256>), Unreadable> {
    let mut parts = parts(text);
    let (_, head) = parts.next().unwrap_or((0, ""));
    let AnyHead { format: found } = toml_of(0, head)?;
    if found != format {
        return Err(Unreadable::Format(found));
    }
    let (mut lock, stated) = if format == FORMAT_WITHOUT_DIGEST {
        let head: FirstHead = toml_of(0, head)?;
        let FirstHead { format, definition, package_request, suites, packages, files } = head;
        let lock = empty(definition, package_request);
        (Lock { format, suites, packages, files, ..lock }, None)
    } else {
        let head: Head = toml_of(0, head)?;
        let Head { format, sha256, definition, package_request, unknown_ids_of } = head;
        let lock = empty(definition, package_request);
        (Lock { format, unknown_ids_of, ..lock }, Some(sha256))
    };
    for (line, part) in parts {
        let Record { suite, package, dropped, account, script, file } = toml_of(line, part)?;
        for (kind, there, before) in [
            ("account", !account.is_empty(), FORMAT_WITHOUT_IDS),
            ("script", !script.is_empty(), FORMAT_WITHOUT_SCRIPTS),
            ("dropped", !dropped.is_empty(), FORMAT_WITHOUT_SCRIPTS),
        ] {
            if there && format <= before {
                let message = format!("a lock of format {format} has no `[[{kind}]]`");
                return Err(Unreadable::Malformed { line: Some(line + 1), message });
            }
        }
        lock.suites.extend(suite);
        lock.packages.extend(package);
        lock.dropped.extend(dropped);
        lock.accounts.extend(account);
        lock.scripts.extend(script);
        lock.files.extend(file);
    }
    Ok((lock, stated))
}

/// The head and the records, each with the number of lines before it. No line of a record's own
/// begins as a record does: strings have no line breaks in a lock.
fn parts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut starts = vec![(0, 0)];
    let mut at = 0;
    for (line, words) in text.split_inclusive('\n').enumerate() {
        if at > 0 && RECORDS.contains(&words.trim_end()) {
            starts.push((line, at));
        }
        at += words.len();
    }
    let ends: Vec<usize> = starts.iter().skip(1).map(|(_, at)| *at).chain([text.len()]).collect();
    starts.into_iter().zip(ends).map(|((line, start), end)| (line, &text[start..end]))
}

fn toml_of<T: DeserializeOwned>(lines_before: usize, part: &str) -> Result<T, Unreadable> {
    if part.len() > PART_MAX {
        let message =
            format!("{} bytes, expected at most {PART_MAX} up to the next record", part.len());
        return Err(Unreadable::Malformed { line: Some(lines_before + 1), message });
    }
    document::toml(part).map_err(|misfit| {
        // A part has one record, so its number in it says nothing.
        let message = misfit.words().replacen("[0].", ".", 1);
        Unreadable::Malformed { line: Some(lines_before + misfit.line), message }
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::suite;
    use super::*;

    /// A record begins at a line of its own; what only looks like one stays where it is.
    #[test]
    fn a_lock_is_parsed_one_record_at_a_time() {
        let cases: [(&str, &[(usize, &str)]); 6] = [
            ("", &[(0, "")]),
            ("a = 1\n", &[(0, "a = 1\n")]),
            ("a = 1\n\n[[suite]]\nb = 2\n", &[(0, "a = 1\n\n"), (2, "[[suite]]\nb = 2\n")]),
            (
                "a\n[[package]]  \n[[account]]\r\n[[file]]",
                &[(0, "a\n"), (1, "[[package]]  \n"), (2, "[[account]]\r\n"), (3, "[[file]]")],
            ),
            (
                "a\n [[suite]]\n[[thing]]\nx [[file]]\n",
                &[(0, "a\n [[suite]]\n[[thing]]\nx [[file]]\n")],
            ),
            // Without a head the first record is read as one, and refused there.
            ("[[suite]]\nb\n[[suite]]\n", &[(0, "[[suite]]\nb\n"), (2, "[[suite]]\n")]),
        ];
        for (text, expected) in cases {
            assert_eq!(parts(text).collect::<Vec<_>>(), expected, "{text:?}");
        }
    }

    #[test]
    fn errors_name_the_line_of_the_file() {
        let lock =
            Lock { suites: vec![suite("x", 7)], ..empty(Sha256::of(b"d"), Sha256::of(b"p")) };
        let good = lock.to_text().unwrap();
        assert_eq!(Lock::parse(&good).unwrap(), lock);
        let line_of =
            |words: &str| good.lines().position(|line| line.starts_with(words)).unwrap() + 1;
        for (words, to) in [
            ("format", "format = x"),
            ("definition", "definition = \"00\""),
            ("definition", "defenition = \"00\""),
            ("name", "name = 7"),
            ("date", "date = \"x\""),
            ("[[suite]]", "[[suites]]"),
        ] {
            let changed: Vec<&str> =
                good.lines().map(|line| if line.starts_with(words) { to } else { line }).collect();
            let Err(Unreadable::Malformed { line, .. }) = Lock::parse(&changed.join("\n")) else {
                unreachable!("accepted: {to}");
            };
            assert_eq!(line, Some(line_of(words)), "{to}");
        }
        let error = String::from_utf8(b"a\nb\n\xff\n".to_vec()).unwrap_err();
        assert!(matches!(
            Unreadable::encoding(&error),
            Unreadable::Malformed { line: Some(3), .. }
        ));
    }

    /// `parse` says what a text says; `read` believes what its digest covers, in the one form.
    #[test]
    fn the_form_and_the_digest_are_checked() {
        let lock =
            Lock { suites: vec![suite("x", 7)], ..empty(Sha256::of(b"d"), Sha256::of(b"p")) };
        let good = lock.to_text().unwrap();
        assert_eq!(Lock::read(&good, FORMAT).unwrap(), lock);
        let words = good.replacen("# The", "# Once the", 1);
        assert!(Lock::parse(&words).is_ok());
        let Err(Unreadable::Malformed { line: Some(1), message }) = Lock::read(&words, FORMAT)
        else {
            unreachable!("other words are accepted");
        };
        assert!(
            message.starts_with("expected `# The exact") && message.contains("found `# Once"),
            "{message}"
        );
        let edited = good.replacen("name = \"x\"", "name = \"y\"", 1);
        assert!(Lock::parse(&edited).is_ok());
        let Err(Unreadable::Edited { line, stated, computed }) = Lock::read(&edited, FORMAT) else {
            unreachable!("an edited lock is accepted");
        };
        assert!(good.lines().nth(line - 1).unwrap().contains(&stated.to_string()));
        assert_ne!(stated, computed);
        assert!(matches!(Lock::read(&good, FORMAT_WITHOUT_IDS), Err(Unreadable::Format(FORMAT))));
    }

    /// The first format had no digest, and what it had none of stood in its head.
    #[test]
    fn a_lock_of_the_first_format_is_read_as_one_of_this() {
        let digest = Sha256::of(b"d");
        let head =
            format!("format = 1\ndefinition = \"{digest}\"\npackage-request = \"{digest}\"\n");
        let bare = format!("{head}suite = []\npackage = []\nfile = []\n");
        let empty = empty(digest, digest);
        assert_eq!(Lock::read(&bare, FORMAT_WITHOUT_DIGEST).unwrap(), empty);
        let file = "\n[[file]]\npath = \"tree\"\n";
        let found = Lock::read(&format!("{head}{file}"), FORMAT_WITHOUT_DIGEST).unwrap();
        assert_eq!((found.format, found.files.len()), (FORMAT, 1));
        // What later formats have is none of its keys.
        for (more, line) in [
            ("sha256 = \"00\"\n", 4),
            ("unknown-ids-of = []\n", 4),
            ("\n[[account]]\nname = \"a\"\nid = 100\nroles = [\"root\"]\n", 5),
            (
                "\n[[dropped]]\nname = \"a\"\nversion = \"1\"\nreason = \"x\"\nroles = [\"root\"]\n",
                5,
            ),
        ] {
            let Err(Unreadable::Malformed { line: found, .. }) =
                Lock::read(&format!("{head}{more}"), FORMAT_WITHOUT_DIGEST)
            else {
                unreachable!("accepted: {more}")
            };
            assert_eq!(found, Some(line), "{more}");
        }
    }

    /// A lock of the format before says of no root file system that all its accounts are in it.
    #[test]
    fn an_older_lock_knows_the_accounts_of_no_root_file_system() {
        let package = |name: &str, roles: &[&str]| LockedPackage {
            roles: roles.iter().map(ToString::to_string).collect(),
            ..super::super::sample::package(name)
        };
        let packages = vec![
            package("a", &["root:v", "stub"]),
            package("b", &["root", "root:v"]),
            package("c", &["firmware:w"]),
        ];
        let lock = super::super::sample::lock(packages);
        let older = Lock { format: FORMAT_WITHOUT_IDS, ..lock.clone() };
        let read = Lock::read(&older.to_text().unwrap(), FORMAT_WITHOUT_IDS).unwrap();
        let unknown_ids_of = vec!["root".to_owned(), "root:v".to_owned()];
        assert_eq!(read, Lock { unknown_ids_of, ..lock.clone() });
        assert_eq!(Lock::read(&lock.to_text().unwrap(), FORMAT).unwrap(), lock);
    }

    #[test]
    fn a_part_of_a_lock_has_a_bound() {
        let good = empty(Sha256::of(b"d"), Sha256::of(b"p")).to_text().unwrap();
        let with = |len: usize| {
            let fill = len - good.len() - "#\n".len();
            Lock::parse(&format!("{good}#{}\n", "x".repeat(fill)))
        };
        assert!(with(PART_MAX).is_ok());
        let Err(Unreadable::Malformed { line, message }) = with(PART_MAX + 1) else {
            unreachable!("a longer head is accepted")
        };
        assert_eq!(line, Some(1));
        assert_eq!(message, "1048577 bytes, expected at most 1048576 up to the next record");
    }

    #[test]
    fn a_key_of_a_record_is_named_without_its_number() {
        let lock =
            Lock { suites: vec![suite("x", 7)], ..empty(Sha256::of(b"d"), Sha256::of(b"p")) };
        let good = lock.to_text().unwrap();
        let message = |from: &str, to: &str| {
            assert!(good.contains(from), "{from}");
            match Lock::parse(&good.replacen(from, to, 1)) {
                Err(Unreadable::Malformed { message, .. }) => message,
                other => panic!("{other:?}"),
            }
        };
        let name = message("name = \"x\"", "name = 7");
        assert_eq!(name, "`suite.name`: expected a string, found `7`");
        assert!(message("signed-by = []", "signed-by = [7]").starts_with("`suite.signed-by[0]`: "));
        assert!(message("name = \"x\"\n", "").contains("missing field `name`"));
        assert!(message("format = 4", "format = 4\nmore = 1").contains("unknown field `more`"));
    }

    /// What differs of the one form is shown with both sides, whatever bytes they are.
    #[test]
    fn another_form_is_named_by_its_first_line() {
        let good = empty(Sha256::of(b"d"), Sha256::of(b"p")).to_text().unwrap();
        let refused = |text: &str| match Lock::read(text, FORMAT) {
            Err(Unreadable::Malformed { line, message }) => (line.unwrap(), message),
            other => panic!("{other:?}"),
        };
        let lines = good.lines().count();
        let (line, message) = refused(&format!("{good}\n"));
        assert_eq!((line, message.as_str()), (lines + 2, "expected the end, found ``"));
        let (line, message) = refused(good.trim_end());
        assert_eq!((line, message.as_str()), (lines + 1, "expected ``, found the end"));
        let (line, message) = refused(&good.replace("\n\n", "\n\t\n"));
        assert_eq!((line, message.as_str()), (3, "expected ``, found `\\t`"));
    }
}
