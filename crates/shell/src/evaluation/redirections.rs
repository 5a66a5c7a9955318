//! Redirections (XCU 2.7), and what is read from and written to descriptors.

use std::cell::RefCell;
use std::rc::Rc;

use super::descriptors::{Descriptor, Descriptors, OpenFile};
use super::{Fault, Shell};
use crate::syntax::{Redirection, RedirectionKind, Word};
use crate::world::{FileError, FileType, World};

/// The mode of a new file before the umask (XCU 2.7.2, open(2)).
const NEW_FILE: u16 = 0o666;

impl<W: World> Shell<'_, W> {
    /// Applies redirections; answers the descriptors as they were, or none if one failed, which is said.
    pub(super) fn redirect(
        &mut self,
        redirections: &[Redirection],
    ) -> Result<Option<Descriptors>, Fault> {
        let before = self.state.descriptors.clone();
        for redirection in redirections {
            self.line = redirection.line;
            if let Err(message) = self.redirect_one(redirection)? {
                // The message goes where the messages of the command itself would have gone.
                self.complain(&message)?;
                self.state.descriptors = before;
                self.state.status = 2;
                return Ok(None);
            }
        }
        Ok(Some(before))
    }

    /// The inner error is the script's: a message.
    fn redirect_one(&mut self, redirection: &Redirection) -> Result<Result<(), String>, Fault> {
        let number = redirection.descriptor;
        let opened = match &redirection.kind {
            RedirectionKind::Here(text) => match text.get() {
                Some(word) => Ok(Descriptor::text(self.expand_document(word)?)),
                None => return Err(self.unsupported("a here-document without its text")),
            },
            RedirectionKind::Duplicate(word) => return self.duplicate(number, word),
            RedirectionKind::Read(word) => {
                let path = self.expand_one(word)?;
                self.open_to_read(&path)
            }
            RedirectionKind::Write(word) => {
                let (path, keep) = (self.expand_one(word)?, self.state.options.no_clobber);
                self.open_to_write(&path, false, keep)
            }
            RedirectionKind::Clobber(word) => {
                let path = self.expand_one(word)?;
                self.open_to_write(&path, false, false)
            }
            RedirectionKind::Append(word) => {
                let path = self.expand_one(word)?;
                self.open_to_write(&path, true, false)
            }
            RedirectionKind::ReadWrite(word) => {
                let path = self.expand_one(word)?;
                let shown = String::from_utf8_lossy(&path).into_owned();
                return Err(self.unsupported(format!("redirection `<> {shown}`")));
            }
        };
        Ok(opened.map(|descriptor| {
            self.state.descriptors.0.insert(number, descriptor);
        }))
    }

    fn duplicate(&mut self, number: u32, word: &Word) -> Result<Result<(), String>, Fault> {
        let source = self.expand_one(word)?;
        if source == b"-" {
            self.state.descriptors.0.remove(&number);
            return Ok(Ok(()));
        }
        let shown = String::from_utf8_lossy(&source).into_owned();
        let Ok(from) = shown.parse::<u32>() else {
            return Ok(Err(format!("Bad fd number: {shown}")));
        };
        Ok(match self.state.descriptors.0.get(&from).cloned() {
            Some(descriptor) => {
                self.state.descriptors.0.insert(number, descriptor);
                Ok(())
            }
            None => Err(format!("{from}: Bad file descriptor")),
        })
    }

    fn open_to_read(&self, path: &[u8]) -> Result<Descriptor, String> {
        let absolute = self.state.absolute(path);
        if absolute == b"/dev/null" {
            return Ok(Descriptor::Null);
        }
        match self.world.read(&absolute) {
            Ok(bytes) => Ok(Descriptor::text(bytes)),
            Err(error) => Err(format!("cannot open {}: {}", shown(path), words(error))),
        }
    }

    fn open_to_write(
        &mut self,
        path: &[u8],
        append: bool,
        keep: bool,
    ) -> Result<Descriptor, String> {
        let absolute = self.state.absolute(path);
        if absolute == b"/dev/null" {
            return Ok(Descriptor::Null);
        }
        if let Some(copied) = self.descriptor_of_path(&absolute) {
            return Ok(copied);
        }
        let mode = NEW_FILE & !self.state.umask;
        let status = self.world.status(&absolute, true);
        if keep && status.is_ok_and(|status| status.file_type == FileType::Regular) {
            return Err(format!("cannot create {}: File exists", shown(path)));
        }
        let made = match (status, append) {
            (Ok(status), true) if status.file_type == FileType::Regular => Ok(()),
            (Ok(status), _) if status.file_type == FileType::Directory => {
                Err(FileError::IsADirectory)
            }
            _ => self.world.write(&absolute, b"", mode),
        };
        if let Err(error) = made {
            return Err(format!("cannot create {}: {}", shown(path), created(error)));
        }
        let file = OpenFile { path: absolute, at: 0, append, mode };
        Ok(Descriptor::File(Rc::new(RefCell::new(file))))
    }

    /// `/dev/stdout`, `/dev/fd/3` and their like.
    fn descriptor_of_path(&self, path: &[u8]) -> Option<Descriptor> {
        let number = match path {
            b"/dev/stdin" => 0,
            b"/dev/stdout" => 1,
            b"/dev/stderr" => 2,
            path => str::from_utf8(path.strip_prefix(b"/dev/fd/")?).ok()?.parse().ok()?,
        };
        self.state.descriptors.0.get(&number).cloned()
    }

    /// Writes to a descriptor; false if it can't be written to.
    pub(super) fn write(&mut self, number: u32, bytes: &[u8]) -> Result<bool, Fault> {
        self.written += bytes.len() as u64;
        if self.written > self.limits.output {
            return Err(self.limit(self.limits.output, "bytes of output"));
        }
        match self.state.descriptors.0.get(&number).cloned() {
            None | Some(Descriptor::Text(_)) => return Ok(false),
            Some(Descriptor::Null) => {}
            Some(Descriptor::Sink(sink)) => sink.borrow_mut().extend_from_slice(bytes),
            Some(Descriptor::File(file)) => {
                let mut file = file.borrow_mut();
                let mut contents = self.world.read(&file.path).unwrap_or_default();
                let at = if file.append { contents.len() } else { file.at };
                contents.resize(contents.len().max(at + bytes.len()), 0);
                contents[at..at + bytes.len()].copy_from_slice(bytes);
                file.at = at + bytes.len();
                return Ok(self.world.write(&file.path, &contents, file.mode).is_ok());
            }
        }
        Ok(true)
    }

    /// What a descriptor has left to read.
    pub(super) fn rest(&self, number: u32) -> Vec<u8> {
        match self.state.descriptors.0.get(&number) {
            Some(Descriptor::Text(text)) => text.borrow().rest().to_vec(),
            _ => Vec::new(),
        }
    }

    /// Goes on behind bytes that were read.
    pub(super) fn consume(&self, number: u32, len: usize) {
        if let Some(Descriptor::Text(text)) = self.state.descriptors.0.get(&number) {
            let mut text = text.borrow_mut();
            text.at = (text.at + len).min(text.bytes.len());
        }
    }

    /// The next byte of a descriptor.
    pub(super) fn next_byte(&self, number: u32) -> Option<u8> {
        let Some(Descriptor::Text(text)) = self.state.descriptors.0.get(&number) else {
            return None;
        };
        let mut text = text.borrow_mut();
        let byte = text.bytes.get(text.at).copied()?;
        text.at += 1;
        Some(byte)
    }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// dash shortens these two.
fn words(error: FileError) -> &'static str {
    match error {
        FileError::NotFound => "No such file",
        error => error.words(),
    }
}

fn created(error: FileError) -> &'static str {
    match error {
        FileError::NotFound => "Directory nonexistent",
        error => error.words(),
    }
}
