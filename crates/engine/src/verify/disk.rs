//! The disk: its partition table, and the root file system under its hash tree.

use cvmkit_attest::output::{MANIFEST_FILE, PartitionRecord, Role};
use cvmkit_formats::gpt::{self, Entry, Guid, Table, spec};
use cvmkit_formats::source::{Source, Window};
use cvmkit_formats::verity::{self, Header, RootHash};
use cvmkit_host::files::FileSource;

use super::examination::Examination;
use super::folder::not_zero;
use super::rederive::{self, Against};
use super::subject::{ARCHITECTURE, Subject};
use super::{Check, VerifyError};
use crate::image::disk::{self, Lengths};

/// The types of the root partition and of its hash tree.
const ROOT_TYPES: (Guid, Guid) = ARCHITECTURE.partition_types();

/// Why nothing that is derived from the seed can be compared.
pub(super) const NO_SEED: &str = "the manifest has no seed";

/// The bytes of one partition.
pub(super) type Part<'a> = Window<&'a FileSource>;

/// A disk whose partition table is whole.
pub(super) struct Disk<'a> {
    pub(super) name: &'a str,
    pub(super) esp: Option<Part<'a>>,
    pub(super) root: Option<Part<'a>>,
    hashes: Option<Part<'a>>,
}

/// Why nothing in a disk can be checked.
pub(super) const NO_TABLE: &str = "the disk's partition table can't be used";

/// Both copies of the table, and the partitions that the manifest lists.
pub(super) fn partitions(
    subject: Subject<'_>,
) -> Result<(Examination, Option<Disk<'_>>), VerifyError> {
    let mut examination = Examination::new(Check::PartitionTable);
    let Some((name, source)) = subject.file(Role::Disk) else {
        examination.skip("all of it", "there is no disk");
        return Ok((examination, None));
    };
    let table = match gpt::read(source) {
        Ok(table) => table,
        Err(error) => {
            examination.refused(subject.folder, name, "its partition table", error)?;
            return Ok((examination, None));
        }
    };
    let records = &subject.manifest.partitions;
    let (expected, found) = (records.len(), table.partitions.len());
    examination.expect(name, "number of partitions", expected, found);
    for (record, entry) in records.iter().zip(&table.partitions) {
        partition(&mut examination, name, record, entry);
    }
    roles(&mut examination, subject, name, &table);
    if examination.is_clean() {
        written_again(&mut examination, subject, name, source, &table)?;
    }
    let window = |type_guid: Guid| {
        let entry = table.partitions.iter().find(|entry| entry.type_guid == type_guid);
        entry.and_then(|entry| entry.window(source).ok())
    };
    let disk = Disk {
        name,
        esp: window(spec::ESP),
        root: window(ROOT_TYPES.0),
        hashes: window(ROOT_TYPES.1),
    };
    examination.detail = format!("{found} partitions, both copies of the GPT");
    Ok((examination, Some(disk)))
}

/// One partition is what the manifest says.
fn partition(examination: &mut Examination, name: &str, record: &PartitionRecord, entry: &Entry) {
    let what = |property: &str| format!("{property} of partition {}", entry.number);
    examination.expect(name, &what("label"), &record.name, &entry.name);
    let texts = [
        ("type", &record.type_guid, entry.type_guid.to_string()),
        ("PARTUUID", &record.uuid, entry.unique_guid.to_string()),
    ];
    for (property, expected, found) in texts {
        examination.expect(name, &what(property), expected, &found);
    }
    examination.expect(name, &what("offset"), record.offset, entry.offset());
    examination.expect(name, &what("length"), record.size, entry.len());
}

/// The partitions are those of an image, with the identities that the root hash gives them.
fn roles(examination: &mut Examination, subject: Subject<'_>, name: &str, table: &Table) {
    let root_hash = subject.manifest.root.root_hash.parse::<RootHash>();
    let root_hash = root_hash.and_then(|hash| {
        gpt::part_uuids_from_root_hash(hash.as_bytes())
            .map_err(|_| verity::Error::RootHash(subject.manifest.root.root_hash.clone()))
    });
    let (root, hashes) = match root_hash {
        Ok((root, hashes)) => (Some(root), Some(hashes)),
        Err(_) => {
            examination.skip("PARTUUIDs", "the manifest has no root hash to derive them from");
            (None, None)
        }
    };
    let has_uki = subject.manifest.file(Role::Uki).is_some();
    let expected = [
        ("esp", spec::ESP, None, 0),
        ("root", ROOT_TYPES.0, root, spec::READ_ONLY),
        ("root-verity", ROOT_TYPES.1, hashes, spec::READ_ONLY),
    ];
    let expected = expected.into_iter().skip(usize::from(!has_uki));
    let mut entries = table.partitions.iter();
    for (label, type_guid, identity, attributes) in expected {
        let Some(entry) = entries.next() else {
            examination.find(name, "partitions", format!("`{label}`"), "the end of the table");
            continue;
        };
        let what = |property: &str| format!("{property} of partition {}, `{label}`", entry.number);
        examination.expect(name, &what("type"), type_guid, entry.type_guid);
        let found = format!("{:#x}", entry.attributes);
        examination.expect(name, &what("attributes"), format!("{attributes:#x}"), found);
        if let Some(identity) = identity {
            let what = what("PARTUUID by the root hash");
            examination.expect(name, &what, identity, entry.unique_guid);
        }
    }
    for entry in entries {
        let found = format!("partition {}, `{}`", entry.number, entry.name);
        examination.find(name, "partitions", "none but those of an image", found);
    }
}

