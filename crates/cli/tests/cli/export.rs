//! `cvmkit export`: against pycose, PyCryptodome and openssl, and what it refuses.
//!
//! What is in the documents is tested in `attest/tests/export.rs`.

use std::path::Path;

use cvmkit_formats::digest::Sha256;
use serde_json::{Value, json};

use crate::export_dstack;
use crate::ovmf_image::OvmfImage;
use crate::program::{Folder, skip};
use crate::small_uki::SmallUki;
use crate::tiny_image::{OUT, TinyImage};

const VALUES: &str = include_str!("../../../attest/tests/fixtures/export/reference-values.json");
const JUDGE: &str = include_str!("judge_corim.py");
const KEY: &str = include_str!("../../../measure/tests/fixtures/id_key_test.pem");

/// Exit code of Python scripts that lack their packages.
const LACKS_PACKAGES: i32 = 77;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.put("values.json", VALUES.as_bytes());
    folder.put("key.pem", KEY.as_bytes());
    folder
}

/// The folder of an image with these reference values.
fn image(command_line: &str, values: &Value) -> TinyImage {
    let image = TinyImage::new()
        .file("firmware", "OVMF.amdsev.fd", &OvmfImage::default().bytes())
        .file("kernel", "tiny.vmlinuz", b"kernel")
        .file("initrd", "tiny.initrd", b"initrd")
        .file("command-line", "tiny.cmdline", command_line.as_bytes())
        .uki(&SmallUki::new(257))
        .finish();
    let values = json!({ "schema": 3, "debug": false, "profiles": [], "values": values });
    image.folder.put(&format!("{OUT}/reference-values.json"), values.to_string().as_bytes());
    image
}

fn snp_values() -> Value {
    let values: Value = serde_json::from_str(VALUES).unwrap();
    json!([values["values"][0], values["values"][1]])
}

