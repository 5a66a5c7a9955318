//! What an observation is, told by its bytes: a log, a report, a quote, registers or a digest.
//!
//! Nothing of it is believed, and no signature is verified here. What is none of the known forms,
//! or one of them with a fault, is refused with what was found.

use std::fmt;

use cvmkit_host::document::{self, Misfit};
use cvmkit_measure::event::log::{self, AlgorithmId, CCEL_TABLE_SIGNATURE, Log, SPEC_ID_SIGNATURE};
use cvmkit_measure::event::register::ParseBankDigestError;
use cvmkit_measure::event::registers::{Registers, RegistersError};
use cvmkit_measure::event::{
    Bank, BankDigest, EventType, Observed as Events, ObservedEvent, Register, RegisterSet,
    RtmrIndex,
};
use cvmkit_measure::snp::LaunchDigest;
use cvmkit_measure::snp::report::{self, REPORT_LEN, Report};
use cvmkit_measure::tdx::quote::{self, Quote};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

/// Why bytes are no observation.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ObservedError {
    /// None of the known forms.
    #[error(
        "expected a TPM or TD event log, an SEV-SNP report of {REPORT_LEN} bytes, a TD quote, \
         registers as `pcr4=HEX`, YAML or JSON, or a launch digest of 96 hexadecimal digits; found \
         {found}"
    )]
    Unknown {
        /// What it looks like, in words: its length and first bytes.
        found: String,
    },
    /// An event log that is broken, or of a format that can't be replayed.
    #[error("not an event log that can be replayed")]
    Log(#[from] log::Error),
    /// An SEV-SNP report of an unknown version.
    #[error("not an SEV-SNP report")]
    Report(#[from] report::Error),
    /// A quote that is cut, or of another format.
    #[error("not a TD quote")]
    Quote(#[from] quote::Error),
    /// Registers with a line, a value or a repetition that can't be read.
    #[error("its registers can't be read")]
    Registers(#[from] RegistersError),
    /// An answer to dstack's `GetQuote` with a field that can't be read.
    #[error("field `{field}` of the quote's JSON: {why}")]
    GetQuote {
        /// The field: `quote` or `event_log`.
        field: &'static str,
        /// What is wrong with it, in words.
        why: String,
    },
}

/// A TD as a quote has it: its registers, and the log that came with it.
#[derive(Debug)]
pub struct TdQuote {
    /// MRTD and RTMR 0 to 3, as the quote signs them.
    pub registers: Registers,
    /// Why the TD could not be trusted, were the quote verified.
    pub refusal: Option<String>,
    /// The log that came with the quote, which nothing signs; none for a quote alone.
    pub events: Option<Events<'static>>,
}

/// What a machine reports, by the form of its bytes.
#[derive(Debug)]
pub enum Observed<'a> {
    /// An event log, with the registers of a TPM or of a TD.
    Log(Log<'a>),
    /// An SEV-SNP attestation report of 1184 bytes.
    Report(Box<Report>),
    /// A TD quote of version 4 or 5, with its log or without.
    Quote(TdQuote),
    /// Values of registers of a TPM or a TD, by bank.
    Registers(Registers),
    /// An SEV-SNP launch digest of 96 hexadecimal digits.
    LaunchDigest(LaunchDigest),
}

impl fmt::Display for Observed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Log(Log { registers: RegisterSet::Tpm, .. }) => "TPM event log",
            Self::Log(Log { registers: RegisterSet::Td, .. }) => "TD event log",
            Self::Report(_) => "SEV-SNP attestation report",
            Self::Quote(TdQuote { events: None, .. }) => "TD quote",
            Self::Quote(_) => "TD quote with event log",
            Self::Registers(_) => "list of registers",
            Self::LaunchDigest(_) => "SEV-SNP launch digest",
        })
    }
}

/// Where the signature of a log's header lies: behind the fields of a TCG_PCR_EVENT (TCG PC Client
/// Platform Firmware Profile 1.06, section 10.2.1).
const LOG_SIGNATURE_AT: usize = 32;

