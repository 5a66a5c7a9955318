//! The `Release` file of a suite: what it is, when it was made, and the size and SHA-256 of every
//! index (Debian wiki "DebianRepository/Format", sections "Release files"; Debian Policy 5).
//!
//! The contract: [`Release::parse`] takes the text that [`crate::openpgp`] proved to be signed;
//! paths in it are relative and stay below the suite. [`Release::check_freshness`] is given the
//! time, as Unix seconds; nothing here reads a clock. Deliberately absent: MD5Sum and SHA1, which
//! are never looked at. The oracle is apt, which reads the same files in the resolver's tests, and
//! `date`.

use std::collections::BTreeMap;

use cvmkit_formats::date::Date;
use cvmkit_formats::digest::Sha256;
use thiserror::Error;

use crate::deb822::{Deb822Error, Paragraph};

/// How far in the future a `Date` may be: one day, for clocks that disagree.
const FUTURE_TOLERANCE: i64 = 86_400;

/// The longest file of an archive, 1 TiB. A guard: sums of lengths stay far below 2^63, the largest
/// integer of TOML.
pub const SIZE_MAX: u64 = 1 << 40;

/// Why a `Release` was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReleaseError {
    /// Not one paragraph of fields.
    #[error("the Release file does not parse")]
    Syntax(#[from] Deb822Error),
    /// A mandatory field that is absent.
    #[error("the Release file has no field `{0}`")]
    Missing(&'static str),
    /// A date that does not parse.
    #[error("Release field `{field}`: expected `Sat, 12 Sep 2026 07:55:41 UTC`, found `{found}`")]
    Date {
        /// `Date` or `Valid-Until`.
        field: &'static str,
        /// The value.
        found: String,
    },
    /// A yes/no field with another value.
    #[error("Release field `{field}`: expected `yes` or `no`, found `{found}`")]
    Flag {
        /// The field.
        field: &'static str,
        /// The value.
        found: String,
    },
    /// A line of `SHA256` that does not parse.
    #[error("Release field `SHA256`: expected `<64 hex digits> <size> <path>`, found `{0}`")]
    Checksum(String),
    /// A path that leaves the suite's folder, or is not normal.
    #[error("Release field `SHA256`: the path `{0}` is not relative and normal")]
    Path(String),
    /// The same path with two sizes or hashes.
    #[error("Release field `SHA256`: `{0}` has two different lines")]
    Ambiguous(String),
    /// It belongs to a different suite than the one requested.
    #[error(
        "the Release file belongs to a different suite\n    requested: {asked}\n    found:     {}",
        names(.suite, .codename)
    )]
    AnotherSuite {
        /// The name that was requested.
        asked: String,
        /// Its `Suite`.
        suite: Option<String>,
        /// Its `Codename`.
        codename: Option<String>,
    },
    /// It belongs to a different archive than the one requested.
    #[error(
        "the Release file belongs to a different archive\n    expected: `{field}: {expected}`\n    \
         found:    {}",
        field_found(field, .found)
    )]
    AnotherArchive {
        /// `Origin` or `Label`.
        field: &'static str,
        /// The value that was requested.
        expected: String,
        /// Its value, if it has the field.
        found: Option<String>,
    },
    /// A file larger than [`SIZE_MAX`].
    #[error("Release field `SHA256`: `{path}` has {size} bytes, expected at most {SIZE_MAX}")]
    Size {
        /// The path.
        path: String,
        /// Its size.
        size: u64,
    },
    /// `Valid-Until` has passed.
    #[error(
        "the Release file of `{suite}` was valid until {}, now it is {}",
        Date(*.valid_until),
        Date(*.now)
    )]
    Expired {
        /// Which suite.
        suite: String,
        /// Unix seconds.
        valid_until: i64,
        /// Unix seconds.
        now: i64,
    },
    /// `Date` is more than a day ahead.
    #[error(
        "the Release file of `{suite}` is dated {}, now it is {}",
        Date(*.date),
        Date(*.now)
    )]
    FromTheFuture {
        /// Which suite.
        suite: String,
        /// Unix seconds.
        date: i64,
        /// Unix seconds.
        now: i64,
    },
}

/// What a `Release` says of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Bytes.
    pub size: u64,
    /// Of the contents.
    pub sha256: Sha256,
}

