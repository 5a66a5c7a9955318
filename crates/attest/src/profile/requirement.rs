//! Which firmware a machine needs: a code in profiles and reference values, words in messages.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

cvmkit_measure::codes! {
    /// Which firmware a machine needs.
    Requirement, "firmware requirement" {
        AmazonFirmware = "amazon-firmware":
            "the firmware that Amazon publishes for SEV-SNP instances",
        GoogleFirmware = "google-firmware":
            "the firmware that Google publishes, with a signed endorsement of its launch",
        OvmfKernelHashes = "ovmf-kernel-hashes":
            "OVMF with SEV metadata and a page of kernel hashes, such as OVMF.amdsev.fd of Debian's \
             ovmf-amdsev",
        OvmfTdvf = "ovmf-tdvf": "OVMF with TDVF metadata, such as OVMF.fd of Debian's ovmf",
        Ovmf = "ovmf": "OVMF, such as OVMF_CODE_4M.fd of Debian's ovmf",
    }
}

impl JsonSchema for Requirement {
    fn schema_name() -> Cow<'static, str> {
        "Requirement".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let codes: Vec<_> = Self::ALL.iter().map(|known| known.code()).collect();
        json_schema!({ "description": "Which firmware a machine needs.", "type": "string", "enum": codes })
    }
}