/// Where a quote has its TEE type, and the one of a TD (Intel TDX DCAP Quoting Library API, A.3).
const TEE_TYPE_AT: usize = 4;
const TEE_TYPE_TDX: [u8; 4] = [0x81, 0, 0, 0];

impl<'a> Observed<'a> {
    /// Reads an observation of any form.
    ///
    /// # Errors
    /// Any of [`ObservedError`]: of the form that the bytes begin as, or [`ObservedError::Unknown`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, ObservedError> {
        let begins = |at: usize, signature: &[u8]| {
            bytes.get(at..).is_some_and(|rest| rest.starts_with(signature))
        };
        // All but the version of the signature: logs of older formats are told apart by the parser.
        if begins(LOG_SIGNATURE_AT, SPEC_ID_SIGNATURE.get(..13).unwrap_or_default()) {
            let log = Log::parse(bytes, RegisterSet::Tpm)?;
            let registers = register_set(&log);
            return Ok(Self::Log(log.with_registers(registers)?));
        }
        if begins(0, CCEL_TABLE_SIGNATURE) {
            // What is wrong with it is for the parser to say.
            Log::parse(bytes, RegisterSet::Td)?;
        }
        if begins(TEE_TYPE_AT, &TEE_TYPE_TDX) {
            return Ok(Self::Quote(td_quote(&Quote::parse(bytes)?)));
        }
        if bytes.len() == REPORT_LEN {
            return Ok(Self::Report(Box::new(Report::parse(bytes)?)));
        }
        match str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => of_text(text.trim()),
            _ => Err(match Log::parse(bytes, RegisterSet::Tpm) {
                // A log of TPM 1.2 has no header to be told by, but begins with PCR 0; a cut report does not.
                Err(error @ log::Error::Legacy { .. }) if begins(0, &[0; 4]) => error.into(),
                _ => ObservedError::Unknown { found: start(bytes) },
            }),
        }
    }
}

/// Whose registers a log has. A TPM's has separators in PCR 0 to 7; a TD counts to 4, and hashes
/// with SHA-384 only.
fn register_set(log: &Log<'_>) -> RegisterSet {
    let is_sha384 = |(id, _): &(AlgorithmId, u16)| *id == AlgorithmId::SHA384;
    let algorithms = &log.header.algorithms;
    // What extends nothing may name any register, or none.
    let mut extending = log.entries.iter().filter(|entry| entry.extends());
    let has_td_registers = extending.all(|entry| entry.index <= 4);
    if has_td_registers && algorithms.iter().all(is_sha384) {
        RegisterSet::Td
    } else {
        RegisterSet::Tpm
    }
}

fn td_quote(quote: &Quote<'_>) -> TdQuote {
    let mut registers = Registers::default();
    let mut insert = |register, digest| {
        // Every register comes once.
        let _ = registers.insert(register, BankDigest::Sha384(digest));
    };
    insert(Register::Mrtd, quote.mr_td.0);
    for (index, value) in RtmrIndex::all().zip(quote.rtmrs) {
        insert(Register::Rtmr(index), value.0);
    }
    let refusal = quote.check().err().map(|refusal| refusal.to_string());
    TdQuote { registers, refusal, events: None }
}

fn of_text<'a>(text: &str) -> Result<Observed<'a>, ObservedError> {
    if text.is_empty() {
        return Err(ObservedError::Unknown { found: "nothing".into() });
    }
    if let Ok(digest) = text.to_lowercase().parse() {
        return Ok(Observed::LaunchDigest(digest));
    }
    if text.starts_with(['{', '[']) {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| ObservedError::Unknown { found: format!("broken JSON ({error})") })?;
        return of_json(&value);
    }
    let registers = Registers::of_text(text)?;
    if registers.is_empty() {
        return Err(ObservedError::Unknown { found: start(text.as_bytes()) });
    }
    Ok(Observed::Registers(registers))
}

