//! The memory map: what QEMU tells stage0, and what stage0 tells the kernel.

use std::fmt;
use std::ops::Range;

use cvmkit_formats::digest::Sha256;
use serde::{Serialize, Serializer};
use thiserror::Error;
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{Immutable, IntoBytes, Unaligned};

use super::MemoryMapDigest;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// QEMU's machine type (`-machine`); decides how memory is split below and above 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MachineType {
    /// `-machine q35`, with a processor of AMD, as SEV-SNP needs.
    Q35,
    /// `-machine microvm,acpi=on,pcie=on`.
    Microvm,
}

impl MachineType {
    /// Memory below 4 GiB of `size` bytes (`pc_q35_init` in hw/i386/pc_q35.c,
    /// `MICROVM_MAX_BELOW_4G` in include/hw/i386/microvm.h).
    fn below_4g(self, size: u64) -> u64 {
        match self {
            Self::Q35 if size >= 0xb000_0000 => 0x8000_0000,
            Self::Q35 => size,
            Self::Microvm => size.min(0xc000_0000),
        }
    }
}

/// Where stage0 puts ACPI tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcpiArea {
    /// In 128 KiB of low memory: before Oak's commit 7886a73d17 of 2025-05-19.
    Low,
    /// Also in the last 1 MiB below 1 GiB: since that commit.
    #[default]
    LowAndHigh,
}

/// Type of an entry (ACPI 6.5, table 15.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum E820Kind {
    /// AddressRangeMemory (1): for the kernel to use.
    Ram,
    /// AddressRangeReserved (2): not for the kernel.
    Reserved,
    /// AddressRangeACPI (3): tables, free once they were read.
    Acpi,
}

impl E820Kind {
    fn code(self) -> u32 {
        match self {
            Self::Ram => 1,
            Self::Reserved => 2,
            Self::Acpi => 3,
        }
    }
}

/// Memory of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct E820Entry {
    /// Guest-physical addresses.
    pub range: Range<u64>,
    /// What the kernel may do with it.
    pub kind: E820Kind,
}

impl fmt::Display for E820Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { range, kind } = self;
        write!(f, "{:#014x}-{:#014x} {kind:?}", range.start, range.end)
    }
}

impl Serialize for E820Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `struct boot_e820_entry` (The Linux/x86 Boot Protocol, zero page).
#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct RawEntry {
    address: U64,
    size: U64,
    kind: U32,
}
const _: () = assert!(size_of::<RawEntry>() == 20);

/// A size of memory QEMU and stage0 make no map of.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "no memory map is known for a guest of {found} bytes, expected 4 MiB to 960 GiB in whole KiB"
)]
pub struct MemoryError {
    /// Bytes.
    pub found: u64,
}

/// The HyperTransport region, which QEMU reserves (`AMD_HT_START` in hw/i386/pc.c).
const HYPER_TRANSPORT: Range<u64> = 0xfd_0000_0000..0x100_0000_0000;
/// With more, QEMU moves memory and the 64-bit PCI window out of the way of that region
/// (`pc_max_used_gpa` in hw/i386/pc.c).
const SIZE_MAX: u64 = 960 * GIB;
/// KVM's identity map and TSS (`kvm_arch_init` in target/i386/kvm/kvm.c).
const KVM_PAGES: Range<u64> = 0xfeff_c000..0xff00_0000;
/// Once held video memory and ROMs; stage0 leaves it out.
const LEGACY_GAP: Range<u64> = 0xa_0000..0xf_0000;
/// For legacy scans of SMBIOS.
const SMBIOS: Range<u64> = 0xf_0000..0x10_0000;
/// `.ebda`, for the RSDP.
const LOW_ACPI: Range<u64> = 0x8_0000..0xa_0000;

/// Entries in the order of their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct MemoryMap(Vec<E820Entry>);

