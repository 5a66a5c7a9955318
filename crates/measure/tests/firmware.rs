//! Firmware that can't be launched is refused with a clear word, and hostile firmware never panics.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ovmf_image;

use cvmkit_measure::firmware::{
    Error, Firmware, SEV_ES_RESET_BLOCK_GUID, SectionType, TDX_METADATA_GUID,
};
use cvmkit_measure::gpa::Gpa;
use cvmkit_measure::guid::Guid;
use cvmkit_measure::kernel_hashes::KernelHashes;
use cvmkit_measure::snp::{self, Guest, SvsmGuest, VcpuSignature, Vmm};
use ovmf_image::{OvmfImage, SECTIONS};
use proptest::prelude::*;

const AMD_SEV: &[u8] = include_bytes!("fixtures/ovmf_AmdSev_suffix.bin");
const OVMF_X64: &[u8] = include_bytes!("fixtures/ovmf_OvmfX64_suffix.bin");
const VCPU: VcpuSignature = VcpuSignature(0x0080_0f12);

fn with_kernel() -> Guest {
    let kernel = KernelHashes::from_bytes(b"kernel", Some(b"initrd"), b"quiet").ok();
    Guest { kernel, ..Guest::new(Vmm::Qemu { vcpu: VCPU }) }
}

fn launch_error(image: &OvmfImage, vcpus: u32) -> snp::Error {
    let bytes = image.bytes();
    let firmware = Firmware::of_end(&bytes).unwrap();
    snp::launch(&firmware, &with_kernel(), vcpus).unwrap_err()
}

/// The values sev-snp-measure's parser prints for the fixture.
#[test]
fn an_edk2_image_is_read() {
    let firmware = Firmware::of_end(AMD_SEV).unwrap();
    assert_eq!(firmware.gpa(), Gpa(0xffff_f000));
    assert_eq!(firmware.ap_reset_vector(), Ok(0x0080_b004));
    let area = firmware.hash_table_area().unwrap().unwrap();
    assert_eq!((area.gpa, area.size), (Gpa(0x81_0c00), 0x400));
    assert_eq!(firmware.entry(TDX_METADATA_GUID), Some(&[0xd0, 0x09, 0, 0][..]));
    let tdx = firmware.tdx_metadata_offset().unwrap().unwrap();
    assert_eq!(AMD_SEV[tdx..tdx + 4], *b"TDVF");
    assert_eq!(firmware.svsm_entry_point(), Err(Error::NoSvsmInfo));

    let sections = firmware.sev_sections().unwrap();
    let read: Vec<_> = sections.iter().map(|s| (s.gpa.0, s.size, s.section_type)).collect();
    let expected = [
        (0x80_0000, 0x9000, SectionType::SnpSecMem),
        (0x80_a000, 0x3000, SectionType::SnpSecMem),
        (0x80_d000, 0x1000, SectionType::SnpSecrets),
        (0x80_e000, 0x1000, SectionType::Cpuid),
        (0x80_f000, 0x1000, SectionType::SvsmCaa),
        (0x81_0000, 0x1000, SectionType::SnpKernelHashes),
        (0x81_1000, 0xf000, SectionType::SnpSecMem),
    ];
    assert_eq!(read, expected);

    // The general build has the entry for kernel hashes, with address 0.
    assert_eq!(Firmware::of_end(OVMF_X64).unwrap().hash_table_area(), Ok(None));
}

#[test]
fn lengths_and_missing_tables_are_refused() {
    for len in [0, 1, 4095, 4097] {
        let image = vec![0; len];
        assert_eq!(Firmware::of_end(&image).unwrap_err(), Error::Length { found: len });
    }
    let error = Firmware::of_end(&[0; 4096]).unwrap_err();
    assert!(matches!(error, Error::NoFooterTable { .. }), "{error}");
    assert!(error.to_string().contains("no footer table"), "{error}");
}

#[test]
fn firmware_without_sev_metadata_is_refused() {
    let image = OvmfImage { sections: None, ..OvmfImage::default() };
    let error = launch_error(&image, 1);
    assert_eq!(error, snp::Error::Firmware(Error::NoSevMetadata));
    assert!(error.to_string().contains("SEV metadata"), "{error}");
    let no_reset = OvmfImage { reset_vector: None, ..OvmfImage::default() };
    assert_eq!(launch_error(&no_reset, 1), snp::Error::Firmware(Error::NoResetBlock));
}

