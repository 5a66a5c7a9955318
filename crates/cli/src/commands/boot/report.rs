//! The result of `cvmkit boot`: the verdict, and the evidence for it.

use std::fmt;
use std::path::PathBuf;

use cvmkit_attest::compare;
use cvmkit_vm::{Accelerator, Outcome, Request, StartCommand, Verdict};
use serde::Serialize;

/// How the boot ended, and what it printed and answered.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Report {
    pub(super) met: bool,
    verdict: String,
    seconds: f64,
    accelerator: String,
    qemu: String,
    firmware: Option<String>,
    sightings: Vec<String>,
    missing: Vec<String>,
    failed_units: Vec<String>,
    /// The server that was asked, such as `8080/health`.
    http_get: Option<String>,
    http_status: Option<u16>,
    /// The first line of the server's answer.
    http_body: Option<String>,
    /// The emulator's fault that ended the first attempt, if this is the second.
    retried: Option<String>,
    event_log: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<compare::Report>,
    serial_log: String,
    tail: Vec<String>,
}

impl Report {
    pub(super) fn of(
        request: &Request,
        outcome: &Outcome,
        event_log: Option<PathBuf>,
        comparison: Option<compare::Report>,
    ) -> Self {
        let equal = comparison.as_ref().is_none_or(|comparison| comparison.equal);
        let answer = outcome.http_answer.as_ref();
        Self {
            met: outcome.met && equal,
            verdict: match &outcome.verdict {
                Verdict::Reached => "reached".into(),
                Verdict::Panicked { line } => format!("kernel panic: {line}"),
                Verdict::EmulatorFault { line } => format!("emulator fault: {line}"),
                Verdict::UnitsFailed { units } => format!("failed units: {}", units.join(", ")),
                Verdict::GuestExited => "the guest exited".into(),
                Verdict::TimedOut => "timed out".into(),
            },
            seconds: outcome.elapsed.as_secs_f64(),
            accelerator: match &outcome.accelerator {
                Accelerator::Kvm => "KVM".into(),
                Accelerator::Tcg { reason } => format!("TCG ({reason})"),
            },
            qemu: outcome.qemu_version.clone(),
            firmware: outcome.firmware.as_ref().map(|path| path.display().to_string()),
            sightings: outcome.sightings.iter().map(|sighting| sighting.line.clone()).collect(),
            missing: outcome.missing.clone(),
            failed_units: outcome.failed_units.clone(),
            http_get: request.http_get.as_ref().map(ToString::to_string),
            http_status: answer.map(|answer| answer.status),
            http_body: answer.map(|answer| answer.body.clone()),
            retried: outcome.retried.clone(),
            event_log,
            comparison,
            serial_log: outcome.serial_log.display().to_string(),
            tail: outcome.tail.clone(),
        }
    }

    /// The notes of the comparison.
    pub(super) fn notes(&self) -> impl Iterator<Item = &String> {
        self.comparison.iter().flat_map(|comparison| &comparison.notes)
    }

    /// The server's answer, or that there was none.
    fn http(&self) -> Option<String> {
        let asked = self.http_get.as_ref()?;
        let seconds = self.seconds;
        Some(match (self.http_status, self.http_body.as_deref()) {
            (None, _) => format!("no answer on {asked} in {seconds:.0} s"),
            (Some(status), None | Some("")) => format!("{asked} answered {status}"),
            (Some(status), Some(body)) => format!("{asked} answered {status}: {body}"),
        })
    }

    /// The text for standard error when the expectation was not met.
    pub(super) fn failure(&self) -> String {
        let differs = self.comparison.as_ref().is_some_and(|comparison| !comparison.equal);
        let mut text = match (differs, self.verdict.as_str()) {
            (true, "reached") => {
                "the event log differs from what the image should measure".to_owned()
            }
            (_, verdict) => format!("the boot did not end as expected: {verdict}"),
        };
        for missing in &self.missing {
            text.push_str(&format!("\n  not on the console: {missing}"));
        }
        let unanswered = self.http().filter(|_| self.http_status != Some(200));
        let units = Some(self.failed_units.join(", ")).filter(|units| !units.is_empty());
        match (unanswered, units) {
            (Some(http), Some(units)) => {
                text.push_str(&format!("\n  {http}; failed units: {units}"));
            }
            (Some(http), None) => text.push_str(&format!("\n  {http}")),
            (None, Some(units)) if !self.verdict.contains(&units) => {
                text.push_str(&format!("\n  failed units: {units}"));
            }
            (None, _) => {}
        }
        if !differs {
            for line in &self.tail {
                text.push_str(&format!("\n  | {line}"));
            }
        }
        text.push_str(&format!("\nhint: the console log is `{}`", self.serial_log));
        if self.verdict.starts_with("failed units") {
            text.push_str("; `--allow-failed` accepts such a boot");
        }
        text
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = &self.retried {
            writeln!(f, "second attempt, after an emulator fault in the first: {line}")?;
        }
        for line in &self.sightings {
            writeln!(f, "{line}")?;
        }
        if let Some(http) = self.http() {
            writeln!(f, "{http}")?;
        }
        writeln!(f, "{} after {:.1} s", self.verdict, self.seconds)?;
        write!(f, "QEMU {}, {}", self.qemu, self.accelerator)?;
        if let Some(firmware) = &self.firmware {
            write!(f, ", firmware {firmware}")?;
        }
        if let Some(path) = &self.event_log {
            write!(f, "\nevent log: {}", path.display())?;
        }
        if let Some(comparison) = &self.comparison {
            write!(f, "\n{comparison}")?;
        }
        write!(f, "\nconsole: {}", self.serial_log)
    }
}

/// The command of `--print-command`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Typed {
    /// QEMU and its arguments; with a TPM, for the socket of the one that `shell` starts.
    command: Vec<String>,
    shell: String,
}

impl Typed {
    pub(super) fn of(command: &StartCommand) -> Self {
        let words = command.qemu.iter().map(|word| word.to_string_lossy().into_owned());
        Self { command: words.collect(), shell: command.shell.clone() }
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shell)
    }
}
