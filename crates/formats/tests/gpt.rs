//! Partition tables against `sgdisk` and `sfdisk`, and against themselves.

#![expect(clippy::disallowed_methods, reason = "oracles take files")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tool;

use cvmkit_formats::gpt::{
    self, DiskSize, Entry, Guid, Lba, Options, Partition, Place, Plan, Table, spec,
};
use cvmkit_formats::sink::{Checked, Sink};
use proptest::prelude::*;

const DISK: Guid = Guid::from_u128(0x11111111_2222_4333_8444_555566667777);

fn partition(name: &str, type_guid: Guid, unique: u128, place: Place) -> Partition {
    Partition {
        type_guid,
        unique_guid: Guid::from_u128(unique),
        name: name.into(),
        place,
        attributes: 0,
    }
}

/// An ESP, a root and its hashes, as an image has them.
fn image() -> Vec<Partition> {
    let root_hash: Vec<u8> = (0..32).collect();
    let (data, hash) = gpt::part_uuids_from_root_hash(&root_hash).unwrap();
    let mut root = partition("root", spec::ROOT_X86_64, 0, Place::Next(3_000_000));
    root.unique_guid = data;
    root.attributes = spec::READ_ONLY;
    let mut verity = partition("root-verity-größe", spec::ROOT_VERITY_X86_64, 0, Place::Next(512));
    verity.unique_guid = hash;
    verity.attributes = spec::READ_ONLY | spec::NO_AUTO;
    vec![partition("esp", spec::ESP, 0xabc, Place::Next(34 * 1024 * 1024)), root, verity]
}

fn written(partitions: &[Partition], size: DiskSize) -> Vec<u8> {
    let plan = Plan::new(partitions, &Options { size, disk_guid: DISK }).unwrap();
    let mut sink = Checked::new(Vec::new());
    plan.write(&mut sink).unwrap();
    for placed in plan.partitions() {
        sink.zeros(placed.offset, placed.len).unwrap();
    }
    sink.finish(plan.len()).unwrap()
}

#[test]
fn sgdisk_finds_no_problems() {
    let folder = tempfile::tempdir().unwrap();
    let exact = DiskSize::Exact(64 * 1024 * 1024 + 512);
    for (number, size) in [DiskSize::Minimal, exact].into_iter().enumerate() {
        let path = folder.path().join(number.to_string());
        std::fs::write(&path, written(&image(), size)).unwrap();
        let path = path.to_str().unwrap();
        let Some(text) = tool::accepts("sgdisk", &["-v", path]) else { return };
        assert!(text.contains("No problems found"), "{text}");
        assert!(!text.to_lowercase().contains("warning"), "{text}");
    }
}

#[test]
fn sfdisk_sees_what_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    std::fs::write(&path, written(&image(), DiskSize::Minimal)).unwrap();
    let Some(text) = tool::accepts("sfdisk", &["--json", path.to_str().unwrap()]) else { return };
    for expected in [
        r#""id": "11111111-2222-4333-8444-555566667777""#,
        r#""firstlba": 34"#,
        r#""type": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B""#,
        r#""uuid": "00000000-0000-0000-0000-000000000ABC""#,
        // The digits of the root hash, in their order.
        r#""uuid": "00010203-0405-0607-0809-0A0B0C0D0E0F""#,
        r#""uuid": "10111213-1415-1617-1819-1A1B1C1D1E1F""#,
        r#""name": "root-verity-größe""#,
        r#""start": 71680"#,
        r#""size": 5860"#,
        r#""attrs": "GUID:60,63""#,
    ] {
        assert!(text.to_lowercase().contains(&expected.to_lowercase()), "{expected} in {text}");
    }
}

