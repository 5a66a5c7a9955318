#![forbid(unsafe_code)]
//! Published formats as bytes: every module encodes and decodes one of them, and none knows where
//! bytes come from or go to.
//!
//! A [`tree::Tree`] is a Linux file system as a value. Writers take a tree or a [`source::Source`]
//! and emit to a [`sink::Sink`]; readers take a `Source` or a slice. Nothing here names a path,
//! opens a file, reads a clock or logs.
//!
//! Every format has the same shape: `spec` (constants and headers, the standard cited where the
//! constant is), `Plan::new` (freezes the layout), `Plan::write` (emits each byte once), `read`
//! (decodes), `dump` (annotated listing, reviewed by snapshot).

pub mod architecture;
pub mod archive;
pub mod base64;
#[cfg(feature = "compression")]
pub mod compression;
pub mod container;
pub mod cpio;
pub mod date;
pub mod digest;
pub mod fat;
pub mod gpt;
pub mod pe;
pub mod sink;
pub mod source;
#[cfg(feature = "squashfs")]
pub mod squashfs;
mod stream;
pub mod tree;
#[cfg(feature = "verity")]
pub mod verity;
