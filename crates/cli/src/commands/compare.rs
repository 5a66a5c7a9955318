//! `cvmkit compare`: whether what a machine reports is what an image should do, and if not, where
//! they part and why.
//!
//! Exit 0 when everything that can be compared is equal, 1 when anything differs.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use cvmkit_engine::compare::{self, Options, TdComparison};
use cvmkit_engine::progress::Progress;
use serde::Serialize;

use super::machine::{MachineArguments, Phases};
use super::td::TdArguments;
use crate::console::{Answer, Console};

/// What to compare.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What the machine reports: an event log of a TPM or a TD, an SEV-SNP report, a TD quote or
    /// dstack's getquote JSON, registers (`pcr4=HEX` lines, YAML of tpm2_pcrread, JSON), or a launch
    /// digest.
    #[arg(value_name = "OBSERVED")]
    observed: PathBuf,
    /// What to expect: the folder of an image, or its `reference-values.json` alone.
    #[arg(long, value_name = "OUT|JSON")]
    with: PathBuf,
    #[command(flatten)]
    machine: MachineArguments,
    /// The kernel was handed over by QEMU; otherwise a boot from the disk is tried too.
    #[arg(long)]
    direct: bool,
    /// The phases that were over when the registers were read, such as enter-initrd:leave-initrd,
    /// or `:` for none; all are tried by default.
    #[arg(long, value_name = "PHASES")]
    phase: Option<Phases>,
    #[command(flatten)]
    td: TdArguments,
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        let options = Options {
            platform: self.machine.platform,
            machine: self.machine.machine()?,
            knows_secure_boot: self.machine.knows_secure_boot(),
            direct: self.direct,
            phases: self.phase.map(|Phases(phases)| phases),
            td: self.td.options(&self.machine)?,
        };
        let report = Report(compare::compare(&self.observed, &self.with, &options)?);
        for note in &report.0.notes {
            console.note(note);
        }
        console.result(&report);
        if report.0.equal {
            return Ok(ExitCode::SUCCESS);
        }
        let (observed, with) = (self.observed.display(), self.with.display());
        console.failure(&format!("`{observed}` is not what `{with}` should do{}", report.why()));
        Ok(ExitCode::from(1))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Report(compare::Report);

impl Report {
    /// The first difference, for those who don't see the result.
    fn why(&self) -> String {
        let report = &self.0;
        let first = report.events.iter().flat_map(|events| &events.banks);
        let first = first.filter_map(|bank| bank.comparison.first()).next();
        let td = report.td.as_ref();
        let first = first.or_else(|| td.and_then(TdComparison::first));
        let values = report.values.iter().flat_map(|values| &values.registers);
        let value = td.into_iter().flat_map(|td| &td.values).chain(values);
        let mut value =
            value.filter(|register| register.observed.is_some() && !register.is_equal());
        if let Some(refusal) = report.refusals.first() {
            format!(": {refusal}")
        } else if let Some(first) = first {
            format!(": event {} of {} {}", first.index, first.register, first.kind)
        } else if let Some(value) = value.next() {
            format!(": {} differs", value.register)
        } else if report.launch.is_some() {
            ": the launch digest is none of the reference values".to_owned()
        } else {
            String::new()
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