#[test]
fn the_listing_of_an_image() {
    let table = gpt::read(&written(&image(), DiskSize::Minimal)).unwrap();
    insta::assert_snapshot!(gpt::dump(&table), @r"
    GPT disk 11111111-2222-4333-8444-555566667777
      79872 sectors of 512 bytes
      usable sectors 34..=79838
    partition 1 `esp`
      type       c12a7328-f81f-11d2-ba4b-00a0c93ec93b (esp)
      unique     00000000-0000-0000-0000-000000000abc
      sectors    2048..=71679 (35651584 bytes at 0x100000)
      attributes 0x0000000000000000
    partition 2 `root`
      type       4f68bce3-e8cd-4db1-96e7-fbcaf984b709 (root-x86-64)
      unique     00010203-0405-0607-0809-0a0b0c0d0e0f
      sectors    71680..=77539 (3000320 bytes at 0x2300000)
      attributes 0x1000000000000000
    partition 3 `root-verity-größe`
      type       2c7357ed-ebd2-46d9-aec1-23d437ec2bf5 (root-x86-64-verity)
      unique     10111213-1415-1617-1819-1a1b1c1d1e1f
      sectors    77824..=77824 (512 bytes at 0x2600000)
      attributes 0x9000000000000000
    ");
}

#[test]
fn a_flipped_bit_in_a_table_is_noticed() {
    let small = [partition("a", spec::ESP, 1, Place::Next(512))];
    let mut disk = written(&small, DiskSize::Minimal);
    // What lies behind a header in its sector is nobody's.
    let primary = (510..512 + 92).chain(1024..1024 + 128 * 128);
    let backup = disk.len() - 33 * 512..disk.len() - 512 + 92;
    for at in primary.chain(backup).step_by(7) {
        disk[at] ^= 0x10;
        assert!(gpt::read(&disk).is_err(), "byte {at:#x}");
        disk[at] ^= 0x10;
    }
    assert!(gpt::read(&disk).is_ok());
}

#[test]
fn hostile_disks_are_refused_and_never_panic() {
    let disk = written(&[], DiskSize::Minimal);
    for len in (0..disk.len()).step_by(509) {
        assert!(gpt::read(&disk[..len]).is_err(), "{len} bytes");
    }
    // Header fields set to extremes, with the checksum put right so that they are looked at.
    for field in (24..92).step_by(4) {
        for value in [0u32, 1, 127, u32::MAX] {
            let mut broken = disk.clone();
            broken[512 + field..512 + field + 4].copy_from_slice(&value.to_le_bytes());
            broken[512 + 16..512 + 20].fill(0);
            let mut crc = flate2::Crc::new();
            crc.update(&broken[512..512 + 92]);
            broken[512 + 16..512 + 20].copy_from_slice(&crc.sum().to_le_bytes());
            let same = broken == disk;
            assert_eq!(gpt::read(&broken).is_ok(), same, "field {field} = {value}");
        }
    }
}

#[test]
fn layouts_that_can_not_be_are_refused() {
    let options = Options { size: DiskSize::Exact(4 * 1024 * 1024), disk_guid: DISK };
    let at = |first, last| Place::At(Lba(first), Lba(last));
    let one = |place| Plan::new(&[partition("a", spec::ESP, 1, place)], &options).map(|_| ());
    assert!(one(at(34, 8158)).is_ok());
    for place in [
        at(33, 40),
        at(34, 8159),
        at(50, 49),
        at(34, u64::MAX),
        Place::Next(0),
        Place::Next(u64::MAX),
        Place::Next(4 * 1024 * 1024),
    ] {
        assert!(one(place).is_err(), "{place:?}");
    }
    let a = partition("a", spec::ESP, 1, at(34, 40));
    let overlap = partition("b", spec::ESP, 2, at(40, 41));
    let same_guid = partition("b", spec::ESP, 1, at(41, 42));
    let long_name = partition(&"x".repeat(37), spec::ESP, 2, at(41, 42));
    let nil = partition("b", Guid::NIL, 2, at(41, 42));
    for other in [overlap, same_guid, long_name, nil] {
        assert!(Plan::new(&[a.clone(), other.clone()], &options).is_err(), "{other:?}");
    }
    assert!(gpt::part_uuids_from_root_hash(&[0; 31]).is_err());
}

#[test]
fn types_are_those_of_the_standard() {
    // UAPI.2, "Defined Partition Type UUIDs", as systemd's sd-gpt.h prints them.
    for (guid, text) in [
        (spec::ROOT_X86_64, "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"),
        (spec::ROOT_VERITY_X86_64, "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5"),
        (spec::ROOT_ARM64, "b921b045-1df0-41c3-af44-4c6f280d3fae"),
        (spec::ROOT_VERITY_ARM64, "df3300ce-d69f-4c92-978c-9bfb0f38d820"),
        (spec::ROOT_S390X, "5eead9a9-fe09-4a1e-a1d7-520d00531306"),
        (spec::ROOT_VERITY_S390X, "b325bfbe-c7be-4ab8-8357-139e652d2f6b"),
    ] {
        assert_eq!(guid.to_string(), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_written_is_read(
        sizes in prop::collection::vec((1u64..3_000_000, "[ -~à-ü]{0,36}", any::<u64>()), 0..20)
    ) {
        let partitions: Vec<Partition> = (1..).zip(&sizes).map(|(unique, (len, name, attributes))| {
            let mut made = partition(name, spec::LINUX_GENERIC, unique, Place::Next(*len));
            made.attributes = *attributes;
            made
        }).collect();
        let disk = written(&partitions, DiskSize::Minimal);
        let Table { partitions: found, disk_guid, sectors, .. } = gpt::read(&disk).unwrap();
        prop_assert_eq!(disk_guid, DISK);
        prop_assert_eq!(sectors * 512, disk.len() as u64);
        prop_assert_eq!(disk.len() % (1024 * 1024), 0);
        prop_assert_eq!(found.len(), partitions.len());
        for (found, asked) in found.iter().zip(&partitions) {
            let Entry { unique_guid, name, attributes, .. } = found;
            prop_assert_eq!(
                (*unique_guid, name, *attributes),
                (asked.unique_guid, &asked.name, asked.attributes)
            );
            prop_assert_eq!(found.offset() % (1024 * 1024), 0);
            let Place::Next(len) = asked.place else { unreachable!() };
            prop_assert_eq!(found.len(), len.next_multiple_of(512));
        }
    }
}
