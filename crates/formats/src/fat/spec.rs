//! Structures and constants of FAT16 and FAT32 with long names.
//!
//! Standard: Microsoft "FAT: General Overview of On-Disk Format" 1.03 ("FAT 1.03"), its chapter on
//! long directory entries, and UEFI 2.10 section 13.3 (which media firmware takes).

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `BPB_BytsPerSec`.
pub const SECTOR: u64 = 512;

/// `BS_jmpBoot` and `BS_OEMName`: FAT 1.03 says that this name causes the fewest surprises.
pub const OEM_NAME: [u8; 8] = *b"MSWIN4.1";

/// `BPB_Media` of a disk that is not removable.
pub const MEDIA: u8 = 0xf8;

/// `BS_BootSig`: serial number, label and type follow.
pub const EXTENDED_BOOT: u8 = 0x29;

/// The last two bytes of the boot sector.
pub const BOOT_SIGNATURE: [u8; 2] = [0x55, 0xaa];

/// `BPB_FSInfo` and `BPB_BkBootSec` as FAT 1.03 recommends them.
pub const FS_INFO_SECTOR: u16 = 1;
/// See [`FS_INFO_SECTOR`].
pub const BACKUP_BOOT_SECTOR: u16 = 6;

/// Below this many clusters a volume is FAT12; the cluster count alone decides (FAT 1.03, "FAT Type
/// Determination").
pub const FAT16_CLUSTERS_MIN: u64 = 4085;
/// Below this many clusters a volume is FAT16.
pub const FAT32_CLUSTERS_MIN: u64 = 65525;
/// The number behind the largest cluster count of FAT32: the entries from 0x0ffffff7 are reserved.
pub const FAT32_CLUSTERS_END: u64 = 0x0fff_fff5;
/// FAT 1.03 advises to stay this far away from both bounds, because other code has them wrong.
pub const CLUSTERS_MARGIN: u64 = 16;

/// `BPB_RootEntCnt` of FAT16, as FAT 1.03 recommends it.
pub const FAT16_ROOT_ENTRIES: u16 = 512;

/// Most bytes of a directory (FAT 1.03: 65,536 entries of 32 bytes).
pub const DIRECTORY_MAX: u64 = 65_536 * 32;

/// `ATTR_READ_ONLY | ATTR_HIDDEN | ATTR_SYSTEM | ATTR_VOLUME_ID`: a part of a long name.
pub const ATTR_LONG_NAME: u8 = 0x0f;
/// `ATTR_VOLUME_ID`: the entry is the label of the volume
pub const ATTR_VOLUME_ID: u8 = 0x08;
/// `ATTR_DIRECTORY`: the entry is a directory of its own
pub const ATTR_DIRECTORY: u8 = 0x10;
/// `ATTR_ARCHIVE`, which every file carries.
pub const ATTR_ARCHIVE: u8 = 0x20;

/// `LAST_LONG_ENTRY`: the part that comes first on disk.
pub const LAST_LONG_ENTRY: u8 = 0x40;

/// UTF-16 units of one part of a long name.
pub const LONG_UNITS: usize = 13;

/// Longest name in UTF-16 units.
pub const NAME_MAX: usize = 255;

/// BIOS parameter block, common part.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct BootSector {
    /// `BS_jmpBoot`
    pub jump: [u8; 3],
    /// `BS_OEMName`
    pub oem_name: [u8; 8],
    /// `BPB_BytsPerSec`
    pub bytes_per_sector: U16,
    /// `BPB_SecPerClus`
    pub sectors_per_cluster: u8,
    /// `BPB_RsvdSecCnt`
    pub reserved_sectors: U16,
    /// `BPB_NumFATs`
    pub fats: u8,
    /// `BPB_RootEntCnt`
    pub root_entries: U16,
    /// `BPB_TotSec16`
    pub sectors_16: U16,
    /// `BPB_Media`
    pub media: u8,
    /// `BPB_FATSz16`
    pub fat_sectors_16: U16,
    /// `BPB_SecPerTrk`
    pub sectors_per_track: U16,
    /// `BPB_NumHeads`
    pub heads: U16,
    /// `BPB_HiddSec`
    pub hidden_sectors: U32,
    /// `BPB_TotSec32`
    pub sectors_32: U32,
}

const _: () = assert!(size_of::<BootSector>() == 36);

/// BIOS parameter block, FAT32 part (offset 36).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Fat32Part {
    /// `BPB_FATSz32`
    pub fat_sectors: U32,
    /// `BPB_ExtFlags`: 0, both FATs are kept
    pub ext_flags: U16,
    /// `BPB_FSVer`
    pub version: U16,
    /// `BPB_RootClus`
    pub root_cluster: U32,
    /// `BPB_FSInfo`
    pub fs_info: U16,
    /// `BPB_BkBootSec`
    pub backup_boot: U16,
    /// `BPB_Reserved`
    pub reserved: [u8; 12],
}

const _: () = assert!(size_of::<Fat32Part>() == 28);

/// The end of the boot sector's fields (offset 36 of FAT16, 64 of FAT32).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Identity {
    /// `BS_DrvNum`
    pub drive: u8,
    /// `BS_Reserved1`
    pub reserved: u8,
    /// `BS_BootSig`
    pub boot_signature: u8,
    /// `BS_VolID`
    pub volume_id: U32,
    /// `BS_VolLab`
    pub label: [u8; 11],
    /// `BS_FilSysType`
    pub file_system: [u8; 8],
}

const _: () = assert!(size_of::<Identity>() == 26);