/// How apt treats a suite's versions (apt_preferences(5), "APT's Default Priority Assignments").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PinPriority {
    /// 1: `NotAutomatic: yes`.
    NotAutomatic,
    /// 100: `NotAutomatic: yes` and `ButAutomaticUpgrades: yes`.
    ButAutomaticUpgrades,
    /// 500: every other suite.
    Default,
    /// Above every suite: packages that the user gives as files, which `apt install ./FILE` takes
    /// whatever versions the suites have. No release file says this.
    File,
}

/// A decoded `Release`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// `Origin`, if given: who publishes the archive, such as `Debian`.
    pub origin: Option<String>,
    /// `Label`, if given: which archive of theirs, such as `Debian-Security`.
    pub label: Option<String>,
    /// `Suite`, such as `stable`; one of suite and codename is there, but for a flat archive.
    pub suite: Option<String>,
    /// `Codename`, such as `trixie`.
    pub codename: Option<String>,
    /// `Version`, such as `13.7`.
    pub version: Option<String>,
    /// `Date`, Unix seconds.
    pub date: i64,
    /// `Valid-Until`, Unix seconds.
    pub valid_until: Option<i64>,
    /// `Architectures`: those that have indices, `all` among them where it has its own.
    pub architectures: Vec<String>,
    /// `Components`, as written: a security archive says `updates/main`.
    pub components: Vec<String>,
    /// `Acquire-By-Hash`: indices are also at `by-hash/SHA256/<hex>` beside their path.
    pub acquire_by_hash: bool,
    /// From `NotAutomatic` and `ButAutomaticUpgrades`.
    pub pin_priority: PinPriority,
    /// `SHA256`: every index by its path below the suite.
    pub files: BTreeMap<String, Listed>,
}

impl Release {
    /// Reads the signed text of a `Release`.
    ///
    /// # Errors
    /// Any [`ReleaseError`] about the text itself.
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        Self::read(text, false)
    }

    /// Reads the signed text of the `Release` of a flat archive, which has no suites: neither names nor
    /// `Architectures` and `Components` need be there (sources.list(5), an exact path as the suite).
    ///
    /// # Errors
    /// Any [`ReleaseError`] about the text itself.
    pub fn parse_flat(text: &str) -> Result<Self, ReleaseError> {
        Self::read(text, true)
    }

    fn read(text: &str, is_flat: bool) -> Result<Self, ReleaseError> {
        let fields = Paragraph::parse(text)?;
        let own = |name| fields.get(name).map(str::to_owned);
        let words = |name: &'static str| {
            let value = fields.get(name).or(is_flat.then_some(""));
            let value = value.ok_or(ReleaseError::Missing(name))?;
            let words = value.split_ascii_whitespace().map(str::to_owned);
            Ok::<Vec<_>, ReleaseError>(words.collect())
        };
        let (suite, codename) = (own("Suite"), own("Codename"));
        if suite.is_none() && codename.is_none() && !is_flat {
            return Err(ReleaseError::Missing("Suite"));
        }
        let not_automatic = flag(&fields, "NotAutomatic")?;
        let pin_priority = match (not_automatic, flag(&fields, "ButAutomaticUpgrades")?) {
            (false, _) => PinPriority::Default,
            (true, true) => PinPriority::ButAutomaticUpgrades,
            (true, false) => PinPriority::NotAutomatic,
        };
        Ok(Self {
            origin: own("Origin"),
            label: own("Label"),
            suite,
            codename,
            version: own("Version"),
            date: date(&fields, "Date")?.ok_or(ReleaseError::Missing("Date"))?,
            valid_until: date(&fields, "Valid-Until")?,
            architectures: words("Architectures")?,
            components: words("Components")?,
            acquire_by_hash: flag(&fields, "Acquire-By-Hash")?,
            pin_priority,
            files: files(fields.get("SHA256").ok_or(ReleaseError::Missing("SHA256"))?)?,
        })
    }

    /// The codename, or the suite where there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.codename.as_deref().or(self.suite.as_deref()).unwrap_or_default()
    }

    /// Refuses the release of another suite: the keys of an archive sign all of its suites, so a
    /// mirror may serve one in the place of another. The name asked for must be its `Codename` or
    /// its `Suite` (apt-secure(8); apt 2.6, `debReleaseIndex::CheckDist`).
    ///
    /// # Errors
    /// [`ReleaseError::AnotherSuite`].
    pub fn check_suite(&self, asked: &str) -> Result<(), ReleaseError> {
        let is_asked = |name: &Option<String>| name.as_deref() == Some(asked);
        if is_asked(&self.codename) || is_asked(&self.suite) {
            return Ok(());
        }
        let (suite, codename) = (self.suite.clone(), self.codename.clone());
        Err(ReleaseError::AnotherSuite { asked: asked.to_owned(), suite, codename })
    }

    /// Refuses the release of another archive, where it is known what `Origin` and `Label` of the
    /// one asked for are: archives that share their keys may share the names of their suites.
    ///
    /// # Errors
    /// [`ReleaseError::AnotherArchive`].
    pub fn check_archive(
        &self,
        origin: Option<&str>,
        label: Option<&str>,
    ) -> Result<(), ReleaseError> {
        for (field, expected, found) in
            [("Origin", origin, &self.origin), ("Label", label, &self.label)]
        {
            if let Some(expected) = expected.filter(|name| found.as_deref() != Some(*name)) {
                let (expected, found) = (expected.to_owned(), found.clone());
                return Err(ReleaseError::AnotherArchive { field, expected, found });
            }
        }
        Ok(())
    }

    /// Refuses a release whose `Valid-Until` has passed at `now` (Unix seconds), or whose `Date` is
    /// more than a day ahead of it. A frozen mirror of a suite without `Valid-Until` can't be told
    /// this way: compare `date` with the one seen before.
    ///
    /// # Errors
    /// [`ReleaseError::Expired`] or [`ReleaseError::FromTheFuture`].
    pub fn check_freshness(&self, now: i64) -> Result<(), ReleaseError> {
        let suite = self.name().to_owned();
        if let Some(valid_until) = self.valid_until.filter(|&until| until < now) {
            return Err(ReleaseError::Expired { suite, valid_until, now });
        }
        if self.date.saturating_sub(now) > FUTURE_TOLERANCE {
            return Err(ReleaseError::FromTheFuture { suite, date: self.date, now });
        }
        Ok(())
    }
}

