//! Mounts the verified device, whatever of the supported file systems it holds.
//!
//! The look at the first bytes goes through dm-verity, so a wrong root hash ends the boot here.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::mapper::Device;
use crate::partition::SECTOR;
use crate::root::NEW_ROOT;
use crate::{Fatal, sys};

/// What is read to tell the file systems apart: the superblock of each lies in it.
const PROBE: usize = 4096;

/// Name, offset and bytes of each magic number, from the kernel's `squashfs_fs.h`
/// (`SQUASHFS_MAGIC`), `erofs_fs.h` (`EROFS_SUPER_MAGIC_V1`) and `ext4.h` (`s_magic`).
const MAGICS: [(&str, usize, &[u8]); 3] = [
    ("squashfs", 0, b"hsqs"),
    ("erofs", 1024, &[0xe2, 0xe1, 0xf5, 0xe0]),
    ("ext4", 1080, &[0x53, 0xef]),
];

/// Mounts the device read-only and answers the name of its file system.
pub(crate) fn mount(device: &Device) -> Result<&'static str, Fatal> {
    let mut start = vec![0; PROBE];
    File::open(&device.node)
        .and_then(|node| node.read_exact_at(&mut start, 0))
        .map_err(|e| format!("{}: {e}", device.node))?;
    let name = probe(&start).ok_or_else(|| {
        let found = start.get(..16).unwrap_or_default().escape_ascii();
        format!("{}: expected squashfs, erofs or ext4, found `{found}`", device.node)
    })?;
    check_length(name, &start, device)?;
    sys::mount(&device.link, NEW_ROOT, name, libc::MS_RDONLY, "")
        .map_err(|e| format!("{}: mount as {name}: {e}", device.link))?;
    Ok(name)
}

/// The verity superblock's number of blocks is the host's to forge. squashfs and ext4 refuse a
/// device that is shorter than they are; erofs mounts it and fails later, file by file.
fn check_length(name: &str, start: &[u8], device: &Device) -> Result<(), Fatal> {
    if name != "erofs" {
        return Ok(());
    }
    // `blkszbits` and `blocks` of `struct erofs_super_block` (`fs/erofs/erofs_fs.h`).
    let bits = start.get(1024 + 12).copied().map(u32::from);
    let blocks =
        start.get(1024 + 36..).and_then(<[u8]>::first_chunk).map(|b| u32::from_le_bytes(*b));
    let bytes =
        bits.zip(blocks).and_then(|(bits, n)| u64::from(n).checked_mul(1u64.checked_shl(bits)?));
    let room = device.sectors.saturating_mul(SECTOR);
    if bytes.is_some_and(|bytes| bytes <= room) {
        return Ok(());
    }
    Err(format!("{}: erofs: expected at most {room} bytes, found {bytes:?}", device.node))
}

fn probe(start: &[u8]) -> Option<&'static str> {
    let holds = |at: usize, magic: &[u8]| start.get(at..).is_some_and(|at| at.starts_with(magic));
    MAGICS.iter().find(|(_, at, magic)| holds(*at, magic)).map(|&(name, ..)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magics_are_found_where_they_belong() {
        let at = |offset: usize, magic: &[u8]| {
            let mut start = vec![0; PROBE];
            start[offset..offset + magic.len()].copy_from_slice(magic);
            start
        };
        assert_eq!(probe(&at(0, b"hsqs")), Some("squashfs"));
        assert_eq!(probe(&at(1024, &0xe0f5_e1e2_u32.to_le_bytes())), Some("erofs"));
        assert_eq!(probe(&at(1080, &0xef53_u16.to_le_bytes())), Some("ext4"));
        assert_eq!(probe(&at(1, b"hsqs")), None);
        assert_eq!(probe(&[]), None);
    }

    #[test]
    fn an_erofs_that_is_cut_short_is_refused() {
        let device = |sectors| Device { node: "/dev/dm-0".into(), link: String::new(), sectors };
        let mut start = vec![0; PROBE];
        start[1024 + 12] = 12;
        start[1024 + 36] = 5;
        assert_eq!(check_length("erofs", &start, &device(40)), Ok(()));
        assert!(check_length("erofs", &start, &device(39)).unwrap_err().contains("20480"));
        start[1024 + 12] = 64;
        assert!(check_length("erofs", &start, &device(u64::MAX)).is_err());
        assert!(check_length("erofs", &[], &device(40)).is_err());
        assert_eq!(check_length("squashfs", &start, &device(0)), Ok(()));
    }
}
