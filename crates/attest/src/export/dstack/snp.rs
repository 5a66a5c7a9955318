//! `measurement.snp.cbor`: the parts of the image that a launch digest is computed of.
//!
//! The verifier computes it with the vCPUs of each guest. Deliberately absent: firmware without a
//! place for kernel hashes. Oracle: the document in dstack's own fixture
//! `verifier/fixtures/sev-snp-attestation.json`.
//!
//! Source: Dstack-TEE/dstack 312dc60 (2026-08): `dstack-types/src/lib.rs`, `dstack-mr/src/sev.rs`.

use ciborium::Value;
use cvmkit_formats::digest::Sha256;
use cvmkit_host::files;
use cvmkit_measure::firmware::{Firmware, Section};
use cvmkit_measure::snp::{self, LaunchDigest};

use super::super::cbor::{bytes, list};
use super::super::document::Document;
use super::super::error::ExportError;
use super::super::machine::ExpectedMachine;
use super::super::source::ExportSource;
use super::image::{cbor, command_line, firmware_of, in_order, output_of, sha256};
use crate::output::Role;

/// `SevOsImageMeasurement::VERSION`.
const VERSION: u32 = 3;

/// The document of machines with one firmware.
pub(super) fn document(
    subject: &ExportSource,
    machines: &[&ExpectedMachine],
) -> Result<Document, ExportError> {
    let image = output_of(subject, "image's files")?;
    let path = image.path().join(firmware_of(machines)?);
    let firmware = files::read(&path)?;
    let refused = |source| ExportError::Firmware { path: path.clone(), source: Box::new(source) };
    let firmware = Firmware::parse(&firmware).map_err(refused)?;
    let table = firmware.hash_table_area().map_err(refused)?;
    let no_table = || ExportError::NoHashTable { path: path.clone() };
    let measurement = Measurement {
        command_line: command_line(&image)?,
        firmware: snp::firmware_digest(&firmware),
        kernel: sha256(&image, Role::Kernel)?,
        initrd: sha256(&image, Role::Initrd)?,
        hash_table: table.ok_or_else(no_table)?.gpa.0,
        reset_vector: firmware.ap_reset_vector().map_err(refused)?,
        sections: firmware.sev_sections().map_err(refused)?.iter().map(section).collect(),
    };
    cbor(measurement.value(), machines)
}

/// `CborSevOsImageMeasurement`.
struct Measurement {
    command_line: String,
    firmware: LaunchDigest,
    kernel: Sha256,
    initrd: Sha256,
    /// Guest-physical address of the table of kernel hashes.
    hash_table: u64,
    reset_vector: u32,
    sections: Vec<MeasuredSection>,
}

/// `CborOvmfSection`.
struct MeasuredSection {
    gpa: u64,
    size: u64,
    code: u32,
}

fn section(section: &Section) -> MeasuredSection {
    MeasuredSection { gpa: section.gpa.0, size: section.size, code: section.section_type.code() }
}

impl Measurement {
    fn value(&self) -> Value {
        let section = |section: &MeasuredSection| {
            in_order([
                ("gpa", section.gpa.into()),
                ("size", section.size.into()),
                ("type", section.code.into()),
            ])
        };
        in_order([
            ("version", VERSION.into()),
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

#[cfg(test)]
mod tests {
    use super::super::super::cbor::encode;
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
        let measurement = Measurement {
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
                .map(|(gpa, size, code)| MeasuredSection { gpa, size, code })
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
