//! Freezes the layout of a volume: names, geometry, clusters.

use super::name::{self, Names, ShortName};
use super::spec::{
    CLUSTERS_MARGIN, DIRECTORY_MAX, FAT16_CLUSTERS_MIN, FAT16_ROOT_ENTRIES, FAT32_CLUSTERS_END,
    FAT32_CLUSTERS_MIN, SECTOR,
};
use super::{Error, Options, Width};
use crate::source::Source;
use crate::tree::{InodeId, Node, Tree};

/// A volume's length is a multiple of this many sectors: 1 MiB, one cylinder of the geometry in
/// the boot sector.
const GRAIN: u64 = 2048;

/// `BPB_RsvdSecCnt` as FAT 1.03 recommends it for FAT16 and FAT32.
const RESERVED: (u64, u64) = (1, 32);

/// Sectors per cluster of FAT32 and the sectors up to which they serve (the table of FAT 1.03,
/// "FAT Volume Initialization", in its own units).
const FAT32_CLUSTERS: [(u64, u64); 5] =
    [(1, 532_480), (8, 16_777_216), (16, 33_554_432), (32, 67_108_864), (64, 0xffff_ffff)];

/// Where the parts of a volume lie, in sectors and clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) width: Width,
    pub(super) sectors: u64,
    pub(super) reserved: u64,
    /// Of one FAT; there are two.
    pub(super) fat_sectors: u64,
    /// Of the root directory of FAT16; 0 for FAT32.
    pub(super) root_sectors: u64,
    pub(super) sectors_per_cluster: u64,
    pub(super) clusters: u64,
}

impl Geometry {
    pub(super) fn cluster_bytes(&self) -> u64 {
        self.sectors_per_cluster * SECTOR
    }

    /// First byte of cluster 2.
    pub(super) fn data_offset(&self) -> u64 {
        (self.reserved + 2 * self.fat_sectors + self.root_sectors) * SECTOR
    }

    /// First byte of a cluster.
    pub(super) fn cluster_offset(&self, cluster: u64) -> u64 {
        self.data_offset() + (cluster - 2) * self.cluster_bytes()
    }
}

/// Consecutive clusters. An empty file has none and starts at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) first: u64,
    pub(super) clusters: u64,
}

/// What a directory entry leads to.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Index into [`Plan::directories`].
    Directory(usize),
    /// A file and its length.
    File(InodeId, u32, Extent),
}

/// A directory with its entries in byte order of their names.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    /// Index into [`Plan::directories`]; the root is its own parent.
    pub(super) parent: usize,
    pub(super) entries: Vec<(Names, Target)>,
    pub(super) extent: Extent,
}

/// A frozen volume.
#[derive(Debug)]
pub struct Plan<'a, C> {
    pub(super) tree: &'a Tree<C>,
    pub(super) geometry: Geometry,
    /// The root first, parents before children.
    pub(super) directories: Vec<Directory>,
    /// The allocated clusters, without holes from cluster 2; files and directories in tree order.
    pub(super) extents: Vec<Extent>,
    pub(super) used: u64,
    pub(super) label: Option<ShortName>,
    pub(super) options: Options,
}

impl<'a, C: Source> Plan<'a, C> {
    /// Lays out `tree`, of which only names and lengths matter.
    ///
    /// # Errors
    /// [`Error::Refused`] names an inode that FAT can't hold: no file or directory, a second name
    /// of a file, extended attributes, 4 GiB or more, or a name with a forbidden character, not
    /// UTF-8, or that differs from another only in case. [`Error::Invalid`] says which option can't
    /// be met.
    pub fn new(tree: &'a Tree<C>, options: &Options) -> Result<Self, Error> {
        let label = label(&options.label)?;
        check_inodes(tree)?;
        let mut directories = collect(tree)?;
        let lengths = lengths(tree, &directories, options.width, label.is_some())?;
        let needed = |cluster_bytes: u64| -> u64 {
            lengths.iter().map(|len| len.div_ceil(cluster_bytes)).sum()
        };
        let geometry = match options.width {
            Width::Fat32 => fat32(needed, options.min_len),
            Width::Fat16 => fat16(needed, options.min_len),
        }?;
        let extents = allocate(&mut directories, &geometry, label.is_some());
        let used = extents.iter().map(|extent| extent.clusters).sum();
        let options = options.clone();
        Ok(Self { tree, geometry, directories, extents, used, label, options })
    }

