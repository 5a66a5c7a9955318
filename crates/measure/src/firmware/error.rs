//! Why a firmware image is not measured.

use std::io;

use cvmkit_formats::container::Container;
use thiserror::Error;

use super::guids::{SEV_ES_RESET_BLOCK_GUID, SEV_METADATA_GUID, SVSM_INFO_GUID, TABLE_FOOTER_GUID};
use crate::gpa::PAGE_SIZE;
use crate::guid::Guid;

/// Why a firmware image can't be measured.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The file holds the image in another form.
    #[error("the file is {found}, expected a raw firmware image")]
    Container {
        /// The field's value.
        found: Container,
    },
    /// Something else than a firmware volume: a part of an image, or another kind of file.
    #[error(
        "no firmware volume at {at:#x}: expected `_FVH` at {place:#x}, found `{}`; the file \
         is a part of a firmware image, or not firmware",
        found.escape_ascii(),
        place = at + 40
    )]
    NoVolume {
        /// Byte offset in the file.
        at: u64,
        /// What is in the place of the signature.
        found: [u8; 4],
    },
    /// A firmware volume whose header contradicts itself.
    #[error("corrupt firmware volume at {at:#x}: {what} is {found}, expected {expected}")]
    CorruptVolume {
        /// Byte offset in the file.
        at: u64,
        /// The field, in words.
        what: &'static str,
        /// The field's value.
        found: String,
        /// What the field can be.
        expected: String,
    },
    /// The file ends inside a firmware volume.
    #[error(
        "the file ends inside the firmware volume at {at:#x}: expected {length} bytes, found {left}"
    )]
    Cut {
        /// Byte offset in the file.
        at: u64,
        /// `FvLength`: bytes of the volume.
        length: u64,
        /// Bytes up to the end of the file.
        left: u64,
    },
    /// The file can't be read.
    #[error("cannot read the firmware: {kind}")]
    Read {
        /// The kind of error that the storage answered.
        kind: io::ErrorKind,
    },
    /// The image is not made of whole pages, is empty, or is larger than the space below 4 GiB.
    #[error(
        "the firmware has {found} bytes, expected a multiple of {PAGE_SIZE} from {PAGE_SIZE} \
         to below 4 GiB"
    )]
    Length {
        /// Bytes of the image.
        found: usize,
    },
    /// There is no GUIDed table at the end, so this is not an OVMF for confidential guests: an image
    /// of variables, another firmware, or a truncated file.
    #[error(
        "the firmware has no footer table: expected GUID {TABLE_FOOTER_GUID} 48 bytes before its \
         end, found {found}"
    )]
    NoFooterTable {
        /// What is in the place of the GUID.
        found: Guid,
    },
    /// The footer table contradicts itself.
    #[error("corrupt firmware footer table at {at:#x}: {what} is {found}, expected {expected}")]
    CorruptFooterTable {
        /// Byte offset in the image.
        at: usize,
        /// The field, in words.
        what: &'static str,
        /// What the field can be.
        expected: String,
        /// The field's value.
        found: String,
    },
    /// The footer table lists no SEV metadata.
    #[error(
        "the firmware has no SEV metadata (footer entry {SEV_METADATA_GUID}): it can't start as an \
         SEV-SNP guest"
    )]
    NoSevMetadata,
    /// The SEV metadata contradicts itself.
    #[error("corrupt SEV metadata at {at:#x}: {what} is {found}, expected {expected}")]
    CorruptMetadata {
        /// Byte offset in the image.
        at: usize,
        /// The field, in words.
        what: &'static str,
        /// What the field can be.
        expected: String,
        /// The field's value.
        found: String,
    },
    /// A section whose measurement is not known.
    #[error(
        "SEV metadata section at {at:#x} has the unknown type {found:#x}, expected 0x1 to 0x4 or \
         0x10"
    )]
    UnknownSection {
        /// Byte offset in the image.
        at: usize,
        /// `Type` of the section's descriptor.
        found: u32,
    },
    /// The footer table has no SEV-ES reset block.
    #[error(
        "the firmware has no SEV-ES reset block (footer entry {SEV_ES_RESET_BLOCK_GUID}): it can't \
         start processors of an SEV-ES or SEV-SNP guest"
    )]
    NoResetBlock,
    /// The footer table has no SVSM info.
    #[error("the image has no SVSM info (footer entry {SVSM_INFO_GUID}): it is not an SVSM")]
    NoSvsmInfo,
}

impl Error {
    /// How to get a whole firmware image: a sentence for the user, without a period.
    #[must_use]
    pub const fn next_step(&self) -> Option<&'static str> {
        match self {
            Self::Container { found } => Some(found.hint()),
            Self::Cut { .. } => Some("get the file again: it is truncated"),
            Self::NoVolume { .. } => {
                Some("name the whole firmware image, as the VMM maps it, such as Debian's OVMF.fd")
            }
            _ => None,
        }
    }
}
