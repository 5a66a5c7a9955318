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