    /// Length of the volume in bytes, a multiple of 1 MiB.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a volume is never empty")]
    pub fn len(&self) -> u64 {
        self.geometry.sectors * SECTOR
    }

    /// Bytes of a cluster: 512 x 2^n, the smallest that the volume's size allows.
    #[must_use]
    pub fn cluster_len(&self) -> u64 {
        self.geometry.cluster_bytes()
    }

    /// Where the contents of a file start in the volume; nothing for an empty file or another
    /// inode.
    #[must_use]
    pub fn offset_of(&self, file: InodeId) -> Option<u64> {
        let entries = self.directories.iter().flat_map(|directory| &directory.entries);
        entries.into_iter().find_map(|(_, target)| match target {
            Target::File(id, len, extent) if *id == file && *len != 0 => {
                Some(self.geometry.cluster_offset(extent.first))
            }
            _ => None,
        })
    }
}

fn refused(path: &[u8], why: impl Into<String>) -> Error {
    Error::Refused { path: String::from_utf8_lossy(path).into_owned(), why: why.into() }
}

fn label(text: &str) -> Result<Option<ShortName>, Error> {
    let allowed =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b" _-".contains(&byte);
    if text.len() > 11 || text.starts_with(' ') || !text.bytes().all(allowed) {
        let why = format!("expected up to 11 of A-Z, 0-9, space, `_`, `-`; found `{text}`");
        return Err(Error::Invalid { what: "label", why });
    }
    let mut label = [b' '; 11];
    for (slot, byte) in label.iter_mut().zip(text.bytes()) {
        *slot = byte;
    }
    Ok((label != [b' '; 11]).then_some(label))
}

fn check_inodes<C: Source>(tree: &Tree<C>) -> Result<(), Error> {
    let links = tree.link_counts();
    for (path, id) in tree.walk() {
        let inode = tree.inode(id);
        if !inode.meta.xattrs.is_empty() {
            return Err(refused(&path, "it has extended attributes"));
        }
        match &inode.node {
            Node::Directory(_) => {}
            Node::File(_) if links.get(id.index()).is_some_and(|&count| count > 1) => {
                return Err(refused(&path, "it has more than one name"));
            }
            Node::File(contents) if contents.len() > u64::from(u32::MAX) => {
                let why = format!("{} bytes, at most {}", contents.len(), u32::MAX);
                return Err(refused(&path, why));
            }
            Node::File(_) => {}
            _ => return Err(refused(&path, "it is neither a file nor a directory")),
        }
    }
    Ok(())
}

/// The directories of a tree, in the order of [`Tree::walk`], with nothing allocated.
fn collect<C: Source>(tree: &Tree<C>) -> Result<Vec<Directory>, Error> {
    let mut directories = Vec::new();
    // Path, inode and parent of what is still to do, the next one last.
    let mut pending = vec![(Vec::new(), tree.root(), 0, None)];
    while let Some((path, id, parent, slot)) = pending.pop() {
        let index = directories.len();
        if let Some(slot) = slot {
            set_target(&mut directories, parent, slot, index);
        }
        let children: Vec<(&[u8], InodeId)> =
            tree.entries(id).map(|(name, child)| (name.as_slice(), child)).collect();
        let names: Vec<&[u8]> = children.iter().map(|&(name, _)| name).collect();
        let below = pending.len();
        let child_path = |name: &[u8]| -> Vec<u8> {
            let joined = [path.as_slice(), name].join(&b'/');
            joined.strip_prefix(b"/").map(<[u8]>::to_vec).unwrap_or(joined)
        };
        let assigned = name::assign(&names)
            .map_err(|(at, why)| refused(&child_path(names.get(at).unwrap_or(&&b""[..])), why))?;
        let mut entries = Vec::with_capacity(children.len());
        for (slot, ((name, child), names)) in children.into_iter().zip(assigned).enumerate() {
            let target = match &tree.inode(child).node {
                Node::File(contents) => {
                    let len = u32::try_from(contents.len()).unwrap_or(u32::MAX);
                    Target::File(child, len, Extent::default())
                }
                _ => {
                    pending.push((child_path(name), child, index, Some(slot)));
                    Target::Directory(0)
                }
            };
            entries.push((names, target));
        }
        pending[below..].reverse();
        directories.push(Directory { parent, entries, extent: Extent::default() });
    }
    Ok(directories)
}

