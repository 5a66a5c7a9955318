//! The root file system: which format it has, what reads it in the guest, how it is written and read back.
//!
//! Another format is a variant here and a module in `cvmkit_formats`.

use cvmkit_formats::sink::Sink;
use cvmkit_formats::source::Source;
use cvmkit_formats::squashfs::{self, FileExtent, Limits};
use cvmkit_formats::tree::{Node, Tree};
use cvmkit_host::timestamp::Timestamp;

use thiserror::Error;

use crate::content::Content;
use crate::definition::{Compression, Root};

/// Why a root file system can't be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RootError {
    /// What a squashfs can't hold, or one that does not decode.
    #[error(transparent)]
    Squashfs(#[from] squashfs::Error),
    /// A time that its superblock has no room for.
    #[error("the root file system can't be of {0}, expected a time from 1970 to 2106")]
    Time(Timestamp),
}

/// The format of a root file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootFormat {
    /// Squashfs 4.0.
    Squashfs,
}

impl RootFormat {
    /// The format that a definition asks for.
    #[must_use]
    pub fn of(_: &Root) -> Self {
        Self::Squashfs
    }

    /// The format that a manifest names so; none for a name that is not known.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Squashfs].into_iter().find(|format| format.name() == name)
    }

    /// Its name in a manifest, and as the kernel lists it in `/proc/filesystems`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Squashfs => "squashfs",
        }
    }

    /// The kernel module that stage 1 loads to mount it.
    #[must_use]
    pub fn module(self) -> &'static str {
        match self {
            Self::Squashfs => "squashfs",
        }
    }

    /// Writes the tree; answers the length in bytes.
    ///
    /// # Errors
    /// What the format can't hold, or what the disk of the host says.
    pub(super) fn write(
        self,
        tree: &Tree<Content>,
        root: &Root,
        timestamp: Timestamp,
        sink: &mut impl Sink,
    ) -> Result<u64, RootError> {
        match self {
            Self::Squashfs => {
                let level = root.level.try_into().unwrap_or(u8::MAX);
                let options = squashfs::Options {
                    block_size: root.block_size,
                    compression: match root.compression {
                        Compression::Zstd => squashfs::Compression::Zstd { level },
                        Compression::Gzip => squashfs::Compression::Gzip { level },
                    },
                    mkfs_time: mkfs_time(timestamp)?,
                };
                Ok(squashfs::Plan::new(tree, &options)?.write(sink)?)
            }
        }
    }

    /// Decodes the directories and inodes of a root file system that was written.
    ///
    /// # Errors
    /// What does not decode.
    pub(crate) fn open<S: Source>(self, source: S) -> Result<OpenRoot<S>, RootError> {
        match self {
            Self::Squashfs => {
                let image = squashfs::Image::open(source, &Limits::default())?;
                Ok(OpenRoot { tree: image.tree()?, image })
            }
        }
    }
}

/// Length of the superblock of a squashfs (Linux, `struct squashfs_super_block`).
const SQUASHFS_SUPERBLOCK: u64 = 96;

/// The time of a squashfs, which has 32 bits for it.
fn mkfs_time(timestamp: Timestamp) -> Result<u32, RootError> {
    u32::try_from(timestamp.0).map_err(|_| RootError::Time(timestamp))
}

/// A root file system that decodes, but for the contents of its files.
pub(crate) struct OpenRoot<S> {
    image: squashfs::Image<S>,
    tree: Tree<FileExtent>,
}

impl<S: Source> OpenRoot<S> {
    /// How many names it has, those of directories among them.
    pub(crate) fn names(&self) -> usize {
        self.tree.walk().len()
    }

    /// The length in bytes of each regular file, once however many names it has.
    pub(crate) fn lengths(&self) -> Vec<u64> {
        let mut seen = vec![false; self.tree.inode_slots()];
        let mut found = Vec::new();
        for (_, id) in self.tree.walk() {
            let known = seen.get_mut(id.index()).is_some_and(|seen| std::mem::replace(seen, true));
            if let (false, Node::File(extent)) = (known, &self.tree.inode(id).node) {
                found.push(extent.len());
            }
        }
        found
    }

    /// True if something is at `path`, be it a link to nowhere.
    pub(crate) fn contains(&self, path: &[u8]) -> bool {
        self.tree.lookup(path).is_some()
    }

    /// The contents of the regular file at `path`, links followed, as a boot would find it; none if there
    /// is no such file, it is longer than `limit` bytes, or it does not decode.
    pub(crate) fn file(&self, path: &[u8], limit: u64) -> Option<Vec<u8>> {
        let id = self.tree.resolve(path).ok()?;
        let Node::File(extent) = &self.tree.inode(id).node else { return None };
        if extent.len() > limit {
            return None;
        }
        let mut contents = Vec::new();
        let visited = self.image.visit(extent, |block| {
            contents.extend_from_slice(block);
            Ok(())
        });
        visited.ok().map(|()| contents)
    }

