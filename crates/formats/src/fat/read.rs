//! Decodes a volume into a tree whose contents stay where they are.

use std::io;

use zerocopy::FromBytes;

use super::spec::{
    ATTR_DIRECTORY, ATTR_LONG_NAME, ATTR_VOLUME_ID, BOOT_SIGNATURE, BootSector, DIRECTORY_MAX,
    DirEntry, FAT16_CLUSTERS_MIN, FAT32_CLUSTERS_END, FAT32_CLUSTERS_MIN, Fat32Part, FsInfo,
    Identity, LAST_LONG_ENTRY, LONG_UNITS, LongEntry, SECTOR, short_name_checksum,
};
use super::{Error, Width};
use crate::source::Source;
use crate::tree::{Inode, InodeId, Meta, Tree};

/// A decoded volume.
#[derive(Debug)]
pub struct Volume<'a, S: ?Sized> {
    /// FAT16 or FAT32.
    pub width: Width,
    /// `BS_VolID`
    pub volume_id: u32,
    /// `BS_VolLab`, without the spaces behind it; `NO NAME` for none.
    pub label: String,
    /// Length of the volume in bytes.
    pub len: u64,
    /// Bytes of a cluster.
    pub cluster_len: u64,
    /// Clusters of the volume.
    pub clusters: u64,
    /// Clusters that no file and no directory has.
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

/// A file of a volume.
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

fn corrupt(what: &'static str, at: u64, why: impl Into<String>) -> Error {
    Error::Corrupt { what, at, why: why.into() }
}

fn bytes<S: Source + ?Sized>(source: &S, at: u64, len: u64) -> Result<Vec<u8>, Error> {
    let inside = at.checked_add(len).is_some_and(|end| end <= source.len());
    if !inside {
        return Err(corrupt("volume", at, format!("{len} bytes leave it")));
    }
    crate::source::Window::new(source, at, len)
        .and_then(|window| crate::source::read_all(&window, len))
        .map_err(|source| Error::Io { role: "reading a FAT volume", source })
}

/// What the boot sector says, checked against itself and the length of the volume.
#[derive(Clone, Copy)]
struct Boot {
    width: Width,
    sectors: u64,
    fat_offset: u64,
    fat_len: u64,
    fats: u64,
    root_offset: u64,
    root_len: u64,
    root_cluster: u64,
    data_offset: u64,
    cluster_len: u64,
    clusters: u64,
    fs_info: u64,
    volume_id: u32,
    label: [u8; 11],
}

impl Boot {
    fn read<S: Source + ?Sized>(source: &S) -> Result<Self, Error> {
        let sector = bytes(source, 0, SECTOR)?;
        let refused = |why: String| corrupt("boot sector", 0, why);
        let short = |_| refused("too short".into());
        if sector.get(510..) != Some(&BOOT_SIGNATURE[..]) {
            return Err(refused("expected 55 aa at its end".into()));
        }
        let (common, rest) = BootSector::read_from_prefix(&sector).map_err(|_| short(()))?;
        let (part, behind) = Fat32Part::read_from_prefix(rest).map_err(|_| short(()))?;
        let per_cluster = u64::from(common.sectors_per_cluster);
        if u64::from(common.bytes_per_sector.get()) != SECTOR {
            let found = common.bytes_per_sector.get();
            return Err(Error::Unsupported(format!("sectors of {found} bytes")));
        }
        if !per_cluster.is_power_of_two() {
            return Err(refused(format!("clusters of {per_cluster} sectors")));
        }
        let either = |small: u16, large: u32| match small {
            0 => u64::from(large),
            small => u64::from(small),
        };
        let sectors = either(common.sectors_16.get(), common.sectors_32.get());
        let fat_sectors = either(common.fat_sectors_16.get(), part.fat_sectors.get());
        let reserved = u64::from(common.reserved_sectors.get());
        let fats = u64::from(common.fats);
        let root_len = u64::from(common.root_entries.get()) * 32;
        let root_sector = reserved + fats * fat_sectors;
        let data_sector = root_sector + root_len.div_ceil(SECTOR);
        if reserved == 0 || fats == 0 || fat_sectors == 0 || data_sector > sectors {
            return Err(refused(format!(
                "{sectors} sectors, of which data starts at {data_sector}"
            )));
        }
        if sectors * SECTOR > source.len() {
            let why = format!("expected {} bytes, found {}", sectors * SECTOR, source.len());
            return Err(refused(why));
        }
        let clusters = (sectors - data_sector) / per_cluster;
        let is_fat32 = common.fat_sectors_16.get() == 0;
        let width = width(clusters, is_fat32)?;
        let identity = if is_fat32 { behind } else { rest };
        let (identity, _) = Identity::read_from_prefix(identity).map_err(|_| short(()))?;
        Ok(Self {
            width,
            sectors,
            fat_offset: reserved * SECTOR,
            fat_len: fat_sectors * SECTOR,
            fats,
            root_offset: root_sector * SECTOR,
            root_len,
            root_cluster: u64::from(part.root_cluster.get()),
            data_offset: data_sector * SECTOR,
            cluster_len: per_cluster * SECTOR,
            clusters,
            fs_info: u64::from(part.fs_info.get()),
            volume_id: identity.volume_id.get(),
            label: identity.label,
        })
    }

