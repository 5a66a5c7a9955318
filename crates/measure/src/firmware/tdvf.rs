//! The TDVF metadata: which pages a TD needs at launch, and which of them are measured.
//!
//! A descriptor somewhere in the image, found through the footer table, lists sections: ranges of
//! guest memory, with the part of the image each is filled from. Everything is checked against the
//! image; nothing panics. A section that lies in another file (the `CODE` half of a split OVMF says
//! where its variables are) is an error: such a file can't be measured alone.
//!
//! Standard: Intel TDX Virtual Firmware Design Guide (344991), "TDVF Descriptor"; edk2 writes it in
//! `OvmfPkg/ResetVector/X64/IntelTdxMetadata.asm`, QEMU reads it in `hw/i386/tdvf.c`. Oracle: td-shim's `td_shim_tee_info_hash.py`.

use std::fmt;

use serde::Serialize;
use thiserror::Error;
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{Firmware, TDX_METADATA_GUID};
use crate::gpa::{FOUR_GIB, Gpa};

/// `TDVF_DESCRIPTOR`, before the sections.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    /// `Signature`, "TDVF".
    signature: [u8; 4],
    /// `Length` of header and sections.
    length: U32,
    /// `Version`, 1.
    version: U32,
    /// `NumberOfSectionEntry`.
    sections: U32,
}
const _: () = assert!(size_of::<Header>() == 16);

/// `TDVF_SECTION`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Descriptor {
    /// `DataOffset` in the image.
    data_offset: U32,
    /// `RawDataSize`
    raw_size: U32,
    /// `MemoryAddress`
    address: U64,
    /// `MemoryDataSize`
    memory_size: U64,
    /// `Type`
    section_type: U32,
    /// `Attributes`
    attributes: U32,
}
const _: () = assert!(size_of::<Descriptor>() == 32);

/// `Version` of the descriptor.
const VERSION: u32 = 1;

/// Attribute bit 0, `MR.EXTEND`: contents are measured.
const MR_EXTEND: u32 = 1 << 0;
/// Attribute bit 1, `PAGE.AUG`: pages the VMM gives to the running TD.
const PAGE_AUG: u32 = 1 << 1;

/// Why firmware can't start a TD.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TdvfError {
    /// The footer table, which leads to the metadata.
    #[error(transparent)]
    Firmware(#[from] super::Error),
    /// The footer table lists no TDVF metadata.
    #[error(
        "the firmware has no TDVF metadata (footer entry {TDX_METADATA_GUID}): it can't start as a \
         TD"
    )]
    NoMetadata,
    /// The metadata contradicts itself or the image.
    #[error("corrupt TDVF metadata at {at:#x}: {what} is {found}, expected {expected}")]
    Corrupt {
        /// Byte offset in the image.
        at: usize,
        /// The field, in words.
        what: &'static str,
        /// What the field can be.
        expected: String,
        /// The field's value.
        found: String,
    },
    /// A section of a type whose use is not known.
    #[error("TDVF section at {at:#x} has the unknown type {found:#x}, expected 0x0 to 0x6")]
    UnknownSection {
        /// Byte offset in the image.
        at: usize,
        /// `Type` of the section's entry.
        found: u32,
    },
    /// A section that may appear once, as others say where it is.
    #[error("the firmware has {found} {section_type} sections in its TDVF metadata, expected one")]
    NotOne {
        /// The type that comes more or less than once.
        section_type: TdvfSectionType,
        /// How many sections of the type there are.
        found: usize,
    },
}

/// What a section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum TdvfSectionType {
    /// `BFV` (0): the boot firmware volume, the code.
    #[serde(rename = "BFV")]
    Bfv,
    /// `CFV` (1): the configuration firmware volume, the variables.
    #[serde(rename = "CFV")]
    Cfv,
    /// `TD_HOB` (2): where the VMM describes the memory.
    #[serde(rename = "TD_HOB")]
    TdHob,
    /// `TempMem` (3): memory the firmware uses before it accepted any.
    TempMem,
    /// `PermMem` (4): memory the firmware keeps.
    PermMem,
    /// `Payload` (5): a kernel for firmware other than UEFI.
    Payload,
    /// `PayloadParam` (6): the parameters of that kernel.
    PayloadParam,
}

