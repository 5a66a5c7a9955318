//! Verification of a small image that the engine's own writers made: whole, damaged byte by byte in
//! every region, and damaged by someone who could write the sums and the manifest anew.

#![expect(clippy::disallowed_types, reason = "the tests call the tools they are checked against")]
#![expect(clippy::disallowed_methods, reason = "the tests damage files in a folder of their own")]
#![expect(clippy::unwrap_used, reason = "a test ends where its premises do")]

#[path = "verify/findings.rs"]
mod findings;
#[path = "../../measure/tests/ovmf_image/mod.rs"]
mod ovmf_image;
#[path = "verify/planted.rs"]
mod planted;
#[path = "verify/tiny.rs"]
mod tiny;

use std::fs;
use std::os::unix::fs::FileExt;
use std::process::Command;

use cvmkit_attest::export::{ExportSource, Options, Selection, Shape, Signer, export};
use cvmkit_attest::output::Manifest;
use cvmkit_engine::image;
use cvmkit_engine::verify::{
    Check, Endorsement, Finding, Report, State, VerifyError, verify, verify_endorsed,
};
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::progress::Silent;
use cvmkit_measure::snp::id_block::{PrivateKey, PublicKey};
use tiny::{Kind, Tiny};

/// A key of sev-snp-measure's tests; `measure/tests/fixtures`.
const KEY: &str = include_str!("../../measure/tests/fixtures/id_key_test.pem");

fn report(tiny: &Tiny) -> Report {
    verify(tiny.path(), &Silent).unwrap()
}

/// The checks that found something in `file`.
fn checks(report: &Report, file: &str) -> Vec<Check> {
    let found = report.findings.iter().filter(|finding| finding.file == file);
    found.map(|finding| finding.check).collect()
}

#[test]
fn whole_images_verify() {
    for (kind, checks) in [(Kind::Disk, 12), (Kind::Direct, 10)] {
        let tiny = Tiny::new(kind);
        let report = report(&tiny);
        assert_eq!(report.findings, [], "{kind:?}");
        assert!(report.verified && report.notes.is_empty(), "{report:?}");
        assert_eq!(report.checks.len(), checks);
        assert!(report.checks.iter().all(|checked| checked.state == State::Passed));
        assert_eq!(report.root_hash.as_deref(), Some(tiny.manifest().root.root_hash.as_str()));
        assert_eq!(report.debug, Some(false));
    }
}

#[test]
fn sums_and_identity_are_those_of_sha256sum() {
    let tiny = Tiny::new(Kind::Disk);
    let identity = report(&tiny).identity.unwrap().to_string();
    let run = |arguments: &[&str]| {
        let command = Command::new("sha256sum").args(arguments).current_dir(tiny.path()).output();
        match command {
            Ok(output) => Some(output),
            Err(_) => {
                let required = std::env::var_os("CVMKIT_ORACLES").is_some_and(|v| v == "require");
                assert!(!required, "sha256sum is not installed, and CVMKIT_ORACLES=require");
                eprintln!("SKIPPED: sha256sum is not installed");
                None
            }
        }
    };
    let Some(checked) = run(&["--strict", "-c", "SHA256SUMS"]) else { return };
    assert!(checked.status.success(), "{checked:?}");
    let said = run(&["SHA256SUMS"]).unwrap().stdout;
    assert_eq!(String::from_utf8(said).unwrap().split(' ').next(), Some(identity.as_str()));
}

/// A byte to change, and the check that must find it even when the sums are those of the change.
struct Flip(&'static str, &'static str, u64, Option<Check>);

