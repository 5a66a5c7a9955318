//! Finds the two partitions that the root hash names.
//!
//! The Discoverable Partitions Specification (UAPI.2, "Partition UUIDs") derives them: the first
//! 128 bits of the root hash are the UUID of the data partition, the last 128 bits that of the hash
//! partition. Linux shows `PARTUUID=` in uevents only from 6.13 on, so the table is read here: the
//! kernel's own view (number, start, size) of a partition must equal its GPT entry.
//!
//! Nothing found here is trusted. A host that forges a table only chooses which bytes dm-verity
//! then refuses; the bounds below only keep arithmetic sane. The checksums are the kernel's
//! business: it made the partitions from this very table.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::Fatal;
use crate::cmdline::{RootHash, write_hex};

/// Where the kernel lists disks and partitions.
const BLOCK_DEVICES: &str = "/sys/class/block";

/// The unit of `start` and `size` in sysfs and of device-mapper (`SECTOR_SIZE`, `blk_types.h`).
pub(crate) const SECTOR: u64 = 512;

/// Time between two looks at the devices.
const POLL: Duration = Duration::from_millis(50);

/// A message lists this many partitions at most.
const LISTED: usize = 16;

/// A partition's unique GUID, in the order of its text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartUuid([u8; 16]);

impl PartUuid {
    /// From a GPT entry, whose first three fields are little endian (UEFI 2.10, appendix A).
    fn from_entry(mut bytes: [u8; 16]) -> Self {
        bytes[0..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
        Self(bytes)
    }
}

impl fmt::Display for PartUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [parts @ .., last] =
            [&self.0[..4], &self.0[4..6], &self.0[6..8], &self.0[8..10], &self.0[10..]];
        for part in parts {
            write_hex(f, part)?;
            f.write_str("-")?;
        }
        write_hex(f, last)
    }
}

/// A partition as the kernel shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    /// The name in sysfs, such as `vda2`.
    pub(crate) name: String,
    /// `major:minor`, as device-mapper takes it.
    pub(crate) number: String,
    /// First sector of 512 bytes on the disk.
    pub(crate) start: u64,
    /// Length in sectors of 512 bytes.
    pub(crate) sectors: u64,
}

impl Partition {
    /// The device node; sysfs writes `!` for a slash.
    pub(crate) fn node(&self) -> String {
        node(&self.name)
    }
}

/// The root file system and its hash tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partitions {
    /// Holds the file system.
    pub(crate) data: Partition,
    /// Holds the verity superblock and the hash tree.
    pub(crate) hash: Partition,
}

/// The UUIDs of the data and the hash partition.
fn part_uuids(root_hash: &RootHash) -> [PartUuid; 2] {
    let (mut data, mut hash) = ([0; 16], [0; 16]);
    data.copy_from_slice(&root_hash.0[..16]);
    hash.copy_from_slice(&root_hash.0[16..]);
    [PartUuid(data), PartUuid(hash)]
}

/// Looks for both partitions until they are there, for `limit` at most.
pub(crate) fn wait(root_hash: &RootHash, limit: Duration) -> Result<Partitions, Fatal> {
    let uuids = part_uuids(root_hash);
    let start = Instant::now();
    loop {
        let found = scan()?;
        let [data, hash] = [claimant(&found, uuids[0])?, claimant(&found, uuids[1])?];
        if let (Some(data), Some(hash)) = (data, hash) {
            return Ok(Partitions { data: data.clone(), hash: hash.clone() });
        }
        if start.elapsed() >= limit {
            return Err(missing(&uuids, &found, limit));
        }
        thread::sleep(POLL);
    }
}

/// What became of the look at one partition.
type Found = (Partition, Result<PartUuid, String>);

/// The one partition with this UUID. Two of them leave open which is meant, so that is refused.
fn claimant(found: &[Found], uuid: PartUuid) -> Result<Option<&Partition>, Fatal> {
    let mut claimants =
        found.iter().filter(|(_, found)| *found == Ok(uuid)).map(|(partition, _)| partition);
    match (claimants.next(), claimants.next()) {
        (Some(one), Some(other)) => Err(format!(
            "partition {uuid}: expected one, found two: {} and {}",
            one.name, other.name
        )),
        (one, _) => Ok(one),
    }
}

fn missing(uuids: &[PartUuid; 2], found: &[Found], limit: Duration) -> Fatal {
    let listed: Vec<_> = found
        .iter()
        .take(LISTED)
        .map(|(partition, uuid)| match uuid {
            Ok(uuid) => format!("{} {uuid}", partition.name),
            Err(why) => format!("{} ({why})", partition.name),
        })
        .collect();
    let listed = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
    format!(
        "partitions: expected {} (data) and {} (hash tree) within {} s, found {listed}",
        uuids[0],
        uuids[1],
        limit.as_secs()
    )
}

