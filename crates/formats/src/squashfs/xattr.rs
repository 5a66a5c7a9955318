//! Extended attributes: each distinct set is stored once and inodes refer to it by number.

use std::collections::BTreeMap;

use zerocopy::IntoBytes;

use super::Error;
use super::codec::Encoder;
use super::metadata::{Indexed, Metadata};
use super::spec::{NO_TABLE, NO_XATTRS, XATTR_PREFIXES, XattrName, XattrSet, XattrTable};

type Attributes = BTreeMap<Vec<u8>, Vec<u8>>;

/// The distinct sets of a tree, numbered in the order they were first met.
#[derive(Default)]
pub(super) struct XattrSets<'a> {
    numbers: BTreeMap<&'a Attributes, u32>,
    sets: Vec<&'a Attributes>,
}

impl<'a> XattrSets<'a> {
    /// The number of a set, [`NO_XATTRS`] for the empty one; what can't be stored is the reason.
    pub(super) fn add(&mut self, set: &'a Attributes) -> Result<u32, String> {
        if set.is_empty() {
            return Ok(NO_XATTRS);
        }
        if let Some(&number) = self.numbers.get(set) {
            return Ok(number);
        }
        for (name, value) in set {
            check(name, value)?;
        }
        let number = u32::try_from(self.sets.len()).map_err(|_| "too many xattr sets")?;
        self.numbers.insert(set, number);
        self.sets.push(set);
        Ok(number)
    }

    /// The two tables as stored from `start`, and the superblock's pointer to them.
    pub(super) fn encode(&self, encoder: &Encoder<'_>, start: u64) -> Result<Indexed, Error> {
        if self.sets.is_empty() {
            return Ok(Indexed { bytes: Vec::new(), index: NO_TABLE });
        }
        let mut pairs = Metadata::default();
        let mut records = Vec::new();
        for set in &self.sets {
            let first = pairs.position()?.pack();
            let mut size = 0;
            for (name, value) in *set {
                pairs.push(encoder, &pair(name, value)?)?;
                size += name.len() + 1 + value.len();
            }
            let record = XattrSet {
                first: first.into(),
                count: narrow("extended attributes of one inode", set.len())?.into(),
                size: narrow("bytes of extended attributes of one inode", size)?.into(),
            };
            records.extend_from_slice(record.as_bytes());
        }
        pairs.flush(encoder)?;
        let head = XattrTable {
            start: start.into(),
            sets: narrow("sets of extended attributes", self.sets.len())?.into(),
            unused: 0.into(),
        };
        let sets_start = start + pairs.stored.len() as u64;
        let sets = Indexed::with_head(encoder, sets_start, &records, head.as_bytes())?;
        let mut bytes = pairs.stored;
        bytes.extend_from_slice(&sets.bytes);
        Ok(Indexed { bytes, index: sets.index })
    }
}

/// The prefix number and the rest of a name.
fn split(name: &[u8]) -> Option<(u16, &[u8])> {
    let rests = (0..).zip(XATTR_PREFIXES);
    rests.filter_map(|(number, prefix)| Some((number, name.strip_prefix(prefix)?))).next()
}

fn check(name: &[u8], value: &[u8]) -> Result<(), String> {
    /// `XATTR_NAME_MAX` and `XATTR_SIZE_MAX`, `linux/limits.h`.
    const NAME_MAX: usize = 255;
    const SIZE_MAX: usize = 65536;
    let shown = String::from_utf8_lossy(name);
    match split(name) {
        None => Err(format!("xattr `{shown}` is not in `user.`, `trusted.` or `security.`")),
        Some((_, [])) => Err(format!("xattr `{shown}` has no name behind its prefix")),
        Some(_) if name.len() > NAME_MAX || name.contains(&0) => {
            Err(format!("xattr `{shown}` must have a name of at most {NAME_MAX} bytes without NUL"))
        }
        Some(_) if value.len() > SIZE_MAX => Err(format!(
            "xattr `{shown}` must have at most {SIZE_MAX} bytes, found {}",
            value.len()
        )),
        Some(_) => Ok(()),
    }
}

