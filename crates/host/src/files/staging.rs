//! Files that grow beside the folder they are for, until all are finished.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use cvmkit_formats::sink::Sink;
use rustix::fs::FileType;
use rustix::io::Errno;

use super::error::{FileError, Unsuitable, cannot};
use super::folder::Folder;
use super::open::FileSource;

/// A folder where a build's files grow until all are finished.
///
/// It stands beside the final folder as `.NAME.partial`, is locked while its process lives, and
/// goes when the value is dropped. One left by a killed build is taken over by the next.
#[derive(Debug)]
pub struct Staging {
    /// The staged files; holds the lock, closing it lets go.
    folder: Folder,
    /// What holds both the staging and the final folder.
    holder: Folder,
    /// The name of the staging folder.
    name: OsString,
    /// The name of the final folder.
    target: OsString,
    /// True when the staging folder's name is that of an earlier image, which is to go.
    exchanged: AtomicBool,
}

/// How staged files became those of the final folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// In one step.
    AtOnce,
    /// In two: the file system of the folder can't exchange names, and between the steps there was no
    /// folder of that name.
    InTwoSteps,
}

impl Staging {
    /// Prepares to fill `target`.
    ///
    /// # Errors
    /// Names the folder; another live build of the same target is an error too.
    pub fn new(target: &Path) -> Result<Self, FileError> {
        // A link is replaced by nothing: what it leads to is what the user means.
        let target = match target.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => target.to_owned(),
            Err(error) => return Err(cannot("find", target)(error)),
        };
        let (holder, target) = Folder::of(&target)?;
        let name = beside(&target, "partial");
        loop {
            let folder = holder.subfolder(&name)?;
            let busy = "use, as another build is using it,";
            folder.lock().map_err(cannot(busy, folder.as_path()))?;
            // The build that had it may have ended in between, and taken it away with its name: then
            // a third one may have made another by now.
            if !folder.is_at(&holder, &name)? {
                continue;
            }
            let exchanged = AtomicBool::new(false);
            let staging = Self { folder, holder, name, target, exchanged };
            staging.recover()?;
            staging.folder.clear()?;
            return Ok(staging);
        }
    }

    /// Puts an older image back that a build moved out of the way and was killed before it put its
    /// own in that place.
    fn recover(&self) -> Result<(), FileError> {
        let old = beside(&self.target, "old");
        if self.holder.stat(&old)?.is_none() {
            return Ok(());
        }
        match self.holder.stat(&self.target)? {
            None => self.holder.rename(&old, &self.holder, &self.target),
            Some(_) => self.holder.remove(&old),
        }
    }

    /// A new file of this name.
    ///
    /// # Errors
    /// Names the file.
    pub fn create(&self, name: &str) -> Result<Output, FileError> {
        // A file that is staged again is made again.
        self.folder.remove(name)?;
        Ok(Output { file: self.folder.create(name)?, path: self.folder.path(name) })
    }

    /// Makes a staged file durable.
    ///
    /// # Errors
    /// Names the file.
    pub fn sync(&self, name: &str) -> Result<(), FileError> {
        let file = self.folder.file(name)?;
        file.sync_all().map_err(cannot("write", &self.folder.path(name)))
    }

    /// Where a staged file is now.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// Where the staged files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.as_path()
    }

    /// Puts one staged file in the place of the target, which is then that file.
    ///
    /// # Errors
    /// Names the file.
    pub fn publish_file(self, name: &str) -> Result<(), FileError> {
        self.folder.rename(name, &self.holder, &self.target)?;
        self.holder.sync()
    }

    /// Puts the staged files in the place of the target, all at once: whoever looks finds the old
    /// folder or the new one. `obsolete` are the files of an earlier image there, which go; every
    /// other file there stays.
    ///
    /// # Errors
    /// Names the file that could not be moved, and whatever in the target can't stay.
    pub fn publish(self, names: &[String], obsolete: &[String]) -> Result<Published, FileError> {
        self.publish_in_steps(names, obsolete, &mut || Ok(()))
    }

    /// As [`Staging::publish`]; `step` is asked before each call that changes the file system.
    fn publish_in_steps(
        &self,
        names: &[String],
        obsolete: &[String],
        step: &mut dyn FnMut() -> Result<(), FileError>,
    ) -> Result<Published, FileError> {
        let ours: BTreeSet<&OsStr> = names.iter().chain(obsolete).map(OsStr::new).collect();
        let exists = self.holder.stat(&self.target)?.is_some();
        if exists {
            let old = self.holder.subfolder(&self.target)?;
            for name in self.foreign(&old, &ours)? {
                step()?;
                old.link(&name, &self.folder)?;
            }
        }
        self.folder.sync()?;
        let path = self.holder.path(&self.target);
        step()?;
        let published = if exists {
            self.exchange(step)?
        } else {
            let renamed = self.holder.rename_new(&self.name, &self.target);
            renamed.map_err(cannot("create", &path))?;
            Published::AtOnce
        };
        step()?;
        self.holder.sync()?;
        // What is in the staging folder now is the earlier image, which goes with this value.
        Ok(published)
    }

    /// What of the folder that stands in the place of the image is no file of one.
    fn foreign(&self, old: &Folder, ours: &BTreeSet<&OsStr>) -> Result<Vec<OsString>, FileError> {
        let mut foreign = Vec::new();
        for (name, kind) in old.list()? {
            if ours.contains(name.as_os_str()) {
                continue;
            }
            if kind != FileType::RegularFile {
                let why = "it is not part of an image and can't stay beside one: move it away";
                let unsuitable = Unsuitable::Foreign(why.to_owned()).into_io();
                return Err(cannot("keep", &old.path(&name))(unsuitable));
            }
            foreign.push(name);
        }
        Ok(foreign)
    }

    /// Gives the staged folder and the one in its place each other's name.
    fn exchange(
        &self,
        step: &mut dyn FnMut() -> Result<(), FileError>,
    ) -> Result<Published, FileError> {
        let path = self.holder.path(&self.target);
        match self.holder.exchange(&self.name, &self.target) {
            Ok(()) => {
                self.exchanged.store(true, Ordering::Relaxed);
                Ok(Published::AtOnce)
            }
            Err(error) if cannot_exchange(&error) => self.in_two_steps(step),
            Err(error) => Err(cannot("replace", &path)(error)),
        }
    }

    /// Where names can't be exchanged: the earlier image stands aside, under a name that the next
    /// build knows, while the new one takes its place.
    fn in_two_steps(
        &self,
        step: &mut dyn FnMut() -> Result<(), FileError>,
    ) -> Result<Published, FileError> {
        let old = beside(&self.target, "old");
        self.holder.rename(&self.target, &self.holder, &old)?;
        step()?;
        self.holder.rename(&self.name, &self.holder, &self.target)?;
        step()?;
        self.holder.remove(&old)?;
        Ok(Published::InTwoSteps)
    }
}