fn is_in(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn pycose_verifies_the_signature_and_pycryptodome_comes_to_the_same_identity() {
    let folder = folder();
    folder.put("judge.py", JUDGE.as_bytes());
    let line = "export values.json --as corim --key key.pem --out signed.corim";
    let said = folder.cvmkit(&format!("{line} --signer ACME --not-after 2027-12-31T23:59:59Z"));
    assert!(said.stderr.contains("note: "), "{said:?}");
    assert!(said.answer().starts_with("signed.corim: application/rim+cbor, "));
    let values: Value = serde_json::from_str(VALUES).unwrap();
    let registers = &values["values"][2]["registers"]["sha384"];
    let zeros = "00".repeat(48);
    let mut arguments = vec!["judge.py", "signed.corim", "key.pem"];
    arguments.extend(["mrtd", "rtmr0", "rtmr1", "rtmr2"].map(|n| registers[n].as_str().unwrap()));
    arguments.push(&zeros);
    let Some(said) = folder.oracle("oracle-python", &arguments) else { return };
    if said.code == Some(LACKS_PACKAGES) {
        skip("pycose and PyCryptodome are not installed");
        return;
    }
    let judged: Value = serde_json::from_str(&said.answer()).unwrap();
    let identity = Sha256::of(VALUES.as_bytes());
    assert_eq!(
        judged,
        json!({
            "signature": true, "key-id": true, "tag": 501,
            "id": format!("cvmkit:sha256:{identity}"),
            "mrenclave": "63d522d975f7de879a8f3368b4f32dd1e8db635f5a24b651ce8ff81705028813",
        })
    );
}

/// The CDDL is the one that the crate corim-rs ships; `cargo xtask test` puts it there.
#[test]
fn the_cddl_of_the_draft_describes_the_corim_and_its_encoding_is_deterministic() {
    let folder = folder();
    let cddl =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/oracles/corim-rs/CoRIM.cddl");
    if !cddl.is_file() {
        skip("the CDDL of CoRIM is not installed");
        return;
    }
    let cddl = cddl.to_str().unwrap();
    for options in ["", "--profile qemu-snp", "--key key.pem --not-after 2027-12-31T23:59:59Z"] {
        let line = format!("export values.json --as corim --out it.corim {options}");
        folder.cvmkit(&line).answer();
        let judged = |file: &str| {
            let arguments = ["--type", "corim", "--require-deterministic", cddl, file];
            Some(folder.oracle("cddl-verify", &arguments)?.code)
        };
        let Some(code) = judged("it.corim") else { return };
        assert_eq!(code, Some(0), "{options}");
        // Its id as bytes instead of text.
        let mut other = folder.get("it.corim");
        let id = b"cvmkit:sha256:";
        let at = other.windows(id.len()).position(|part| part == id).unwrap();
        other[at - 2] = 0x58;
        folder.put("other.corim", &other);
        assert_eq!(judged("other.corim"), Some(Some(1)), "{options}");
    }
}

#[test]
fn openssl_names_the_key_as_the_corim_does() {
    let folder = folder();
    let public = "pkey -in key.pem -pubout -outform DER -out public.der";
    let Some(_) = folder.accepts("openssl", public) else { return };
    let digest = Sha256::of(&folder.get("public.der"));
    folder.cvmkit("export values.json --as corim --key key.pem --out signed.corim").answer();
    let corim = folder.get("signed.corim");
    assert!(is_in(&corim, format!("sha256:{digest}").as_bytes()), "the signer's name");
    assert!(is_in(&corim, &digest.0), "the key id");
}

/// What was signed is read back, listed, and held against an image; openssl writes the public key.
#[test]
fn verify_and_dump_take_the_corim_of_an_image() {
    let values = json!({ "schema": 3, "debug": false, "profiles": [], "values": snp_values() });
    let values = values.to_string();
    let image = TinyImage::new().file("kernel", "tiny.vmlinuz", b"kernel").file(
        "reference-values",
        "reference-values.json",
        values.as_bytes(),
    );
    let image = image.finish();
    let folder = &image.folder;
    folder.put("key.pem", KEY.as_bytes());
    let public = "pkey -in key.pem -pubout -out public.pem";
    let Some(_) = folder.accepts("openssl", public) else { return };
    let line = format!("export {OUT} --as corim --key key.pem --not-after 2027-12-31T23:59:59Z");
    folder.cvmkit(&format!("{line} --out it.corim")).answer();
    let listing = folder.cvmkit("dump it.corim").answer();
    for words in ["ES384 by `sha256:", "until 2027-12-31T23:59:59Z", "launch digest, sha384"] {
        assert!(listing.contains(words), "{listing}");
    }
    // These values are not those of the files, which is what other checks say.
    let checked = |file: &str, key: &str| {
        let line = format!("verify {OUT} --corim {file} --corim-key {key} --format json");
        let said = folder.cvmkit(&line);
        assert_eq!(said.code, Some(1), "{said:?}");
        let report: Value = serde_json::from_str(&said.stdout).unwrap();
        let check = report["checks"].as_array().unwrap().last().unwrap();
        assert_eq!(check["check"], "corim");
        let findings = report["findings"].as_array().unwrap().iter();
        let findings = findings.filter(|finding| finding["check"] == "corim");
        let found = findings.map(|finding| finding["what"].as_str().unwrap().to_owned());
        (check["state"].as_str().unwrap().to_owned(), found.collect::<Vec<_>>())
    };
    assert_eq!(checked("it.corim", "public.pem"), ("passed".to_owned(), vec![]));
    folder.put("values.json", VALUES.as_bytes());
    let all = "export values.json --as corim --key key.pem --profile qemu-snp --vcpus 1";
    folder.cvmkit(&format!("{all} --out of-another.corim")).answer();
    let differs = ("failed".to_owned(), vec!["the id".to_owned()]);
    assert_eq!(checked("of-another.corim", "public.pem"), differs);
    let said = folder.cvmkit(&format!("verify {OUT} --corim {OUT}/tiny.vmlinuz"));
    assert_eq!(said.code, Some(2));
    assert!(
        said.stderr.contains("is not a CoRIM that `cvmkit export` wrote\n  caused by: byte 0: ")
    );
    let said = folder.cvmkit(&format!("verify {OUT} --corim it.corim --corim-key it.corim"));
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("expected a P-384 public key in PEM"), "{said:?}");
    assert_eq!(folder.cvmkit(&format!("verify {OUT} --corim none")).code, Some(2));
    assert_eq!(folder.cvmkit(&format!("verify {OUT} --corim-key public.pem")).code, Some(2));
}

