//! The dm-verity superblock, read from the hash partition, and the table line made of it.
//!
//! The superblock is the host's to forge, and that is harmless. The root hash is the SHA-256 of
//! salt and top block; block sizes are powers of two from 512 up and a salt has at most 256 bytes,
//! so no other salt length and block size make a message of the same length: both are fixed by the
//! hash. A forged number of data blocks shifts the tree by a level, which asks for preimages, or
//! cuts the device short, which file systems notice when they are mounted.
//!
//! Format: `struct verity_sb` of cryptsetup ("DMVerity", section "Verity superblock format"),
//! version 1. Only what the build writes is taken: SHA-256, hash type 1. Oracle: `veritysetup`.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::Fatal;
use crate::cmdline::{RootHash, write_hex};
use crate::partition::{Partition, Partitions, SECTOR};

/// Length of the superblock in bytes.
pub(crate) const SUPERBLOCK: usize = 512;

/// Length of a SHA-256 digest; the hash blocks hold this many bytes per child.
const DIGEST: u32 = 32;

/// Block sizes that the kernel takes: a sector up to a page (`verity_ctr`, `dm-verity-target.c`).
const BLOCK_SIZES: std::ops::RangeInclusive<u32> = 512..=4096;

/// dm-verity's answer to a bad block, and to a disk that does not answer: the kernel panics. Both
/// are known since Linux 6.12; an older kernel refuses the table.
const OPTIONS: &str = "2 panic_on_corruption panic_on_error";

/// A superblock that passed every check against the sizes of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    uuid: [u8; 16],
    data_block_size: u32,
    hash_block_size: u32,
    data_blocks: u64,
    salt: Vec<u8>,
}

/// Lower-case hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.0)
    }
}

/// Reads and checks the superblock at the start of the hash partition.
pub(crate) fn read(partitions: &Partitions) -> Result<Superblock, Fatal> {
    let node = partitions.hash.node();
    let mut bytes = [0; SUPERBLOCK];
    File::open(&node)
        .and_then(|device| device.read_exact_at(&mut bytes, 0))
        .map_err(|e| format!("verity superblock on {node}: {e}"))?;
    Superblock::decode(&bytes)
        .and_then(|superblock| superblock.fit(partitions))
        .map_err(|why| format!("verity superblock on {node}: {why}"))
}

impl Superblock {
    /// The fields, each checked by itself.
    pub(crate) fn decode(bytes: &[u8; SUPERBLOCK]) -> Result<Self, String> {
        expect("signature", &bytes[..8], b"verity\0\0")?;
        expect("version", &bytes[8..12], &1u32.to_le_bytes())?;
        expect("hash type", &bytes[12..16], &1u32.to_le_bytes())?;
        let mut sha256 = [0; 32];
        sha256[..6].copy_from_slice(b"sha256");
        expect("algorithm", &bytes[32..64], &sha256)?;
        let salt_len = u16::from_le_bytes(array(bytes, 80));
        let salt = bytes[88..344].get(..usize::from(salt_len));
        Ok(Self {
            uuid: array(bytes, 16),
            data_block_size: block_size("data", u32::from_le_bytes(array(bytes, 64)))?,
            hash_block_size: block_size("hash", u32::from_le_bytes(array(bytes, 68)))?,
            data_blocks: u64::from_le_bytes(array(bytes, 72)),
            salt: salt
                .ok_or_else(|| format!("salt: expected at most 256 bytes, found {salt_len}"))?
                .to_vec(),
        })
    }

    /// Data and tree must lie inside of their partitions.
    pub(crate) fn fit(self, partitions: &Partitions) -> Result<Self, String> {
        let data = self.data_blocks.checked_mul(u64::from(self.data_block_size));
        inside("data", data.filter(|&bytes| bytes > 0), &partitions.data)?;
        let tree = self.hash_blocks().checked_mul(u64::from(self.hash_block_size));
        inside("hash tree", tree, &partitions.hash)?;
        Ok(self)
    }

