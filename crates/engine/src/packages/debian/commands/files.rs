//! The tree as a file system of scripts.

use cvmkit_formats::source::{Source as _, read_all};
use cvmkit_formats::tree::{Inode, InodeId, Meta, Node, TreeError, split};
use cvmkit_shell::world::{FileError, FileType, Files, Status, World as _, absolute};

use super::{System, random};
use crate::content::Content;

/// The largest file that a script reads: configuration, scripts, databases.
const TEXT_MAX: u64 = 64 << 20;

/// The most files that all scripts may make together.
const FILES_MAX: u64 = 1 << 17;

/// The most bytes that all scripts may write together.
const BYTES_MAX: u64 = 1 << 30;

/// The most of them that no package has.
const HELD_MAX: u64 = 256 << 20;

/// The longest path of something new (`PATH_MAX`, limits.h): programs go down each level.
const PATH_MAX: usize = 4096;

/// How many links to nowhere a file may be written through (path_resolution(7)).
const LINKS_MAX: u32 = 40;

impl System<'_, '_> {
    /// The inode of a path. One that ends with `/` has to be a directory.
    fn inode(&self, path: &[u8], follow: bool) -> Result<InodeId, FileError> {
        let is_directory = path.len() > 1 && path.ends_with(b"/");
        let id = match follow || is_directory || is_dots(split(path).1) {
            true => self.assembly.tree.resolve(path).map_err(errno)?,
            false => {
                let canonical = self.assembly.tree.canonical(path).map_err(errno)?;
                self.assembly.tree.lookup(&canonical).ok_or(FileError::NotFound)?
            }
        };
        match is_directory && !self.assembly.tree.inode(id).is_directory() {
            true => Err(FileError::NotADirectory),
            false => Ok(id),
        }
    }

    /// A path at which something can be made, without links in its parents.
    fn place(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
        let path = &path[..end];
        if path.is_empty() || is_dots(split(path).1) {
            return Err(FileError::Exists);
        }
        let canonical = self.assembly.tree.canonical(path).map_err(errno)?;
        match self.assembly.tree.lookup(&canonical) {
            Some(_) => Err(FileError::Exists),
            None if canonical.len() >= PATH_MAX => Err(FileError::NameTooLong),
            None => Ok(canonical),
        }
    }

    fn add(&mut self, path: &[u8], inode: Inode<Content>) -> Result<(), FileError> {
        let path = self.place(path)?;
        self.touch(&path);
        self.made += 1;
        if self.made > FILES_MAX {
            self.exceeded = Some((FILES_MAX, "files that scripts make"));
            return Err(FileError::NoSpace);
        }
        let id = self.assembly.tree.put(&path, inode).map_err(errno)?;
        self.made_inodes.insert(id);
        Ok(())
    }

    fn meta(&self, mode: u16) -> Meta {
        Meta::root(mode, self.assembly.request.mtime)
    }

    /// Where a file is written that is not there: links to nowhere are followed.
    fn destination(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
        let mut path = path.to_vec();
        for _ in 0..LINKS_MAX {
            let canonical = self.assembly.tree.canonical(&path).map_err(errno)?;
            let Some(id) = self.assembly.tree.lookup(&canonical) else { return Ok(path) };
            let Node::Symlink(target) = &self.assembly.tree.inode(id).node else { return Ok(path) };
            let parent = [b"/", split(&canonical).0].concat();
            path = absolute(&parent, target);
        }
        Err(FileError::TooManyLinks)
    }

    fn put_contents(&mut self, path: &[u8], contents: Content, mode: u16) -> Result<(), FileError> {
        let old = self.inode(path, true).ok().map(|id| self.assembly.tree.inode(id));
        let old = match old.map(|inode| &inode.node) {
            Some(Node::File(contents)) => contents.len(),
            _ => 0,
        };
        // Of a file that grows, what is new.
        let new = contents.len().saturating_sub(old);
        self.written = self.written.saturating_add(new);
        if matches!(contents, Content::Inline(_)) {
            self.held = self.held.saturating_add(new);
        }
        if self.written > BYTES_MAX || self.held > HELD_MAX {
            let bound = if self.held > HELD_MAX { HELD_MAX } else { BYTES_MAX };
            self.exceeded = Some((bound, "bytes that scripts write"));
            return Err(FileError::NoSpace);
        }
        match self.inode(path, true) {
            Ok(id) => {
                self.touch_real(path);
                let Some(old) = self.assembly.tree.contents_mut(id) else {
                    return Err(FileError::IsADirectory);
                };
                *old = contents;
                self.unmade.get_mut().written(id);
                let meta = self.assembly.tree.meta_mut(id);
                meta.mtime = self.assembly.request.mtime;
                // Other contents have none of the capabilities (capabilities(7)).
                meta.xattrs.remove(crate::rootfs::capability::ATTRIBUTE.as_bytes());
                Ok(())
            }
            Err(FileError::NotFound) => {
                let path = self.destination(path)?;
                self.add(&path, Inode::file(self.meta(mode), contents))
            }
            Err(error) => Err(error),
        }
    }
}