impl MemoryMap {
    /// The map stage0 measures in a guest that QEMU with KVM started with `size` bytes of memory.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn of_qemu(machine: MachineType, size: u64, acpi: AcpiArea) -> Result<Self, MemoryError> {
        if !(4 * MIB..=SIZE_MAX).contains(&size) || !size.is_multiple_of(1024) {
            return Err(MemoryError { found: size });
        }
        let below = machine.below_4g(size);
        let mut map = Self::default();
        map.set(0..below, Some(E820Kind::Ram));
        map.set(4 * GIB..4 * GIB + size - below, Some(E820Kind::Ram));
        map.set(KVM_PAGES, Some(E820Kind::Reserved));
        if machine == MachineType::Q35 {
            map.set(HYPER_TRANSPORT, Some(E820Kind::Reserved));
        }
        map.set(LEGACY_GAP, None);
        map.set(SMBIOS, Some(E820Kind::Reserved));
        map.set(LOW_ACPI, Some(E820Kind::Acpi));
        if acpi == AcpiArea::LowAndHigh {
            // With 4 MiB at least there is 1 MiB at the end of memory or below 1 GiB.
            let end = below.min(GIB);
            map.set(end - MIB..end, Some(E820Kind::Acpi));
        }
        Ok(map)
    }

    /// The ranges, by address, none of which overlap.
    #[must_use]
    pub fn entries(&self) -> &[E820Entry] {
        &self.0
    }

    /// SHA-256 of the table as the kernel gets it: address, size and type of each entry.
    #[must_use]
    pub fn digest(&self) -> MemoryMapDigest {
        let raw = |entry: &E820Entry| RawEntry {
            address: U64::new(entry.range.start),
            size: U64::new(entry.range.end - entry.range.start),
            kind: U32::new(entry.kind.code()),
        };
        let table: Vec<_> = self.0.iter().map(raw).collect();
        MemoryMapDigest(Sha256::of(table.as_bytes()))
    }

    /// Gives `range` one kind, or none, whatever was there; joins it with neighbours of that kind.
    fn set(&mut self, range: Range<u64>, kind: Option<E820Kind>) {
        if range.is_empty() {
            return;
        }
        let mut pieces = Vec::new();
        for E820Entry { range: old, kind } in self.0.drain(..) {
            let before = old.start..old.end.min(range.start);
            let after = old.start.max(range.end)..old.end;
            let left = [before, after].into_iter().filter(|piece| !piece.is_empty());
            pieces.extend(left.map(|range| E820Entry { range, kind }));
        }
        pieces.extend(kind.map(|kind| E820Entry { range, kind }));
        pieces.sort_by_key(|entry| entry.range.start);
        for piece in pieces {
            match self.0.last_mut() {
                Some(last) if last.kind == piece.kind && last.range.end == piece.range.start => {
                    last.range.end = piece.range.end;
                }
                _ => self.0.push(piece),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(steps: &[(Range<u64>, Option<E820Kind>)]) -> Vec<String> {
        let mut map = MemoryMap::default();
        for (range, kind) in steps {
            map.set(range.clone(), *kind);
        }
        map.entries()
            .iter()
            .map(|E820Entry { range, kind }| format!("{range:?} {kind:?}"))
            .collect()
    }

    #[test]
    fn a_later_range_takes_the_place_of_earlier_ones() {
        use E820Kind::{Acpi, Ram, Reserved};
        let ram = (0..100, Some(Ram));
        for (later, expected) in [
            ((0..0, Some(Acpi)), vec!["0..100 Ram"]),
            ((0..100, Some(Acpi)), vec!["0..100 Acpi"]),
            ((20..30, Some(Reserved)), vec!["0..20 Ram", "20..30 Reserved", "30..100 Ram"]),
            ((20..30, Some(Ram)), vec!["0..100 Ram"]),
            ((20..30, None), vec!["0..20 Ram", "30..100 Ram"]),
            ((90..110, Some(Acpi)), vec!["0..90 Ram", "90..110 Acpi"]),
            ((100..110, Some(Ram)), vec!["0..110 Ram"]),
            ((101..110, Some(Ram)), vec!["0..100 Ram", "101..110 Ram"]),
            ((100..110, Some(Acpi)), vec!["0..100 Ram", "100..110 Acpi"]),
        ] {
            assert_eq!(map(&[ram.clone(), later.clone()]), expected, "{later:?}");
        }
        let across = [
            (0..10, Some(Ram)),
            (10..20, Some(Acpi)),
            (20..30, Some(Ram)),
            (5..25, Some(Reserved)),
        ];
        assert_eq!(map(&across), ["0..5 Ram", "5..25 Reserved", "25..30 Ram"]);
        let joined = [(0..10, Some(Ram)), (20..30, Some(Ram)), (10..20, Some(Ram))];
        assert_eq!(map(&joined), ["0..30 Ram"]);
    }

    /// `pc_q35_init` and `MICROVM_MAX_BELOW_4G` of QEMU.
    #[test]
    fn machines_split_their_memory() {
        for (machine, size, below) in [
            (MachineType::Q35, 0xafff_ffff, 0xafff_ffff),
            (MachineType::Q35, 0xb000_0000, 0x8000_0000),
            (MachineType::Microvm, 0xbfff_ffff, 0xbfff_ffff),
            (MachineType::Microvm, 0xc000_0000, 0xc000_0000),
            (MachineType::Microvm, 0xc000_0001, 0xc000_0000),
        ] {
            assert_eq!(machine.below_4g(size), below, "{machine:?} {size:#x}");
        }
    }

    #[test]
    fn sizes_have_bounds() {
        let of = |size| MemoryMap::of_qemu(MachineType::Q35, size, AcpiArea::Low).map(drop);
        for size in [4 * MIB, 4 * MIB + 1024, 960 * GIB] {
            assert_eq!(of(size), Ok(()), "{size}");
        }
        for size in [0, 4 * MIB - 1024, 4 * MIB + 512, 960 * GIB + 1024, u64::MAX] {
            assert_eq!(of(size), Err(MemoryError { found: size }));
        }
    }
}
