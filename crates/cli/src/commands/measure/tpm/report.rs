//! Predicted registers as text, as JSON, and as systemd-measure prints them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cvmkit_attest::machine_name::MachineName;
use cvmkit_attest::predict::register::{Known, RegisterPrediction};
use cvmkit_attest::predict::{Assumed, Assumptions, TpmBoot};
use cvmkit_measure::claim::{Condition, Reason};
use cvmkit_measure::event::{Bank, BankDigest, Event, EventType, PcrIndex, Register, Source};
use cvmkit_measure::tpm::{Platform, Prediction};
use serde::Serialize;

use crate::commands::wording::{self, Place};

/// What boots, in which machine, and what was asked of it.
pub(super) struct Measured<'a> {
    pub(super) boot: &'a TpmBoot,
    pub(super) platform: Platform,
    /// The image's profile that describes the machine.
    pub(super) profile: Option<&'a str>,
    pub(super) bank: Bank,
    pub(super) phases: &'a [String],
    /// Whether the firmware's variables are known.
    pub(super) knows_variables: bool,
    /// Whether the disk is known.
    pub(super) knows_disk: bool,
}

/// The prediction of one register.
#[derive(Serialize)]
struct Row {
    pcr: PcrIndex,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<BankDigest>,
    /// The conditions of the value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Condition>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// Conditions or reason in words, with the option that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<String>,
}

/// One event with its register's value after it.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Step {
    index: usize,
    register: Register,
    event_type: EventType,
    meaning: String,
    source: Source,
    digest: BankDigest,
    value: BankDigest,
}

/// What is printed.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Report {
    platform: String,
    /// The image's profile that describes the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    boot: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stub: Option<u32>,
    bank: Bank,
    phases: Vec<String>,
    pcrs: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<Step>>,
}

impl Report {
    pub(super) fn new(subject: &Measured<'_>, predictions: &[Assumed], explain: bool) -> Self {
        let phases: Vec<&str> = subject.phases.iter().map(String::as_str).collect();
        let at_phases =
            |assumed: &Assumed| (assumed.assumptions, assumed.prediction.clone().at(&phases));
        let predictions: Vec<_> = predictions.iter().map(at_phases).collect();
        let pcrs: Vec<Row> = PcrIndex::all().map(|pcr| row(subject, pcr, &predictions)).collect();
        let known: BTreeSet<PcrIndex> =
            pcrs.iter().filter(|row| row.value.is_some()).map(|row| row.pcr).collect();
        let events = predictions.first().filter(|_| explain);
        Self {
            platform: subject.platform.to_string(),
            profile: subject.profile.map(str::to_owned),
            boot: subject.boot.kind(),
            stub: match subject.boot {
                TpmBoot::Disk(disk) => Some(disk.uki.stub.version.0),
                TpmBoot::Direct(_) => None,
            },
            bank: subject.bank,
            phases: subject.phases.to_vec(),
            pcrs,
            // A register has a value only where all predictions agree, so one of them is enough.
            events: events.map(|(_, prediction)| steps(subject.bank, prediction, &known)),
        }
    }
}

/// The register's value in each prediction, or the reason why there is no value.
fn row(subject: &Measured<'_>, pcr: PcrIndex, predictions: &[(Assumptions, Prediction)]) -> Row {
    let known = Known {
        boot: subject.boot,
        platform: subject.platform,
        variables: subject.knows_variables,
        disk: subject.knows_disk,
    };
    match known.prediction(subject.bank, pcr, predictions) {
        RegisterPrediction::Open(reason) => Row {
            pcr,
            status: "not-predicted",
            value: None,
            conditions: Vec::new(),
            words: Some(wording::reason(&reason, Place::TpmOptions)),
            reason: Some(reason),
        },
        RegisterPrediction::Predicted { value, conditions } => {
            let is_proven = conditions.iter().all(|condition| condition.code.is_premise());
            let words = (!conditions.is_empty())
                .then(|| wording::conditions(&conditions, Place::TpmOptions));
            let status = if is_proven { "proven" } else { "computed" };
            Row { pcr, status, value: Some(value), conditions, reason: None, words }
        }
    }
}

fn steps(bank: Bank, prediction: &Prediction, known: &BTreeSet<PcrIndex>) -> Vec<Step> {
    let mut values: BTreeMap<PcrIndex, BankDigest> = BTreeMap::new();
    let events = prediction.events.0.iter().filter(|event| known.contains(&event.pcr));
    let step = |(index, event): (usize, &Event)| {
        let register = Register::Pcr(event.pcr);
        let digest = bank.pick(&event.digests);
        let value = values
            .entry(event.pcr)
            .or_insert_with(|| bank.initial(register, prediction.startup_locality));
        // Both are of the same bank.
        *value = value.extend(digest).unwrap_or(*value);
        let (event_type, source) = (event.event_type, event.source);
        let meaning = event.meaning.to_string();
        Step { index, register, event_type, meaning, source, digest, value: *value }
    };
    events.enumerate().map(step).collect()
}

/// A source by its name in JSON.
fn source_name(source: Source) -> String {
    let name = serde_json::to_value(source).ok();
    name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(steps) = &self.events {
            let width = if self.bank == Bank::Sha256 { 64 } else { 96 };
            writeln!(
                f,
                "{:>5} | {:<8} | {:<33} | {:<44} | {:<18} | {:<width$} | running value",
                "index", "register", "event type", "meaning", "source", "digest"
            )?;
            for Step { index, register, event_type, meaning, source, digest, value } in steps {
                let source = source_name(*source);
                writeln!(
                    f,
                    "{index:>5} | {register:<8} | {:<33} | {meaning:<44} | {source:<18} | {digest} | \
                     {value}",
                    event_type.to_string()
                )?;
            }
        }
        let phases = if self.phases.is_empty() { "none".into() } else { self.phases.join(":") };
        let machine = MachineName::of(self.profile.as_ref().unwrap_or(&self.platform))
            .boot(self.boot)
            .with_any(self.stub.map(|version| format!("systemd-stub {version}")));
        writeln!(f, "{machine}, phases: {phases}")?;
        for Row { pcr, value, words, .. } in &self.pcrs {
            let register = Register::Pcr(*pcr);
            match (value, words) {
                (Some(value), None) => writeln!(f, "{register:<6} {}:{value}", self.bank)?,
                (Some(value), Some(words)) => {
                    writeln!(f, "{register:<6} {}:{value}  ({words})", self.bank)?;
                }
                (None, words) => {
                    let words = words.as_deref().unwrap_or_default();
                    writeln!(f, "{register:<6} not predicted: {words}")?;
                }
            }
        }
        Ok(())
    }
}