/// Whether a file system has no way to exchange two names.
fn cannot_exchange(error: &io::Error) -> bool {
    let codes = [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP];
    codes.iter().any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}

/// The name of something that stands beside a folder for a while.
fn beside(target: &OsStr, what: &str) -> OsString {
    let mut name = OsString::from(".");
    name.push(target);
    name.push(".");
    name.push(what);
    name
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Nothing is lost when this fails: the next build takes the folder over. Where the image was
        // put in place of none, the name is gone already, and another build may have it by now.
        match self.folder.is_at(&self.holder, &self.name) {
            Ok(true) => drop(self.holder.remove(&self.name)),
            _ if self.exchanged.load(Ordering::Relaxed) => drop(self.remove_exchanged()),
            _ => {}
        }
    }
}

impl Staging {
    /// Removes the earlier image that has the staging folder's name now. The lock on the finished
    /// one is this process's own, so another build may have taken the name over: it has a lock then.
    fn remove_exchanged(&self) -> Result<(), FileError> {
        if self.holder.stat(&self.name)?.is_none() {
            return Ok(());
        }
        let earlier = self.holder.subfolder(&self.name)?;
        if earlier.lock().is_ok() && earlier.is_at(&self.holder, &self.name)? {
            self.holder.remove(&self.name)?;
        }
        Ok(())
    }
}

