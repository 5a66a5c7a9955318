//! A suite, from its address to package indices that its archive's keys vouch for.
//!
//! A mirror is believed nothing: what it gives must be signed by the source's keys, be the suite and
//! archive that were asked for, and be as new as what was seen before. Where one of that fails, the
//! next mirror is asked, and each failure is reported.

use std::collections::BTreeSet;

use cvmkit_debian::openpgp::{self, Fingerprint, Keyring, OpenPgpError, Policy, Refusal};
use cvmkit_debian::packages::PackagesError;
use cvmkit_debian::release::{Listed, PinPriority, Release, ReleaseError};
use cvmkit_formats::architecture::Architecture;
use cvmkit_formats::compression::{self, Compression, CompressionError};
use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, Fault, in_one_line};
use cvmkit_host::http::{Client, HttpError};
use cvmkit_host::progress::Progress;
use cvmkit_host::timestamp::Timestamp;
use thiserror::Error;

use super::source::{Source, is_flat, release_folder};
use crate::mirrors::{Mirrors, Tried};
use crate::packages::{DigestMismatch, LockedIndex, LockedSuite};

/// No `InRelease` is longer; Debian's have 200 kB.
const INRELEASE_MAX: u64 = 16 << 20;

/// No package index is longer, compressed or not; Debian's have 60 MB.
const INDEX_MAX: u64 = 256 << 20;

/// A suite without `Valid-Until` of this age is worth a note: Debian's stable has a point release
/// every two to three months.
const DEFAULT_MAX_AGE_DAYS: u32 = 120;

const SECONDS_PER_DAY: i64 = 86_400;

/// The suffixes of indices in the order they are preferred; a user's own archive may compress none.
const INDEX_SUFFIXES: [&str; 3] = [".xz", ".gz", ""];

/// Why a suite is not trusted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// It is on no mirror.
    #[error("the suite `{suite}` of `{archive}` can't be fetched")]
    Unreachable {
        /// The suite.
        suite: String,
        /// The archive.
        archive: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No mirror is configured.
    #[error("no mirror of the archive `{archive}` is known")]
    NoMirror {
        /// The archive.
        archive: String,
    },
    /// Several mirrors were asked, and none gave what can be trusted.
    #[error("no mirror of `{archive}` serves a suite `{suite}` that can be trusted{}", Tried(.refused))]
    NoMirrorServes {
        /// The suite.
        suite: String,
        /// The archive.
        archive: String,
        /// Each mirror and what it did wrong.
        refused: Vec<(String, SuiteError)>,
    },
    /// Its signature is not good enough.
    #[error("no valid signature from a trusted key on the suite `{suite}` of `{archive}`")]
    Untrusted {
        /// The suite.
        suite: String,
        /// The archive.
        archive: String,
        /// Why.
        source: OpenPgpError,
    },
    /// Keys of the definition.
    #[error("the key `{key}` can't be used")]
    Key {
        /// The file or fingerprint.
        key: String,
        /// Why.
        source: OpenPgpError,
    },
    /// Its release file is malformed or out of date.
    #[error("the release file of suite `{suite}` can't be used")]
    Release {
        /// The suite.
        suite: String,
        /// Why.
        source: ReleaseError,
    },
    /// It is an older state than the lock has seen.
    #[error("the suite `{suite}` went back in time\n    locked: {locked}\n    found:  {found}")]
    Backwards {
        /// The suite.
        suite: String,
        /// When the locked state was made.
        locked: Timestamp,
        /// When the one found was made.
        found: Timestamp,
    },
    /// Two states of one suite came within one run.
    #[error("the suite `{suite}` of `{archive}` changed while it was read")]
    Changed {
        /// The suite.
        suite: String,
        /// The archive.
        archive: String,
    },
    /// An index is longer than any.
    #[error("the index `{path}` of suite `{suite}` has {size} bytes, expected at most {INDEX_MAX}")]
    IndexTooLong {
        /// The suite.
        suite: String,
        /// Its path.
        path: String,
        /// Its length.
        size: u64,
    },
    /// Its release file lists a file that the mirror does not have.
    #[error(
        "mirror incomplete: the release file of suite `{suite}` of `{archive}` lists `{path}`, which is \
         not there"
    )]
    Incomplete {
        /// The suite.
        suite: String,
        /// The archive.
        archive: String,
        /// What is listed, below the suite.
        path: String,
        /// The answer.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It has no index of a component.
    #[error(
        "the suite `{suite}` has no package index for architecture {architecture}{}",
        in_component(.component)
    )]
    NoIndex {
        /// The suite.
        suite: String,
        /// The component; empty for a flat archive, which has none.
        component: String,
        /// The architecture.
        architecture: String,
    },
    /// An index is not what the release file says.
    #[error("an index of the suite `{suite}` does not match its release file")]
    Mismatch {
        /// The suite.
        suite: String,
        /// Both digests.
        source: DigestMismatch,
    },
    /// An index does not decompress.
    #[error("the index `{path}` does not decompress")]
    Compression {
        /// Its path.
        path: String,
        /// Why.
        source: CompressionError,
    },
    /// An index is malformed.
    #[error("the index `{path}` can't be read")]
    Index {
        /// Its path.
        path: String,
        /// Why.
        source: PackagesError,
    },
}

