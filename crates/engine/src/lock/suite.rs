//! A suite, from its address to package indices that its archive's keys vouch for.

use std::path::Path;

use cvmkit_debian::compression::{self, Compression, CompressionError};
use cvmkit_debian::openpgp::{self, Fingerprint, Keyring, OpenPgpError};
use cvmkit_debian::packages::PackagesError;
use cvmkit_debian::release::{Listed, PinPriority, Release, ReleaseError};
use thiserror::Error;

use super::{LockedIndex, LockedSuite};
use crate::definition::raw::RawSource;
use crate::digest::Sha256;
use crate::fault::{Diagnosis, Fault};
use crate::fetch::DigestMismatch;
use crate::files::{self, FileError};
use crate::http::{Client, HttpError};
use crate::mirrors::Mirrors;
use crate::timestamp::Timestamp;

/// No `InRelease` is longer; Debian's have 200 kB.
const INRELEASE_MAX: u64 = 16 << 20;

/// No package index is longer when decompressed; Debian's have 60 MB.
const INDEX_MAX: u64 = 1 << 30;

/// The suffixes of indices in the order they are preferred; every archive has one of them.
const INDEX_SUFFIXES: [&str; 2] = [".xz", ".gz"];

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
        /// The last failure.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No mirror is configured.
    #[error("no mirror of the archive `{archive}` is known")]
    NoMirror {
        /// The archive.
        archive: String,
    },
    /// Its signature is not good enough.
    #[error("the suite `{suite}` of `{archive}` is not signed by a key that counts")]
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
    /// It has no index of a component.
    #[error(
        "the suite `{suite}` has no package index for component `{component}`, architecture {architecture}"
    )]
    NoIndex {
        /// The suite.
        suite: String,
        /// The component.
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
    /// A key file.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Diagnosis for SuiteError {
    fn fault(&self) -> Fault {
        match self {
            Self::Key { .. } | Self::NoIndex { .. } => Fault::Definition,
            Self::File(error) => error.fault(),
            _ => Fault::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoMirror { .. } => "set CVMKIT_MIRROR to the base address of a mirror, or add \
                                      `mirrors = [...]` to the definition"
                .into(),
            Self::Unreachable { .. } => {
                "check the suite's name, or name another mirror in CVMKIT_MIRROR".into()
            }
            Self::Untrusted { .. } => "the mirror serves something else, or the archive has new \
                                       keys: add them with `keys` or `key-files` in `[[sources]]`"
                .into(),
            Self::Release { suite, source: ReleaseError::Expired { .. } } => format!(
                "the mirror is out of date or shows an old state: name another one in \
                 CVMKIT_MIRROR, or take the old state knowingly with `--accept-expired {suite}`"
            ),
            Self::Backwards { .. } => {
                "the mirror is out of date or shows an old state: name another one in \
                 CVMKIT_MIRROR"
                    .into()
            }
            Self::Mismatch { .. } => "the mirror is being updated or damaged: try again".into(),
            Self::File(error) => return error.hint(),
            _ => return None,
        })
    }
}

/// A suite that is trusted, and the text of its indices.
#[derive(Debug)]
pub(super) struct TrustedSuite {
    pub(super) locked: LockedSuite,
    pub(super) priority: PinPriority,
    /// Decompressed, in the order of the components.
    pub(super) indices: Vec<Vec<u8>>,
}

/// How suites are fetched and judged.
pub(super) struct Judge<'a> {
    pub(super) client: Client,
    pub(super) mirrors: &'a Mirrors,
    pub(super) now: Timestamp,
    /// Debian's name of the architecture.
    pub(super) architecture: &'static str,
    /// Where key files are relative to.
    pub(super) folder: &'a Path,
    /// What was trusted before.
    pub(super) earlier: &'a [LockedSuite],
    /// Suites of which a release past its `Valid-Until` is taken knowingly.
    pub(super) accept_expired: &'a [String],
}

