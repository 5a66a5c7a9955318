//! GVDB, the file of keys and values that GLib maps into memory (`gvdb-format.h` of GLib 2.84), written as its own
//! writer does, which has items in the order of its tables in memory.

/// `GVar` and `iant`, as the words of a file that is not of the other byte order.
const SIGNATURE: &[u8; 8] = b"GVariant";

/// Signature, version, options, and where the table of all others is.
const HEADER_LEN: usize = 24;

/// The words before the buckets: of a Bloom filter that is not there, and how many buckets are.
const TABLE_HEADER_LEN: usize = 8;

/// `struct gvdb_hash_item`.
const ITEM_LEN: usize = 24;

/// What a key leads to.
#[derive(Debug)]
pub(super) enum Content {
    /// A variant with its type.
    Value(Vec<u8>),
    /// The names of all that are below it.
    Names,
    Table(Table),
}

#[derive(Debug)]
struct Item {
    key: String,
    /// Whether the first item of the table lists it.
    is_listed: bool,
    content: Content,
}

/// Keys with their contents, in the order in which they were given.
#[derive(Debug)]
pub(super) struct Table {
    items: Vec<Item>,
}

impl Table {
    /// A table with the item of the empty key, which lists others.
    pub(super) fn new() -> Self {
        Self { items: vec![Item { key: String::new(), is_listed: false, content: Content::Names }] }
    }

    /// Adds a key that is not there yet and that the item of the empty key lists.
    pub(super) fn list(&mut self, key: &str, content: Content) {
        self.items.push(Item { key: key.to_owned(), is_listed: true, content });
    }

    /// Adds a key beside those.
    pub(super) fn add(&mut self, key: &str, content: Content) {
        self.items.push(Item { key: key.to_owned(), is_listed: false, content });
    }

    /// The file; nothing if an offset or a key is too long for it.
    pub(super) fn file(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; HEADER_LEN];
        bytes[..SIGNATURE.len()].copy_from_slice(SIGNATURE);
        let root = self.write(&mut bytes)?;
        put(&mut bytes, 16, root);
        Some(bytes)
    }

    /// Indices of the items as they lie in the file, one list per bucket.
    fn buckets(&self) -> Vec<Vec<usize>> {
        let keys: Vec<&str> = self.items.iter().map(|item| item.key.as_str()).collect();
        let mut buckets = vec![Vec::new(); keys.len()];
        for at in order(&keys) {
            buckets[hash(keys[at]) as usize % keys.len()].push(at);
        }
        // Each went before those that were in its bucket.
        buckets.iter_mut().for_each(|bucket| bucket.reverse());
        buckets
    }

    /// Appends the table and all that it leads to; answers where it begins and ends.
    fn write(&self, bytes: &mut Vec<u8>) -> Option<[u32; 2]> {
        let buckets = self.buckets();
        let len = TABLE_HEADER_LEN + buckets.len() * 4 + self.items.len() * ITEM_LEN;
        let (start, pointer) = allocate(bytes, 4, len)?;
        // The shift of the filter, in the upper five bits.
        put(bytes, start, [5 << 27, u32::try_from(buckets.len()).ok()?]);
        let mut places = vec![0_u32; self.items.len()];
        for (place, at) in (0..).zip(buckets.iter().flatten()) {
            places[*at] = place;
        }
        let mut first = 0;
        for (number, bucket) in buckets.iter().enumerate() {
            put(bytes, start + TABLE_HEADER_LEN + number * 4, [first]);
            first += u32::try_from(bucket.len()).ok()?;
        }
        let items = start + TABLE_HEADER_LEN + buckets.len() * 4;
        for (number, at) in buckets.iter().flatten().enumerate() {
            self.write_item(bytes, items + number * ITEM_LEN, &self.items[*at], &places)?;
        }
        Some(pointer)
    }

    fn write_item(
        &self,
        bytes: &mut Vec<u8>,
        place: usize,
        item: &Item,
        places: &[u32],
    ) -> Option<()> {
        let parent = if item.is_listed { places[0] } else { u32::MAX };
        let start = u32::try_from(bytes.len()).ok()?;
        put(bytes, place, [hash(&item.key), parent, start]);
        let len = u16::try_from(item.key.len()).ok()?;
        bytes[place + 12..place + 14].copy_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(item.key.as_bytes());
        let (letter, pointer) = match &item.content {
            Content::Value(value) => {
                let (start, pointer) = allocate(bytes, 8, value.len())?;
                bytes[start..].copy_from_slice(value);
                (b'v', pointer)
            }
            Content::Names => {
                let mut listed: Vec<usize> =
                    (0..self.items.len()).filter(|at| self.items[*at].is_listed).collect();
                if listed.is_empty() {
                    return Some(());
                }
                listed.sort_by_key(|at| &self.items[*at].key);
                let (start, pointer) = allocate(bytes, 4, listed.len() * 4)?;
                for (number, at) in listed.into_iter().enumerate() {
                    put(bytes, start + number * 4, [places[at]]);
                }
                (b'L', pointer)
            }
            Content::Table(table) => (b'H', table.write(bytes)?),
        };
        bytes[place + 14] = letter;
        put(bytes, place + 16, pointer);
        Some(())
    }
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, words: [u32; N]) {
    for (place, word) in bytes[at..].chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}