/// Whether a path from an archive is relative and stays below its folder: no empty component, no
/// `.`, no `..`, no leading slash, and only printable ASCII without what has a meaning in URLs or
/// elsewhere (`\\`, `%`, `?`, `#`).
#[must_use]
pub fn is_pool_path(path: &str) -> bool {
    let plain = |byte| matches!(byte, b'!'..=b'~') && !matches!(byte, b'\\' | b'%' | b'?' | b'#');
    path.bytes().all(plain) && path.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

/// Whether `name` can name an archive: it is one component of an address, and a folder in a vendor
/// folder.
#[must_use]
pub fn is_archive_name(name: &str) -> bool {
    is_pool_path(name) && !name.contains('/')
}

/// Reads 64 hexadecimal digits.
pub(crate) fn sha256(text: &str) -> Option<Sha256> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(Sha256(digest))
}

/// What a release calls itself, for an error: `trixie-updates` (`stable-updates`).
fn names(suite: &Option<String>, codename: &Option<String>) -> String {
    match (codename, suite) {
        (Some(codename), Some(suite)) if codename != suite => format!("{codename} ({suite})"),
        (Some(name), _) | (None, Some(name)) => name.clone(),
        (None, None) => "no name".to_owned(),
    }
}

fn field_found(field: &str, found: &Option<String>) -> String {
    match found {
        Some(found) => format!("`{field}: {found}`"),
        None => format!("no field `{field}`"),
    }
}

fn flag(fields: &Paragraph, field: &'static str) -> Result<bool, ReleaseError> {
    match fields.get(field) {
        None | Some("no") => Ok(false),
        Some("yes") => Ok(true),
        Some(found) => Err(ReleaseError::Flag { field, found: found.to_owned() }),
    }
}