/// The table written again, with all that lies between the partitions.
fn written_again(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    source: &FileSource,
    table: &Table,
) -> Result<(), VerifyError> {
    let Some(seed) = subject.seed() else {
        examination.skip("the table written again", NO_SEED);
        return Ok(());
    };
    let len = |type_guid: Guid| {
        let entry = table.partitions.iter().find(|entry| entry.type_guid == type_guid);
        entry.map(Entry::len)
    };
    let root_hash = subject.manifest.root.root_hash.parse::<RootHash>();
    // What is missing is a finding already.
    let (Some(root), Some(verity), Ok(root_hash)) =
        (len(ROOT_TYPES.0), len(ROOT_TYPES.1), root_hash)
    else {
        return Ok(());
    };
    let lengths = Lengths { esp: len(spec::ESP), root, verity };
    let mut sink = Against::new(source);
    let written = disk::table(ARCHITECTURE, &seed, lengths, Some(&root_hash))
        .and_then(|table| table.plan.write(&mut sink));
    if let Err(error) = written {
        return examination.refused(subject.folder, name, "its partition table", error);
    }
    match sink.finish() {
        Ok(difference) => {
            let place = |at| place_of(at, source.len()).to_owned();
            rederive::report(examination, name, 0, difference, place);
            Ok(())
        }
        Err(error) => examination.refused(subject.folder, name, "its partition table", error),
    }
}

/// What a byte outside of the partitions belongs to.
fn place_of(at: u64, len: u64) -> &'static str {
    const HEADER: u64 = 92;
    let backup = len.saturating_sub(spec::SECTOR);
    match at {
        0..440 => "the boot code of the protective MBR",
        440..446 => "the disk signature of the protective MBR",
        446..510 => "the records of the protective MBR",
        510..512 => "the signature of the protective MBR",
        512..604 => "the primary GPT header",
        604..1024 => "the sector of the primary GPT header, behind it",
        1024..17_408 => "the primary GPT entries",
        _ if at >= backup.saturating_add(HEADER) => {
            "the sector of the backup GPT header, behind it"
        }
        _ if at >= backup => "the backup GPT header",
        _ if at >= len.saturating_sub(spec::BACKUP_SECTORS * spec::SECTOR) => {
            "the backup GPT entries"
        }
        _ => "a gap between partitions",
    }
}

/// The superblock says what the manifest says, and every block is under the root hash.
pub(super) fn verity(
    subject: Subject<'_>,
    disk: Option<&Disk<'_>>,
) -> Result<Examination, VerifyError> {
    let mut examination = Examination::new(Check::Verity);
    let Some(disk) = disk else {
        examination.skip("all of it", NO_TABLE);
        return Ok(examination);
    };
    let (Some(root), Some(hashes)) = (disk.root, disk.hashes) else {
        examination.skip("all of it", "the disk lacks a root or a hash partition");
        return Ok(examination);
    };
    let header = match verity::read(&hashes) {
        Ok(header) => header,
        Err(error) => {
            examination.refused(subject.folder, disk.name, "its dm-verity superblock", error)?;
            examination.skip("the blocks", "the superblock can't be used");
            return Ok(examination);
        }
    };
    superblock(&mut examination, subject, disk.name, &header, root.len());
    if examination.is_clean() {
        superblock_again(&mut examination, subject, disk.name, hashes, root.len())?;
    }
    let plan = match verity::Plan::new(root.len(), &header.options) {
        Ok(plan) => plan,
        Err(error) => {
            examination.refused(subject.folder, disk.name, "its hash tree", error)?;
            return Ok(examination);
        }
    };
    let root_hash = match subject.manifest.root.root_hash.parse::<RootHash>() {
        Ok(root_hash) => root_hash,
        Err(error) => {
            examination.refused(subject.folder, MANIFEST_FILE, "root.root-hash", error)?;
            examination.skip("the blocks", "the manifest has no root hash");
            return Ok(examination);
        }
    };
    if let Err(error) = plan.verify(&root, &hashes, &root_hash) {
        let what = "the dm-verity tree under the manifest's root hash";
        match &error {
            verity::Error::Mismatch { place, expected, computed } => {
                examination.find(disk.name, format!("{what}, {place}"), expected, computed);
            }
            _ => examination.refused(subject.folder, disk.name, what, error)?,
        }
    }
    tail(&mut examination, subject, disk.name, hashes, plan.hash_len())?;
    let (blocks, bytes) = (plan.data_blocks(), root.len());
    examination.detail = format!("{blocks} blocks, {bytes} bytes");
    Ok(examination)
}