impl System<'_, '_> {
    /// As [`System::touch`], of what a path leads to.
    pub(super) fn touch_real(&mut self, path: &[u8]) {
        if let Ok(real) = self.assembly.tree.real_path(path) {
            self.touch(&real);
        }
    }

    /// Touches what moves, with all that is below it.
    ///
    /// # Errors
    /// [`FileError::NameTooLong`]: something of it would lie deeper than a path can say.
    fn touch_moved(&mut self, from: &[u8], to: &[u8]) -> Result<(), FileError> {
        let Ok(new) = self.assembly.tree.canonical(to) else { return Ok(()) };
        self.touch(to);
        let mut pending = vec![Vec::new()];
        while let Some(below) = pending.pop() {
            self.work(1);
            if new.len() + below.len() >= PATH_MAX {
                return Err(FileError::NameTooLong);
            }
            let old = [from, &below].concat();
            self.touch(&old);
            self.touch_new([new.as_slice(), &below].concat());
            let Ok(id) = self.inode(&old, false) else { continue };
            let names = self.assembly.tree.entries(id);
            let below = names.map(|(name, _)| [&below, &b"/"[..], name].concat());
            pending.extend(below.collect::<Vec<_>>());
        }
        Ok(())
    }
}

/// A device that anybody may read.
fn device() -> Status {
    let (file_type, mode) = (FileType::CharDevice, 0o666);
    Status { file_type, mode, uid: 0, gid: 0, size: 0, mtime: 0, inode: u64::MAX }
}

fn is_dots(name: &[u8]) -> bool {
    matches!(name, b"." | b"..")
}

/// What the kernel says of it.
fn errno(error: TreeError) -> FileError {
    match error {
        TreeError::NotFound(_) => FileError::NotFound,
        TreeError::NotADirectory(_) => FileError::NotADirectory,
        TreeError::Exists(_) => FileError::Exists,
        TreeError::SymlinkLoop(_) => FileError::TooManyLinks,
        _ => FileError::Invalid,
    }
}

impl Files for System<'_, '_> {
    fn status(&self, path: &[u8], follow: bool) -> Result<Status, FileError> {
        self.work(1);
        let id = match self.inode(path, follow) {
            // An image has no devices of its own, and every machine has this one.
            Err(FileError::NotFound) if random::is_source(path) => return Ok(device()),
            id => id?,
        };
        let Inode { meta, node } = self.assembly.tree.inode(id);
        let (file_type, size) = match node {
            Node::File(contents) => (FileType::Regular, contents.len()),
            // As ext4 and tmpfs differ here, no script depends on it.
            Node::Directory(_) => (FileType::Directory, 4096),
            Node::Symlink(target) => (FileType::Symlink, target.len() as u64),
            Node::CharDevice(_) => (FileType::CharDevice, 0),
            Node::BlockDevice(_) => (FileType::BlockDevice, 0),
            Node::Fifo => (FileType::Fifo, 0),
            Node::Socket => (FileType::Socket, 0),
        };
        Ok(Status {
            file_type,
            mode: meta.mode,
            uid: meta.uid,
            gid: meta.gid,
            size,
            mtime: meta.mtime,
            inode: id.index() as u64,
        })
    }

    fn read(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
        if random::is_source(path) {
            return Ok(self.read_source());
        }
        let id = self.inode(path, true)?;
        self.unmade.borrow_mut().used(path, id);
        match &self.assembly.tree.inode(id).node {
            Node::File(contents) => {
                self.work(contents.len() >> 10);
                let text = read_all(contents, TEXT_MAX).map_err(|error| {
                    *self.broken.borrow_mut() = Some(error);
                    FileError::Denied
                })?;
                self.note_read(&text);
                Ok(text)
            }
            Node::Directory(_) => Err(FileError::IsADirectory),
            _ => Err(FileError::Denied),
        }
    }

    fn write(&mut self, path: &[u8], contents: &[u8], mode: u16) -> Result<(), FileError> {
        self.put_contents(path, contents.to_vec().into(), mode)
    }

    fn copy(&mut self, from: &[u8], to: &[u8], mode: u16) -> Result<(), FileError> {
        let id = self.inode(from, true)?;
        self.unmade.borrow_mut().used(from, id);
        let contents = match &self.assembly.tree.inode(id).node {
            Node::File(contents) => contents.clone(),
            Node::Directory(_) => return Err(FileError::IsADirectory),
            _ => return Err(FileError::Denied),
        };
        self.put_contents(to, contents, mode)
    }

