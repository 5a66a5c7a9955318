//! The TD HOB: how a VMM tells the firmware of a TD what memory there is.
//!
//! The list starts with a handoff block, has one resource block per range of memory, and an end
//! block that firmware does not measure. Ranges that the VMM adds before the launch are accepted
//! already; all others the firmware or the system must accept. So the digest depends on the size
//! of the memory and on the firmware's sections, and on nothing else.
//!
//! Deliberately absent: reading such a list; Google Compute Engine's, which lists other ranges.
//! Standards: UEFI Platform Initialization 1.8, volume 3, chapter 5 "HOB Code Definitions"; Intel
//! TDX Virtual Firmware Design Guide (344991), section 7.2.1. Oracle: the event log of a
//! real TD.

use cvmkit_formats::digest::Digests;
use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{Immutable, IntoBytes, Unaligned};

use super::Error;
use crate::firmware::{Firmware, TdvfError, TdvfSection, TdvfSectionType};
use crate::gpa::{FOUR_GIB, Gpa};
use crate::linux;

/// `EFI_HOB_GENERIC_HEADER` (PI volume 3, section 5.2).
#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    /// `HobType`
    hob_type: U16,
    /// `HobLength`
    length: U16,
    /// `Reserved`
    reserved: U32,
}

/// `EFI_HOB_HANDOFF_INFO_TABLE` (PI volume 3, section 5.3), with what QEMU leaves 0.
#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct Handoff {
    /// `Header`, type 1.
    header: Header,
    /// `Version`, 9.
    version: U32,
    /// `BootMode`, 0: full configuration.
    boot_mode: U32,
    /// `EfiMemoryTop`, `EfiMemoryBottom`, `EfiFreeMemoryTop`, `EfiFreeMemoryBottom`.
    memory: [U64; 4],
    /// `EfiEndOfHobList`, behind the end block.
    end: U64,
}
const _: () = assert!(size_of::<Handoff>() == 56);

/// `EFI_HOB_RESOURCE_DESCRIPTOR` (PI volume 3, section 5.5).
#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct Resource {
    /// `Header`, type 3.
    header: Header,
    /// `Owner`, none.
    owner: [u8; 16],
    /// `ResourceType`
    resource_type: U32,
    /// `ResourceAttribute`
    attributes: U32,
    /// `PhysicalStart`
    start: U64,
    /// `ResourceLength`
    length: U64,
}
const _: () = assert!(size_of::<Resource>() == 48);

/// `EFI_HOB_TYPE_HANDOFF`
const TYPE_HANDOFF: u16 = 1;
/// `EFI_HOB_TYPE_RESOURCE_DESCRIPTOR`
const TYPE_RESOURCE: u16 = 3;
/// `EFI_HOB_TYPE_END_OF_HOB_LIST`
const TYPE_END: u16 = 0xffff;
/// `EFI_HOB_HANDOFF_TABLE_VERSION`
const HANDOFF_VERSION: u32 = 9;
/// `EFI_RESOURCE_SYSTEM_MEMORY`
const SYSTEM_MEMORY: u32 = 0;
/// `EFI_RESOURCE_MEMORY_UNACCEPTED`
const MEMORY_UNACCEPTED: u32 = 7;
/// `EFI_RESOURCE_ATTRIBUTE_PRESENT`, `_INITIALIZED` and `_TESTED`.
const ATTRIBUTES: u32 = 0b111;

/// A range of memory with one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Guest-physical address of the first byte.
    pub gpa: Gpa,
    /// Bytes; not 0.
    pub size: u64,
    /// Whether the VMM added it before the launch.
    pub accepted: bool,
}

/// The list that QEMU gives to the firmware of a `q35` machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdHob {
    gpa: Gpa,
    ranges: Vec<Range>,
}

impl TdHob {
    /// The list for `memory` bytes of memory (`-m`), with `firmware`.
    ///
    /// # Errors
    /// [`Error::Tdvf`] for firmware without a place for the list, [`Error::OutsideMemory`] and
    /// [`Error::TdHobSize`] for machines on which QEMU would not start it.
    pub fn q35(firmware: &Firmware<'_>, memory: u64) -> Result<Self, Error> {
        let place = firmware.tdvf_section(TdvfSectionType::TdHob)?;
        let low = linux::q35_below_4g(memory);
        let mut ranges = Vec::new();
        let mut at = Gpa(0);
        for section in added(firmware)? {
            let TdvfSection { gpa, size, .. } = section;
            if section.end().0 > low {
                return Err(Error::OutsideMemory { gpa, size, memory: low });
            }
            push(&mut ranges, at, gpa.0 - at.0, false);
            push(&mut ranges, gpa, size, true);
            at = section.end();
        }
        push(&mut ranges, at, low - at.0, false);
        push(&mut ranges, Gpa(FOUR_GIB), memory - low, false);
        let hob = Self { gpa: place.gpa, ranges };
        let found = hob.bytes().len() as u64;
        let fits = found <= place.size;
        fits.then_some(hob).ok_or(Error::TdHobSize { expected: place.size, found })
    }