/// FSInfo sector.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct FsInfo {
    /// `FSI_LeadSig`, [`FsInfo::LEAD`]
    pub lead: U32,
    /// `FSI_Reserved1`
    pub reserved_1: [u8; 480],
    /// `FSI_StrucSig`, [`FsInfo::STRUCT`]
    pub structure: U32,
    /// `FSI_Free_Count`, in clusters
    pub free_clusters: U32,
    /// `FSI_Nxt_Free`
    pub next_free: U32,
    /// `FSI_Reserved2`
    pub reserved_2: [u8; 12],
    /// `FSI_TrailSig`, [`FsInfo::TRAIL`]
    pub trail: U32,
}

const _: () = assert!(size_of::<FsInfo>() == 512);

impl FsInfo {
    /// `FSI_LeadSig`
    pub const LEAD: u32 = 0x4161_5252;
    /// `FSI_StrucSig`
    pub const STRUCT: u32 = 0x6141_7272;
    /// `FSI_TrailSig`
    pub const TRAIL: u32 = 0xaa55_0000;
}

/// Directory entry of 32 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DirEntry {
    /// `DIR_Name`: 8 characters and 3 of extension, padded with spaces
    pub name: [u8; 11],
    /// `DIR_Attr`
    pub attributes: u8,
    /// `DIR_NTRes`
    pub nt_reserved: u8,
    /// `DIR_CrtTimeTenth`
    pub created_tenths: u8,
    /// `DIR_CrtTime`
    pub created_time: U16,
    /// `DIR_CrtDate`
    pub created_date: U16,
    /// `DIR_LstAccDate`
    pub accessed_date: U16,
    /// `DIR_FstClusHI`
    pub cluster_high: U16,
    /// `DIR_WrtTime`
    pub written_time: U16,
    /// `DIR_WrtDate`
    pub written_date: U16,
    /// `DIR_FstClusLO`
    pub cluster_low: U16,
    /// `DIR_FileSize`
    pub size: U32,
}

const _: () = assert!(size_of::<DirEntry>() == 32);

impl DirEntry {
    /// The first cluster of the contents; 0 for an empty file, and for the root as a parent.
    #[must_use]
    pub fn first_cluster(&self) -> u64 {
        u64::from(self.cluster_high.get()) << 16 | u64::from(self.cluster_low.get())
    }
}

/// Part of a long name, 32 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LongEntry {
    /// `LDIR_Ord`
    pub order: u8,
    /// `LDIR_Name1`
    pub name_1: [U16; 5],
    /// `LDIR_Attr`
    pub attributes: u8,
    /// `LDIR_Type`
    pub kind: u8,
    /// `LDIR_Chksum`, [`short_name_checksum`]
    pub checksum: u8,
    /// `LDIR_Name2`
    pub name_2: [U16; 6],
    /// `LDIR_FstClusLO`
    pub cluster_low: U16,
    /// `LDIR_Name3`
    pub name_3: [U16; 2],
}

const _: () = assert!(size_of::<LongEntry>() == 32);

impl LongEntry {
    /// The 13 units of this part.
    #[must_use]
    pub fn units(&self) -> [u16; LONG_UNITS] {
        let mut units = [0; LONG_UNITS];
        let parts = self.name_1.iter().chain(&self.name_2).chain(&self.name_3);
        for (slot, unit) in units.iter_mut().zip(parts) {
            *slot = unit.get();
        }
        units
    }
}

/// `ChkSum()` of FAT 1.03: ties the parts of a long name to the short entry behind them.
#[must_use]
pub fn short_name_checksum(name: &[u8; 11]) -> u8 {
    name.iter().fold(0, |sum: u8, &byte| sum.rotate_right(1).wrapping_add(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ChkSum()` of FAT 1.03 as it stands there: `((Sum & 1) ? 0x80 : 0) + (Sum >> 1) + *pFcbName++`.
    #[test]
    fn the_checksum_is_that_of_the_document() {
        let by_the_document = |name: &[u8; 11]| {
            name.iter().fold(0_u32, |sum, &byte| {
                let carry = if sum & 1 == 1 { 0x80 } else { 0 };
                (carry + (sum >> 1) + u32::from(byte)) & 0xff
            })
        };
        for name in [b"FOO     BAR", b"BOOTX64 EFI", b"           ", b"\xff\xfe\x01\x80abcdefg"] {
            assert_eq!(u32::from(short_name_checksum(name)), by_the_document(name), "{name:?}");
        }
        assert_ne!(short_name_checksum(b"AB         "), short_name_checksum(b"BA         "));
    }

    #[test]
    fn a_cluster_is_in_two_halves() {
        let mut bytes = [0; 32];
        bytes[20..22].copy_from_slice(&[0x34, 0x12]);
        bytes[26..28].copy_from_slice(&[0x78, 0x56]);
        assert_eq!(DirEntry::read_from_bytes(&bytes).unwrap().first_cluster(), 0x1234_5678);
    }

    /// Units at the bytes 1 to 10, 14 to 25 and 28 to 31 ("Long Directory Entries").
    #[test]
    fn a_long_name_is_in_three_parts() {
        let mut bytes = [0xee; 32];
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
        for (unit, at) in (0x100_u16..).zip(places) {
            bytes[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        let entry = LongEntry::read_from_bytes(&bytes).unwrap();
        assert_eq!(entry.units().to_vec(), (0x100..0x10d).collect::<Vec<u16>>());
        assert_eq!(
            (entry.order, entry.attributes, entry.kind, entry.checksum),
            (0xee, 0xee, 0xee, 0xee)
        );
    }
}
