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
mod error;
mod footer;
mod guids;
pub mod layout;
mod sev;
mod tdvf;
mod volumes;

use std::collections::BTreeMap;
use std::fmt;

use crate::gpa::{FOUR_GIB, Gpa, PAGE_SIZE};
use crate::guid::Guid;

pub use error::Error;
pub use guids::{
    SEV_ES_RESET_BLOCK_GUID, SEV_HASH_TABLE_GUID, SEV_METADATA_GUID, SVSM_INFO_GUID,
    TABLE_FOOTER_GUID, TDX_METADATA_GUID,
};
pub use sev::{Section, SectionType};
pub use tdvf::{TdvfError, TdvfSection, TdvfSectionType};
pub use volumes::{check_container, check_whole};

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