/// Every partition of every disk, by name. One that vanishes during the look is left out.
fn scan() -> Result<Vec<Found>, Fatal> {
    let mut names: Vec<String> = fs::read_dir(BLOCK_DEVICES)
        .map_err(|e| format!("{BLOCK_DEVICES}: {e}"))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names.iter().filter_map(|name| look(name)).collect())
}

/// None for a whole disk, which has no partition number.
fn look(name: &str) -> Option<Found> {
    let device = Path::new(BLOCK_DEVICES).join(name);
    let index: u64 = attribute(&device.join("partition"))?.parse().ok()?;
    let partition = Partition {
        name: name.to_owned(),
        number: attribute(&device.join("dev"))?,
        start: attribute(&device.join("start"))?.parse().ok()?,
        sectors: attribute(&device.join("size"))?.parse().ok()?,
    };
    let disk = fs::canonicalize(&device).ok()?.parent()?.to_owned();
    let block_size = attribute(&disk.join("queue/logical_block_size"))?.parse().ok()?;
    let disk = node(disk.file_name()?.to_str()?);
    let uuid = File::open(&disk)
        .map_err(|e| format!("{disk}: {e}"))
        .and_then(|disk| part_uuid(&disk, block_size, index, &partition));
    Some((partition, uuid))
}

fn node(name: &str) -> String {
    format!("/dev/{}", name.replace('!', "/"))
}

fn attribute(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim_end().to_owned())
}

/// What is read of a GPT header (UEFI 2.10, table 5.5).
#[derive(Debug, PartialEq, Eq)]
struct Table {
    entries_lba: u64,
    entries: u32,
    entry_size: u32,
}

/// "EFI PART", the header's signature.
const SIGNATURE: &[u8] = b"EFI PART";

/// The part of an entry that every revision has (UEFI 2.10, table 5.6).
const ENTRY: usize = 128;

impl Table {
    fn decode(block: &[u8]) -> Result<Self, String> {
        if block.get(..8) != Some(SIGNATURE) {
            return Err("no GPT".to_owned());
        }
        let table = Self {
            entries_lba: le_u64(block, 72)?,
            entries: le_u32(block, 80)?,
            entry_size: le_u32(block, 84)?,
        };
        let sane = table.entry_size.is_power_of_two() && (128..=4096).contains(&table.entry_size);
        if sane { Ok(table) } else { Err(format!("GPT entry size {}", table.entry_size)) }
    }

    /// Byte offset of the entry of partition `index`, counted from 1.
    fn entry(&self, index: u64, block_size: u64) -> Option<u64> {
        let index = index.checked_sub(1).filter(|&index| index < u64::from(self.entries))?;
        let start = self.entries_lba.checked_mul(block_size)?;
        start.checked_add(index.checked_mul(u64::from(self.entry_size))?)
    }
}

/// The UUID in the partition's entry, if the entry describes the partition that the kernel shows.
pub(crate) fn part_uuid(
    disk: &impl FileExt,
    block_size: u64,
    index: u64,
    partition: &Partition,
) -> Result<PartUuid, String> {
    if !block_size.is_power_of_two() || !(512..=65536).contains(&block_size) {
        return Err(format!("logical block size {block_size}"));
    }
    let table = Table::decode(&read(disk, block_size, 512)?)?;
    let at = table.entry(index, block_size).ok_or("number beyond the GPT")?;
    let entry = read(disk, at, ENTRY)?;
    let (first, last) = (le_u64(&entry, 32)?, le_u64(&entry, 40)?);
    let extent = last.checked_sub(first).and_then(|blocks| {
        let unit = block_size / SECTOR;
        Some((first.checked_mul(unit)?, blocks.checked_add(1)?.checked_mul(unit)?))
    });
    if extent != Some((partition.start, partition.sectors)) {
        return Err("differs from its GPT entry".to_owned());
    }
    let unique = entry.get(16..32).and_then(|guid| guid.try_into().ok()).ok_or("short entry")?;
    Ok(PartUuid::from_entry(unique))
}

fn read(disk: &impl FileExt, at: u64, len: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; len];
    let read: io::Result<()> = disk.read_exact_at(&mut bytes, at);
    read.map_err(|e| format!("read at {at}: {e}"))?;
    Ok(bytes)
}

fn le_u32(bytes: &[u8], at: usize) -> Result<u32, String> {
    let field = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or("short GPT")?;
    Ok(u32::from_le_bytes(*field))
}