#[test]
fn a_file_a_pipe_and_json_have_the_same_document() {
    let folder = folder();
    let said = folder.cvmkit("export values.json --as rvps --out message.json --format json");
    let written: Value = serde_json::from_str(&said.answer()).unwrap();
    let document = folder.get("message.json");
    assert_eq!(written["sha256"], json!(Sha256::of(&document).to_string()));
    assert_eq!(written["size"], json!(document.len()));
    assert_eq!(written["machines"].as_array().unwrap().len(), 6);
    let piped = folder.cvmkit("export values.json --as rvps --quiet");
    assert_eq!(piped.stderr, "");
    assert_eq!(piped.answer().as_bytes(), document);
    let said = folder.cvmkit("export values.json --as rvps --format json").answer();
    let embedded: Value = serde_json::from_str(&said).unwrap();
    let itself: Value = serde_json::from_slice(&document).unwrap();
    assert_eq!(embedded["document"], itself);
    assert_eq!(embedded["notes"], written["notes"]);
    let said = folder.cvmkit("export values.json --as corim --format json").answer();
    let embedded: Value = serde_json::from_str(&said).unwrap();
    // Tag 501, and a map.
    assert!(embedded["document"].as_str().unwrap().starts_with("2QH1og"), "{said}");
}

#[test]
fn dstack_gets_what_a_launch_digest_is_computed_of() {
    let rootfs = format!("dstack.rootfs_hash={}", "5a".repeat(32));
    let line = format!("console=ttyS0 {rootfs}");
    let image = image(&line, &snp_values());
    image.folder.cvmkit(&format!("export {OUT} --as dstack --out snp.cbor")).answer();
    let document = image.folder.get("snp.cbor");
    let named = |name: &str, bytes: &[u8]| {
        let len = u8::try_from(bytes.len()).unwrap();
        let entry = [name.as_bytes(), &[0x58, len], bytes].concat();
        assert!(is_in(&document, &entry), "{name}");
    };
    named("kernel_hash", &Sha256::of(b"kernel").0);
    named("initrd_hash", &Sha256::of(b"initrd").0);
    assert!(is_in(&document, line.as_bytes()));
    let fd = format!("{OUT}/OVMF.amdsev.fd");
    let arguments = format!("--mode snp:ovmf-hash --ovmf {fd}");
    let Some(digest) = image.folder.accepts("sev-snp-measure", &arguments) else { return };
    named("ovmf_hash", &hex::decode(digest.trim()).unwrap());
}

#[test]
fn dstack_refuses_a_command_line_that_names_no_root() {
    let image = image("console=ttyS0", &snp_values());
    let said = image.folder.cvmkit(&format!("export {OUT} --as dstack"));
    insta::assert_snapshot!(said.refusal(), @r#"
    exit 2
    error: dstack takes no image whose command line lacks `dstack.rootfs_hash=` and 64 hexadecimal digits
    hint: add the parameter to `[kernel] command-line`
    "#);
}

#[test]
fn dstack_gets_the_digest_of_the_uki_on_google() {
    let value = |profile, platform| {
        json!({
            "profile": profile, "profile-version": 1, "platform": platform, "vmm": "gce",
            "boot": "uki-disk",
        })
    };
    // A TD of Google has a TPM too, and what dstack asks it for is the same.
    let image = image("", &json!([value("gce-tdx", "tdx"), value("gce-vtpm", "tpm")]));
    image.folder.cvmkit(&format!("export {OUT} --as dstack --out gcp.cbor")).answer();
    let uki = SmallUki::new(257).image();
    let digest = cvmkit_measure::uefi::image::authenticode(&uki[..]).unwrap().sha256;
    let expected = [b"\xa2\x67version\x01\x68uki_auth\x58\x20".as_slice(), &digest.0].concat();
    assert_eq!(image.folder.get("gcp.cbor"), expected);
}

/// What `tee/scripts/calculate-measurement.sh` of dojoengine/katana 7fb8a41 wrote of files of these
/// names, where `sev-snp-measure` printed this digest.
const KATANA_DIRECT: &str = r#"{
  "measurement": "19f6fede87cdf7dfb030920930ae91bd5d07e9fe911c6b54362bbbc83f2bf7f1cd5d626fb501ef6ca777b3ac71fdc336",
  "boot_mode": "direct_kernel",
  "components": {
    "ovmf": "OVMF.amdsev.fd",
    "kernel": "tiny.vmlinuz",
    "initrd": "tiny.initrd",
    "cmdline": "console=ttyS0"
  },
  "vm_config": {
    "vcpus": 2,
    "vcpu_type": "EPYC-v4"
  },
  "notes": "Measurement includes kernel, initrd, and cmdline in OVMF launch digest"
}
"#;
const KATANA_DISK: &str = r#"{
  "measurement": "19f6fede87cdf7dfb030920930ae91bd5d07e9fe911c6b54362bbbc83f2bf7f1cd5d626fb501ef6ca777b3ac71fdc336",
  "boot_mode": "uefi_disk",
  "components": {
    "ovmf": "OVMF.amdsev.fd"
  },
  "vm_config": {
    "vcpus": 2,
    "vcpu_type": "EPYC-v4"
  },
  "notes": "UEFI boot measurement - disk contents not included in initial measurement"
}
"#;