fn files(value: &str) -> Result<BTreeMap<String, Listed>, ReleaseError> {
    let mut files = BTreeMap::new();
    for line in value.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_ascii_whitespace();
        let (digest, size, path) = (words.next(), words.next(), words.next());
        let listed = digest.and_then(sha256).zip(size.and_then(|size| size.parse().ok()));
        let ((sha256, size), path) = listed
            .zip(path)
            .filter(|_| words.next().is_none())
            .ok_or_else(|| ReleaseError::Checksum(line.chars().take(200).collect()))?;
        // What is in the folder of a flat archive is often written so.
        let path = path.strip_prefix("./").unwrap_or(path);
        if !is_pool_path(path) {
            return Err(ReleaseError::Path(path.to_owned()));
        }
        if size > SIZE_MAX {
            return Err(ReleaseError::Size { path: path.to_owned(), size });
        }
        let listed = Listed { size, sha256 };
        if files.insert(path.to_owned(), listed).is_some_and(|first| first != listed) {
            return Err(ReleaseError::Ambiguous(path.to_owned()));
        }
    }
    Ok(files)
}

fn date(fields: &Paragraph, field: &'static str) -> Result<Option<i64>, ReleaseError> {
    let Some(value) = fields.get(field) else { return Ok(None) };
    let refused = || ReleaseError::Date { field, found: value.to_owned() };
    Date::of_rfc5322(value).map(|date| Some(date.0)).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn release(extra: &str) -> String {
        format!(
            "Suite: stable\nCodename: trixie\nDate: Sat, 12 Sep 2026 07:55:41 UTC\n\
             Architectures: all amd64\nComponents: main contrib\n{extra}\
             SHA256:\n {DIGEST} 0 main/binary-amd64/Packages\n"
        )
    }

    #[test]
    fn fields() {
        let parsed = Release::parse(&release("NotAutomatic: yes\nAcquire-By-Hash: yes\n")).unwrap();
        assert_eq!(parsed.name(), "trixie");
        // `date -u -d 'Sat, 12 Sep 2026 07:55:41 UTC' +%s`
        assert_eq!(parsed.date, 1_789_199_741);
        assert_eq!(parsed.pin_priority, PinPriority::NotAutomatic);
        assert!(parsed.acquire_by_hash);
        assert_eq!(parsed.components, ["main", "contrib"]);
        let listed = parsed.files["main/binary-amd64/Packages"];
        assert_eq!((listed.size, listed.sha256.to_string()), (0, DIGEST.to_owned()));
    }

    /// What `apt-ftparchive release .` writes, which knows of no suite.
    #[test]
    fn a_flat_archive_needs_no_names() {
        let text = format!(
            "Date: Sat, 12 Sep 2026 07:55:41 UTC\nSHA256:\n {DIGEST} 0 Packages\n {DIGEST} 0 ./a.gz\n"
        );
        assert_eq!(Release::parse(&text), Err(ReleaseError::Missing("Suite")));
        let flat = Release::parse_flat(&text).unwrap();
        assert_eq!((flat.name(), flat.date), ("", 1_789_199_741));
        assert!(flat.components.is_empty() && flat.architectures.is_empty());
        assert_eq!(flat.files.keys().collect::<Vec<_>>(), ["Packages", "a.gz"]);
        let dateless = Release::parse_flat("Suite: x\nSHA256:\n");
        assert_eq!(dateless, Err(ReleaseError::Missing("Date")));
        let outside = text.replace("./a.gz", "./../a.gz");
        assert_eq!(Release::parse_flat(&outside), Err(ReleaseError::Path("../a.gz".into())));
    }

    #[test]
    fn freshness() {
        let text = release("Valid-Until: Sat, 19 Sep 2026 07:55:41 UTC\n");
        let release = Release::parse(&text).unwrap();
        let (date, until) = (release.date, release.date + 7 * 86_400);
        assert_eq!(release.check_freshness(date), Ok(()));
        assert_eq!(release.check_freshness(until), Ok(()));
        let expired = release.check_freshness(until + 1).unwrap_err();
        let words =
            "of `trixie` was valid until 2026-09-19T07:55:41Z, now it is 2026-09-19T07:55:42Z";
        assert!(expired.to_string().ends_with(words), "{expired}");
        assert_eq!(release.check_freshness(date - 86_400), Ok(()));
        let future = release.check_freshness(date - 86_401);
        assert!(matches!(future, Err(ReleaseError::FromTheFuture { .. })));
    }

    #[test]
    fn only_the_suite_that_was_asked_for() {
        let release = Release::parse(&release("Origin: Debian\nLabel: Debian-Security\n")).unwrap();
        for asked in ["trixie", "stable"] {
            assert_eq!(release.check_suite(asked), Ok(()));
        }
        for asked in ["trixie-security", "stable-security", "Trixie", "trixie/", "", "tri"] {
            let error = release.check_suite(asked).unwrap_err().to_string();
            let expected = "the Release file belongs to a different suite\n    requested: "
                .to_owned()
                + asked
                + "\n    found:     trixie (stable)";
            assert_eq!(error, expected);
        }
        assert_eq!(release.check_archive(None, None), Ok(()));
        assert_eq!(release.check_archive(Some("Debian"), Some("Debian-Security")), Ok(()));
        let error = release.check_archive(Some("Debian"), Some("Debian")).unwrap_err().to_string();
        assert!(error.contains("expected: `Label: Debian`"), "{error}");
        assert!(error.contains("found:    `Label: Debian-Security`"), "{error}");
    }

    /// One changed field, and what is said of it.
    #[test]
    fn every_refusal_names_its_field() {
        let good = release("Version: 13.7\nOrigin: Debian\n");
        let cases = [
            ("Suite: stable\nCodename: trixie\n", "", "has no field `Suite`"),
            ("Date: Sat, 12 Sep 2026 07:55:41 UTC\n", "", "has no field `Date`"),
            ("Architectures: all amd64\n", "", "has no field `Architectures`"),
            ("Components: main contrib\n", "", "has no field `Components`"),
            ("SHA256:", "SHA1:", "has no field `SHA256`"),
            (
                "07:55:41",
                "7:55",
                "field `Date`: expected `Sat, 12 Sep 2026 07:55:41 UTC`, found `Sat, 12 Sep 2026 7:55 UTC`",
            ),
            (
                "Version: 13.7",
                "Valid-Until: soon",
                "field `Valid-Until`: expected `Sat, 12 Sep 2026 07:55:41 UTC`, found `soon`",
            ),
            (
                "Version: 13.7",
                "NotAutomatic: Yes",
                "field `NotAutomatic`: expected `yes` or `no`, found `Yes`",
            ),
            (
                "Version: 13.7",
                "Acquire-By-Hash:",
                "field `Acquire-By-Hash`: expected `yes` or `no`, found ``",
            ),
            (
                "Version: 13.7",
                "ButAutomaticUpgrades: 1",
                "field `ButAutomaticUpgrades`: expected `yes` or `no`, found `1`",
            ),
            ("Version: 13.7", "\nVersion: 13.7", "does not parse"),
            (
                " 0 main",
                " main",
                &format!(
                    "expected `<64 hex digits> <size> <path>`, found `{DIGEST} main/binary-amd64/Packages`"
                ),
            ),
            ("main/b", "../b", "the path `../binary-amd64/Packages` is not relative and normal"),
            (
                " 0 main",
                " 1099511627777 main",
                "`main/binary-amd64/Packages` has 1099511627777 bytes, expected at most 1099511627776",
            ),
        ];
        assert!(Release::parse(&good).is_ok());
        for (from, to, expected) in cases {
            assert!(good.contains(from), "{from}");
            let error = Release::parse(&good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}\n{expected}");
        }
    }

    #[test]
    fn optional_fields() {
        let bare = Release::parse(&release("")).unwrap();
        assert_eq!(
            (bare.origin, bare.label, bare.version, bare.valid_until),
            (None, None, None, None)
        );
        assert_eq!(bare.architectures, ["all", "amd64"]);
        assert!(!bare.acquire_by_hash);
        let full = release(
            "Origin: O\nLabel: L\nVersion: V\nValid-Until: Sat, 12 Sep 2026 07:55:42 UTC\n",
        );
        let full = Release::parse(&full).unwrap();
        let named = (full.origin.as_deref(), full.label.as_deref(), full.version.as_deref());
        assert_eq!(named, (Some("O"), Some("L"), Some("V")));
        assert_eq!(full.valid_until, Some(full.date + 1));
        for (suite, codename, name) in
            [(Some("s"), Some("c"), "c"), (Some("s"), None, "s"), (None, Some("c"), "c")]
        {
            let (suite, codename) = (suite.map(str::to_owned), codename.map(str::to_owned));
            let found = Release { suite, codename, ..Release::parse(&release("")).unwrap() };
            assert_eq!(found.name(), name);
        }
    }

    /// apt_preferences(5): 1, 100 and 500; `ButAutomaticUpgrades` alone says nothing.
    #[test]
    fn pin_priorities() {
        let of = |not_automatic: &str, upgrades: &str| {
            let fields =
                format!("NotAutomatic: {not_automatic}\nButAutomaticUpgrades: {upgrades}\n");
            Release::parse(&release(&fields)).unwrap().pin_priority
        };
        assert_eq!(of("no", "no"), PinPriority::Default);
        assert_eq!(of("no", "yes"), PinPriority::Default);
        assert_eq!(of("yes", "yes"), PinPriority::ButAutomaticUpgrades);
        assert_eq!(of("yes", "no"), PinPriority::NotAutomatic);
        let order =
            [PinPriority::NotAutomatic, PinPriority::ButAutomaticUpgrades, PinPriority::Default];
        assert!(order.is_sorted());
    }

    #[test]
    fn a_file_may_be_listed_twice_if_the_lines_are_equal() {
        let line = format!(" {DIGEST} 0 main/binary-amd64/Packages\n");
        let twice = Release::parse(&(release("") + &line)).unwrap();
        assert_eq!(twice.files.len(), 1);
        let other = line.replace(" 0 ", " 1 ");
        let error = Release::parse(&(release("") + &other)).unwrap_err();
        assert_eq!(error, ReleaseError::Ambiguous("main/binary-amd64/Packages".into()));
        let largest = format!(" {DIGEST} {SIZE_MAX} x\n");
        assert_eq!(Release::parse(&(release("") + &largest)).unwrap().files["x"].size, SIZE_MAX);
    }

    #[test]
    fn paths_and_names_of_archives() {
        for (path, is_path, is_name) in [
            ("a", true, true),
            ("a.b-c_d+e~f:g@h", true, true),
            ("a/b", true, false),
            ("...", true, true),
            ("", false, false),
            (".", false, false),
            ("..", false, false),
            ("/a", false, false),
            ("a/", false, false),
            ("a//b", false, false),
            ("a/../b", false, false),
            ("a b", false, false),
            ("a\u{7f}", false, false),
            ("ä", false, false),
            ("a%2e", false, false),
            ("a?b", false, false),
            ("a#b", false, false),
            ("a\\b", false, false),
        ] {
            assert_eq!((is_pool_path(path), is_archive_name(path)), (is_path, is_name), "{path:?}");
        }
    }

    #[test]
    fn a_release_says_what_it_is_in_errors() {
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(names(&some("stable"), &some("trixie")), "trixie (stable)");
        assert_eq!(names(&some("sid"), &some("sid")), "sid");
        assert_eq!(names(&some("tiny"), &None), "tiny");
        assert_eq!(names(&None, &some("trixie")), "trixie");
        assert_eq!(names(&None, &None), "no name");
        let bare = Release::parse(&release("")).unwrap();
        let error = bare.check_archive(Some("Debian"), None).unwrap_err().to_string();
        assert!(
            error.ends_with("expected: `Origin: Debian`\n    found:    no field `Origin`"),
            "{error}"
        );
    }

    #[test]
    fn refused() {
        let line =
            |path: &str| format!("{} {DIGEST} 1 {path}\n", release("").trim_end_matches('x'));
        for path in ["../x", "/x", "a/../x", "a//x", "a/./x", "a\\x", "a/"] {
            assert_eq!(Release::parse(&line(path)), Err(ReleaseError::Path(path.into())));
        }
        let twice = line("main/binary-amd64/Packages");
        assert!(matches!(Release::parse(&twice), Err(ReleaseError::Ambiguous(_))));
        for bad in
            [" 00 1 x\n", " x\n", &format!(" {DIGEST} -1 x\n"), &format!(" {DIGEST} 1 x y\n")]
        {
            let text = release("") + bad;
            assert!(matches!(Release::parse(&text), Err(ReleaseError::Checksum(_))), "{bad}");
        }
        let huge = release("") + &format!(" {DIGEST} {} x\n", 1_u64 << 63);
        assert!(matches!(Release::parse(&huge), Err(ReleaseError::Size { .. })));
        assert!(Release::parse("Suite: x\n").is_err());
        assert!(Release::parse(&release("NotAutomatic: maybe\n")).is_err());
        assert!(Release::parse(&release("Valid-Until: soon\n")).is_err());
    }
}
