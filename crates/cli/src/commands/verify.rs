//! `cvmkit verify`: whether a folder holds the image that its manifest describes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cvmkit_attest::export::corim::CorimFile;
use cvmkit_engine::verify::{self, Check, Checked, Endorsement, Finding, State};
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::progress::Progress as _;
use cvmkit_measure::snp::id_block::{self, PublicKey};
use serde::Serialize;
use thiserror::Error;

use super::input::{self, KEY_FILE_MAX};
use crate::console::{Answer, CommandError, Console};
use crate::environment;
use crate::text::counted;

/// What to verify.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder of an image, as `cvmkit build` wrote it.
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Check that the values of this CoRIM, written by `cvmkit export`, are those of the image.
    #[arg(long, value_name = "FILE")]
    corim: Option<PathBuf>,
    /// The public key that must have signed the CoRIM: P-384 in PEM.
    #[arg(long, value_name = "PEM", requires = "corim")]
    corim_key: Option<PathBuf>,
}

/// A file that is not a public key.
#[derive(Debug, Error)]
#[error("cannot use `{}`", path.display())]
struct KeyRefusal {
    path: PathBuf,
    source: id_block::Error,
}

impl Diagnosis for KeyRefusal {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        Some("print the public key with `openssl pkey -in KEY.pem -pubout`".to_owned())
    }
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        let report = Report(match self.endorsement(console)? {
            Some(endorsement) => verify::verify_endorsed(&self.out, &endorsement, console)?,
            None => verify::verify(&self.out, console)?,
        });
        for note in &report.0.notes {
            console.note(note);
        }
        console.result(&report);
        for finding in &report.0.findings {
            console.failure(&finding_text(&self.out, finding));
        }
        Ok(if report.0.verified { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    /// The CoRIM to check against the image; a note if it is not valid now.
    fn endorsement(&self, console: &Console) -> Result<Option<Endorsement>, CommandError> {
        let Some(path) = &self.corim else { return Ok(None) };
        let key = self.corim_key.as_deref().map(public_key).transpose()?;
        let endorsement = Endorsement::read(path, &input::read(path, CorimFile::MAX)?, key)?;
        let now = environment::now();
        for validity in endorsement.validities() {
            if validity.not_after < now || validity.not_before.is_some_and(|from| from > now) {
                console.note(&format!("the CoRIM is not valid now: its validity is {validity}"));
            }
        }
        Ok(Some(endorsement))
    }
}

fn public_key(path: &Path) -> Result<PublicKey, CommandError> {
    let pem = input::read(path, KEY_FILE_MAX)?;
    let refusal = |source| KeyRefusal { path: path.to_owned(), source };
    let key = PublicKey::from_pem("public key", &String::from_utf8_lossy(&pem));
    Ok(key.map_err(refusal)?)
}

/// Names the thing, the place, what was expected and what was found.
fn finding_text(out: &Path, finding: &Finding) -> String {
    let Finding { check, file, what, expected, found } = finding;
    let path = match check {
        // The only file outside the folder.
        Check::Corim => PathBuf::from(file),
        _ => out.join(file),
    };
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
                "DEBUG image: it may have shells and logins; do not trust it in production"
            )?;
        }
        Ok(())
    }
}
