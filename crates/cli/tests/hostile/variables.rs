//! Writes variables into a store of OVMF, as `virt-fw-vars` does; the reader is
//! `cvmkit_measure::uefi`.

use crate::rig::{self, Partition};

/// `AUTHENTICATED_VARIABLE_HEADER` (EDK2, `MdeModulePkg/Include/Guid/VariableFormat.h`).
const HEADER: usize = 60;

/// `StartId` of a variable, and its state when it is in use (`VAR_ADDED`).
const START_ID: [u8; 2] = [0xaa, 0x55];
const ADDED: u8 = 0x3f;

/// Kept, and for boot and runtime services (UEFI 2.10, section 8.2).
const ATTRIBUTES: u32 = 7;

/// `EFI_GLOBAL_VARIABLE`, 8be4df61-93ca-11d2-aa0d-00e098032b8c, in memory (UEFI 2.10, section 3.3).
pub(crate) const GLOBAL: [u8; 16] = [
    0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c,
];

/// `LOAD_OPTION_ACTIVE` (UEFI 2.10, section 3.1.3).
const ACTIVE: u32 = 1;

/// A boot option with words for what it starts: a file of the ESP among these partitions.
pub(crate) fn boot_option(partitions: &[Partition], file: &str, words: &str) -> Vec<u8> {
    let (number, esp) = (1..).zip(partitions).find(|(_, one)| one.kind == rig::ESP).unwrap();
    // Media, hard drive: a partition of a GPT by its GUID (section 10.3.5.1).
    let mut path = vec![4, 1, 42, 0];
    path.extend(u32::to_le_bytes(number));
    path.extend((esp.start / 512).to_le_bytes());
    path.extend((esp.size / 512).to_le_bytes());
    path.extend(in_memory(&esp.uuid));
    path.extend([2, 2]);
    // Media, file path; the end.
    let file = utf16(file);
    path.extend([4, 4]);
    path.extend(u16::try_from(file.len() + 4).unwrap().to_le_bytes());
    path.extend(file);
    path.extend([0x7f, 0xff, 4, 0]);
    let mut option = ACTIVE.to_le_bytes().to_vec();
    option.extend(u16::try_from(path.len()).unwrap().to_le_bytes());
    option.extend(utf16("hostile"));
    option.extend(path);
    option.extend(utf16(words));
    option
}

/// A GUID of 32 hex digits as it is in memory: its first three numbers are little-endian.
fn in_memory(digits: &str) -> [u8; 16] {
    let mut guid = u128::from_str_radix(digits, 16).unwrap().to_be_bytes();
    guid[..4].reverse();
    guid[4..6].reverse();
    guid[6..8].reverse();
    guid
}

/// Adds a variable behind the last one. The vendor is in the order of a GUID in memory.
pub(crate) fn add(flash: &mut [u8], vendor: [u8; 16], name: &str, data: &[u8]) {
    let end = end_of_variables(flash);
    let name: Vec<u8> = utf16(name);
    let mut record = START_ID.to_vec();
    record.extend([ADDED, 0]);
    record.extend(ATTRIBUTES.to_le_bytes());
    // No counter, time or key: it is not an authenticated one.
    record.extend([0; 8 + 16 + 4]);
    record.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
    record.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    record.extend(vendor);
    assert_eq!(record.len(), HEADER);
    record.extend(name);
    record.extend(data);
    let free = &mut flash[end..end + record.len()];
    assert!(free.iter().all(|byte| *byte == 0xff), "the store has room");
    free.copy_from_slice(&record);
}

/// Where the next variable goes: each starts at a multiple of four bytes.
fn end_of_variables(flash: &[u8]) -> usize {
    let word = |at: usize| u32::from_le_bytes(flash[at..at + 4].try_into().unwrap()) as usize;
    // `HeaderLength` of the firmware volume, then the 28 bytes of the store's own header.
    let mut at = usize::from(u16::from_le_bytes([flash[0x30], flash[0x31]])) + 28;
    while flash[at..at + 2] == START_ID {
        at = (at + HEADER + word(at + 36) + word(at + 40)).next_multiple_of(4);
    }
    at
}

/// With its NUL, as names and systemd's values are.
pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}
