//! Locked packages into the store: from the store itself, a vendor folder, or the mirrors.
//!
//! A package that enters the store is verified, decoded and sealed right then, so that the builds
//! to come find it so: downloads wait for the network, and leave the processors to it. What the
//! store had before is left to the build.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, Fault, in_one_line};
use cvmkit_host::files::{self, FileError};
use cvmkit_host::http::{Client, HttpError, Limits, broken, retried};
use cvmkit_host::progress::Progress;
use thiserror::Error;

use crate::mirrors::{Mirrors, Tried};
use crate::packages;
pub use crate::packages::{DigestMismatch, Wanted};
use crate::store::{Blob, Partial, Store};

/// Downloads at the same time; archives throttle clients that open more.
const CONNECTIONS: usize = 4;

/// Where locked files may come from.
#[derive(Clone, Copy)]
pub struct Origins<'a> {
    /// Looked at first; everything ends up here, under its SHA-256.
    pub store: &'a Store,
    /// A folder that `cvmkit vendor` wrote, looked at second: a wrong file in it is an error.
    pub vendor: Option<&'a Path>,
    /// Looked at last, in their order: a mirror that has a wrong file is passed over with a note.
    pub mirrors: &'a Mirrors,
    /// True to use no network: what is in neither of the first two is an error.
    pub offline: bool,
    /// Told of downloads, in bytes, and of mirrors that were passed over.
    pub progress: &'a dyn Progress,
}

/// Why a locked file is not to be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// It is in no place that may be looked at.
    #[error(
        "{} of the locked files are not in the store, and the network is off\n  the first is \
         {first}",
        count
    )]
    Offline {
        /// How many.
        count: usize,
        /// One of them.
        first: String,
    },
    /// No mirror is configured.
    #[error("no mirror of the archive `{archive}` is known")]
    NoMirror {
        /// The archive.
        archive: String,
    },
    /// Every mirror says that it does not have it.
    #[error("`{name}` is gone from the mirrors\n  path: {path}\n  locked: {sha256}  ({locked_at})")]
    Gone {
        /// The package.
        name: String,
        /// Where it was.
        path: String,
        /// What it was.
        sha256: Sha256,
        /// Line of the lock.
        locked_at: String,
        /// The last answer.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Every mirror says of several that it does not have them.
    #[error("{} of the locked files are gone from the mirrors{}", .0.len(), lines_of(.0))]
    SeveralGone(Vec<FetchError>),
    /// No mirror could be reached, or all of them broke off.
    #[error("`{name}` can't be fetched")]
    Unreachable {
        /// The package.
        name: String,
        /// The last failure.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Several mirrors were asked, and none has it as it is locked.
    #[error("no mirror has `{name}` as it is locked{}", Tried(.refused))]
    NoMirrorHas {
        /// The package.
        name: String,
        /// Each mirror and what it did wrong.
        refused: Vec<(String, FetchError)>,
    },
    /// A file of the vendor folder is not what is locked.
    #[error("`{name}` in the vendor folder does not match the lock")]
    Vendored {
        /// The package.
        name: String,
        /// Both digests.
        #[source]
        source: DigestMismatch,
    },
    /// The locked file is not as long as the lock says.
    #[error(
        "`{name}` does not have the locked size\n    locked: {locked} bytes  ({locked_at})\n    \
         found:  {found} bytes"
    )]
    Size {
        /// The package.
        name: String,
        /// In the lock.
        locked: u64,
        /// Of the file with the locked digest.
        found: u64,
        /// Line of the lock.
        locked_at: String,
    },
    /// Something else came than what is locked.
    #[error("`{name}` does not match the lock")]
    Mismatch {
        /// The package.
        name: String,
        /// Both digests.
        #[source]
        source: DigestMismatch,
    },
    /// The store or the vendor folder.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Diagnosis for FetchError {
    fn fault(&self) -> Fault {
        match self {
            Self::File(error) => error.fault(),
            Self::Size { .. } => Fault::Definition,
            _ => Fault::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoMirrorHas { refused, .. } => return telling(refused)?.hint(),
            Self::Vendored { source, .. } => format!(
                "the file is damaged: copy `{}` again, or remove it and run `cvmkit vendor`",
                source.what
            ),
            Self::Size { .. } => "the lock was edited: restore it from version control".into(),
            Self::Offline { .. } => "run without `--offline` once, or name a folder that \
                                     `cvmkit vendor` wrote with `--vendor`"
                .into(),
            Self::NoMirror { .. } => "set CVMKIT_MIRROR to the base address of a mirror, or add \
                                      `mirrors = [...]` to the definition"
                .into(),
            Self::Gone { .. } | Self::SeveralGone(_) => {
                "the mirrors keep only current versions, or are incomplete: build with `--vendor` \
                 from a folder that `cvmkit vendor` wrote, name a snapshot mirror in CVMKIT_MIRROR, \
                 or move on with `cvmkit lock --update`"
                    .into()
            }
            Self::Unreachable { .. } => "try again, or name another mirror in CVMKIT_MIRROR".into(),
            Self::Mismatch { name, .. } => format!(
                "the mirror changed or the lock is stale; `cvmkit lock --update {name}` shows \
                 what changed"
            ),
            Self::File(error) => return error.hint(),
        })
    }
}

