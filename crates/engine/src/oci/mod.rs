//! OCI image layouts: which image is meant, and what tree its layers make (OCI Image Format Specification 1.1).
//!
//! [`find`] goes from `index.json` to the manifest of one architecture, and checks each document on its way
//! against its digest. [`Stack`] applies layers in their order, whiteouts first. Nothing here opens a file:
//! the caller reads blobs, and compares what they decompress to with [`Image::layers`]. Deliberately absent:
//! registries, the older formats of Docker's own archives, encrypted layers, digests other than SHA-256,
//! and what a configuration says of a process, which no image of ours starts.
//!
//! The tests are of layouts written by hand after the specification; no other program unpacks them beside this one yet.

mod digest;
mod document;
mod error;
mod find;
mod stack;

pub use digest::Digest;
pub use document::LayerType;
pub use error::OciError;
pub use find::{DOCUMENT_MAX, Image, Layer, find};
pub use stack::Stack;
