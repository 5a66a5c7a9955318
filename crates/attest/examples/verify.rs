//! What a verifier service does: holds what a machine reports against the reference values of the
//! image that it should run.
//!
//! ```text
//! cargo run -p cvmkit-attest --example verify -- reference-values.json binary_bios_measurements
//! ```
//!
//! The observation is an event log of a TPM or a TD, a report of SEV-SNP, a quote of TDX, or values of
//! registers as tools print them. Whether a report or a quote is signed by its hardware is for the
//! verifier to check before; a log is worth what the signed registers are that it adds up to.

use std::path::Path;
use std::process::ExitCode;

use cvmkit_attest::compare::{CompareError, Options, Report, Verdict, compare};

/// Holds an observation against reference values, or against the folder of an image.
pub(crate) fn verify(values: &Path, observed: &Path) -> Result<Report, CompareError> {
    compare(observed, values, &Options::default())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(values), Some(observed)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: verify REFERENCE-VALUES OBSERVATION");
        return ExitCode::from(2);
    };
    match verify(values.as_ref(), observed.as_ref()) {
        Ok(report) => {
            // Which registers were judged, and which not: `equal` is said of the first alone.
            print!("{report}");
            match report.judgement.verdict {
                Verdict::Equal => ExitCode::SUCCESS,
                Verdict::Differs => ExitCode::FAILURE,
                Verdict::Undecided => ExitCode::from(2),
            }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
