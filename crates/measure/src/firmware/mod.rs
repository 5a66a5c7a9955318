//! What an OVMF image says about its own launch: the GUIDed footer table and what it points to.
//!
//! The image is kept as it is, borrowed; parsing finds entries, it changes and copies nothing. The
//! footer table and every structure behind it are foreign bytes: each offset is checked, nothing
//! panics. A structure that is absent is told apart from one that is corrupt.
//!
//! Layout: edk2 `OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm` (footer table),
//! `OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm` (SEV metadata). A COCONUT-SVSM image ends in the
//! same table. A file whose end has that table may still be a part of an image, or hold it in another
//! form: [`check_whole`] looks at it from its beginning, and [`Firmware::parse`] asks it first.
//! Deliberately absent: what is in firmware volumes, variable stores, IGVM files. Oracle:
//! sev-snp-measure.

pub mod behaviour;
mod footer;
pub mod layout;
mod sev;
mod tdvf;
mod volumes;

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use cvmkit_formats::container::Container;
use thiserror::Error;

use crate::gpa::{FOUR_GIB, Gpa, PAGE_SIZE};
use crate::guid::Guid;

pub use sev::{Section, SectionType};
pub use tdvf::{TdvfError, TdvfSection, TdvfSectionType};
pub use volumes::{check_container, check_whole};

/// `OVMF_TABLE_FOOTER_GUID`, the entry that closes the table.
pub const TABLE_FOOTER_GUID: Guid = Guid::new(0x96b582de_1fb2_45f7_baea_a366c55a082d);
/// `SEV_HASH_TABLE_GUID`: base `u32` and size `u32` of the area for kernel hashes.
pub const SEV_HASH_TABLE_GUID: Guid = Guid::new(0x7255371f_3a3b_4b04_927b_1da6efa8d454);
/// `SEV_ES_RESET_BLOCK_GUID`: `u32` address where application processors start.
pub const SEV_ES_RESET_BLOCK_GUID: Guid = Guid::new(0x00f771de_1a7e_4fcb_890e_68c77e2fb44e);
/// `OVMF_SEV_METADATA_GUID`: `u32` distance of the SEV metadata from the end of the image.
pub const SEV_METADATA_GUID: Guid = Guid::new(0xdc886566_984a_4798_a75e_5585a7bf67cc);
/// `TDX_METADATA_OFFSET_GUID`: `u32` distance of the TDVF descriptor from the end of the image.
pub const TDX_METADATA_GUID: Guid = Guid::new(0xe47a6535_984a_4798_865e_4685a7bf8ec2);
/// `SVSM_INFO_GUID`: `u32` entry point of an SVSM image, from the start of the image.
pub const SVSM_INFO_GUID: Guid = Guid::new(0xa789a612_0597_4c4b_a49f_cbb1fe9d1ddd);

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

/// Where the firmware expects the table of kernel hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashTableArea {
    /// Guest-physical address of the area; never 0.
    pub gpa: Gpa,
    /// Bytes that the firmware reserves there.
    pub size: u32,
}

/// A firmware image and its footer table.
#[derive(Clone)]
pub struct Firmware<'a> {
    image: &'a [u8],
    entries: BTreeMap<Guid, footer::Entry<'a>>,
}

impl fmt::Debug for Firmware<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.image.len();
        f.debug_struct("Firmware").field("len", &len).field("entries", &self.entries).finish()
    }
}

impl<'a> Firmware<'a> {
    /// Reads the footer table of `image`, the whole file as the VMM maps it below 4 GiB.
    ///
    /// # Errors
    /// Those of [`check_whole`]; [`Error::Length`], [`Error::NoFooterTable`] or
    /// [`Error::CorruptFooterTable`].
    pub fn parse(image: &'a [u8]) -> Result<Self, Error> {
        check_whole(image)?;
        Self::of_end(image)
    }

    /// Reads the footer table of an SVSM, which has no firmware volumes.
    ///
    /// # Errors
    /// [`Error::Container`]; [`Error::Length`], [`Error::NoFooterTable`] or
    /// [`Error::CorruptFooterTable`].
    pub fn svsm(image: &'a [u8]) -> Result<Self, Error> {
        check_container(image)?;
        Self::of_end(image)
    }

