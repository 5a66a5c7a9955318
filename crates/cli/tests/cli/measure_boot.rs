//! Files that `cvmkit measure` must not believe: firmware and disks in another form, a disk that
//! boots something else or more, and images of which one part is not known.

use serde_json::Value;

use crate::ovmf_image::OvmfImage;
use crate::program::{Folder, Said};
use crate::small_disk::{DEFAULT_PATH, file_system, partitioned, two_partitions};
use crate::small_uki::SmallUki;
use crate::tdvf_image::{EDK2_MEMORY, empty_variables, whole_firmware};

/// A file with a container's first bytes in front of an image, of which the end is the image's: where
/// the table is that a launch is computed from.
fn contained(magic: &[u8], image: &[u8]) -> Vec<u8> {
    [magic, &vec![0; 0x1_0000 - magic.len()], image].concat()
}

#[track_caller]
fn refused(said: &Said, words: &[&str]) {
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said:?}");
    assert!(said.stderr.contains("hint: "), "{said:?}");
    for word in words {
        assert!(said.stderr.contains(word), "{word}: {said:?}");
    }
}

/// Everywhere that firmware is measured or looked up.
#[test]
fn firmware_in_a_container_or_in_part_never_has_a_digest() {
    let folder = Folder::new();
    let snp = OvmfImage { pages: 40, ..OvmfImage::default() }.bytes();
    let tdx = whole_firmware(0x40_0000, &empty_variables(), &EDK2_MEMORY);
    folder.put("uki.efi", &SmallUki::new(257).image());
    let commands = [
        ("measure snp --vcpus 1 --vcpu-type EPYC-v4 --ovmf fd", &snp),
        ("measure snp --mode sev --ovmf fd", &snp),
        ("measure snp --mode snp:ovmf-hash --ovmf fd", &snp),
        ("measure tdx --mrtd-only --qemu-version 10.1 --firmware fd", &tdx),
        ("measure tpm --uki uki.efi --firmware fd", &tdx),
    ];
    for (line, image) in commands {
        let forms: [(Vec<u8>, &[&str]); 5] = [
            (contained(b"QFI\xfb\0\0\0\x03", image), &["a qcow2 disk image", "qemu-img convert"]),
            (contained(b"\x1f\x8b\x08\0", image), &["compressed with gzip", "gunzip"]),
            (contained(b"PK\x03\x04", image), &["a ZIP archive", "unpack it"]),
            (image[image.len() - 0x1_1000..].to_vec(), &["part of a firmware image"]),
            (image[..image.len() - 4].to_vec(), &["ends inside the firmware volume", "truncated"]),
        ];
        for (file, words) in forms {
            folder.put("fd", &file);
            refused(&folder.cvmkit(line), words);
        }
    }
    folder.put("fd", &snp);
    folder.cvmkit("measure snp --vcpus 1 --vcpu-type EPYC-v4 --ovmf fd").answer();
}

#[test]
fn a_file_that_is_no_raw_disk_of_small_sectors_is_refused() {
    let folder = Folder::new();
    let uki = SmallUki::new(257).image();
    folder.put("uki.efi", &uki);
    let disk = partitioned(&[(DEFAULT_PATH, &uki)]);
    let large_sectors = {
        // The table of a disk with 4096-byte sectors: the header is in the second of them.
        let mut large = vec![0; disk.len() + 8192];
        large[..512].copy_from_slice(&disk[..512]);
        large[4096..4096 + 512].copy_from_slice(&disk[512..1024]);
        large
    };
    let mut without_header = disk.clone();
    without_header[512..1024].fill(0);
    let forms: [(Vec<u8>, &str); 6] = [
        (contained(b"QFI\xfb\0\0\0\x03", &disk), "a qcow2 disk image"),
        ([&disk[..], b"conectix", &[0; 504]].concat(), "a VHD disk image"),
        (large_sectors, "4096-byte sectors"),
        ("any text\n".repeat(1000).into_bytes(), "not a raw disk"),
        (vec![0; 8192], "not a raw disk"),
        (without_header, "broken partition table"),
    ];
    let line = "measure tpm --uki uki.efi --disk disk --firmware-behaviour ovmf-2025.02";
    for (file, words) in forms {
        folder.put("disk", &file);
        for line in [line, "measure tdx --uki uki.efi --disk disk --layout edk2-stable202411"] {
            let said = folder.cvmkit(line);
            assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{words}: {said:?}");
            assert!(said.stderr.contains(words), "{words}: {said:?}");
        }
    }
    folder.put("disk", &disk);
    folder.cvmkit(line).answer();
}

