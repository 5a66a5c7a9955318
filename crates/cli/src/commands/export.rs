//! `cvmkit export`: an image's reference values in the format of a verifier or a deployment tool.
//!
//! The document goes to standard output or, with `--out`, to a file; then the result describes it. With
//! `--format json` the result holds the document as a field, a binary one in Base64. What a document cannot
//! express is a note. A debug image is a warning, which no option hides. A binary document is never printed to
//! a terminal.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cvmkit_attest::export::{
    self, Document, ExportSource, Note, Options, Selection, Shape, Signer, Validity,
};
use cvmkit_attest::profile::Memory;
use cvmkit_formats::base64::base64;
use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files;
use cvmkit_host::progress::Progress;
use cvmkit_host::timestamp::Timestamp;
use cvmkit_measure::snp::id_block::{self, PrivateKey};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use super::input;
use crate::console::{Answer, CommandError, Console};
use crate::environment;
use crate::text::counted;

/// What to export, of which machines, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder of an image, or its `reference-values.json` alone.
    #[arg(value_name = "OUT|JSON")]
    of: PathBuf,
    /// The format of the document.
    #[arg(long = "as", value_enum, value_name = "SHAPE")]
    shape: ShapeName,
    /// Only machines of this profile, such as qemu-snp.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Only machines with this many vCPUs.
    #[arg(long, value_name = "N")]
    vcpus: Option<u32>,
    /// Only machines of this vCPU type, such as EPYC-v4.
    #[arg(long, value_name = "CPUTYPE")]
    vcpu_type: Option<String>,
    /// Only machines with this much memory.
    #[arg(long, value_name = "SIZE", value_parser = Memory::bytes)]
    memory: Option<u64>,
    /// Sign the CoRIM with this key: P-384 in PEM, not encrypted.
    #[arg(long, value_name = "PEM")]
    key: Option<PathBuf>,
    /// The signer's name; default: the SHA-256 of the public key.
    #[arg(long, value_name = "NAME", requires = "key")]
    signer: Option<String>,
    /// The CoRIM is valid until this time, such as 2027-12-31T23:59:59Z.
    #[arg(long, value_name = "TIME")]
    not_after: Option<Timestamp>,
    /// The CoRIM is valid from this time on.
    #[arg(long, value_name = "TIME", requires = "not_after")]
    not_before: Option<Timestamp>,
    /// Export the values of a debug image, which no verifier may accept in production.
    #[arg(long)]
    allow_debug: bool,
    /// The file for the document. Default: standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The formats by name; `--as` takes them.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ShapeName {
    /// Concise Reference Integrity Manifest (CBOR), signed with --key (COSE).
    Corim,
    /// Message for Trustee's Reference Value Provider Service (JSON).
    Rvps,
    /// The measurements that dstack's verifier reads: measurement.tdx.cbor, measurement.snp.cbor,
    /// measurement.aws.cbor or measurement.gcp.cbor, by platform (CBOR).
    Dstack,
    /// Registers of one TD as dstack-mr prints them (JSON).
    DstackMr,
    /// Enclave identities of an Oasis ROFL policy (JSON).
    Oasis,
    /// Katana's expected-measurement.json.
    Katana,
    /// PCR 11 as systemd-measure prints it (JSON).
    SystemdMeasure,
}

impl ShapeName {
    fn shape(self) -> Shape {
        match self {
            Self::Corim => Shape::Corim,
            Self::Rvps => Shape::Rvps,
            Self::Dstack => Shape::Dstack,
            Self::DstackMr => Shape::DstackMr,
            Self::Oasis => Shape::Oasis,
            Self::Katana => Shape::Katana,
            Self::SystemdMeasure => Shape::SystemdMeasure,
        }
    }
}

