//! What dstack's tools and verifier take, by platform.
//!
//! - `tdx`: what `dstack-mr measure --json` prints, `mrtd` and `rtmr0` to `rtmr2` of one machine.
//! - `sev-snp`: `measurement.snp.cbor`, the parts of the image that a launch digest is computed of;
//!   the verifier does so with the vCPUs of each guest.
//! - `tpm` of `ec2`: `measurement.aws.cbor`, one digest of PCR 4, 7 and 12.
//! - `tpm` of `gce`: `measurement.gcp.cbor`, the Authenticode digest of the UKI.
//!
//! The keys of these maps are in the order in which dstack writes them, since it compares their
//! digests with those in `sha256sum.txt`. Deliberately absent: `measurement.tdx.cbor`, which holds
//! a witness of the TD HOB in a form of dstack's own, and `sha256sum.txt`. Oracle: the document in
//! dstack's own fixture `verifier/fixtures/sev-snp-attestation.json`.
//!
//! Source: Dstack-TEE/dstack 312dc60 (2026-08): `dstack-types/src/lib.rs`, `dstack-mr/src/sev.rs`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ciborium::Value;
use cvmkit_measure::event::Bank;
use cvmkit_measure::firmware::{Firmware, Section};
use cvmkit_measure::snp::{self, LaunchDigest};
use cvmkit_measure::uefi::image::authenticode;
use serde::Serialize;
use sha2::Digest as _;

use super::cbor::{bytes, encode, list};
use super::machine::{Machine, platforms};
use super::{Document, ExportError, Shape, Subject, json, single};
use crate::digest::Sha256;
use crate::files::{self, FileSource, cannot};
use crate::manifest::Manifest;
use crate::profile::{Boot, Technology, Vmm};

/// `SevOsImageMeasurement::VERSION`.
const SNP_VERSION: u32 = 3;
/// `GcpOsImageMeasurement::VERSION`.
const GCP_VERSION: u32 = 1;
/// The registers that identify an image on EC2, in the order in which they are hashed.
const AWS_PCRS: [&str; 3] = ["pcr4", "pcr7", "pcr12"];
/// Media type of the CBOR documents.
const CBOR: &str = "application/cbor";
/// The parameter without which the verifier refuses a command line.
const ROOTFS_HASH: &str = "dstack.rootfs_hash=";

/// The document of the one platform of `machines`.
pub(super) fn document(subject: &Subject, machines: &[&Machine]) -> Result<Document, ExportError> {
    let shape = Shape::Dstack;
    let platforms = platforms(machines);
    if platforms.len() > 1 {
        return Err(ExportError::SeveralPlatforms { shape, platforms });
    }
    let first = machines.first().map(|machine| (machine.platform(), machine.value.vmm));
    match first {
        Some((Technology::Tdx, _)) => tdx(single(shape, machines)?),
        Some((Technology::SevSnp, _)) => snp(subject, machines),
        Some((Technology::Tpm, Vmm::Ec2)) => aws(single(shape, machines)?),
        Some((Technology::Tpm, Vmm::Gce)) => gcp(subject, machines),
        _ => Err(ExportError::NoPlace {
            shape,
            platforms,
            carries: "`tdx`, `sev-snp`, and `tpm` of EC2 and Google",
            add: "a profile of these, such as `qemu-snp`,",
        }),
    }
}

/// `TdxMeasurements` of dstack-mr.
#[derive(Serialize)]
struct TdxMeasurements {
    mrtd: String,
    rtmr0: String,
    rtmr1: String,
    rtmr2: String,
}

fn tdx(machine: &Machine) -> Result<Document, ExportError> {
    let register = |name| machine.needed(Shape::Dstack, Bank::Sha384, name).map(hex::encode);
    let measurements = TdxMeasurements {
        mrtd: register("mrtd")?,
        rtmr0: register("rtmr0")?,
        rtmr1: register("rtmr1")?,
        rtmr2: register("rtmr2")?,
    };
    json(&measurements, &[machine], Vec::new())
}

