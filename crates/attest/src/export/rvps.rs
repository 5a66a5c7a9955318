//! A message for Trustee's Reference Value Provider Service.
//!
//! The shape: `{"version": "0.1.0", "type": "sample", "payload": BASE64}`, where the payload is a
//! JSON object of names, each with a list of accepted values. `rvps-tool register --path` and POST
//! `/kbs/v0/reference-value` take it. Names are those that the default policy for CPUs asks for, and
//! the values are hexadecimal as its claims are: `snp_launch_measurement`, `mr_td`, `rtmr_1`,
//! `rtmr_2`, `tpm_pcr11`, and `snp_pcr11` and `tdx_pcr11` for Azure's vTPM.
//!
//! A registered name replaces all earlier values of that name. Deliberately absent: names that the
//! default policy does not ask for (RTMR0, which depends on the host's configuration; other PCRs),
//! and those of single events (`tdvfkernel`, `tdvfkernelparams`). The service verifies no signature
//! of this type, so the message has none: what registers it must be trusted.
//!
//! Source: confidential-containers/trustee 78962cd (2026-08): `rvps/src/lib.rs`,
//! `rvps/src/extractors/sample`, `attestation-service/src/ear_token/ear_default_policy_cpu.rego`.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::base64::base64;
use cvmkit_measure::event::{Bank, Register};
use serde::Serialize;

use super::document::{Document, json};
use super::error::ExportError;
use super::machine::{ExpectedMachine, platforms};
use super::note::Note;
use super::request::Shape;
use crate::profile::{Technology, Vmm};

/// `MESSAGE_VERSION` of `rvps/src/lib.rs`.
const VERSION: &str = "0.1.0";
/// The extractor that takes plain values.
const SAMPLE: &str = "sample";

/// What is registered.
#[derive(Serialize)]
struct Message {
    version: &'static str,
    r#type: &'static str,
    payload: String,
    /// That the values are those of a debug image. The service takes messages with more fields; in the
    /// payload it would be a reference value that stays when others take the place of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<&'static str>,
}

/// The message with the values of all `machines`.
pub(super) fn document(machines: &[&ExpectedMachine]) -> Result<Document, ExportError> {
    let mut values: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let (mut carried, mut notes) = (Vec::new(), Vec::new());
    for machine in machines {
        let named = named(machine);
        if named.is_empty() {
            notes.push(Note::Value(format!(
                "{machine} is left out: the policy asks for none of its values"
            )));
            notes.extend(machine.words(|name| machine.value.not_predicted.contains_key(name)));
            continue;
        }
        notes.extend(left_out(machine).map(|words| Note::of(machine, words)));
        for (name, value) in named {
            values.entry(name).or_default().insert(value);
        }
        notes.extend(
            machine.words(|name| asked(machine).iter().any(|(_, asked, _)| *asked == name)),
        );
        carried.push(*machine);
    }
    if carried.is_empty() {
        return Err(ExportError::NoPlace {
            shape: Shape::Rvps,
            platforms: platforms(machines),
            carries: "launch digests of `sev-snp`, MRTD and RTMRs of `tdx`, PCR 11 of `tpm`",
            add: "a profile of these, such as `qemu-snp`,",
        });
    }
    // The payload is in Base64, which nobody can review.
    for (name, accepted) in &values {
        notes.extend(accepted.iter().map(|value| Note::Value(format!("{name} = {value}"))));
    }
    let payload = serde_json::to_vec(&values).map_err(ExportError::Json)?;
    let debug = carried.iter().find_map(|machine| machine.mark());
    let message = Message { version: VERSION, r#type: SAMPLE, payload: base64(&payload), debug };
    json(&message, &carried, notes)
}

/// The names the policy asks a machine's registers by.
fn asked(machine: &ExpectedMachine) -> &'static [(&'static str, &'static str, Bank)] {
    match (machine.platform(), machine.value.vmm) {
        (Technology::Tdx, _) => &[
            ("mr_td", "mrtd", Bank::Sha384),
            ("rtmr_1", "rtmr1", Bank::Sha384),
            ("rtmr_2", "rtmr2", Bank::Sha384),
        ],
        // Both kinds of Azure's confidential VMs have this vTPM.
        (Technology::Tpm, Vmm::Azure) => {
            &[("snp_pcr11", "pcr11", Bank::Sha256), ("tdx_pcr11", "pcr11", Bank::Sha256)]
        }
        (Technology::Tpm, _) => &[("tpm_pcr11", "pcr11", Bank::Sha256)],
        (Technology::SevSnp | Technology::Se, _) => &[],
    }
}