    /// The ranges, by address, without gaps up to the end of memory below 4 GiB.
    #[must_use]
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// The list as it lies in memory, the end block included.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.measured_bytes();
        bytes.extend(header::<Header>(TYPE_END).as_bytes());
        bytes
    }

    /// What the firmware measures: all but the end block.
    #[must_use]
    pub fn measured_bytes(&self) -> Vec<u8> {
        let len = size_of::<Handoff>() + self.ranges.len() * size_of::<Resource>();
        let handoff = Handoff {
            header: header::<Handoff>(TYPE_HANDOFF),
            version: HANDOFF_VERSION.into(),
            boot_mode: 0.into(),
            memory: [0.into(); 4],
            end: (self.gpa.0 + (len + size_of::<Header>()) as u64).into(),
        };
        let mut bytes = handoff.as_bytes().to_vec();
        for range in &self.ranges {
            let resource = Resource {
                header: header::<Resource>(TYPE_RESOURCE),
                owner: [0; 16],
                resource_type: if range.accepted { SYSTEM_MEMORY } else { MEMORY_UNACCEPTED }
                    .into(),
                attributes: ATTRIBUTES.into(),
                start: range.gpa.0.into(),
                length: range.size.into(),
            };
            bytes.extend(resource.as_bytes());
        }
        bytes
    }

    /// The digests of [`TdHob::measured_bytes`].
    #[must_use]
    pub fn digests(&self) -> Digests {
        Digests::of(&self.measured_bytes())
    }
}

/// The sections that the VMM adds before the launch and the firmware takes for memory, by address:
/// what the list calls accepted, whatever the size of the memory.
///
/// # Errors
/// [`TdvfError`]: firmware that is corrupt or can't start a TD.
pub fn added<'a>(firmware: &Firmware<'a>) -> Result<Vec<TdvfSection<'a>>, TdvfError> {
    let kinds = [TdvfSectionType::TdHob, TdvfSectionType::TempMem];
    let mut sections = firmware.tdvf_sections()?;
    sections.retain(|section| section.size > 0 && kinds.contains(&section.section_type));
    sections.sort_by_key(|section| section.gpa);
    Ok(sections)
}

/// The header of a block of type `T`.
fn header<T>(hob_type: u16) -> Header {
    // Blocks are 56 bytes at most.
    let length = u16::try_from(size_of::<T>()).unwrap_or(u16::MAX);
    Header { hob_type: hob_type.into(), length: length.into(), reserved: 0.into() }
}

fn push(ranges: &mut Vec<Range>, gpa: Gpa, size: u64, accepted: bool) {
    if size > 0 {
        ranges.push(Range { gpa, size, accepted });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UEFI Platform Initialization 1.8, volume 3, chapter 5, written out as bytes in memory.
    #[test]
    fn blocks_lie_in_memory_as_the_standard_says() {
        let range = |gpa, size, accepted| Range { gpa: Gpa(gpa), size, accepted };
        let ranges = vec![range(0, 0x80_0000, false), range(0x80_0000, 0x2000, true)];
        let hob = TdHob { gpa: Gpa(0x80_9000), ranges };
        let bytes = hob.measured_bytes();
        assert_eq!(bytes.len(), 56 + 2 * 48);
        let handoff = [
            "0100380000000000", // EFI_HOB_TYPE_HANDOFF of 56 bytes
            "0900000000000000", // version 9, full configuration
            "00000000000000000000000000000000",
            "00000000000000000000000000000000",
            "a090800000000000", // 0x809000 + 56 + 2 * 48 + 8
        ];
        assert_eq!(hex::encode(&bytes[..56]), handoff.concat());
        let unaccepted = [
            "0300300000000000", // EFI_HOB_TYPE_RESOURCE_DESCRIPTOR of 48 bytes
            "00000000000000000000000000000000",
            "07000000", // EFI_RESOURCE_MEMORY_UNACCEPTED
            "07000000", // present, initialized, tested
            "0000000000000000",
            "0000800000000000",
        ];
        assert_eq!(hex::encode(&bytes[56..104]), unaccepted.concat());
        assert_eq!(hex::encode(&bytes[128..136]), "0000000007000000", "system memory");
        let end = &hob.bytes()[bytes.len()..];
        assert_eq!(hex::encode(end), "ffff080000000000");
        assert_eq!(hob.digests(), Digests::of(&bytes));
    }

    #[test]
    fn empty_ranges_are_left_out() {
        let mut ranges = Vec::new();
        push(&mut ranges, Gpa(0), 0, true);
        push(&mut ranges, Gpa(0x1000), 1, false);
        assert_eq!(ranges, [Range { gpa: Gpa(0x1000), size: 1, accepted: false }]);
    }
}
