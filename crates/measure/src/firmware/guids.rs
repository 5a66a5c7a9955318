//! What the entries of the footer table are called.

use crate::guid::Guid;

/// `OVMF_TABLE_FOOTER_GUID`, the entry that closes the table.
pub const TABLE_FOOTER_GUID: Guid = Guid::new(0x96b582de_1fb2_45f7_baea_a366c55a082d);
/// `SEV_HASH_TABLE_GUID`: base `u32` and size `u32` of the area for kernel hashes.
pub const SEV_HASH_TABLE_GUID: Guid = Guid::new(0x7255371f_3a3b_4b04_927b_1da6efa8d454);
/// `SEV_ES_RESET_BLOCK_GUID`: `u32` address where application processors start.
pub const SEV_ES_RESET_BLOCK_GUID: Guid = Guid::new(0x00f771de_1a7e_4fcb_890e_68c77e2fb44e);
/// `OVMF_SEV_METADATA_GUID`: `u32` distance of the SEV metadata from the end of the image.
pub const SEV_METADATA_GUID: Guid = Guid::new(0xdc886566_984a_4798_a75e_5585a7bf67cc);
/// `TDX_METADATA_OFFSET_GUID`: `u32` distance of the TDVF descriptor from the end of the image.
pub const TDX_METADATA_GUID: Guid = Guid::new(0xe47a6535_984a_4798_865e_4685a7bf8ec2);
/// `SVSM_INFO_GUID`: `u32` entry point of an SVSM image, from the start of the image.
pub const SVSM_INFO_GUID: Guid = Guid::new(0xa789a612_0597_4c4b_a49f_cbb1fe9d1ddd);