impl TdvfSectionType {
    fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => Some(Self::Bfv),
            1 => Some(Self::Cfv),
            2 => Some(Self::TdHob),
            3 => Some(Self::TempMem),
            4 => Some(Self::PermMem),
            5 => Some(Self::Payload),
            6 => Some(Self::PayloadParam),
            _ => None,
        }
    }
}

impl fmt::Display for TdvfSectionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bfv => "BFV",
            Self::Cfv => "CFV",
            Self::TdHob => "TD_HOB",
            Self::TempMem => "TempMem",
            Self::PermMem => "PermMem",
            Self::Payload => "Payload",
            Self::PayloadParam => "PayloadParam",
        })
    }
}

/// A range of guest memory the VMM prepares before launch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TdvfSection<'a> {
    /// Byte offset of the section's entry in the image.
    pub at: usize,
    /// What the memory is for.
    pub section_type: TdvfSectionType,
    /// Guest-physical address of the first page.
    pub gpa: Gpa,
    /// Bytes of memory, a multiple of 4096; 0 for an unused section.
    pub size: u64,
    /// What the range starts with, up to `size` bytes; zeros follow.
    pub data: &'a [u8],
    /// Whether contents are measured, and not addresses alone.
    pub extended: bool,
    /// Whether the pages are given to the running TD only, and so measured not at all.
    pub augmented: bool,
}

impl TdvfSection<'_> {
    /// The first address behind the section.
    #[must_use]
    pub fn end(&self) -> Gpa {
        Gpa(self.gpa.0 + self.size)
    }
}

impl fmt::Debug for TdvfSection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TdvfSection")
            .field("at", &self.at)
            .field("section_type", &self.section_type)
            .field("gpa", &self.gpa)
            .field("size", &self.size)
            .field("data", &format_args!("{} bytes", self.data.len()))
            .field("extended", &self.extended)
            .field("augmented", &self.augmented)
            .finish()
    }
}

impl<'a> Firmware<'a> {
    /// The sections the VMM must prepare for a TD, in the order of the file, which is the order of
    /// the launch.
    ///
    /// # Errors
    /// [`TdvfError::NoMetadata`], [`TdvfError::Corrupt`], [`TdvfError::UnknownSection`], or
    /// [`TdvfError::Firmware`] for a footer table that leads nowhere.
    pub fn tdvf_sections(&self) -> Result<Vec<TdvfSection<'a>>, TdvfError> {
        let start = self.tdx_metadata_offset()?.ok_or(TdvfError::NoMetadata)?;
        let image = self.image();
        let (descriptors, first) = descriptors(image, start)?;
        let mut sections = Vec::with_capacity(descriptors.len());
        for (index, descriptor) in descriptors.iter().enumerate() {
            sections.push(section(image, descriptor, first + index * size_of::<Descriptor>())?);
        }
        check_overlap(&sections)?;
        Ok(sections)
    }

    /// The only section of a type, such as [`TdvfSectionType::TdHob`].
    ///
    /// # Errors
    /// As [`Firmware::tdvf_sections`]; [`TdvfError::NotOne`] if there is none, or another.
    pub fn tdvf_section(
        &self,
        section_type: TdvfSectionType,
    ) -> Result<TdvfSection<'a>, TdvfError> {
        let mut sections = self.tdvf_sections()?;
        sections.retain(|section| section.section_type == section_type);
        match sections.as_slice() {
            [section] => Ok(*section),
            others => Err(TdvfError::NotOne { section_type, found: others.len() }),
        }
    }
}

