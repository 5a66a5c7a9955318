//! A file system in memory, with the programs of [`commands`] and no others: what a script is evaluated
//! over that has no image.

use std::collections::{BTreeMap, BTreeSet};

use crate::commands;
use crate::stop::Stop;
use crate::world::{FileError, FileType, Files, Invocation, Ran, Status, World, absolute};

/// How many links a path may lead through (path_resolution(7)).
const LINKS_MAX: u32 = 40;

/// The longest path of something new (`PATH_MAX`, limits.h).
const PATH_MAX: usize = 4096;

/// What a name is of.
#[derive(Clone, Debug)]
pub enum Node {
    /// A regular file: its contents.
    File(Vec<u8>),
    /// A directory: numbers of inodes by name.
    Directory(BTreeMap<Vec<u8>, usize>),
    /// A symbolic link: what it holds.
    Symlink(Vec<u8>),
    /// A FIFO, which nothing can be read from or written to.
    Fifo,
}

/// A file with what belongs to it, whatever its names.
#[derive(Clone, Debug)]
pub struct Inode {
    /// What it is.
    pub node: Node,
    /// The permissions: 12 bits.
    pub mode: u16,
    /// The owner's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
}

/// Seconds since 1970 of everything that is made.
const NOW: i64 = 1_000_000_000;

/// The most files that are made, be they removed again.
const FILES_MAX: usize = 100_000;

/// The most bytes of all files together.
const BYTES_MAX: usize = 256 << 20;

/// Inodes by number, the root directory first. Their number and their bytes are bounded.
#[derive(Clone, Debug)]
pub struct Memory {
    inodes: Vec<Inode>,
    /// Of the contents of all inodes.
    bytes: usize,
    exceeded: Option<(u64, &'static str)>,
    /// Whether the crate's programs are there.
    has_programs: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            inodes: vec![inode(Node::Directory(BTreeMap::new()), 0o755)],
            bytes: 0,
            exceeded: None,
            has_programs: false,
        }
    }
}

fn inode(node: Node, mode: u16) -> Inode {
    Inode { node, mode, uid: 0, gid: 0, mtime: NOW }
}

fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    parts.map(<[u8]>::to_vec).collect()
}

impl Memory {
    /// One with the programs, and directories down to a path.
    #[must_use]
    pub fn with_programs(directory: &[u8]) -> Self {
        let mut memory = Self { has_programs: true, ..Self::default() };
        let mut path = Vec::new();
        for part in components(directory) {
            path.push(b'/');
            path.extend(part);
            // What is there already stays.
            let _ = memory.make_directory(&path, 0o755);
        }
        memory
    }

    /// Every path below a directory with its inode's number.
    #[must_use]
    pub fn walk(&self, directory: &[u8]) -> Vec<(Vec<u8>, usize)> {
        let mut found = Vec::new();
        let Ok(names) = self.list(directory) else { return found };
        for name in names {
            let path = [directory, b"/", &name].concat();
            let Ok((_, number)) = self.find_inode(&path, false) else { continue };
            found.push((path.clone(), number));
            if matches!(self.inodes[number].node, Node::Directory(_)) {
                found.extend(self.walk(&path));
            }
        }
        found
    }

    /// The inode of a number that [`Memory::walk`] answers.
    #[must_use]
    pub fn inode(&self, number: usize) -> &Inode {
        &self.inodes[number]
    }

    fn entries(&self, number: usize) -> Result<&BTreeMap<Vec<u8>, usize>, FileError> {
        match &self.inodes[number].node {
            Node::Directory(entries) => Ok(entries),
            _ => Err(FileError::NotADirectory),
        }
    }

    fn entries_mut(&mut self, number: usize) -> Result<&mut BTreeMap<Vec<u8>, usize>, FileError> {
        match &mut self.inodes[number].node {
            Node::Directory(entries) => Ok(entries),
            _ => Err(FileError::NotADirectory),
        }
    }

    /// The real path and the inode of a path.
    fn find_inode(&self, path: &[u8], follow: bool) -> Result<(Vec<Vec<u8>>, usize), FileError> {
        let mut pending: Vec<Vec<u8>> = components(path);
        pending.reverse();
        let ends_as_directory = path.ends_with(b"/") && path.len() > 1;
        let (mut passed, mut links): (Vec<(Vec<u8>, usize)>, u32) = (Vec::new(), 0);
        while let Some(name) = pending.pop() {
            let here = passed.last().map_or(0, |(_, number)| *number);
            let entries = self.entries(here)?;
            if name == b"." {
                continue;
            }
            if name == b".." {
                passed.pop();
                continue;
            }
            let number = *entries.get(&name).ok_or(FileError::NotFound)?;
            let is_last = pending.is_empty() && !ends_as_directory;
            if let Node::Symlink(target) = &self.inodes[number].node
                && (follow || !is_last)
            {
                links += 1;
                if links > LINKS_MAX {
                    return Err(FileError::TooManyLinks);
                }
                if target.starts_with(b"/") {
                    passed.clear();
                }
                let mut parts = components(target);
                parts.reverse();
                pending.extend(parts);
                continue;
            }
            passed.push((name, number));
        }
        let number = passed.last().map_or(0, |(_, number)| *number);
        if ends_as_directory {
            self.entries(number)?;
        }
        Ok((passed.into_iter().map(|(name, _)| name).collect(), number))
    }

