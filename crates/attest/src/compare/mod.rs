//! What a machine reports against what an image should do: equal or not, and if not, where they
//! part and why.
//!
//! [`compare`] takes an observation of any known form ([`Observed`]) and the folder of an image or
//! its reference values alone. From a folder, registers of a TPM or a TD are predicted event by event
//! from the files, and a launch digest that is not expected is looked for among other ways to start the
//! image; from reference values, values are compared and nothing more. What is not said of the
//! machine is tried in every way it can be, and the way that fits best is named in the answer.
//!
//! Deliberately absent: signatures of reports and quotes, which a verifier checks before.

mod error;
mod events;
mod explain;
mod known;
mod launch;
mod named;
mod observed;
mod td;
mod values;
mod verdict;

use std::fmt;
use std::path::{Path, PathBuf};

use cvmkit_host::files;
use cvmkit_measure::snp::LaunchDigest;
use cvmkit_measure::tpm::Platform;
use serde::Serialize;

use crate::output::REFERENCE_FILE;
use crate::predict::TpmMachine;
use crate::profile::{Boot, Technology, Vmm};
use crate::values::ReadError;
use known::KnownValue;
use named::Named;

pub use error::CompareError;
pub use events::EventsComparison;
pub use launch::{KernelFiles, LaunchComparison, Start};
pub use observed::{Observed, ObservedError, TdQuote};
pub use td::{TdAssumptions, TdComparison, TdOptions};
pub use values::ValuesComparison;
pub use verdict::{Judged, Judgement, Verdict, listed};

/// No observation is larger: logs have some 100 KiB, quotes 20.
const OBSERVED_MAX: u64 = 4 << 20;

/// What is said of the machine that reports; what is not said is open.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Who gives it its TPM; under QEMU if that is not said.
    pub platform: Option<Platform>,
    /// What is known of it.
    pub machine: TpmMachine,
    /// Whether its Secure Boot state is known; if not, firmware without Secure Boot is tried, and
    /// firmware that has no keys.
    pub knows_secure_boot: bool,
    /// The phases that userspace has extended into PCR 11 when registers were read; tried in turn
    /// if none are given.
    pub phases: Option<Vec<String>>,
    /// What is known of it if it is a TD.
    pub td: TdOptions,
    /// How it booted, if that is known.
    pub boot: Option<Boot>,
    /// The profile of the machine, if that is known.
    pub profile: Option<String>,
    /// What must be judged for the answer to be "equal"; what the image decides if none is given.
    pub required: Option<Vec<Judged>>,
    /// The facts given here that only a prediction can take into account, in the caller's words: an
    /// error that refuses one names it so.
    pub described: Vec<&'static str>,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Whether all that is required was judged, and is as expected.
    pub equal: bool,
    /// The answer with what was judged and what was not.
    pub judgement: Judgement,
    /// What the observation is.
    pub observed: String,
    /// What it was compared with.
    pub with: PathBuf,
    /// Why the observation is not to be trusted whatever it says.
    pub refusals: Vec<String>,
    /// Of a launch digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch: Option<LaunchComparison>,
    /// Of an event log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<EventsComparison>,
    /// Of a TD, its log, its quote or both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub td: Option<TdComparison>,
    /// Of values of registers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<ValuesComparison>,
    /// What to know about the answer.
    pub notes: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading = self.judgement.heading();
        writeln!(f, "{} with `{}`: {heading}", self.observed, self.with.display())?;
        for refusal in &self.refusals {
            writeln!(f, "  not to be trusted: {refusal}")?;
        }
        self.launch.iter().try_for_each(|launch| write!(f, "{launch}"))?;
        match &self.values {
            // Events say why a value differs, and no more: each register has one verdict.
            Some(values) => {
                write!(f, "{values}")?;
                self.td.iter().try_for_each(|td| td.write_events(f, values))?;
                self.events.iter().try_for_each(|events| events.write_divergences(f))?;
            }
            None => {
                self.events.iter().try_for_each(|events| write!(f, "{events}"))?;
                self.td.iter().try_for_each(|td| write!(f, "{td}"))?;
            }
        }
        write!(f, "{}", self.judgement)
    }
}

/// What an observation is compared with.
struct Expectation<'a> {
    path: &'a Path,
    /// The image, if it is there and not its reference values alone.
    folder: Option<&'a Path>,
    known: Vec<KnownValue>,
    /// The TDs that the image's profiles name, whatever is said of the machine.
    named: Named,
}

