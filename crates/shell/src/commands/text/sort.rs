//! sort(1) and uniq(1).

use super::super::call::{Call, number, shown};
use super::super::options::Options;
use super::super::version_order::by_version;
use super::lines::{each_file, lines, parts};
use crate::stop::Stop;
use crate::world::World;

/// How texts are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ordering {
    /// `n`, `h` or `V`; nothing for the order of bytes.
    kind: Option<u8>,
    fold: bool,
    blanks: bool,
    reverse: bool,
}

impl Ordering {
    /// Takes a letter of the options; false for one that is not implemented.
    fn take(&mut self, letter: u8) -> bool {
        match letter {
            b'n' | b'h' | b'V' if self.kind.is_none_or(|kind| kind == letter) => {
                self.kind = Some(letter);
            }
            b'f' => self.fold = true,
            b'b' => self.blanks = true,
            b'r' => self.reverse = true,
            _ => return false,
        }
        true
    }

    fn compare(self, one: &[u8], other: &[u8]) -> std::cmp::Ordering {
        let folded = |text: &[u8]| text.to_ascii_uppercase();
        let order = match self.kind {
            Some(b'n') => Number::of(one).0.cmp(&Number::of(other).0),
            Some(b'h') => human(one).cmp(&human(other)),
            Some(_) => by_version(one, other),
            None if self.fold => folded(one).cmp(&folded(other)),
            None => one.cmp(other),
        };
        if self.reverse { order.reverse() } else { order }
    }
}

/// `-k`: from a field and a byte in it to others, counted from 0.
#[derive(Clone, Copy, Debug)]
struct Key {
    start: (usize, usize),
    /// Whether blanks before the start, and before the end, do not count.
    blanks: (bool, bool),
    /// The field that it ends in, and behind which byte; 0 for the last of the field.
    end: Option<(usize, usize)>,
    ordering: Ordering,
}

impl Key {
    /// `F[.C][OPTIONS][,F[.C][OPTIONS]]`; nothing if something of it is not implemented.
    fn of(word: &[u8], usual: Ordering) -> Option<Self> {
        let mut ordering = Ordering::default();
        let mut parts = word.splitn(2, |byte| *byte == b',');
        let mut place = |part: &[u8]| {
            let end = part.iter().position(u8::is_ascii_alphabetic).unwrap_or(part.len());
            let (numbers, letters) = part.split_at(end);
            let mut numbers = numbers.splitn(2, |byte| *byte == b'.');
            let field = usize::try_from(number(numbers.next()?)?).ok()?;
            let byte = match numbers.next() {
                Some(digits) => Some(usize::try_from(number(digits)?).ok()?),
                None => None,
            };
            let blanks = letters.contains(&b'b');
            let known = letters.iter().all(|letter| ordering.take(*letter));
            known.then_some((field.checked_sub(1)?, byte, blanks))
        };
        let (field, byte, start_blanks) = place(parts.next()?)?;
        let start = (field, byte.unwrap_or(1).checked_sub(1)?);
        let end = match parts.next() {
            Some(part) => Some(place(part)?),
            None => None,
        };
        let end_blanks = end.is_some_and(|(.., blanks)| blanks);
        let end = end.map(|(field, byte, _)| (field, byte.unwrap_or(0)));
        let (ordering, blanks) = match ordering == Ordering::default() {
            true => (usual, (usual.blanks, usual.blanks)),
            false => (ordering, (start_blanks, end_blanks)),
        };
        Some(Self { start, blanks, end, ordering })
    }

    /// The part of a line that counts.
    fn text<'t>(&self, line: &'t [u8], separator: Option<u8>) -> &'t [u8] {
        let start = behind_fields(line, 0, self.start.0, separator, true);
        let start = skipped(line, start, self.blanks.0) + self.start.1;
        let start = start.min(line.len());
        let end = match self.end {
            None => line.len(),
            Some((field, 0)) => behind_fields(line, 0, field + 1, separator, false),
            Some((field, byte)) => {
                let end = behind_fields(line, 0, field, separator, true);
                (skipped(line, end, self.blanks.1) + byte).min(line.len())
            }
        };
        &line[start..end.max(start)]
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