    /// The directory that a path is in, and its name there.
    fn place(&self, path: &[u8]) -> Result<(usize, Vec<u8>), FileError> {
        if path.len() >= PATH_MAX {
            return Err(FileError::NameTooLong);
        }
        let mut parts = components(path);
        let name = parts.pop().ok_or(FileError::Exists)?;
        if name == b"." || name == b".." {
            return Err(FileError::Exists);
        }
        let parent = [b"/", parts.join(&b'/').as_slice()].concat();
        let (_, number) = self.find_inode(&parent, true)?;
        self.entries(number)?;
        Ok((number, name))
    }

    fn add(&mut self, path: &[u8], node: Node, mode: u16) -> Result<(), FileError> {
        let (parent, name) = self.place(path)?;
        if self.entries(parent)?.contains_key(&name) {
            return Err(FileError::Exists);
        }
        let number = self.inodes.len();
        if number >= FILES_MAX {
            self.exceeded = Some((FILES_MAX as u64, "files"));
            return Err(FileError::NoSpace);
        }
        if let Node::File(contents) = &node {
            self.resize(0, contents.len())?;
        }
        self.inodes.push(inode(node, mode));
        self.entries_mut(parent)?.insert(name, number);
        Ok(())
    }

    /// Counts what a file has more or less.
    fn resize(&mut self, old: usize, new: usize) -> Result<(), FileError> {
        let bytes = self.bytes - old + new;
        if bytes > BYTES_MAX {
            self.exceeded = Some((BYTES_MAX as u64, "bytes of files"));
            return Err(FileError::NoSpace);
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Files for Memory {
    fn status(&self, path: &[u8], follow: bool) -> Result<Status, FileError> {
        let number = self.find_inode(path, follow)?.1;
        let Inode { node, mode, uid, gid, mtime } = &self.inodes[number];
        let (file_type, size) = match node {
            Node::File(contents) => (FileType::Regular, contents.len()),
            Node::Directory(_) => (FileType::Directory, 4096),
            Node::Symlink(target) => (FileType::Symlink, target.len()),
            Node::Fifo => (FileType::Fifo, 0),
        };
        Ok(Status {
            file_type,
            mode: *mode,
            uid: *uid,
            gid: *gid,
            size: size as u64,
            mtime: *mtime,
            inode: number as u64,
        })
    }

    fn read(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
        match &self.inodes[self.find_inode(path, true)?.1].node {
            Node::File(contents) => Ok(contents.clone()),
            Node::Fifo => Err(FileError::Invalid),
            _ => Err(FileError::IsADirectory),
        }
    }

    fn write(&mut self, path: &[u8], contents: &[u8], mode: u16) -> Result<(), FileError> {
        match self.find_inode(path, true) {
            Ok((_, number)) => match &self.inodes[number].node {
                Node::File(old) => {
                    self.resize(old.len(), contents.len())?;
                    self.inodes[number].node = Node::File(contents.to_vec());
                    Ok(())
                }
                Node::Fifo => Err(FileError::Invalid),
                _ => Err(FileError::IsADirectory),
            },
            Err(FileError::NotFound) => match self.target(path) {
                Ok(target) => {
                    let parent = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                    let target = absolute(&path[..parent], &target);
                    self.write(&target, contents, mode)
                }
                Err(_) => self.add(path, Node::File(contents.to_vec()), mode),
            },
            Err(error) => Err(error),
        }
    }

    fn list(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, FileError> {
        let number = self.find_inode(path, true)?.1;
        Ok(self.entries(number)?.keys().cloned().collect())
    }

    fn target(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
        match &self.inodes[self.find_inode(path, false)?.1].node {
            Node::Symlink(target) => Ok(target.clone()),
            _ => Err(FileError::Invalid),
        }
    }

    fn real_path(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
        let (names, _) = self.find_inode(path, true)?;
        Ok([b"/", names.join(&b'/').as_slice()].concat())
    }

    fn make_directory(&mut self, path: &[u8], mode: u16) -> Result<(), FileError> {
        self.add(path, Node::Directory(BTreeMap::new()), mode)
    }

    fn make_fifo(&mut self, path: &[u8], mode: u16) -> Result<(), FileError> {
        self.add(path, Node::Fifo, mode)
    }

    fn make_symlink(&mut self, path: &[u8], target: &[u8]) -> Result<(), FileError> {
        self.add(path, Node::Symlink(target.to_vec()), 0o777)
    }

    fn make_link(&mut self, existing: &[u8], path: &[u8]) -> Result<(), FileError> {
        let number = self.find_inode(existing, false)?.1;
        if matches!(self.inodes[number].node, Node::Directory(_)) {
            return Err(FileError::NotPermitted);
        }
        let (parent, name) = self.place(path)?;
        if self.entries(parent)?.contains_key(&name) {
            return Err(FileError::Exists);
        }
        self.entries_mut(parent)?.insert(name, number);
        Ok(())
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), FileError> {
        let number = self.find_inode(from, false)?.1;
        let (old_parent, old_name) = self.place(from)?;
        let (parent, name) = self.place(to)?;
        let moves_directory = matches!(self.inodes[number].node, Node::Directory(_));
        if let Some(&there) = self.entries(parent)?.get(&name) {
            match (&self.inodes[there].node, moves_directory) {
                _ if there == number => return Ok(()),
                (Node::Directory(_), false) => return Err(FileError::IsADirectory),
                (Node::Directory(entries), true) if entries.is_empty() => {}
                (Node::Directory(_), true) => return Err(FileError::NotEmpty),
                (_, true) => return Err(FileError::NotADirectory),
                (_, false) => {}
            }
        }
        if moves_directory {
            let below: BTreeSet<usize> =
                self.walk(from).into_iter().map(|(_, inner)| inner).chain([number]).collect();
            if below.contains(&parent) {
                return Err(FileError::Invalid);
            }
        }
        self.entries_mut(old_parent)?.remove(&old_name);
        self.entries_mut(parent)?.insert(name, number);
        Ok(())
    }

    fn remove(&mut self, path: &[u8]) -> Result<(), FileError> {
        let number = self.find_inode(path, false)?.1;
        if let Node::Directory(entries) = &self.inodes[number].node
            && !entries.is_empty()
        {
            return Err(FileError::NotEmpty);
        }
        let (parent, name) = self.place(path)?;
        self.entries_mut(parent)?.remove(&name);
        Ok(())
    }

    fn set_mode(&mut self, path: &[u8], mode: u16) -> Result<(), FileError> {
        let number = self.find_inode(path, true)?.1;
        self.inodes[number].mode = mode;
        Ok(())
    }

    fn set_owner(
        &mut self,
        path: &[u8],
        uid: Option<u32>,
        gid: Option<u32>,
        follow: bool,
    ) -> Result<(), FileError> {
        let number = self.find_inode(path, follow)?.1;
        let inode = &mut self.inodes[number];
        (inode.uid, inode.gid) = (uid.unwrap_or(inode.uid), gid.unwrap_or(inode.gid));
        if matches!(inode.node, Node::File(_)) {
            inode.mode &= 0o1777;
        }
        Ok(())
    }

    fn set_time(&mut self, path: &[u8], mtime: Option<i64>) -> Result<(), FileError> {
        let number = self.find_inode(path, true)?.1;
        self.inodes[number].mtime = mtime.unwrap_or(NOW);
        Ok(())
    }
}

impl World for Memory {
    fn find(&self, name: &[u8], _: &[u8]) -> Option<Vec<u8>> {
        if name.contains(&b'/') {
            let folder = name.iter().rposition(|byte| *byte == b'/').map(|at| &name[..at]);
            let is_program = matches!(folder, Some(b"/bin" | b"/usr/bin"))
                && self.has_programs
                && commands::has::<Self>(name);
            let at = self.status(name, true);
            let is_executable =
                at.is_ok_and(|at| at.file_type == FileType::Regular && at.mode & 0o111 != 0);
            return (is_program || is_executable).then(|| name.to_vec());
        }
        let is_there = self.has_programs && commands::has::<Self>(name);
        is_there.then(|| [b"/usr/bin/", name].concat())
    }

    fn run(&mut self, invocation: Invocation<'_>) -> Result<Ran, Stop> {
        let word = invocation.words.first().map(Vec::as_slice).unwrap_or_default();
        let name = String::from_utf8_lossy(word).into_owned();
        if self.has_programs && commands::has::<Self>(word) {
            let ran = commands::run(self, invocation)?;
            return Ok(ran.unwrap_or(Ran { status: 127, consumed: 0 }));
        }
        let message = format!("{}: {}: {name}: not found\n", invocation.script, invocation.line);
        invocation.errors.extend_from_slice(message.as_bytes());
        Ok(Ran { status: 127, consumed: 0 })
    }

    fn exceeded(&self) -> Option<(u64, &'static str)> {
        self.exceeded
    }

    fn now(&self) -> i64 {
        NOW
    }

    fn home(&self, login: &str) -> Option<Vec<u8>> {
        (login == "root").then(|| b"/root".to_vec())
    }
}
