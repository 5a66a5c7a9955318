//! The strings that a key may have, with their numbers, as GLib searches them (`gio/strinfo.c` of GLib 2.84).

use std::collections::{BTreeMap, BTreeSet};

use super::variant::Value;

/// How long a string may be: 17 words with the two bytes around it and the zero behind it.
const LEN_MAX: usize = 65;

/// Strings of an enumeration, of flags or of choices, and other names for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Strings {
    bytes: Vec<u8>,
    /// The word at which each begins; an alias has none.
    names: BTreeMap<String, Option<u32>>,
    numbers: BTreeSet<u32>,
}

impl Strings {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether a string is one of these, and no alias.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.get(name).is_some_and(Option::is_some)
    }

    /// Adds a string.
    ///
    /// # Errors
    /// It is there already, or too long.
    pub(super) fn add(&mut self, name: &str, number: u32) -> Result<(), String> {
        let at = u32::try_from(self.bytes.len() / 4).map_err(|_| "too many strings")?;
        self.append(name, number, Some(at))?;
        self.numbers.insert(number);
        Ok(())
    }

    /// Whether a string has this number.
    pub(super) fn has_number(&self, number: u32) -> bool {
        self.numbers.contains(&number)
    }

    /// Adds another name of a string.
    ///
    /// # Errors
    /// The name is there already, the string isn't, or the name is too long.
    pub(super) fn add_alias(&mut self, name: &str, target: &str) -> Result<(), String> {
        match self.names.get(target) {
            Some(Some(at)) => self.append(name, *at, None),
            _ => Err(format!("the target `{target}` of an alias is not one of the strings")),
        }
    }

    fn append(&mut self, name: &str, number: u32, at: Option<u32>) -> Result<(), String> {
        if name.len() > LEN_MAX {
            return Err(format!("`{name}` is longer than {LEN_MAX} bytes"));
        }
        if self.names.contains_key(name) {
            return Err(format!("`{name}` is given twice"));
        }
        self.names.insert(name.to_owned(), at);
        self.bytes.extend(number.to_le_bytes());
        self.bytes.push(if at.is_some() { 0xff } else { 0xfe });
        self.bytes.extend(name.as_bytes());
        // A zero and the mark of the end, which is the last byte of a word and never in the first.
        let len = (name.len() + 3).next_multiple_of(4).max(8);
        self.bytes.resize(self.bytes.len() + len - 2 - name.len(), 0);
        self.bytes.push(0xff);
        Ok(())
    }

    /// The words of the index.
    pub(super) fn value(&self) -> Value {
        let words = self.bytes.chunks_exact(4).map(|word| {
            let word = word.iter().rev().fold(0, |word, byte| word << 8 | i128::from(*byte));
            Value::Integer(word)
        });
        Value::Sequence(words.collect())
    }

    /// How many bytes those are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout that `strinfo.c` shows.
    #[test]
    fn strings_lie_between_marks() {
        let mut strings = Strings::default();
        strings.add("foo", 1).unwrap();
        strings.add("bar", 2).unwrap();
        strings.add_alias("baz", "bar").unwrap();
        let expected =
            b"\x01\0\0\0\xfffoo\0\0\0\xff\x02\0\0\0\xffbar\0\0\0\xff\x03\0\0\0\xfebaz\0\0\0\xff";
        assert_eq!(strings.bytes, expected);
        assert!(strings.has("bar") && !strings.has("baz") && strings.has_number(2));
        assert!(strings.add("baz", 4).is_err() && strings.add_alias("x", "baz").is_err());
        assert!(strings.add(&"x".repeat(66), 5).is_err());
        let mut strings = Strings::default();
        for (len, words) in [(0, 2), (4, 2), (5, 2), (6, 3), (65, 17)] {
            let before = strings.len();
            strings.add(&"x".repeat(len), 0).unwrap();
            assert_eq!(strings.len() - before, 4 + words * 4, "{len}");
        }
    }
}