impl Judge<'_> {
    /// Fetches a suite of a source and everything the resolver needs of it.
    pub(super) fn suite(
        &self,
        source: &RawSource,
        suite: &str,
    ) -> Result<TrustedSuite, SuiteError> {
        let (base, inrelease) = self.inrelease(&source.archive, suite)?;
        let (keyring, configured) = self.keys(source)?;
        let signed =
            openpgp::verify(&inrelease, &keyring, &configured, self.now.0).map_err(|error| {
                SuiteError::Untrusted {
                    suite: suite.to_owned(),
                    archive: source.archive.clone(),
                    source: error,
                }
            })?;
        let unusable = |error| SuiteError::Release { suite: suite.to_owned(), source: error };
        let release = Release::parse(&signed.text).map_err(unusable)?;
        let expired = match release.check_freshness(self.now.0) {
            Err(ReleaseError::Expired { .. }) if self.accepts_expired(suite) => true,
            fresh => fresh.map(|()| false).map_err(unusable)?,
        };
        self.check_not_older(&source.archive, suite, &release)?;
        let mut locked = LockedSuite {
            name: suite.to_owned(),
            archive: source.archive.clone(),
            date: Timestamp(release.date),
            valid_until: release.valid_until.map(Timestamp),
            expired,
            inrelease: Sha256::of(&inrelease),
            signed_by: signed.fingerprints().iter().map(ToString::to_string).collect(),
            indices: Vec::new(),
        };
        let mut indices = Vec::new();
        for component in &source.components {
            let (index, text) = self.index(&base, suite, component, &release)?;
            locked.indices.push(index);
            indices.push(text);
        }
        Ok(TrustedSuite { locked, priority: release.pin_priority, indices })
    }

    fn accepts_expired(&self, suite: &str) -> bool {
        self.accept_expired.iter().any(|accepted| accepted == suite)
    }

    /// The base address that answered, and the signed release file.
    fn inrelease(&self, archive: &str, suite: &str) -> Result<(String, Vec<u8>), SuiteError> {
        let mut last: Option<HttpError> = None;
        for base in self.mirrors.of_archive(archive) {
            match self.client.get_small(&format!("{base}/dists/{suite}/InRelease"), INRELEASE_MAX) {
                Ok(bytes) => return Ok((base, bytes)),
                Err(error) => last = Some(error),
            }
        }
        Err(match last {
            None => SuiteError::NoMirror { archive: archive.to_owned() },
            Some(error) => unreachable(archive, suite, error),
        })
    }

    fn keys(&self, source: &RawSource) -> Result<(Keyring, Vec<Fingerprint>), SuiteError> {
        let bad = |key: &str, source| SuiteError::Key { key: key.to_owned(), source };
        let mut keyring = Keyring::debian().map_err(|error| bad("Debian archive keys", error))?;
        let mut from_files = Vec::new();
        for path in &source.key_files {
            let bytes = files::read(&self.folder.join(path))?;
            from_files.extend(keyring.add(&bytes).map_err(|error| bad(path, error))?);
        }
        if !source.keys.is_empty() {
            let parse = |key: &String| key.parse().map_err(|error| bad(key, error));
            let configured = source.keys.iter().map(parse).collect::<Result<_, _>>()?;
            return Ok((keyring, configured));
        }
        let configured = if from_files.is_empty() { keyring.fingerprints() } else { from_files };
        Ok((keyring, configured))
    }

    /// A mirror that is held back shows an old state that is properly signed; only what was seen
    /// before can tell.
    fn check_not_older(
        &self,
        archive: &str,
        suite: &str,
        release: &Release,
    ) -> Result<(), SuiteError> {
        let found = Timestamp(release.date);
        let seen = self.earlier.iter().find(|seen| seen.archive == archive && seen.name == suite);
        match seen {
            Some(seen) if seen.date > found => {
                Err(SuiteError::Backwards { suite: suite.to_owned(), locked: seen.date, found })
            }
            _ => Ok(()),
        }
    }

    fn index(
        &self,
        base: &str,
        suite: &str,
        component: &str,
        release: &Release,
    ) -> Result<(LockedIndex, Vec<u8>), SuiteError> {
        let plain = format!("{component}/binary-{}/Packages", self.architecture);
        let listed = INDEX_SUFFIXES.iter().find_map(|suffix| {
            let path = format!("{plain}{suffix}");
            release.files.get(&path).map(|listed| (path, *listed))
        });
        let (path, listed) = listed.ok_or_else(|| SuiteError::NoIndex {
            suite: suite.to_owned(),
            component: component.to_owned(),
            architecture: self.architecture.to_owned(),
        })?;
        let sha256 = Sha256(listed.sha256);
        let url = if release.acquire_by_hash {
            // By its hash an index is found even while the mirror is being updated.
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{base}/dists/{suite}/{folder}/by-hash/SHA256/{sha256}")
        } else {
            format!("{base}/dists/{suite}/{path}")
        };
        let bytes = self.index_bytes(suite, &url, listed)?;
        let text = compression::decompress(&bytes, Compression::of_name(&path), INDEX_MAX)
            .map_err(|source| SuiteError::Compression { path: path.clone(), source })?;
        Ok((LockedIndex { path, size: listed.size, sha256 }, text))
    }

    fn index_bytes(&self, suite: &str, url: &str, listed: Listed) -> Result<Vec<u8>, SuiteError> {
        let bytes =
            self.client.get_small(url, listed.size).map_err(|error| SuiteError::Unreachable {
                suite: suite.to_owned(),
                archive: url.to_owned(),
                source: Box::new(error),
            })?;
        let (expected, computed) = (Sha256(listed.sha256), Sha256::of(&bytes));
        if expected == computed {
            return Ok(bytes);
        }
        Err(SuiteError::Mismatch {
            suite: suite.to_owned(),
            source: DigestMismatch {
                what: url.to_owned(),
                expected,
                expected_by: "release file".into(),
                computed,
            },
        })
    }
}

fn unreachable(archive: &str, suite: &str, error: HttpError) -> SuiteError {
    SuiteError::Unreachable {
        suite: suite.to_owned(),
        archive: archive.to_owned(),
        source: Box::new(error),
    }
}