    /// The entries of the first FAT, of which every other is a copy.
    fn read_fat<S: Source + ?Sized>(&self, source: &S) -> Result<Vec<u32>, Error> {
        let entry_len = match self.width {
            Width::Fat32 => 4,
            Width::Fat16 => 2,
        };
        let needed = (self.clusters + 2) * entry_len;
        if needed > self.fat_len {
            let why = format!("{} bytes for {} clusters", self.fat_len, self.clusters);
            return Err(corrupt("FAT", self.fat_offset, why));
        }
        let first = bytes(source, self.fat_offset, self.fat_len)?;
        for copy in 1..self.fats {
            let at = self.fat_offset + copy * self.fat_len;
            if bytes(source, at, self.fat_len)? != first {
                return Err(corrupt("FAT", at, "differs from the first one"));
            }
        }
        let kept = first.get(..usize::try_from(needed).unwrap_or(usize::MAX)).unwrap_or(&first);
        Ok(match self.width {
            // The upper 4 bits are reserved (FAT 1.03, "FAT Data Structure").
            Width::Fat32 => kept
                .as_chunks::<4>()
                .0
                .iter()
                .map(|&entry| u32::from_le_bytes(entry) & 0x0fff_ffff)
                .collect(),
            // Marks of FAT16 become those of FAT32.
            Width::Fat16 => kept
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&entry| match u16::from_le_bytes(entry) {
                    mark @ 0xfff7.. => 0x0fff_0000 | u32::from(mark),
                    cluster => u32::from(cluster),
                })
                .collect(),
        })
    }
}

fn width(clusters: u64, is_fat32: bool) -> Result<Width, Error> {
    match clusters {
        0..FAT16_CLUSTERS_MIN => {
            Err(Error::Unsupported(format!("{clusters} clusters make it FAT12")))
        }
        FAT16_CLUSTERS_MIN..FAT32_CLUSTERS_MIN if !is_fat32 => Ok(Width::Fat16),
        FAT32_CLUSTERS_MIN..FAT32_CLUSTERS_END if is_fat32 => Ok(Width::Fat32),
        _ => {
            let why = format!("{clusters} clusters contradict BPB_FATSz16");
            Err(corrupt("boot sector", 0, why))
        }
    }
}

/// A directory to read: where it is, and the cluster that its `..` must name.
struct Pending {
    path: Vec<u8>,
    cluster: u64,
    parent: u64,
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
            let found = decode_directory(&entries, at, &directory)?;
            let below = pending.len();
            for Found { name, entry } in found {
                let path = match directory.path.as_slice() {
                    [] => name,
                    parent => [parent, &name].join(&b'/'),
                };
                let cluster = first_cluster(&entry);
                let mtime = seconds(&entry);
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
                    Ok(_) => return Err(corrupt("directory", at, "a name comes twice")),
                    Err(why) => return Err(corrupt("directory", at, why)),
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
            return Err(corrupt("directory", self.cluster_offset(first), why));
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
            return Err(corrupt("directory", at, why));
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
                return Err(corrupt("FAT", at, format!("cluster {cluster} is not on the volume")));
            };
            if std::mem::replace(used, true) {
                return Err(corrupt("FAT", at, format!("cluster {cluster} is used twice")));
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
            let why = format!("cluster {} belongs to nothing", at + 2);
            return Err(corrupt("FAT", self.boot.fat_offset, why));
        }
        if self.boot.width == Width::Fat16 {
            return Ok(());
        }
        let at = self.boot.fs_info * SECTOR;
        let sector = bytes(self.source, at, SECTOR)?;
        let info =
            FsInfo::read_from_bytes(&sector).map_err(|_| corrupt("FSInfo", at, "too short"))?;
        let signed = info.lead.get() == FsInfo::LEAD
            && info.structure.get() == FsInfo::STRUCT
            && info.trail.get() == FsInfo::TRAIL;
        let counted = u64::from(info.free_clusters.get());
        // All ones: not counted.
        if !signed || (counted != self.free && counted != u64::from(u32::MAX)) {
            let why = format!("expected {} free clusters, found {counted}", self.free);
            return Err(corrupt("FSInfo", at, why));
        }
        Ok(())
    }
}

fn first_cluster(entry: &DirEntry) -> u64 {
    u64::from(entry.cluster_high.get()) << 16 | u64::from(entry.cluster_low.get())
}

struct Found {
    name: Vec<u8>,
    entry: DirEntry,
}

