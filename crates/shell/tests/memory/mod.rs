//! A world in memory: files by path, and a few commands in `/w/bin`.

use std::collections::BTreeMap;

use cvmkit_shell::Stop;
use cvmkit_shell::world::{FileError, FileType, Files, Invocation, Ran, Status, World};

/// Files by path. The parents of a file are there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// The contents of regular files.
    pub(crate) files: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What symbolic links hold: absolute paths, which lead to no other link.
    pub(crate) links: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What stat(2) says of a file, where it is not that of a plain one; files of other types are here alone.
    pub(crate) nodes: BTreeMap<Vec<u8>, Status>,
}

/// What stat(2) says of a plain file.
pub(crate) fn plain(file_type: FileType, size: usize) -> Status {
    let mode = if file_type == FileType::Directory { 0o755 } else { 0o644 };
    Status { file_type, mode, uid: 0, gid: 0, size: size as u64, mtime: 0, inode: 1 }
}

fn without_parents(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/').skip(1) {
        match part {
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    [b"/".as_slice(), &parts.join(&b'/')].concat()
}

impl Memory {
    /// What a path leads to, without `..`; none of its folders is a link.
    fn led_to(&self, path: &[u8]) -> Vec<u8> {
        let path = without_parents(path);
        self.links.get(&path).cloned().unwrap_or(path)
    }

    fn names(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.files.keys().chain(self.links.keys()).chain(self.nodes.keys())
    }
}

impl Files for Memory {
    fn status(&self, path: &[u8], follow: bool) -> Result<Status, FileError> {
        if !follow && self.links.contains_key(path) {
            return Ok(plain(FileType::Symlink, 0));
        }
        let path = self.led_to(path);
        if let Some(status) = self.nodes.get(&path) {
            return Ok(*status);
        }
        if let Some(contents) = self.files.get(&path) {
            return Ok(plain(FileType::Regular, contents.len()));
        }
        let below = [path.strip_suffix(b"/").unwrap_or(&path), b"/"].concat();
        let is_directory = path == b"/" || self.names().any(|known| known.starts_with(&below));
        if is_directory { Ok(plain(FileType::Directory, 4096)) } else { Err(FileError::NotFound) }
    }

    fn read(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
        self.files.get(&self.led_to(path)).cloned().ok_or(FileError::NotFound)
    }

    fn write(&mut self, path: &[u8], contents: &[u8], _: u16) -> Result<(), FileError> {
        let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or_default();
        let folder = if end == 0 { b"/" } else { &path[..end] };
        self.status(folder, true)?;
        let path = self.led_to(path);
        self.files.insert(path, contents.to_vec());
        Ok(())
    }

    fn list(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, FileError> {
        let path = self.led_to(path);
        let below = [path.strip_suffix(b"/").unwrap_or(&path), b"/"].concat();
        let mut names: Vec<Vec<u8>> = self
            .names()
            .filter_map(|known| known.strip_prefix(below.as_slice()))
            .map(|rest| rest.split(|byte| *byte == b'/').next().unwrap_or_default().to_vec())
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn target(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
        self.links.get(path).cloned().ok_or(FileError::Invalid)
    }

    fn real_path(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
        Ok(self.led_to(path))
    }
}

impl World for Memory {
    fn find(&self, name: &[u8], search: &[u8]) -> Option<Vec<u8>> {
        let known = [b"cat".as_slice(), b"line", b"vars", b"complain"].contains(&name);
        let found = search.split(|byte| *byte == b':').any(|folder| folder == b"/w/bin");
        (known && found).then(|| [b"/w/bin/", name].concat())
    }

    /// `cat` hands all of its input on, `line` takes a line of it, `vars` shows three variables, and
    /// `complain` fails.
    fn run(&mut self, invocation: Invocation<'_>) -> Result<Ran, Stop> {
        let Invocation { input, output, errors, .. } = invocation;
        let (status, consumed) = match invocation.words[0].as_slice() {
            b"cat" => {
                output.extend_from_slice(input);
                (0, input.len())
            }
            b"line" => {
                let end = input.iter().position(|byte| *byte == b'\n');
                let line = &input[..end.map_or(input.len(), |end| end + 1)];
                output.extend_from_slice(line);
                (0, line.len())
            }
            b"vars" => {
                for name in ["A", "B", "C"] {
                    if let Some(value) = invocation.environment.get(name) {
                        output.extend([name.as_bytes(), b"=", value, b"\n"].concat());
                    }
                }
                (0, 0)
            }
            b"complain" => {
                errors.extend_from_slice(b"complaint\n");
                (3, 0)
            }
            name => {
                let (script, line) = (invocation.script, invocation.line);
                let name = String::from_utf8_lossy(name);
                let message = format!("{script}: {line}: {name}: not found\n");
                errors.extend_from_slice(message.as_bytes());
                (127, 0)
            }
        };
        Ok(Ran { status, consumed })
    }

    fn home(&self, login: &str) -> Option<Vec<u8>> {
        (login == "root").then(|| b"/root".to_vec())
    }
}
