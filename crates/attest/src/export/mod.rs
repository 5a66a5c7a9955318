//! Reference values in the shapes that verifiers and deployment tools read.
//!
//! [`export`] takes the reference values of an image, chooses machines among them, and answers a
//! [`Document`]: the bytes and what the shape could not say. Nothing is computed anew but what a
//! shape is a function of: an Oasis enclave identity of registers, dstack's image measurement of
//! the image's files. The same input gives the same bytes: ids are derived by hash, signatures are
//! deterministic (RFC 6979), and a time is in a document only if the caller gave it.
//!
//! A value that a shape has no place for, or that was not predicted, is an error where the shape is
//! useless without it, and a note where it is not.
//!
//! Deliberately absent: reading other shapes than [`corim`], uploading them, keys of other curves than
//! P-384.
//! Oracles: the crate `corim`, the CDDL of CoRIM, pycose, TupleHash of PyCryptodome, the published
//! values of each consumer.

mod cbor;
pub mod corim;
mod cose;
mod dstack;
mod error;
mod katana;
mod machine;
mod note;
mod oasis;
mod rvps;
pub mod systemd;

use std::fmt;
use std::path::{Path, PathBuf};

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files;
use cvmkit_host::timestamp::Timestamp;
use cvmkit_measure::snp::id_block::PrivateKey;

use crate::output::{DESCRIPTION_MAX, REFERENCE_FILE};
use crate::profile::Profile;
use crate::values::{ReadError, ReferenceValues};
pub use error::ExportError;
use machine::ExpectedMachine;
pub use note::Note;

/// What a document looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A Concise Reference Integrity Manifest, signed if there is a key.
    Corim,
    /// A message for Trustee's Reference Value Provider Service.
    Rvps,
    /// dstack's measurement of an image, by platform.
    Dstack,
    /// The registers of a TD as dstack-mr prints them.
    DstackMr,
    /// The enclave identities of a ROFL policy.
    Oasis,
    /// Katana's `expected-measurement.json`.
    Katana,
    /// What `systemd-measure calculate --json=pretty` prints.
    SystemdMeasure,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Corim => "corim",
            Self::Rvps => "rvps",
            Self::Dstack => "dstack",
            Self::DstackMr => "dstack-mr",
            Self::Oasis => "oasis",
            Self::Katana => "katana",
            Self::SystemdMeasure => "systemd-measure",
        })
    }
}

/// Which machines are exported: those of which everything that is given holds.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Name of the profile.
    pub profile: Option<String>,
    /// Number of virtual CPUs.
    pub vcpus: Option<u32>,
    /// CPU model of the virtual CPUs.
    pub vcpu_type: Option<String>,
    /// Memory in bytes.
    pub memory: Option<u64>,
}

/// From when to when a document is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: Option<Timestamp>,
    /// Last second.
    pub not_after: Timestamp,
}

/// Who signs a document.
#[derive(Debug)]
pub struct Signer {
    /// With what.
    pub key: PrivateKey,
    /// Under which name; the SHA-256 of the public key by default.
    pub name: Option<String>,
}

/// What is said of a document beyond its shape; only a CoRIM has a place for either.
#[derive(Debug, Default)]
pub struct Options {
    /// Its signer.
    pub signer: Option<Signer>,
    /// Its validity.
    pub validity: Option<Validity>,
    /// Whether values of a debug image may be exported.
    pub allow_debug: bool,
}

/// An exported document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What to write to a file.
    pub bytes: Vec<u8>,
    /// Media type.
    pub media_type: &'static str,
    /// Whether its values are those of a debug image, never to be trusted in production.
    pub debug: bool,
    /// The machines it speaks of.
    pub machines: Vec<String>,
    /// What it does not say, and why.
    pub notes: Vec<Note>,
}

impl Document {
    /// Whether it is for programs only.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.media_type != JSON
    }
}

/// What every document of a debug image has in its bytes, whatever its shape: readers of each shape
/// ignore what they don't know, so there is a place in all of them.
pub const DEBUG_MARK: &str = "DEBUG IMAGE";

/// Media type of the shapes that are JSON.
const JSON: &str = "application/json";

/// Reference values, and the image they are of if it is there.
#[derive(Debug)]
pub struct ExportSource {
    path: PathBuf,
    debug: bool,
    profiles: Vec<Profile>,
    machines: Vec<ExpectedMachine>,
    /// Digest of `reference-values.json`, which every id is derived from.
    sha256: Sha256,
    folder: Option<PathBuf>,
}

