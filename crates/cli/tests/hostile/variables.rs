//! Writes variables into a store of OVMF, as `virt-fw-vars` does; the reader is
//! `cvmkit_measure::uefi`.

/// `AUTHENTICATED_VARIABLE_HEADER` (EDK2, `MdeModulePkg/Include/Guid/VariableFormat.h`).
const HEADER: usize = 60;

/// `StartId` of a variable, and its state when it is in use (`VAR_ADDED`).
const START_ID: [u8; 2] = [0xaa, 0x55];
const ADDED: u8 = 0x3f;

/// Kept, and for boot and runtime services (UEFI 2.10, section 8.2).
const ATTRIBUTES: u32 = 7;

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
