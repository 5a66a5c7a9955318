//! What is known of an image before anything is compressed.

use std::collections::BTreeMap;

use super::codec::Encoder;
use super::spec::{self, BLOCK_SIZE_MAX, BLOCK_SIZE_MIN};
use super::xattr::XattrSets;
use super::{Error, Options};
use crate::source::Source;
use crate::tree::{Device, Inode, InodeId, Meta, Node, Tree};

/// The longest path Linux opens (`PATH_MAX` less its NUL, `linux/limits.h`), also of a link's
/// target.
pub(super) const PATH_LEN_MAX: usize = 4095;

/// A tree that can be written: every inode is checked and numbered.
pub struct Plan<'a, C> {
    pub(super) tree: &'a Tree<C>,
    pub(super) options: Options,
    pub(super) encoder: Encoder<'a>,
    /// Inode numbers from 1 by slot; 0 for slots that are not reachable.
    pub(super) numbers: Vec<u32>,
    /// How many inodes are reachable.
    pub(super) inodes: u32,
    /// Names of each inode by slot.
    pub(super) links: Vec<u32>,
    /// Index into the xattr table by slot.
    pub(super) xattrs: Vec<u32>,
    pub(super) xattr_sets: XattrSets<'a>,
    /// Every directory with its parent's number, children before parents.
    pub(super) directories: Vec<(InodeId, u32)>,
    pub(super) files: Vec<FilePlan<'a, C>>,
    /// Index into `files` by slot.
    pub(super) file_of: BTreeMap<InodeId, usize>,
    pub(super) ids: Ids,
}

/// A regular file, once however many names it has.
pub(super) struct FilePlan<'a, C> {
    pub(super) path: String,
    pub(super) content: &'a C,
    pub(super) len: u64,
    /// True if another file has the same length, so that contents must be compared.
    pub(super) has_twin: bool,
}

/// Users and groups, each once, numbered in the order they were first met.
#[derive(Default)]
pub(super) struct Ids {
    numbers: BTreeMap<u32, u16>,
    pub(super) values: Vec<u32>,
}

impl Ids {
    fn add(&mut self, id: u32) -> Result<(), Error> {
        if self.numbers.contains_key(&id) {
            return Ok(());
        }
        // The superblock counts them in 16 bits, so the last index is 65534.
        let number = u16::try_from(self.values.len()).ok().filter(|&n| n < u16::MAX);
        let number = number.ok_or(Error::TooMany {
            what: "users and groups",
            limit: u16::MAX.into(),
            found: u64::from(u16::MAX) + 1,
        })?;
        self.numbers.insert(id, number);
        self.values.push(id);
        Ok(())
    }

    /// The index of an id that was added.
    pub(super) fn number(&self, id: u32) -> u16 {
        self.numbers.get(&id).copied().unwrap_or_default()
    }
}

impl<'a, C: Source> Plan<'a, C> {
    /// Checks `tree` and `options` and numbers all inodes. Contents are not read.
    ///
    /// # Errors
    /// [`Error::Option`] outside an option's range; [`Error::Unrepresentable`] names the first path
    /// squashfs can't store: a time outside 1970 to 2106, an xattr outside `user.`, `trusted.` and
    /// `security.` (POSIX ACLs are one), a device number above 12 + 20 bits; [`Error::TooMany`].
    pub fn new(tree: &'a Tree<C>, options: &Options) -> Result<Self, Error> {
        Self::with_encoder(tree, options, Encoder::new(options.compression)?)
    }

    pub(super) fn with_encoder(
        tree: &'a Tree<C>,
        options: &Options,
        encoder: Encoder<'a>,
    ) -> Result<Self, Error> {
        let block_size = options.block_size;
        let range = BLOCK_SIZE_MIN..=BLOCK_SIZE_MAX;
        if !block_size.is_power_of_two() || !range.contains(&block_size) {
            return Err(Error::Option {
                option: "the block size",
                expected: "a power of two, 4 KiB to 1 MiB",
                found: block_size.into(),
            });
        }
        let slots = tree.inode_slots();
        let mut plan = Self {
            tree,
            options: *options,
            encoder,
            numbers: vec![0; slots],
            inodes: 0,
            links: vec![0; slots],
            xattrs: vec![spec::NO_XATTRS; slots],
            xattr_sets: XattrSets::default(),
            directories: Vec::new(),
            files: Vec::new(),
            file_of: BTreeMap::new(),
            ids: Ids::default(),
        };
        for (path, id) in tree.walk() {
            plan.add(&path, id)?;
        }
        plan.mark_twins();
        plan.number()?;
        Ok(plan)
    }

