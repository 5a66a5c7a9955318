//! A Secure Execution header and digests from the tests of s390-tools.
//!
//! Encrypted pages are made by python's `cryptography`, in the interpreter of sev-snp-measure:
//! `CVMKIT_SNP_MEASURE` or `PATH` finds it.

#![expect(clippy::panic, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "runs the oracle, found by the environment"
)]

mod se_image;
mod snp_measure;

use std::env;
use std::path::Path;
use std::process::Command;

use cvmkit_measure::se::{
    self, Component, ComponentError, Error, Header, ImageDigests, Parameters, ParametersError,
    PlaintextFlags,
};
use proptest::prelude::*;
use se_image::{ALD, ENCRYPTED, HEADER, HEADER_AT, IMAGE_LEN, PARAMETERS_AT, PLD, TLD, TWEAK};

/// The digests that s390-tools reads from the same file (`EXP_HDR` in `rust/pv/src/brcb.rs`).
#[test]
fn a_header_says_what_s390_tools_reads() {
    let header = Header::parse(HEADER).unwrap();
    assert_eq!(
        header.page_digest.to_string(),
        "be94b5eab3c1b118c757d7db7ea0f65d9b64823a8dc55bf8a8725b58072d9d42\
         58c53e8a5da82dfb2192d91d07bc1c39b95d6321d3ba16a751a6e3e32f3e0161"
    );
    assert_eq!(
        header.address_digest.to_string(),
        "2858c3368b2a0af0c5ea0fde7905eb15af9cd1dd737165933cdaa2b850b6a8e2\
         f0f42c7b36dd5381096288dc092daa8a6facec2534137bc94ca80bda4fcb9328"
    );
    assert_eq!(
        header.tweak_digest.to_string(),
        "4860ebcf7b9d24eb909a795356ad32c936b62165988a9ffcd66170dbc590c230\
         10d7952fa882d1bb79558f9be0a549d8d7a94ae720e5c0760a825d479fe67af5"
    );
    assert_eq!(header.tag.to_string(), "92309d4589b9a85b427f8753171d1520");
    assert_eq!((header.size, header.pages, header.encrypted.len()), (640, 0xfc25, 128));
    assert_eq!(header.flags, PlaintextFlags(0));
    let host_keys: Vec<_> = header.key_slots.iter().map(|slot| slot.host_key_hash).collect();
    assert_eq!(hex::encode(host_keys[0].0), hex::encode(&HEADER[0x1a0..0x1c0]));
    assert_eq!(host_keys.len(), 1);
    let text = header.to_string();
    assert!(text.ends_with("tag            92309d4589b9a85b427f8753171d1520"), "{text}");
    assert_eq!(serde_json::to_value(&header).unwrap()["tag"], "92309d4589b9a85b427f8753171d1520");
}

/// The places of `from_se_image_img` and `from_se_image_fail` in `rust/pv/src/brcb.rs`.
#[test]
fn a_header_is_found_at_the_start_of_a_page_only() {
    let mut image = vec![0; 0x13000];
    image[0x12000..0x12280].copy_from_slice(HEADER);
    let header = Header::parse(HEADER).unwrap();
    assert_eq!(se::find(&image), Ok((0x12000, header.clone())));
    assert_eq!(se::find(HEADER), Ok((0, header)));
    let mut image = vec![0; 0x1000];
    image[8..0x288].copy_from_slice(HEADER);
    assert_eq!(se::find(&image), Err(Error::NotFound));
    assert_eq!(se::find(&[]), Err(Error::NotFound));
}

#[test]
fn a_damaged_header_is_refused_with_its_damage() {
    let damaged = |at: usize, value: u8| {
        let mut bytes = *HEADER;
        bytes[at] = value;
        Header::parse(&bytes)
    };
    assert_eq!(damaged(0, b'J'), Err(Error::Magic { found: *b"JBMSecEx" }));
    assert_eq!(damaged(10, 2), Err(Error::Version { found: 0x200 }));
    // SEHS, NKS and SEA must fit each other, whatever they are.
    for (at, value) in [(15, 0x81), (0x27, 2), (0x20, 0xff), (0x2f, 0x81), (0x28, 0xff)] {
        assert!(matches!(damaged(at, value), Err(Error::Sizes { .. })), "{at:#x}");
    }
    for len in 0..HEADER.len() {
        let expected = if len < 0x1a0 { 0x1a0 } else { 640 };
        let truncated = Err(Error::Truncated { expected, found: len });
        assert_eq!(Header::parse(&HEADER[..len]), truncated);
    }
}

/// Bit numbers of `PcfV1` in `rust/pvimg/src/pv_utils/se_hdr/flags.rs`, whose example is 57 = 0x40.
#[test]
fn flags_count_from_the_most_significant_bit() {
    assert_eq!(PlaintextFlags(0x40).names().collect::<Vec<_>>(), ["pckmo-aes"]);
    assert!(PlaintextFlags(0x2000_0000).contains(PlaintextFlags::ALLOW_DUMPING));
    assert!(!PlaintextFlags(0x40).contains(PlaintextFlags::NO_COMPONENT_ENCRYPTION));
}

