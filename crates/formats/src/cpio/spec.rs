//! The header of an entry, and what the kernel takes.
//!
//! Standard: `buffer-format.rst`; `init/initramfs.c`.

use std::fmt::Write as _;

/// `c_magic` (buffer-format.rst, "magic").
pub(super) const MAGIC: &[u8; 6] = b"070701";

/// Bytes of a header: the magic and 13 fields of 8 hexadecimal digits.
pub(super) const HEADER: usize = 110;

/// The name that ends an archive (buffer-format.rst, "end of archive").
pub(super) const TRAILER: &[u8] = b"TRAILER!!!";

/// Longest name and link target with their NUL; the kernel skips longer ones (`PATH_MAX`,
/// `linux/limits.h`; `do_header` of `init/initramfs.c`).
pub(super) const PATH_MAX: usize = 4096;

/// Headers and contents start at multiples of this (buffer-format.rst, "ALGN(4)").
pub(super) const ALIGNMENT: u64 = 4;

/// File type bits of `c_mode` (`S_IFMT`, `linux/stat.h`).
pub(super) const TYPE_MASK: u32 = 0o170_000;
pub(super) const SOCKET: u32 = 0o140_000;
pub(super) const SYMLINK: u32 = 0o120_000;
pub(super) const FILE: u32 = 0o100_000;
pub(super) const BLOCK_DEVICE: u32 = 0o060_000;
pub(super) const DIRECTORY: u32 = 0o040_000;
pub(super) const CHAR_DEVICE: u32 = 0o020_000;
pub(super) const FIFO: u32 = 0o010_000;

/// The fields of a header, in their order. `check` is always 0 in this format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) ino: u32,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) nlink: u32,
    pub(super) mtime: u32,
    pub(super) filesize: u32,
    pub(super) devmajor: u32,
    pub(super) devminor: u32,
    pub(super) rdevmajor: u32,
    pub(super) rdevminor: u32,
    pub(super) namesize: u32,
    pub(super) check: u32,
}

impl Header {
    pub(super) fn fields(&self) -> [u32; 13] {
        [
            self.ino,
            self.mode,
            self.uid,
            self.gid,
            self.nlink,
            self.mtime,
            self.filesize,
            self.devmajor,
            self.devminor,
            self.rdevmajor,
            self.rdevminor,
            self.namesize,
            self.check,
        ]
    }

    /// The header and the name, padded to where the contents start.
    pub(super) fn encode(&self, name: &[u8]) -> Vec<u8> {
        let mut text = String::with_capacity(HEADER);
        for field in self.fields() {
            // Writing to a String can't fail.
            let _ = write!(text, "{field:08X}");
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
}
