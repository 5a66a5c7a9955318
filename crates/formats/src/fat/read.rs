//! Decodes a volume into a tree whose contents stay where they are.

use std::io;

use zerocopy::FromBytes;

use super::boot::{Boot, bytes};
use super::directory::{self, Found};
use super::spec::{ATTR_DIRECTORY, DIRECTORY_MAX, FsInfo, SECTOR};
use super::{Error, Width};
use crate::source::Source;
use crate::tree::{self, Inode, InodeId, Meta, Tree};

/// A decoded volume: what its boot sector says, and its files as a tree.
#[derive(Debug)]
pub struct Volume<'a, S: ?Sized> {
    /// FAT16 or FAT32, by the number of clusters.
    pub width: Width,
    /// `BS_VolID`, the serial number that `blkid` prints as the UUID.
    pub volume_id: u32,
    /// `BS_VolLab`, without the spaces behind it; `NO NAME` for none.
    pub label: String,
    /// Length of the volume in bytes.
    pub len: u64,
    /// Bytes of a cluster: 512 x 2^n.
    pub cluster_len: u64,
    /// Clusters of the volume, by which it is FAT16 or FAT32.
    pub clusters: u64,
    /// Clusters that neither a file nor a directory has.
    pub free_clusters: u64,
    /// Directories are mode 0755, files 0644, owned by root; times are those of the last change.
    pub tree: Tree<File<'a, S>>,
}

impl<S: ?Sized> Volume<'_, S> {
    /// The file or folder at a path, whatever the case of its names: as firmware looks one up (UEFI
    /// 2.11, section 13.3.1.2). Tools write `loader` as `LOADER`, with or without a mark that it was
    /// lower-case.
    #[must_use]
    pub fn lookup(&self, path: &str) -> Option<InodeId> {
        let mut at = self.tree.root();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let is_it =
                |found: &[u8]| str::from_utf8(found).is_ok_and(|found| same_name(found, name));
            at = self.tree.entries(at).find(|(found, _)| is_it(found)).map(|(_, id)| id)?;
        }
        Some(at)
    }
}

/// Whether two names are the same to firmware.
fn same_name(one: &str, other: &str) -> bool {
    one.chars().flat_map(char::to_lowercase).eq(other.chars().flat_map(char::to_lowercase))
}

/// A file's contents: a source that stays in the volume.
#[derive(Debug)]
pub struct File<'a, S: ?Sized> {
    volume: &'a S,
    len: u64,
    /// Offset and length of its parts in the volume, neighbours joined.
    runs: Vec<(u64, u64)>,
}

impl<S: ?Sized> Clone for File<'_, S> {
    fn clone(&self) -> Self {
        Self { volume: self.volume, len: self.len, runs: self.runs.clone() }
    }
}

impl<S: ?Sized> File<'_, S> {
    /// Offset and length in bytes of the file's parts in the volume; one for a contiguous file.
    #[must_use]
    pub fn runs(&self) -> &[(u64, u64)] {
        &self.runs
    }
}

impl<S: Source + ?Sized> Source for File<'_, S> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let inside = offset.checked_add(buf.len() as u64).is_some_and(|end| end <= self.len);
        if !inside {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut skip = offset;
        let mut rest = buf;
        for &(at, len) in &self.runs {
            if skip >= len {
                skip -= len;
                continue;
            }
            let step = usize::try_from(len - skip).unwrap_or(usize::MAX).min(rest.len());
            let (part, behind) = rest.split_at_mut(step);
            self.volume.read_at(at + skip, part)?;
            rest = behind;
            skip = 0;
        }
        if rest.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// Reads a volume of 512-byte sectors.
///
/// # Errors
/// [`Error::Corrupt`] for a boot sector that contradicts itself, FATs that differ, a chain that
/// leaves the volume, ends early or crosses another, a wrong free count, wrong `.` and `..`, or a
/// long name that does not belong to its entry; [`Error::Unsupported`] for FAT12 and other sectors.
pub fn read<S: Source + ?Sized>(source: &S) -> Result<Volume<'_, S>, Error> {
    let boot = Boot::read(source)?;
    let fat = boot.read_fat(source)?;
    let mut walk = Walk { source, boot, used: vec![false; fat.len()], fat, free: boot.clusters };
    let tree = walk.tree()?;
    walk.check_free()?;
    Ok(Volume {
        width: boot.width,
        volume_id: boot.volume_id,
        label: String::from_utf8_lossy(&boot.label).trim_end().to_owned(),
        len: boot.sectors * SECTOR,
        cluster_len: boot.cluster_len,
        clusters: boot.clusters,
        free_clusters: walk.free,
        tree,
    })
}