/// The components of `prepare_aligned_component_test`.
fn components(pages: [&[u8]; 2]) -> [Component<'_>; 2] {
    [
        Component { address: 0x10000, tweak: TWEAK, pages: pages[0] },
        Component { address: 0x20000, tweak: TWEAK, pages: pages[1] },
    ]
}

#[test]
fn addresses_and_tweaks_have_the_digests_of_s390_tools() {
    let pages = [0; 0x4000];
    let digests = ImageDigests::of(&components([&pages, &pages[..0x3000]])).unwrap();
    assert_eq!(digests.pages, 7);
    assert_eq!(digests.address_digest.to_string(), ALD);
    assert_eq!(digests.tweak_digest.to_string(), TLD);
    assert_ne!(digests.page_digest.to_string(), PLD);
}

#[test]
fn encrypted_pages_have_the_digest_of_s390_tools() {
    let Some(pages) = encrypted_pages() else { return };
    let digests = ImageDigests::of(&components([&pages[0], &pages[1]])).unwrap();
    assert_eq!(digests.page_digest.to_string(), PLD);
}

fn encrypted_pages() -> Option<[Vec<u8>; 2]> {
    let interpreter = snp_measure::interpreter()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/se_image/pages.py");
    let output = Command::new(interpreter).arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(se_image::pages(&String::from_utf8(output.stdout).unwrap()))
}

/// The places of the components are in the clear in an image, and checked by the header's digests.
#[test]
fn a_whole_image_is_checked_from_its_own_parameters() {
    let Some(pages) = encrypted_pages() else { return };
    let image = se_image::image(&pages);
    let check = |image: &[u8]| {
        let (at, header) = se::find(image).unwrap();
        let parameters = Parameters::find(image, at, &header).unwrap();
        assert_eq!(
            (at, parameters.offset, parameters.components.len()),
            (HEADER_AT, PARAMETERS_AT, 2)
        );
        let digests = parameters.digests(image).map_err(|error| error.to_string())?;
        header.check(&digests).map_err(|differs| differs.what.to_owned())
    };
    assert_eq!(check(&image), Ok(()));
    let changed = |at: usize| {
        let mut image = image.clone();
        image[at] ^= 1;
        check(&image).unwrap_err()
    };
    assert_eq!(changed(ENCRYPTED[0].start), "page list digest (PLD)");
    assert_eq!(changed(ENCRYPTED[1].end - 1), "page list digest (PLD)");
    let first = PARAMETERS_AT + 0x88;
    assert_eq!(changed(first + 7), "tweak list digest (TLD)");
    // Length: a page less, and 2^40 bytes more than there are.
    assert_eq!(changed(first + 24 + 22), "number of pages (NEP)");
    assert!(changed(first + 18).contains("but the image has"));
    assert!(changed(first + 15).contains("out of place"));
}

#[test]
fn an_image_without_parameters_is_refused() {
    let pages = [vec![1; 0x4000], vec![2; 0x3000]];
    let image = se_image::image(&pages);
    let (at, header) = se::find(&image).unwrap();
    let not_found = Err(ParametersError::NotFound { header: HEADER_AT, size: 640 });
    // Version, type, version of the block, address and size of the header.
    for offset in [7, 0x0c, 0x6f, 0x7f, 0x87] {
        let mut other = image.clone();
        other[PARAMETERS_AT + offset] ^= 1;
        assert_eq!(Parameters::find(&other, at, &header), not_found, "{offset:#x}");
    }
    let cut = &image[..PARAMETERS_AT + 0x88 + 47];
    let truncated = Err(ParametersError::Truncated { at: PARAMETERS_AT, found: 2 });
    assert_eq!(Parameters::find(cut, at, &header), truncated);
    assert!(image.len() == IMAGE_LEN && Parameters::find(&image, at, &header).is_ok());
}

#[test]
fn components_of_no_image_are_refused() {
    let pages = [0; 0x2000];
    let of = |address, tweak, pages| ImageDigests::of(&[Component { address, tweak, pages }]);
    for len in [0, 1, 0x1001] {
        let refused = Err(ComponentError::Length { address: 0, found: len });
        assert_eq!(of(0, TWEAK, &pages[..len]), refused);
    }
    for address in [1, u64::MAX, u64::MAX - 0xfff] {
        assert!(matches!(of(address, TWEAK, &pages), Err(ComponentError::Address { .. })));
    }
    let overflow = of(0, [0xff; 16], &pages);
    assert_eq!(overflow, Err(ComponentError::Tweak { address: 0, tweak: [0xff; 16] }));
    let backwards = components([&pages, &pages]).map(|component| component);
    let backwards = ImageDigests::of(&[backwards[1], backwards[0]]);
    assert_eq!(backwards, Err(ComponentError::Address { address: 0x10000, next: 0x22000 }));
    let outside = Component::of_image(&pages, 0x1000, 0x1001, TWEAK);
    assert!(matches!(outside, Err(ComponentError::Outside { .. })));
    assert!(Component::of_image(&pages, u64::MAX, 2, TWEAK).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        changes in proptest::collection::vec((0..640_usize, any::<u8>()), 0..8),
    ) {
        let mut bytes = *HEADER;
        for (at, value) in changes {
            bytes[at] = value;
        }
        if let Ok(header) = Header::parse(&bytes) {
            prop_assert!(header.size <= bytes.len());
            let _ = header.to_string();
        }
    }
}