    /// Where its parts lie.
    pub(crate) fn layout(&self) -> RootLayout {
        let superblock = self.image.superblock();
        RootLayout {
            contents: SQUASHFS_SUPERBLOCK,
            inodes: superblock.inode_table.get(),
            tables: superblock.directory_table.get(),
            end: superblock.bytes_used.get(),
        }
    }

    /// Writes it again of what it decodes to, contents and all.
    ///
    /// # Errors
    /// Contents that do not decode, or the sink's.
    pub(crate) fn rewrite(
        self,
        timestamp: Timestamp,
        sink: &mut impl Sink,
    ) -> Result<u64, RootError> {
        let time = mkfs_time(timestamp)?;
        Ok(squashfs::rewrite(&self.image, self.tree, time, sink)?)
    }
}

/// Offsets of the parts of a root file system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RootLayout {
    contents: u64,
    inodes: u64,
    tables: u64,
    end: u64,
}

impl RootLayout {
    /// What the byte at an offset belongs to.
    pub(crate) fn part(self, at: u64) -> &'static str {
        match at {
            _ if at < self.contents => "the superblock of the root file system",
            _ if at < self.inodes => "the contents of the root file system",
            _ if at < self.tables => "the inodes of the root file system",
            _ if at < self.end => "the tables of the root file system",
            _ => "the padding behind the root file system",
        }
    }
}

#[cfg(test)]
mod tests {
    use cvmkit_formats::tree::{Inode, Meta};

    use super::*;

    fn root() -> Root {
        Root { compression: Compression::Zstd, level: 3, block_size: 131_072 }
    }

    fn tree() -> Tree<Content> {
        let mut tree = Tree::new(Meta::root(0o755, 0));
        tree.make_directories(b"etc", &Meta::root(0o755, 0)).unwrap();
        let file = |text: &'static str| Inode::file(Meta::root(0o644, 0), text.into());
        let id = tree.put(b"etc/long", file("more than four")).unwrap();
        tree.put(b"etc/short", file("four")).unwrap();
        tree.put(b"etc/link", Inode::symlink("short", 0)).unwrap();
        tree.link(b"etc/same", id).unwrap();
        tree
    }

    fn written(timestamp: Timestamp) -> Result<Vec<u8>, RootError> {
        let mut bytes = Vec::new();
        RootFormat::Squashfs.write(&tree(), &root(), timestamp, &mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn a_format_is_found_by_its_name_alone() {
        assert_eq!(RootFormat::of_name("squashfs"), Some(RootFormat::Squashfs));
        assert_eq!(RootFormat::of_name("SQUASHFS"), None);
    }

    #[test]
    fn what_was_written_is_read_and_written_again() {
        let bytes = written(Timestamp(7)).unwrap();
        let open = |bytes: &[u8]| RootFormat::Squashfs.open(bytes.to_vec());
        let opened = open(&bytes).unwrap();
        let mut lengths = opened.lengths();
        lengths.sort_unstable();
        assert_eq!((lengths, opened.names()), (vec![4, 14], 6));
        assert!(opened.contains(b"etc/link") && !opened.contains(b"etc/none"));
        assert_eq!(opened.file(b"etc/link", 4), Some(b"four".to_vec()));
        assert_eq!(opened.file(b"etc/long", 4), None);
        assert_eq!(opened.file(b"etc", 4), None);
        let mut again = Vec::new();
        opened.rewrite(Timestamp(7), &mut again).unwrap();
        assert_eq!(again, bytes);
        assert!(open(&bytes[..50]).is_err());
    }

    #[test]
    fn each_byte_is_of_a_part() {
        let bytes = written(Timestamp(0)).unwrap();
        let layout = RootFormat::Squashfs.open(bytes.clone()).unwrap().layout();
        let part =
            |at| layout.part(at).strip_suffix(" of the root file system").unwrap_or("padding");
        assert_eq!(part(0), "the superblock");
        assert_eq!(part(96), "the contents");
        assert_eq!(part(layout.inodes), "the inodes");
        assert_eq!(part(layout.end - 1), "the tables");
        assert_eq!(part(layout.end), "padding");
    }

    #[test]
    fn a_time_that_does_not_fit_is_refused() {
        assert!(written(Timestamp(0xffff_ffff)).is_ok());
        for time in [-1, 1 << 32] {
            let error = written(Timestamp(time)).unwrap_err();
            assert!(matches!(error, RootError::Time(_)), "{error}");
        }
    }
}
