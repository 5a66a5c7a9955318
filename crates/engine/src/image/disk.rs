//! The disk: ESP, root file system and hash tree behind one partition table, each byte written
//! once.
//!
//! The UKI holds the root hash, the root hash covers the root file system, and the UKI lies before
//! it on the disk. One pass is enough because only the UKI's *length* decides the layout, and the
//! command line has the same length whatever the hash is.

use cvmkit_formats::architecture::Architecture;
use cvmkit_formats::fat;
use cvmkit_formats::gpt::{self, Guid, spec};
use cvmkit_formats::sink::Shifted;
use cvmkit_formats::source::{Source, Window};
use cvmkit_formats::tree::{Inode, Meta, Tree, TreeError};
use cvmkit_formats::verity::{self, RootHash};
use cvmkit_host::files::{Output, Staging};
use cvmkit_host::timestamp::Timestamp;

use super::error::ImageError;
use super::parts::Parts;
use super::root::RootFormat;
use super::uki;
use crate::definition::{BootKind, Seed};

/// The label that blkid shows.
const ESP_LABEL: &str = "ESP";

/// What was written, for the manifest and the reference values.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) root_hash: RootHash,
    pub(super) command_line: String,
    pub(super) partitions: Vec<Partition>,
    /// The bytes of the UKI, when the image boots from its disk.
    pub(super) uki: Option<Vec<u8>>,
}

/// A partition as it was written.
#[derive(Clone, Debug)]
pub struct Partition {
    /// The label in the partition table: at most 36 characters of UTF-16 (UEFI 2.10, table 5.6).
    pub name: String,
    /// What it is for.
    pub type_guid: Guid,
    /// The GUID of this partition alone, derived from the seed of the definition.
    pub unique_guid: Guid,
    /// First byte on the disk.
    pub offset: u64,
    /// Length in bytes, a multiple of the sector.
    pub len: u64,
}

/// A root file system of which no more is known.
#[derive(Clone, Debug)]
pub struct RootExtent {
    /// Its length in bytes.
    pub len: u64,
    /// The length of its hash tree.
    pub hashes_len: u64,
    /// The hash at the top of its tree, which verifies every block.
    pub root_hash: RootHash,
}

/// Lengths of what lies on the disk, in its order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lengths {
    pub(crate) esp: Option<u64>,
    pub(crate) root: u64,
    pub(crate) verity: u64,
}

/// Writes the disk into a staged file, which is not durable yet.
pub(super) fn write(
    parts: &Parts<'_>,
    staging: &Staging,
    name: &str,
) -> Result<Written, ImageError> {
    let mut disk = staging.create(name)?;
    let esp = esp_len(parts)?;
    // What lies before the root file system is known; what lies behind does not move it.
    let seed = &parts.definition.seed;
    let start =
        table(parts.definition.architecture, seed, Lengths { esp, root: 1, verity: 1 }, None)?
            .root()
            .offset;
    let format = RootFormat::of(&parts.definition.root);
    let sink = &mut Shifted::new(&mut disk, start);
    let root = format.write(parts.tree, &parts.definition.root, parts.timestamp, sink)?;
    let hashes = verity::Plan::new(root, &verity_options(parts))?;
    let lengths = Lengths { esp, root, verity: hashes.hash_len() };
    let hash_start = table(parts.definition.architecture, seed, lengths, None)?.hashes().offset;
    let data = Window::new(disk.reader()?, start, root).map_err(|error| disk.error(error))?;
    let root_hash = hashes.write(&data, &mut Shifted::new(&mut disk, hash_start))?;
    write_around(parts, &mut disk, lengths, root_hash)
}

/// Writes a disk whose root file system and hash tree have these lengths and this root hash, and are
/// left out.
pub(super) fn write_outline(
    parts: &Parts<'_>,
    root: RootExtent,
    staging: &Staging,
    name: &str,
) -> Result<Written, ImageError> {
    let mut disk = staging.create(name)?;
    let esp = esp_len(parts)?;
    let lengths = Lengths { esp, root: root.len, verity: root.hashes_len };
    write_around(parts, &mut disk, lengths, root.root_hash)
}

/// Writes what the root hash is in: the UKI on the ESP, and the partition table.
fn write_around(
    parts: &Parts<'_>,
    disk: &mut Output,
    lengths: Lengths,
    root_hash: RootHash,
) -> Result<Written, ImageError> {
    let table =
        table(parts.definition.architecture, &parts.definition.seed, lengths, Some(&root_hash))?;
    let command_line = uki::command_line(parts.definition, &root_hash);
    let uki = lengths.esp.map(|_| write_esp(parts, disk, &table, &command_line)).transpose()?;
    table.plan.write(disk)?;
    disk.set_len(table.plan.len())?;
    Ok(Written { root_hash, command_line, partitions: table.partitions, uki })
}