impl FetchError {
    /// Name and path of each file that every mirror says it does not have; none for another failure.
    fn gone(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Gone { name, path, .. } => vec![(name, path)],
            Self::SeveralGone(all) => all.iter().flat_map(Self::gone).collect(),
            Self::NoMirrorHas { refused, .. } => {
                let each: Vec<_> = refused.iter().map(|(_, error)| error.gone()).collect();
                let all = each.iter().all(|gone| !gone.is_empty());
                each.into_iter().next().filter(|_| all).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}

/// Each file that is gone, on a line of its own.
fn lines(error: &FetchError) -> String {
    let line = |(name, path)| format!("\n  `{name}`: {path}");
    error.gone().into_iter().map(line).collect()
}

fn lines_of(gone: &[FetchError]) -> String {
    gone.iter().map(lines).collect()
}

/// Mirrors whose indices list packages that they do not have: no package is missing in the suite, files
/// are on the mirrors.
#[derive(Debug, Error)]
#[error("mirror incomplete: its indices list what is not there{}", lines(.0))]
pub struct MirrorIncomplete<'a>(&'a FetchError);

impl<'a> MirrorIncomplete<'a> {
    /// What the failure to fetch packages says of the mirrors, if they were chosen from the indices that
    /// the same mirrors have now; nothing if it is another failure.
    #[must_use]
    pub fn of(error: &'a FetchError) -> Option<Self> {
        (!error.gone().is_empty()).then_some(Self(error))
    }
}

impl Diagnosis for MirrorIncomplete<'_> {
    fn fault(&self) -> Fault {
        Fault::Environment
    }

    fn hint(&self) -> Option<String> {
        Some("name a complete mirror in CVMKIT_MIRROR, and lock again".into())
    }
}

/// The refusal that says most: wrong bytes, then a mirror that can't be reached, then one that does
/// not have it.
fn telling(refused: &[(String, FetchError)]) -> Option<&FetchError> {
    let rank = |error: &FetchError| match error {
        FetchError::Mismatch { .. } => 0,
        FetchError::Unreachable { .. } => 1,
        _ => 2,
    };
    refused.iter().map(|(_, error)| error).min_by_key(|error| rank(error))
}

/// Every wanted file, verified, in the order asked for.
///
/// # Errors
/// The first file that can't be had; the others that were fetched stay in the store.
pub fn fetch(wanted: &[Wanted], origins: Origins<'_>) -> Result<Vec<Blob>, FetchError> {
    let mut found = present(wanted, origins)?;
    let mut missing: Vec<usize> = (0..wanted.len()).filter(|&at| found[at].is_none()).collect();
    if let (Some(&first), true) = (missing.first(), origins.offline) {
        return Err(FetchError::Offline {
            count: missing.len(),
            first: wanted[first].path.clone(),
        });
    }
    if !missing.is_empty() {
        // The largest first, so that no long download is left alone at the end.
        missing.sort_by_key(|&at| std::cmp::Reverse(wanted[at].size));
        for (at, blob) in download_all(wanted, &missing, origins)? {
            found[at] = Some(blob);
        }
    }
    Ok(found.into_iter().flatten().collect())
}

/// What the store or the vendor folder has already.
fn present(wanted: &[Wanted], origins: Origins<'_>) -> Result<Vec<Option<Blob>>, FetchError> {
    largest_first(wanted, |_, wanted| {
        let blob = match (origins.store.get(wanted.sha256)?, origins.vendor) {
            (None, Some(vendor)) => from_vendor(wanted, vendor, origins.store)?,
            (blob, _) => blob,
        };
        blob.map(|blob| of_size(blob, wanted)).transpose()
    })
}

