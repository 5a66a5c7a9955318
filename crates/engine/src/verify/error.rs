//! Why an image could not be checked at all.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use cvmkit_attest::export::corim::CborError;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::FileError;
use thiserror::Error;

/// Why an image could not be checked at all; a wrong image is a finding, not an error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// There is no folder, or nothing of an image in it.
    #[error("`{}` holds no image: {why}", folder.display())]
    NoImage {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        why: &'static str,
    },
    /// A file that is no CoRIM as cvmkit writes it: nothing is known of what it says.
    #[error("`{}` is not a CoRIM that `cvmkit export` wrote", path.display())]
    Corim {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: CborError,
    },
    /// The host can't read a file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The host's disk failed while a file was being decoded.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Diagnosis for VerifyError {
    fn fault(&self) -> Fault {
        match self {
            Self::NoImage { .. } | Self::Corim { .. } => Fault::Definition,
            Self::File(error) => error.fault(),
            Self::Unreadable { .. } => Fault::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoImage { .. } => Some("name a folder that `cvmkit build` wrote".into()),
            Self::File(error) => error.hint(),
            Self::Corim { .. } | Self::Unreadable { .. } => None,
        }
    }
}

/// True if the host failed, and not the bytes. A file that ends too early is wrong itself, and
/// decoders answer `InvalidData` for bytes that they refuse.
pub(super) fn is_of_the_host(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{InvalidData, UnexpectedEof};
    chain(error)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| !matches!(error.kind(), InvalidData | UnexpectedEof))
}

/// An error and its causes, in one line.
pub(super) fn in_one_line(error: &(dyn Error + 'static)) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use cvmkit_host::files::cannot;

    use super::*;

    #[derive(Debug, Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    /// Decoders answer with these two kinds for bytes that they refuse; all others are the host's.
    #[test]
    fn the_host_failed_if_any_cause_says_so() {
        for (kind, is) in [
            (io::ErrorKind::InvalidData, false),
            (io::ErrorKind::UnexpectedEof, false),
            (io::ErrorKind::Other, true),
            (io::ErrorKind::PermissionDenied, true),
            (io::ErrorKind::NotFound, true),
            (io::ErrorKind::OutOfMemory, true),
        ] {
            assert_eq!(is_of_the_host(&io::Error::from(kind)), is, "{kind}");
            assert_eq!(is_of_the_host(&Outer(kind.into())), is, "{kind}, as a cause");
        }
        assert!(!is_of_the_host(&std::fmt::Error));
    }

    #[test]
    fn causes_stand_in_one_line() {
        assert_eq!(in_one_line(&Outer(io::Error::other("inner"))), "outer: inner");
        assert_eq!(in_one_line(&io::Error::other("alone")), "alone");
    }

    #[test]
    fn what_is_no_image_was_named_wrongly_and_what_can_t_be_read_is_the_host_s() {
        let folder = PathBuf::from("out");
        let none = VerifyError::NoImage { folder, why: "it does not exist" };
        assert_eq!(none.to_string(), "`out` holds no image: it does not exist");
        assert_eq!(none.fault(), Fault::Definition);
        assert!(none.hint().unwrap().contains("`cvmkit build`"));
        let source = Box::new(io::Error::other("the disk"));
        let unreadable = VerifyError::Unreadable { path: "x".into(), source };
        assert_eq!((unreadable.fault(), unreadable.hint()), (Fault::Environment, None));
        let denied =
            || cannot("read", "x".as_ref())(io::Error::from(io::ErrorKind::PermissionDenied));
        let error = VerifyError::File(denied());
        assert_eq!((error.fault(), error.hint()), (denied().fault(), denied().hint()));
    }
}
