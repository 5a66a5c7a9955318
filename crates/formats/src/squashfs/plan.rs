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

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &[u8], inode: Inode<Vec<u8>>) -> String {
        let mut tree = Tree::new(Meta::root(0o755, 0));
        tree.put(path, inode).unwrap();
        Plan::new(&tree, &Options::new(0)).err().unwrap().to_string()
    }

    fn device(major: u32, minor: u32) -> Inode<Vec<u8>> {
        let node = Node::BlockDevice(Device { major, minor });
        Inode { meta: Meta::root(0o600, 0), node }
    }

    #[test]
    fn what_the_format_can_not_store_is_named() {
        let file = |meta| Inode::file(meta, Vec::new());
        for (inode, expected) in [
            (file(Meta::root(0o10000, 0)), "its mode must be at most 07777, found 0o10000"),
            (file(Meta::root(0, -1)), "its mtime must be 0 to 4294967295, found -1"),
            (file(Meta::root(0, 1 << 32)), "its mtime must be 0 to 4294967295, found 4294967296"),
            (Inode::symlink("", 0), "its target must be 1 to 4095 bytes, found 0"),
            (Inode::symlink("x".repeat(4096), 0), "its target must be 1 to 4095 bytes, found 4096"),
            (device(4096, 0), "device numbers must be at most 4095 and 1048575, found 4096 and 0"),
            (
                device(0, 1 << 20),
                "device numbers must be at most 4095 and 1048575, found 0 and 1048576",
            ),
        ] {
            assert_eq!(refusal(b"a", inode), format!("squashfs cannot store `/a`: {expected}"));
        }
        let mut tree = Tree::new(Meta::root(0o755, 0));
        let deep = vec!["d".repeat(255); 16].join("/");
        assert_eq!(deep.len(), 4095);
        tree.make_directories(deep.as_bytes(), &Meta::root(0o755, 0)).unwrap();
        assert!(Plan::new(&tree, &Options::new(0)).is_ok());
        let deeper = format!("{deep}/f");
        tree.put(deeper.as_bytes(), Inode::file(Meta::root(0, 0), Vec::new())).unwrap();
        let found = Plan::new(&tree, &Options::new(0)).err().unwrap().to_string();
        assert!(found.ends_with("paths must have at most 4095 bytes, found 4097"), "{found}");
    }

    #[test]
    fn options_have_ranges() {
        let tree = Tree::<Vec<u8>>::new(Meta::root(0o755, 0));
        for (block_size, is_ok) in
            [(2048, false), (4096, true), (6144, false), (1 << 20, true), (1 << 21, false)]
        {
            let plan = Plan::new(&tree, &Options { block_size, ..Options::new(0) });
            match plan {
                Ok(_) => assert!(is_ok, "{block_size}"),
                Err(error) => {
                    let range = "a power of two, 4 KiB to 1 MiB";
                    let expected =
                        format!("squashfs: the block size must be {range}, found {block_size}");
                    assert_eq!((is_ok, error.to_string()), (false, expected));
                }
            }
        }
    }

    /// `new_encode_dev`, by hand: minor bits 0 to 7, major bits 8 to 19, minor bits 20 to 31.
    #[test]
    fn device_numbers_are_packed_as_linux_packs_them() {
        for (major, minor, packed) in [
            (0, 0, 0),
            (8, 1, 0x0801),
            (0xfff, 0xff, 0xf_ffff),
            (1, 0x100, 0x0010_0100),
            (0xfff, 0xf_ffff, u32::MAX),
            (0x123, 0x4_5678, 0x4561_2378),
        ] {
            let device = Device { major, minor };
            assert_eq!(encode_device(device), Ok(packed), "{major}:{minor}");
            assert_eq!(decode_device(packed), device);
        }
    }

    #[test]
    fn users_and_groups_are_counted_in_16_bits() {
        let mut ids = Ids::default();
        for id in 0..65_535 {
            ids.add(id).unwrap();
        }
        ids.add(7).unwrap();
        assert_eq!((ids.values.len(), ids.number(65_534)), (65_535, 65_534));
        assert_eq!(
            ids.add(65_535).unwrap_err().to_string(),
            "squashfs holds at most 65535 users and groups, found 65536"
        );
    }

    /// What a directory names stands together, behind what its subdirectories name; the root is last.
    #[test]
    fn inodes_are_numbered_from_the_leaves() {
        let mut tree = Tree::new(Meta::root(0o755, 0));
        for path in ["a", "a/b", "z"] {
            tree.make_directories(path.as_bytes(), &Meta::root(0o755, 0)).unwrap();
        }
        let file = |contents: &str| Inode::file(Meta::root(0, 0), contents.as_bytes().to_vec());
        let first = tree.put(b"a/b/f", file("xx")).unwrap();
        tree.put(b"a/g", file("yy")).unwrap();
        tree.put(b"h", file("")).unwrap();
        tree.link(b"i", first).unwrap();
        let plan = Plan::new(&tree, &Options::new(0)).unwrap();
        let number = |path: &str| plan.numbers[tree.lookup(path.as_bytes()).unwrap().index()];
        let numbers = ["a/b/f", "a/b", "a/g", "a", "h", "z", ""].map(number);
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((plan.inodes(), number("i")), (7, 1));
        let parents: Vec<_> = plan
            .directories
            .iter()
            .map(|(id, parent)| (plan.numbers[id.index()], *parent))
            .collect();
        assert_eq!(parents, [(6, 7), (2, 4), (4, 7), (7, 8)]);
        // Only files of one length can have one content; empty ones have none.
        let twins: Vec<_> =
            plan.files.iter().map(|file| (file.path.as_str(), file.has_twin)).collect();
        assert_eq!(twins, [("a/b/f", true), ("a/g", true), ("h", false)]);
        assert_eq!(plan.links[first.index()], 2);
    }
}
