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

mod image;
mod snp;
mod tdx;

use std::collections::BTreeSet;

use cvmkit_host::files::FileSource;
use cvmkit_measure::event::Bank;
use cvmkit_measure::uefi::image::authenticode;
use serde::Serialize;
use sha2::Digest as _;

use super::cbor::bytes;
use super::document::{Document, json, single};
use super::error::ExportError;
use super::machine::{ExpectedMachine, platforms};
use super::request::Shape;
use super::source::ExportSource;
use crate::output::Role;
use crate::profile::{Technology, Vmm, word};
use image::{cbor, in_order, output_of};

/// `GcpOsImageMeasurement::VERSION`.
const GCP_VERSION: u32 = 1;
/// The registers that identify an image on EC2, in the order in which they are hashed.
const AWS_PCRS: [&str; 3] = ["pcr4", "pcr7", "pcr12"];

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

#[cfg(test)]
mod tests;