fn flips(tiny: &Tiny) -> Vec<Flip> {
    let disk = tiny.len("tiny_1.raw");
    let part = |at: usize| tiny.manifest().partitions[at].offset;
    let (esp, root, hashes) = (part(0), part(1), part(2));
    let boot_file = tiny.find_in_disk(&tiny.get("tiny_1.efi"));
    let raw = |what, at, check| Flip(what, "tiny_1.raw", at, Some(check));
    vec![
        raw("boot code", 3, Check::PartitionTable),
        raw("protective MBR", 450, Check::PartitionTable),
        raw("GPT header", 512 + 57, Check::PartitionTable),
        raw("GPT entries", 1024 + 20, Check::PartitionTable),
        raw("gap before the ESP", 20_000, Check::PartitionTable),
        raw("backup entries", disk - 33 * 512 + 3, Check::PartitionTable),
        raw("backup header", disk - 512 + 60, Check::PartitionTable),
        raw("ESP boot sector", esp + 11, Check::Esp),
        raw("ESP FAT", esp + 32 * 512 + 9, Check::Esp),
        raw("ESP boot file", boot_file + 5000, Check::Esp),
        raw("squashfs superblock", root, Check::Verity),
        raw("root data", root + 70_000, Check::Verity),
        raw("verity signature", hashes, Check::Verity),
        raw("verity salt", hashes + 88, Check::Verity),
        raw("verity block size", hashes + 65, Check::Verity),
        raw("top of the hash tree", hashes + 4096 + 5, Check::Verity),
        raw("bottom of the hash tree", tiny.end_of_hashes() - 4096 + 1, Check::Verity),
        Flip("behind the verity superblock", "tiny_1.raw", hashes + 600, None),
        Flip("UKI header", "tiny_1.efi", 0, Some(Check::Uki)),
        Flip("UKI end", "tiny_1.efi", tiny.len("tiny_1.efi") - 512, Some(Check::Uki)),
        Flip("kernel", "tiny_1.vmlinuz", 3000, Some(Check::ReferenceValues)),
        Flip("initrd", "tiny_1.initrd", 200, Some(Check::Initrd)),
        Flip("initrd magic", "tiny_1.initrd", 0, Some(Check::Initrd)),
        Flip("roothash= value", "tiny_1.cmdline", 20, Some(Check::RootHash)),
        Flip("roothash= name", "tiny_1.cmdline", 2, Some(Check::RootHash)),
        Flip("root hash", "tiny_1.roothash", 7, Some(Check::RootHash)),
        Flip("firmware", "OVMF.fd", 100, Some(Check::ReferenceValues)),
        Flip("firmware table", "OVMF.fd", 2 * 4096 - 48, Some(Check::ReferenceValues)),
        Flip("reference digest", "reference-values.json", tiny.digest_at(), None),
        Flip("reference values", "reference-values.json", 0, Some(Check::ReferenceValues)),
        Flip("manifest", "manifest.json", 0, Some(Check::Manifest)),
    ]
}

#[test]
fn a_changed_byte_anywhere_is_found_and_named() {
    let tiny = Tiny::new(Kind::Disk);
    for Flip(what, file, at, _) in flips(&tiny) {
        tiny.flip(file, at);
        let found = report(&tiny);
        tiny.flip(file, at);
        assert!(!found.verified, "{what}");
        assert!(checks(&found, file).contains(&Check::Sums), "{what}: {found:?}");
    }
    assert!(report(&tiny).verified, "all is as before");
}

#[test]
fn new_sums_do_not_hide_a_changed_byte() {
    let tiny = Tiny::new(Kind::Disk);
    for Flip(what, file, at, check) in flips(&tiny) {
        let Some(check) = check else { continue };
        tiny.flip(file, at);
        tiny.seal();
        let found = report(&tiny);
        tiny.restore();
        let states = found.checks.iter().find(|checked| checked.check == check);
        assert_eq!(states.unwrap().state, State::Failed, "{what}: {found:#?}");
        let sums = found.checks.iter().find(|checked| checked.check == Check::Sums).unwrap();
        assert_eq!(sums.state, State::Passed, "{what}: the sums were to be right");
    }
    assert!(report(&tiny).verified, "all is as before");
}

#[test]
fn every_field_of_the_reference_values_is_computed_again() {
    let tiny = Tiny::new(Kind::Direct);
    let text = String::from_utf8(tiny.get("reference-values.json")).unwrap();
    let digest = text.split("\"launch-digest\": \"").nth(1).unwrap()[..96].to_owned();
    for (from, to) in [
        (digest.as_str(), "0".repeat(96).as_str()),
        ("\"vcpus\": 2", "\"vcpus\": 3"),
        ("\"vcpus\": 2", "\"vcpus\": 1"),
        ("\"vcpus\": 2", "\"vcpus\": 4000000000"),
        ("\"0x1\"", "\"0x5\""),
        ("\"0x1\"", "\"0x01\""),
        ("EPYC-v4", "EPYC-Milan"),
        ("EPYC-v4", "EPYC-Unheard"),
        ("\"OVMF.fd\"", "\"other.fd\""),
        ("\"qemu\"", "\"ec2\""),
        ("\"direct\"", "\"uki-disk\""),
        ("\"profile-version\": 1", "\"profile-version\": 2"),
        ("\"launch-digest\": ", "\"vcpu-type\": \"EPYC\",\n \"launch-digest\": "),
        ("\"schema\": 3", "\"schema\": 1"),
        ("\"debug\": false", "\"debug\": true"),
    ] {
        assert!(text.contains(from), "{from}");
        tiny.put("reference-values.json", text.replacen(from, to, 1).as_bytes());
        tiny.seal();
        let found = report(&tiny);
        let expected = [Check::ReferenceValues];
        let mut checks = checks(&found, "reference-values.json");
        checks.dedup();
        assert_eq!(checks, expected, "{from} as {to}: {found:#?}");
        tiny.restore();
    }
}

