//! The archives that systemd-stub makes of sections, so that the initrd finds them in `/.extra`.
//!
//! Byte for byte: lower-case digits, inode numbers from 1, one link each, and no times, so that the
//! archive is a function of its file. Standard: the kernel's "initramfs buffer format", newc.
//! Oracle: the digest of the initrd in event logs.

use std::fmt::Write as _;

/// Where the files go.
const FOLDER: &str = ".extra";

/// `S_IFDIR` and 0555; `S_IFREG` and 0444 (`linux/stat.h`).
const FOLDER_MODE: u32 = 0o040_555;
const FILE_MODE: u32 = 0o100_444;

/// An archive of the folder and one file in it.
pub(super) fn archive(name: &str, contents: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let path = format!("{FOLDER}/{name}");
    entry(&mut bytes, 1, FOLDER_MODE, FOLDER, &[]);
    entry(&mut bytes, 2, FILE_MODE, &path, contents);
    // The stub has this one ready, with an upper-case digit.
    bytes.extend_from_slice(b"070701");
    for field in ["00000000"; 4] {
        bytes.extend_from_slice(field.as_bytes());
    }
    bytes.extend_from_slice(b"00000001");
    for field in ["00000000"; 6] {
        bytes.extend_from_slice(field.as_bytes());
    }
    bytes.extend_from_slice(b"0000000B00000000TRAILER!!!\0\0\0\0");
    bytes
}

fn entry(bytes: &mut Vec<u8>, inode: u32, mode: u32, path: &str, contents: &[u8]) {
    let mut head = String::from("070701");
    // Inode, mode, owner, group, links, time, length, four device numbers, bytes of the name,
    // check sum.
    let lengths = [contents.len(), path.len() + 1];
    let [length, name_length] = lengths.map(|len| u32::try_from(len).unwrap_or(u32::MAX));
    let fields = [inode, mode, 0, 0, 1, 0, length, 0, 0, 0, 0, name_length, 0];
    for field in fields {
        // Writing to a String can't fail.
        let _ = write!(head, "{field:08x}");
    }
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(path.as_bytes());
    bytes.push(0);
    pad(bytes);
    bytes.extend_from_slice(contents);
    pad(bytes);
}

/// Fills up to the next multiple of four.
fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use cvmkit_formats::cpio;
    use cvmkit_formats::source::read_all;
    use cvmkit_formats::tree::Node;

    use super::*;

    /// Decoded by this project's reader of the format, which knows nothing of this writer.
    #[test]
    fn an_archive_is_one_that_the_kernel_unpacks() {
        for contents in [&b""[..], b"1", b"1234", b"12345"] {
            let bytes = archive("os-release", contents);
            assert!(bytes.len().is_multiple_of(4), "{} bytes", bytes.len());
            let read = cpio::read(&bytes).unwrap();
            assert_eq!(read.end, bytes.len() as u64);
            let inode = |path: &str| read.tree.inode(read.tree.lookup(path.as_bytes()).unwrap());
            assert_eq!(inode(".extra").meta.mode, 0o555);
            let file = inode(".extra/os-release");
            assert_eq!((file.meta.mode, file.meta.uid, file.meta.mtime), (0o444, 0, 0));
            let Node::File(found) = &file.node else { panic!("a file") };
            assert_eq!(read_all(found, 9).unwrap(), contents);
            assert_eq!(read.tree.walk().len(), 3);
        }
    }
}