/// The partition table and what it names, in the same order.
pub(crate) struct Table {
    pub(crate) plan: gpt::Plan,
    partitions: Vec<Partition>,
}

impl Table {
    /// The root file system is the last but one.
    fn root(&self) -> &Partition {
        &self.partitions[self.partitions.len() - 2]
    }

    /// The hash tree is the last.
    fn hashes(&self) -> &Partition {
        &self.partitions[self.partitions.len() - 1]
    }
}

/// Lays the partitions out. Before the root hash is known their identities are placeholders.
pub(crate) fn table(
    architecture: Architecture,
    seed: &Seed,
    lengths: Lengths,
    root_hash: Option<&RootHash>,
) -> Result<Table, gpt::Error> {
    let seeded = |purpose| Guid::from_text_order(seed.uuid(purpose));
    let (root_guid, verity_guid) = match root_hash {
        Some(hash) => gpt::part_uuids_from_root_hash(hash.as_bytes())?,
        None => (seeded("root placeholder"), seeded("verity placeholder")),
    };
    let partition = |name: &str, type_guid, unique_guid, len, attributes| gpt::Partition {
        type_guid,
        unique_guid,
        name: name.into(),
        place: gpt::Place::Next(len),
        attributes,
    };
    let esp = lengths.esp.map(|len| partition("esp", spec::ESP, seeded("esp partition"), len, 0));
    let read_only = spec::READ_ONLY;
    let mut wanted: Vec<_> = esp.into_iter().collect();
    let (root, verity) = architecture.partition_types();
    wanted.push(partition("root", root, root_guid, lengths.root, read_only));
    wanted.push(partition("root-verity", verity, verity_guid, lengths.verity, read_only));
    let options = gpt::Options { size: gpt::DiskSize::Minimal, disk_guid: seeded("disk") };
    let plan = gpt::Plan::new(&wanted, &options)?;
    let placed = wanted.into_iter().zip(plan.partitions());
    let partitions = placed.map(|(wanted, placed)| Partition {
        name: wanted.name,
        type_guid: wanted.type_guid,
        unique_guid: wanted.unique_guid,
        offset: placed.offset,
        len: placed.len,
    });
    Ok(Table { partitions: partitions.collect(), plan })
}

fn verity_options(parts: &Parts<'_>) -> verity::Options {
    let verity = &parts.definition.verity;
    verity::Options {
        salt: verity.salt.clone(),
        uuid: verity.uuid,
        data_block_size: verity.data_block_size,
        hash_block_size: verity.hash_block_size,
        ..verity::Options::new(Vec::new(), verity.uuid)
    }
}

fn write_esp(
    parts: &Parts<'_>,
    disk: &mut Output,
    table: &Table,
    command_line: &str,
) -> Result<Vec<u8>, ImageError> {
    let image = uki::build(parts, command_line)?;
    let tree = esp_tree(parts.definition.architecture, parts.timestamp, image.as_slice())?;
    let esp = &table.partitions[0];
    let options = esp_options(&parts.definition.seed, parts.timestamp);
    fat::Plan::new(&tree, &options)?.write(&mut Shifted::new(disk, esp.offset))?;
    Ok(image)
}

/// Length of the ESP, if the image boots from its disk; only the length of the UKI decides it.
fn esp_len(parts: &Parts<'_>) -> Result<Option<u64>, ImageError> {
    if parts.definition.boot == BootKind::Direct {
        return Ok(None);
    }
    let tree =
        esp_tree(parts.definition.architecture, parts.timestamp, Blank { len: uki::len(parts)? })?;
    let options = esp_options(&parts.definition.seed, parts.timestamp);
    Ok(Some(fat::Plan::new(&tree, &options)?.len()))
}

/// What the ESP holds.
pub(crate) fn esp_tree<C>(
    architecture: Architecture,
    timestamp: Timestamp,
    uki: C,
) -> Result<Tree<C>, TreeError> {
    let folder = Meta::root(0o755, timestamp.0);
    let mut tree = Tree::new(folder.clone());
    tree.make_directories(b"EFI/BOOT", &folder)?;
    tree.put(
        architecture.boot_file().as_bytes(),
        Inode::file(Meta::root(0o644, timestamp.0), uki),
    )?;
    Ok(tree)
}

/// How the ESP is made.
pub(crate) fn esp_options(seed: &Seed, timestamp: Timestamp) -> fat::Options {
    let id = seed.derive("esp volume id");
    fat::Options {
        volume_id: u32::from_le_bytes([id[0], id[1], id[2], id[3]]),
        label: ESP_LABEL.into(),
        timestamp: timestamp.0,
        ..fat::Options::default()
    }
}

/// Contents of which only the length is known yet.
struct Blank {
    len: u64,
}

impl Source for Blank {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, _: u64, buf: &mut [u8]) -> std::io::Result<()> {
        buf.fill(0);
        Ok(())
    }
}