/// A staged file that is being written.
#[derive(Debug)]
pub struct Output {
    file: File,
    path: PathBuf,
}

impl Output {
    /// Sets the final length; what is never written reads as zeros.
    ///
    /// # Errors
    /// Names the file.
    pub fn set_len(&self, len: u64) -> Result<(), FileError> {
        self.file.set_len(len).map_err(cannot("write", &self.path))
    }

    /// Makes the bytes durable.
    ///
    /// # Errors
    /// Names the file.
    pub fn sync(&self) -> Result<(), FileError> {
        self.file.sync_all().map_err(cannot("write", &self.path))
    }

    /// Names this file in an error of a writer.
    #[must_use]
    pub fn error(&self, source: io::Error) -> FileError {
        cannot("write", &self.path)(source)
    }

    /// The file as it is now, to read back.
    ///
    /// # Errors
    /// Names the file.
    pub fn reader(&self) -> Result<FileSource, FileError> {
        self.file.try_clone().and_then(FileSource::of).map_err(cannot("read", &self.path))
    }
}

impl Sink for Output {
    /// Its errors name the file, through whatever writer they pass.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|error| io::Error::new(error.kind(), self.error(error)))
    }

    /// The file was made empty and only grows: what is not written is zero.
    fn zeros(&mut self, offset: u64, len: u64) -> io::Result<()> {
        if self.file.metadata()?.len() < offset + len {
            self.file.set_len(offset + len)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cvmkit_formats::source::Source as _;

    use super::*;
    use crate::files;

    fn stage(target: &Path, text: &str) -> Staging {
        let staging = Staging::new(target).unwrap();
        for name in ["a", "b", "SHA256SUMS"] {
            let bytes = format!("{text} {name}");
            staging.create(name).unwrap().write_at(0, bytes.as_bytes()).unwrap();
        }
        staging
    }

    fn names(more: &[&str]) -> Vec<String> {
        ["a", "b", "SHA256SUMS"].iter().chain(more).map(|name| (*name).to_owned()).collect()
    }

    fn contents(folder: &Path) -> BTreeMap<String, String> {
        let listed = files::list(folder).unwrap().into_iter();
        let content = |(name, _): (OsString, _)| {
            let text = files::read_text(&folder.join(&name)).unwrap();
            (name.into_string().unwrap(), text)
        };
        listed.map(content).collect()
    }

    #[test]
    fn staging_goes_when_dropped_and_is_exclusive() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        let staging = stage(&target, "half");
        assert!(Staging::new(&target).is_err(), "a second build of one folder");
        drop(staging);
        assert!(files::list(folder.path()).unwrap().is_empty());
        stage(&target, "new").publish(&names(&[]), &[]).unwrap();
        assert_eq!(files::list(folder.path()).unwrap().len(), 1);
        assert_eq!(files::read(&target.join("a")).unwrap(), b"new a");
    }

    #[test]
    fn a_folder_that_its_build_takes_away_is_not_shared() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        let ended = Staging::new(&target).unwrap();
        // Another build opened the folder of the first and got its lock as that one ended.
        let (holder, name) = Folder::of(&target).unwrap();
        let partial = beside(&name, "partial");
        let seen = holder.subfolder(&partial).unwrap();
        drop(ended);
        seen.lock().unwrap();
        // A third one makes its own: the folder that was seen is at that name no more.
        let third = Staging::new(&target).unwrap();
        assert!(!seen.is_at(&holder, &partial).unwrap());
        assert!(third.folder.is_at(&holder, &partial).unwrap());
    }

    #[test]
    fn an_earlier_image_goes_and_what_is_not_of_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        stage(&target, "old").publish(&names(&[]), &[]).unwrap();
        files::replace(&target.join("SHA256SUMS.sig"), b"a signature").unwrap();
        files::replace(&target.join("old.raw"), b"old").unwrap();
        let published = stage(&target, "new").publish(&names(&[]), &["old.raw".into()]).unwrap();
        assert_eq!(published, Published::AtOnce);
        let found = contents(&target);
        let listed: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(listed, ["SHA256SUMS", "SHA256SUMS.sig", "a", "b"]);
        assert_eq!(found["a"], "new a");
        assert_eq!(files::list(folder.path()).unwrap().len(), 1, "nothing is left beside it");
        std::fs::create_dir(target.join("notes")).unwrap();
        let error = stage(&target, "newer").publish(&names(&[]), &[]).unwrap_err();
        assert!(error.is_unsuitable() && error.to_string().contains("notes"), "{error}");
        assert_eq!(contents_but(&target, "notes")["a"], "new a", "all is as before");
    }

    fn contents_but(folder: &Path, but: &str) -> BTreeMap<String, String> {
        std::fs::remove_dir(folder.join(but)).unwrap();
        contents(folder)
    }

    #[test]
    fn a_build_that_is_killed_at_any_step_leaves_the_old_image_or_the_new_one() {
        let whole = |text: &str| {
            let of = |name: &str| (name.to_owned(), format!("{text} {name}"));
            ["a", "b", "SHA256SUMS"].map(of).into_iter().collect::<BTreeMap<_, _>>()
        };
        let mut seen = BTreeSet::new();
        for killed_at in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("out");
            stage(&target, "old").publish(&names(&[]), &[]).unwrap();
            files::replace(&target.join("kept"), b"kept").unwrap();
            // A process that is killed drops nothing.
            let staging = std::mem::ManuallyDrop::new(stage(&target, "new"));
            let killed =
                staging.publish_in_steps(&names(&[]), &[], &mut kill_at(killed_at)).is_err();
            let mut found = contents(&target);
            assert_eq!(found.remove("kept").as_deref(), Some("kept"), "killed at {killed_at}");
            let is_new = found == whole("new");
            assert!(is_new || found == whole("old"), "killed at {killed_at}: {found:?}");
            seen.insert(is_new);
            if !killed {
                assert!(is_new);
                break;
            }
        }
        assert_eq!(seen.len(), 2, "some kills come before the switch, and some behind it");
    }

    /// Fails at a step.
    fn kill_at(killed_at: u32) -> impl FnMut() -> Result<(), FileError> {
        let mut steps = 0;
        move || {
            steps += 1;
            if steps <= killed_at {
                return Ok(());
            }
            Err(cannot("end", Path::new("the build"))(io::Error::other("it was killed")))
        }
    }

    #[test]
    fn where_names_cannot_be_exchanged_the_next_build_finds_the_old_image() {
        for killed_at in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("out");
            stage(&target, "old").publish(&names(&[]), &[]).unwrap();
            let mut killed = stage(&target, "new");
            let ended = killed.in_two_steps(&mut kill_at(killed_at));
            assert_eq!(ended.is_err(), killed_at < 2);
            // The lock goes with the process, and the folder stays.
            killed.name = "elsewhere".into();
            drop(killed);
            drop(Staging::new(&target).unwrap());
            let text = if killed_at == 0 { "old a" } else { "new a" };
            assert_eq!(contents(&target)["a"], text, "killed at {killed_at}");
            assert_eq!(files::list(folder.path()).unwrap().len(), 1, "killed at {killed_at}");
        }
    }

    #[test]
    fn a_target_that_is_a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        stage(&real, "old").publish(&names(&[]), &[]).unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        stage(&link, "new").publish(&names(&[]), &[]).unwrap();
        assert_eq!(contents(&real)["a"], "new a");
        assert!(link.is_symlink());
        let error = Staging::new(&real.join("a/x")).unwrap_err();
        assert_eq!((error.action, error.path), ("find", real.join("a/x")));
    }

    #[test]
    fn one_file_takes_the_place_of_the_target() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.raw");
        stage(&target, "old").publish_file("a").unwrap();
        stage(&target, "new").publish_file("b").unwrap();
        assert_eq!(files::read(&target).unwrap(), b"new b");
        assert_eq!(files::list(folder.path()).unwrap().len(), 1, "nothing is left beside it");
        let error = stage(&target, "none").publish_file("c").unwrap_err();
        assert!(error.is_not_found() && error.path == target, "{error:?}");
        assert_eq!(files::read(&target).unwrap(), b"new b");
    }

    #[test]
    fn a_build_that_is_busy_is_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        let _busy = Staging::new(&target).unwrap();
        let error = Staging::new(&target).unwrap_err();
        let partial = folder.path().join(".out.partial");
        let expected = format!("cannot use, as another build is using it, `{}`", partial.display());
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.source.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_staged_file_is_made_again_and_grows_where_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::new(&folder.path().join("out")).unwrap();
        staging.create("a").unwrap().write_at(0, b"what was before").unwrap();
        let mut output = staging.create("a").unwrap();
        assert_eq!(staging.path("a"), staging.folder().join("a"));
        output.write_at(2, b"xy").unwrap();
        output.zeros(3, 1).unwrap();
        assert_eq!(output.reader().unwrap().len(), 4, "zeros within take nothing away");
        output.zeros(4, 3).unwrap();
        assert_eq!(output.reader().unwrap().len(), 7);
        output.sync().unwrap();
        staging.sync("a").unwrap();
        assert_eq!(files::read(&staging.path("a")).unwrap(), b"\0\0xy\0\0\0");
        output.set_len(3).unwrap();
        assert_eq!(files::read(&staging.path("a")).unwrap(), b"\0\0x");
        assert!(staging.sync("b").unwrap_err().is_not_found());
        // A sink's error names the file, through whatever writer it passes.
        let error = output.write_at(u64::MAX, b"x").unwrap_err();
        let found = files::file_error(&error).unwrap();
        assert_eq!((found.action, found.path.as_path()), ("write", staging.path("a").as_path()));
        assert_eq!(error.kind(), found.source.kind());
    }

    /// An image that a killed build moved aside comes back, unless a newer one is in its place.
    #[test]
    fn an_image_that_stands_aside_comes_back() {
        for (is_there, expected) in [(false, "old a"), (true, "new a")] {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("out");
            stage(&folder.path().join(".out.old"), "old").publish(&names(&[]), &[]).unwrap();
            if is_there {
                stage(&target, "new").publish(&names(&[]), &[]).unwrap();
                stage(&folder.path().join(".out.old"), "old").publish(&names(&[]), &[]).unwrap();
            }
            drop(Staging::new(&target).unwrap());
            assert_eq!(contents(&target)["a"], expected);
            assert_eq!(files::list(folder.path()).unwrap().len(), 1);
        }
    }

    /// renameat2(2): what a file system without `RENAME_EXCHANGE` and a kernel without the call say.
    #[test]
    fn a_file_system_that_cannot_exchange_is_no_failure() {
        for (number, expected) in [
            (Errno::INVAL, true),
            (Errno::NOSYS, true),
            (Errno::NOTSUP, true),
            (Errno::NOENT, false),
            (Errno::ACCESS, false),
            (Errno::XDEV, false),
        ] {
            let error = io::Error::from_raw_os_error(number.raw_os_error());
            assert_eq!(cannot_exchange(&error), expected, "{error}");
        }
        assert!(!cannot_exchange(&io::Error::other("no code")));
    }
}
