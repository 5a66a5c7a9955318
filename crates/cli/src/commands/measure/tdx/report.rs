//! The registers of a TD as text and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use cvmkit_attest::predict::TdBoot;
use cvmkit_formats::digest::{Sha256, Sha384};
use cvmkit_measure::claim::{Condition, Reason};
use cvmkit_measure::event::{Event, Events, Register, Rtmr, RtmrIndex, Source};
use cvmkit_measure::firmware::layout::Layout;
use cvmkit_measure::tdx::mrtd::{Act, Launch, Mrtd};
use cvmkit_measure::tdx::prediction::{Prediction, Unknown};
use cvmkit_measure::tdx::rtmr::AcpiTables;
use serde::Serialize;

use crate::commands::wording::{self, Place};

/// What the registers depend on besides kernel, initrd and command line.
#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Inputs {
    /// The file's digest; none for a cloud's firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) firmware: Option<Sha256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) layout: Option<Layout>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) qemu_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vcpus: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acpi: Option<Acpi>,
}

/// The ACPI tables: what `--acpi-loader`, `--acpi-rsdp` and `--acpi-tables` take.
#[derive(Serialize)]
pub(super) struct Acpi {
    loader: Sha384,
    rsdp: Sha384,
    tables: Sha384,
}

impl From<AcpiTables> for Acpi {
    fn from(AcpiTables { loader, rsdp, tables }: AcpiTables) -> Self {
        Self { loader: loader.sha384, rsdp: rsdp.sha384, tables: tables.sha384 }
    }
}

/// One step of one register.
#[derive(Serialize)]
struct Row {
    index: usize,
    register: Register,
    #[serde(rename = "type")]
    event_type: String,
    meaning: String,
    source: Source,
    /// The digest that is extended; none for the MRTD, which covers pages.
    digest: Option<Sha384>,
    /// The register's value afterwards.
    value: Sha384,
}

/// What is printed.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Report {
    #[serde(flatten)]
    inputs: Inputs,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<Row>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mrtd: Option<Mrtd>,
    /// The registers after the boot, by name.
    #[serde(flatten)]
    rtmrs: BTreeMap<String, Rtmr>,
    /// The conditions of values, where they are more than the options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    conditions: BTreeMap<String, Vec<Condition>>,
    /// The reasons of the registers without a value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    not_predicted: BTreeMap<String, Open>,
}

/// The prediction of the RTMRs, and what boots.
pub(super) struct Registers {
    pub(super) prediction: Prediction,
    pub(super) boot: TdBoot,
    /// Whether the firmware is a cloud's, whose file nobody has.
    pub(super) is_foreign: bool,
}

impl Registers {
    fn conditions(&self) -> impl Iterator<Item = (RtmrIndex, Vec<Condition>)> {
        let known = self.prediction.rtmrs().into_keys();
        let conditions = known.map(|index| (index, self.boot.conditions(index, self.is_foreign)));
        conditions.filter(|(_, conditions)| !conditions.is_empty())
    }
}

/// Why a register has no value.
#[derive(Serialize)]
struct Open {
    /// The code, as in reference values.
    #[serde(flatten)]
    reason: Reason,
    /// The reason in words, with the option that helps.
    words: String,
}

impl Open {
    fn new(unknown: Unknown) -> Self {
        let reason = Reason::from(unknown);
        Self { words: wording::reason(&reason, Place::TdOptions), reason }
    }
}

fn named<V>(registers: impl IntoIterator<Item = (RtmrIndex, V)>) -> BTreeMap<String, V> {
    registers.into_iter().map(|(register, value)| (format!("rtmr{register}"), value)).collect()
}

