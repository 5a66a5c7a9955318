//! Activates the dm-verity device: create, load the table, resume.
//!
//! The messages are built as bytes (`struct dm_ioctl` and `struct dm_target_spec`, interface
//! version 4, `linux/dm-ioctl.h`), so that only the system call itself is unsafe.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::symlink;

use crate::cmdline::RootHash;
use crate::partition::Partitions;
use crate::verity::Superblock;
use crate::{Fatal, sys};

/// The device's name; systemd's and veritysetup's for a root file system too.
const NAME: &str = "root";

/// Where device-mapper takes its orders; devtmpfs makes the node when `dm_mod` is loaded.
const CONTROL: &str = "/dev/mapper/control";

/// Length of `struct dm_ioctl`, which is part of every request number.
const HEADER: usize = 312;
/// Length of `struct dm_target_spec`.
const TARGET: usize = 40;

/// `_IOWR(DM_IOCTL = 0xfd, command, struct dm_ioctl)`.
const fn request(command: libc::Ioctl) -> libc::Ioctl {
    0xc138_fd00 | command
}
const DEV_CREATE: libc::Ioctl = request(3);
const DEV_SUSPEND: libc::Ioctl = request(6);
const TABLE_LOAD: libc::Ioctl = request(9);

/// `DM_READONLY_FLAG`.
const READ_ONLY: u32 = 1;

/// An active device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// The node that the kernel made, such as `/dev/dm-0`.
    pub(crate) node: String,
    /// Its link under `/dev/mapper`, which udev would make.
    pub(crate) link: String,
    /// Length in sectors of 512 bytes.
    pub(crate) sectors: u64,
}

/// Puts dm-verity over the two partitions.
pub(crate) fn activate(
    superblock: &Superblock,
    partitions: &Partitions,
    root_hash: &RootHash,
) -> Result<Device, Fatal> {
    let control = OpenOptions::new()
        .read(true)
        .write(true)
        .open(CONTROL)
        .map_err(|e| format!("{CONTROL}: {e} (is dm_mod loaded?)"))?;
    let uuid = superblock.mapper_uuid(NAME);
    let created = call(&control, "create", DEV_CREATE, message(0, Some(&uuid), None))?;
    let table = superblock.table(partitions, root_hash);
    let target = target("verity", superblock.sectors(), &table);
    call(
        &control,
        &format!("table `{table}`"),
        TABLE_LOAD,
        message(READ_ONLY, None, Some(&target)),
    )?;
    call(&control, "resume", DEV_SUSPEND, message(0, None, None))?;
    let node = format!("/dev/dm-{}", minor(&created));
    let link = format!("/dev/mapper/{NAME}");
    symlink(format!("../dm-{}", minor(&created)), &link).map_err(|e| format!("{link}: {e}"))?;
    Ok(Device { node, link, sectors: superblock.sectors() })
}

fn call(
    control: &File,
    what: &str,
    request: libc::Ioctl,
    mut message: Vec<u8>,
) -> Result<Vec<u8>, Fatal> {
    sys::mapper_ioctl(control, request, &mut message)
        .map_err(|e| format!("device-mapper: {what}: {e}"))?;
    Ok(message)
}

/// `struct dm_ioctl`, followed by a table of one target where there is one.
fn message(flags: u32, uuid: Option<&str>, target: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes.extend_from_slice(target.unwrap_or_default());
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    put(&mut bytes, 0, &4u32.to_le_bytes()); // version[0]; minor and patch level stay 0
    put(&mut bytes, 12, &len.to_le_bytes()); // data_size
    put(&mut bytes, 16, &312u32.to_le_bytes()); // data_start
    put(&mut bytes, 20, &u32::from(target.is_some()).to_le_bytes()); // target_count
    put(&mut bytes, 28, &flags.to_le_bytes()); // flags
    put(&mut bytes, 48, NAME.as_bytes()); // name[128]
    put(&mut bytes, 176, uuid.unwrap_or_default().as_bytes()); // uuid[129]
    bytes
}

/// `struct dm_target_spec` and its parameters, NUL-terminated and padded to 8 bytes.
fn target(kind: &str, sectors: u64, parameters: &str) -> Vec<u8> {
    let len = (TARGET + parameters.len() + 1).next_multiple_of(8);
    let mut bytes = vec![0; len];
    put(&mut bytes, 8, &sectors.to_le_bytes()); // length; sector_start stays 0
    put(&mut bytes, 20, &u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()); // next
    put(&mut bytes, 24, kind.as_bytes()); // target_type[16]
    put(&mut bytes, TARGET, parameters.as_bytes());
    bytes
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

/// The minor number in a reply's `dev` (`new_encode_dev`, `linux/kdev_t.h`).
fn minor(reply: &[u8]) -> u64 {
    let dev =
        reply.get(40..).and_then(<[u8]>::first_chunk).map_or(0, |dev| u64::from_le_bytes(*dev));
    dev & 0xff | dev >> 12 & 0xf_ff00
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_those_of_the_kernel_headers() {
        // As `strace dmsetup create` shows them.
        assert_eq!([DEV_CREATE, DEV_SUSPEND, TABLE_LOAD], [0xc138_fd03, 0xc138_fd06, 0xc138_fd09]);
    }

    #[test]
    fn a_table_is_one_padded_target_behind_the_header() {
        let target = target("verity", 80, "1 254:1");
        assert_eq!(target.len(), 48);
        assert_eq!(target[8..16], 80u64.to_le_bytes());
        assert_eq!(target[20..24], 48u32.to_le_bytes());
        assert_eq!(&target[24..32], b"verity\0\0");
        assert_eq!(&target[40..], b"1 254:1\0");
        let message = message(READ_ONLY, None, Some(&target));
        assert_eq!(message.len(), 360);
        assert_eq!(message[12..24], [[104, 1, 0, 0], [56, 1, 0, 0], [1, 0, 0, 0]].concat());
        assert_eq!(message[28], 1);
        assert_eq!(&message[48..53], b"root\0");
    }

    #[test]
    fn a_uuid_is_kept_in_its_field() {
        let uuid = "CRYPT-VERITY-11111111222233334444555555555555-root";
        let message = message(0, Some(uuid), None);
        assert_eq!(message.len(), HEADER);
        assert_eq!(&message[176..176 + uuid.len()], uuid.as_bytes());
        assert_eq!(message[176 + uuid.len()], 0);
    }

    #[test]
    fn minors_are_decoded() {
        let mut reply = vec![0; HEADER];
        for (dev, expected) in [(253 << 8, 0), (253 << 8 | 7, 7), (1 << 20 | 253 << 8 | 1, 257)] {
            put(&mut reply, 40, &u64::to_le_bytes(dev));
            assert_eq!(minor(&reply), expected);
        }
    }
}
