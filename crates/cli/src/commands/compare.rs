//! `cvmkit compare`: whether a machine reports what an image should measure, and if not, where they part
//! and why.
//!
//! Exit 0: every required register was judged and is equal. 1: something differs. 2: undecided, because a
//! required register was not judged.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use cvmkit_attest::compare::{self, Judged, Options, TdComparison, Verdict, listed};
use cvmkit_attest::profile::Boot;
use cvmkit_host::progress::Progress;
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
    /// How the machine booted; by default both are tried.
    #[arg(long, value_enum, value_name = "BOOT")]
    boot: Option<BootName>,
    /// The same as `--boot direct`: QEMU loaded the kernel.
    #[arg(long, conflicts_with = "boot")]
    direct: bool,
    /// The machine's profile in the reference values; by default all are tried.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The registers that must be judged for "equal", such as pcr4,pcr11 or rtmr1,rtmr2 or
    /// launch-digest. Default: those that the image decides (launch-digest, PCR 4, 9 and 11, RTMR 1 and
    /// 2), as far as a value is expected.
    #[arg(long, value_name = "REGISTERS", value_delimiter = ',')]
    require: Vec<Judged>,
    /// The boot phases that were over when the registers were read, such as enter-initrd:leave-initrd,
    /// or `:` for none; by default all are tried.
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
            boot: match self.direct {
                true => Some(Boot::Direct),
                false => self.boot.map(BootName::boot),
            },
            profile: self.profile,
            required: (!self.require.is_empty()).then_some(self.require),
            described: [self.machine.described(), self.td.described()].concat(),
            phases: self.phase.map(|Phases(phases)| phases),
            td: self.td.options(&self.machine)?,
        };
        let report = Report(compare::compare(&self.observed, &self.with, &options)?);
        for note in &report.0.notes {
            console.note(note);
        }
        console.result(&report);
        let (observed, with) = (self.observed.display(), self.with.display());
        let judgement = &report.0.judgement;
        match judgement.verdict {
            Verdict::Equal => return Ok(ExitCode::SUCCESS),
            Verdict::Undecided => {
                let missing = match &judgement.missing[..] {
                    [] => "nothing was judged".to_owned(),
                    missing => format!("not judged: {}", listed(missing)),
                };
                console.failure(&format!(
                    "cannot tell whether `{observed}` is what `{with}` should measure; {missing}"
                ));
                return Ok(ExitCode::from(2));
            }
            Verdict::Differs => {}
        }
        console
            .failure(&format!("`{observed}` is not what `{with}` should measure{}", report.why()));
        Ok(ExitCode::from(1))
    }
}

/// How a machine booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum BootName {
    /// From the disk.
    UkiDisk,
    /// QEMU loaded kernel, initrd and command line.
    Direct,
}

impl BootName {
    fn boot(self) -> Boot {
        match self {
            Self::UkiDisk => Boot::UkiDisk,
            Self::Direct => Boot::Direct,
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Report(compare::Report);

impl Report {
    /// The first difference, for readers of standard error alone.
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
            ": no reference value equals the launch digest".to_owned()
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