fn skipped(line: &[u8], at: usize, blanks: bool) -> usize {
    let len = line[at..].iter().take_while(|byte| blanks && is_blank(**byte)).count();
    at + len
}

/// Where so many fields end; with a separator, behind the one that ends the last of them if `past`.
fn behind_fields(
    line: &[u8],
    from: usize,
    fields: usize,
    separator: Option<u8>,
    past: bool,
) -> usize {
    let mut at = from;
    for field in 0..fields {
        match separator {
            Some(separator) => {
                at += line[at..].iter().take_while(|byte| **byte != separator).count();
                if at < line.len() && (past || field + 1 < fields) {
                    at += 1;
                }
            }
            None => {
                at = skipped(line, at, true);
                at += line[at..].iter().take_while(|byte| !is_blank(**byte)).count();
            }
        }
    }
    at
}

/// The decimal number that a text starts with, of any length; 0 if it starts with none.
#[derive(Debug, PartialEq, Eq)]
struct Number {
    is_negative: bool,
    /// Without zeros at their ends.
    whole: Vec<u8>,
    fraction: Vec<u8>,
}

impl Number {
    /// The number, and what is behind it.
    fn of(text: &[u8]) -> (Self, &[u8]) {
        let text = &text[skipped(text, 0, true)..];
        let (is_negative, text) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (whole, mut rest) = text.split_at(digits(text));
        let mut fraction = &b""[..];
        if let Some(behind) = rest.strip_prefix(b".") {
            (fraction, rest) = behind.split_at(digits(behind));
        }
        let zeros = whole.iter().take_while(|byte| **byte == b'0').count();
        let end = fraction.iter().rposition(|byte| *byte != b'0').map_or(0, |at| at + 1);
        let (whole, fraction) = (whole[zeros..].to_vec(), fraction[..end].to_vec());
        let is_zero = whole.is_empty() && fraction.is_empty();
        (Self { is_negative: is_negative && !is_zero, whole, fraction }, rest)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let size = |it: &Self| (it.whole.len(), it.whole.clone(), it.fraction.clone());
        match (self.is_negative, other.is_negative) {
            (false, false) => size(self).cmp(&size(other)),
            (true, true) => size(other).cmp(&size(self)),
            (one, other) => other.cmp(&one),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The order of `-h`: by the letter of the unit, then by the number.
fn human(text: &[u8]) -> (i32, Number) {
    let (number, rest) = Number::of(text);
    let is_zero = number.whole.is_empty() && number.fraction.is_empty();
    let unit = rest.first().and_then(|letter| {
        b"KMGTPEZYRQ"
            .iter()
            .position(|known| *known == *letter || (*letter == b'k' && *known == b'K'))
    });
    let order = unit.filter(|_| !is_zero).map_or(0, |at| i32::try_from(at + 1).unwrap_or(0));
    (if number.is_negative { -order } else { order }, number)
}

/// How a call of sort orders lines.
struct Sorting {
    keys: Vec<Key>,
    usual: Ordering,
    separator: Option<u8>,
    /// Lines that the keys do not tell apart stay in their order.
    is_stable: bool,
}

impl Sorting {
    fn of(call: &Call<'_>, options: &Options<'_>) -> Result<Self, Stop> {
        let mut usual = Ordering::default();
        for letter in b"nhVfbr".iter().filter(|letter| options.has(**letter)) {
            if !usual.take(*letter) {
                return Err(call.unsupported("more than one kind of order"));
            }
        }
        let separator = match options.last(b't') {
            None => None,
            Some([byte]) => Some(*byte),
            Some(b"\\0") => Some(0),
            Some(word) => return Err(call.unsupported(format!("-t {}", shown(word)))),
        };
        let mut keys = Vec::new();
        for word in options.all(b'k') {
            let unknown = || call.unsupported(format!("-k {}", shown(word)));
            keys.push(Key::of(word, usual).ok_or_else(unknown)?);
        }
        let is_plain = Ordering { reverse: false, ..usual } == Ordering::default();
        if keys.is_empty() && !is_plain {
            let blanks = (usual.blanks, false);
            keys.push(Key { start: (0, 0), blanks, end: None, ordering: usual });
        }
        let is_stable = options.has(b's') || options.has(b'u');
        Ok(Self { keys, usual, separator, is_stable })
    }

    fn compare(&self, one: &[u8], other: &[u8]) -> std::cmp::Ordering {
        for key in &self.keys {
            let text = |line| key.text(line, self.separator);
            let order = key.ordering.compare(text(one), text(other));
            if order.is_ne() {
                return order;
            }
        }
        let order = match self.is_stable && !self.keys.is_empty() {
            true => return std::cmp::Ordering::Equal,
            false => one.cmp(other),
        };
        if self.usual.reverse { order.reverse() } else { order }
    }
}

const LONG: [(&str, u8); 14] = [
    ("unique", b'u'),
    ("reverse", b'r'),
    ("output", b'o'),
    ("numeric-sort", b'n'),
    ("human-numeric-sort", b'h'),
    ("version-sort", b'V'),
    ("ignore-case", b'f'),
    ("ignore-leading-blanks", b'b'),
    ("key", b'k'),
    ("field-separator", b't'),
    ("stable", b's'),
    ("check", b'c'),
    ("zero-terminated", b'z'),
    ("temporary-directory", b'T'),
];

/// sort(1).
pub(in super::super) fn sort<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "urno:hVfbk:t:scCzT:S:", &LONG)?;
    let sorting = Sorting::of(call, &options)?;
    let end = if options.has(b'z') { 0 } else { b'\n' };
    let (mut status, mut all): (_, Vec<Vec<u8>>) = (0, Vec::new());
    each_file(world, call, &options.operands, &mut status, |_, _, text| {
        all.extend(parts(&text, end).map(<[u8]>::to_vec));
        Ok(())
    })?;
    if status != 0 {
        return Ok(2);
    }
    let compare = |one: &Vec<u8>, other: &Vec<u8>| sorting.compare(one, other);
    if options.has(b'c') || options.has(b'C') {
        let in_order = |pair: &[Vec<u8>]| match compare(&pair[0], &pair[1]) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => !options.has(b'u'),
            std::cmp::Ordering::Greater => false,
        };
        let at = all.windows(2).position(|pair| !in_order(pair));
        if let Some(at) = at.filter(|_| !options.has(b'C')) {
            let file = options.operands.first().map_or("-".to_owned(), |word| shown(word));
            call.complain(&format!("{file}:{}: disorder: {}", at + 2, shown(&all[at + 1])));
        }
        return Ok(u8::from(at.is_some()));
    }
    all.sort_by(compare);
    if options.has(b'u') {
        all.dedup_by(|next, kept| sorting.compare(kept, next).is_eq());
    }
    let text: Vec<u8> = all
        .into_iter()
        .flat_map(|mut line| {
            line.push(end);
            line
        })
        .collect();
    match options.last(b'o') {
        Some(word) => {
            let path = call.path(word);
            let mode = 0o666 & !call.invocation.umask;
            if let Err(error) = world.write(&path, &text, mode) {
                call.fail("open failed", word, error);
                return Ok(2);
            }
        }
        None => call.print(&text),
    }
    Ok(0)
}

/// uniq(1).
pub(in super::super) fn uniq<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("count", b'c'), ("repeated", b'd'), ("unique", b'u')];
    let options = Options::of(call, "cdu", &long)?;
    if options.operands.len() > 1 {
        return Err(call.unsupported("an output file"));
    }
    let mut status = 0;
    each_file(world, call, &options.operands, &mut status, |call, _, text| {
        let mut groups: Vec<(&[u8], usize)> = Vec::new();
        for line in lines(&text) {
            match groups.last_mut() {
                Some((known, count)) if *known == line => *count += 1,
                _ => groups.push((line, 1)),
            }
        }
        for (line, count) in groups {
            if (options.has(b'd') && count == 1) || (options.has(b'u') && count > 1) {
                continue;
            }
            if options.has(b'c') {
                call.print(format!("{count:7} ").as_bytes());
            }
            call.print(line);
            call.print(b"\n");
        }
        Ok(())
    })?;
    Ok(status)
}
