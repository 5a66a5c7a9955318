//! The kernel: QEMU splits a bzImage in two, and stage0 measures each part.

use cvmkit_formats::digest::Sha256;
use thiserror::Error;

use super::{KernelImageDigest, SetupDataDigest};

// The Linux/x86 Boot Protocol (Documentation/arch/x86/boot.rst), section "The Real-Mode Kernel
// Header": offsets in the file.
const SETUP_SECTS: usize = 0x1f1;
const BOOT_FLAG: usize = 0x1fe;
const HEADER: usize = 0x202;
const TYPE_OF_LOADER: usize = 0x210;
const LOADFLAGS: usize = 0x211;
const RAMDISK_IMAGE: usize = 0x218;
const RAMDISK_SIZE: usize = 0x21c;
const HEAP_END_PTR: usize = 0x224;
const CMD_LINE_PTR: usize = 0x228;

/// End of the fields stage0 and QEMU change.
const HEADER_END: usize = 0x22c;
const SECTOR: usize = 512;
/// `setup_sects` 0 means this, for kernels older than the field.
const SETUP_SECTS_DEFAULT: usize = 4;

// What QEMU writes (`x86_load_linux` in hw/i386/x86-common.c).
/// QEMU, version 0.
const LOADER_QEMU: u8 = 0xb0;
/// CAN_USE_HEAP.
const CAN_USE_HEAP: u8 = 0x80;
/// Address of the command line.
const CMDLINE_ADDRESS: u32 = 0x2_0000;
/// `cmdline - setup - 0x200`, the setup code being at 0x10000.
const HEAP_END: u16 = 0xfe00;

/// Why a file is no kernel stage0 could start.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelError {
    /// No bzImage.
    #[error(
        "no bzImage: expected boot flag 55aa at {BOOT_FLAG:#x} and `HdrS` at {HEADER:#x}, found \
         {} and {}",
        hex::encode(boot_flag),
        hex::encode(header)
    )]
    NoBzImage {
        /// What is in the place of the flag.
        boot_flag: Vec<u8>,
        /// What is in the place of the magic.
        header: Vec<u8>,
    },
    /// The file ends in its setup data or with it.
    #[error("truncated bzImage: {found} bytes, expected more than {setup} of setup data")]
    Truncated {
        /// Bytes of setup data.
        setup: usize,
        /// Bytes.
        found: usize,
    },
}

/// What the host makes of the setup data before stage0 sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupDataVariant {
    /// QEMU leaves the file's bytes to encrypted guests (SEV, SEV-ES, SEV-SNP).
    Unmodified,
    /// For all other guests, TDX among them, QEMU fills in a loader type, the heap and the place of
    /// the command line.
    ByQemu,
}

/// A bzImage in two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BzImage<'a> {
    setup: &'a [u8],
    image: &'a [u8],
}

/// Splits a bzImage where QEMU does: after the boot sector and `setup_sects` more sectors.
///
/// # Errors
/// Any of [`KernelError`].
pub fn split(file: &[u8]) -> Result<BzImage<'_>, KernelError> {
    let at = |start: usize, len: usize| file.get(start..start + len).unwrap_or_default();
    let (boot_flag, header) = (at(BOOT_FLAG, 2), at(HEADER, 4));
    if boot_flag != [0x55, 0xaa] || header != b"HdrS" {
        let (boot_flag, header) = (boot_flag.to_vec(), header.to_vec());
        return Err(KernelError::NoBzImage { boot_flag, header });
    }
    let sectors = match file.get(SETUP_SECTS).copied().unwrap_or(0) {
        0 => SETUP_SECTS_DEFAULT,
        sectors => sectors.into(),
    };
    let setup = (sectors + 1) * SECTOR;
    let (setup_data, image) = file.split_at_checked(setup).unwrap_or_default();
    if image.is_empty() {
        return Err(KernelError::Truncated { setup, found: file.len() });
    }
    Ok(BzImage { setup: setup_data, image })
}

impl BzImage<'_> {
    /// The digest of the kernel proper.
    #[must_use]
    pub fn image_digest(&self) -> KernelImageDigest {
        KernelImageDigest(Sha256::of(self.image))
    }

    /// The setup data stage0 measures: as the host left it, but with no place and size of an
    /// initrd.
    #[must_use]
    pub fn setup_data(&self, variant: SetupDataVariant) -> Vec<u8> {
        let mut setup = self.setup.to_vec();
        // Two sectors at least, so the fields are there.
        let Some(header) = setup.first_chunk_mut::<HEADER_END>() else { return setup };
        if variant == SetupDataVariant::ByQemu {
            header[TYPE_OF_LOADER] = LOADER_QEMU;
            header[LOADFLAGS] |= CAN_USE_HEAP;
            header[HEAP_END_PTR..HEAP_END_PTR + 2].copy_from_slice(&HEAP_END.to_le_bytes());
            header[CMD_LINE_PTR..HEADER_END].copy_from_slice(&CMDLINE_ADDRESS.to_le_bytes());
        }
        header[RAMDISK_IMAGE..RAMDISK_IMAGE + 4].fill(0);
        header[RAMDISK_SIZE..RAMDISK_SIZE + 4].fill(0);
        setup
    }

    /// The digest of [`BzImage::setup_data`].
    #[must_use]
    pub fn setup_data_digest(&self, variant: SetupDataVariant) -> SetupDataDigest {
        SetupDataDigest(Sha256::of(&self.setup_data(variant)))
    }
}
