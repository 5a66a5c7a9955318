//! Firmware images made up for tests: whatever footer table and SEV metadata a test wants.

use cvmkit_measure::firmware::{
    SEV_ES_RESET_BLOCK_GUID, SEV_HASH_TABLE_GUID, SEV_METADATA_GUID, SVSM_INFO_GUID,
    TABLE_FOOTER_GUID,
};
use cvmkit_measure::guid::Guid;

/// Address, size and type of a section of SEV metadata.
pub(crate) type Section = [u32; 3];

/// The sections of an image that supports everything.
pub(crate) const SECTIONS: [Section; 6] = [
    [0x80_0000, 0x3000, 1],
    [0x80_d000, 0x1000, 2],
    [0x80_e000, 0x1000, 3],
    [0x80_f000, 0x1000, 4],
    [0x81_0000, 0x1000, 0x10],
    [0x81_1000, 0x2000, 1],
];

/// What to put into an image.
#[derive(Clone)]
pub(crate) struct OvmfImage {
    pub(crate) pages: usize,
    pub(crate) sections: Option<Vec<Section>>,
    /// Base and size.
    pub(crate) hash_table: Option<[u32; 2]>,
    pub(crate) reset_vector: Option<u32>,
    pub(crate) svsm_entry: Option<u32>,
}

impl Default for OvmfImage {
    fn default() -> Self {
        Self {
            pages: 2,
            sections: Some(SECTIONS.to_vec()),
            hash_table: Some([0x81_0c00, 0x400]),
            reset_vector: Some(0x0080_b004),
            svsm_entry: None,
        }
    }
}

impl OvmfImage {
    /// The image, in one firmware volume; bytes outside the structures differ from page to page.
    #[allow(dead_code, reason = "vectors of others have no volume")]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut image = self.without_volume();
        put_volume_header(&mut image);
        image
    }

    /// The same without the header of the volume.
    pub(crate) fn without_volume(&self) -> Vec<u8> {
        let len = self.pages * 4096;
        let mut image: Vec<u8> = (0..len).map(|at| u8::try_from(at / 7 % 251).unwrap()).collect();
        let metadata_distance = 0x800;
        let words = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        let mut entries: Vec<(Guid, Vec<u8>)> = Vec::new();
        if let Some(sections) = &self.sections {
            let count = u32::try_from(sections.len()).unwrap();
            let mut metadata = b"ASEV".to_vec();
            metadata.extend(words(&[16 + 12 * count, 1, count]));
            metadata.extend(words(&sections.concat()));
            let start = len - metadata_distance;
            image[start..start + metadata.len()].copy_from_slice(&metadata);
            entries.push((SEV_METADATA_GUID, words(&[0x800])));
        }
        let numbers = [
            (SEV_HASH_TABLE_GUID, self.hash_table.map(|area| words(&area))),
            (SEV_ES_RESET_BLOCK_GUID, self.reset_vector.map(|eip| words(&[eip]))),
            (SVSM_INFO_GUID, self.svsm_entry.map(|entry| words(&[entry]))),
        ];
        entries.extend(numbers.into_iter().filter_map(|(guid, data)| Some((guid, data?))));
        let mut table = Vec::new();
        for (guid, data) in entries {
            push_entry(&mut table, guid, &data, data.len() + 18);
        }
        let table_size = table.len() + 18;
        push_entry(&mut table, TABLE_FOOTER_GUID, &[], table_size);
        let start = len - 32 - table.len();
        image[start..len - 32].copy_from_slice(&table);
        image
    }
}

/// The header of a firmware volume that is as long as these bytes, at their start (UEFI PI 1.9, volume
/// 3, section 3.2.1).
pub(crate) fn put_volume_header(volume: &mut [u8]) {
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

/// The last page of an image as a whole one: behind a page that starts a firmware volume.
#[allow(dead_code, reason = "not every test has such a page")]
pub(crate) fn whole(end: &[u8]) -> Vec<u8> {
    let mut image = [&[0xff; 4096], end].concat();
    put_volume_header(&mut image);
    image
}

fn push_entry(table: &mut Vec<u8>, guid: Guid, data: &[u8], size: usize) {
    table.extend(data);
    table.extend(u16::try_from(size).unwrap().to_le_bytes());
    table.extend(guid.0);
}