fn of_json<'a>(value: &Value) -> Result<Observed<'a>, ObservedError> {
    if let Some(quote) = value.get("quote") {
        return get_quote(quote, value.get("event_log"));
    }
    let names = ["launch_digest", "launch-digest", "measurement"];
    let digest = names.iter().find_map(|name| value.get(name)?.as_str()?.parse().ok());
    if let Some(digest) = digest {
        return Ok(Observed::LaunchDigest(digest));
    }
    let registers = Registers::of_json(value)?;
    if registers.is_empty() {
        return Err(ObservedError::Unknown { found: "JSON without registers".into() });
    }
    Ok(Observed::Registers(registers))
}

/// An entry of the log in dstack's answer to `GetQuote`.
#[derive(Deserialize)]
struct LogEntry {
    imr: u8,
    event_type: u32,
    /// Empty for what the running system extended: then it is computed.
    digest: String,
    #[serde(default)]
    event: String,
    #[serde(default)]
    event_payload: String,
}

impl LogEntry {
    /// The digest of the log, or that of type, name and payload with colons between them, as dstack
    /// extends RTMR 3.
    fn digest(&self) -> Result<BankDigest, String> {
        if !self.digest.is_empty() {
            return self.digest.parse().map_err(|error: ParseBankDigestError| error.to_string());
        }
        let payload = hex::decode(&self.event_payload).map_err(|error| error.to_string())?;
        let event_type = self.event_type.to_le_bytes();
        let parts = [&event_type[..], b":", self.event.as_bytes(), b":", &payload];
        Ok(Bank::Sha384.hash(&parts.concat()))
    }
}

/// dstack's answer to `GetQuote`: a quote in hexadecimal digits, and a log as JSON in a string.
fn get_quote<'a>(quote: &Value, log: Option<&Value>) -> Result<Observed<'a>, ObservedError> {
    let refused = |field, why: String| ObservedError::GetQuote { field, why };
    let digits = quote.as_str().ok_or_else(|| refused("quote", "expected a string".into()))?;
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let bytes = hex::decode(digits).map_err(|error| refused("quote", error.to_string()))?;
    let mut quote = td_quote(&Quote::parse(&bytes)?);
    let entries: Option<Vec<LogEntry>> = match log {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => Some(document::json(text.as_bytes())),
        // Its own place in the file is not known any more.
        Some(value) => Some(document::json(value.to_string().as_bytes())),
    }
    .transpose()
    .map_err(|misfit: Misfit| refused("event_log", misfit.words()))?;
    quote.events = entries.map(|entries| events(&entries)).transpose()?;
    Ok(Observed::Quote(quote))
}

fn events(entries: &[LogEntry]) -> Result<Events<'static>, ObservedError> {
    let refused = |why: String| ObservedError::GetQuote { field: "event_log", why };
    let event = |(at, entry): (usize, &LogEntry)| {
        let index = RtmrIndex::new(entry.imr);
        let index = index
            .ok_or_else(|| refused(format!("entry {at} has imr {}, expected 0 to 3", entry.imr)))?;
        let digest = entry.digest().map_err(|error| refused(format!("entry {at}: {error}")))?;
        let (register, event_type) = (Register::Rtmr(index), EventType(entry.event_type));
        Ok(ObservedEvent { register, event_type, digest, data: Default::default() })
    };
    let events =
        entries.iter().enumerate().map(event).collect::<Result<Vec<_>, ObservedError>>()?;
    Events::new(RegisterSet::Td, Bank::Sha384, events).map_err(|error| refused(error.to_string()))
}

/// The start of something unknown, for an error.
fn start(bytes: &[u8]) -> String {
    let head = bytes.get(..16).unwrap_or(bytes);
    let text = str::from_utf8(head).ok().filter(|text| !text.contains(char::is_control));
    match text {
        Some(text) => format!("{} bytes that start with {text:?}", bytes.len()),
        None => format!("{} bytes that start with {}", bytes.len(), hex::encode(head)),
    }
}

#[cfg(test)]
mod tests;
