//! Oak's stage0: what that firmware measures about a Linux guest, as HATs' appraisal policies list
//! it.
//!
//! stage0 is in the launch digest itself ([`crate::snp`], without kernel hashes); what it loads it
//! hashes with SHA-256 and binds to the attestation as an event ([`Measurements::event`]), whose
//! digest is a claim of the first certificate of the DICE chain. [`split`] and
//! [`BzImage::setup_data`] give the kernel's two digests, [`MemoryMap::of_qemu`] the memory map
//! QEMU and stage0 make of a size of memory, [`acpi_digest`] that of the ACPI tables.
//!
//! The contract: bytes in, digests out; foreign bytes are read or refused. Deliberately absent:
//! ACPI tables themselves, which QEMU makes (see `acpi_digest`), kernels in ELF files, and other
//! virtual machine monitors. Oracles: Oak's attestations of real machines, HATs' published
//! policies, and QEMU.
//!
//! Source: project-oak/oak `stage0/src` and `stage0_dice/src` at `578b95116bac`.

mod acpi;
mod event;
mod kernel;
mod memory;

use cvmkit_formats::digest::Sha256;

use crate::digest::role;

pub use acpi::{AcpiError, PciWindows, acpi_digest};
pub use event::{Measurements, cmdline_pattern};
pub use kernel::{BzImage, KernelError, SetupDataVariant, split};
pub use memory::{AcpiArea, E820Entry, E820Kind, MachineType, MemoryError, MemoryMap};

role! {
    /// The kernel without its setup data: `kernel_image_sha256`.
    KernelImageDigest(Sha256)
}

role! {
    /// The kernel's setup data: `kernel_setup_data_sha256`.
    SetupDataDigest(Sha256)
}

role! {
    /// The initial RAM disk: `init_ram_fs_sha256`; zero without one.
    InitrdDigest(Sha256)
}

role! {
    /// The E820 table: `memory_map_sha256`.
    MemoryMapDigest(Sha256)
}

role! {
    /// The commands and files the ACPI tables are made from: `acpi_table_sha256`.
    AcpiDigest(Sha256)
}

role! {
    /// The event stage0 logs, as the certificate over the kernel layer carries it.
    EventDigest(Sha256)
}

impl InitrdDigest {
    /// The digest of an initial RAM disk.
    #[must_use]
    pub fn of(initrd: &[u8]) -> Self {
        Self(Sha256::of(initrd))
    }
}
