//! What dstack's tools and verifier take of an image, by platform.
//!
//! - `tdx` under QEMU: `measurement.tdx.cbor` ([`tdx`]), the parts of the image that the registers
//!   of a TD are computed of.
//! - `sev-snp`: `measurement.snp.cbor` ([`snp`]), the same for a launch digest.
//! - `tpm` of `ec2`: `measurement.aws.cbor`, one digest of PCR 4, 7 and 12.
//! - `tdx` and `tpm` of `gce`: `measurement.gcp.cbor`, the Authenticode digest of the UKI.
//!
//! [`registers`] is what a person compares: MRTD and RTMRs of one TD as dstack-mr prints them.
//!
//! The keys of the maps are in the order in which dstack writes them, since it compares the digests
//! of documents with those in `sha256sum.txt`. Deliberately absent: `sha256sum.txt` and
//! `metadata.json`, which name files as dstack's own build does.
//!
//! Source: Dstack-TEE/dstack 312dc60 (2026-08): `dstack-types/src/lib.rs`.

mod snp;
mod tdx;

use std::collections::BTreeSet;

use ciborium::Value;
use cvmkit_formats::digest::Sha256;
use cvmkit_host::files::{self, FileSource, cannot};
use cvmkit_measure::event::Bank;
use cvmkit_measure::uefi::image::authenticode;
use serde::Serialize;
use sha2::Digest as _;

use super::cbor::{bytes, encode};
use super::machine::{ExpectedMachine, platforms};
use super::{Document, ExportError, ExportSource, Shape, json, single};
use crate::output::{OutputFolder, Role};
use crate::profile::{Boot, Technology, Vmm, word};

/// `GcpOsImageMeasurement::VERSION`.
const GCP_VERSION: u32 = 1;
/// The registers that identify an image on EC2, in the order in which they are hashed.
const AWS_PCRS: [&str; 3] = ["pcr4", "pcr7", "pcr12"];
/// Media type of the CBOR documents.
const CBOR: &str = "application/cbor";
/// The parameter without which dstack refuses a command line.
const ROOTFS_HASH: &str = "dstack.rootfs_hash=";

/// The documents of an image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// `measurement.tdx.cbor`
    Tdx,
    /// `measurement.snp.cbor`
    Snp,
    /// `measurement.aws.cbor`
    Aws,
    /// `measurement.gcp.cbor`
    Gcp,
}

impl Kind {
    /// The document that a machine is in.
    fn of(machine: &ExpectedMachine) -> Option<Self> {
        match (machine.platform(), machine.value.vmm) {
            (Technology::Tdx | Technology::Tpm, Vmm::Gce) => Some(Self::Gcp),
            (Technology::Tdx, _) => Some(Self::Tdx),
            (Technology::SevSnp, _) => Some(Self::Snp),
            (Technology::Tpm, Vmm::Ec2) => Some(Self::Aws),
            _ => None,
        }
    }
}

/// The document that `machines` are in.
pub(super) fn document(
    subject: &ExportSource,
    machines: &[&ExpectedMachine],
) -> Result<Document, ExportError> {
    let shape = Shape::Dstack;
    let kinds: BTreeSet<Option<Kind>> = machines.iter().map(|machine| Kind::of(machine)).collect();
    match kinds.into_iter().collect::<Vec<_>>().as_slice() {
        [Some(Kind::Tdx)] => tdx::document(subject, machines),
        [Some(Kind::Snp)] => snp::document(subject, machines),
        [Some(Kind::Aws)] => aws(single(shape, machines)?),
        [Some(Kind::Gcp)] => gcp(subject, machines),
        [_, _, ..] => {
            let platforms = platforms_and_vmms(machines);
            Err(ExportError::SeveralPlatforms { shape, platforms })
        }
        _ => Err(ExportError::NoPlace {
            shape,
            platforms: platforms(machines),
            carries: "`tdx`, `sev-snp`, and `tpm` of EC2 and Google",
            add: "a profile of these, such as `qemu-snp`,",
        }),
    }
}

/// What tells the documents of machines apart, in words.
fn platforms_and_vmms(machines: &[&ExpectedMachine]) -> Vec<String> {
    let name = |machine: &&ExpectedMachine| {
        format!("{} of {}", word(&machine.platform()), word(&machine.value.vmm))
    };
    let names: BTreeSet<String> = machines.iter().map(name).collect();
    names.into_iter().collect()
}

/// `TdxMeasurements` of dstack-mr.
#[derive(Serialize)]
struct TdxMeasurements {
    mrtd: String,
    rtmr0: String,
    rtmr1: String,
    rtmr2: String,
    /// That they are those of a debug image.
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<&'static str>,
}