/// Refuses a file with the locked digest that is not of the locked length.
fn of_size(blob: Blob, wanted: &Wanted) -> Result<Blob, FetchError> {
    if blob.len == wanted.size {
        return Ok(blob);
    }
    let (locked, found) = (wanted.size, blob.len);
    let (name, locked_at) = (wanted.name.clone(), wanted.locked_at.clone());
    Err(FetchError::Size { name, locked, found, locked_at })
}

/// Works on all files at once and begins with the largest, so that no long work is left alone at the
/// end: a kernel is 40 % of the decoding of its image. Results come in the order of the files.
pub(crate) fn largest_first<T: Send, E: Send>(
    wanted: &[Wanted],
    work: impl Fn(usize, &Wanted) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    use rayon::prelude::*;
    let mut order: Vec<_> = wanted.iter().enumerate().collect();
    order.sort_by_key(|(_, wanted)| std::cmp::Reverse(wanted.size));
    let one = |(at, wanted)| work(at, wanted).map(|result| (at, result));
    let mut done = order.into_par_iter().with_max_len(1).map(one).collect::<Result<Vec<_>, E>>()?;
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// Where a file of an archive stands below a vendor folder.
#[must_use]
pub fn vendor_path(vendor: &Path, wanted: &Wanted) -> PathBuf {
    vendor.join(&wanted.archive).join(&wanted.path)
}

fn from_vendor(wanted: &Wanted, vendor: &Path, store: &Store) -> Result<Option<Blob>, FetchError> {
    let path = vendor_path(vendor, wanted);
    // A byte more than is locked is enough to see that it is too long.
    let bytes = match files::read_up_to(&path, wanted.size.saturating_add(1)) {
        Err(error) if error.is_not_found() => return Ok(None),
        read => read?,
    };
    let computed = Sha256::of(&bytes);
    if computed != wanted.sha256 {
        let source = digests(wanted, path.display().to_string(), computed);
        return Err(FetchError::Vendored { name: wanted.name.clone(), source });
    }
    store.insert(&bytes)?;
    drop(bytes);
    let blob = store.get(wanted.sha256)?;
    blob.iter().try_for_each(|blob| packages::keep(blob, store))?;
    Ok(blob)
}

fn digests(wanted: &Wanted, what: String, computed: Sha256) -> DigestMismatch {
    let (expected, expected_by) = (wanted.sha256, wanted.locked_at.clone());
    DigestMismatch { what, expected, expected_by, computed }
}

/// Downloads on threads of their own, which wait for the network, and decodes on those of rayon:
/// no more packages are in memory at once than there are processors.
fn download_all(
    wanted: &[Wanted],
    missing: &[usize],
    origins: Origins<'_>,
) -> Result<Vec<(usize, Blob)>, FetchError> {
    let total = missing.iter().map(|&at| wanted[at].size).sum();
    origins.progress.begin("fetching packages", total);
    let kept = Mutex::new(Ok(()));
    let unpacking = Unpacking::of(total);
    let done = rayon::in_place_scope(|decoding| {
        let keep = |blob: Blob, size: u64| {
            let (kept, unpacking) = (&kept, &unpacking);
            decoding.spawn(move |_| {
                if let Err(error) = packages::keep(&blob, origins.store) {
                    *kept.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                }
                unpacking.done(size, origins.progress);
            });
        };
        let done = connections(wanted, missing, origins, &keep);
        unpacking.is_all_that_is_left(origins.progress);
        done
    });
    origins.progress.end();
    let done = done?;
    kept.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    Ok(done)
}

/// The bytes of packages that are still to be decoded: a phase of its own once all have come.
struct Unpacking(Mutex<(u64, bool)>);

impl Unpacking {
    fn of(total: u64) -> Self {
        Self(Mutex::new((total, false)))
    }

    fn done(&self, size: u64, progress: &dyn Progress) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = state.0.saturating_sub(size);
        if state.1 {
            progress.advance(size);
        }
    }

    /// Nothing more is fetched.
    fn is_all_that_is_left(&self, progress: &dyn Progress) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = true;
        if state.0 > 0 {
            progress.begin("unpacking packages", state.0);
        }
    }
}

