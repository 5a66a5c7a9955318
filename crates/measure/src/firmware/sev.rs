//! The SEV metadata: which pages an SEV-SNP guest needs at launch, and as what.
//!
//! edk2 `OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm`; QEMU reads the same in
//! `hw/i386/pc_sysfw_ovmf.c` (`pc_system_parse_sev_metadata`).

use zerocopy::byteorder::little_endian::U32;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::Error;
use crate::gpa::{FOUR_GIB, Gpa};

/// The header, before the descriptors.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    /// `Signature`, "ASEV".
    signature: [u8; 4],
    /// `Length` of header and descriptors.
    length: U32,
    /// `Version`, 1.
    version: U32,
    /// `NumOfSections`.
    sections: U32,
}
const _: () = assert!(size_of::<Header>() == 16);

/// One descriptor.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Descriptor {
    /// `Base`
    base: U32,
    /// `Size`
    size: U32,
    /// `Type`
    section_type: U32,
}
const _: () = assert!(size_of::<Descriptor>() == 12);

/// `OVMF_SEV_METADATA_VERSION`.
const VERSION: u32 = 1;

/// What a section of guest memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SectionType {
    /// `OVMF_SECTION_TYPE_SNP_SEC_MEM` (1): memory the firmware uses before it can validate any.
    SnpSecMem,
    /// `OVMF_SECTION_TYPE_SNP_SECRETS` (2): the page the AMD secure processor puts keys into.
    SnpSecrets,
    /// `OVMF_SECTION_TYPE_CPUID` (3): the page of CPUID values the AMD secure processor checks.
    Cpuid,
    /// `OVMF_SECTION_TYPE_SVSM_CAA` (4): the calling area shared with an SVSM.
    SvsmCaa,
    /// `OVMF_SECTION_TYPE_KERNEL_HASHES` (0x10): the page of kernel hashes.
    SnpKernelHashes,
}

impl SectionType {
    /// The number that stands for it in the metadata.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::SnpSecMem => 1,
            Self::SnpSecrets => 2,
            Self::Cpuid => 3,
            Self::SvsmCaa => 4,
            Self::SnpKernelHashes => 0x10,
        }
    }

    fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::SnpSecMem),
            2 => Some(Self::SnpSecrets),
            3 => Some(Self::Cpuid),
            4 => Some(Self::SvsmCaa),
            0x10 => Some(Self::SnpKernelHashes),
            _ => None,
        }
    }
}

/// A range of guest memory the VMM prepares before launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Byte offset of the descriptor in the image.
    pub at: usize,
    /// What the memory is for, and so how it is measured.
    pub section_type: SectionType,
    /// Guest-physical address of the first page.
    pub gpa: Gpa,
    /// Bytes, whole pages; 0 for a section this build of the firmware does not use.
    pub size: u64,
}

impl Section {
    /// The first address behind the section.
    #[must_use]
    pub fn end(&self) -> Gpa {
        Gpa(self.gpa.0 + self.size)
    }
}

/// Reads the metadata that starts `distance` bytes before the end of `image`.
pub(super) fn sections(image: &[u8], distance: u32) -> Result<Vec<Section>, Error> {
    let outside = || Error::CorruptMetadata {
        at: image.len(),
        what: "distance from the end of the image",
        expected: format!("{:#x} to {:#x}", size_of::<Header>(), image.len()),
        found: format!("{distance:#x}"),
    };
    let start = usize::try_from(distance).ok().and_then(|back| image.len().checked_sub(back));
    let start = start.ok_or_else(outside)?;
    let metadata = image.get(start..).ok_or_else(outside)?;
    let (header, behind) = Header::read_from_prefix(metadata).map_err(|_| outside())?;
    let first = start + size_of::<Header>();
    let descriptors = descriptors(&header, behind, start)?;
    let mut sections = Vec::with_capacity(descriptors.len());
    for (index, descriptor) in descriptors.iter().enumerate() {
        sections.push(section(descriptor, first + index * size_of::<Descriptor>())?);
    }
    check_overlap(&sections, FOUR_GIB - image.len() as u64)?;
    Ok(sections)
}

/// Checks the header and takes the descriptors it counts off the front of `behind`.
fn descriptors<'a>(
    header: &Header,
    behind: &'a [u8],
    start: usize,
) -> Result<&'a [Descriptor], Error> {
    let corrupt = |offset, what, expected: String, found: String| Error::CorruptMetadata {
        at: start + offset,
        what,
        expected,
        found,
    };
    if header.signature != *b"ASEV" {
        let found = format!("`{}`", header.signature.escape_ascii());
        return Err(corrupt(0, "signature", "`ASEV`".to_owned(), found));
    }
    if header.version != VERSION {
        return Err(corrupt(8, "version", VERSION.to_string(), header.version.to_string()));
    }
    let count = header.sections.get();
    let needed = u64::from(count) * size_of::<Descriptor>() as u64 + size_of::<Header>() as u64;
    if u64::from(header.length.get()) < needed {
        let expected = format!("{needed} or more for {count} sections");
        return Err(corrupt(4, "length", expected, header.length.to_string()));
    }
    let descriptors = usize::try_from(count)
        .ok()
        .and_then(|count| <[Descriptor]>::ref_from_prefix_with_elems(behind, count).ok());
    let fitting = behind.len() / size_of::<Descriptor>();
    let too_many =
        || corrupt(12, "number of sections", format!("up to {fitting}"), count.to_string());
    descriptors.map(|(descriptors, _)| descriptors).ok_or_else(too_many)
}

fn section(descriptor: &Descriptor, at: usize) -> Result<Section, Error> {
    let code = descriptor.section_type.get();
    let section_type =
        SectionType::from_code(code).ok_or(Error::UnknownSection { at, found: code })?;
    let (gpa, size) = (Gpa(descriptor.base.get().into()), u64::from(descriptor.size.get()));
    let aligned = |what, value: Gpa| match value.is_page_aligned() {
        true => Ok(()),
        false => Err(Error::CorruptMetadata {
            at,
            what,
            expected: "a multiple of 0x1000".to_owned(),
            found: format!("{:#x}", value.0),
        }),
    };
    aligned("address of the section", gpa)?;
    aligned("size of the section", Gpa(size))?;
    Ok(Section { at, section_type, gpa, size })
}

/// Hardware takes each page once, and the firmware's own pages are taken already.
fn check_overlap(sections: &[Section], firmware: u64) -> Result<(), Error> {
    let mut used: Vec<&Section> = sections.iter().filter(|section| section.size > 0).collect();
    used.sort_by_key(|section| section.gpa);
    let ends = used.iter().skip(1).map(|next| next.gpa).chain([Gpa(firmware)]);
    for (section, limit) in used.iter().zip(ends) {
        if section.end() > limit {
            return Err(Error::CorruptMetadata {
                at: section.at,
                what: "end of the section",
                expected: format!("{limit} or lower, where other measured memory starts"),
                found: section.end().to_string(),
            });
        }
    }
    Ok(())
}