#[test]
fn every_field_of_the_manifest_is_compared() {
    let tiny = Tiny::new(Kind::Disk);
    let text = String::from_utf8(tiny.get("manifest.json")).unwrap();
    let manifest = tiny.manifest();
    let changes = [
        ("\"debug\": false".to_owned(), "\"debug\": true".to_owned(), Check::OsRelease),
        ("\"id\": \"tiny\"".into(), "\"id\": \"tint\"".into(), Check::OsRelease),
        (manifest.root.salt.clone(), "00".repeat(32), Check::Verity),
        ("\"data-block-size\": 4096".into(), "\"data-block-size\": 512".into(), Check::Verity),
        ("\"algorithm\": \"sha256\"".into(), "\"algorithm\": \"sha512\"".into(), Check::Verity),
        (manifest.inputs.stage1.to_string(), "11".repeat(32), Check::Initrd),
        (manifest.partitions[1].uuid.clone(), "0".repeat(36), Check::PartitionTable),
        (manifest.partitions[2].type_guid.clone(), "x".into(), Check::PartitionTable),
        ("\"format\": \"squashfs\"".into(), "\"format\": \"erofs\"".into(), Check::Manifest),
        ("\"schema\": 3".into(), "\"schema\": 9".into(), Check::Manifest),
        ("\"firmware\": \"OVMF.fd\"".into(), "\"firmware\": \"X.fd\"".into(), Check::Manifest),
        ("quiet --\"".into(), "loud --\"".into(), Check::RootHash),
        ("\"seed\": \"5".into(), "\"seed\": \"6".into(), Check::Esp),
        (manifest.root.uuid.clone(), "1".repeat(36), Check::Verity),
        (manifest.inputs.uki_stub.unwrap().to_string(), "33".repeat(32), Check::Uki),
        ("22:13:20Z".into(), "22:13:21Z".into(), Check::RootFileSystem),
        ("\"1.2-3\"".into(), "\"1.2-4\"".into(), Check::Packages),
        ("\"architecture\": \"all\"".into(), "\"architecture\": \"amd64\"".into(), Check::Packages),
        ("{\n".into(), "{ \n".into(), Check::Manifest),
    ];
    for (from, to, check) in changes {
        assert!(text.contains(&from), "{from}");
        tiny.put("manifest.json", text.replacen(&from, &to, 1).as_bytes());
        tiny.seal_sums();
        let found = report(&tiny);
        tiny.restore();
        assert!(found.findings.iter().any(|finding| finding.check == check), "{from}: {found:#?}");
    }
}