    /// Reads the footer table of the last bytes of an image. That they are of a whole image is for
    /// the caller to see, with [`check_whole`].
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NoFooterTable`] or [`Error::CorruptFooterTable`].
    pub fn of_end(image: &'a [u8]) -> Result<Self, Error> {
        let whole_pages = !image.is_empty() && image.len().is_multiple_of(PAGE_SIZE);
        if !whole_pages || image.len() as u64 >= FOUR_GIB {
            return Err(Error::Length { found: image.len() });
        }
        Ok(Self { image, entries: footer::entries(image)? })
    }

    /// The bytes of the image.
    #[must_use]
    pub fn image(&self) -> &'a [u8] {
        self.image
    }

    /// Where the image starts when it ends at 4 GiB.
    #[must_use]
    pub fn gpa(&self) -> Gpa {
        Gpa(FOUR_GIB - self.image.len() as u64)
    }

    /// The data of a footer entry.
    #[must_use]
    pub fn entry(&self, guid: Guid) -> Option<&'a [u8]> {
        self.entries.get(&guid).map(|entry| entry.data)
    }

    /// The sections the VMM must prepare for an SEV-SNP guest, in the order of the file.
    ///
    /// # Errors
    /// [`Error::NoSevMetadata`], [`Error::CorruptMetadata`], [`Error::UnknownSection`], or
    /// [`Error::CorruptFooterTable`] for an entry too short.
    pub fn sev_sections(&self) -> Result<Vec<Section>, Error> {
        let distance = self.entry_u32(SEV_METADATA_GUID)?.ok_or(Error::NoSevMetadata)?;
        sev::sections(self.image, distance)
    }

    /// Where the firmware expects kernel hashes; none for firmware that can't check them, which has
    /// no entry or an entry of address 0.
    ///
    /// # Errors
    /// [`Error::CorruptFooterTable`] for an entry too short.
    pub fn hash_table_area(&self) -> Result<Option<HashTableArea>, Error> {
        let Some(entry) = self.entries.get(&SEV_HASH_TABLE_GUID) else { return Ok(None) };
        let area = HashTableArea { gpa: Gpa(entry.u32_at(0)?.into()), size: entry.u32_at(4)? };
        Ok(Some(area).filter(|area| area.gpa != Gpa(0)))
    }

    /// Where application processors of an SEV-ES or SEV-SNP guest start: `CS.base` and `RIP` in
    /// one. Images that start a single processor only say 0.
    ///
    /// # Errors
    /// [`Error::NoResetBlock`], or [`Error::CorruptFooterTable`] for an entry too short.
    pub fn ap_reset_vector(&self) -> Result<u32, Error> {
        self.entry_u32(SEV_ES_RESET_BLOCK_GUID)?.ok_or(Error::NoResetBlock)
    }

    /// Where all processors of an SVSM image start, in bytes from the start of the image.
    ///
    /// # Errors
    /// [`Error::NoSvsmInfo`], or [`Error::CorruptFooterTable`] for an entry too short.
    pub fn svsm_entry_point(&self) -> Result<u32, Error> {
        self.entry_u32(SVSM_INFO_GUID)?.ok_or(Error::NoSvsmInfo)
    }

    /// Byte offset in the image of the TDVF descriptor; none for firmware without one.
    ///
    /// # Errors
    /// [`Error::CorruptFooterTable`] for an entry too short or an offset outside the image.
    pub fn tdx_metadata_offset(&self) -> Result<Option<usize>, Error> {
        let Some(distance) = self.entry_u32(TDX_METADATA_GUID)? else { return Ok(None) };
        match usize::try_from(distance).ok().and_then(|back| self.image.len().checked_sub(back)) {
            Some(offset) if distance != 0 => Ok(Some(offset)),
            _ => Err(Error::CorruptFooterTable {
                at: self.entries.get(&TDX_METADATA_GUID).map_or(0, |entry| entry.at),
                what: "distance of the TDX metadata from the end",
                expected: format!("1 to {:#x}", self.image.len()),
                found: format!("{distance:#x}"),
            }),
        }
    }

    fn entry_u32(&self, guid: Guid) -> Result<Option<u32>, Error> {
        self.entries.get(&guid).map(|entry| entry.u32_at(0)).transpose()
    }
}