/// Downloads what is missing over several connections; `keep` gets each file that came.
fn connections(
    wanted: &[Wanted],
    missing: &[usize],
    origins: Origins<'_>,
    keep: &(dyn Fn(Blob, u64) + Sync),
) -> Result<Vec<(usize, Blob)>, FetchError> {
    let client = Client::new(Limits::default());
    let queue = Mutex::new(missing.iter());
    let failed = AtomicBool::new(false);
    // All that are gone are told at once; another failure ends the downloads.
    let gone = Mutex::new(Vec::new());
    let work = || {
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(&at) = next else { break };
            match download(&client, &wanted[at], origins) {
                Ok(blob) => {
                    keep(blob.clone(), wanted[at].size);
                    done.push((at, blob));
                }
                Err(error) if !error.gone().is_empty() => {
                    gone.lock().unwrap_or_else(PoisonError::into_inner).push((at, error));
                }
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(done)
    };
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    let mut done = Vec::new();
    for result in results {
        match result {
            Ok(result) => done.extend(result?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    none_gone(gone.into_inner().unwrap_or_else(PoisonError::into_inner))?;
    Ok(done)
}

/// The files that are gone, in the order in which they were asked for.
fn none_gone(mut gone: Vec<(usize, FetchError)>) -> Result<(), FetchError> {
    gone.sort_by_key(|(at, _)| *at);
    let mut gone: Vec<FetchError> = gone.into_iter().map(|(_, error)| error).collect();
    match gone.len() {
        0 => Ok(()),
        1 => gone.pop().map_or(Ok(()), Err),
        _ => Err(FetchError::SeveralGone(gone)),
    }
}

/// One file from the first mirror that gives the right bytes; what the others gave is reported.
fn download(client: &Client, wanted: &Wanted, origins: Origins<'_>) -> Result<Blob, FetchError> {
    let mut refused: Vec<(String, FetchError)> = Vec::new();
    for base in origins.mirrors.of_archive(&wanted.archive) {
        let url = format!("{base}/{}", wanted.path);
        match download_from(client, &url, wanted, origins) {
            Ok(blob) => {
                for (base, error) in &refused {
                    let why = in_one_line(error);
                    origins.progress.note(&format!("{base} was passed over: {why}"));
                }
                return of_size(blob, wanted);
            }
            Err(FetchError::File(error)) => return Err(FetchError::File(error)),
            Err(error) => refused.push((base, error)),
        }
    }
    match (refused.len(), refused.pop()) {
        (_, None) => Err(FetchError::NoMirror { archive: wanted.archive.clone() }),
        (1, Some((_, error))) => Err(error),
        (_, Some(last)) => {
            refused.push(last);
            Err(FetchError::NoMirrorHas { name: wanted.name.clone(), refused })
        }
    }
}

fn download_from(
    client: &Client,
    url: &str,
    wanted: &Wanted,
    origins: Origins<'_>,
) -> Result<Blob, FetchError> {
    let mut partial = origins.store.begin(wanted.sha256)?;
    let resumed = partial.fetched()? > 0;
    if let Some(blob) = origins.store.get(wanted.sha256)? {
        // Another process fetched it while this one waited.
        origins.progress.advance(wanted.size);
        return Ok(blob);
    }
    retried(|| download_part(client, url, wanted, &mut partial, origins.progress)).map_err(
        |error| match error {
            HttpError::NotFound { .. } => FetchError::Gone {
                name: wanted.name.clone(),
                path: wanted.path.clone(),
                sha256: wanted.sha256,
                locked_at: wanted.locked_at.clone(),
                source: Box::new(error),
            },
            HttpError::Storage(error) => FetchError::File(error),
            error => FetchError::Unreachable { name: wanted.name.clone(), source: Box::new(error) },
        },
    )?;
    match partial.finish()? {
        Ok(blob) => Ok(blob),
        // What an earlier try left may be damaged: only a whole download speaks against a mirror.
        Err(_) if resumed => download_from(client, url, wanted, origins),
        Err(computed) => {
            let source = digests(wanted, url.to_owned(), computed);
            Err(FetchError::Mismatch { name: wanted.name.clone(), source })
        }
    }
}

fn download_part(
    client: &Client,
    url: &str,
    wanted: &Wanted,
    partial: &mut Partial<'_>,
    progress: &dyn Progress,
) -> Result<(), HttpError> {
    let transport = |message: String| HttpError::Transport { url: url.to_owned(), message };
    let have = partial.fetched()?;
    if have == wanted.size {
        return Ok(());
    }
    let have = if have < wanted.size { have } else { 0 };
    let mut response = client.get(url, have, wanted.size)?;
    let end = partial
        .append(response.offset, wanted.size, &mut response.body, &mut |n| progress.advance(n))?
        .map_err(|error| broken(url, &error))?;
    match end.cmp(&wanted.size) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => {
            Err(transport(format!("broke off after {end} of {} bytes", wanted.size)))
        }
        std::cmp::Ordering::Greater => {
            Err(HttpError::TooLong { url: url.to_owned(), limit: wanted.size })
        }
    }
}

#[cfg(test)]
mod tests;