/// Options that no document can be made from.
#[derive(Debug, Error)]
enum Refusal {
    #[error("cannot use `{}`", path.display())]
    Key { path: PathBuf, source: id_block::Error },
    #[error("--not-before {from} is later than --not-after {until}")]
    Validity { from: Timestamp, until: Timestamp },
    #[error("--not-after {until} is in the past: no verifier would accept the document")]
    Expired { until: Timestamp },
    #[error("the document is binary ({media_type}), and standard output is a terminal")]
    Terminal { media_type: &'static str },
}

impl Diagnosis for Refusal {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Key { .. } => {
                "make a key with `openssl ecparam -name secp384r1 -genkey -noout -out FILE`"
            }
            Self::Terminal { .. } => "name a file with `--out`",
            Self::Validity { .. } | Self::Expired { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        let options = Options {
            signer: self.signer()?,
            validity: self.validity()?,
            allow_debug: self.allow_debug,
        };
        let selection = Selection {
            profile: self.profile,
            vcpus: self.vcpus,
            vcpu_type: self.vcpu_type,
            memory: self.memory,
        };
        let subject = ExportSource::open(&self.of)?;
        let document = export::export(&subject, self.shape.shape(), &selection, &options)?;
        let notes: Vec<String> = document.notes.iter().map(words).collect();
        for (note, words) in document.notes.iter().zip(&notes) {
            match note {
                Note::Debug => console.warning(words),
                _ => console.note(words),
            }
        }
        let exported = Exported::new(&document, &notes);
        match &self.out {
            Some(path) => {
                files::replace(path, &document.bytes)?;
                console.result(&Exported { file: Some(path), ..exported });
            }
            None if console.is_json() => {
                let value = embedded(&document);
                console.answer(&Exported { document: Some(value), ..exported });
            }
            None if document.is_binary() && console.is_terminal() => {
                return Err(Refusal::Terminal { media_type: document.media_type }.into());
            }
            None => console.document(&document.bytes),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn signer(&self) -> Result<Option<Signer>, CommandError> {
        let Some(path) = &self.key else { return Ok(None) };
        let pem = input::read(path, input::KEY_FILE_MAX)?;
        let refusal = |source| Refusal::Key { path: path.clone(), source };
        let key = PrivateKey::from_pem("signing key", &String::from_utf8_lossy(&pem));
        Ok(Some(Signer { key: key.map_err(refusal)?, name: self.signer.clone() }))
    }

    fn validity(&self) -> Result<Option<Validity>, Refusal> {
        let Some(not_after) = self.not_after else { return Ok(None) };
        match self.not_before {
            Some(from) if from > not_after => Err(Refusal::Validity { from, until: not_after }),
            _ if not_after < environment::now() => Err(Refusal::Expired { until: not_after }),
            not_before => Ok(Some(Validity { not_before, not_after })),
        }
    }
}

/// A note, with the option that changes it.
fn words(note: &Note) -> String {
    match note {
        Note::Unsigned => format!("{note}: sign it with `--key`"),
        Note::SeveralPlatforms => format!("{note}; choose one with `--profile`"),
        Note::Debug | Note::Value(_) | _ => note.to_string(),
    }
}

/// A document as a JSON value: itself, or its bytes in Base64.
fn embedded(document: &Document) -> Value {
    let itself = serde_json::from_slice(&document.bytes).ok().filter(|_| !document.is_binary());
    itself.unwrap_or_else(|| base64(&document.bytes).into())
}

/// The document's description, and with `--format json` the document.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Exported<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
    media_type: &'static str,
    size: usize,
    sha256: Sha256,
    debug: bool,
    machines: &'a [String],
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Value>,
}

impl<'a> Exported<'a> {
    fn new(document: &'a Document, notes: &'a [String]) -> Self {
        Self {
            file: None,
            media_type: document.media_type,
            size: document.bytes.len(),
            sha256: Sha256::of(&document.bytes),
            debug: document.debug,
            machines: &document.machines,
            notes,
            document: None,
        }
    }
}

impl fmt::Display for Exported<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.iter().try_for_each(|file| write!(f, "{}: ", file.display()))?;
        let size = counted(self.size, "byte");
        writeln!(f, "{}, {size}, sha256 {}", self.media_type, self.sha256)?;
        self.machines.iter().try_for_each(|machine| writeln!(f, "  {machine}"))
    }
}