/// That registers with a value are not in the message.
fn left_out(machine: &ExpectedMachine) -> Option<String> {
    let asked = asked(machine);
    let is_asked = |name: &str| asked.iter().any(|(_, register, _)| *register == name);
    let mut names: Vec<Register> = machine
        .registers
        .keys()
        .filter(|name| !is_asked(name))
        .filter_map(|name| name.parse().ok())
        .collect();
    names.sort_unstable();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let words = "left out, because the policy asks for no such value";
    (!names.is_empty()).then(|| format!("{words}: {}", names.join(", ")))
}

/// A machine's values by the names the policy asks for them.
fn named(machine: &ExpectedMachine) -> Vec<(&'static str, String)> {
    if machine.platform() == Technology::SevSnp {
        let launch = machine.launch_digest.iter();
        return launch.map(|digest| ("snp_launch_measurement", digest.to_string())).collect();
    }
    let value = |(name, register, bank): &(&'static str, &str, Bank)| {
        Some((*name, hex::encode(machine.register(*bank, register)?)))
    };
    asked(machine).iter().filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::note::DEBUG_MARK;
    use super::super::tests::fixture::{machine, machine_of};
    use super::*;
    use crate::tests::image::value;

    /// A machine with these registers, each of the byte that is its last digit.
    fn of(platform: &str, vmm: &str, bank: &str, registers: &[&str]) -> ExpectedMachine {
        let len = if bank == "sha256" { 32 } else { 48 };
        let digest = |name: &str| format!("0{}", name.chars().last().unwrap()).repeat(len);
        let registers: BTreeMap<&str, String> =
            registers.iter().map(|name| (*name, digest(name))).collect();
        let boot = if platform == "tdx" && vmm == "qemu" { "direct" } else { "uki-disk" };
        machine(value("p", [platform, vmm, boot], json!({ "registers": { bank: registers } })))
    }

    /// The names of `ear_default_policy_cpu.rego`, and which registers of which bank stand for them.
    #[test]
    fn a_value_has_the_name_that_the_policy_asks_for() {
        let td = ["rtmr0", "rtmr1", "rtmr2", "rtmr3"];
        type Values = &'static [(&'static str, &'static str, usize)];
        let rows: [(ExpectedMachine, Values); 7] = [
            (of("tdx", "qemu", "sha384", &td), &[("rtmr_1", "01", 48), ("rtmr_2", "02", 48)]),
            (of("tdx", "gce", "sha384", &["rtmr2"]), &[("rtmr_2", "02", 48)]),
            (of("tpm", "qemu", "sha256", &["pcr4", "pcr11"]), &[("tpm_pcr11", "01", 32)]),
            (of("tpm", "gce", "sha256", &["pcr11"]), &[("tpm_pcr11", "01", 32)]),
            (
                of("tpm", "azure", "sha256", &["pcr11"]),
                &[("snp_pcr11", "01", 32), ("tdx_pcr11", "01", 32)],
            ),
            // The policy's claims are of the SHA-256 bank.
            (of("tpm", "ec2", "sha384", &["pcr11"]), &[]),
            (of("se", "qemu", "sha256", &["pcr11"]), &[]),
        ];
        for (machine, expected) in rows {
            let expected: Vec<(&str, String)> =
                expected.iter().map(|(name, byte, len)| (*name, byte.repeat(*len))).collect();
            assert_eq!(named(&machine), expected, "{machine}");
        }
        let snp = json!({ "launch-digest": "0a".repeat(48), "registers": {} });
        let snp = machine(value("snp", ["sev-snp", "qemu", "direct"], snp));
        assert_eq!(named(&snp), [("snp_launch_measurement", "0a".repeat(48))]);
        let mrtd = json!({ "registers": { "sha384": { "mrtd": "0b".repeat(48) } } });
        let mrtd = machine(value("td", ["tdx", "qemu", "direct"], mrtd));
        assert_eq!(named(&mrtd), [("mr_td", "0b".repeat(48))]);
    }

    /// What is registered, as `rvps/src/extractors/sample` decodes it.
    fn payload(message: &Value) -> String {
        message["payload"].as_str().unwrap().to_owned()
    }

    /// A registered name replaces all earlier values, so all accepted values are in one message, each once.
    #[test]
    fn all_values_of_a_name_are_in_one_list() {
        let snp = |byte: &str| {
            let digest = json!({ "launch-digest": byte.repeat(48) });
            machine(value("snp", ["sev-snp", "qemu", "direct"], digest))
        };
        let machines = [snp("0b"), snp("0a"), snp("0b")];
        let document = document(&machines.each_ref()).unwrap();
        let message: Value = serde_json::from_slice(&document.bytes).unwrap();
        let (a, b) = ("0a".repeat(48), "0b".repeat(48));
        let expected = json!({ "snp_launch_measurement": [a, b] }).to_string();
        assert_eq!(
            message,
            json!({ "version": "0.1.0", "type": "sample", "payload": base64(expected.as_bytes()) })
        );
        assert_eq!(document.machines.len(), 3);
        // Nobody can review Base64: each value is noted, once.
        let note = |value: &str| Note::Value(format!("snp_launch_measurement = {value}"));
        assert_eq!(document.notes, [note(&a), note(&b)]);
    }

    #[test]
    fn a_message_of_a_debug_image_says_so_beside_its_payload() {
        let of = |debug| {
            let digest = json!({ "launch-digest": "0a".repeat(48) });
            let machine = machine_of(debug, value("s", ["sev-snp", "qemu", "direct"], digest));
            let bytes = document(&[&machine]).unwrap().bytes;
            serde_json::from_slice::<Value>(&bytes).unwrap()
        };
        assert_eq!((&of(true)["debug"], of(false).get("debug")), (&DEBUG_MARK.into(), None));
        assert_eq!(payload(&of(true)), payload(&of(false)));
    }

    #[test]
    fn what_is_left_out_is_noted_in_the_order_of_the_registers() {
        let machine = of("tpm", "qemu", "sha256", &["pcr12", "pcr2", "pcr11", "pcr9"]);
        let document = document(&[&machine]).unwrap();
        let words = "left out, because the policy asks for no such value: PCR 2, PCR 9, PCR 12";
        assert_eq!(document.notes[0].to_string(), format!("{machine}: {words}"));
        assert_eq!(left_out(&of("tpm", "gce", "sha256", &["pcr11"])), None);
    }

    /// Reasons and conditions are noted of the registers that the policy asks for; of a machine that is left
    /// out, those of the registers without a value.
    #[test]
    fn a_machine_without_a_value_that_is_asked_for_is_left_out() {
        let open = machine(value(
            "open",
            ["tdx", "gce", "uki-disk"],
            json!({
                "registers": { "sha384": { "rtmr0": "00".repeat(48) } },
                "not-predicted": { "rtmr1": { "code": "unknown-firmware" } },
                "conditions": { "rtmr0": [{ "code": "secure-boot-off" }] },
            }),
        ));
        let known = machine(value(
            "known",
            ["tdx", "gce", "uki-disk"],
            json!({
                "registers": { "sha384": { "rtmr2": "02".repeat(48) } },
                "not-predicted": {
                    "rtmr0": { "code": "acpi-tables" }, "rtmr1": { "code": "unknown-firmware" },
                },
                "conditions": { "rtmr2": [{ "code": "no-option-rom" }] },
            }),
        ));
        let document = document(&[&open, &known]).unwrap();
        assert_eq!(document.machines, [known.to_string()]);
        let found: Vec<String> = document.notes.iter().map(ToString::to_string).collect();
        let why =
            "the firmware is not given: what it measures of itself and the machine is not known";
        assert_eq!(
            found,
            [
                format!("{open} is left out: the policy asks for none of its values"),
                format!("{open}: no rtmr1: {why}"),
                format!("{known}: no rtmr1: {why}"),
                format!("{known}: rtmr2: if no device has an option ROM"),
                format!("rtmr_2 = {}", "02".repeat(48)),
            ]
        );
        let error = super::document(&[&open]).unwrap_err();
        let ExportError::NoPlace { shape: Shape::Rvps, platforms, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(platforms, &["tdx"]);
    }
}