/// Tells the entry `slot` of a directory that it leads to the directory `index`.
fn set_target(directories: &mut [Directory], parent: usize, slot: usize, index: usize) {
    let entry = directories.get_mut(parent).and_then(|parent| parent.entries.get_mut(slot));
    if let Some((_, target)) = entry {
        *target = Target::Directory(index);
    }
}

/// Bytes of a directory: its entries, and `.` and `..` or the label of the root.
fn directory_len(directory: &Directory, index: usize, labelled: bool) -> u64 {
    let own = if index == 0 { u64::from(labelled) } else { 2 };
    let entries = directory.entries.iter();
    own * 32 + entries.map(|(names, _)| names.long_entries().len() as u64 + 32).sum::<u64>()
}

/// The lengths of everything that takes clusters.
fn lengths<C>(
    tree: &Tree<C>,
    directories: &[Directory],
    width: Width,
    labelled: bool,
) -> Result<Vec<u64>, Error> {
    let root_max = match width {
        Width::Fat32 => DIRECTORY_MAX,
        Width::Fat16 => u64::from(FAT16_ROOT_ENTRIES) * 32,
    };
    let mut lengths = Vec::new();
    for (index, directory) in directories.iter().enumerate() {
        let len = directory_len(directory, index, labelled);
        let most = if index == 0 { root_max } else { DIRECTORY_MAX };
        if len > most {
            let why = format!("a directory of {len} bytes, at most {most}");
            let path = directory_path(tree, directories, index);
            return Err(refused(&path, why));
        }
        match width {
            Width::Fat16 if index == 0 => {}
            // The root of FAT32 has a cluster even when it is empty.
            _ => lengths.push(len.max(1)),
        }
        lengths.extend(directory.entries.iter().filter_map(|(_, target)| match target {
            Target::File(_, len, _) => Some(u64::from(*len)),
            Target::Directory(_) => None,
        }));
    }
    Ok(lengths)
}

/// The path of a directory, for a message: [`collect`] visits them in the order of the walk.
fn directory_path<C>(tree: &Tree<C>, directories: &[Directory], index: usize) -> Vec<u8> {
    debug_assert!(index < directories.len(), "the directory is one of the plan");
    let walk = tree.walk().into_iter().filter(|&(_, id)| tree.inode(id).is_directory());
    walk.map(|(path, _)| path).nth(index).unwrap_or_default()
}

fn too_large(sectors: u64) -> Error {
    let why = format!("{sectors} sectors are more than the format can count");
    Error::Invalid { what: "size", why }
}

fn fat32(needed: impl Fn(u64) -> u64, min_len: u64) -> Result<Geometry, Error> {
    let mut least = 0;
    for (sectors_per_cluster, most) in FAT32_CLUSTERS {
        let clusters =
            needed(sectors_per_cluster * SECTOR).max(FAT32_CLUSTERS_MIN + CLUSTERS_MARGIN);
        let geometry = Geometry {
            width: Width::Fat32,
            sectors: 0,
            reserved: RESERVED.1,
            fat_sectors: 0,
            root_sectors: 0,
            sectors_per_cluster,
            clusters,
        };
        let geometry = sized(geometry, 128, min_len)?;
        least = geometry.sectors;
        if least <= most && geometry.clusters < FAT32_CLUSTERS_END {
            return Ok(geometry);
        }
    }
    Err(too_large(least))
}

fn fat16(needed: impl Fn(u64) -> u64, min_len: u64) -> Result<Geometry, Error> {
    let mut least = 0;
    for shift in 0..=6 {
        let sectors_per_cluster = 1 << shift;
        let clusters =
            needed(sectors_per_cluster * SECTOR).max(FAT16_CLUSTERS_MIN + CLUSTERS_MARGIN);
        let geometry = Geometry {
            width: Width::Fat16,
            sectors: 0,
            reserved: RESERVED.0,
            fat_sectors: 0,
            root_sectors: u64::from(FAT16_ROOT_ENTRIES) * 32 / SECTOR,
            sectors_per_cluster,
            clusters,
        };
        let geometry = sized(geometry, 256, min_len)?;
        least = geometry.sectors;
        if geometry.clusters < FAT32_CLUSTERS_MIN - CLUSTERS_MARGIN {
            return Ok(geometry);
        }
    }
    Err(too_large(least))
}

