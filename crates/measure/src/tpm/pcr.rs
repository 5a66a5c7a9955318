//! The registers that stub and kernel extend (UAPI.7 "Linux TPM PCR Registry"); those of the firmware are
//! in [`crate::uefi`].

use crate::event::PcrIndex;

/// Command line and initrd, which Linux measures itself (UAPI.7, PCR 9).
pub const PCR_KERNEL: PcrIndex = PcrIndex::new(9).unwrap();

/// The sections of a unified kernel image, and the phases of the boot (UAPI.7, PCR 11).
pub const PCR_UKI: PcrIndex = PcrIndex::new(11).unwrap();

/// What the stub is told beside its image: command line, addons, credentials, profile (UAPI.7, PCR 12).
pub const PCR_KERNEL_CONFIG: PcrIndex = PcrIndex::new(12).unwrap();
