//! `cvmkit compare`: what a person reads of machines and registers.

use serde_json::json;

use crate::compare::{FILES, bytes, digest, lines, log_of, snp_image, tpm_values, uki};
use crate::program::Folder;
use crate::tiny_image::TinyImage;

/// Two banks have registers of the same names: each line says of which it is.
#[test]
fn registers_of_two_banks_are_told_apart() {
    let folder = Folder::new();
    let value = json!({
        "profile": "p", "profile-version": 1, "platform": "tpm", "vmm": "qemu", "boot": "uki-disk",
        "registers": {
            "sha256": { "pcr4": "11".repeat(32), "pcr11": "22".repeat(32) },
            "sha384": { "pcr4": "33".repeat(48), "pcr11": "44".repeat(48) },
        },
    });
    let values = json!({ "schema": 3, "debug": false, "profiles": [], "values": [value] });
    folder.put("values.json", values.to_string().as_bytes());
    let of_256 = format!("pcr4={}\npcr11={}\n", "11".repeat(32), "22".repeat(32));
    folder.put("one", of_256.as_bytes());
    let said = folder.cvmkit("compare one --with values.json --phase :").answer();
    let lines: Vec<&str> = said.lines().skip(1).collect();
    assert_eq!(
        (lines[0], lines[1]),
        ("expected: p (qemu, uki-disk boot)", " bank sha256"),
        "{said}"
    );
    assert_eq!(lines[4], " bank sha384 not given", "{said}");
    assert!(!said.contains("PCR 4   not given"), "{said}");
    folder.put("both", format!("{of_256}pcr4={}\n", "33".repeat(48)).as_bytes());
    let said = folder.cvmkit("compare both --with values.json --phase :").answer();
    let lines: Vec<&str> = said.lines().skip(4).collect();
    assert_eq!(lines[1], " bank sha384", "{said}");
    assert!(lines[2].starts_with("  PCR 4   equal") && lines[3] == "  PCR 11  not given", "{said}");
}

/// A machine has the same words in the answers of every command: who starts it, how it boots, vCPUs,
/// memory, firmware.
#[test]
fn machines_are_worded_in_one_way() {
    let image = TinyImage::new().uki(&uki()).finish();
    let values = tpm_values(&image);
    image.folder.put("all", lines(&values).as_bytes());
    let line = |words: &str| {
        let said = image.folder.cvmkit(words).stdout;
        said.lines().find(|line| line.contains(" boot")).unwrap_or_default().to_owned()
    };
    let as_behaviour = "--firmware-behaviour ovmf-2025.02 --read-only-disk";
    let compared = line(&format!("compare all --with out {as_behaviour}"));
    let words = "expected: uki-disk boot, firmware as ovmf-2025.02, no Secure Boot, read-only disk";
    assert_eq!(compared, words);
    image.folder.put("log", &bytes(&log_of(&uki())));
    let logged = line(&format!("compare log --with out {as_behaviour}"));
    assert!(logged.starts_with("expected: uki-disk boot, firmware as ovmf-2025.02"), "{logged}");
    let measured = line(&format!("measure tpm out {as_behaviour}"));
    let words = "qemu-vtpm (uki-disk boot, systemd-stub 257), phases: ";
    assert!(measured.starts_with(words), "{measured}");

    let image = snp_image();
    image.folder.put(
        "digest",
        digest(&image, &format!("--vcpus 3 --vcpu-type EPYC-v4 {FILES}")).as_bytes(),
    );
    let said = image.folder.cvmkit("compare digest --with out").stdout;
    let found = said.lines().find_map(|line| line.strip_prefix("  would match: ")).unwrap();
    assert!(found.starts_with("qemu, 3 vCPUs EPYC or EPYC-v1 or "), "{found}");
    assert!(found.contains(", features 0x1, kernel, initrd and command line"), "{found}");
}
