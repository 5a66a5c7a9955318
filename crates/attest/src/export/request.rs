//! What is asked for: the shape, the machines, and what a document says beyond its values.

use std::fmt;

use cvmkit_host::timestamp::Timestamp;
use cvmkit_measure::snp::id_block::PrivateKey;

/// What a document looks like, by the program that reads it.
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
    /// Name of the profile, as in the reference values.
    pub profile: Option<String>,
    /// Number of virtual CPUs, of machines whose values depend on it.
    pub vcpus: Option<u32>,
    /// QEMU's name of the CPU model, such as `EPYC-v4`.
    pub vcpu_type: Option<String>,
    /// Memory in bytes, of machines whose values depend on it.
    pub memory: Option<u64>,
}

/// From when to when a document is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second of it; none if it has begun already.
    pub not_before: Option<Timestamp>,
    /// The last second of it.
    pub not_after: Timestamp,
}

/// Who signs a document: a key, and the name that the signature has for it.
#[derive(Debug)]
pub struct Signer {
    /// The key, on the curve P-384: signatures are ES384.
    pub key: PrivateKey,
    /// Under which name; the SHA-256 of the public key by default.
    pub name: Option<String>,
}

/// What is said of a document beyond its shape; only a CoRIM has a place for either.
#[derive(Debug, Default)]
pub struct Options {
    /// Who signs it; nobody if none is given.
    pub signer: Option<Signer>,
    /// From when to when it is to be used: without limit if none is given.
    pub validity: Option<Validity>,
    /// Whether values of a debug image may be exported.
    pub allow_debug: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages, and ids derived from them, have these names.
    #[test]
    fn a_shape_is_called_as_its_readers_call_it() {
        let shapes = [
            Shape::Corim,
            Shape::Rvps,
            Shape::Dstack,
            Shape::DstackMr,
            Shape::Oasis,
            Shape::Katana,
            Shape::SystemdMeasure,
        ];
        let names = shapes.map(|shape| shape.to_string());
        assert_eq!(
            names,
            ["corim", "rvps", "dstack", "dstack-mr", "oasis", "katana", "systemd-measure"]
        );
    }
}