/// Each field of the superblock, which no hash covers.
fn superblock(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    header: &Header,
    root_len: u64,
) {
    let record = &subject.manifest.root;
    let options = &header.options;
    let salt = hex::encode(&options.salt);
    let mut expect = |field: &str, expected: &str, found: &str| {
        examination.expect(name, &format!("dm-verity superblock, {field}"), expected, found);
    };
    expect("algorithm", &record.algorithm, options.algorithm.name());
    expect("salt", &record.salt, &salt);
    let numbers = [
        ("data block size", u64::from(record.data_block_size), options.data_block_size.into()),
        ("hash block size", u64::from(record.hash_block_size), options.hash_block_size.into()),
        ("data blocks", root_len / u64::from(options.data_block_size), header.data_blocks),
    ];
    for (field, expected, found) in numbers {
        expect(field, &expected.to_string(), &found.to_string());
    }
}

/// The superblock written again, with what lies between it and the tree.
fn superblock_again(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    hashes: Part<'_>,
    root_len: u64,
) -> Result<(), VerifyError> {
    let record = &subject.manifest.root;
    let what = "its dm-verity superblock";
    let (Ok(salt), Ok(uuid)) = (hex::decode(&record.salt), record.uuid.parse::<Guid>()) else {
        let expected = "a salt in hex and a UUID";
        let found = format!("`{}` and `{}`", record.salt, record.uuid);
        examination.find(MANIFEST_FILE, "root.salt and root.uuid", expected, found);
        return Ok(());
    };
    let options = verity::Options {
        data_block_size: record.data_block_size,
        hash_block_size: record.hash_block_size,
        ..verity::Options::new(salt, uuid.to_text_order())
    };
    let block = Window::new(hashes, 0, options.hash_block_size.into());
    let block = match block {
        Ok(block) => block,
        Err(error) => return examination.refused(subject.folder, name, what, error),
    };
    let mut sink = Against::new(&block);
    let plan = verity::Plan::new(root_len, &options);
    if let Err(error) = plan.and_then(|plan| plan.write_superblock(&mut sink)) {
        return examination.refused(subject.folder, name, what, error);
    }
    match sink.finish() {
        Ok(difference) => {
            let place = |_| "the block of the dm-verity superblock".to_owned();
            rederive::report(examination, name, hashes.start(), difference, place);
            Ok(())
        }
        Err(error) => examination.refused(subject.folder, name, what, error),
    }
}

/// Nothing lies behind the hash tree.
fn tail(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    hashes: Part<'_>,
    used: u64,
) -> Result<(), VerifyError> {
    let rest = Window::new(hashes, used, hashes.len().saturating_sub(used));
    match rest.and_then(|rest| not_zero(&rest)) {
        Ok(None) => {}
        Ok(Some(at)) => {
            let found = format!("something {at} bytes behind it");
            examination.find(name, "the hash partition behind its tree", "zeros", found);
        }
        Err(error) => {
            examination.refused(subject.folder, name, "the end of the hash partition", error)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UEFI 2.10, section 5.2.3 and 5.3: a protective MBR, a header of 92 bytes, 128 entries of 128 bytes,
    /// and the same from the end. Both sides of every border.
    #[test]
    fn a_byte_outside_of_the_partitions_is_of_a_structure() {
        let len = 1 << 20;
        let backup = len - 512;
        for (at, place) in [
            (0, "the boot code of the protective MBR"),
            (439, "the boot code of the protective MBR"),
            (440, "the disk signature of the protective MBR"),
            (445, "the disk signature of the protective MBR"),
            (446, "the records of the protective MBR"),
            (509, "the records of the protective MBR"),
            (510, "the signature of the protective MBR"),
            (511, "the signature of the protective MBR"),
            (512, "the primary GPT header"),
            (512 + 91, "the primary GPT header"),
            (512 + 92, "the sector of the primary GPT header, behind it"),
            (1023, "the sector of the primary GPT header, behind it"),
            (1024, "the primary GPT entries"),
            (1024 + 128 * 128 - 1, "the primary GPT entries"),
            (1024 + 128 * 128, "a gap between partitions"),
            (backup - 128 * 128 - 1, "a gap between partitions"),
            (backup - 128 * 128, "the backup GPT entries"),
            (backup - 1, "the backup GPT entries"),
            (backup, "the backup GPT header"),
            (backup + 91, "the backup GPT header"),
            (backup + 92, "the sector of the backup GPT header, behind it"),
            (len - 1, "the sector of the backup GPT header, behind it"),
        ] {
            assert_eq!(place_of(at, len), place, "{at}");
        }
        // A disk that is shorter than a sector has no place for a backup.
        assert_eq!(place_of(100, 200), "the boot code of the protective MBR");
    }
}
