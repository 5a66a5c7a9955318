//! How a file is opened to be read.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use cvmkit_formats::source::Source;
use rustix::fs::OFlags;

use super::error::{FileError, Unsuitable, cannot};

/// Opens a regular file to read, and nothing else: to open a pipe would wait for its writer.
///
/// # Errors
/// Names the file.
pub fn open(path: &Path) -> Result<File, FileError> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let opened = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path);
    let file = opened.map_err(cannot("open", path))?;
    regular(file).map_err(cannot("open", path))
}

/// The file, if it is a regular one.
pub(super) fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(Unsuitable::NoFile.into_io()) }
}

/// Opens what the user names to be read from start to end: a pipe or a device is taken too, and is
/// waited for. Whoever reads it keeps a bound.
///
/// # Errors
/// Names the file.
pub fn open_stream(path: &Path) -> Result<File, FileError> {
    File::open(path).map_err(cannot("open", path))
}

/// An open file as a random-access source of fixed length.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    len: u64,
}

impl FileSource {
    /// Opens `path`, a regular file.
    ///
    /// # Errors
    /// Names the file.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let file = open(path)?;
        let len = file.metadata().map_err(cannot("read", path))?.len();
        Ok(Self { file, len })
    }

    /// The length now of an open file.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file, len })
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::files;

    #[test]
    fn a_source_has_the_length_that_its_file_had() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        files::replace(&path, b"012345").unwrap();
        let source = FileSource::open(&path).unwrap();
        let mut end = OpenOptions::new().append(true).open(&path).unwrap();
        end.write_all(b"6").unwrap();
        assert_eq!((source.len(), FileSource::of(end).unwrap().len()), (6, 7));
        let mut bytes = [0; 3];
        source.read_at(3, &mut bytes).unwrap();
        assert_eq!(&bytes, b"345");
        source.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"012", "each read is from its own offset");
        let error = source.read_at(5, &mut bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_stream_may_be_a_device_and_a_file_may_not() {
        let device = Path::new("/dev/null");
        assert!(open_stream(device).is_ok());
        assert!(open(device).unwrap_err().is_unsuitable());
        assert!(regular(File::open(device).unwrap()).is_err());
    }
}
