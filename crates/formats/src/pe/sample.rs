//! A small image for tests, and where its parts are ("PE Format", the tables of its headers).

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromZeros as _, IntoBytes as _};

use super::spec::{
    FileHeader, MAGIC_PE32_PLUS, NX_COMPAT, OptionalHeader, SIGNATURE, SectionHeader,
};

/// "COFF File Header", behind the signature at 0x40.
pub(super) const FILE: usize = 0x44;
/// "Optional Header".
pub(super) const OPTIONAL: usize = FILE + 20;
/// The data directory of the certificate table, the fifth.
pub(super) const CERTIFICATES: usize = OPTIONAL + 112 + 32;
/// The section table, behind 16 data directories.
pub(super) const TABLE: usize = OPTIONAL + 112 + 128;

/// 0x400 bytes of headers, then `.text` and the other sections, 0x200 bytes each in the file and 0x180 in
/// memory.
pub(super) fn image(sections: &[&str]) -> Vec<u8> {
    let mut file = FileHeader::new_zeroed();
    file.sections = U16::new(u16::try_from(sections.len()).unwrap());
    file.optional_header_size = U16::new(112 + 128);
    let mut optional = OptionalHeader::new_zeroed();
    optional.magic = U16::new(MAGIC_PE32_PLUS);
    optional.file_alignment = U32::new(0x200);
    optional.section_alignment = U32::new(0x1000);
    optional.headers_size = U32::new(0x400);
    optional.directories = U32::new(16);
    optional.initialized_data_size = U32::new(0x100);
    optional.checksum = U32::new(0x1234);
    optional.dll_characteristics = U16::new(NX_COMPAT | 1);
    let mut bytes = b"MZ".to_vec();
    bytes.resize(0x3c, 0);
    bytes.extend(0x40u32.to_le_bytes());
    bytes.extend(SIGNATURE);
    bytes.extend(file.as_bytes());
    bytes.extend(optional.as_bytes());
    bytes.extend([0; 128]);
    for (number, name) in (1..).zip(sections) {
        let mut header = SectionHeader::new_zeroed();
        header.name[..name.len()].copy_from_slice(name.as_bytes());
        header.virtual_size = U32::new(0x180);
        header.virtual_address = U32::new(number * 0x1000);
        header.raw_size = U32::new(0x200);
        header.raw_offset = U32::new(0x200 + number * 0x200);
        bytes.extend(header.as_bytes());
    }
    bytes.resize(0x400, 0);
    for name in sections {
        // Code in the first, a letter of the name in the others.
        let filler = if *name == ".text" { 0x90 } else { name.as_bytes()[1] };
        bytes.resize(bytes.len() + 0x200, filler);
    }
    bytes
}

/// The image with other bytes at an offset.
pub(super) fn edited(mut image: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    image[at..at + bytes.len()].copy_from_slice(bytes);
    image
}
