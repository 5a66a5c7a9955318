//! Why an archive can't be put over the tree.

use cvmkit_formats::archive::tar::{TarError, TarReason};
use cvmkit_formats::compression::CompressionError;
use cvmkit_host::fault::{Diagnosis, Fault};
use thiserror::Error;

/// Why an archive can't be put over the tree.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LayerError {
    /// It does not decompress.
    #[error("the layer `{path}` can't be decompressed: {source}")]
    Compression {
        /// The archive, relative to the definition.
        path: String,
        /// Why.
        source: CompressionError,
    },
    /// It is compressed in a way that is not read.
    #[error("the layer `{path}` is compressed with bzip2, which is not supported")]
    Bzip2 {
        /// The archive, relative to the definition.
        path: String,
    },
    /// It is no tar archive that is understood.
    #[error("the layer `{path}` can't be read: {source}")]
    Tar {
        /// The archive, relative to the definition.
        path: String,
        /// Which entry, and why.
        source: TarError,
    },
    /// It has members that no layer can bring.
    #[error(
        "the layer `{path}` holds what a layer can't bring:{}",
        .problems.iter().map(|problem| format!("\n  {problem}")).collect::<String>()
    )]
    Members {
        /// The archive, relative to the definition.
        path: String,
        /// Each member, and why.
        problems: Vec<String>,
    },
}

impl Diagnosis for LayerError {
    fn fault(&self) -> Fault {
        match self {
            Self::Tar { source: TarError::Read(_), .. } => Fault::Environment,
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Compression { .. } => {
                "compress the archive again with gzip, xz or zstd, or not at all".to_owned()
            }
            Self::Bzip2 { path } => format!("compress it with zstd: `bzcat {path} | zstd -o FILE`"),
            Self::Tar { source: TarError::Entry { reason, .. }, .. } => match reason {
                TarReason::Sparse => "make the archive again without sparse files".to_owned(),
                TarReason::Keyword(_) => "make the archive again without what this keyword stands \
                                          for (ACLs, file flags, labels of SELinux)"
                    .to_owned(),
                _ => "make the archive again, with paths relative to its root: \
                      `tar -C FOLDER -cf FILE .`"
                    .to_owned(),
            },
            Self::Tar { .. } => return None,
            Self::Members { .. } => "make the archive again without these members".to_owned(),
        })
    }
}