/// All but the words of the notes, which are nobody's to parse.
#[test]
fn katana_gets_what_its_own_script_writes() {
    let mut disk = snp_values();
    for value in disk.as_array_mut().unwrap() {
        value["boot"] = "uki-disk".into();
    }
    for (values, expected) in [(snp_values(), KATANA_DIRECT), (disk, KATANA_DISK)] {
        let image = image("console=ttyS0", &values);
        let document = image.folder.cvmkit(&format!("export {OUT} --as katana --vcpus 2")).answer();
        let but_notes = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with("  \"notes\": \""));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(but_notes(&document), but_notes(expected));
        assert_eq!(document.lines().count(), expected.lines().count(), "{document}");
    }
}

#[test]
fn systemd_measure_gets_what_measure_tpm_prints() {
    let image = image("", &json!([]));
    let exported = image.folder.cvmkit(&format!("export {OUT} --as systemd-measure")).answer();
    let measured =
        image.folder.cvmkit(&format!("measure tpm {OUT} --json-systemd-measure")).answer();
    assert_eq!(exported, measured);
}

#[test]
fn what_can_not_be_exported_is_refused() {
    let folder = folder();
    folder.put("text.pem", b"no key");
    let lines = [
        "export values.json --as rvps --key key.pem",
        "export values.json --as corim --key text.pem",
        "export values.json --as corim --not-after 2026-01-01T00:00:00Z --not-before \
         2027-01-01T00:00:00Z",
        "export values.json --as corim --profile qemu-sev",
        "export key.pem --as corim",
        "export nowhere --as corim",
        "export values.json --as oasis --profile gce-tdx",
        "export values.json --as corim --not-after 2026-01-01T00:00:00Z",
    ];
    let said = lines.map(|line| format!("{line}\n{}", folder.cvmkit(line).refusal()));
    insta::assert_snapshot!(said.join("\n"), @r#"
    export values.json --as rvps --key key.pem
    exit 2
    error: `rvps` has no place for a signature or a time: only `corim` has

    export values.json --as corim --key text.pem
    exit 2
    error: cannot use `text.pem`
      caused by: the signing key can't be used, expected an unencrypted P-384 private key in PEM (SEC 1 or PKCS #8): couldn't parse PEM: PEM preamble contains invalid data (NUL byte)
    hint: make a key with `openssl ecparam -name secp384r1 -genkey -noout -out FILE`

    export values.json --as corim --not-after 2026-01-01T00:00:00Z --not-before 2027-01-01T00:00:00Z
    exit 2
    error: --not-before 2027-01-01T00:00:00Z is later than --not-after 2026-01-01T00:00:00Z

    export values.json --as corim --profile qemu-sev
    exit 2
    error: `values.json` has no such machine; there are:
        qemu-snp (qemu, direct boot, 1 vCPU EPYC-v4, features 0x1, OVMF.amdsev.fd)
        qemu-snp (qemu, direct boot, 2 vCPUs EPYC-v4, features 0x1, OVMF.amdsev.fd)
        qemu-tdx-direct (qemu, direct boot, 2 vCPUs, 2G, OVMF.inteltdx.fd)
        gce-tdx (gce, uki-disk boot)
        qemu-vtpm (qemu, uki-disk boot)
        azure-vtpm (azure, uki-disk boot)
        nitro-tpm (ec2, uki-disk boot)
        se (qemu, direct boot)
        qemu-vtpm-bare (qemu, direct boot)
    hint: choose with `--profile`, `--vcpus`, `--vcpu-type` and `--memory`

    export key.pem --as corim
    exit 2
    error: `key.pem` holds no reference values of schema 3
      caused by: invalid number, at line 1, column 2
    hint: name the folder of an image that this version of cvmkit built, or its `reference-values.json`

    export nowhere --as corim
    exit 2
    error: cannot open `nowhere`
      caused by: No such file or directory (os error 2)

    export values.json --as oasis --profile gce-tdx
    exit 2
    error: `oasis` needs mrtd of gce-tdx (gce, uki-disk boot): the firmware is not given: what it measures of itself and the machine is not known
    hint: name the `firmware` of this platform in the definition

    export values.json --as corim --not-after 2026-01-01T00:00:00Z
    exit 2
    error: --not-after 2026-01-01T00:00:00Z is in the past: no verifier would accept the document
    "#);
}

/// Values of a debug image do not leave by mistake, and say what they are when they do.
#[test]
fn values_of_a_debug_image_are_marked() {
    let folder = folder();
    let values: Value = serde_json::from_str(VALUES).unwrap();
    let mut debug = values.clone();
    debug["debug"] = true.into();
    folder.put("debug.json", debug.to_string().as_bytes());
    for shape in ["corim", "rvps"] {
        let said = folder.cvmkit(&format!("export debug.json --as {shape} --out document"));
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains("is of a debug image"), "{}", said.stderr);
        assert!(
            said.stderr.contains("hint: accept it explicitly with `--allow-debug`"),
            "{}",
            said.stderr
        );
        assert!(!folder.names().contains(&"document".to_owned()), "a document was written");
    }
    let line = "export debug.json --as corim --allow-debug --out debug.corim --format json";
    let said = folder.cvmkit(line);
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(report["debug"], true);
    assert!(report["notes"][0].as_str().unwrap().contains("DEBUG image"), "{report:#}");
    let said = folder.cvmkit("export debug.json --as corim --allow-debug --out debug.corim");
    assert!(said.stderr.contains("DEBUG image"), "{}", said.stderr);
    assert!(is_in(&folder.get("debug.corim"), b"DEBUG IMAGE qemu-snp"), "no tag-id says so");
    let said = folder.cvmkit("export values.json --as corim --allow-debug --out plain.corim");
    assert!(!said.stderr.contains("DEBUG") && !is_in(&folder.get("plain.corim"), b"DEBUG"));
}

