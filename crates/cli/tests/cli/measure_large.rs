//! Firmware that is larger than what `cvmkit measure snp` reads at once, against sev-snp-measure.

use cvmkit_measure::firmware::SEV_METADATA_GUID;

use crate::ovmf_image::{OvmfImage, whole};
use crate::program::{Folder, Said};

const PAGE: usize = 4096;
const GUEST: [&str; 6] = ["--mode", "snp", "--vcpus", "2", "--vcpu-type", "EPYC-v4"];

fn measure(folder: &Folder, firmware: &str, more: &[&str]) -> Said {
    folder.cvmkit_with(&[&["measure", "snp", "--ovmf", firmware], &GUEST[..], more].concat())
}

/// Insists that both programs say the same, and that the list of pages ends in it.
#[track_caller]
fn same(folder: &Folder, firmware: &str) {
    let kernel: &[&str] = &["--kernel", "kernel", "--initrd", "initrd", "--append", "quiet"];
    for more in [&[], kernel] {
        let options = [&["--ovmf", firmware], &GUEST[..], more].concat();
        let Some(oracle) = folder.oracle("sev-snp-measure", &options) else { return };
        let expected = oracle.answer();
        assert_eq!(measure(folder, firmware, more).answer(), expected, "{firmware} {more:?}");
        let explained = measure(folder, firmware, &[more, &["--explain"]].concat()).answer();
        assert!(explained.ends_with(&expected), "{firmware} {more:?}");
    }
}

/// A folder with a kernel and an initrd, both larger than what is read at once.
fn inputs() -> Folder {
    let folder = Folder::new();
    folder.put("kernel", &[0xc3; 700_001]);
    folder.put("initrd", &[0x5a; 300_000]);
    folder
}

/// Pages of padding below an image that supports everything, in one firmware volume with it.
fn padded(pages: usize) -> Vec<u8> {
    whole(&[vec![0xff; (pages - 1) * PAGE], OvmfImage::default().bytes()].concat())
}

#[test]
fn firmware_of_any_length_has_the_digest_of_sev_snp_measure() {
    let folder = inputs();
    for pages in [15, 16, 17, 31, 32, 33, 200] {
        let image = OvmfImage { pages, ..OvmfImage::default() };
        folder.put("ovmf.fd", &image.bytes());
        same(&folder, "ovmf.fd");
        folder.put("padded.fd", &padded(pages));
        same(&folder, "padded.fd");
    }
}

/// Moves the SEV metadata of an image to `distance` bytes before its end.
fn with_metadata_at(distance: usize) -> Vec<u8> {
    let mut image = padded(60);
    let (old, new) = (image.len() - 0x800, image.len() - distance);
    let metadata = image[old..old + 0x100].to_vec();
    image[old..old + 0x100].fill(0);
    image[new..new + 0x100].copy_from_slice(&metadata);
    // The entry is `distance u32 | size u16 | guid`.
    let guid = SEV_METADATA_GUID.0;
    let at = image.windows(guid.len()).rposition(|window| window == guid).unwrap();
    image[at - 6..at - 2].copy_from_slice(&u32::try_from(distance).unwrap().to_le_bytes());
    image
}

#[test]
fn metadata_that_lies_far_from_the_end_is_found() {
    let folder = inputs();
    for distance in [0x900, 0xff00, 0x1_0000, 0x1_0008, 0x2_0000, 0x3_0000] {
        folder.put("far.fd", &with_metadata_at(distance));
        same(&folder, "far.fd");
    }
}

/// The end that is kept does not reach down to such a section; the image does.
#[test]
fn a_section_within_the_firmware_is_refused() {
    let folder = inputs();
    let start = 0xffff_ffff - u32::try_from(40 * PAGE).unwrap() + 1;
    for (section, refused) in [(start, true), (start + 0x1000, true), (start - 0x1000, false)] {
        let sections = vec![[section, 0x1000, 1], [0x81_0000, 0x1000, 0x10]];
        let image = OvmfImage { pages: 40, sections: Some(sections), ..OvmfImage::default() };
        folder.put("ovmf.fd", &image.bytes());
        let said = measure(&folder, "ovmf.fd", &[]);
        assert_eq!(said.code, Some(if refused { 2 } else { 0 }), "{said:?}");
        assert_eq!(said.stderr.contains("where other measured memory starts"), refused, "{said:?}");
    }
}

#[test]
fn firmware_of_no_whole_pages_is_refused() {
    let folder = inputs();
    folder.put("ovmf.fd", &[&[0][..], &padded(100)].concat());
    let said = measure(&folder, "ovmf.fd", &[]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("ovmf.fd"), "{said:?}");
}
