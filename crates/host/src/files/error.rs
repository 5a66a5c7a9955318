//! What goes wrong with a file, by its name.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::names::parent;
use crate::document::Misfit;
use crate::fault::{Diagnosis, Fault};

/// A file that is there and can't be what it should be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unsuitable {
    /// A folder, a pipe, a device.
    #[error("it is not a regular file")]
    NoFile,
    /// Longer than anything of its kind.
    #[error("expected at most {0} bytes")]
    TooLong(u64),
    /// No document, or one of another type.
    #[error(transparent)]
    Malformed(Misfit),
    /// What belongs to nobody else's build.
    #[error("{0}")]
    Foreign(String),
}

impl Unsuitable {
    /// As an error of a reader or a writer.
    #[must_use]
    pub fn into_io(self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, self)
    }
}

/// A file-system call that failed, and on what.
#[derive(Debug, Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct FileError {
    /// The verb, as in `cannot read`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FileError {
    /// True when this user may not do it.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        matches!(self.source.kind(), PermissionDenied | ReadOnlyFilesystem)
    }

    /// True when a link is there that is not followed.
    #[must_use]
    pub fn is_link(&self) -> bool {
        self.source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
    }

    /// True when something is there that can't be what it should be.
    #[must_use]
    pub fn is_unsuitable(&self) -> bool {
        self.source.get_ref().is_some_and(|inner| inner.is::<Unsuitable>())
    }

    /// True when its bytes are not what they should be.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.source.kind() == io::ErrorKind::InvalidData
    }

    /// True when the file is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

impl Diagnosis for FileError {
    fn fault(&self) -> Fault {
        if self.is_unsuitable() { Fault::Definition } else { Fault::Environment }
    }

    fn hint(&self) -> Option<String> {
        let holder = parent(&self.path).display();
        match self.source.kind() {
            io::ErrorKind::StorageFull => {
                Some(format!("make room on the disk that holds `{holder}`"))
            }
            io::ErrorKind::QuotaExceeded => Some(format!("the quota of `{holder}` is used up")),
            io::ErrorKind::FileTooLarge => Some("the limit on the size of files is too low".into()),
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Some(format!("see who may write to `{holder}`"))
            }
            _ => None,
        }
    }
}

/// The error of a file within an error of something that wrote to it or read from it.
#[must_use]
pub fn file_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a FileError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = inner.and_then(|inner| inner.downcast_ref());
        if let Some(found) = error.downcast_ref().or(inner) {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// Names the file in an error: `.map_err(cannot("read", path))`.
pub fn cannot<E: Into<io::Error>>(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> FileError + use<E> {
    let path = path.to_owned();
    move |source| FileError { action, path, source: source.into() }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    fn of_system(number: Errno) -> io::Error {
        io::Error::from_raw_os_error(number.raw_os_error())
    }

    /// errno(3), and what each is to a caller.
    #[test]
    fn an_error_says_what_it_is_and_what_to_do() {
        let hint = |text: &str| Some(text.to_owned());
        let (make_room, quota) =
            ("make room on the disk that holds `/f`", "the quota of `/f` is used up");
        let who = "see who may write to `/f`";
        for (number, is_denied, is_link, is_missing, expected) in [
            (Errno::NOENT, false, false, true, None),
            (Errno::ACCESS, true, false, false, hint(who)),
            (Errno::PERM, true, false, false, hint(who)),
            (Errno::ROFS, true, false, false, hint(who)),
            (Errno::LOOP, false, true, false, None),
            (Errno::NOSPC, false, false, false, hint(make_room)),
            (Errno::DQUOT, false, false, false, hint(quota)),
            (Errno::FBIG, false, false, false, hint("the limit on the size of files is too low")),
            (Errno::IO, false, false, false, None),
        ] {
            let error = cannot("read", Path::new("/f/a"))(of_system(number));
            assert_eq!(
                (error.is_denied(), error.is_link(), error.is_not_found(), error.hint()),
                (is_denied, is_link, is_missing, expected),
                "{error:?}"
            );
            assert!(!error.is_unsuitable() && !error.is_invalid());
            assert_eq!(error.fault(), Fault::Environment);
        }
        let bare = cannot("write", Path::new("a"))(of_system(Errno::NOSPC));
        assert_eq!(bare.hint(), hint("make room on the disk that holds `.`"));
    }

    #[test]
    fn what_is_unsuitable_is_named_wrongly() {
        for (unsuitable, words) in [
            (Unsuitable::NoFile, "it is not a regular file"),
            (Unsuitable::TooLong(7), "expected at most 7 bytes"),
            (Unsuitable::Foreign("it is mine".into()), "it is mine"),
        ] {
            let error = cannot("open", Path::new("a"))(unsuitable.into_io());
            assert!(error.is_unsuitable() && !error.is_invalid());
            assert_eq!(
                (error.fault(), error.source.to_string()),
                (Fault::Definition, words.into())
            );
        }
        let invalid = io::Error::new(io::ErrorKind::InvalidData, "no UTF-8");
        let error = cannot("read", Path::new("a"))(invalid);
        assert!(error.is_invalid() && !error.is_unsuitable());
        assert_eq!(error.fault(), Fault::Environment);
    }

    #[derive(Debug, Error)]
    #[error("a build")]
    struct Outer<E: std::error::Error + 'static>(#[source] E);

    /// A sink's error is a file's within one of [`io::Error`], below that of the writer.
    #[test]
    fn the_error_of_a_file_is_found_within_others() {
        let error = || cannot("write", Path::new("disk.raw"))(of_system(Errno::NOSPC));
        let path = |error: &(dyn std::error::Error + 'static)| {
            file_error(error).map(|found| found.path.display().to_string())
        };
        let expected = Some("disk.raw".to_owned());
        assert_eq!(path(&error()), expected);
        assert_eq!(path(&Outer(error())), expected);
        assert_eq!(path(&io::Error::other(error())), expected);
        assert_eq!(path(&Outer(Outer(io::Error::other(error())))), expected);
        assert_eq!(path(&Outer(of_system(Errno::NOSPC))), None);
        assert_eq!(path(&Outer(io::Error::other("no file"))), None);
    }
}
