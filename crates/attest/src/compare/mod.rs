//! What a machine reports against what an image should do: equal or not, and if not, where they
//! part and why.
//!
//! [`compare`] takes an observation of any known form ([`Observed`]) and the folder of an image or
//! its reference values alone. From a folder, registers of a TPM or a TD are predicted event by event
//! from the files, and a launch digest that is not expected is looked for among other launches of the
//! image; from reference values, values are compared and nothing more. What is not said of the
//! machine is tried with every value it can have, and the answer names the combination that fits best.
//!
//! Deliberately absent: signatures of reports and quotes, which a verifier checks before.

mod boots;
mod error;
mod events;
mod expectation;
mod explain;
mod judge;
mod known;
mod known_td;
mod launch;
mod log;
mod named;
mod observed;
mod options;
mod report;
mod td;
mod values;
mod verdict;

use std::path::Path;

use cvmkit_host::files;
use cvmkit_measure::snp::LaunchDigest;

use error::in_full;
use expectation::Expectation;

pub use error::CompareError;
pub use events::EventsComparison;
pub use launch::{KernelFiles, LaunchComparison, Start};
pub use observed::{Observed, ObservedError, TdQuote};
pub use options::{Options, TdOptions};
pub use report::Report;
pub use td::{TdAssumptions, TdComparison};
pub use values::ValuesComparison;
pub use verdict::{Judged, Judgement, Verdict, listed};

/// No observation is larger: logs have some 100 KiB, quotes 20.
const OBSERVED_MAX: u64 = 4 << 20;

/// Compares a file with what an image should do.
///
/// # Errors
/// The file is no observation, or there is nothing to compare it with. That it differs is no error.
pub fn compare(observed: &Path, with: &Path, options: &Options) -> Result<Report, CompareError> {
    let refused = |source| CompareError::Observed { path: observed.to_owned(), source };
    let bytes = read(observed)?;
    let found = Observed::read(&bytes).map_err(refused)?;
    let expectation = Expectation::read(with, options)?;
    let mut report = Report {
        equal: false,
        judgement: Judgement::nothing(),
        observed: found.to_string(),
        with: with.to_owned(),
        refusals: Vec::new(),
        launch: None,
        events: None,
        td: None,
        values: None,
        notes: Vec::new(),
    };
    match &found {
        Observed::LaunchDigest(digest) => {
            report.launch = Some(launch_of(*digest, &expectation)?);
        }
        Observed::Report(snp) => {
            report.notes.push(unverified("report"));
            report.refusals.extend(snp.check().err().map(|refusal| in_full(&refusal)));
            report.launch = Some(launch_of(snp.measurement, &expectation)?);
        }
        Observed::Quote(quote) => {
            report.notes.push(unverified("quote"));
            report.refusals.extend(quote.refusal.clone());
            report.refusals.extend(contradictions(quote));
            let subject =
                td::ReportedTd { log: quote.events.as_ref(), values: Some(&quote.registers) };
            log::td_registers(&subject, &quote.registers, &expectation, options, &mut report)?;
        }
        Observed::Registers(registers) if !registers.is_of_tpm() => {
            let subject = td::ReportedTd { log: None, values: Some(registers) };
            log::td_registers(&subject, registers, &expectation, options, &mut report)?;
        }
        Observed::Registers(registers) => {
            report.values =
                Some(values::compare(registers, &expectation, options, &mut report.notes)?);
        }
        Observed::Log(events) => {
            log::compare(events, &expectation, options, &mut report)
                .map_err(|error| error.of_observed(observed))?;
        }
    }
    report.judgement = judge::judge(&report, options.required.as_deref());
    report.equal = report.judgement.verdict == Verdict::Equal;
    Ok(report)
}

fn read(path: &Path) -> Result<Vec<u8>, CompareError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    // A launch digest is short enough to be given itself.
    let is_digest = path.to_str().is_some_and(|text| text.parse::<LaunchDigest>().is_ok());
    if is_digest && !path.exists() {
        return Ok(path.as_os_str().as_encoded_bytes().to_vec());
    }
    let limited = files::open_stream(path)?.take(OBSERVED_MAX + 1).read_to_end(&mut bytes);
    limited.map_err(files::cannot("read", path))?;
    // A part of an observation is none.
    if bytes.len() as u64 > OBSERVED_MAX {
        return Err(CompareError::TooLong { path: path.to_owned(), most: OBSERVED_MAX });
    }
    Ok(bytes)
}

fn launch_of(
    digest: LaunchDigest,
    expectation: &Expectation<'_>,
) -> Result<LaunchComparison, CompareError> {
    if expectation.known.iter().all(|value| value.digests.launch_digest.is_none()) {
        return Err(expectation.without("a launch digest"));
    }
    launch::compare(digest, &expectation.known, expectation.folder)
}

fn unverified(what: &str) -> String {
    format!("the signature of the {what} is not verified here: verify it before you rely on it")
}

/// Registers that the log beside a quote does not replay to: then the log is not what happened.
fn contradictions(quote: &TdQuote) -> Vec<String> {
    let Some(log) = &quote.events else { return Vec::new() };
    let replayed = log.replay();
    let differing = quote.registers.banks().flat_map(|(bank, values)| {
        let replayed = &replayed;
        values.iter().filter_map(move |(register, value)| {
            let is_extended = matches!(register, cvmkit_measure::event::Register::Rtmr(_));
            let found = replayed.get(register).copied();
            let found = found.unwrap_or_else(|| bank.initial(*register, 0));
            (is_extended && found != *value).then(|| {
                format!("{register} is {value} in the quote, and its event log replays to {found}")
            })
        })
    });
    differing.collect()
}

#[cfg(test)]
mod tests;
