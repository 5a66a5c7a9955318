//! The binary index in which libkmod looks module names, aliases and symbols up.
//!
//! A trie over 7-bit keys: big-endian words, children written before their parent, offsets of 28
//! bits whose upper four say what a node has. One node has a prefix (NUL-terminated), then the
//! range of its children's characters and their offsets, then its values with a priority each.
//! Facts from kmod's `libkmod/libkmod-index.h`, file format version 2.1. Oracle: byte equality with
//! the files of kmod's `depmod`.

use std::collections::BTreeMap;

use super::KernelError;

/// `INDEX_MAGIC` and `INDEX_VERSION`.
const HEADER: [u8; 8] = [0xb0, 0x07, 0xf4, 0x57, 0x00, 0x02, 0x00, 0x01];

/// `INDEX_NODE_PREFIX`, `INDEX_NODE_VALUES`, `INDEX_NODE_CHILDS`, and the bits of an offset.
const PREFIX: u32 = 0x8000_0000;
const VALUES: u32 = 0x4000_0000;
const CHILDREN: u32 = 0x2000_0000;
const OFFSET: u32 = 0x0fff_ffff;

/// What keys and values are made of: NUL ends them, and a node has 128 children (`INDEX_CHILDMAX`).
const CHARACTERS: std::ops::RangeInclusive<u8> = 1..=0x7f;

/// A value and its priority; values of a key are tried in ascending priority.
pub type Value = (u32, String);

/// Keys with their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index(BTreeMap<Vec<u8>, Vec<Value>>);

impl Index {
    /// Adds a value, before those of its key that have the same priority.
    ///
    /// # Errors
    /// [`KernelError::NotAscii`], for key or value.
    pub fn insert(&mut self, key: &str, value: &str, priority: u32) -> Result<(), KernelError> {
        for text in [key, value] {
            if !text.bytes().all(|byte| CHARACTERS.contains(&byte)) {
                return Err(KernelError::NotAscii(text.into()));
            }
        }
        let values = self.0.entry(key.as_bytes().to_vec()).or_default();
        let at = values.partition_point(|(before, _)| *before < priority);
        values.insert(at, (priority, value.to_owned()));
        Ok(())
    }

    /// The values of a key, as libkmod would try them.
    #[must_use]
    pub fn values(&self, key: &str) -> &[Value] {
        self.0.get(key.as_bytes()).map_or(&[], Vec::as_slice)
    }

    /// Its bytes.
    ///
    /// # Errors
    /// [`KernelError::IndexTooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>, KernelError> {
        let mut bytes = HEADER.to_vec();
        bytes.extend([0; 4]);
        let keys: Vec<Entry<'_>> =
            self.0.iter().map(|(key, values)| (&key[..], &values[..])).collect();
        // The root never has a prefix, even when all keys share one.
        let root = write_node(&mut bytes, &[], &keys)?;
        bytes[8..12].copy_from_slice(&root.to_be_bytes());
        Ok(bytes)
    }

    /// Reads an index back.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        if bytes.get(..8) != Some(&HEADER[..]) {
            return Err("no module index of version 2.1".into());
        }
        let mut index = Self::default();
        // Every node has bytes of its own: all of them together are no longer than the file.
        let mut left = bytes.len();
        let mut pending = vec![(word(bytes, &mut 8)?, Vec::new())];
        while let Some((node, key)) = pending.pop() {
            let len = index.read_node(bytes, node, key, &mut pending)?;
            left = left.checked_sub(len.max(1)).ok_or("a node is read twice")?;
        }
        Ok(index)
    }

    /// Takes the values of one node and puts its children aside; answers its length in bytes.
    fn read_node(
        &mut self,
        bytes: &[u8],
        node: u32,
        mut key: Vec<u8>,
        pending: &mut Vec<(u32, Vec<u8>)>,
    ) -> Result<usize, String> {
        let start = usize::try_from(node & OFFSET).map_err(|e| e.to_string())?;
        let mut at = start;
        if node & PREFIX != 0 {
            key.extend(text(bytes, &mut at)?.as_bytes());
        }
        if node & CHILDREN != 0 {
            let [first, last] =
                *bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or("cut short")?;
            at += 2;
            if !CHARACTERS.contains(&first) || !CHARACTERS.contains(&last) {
                return Err(format!("children of {first:#x} to {last:#x}, expected ASCII"));
            }
            for character in first..=last {
                let child = word(bytes, &mut at)?;
                if child != 0 {
                    pending.push((child, [&key[..], &[character]].concat()));
                }
            }
        }
        if node & VALUES != 0 {
            for _ in 0..word(bytes, &mut at)? {
                let priority = word(bytes, &mut at)?;
                let value = text(bytes, &mut at)?.to_owned();
                self.0.entry(key.clone()).or_default().push((priority, value));
            }
        }
        Ok(at - start)
    }
}

/// A key, or what is left of it, and its values.
type Entry<'a> = (&'a [u8], &'a [Value]);