impl Diagnosis for SuiteError {
    fn fault(&self) -> Fault {
        match self {
            Self::Key { .. } | Self::NoIndex { .. } => Fault::Definition,
            Self::NoMirrorServes { refused, .. } => match telling(refused) {
                Some(error) => error.fault(),
                None => Fault::Environment,
            },
            _ => Fault::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoMirror { .. } => "set CVMKIT_MIRROR to the base address of a mirror, or add \
                                      `mirrors = [...]` to the definition"
                .into(),
            Self::NoMirrorServes { refused, .. } => return telling(refused)?.hint(),
            Self::Unreachable { .. } => {
                "check the suite's name and its `archive`, or name another mirror in CVMKIT_MIRROR"
                    .into()
            }
            Self::Untrusted { source, .. } => match expired_key(source) {
                Some(key) => format!(
                    "the mirror serves an old state, or the archive has new keys; accept this one \
                     explicitly with `--accept-expired-key {key}`"
                ),
                None => "the mirror serves something else, or the archive has new keys: add them \
                         with `keys` or `key-files` in `[[sources]]`"
                    .into(),
            },
            Self::Release { suite, source: ReleaseError::Expired { .. } } => format!(
                "the mirror is out of date or shows an old state: name another one in \
                 CVMKIT_MIRROR, or accept the old state explicitly with `--accept-expired {suite}`"
            ),
            Self::Release {
                source: ReleaseError::AnotherSuite { codename, suite, .. }, ..
            } => {
                let name = codename.as_ref().or(suite.as_ref())?;
                format!(
                    "the mirror serves another suite in its place: name another mirror in \
                     CVMKIT_MIRROR; or write `{name}`, if that is meant"
                )
            }
            Self::Release { source: ReleaseError::AnotherArchive { .. }, .. } => {
                "the mirror serves another archive: name another mirror in CVMKIT_MIRROR, or \
                 correct `origin` and `label` in `[[sources]]`"
                    .into()
            }
            Self::Backwards { suite, .. } => format!(
                "the mirror is out of date or shows an old state: name another one in \
                 CVMKIT_MIRROR, or accept the older state explicitly with `--accept-older {suite}`"
            ),
            Self::Incomplete { .. } => {
                "name a complete mirror in CVMKIT_MIRROR, or try again: this \
                                        one may be in the middle of an update"
                    .into()
            }
            Self::Changed { .. } | Self::Mismatch { .. } => {
                "the mirror is being updated or damaged: try again".into()
            }
            _ => return None,
        })
    }
}

/// The refusal that says most: one of what was given, rather than that nothing was.
fn telling(refused: &[(String, SuiteError)]) -> Option<&SuiteError> {
    let errors = || refused.iter().map(|(_, error)| error);
    errors().find(|error| !matches!(error, SuiteError::Unreachable { .. })).or(errors().next())
}

/// The key that would have counted if it had not expired.
fn expired_key(error: &OpenPgpError) -> Option<Fingerprint> {
    let OpenPgpError::NoValidSignature(refused) = error else { return None };
    refused.iter().find_map(|one| match one.why {
        Refusal::KeyExpiredSince { fingerprint, .. } => Some(fingerprint),
        _ => None,
    })
}

