//! Partition tables.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. Partitions lie on the disk; what
//! is read and can be planned reads back the same.
//!
//! Input: a disk; checksums need not be right.

#![no_main]

use cvmkit_formats::gpt::{DiskSize, Options, Partition, Place, Plan, Table, dump, read};
use libfuzzer_sys::fuzz_target;

const SECTOR: usize = 512;

fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word[..N].copy_from_slice(&bytes[at..at + N]);
    u64::from_le_bytes(word)
}

/// CRC-32 as gzip and UEFI compute it.
fn crc(bytes: &[u8]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

/// Makes the checksums of one copy right (UEFI 2.10 table 5-5): mutations reach the fields.
fn repair(disk: &mut [u8], at: usize) -> Option<()> {
    let header = disk.get(at..at + SECTOR)?;
    let entries = number::<8>(header, 72).checked_mul(SECTOR as u64)?;
    let array = number::<4>(header, 80).checked_mul(number::<4>(header, 84))?;
    let entries = usize::try_from(entries).ok()?;
    let end = entries.checked_add(usize::try_from(array).ok()?)?;
    let sum = crc(disk.get(entries..end)?);
    let header_size = usize::try_from(number::<4>(header, 12)).ok()?;
    let header = disk.get_mut(at..at.checked_add(header_size)?)?;
    header.get_mut(88..92)?.copy_from_slice(&sum);
    header.get_mut(16..20)?.fill(0);
    let sum = crc(header);
    header[16..20].copy_from_slice(&sum);
    Some(())
}

fn check(disk: &[u8]) {
    let Ok(table) = read(disk) else { return };
    let _ = dump(&table);
    for entry in &table.partitions {
        assert!(!entry.is_empty());
        entry.window(disk).expect("the partition is on the disk");
    }
    check_round_trip(&table, disk.len() as u64);
}

fn check_round_trip(table: &Table, len: u64) {
    let partition = |entry: &cvmkit_formats::gpt::Entry| Partition {
        type_guid: entry.type_guid,
        unique_guid: entry.unique_guid,
        name: entry.name.clone(),
        place: Place::At(entry.first, entry.last),
        attributes: entry.attributes,
    };
    let partitions: Vec<_> = table.partitions.iter().map(partition).collect();
    let options = Options { size: DiskSize::Exact(len), disk_guid: table.disk_guid };
    let Ok(plan) = Plan::new(&partitions, &options) else { return };
    let mut disk = Vec::new();
    plan.write(&mut disk).expect("memory does not fail");
    disk.resize(usize::try_from(len).expect("it was in memory"), 0);
    let back = read(&disk).expect("our own table is read");
    let bare = |table: &Table| {
        let mut found = table.partitions.clone();
        found.iter_mut().for_each(|entry| entry.number = 0);
        found
    };
    assert_eq!(bare(&back), bare(table));
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let mut disk = bytes.to_vec();
    let backup = disk.len().saturating_sub(SECTOR);
    // The primary array is the backup's too, or every mutation of one is only a difference.
    if backup > 34 * SECTOR && disk.len().is_multiple_of(SECTOR) {
        disk.copy_within(2 * SECTOR..34 * SECTOR, backup - 32 * SECTOR);
    }
    let _ = repair(&mut disk, SECTOR);
    let _ = repair(&mut disk, backup);
    check(&disk);
});