    fn add(&mut self, path: &[u8], id: InodeId) -> Result<(), Error> {
        let slot = id.index();
        self.links[slot] += 1;
        let unrepresentable = |why| Error::Unrepresentable { path: show(path), why };
        if path.len() > PATH_LEN_MAX {
            let found = path.len();
            let why = format!("paths must have at most {PATH_LEN_MAX} bytes, found {found}");
            return Err(unrepresentable(why));
        }
        if self.links[slot] > 1 {
            return Ok(());
        }
        let Inode { meta, node } = self.tree.inode(id);
        check_meta(meta).and_then(|()| check_node(node)).map_err(unrepresentable)?;
        self.ids.add(meta.uid)?;
        self.ids.add(meta.gid)?;
        self.xattrs[slot] = self.xattr_sets.add(&meta.xattrs).map_err(unrepresentable)?;
        match node {
            Node::Directory(_) => self.directories.push((id, 0)),
            Node::File(content) => {
                self.file_of.insert(id, self.files.len());
                let len = content.len();
                self.files.push(FilePlan { path: show(path), content, len, has_twin: false });
            }
            _ => {}
        }
        Ok(())
    }

    fn mark_twins(&mut self) {
        let mut count: BTreeMap<u64, u32> = BTreeMap::new();
        for file in &self.files {
            *count.entry(file.len).or_default() += 1;
        }
        for file in &mut self.files {
            file.has_twin = file.len > 0 && count.get(&file.len).is_some_and(|&n| n > 1);
        }
    }

    /// Numbers inodes in the order they will be written: all that a directory names stand
    /// together, behind what its subdirectories name, so that a listing needs few headers.
    fn number(&mut self) -> Result<(), Error> {
        self.directories.reverse();
        let mut last = 0u32;
        let mut number = |numbers: &mut Vec<u32>, id: InodeId| {
            if numbers[id.index()] == 0 {
                // One number above the last is the root's parent.
                last = last.checked_add(1).filter(|&n| n < u32::MAX).ok_or(Error::TooMany {
                    what: "inodes",
                    limit: u64::from(u32::MAX) - 1,
                    found: u64::from(u32::MAX),
                })?;
                numbers[id.index()] = last;
            }
            Ok::<_, Error>(())
        };
        for &(directory, _) in &self.directories {
            for (_, id) in self.tree.entries(directory) {
                number(&mut self.numbers, id)?;
            }
        }
        number(&mut self.numbers, self.tree.root())?;
        self.inodes = last;
        self.find_parents();
        Ok(())
    }

    fn find_parents(&mut self) {
        let mut parents = vec![self.inodes.saturating_add(1); self.numbers.len()];
        for &(directory, _) in &self.directories {
            for (_, id) in self.tree.entries(directory) {
                parents[id.index()] = self.numbers[directory.index()];
            }
        }
        for (directory, parent) in &mut self.directories {
            *parent = parents[directory.index()];
        }
    }

    /// How many inodes the image will have.
    #[must_use]
    pub fn inodes(&self) -> u32 {
        self.inodes
    }
}

fn check_meta(meta: &Meta) -> Result<(), String> {
    if meta.mode > 0o7777 {
        return Err(format!("its mode must be at most 07777, found {:#o}", meta.mode));
    }
    if u32::try_from(meta.mtime).is_err() {
        return Err(format!("its mtime must be 0 to {}, found {}", u32::MAX, meta.mtime));
    }
    Ok(())
}

fn check_node<C>(node: &Node<C>) -> Result<(), String> {
    match node {
        Node::Symlink(target) => match target.len() {
            1..=PATH_LEN_MAX => Ok(()),
            found => Err(format!("its target must be 1 to {PATH_LEN_MAX} bytes, found {found}")),
        },
        Node::CharDevice(device) | Node::BlockDevice(device) => encode_device(*device).map(|_| ()),
        Node::Directory(_) | Node::File(_) | Node::Fifo | Node::Socket => Ok(()),
    }
}

/// `new_encode_dev` of `include/linux/kdev_t.h`: 12 bits of major, 20 of minor.
pub(super) fn encode_device(device: Device) -> Result<u32, String> {
    let Device { major, minor } = device;
    if major > 0xfff || minor > 0xf_ffff {
        return Err(format!(
            "device numbers must be at most 4095 and 1048575, found {major} and {minor}"
        ));
    }
    Ok((minor & 0xff) | (major << 8) | ((minor & !0xff) << 12))
}

/// `new_decode_dev` of `include/linux/kdev_t.h`.
pub(super) fn decode_device(packed: u32) -> Device {
    Device { major: (packed & 0xf_ff00) >> 8, minor: (packed & 0xff) | ((packed >> 12) & 0xf_ff00) }
}

fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