impl Report {
    pub(super) fn new(
        inputs: Inputs,
        launch: Option<&Launch<'_>>,
        registers: Option<&Registers>,
        explain: bool,
    ) -> Self {
        let prediction = registers.map(|registers| &registers.prediction);
        let rows = explain.then(|| {
            let mut rows: Vec<Row> = launch.into_iter().flat_map(launch_rows).collect();
            if let Some(prediction) = prediction {
                // The first events of an open register are known all the same.
                rows.extend(event_rows(&prediction.listed));
            }
            for (index, row) in rows.iter_mut().enumerate() {
                row.index = index;
            }
            rows
        });
        let open = prediction.map(|prediction| &prediction.open);
        let open =
            open.into_iter().flatten().map(|(register, open)| (*register, Open::new(open.reason)));
        Self {
            inputs,
            events: rows,
            mrtd: launch.map(Launch::digest),
            rtmrs: named(prediction.map(Prediction::rtmrs).unwrap_or_default()),
            conditions: named(registers.into_iter().flat_map(Registers::conditions)),
            not_predicted: named(open),
        }
    }
}

/// A row for each section of the firmware, and for each pass over it.
fn launch_rows(launch: &Launch<'_>) -> Vec<Row> {
    /// `TDH.MR.EXTEND`s of one page: one for each 256 bytes.
    const EXTENDS: u64 = 16;
    let mut steps = launch.explain();
    let mut rows = Vec::new();
    for operation in launch.operations() {
        let records = match operation.act {
            Act::Add => 1,
            Act::AddAndExtend => 1 + EXTENDS,
            Act::Extend => EXTENDS,
        };
        let last = usize::try_from(operation.pages * records).unwrap_or(usize::MAX);
        // A section of no pages changes nothing.
        let Some(step) = last.checked_sub(1).and_then(|last| steps.nth(last)) else { continue };
        rows.push(Row {
            index: 0,
            register: Register::Mrtd,
            event_type: operation.act.to_string(),
            meaning: format!(
                "{} at {}, pages: {}",
                operation.section_type, operation.gpa, operation.pages
            ),
            source: Source::Firmware,
            digest: None,
            value: step.digest.0,
        });
    }
    rows
}

fn event_rows(events: &Events) -> Vec<Row> {
    let mut values = [Sha384::ZERO; RtmrIndex::COUNT as usize];
    let row = |event: &Event| {
        let index = RtmrIndex::of_pcr(event.pcr)?;
        let value = values.get_mut(usize::from(index.number()))?;
        *value = value.extend(event.digests.sha384);
        Some(Row {
            index: 0,
            register: Register::Rtmr(index),
            event_type: event.event_type.to_string(),
            meaning: event.meaning.to_string(),
            source: event.source,
            digest: Some(event.digests.sha384),
            value: *value,
        })
    };
    events.0.iter().filter_map(row).collect()
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, register, event_type, meaning, source, digest, value } = self;
        let source = serde_json::to_value(source).unwrap_or_default();
        let source = source.as_str().unwrap_or_default();
        let digest = digest.map_or_else(|| "-".to_owned(), |digest| digest.to_string());
        write!(
            f,
            "{index:>5} | {register:<8} | {event_type:<32} | {meaning:<40} | {source:<18} | \
             {digest:<96} | {value}"
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rows) = &self.events {
            writeln!(
                f,
                "{:>5} | {:<8} | {:<32} | {:<40} | {:<18} | {:<96} | running value",
                "index", "register", "type", "meaning", "source", "digest"
            )?;
            rows.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        }
        self.mrtd.iter().try_for_each(|mrtd| writeln!(f, "mrtd   {mrtd}"))?;
        self.rtmrs.iter().try_for_each(|(name, value)| writeln!(f, "{name}  {value}"))?;
        for (name, conditions) in &self.conditions {
            writeln!(f, "{name}  {}", wording::conditions(conditions, Place::TdOptions))?;
        }
        for (name, reason) in &self.not_predicted {
            writeln!(f, "{name}  not predicted: {}", reason.words)?;
        }
        if let Some(Acpi { loader, rsdp, tables }) = &self.inputs.acpi {
            writeln!(f, "acpi-loader  {loader}\nacpi-rsdp    {rsdp}\nacpi-tables  {tables}")?;
        }
        Ok(())
    }
}
