//! `cvmkit verify`: whether a folder holds the image that it says it holds.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cvmkit_engine::verify::{self, Checked, Finding, State};
use serde::Serialize;

use super::counted;
use crate::console::{Answer, Console};

/// What to verify.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder of an image, as `cvmkit build` wrote it.
    #[arg(value_name = "OUT")]
    out: PathBuf,
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        let report = Report(verify::verify(&self.out, console)?);
        for note in &report.0.notes {
            cvmkit_engine::progress::Progress::note(console, note);
        }
        console.result(&report);
        for finding in &report.0.findings {
            console.failure(&finding_text(&self.out, finding));
        }
        Ok(if report.0.verified { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// Names the thing, the place, what was expected and what was found.
fn finding_text(out: &Path, finding: &Finding) -> String {
    let Finding { check, file, what, expected, found } = finding;
    let path = out.join(file);
    format!(
        "`{}` does not verify ({}): {what}\n    expected: {expected}\n    found:    {found}",
        path.display(),
        check.name()
    )
}

#[derive(Serialize)]
#[serde(transparent)]
struct Report(verify::Report);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.0;
        let state = if report.verified { "verified" } else { "NOT verified" };
        writeln!(f, "{}: {state}", report.folder)?;
        for Checked { check, state, detail, skipped } in &report.checks {
            let state = match state {
                State::Passed => "ok",
                State::Failed => "FAILED",
                State::Skipped => "skipped",
            };
            writeln!(f, "  {:<20}  {state:<7}  {detail}", check.name())?;
            for skipped in skipped {
                writeln!(f, "  {:<20}  skipped  {skipped}", "")?;
            }
        }
        if report.verified {
            writeln!(f, "{}", counted(report.files.len(), "file"))?;
            for file in &report.files {
                writeln!(f, "  {:>11}  {}", file.size, file.name)?;
            }
        }
        if let Some(root_hash) = &report.root_hash {
            writeln!(f, "root hash  {root_hash}")?;
        }
        if let Some(identity) = &report.identity {
            writeln!(f, "identity   {identity}")?;
        }
        if report.debug == Some(true) {
            writeln!(
                f,
                "DEBUG image: it may have shells and logins; never trust it in production"
            )?;
        }
        Ok(())
    }
}