/// What the stub takes beside the image is measured, and what the disk boots is that image or another.
#[test]
fn a_disk_that_boots_more_or_something_else_is_refused() {
    let folder = Folder::new();
    let uki = SmallUki::new(257).image();
    let other = SmallUki::new(262).image();
    folder.put("uki.efi", &uki);
    let line = "measure tpm --uki uki.efi --disk disk --firmware-behaviour ovmf-2025.02";
    let with = |files: &[(&str, &[u8])]| {
        folder.put("disk", &partitioned(files));
        folder.cvmkit(line)
    };
    let own = (DEFAULT_PATH, uki.as_slice());
    let harmless: (&str, &[u8]) = ("EFI/BOOT/BOOTX64.EFI.extra.d/readme.txt", b"text");
    with(&[own, ("loader/loader.conf", b""), harmless]).answer();
    // Names are compared as firmware does. What it starts only if it is told to is a condition.
    let words = "if a boot option of the machine names the image";
    let elsewhere = ("EFI/linux/A+3-1.EFI", uki.as_slice());
    let said = with(&[elsewhere, ("EFI/BOOT/BOOTX64.EFI", &other)]).answer();
    assert!(said.contains(words), "{said}");
    assert!(!with(&[elsewhere, own]).answer().contains(words));
    folder.put("disk", &partitioned(&[elsewhere]));
    let of_td = "measure tdx --uki uki.efi --disk disk --layout edk2-stable202411 --format json";
    let said: Value = serde_json::from_str(&folder.cvmkit(of_td).answer()).unwrap();
    let codes = |register: &str| {
        let conditions = said["conditions"][register].as_array().unwrap();
        conditions.iter().map(|it| it["code"].as_str().unwrap()).collect::<Vec<_>>()
    };
    let of_boot = ["secure-boot-off", "no-option-rom", "no-foreign-disk", "named-by-boot-option"];
    assert_eq!(codes("rtmr1"), of_boot);
    assert_eq!(codes("rtmr2"), ["no-added-command-line", "named-by-boot-option"]);
    // So is what another partition has for it as well.
    folder.put("disk", &two_partitions(&[(DEFAULT_PATH, &other)], &[own]));
    let said = folder.cvmkit(line).answer();
    assert!(said.contains(words), "{said}");
    // Of a copy that is not started nothing counts, and of several it is not known which is.
    with(&[elsewhere, own, ("EFI/linux/A.efi.extra.d/a.cred", b"x")]).answer();
    let beside_default = ("EFI/BOOT/BOOTX64.EFI.extra.d/a.cred", b"x".as_slice());
    let copy = ("EFI/A.EFI", uki.as_slice());
    refused(&with(&[copy, own, beside_default]), &["systemd-stub adds", "a.cred"]);
    let beside_copy = ("EFI/A.EFI.extra.d/a.cred", b"x".as_slice());
    refused(&with(&[elsewhere, copy, beside_copy]), &["systemd-stub adds", "a.cred"]);
    let companions = [
        "EFI/BOOT/BOOTX64.EFI.extra.d/a.addon.efi",
        "EFI/BOOT/BOOTX64.EFI.extra.d/a.cred",
        "EFI/BOOT/BOOTX64.EFI.extra.d/a.sysext.raw",
        "efi/boot/bootx64.efi.Extra.D/B.CONFEXT.RAW",
        "loader/addons/a.addon.efi",
        "LOADER/CREDENTIALS/A.CRED",
        "loader/extensions/a.raw",
    ];
    for path in companions {
        let own = match path.starts_with("efi") {
            true => ("efi/boot/bootx64.efi", uki.as_slice()),
            false => own,
        };
        let name = path.rsplit('/').next().unwrap();
        refused(&with(&[own, (path, b"x")]), &["systemd-stub adds", name]);
    }
    refused(&with(&[(DEFAULT_PATH, &other)]), &["holds `uki.efi`", "boots something else"]);
    folder.put("disk", &file_system(&[(DEFAULT_PATH, &other)]));
    refused(&folder.cvmkit(line), &["boots something else"]);
    folder.put("disk", &file_system(&[own]));
    folder.cvmkit(line).answer();
}

fn register(said: &Said, pcr: u64) -> (Option<String>, String) {
    assert_eq!(said.code, Some(0), "{said:?}");
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    let rows = report["pcrs"].as_array().unwrap();
    let row = rows.iter().find(|row| row["pcr"] == pcr).unwrap();
    (row["value"].as_str().map(str::to_owned), row["words"].as_str().unwrap_or("").to_owned())
}

/// `ukify --join-profile`: the first profile boots, or the one that is named.
#[test]
fn an_image_of_several_profiles_is_predicted_for_one() {
    let folder = Folder::new();
    let kernel = SmallUki::new(257).contents(".linux");
    let sections: [(&str, &[u8]); 6] = [
        (".linux", &kernel),
        (".cmdline", b"console=ttyS0"),
        (".initrd", b"an initrd"),
        (".profile", b"ID=main"),
        (".profile", b"ID=other"),
        (".cmdline", b"console=ttyS0 other"),
    ];
    folder.put("uki.efi", &SmallUki::in_order(257, &sections));
    let of = |more: &str| {
        let line = format!("measure tpm --uki uki.efi --firmware-behaviour ovmf-2025.02{more}");
        folder.cvmkit(&format!("{line} --format json"))
    };
    let (first, second) = (of(""), of(" --profile 1"));
    assert_eq!(register(&first, 11), register(&of(" --profile 0"), 11));
    assert_eq!(register(&first, 4), register(&second, 4), "the image is one");
    for pcr in [9, 11, 12] {
        assert_ne!(register(&first, pcr).0.unwrap(), register(&second, pcr).0.unwrap());
    }
    let said = of(" --profile 2");
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("no profile 2, expected one from 0 to 1"), "{said:?}");
}

/// What decides it is in words, and no other register is lost.
#[test]
fn an_unknown_register_takes_no_other_with_it() {
    let folder = Folder::new();
    let mut uki = SmallUki::new(257);
    uki.set(".dtbauto", Some(b"tree"));
    uki.set(".hwids", Some(b"ids"));
    folder.put("uki.efi", &uki.image());
    let line = "measure tpm --uki uki.efi --firmware-behaviour ovmf-2025.02 --format json";
    let said = folder.cvmkit(line);
    let (value, words) = register(&said, 11);
    assert!(value.is_none() && words.contains("section .dtbauto"), "{words}");
    assert!(register(&said, 4).0.is_some() && register(&said, 9).0.is_some());
}
