//! The example, on the event log of a real boot and the values that the guest read from its TPM.

#![expect(clippy::unwrap_used, reason = "a test ends where its premises do")]
#![expect(clippy::disallowed_methods, reason = "makes files in a folder of its own")]

#[path = "../examples/verify.rs"]
#[allow(dead_code, reason = "its main is not called")]
mod example;

use std::fs;
use std::path::{Path, PathBuf};

use cvmkit_attest::compare::{CompareError, Report, Verdict};
use serde_json::{Value, json};

/// `uki.bin`, a boot of OVMF, systemd-stub and Linux; `uki.pcrs.txt`, the registers after it.
fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../measure/tests/fixtures/event_logs").join(name)
}

/// The reference values of one machine, with these registers.
fn values(registers: &Value) -> String {
    let text = fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/export/reference-values.json"),
    );
    let mut values: Value = serde_json::from_slice(&text.unwrap()).unwrap();
    let of_tpm = |value: &Value| {
        [value["profile"].as_str(), value["name"].as_str()].contains(&Some("qemu-vtpm"))
    };
    values["profiles"].as_array_mut().unwrap().retain(of_tpm);
    values["values"].as_array_mut().unwrap().retain(of_tpm);
    let value = &mut values["values"][0];
    value["registers"] = json!({ "sha256": registers });
    let open = value.as_object_mut().unwrap();
    open.remove("not-predicted");
    open.remove("conditions");
    values.to_string()
}

/// What the example says.
fn verified(registers: &Value, observed: &Path) -> Result<Report, CompareError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reference-values.json");
    fs::write(&file, values(registers)).unwrap();
    example::verify(&file, observed)
}

#[test]
fn a_log_is_held_against_what_the_guest_read_from_its_tpm() {
    let text = fs::read_to_string(recorded("uki.pcrs.txt")).unwrap();
    let mut registers = serde_json::Map::new();
    for line in text.lines() {
        if let ["PCR256", pcr @ ("4" | "9" | "11" | "12"), digest] =
            line.split(' ').collect::<Vec<_>>().as_slice()
        {
            registers.insert(format!("pcr{pcr}"), digest.to_lowercase().into());
        }
    }
    assert_eq!(registers.len(), 4);
    let report = verified(&registers.clone().into(), &recorded("uki.bin")).unwrap();
    assert_eq!(report.judgement.verdict, Verdict::Equal, "{report}");
    // One register that is not as expected is named.
    registers.insert("pcr11".into(), "00".repeat(32).into());
    let report = verified(&registers.into(), &recorded("uki.bin")).unwrap();
    assert_eq!(report.judgement.verdict, Verdict::Differs, "{report}");
    assert!(report.to_string().contains("PCR 11"), "{report}");
    let error = verified(&json!({}), Path::new("no/such/file")).unwrap_err();
    assert!(error.to_string().contains("no/such/file"), "{error}");
}