#[test]
fn kernel_hashes_must_be_where_the_firmware_reads_them() {
    let image = |hash_table| OvmfImage { hash_table, ..OvmfImage::default() };
    assert_eq!(launch_error(&image(None), 1), snp::Error::NoHashTable);
    assert_eq!(launch_error(&image(Some([0, 0])), 1), snp::Error::NoHashTable);
    let small = launch_error(&image(Some([0x81_0c00, 175])), 1);
    assert_eq!(small, snp::Error::HashTableTooSmall { found: 175 });
    // Another page, and a table that would cross the end of the page.
    for table in [0x81_1c00, 0x80_fc00, 0x81_0f51] {
        let error = launch_error(&image(Some([table, 0x400])), 1);
        assert!(matches!(error, snp::Error::HashTableOutsideSection { .. }), "{error}");
        assert!(error.to_string().contains("SNP_KERNEL_HASHES"), "{error}");
    }
    let fits = image(Some([0x81_0f50, 0xb0])).bytes();
    let firmware = Firmware::of_end(&fits).unwrap();
    assert!(snp::launch(&firmware, &with_kernel(), 1).is_ok());

    let mut twice = SECTIONS.to_vec();
    twice.push([0x82_0000, 0x1000, 0x10]);
    let twice = OvmfImage { sections: Some(twice), ..OvmfImage::default() };
    let error = launch_error(&twice, 1);
    assert_eq!(error, snp::Error::ManyKernelHashesSections { found: 2 });
}

#[test]
fn sections_are_checked() {
    let corrupt: [([u32; 3], &str); 6] = [
        ([0x82_0800, 0x1000, 1], "address of the section"),
        ([0x82_0000, 0x0800, 1], "size of the section"),
        ([0x80_e000, 0x1000, 1], "end of the section"),
        ([0xffff_e000, 0x1000, 1], "end of the section"),
        ([0x82_0000, 0xffff_f000, 1], "end of the section"),
        ([0x82_0000, 0x1000, 5], "unknown type 0x5"),
    ];
    for (section, word) in corrupt {
        let sections = Some([&SECTIONS[..], &[section]].concat());
        let error = launch_error(&OvmfImage { sections, ..OvmfImage::default() }, 1);
        assert!(error.to_string().contains(word), "{section:x?}: {error}");
        assert!(error.to_string().contains("SEV metadata"), "{section:x?}: {error}");
    }
    for code in [2, 3] {
        let sections = Some([&SECTIONS[..], &[[0x82_0000, 0x2000, code]]].concat());
        let error = launch_error(&OvmfImage { sections, ..OvmfImage::default() }, 1);
        assert!(matches!(error, snp::Error::NotOnePage { found: 0x2000, .. }), "{error}");
    }
}

#[test]
fn numbers_of_processors_are_checked() {
    let image = OvmfImage::default();
    for vcpus in [0, 4097, u32::MAX] {
        assert_eq!(launch_error(&image, vcpus), snp::Error::VcpuCount { found: vcpus });
    }
    let bytes = image.bytes();
    let firmware = Firmware::of_end(&bytes).unwrap();
    let error = snp::digests(&firmware, &with_kernel(), &[1, 0]).unwrap_err();
    assert_eq!(error, snp::Error::VcpuCount { found: 0 });
    assert_eq!(snp::digests(&firmware, &with_kernel(), &[]), Ok([].into()));
    let single = OvmfImage { reset_vector: Some(0), ..image };
    assert_eq!(launch_error(&single, 2), snp::Error::NoApResetVector { vcpus: 2 });
    let bytes = single.bytes();
    assert!(snp::launch(&Firmware::of_end(&bytes).unwrap(), &with_kernel(), 1).is_ok());
}

#[test]
fn an_svsm_must_fit_below_the_firmware() {
    let ovmf = OvmfImage::default().bytes();
    let svsm = [[0, 0x2000, 1], [0x2000, 0x1000, 2], [0x3000, 0x1000, 3]].to_vec();
    let svsm = OvmfImage { sections: Some(svsm), svsm_entry: Some(0x40), ..OvmfImage::default() };
    let svsm = svsm.bytes();
    let (ovmf, svsm) = (Firmware::of_end(&ovmf).unwrap(), Firmware::svsm(&svsm).unwrap());
    let launch =
        |vars_size| snp::launch_svsm(&ovmf, &svsm, &SvsmGuest { vcpu: VCPU, vars_size }, 1);
    assert!(launch(0x1000).is_ok());
    let bare = OvmfImage { sections: None, ..OvmfImage::default() }.bytes();
    let bare = Firmware::of_end(&bare).unwrap();
    let guest = SvsmGuest { vcpu: VCPU, vars_size: 0x1000 };
    for (firmware, svsm, expected) in
        [(&bare, &svsm, Error::NoSevMetadata), (&ovmf, &bare, Error::NoSvsmInfo)]
    {
        let error = snp::launch_svsm(firmware, svsm, &guest, 1).unwrap_err();
        assert_eq!(error, snp::Error::Firmware(expected));
    }
    // Not whole pages; onto the SVSM's own sections; below address 0.
    for vars in [0x800, 0xffff_9000, 0xffff_f000, u64::MAX] {
        let error = launch(vars).unwrap_err();
        assert!(matches!(error, snp::Error::SvsmPlace { .. }), "{vars:#x}: {error}");
    }
}

