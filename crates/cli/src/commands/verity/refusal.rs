//! Why a hash tree was not made, not verified or not dumped.

use std::io;
use std::path::{Path, PathBuf};

use cvmkit_formats::verity;
use cvmkit_host::fault::{Diagnosis, Fault};
use thiserror::Error;

/// Faults of options and files; and the answer no.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    /// The fault of an option, the data or the hash area.
    #[error("cannot use `{}` for dm-verity", path.display())]
    Verity { path: PathBuf, source: verity::Error },
    /// The answer of `verify` is no.
    #[error("`{}` and `{}` do not match the root hash", data.display(), hash.display())]
    NotVerified { data: PathBuf, hash: PathBuf, source: verity::Error },
    #[error(
        "`{}` is shorter than its hash tree says: {found} bytes, expected {expected}",
        path.display()
    )]
    OtherLength { path: PathBuf, expected: u64, found: u64 },
    #[error(
        "`{}` has {found} bytes, expected at least --data-blocks {blocks} of {size} bytes",
        path.display()
    )]
    FewerBlocks { path: PathBuf, blocks: u64, size: u32, found: u64 },
    #[error("the root hash has {found} bytes, expected {expected} for {algorithm}")]
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
    #[error("{option} needs --no-superblock: otherwise the superblock decides it")]
    Described { option: &'static str },
    #[error("missing root hash: expected ROOTHASH or --root-hash-file FILE")]
    NoRootHash,
    #[error("cannot read a root hash from `{}`", path.display())]
    RootHashFile { path: PathBuf, source: verity::Error },
}

impl Refusal {
    /// An error of the format, with the file that it is about.
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

    /// As [`Refusal::of`]; here bytes that contradict each other are the answer no.
    pub(super) fn of_verify(data: &Path, hash: &Path) -> impl FnOnce(verity::Error) -> Self {
        |source| {
            let (data, hash) = (data.to_owned(), hash.to_owned());
            match environment(&source) {
                true => Self::Verity { path: data, source },
                // An unsupported format is neither yes nor no.
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
            Self::Verity { source: verity::Error::Corrupt { what: "signature", .. }, .. } => Some(
                "name the superblock's place with `--hash-offset`, or give `--no-superblock`"
                    .to_owned(),
            ),
            Self::Overlap { len, .. } => {
                Some(format!("to append the hash area, give `--hash-offset {len}`"))
            }
            _ => None,
        }
    }
}
