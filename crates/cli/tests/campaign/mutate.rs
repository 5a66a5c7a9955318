//! Changes to bytes and texts, reproducible from a number.

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and its output depends on nothing but its seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`; 0 if that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap().max(1);
        usize::try_from(self.next() % end).unwrap()
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// What a reader takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    Binary,
    Text,
}

/// Integers at which arithmetic goes wrong.
const EDGES: [u64; 16] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 32,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX,
];

/// Words that texts of all kinds choke on.
const WORDS: [&str; 24] = [
    "",
    "0",
    "-1",
    "1",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "-0.0",
    "nan",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "../../../../etc/passwd",
    "/dev/zero",
    "\u{202e}\u{1b}[2J",
    "\0",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "9999-12-31T23:59:60Z",
];

/// How much longer one change makes a file at most.
const GROWTH: usize = 1 << 20;

/// The seed with one to eight changes. `other` is another seed of the reader, to take parts from.
pub(crate) fn mutated(seed: &[u8], other: &[u8], nature: Nature, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(8) {
        match nature {
            Nature::Text if dice.below(4) > 0 => change_text(&mut bytes, dice),
            _ => change(&mut bytes, other, dice),
        }
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = place(bytes.len(), dice);
    match dice.below(9) {
        0 | 1 => flip(bytes, at, dice),
        2 => overwrite(bytes, at, &[dice.of(&EDGES) as u8]),
        3 | 4 => {
            let (value, width) = (integer(bytes.len(), dice), dice.of(&[2_usize, 4, 8]));
            let mut field = value.to_le_bytes()[..width].to_vec();
            if dice.below(4) == 0 {
                field.reverse();
            }
            // Fields are aligned more often than not.
            let at = if dice.below(4) > 0 { at / width * width } else { at };
            overwrite(bytes, at, &field);
        }
        5 => bytes.truncate(at),
        6 => drop(bytes.drain(at..(at + 1 + dice.below(64)).min(bytes.len()))),
        7 => {
            let (from, len) = (dice.below(other.len()), 1 + dice.below(256));
            let piece = other[from..(from + len).min(other.len())].to_vec();
            overwrite(bytes, at, &piece);
        }
        _ => {
            let end = (at + 1 + dice.below(512)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            insert_many(bytes, at, &piece, dice);
        }
    }
}

/// A position; headers are hit as often as all the rest.
fn place(len: usize, dice: &mut Dice) -> usize {
    match dice.below(2) {
        0 => dice.below(len.min(1024)),
        _ => dice.below(len),
    }
}

fn integer(len: usize, dice: &mut Dice) -> u64 {
    let len = u64::try_from(len).unwrap();
    match dice.below(4) {
        0 => dice.next(),
        1 => len.wrapping_add(dice.next() % 5).wrapping_sub(2),
        _ => dice.of(&EDGES),
    }
}

fn flip(bytes: &mut [u8], at: usize, dice: &mut Dice) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << dice.below(8);
    }
}

fn overwrite(bytes: &mut [u8], at: usize, piece: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(piece) {
        *to = *from;
    }
}

/// Inserts a piece once, or very often.
fn insert_many(bytes: &mut Vec<u8>, at: usize, piece: &[u8], dice: &mut Dice) {
    let times = match dice.below(10) {
        0 => (GROWTH / piece.len().max(1)).min(100_000),
        1 | 2 => 100,
        _ => 1,
    };
    drop(bytes.splice(at..at, piece.repeat(times)));
}

fn change_text(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let lines: Vec<usize> = std::iter::once(0)
        .chain(bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1))
        .collect();
    let line = dice.below(lines.len());
    let (start, end) = (lines[line], lines.get(line + 1).copied().unwrap_or(bytes.len()));
    match dice.below(8) {
        0 => drop(bytes.drain(start..end)),
        1 => {
            let piece = bytes[start..end].to_vec();
            insert_many(bytes, start, &piece, dice);
        }
        2 => {
            let to = lines[dice.below(lines.len())];
            let piece = bytes[start..end].to_vec();
            drop(bytes.splice(to..to, piece));
        }
        3..=5 => replace_word(bytes, dice),
        6 => {
            // Deep nesting.
            let open: &[u8] = dice.of(&[b"[".as_slice(), b"{\"a\":", b"(", b"a.", b" |", b"[["]);
            let at = dice.below(bytes.len());
            insert_many(bytes, at, open, dice);
        }
        _ => {
            let at = dice.below(bytes.len());
            let word = dice.of(&WORDS).as_bytes();
            insert_many(bytes, at, word, dice);
        }
    }
}

/// Puts one of [`WORDS`] where a word was.
fn replace_word(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+~".contains(byte);
    let at = dice.below(bytes.len());
    let Some(start) = bytes[at..].iter().position(is_word).map(|skip| at + skip) else { return };
    let len = bytes[start..].iter().position(|byte| !is_word(byte)).unwrap_or(bytes.len() - start);
    drop(bytes.splice(start..start + len, dice.of(&WORDS).bytes()));
}
