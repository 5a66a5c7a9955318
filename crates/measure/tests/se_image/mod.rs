//! A Secure Execution image with the components of s390-tools' tests: their digests are known.

use std::ops::Range;

/// `rust/pv/tests/assets/exp/secure_guest.hdr`: the header of an image that genprotimg made.
pub(crate) const HEADER: &[u8; 640] = include_bytes!("../fixtures/se_header.bin");

/// `prepare_aligned_component_test` in `rust/pvimg/src/pv_utils/secured_comp.rs`.
pub(crate) const PLD: &str = "a24ff30a8af1295888dedfe9369eb509290309a90159ebc32ca26a53f9d4364a\
                              781857e2590587536c3e767355c7b7603f2b0c6a407f16330d82128d0964fad2";
pub(crate) const ALD: &str = "c391de5727a08212ea2fea9c37f9cf090be51f93c6d521b8906332ce720c5f38\
                              ada0e73e69663e5211d015fef41dc62606f5135e619904d4f450ab889f49caad";
pub(crate) const TLD: &str = "424fe3cf04a6f64a7aef185c3b4ef607c0e4f54bb7e14620b574a3d31eef31c7\
                              d462eb040d45ee6918e6b80968ba4454f9e2edc26f6929ed624d0055f2355659";

pub(crate) const TWEAK: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 0];

/// Where the parts are in the image, in the order in which `pvimg` lays them out.
pub(crate) const ENCRYPTED: [Range<usize>; 2] = [0x10000..0x14000, 0x20000..0x23000];
pub(crate) const HEADER_AT: usize = 0x24000;
pub(crate) const PARAMETERS_AT: usize = 0x25000;
pub(crate) const IMAGE_LEN: usize = PARAMETERS_AT + 0x88 + 2 * 24;

/// The encrypted pages of both components, as `pages.py` prints them.
pub(crate) fn pages(printed: &str) -> [Vec<u8>; 2] {
    let mut lines = printed.lines().map(|line| hex::decode(line).unwrap());
    [lines.next().unwrap(), lines.next().unwrap()]
}

/// An image of these components; the header says the digests of s390-tools' test.
pub(crate) fn image(pages: &[Vec<u8>; 2]) -> Vec<u8> {
    let mut image = vec![0; IMAGE_LEN];
    for (place, pages) in ENCRYPTED.into_iter().zip(pages) {
        image[place].copy_from_slice(pages);
    }
    let mut header = *HEADER;
    header[0x30..0x38].copy_from_slice(&7_u64.to_be_bytes());
    header[0xe0..0x1a0].copy_from_slice(&hex::decode([PLD, ALD, TLD].concat()).unwrap());
    image[HEADER_AT..HEADER_AT + HEADER.len()].copy_from_slice(&header);
    image[PARAMETERS_AT..].copy_from_slice(&parameters());
    image
}

/// `struct ipl_parameter_block` of Linux and s390-tools, for both components: the second is not a
/// whole number of pages, as the test has it.
fn parameters() -> Vec<u8> {
    let len = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    let whole = IMAGE_LEN - PARAMETERS_AT;
    let mut block = [len(whole), [0, 0, 0, 1], len(whole - 8), [5, 0, 0, 0]].concat();
    block.resize(0x6f, 0);
    block.extend([1, 0, 0, 0, 0]);
    block.extend(2_u32.to_be_bytes());
    block.extend([HEADER_AT, HEADER.len()].map(|number| (number as u64).to_be_bytes()).concat());
    for (place, len) in ENCRYPTED.into_iter().zip([0x3400_u64, 0x3000]) {
        block.extend(&TWEAK[..8]);
        block.extend((place.start as u64).to_be_bytes());
        block.extend(len.to_be_bytes());
    }
    block
}
