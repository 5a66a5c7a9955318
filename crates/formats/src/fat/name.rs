//! Long names and the short aliases that go with them.
//!
//! A name that is a valid short name in capitals has no long entries. One that differs from it only
//! by small letters keeps it as its alias. Any other gets `BASE~N.EXT` with the smallest free N, in
//! byte order of the names, so that aliases depend on nothing else than the directory.
//!
//! Standard: FAT 1.03, "Short Directory Entries" and "The Basis-Name Generation Algorithm".

use std::collections::BTreeSet;

use zerocopy::IntoBytes;
use zerocopy::little_endian::U16;

use super::spec::{
    ATTR_LONG_NAME, LAST_LONG_ENTRY, LONG_UNITS, LongEntry, NAME_MAX, short_name_checksum,
};

/// `DIR_Name`.
pub(super) type ShortName = [u8; 11];

/// The two names of a directory entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) short: ShortName,
    /// UTF-16 units; none if the short name says it all.
    pub(super) long: Vec<u16>,
}

impl Names {
    /// The parts of the long name as they come before the short entry.
    pub(super) fn long_entries(&self) -> Vec<u8> {
        let checksum = short_name_checksum(&self.short);
        let mut bytes = Vec::new();
        for (order, part) in
            (1u8..).zip(self.long.chunks(LONG_UNITS)).collect::<Vec<_>>().iter().rev()
        {
            // FAT 1.03: one NUL behind the name if there is room, ffff behind that.
            let mut units = [U16::new(0xffff); LONG_UNITS];
            for (slot, &unit) in units.iter_mut().zip(part.iter().chain(&[0])) {
                *slot = U16::new(unit);
            }
            let last = if bytes.is_empty() { LAST_LONG_ENTRY } else { 0 };
            let [a, b, c, d, e, f, g, h, i, j, k, l, m] = units;
            let entry = LongEntry {
                order: order | last,
                name_1: [a, b, c, d, e],
                attributes: ATTR_LONG_NAME,
                kind: 0,
                checksum,
                name_2: [f, g, h, i, j, k],
                cluster_low: U16::ZERO,
                name_3: [l, m],
            };
            bytes.extend_from_slice(entry.as_bytes());
        }
        bytes
    }
}

/// The names of a directory's entries, in the order given.
///
/// # Errors
/// The entry and what is wrong with its name.
pub(super) fn assign(names: &[&[u8]]) -> Result<Vec<Names>, (usize, String)> {
    let mut texts = Vec::with_capacity(names.len());
    let mut folded = BTreeSet::new();
    for (at, name) in names.iter().enumerate() {
        let text = checked(name).map_err(|why| (at, why))?;
        if !folded.insert(text.to_lowercase()) {
            return Err((at, "another name differs only by small and capital letters".into()));
        }
        texts.push(text);
    }
    let exact: Vec<Option<ShortName>> = texts.iter().map(|text| exact_short(text)).collect();
    let mut taken: BTreeSet<ShortName> = exact.iter().flatten().copied().collect();
    let mut assigned = Vec::with_capacity(texts.len());
    for (at, (text, exact)) in texts.iter().zip(exact).enumerate() {
        let short = match exact {
            Some(short) => short,
            None => numbered(text, &mut taken)
                .ok_or_else(|| (at, "no short alias is left for it".into()))?,
        };
        let needs_long = exact.is_none() || text.bytes().any(|byte| byte.is_ascii_lowercase());
        let long = if needs_long { text.encode_utf16().collect() } else { Vec::new() };
        assigned.push(Names { short, long });
    }
    Ok(assigned)
}

/// FAT 1.03, "Long Directory Entries": which characters a long name may have.
fn checked(name: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(name).map_err(|_| "the name is not UTF-8".to_owned())?;
    if let Some(bad) = text.chars().find(|&c| c < ' ' || "\"*/:<>?\\|\u{7f}".contains(c)) {
        return Err(format!("the name holds {bad:?}"));
    }
    if text.ends_with(['.', ' ']) || text.starts_with(' ') {
        return Err("the name starts with a space or ends with a dot or a space".into());
    }
    let units = text.encode_utf16().count();
    if units > NAME_MAX {
        return Err(format!("the name has {units} UTF-16 units, at most {NAME_MAX}"));
    }
    Ok(text)
}