/// Finds the length that holds `clusters`, then uses all of it.
fn sized(mut geometry: Geometry, entries_per_sector: u64, min_len: u64) -> Result<Geometry, Error> {
    let front = geometry.reserved + geometry.root_sectors;
    let per_cluster = geometry.sectors_per_cluster;
    let fat_sectors = (geometry.clusters + 2).div_ceil(entries_per_sector);
    let least = front + 2 * fat_sectors + geometry.clusters * per_cluster;
    let sectors = least.max(min_len.div_ceil(SECTOR)).next_multiple_of(GRAIN);
    if sectors > u64::from(u32::MAX) {
        return Err(too_large(sectors));
    }
    // The smallest f with f * entries_per_sector >= 2 + (rest - 2 f) / per_cluster.
    let rest = sectors - front;
    geometry.fat_sectors = (rest + 2 * per_cluster).div_ceil(entries_per_sector * per_cluster + 2);
    geometry.clusters = (rest - 2 * geometry.fat_sectors) / per_cluster;
    geometry.sectors = sectors;
    Ok(geometry)
}

/// Hands out clusters from 2 on: each directory, then the files in it.
fn allocate(directories: &mut [Directory], geometry: &Geometry, labelled: bool) -> Vec<Extent> {
    let mut next = 2;
    let mut extents = Vec::new();
    let mut take = |len: u64| {
        let clusters = len.div_ceil(geometry.cluster_bytes());
        if clusters == 0 {
            return Extent::default();
        }
        let extent = Extent { first: next, clusters };
        next += clusters;
        extents.push(extent);
        extent
    };
    for (index, directory) in directories.iter_mut().enumerate() {
        if index != 0 || geometry.width == Width::Fat32 {
            directory.extent = take(directory_len(directory, index, labelled).max(1));
        }
        for (_, target) in &mut directory.entries {
            if let Target::File(_, len, extent) = target {
                *extent = take(u64::from(*len));
            }
        }
    }
    extents
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Device, Inode, Meta};

    /// A file that has a length and no bytes.
    #[derive(Debug)]
    struct Length(u64);

    impl Source for Length {
        fn len(&self) -> u64 {
            self.0
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
            Err(std::io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn tree(files: &[(&str, u64)]) -> Tree<Length> {
        let meta = Meta::root(0o755, 0);
        let mut tree = Tree::new(meta.clone());
        for (path, len) in files {
            let (parent, _) = crate::tree::split(path.as_bytes());
            tree.make_directories(parent, &meta).unwrap();
            tree.put(path.as_bytes(), Inode::file(meta.clone(), Length(*len))).unwrap();
        }
        tree
    }

    fn options(width: Width, min_len: u64) -> Options {
        Options { width, min_len, ..Options::default() }
    }

    /// Sectors, of one FAT, per cluster, and clusters of a volume.
    fn geometry(width: Width, len: u64, min_len: u64) -> (u64, u64, u64, u64) {
        let tree = tree(&[("f", len)]);
        let Geometry { sectors, fat_sectors, sectors_per_cluster, clusters, .. } =
            Plan::new(&tree, &options(width, min_len)).unwrap().geometry;
        (sectors, fat_sectors, sectors_per_cluster, clusters)
    }

    const MIB: u64 = 1 << 20;

    /// FAT 1.03, "FAT Type Determination" and "FAT Volume Initialization", by hand.
    #[test]
    fn the_number_of_clusters_decides_the_type() {
        use Width::{Fat16, Fat32};
        // 65525 + 16 clusters and both FATs fill 33 MiB: 67584 = 32 + 2 f + c, c + 2 <= 128 f.
        assert_eq!(geometry(Fat32, 0, 0), (67_584, 520, 1, 66_512));
        // 4085 + 16 clusters: 6144 = 1 + 32 + 2 f + c, c + 2 <= 256 f.
        assert_eq!(geometry(Fat16, 0, 0), (6144, 24, 1, 6063));
        for (width, len, min_len) in [
            (Fat32, 0, 0),
            (Fat32, 40 * MIB, 0),
            (Fat32, 300 * MIB, 0),
            (Fat32, 0, 64 * MIB + 1),
            (Fat16, 40 * MIB, 0),
            (Fat16, 0, 64 * MIB + 1),
            (Fat16, 900 * MIB, 0),
        ] {
            let (sectors, fat, per_cluster, clusters) = geometry(width, len, min_len);
            let (front, entries) = if width == Fat32 { (32, 128) } else { (33, 256) };
            assert!(sectors.is_multiple_of(2048) && sectors * 512 >= min_len.max(len));
            assert!(front + 2 * fat + clusters * per_cluster <= sectors);
            assert!(front + 2 * fat + (clusters + 1) * per_cluster > sectors, "no cluster is lost");
            assert!(clusters + 2 <= fat * entries && clusters + 4 > (fat - 1) * entries);
            match width {
                Fat32 => assert!(clusters >= 65_525 + 16),
                Fat16 => assert!((4085 + 16..65_525 - 16).contains(&clusters)),
            }
        }
        // The table of FAT 1.03: to 260 MiB a sector, to 8 GiB eight, to 16 GiB 16, to 32 GiB 32, then 64.
        for (len, per_cluster) in [
            (0, 1),
            (260 * MIB, 1),
            (260 * MIB + 1, 8),
            (8192 * MIB, 8),
            (8192 * MIB + 1, 16),
            (16_384 * MIB, 16),
            (16_384 * MIB + 1, 32),
            (32_768 * MIB, 32),
            (32_768 * MIB + 1, 64),
        ] {
            assert_eq!(geometry(Fat32, 0, len).2, per_cluster, "{len}");
        }
        // FAT16 takes the smallest clusters of which 65508 are enough.
        for (len, per_cluster) in
            [(0, 1), (16 * MIB, 1), (33 * MIB, 2), (1000 * MIB, 32), (1900 * MIB, 64)]
        {
            assert_eq!(geometry(Fat16, 0, len).2, per_cluster, "{len}");
        }
    }

    #[test]
    fn a_volume_that_the_format_cannot_count_is_refused() {
        for (width, min_len) in
            [(Width::Fat16, 2100 * MIB), (Width::Fat32, 2 << 40), (Width::Fat32, u64::MAX)]
        {
            let refused = Plan::new(&tree(&[]), &options(width, min_len)).unwrap_err().to_string();
            let words = refused.starts_with("FAT volume, size: ")
                && refused.ends_with(" sectors are more than the format can count");
            assert!(words, "{refused}");
        }
    }

    /// "A label of at most 11 characters", in the characters of a short name that all systems show alike.
    #[test]
    fn labels_are_capital_letters_and_digits() {
        for (text, expected) in
            [("", None), ("ESP", Some(b"ESP        ")), ("A-B_C 12345", Some(b"A-B_C 12345"))]
        {
            assert_eq!(label(text).unwrap().as_ref(), expected, "{text}");
        }
        for text in ["esp", "A-B_C 123456", " ESP", "E.P", "\u{c4}", " ", "A\0"] {
            let error = label(text).unwrap_err().to_string();
            let expected =
                "FAT volume, label: expected up to 11 of A-Z, 0-9, space, `_`, `-`; found";
            assert_eq!(error, format!("{expected} `{text}`"));
        }
    }

    #[test]
    fn what_fat_cannot_hold_is_named() {
        let meta = Meta::root(0o644, 0);
        let device = Device { major: 1, minor: 3 };
        for (node, kind) in [
            (Node::Symlink(b"f".to_vec()), "a link"),
            (Node::CharDevice(device), "a device"),
            (Node::BlockDevice(device), "a disk"),
            (Node::Fifo, "a pipe"),
            (Node::Socket, "a socket"),
        ] {
            let mut tree = tree(&[("d/f", 1)]);
            tree.put(b"d/x", Inode { meta: meta.clone(), node }).unwrap();
            let error = Plan::new(&tree, &Options::default()).unwrap_err().to_string();
            let expected = "FAT can't hold `/d/x`: it is neither a file nor a directory";
            assert_eq!(error, expected, "{kind}");
        }
        let refusal =
            |tree: &Tree<Length>| Plan::new(tree, &Options::default()).unwrap_err().to_string();
        let mut linked = tree(&[("d/f", 1)]);
        let id = linked.lookup(b"d/f").unwrap();
        linked.link(b"g", id).unwrap();
        assert_eq!(refusal(&linked), "FAT can't hold `/d/f`: it has more than one name");
        let mut attributed = tree(&[("d/f", 1)]);
        let id = attributed.lookup(b"d").unwrap();
        attributed.meta_mut(id).xattrs.insert(b"user.a".to_vec(), Vec::new());
        assert_eq!(refusal(&attributed), "FAT can't hold `/d`: it has extended attributes");
        let most = u64::from(u32::MAX);
        assert!(Plan::new(&tree(&[("f", most)]), &Options::default()).is_ok());
        let expected = "FAT can't hold `/f`: 4294967296 bytes, at most 4294967295";
        assert_eq!(refusal(&tree(&[("f", most + 1)])), expected);
        let cases = refusal(&tree(&[("d/e/A", 0), ("d/e/a", 0)]));
        assert!(cases.starts_with("FAT can't hold `/d/e/"), "{cases}");
    }

    /// Directories before the files in them, from cluster 2 on; `.` and `..` are two entries of 32 bytes.
    #[test]
    fn clusters_are_handed_out_in_the_order_of_the_tree() {
        let tree = tree(&[("A", 513), ("B", 0), ("D/E", 512), ("D/F/G", 1)]);
        let plan = Plan::new(&tree, &Options::default()).unwrap();
        let extents: Vec<_> = plan.directories.iter().map(|it| (it.parent, it.extent)).collect();
        let one = |first| Extent { first, clusters: 1 };
        // The root, `A` of two clusters, `D`, `D/E`, `D/F`, `D/F/G`.
        assert_eq!(extents, [(0, one(2)), (0, one(5)), (1, one(7))]);
        assert_eq!(plan.used, 7);
        let data = (32 + 2 * 520) * 512;
        let offset = |path: &str| plan.offset_of(tree.lookup(path.as_bytes()).unwrap());
        assert_eq!(offset("A"), Some(data + 512));
        assert_eq!(offset("D/E"), Some(data + 4 * 512));
        assert_eq!(offset("D/F/G"), Some(data + 6 * 512));
        assert_eq!((offset("B"), offset("D")), (None, None));
        assert_eq!((plan.len(), plan.cluster_len()), (33 * MIB, 512));
    }

    /// FAT 1.03: 512 entries in the root of FAT16, 65,536 elsewhere; a short name takes one entry.
    #[test]
    fn a_directory_has_so_many_entries() {
        let names = |folder: &str, count: u32| -> Vec<(String, u64)> {
            (0..count).map(|number| (format!("{folder}F{number}"), 0)).collect()
        };
        let planned = |files: &[(String, u64)], options: &Options| {
            let files: Vec<_> = files.iter().map(|(name, len)| (name.as_str(), *len)).collect();
            Plan::new(&tree(&files), options)
                .map(|plan| plan.used)
                .map_err(|error| error.to_string())
        };
        let fat16 = Options { width: Width::Fat16, ..Options::default() };
        assert_eq!(planned(&names("", 512), &fat16), Ok(0), "the root of FAT16 has no clusters");
        let refused = "FAT can't hold `/`: a directory of 16416 bytes, at most 16384";
        assert_eq!(planned(&names("", 513), &fat16), Err(refused.into()));
        let labelled = Options { label: "L".into(), ..fat16.clone() };
        assert_eq!(planned(&names("", 511), &labelled), Ok(0));
        assert_eq!(planned(&names("", 512), &labelled), Err(refused.into()));
        // In a directory `.` and `..` count: 510 files fill 32 sectors.
        assert_eq!(planned(&names("D/", 510), &fat16), Ok(32));
        assert_eq!(planned(&names("D/", 511), &fat16), Ok(33));
        // The root of FAT32 has a cluster even when it is empty.
        assert_eq!(planned(&[], &Options::default()), Ok(1));
    }
}
