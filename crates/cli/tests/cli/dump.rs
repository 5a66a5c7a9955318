//! `cvmkit dump` of what standard tools make.

use std::path::Path;

use crate::program::{Folder, noise};

#[test]
fn what_standard_tools_make_is_recognised() {
    let folder = Folder::new();
    folder.put("hello", b"hello, world\n");
    folder.put("disk", &vec![0; 8 << 20]);
    folder.put("volume", &vec![0; 64 << 20]);
    folder.put("data", &noise(20 * 4096));
    // The tool and its arguments; the file it makes, and what its listing must have.
    let makers: [(&str, &str, &str, &[&str]); 4] = [
        (
            "mksquashfs",
            "hello squash -comp gzip -quiet -no-progress -all-root",
            "squash",
            &["superblock at 0x0", "1 gzip", "`hello`", "13 bytes"],
        ),
        (
            "sgdisk",
            "--new=1:2048:4095 --typecode=1:ef00 --change-name=1:BOOT disk",
            "disk",
            &["GPT disk", "partition 1 `BOOT`", "(esp)", "sectors    2048..=4095"],
        ),
        (
            "mkfs.vfat",
            "-F 32 -n HELLO -i 12345678 volume",
            "volume",
            &["FAT32", "1234-5678", "HELLO"],
        ),
        (
            "veritysetup",
            "format data tree --salt=abcd",
            "tree",
            &["Data blocks:     \t20", "Salt:            \tabcd"],
        ),
    ];
    for (tool, line, file, parts) in makers {
        let Some(_) = folder.accepts(tool, line) else { continue };
        let listing = folder.cvmkit(&format!("dump {file}")).answer();
        for part in parts {
            assert!(listing.contains(part), "{part}: {listing}");
        }
        let json = folder.cvmkit(&format!("dump {file} --format json")).answer();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let lines = json["listing"].as_array().unwrap();
        assert_eq!(lines.len(), listing.lines().count(), "{file}");
    }
}

/// Microcode in a plain archive, the rest in a compressed one: as distributions build an initrd.
#[test]
fn every_archive_of_an_initrd_is_listed() {
    let folder = Folder::new();
    folder.put("first", b"1");
    folder.put("second", b"22");
    let pack = |name: &str, filter: &str, to: &str| {
        let script = format!("echo {name} | cpio -o -H newc --quiet {filter} > {to}");
        folder.oracle("sh", &["-c", &script]).unwrap().answer();
    };
    if folder.oracle("cpio", &["--version"]).is_none() {
        return;
    }
    pack("first", "", "a");
    pack("second", "| gzip -n", "b");
    folder.put("initrd", &[folder.get("a"), vec![0; 1024], folder.get("b")].concat());
    let listing = folder.cvmkit("dump initrd").answer();
    for part in ["cpio archive at 0x0\n", "/first 1 bytes", ", Gzip\n", "/second 2 bytes"] {
        assert!(listing.contains(part), "{part}: {listing}");
    }
    let mut cut = folder.get("initrd");
    cut.truncate(cut.len() - 3);
    folder.put("cut", &cut);
    let said = folder.cvmkit("dump cut");
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said:?}");
}

#[test]
fn firmware_is_listed() {
    let folder = Folder::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../measure/tests/fixtures");
    let image = cvmkit_host::files::read(&fixtures.join("ovmf_AmdSev_suffix.bin")).unwrap();
    folder.put("ovmf.fd", &image);
    insta::assert_snapshot!(folder.cvmkit("dump ovmf.fd").answer(), @r#"
    OVMF firmware of 4096 bytes at 0x0000fffff000
      SEV-ES reset vector  0x0080b004
      kernel hash table    0x000000810c00 with 0x400 bytes
      TDVF descriptor      at 0x630
    SEV metadata, sections: 7
      0x000abc 0x000000800000+0x09000 SnpSecMem
      0x000ac8 0x00000080a000+0x03000 SnpSecMem
      0x000ad4 0x00000080d000+0x01000 SnpSecrets
      0x000ae0 0x00000080e000+0x01000 Cpuid
      0x000aec 0x00000080f000+0x01000 SvsmCaa
      0x000af8 0x000000810000+0x01000 SnpKernelHashes
      0x000b04 0x000000811000+0x0f000 SnpSecMem
    "#);
}

/// The smallest program that binutils links for UEFI.
#[test]
fn what_binutils_links_for_uefi_is_a_pe_image() {
    let folder = Folder::new();
    folder.put("program.s", b".text\n.globl start\nstart: ret\n");
    let Some(_) = folder.accepts("as", "program.s -o program.o") else { return };
    let link = "-m i386pep --subsystem 10 -e start -o program.efi program.o";
    folder.accepts("ld", link).unwrap();
    let listing = folder.cvmkit("dump program.efi").answer();
    assert!(listing.starts_with("PE32+ image of "), "{listing}");
    for part in ["machine            0x8664", "subsystem          10", "\n.text "] {
        assert!(listing.contains(part), "{part}: {listing}");
    }
}

#[test]
fn anything_else_is_refused() {
    let folder = Folder::new();
    folder.put("text", b"hello");
    folder.put("empty", b"");
    folder.put("mz", &[b"MZ".as_slice(), &[0xff; 100]].concat());
    for name in ["text", "empty", "mz", "missing", ".", "/dev/null"] {
        let said = folder.cvmkit(&format!("dump {name}"));
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{name}: {said:?}");
    }
    insta::assert_snapshot!(folder.cvmkit("dump text").refusal(), @r#"
    exit 2
    error: unknown format of `text`: expected squashfs, dm-verity hash area, initrd (cpio newc, plain, gzip or zstd), GPT disk, PE image (UKI, EFI application, kernel), FAT volume, OVMF firmware, CoRIM of `cvmkit export`, found 5 bytes of something else
    "#);
}