/// Parts of a long name, as they come before the entry they belong to.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    /// The order of the part that must come next; 0 when the entry must.
    expected: u8,
    checksum: u8,
}

impl LongName {
    fn push(&mut self, part: &LongEntry) -> Result<(), String> {
        let order = part.order & !LAST_LONG_ENTRY;
        if part.order & LAST_LONG_ENTRY != 0 {
            if !self.units.is_empty() || !(1..=20).contains(&order) {
                return Err(format!("long name part {:#x} begins a name", part.order));
            }
            *self = Self { units: Vec::new(), expected: order, checksum: part.checksum };
        }
        if order == 0 || order != self.expected || part.checksum != self.checksum {
            return Err(format!("long name part {order}, expected {}", self.expected));
        }
        // Parts come last first.
        self.units.splice(0..0, part.units());
        self.expected -= 1;
        Ok(())
    }

    /// The name, if it belongs to the entry that follows.
    fn take(&mut self, short: &[u8; 11]) -> Result<Option<Vec<u8>>, String> {
        let Self { units, expected, checksum } = std::mem::take(self);
        if units.is_empty() {
            return Ok(None);
        }
        if expected != 0 || checksum != short_name_checksum(short) {
            return Err("a long name without its entry".into());
        }
        let end = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
        let (name, padding) = units.split_at(end);
        let padded = padding.iter().skip(1).all(|&unit| unit == 0xffff);
        if name.is_empty() || padding.len() > LONG_UNITS || !padded {
            return Err("a long name with wrong padding".into());
        }
        let text = String::from_utf16(name).map_err(|_| "a long name that is no UTF-16")?;
        Ok(Some(text.into_bytes()))
    }
}

fn decode_directory(raw: &[u8], at: u64, directory: &Pending) -> Result<Vec<Found>, Error> {
    let refused = |why: String| corrupt("directory", at, why);
    let mut found = Vec::new();
    let mut long = LongName::default();
    let mut dots = 0u8;
    let is_root = directory.path.is_empty();
    for slot in raw.as_chunks::<32>().0 {
        match slot {
            [0, ..] => break,
            // A deleted entry.
            [0xe5, ..] => continue,
            _ => {}
        }
        let entry = DirEntry::read_from_bytes(slot).map_err(|_| refused("too short".into()))?;
        if entry.attributes & 0x3f == ATTR_LONG_NAME {
            let part = LongEntry::read_from_bytes(slot).map_err(|_| refused("too short".into()))?;
            long.push(&part).map_err(refused)?;
            continue;
        }
        let alias = long.take(&entry.name).map_err(refused)?;
        if entry.attributes & ATTR_VOLUME_ID != 0 {
            if !is_root || alias.is_some() {
                return Err(refused("a volume label outside the root".into()));
            }
            continue;
        }
        let dot = match &entry.name {
            b".          " => Some(directory.cluster),
            b"..         " => Some(directory.parent),
            _ => None,
        };
        if let Some(expected) = dot {
            if is_root
                || first_cluster(&entry) != expected
                || entry.attributes & ATTR_DIRECTORY == 0
            {
                return Err(refused("`.` or `..` leads elsewhere".into()));
            }
            dots += 1;
            continue;
        }
        let name = alias.map_or_else(|| short_text(&entry.name), Ok).map_err(refused)?;
        found.push(Found { name, entry });
    }
    if !is_root && dots != 2 {
        return Err(refused(format!("expected `.` and `..`, found {dots} of them")));
    }
    Ok(found)
}

/// The text of a short name: `BOOTX64 EFI` is `BOOTX64.EFI`.
fn short_text(name: &[u8; 11]) -> Result<Vec<u8>, String> {
    if !name.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return Err(format!("the short name {name:02x?} is no ASCII"));
    }
    let (base, extension) = name.split_at(8);
    let mut text = base.trim_ascii_end().to_vec();
    let extension = extension.trim_ascii_end();
    if !extension.is_empty() {
        text.push(b'.');
        text.extend_from_slice(extension);
    }
    Ok(text)
}

/// The time of the last change, seconds since 1970-01-01 UTC; fields out of range count as they
/// are.
fn seconds(entry: &DirEntry) -> i64 {
    let (date, time) = (i64::from(entry.written_date.get()), i64::from(entry.written_time.get()));
    let (years, month, day) = (date >> 9, (date >> 5 & 15).clamp(1, 12), (date & 31).max(1));
    let is_leap = years % 4 == 0 && years != 120;
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let month_days = usize::try_from(month - 1).ok().and_then(|at| before.get(at)).unwrap_or(&0);
    let leap_days = (years + 3) / 4 - i64::from(years > 120) + i64::from(is_leap && month > 2);
    let days = 3652 + years * 365 + leap_days + month_days + day - 1;
    days * 86_400 + (time >> 11) * 3600 + (time >> 5 & 63) * 60 + (time & 31) * 2
}
