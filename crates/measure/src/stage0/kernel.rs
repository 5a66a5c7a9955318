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
    /// The boot flag or the magic of a bzImage is missing.
    #[error(
        "not a bzImage: expected boot flag 55aa at {BOOT_FLAG:#x} and `HdrS` at {HEADER:#x}, found \
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
        /// Bytes of setup data, boot sector included.
        setup: usize,
        /// Bytes of the file.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of this many bytes with the header of a bzImage; every byte that it leaves open is 0x11.
    fn file(len: usize, sectors: u8) -> Vec<u8> {
        let mut file = vec![0x11; len];
        file[SETUP_SECTS] = sectors;
        file[BOOT_FLAG..BOOT_FLAG + 2].copy_from_slice(&[0x55, 0xaa]);
        file[HEADER..HEADER + 4].copy_from_slice(b"HdrS");
        file
    }

    #[test]
    fn the_setup_data_ends_behind_its_sectors() {
        for (sectors, setup) in [(1, 1024), (2, 1536), (0, 2560), (255, 131_072)] {
            let file = file(setup + 1, sectors);
            let image = split(&file).unwrap();
            assert_eq!((image.setup.len(), image.image), (setup, &[0x11][..]));
            let cut = split(&file[..setup]).unwrap_err();
            assert_eq!(cut, KernelError::Truncated { setup, found: setup });
        }
        for at in [BOOT_FLAG, BOOT_FLAG + 1, HEADER, HEADER + 3] {
            let mut broken = file(4096, 1);
            broken[at] ^= 1;
            assert!(matches!(split(&broken), Err(KernelError::NoBzImage { .. })), "{at:#x}");
        }
        let short = split(b"MZ").unwrap_err().to_string();
        assert!(short.starts_with("not a bzImage: expected boot flag 55aa at 0x1fe"), "{short}");
    }

    /// boot.rst: what QEMU fills in, and what nobody measures.
    #[test]
    fn only_the_fields_of_a_loader_are_changed() {
        let file = file(4096, 1);
        let image = split(&file).unwrap();
        let changed = |variant| {
            let setup = image.setup_data(variant);
            let differing = (0..setup.len()).filter(|&at| setup[at] != file[at]);
            differing.map(|at| (at, setup[at])).collect::<Vec<_>>()
        };
        let initrd: Vec<(usize, u8)> = (0x218..0x220).map(|at| (at, 0)).collect();
        assert_eq!(changed(SetupDataVariant::Unmodified), initrd);
        let loader = vec![(0x210, 0xb0), (0x211, 0x91)];
        let places =
            vec![(0x224, 0), (0x225, 0xfe), (0x228, 0), (0x229, 0), (0x22a, 2), (0x22b, 0)];
        assert_eq!(changed(SetupDataVariant::ByQemu), [loader, initrd, places].concat());
    }
}
