//! A file is firmware from its first byte to its last, or no digest is made of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "reads firmware that the environment names")]

mod debian_firmware;
mod ovmf_image;

use cvmkit_measure::firmware::{Error, Firmware, check_whole};
use ovmf_image::{OvmfImage, put_volume_header, whole};

/// What people have instead of an image, by what is done to it, and the words that say so.
fn distorted(image: &[u8]) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let in_front = |magic: &[u8]| [magic, &vec![0; 0x1_0000 - magic.len()], image].concat();
    let behind = |end: &[u8]| [image, end].concat();
    let len = image.len();
    vec![
        // The clusters of a qcow2 file of a small image are those of the image, in their order.
        ("in a qcow2", in_front(b"QFI\xfb\0\0\0\x03"), "a qcow2 disk image"),
        ("in a VHD", behind(&[b"conectix".as_slice(), &[0; 504]].concat()), "a VHD disk image"),
        ("gzipped", in_front(b"\x1f\x8b\x08\0"), "compressed with gzip"),
        ("zipped", in_front(b"PK\x03\x04"), "a ZIP archive"),
        ("in a capsule", in_front(&CAPSULE), "a UEFI capsule"),
        ("cut", image[..len - 4].to_vec(), "ends inside the firmware volume"),
        ("cut by a page", image[..len - 4096].to_vec(), "ends inside the firmware volume"),
        ("without its start", image[4096..].to_vec(), "a part of a firmware image"),
        ("its last page", image[len - 4096..].to_vec(), "a part of a firmware image"),
        ("with a page in front", [&[0xff; 4096], image].concat(), "a part of a firmware image"),
        ("with a page behind", behind(&[1; 4096]), "no firmware volume at"),
        ("empty", Vec::new(), "no firmware volume at 0x0"),
    ]
}

/// EFI_FIRMWARE_MANAGEMENT_CAPSULE_ID_GUID, as the capsule has it.
const CAPSULE: [u8; 16] = 0x2ad9_9a19_9471_a1bd_4c44_e82d_6dcb_d5ed_u128.to_le_bytes();

#[track_caller]
fn all_are_refused(image: &[u8], name: &str) {
    for (what, file, words) in distorted(image) {
        let error = Firmware::parse(&file).unwrap_err();
        assert!(error.to_string().contains(words), "{name} {what}: {error}");
        let hint = error.next_step().unwrap();
        assert!(!hint.is_empty(), "{name} {what}");
    }
}

#[test]
fn what_is_no_whole_image_is_refused_and_named() {
    let image = OvmfImage::default().bytes();
    check_whole(&image).unwrap();
    Firmware::parse(&image).unwrap();
    all_are_refused(&image, "made up");
}

/// Also the last MiB of an image, whose end says all that a launch asks for.
#[test]
fn firmware_of_debian_is_whole_and_no_part_of_it_is() {
    for image in debian_firmware::images() {
        let name = image.package.name;
        check_whole(&image.bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        all_are_refused(&image.bytes, name);
        let last = &image.bytes[image.bytes.len() - (1 << 20)..];
        assert!(Firmware::of_end(last).is_ok(), "{name}: its end has the table");
        let error = Firmware::parse(last).unwrap_err();
        assert!(matches!(error, Error::NoVolume { at: 0, .. }), "{name}: {error}");
    }
}

#[test]
fn a_volume_that_contradicts_itself_is_refused() {
    let image = whole(&[0; 4096]);
    let changed = |at: usize, bytes: &[u8]| {
        let mut image = image.clone();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        check_whole(&image).unwrap_err().to_string()
    };
    assert!(changed(16, b"x").contains("checksum of the header"));
    assert!(changed(48, &[73, 0]).contains("length of the header"));
    assert!(changed(48, &[0, 0]).contains("length of the header"));
    let mut short = image.clone();
    put_volume_header(&mut short[..100]);
    short[32] = 71;
    // The sum stays right.
    let sum = u16::from_le_bytes([short[50], short[51]]) + 29;
    short[50..52].copy_from_slice(&sum.to_le_bytes());
    let error = check_whole(&short).unwrap_err().to_string();
    assert!(error.contains("length is 71, expected at least 72"), "{error}");
}

#[test]
fn volumes_follow_one_another_with_erased_flash_between_them() {
    let volume = whole(&[0x5a; 4096]);
    check_whole(&[&volume[..], &[0xff; 8192], &volume, &[0; 4096]].concat()).unwrap();
    let error = check_whole(&[&volume[..], &[0xff; 4096], &[0x5a; 4096], &volume].concat());
    assert!(matches!(error, Err(Error::NoVolume { at: 0x3000, .. })), "{error:?}");
}
