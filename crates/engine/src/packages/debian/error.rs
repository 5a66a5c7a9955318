//! Why a root file system can't be assembled of Debian packages.

use cvmkit_debian::scripts::{UnknownScript, UnknownTrigger};
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::tree::TreeError;
use cvmkit_host::fault::{Diagnosis, Fault};
use thiserror::Error;

use crate::rootfs::RootfsError;

/// Why a root file system can't be assembled of Debian packages.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// A step that is the same for packages of any kind.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// A maintainer script does something nobody has read.
    #[error("{unknown}")]
    UnknownScript {
        /// The script.
        unknown: Box<UnknownScript>,
        /// What the definition says to skip of the package.
        skipped: Vec<Sha256>,
    },
    /// A trigger nobody has looked at.
    #[error("{unknown} (SHA-256 {sha256} of all its triggers)")]
    UnknownTrigger {
        /// The trigger.
        unknown: UnknownTrigger,
        /// Digest of the file of triggers.
        sha256: Sha256,
        /// What the definition says to skip of the package.
        skipped: Vec<Sha256>,
    },
    /// Two packages write one path and neither replaces the other.
    #[error("`{first}` and `{second}` both contain `/{path}`, and neither replaces the other")]
    PackageConflict {
        /// The path.
        path: String,
        /// One package.
        first: String,
        /// The other.
        second: String,
    },
    /// One package has a file at two paths that are one on a merged /usr.
    #[error(
        "`{package}` contains `/{first}` and `/{second}`, which are one file: `/{path}` (/usr is \
         merged)"
    )]
    OneFileTwice {
        /// The package.
        package: String,
        /// The path in the tree.
        path: String,
        /// One path in the package.
        first: String,
        /// The other.
        second: String,
    },
    /// A package does not fit into the tree.
    #[error("can't unpack `/{path}` of `{package}`: {source}")]
    Unpack {
        /// The package.
        package: String,
        /// Its path.
        path: String,
        /// Why.
        source: TreeError,
    },
    /// A package that has its file elsewhere, for the sake of another one.
    #[error(
        "`{first}` diverts `{path}`, which is a file of `{second}`: moving it there is not supported"
    )]
    Diverted {
        /// The path.
        path: String,
        /// Who diverts it.
        first: String,
        /// Whose file it is.
        second: String,
    },
}

/// A key that can be put into a definition: names with a dot or a plus need quotes in TOML.
fn skip_key(package: &str, skipped: &[Sha256], sha256: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let name = match package.bytes().all(is_bare) {
        true => package.to_owned(),
        false => format!("\"{package}\""),
    };
    let digests = skipped.iter().map(Sha256::to_string).chain([sha256.to_owned()]);
    let digests: Vec<String> = digests.map(|digest| format!("\"{digest}\"")).collect();
    format!("scripts.{name} = {{ skip = [{}] }}", digests.join(", "))
}

impl Diagnosis for AssembleError {
    fn fault(&self) -> Fault {
        match self {
            Self::Rootfs(error) => error.fault(),
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Rootfs(error) => return error.hint(),
            Self::UnknownScript { unknown, skipped } => format!(
                "read the text above; if nothing in it matters to this image, say so below \
                 [packages] with `{}`, otherwise leave `{}` out (running scripts is not supported){}",
                skip_key(&unknown.package, skipped, &unknown.sha256),
                unknown.package,
                match unknown.text.contains("setcap") {
                    true => "; `capabilities` of [[files]] does what its `setcap` would",
                    false => "",
                },
            ),
            Self::UnknownTrigger { unknown, sha256, skipped } => format!(
                "if nothing of it matters to this image, say so below [packages] with `{}`",
                skip_key(&unknown.package, skipped, &sha256.to_string())
            ),
            Self::Diverted { first, second, .. } => format!("leave `{first}` or `{second}` out"),
            Self::PackageConflict { first, second, .. } => {
                format!("leave `{first}` or `{second}` out, or exclude the path")
            }
            Self::OneFileTwice { package, .. } => {
                format!("leave `{package}` out; dpkg would overwrite one with the other")
            }
            Self::Unpack { .. } => return None,
        })
    }
}