    fn list(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, FileError> {
        let id = self.inode(path, true)?;
        if !self.assembly.tree.inode(id).is_directory() {
            return Err(FileError::NotADirectory);
        }
        let names: Vec<Vec<u8>> =
            self.assembly.tree.entries(id).map(|(name, _)| name.to_vec()).collect();
        self.work(names.len() as u64 >> 3);
        Ok(names)
    }

    fn target(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
        match &self.assembly.tree.inode(self.inode(path, false)?).node {
            Node::Symlink(target) => Ok(target.clone()),
            _ => Err(FileError::Invalid),
        }
    }

    fn real_path(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
        self.inode(path, true)?;
        Ok([b"/".to_vec(), self.assembly.tree.real_path(path).map_err(errno)?].concat())
    }

    fn make_directory(&mut self, path: &[u8], mode: u16) -> Result<(), FileError> {
        let inode = Inode::directory(self.meta(mode));
        self.add(path, inode)
    }

    fn make_fifo(&mut self, path: &[u8], mode: u16) -> Result<(), FileError> {
        let inode = Inode { meta: self.meta(mode), node: Node::Fifo };
        self.add(path, inode)
    }

    fn make_symlink(&mut self, path: &[u8], target: &[u8]) -> Result<(), FileError> {
        let inode = Inode::symlink(target, self.assembly.request.mtime);
        self.add(path, inode)
    }

    fn make_link(&mut self, existing: &[u8], path: &[u8]) -> Result<(), FileError> {
        let id = self.inode(existing, false)?;
        if self.assembly.tree.inode(id).is_directory() {
            return Err(FileError::NotPermitted);
        }
        self.unmade.borrow_mut().used(existing, id);
        let path = self.place(path)?;
        self.touch(&path);
        self.assembly.tree.link(&path, id).map_err(errno)
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), FileError> {
        let id = self.inode(from, false)?;
        self.unmade.borrow_mut().used(from, id);
        let is_directory = self.assembly.tree.inode(id).is_directory();
        let there = self.inode(to, false).ok().map(|there| self.assembly.tree.inode(there));
        let taken = match there.map(|there| (there.is_directory(), is_directory)) {
            Some((true, false)) => FileError::IsADirectory,
            Some((false, true)) => FileError::NotADirectory,
            Some((true, true)) => FileError::NotEmpty,
            // Only into itself.
            _ => FileError::Invalid,
        };
        self.touch_moved(from, to)?;
        self.assembly.tree.rename(from, to).map_err(|error| match errno(error) {
            FileError::Exists => taken,
            other => other,
        })
    }

    fn remove(&mut self, path: &[u8]) -> Result<(), FileError> {
        let id = self.inode(path, false)?;
        if self.assembly.tree.entries(id).next().is_some() {
            return Err(FileError::NotEmpty);
        }
        self.touch(path);
        let canonical = self.assembly.tree.canonical(path).map_err(errno)?;
        match self.assembly.tree.remove(&canonical) {
            true => Ok(()),
            false => Err(FileError::Invalid),
        }
    }

    fn set_mode(&mut self, path: &[u8], mode: u16) -> Result<(), FileError> {
        let id = self.inode(path, true)?;
        self.touch_real(path);
        self.assembly.tree.meta_mut(id).mode = mode;
        Ok(())
    }

    fn set_owner(
        &mut self,
        path: &[u8],
        uid: Option<u32>,
        gid: Option<u32>,
        follow: bool,
    ) -> Result<(), FileError> {
        let id = self.inode(path, follow)?;
        if follow {
            self.touch_real(path);
        } else {
            self.touch(path);
        }
        let is_regular = matches!(self.assembly.tree.inode(id).node, Node::File(_));
        let meta = self.assembly.tree.meta_mut(id);
        (meta.uid, meta.gid) = (uid.unwrap_or(meta.uid), gid.unwrap_or(meta.gid));
        if is_regular {
            // chown(2): even root's call takes set-user-ID and set-group-ID from a file, and capabilities.
            meta.mode &= 0o1777;
            meta.xattrs.remove(crate::rootfs::capability::ATTRIBUTE.as_bytes());
        }
        Ok(())
    }

    fn set_time(&mut self, path: &[u8], mtime: Option<i64>) -> Result<(), FileError> {
        let id = self.inode(path, true)?;
        self.assembly.tree.meta_mut(id).mtime =
            mtime.map_or(self.assembly.request.mtime, |time| time.min(self.assembly.request.mtime));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cvmkit_shell::commands;
    use cvmkit_shell::evaluation::{Finished, Limits, Start, evaluate};
    use cvmkit_shell::memory::Memory;
    use cvmkit_shell::world::World;

    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::assembly::Assembly;

    const CASES: [&str; 4] = [
        include_str!("../../../../../shell/tests/cases/files.sh"),
        include_str!("../../../../../shell/tests/cases/text.sh"),
        include_str!("../../../../../shell/tests/cases/grep.sh"),
        include_str!("../../../../../shell/tests/cases/sed.sh"),
    ];

    /// Evaluates a script in `/w`; answers what it came to and a line for each path.
    fn run<W: World>(world: &mut W, script: &str) -> (Finished, Vec<String>) {
        let start = Start {
            name: "script".into(),
            environment: [("PATH".to_owned(), b"/usr/bin".to_vec())].into(),
            directory: b"/w".to_vec(),
            ..Start::default()
        };
        let finished = evaluate(script.as_bytes(), start, world, Limits::default());
        let finished = finished.unwrap_or_else(|stop| panic!("{script}: {stop}"));
        let mut lines = Vec::new();
        let mut names = BTreeMap::new();
        walk(world, b"/w", &mut names, &mut lines);
        (finished, lines)
    }

    fn walk(
        files: &impl Files,
        folder: &[u8],
        names: &mut BTreeMap<u64, Vec<u8>>,
        lines: &mut Vec<String>,
    ) {
        for name in files.list(folder).unwrap() {
            let path = [folder, b"/", &name].concat();
            let at = files.status(&path, false).unwrap();
            let first = names.entry(at.inode).or_insert_with(|| path.clone());
            let what = match at.file_type {
                FileType::Regular => files.read(&path).unwrap(),
                FileType::Symlink => files.target(&path).unwrap(),
                _ => Vec::new(),
            };
            let text = String::from_utf8_lossy;
            lines.push(format!(
                "{} {:?} {:o} {}:{} {} {:?}",
                text(&path),
                at.file_type,
                at.mode,
                at.uid,
                at.gid,
                text(first),
                text(&what),
            ));
            if at.file_type == FileType::Directory {
                walk(files, &path, names, lines);
            }
        }
    }

    /// A tree with the programs that a script calls, and the folder `/w`.
    fn machine<'a>(request: &'a Request<'a>, script: &str) -> Assembly<'a> {
        let mut assembly = Assembly::new(request);
        for word in script.split(|character: char| !character.is_ascii_alphanumeric()) {
            if commands::has::<System<'_, '_>>(word.as_bytes()) {
                assembly.write(&format!("/usr/bin/{word}"), 0o755, "").unwrap();
            }
        }
        assembly.link("/bin", "usr/bin").unwrap();
        let meta = assembly.root(0o755);
        assembly.directory("/w", meta).unwrap();
        assembly
    }

    /// The cases of `shell`, whose outcome over files in memory is that of the machine's own programs.
    #[test]
    fn a_tree_is_as_good_as_files_in_memory() {
        let mtime = Memory::with_programs(b"/w").now();
        let request = Request { mtime, ..Request::default() };
        for script in CASES.iter().flat_map(|cases| cases.split("\n----\n")) {
            let mut assembly = machine(&request, script);
            let found = run(&mut System::new(&mut assembly, &[], "amd64"), script);
            let expected = run(&mut Memory::with_programs(b"/w"), script);
            assert_eq!(found, expected, "{script}");
        }
    }

    #[test]
    fn an_owner_that_changes_costs_set_user_id_and_capabilities() {
        let request = Request::default();
        let mut assembly = Assembly::new(&request);
        let mut meta = Meta::root(0o6755, 0);
        let attribute = crate::rootfs::capability::ATTRIBUTE.as_bytes().to_vec();
        meta.xattrs.insert(attribute, vec![1]);
        let id = assembly.tree.put(b"f", Inode::file(meta, "x".into())).unwrap();
        let folder = assembly.tree.put(b"d", Inode::directory(Meta::root(0o2755, 0))).unwrap();
        let mut system = System::new(&mut assembly, &[], "amd64");
        system.set_owner(b"/f", Some(7), None, true).unwrap();
        system.set_owner(b"/d", None, Some(8), true).unwrap();
        let of = |id| {
            let meta = &assembly.tree.inode(id).meta;
            (meta.mode, meta.uid, meta.gid, meta.xattrs.len())
        };
        assert_eq!(of(id), (0o755, 7, 0, 0));
        assert_eq!(of(folder), (0o2755, 0, 8, 0));
    }

    #[test]
    fn what_the_store_cannot_read_is_not_hidden() {
        let request = Request::default();
        let mut assembly = Assembly::new(&request);
        let object = std::sync::Arc::new(tempfile::tempfile().unwrap());
        let cut = Content::Stored { object, offset: 0, len: 5 };
        assembly.write("f", 0o644, cut).unwrap();
        let mut system = System::new(&mut assembly, &[], "amd64");
        assert_eq!(system.read(b"/f"), Err(FileError::Denied));
        assert!(system.take_broken().is_some() && system.take_broken().is_none());
    }
}
