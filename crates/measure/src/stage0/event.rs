//! The event: all measurements in one message, whose digest is certified.

use cvmkit_formats::digest::Sha256;
use serde::Serialize;

use super::{
    AcpiDigest, EventDigest, InitrdDigest, KernelImageDigest, MemoryMapDigest, SetupDataDigest,
};

/// What stage0 measures, under the names of HATs' appraisal policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measurements {
    /// Of the kernel's setup data; zero for a kernel without.
    #[serde(rename = "kernel_setup_data_sha256")]
    pub setup_data: SetupDataDigest,
    /// Of the kernel without its setup data.
    #[serde(rename = "kernel_image_sha256")]
    pub kernel: KernelImageDigest,
    /// Of the initial RAM disk.
    #[serde(rename = "init_ram_fs_sha256")]
    pub initrd: InitrdDigest,
    /// Of the E820 table that the kernel gets.
    #[serde(rename = "memory_map_sha256")]
    pub memory_map: MemoryMapDigest,
    /// Of what ACPI tables are made from.
    #[serde(rename = "acpi_table_sha256")]
    pub acpi: AcpiDigest,
    /// The kernel command line as QEMU's `-append` gives it, leading spaces included; what stage0
    /// appends is not measured.
    #[serde(rename = "kernel_cmd_line")]
    pub cmdline: String,
}

impl Measurements {
    /// The encoded event (`oak.attestation.v1.Event` in Oak's `proto/attestation/eventlog.proto`):
    /// tag, and the measurements as an `Any`.
    #[must_use]
    pub fn event(&self) -> Vec<u8> {
        let digests =
            [self.setup_data.0, self.kernel.0, self.initrd.0, self.memory_map.0, self.acpi.0];
        let mut measurements = Vec::new();
        for (number, digest) in (1..).zip(digests) {
            field(&mut measurements, number, &digest.0);
        }
        field(&mut measurements, 6, self.cmdline.as_bytes());
        let mut any = Vec::new();
        field(&mut any, 1, b"type.googleapis.com/oak.attestation.v1.Stage0Measurements");
        field(&mut any, 2, &measurements);
        let mut event = Vec::new();
        field(&mut event, 1, b"Stage0");
        field(&mut event, 2, &any);
        event
    }

    /// SHA-256 of [`Measurements::event`].
    #[must_use]
    pub fn event_digest(&self) -> EventDigest {
        EventDigest(Sha256::of(&self.event()))
    }
}

/// Appends a length-delimited field; empty ones are left out (Protocol Buffers, "Encoding").
fn field(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    const LEN: u8 = 2;
    if bytes.is_empty() {
        return;
    }
    message.push(number << 3 | LEN);
    let mut len = bytes.len();
    while len >= 0x80 {
        let [low, ..] = len.to_le_bytes();
        message.push(low | 0x80);
        len >>= 7;
    }
    let [low, ..] = len.to_le_bytes();
    message.push(low);
    message.extend_from_slice(bytes);
}

/// A regular expression that matches `cmdline` only: `kernel_cmd_line_regex` of a policy (the
/// syntax of Rust's crate `regex`).
#[must_use]
pub fn cmdline_pattern(cmdline: &str) -> String {
    let escaped = cmdline.chars().flat_map(|character| {
        let special = r"\.+*?()|[]{}^$#&-~".contains(character);
        special.then_some('\\').into_iter().chain([character])
    });
    ['^'].into_iter().chain(escaped).chain(['$']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value is of `tests/folds.py`, which encodes the message once more: five digests, and a
    /// command line whose length takes two bytes.
    #[test]
    fn the_event_is_a_message_of_protocol_buffers() {
        let digest = |number| Sha256([number; 32]);
        let measurements = Measurements {
            setup_data: SetupDataDigest(digest(1)),
            kernel: KernelImageDigest(digest(2)),
            initrd: InitrdDigest(digest(3)),
            memory_map: MemoryMapDigest(digest(4)),
            acpi: AcpiDigest(digest(5)),
            cmdline: "x".repeat(130),
        };
        assert_eq!(measurements.event().len(), 376);
        assert_eq!(
            measurements.event_digest().to_string(),
            "ca2867b743f3c88e7fc037f578270282d322ca6e6084c2872bf3349fc41c6622"
        );
    }

    /// Protocol Buffers, "Encoding": seven bits a byte, the lowest first.
    #[test]
    fn lengths_are_varints() {
        for (len, expected) in
            [(1, "0a01"), (127, "0a7f"), (128, "0a8001"), (300, "0aac02"), (16384, "0a808001")]
        {
            let mut message = Vec::new();
            field(&mut message, 1, &vec![0; len]);
            assert_eq!(hex::encode(&message[..expected.len() / 2]), expected);
            assert_eq!(message.len(), expected.len() / 2 + len);
        }
        let mut message = Vec::new();
        field(&mut message, 1, &[]);
        assert!(message.is_empty());
    }

    #[test]
    fn a_pattern_escapes_what_expressions_know() {
        for (cmdline, pattern) in [
            ("", "^$"),
            ("quiet a=b", "^quiet a=b$"),
            ("a.b*c", r"^a\.b\*c$"),
            (r"\+?()|[]{}^$#&-~", r"^\\\+\?\(\)\|\[\]\{\}\^\$\#\&\-\~$"),
        ] {
            assert_eq!(cmdline_pattern(cmdline), pattern);
        }
    }
}
