//! PE32+ images: EFI applications, kernels with an EFI stub, unified kernel images.
//!
//! The contract: [`Headers::read`] takes only images whose tables lie inside the file; digests and
//! section contents come from the bytes as they are. Deliberately absent: PE32, relocations,
//! imports, loading, signing. Oracle: `objcopy`, ukify, the `authenticode` crate.
//!
//! Standard: Microsoft "PE Format"; for [`authenticode`] Microsoft "Windows Authenticode Portable
//! Executable Signature Format"; for [`uki`] UAPI.5.

pub mod authenticode;
mod dump;
mod error;
mod read;
#[cfg(test)]
mod sample;
pub mod spec;
pub mod uki;

pub use dump::dump;
pub use error::Error;
pub use read::{Headers, Section};
