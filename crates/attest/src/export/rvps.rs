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
        notes.extend(left_out(machine).map(Note::Value));
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
    (!names.is_empty()).then(|| format!("{machine}: {words}: {}", names.join(", ")))
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