/// A suite that is trusted, and the text of its indices.
#[derive(Debug)]
pub(crate) struct TrustedSuite {
    pub(crate) locked: LockedSuite,
    /// What it was trusted for: a source with this one suite.
    pub(crate) source: Source,
    /// The architecture that its indices are for.
    pub(crate) architecture: Architecture,
    pub(crate) priority: PinPriority,
    /// Decompressed, in the order of the components.
    pub(crate) indices: Vec<Vec<u8>>,
}

/// What is out of date and taken nevertheless, because the user said so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Accepted<'a> {
    /// Suites of which a release past its `Valid-Until` is taken.
    pub expired: &'a [String],
    /// Suites of which a release older than the locked one is taken.
    pub older: &'a [String],
    /// Keys that count although they have expired.
    pub expired_keys: &'a [Fingerprint],
}

/// How suites are fetched and judged.
pub(crate) struct Judge<'a> {
    pub(crate) client: Client,
    pub(crate) mirrors: &'a Mirrors,
    pub(crate) now: Timestamp,
    /// What was trusted before.
    pub(crate) earlier: &'a [LockedSuite],
    pub(crate) accepted: Accepted<'a>,
    pub(crate) progress: &'a dyn Progress,
}

impl Judge<'_> {
    /// Fetches a suite and everything the resolver needs of it for one architecture from the first mirror
    /// that gives what can be trusted. `source` names this one suite.
    pub(crate) fn suite(
        &self,
        source: &Source,
        suite: &str,
        architecture: Architecture,
        key_files: &[KeyFile],
    ) -> Result<TrustedSuite, SuiteError> {
        let keys = keys(source, key_files)?;
        let mut refused: Vec<(String, SuiteError)> = Vec::new();
        for base in self.mirrors.of_archive(&source.archive) {
            match self.of_mirror(&base, source, suite, architecture, &keys) {
                Ok(trusted) => {
                    for (base, error) in &refused {
                        self.progress
                            .note(&format!("{base} was passed over: {}", in_one_line(error)));
                    }
                    self.note_age(&trusted);
                    return Ok(trusted);
                }
                Err(error) => refused.push((base, error)),
            }
        }
        let (suite, archive) = (suite.to_owned(), source.archive.clone());
        match (refused.len(), refused.pop()) {
            (_, None) => Err(SuiteError::NoMirror { archive }),
            (1, Some((_, error))) => Err(error),
            (_, Some(last)) => {
                refused.push(last);
                Err(SuiteError::NoMirrorServes { suite, archive, refused })
            }
        }
    }

    fn of_mirror(
        &self,
        base: &str,
        source: &Source,
        suite: &str,
        architecture: Architecture,
        keys: &Keys,
    ) -> Result<TrustedSuite, SuiteError> {
        let archive = source.archive.as_str();
        let url = format!("{}/InRelease", release_folder(base, suite));
        let inrelease = self.client.get_small(&url, None, INRELEASE_MAX);
        let inrelease = inrelease.map_err(|error| unreachable(archive, suite, error))?;
        let policy = Policy {
            configured: &keys.configured,
            now: self.now.0,
            accept_expired: self.accepted.expired_keys,
        };
        let signed = openpgp::verify(&inrelease, &keys.keyring, &policy).map_err(|error| {
            let (suite, archive) = (suite.to_owned(), archive.to_owned());
            SuiteError::Untrusted { suite, archive, source: error }
        })?;
        let unusable = |error| SuiteError::Release { suite: suite.to_owned(), source: error };
        let release = release_of(suite, &signed.text).map_err(unusable)?;
        let (origin, label) = (source.origin.as_deref(), source.label.as_deref());
        release.check_archive(origin, label).map_err(unusable)?;
        let expired = match release.check_freshness(self.now.0) {
            Err(ReleaseError::Expired { .. }) if has(self.accepted.expired, suite) => true,
            fresh => fresh.map(|()| false).map_err(unusable)?,
        };
        let mut locked = LockedSuite {
            name: suite.to_owned(),
            archive: archive.to_owned(),
            date: Timestamp(release.date),
            valid_until: release.valid_until.map(Timestamp),
            expired,
            older_than: self.check_not_older(archive, suite, &release)?,
            inrelease: Sha256::of(&inrelease),
            signed_by: signed.fingerprints().iter().map(ToString::to_string).collect(),
            expired_keys: expired_keys(&signed),
            indices: Vec::new(),
        };
        let mut indices = Vec::new();
        let components = source.components.iter().map(|name| Some(name.as_str()));
        let flat = is_flat(suite).then_some(None);
        for component in flat.into_iter().chain(components.filter(|_| !is_flat(suite))) {
            let part = (component, architecture.debian());
            let (index, text) = self.index(base, source, suite, part, &release)?;
            locked.indices.push(index);
            indices.push(text);
        }
        let (source, priority) = (source.clone(), release.pin_priority);
        Ok(TrustedSuite { locked, source, architecture, priority, indices })
    }

    /// A held-back mirror shows an old state for ever; without `Valid-Until` only its age tells.
    fn note_age(&self, trusted: &TrustedSuite) {
        let suite = &trusted.locked;
        let days = self.now.0.saturating_sub(suite.date.0) / SECONDS_PER_DAY;
        let max = trusted.source.max_age_days.unwrap_or(DEFAULT_MAX_AGE_DAYS);
        if suite.valid_until.is_none() && days > i64::from(max) {
            self.progress.note(&format!(
                "suite `{}` is of {}, {days} days old, and does not say until when it is valid; \
                 newer versions may exist and be withheld (`max-age-days` is {max})",
                suite.name, suite.date
            ));
        }
    }

    /// A mirror that is held back shows an old state that is properly signed; only what was seen
    /// before can tell. Answers what the lock had seen, where an older state is accepted.
    fn check_not_older(
        &self,
        archive: &str,
        suite: &str,
        release: &Release,
    ) -> Result<Option<Timestamp>, SuiteError> {
        let found = Timestamp(release.date);
        let same = self.earlier.iter().filter(|seen| seen.archive == archive && seen.name == suite);
        match same.map(|seen| seen.date).max().filter(|seen| *seen > found) {
            None => Ok(None),
            Some(seen) if has(self.accepted.older, suite) => Ok(Some(seen)),
            Some(locked) => Err(SuiteError::Backwards { suite: suite.to_owned(), locked, found }),
        }
    }

    /// The index of a component for an architecture, or the one that a flat archive has for all.
    fn index(
        &self,
        base: &str,
        source: &Source,
        suite: &str,
        (component, architecture): (Option<&str>, &str),
        release: &Release,
    ) -> Result<(LockedIndex, Vec<u8>), SuiteError> {
        let plain = match component {
            Some(component) => format!("{component}/binary-{architecture}/Packages"),
            None => "Packages".to_owned(),
        };
        let listed = INDEX_SUFFIXES.iter().find_map(|suffix| {
            let path = format!("{plain}{suffix}");
            release.files.get(&path).map(|listed| (path, *listed))
        });
        let (path, listed) = listed.ok_or_else(|| SuiteError::NoIndex {
            suite: suite.to_owned(),
            component: component.unwrap_or_default().to_owned(),
            architecture: architecture.to_owned(),
        })?;
        let whole = release.files.get(&plain).copied();
        let longest = whole.map_or(listed.size, |whole| whole.size.max(listed.size));
        if longest > INDEX_MAX {
            return Err(SuiteError::IndexTooLong { suite: suite.to_owned(), path, size: longest });
        }
        let sha256 = listed.sha256;
        let folder = release_folder(base, suite);
        let url = if release.acquire_by_hash {
            // By its hash an index is found even while the mirror is being updated.
            let parent = path.rsplit_once('/').map_or(String::new(), |(one, _)| format!("{one}/"));
            format!("{folder}/{parent}by-hash/SHA256/{sha256}")
        } else {
            format!("{folder}/{path}")
        };
        let bytes = self.client.get_small(&url, Some(listed.size), listed.size);
        let bytes = bytes.map_err(|error| match error {
            error @ HttpError::NotFound { .. } => SuiteError::Incomplete {
                suite: suite.to_owned(),
                archive: source.archive.clone(),
                path: path.clone(),
                source: Box::new(error),
            },
            error => unreachable(&source.archive, suite, error),
        })?;
        is_listed(suite, &url, &bytes, listed)?;
        // What the signed file says of the decompressed index ends a bomb before its memory is spent.
        let limit = whole.map_or(INDEX_MAX, |whole| whole.size);
        let text = compression::decompress(&bytes, Compression::of_name(&path), limit)
            .map_err(|source| SuiteError::Compression { path: path.clone(), source })?;
        whole.map_or(Ok(()), |whole| is_listed(suite, &plain, &text, whole))?;
        Ok((LockedIndex { path, size: listed.size, sha256 }, text))
    }
}

