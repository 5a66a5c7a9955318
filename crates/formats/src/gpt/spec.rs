//! Structures and constants of the GUID partition table.
//!
//! Standard: UEFI 2.10 chapter 5 ("UEFI 5.3.2" is its section); partition types: UAPI.2
//! Discoverable Partitions Specification ("DPS").

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Guid;

/// Bytes of a logical block. Disks of 4096-byte blocks are not produced.
pub const SECTOR: u64 = 512;

/// `Signature`, UEFI 5.3.2 table 5-5.
pub const SIGNATURE: [u8; 8] = *b"EFI PART";

/// `Revision` 1.0, UEFI 5.3.2 table 5-5.
pub const REVISION: u32 = 0x0001_0000;

/// `NumberOfPartitionEntries`: the array holds 16,384 bytes at least, UEFI 5.3.1.
pub const ENTRIES: u32 = 128;

/// Bytes of the entry array: 128 entries of 128 bytes.
pub const ENTRY_ARRAY: usize = 128 * 128;

/// Sectors of the entry array.
pub const ENTRY_SECTORS: u64 = 32;

/// The sectors before the first usable one: protective MBR, header, entry array.
pub const FIRST_USABLE: u64 = 2 + ENTRY_SECTORS;

/// The sectors after the last usable one: entry array and backup header.
pub const BACKUP_SECTORS: u64 = ENTRY_SECTORS + 1;

/// Partitions start and minimal disks end on multiples of this many bytes (`sgdisk`, systemd-repart
/// and every cloud use 1 MiB).
pub const ALIGNMENT: u64 = 1024 * 1024;

/// `OSType` of the protective MBR, UEFI 5.2.3 table 5-4.
pub const MBR_PROTECTIVE: u8 = 0xee;

/// Boot signature in the last two bytes of sector 0, UEFI 5.2.1 table 5-1.
pub const MBR_SIGNATURE: [u8; 2] = [0x55, 0xaa];

/// Attribute bit 60: read-only (DPS, "Partition Flags"; `SD_GPT_FLAG_READ_ONLY`).
pub const READ_ONLY: u64 = 1 << 60;

/// Attribute bit 63: do not mount automatically (DPS, "Partition Flags").
pub const NO_AUTO: u64 = 1 << 63;

/// Attribute bit 59: grow the file system to the partition (DPS, "Partition Flags").
pub const GROW_FILE_SYSTEM: u64 = 1 << 59;

/// EFI system partition: UEFI 5.3.3 table 5-7; DPS "EFI System Partition".
pub const ESP: Guid = Guid::from_u128(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);

/// Extended boot loader partition: DPS "Extended Boot Loader Partition".
pub const XBOOTLDR: Guid = Guid::from_u128(0xbc13c2ff_59e6_4262_a352_b275fd6f7172);

/// Root of x86-64: DPS "Root Partition (amd64/x86_64)".
pub const ROOT_X86_64: Guid = Guid::from_u128(0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709);

/// dm-verity hashes of the root of x86-64: DPS "Root Verity Partition (amd64/x86_64)".
pub const ROOT_VERITY_X86_64: Guid = Guid::from_u128(0x2c7357ed_ebd2_46d9_aec1_23d437ec2bf5);

/// Signed root hash of x86-64: DPS "Root Verity Signature Partition (amd64/x86_64)".
pub const ROOT_VERITY_SIG_X86_64: Guid = Guid::from_u128(0x41092b05_9fc8_4523_994f_2def0408b176);

/// Root of arm64: DPS "Root Partition (aarch64)".
pub const ROOT_ARM64: Guid = Guid::from_u128(0xb921b045_1df0_41c3_af44_4c6f280d3fae);

/// dm-verity hashes of the root of arm64: DPS "Root Verity Partition (aarch64)".
pub const ROOT_VERITY_ARM64: Guid = Guid::from_u128(0xdf3300ce_d69f_4c92_978c_9bfb0f38d820);

/// Signed root hash of arm64: DPS "Root Verity Signature Partition (aarch64)".
pub const ROOT_VERITY_SIG_ARM64: Guid = Guid::from_u128(0x6db69de6_29f4_4758_a7a5_962190f00ce3);

/// Root of s390x: DPS "Root Partition (s390x)".
pub const ROOT_S390X: Guid = Guid::from_u128(0x5eead9a9_fe09_4a1e_a1d7_520d00531306);

/// dm-verity hashes of the root of s390x: DPS "Root Verity Partition (s390x)".
pub const ROOT_VERITY_S390X: Guid = Guid::from_u128(0xb325bfbe_c7be_4ab8_8357_139e652d2f6b);

/// Signed root hash of s390x: DPS "Root Verity Signature Partition (s390x)".
pub const ROOT_VERITY_SIG_S390X: Guid = Guid::from_u128(0xc80187a5_73a3_491a_901a_017c3fa953e9);

/// `/var`: DPS "Variable Data Partition".
pub const VAR: Guid = Guid::from_u128(0x4d21b016_b534_45c2_a9fb_5c16e091fd2d);

/// Any other Linux file system: DPS "Generic Linux Data Partition".
pub const LINUX_GENERIC: Guid = Guid::from_u128(0x0fc63daf_8483_4772_8e79_3d69d8477de4);

/// GPT header, UEFI 5.3.2 table 5-5.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// `Signature`: `EFI PART`
    pub signature: [u8; 8],
    /// `Revision`, 1.0 as 16.16 bits
    pub revision: U32,
    /// `HeaderSize`, in bytes
    pub header_size: U32,
    /// `HeaderCRC32`, computed with this field zero
    pub header_crc: U32,
    /// `Reserved`, zero
    pub reserved: U32,
    /// `MyLBA`
    pub my_lba: U64,
    /// `AlternateLBA`
    pub alternate_lba: U64,
    /// `FirstUsableLBA`
    pub first_usable: U64,
    /// `LastUsableLBA`
    pub last_usable: U64,
    /// `DiskGUID`
    pub disk_guid: Guid,
    /// `PartitionEntryLBA`
    pub entries_lba: U64,
    /// `NumberOfPartitionEntries`
    pub entries: U32,
    /// `SizeOfPartitionEntry`, in bytes
    pub entry_size: U32,
    /// `PartitionEntryArrayCRC32`
    pub entries_crc: U32,
}

const _: () = assert!(size_of::<Header>() == 92);

/// GPT partition entry, UEFI 5.3.3 table 5-6.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Entry {
    /// `PartitionTypeGUID`
    pub type_guid: Guid,
    /// `UniquePartitionGUID`
    pub unique_guid: Guid,
    /// `StartingLBA`
    pub first: U64,
    /// `EndingLBA`, inclusive
    pub last: U64,
    /// `Attributes`: one bit each, the upper 16 of the type of partition
    pub attributes: U64,
    /// `PartitionName`, UTF-16, NUL-padded
    pub name: [U16; 36],
}

const _: () = assert!(size_of::<Entry>() == 128);

/// MBR partition record, UEFI 5.2.3 table 5-4.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct MbrRecord {
    /// `BootIndicator`
    pub boot: u8,
    /// `StartingCHS`
    pub first_chs: [u8; 3],
    /// `OSType`
    pub os_type: u8,
    /// `EndingCHS`
    pub last_chs: [u8; 3],
    /// `StartingLBA`
    pub first: U32,
    /// `SizeInLBA`
    pub sectors: U32,
}

const _: () = assert!(size_of::<MbrRecord>() == 16);