    /// Blocks of the superblock and of every level of the tree above the data.
    fn hash_blocks(&self) -> u64 {
        let per_block = u64::from(self.hash_block_size / DIGEST);
        let mut level = self.data_blocks;
        let mut blocks = 1u64;
        while level > 1 {
            level = level.div_ceil(per_block);
            blocks = blocks.saturating_add(level);
        }
        blocks
    }

    /// Length of the verified device in sectors of 512 bytes.
    pub(crate) fn sectors(&self) -> u64 {
        self.data_blocks.saturating_mul(u64::from(self.data_block_size) / SECTOR)
    }

    /// The device-mapper UUID that `veritysetup` gives, so that tools know the device.
    pub(crate) fn mapper_uuid(&self, name: &str) -> String {
        format!("CRYPT-VERITY-{}-{name}", Hex(&self.uuid))
    }

    /// The target's parameters (kernel documentation, `device-mapper/verity`, "Construction
    /// Parameters"). The tree starts in the hash block after the superblock.
    pub(crate) fn table(&self, partitions: &Partitions, root_hash: &RootHash) -> String {
        let salt = match self.salt.is_empty() {
            true => "-".to_owned(),
            false => Hex(&self.salt).to_string(),
        };
        format!(
            "1 {} {} {} {} {} 1 sha256 {root_hash} {salt} {OPTIONS}",
            partitions.data.number,
            partitions.hash.number,
            self.data_block_size,
            self.hash_block_size,
            self.data_blocks,
        )
    }
}

fn array<const N: usize>(bytes: &[u8; SUPERBLOCK], at: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[at + i])
}

fn expect(field: &str, found: &[u8], expected: &[u8]) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let (expected, found) = (expected.escape_ascii(), found.escape_ascii());
    Err(format!("{field}: expected {expected}, found {found}"))
}

fn block_size(of: &str, bytes: u32) -> Result<u32, String> {
    if bytes.is_power_of_two() && BLOCK_SIZES.contains(&bytes) {
        return Ok(bytes);
    }
    Err(format!("{of} block size: expected a power of two from 512 to 4096, found {bytes}"))
}

