//! Why there is no identity.

use thiserror::Error;

use crate::snp::policy::PolicyError;

/// Why there is no identity.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Too few or too many bytes.
    #[error("the {what} has {found} bytes, expected {expected}")]
    Length {
        /// The structure, in words.
        what: &'static str,
        /// Bytes that the structure has.
        expected: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// A field that has one value, with another.
    #[error("{what} of the {structure} is {found:#x}, expected {expected:#x}")]
    Field {
        /// The structure, in words.
        structure: &'static str,
        /// The field by its name in the specification.
        what: &'static str,
        /// The only value that the field may have.
        expected: u32,
        /// The value that was given.
        found: u32,
    },
    /// Bytes that must be zero.
    #[error("{what} of the {structure} is not zero, expected reserved bytes")]
    Reserved {
        /// The structure, in words.
        structure: &'static str,
        /// The bytes by their place in the structure.
        what: &'static str,
    },
    /// A policy that the secure processor or a guest owner refuses.
    #[error("the ID block can't bind this policy")]
    Policy(#[from] PolicyError),
    /// A block for no guest.
    #[error("the launch digest of the ID block is all zero, expected that of a guest")]
    ZeroLaunchDigest,
    /// Coordinates that are not a point of P-384.
    #[error("the {what} is not a public key: its coordinates are not a point of P-384")]
    NoPoint {
        /// The key, in words: ID key or author key.
        what: &'static str,
    },
    /// Numbers outside the range of a signature.
    #[error(
        "the {what} is not a signature: R and S must be at least 1 and below the order of P-384"
    )]
    NoSignature {
        /// The signature, in words.
        what: &'static str,
    },
    /// Text that is not a private key of P-384.
    #[error(
        "the {what} can't be used, expected an unencrypted P-384 private key in PEM (SEC 1 or \
         PKCS #8): {reason}"
    )]
    PrivateKey {
        /// The key, in words: ID key or author key.
        what: &'static str,
        /// What the decoder of the key said.
        reason: String,
    },
    /// Text that is not a public key of P-384.
    #[error("the {what} can't be used, expected a P-384 public key in PEM: {reason}")]
    PublicKey {
        /// The key, in words: ID key or author key.
        what: &'static str,
        /// What the decoder of the key said.
        reason: String,
    },
    /// A signature by another key, or of something else.
    #[error("the {what} does not verify: the {key} did not sign this {signed}")]
    Signature {
        /// The signature, in words.
        what: &'static str,
        /// The key that should have signed.
        key: &'static str,
        /// What the signature should cover.
        signed: &'static str,
    },
}