/// A digest of the three registers, SHA-256 of PCR 4, 7 and 12 of the SHA-384 bank in a row.
fn aws(machine: &Machine) -> Result<Document, ExportError> {
    let mut hasher = sha2::Sha256::new();
    for name in AWS_PCRS {
        hasher.update(machine.needed(Shape::Dstack, Bank::Sha384, name)?);
    }
    let digest = bytes(&hasher.finalize());
    let notes = machine.words(|name| AWS_PCRS.contains(&name));
    Ok(Document { notes, ..cbor(in_order([("boot_pcr_digest", digest)]), &[machine])? })
}

fn gcp(subject: &Subject, machines: &[&Machine]) -> Result<Document, ExportError> {
    let image = ImageFiles::of(subject, "unified kernel image")?;
    let path = image.path("uki")?;
    let digests = authenticode(&FileSource::open(&path)?);
    let digests =
        digests.map_err(|source| ExportError::Image { path, source: Box::new(source) })?;
    let digest = bytes(&digests.sha256.0);
    cbor(in_order([("version", GCP_VERSION.into()), ("uki_auth", digest)]), machines)
}

fn snp(subject: &Subject, machines: &[&Machine]) -> Result<Document, ExportError> {
    let image = ImageFiles::of(subject, "image's files")?;
    let path = image.folder.join(firmware_of(machines)?);
    let firmware = files::read(&path)?;
    let refused = |source| ExportError::Firmware { path: path.clone(), source: Box::new(source) };
    let firmware = Firmware::parse(&firmware).map_err(refused)?;
    let table = firmware.hash_table_area().map_err(refused)?;
    let no_table = || ExportError::NoHashTable { path: path.clone() };
    let measurement = SnpMeasurement {
        command_line: image.command_line()?,
        firmware: snp::firmware_digest(&firmware),
        kernel: image.sha256("kernel")?,
        initrd: image.sha256("initrd")?,
        hash_table: table.ok_or_else(no_table)?.gpa.0,
        reset_vector: firmware.ap_reset_vector().map_err(refused)?,
        sections: firmware.sev_sections().map_err(refused)?.iter().map(section).collect(),
    };
    cbor(measurement.value(), machines)
}

/// The one firmware of machines that boot a kernel.
fn firmware_of<'a>(machines: &[&'a Machine]) -> Result<&'a str, ExportError> {
    let boots_kernel = |machine: &&Machine| machine.value.boot == Boot::Direct;
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

/// `CborSevOsImageMeasurement`.
struct SnpMeasurement {
    command_line: String,
    firmware: LaunchDigest,
    kernel: Sha256,
    initrd: Sha256,
    /// Guest-physical address of the table of kernel hashes.
    hash_table: u64,
    reset_vector: u32,
    sections: Vec<SnpSection>,
}

/// `CborOvmfSection`.
struct SnpSection {
    gpa: u64,
    size: u64,
    code: u32,
}

fn section(section: &Section) -> SnpSection {
    SnpSection { gpa: section.gpa.0, size: section.size, code: section.section_type.code() }
}

impl SnpMeasurement {
    fn value(&self) -> Value {
        let section = |section: &SnpSection| {
            in_order([
                ("gpa", section.gpa.into()),
                ("size", section.size.into()),
                ("type", section.code.into()),
            ])
        };
        in_order([
            ("version", SNP_VERSION.into()),
            ("cmdline", self.command_line.as_str().into()),
            ("ovmf_hash", bytes(&self.firmware.0.0)),
            ("kernel_hash", bytes(&self.kernel.0)),
            ("initrd_hash", bytes(&self.initrd.0)),
            ("hashes_table_gpa", self.hash_table.into()),
            ("reset_eip", self.reset_vector.into()),
            ("ovmf_sections", list(self.sections.iter().map(section))),
        ])
    }
}

