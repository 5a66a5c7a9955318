//! A world in memory: files by path, and no commands.

use std::collections::BTreeMap;

use cvmkit_shell::Stop;
use cvmkit_shell::world::{FileError, FileType, Invocation, Ran, Status, World};

/// Regular files by path; their parents are there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) files: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl World for Memory {
    fn status(&self, path: &[u8], _: bool) -> Result<Status, FileError> {
        let status = |file_type, size| Status {
            file_type,
            mode: 0o755,
            uid: 0,
            gid: 0,
            size,
            mtime: 0,
            inode: 1,
        };
        if let Some(contents) = self.files.get(path) {
            return Ok(status(FileType::Regular, contents.len() as u64));
        }
        let below = [path.strip_suffix(b"/").unwrap_or(path), b"/"].concat();
        let is_directory = path == b"/" || self.files.keys().any(|known| known.starts_with(&below));
        if is_directory { Ok(status(FileType::Directory, 0)) } else { Err(FileError::NotFound) }
    }

    fn read(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
        self.files.get(path).cloned().ok_or(FileError::NotFound)
    }

    fn write(&mut self, path: &[u8], contents: &[u8], _: u16) -> Result<(), FileError> {
        self.files.insert(path.to_vec(), contents.to_vec());
        Ok(())
    }

    fn list(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, FileError> {
        let below = [path.strip_suffix(b"/").unwrap_or(path), b"/"].concat();
        let mut names: Vec<Vec<u8>> = self
            .files
            .keys()
            .filter_map(|known| known.strip_prefix(below.as_slice()))
            .map(|rest| rest.split(|byte| *byte == b'/').next().unwrap_or_default().to_vec())
            .collect();
        names.dedup();
        Ok(names)
    }

    fn find(&self, _: &[u8], _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn run(&mut self, invocation: Invocation<'_>) -> Result<Ran, Stop> {
        let name = String::from_utf8_lossy(&invocation.words[0]).into_owned();
        let message = format!("{}: {}: {name}: not found\n", invocation.script, invocation.line);
        invocation.errors.extend_from_slice(message.as_bytes());
        Ok(Ran { status: 127, consumed: 0 })
    }

    fn home(&self, login: &str) -> Option<Vec<u8>> {
        (login == "root").then(|| b"/root".to_vec())
    }
}