/// A file of OpenPGP certificates that a source names in `key-files`.
#[derive(Clone, Debug)]
pub(crate) struct KeyFile {
    /// As the definition gives it.
    pub(crate) path: String,
    /// What it holds, armored or binary.
    pub(crate) bytes: Vec<u8>,
}

impl KeyFile {
    /// No key file is longer; a distribution's whole keyring has 100 kB.
    pub(crate) const LEN_MAX: u64 = 16 << 20;
}

/// The suites that no distribution vouches for, each with its archive: only keys of the definition's sign them.
///
/// # Errors
/// [`SuiteError::Key`]: the program's own keys can't be read.
pub(crate) fn own_suites(suites: &[LockedSuite]) -> Result<BTreeSet<(&str, &str)>, SuiteError> {
    let bad = |source| SuiteError::Key { key: "Debian archive keys".to_owned(), source };
    let keyring = Keyring::debian().map_err(bad)?;
    let debian: BTreeSet<String> = keyring.fingerprints().iter().map(ToString::to_string).collect();
    let is_own = |suite: &&LockedSuite| !suite.signed_by.iter().any(|key| debian.contains(key));
    let own = suites.iter().filter(is_own);
    Ok(own.map(|suite| (suite.archive.as_str(), suite.name.as_str())).collect())
}