/// A directory to read: where it is, and the cluster that its `..` must name.
struct Pending {
    path: Vec<u8>,
    cluster: u64,
    parent: u64,
}

impl Pending {
    fn place(&self) -> directory::Place {
        let Self { path, cluster, parent } = self;
        directory::Place { is_root: path.is_empty(), cluster: *cluster, parent: *parent }
    }
}

struct Walk<'a, S: ?Sized> {
    source: &'a S,
    boot: Boot,
    fat: Vec<u32>,
    /// Clusters that a chain has passed.
    used: Vec<bool>,
    free: u64,
}

impl<'a, S: Source + ?Sized> Walk<'a, S> {
    fn tree(&mut self) -> Result<Tree<File<'a, S>>, Error> {
        let mut tree = Tree::new(Meta::root(0o755, 0));
        let mut pending = vec![Pending { path: Vec::new(), cluster: 0, parent: 0 }];
        while let Some(directory) = pending.pop() {
            let entries = self.directory_bytes(directory.cluster)?;
            let at = self.offset_of(directory.cluster);
            let found = directory::decode(&entries, at, &directory.place())?;
            let below = pending.len();
            for Found { name, entry } in found {
                if !tree::is_valid_name(&name) {
                    let why = format!("the invalid name `{}`", String::from_utf8_lossy(&name));
                    return Err(Error::corrupt("directory", at, why));
                }
                let path = match directory.path.as_slice() {
                    [] => name,
                    parent => [parent, &name].join(&b'/'),
                };
                let cluster = entry.first_cluster();
                let mtime = directory::seconds(&entry);
                let taken = tree.lookup(&path).is_some();
                let inode = if entry.attributes & ATTR_DIRECTORY != 0 {
                    pending.push(Pending {
                        path: path.clone(),
                        cluster,
                        parent: directory.cluster,
                    });
                    Inode::directory(Meta::root(0o755, mtime))
                } else {
                    let file = self.file(cluster, u64::from(entry.size.get()), at)?;
                    Inode::file(Meta::root(0o644, mtime), file)
                };
                let put = tree.put(&path, inode).map_err(|error| error.to_string());
                match put {
                    Ok(_) if !taken => {}
                    Ok(_) => return Err(Error::corrupt("directory", at, "a name comes twice")),
                    Err(why) => return Err(Error::corrupt("directory", at, why)),
                }
            }
            pending[below..].reverse();
        }
        Ok(tree)
    }

    fn offset_of(&self, cluster: u64) -> u64 {
        match (cluster, self.boot.width) {
            (0, Width::Fat16) => self.boot.root_offset,
            (0, Width::Fat32) => self.cluster_offset(self.boot.root_cluster),
            _ => self.cluster_offset(cluster),
        }
    }

    fn cluster_offset(&self, cluster: u64) -> u64 {
        // Clusters have 28 bits and at most 64 KiB, so this fits for any number on the volume.
        self.boot.data_offset + cluster.saturating_sub(2) * self.boot.cluster_len
    }

    /// The whole of a directory; cluster 0 is the root.
    fn directory_bytes(&mut self, cluster: u64) -> Result<Vec<u8>, Error> {
        let first = match (cluster, self.boot.width) {
            (0, Width::Fat16) => {
                return bytes(self.source, self.boot.root_offset, self.boot.root_len);
            }
            (0, Width::Fat32) => self.boot.root_cluster,
            _ => cluster,
        };
        let runs = self.chain(first)?;
        let len: u64 = runs.iter().map(|&(_, len)| len).sum();
        if len > DIRECTORY_MAX.max(self.boot.cluster_len) {
            let why = format!("{len} bytes, at most {DIRECTORY_MAX}");
            return Err(Error::corrupt("directory", self.cluster_offset(first), why));
        }
        let mut whole = Vec::new();
        for (at, len) in runs {
            whole.extend_from_slice(&bytes(self.source, at, len)?);
        }
        Ok(whole)
    }

    fn file(&mut self, first: u64, len: u64, at: u64) -> Result<File<'a, S>, Error> {
        let runs = match (first, len) {
            (0, 0) => Vec::new(),
            _ => self.chain(first)?,
        };
        let room: u64 = runs.iter().map(|&(_, len)| len).sum();
        if room != len.next_multiple_of(self.boot.cluster_len) {
            let why = format!("a file of {len} bytes has {room} bytes of clusters");
            return Err(Error::corrupt("directory", at, why));
        }
        Ok(File { volume: self.source, len, runs })
    }

    /// Follows a chain and marks its clusters; a cluster passed before is an error, so that a loop
    /// ends.
    fn chain(&mut self, first: u64) -> Result<Vec<(u64, u64)>, Error> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        let mut cluster = first;
        loop {
            let at = self.boot.fat_offset;
            let index = usize::try_from(cluster).unwrap_or(usize::MAX);
            let (Some(&next), Some(used), 2..) =
                (self.fat.get(index), self.used.get_mut(index), cluster)
            else {
                return Err(Error::corrupt(
                    "table",
                    at,
                    format!("cluster {cluster} is not on the volume"),
                ));
            };
            if std::mem::replace(used, true) {
                return Err(Error::corrupt(
                    "table",
                    at,
                    format!("cluster {cluster} is used twice"),
                ));
            }
            self.free -= 1;
            let offset = self.cluster_offset(cluster);
            match runs.last_mut() {
                Some((start, len)) if *start + *len == offset => *len += self.boot.cluster_len,
                _ => runs.push((offset, self.boot.cluster_len)),
            }
            match next {
                0x0fff_fff8.. => return Ok(runs),
                next => cluster = u64::from(next),
            }
        }
    }

    /// Every cluster without an owner must be free, and FSInfo must count them.
    fn check_free(&self) -> Result<(), Error> {
        let lost = self
            .fat
            .iter()
            .zip(&self.used)
            .skip(2)
            .position(|(&next, &used)| !used && next != 0 && next != 0x0fff_fff7);
        if let Some(at) = lost {
            let why = format!("cluster {} is allocated, but no file has it", at + 2);
            return Err(Error::corrupt("table", self.boot.fat_offset, why));
        }
        if self.boot.width == Width::Fat16 {
            return Ok(());
        }
        let at = self.boot.fs_info * SECTOR;
        let sector = bytes(self.source, at, SECTOR)?;
        let info = FsInfo::read_from_bytes(&sector)
            .map_err(|_| Error::corrupt("FSInfo", at, "too short"))?;
        let signed = info.lead.get() == FsInfo::LEAD
            && info.structure.get() == FsInfo::STRUCT
            && info.trail.get() == FsInfo::TRAIL;
        let counted = u64::from(info.free_clusters.get());
        if !signed {
            return Err(Error::corrupt("FSInfo", at, "expected its three signatures"));
        }
        // All ones: not counted.
        if counted != self.free && counted != u64::from(u32::MAX) {
            let why = format!("expected {} free clusters, found {counted}", self.free);
            return Err(Error::corrupt("FSInfo", at, why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fat::{Options, Plan};
    use crate::source::read_all;
    use crate::tree::{Node, split};

    /// A volume of 512-byte clusters, in the order of the entries: `A` has clusters 2 to 4, the
    /// directory `D` 5, `D/B` 6.
    fn volume(width: Width) -> Vec<u8> {
        written(width, &[("A", vec![b'a'; 1100]), ("D/B", vec![b'b'; 10])])
    }

    fn written(width: Width, files: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut tree = Tree::new(Meta::root(0o755, 0));
        for (path, contents) in files {
            tree.make_directories(split(path.as_bytes()).0, &Meta::root(0o755, 0)).unwrap();
            let file = Inode::file(Meta::root(0o644, 0), contents.clone());
            tree.put(path.as_bytes(), file).unwrap();
        }
        let mut bytes = Vec::new();
        let options = Options { width, ..Options::default() };
        Plan::new(&tree, &options).unwrap().write(&mut bytes).unwrap();
        bytes
    }

    /// Sets entries of both copies of a FAT16.
    fn with_chain(mut bytes: Vec<u8>, entries: &[(usize, u16)]) -> Vec<u8> {
        let boot = Boot::read(&bytes).unwrap();
        for copy in 0..boot.fats {
            let fat = usize::try_from(boot.fat_offset + copy * boot.fat_len).unwrap();
            for &(cluster, value) in entries {
                bytes[fat + 2 * cluster..fat + 2 * cluster + 2]
                    .copy_from_slice(&value.to_le_bytes());
            }
        }
        bytes
    }

    fn refusal(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().to_string()
    }

    #[test]
    fn chains_that_leave_cross_or_end_early_are_refused() {
        let whole = volume(Width::Fat16);
        let boot = Boot::read(&whole).unwrap();
        let behind = u16::try_from(boot.clusters + 2).unwrap();
        let root = boot.root_offset;
        let rows: [(&[(usize, u16)], String); 9] = [
            (&[(4, 0)], "FAT table at byte 0x200: cluster 0 is not on the volume".into()),
            (&[(4, 1)], "FAT table at byte 0x200: cluster 1 is not on the volume".into()),
            (
                &[(4, behind)],
                format!("FAT table at byte 0x200: cluster {behind} is not on the volume"),
            ),
            (&[(3, 2)], "FAT table at byte 0x200: cluster 2 is used twice".into()),
            (&[(6, 5)], "FAT table at byte 0x200: cluster 5 is used twice".into()),
            (
                &[(3, 0xffff), (4, 0)],
                format!(
                    "FAT directory at byte {root:#x}: a file of 1100 bytes has 1024 bytes of clusters"
                ),
            ),
            (
                &[(4, 7), (7, 0xffff)],
                format!(
                    "FAT directory at byte {root:#x}: a file of 1100 bytes has 2048 bytes of clusters"
                ),
            ),
            (
                &[(9, 0xffff)],
                "FAT table at byte 0x200: cluster 9 is allocated, but no file has it".into(),
            ),
            (
                &[(usize::from(behind) - 1, 1)],
                format!(
                    "FAT table at byte 0x200: cluster {} is allocated, but no file has it",
                    behind - 1
                ),
            ),
        ];
        for (entries, expected) in rows {
            assert_eq!(refusal(&with_chain(whole.clone(), entries)), expected);
        }
        // The mark of a bad cluster (FAT 1.03, "FAT Data Structure") and every mark of an end.
        for entries in [(9, 0xfff7), (4, 0xfff8), (4, 0xffff)] {
            assert!(read(&with_chain(whole.clone(), &[entries])).is_ok(), "{entries:x?}");
        }
    }

    #[test]
    fn a_directory_has_at_most_65536_entries() {
        let mut whole = volume(Width::Fat16);
        let at = Boot::read(&whole).unwrap().data_offset + 3 * 512;
        let chain: Vec<(usize, u16)> =
            (5..5 + 4096).map(|cluster| (cluster, u16::try_from(cluster + 1).unwrap())).collect();
        whole = with_chain(whole, &chain);
        whole = with_chain(whole, &[(5 + 4096, 0xffff)]);
        assert_eq!(
            refusal(&whole),
            format!("FAT directory at byte {at:#x}: 2097664 bytes, at most 2097152")
        );
    }

    #[test]
    fn every_name_of_a_directory_comes_once() {
        let mut files = written(Width::Fat16, &[("A", vec![1]), ("B", vec![2])]);
        let root = usize::try_from(Boot::read(&files).unwrap().root_offset).unwrap();
        files[root + 32] = b'A';
        assert_eq!(refusal(&files), format!("FAT directory at byte {root:#x}: a name comes twice"));
        let mut mixed = volume(Width::Fat16);
        mixed[root + 32] = b'A';
        let expected = format!("FAT directory at byte {root:#x}: `/A` exists already");
        assert_eq!(refusal(&mixed), expected);
        // A name that would lie elsewhere in the tree.
        let mut slash = volume(Width::Fat16);
        slash[root..root + 3].copy_from_slice(b"D/X");
        let expected = format!("FAT directory at byte {root:#x}: the invalid name `D/X`");
        assert_eq!(refusal(&slash), expected);
    }

    #[test]
    fn a_file_in_pieces_is_one_source() {
        let mut bytes = volume(Width::Fat16);
        let start = Boot::read(&bytes).unwrap().data_offset;
        let place = |cluster: u64| start + (cluster - 2) * 512;
        for (cluster, fill) in [(2, b'1'), (8, b'2'), (3, b'3')] {
            let at = usize::try_from(place(cluster)).unwrap();
            bytes[at..at + 512].fill(fill);
        }
        bytes = with_chain(bytes, &[(2, 8), (8, 3), (3, 0xfff8), (4, 0)]);
        let volume = read(&bytes).unwrap();
        let id = volume.lookup("a").unwrap();
        let Node::File(file) = &volume.tree.inode(id).node else { panic!("{id:?}") };
        assert_eq!(file.runs(), [(place(2), 512), (place(8), 512), (place(3), 512)]);
        let expected = [[b'1'; 512], [b'2'; 512], [b'3'; 512]].concat();
        assert_eq!(read_all(file, 1100).unwrap(), expected[..1100]);
        for (offset, len) in [(0, 1), (511, 2), (512, 512), (500, 600), (1099, 1), (1100, 0)] {
            let mut buf = vec![0; len];
            file.read_at(offset, &mut buf).unwrap();
            let start = usize::try_from(offset).unwrap();
            assert_eq!(buf, expected[start..start + len], "{offset}+{len}");
        }
        for (offset, len) in [(1100, 1), (1099, 2), (u64::MAX, 1)] {
            let error = file.read_at(offset, &mut vec![0; len]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{offset}+{len}");
        }
    }

    /// UEFI 2.11, section 13.3.1.2: firmware looks names up whatever their case.
    #[test]
    fn names_are_found_whatever_their_case() {
        let bytes = written(Width::Fat16, &[("EFI/Größe.efi", vec![1])]);
        let volume = read(&bytes).unwrap();
        for path in ["EFI/Größe.efi", "efi/GRÖSSE.efi", "/EFI//größe.EFI"] {
            let found = volume.lookup(path).is_some();
            // U+00DF has no capital of one character that would make it the same name.
            assert_eq!(found, !path.contains("SS"), "{path}");
        }
        assert_eq!(volume.lookup(""), Some(volume.tree.root()));
        assert_eq!(volume.lookup("EFI/none"), None);
    }

    /// FAT 1.03, "FSInfo Sector Structure": three signatures, and a count that may be unknown.
    #[test]
    fn fsinfo_counts_the_free_clusters() {
        let whole = volume(Width::Fat32);
        let free = read(&whole).unwrap().free_clusters;
        let info = 512;
        for (at, value) in [(0, 0), (484, 0), (508, 1)] {
            let mut broken = whole.clone();
            broken[info + at] = value;
            let expected = "FAT FSInfo at byte 0x200: expected its three signatures";
            assert_eq!(refusal(&broken), expected);
        }
        let mut wrong = whole.clone();
        wrong[info + 488..info + 492].copy_from_slice(&7u32.to_le_bytes());
        let expected = format!("FAT FSInfo at byte 0x200: expected {free} free clusters, found 7");
        assert_eq!(refusal(&wrong), expected);
        let mut unknown = whole;
        unknown[info + 488..info + 492].fill(0xff);
        assert_eq!(read(&unknown).unwrap().free_clusters, free);
    }
}
