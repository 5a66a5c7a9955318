//! Firmware images made up for tests: whatever TDVF metadata a test wants.

#![allow(dead_code, reason = "each test uses a part")]

use cvmkit_measure::firmware::{TABLE_FOOTER_GUID, TDX_METADATA_GUID};
use cvmkit_measure::guid::Guid;

/// One entry of the metadata, as its fields.
#[derive(Clone, Copy)]
pub(crate) struct Section {
    pub(crate) data: (u32, u32),
    pub(crate) gpa: u64,
    pub(crate) size: u64,
    pub(crate) kind: u32,
    pub(crate) attributes: u32,
}

pub(crate) const BFV: u32 = 0;
pub(crate) const CFV: u32 = 1;
pub(crate) const TD_HOB: u32 = 2;
pub(crate) const TEMP_MEM: u32 = 3;
pub(crate) const PERM_MEM: u32 = 4;

/// Memory that is not filled from the image.
pub(crate) const fn memory(kind: u32, gpa: u64, size: u64) -> Section {
    Section { data: (0, 0), gpa, size, kind, attributes: 0 }
}

/// What edk2 reserved until its release of May 2025, as far as the TD HOB shows it.
pub(crate) const EDK2_MEMORY: [Section; 4] = [
    memory(TEMP_MEM, 0x81_0000, 0x1_0000),
    memory(TEMP_MEM, 0x80_b000, 0x2000),
    memory(TD_HOB, 0x80_9000, 0x2000),
    memory(TEMP_MEM, 0x80_0000, 0x6000),
];

/// Where [`image`] has the descriptor, counted from the end.
pub(crate) const DESCRIPTOR_DISTANCE: usize = 0x800;

/// What edk2 has before the descriptor; td-shim's tool asks for it, no VMM does.
const METADATA_GUID: Guid = Guid::new(0xe9eaf9f3_168e_44d5_a8eb_7f4d8738f6ae);

/// An image of `len` bytes, of which the first are variables, with code and `memory`.
pub(crate) fn firmware(len: u32, variables: &[u8], memory: &[Section]) -> Vec<u8> {
    let start = (1 << 32) - u64::from(len);
    let cfv = u32::try_from(variables.len()).unwrap();
    let code = Section {
        data: (cfv, len - cfv),
        gpa: start + u64::from(cfv),
        size: u64::from(len - cfv),
        kind: BFV,
        attributes: 1,
    };
    let store = Section { data: (0, cfv), gpa: start, size: cfv.into(), kind: CFV, attributes: 0 };
    let mut bytes = image(len, &[&[code, store], memory].concat());
    bytes[..variables.len()].copy_from_slice(variables);
    bytes
}

/// The same with variables and code in a firmware volume each, as a file is that is named.
pub(crate) fn whole_firmware(len: u32, variables: &[u8], memory: &[Section]) -> Vec<u8> {
    let mut bytes = firmware(len, variables, memory);
    if variables[40..44] != *b"_FVH" {
        put_volume_header(&mut bytes[..variables.len()]);
    }
    put_volume_header(&mut bytes[variables.len()..]);
    bytes
}

/// An image with these entries; bytes outside the structures differ from page to page.
pub(crate) fn image(len: u32, sections: &[Section]) -> Vec<u8> {
    let len = usize::try_from(len).unwrap();
    let mut image: Vec<u8> = (0..len).map(|at| u8::try_from(at / 7 % 251).unwrap()).collect();
    let count = u32::try_from(sections.len()).unwrap();
    let mut metadata = b"TDVF".to_vec();
    for word in [16 + 32 * count, 1, count] {
        metadata.extend(word.to_le_bytes());
    }
    for section in sections {
        metadata.extend(section.data.0.to_le_bytes());
        metadata.extend(section.data.1.to_le_bytes());
        metadata.extend(section.gpa.to_le_bytes());
        metadata.extend(section.size.to_le_bytes());
        metadata.extend(section.kind.to_le_bytes());
        metadata.extend(section.attributes.to_le_bytes());
    }
    let start = len - DESCRIPTOR_DISTANCE;
    image[start - 16..start].copy_from_slice(&METADATA_GUID.0);
    image[start..start + metadata.len()].copy_from_slice(&metadata);
    let mut table = u32::try_from(DESCRIPTOR_DISTANCE).unwrap().to_le_bytes().to_vec();
    table.extend(22u16.to_le_bytes());
    table.extend(TDX_METADATA_GUID.0);
    table.extend(40u16.to_le_bytes());
    table.extend(TABLE_FOOTER_GUID.0);
    let start = len - 32 - table.len();
    image[start..len - 32].copy_from_slice(&table);
    image
}

/// The header of a firmware volume that is as long as these bytes, at their start (UEFI PI 1.9, volume
/// 3, section 3.2.1).
fn put_volume_header(volume: &mut [u8]) {
    let len = volume.len();
    volume[..72].fill(0);
    volume[32..40].copy_from_slice(&(len as u64).to_le_bytes());
    volume[40..44].copy_from_slice(b"_FVH");
    volume[48..50].copy_from_slice(&72_u16.to_le_bytes());
    volume[55] = 2;
    let words = volume[..72].chunks_exact(2).map(|word| u16::from_le_bytes([word[0], word[1]]));
    let sum = words.fold(0_u16, u16::wrapping_add);
    volume[50..52].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
}

/// The variable store that edk2 builds for OVMF of 4 MiB: headers of a firmware volume and of two
/// stores, and nothing in them.
pub(crate) fn empty_variables() -> Vec<u8> {
    let mut store = vec![0xff; 0x8_4000];
    let volume = "000000000000000000000000000000008d2bf1ff96768b4ca9852747075b4f50004008000000\
                  00005f465648fffe04004800afb80000000284000000001000000000000000000000782cf3aa\
                  7b949a43a1802e144ec37792b8ff03005afe000000000000";
    let working = "2b29589e687c7d49a0ce6500fd9f1b952caf2c64feffffffe00f000000000000";
    for (at, hex) in [(0, volume), (0x4_1000, working)] {
        let bytes = hex::decode(hex).unwrap();
        store[at..at + bytes.len()].copy_from_slice(&bytes);
    }
    store
}
