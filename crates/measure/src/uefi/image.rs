//! The event of an EFI application that firmware loads, PCR 4.
//!
//! Its digests are the Authenticode ones of the file as it lies on the disk, signed or not: a
//! signature changes neither. Standard: the profile, section 3.3.4.5 and section 10.2.3
//! "UEFI_IMAGE_LOAD_EVENT". Oracle: event logs; for the digest the `authenticode` crate.

use std::borrow::Cow;
use std::io;
use std::ops::Range;

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use cvmkit_formats::pe::{self, Headers, authenticode};
use cvmkit_formats::source::Source as Bytes;
use sha2::Digest as _;

use super::PCR_BOOT_CODE;
use crate::event::{Event, EventType, Source};

/// Bytes hashed at a time. No digest depends on it.
const PIECE: u64 = 256 * 1024;

/// More than any certificate table has.
const SIGNATURES_MAX: u64 = 1 << 20;

/// Both hashes over what comes.
#[derive(Clone, Default)]
pub(crate) struct Hashing {
    sha256: sha2::Sha256,
    sha384: sha2::Sha384,
    piece: Vec<u8>,
}

impl Hashing {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha384.update(bytes);
    }

    /// Reads a part of a source once.
    pub(crate) fn source<S: Bytes + ?Sized>(
        &mut self,
        source: &S,
        range: Range<u64>,
    ) -> io::Result<()> {
        let mut at = range.start;
        let mut piece = std::mem::take(&mut self.piece);
        while at < range.end {
            let step = (range.end - at).min(PIECE);
            piece.resize(usize::try_from(step).map_err(io::Error::other)?, 0);
            source.read_at(at, &mut piece)?;
            self.bytes(&piece);
            at += step;
        }
        self.piece = piece;
        Ok(())
    }

    pub(crate) fn digests(self) -> Digests {
        Digests {
            sha256: Sha256(self.sha256.finalize().into()),
            sha384: Sha384(self.sha384.finalize().into()),
        }
    }
}

/// The Authenticode digests of an image, read once.
///
/// # Errors
/// As [`Headers::read`] and [`authenticode::digested_ranges`]; [`pe::Error::Io`] when the image
/// can't be read.
pub fn authenticode<S: Bytes + ?Sized>(image: &S) -> Result<Digests, pe::Error> {
    let mut hashing = Hashing::default();
    for range in authenticode::digested_ranges(&Headers::read(image)?)? {
        let failed = |source| pe::Error::Io { role: "digesting a PE image", source };
        hashing.source(image, range).map_err(failed)?;
    }
    Ok(hashing.digests())
}

/// The certificate table of an image, which holds its signatures; empty for an unsigned one.
/// Nothing in it is verified.
///
/// # Errors
/// As [`Headers::read`]; [`pe::Error::Unsupported`] for a table above 1 MiB.
pub fn signatures<S: Bytes + ?Sized>(image: &S) -> Result<Vec<u8>, pe::Error> {
    let Some(table) = Headers::read(image)?.certificates else { return Ok(Vec::new()) };
    let len = table.end - table.start;
    if len > SIGNATURES_MAX {
        let why = format!("{len} bytes, expected at most {SIGNATURES_MAX}");
        return Err(pe::Error::Unsupported { what: "certificate table", why });
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    let failed = |source| pe::Error::Io { role: "reading signatures of a PE image", source };
    image.read_at(table.start, &mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The event of loading an image with these digests.
#[must_use]
pub fn application(
    digests: Digests,
    meaning: impl Into<Cow<'static, str>>,
    source: Source,
) -> Event {
    let event_type = EventType::EV_EFI_BOOT_SERVICES_APPLICATION;
    Event { pcr: PCR_BOOT_CODE, event_type, meaning: meaning.into(), source, digests }
}