/// Every shape, with the options that leave it machines that it has place for.
const SHAPES: [(&str, &str); 10] = [
    ("corim", ""),
    ("corim", "--key key.pem"),
    ("rvps", ""),
    ("dstack", "--profile td"),
    ("dstack", "--profile qemu-snp"),
    ("dstack", "--profile nitro-tpm"),
    ("dstack", "--profile gce-tdx"),
    ("dstack-mr", "--profile qemu-tdx-direct"),
    ("oasis", ""),
    ("katana", "--vcpus 2"),
];
/// Without a choice of machines.
const OF_THE_UKI: &str = "systemd-measure";

/// The image of which every shape can be made.
pub(crate) fn image_of_all(is_debug: bool) -> TinyImage {
    let line = format!("console=ttyS0 dstack.rootfs_hash={}", "5a".repeat(32));
    let image = TinyImage::new()
        .file("firmware", "OVMF.amdsev.fd", &OvmfImage::default().bytes())
        .file("firmware", "OVMF.fd", &export_dstack::fd())
        .file("kernel", "tiny.vmlinuz", &export_dstack::kernel())
        .file("initrd", "tiny.initrd", b"an initrd")
        .file("command-line", "tiny.cmdline", line.as_bytes())
        .uki(&SmallUki::new(257))
        .finish();
    let fixture: Value = serde_json::from_str(VALUES).unwrap();
    let mut values = fixture["values"].as_array().unwrap().clone();
    values.push(export_dstack::value("td", "2G"));
    let profiles = [export_dstack::profile("td", "9.1", "edk2-stable202502")];
    let all = json!({ "schema": 3, "debug": is_debug, "profiles": profiles, "values": values });
    image.folder.put(&format!("{OUT}/reference-values.json"), all.to_string().as_bytes());
    image.folder.put("key.pem", KEY.as_bytes());
    image
}