/// `AMD_SEV` with `bytes` where the footer table has the GUID `from`.
fn with_guid(from: Guid, bytes: &[u8]) -> Vec<u8> {
    let mut image = AMD_SEV.to_vec();
    let at = image.windows(16).rposition(|window| window == from.0).unwrap();
    image[at..at + bytes.len()].copy_from_slice(bytes);
    image
}

/// VMMs disagree on which of two entries counts.
#[test]
fn an_entry_listed_twice_is_refused() {
    let secret = Guid::new(0x4c2eb361_7d9b_4cc3_8081_127c90d3d294);
    let error = Firmware::of_end(&with_guid(secret, &SEV_ES_RESET_BLOCK_GUID.0)).unwrap_err();
    assert!(error.to_string().contains("expected each GUID once"), "{error}");
}

#[test]
fn corrupt_metadata_is_told_by_field() {
    let start = AMD_SEV.len() - 0x554;
    for (offset, bytes, word) in [
        (0, *b"ASEW", "signature is `ASEW`, expected `ASEV`"),
        (4, [99, 0, 0, 0], "length is 99, expected 100 or more for 7 sections"),
        (8, [2, 0, 0, 0], "version is 2, expected 1"),
        (12, [8, 0, 0, 0], "length is 100, expected 112 or more for 8 sections"),
        (12, [0xff; 4], "for 4294967295 sections"),
    ] {
        let mut image = AMD_SEV.to_vec();
        image[start + offset..][..4].copy_from_slice(&bytes);
        let error = Firmware::of_end(&image).unwrap().sev_sections().unwrap_err();
        assert!(matches!(error, Error::CorruptMetadata { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    let mut long = AMD_SEV.to_vec();
    long[start + 4..start + 8].copy_from_slice(&[0xff; 4]);
    long[start + 12..start + 16].copy_from_slice(&[0xff, 0, 0, 0]);
    let error = Firmware::of_end(&long).unwrap().sev_sections().unwrap_err();
    assert!(error.to_string().contains("number of sections is 255, expected up to"), "{error}");
    // A distance past the start of the image, for both kinds of metadata.
    for guid in [cvmkit_measure::firmware::SEV_METADATA_GUID, TDX_METADATA_GUID] {
        let mut image = AMD_SEV.to_vec();
        let at = image.windows(16).rposition(|window| window == guid.0).unwrap() - 6;
        image[at..at + 4].copy_from_slice(&[1, 0x10, 0, 0]);
        let firmware = Firmware::of_end(&image).unwrap();
        let refused = firmware.sev_sections().is_err() ^ firmware.tdx_metadata_offset().is_err();
        assert!(refused, "{guid}");
    }
}

/// Uses everything a parsed image offers.
fn exercise(image: &[u8]) -> usize {
    let Ok(firmware) = Firmware::of_end(image) else { return 0 };
    let guest = with_kernel();
    let answers = [
        firmware.tdx_metadata_offset().is_ok(),
        firmware.hash_table_area().is_ok(),
        snp::launch(&firmware, &guest, 2).is_ok(),
        snp::launch(&firmware, &Guest { kernel: None, ..guest }, 1).is_ok(),
        snp::launch_svsm(&firmware, &firmware, &SvsmGuest { vcpu: VCPU, vars_size: 0 }, 1).is_ok(),
        cvmkit_measure::sev::launch_es(&firmware, guest.vmm, None, 2).is_ok(),
    ];
    answers.into_iter().filter(|&ok| ok).count()
}

/// Every bit of both structures, one at a time: none panics, and most are noticed or harmless.
#[test]
fn flipped_bits_never_panic() {
    let clean = exercise(AMD_SEV);
    assert_eq!(clean, 5);
    let table = AMD_SEV.len() - 32 - 0xc0..AMD_SEV.len() - 32;
    let metadata = AMD_SEV.len() - 0x554..AMD_SEV.len() - 0x554 + 16 + 7 * 12;
    let mut noticed = 0;
    for at in table.chain(metadata) {
        for bit in 0..8 {
            let mut image = AMD_SEV.to_vec();
            image[at] ^= 1 << bit;
            noticed += usize::from(exercise(&image) < clean);
        }
    }
    assert!(noticed > 500, "{noticed}");
}

#[test]
fn truncated_images_never_panic() {
    let image = OvmfImage { pages: 3, ..OvmfImage::default() }.bytes();
    for len in 0..image.len() {
        assert_eq!(exercise(&image[..len]), 0, "the first {len} bytes");
        exercise(&image[len..]);
    }
    // The table at the start of a page, as far down as it can be.
    for size in [17, 18, 19, 0x7ff, 0xffff_u16] {
        let mut image = AMD_SEV.to_vec();
        let footer = image.len() - 32 - 18;
        image[footer..footer + 2].copy_from_slice(&size.to_le_bytes());
        exercise(&image);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_words_in_the_structures_never_panic(
        words in prop::collection::vec((0usize..0x600, any::<u32>()), 1..8)
    ) {
        let mut image = AMD_SEV.to_vec();
        for (back, word) in words {
            let at = image.len() - 4 - back;
            image[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        exercise(&image);
    }
}