fn le_u64(bytes: &[u8], at: usize) -> Result<u64, String> {
    let field = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or("short GPT")?;
    Ok(u64::from_le_bytes(*field))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A data partition `vda1` and a hash partition `vda2` of the given sectors.
    pub(crate) fn partitions(data: u64, hash: u64) -> Partitions {
        let partition = |name: &str, number: &str, sectors| Partition {
            name: name.into(),
            number: number.into(),
            start: 0,
            sectors,
        };
        Partitions {
            data: partition("vda1", "254:1", data),
            hash: partition("vda2", "254:2", hash),
        }
    }

    /// The start of a disk with one partition at index 2, LBA 2048 to 4095, as sgdisk writes it.
    struct Disk(Vec<u8>);

    impl FileExt for Disk {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            let from = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or(&[]);
            let len = from.len().min(buf.len());
            buf[..len].copy_from_slice(&from[..len]);
            Ok(len)
        }

        fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn disk(block_size: usize) -> Disk {
        let mut bytes = vec![0; 8 * block_size + 4096];
        let header = &mut bytes[block_size..];
        header[..8].copy_from_slice(b"EFI PART");
        header[72..80].copy_from_slice(&2u64.to_le_bytes());
        header[80..84].copy_from_slice(&128u32.to_le_bytes());
        header[84..88].copy_from_slice(&128u32.to_le_bytes());
        let entry = &mut bytes[2 * block_size + 128..];
        let unique = [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99];
        entry[16..26].copy_from_slice(&unique);
        entry[26..32].copy_from_slice(&[0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]);
        entry[32..40].copy_from_slice(&2048u64.to_le_bytes());
        entry[40..48].copy_from_slice(&4095u64.to_le_bytes());
        Disk(bytes)
    }

    fn vda2(start: u64, sectors: u64) -> Partition {
        Partition { name: "vda2".into(), number: "254:2".into(), start, sectors }
    }

    const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

    #[test]
    fn uuids_are_the_halves_of_the_root_hash_in_text_order() {
        let hash = RootHash(std::array::from_fn(|i| u8::try_from(i).unwrap()));
        let [data, tree] = part_uuids(&hash);
        assert_eq!(data.to_string(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
        assert_eq!(tree.to_string(), "10111213-1415-1617-1819-1a1b1c1d1e1f");
    }

    #[test]
    fn an_entry_is_read_with_either_block_size() {
        let small = part_uuid(&disk(512), 512, 2, &vda2(2048, 2048)).unwrap();
        assert_eq!(small.to_string(), UUID);
        let large = part_uuid(&disk(4096), 4096, 2, &vda2(16384, 16384)).unwrap();
        assert_eq!(large.to_string(), UUID);
    }

    #[test]
    fn what_the_kernel_does_not_show_is_refused() {
        for partition in [vda2(2047, 2048), vda2(2048, 2047), vda2(0, 0)] {
            let refusal = part_uuid(&disk(512), 512, 2, &partition).unwrap_err();
            assert_eq!(refusal, "differs from its GPT entry");
        }
        assert!(part_uuid(&disk(512), 512, 1, &vda2(2048, 2048)).is_err());
    }

    #[test]
    fn hostile_tables_are_refused() {
        let partition = vda2(2048, 2048);
        for index in [0, 129, u64::MAX] {
            assert!(part_uuid(&disk(512), 512, index, &partition).is_err());
        }
        for block_size in [0, 1, 511, 1 << 40] {
            assert!(part_uuid(&disk(512), block_size, 2, &partition).is_err());
        }
        for at in 512..512 + 92 {
            let mut disk = disk(512);
            disk.0[at] = 0xff;
            let _ = part_uuid(&disk, 512, 2, &partition);
        }
        for len in 0..2000 {
            let mut disk = disk(512);
            disk.0.truncate(len);
            let whole = len >= 1024 + 256;
            assert_eq!(part_uuid(&disk, 512, 2, &partition).is_ok(), whole, "{len}");
        }
        let mut reversed = disk(512);
        reversed.0[1024 + 128 + 32..][..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(part_uuid(&reversed, 512, 2, &partition).is_err());
    }

    #[test]
    fn two_claimants_are_refused() {
        let uuid = part_uuid(&disk(512), 512, 2, &vda2(2048, 2048)).unwrap();
        let mut found = vec![(vda2(0, 1), Ok(uuid)), (vda2(1, 1), Err("no GPT".to_owned()))];
        assert_eq!(claimant(&found, uuid).unwrap(), Some(&vda2(0, 1)));
        found.push((vda2(2, 1), Ok(uuid)));
        assert!(claimant(&found, uuid).unwrap_err().contains("expected one, found two"));
    }

    #[test]
    fn a_missing_partition_is_named_with_what_was_there() {
        let uuid = part_uuid(&disk(512), 512, 2, &vda2(2048, 2048)).unwrap();
        let found = [(vda2(0, 1), Ok(uuid)), (vda2(1, 1), Err("no GPT".to_owned()))];
        let message = missing(&[PartUuid([0; 16]); 2], &found, Duration::from_secs(5));
        assert!(message.contains("within 5 s, found vda2 00112233-"), "{message}");
        assert!(message.ends_with("vda2 (no GPT)"), "{message}");
    }
}