/// The files of the image.
struct ImageFiles<'a> {
    folder: &'a Path,
    manifest: Manifest,
}

impl<'a> ImageFiles<'a> {
    fn of(subject: &'a Subject, what: &'static str) -> Result<Self, ExportError> {
        let folder = subject.folder(Shape::Dstack, what)?;
        Ok(Self { folder, manifest: Manifest::read(folder)? })
    }

    fn path(&self, role: &'static str) -> Result<PathBuf, ExportError> {
        let missing = || ExportError::NoFile { folder: self.folder.to_owned(), role };
        self.manifest.file(role).map(|name| self.folder.join(name)).ok_or_else(missing)
    }

    fn sha256(&self, role: &'static str) -> Result<Sha256, ExportError> {
        let path = self.path(role)?;
        let digest = Sha256::of_reader(files::open(&path)?);
        Ok(digest.map_err(cannot("read", &path))?.0)
    }

    /// The command line, if dstack's verifier would take it.
    fn command_line(&self) -> Result<String, ExportError> {
        let line = files::read_text(&self.path("command-line")?)?;
        let is_hash = |digits: &str| hex::decode(digits).is_ok_and(|hash| hash.len() == 32);
        let mut parameters = line.split_whitespace();
        let hash = parameters.find_map(|parameter| parameter.strip_prefix(ROOTFS_HASH));
        if hash.is_some_and(is_hash) { Ok(line) } else { Err(ExportError::NoRootfsHash) }
    }
}

/// A map with its keys in the order given.
fn in_order<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

fn cbor(value: Value, machines: &[&Machine]) -> Result<Document, ExportError> {
    let machines = machines.iter().map(ToString::to_string).collect();
    Ok(Document { bytes: encode(&value)?, media_type: CBOR, machines, notes: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in the document of dstack 312dc60, `verifier/fixtures/sev-snp-attestation.json`,
    /// and the digest that its `sha256sum.txt` has of the document's bytes.
    #[test]
    fn snp_document_is_the_one_of_dstack() {
        let sections = [
            (0x80_0000, 0x9000, 1),
            (0x80_a000, 0x3000, 1),
            (0x80_d000, 0x1000, 2),
            (0x80_e000, 0x1000, 3),
            (0x80_f000, 0x1000, 4),
            (0x81_1000, 0xf000, 1),
            (0x81_0000, 0x1000, 0x10),
        ];
        let measurement = SnpMeasurement {
            command_line: "console=ttyS0 init=/init panic=1 net.ifnames=0 biosdevname=0 mce=off \
                           oops=panic pci=noearly pci=nommconf random.trust_cpu=y \
                           random.trust_bootloader=n tsc=reliable no-kvmclock \
                           dstack.rootfs_hash=\
                           ca5adaef0ac3a36108035925763b48a5818f634e700fbaab561d419fd30d7121 \
                           dstack.rootfs_size=490713088"
                .to_owned(),
            firmware: "ffb57e393469a497c0e3b07bd1c97d8611e555f464d14491837665893ac642b2\
                       63a71f9507ff100a847897fe0c3f8c6f"
                .parse()
                .unwrap(),
            kernel: "dd9ea274ce9a07090b22e8284b0c841b65c021c2d15ca57d0f16731089dd226c"
                .parse()
                .unwrap(),
            initrd: "5f844c4a2ca5a3d0711b3db38293b21ba929bb8e0b3c5bc1a779a57f69221c19"
                .parse()
                .unwrap(),
            hash_table: 0x81_0c00,
            reset_vector: 0x80_b004,
            sections: sections
                .map(|(gpa, size, code)| SnpSection { gpa, size, code })
                .into_iter()
                .collect(),
        };
        let document = encode(&measurement.value()).unwrap();
        assert_eq!(
            Sha256::of(&document).to_string(),
            "07c29d6e773b7da30bd7e5ebd715fb2fc00ffa80b6b71db29b2d586f387a1aa3"
        );
    }
}
