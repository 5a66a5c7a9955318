//! The checksums of headers and entries.

/// CRC-32 as UEFI 2.10 section 5.3.2 asks for it: ISO 3309, the one of Ethernet and gzip.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// CRC-32 of a header: over its `HeaderSize` bytes, with its own field zero.
pub(super) fn header_crc(bytes: &[u8]) -> u32 {
    const FIELD: std::ops::Range<usize> = 16..20;
    let mut copy = bytes.to_vec();
    if let Some(field) = copy.get_mut(FIELD) {
        field.fill(0);
    }
    crc32(&copy)
}