/// Writes the children of a node, then the node; answers its offset with the bits of what it has.
/// `entries` are the keys below it in byte order, with all that came before the node cut off.
fn write_node(
    bytes: &mut Vec<u8>,
    prefix: &[u8],
    entries: &[Entry<'_>],
) -> Result<u32, KernelError> {
    let values = entries.first().filter(|(key, _)| key.is_empty()).map(|(_, values)| *values);
    let below = entries.get(usize::from(values.is_some())..).unwrap_or_default();
    let mut children = BTreeMap::new();
    for group in below.chunk_by(|a, b| a.0.first() == b.0.first()) {
        if let Some(&character) = group.first().and_then(|(key, _)| key.first()) {
            children.insert(character, write_child(bytes, group)?);
        }
    }
    let mut node = offset(bytes)?;
    if !prefix.is_empty() {
        bytes.extend(prefix);
        bytes.push(0);
        node |= PREFIX;
    }
    if let (Some((&first, _)), Some((&last, _))) =
        (children.first_key_value(), children.last_key_value())
    {
        bytes.extend([first, last]);
        for character in first..=last {
            bytes.extend(children.get(&character).unwrap_or(&0u32).to_be_bytes());
        }
        node |= CHILDREN;
    }
    if let Some(values) = values {
        let count = u32::try_from(values.len());
        bytes.extend(count.map_err(|_| KernelError::IndexTooLarge(values.len()))?.to_be_bytes());
        for (priority, value) in values {
            bytes.extend(priority.to_be_bytes());
            bytes.extend(value.as_bytes());
            bytes.push(0);
        }
        node |= VALUES;
    }
    Ok(node)
}

/// A child below one character, which is in its parent: its prefix is what all its keys share.
fn write_child(bytes: &mut Vec<u8>, group: &[Entry<'_>]) -> Result<u32, KernelError> {
    let rest: Vec<Entry<'_>> = group.iter().map(|(key, values)| (&key[1..], *values)).collect();
    // Sorted keys share what the first and the last share.
    let (first, last) = match (rest.first(), rest.last()) {
        (Some((first, _)), Some((last, _))) => (*first, *last),
        _ => (&[][..], &[][..]),
    };
    let shared = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    let below: Vec<Entry<'_>> =
        rest.iter().map(|(key, values)| (&key[shared..], *values)).collect();
    write_node(bytes, &first[..shared], &below)
}

fn offset(bytes: &[u8]) -> Result<u32, KernelError> {
    let offset = u32::try_from(bytes.len()).ok().filter(|offset| *offset <= OFFSET);
    offset.ok_or(KernelError::IndexTooLarge(bytes.len()))
}

fn word(bytes: &[u8], at: &mut usize) -> Result<u32, String> {
    let word = bytes.get(*at..).and_then(<[u8]>::first_chunk).ok_or("cut short")?;
    *at += 4;
    Ok(u32::from_be_bytes(*word))
}

/// A NUL-terminated text; only ASCII has a place in an index.
fn text<'a>(bytes: &'a [u8], at: &mut usize) -> Result<&'a str, String> {
    let rest = bytes.get(*at..).ok_or("cut short")?;
    let len = rest.iter().position(|&byte| byte == 0).ok_or("cut short")?;
    *at += len + 1;
    let text = str::from_utf8(&rest[..len]).ok().filter(|text| text.is_ascii());
    text.ok_or_else(|| format!("`{}`, expected ASCII", rest[..len].escape_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Index {
        let mut index = Index::default();
        for (key, value, priority) in [
            ("ab", "1", 7),
            ("abc", "2", 0),
            ("abd", "3", 0),
            ("x", "4", 2),
            ("x", "5", 1),
            ("x", "6", 2),
        ] {
            index.insert(key, value, priority).unwrap();
        }
        index
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let index = small();
        assert_eq!(Index::decode(&index.encode().unwrap()), Ok(index.clone()));
        let tried: Vec<_> = index.values("x").iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(tried, ["5", "6", "4"]);
        assert_eq!(Index::decode(&Index::default().encode().unwrap()), Ok(Index::default()));
    }

    #[test]
    fn damaged_indexes_never_panic() {
        let good = small().encode().unwrap();
        for at in 0..good.len() {
            assert!(Index::decode(&good[..at]).is_err(), "{at}");
            for value in [0, 1, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                let _ = Index::decode(&bad);
            }
        }
    }

    /// A root at byte 12 with these bytes, and what its word says it has.
    fn with_root(flags: u32, root: &[u8]) -> Vec<u8> {
        [&HEADER[..], &(flags | 12).to_be_bytes(), root].concat()
    }

    #[test]
    fn what_can_not_be_encoded_is_not_decoded() {
        let leaf = (VALUES | 18u32).to_be_bytes();
        let value = |text: &[u8]| [&[0, 0, 0, 1, 0, 0, 0, 0], text, &[0]].concat();
        let tree = |character: u8, text: &[u8]| {
            with_root(CHILDREN, &[&[character, character], &leaf[..], &value(text)].concat())
        };
        assert_eq!(Index::decode(&tree(b'a', b"v")).unwrap().values("a"), [(0, "v".into())]);
        for (character, text) in [(0, &b"v"[..]), (0x80, b"v"), (b'a', b"\xff")] {
            let error = Index::decode(&tree(character, text)).unwrap_err();
            assert!(error.contains("expected ASCII"), "{error}");
        }
    }

    /// All 127 children are one and the same node of 800 values.
    #[test]
    fn a_shared_node_is_refused_before_it_is_copied_often() {
        let mut root = vec![1, 0x7f];
        let leaf = 12 + 2 + 4 * 127;
        root.extend((VALUES | leaf).to_be_bytes().repeat(127));
        root.extend(800u32.to_be_bytes());
        root.extend(b"\0\0\0\0v\0".repeat(800));
        let error = Index::decode(&with_root(CHILDREN, &root)).unwrap_err();
        assert_eq!(error, "a node is read twice");
    }

    #[test]
    fn keys_are_ascii() {
        assert!(Index::default().insert("é", "", 0).is_err());
        assert!(Index::default().insert("a\0", "", 0).is_err());
    }
}