/// The shapes that the program itself knows.
fn shapes_known(folder: &Folder) -> Vec<String> {
    let said = folder.cvmkit("export out --as nothing").stderr;
    let (_, list) = said.split_once("[possible values: ").unwrap();
    let (list, _) = list.split_once(']').unwrap();
    list.split(", ").map(str::to_owned).collect()
}

/// Whatever the shape, and with every note hidden: what is said of a debug image is in the document.
#[test]
fn every_document_of_a_debug_image_is_marked() {
    let (debug, production) = (image_of_all(true), image_of_all(false));
    let mut known = shapes_known(&debug.folder);
    let mut tried: Vec<String> = SHAPES.iter().map(|(shape, _)| (*shape).to_owned()).collect();
    tried.push(OF_THE_UKI.to_owned());
    tried.dedup();
    known.sort();
    tried.sort();
    assert_eq!(known, tried, "a shape that this test does not try");
    for (shape, options) in SHAPES.into_iter().chain([(OF_THE_UKI, "")]) {
        let line = format!("export {OUT} --as {shape} {options} --out document");
        let said = debug.folder.cvmkit(&line);
        assert_eq!(said.code, Some(2), "{line}: {said:?}");
        assert!(!debug.folder.names().contains(&"document".to_owned()), "{line}");
        let said = debug.folder.cvmkit(&format!("{line} --allow-debug --quiet"));
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
        assert!(said.stderr.starts_with("warning: these are values of a DEBUG image"), "{said:?}");
        assert_eq!(said.stderr.lines().count(), 1, "{line}: {said:?}");
        assert!(is_in(&debug.folder.get("document"), b"DEBUG IMAGE"), "{line}: no mark");
        cvmkit_host::files::remove(&debug.folder.path("document")).unwrap();
        let said = production.folder.cvmkit(&format!("{line} --allow-debug"));
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
        let document = production.folder.get("document");
        assert!(!is_in(&document, b"DEBUG") && !is_in(&document, b"debug"), "{line}");
        assert!(!said.stderr.contains("DEBUG"), "{line}: {said:?}");
    }
}

/// Platforms that differ in their variables only are two machines with two names.
#[test]
fn machines_have_distinct_names() {
    let folder = folder();
    let mut values: Value = serde_json::from_str(VALUES).unwrap();
    let of_tpm = |value: &&Value| value["profile"] == "qemu-vtpm";
    let mut first = values["values"].as_array().unwrap().iter().find(of_tpm).unwrap().clone();
    let mut second = first.clone();
    first["variables"] = "OVMF_VARS.fd".into();
    second["variables"] = "OVMF_VARS.ms.fd".into();
    values["values"] = json!([first, second, second]);
    folder.put("two.json", values.to_string().as_bytes());
    let said = folder.cvmkit("export two.json --as corim --out two.corim --format json").stdout;
    let report: Value = serde_json::from_str(&said).unwrap();
    let names: Vec<_> =
        report["machines"].as_array().unwrap().iter().map(Value::to_string).collect();
    assert!(names[0].contains("variables OVMF_VARS.fd"), "{names:?}");
    assert!(names[1].contains("variables OVMF_VARS.ms.fd") && names[2].contains("#2"), "{names:?}");
    for name in names {
        assert!(is_in(&folder.get("two.corim"), name.trim_matches('"').as_bytes()), "{name}");
    }
}

/// Base64 can't be reviewed, and what is left out is said.
#[test]
fn a_message_for_rvps_is_shown_in_hex_with_what_it_lacks() {
    let folder = folder();
    let said = folder.cvmkit("export values.json --as rvps --out message --format json");
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    let notes = report["notes"].to_string();
    assert!(
        notes.contains("left out, because the policy asks for no such value: PCR 4"),
        "{notes}"
    );
    assert!(notes.contains("tpm_pcr11 = e7d6adb318e18ba1"), "{notes}");
}