fn is_short_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"$%'-_@~`!(){}^#&".contains(&byte)
}

/// The short name of a name that is one but for small letters.
fn exact_short(text: &str) -> Option<ShortName> {
    let (base, extension) = match text.rsplit_once('.') {
        Some((base, extension)) => (base, extension),
        None => (text, ""),
    };
    let fits = (1..=8).contains(&base.len())
        && extension.len() <= 3
        && base.bytes().chain(extension.bytes()).all(is_short_char);
    fits.then(|| padded(&base.to_ascii_uppercase(), &extension.to_ascii_uppercase()))
}

fn padded(base: &str, extension: &str) -> ShortName {
    let mut short = [b' '; 11];
    let (first, last) = short.split_at_mut(8);
    for (slot, byte) in first.iter_mut().zip(base.bytes()) {
        *slot = byte;
    }
    for (slot, byte) in last.iter_mut().zip(extension.bytes()) {
        *slot = byte;
    }
    short
}

/// `BASE~N.EXT` with the smallest N that is free.
fn numbered(text: &str, taken: &mut BTreeSet<ShortName>) -> Option<ShortName> {
    let visible = text.trim_start_matches('.');
    let (base, extension) = match visible.rsplit_once('.') {
        Some((base, extension)) => (base, extension),
        None => (visible, ""),
    };
    let basis = |part: &str, most: usize| -> String {
        let kept = part.chars().filter(|&c| c != ' ' && c != '.').take(most);
        kept.map(|c| match u8::try_from(c) {
            Ok(byte) if is_short_char(byte) => char::from(byte.to_ascii_uppercase()),
            _ => '_',
        })
        .collect()
    };
    let (base, extension) = (basis(base, 8), basis(extension, 3));
    (1..1_000_000u32).find_map(|number| {
        let tail = format!("~{number}");
        let kept = base.get(..base.len().min(8 - tail.len()))?;
        let short = padded(&format!("{kept}{tail}"), &extension);
        taken.insert(short).then_some(short)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shorts(names: &[&str]) -> Vec<String> {
        let bytes: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let assigned = assign(&bytes).unwrap();
        assigned.iter().map(|names| String::from_utf8(names.short.to_vec()).unwrap()).collect()
    }

    #[test]
    fn aliases_follow_the_standard() {
        // FAT 1.03: "The quick brown.fox" becomes "THEQUI~1.FOX".
        assert_eq!(
            shorts(&[
                "The quick brown.fox",
                "The quick brown.fox2",
                ".profile",
                "efi",
                "BOOTX64.EFI"
            ]),
            ["THEQUI~1FOX", "THEQUI~2FOX", "PROFIL~1   ", "EFI        ", "BOOTX64 EFI"]
        );
        assert_eq!(shorts(&["thequi~1.fox", "The quick.fox"]), ["THEQUI~1FOX", "THEQUI~2FOX"]);
        assert_eq!(shorts(&["größe.a.b", "a+b"]), ["GR__EA~1B  ", "A_B~1      "]);
    }

    #[test]
    fn names_are_refused() {
        for name in [&b"a:b"[..], b"a.", b"a ", b"\xff", b" a", b"a\x01", &[b'x'; 256]] {
            assert!(assign(&[name]).is_err(), "{name:?}");
        }
        assert!(assign(&[b"README", b"ReadMe"]).is_err());
    }

    #[test]
    fn a_long_name_comes_last_part_first() {
        let names = assign(&[b"0123456789abcdef"]).unwrap().remove(0);
        let bytes = names.long_entries();
        assert_eq!(bytes.len(), 64);
        assert_eq!((bytes[0], bytes[32]), (0x42, 0x01));
        // "def" NUL and padding.
        assert_eq!(&bytes[1..11], b"d\0e\0f\0\0\0\xff\xff");
    }
}