/// Appends zeros at a multiple of `alignment`; answers where, also as the file says it.
fn allocate(bytes: &mut Vec<u8>, alignment: usize, len: usize) -> Option<(usize, [u32; 2])> {
    let start = bytes.len().next_multiple_of(alignment);
    let end = start + len;
    let pointer = [u32::try_from(start).ok()?, u32::try_from(end).ok()?];
    bytes.resize(end, 0);
    Some((start, pointer))
}

/// `g_str_hash`, which is also the file's: of Bernstein, over signed bytes.
fn hash(key: &str) -> u32 {
    let add = |hash: u32, byte: &u8| {
        hash.wrapping_mul(33).wrapping_add_signed(i32::from(byte.cast_signed()))
    };
    key.as_bytes().iter().fold(5381, add)
}

/// The greatest primes below powers of two, by which `GHashTable` divides (`prime_mod`, from 2^3 on).
const PRIMES: [u32; 18] = [
    7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131_071, 262_139,
    524_287, 1_048_573,
];

/// A `GHashTable` of GLib 2.84 whose keys are texts: open addressing, and growth in place.
struct Memory {
    /// The hash of a key, and which one it is.
    slots: Vec<Option<(u32, usize)>>,
    count: usize,
}

impl Memory {
    fn index(&self, hash: u32) -> usize {
        let shift = self.slots.len().trailing_zeros() as usize;
        let prime = PRIMES.get(shift - 3).or(PRIMES.last()).copied().unwrap_or(1);
        (hash.wrapping_mul(11) % prime) as usize
    }

    /// The first place from `hash` on that is free.
    fn probe(&self, hash: u32, is_free: impl Fn(usize) -> bool) -> usize {
        let (mut at, mut step) = (self.index(hash), 0);
        while !is_free(at) {
            step += 1;
            at = (at + step) & (self.slots.len() - 1);
        }
        at
    }

    fn insert(&mut self, hash: u32, which: usize) {
        // Free and removed places have the hashes 0 and 1.
        let hash = if hash < 2 { 2 } else { hash };
        let at = self.probe(hash, |at| self.slots[at].is_none());
        self.slots[at] = Some((hash, which));
        self.count += 1;
        if self.slots.len() <= self.count + self.count / 16 {
            self.grow();
        }
    }

    fn grow(&mut self) {
        let old_len = self.slots.len();
        let wanted = self.count * 1333 / 1000;
        self.slots.resize((wanted + 1).next_power_of_two().max(old_len), None);
        let mut is_placed = vec![false; self.slots.len()];
        for from in 0..old_len {
            if is_placed[from] {
                continue;
            }
            let mut moving = self.slots[from].take();
            while let Some((hash, which)) = moving {
                let at = self.probe(hash, |at| !is_placed[at]);
                is_placed[at] = true;
                moving = self.slots[at].replace((hash, which));
            }
        }
    }
}

/// The order in which `g_hash_table_foreach` comes by keys that were put in one after the other, each once.
pub(super) fn order(keys: &[&str]) -> Vec<usize> {
    let mut memory = Memory { slots: vec![None; 8], count: 0 };
    for (which, key) in keys.iter().enumerate() {
        memory.insert(hash(key), which);
    }
    memory.slots.into_iter().flatten().map(|(_, which)| which).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_comes_once_whatever_their_number() {
        for count in [0, 1, 7, 8, 9, 16, 31, 32, 200, 5000] {
            let keys: Vec<String> = (0..count).map(|number| format!("k{number}")).collect();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let mut found = order(&keys);
            found.sort_unstable();
            assert!(found.into_iter().eq(0..count));
        }
    }

    /// `{"key": "v"}`, as gvdb's own writer has it.
    #[test]
    fn a_table_lies_as_its_format_says() {
        let mut table = Table::new();
        table.list("key", Content::Value(b"v\0\0s".to_vec()));
        let bytes = table.file().unwrap();
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(&bytes[..8], b"GVariant");
        assert_eq!((word(16), word(20)), (24, 24 + 8 + 2 * 4 + 2 * 24));
        assert_eq!((word(24), word(28)), (5 << 27, 2));
        let places: Vec<usize> = (0..2).map(|number| 40 + number * 24).collect();
        let key = *places.iter().find(|at| bytes[**at + 14] == b'v').unwrap();
        assert_eq!(word(key), hash("key"));
        let (start, end) = (word(key + 16) as usize, word(key + 20) as usize);
        assert_eq!(&bytes[start..end], b"v\0\0s");
        assert_eq!(start % 8, 0);
    }
}
