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

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of CRC-32/ISO-HDLC, which all catalogues of such sums have.
    #[test]
    fn the_checksum_is_that_of_ethernet() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    /// UEFI 5.3.2: `HeaderCRC32`, bytes 16 to 19, counts as zero.
    #[test]
    fn a_header_does_not_count_its_own_field() {
        let mut header = *b"EFI PART0123456789abcdefghijklmn";
        let mut zeroed = header;
        zeroed[16..20].fill(0);
        assert_eq!(header_crc(&header), crc32(&zeroed));
        header[16..20].copy_from_slice(&[1, 2, 3, 4]);
        assert_eq!(header_crc(&header), crc32(&zeroed));
        for at in [15, 20] {
            let mut other = header;
            other[at] ^= 1;
            assert_ne!(header_crc(&other), crc32(&zeroed), "{at}");
        }
        assert_eq!(header_crc(&header[..19]), crc32(&header[..19]), "there is no whole field");
    }
}