#[test]
fn a_manifest_names_files_beside_it_and_is_of_this_schema() {
    let tiny = Tiny::new(Kind::Direct);
    let text = String::from_utf8(tiny.get("manifest.json")).unwrap();
    for (from, to, words) in [
        ("\"name\": \"tiny_1.cmdline\"", "\"name\": \"../tiny_1.cmdline\"", "files beside it"),
        ("\"schema\": 3", "\"schema\": 4", "schema 4, expected 3"),
    ] {
        assert!(text.contains(from), "{from}");
        tiny.put("manifest.json", text.replacen(from, to, 1).as_bytes());
        let error = Manifest::read(tiny.path()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn sums_in_another_form_are_named_by_line() {
    let tiny = Tiny::new(Kind::Direct);
    let text = String::from_utf8(tiny.get("SHA256SUMS")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let fourth = lines.iter().enumerate();
    let fourth = fourth.map(|(at, line)| format!("{line}{}", if at == 3 { "\r\n" } else { "\n" }));
    let last = format!("SHA256SUMS:{}: its end of line is missing", lines.len());
    for (changed, words) in [
        (fourth.collect::<String>(), "SHA256SUMS:4: ends in CR LF"),
        (text.trim_end().to_owned(), last.as_str()),
    ] {
        tiny.put("SHA256SUMS", changed.as_bytes());
        let found = report(&tiny);
        tiny.restore();
        let [finding] = found.findings.as_slice() else { panic!("{found:#?}") };
        assert_eq!((finding.check, finding.what.as_str()), (Check::Sums, words));
    }
}

#[test]
fn missing_and_truncated_files_are_named() {
    let tiny = Tiny::new(Kind::Disk);
    for file in tiny.names() {
        let bytes = tiny.get(&file);
        fs::remove_file(tiny.path().join(&file)).unwrap();
        let found = report(&tiny);
        assert!(found.findings.iter().any(|finding| finding.file == file), "no {file}: {found:#?}");
        fs::create_dir(tiny.path().join(&file)).unwrap();
        let found = report(&tiny);
        assert!(found.findings.iter().any(|finding| finding.file == file), "{file}: {found:#?}");
        fs::remove_dir(tiny.path().join(&file)).unwrap();
        for len in [0, bytes.len() / 2, bytes.len() - 1] {
            tiny.put(&file, &bytes[..len]);
            let found = report(&tiny);
            assert!(!checks(&found, &file).is_empty(), "{file} of {len} bytes: {found:#?}");
        }
        tiny.put(&file, &bytes);
    }
    assert!(report(&tiny).verified, "all is as before");
}

#[test]
fn what_is_extra_is_a_note_and_what_is_no_image_an_error() {
    let tiny = Tiny::new(Kind::Direct);
    tiny.put("left-over", b"x");
    let found = report(&tiny);
    assert!(found.verified, "{found:#?}");
    assert_eq!(found.notes, ["`left-over` is not part of the image: nothing covers it"]);
    let empty = tempfile::tempdir().unwrap();
    for folder in [empty.path().to_owned(), empty.path().join("none"), tiny.path().join("OVMF.fd")]
    {
        let error = verify(&folder, &Silent).unwrap_err();
        assert!(matches!(error, VerifyError::NoImage { .. }), "{error:?}");
        assert_eq!(error.fault(), Fault::Definition);
        assert!(error.hint().unwrap().contains("cvmkit build"));
    }
}

/// The CoRIM of an image of these kinds, and of the same with other values.
#[test]
fn a_corim_is_of_the_image_or_says_what_is_not() {
    let tiny = Tiny::new(Kind::Direct);
    let key = |text: &str| PrivateKey::from_pem("key", text).unwrap();
    let signer = Signer { key: key(KEY), name: None };
    let public = signer.key.public_key();
    let subject = ExportSource::open(tiny.path()).unwrap();
    let corim = |selection: Selection, signer: Option<Signer>| {
        let options = Options { signer, ..Options::default() };
        export(&subject, Shape::Corim, &selection, &options).unwrap().bytes
    };
    let verified = |bytes: &[u8], key: Option<PublicKey>| {
        let endorsement = Endorsement::read("it.corim".as_ref(), bytes, key).unwrap();
        verify_endorsed(tiny.path(), &endorsement, &Silent).unwrap()
    };
    let signed = corim(Selection::default(), Some(signer));
    let report = verified(&signed, Some(public));
    assert!(report.verified && report.notes.is_empty(), "{report:#?}");
    let last = report.checks.last().unwrap();
    assert_eq!((last.check, last.detail.as_str()), (Check::Corim, "2 machines, signed"));
    // Without the key its signature says nothing; of one machine it says nothing of the other one.
    assert!(verified(&signed, None).notes[0].contains("is not verified: name the signer"));
    let unsigned = corim(Selection { vcpus: Some(2), ..Selection::default() }, None);
    let report = verified(&unsigned, None);
    assert!(report.verified, "{report:#?}");
    assert!(report.notes[0].contains("not signed"), "{:?}", report.notes);
    assert!(report.notes[1].starts_with("the CoRIM does not cover qemu-snp (qemu, direct boot, 1"));

    let findings = |bytes: &[u8], key| {
        let report = verified(bytes, key);
        assert!(!report.verified);
        let checks = report.findings.iter().map(|finding| finding.check);
        assert!(checks.clone().all(|check| check == Check::Corim), "{report:#?}");
        let words = |finding: Finding| {
            assert_eq!(finding.file, "it.corim");
            format!("{}: {} instead of {}", finding.what, finding.found, finding.expected)
        };
        report.findings.into_iter().map(words).collect::<Vec<_>>()
    };
    assert_eq!(
        findings(&unsigned, Some(public)),
        ["the signature: none instead of a signature by the key that was named"]
    );
    // Another value, with the signature that was of the right one.
    let values: serde_json::Value =
        serde_json::from_slice(&tiny.get("reference-values.json")).unwrap();
    let digest = hex::decode(values["values"][0]["launch-digest"].as_str().unwrap()).unwrap();
    let mut other = signed.clone();
    let place = other.windows(48).position(|part| part == digest).unwrap();
    other[place] ^= 1;
    let found = findings(&other, Some(public));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("the signature: the signature does not verify instead of one by"));
    let begins = "launch digest, sha384 (1.3.6.1.4.1.3704.3.1 (SEV-SNP, signed by the chip)) of \
                  qemu-snp (qemu, direct boot, 1 vCPU";
    assert!(found[1].starts_with(begins), "{found:#?}");
    // A machine of another image.
    let mut other = unsigned;
    let place = other.windows(7).position(|part| part == b"2 vCPUs").unwrap();
    other[place] = b'3';
    let found = findings(&other, None);
    assert!(found[0].starts_with("a machine: `qemu-snp (qemu, direct boot, 3 vCPUs"), "{found:#?}");
    // What is no CoRIM of ours is neither of the image nor not.
    let error = Endorsement::read("it.corim".as_ref(), &signed[..50], None).unwrap_err();
    assert_eq!(error.fault(), Fault::Definition);
}

#[test]
fn what_depends_on_something_broken_is_skipped_by_name() {
    let tiny = Tiny::new(Kind::Disk);
    tiny.flip("tiny_1.raw", 512);
    let found = report(&tiny);
    let skipped =
        [Check::Verity, Check::RootFileSystem, Check::OsRelease, Check::Packages, Check::Esp];
    for check in skipped {
        let checked = found.checks.iter().find(|checked| checked.check == check).unwrap();
        assert_eq!(checked.state, State::Skipped, "{check:?}");
        assert!(!checked.skipped.is_empty());
    }
}

#[test]
fn hostile_bytes_are_findings_and_never_a_panic() {
    let tiny = Tiny::new(Kind::Disk);
    let mut state = 1u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    for file in tiny.names() {
        let len = tiny.len(&file);
        for round in 0..8 {
            let handle = fs::File::options().write(true).open(tiny.path().join(&file)).unwrap();
            for _ in 0..=round {
                // Headers lie at the start of a file and of its partitions.
                let at = match (round % 2, file.as_str()) {
                    (0, "tiny_1.raw") => {
                        let partitions = tiny.manifest().partitions;
                        let part = usize::try_from(next(3)).unwrap();
                        partitions[part].offset + next(4096)
                    }
                    (0, _) => next(len.min(512)),
                    _ => next(len),
                };
                let byte = u8::try_from(next(256)).unwrap();
                handle.write_all_at(&[byte], at).unwrap();
            }
            drop(handle);
            if !matches!(file.as_str(), "manifest.json" | "SHA256SUMS") {
                tiny.seal();
            }
            let found = verify(tiny.path(), &Silent);
            assert!(found.is_ok(), "{file}: {found:?}");
            tiny.restore();
        }
    }
}

/// Stage 1 would refuse the image's own command line at boot.
#[test]
fn an_initramfs_for_another_command_line_is_found() {
    let tiny = Tiny::new(Kind::Direct);
    let initrd = tiny.get("tiny_1.initrd");
    let own = "roothash= efi=noruntime systemd.import_credentials=no quiet --";
    assert_eq!(image::initrd_for(&initrd, own).unwrap(), initrd, "the same bytes again");
    tiny.put(
        "tiny_1.initrd",
        &image::initrd_for(&initrd, &own.replace("quiet", "init=/x")).unwrap(),
    );
    tiny.seal();
    let report = report(&tiny);
    let found = report.findings.iter().find(|finding| finding.check == Check::Initrd).unwrap();
    assert_eq!(found.what, "/etc/stage1/command-line");
    assert_eq!(found.expected, own);
    assert!(found.found.contains("init=/x"), "{}", found.found);
}