/// Checks the header at `start`; the entries behind it, and where they start in the image.
fn descriptors(image: &[u8], start: usize) -> Result<(&[Descriptor], usize), TdvfError> {
    let corrupt = |offset, what, expected: String, found: String| TdvfError::Corrupt {
        at: start + offset,
        what,
        expected,
        found,
    };
    let metadata = image.get(start..).unwrap_or_default();
    let header_len = size_of::<Header>();
    let (header, behind) = Header::read_from_prefix(metadata).map_err(|_| {
        let found = format!("{} bytes before the end of the image", metadata.len());
        corrupt(0, "place of the descriptor", format!("at least {header_len} bytes"), found)
    })?;
    if header.signature != *b"TDVF" {
        let found = format!("`{}`", header.signature.escape_ascii());
        return Err(corrupt(0, "signature", "`TDVF`".to_owned(), found));
    }
    if header.version != VERSION {
        return Err(corrupt(8, "version", VERSION.to_string(), header.version.to_string()));
    }
    let count = header.sections.get();
    let needed = u64::from(count) * size_of::<Descriptor>() as u64 + header_len as u64;
    if count == 0 || u64::from(header.length.get()) != needed {
        let expected = format!("{needed} for {count} sections, at least one");
        return Err(corrupt(4, "length", expected, header.length.to_string()));
    }
    let descriptors = usize::try_from(count)
        .ok()
        .and_then(|count| <[Descriptor]>::ref_from_prefix_with_elems(behind, count).ok());
    let fitting = behind.len() / size_of::<Descriptor>();
    let too_many =
        || corrupt(12, "number of sections", format!("up to {fitting}"), count.to_string());
    let (descriptors, _) = descriptors.ok_or_else(too_many)?;
    Ok((descriptors, start + header_len))
}

fn section<'a>(
    image: &'a [u8],
    descriptor: &Descriptor,
    at: usize,
) -> Result<TdvfSection<'a>, TdvfError> {
    let corrupt = |what, expected, found: String| TdvfError::Corrupt { at, what, expected, found };
    let code = descriptor.section_type.get();
    let section_type =
        TdvfSectionType::from_code(code).ok_or(TdvfError::UnknownSection { at, found: code })?;
    let attributes = descriptor.attributes.get();
    if attributes & !(MR_EXTEND | PAGE_AUG) != 0 {
        let expected = "bits 0 and 1 only".to_owned();
        return Err(corrupt("attributes", expected, format!("{attributes:#x}")));
    }
    let (gpa, size) = (Gpa(descriptor.address.get()), descriptor.memory_size.get());
    for (what, value) in [("address of the section", gpa), ("size of the section", Gpa(size))] {
        if !value.is_page_aligned() {
            return Err(corrupt(
                what,
                "a multiple of 0x1000".to_owned(),
                format!("{:#x}", value.0),
            ));
        }
    }
    // The firmware starts in 32-bit mode, and can't prepare what it does not reach.
    if gpa.0.checked_add(size).is_none_or(|end| end > FOUR_GIB) {
        let expected = format!("up to {FOUR_GIB:#x}");
        return Err(corrupt("end of the section", expected, format!("{:#x}+{size:#x}", gpa.0)));
    }
    let data = raw_data(image, descriptor).ok_or_else(|| {
        let [start, len] = [descriptor.data_offset.get(), descriptor.raw_size.get()];
        let expected = format!("inside the image of {:#x} bytes", image.len());
        corrupt("data of the section", expected, format!("{len:#x} bytes from {start:#x}"))
    })?;
    if data.len() as u64 > size {
        let found = format!("{:#x} bytes", data.len());
        return Err(corrupt("data of the section", format!("up to {size:#x} bytes"), found));
    }
    let (extended, augmented) = (attributes & MR_EXTEND != 0, attributes & PAGE_AUG != 0);
    Ok(TdvfSection { at, section_type, gpa, size, data, extended, augmented })
}

fn raw_data<'a>(image: &'a [u8], descriptor: &Descriptor) -> Option<&'a [u8]> {
    let len = usize::try_from(descriptor.raw_size.get()).ok()?;
    if len == 0 {
        return Some(&[]);
    }
    let start = usize::try_from(descriptor.data_offset.get()).ok()?;
    image.get(start..)?.get(..len)
}

/// A TD takes each page once.
fn check_overlap(sections: &[TdvfSection<'_>]) -> Result<(), TdvfError> {
    let mut used: Vec<_> = sections.iter().filter(|section| section.size > 0).collect();
    used.sort_by_key(|section| section.gpa);
    for (section, next) in used.iter().zip(used.iter().skip(1)) {
        if section.end() > next.gpa {
            return Err(TdvfError::Corrupt {
                at: section.at,
                what: "end of the section",
                expected: format!("{} or lower, where another section starts", next.gpa),
                found: section.end().to_string(),
            });
        }
    }
    Ok(())
}