/// What `dstack-mr measure --json` prints of one TD.
pub(super) fn registers(machines: &[&ExpectedMachine]) -> Result<Document, ExportError> {
    let shape = Shape::DstackMr;
    let tds: Vec<&ExpectedMachine> =
        machines.iter().copied().filter(|machine| machine.platform() == Technology::Tdx).collect();
    if tds.is_empty() {
        return Err(ExportError::NoPlace {
            shape,
            platforms: platforms(machines),
            carries: "the registers of a TD",
            add: "a profile of `tdx`, such as `qemu-tdx-direct`,",
        });
    }
    let machine = single(shape, &tds)?;
    let register = |name| machine.needed(shape, Bank::Sha384, name).map(hex::encode);
    let measurements = TdxMeasurements {
        mrtd: register("mrtd")?,
        rtmr0: register("rtmr0")?,
        rtmr1: register("rtmr1")?,
        rtmr2: register("rtmr2")?,
        debug: machine.mark(),
    };
    json(&measurements, &[machine], Vec::new())
}

/// A digest of the three registers, SHA-256 of PCR 4, 7 and 12 of the SHA-384 bank in a row.
fn aws(machine: &ExpectedMachine) -> Result<Document, ExportError> {
    let mut hasher = sha2::Sha256::new();
    for name in AWS_PCRS {
        hasher.update(machine.needed(Shape::Dstack, Bank::Sha384, name)?);
    }
    let digest = bytes(&hasher.finalize());
    let notes = machine.words(|name| AWS_PCRS.contains(&name));
    Ok(Document { notes, ..cbor(in_order([("boot_pcr_digest", digest)]), &[machine])? })
}

fn gcp(subject: &ExportSource, machines: &[&ExpectedMachine]) -> Result<Document, ExportError> {
    let path = output_of(subject, "unified kernel image")?.file(Role::Uki)?;
    let digests = authenticode(&FileSource::open(&path)?);
    let digests =
        digests.map_err(|source| ExportError::Image { path, source: Box::new(source) })?;
    let digest = bytes(&digests.sha256.0);
    cbor(in_order([("version", GCP_VERSION.into()), ("uki_auth", digest)]), machines)
}

/// The one firmware of machines that boot a kernel.
fn firmware_of<'a>(machines: &[&'a ExpectedMachine]) -> Result<&'a str, ExportError> {
    let boots_kernel = |machine: &&ExpectedMachine| machine.value.boot == Boot::Direct;
    let names: BTreeSet<Option<&str>> =
        machines.iter().map(|machine| machine.value.firmware.as_deref()).collect();
    match names.into_iter().collect::<Vec<_>>().as_slice() {
        [Some(name)] if machines.iter().all(boots_kernel) => Ok(name),
        _ => Err(ExportError::SeveralMachines {
            shape: Shape::Dstack,
            machines: machines.iter().map(ToString::to_string).collect(),
        }),
    }
}

/// The image's files, of which the document needs some, `what`.
fn output_of(subject: &ExportSource, what: &'static str) -> Result<OutputFolder, ExportError> {
    Ok(OutputFolder::read(subject.folder(Shape::Dstack, what)?)?)
}

fn sha256(output: &OutputFolder, role: Role) -> Result<Sha256, ExportError> {
    let path = output.file(role)?;
    let digest = Sha256::of_reader(files::open(&path)?);
    Ok(digest.map_err(cannot("read", &path))?.0)
}

/// The command line, if dstack's verifier would take it.
fn command_line(output: &OutputFolder) -> Result<String, ExportError> {
    let line = files::read_text(&output.file(Role::CommandLine)?)?;
    let is_hash = |digits: &str| hex::decode(digits).is_ok_and(|hash| hash.len() == 32);
    let mut parameters = line.split_whitespace();
    let hash = parameters.find_map(|parameter| parameter.strip_prefix(ROOTFS_HASH));
    if hash.is_some_and(is_hash) { Ok(line) } else { Err(ExportError::NoRootfsHash) }
}

/// A map with its keys in the order given.
fn in_order<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// A document, which says of a debug image that it is one: dstack skips keys that it does not know.
fn cbor(mut value: Value, machines: &[&ExpectedMachine]) -> Result<Document, ExportError> {
    if let (Value::Map(entries), Some(mark)) =
        (&mut value, machines.iter().find_map(|machine| machine.mark()))
    {
        entries.push(("debug".into(), mark.into()));
    }
    let machines = machines.iter().map(ToString::to_string).collect();
    Ok(Document {
        bytes: encode(&value)?,
        media_type: CBOR,
        debug: false,
        machines,
        notes: Vec::new(),
    })
}