/// Keys, and which of them may sign.
struct Keys {
    keyring: Keyring,
    configured: Vec<Fingerprint>,
}

/// The keys that vouch for a source.
fn keys(source: &Source, key_files: &[KeyFile]) -> Result<Keys, SuiteError> {
    let bad = |key: &str, source| SuiteError::Key { key: key.to_owned(), source };
    let mut keyring = Keyring::debian().map_err(|error| bad("Debian archive keys", error))?;
    let mut from_files = Vec::new();
    for KeyFile { path, bytes } in key_files {
        from_files.extend(keyring.add(bytes).map_err(|error| bad(path, error))?);
    }
    let configured = if !source.keys.is_empty() {
        let parse =
            |key: &String| key.parse::<Fingerprint>().map_err(|error| bad(key, error.into()));
        source.keys.iter().map(parse).collect::<Result<_, _>>()?
    } else if from_files.is_empty() {
        keyring.fingerprints()
    } else {
        from_files
    };
    Ok(Keys { keyring, configured })
}

fn in_component(component: &str) -> String {
    match component {
        "" => String::new(),
        component => format!(" in component `{component}`"),
    }
}

/// What a release file says, if it is that of the suite.
fn release_of(suite: &str, text: &str) -> Result<Release, ReleaseError> {
    if is_flat(suite) {
        // The folders of a flat archive have no names that its release files would say.
        return Release::parse_flat(text);
    }
    let release = Release::parse(text)?;
    release.check_suite(suite)?;
    Ok(release)
}

fn unreachable(archive: &str, suite: &str, error: HttpError) -> SuiteError {
    let (suite, archive) = (suite.to_owned(), archive.to_owned());
    SuiteError::Unreachable { suite, archive, source: Box::new(error) }
}

fn has(names: &[String], suite: &str) -> bool {
    names.iter().any(|name| name == suite)
}

/// The keys of a signature that count although they have expired.
fn expired_keys(signed: &openpgp::Signed) -> Vec<String> {
    let expired = signed.good.iter().filter(|good| good.expired.is_some());
    let keys: BTreeSet<_> = expired.map(|good| good.fingerprint.to_string()).collect();
    keys.into_iter().collect()
}

/// Refuses bytes that are not those that the release file lists.
fn is_listed(suite: &str, what: &str, bytes: &[u8], listed: Listed) -> Result<(), SuiteError> {
    let (expected, computed) = (listed.sha256, Sha256::of(bytes));
    if expected == computed {
        return Ok(());
    }
    let (what, expected_by) = (what.to_owned(), "release file".into());
    let source = DigestMismatch { what, expected, expected_by, computed };
    Err(SuiteError::Mismatch { suite: suite.to_owned(), source })
}

#[cfg(test)]
mod tests;
