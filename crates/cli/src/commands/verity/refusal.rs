//! Why a hash tree was not made, not accepted or not shown.

use std::io;
use std::path::{Path, PathBuf};

use cvmkit_formats::verity;
use cvmkit_host::fault::{Diagnosis, Fault};
use thiserror::Error;

/// Why there is no tree.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    /// An option, the data or the hash area.
    #[error("cannot use `{}` for dm-verity", path.display())]
    Verity { path: PathBuf, source: verity::Error },
    /// The answer of `verify` is no.
    #[error("`{}` with `{}` is not what the root hash says", data.display(), hash.display())]
    NotVerified { data: PathBuf, hash: PathBuf, source: verity::Error },
    #[error(
        "`{}` holds less data than its hash tree: {found} bytes, expected {expected}",
        path.display()
    )]
    OtherLength { path: PathBuf, expected: u64, found: u64 },
    #[error(
        "--data-blocks {blocks} of {size} bytes are more than `{}` has: {found} bytes",
        path.display()
    )]
    FewerBlocks { path: PathBuf, blocks: u64, size: u32, found: u64 },
    #[error("the root hash has {found} bytes, expected the {expected} of {algorithm}")]
    RootHashLength { algorithm: &'static str, expected: usize, found: usize },
    #[error("`{}` has {len} bytes, expected a hash area at --hash-offset {offset}", path.display())]
    Offset { path: PathBuf, offset: u64, len: u64 },
    #[error("--hash-offset is {found}, expected a multiple of the hash block size {block_size}")]
    Unaligned { found: u64, block_size: u32 },
    #[error(
        "`{}` has {len} bytes, expected at most the {offset} of --hash-offset, so that the hash \
         area overwrites nothing",
        path.display()
    )]
    Overlap { path: PathBuf, offset: u64, len: u64 },
    #[error("{option} describes a hash area without superblock; this one says it itself")]
    Described { option: &'static str },
    #[error("no root hash: expected ROOTHASH or --root-hash-file")]
    NoRootHash,
    #[error("`{}` holds no root hash", path.display())]
    RootHashFile { path: PathBuf, source: verity::Error },
}

impl Refusal {
    /// Names the file in an error of the format.
    pub(super) fn of(path: &Path) -> impl FnOnce(verity::Error) -> Self {
        |source| Self::Verity { path: path.to_owned(), source }
    }

    /// As [`Refusal::of`], for an error of making `hash` from `data`.
    pub(super) fn of_format(data: &Path, hash: &Path) -> impl FnOnce(verity::Error) -> Self {
        move |source| {
            let read =
                matches!(&source, verity::Error::Io { role, .. } if role.starts_with("read"));
            let is_of_data = read || !matches!(source, verity::Error::Io { .. });
            Self::Verity { path: if is_of_data { data } else { hash }.to_owned(), source }
        }
    }

    /// As [`Refusal::of`], where bytes that contradict each other are the answer no.
    pub(super) fn of_verify(data: &Path, hash: &Path) -> impl FnOnce(verity::Error) -> Self {
        |source| {
            let (data, hash) = (data.to_owned(), hash.to_owned());
            match environment(&source) {
                true => Self::Verity { path: data, source },
                // What can't be read says neither yes nor no.
                false if matches!(source, verity::Error::Unsupported { .. }) => {
                    Self::Verity { path: hash, source }
                }
                false => Self::NotVerified { data, hash, source },
            }
        }
    }
}

/// True when the disk failed; a file that ends too early is wrong itself.
fn environment(error: &verity::Error) -> bool {
    match error {
        verity::Error::Io { source, .. } => source.kind() != io::ErrorKind::UnexpectedEof,
        _ => false,
    }
}

impl Diagnosis for Refusal {
    fn fault(&self) -> Fault {
        match self {
            Self::Verity { source, .. } if environment(source) => Fault::Environment,
            Self::NotVerified { .. } | Self::OtherLength { .. } => Fault::Negative,
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Verity { source: verity::Error::Corrupt { what: "signature", .. }, .. } => {
                Some("is there a superblock at --hash-offset? see --no-superblock".to_owned())
            }
            Self::Overlap { len, .. } => Some(format!("`--hash-offset {len}` is behind it")),
            _ => None,
        }
    }
}