fn pair(name: &[u8], value: &[u8]) -> Result<Vec<u8>, Error> {
    // `check` refused what has no prefix.
    let (kind, rest) = split(name).unwrap_or((0, name));
    let len = u16::try_from(rest.len()).map_err(|_| Error::TooMany {
        what: "bytes in the name of an extended attribute",
        limit: u16::MAX.into(),
        found: rest.len() as u64,
    })?;
    let mut bytes = XattrName { kind: kind.into(), len: len.into() }.as_bytes().to_vec();
    bytes.extend_from_slice(rest);
    bytes.extend_from_slice(&narrow("bytes of an extended attribute", value.len())?.to_le_bytes());
    bytes.extend_from_slice(value);
    Ok(bytes)
}

fn narrow(what: &'static str, found: usize) -> Result<u32, Error> {
    u32::try_from(found).map_err(|_| Error::TooMany {
        what,
        limit: u32::MAX.into(),
        found: found as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squashfs::Compression;

    fn set(pairs: &[(&str, &str)]) -> Attributes {
        let bytes = |text: &str| text.as_bytes().to_vec();
        pairs.iter().map(|(name, value)| (bytes(name), bytes(value))).collect()
    }

    #[test]
    fn equal_sets_have_one_number() {
        let (one, two) = (set(&[("user.a", "1")]), set(&[("user.a", "2")]));
        let (again, empty) = (one.clone(), set(&[]));
        let mut sets = XattrSets::default();
        let numbers = [&one, &two, &again, &empty].map(|set| sets.add(set).unwrap());
        assert_eq!(numbers, [0, 1, 0, NO_XATTRS]);
    }

    /// `linux/limits.h`: names of 255 bytes, values of 64 KiB; `SQUASHFS_XATTR_*`: three prefixes.
    #[test]
    fn names_and_values_have_bounds() {
        let long = format!("user.{}", "n".repeat(250));
        let large = "v".repeat(65536);
        for pair in [("user.a", ""), (long.as_str(), ""), ("security.x", large.as_str())] {
            assert!(XattrSets::default().add(&set(&[pair])).is_ok());
        }
        let (longer, larger) = (format!("{long}n"), format!("{large}v"));
        for (name, value, expected) in [
            ("system.posix_acl_access", "", "is not in `user.`, `trusted.` or `security.`"),
            ("user", "", "is not in `user.`, `trusted.` or `security.`"),
            ("trusted.", "", "xattr `trusted.` has no name behind its prefix"),
            (&longer, "", "must have a name of at most 255 bytes without NUL"),
            ("user.a\0b", "", "must have a name of at most 255 bytes without NUL"),
            ("user.a", &larger, "xattr `user.a` must have at most 65536 bytes, found 65537"),
        ] {
            let set = set(&[(name, value)]);
            let found = XattrSets::default().add(&set).unwrap_err();
            assert!(found.ends_with(expected), "{found}");
        }
    }

    #[test]
    fn tables_are_names_and_values_then_sets() {
        let encoder = Encoder::new(Compression::Zstd { level: 3 }).unwrap();
        let attributes = set(&[("trusted.b", "xy"), ("user.a", "")]);
        let mut sets = XattrSets::default();
        sets.add(&attributes).unwrap();
        let encoded = sets.encode(&encoder, 500).unwrap();
        // Prefix 1, a name of one byte, a value of two; prefix 0, a name of one byte, no value.
        let pairs =
            [&[1, 0, 1, 0][..], b"b", &[2, 0, 0, 0], b"xy", &[0, 0, 1, 0], b"a", &[0; 4]].concat();
        let len = pairs.len();
        assert_eq!(encoded.bytes[2..2 + len], pairs);
        let set_block = 2 + len + 2;
        // The first name at 0, two of them, 10 + 2 and 7 bytes with their NULs.
        let record = [0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 19, 0, 0, 0];
        assert_eq!(encoded.bytes[set_block..set_block + 16], record);
        assert_eq!(encoded.index, 500 + set_block as u64 + 16);
        let head = &encoded.bytes[set_block + 16..];
        assert_eq!(head[..8], 500u64.to_le_bytes());
        assert_eq!(head[8..16], [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(head[16..], (500 + 2 + len as u64).to_le_bytes());
        let none = XattrSets::default().encode(&encoder, 500).unwrap();
        assert_eq!((none.bytes.len(), none.index), (0, NO_TABLE));
    }
}