fn inside(what: &str, bytes: Option<u64>, partition: &Partition) -> Result<(), String> {
    let room = partition.sectors.saturating_mul(SECTOR);
    if bytes.is_some_and(|bytes| bytes <= room) {
        return Ok(());
    }
    let found = bytes.map_or("no possible length".to_owned(), |bytes| format!("{bytes}"));
    Err(format!("{what}: expected 1 to {room} bytes on {}, found {found}", partition.name))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_types, reason = "the oracle is a program")]

    use std::process::Command;

    use super::*;
    use crate::partition::tests::partitions;

    /// Of 20 blocks of 4096 bytes.
    fn superblock() -> [u8; SUPERBLOCK] {
        let mut bytes = [0; SUPERBLOCK];
        bytes[..8].copy_from_slice(b"verity\0\0");
        bytes[8] = 1;
        bytes[12] = 1;
        bytes[16..32].copy_from_slice(&[0x11; 16]);
        bytes[32..38].copy_from_slice(b"sha256");
        bytes[64..68].copy_from_slice(&4096u32.to_le_bytes());
        bytes[68..72].copy_from_slice(&4096u32.to_le_bytes());
        bytes[72] = 20;
        bytes[80] = 2;
        bytes[88..90].copy_from_slice(&[0xab, 0xcd]);
        bytes
    }

    fn decode(change: impl Fn(&mut [u8; SUPERBLOCK])) -> Result<Superblock, String> {
        let mut bytes = superblock();
        change(&mut bytes);
        Superblock::decode(&bytes).and_then(|superblock| superblock.fit(&partitions(160, 16)))
    }

    #[test]
    fn a_table_line() {
        let superblock = decode(|_| ()).unwrap();
        assert_eq!(superblock.sectors(), 160);
        let uuid = "CRYPT-VERITY-11111111111111111111111111111111-root";
        assert_eq!(superblock.mapper_uuid("root"), uuid);
        let table = superblock.table(&partitions(160, 16), &RootHash([0x5a; 32]));
        let hash = "5a".repeat(32);
        let options = "2 panic_on_corruption panic_on_error";
        assert_eq!(table, format!("1 254:1 254:2 4096 4096 20 1 sha256 {hash} abcd {options}"));
        let bare = decode(|bytes| bytes[80] = 0).unwrap();
        let table = bare.table(&partitions(160, 16), &RootHash([0x5a; 32]));
        assert!(table.contains(" - 2 panic"), "{table}");
    }

    #[test]
    fn every_wrong_field_is_refused() {
        let cases: [(usize, u8, &str); 10] = [
            (0, b'V', "signature"),
            (8, 2, "version"),
            (12, 0, "hash type"),
            (34, b'1', "algorithm"),
            (38, b'x', "algorithm"),
            (65, 0x20, "data block size"),
            (69, 0x11, "hash block size"),
            (72, 21, "data: expected 1 to 81920 bytes on vda1, found 86016"),
            (79, 0x80, "data: expected 1 to 81920 bytes on vda1, found no possible"),
            (81, 1, "salt: expected at most 256 bytes, found 258"),
        ];
        for (at, value, part) in cases {
            let refusal = decode(|bytes| bytes[at] = value).unwrap_err();
            assert!(refusal.contains(part), "{at}: {refusal}");
        }
        assert!(decode(|bytes| bytes[72] = 0).is_err());
        assert!(decode(|bytes| bytes[64..68].fill(0)).is_err());
    }

    #[test]
    fn every_byte_may_be_hostile() {
        for at in 0..SUPERBLOCK {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                if let Ok(superblock) = decode(|bytes| bytes[at] = value) {
                    assert!(superblock.sectors() <= 160);
                    assert!(superblock.table(&partitions(1, 1), &RootHash([0; 32])).len() < 800);
                }
            }
        }
    }

    #[test]
    fn the_tree_must_fit() {
        let decoded = Superblock::decode(&superblock()).unwrap();
        assert!(decoded.clone().fit(&partitions(160, 16)).is_ok());
        assert!(decoded.fit(&partitions(160, 15)).unwrap_err().contains("hash tree"));
    }

    /// The number of hash blocks is the length of what `veritysetup` writes, for trees of no, one,
    /// two and three levels, and it writes the superblock that is decoded here.
    #[test]
    fn veritysetup_agrees() {
        let folder = tempfile::tempdir().unwrap();
        let [data, hash] = ["data", "hash"].map(|name| folder.path().join(name));
        for (blocks, block_size) in [(1, 4096), (2, 4096), (129, 4096), (20000, 1024), (17, 512)] {
            std::fs::write(&data, vec![0; blocks * block_size]).unwrap();
            let _ = std::fs::remove_file(&hash);
            let size = block_size.to_string();
            let ran = Command::new("veritysetup")
                .args(["format", "--data-block-size", &size, "--hash-block-size", &size])
                .args([&data, &hash])
                .output();
            let Ok(output) = ran else {
                let required = std::env::var("CVMKIT_ORACLES").is_ok_and(|v| v == "require");
                assert!(!required, "veritysetup is not installed");
                eprintln!("SKIPPED: veritysetup is not installed");
                return;
            };
            assert!(output.status.success(), "{output:?}");
            let written = std::fs::read(&hash).unwrap();
            let superblock = Superblock::decode(written.first_chunk().unwrap()).unwrap();
            assert_eq!(superblock.data_blocks, u64::try_from(blocks).unwrap());
            let bytes = superblock.hash_blocks() * u64::from(superblock.hash_block_size);
            assert_eq!(bytes, u64::try_from(written.len()).unwrap(), "{blocks} x {block_size}");
        }
    }
}
