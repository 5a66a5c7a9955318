//! The table through which AMD SEV firmware checks kernel, initrd and command line.
//!
//! For a direct kernel boot the VMM puts the three hashes into a page that is measured with the
//! firmware; the firmware compares what it is given at boot with that page and refuses anything
//! else. The layout is QEMU's (`SevHashTable` in `target/i386/sev.c`, read by edk2's
//! `OvmfPkg/AmdSev/BlobVerifierLibSevHashes`). Oracle: sev-snp-measure.

use cvmkit_formats::digest::Sha256;
use serde::Serialize;
use thiserror::Error;
use zerocopy::byteorder::little_endian::U16;
use zerocopy::{Immutable, IntoBytes, Unaligned};

use crate::gpa::PAGE_SIZE;
use crate::guid::Guid;

/// Bytes the table takes in memory: 168 rounded up to a multiple of 16 (`PaddedSevHashTable`).
pub const TABLE_SIZE: usize = 176;

/// `SEV_HASH_TABLE_HEADER_GUID`.
const HEADER_GUID: Guid = Guid::new(0x9438d606_4f22_4cc9_b479_a793d411fd21);
/// `SEV_CMDLINE_ENTRY_GUID`.
const CMDLINE_GUID: Guid = Guid::new(0x97d02dd8_bd20_4c94_aa78_e7714d36ab2a);
/// `SEV_INITRD_ENTRY_GUID`.
const INITRD_GUID: Guid = Guid::new(0x44baf731_3a2f_4bd7_9af1_41e29169781d);
/// `SEV_KERNEL_ENTRY_GUID`.
const KERNEL_GUID: Guid = Guid::new(0x4de79437_abd2_427f_b835_d5b172d2045b);

/// Bytes of one [`Entry`], as its own `len` says.
const ENTRY_LEN: u16 = 50;
/// Bytes of the [`HashTable`], as its own `len` says.
const TABLE_LEN: u16 = 168;

#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct Entry {
    /// `guid`
    guid: [u8; 16],
    /// `len`
    len: U16,
    /// `hash`
    hash: [u8; 32],
}
const _: () = assert!(size_of::<Entry>() == 50);

#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct HashTable {
    /// `guid`
    guid: [u8; 16],
    /// `len`
    len: U16,
    /// `cmdline`, `initrd`, `kernel`, in this order.
    entries: [Entry; 3],
    /// `padding`, zero.
    padding: [u8; 8],
}
const _: () = assert!(size_of::<HashTable>() == TABLE_SIZE);

/// A command line with a NUL in it. QEMU takes the command line as a C string, so the guest would
/// see less than what was hashed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the kernel command line has a NUL at byte {at}: expected text without one")]
pub struct CmdlineNulError {
    /// Byte offset of the first NUL.
    pub at: usize,
}

/// The hashes of what the firmware will boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KernelHashes {
    kernel: Sha256,
    initrd: Sha256,
    cmdline: Sha256,
}

impl KernelHashes {
    /// Hashes the files themselves. `cmdline` is the text without a terminating NUL; `None` for no
    /// initrd is the same as an empty one.
    ///
    /// # Errors
    /// [`CmdlineNulError`] for a NUL in `cmdline`.
    pub fn from_bytes(
        kernel: &[u8],
        initrd: Option<&[u8]>,
        cmdline: &[u8],
    ) -> Result<Self, CmdlineNulError> {
        Self::from_digests(Sha256::of(kernel), initrd.map(Sha256::of), cmdline)
    }

    /// Takes what the caller hashed, such as files too large to hold: the SHA-256 of the kernel and
    /// of the initrd as the VMM is given them.
    ///
    /// # Errors
    /// As for [`KernelHashes::from_bytes`].
    pub fn from_digests(
        kernel: Sha256,
        initrd: Option<Sha256>,
        cmdline: &[u8],
    ) -> Result<Self, CmdlineNulError> {
        if let Some(at) = cmdline.iter().position(|&byte| byte == 0) {
            return Err(CmdlineNulError { at });
        }
        let terminated = [cmdline, &[0]].concat();
        let initrd = initrd.unwrap_or_else(|| Sha256::of(b""));
        Ok(Self { kernel, initrd, cmdline: Sha256::of(&terminated) })
    }

    /// SHA-256 of the kernel.
    #[must_use]
    pub fn kernel(&self) -> Sha256 {
        self.kernel
    }

    /// SHA-256 of the initrd; of no bytes when there is none.
    #[must_use]
    pub fn initrd(&self) -> Sha256 {
        self.initrd
    }

    /// SHA-256 of the command line with its terminating NUL.
    #[must_use]
    pub fn cmdline(&self) -> Sha256 {
        self.cmdline
    }

    /// The table as the VMM writes it into guest memory, padding included.
    #[must_use]
    pub fn table(&self) -> [u8; TABLE_SIZE] {
        let entry =
            |guid: Guid, hash: Sha256| Entry { guid: guid.0, len: ENTRY_LEN.into(), hash: hash.0 };
        let table = HashTable {
            guid: HEADER_GUID.0,
            len: TABLE_LEN.into(),
            entries: [
                entry(CMDLINE_GUID, self.cmdline),
                entry(INITRD_GUID, self.initrd),
                entry(KERNEL_GUID, self.kernel),
            ],
            padding: [0; 8],
        };
        zerocopy::transmute!(table)
    }

    /// A page of zeros with the table at `offset`; none when the table would leave the page.
    #[must_use]
    pub fn page(&self, offset: usize) -> Option<[u8; PAGE_SIZE]> {
        let mut page = [0; PAGE_SIZE];
        let place = page.get_mut(offset..offset.checked_add(TABLE_SIZE)?)?;
        place.copy_from_slice(&self.table());
        Some(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_initrd_is_an_empty_initrd_and_nul_is_refused() {
        let without = KernelHashes::from_bytes(b"k", None, b"quiet").unwrap();
        let empty = KernelHashes::from_bytes(b"k", Some(b""), b"quiet").unwrap();
        assert_eq!(without, empty);
        assert_eq!(without.cmdline(), Sha256::of(b"quiet\0"));
        let error = KernelHashes::from_bytes(b"k", None, b"quiet\0").unwrap_err();
        assert_eq!(error, CmdlineNulError { at: 5 });
    }

    #[test]
    fn the_table_stays_in_its_page() {
        let hashes = KernelHashes::from_bytes(b"k", None, b"").unwrap();
        let page = hashes.page(PAGE_SIZE - TABLE_SIZE).unwrap();
        assert_eq!(page[PAGE_SIZE - TABLE_SIZE..], hashes.table());
        assert!(page[..PAGE_SIZE - TABLE_SIZE].iter().all(|&byte| byte == 0));
        assert_eq!(hashes.page(PAGE_SIZE - TABLE_SIZE + 1), None);
        assert_eq!(hashes.page(usize::MAX), None);
    }

    /// The value is of `tests/folds.py`, which writes the table once more: header, then command line,
    /// initrd and kernel, 50 bytes each.
    #[test]
    fn the_table_is_qemu_s() {
        let hashes = KernelHashes::from_bytes(b"k", Some(b"i"), b"quiet").unwrap();
        assert_eq!(
            Sha256::of(&hashes.table()).to_string(),
            "f804c3ba27d945de2a08050b014f6ca59cbb852e8becc856eccebbe58fe3f58f"
        );
        assert_eq!((hashes.kernel(), hashes.initrd()), (Sha256::of(b"k"), Sha256::of(b"i")));
    }
}