impl Options {
    /// The platform whose rules hold.
    fn platform(&self) -> Platform {
        self.platform.unwrap_or(Platform::QemuOvmf)
    }

    /// Whether reference values are of a machine that is not another one than is said.
    fn fits(&self, known: &KnownValue) -> bool {
        let vmm = self.platform.map(|platform| match platform {
            Platform::Azure => Vmm::Azure,
            Platform::Gce => Vmm::Gce,
            Platform::NitroTpm => Vmm::Ec2,
            _ => Vmm::Qemu,
        });
        vmm.is_none_or(|vmm| vmm == known.value.vmm)
            && self.boot.is_none_or(|boot| boot == known.value.boot)
            && self.profile.as_ref().is_none_or(|profile| *profile == known.value.profile)
    }
}

impl<'a> Expectation<'a> {
    fn read(path: &'a Path, options: &Options) -> Result<Self, CompareError> {
        let mut expectation = Self::of_path(path)?;
        let all = expectation.known.len();
        expectation.known.retain(|known| options.fits(known));
        if expectation.known.is_empty() && (all > 0 || options.profile.is_some()) {
            // A folder still has its files to predict from.
            if expectation.folder.is_none() || options.profile.is_some() {
                return Err(CompareError::NoMachine { path: path.to_owned() });
            }
        }
        if let (None, Some(given)) = (expectation.folder, options.described.first()) {
            return Err(CompareError::NeedsFiles { path: path.to_owned(), given });
        }
        Ok(expectation)
    }

    /// Whether reference values have registers of a TPM, and nothing is said of the machine that they
    /// would have to be computed anew for. Then they are what is expected, with the folder as without.
    fn answers_for_tpm(&self, options: &Options) -> bool {
        let has_pcrs = |known: &KnownValue| known.value.platform == Technology::Tpm;
        options.described.is_empty() && self.known.iter().any(has_pcrs)
    }

    fn of_path(path: &'a Path) -> Result<Self, CompareError> {
        if !path.is_dir() {
            return Ok(Self::new(path, None, known::read(path)?));
        }
        // A folder without reference values still has the files to predict from.
        let known = match known::read(&path.join(REFERENCE_FILE)) {
            Err(ReadError::File(error)) if error.is_not_found() => Vec::new(),
            known => known?,
        };
        Ok(Self::new(path, Some(path), known))
    }

    fn new(path: &'a Path, folder: Option<&'a Path>, known: Vec<KnownValue>) -> Self {
        let named = Named::of(&known);
        Self { path, folder, known, named }
    }
}

/// Compares a file with what an image should do.
///
/// # Errors
/// The file is no observation, or there is nothing to compare it with. That it differs is no error.
pub fn compare(observed: &Path, with: &Path, options: &Options) -> Result<Report, CompareError> {
    let refused = |source| CompareError::Observed { path: observed.to_owned(), source };
    let found = Observed::read(read(observed)?).map_err(refused)?;
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
            events::td_registers(&subject, &quote.registers, &expectation, options, &mut report)?;
        }
        Observed::Registers(registers) if !registers.is_of_tpm() => {
            let subject = td::ReportedTd { log: None, values: Some(registers) };
            events::td_registers(&subject, registers, &expectation, options, &mut report)?;
        }
        Observed::Registers(registers) => {
            report.values =
                Some(values::compare(registers, &expectation, options, &mut report.notes)?);
        }
        Observed::Log { set, bytes } => {
            let log = (*set, bytes.as_slice());
            events::compare(log, &expectation, options, &mut report)
                .map_err(|error| error.of_observed(observed))?;
        }
    }
    report.judgement = Judgement::of(&report, options.required.as_deref());
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

impl Expectation<'_> {
    fn without(&self, what: &'static str) -> CompareError {
        let is_folder = self.folder.is_some();
        CompareError::NoExpectation { path: self.path.to_owned(), what, is_folder }
    }
}

fn unverified(what: &str) -> String {
    format!("the signature of the {what} is not verified here: verify it before you rely on it")
}

/// An error with its causes.
fn in_full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Registers that the log beside a quote does not come to: then the log is not what happened.
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
                format!("{register} is {value} in the quote, and its event log comes to {found}")
            })
        })
    });
    differing.collect()
}