impl ExportSource {
    /// Reads the folder of an image, or its `reference-values.json` alone.
    ///
    /// # Errors
    /// No such file, or none of this schema.
    pub fn open(path: &Path) -> Result<Self, ExportError> {
        let folder = path.is_dir().then(|| path.to_owned());
        let file = folder.as_ref().map_or(path.to_owned(), |folder| folder.join(REFERENCE_FILE));
        let bytes = files::read_at_most(&file, DESCRIPTION_MAX)?;
        let values = ReferenceValues::parse(&bytes, &file)?;
        let (debug, profiles, values) = (values.debug, values.profiles, values.values);
        // Which were decoded when they were read.
        let machines = machine::machines(debug, values).map_err(|fault| ReadError::Value {
            path: file.clone(),
            machine: String::new(),
            fault,
        })?;
        let sha256 = Sha256::of(&bytes);
        Ok(Self { path: path.to_owned(), debug, profiles, machines, sha256, folder })
    }

    /// The machines that were asked for.
    fn select(&self, selection: &Selection) -> Result<Vec<&ExpectedMachine>, ExportError> {
        let chosen: Vec<_> =
            self.machines.iter().filter(|machine| machine.fits(selection)).collect();
        if chosen.is_empty() {
            let known = self.machines.iter().map(ToString::to_string).collect();
            return Err(ExportError::NoMachine { path: self.path.clone(), known });
        }
        Ok(chosen)
    }

    /// What every document says if the image is a debug image.
    fn mark(&self) -> Option<&'static str> {
        self.debug.then_some(DEBUG_MARK)
    }

    /// What is taken for granted of a machine.
    fn profile(&self, machine: &ExpectedMachine) -> Result<&Profile, ExportError> {
        let found = self.profiles.iter().find(|profile| profile.name == machine.value.profile);
        found.ok_or_else(|| ExportError::NoProfile {
            path: self.path.clone(),
            profile: machine.value.profile.clone(),
        })
    }

    /// The folder of the image, for a shape that needs its files.
    fn folder(&self, shape: Shape, what: &'static str) -> Result<&Path, ExportError> {
        let needed = || ExportError::NoFolder { path: self.path.clone(), shape, what };
        self.folder.as_deref().ok_or_else(needed)
    }
}

/// The document of `subject` in `shape`.
///
/// # Errors
/// No machine fits, or the shape can't carry those that do.
pub fn export(
    subject: &ExportSource,
    shape: Shape,
    selection: &Selection,
    options: &Options,
) -> Result<Document, ExportError> {
    if subject.debug && !options.allow_debug {
        return Err(ExportError::Debug { path: subject.path.clone() });
    }
    let mut document = document(subject, shape, selection, options)?;
    document.debug = subject.debug;
    if subject.debug {
        document.notes.insert(0, Note::Debug);
        // Of every shape, so that a new one can't forget.
        if !has_mark(&document.bytes) {
            return Err(ExportError::Unmarked { shape });
        }
    }
    Ok(document)
}

fn has_mark(bytes: &[u8]) -> bool {
    bytes.windows(DEBUG_MARK.len()).any(|window| window == DEBUG_MARK.as_bytes())
}

fn document(
    subject: &ExportSource,
    shape: Shape,
    selection: &Selection,
    options: &Options,
) -> Result<Document, ExportError> {
    let has_options = options.signer.is_some() || options.validity.is_some();
    if has_options && shape != Shape::Corim {
        return Err(ExportError::Unsigned { shape });
    }
    if shape == Shape::SystemdMeasure {
        return systemd::document(subject, subject.folder(shape, "unified kernel image")?);
    }
    let machines = subject.select(selection)?;
    match shape {
        Shape::Corim => corim::document(subject.sha256, &machines, options),
        Shape::Rvps => rvps::document(&machines),
        Shape::Dstack => dstack::document(subject, &machines),
        Shape::DstackMr => dstack::registers(&machines),
        Shape::Oasis => oasis::document(&machines),
        Shape::Katana | Shape::SystemdMeasure => katana::document(subject, &machines),
    }
}

/// The one machine of a shape that has place for no more.
fn single<'a>(
    shape: Shape,
    machines: &[&'a ExpectedMachine],
) -> Result<&'a ExpectedMachine, ExportError> {
    match machines {
        [machine] => Ok(machine),
        several => Err(ExportError::SeveralMachines {
            shape,
            machines: several.iter().map(ToString::to_string).collect(),
        }),
    }
}

/// A JSON document.
fn json(
    value: &impl serde::Serialize,
    machines: &[&ExpectedMachine],
    notes: Vec<Note>,
) -> Result<Document, ExportError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(ExportError::Json)?;
    bytes.push(b'\n');
    let machines = machines.iter().map(ToString::to_string).collect();
    Ok(Document { bytes, media_type: JSON, debug: false, machines, notes })
}
