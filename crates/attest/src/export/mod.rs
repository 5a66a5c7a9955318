//! Reference values in the shapes that verifiers and deployment tools read.
//!
//! [`export`] takes the reference values of an image, chooses machines among them, and answers a
//! [`Document`]: the bytes and what the shape could not say. Nothing is computed but what a
//! shape is a function of: an Oasis enclave identity of registers, dstack's image measurement of
//! the image's files. The same input gives the same bytes: ids are derived by hash, signatures are
//! deterministic (RFC 6979), and a time is in a document only if the caller gave it.
//!
//! A value that a shape has no place for, or that was not predicted, is an error where the shape is
//! useless without it, and a note where it is not.
//!
//! Deliberately absent: reading other shapes than [`corim`], uploading them, keys of other curves than
//! P-384.
//! Oracles: the crate `corim`, the CDDL of CoRIM, pycose, TupleHash of PyCryptodome, the published
//! values of each consumer.

mod cbor;
pub mod corim;
mod document;
mod dstack;
mod error;
mod katana;
mod machine;
mod note;
mod oasis;
mod request;
mod rvps;
mod source;
pub mod systemd;

pub use document::Document;
pub use error::ExportError;
pub use note::{DEBUG_MARK, Note};
pub use request::{Options, Selection, Shape, Signer, Validity};
pub use source::ExportSource;

/// The document of `subject` in `shape`.
///
/// # Errors
/// No machine fits, or the shape can't carry those that do.
pub fn export(
    subject: &ExportSource,
    shape: Shape,
    selection: &Selection,
    options: &Options,
) -> Result<Document, ExportError> {
    if subject.debug && !options.allow_debug {
        return Err(ExportError::Debug { path: subject.path.clone() });
    }
    let mut document = document(subject, shape, selection, options)?;
    document.notes = note::each_once(document.notes);
    document.debug = subject.debug;
    if subject.debug {
        document.notes.insert(0, Note::Debug);
        // Of every shape, so that a new one can't forget.
        if !document.has_debug_mark() {
            return Err(ExportError::Unmarked { shape });
        }
    }
    Ok(document)
}

fn document(
    subject: &ExportSource,
    shape: Shape,
    selection: &Selection,
    options: &Options,
) -> Result<Document, ExportError> {
    let has_options = options.signer.is_some() || options.validity.is_some();
    if has_options && shape != Shape::Corim {
        return Err(ExportError::Unsigned { shape });
    }
    if shape == Shape::SystemdMeasure {
        return systemd::document(subject, subject.folder(shape, "unified kernel image")?);
    }
    let machines = subject.select(selection)?;
    match shape {
        Shape::Corim => corim::document(subject.sha256, &machines, options),
        Shape::Rvps => rvps::document(&machines),
        Shape::Dstack => dstack::document(subject, &machines),
        Shape::DstackMr => dstack::registers(&machines),
        Shape::Oasis => oasis::document(&machines),
        Shape::Katana | Shape::SystemdMeasure => katana::document(subject, &machines),
    }
}

#[cfg(test)]
mod tests;
