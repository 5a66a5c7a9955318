//! Brace expansion (bash(1), "Brace Expansion"): the first of bash's expansions, which knows quotes alone.

use super::ast::{Operation, Piece, Word};
use super::lexer::is_of_name;

/// The most opening braces of a word, and the most words and bytes that they come to.
const MOST_BRACES: usize = 32;
const MOST_WORDS: usize = 4096;
const MOST_BYTES: usize = 1 << 17;

/// What stands in a word: a byte that nothing quotes, or what braces do not see into.
#[derive(Clone)]
enum Item {
    Byte(u8),
    Piece(Piece),
}

/// The words that a word comes to.
///
/// # Errors
/// What is not implemented, in words.
pub(super) fn expand(word: Word) -> Result<Vec<Word>, String> {
    let has_brace = |piece: &Piece| matches!(piece, Piece::Literal(bytes) if bytes.contains(&b'{'));
    if !word.pieces.iter().any(has_brace) {
        return Ok(vec![word]);
    }
    let mut items = Vec::new();
    for piece in &word.pieces {
        if weight(piece).is_none_or(|weight| weight > MOST_BYTES) {
            return Err("braces beside a long text or an expansion that holds commands".into());
        }
        match piece {
            Piece::Literal(bytes) => items.extend(bytes.iter().copied().map(Item::Byte)),
            piece => items.push(Item::Piece(piece.clone())),
        }
    }
    let count = |wanted: u8| items.iter().filter(|item| is(item, wanted)).count();
    if count(b'{') > MOST_BRACES {
        return Err(format!("a word with more than {MOST_BRACES} braces"));
    }
    let has_dots = items.windows(2).any(|pair| pair.iter().all(|item| is(item, b'.')));
    if !is_balanced(&items) {
        return match count(b',') > 0 || has_dots {
            true => Err("braces that do not close".into()),
            false => Ok(vec![word]),
        };
    }
    let mut found = alternatives(&items)?;
    if found.len() == 1 && found.iter().all(|only| only.len() == items.len()) {
        return Ok(vec![word]);
    }
    if word.is_assignment() {
        return Err("braces in an argument that reads as an assignment".into());
    }
    if found.iter().any(|one| one.first().is_some_and(|first| is(first, b'~'))) {
        return Err("a tilde that braces bring to the start of a word".into());
    }
    if follows_variable(&items, |byte| b"{,}".contains(&byte))
        && found.iter().any(|one| follows_variable(one, |byte| is_of_name(byte, false)))
    {
        return Err("braces that bring a byte behind the name of a variable".into());
    }
    Ok(found.drain(..).map(word_of).collect())
}

/// How many bytes a piece brings into each word; nothing for one that may hold any number.
fn weight(piece: &Piece) -> Option<usize> {
    match piece {
        Piece::Literal(bytes) | Piece::Quoted(bytes) => Some(bytes.len()),
        Piece::Tilde(login) => Some(login.len()),
        Piece::Double(pieces) => pieces.iter().map(weight).sum(),
        Piece::Parameter(it) if it.operation == Operation::Value && !it.is_indirect => Some(1),
        Piece::Parameter(_) | Piece::Command(_) | Piece::Arithmetic(_) => None,
    }
}

/// Whether such a byte stands directly behind a variable, whose name bash reads on once braces are expanded.
fn follows_variable(items: &[Item], wanted: impl Fn(u8) -> bool) -> bool {
    items.windows(2).any(|pair| {
        matches!(pair, [Item::Piece(Piece::Parameter(_)), Item::Byte(byte)] if wanted(*byte))
    })
}

fn is(item: &Item, wanted: u8) -> bool {
    matches!(item, Item::Byte(byte) if *byte == wanted)
}

fn word_of(items: Vec<Item>) -> Word {
    let mut pieces: Vec<Piece> = Vec::new();
    for item in items {
        match (item, pieces.last_mut()) {
            (Item::Byte(byte), Some(Piece::Literal(bytes))) => bytes.push(byte),
            (Item::Byte(byte), _) => pieces.push(Piece::Literal(vec![byte])),
            (Item::Piece(piece), _) => pieces.push(piece),
        }
    }
    Word { pieces }
}

fn is_balanced(items: &[Item]) -> bool {
    let mut depth = 0_usize;
    for item in items {
        match item {
            Item::Byte(b'{') => depth += 1,
            Item::Byte(b'}') if depth == 0 => return false,
            Item::Byte(b'}') => depth -= 1,
            _ => {}
        }
    }
    depth == 0
}

/// What items come to; their braces close.
fn alternatives(items: &[Item]) -> Result<Vec<Vec<Item>>, String> {
    let open = items.iter().enumerate().filter(|(_, item)| is(item, b'{'));
    for (start, _) in open {
        let Some(len) = closing(&items[start + 1..]) else { continue };
        let (inner, behind) = (&items[start + 1..start + 1 + len], &items[start + len + 2..]);
        let parts = split(inner);
        let middle = match parts.len() {
            1 => match sequence(inner)? {
                Some(middle) => middle,
                // These stand for themselves; those within them may not.
                None => continue,
            },
            _ => {
                let mut middle = Vec::new();
                for part in parts {
                    middle.extend(alternatives(part)?);
                }
                middle
            }
        };
        return product(&items[..start], &middle, &alternatives(behind)?);
    }
    Ok(vec![items.to_vec()])
}

/// Where the brace that is open closes.
fn closing(items: &[Item]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, item) in items.iter().enumerate() {
        match item {
            Item::Byte(b'{') => depth += 1,
            Item::Byte(b'}') if depth == 0 => return Some(at),
            Item::Byte(b'}') => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Parts between the commas that lie in no other braces.
fn split(items: &[Item]) -> Vec<&[Item]> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, item) in items.iter().enumerate() {
        match item {
            Item::Byte(b'{') => depth += 1,
            Item::Byte(b'}') => depth = depth.saturating_sub(1),
            Item::Byte(b',') if depth == 0 => {
                parts.push(&items[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&items[start..]);
    parts
}

fn product(
    before: &[Item],
    middle: &[Vec<Item>],
    behind: &[Vec<Item>],
) -> Result<Vec<Vec<Item>>, String> {
    let len = |items: &[Item]| -> usize {
        let bytes = items.iter().map(|item| match item {
            Item::Byte(_) => 1,
            Item::Piece(piece) => weight(piece).unwrap_or(MOST_BYTES),
        });
        bytes.sum()
    };
    let longest = |all: &[Vec<Item>]| all.iter().map(|one| len(one)).max().unwrap_or(0);
    let count = middle.len().saturating_mul(behind.len());
    let bytes = count.saturating_mul(len(before) + longest(middle) + longest(behind));
    if count > MOST_WORDS || bytes > MOST_BYTES {
        return Err(format!("braces that come to more than {MOST_WORDS} words"));
    }
    let mut all = Vec::new();
    for one in middle {
        for other in behind {
            all.push([before, one, other].concat());
        }
    }
    Ok(all)
}

/// `1..3` and `a..c`; nothing if it has no dots. Other sequences are an error.
fn sequence(items: &[Item]) -> Result<Option<Vec<Vec<Item>>>, String> {
    let bytes: Vec<u8> =
        items.iter().map(|item| if let Item::Byte(byte) = item { *byte } else { b'$' }).collect();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let Some((first, last)) = text.split_once("..") else { return Ok(None) };
    let number = |text: &str| {
        let number: i64 = text.parse().ok()?;
        // No leading zeros, no `+`: those have a meaning of their own.
        (number.to_string() == text && number.abs() < 1_000_000_000).then_some(number)
    };
    let letter = |text: &str| match text.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => Some(*letter),
        _ => None,
    };
    let unknown = || format!("the sequence `{{{text}}}`");
    let (from, to, is_letter) = match (number(first), number(last), letter(first), letter(last)) {
        (Some(from), Some(to), ..) => (from, to, false),
        (_, _, Some(from), Some(to)) if from.is_ascii_lowercase() == to.is_ascii_lowercase() => {
            (from.into(), to.into(), true)
        }
        _ => return Err(unknown()),
    };
    if usize::try_from(from.abs_diff(to)).map_or(true, |steps| steps >= MOST_WORDS) {
        return Err(unknown());
    }
    let values: Vec<i64> = match from <= to {
        true => (from..=to).collect(),
        false => (to..=from).rev().collect(),
    };
    let shown = |value: i64| match u8::try_from(value) {
        Ok(letter) if is_letter => vec![Item::Byte(letter)],
        _ => value.to_string().bytes().map(Item::Byte).collect(),
    };
    Ok(Some(values.into_iter().map(shown).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::bash_words;

    /// What bash makes of the same words.
    #[test]
    fn braces_are_expanded_as_bash_does() {
        for text in [
            "{a,b}",
            "x{a,b}y",
            "{a,b}{1,2}",
            "x{,y}",
            "{,z}",
            "{,}",
            "{a}",
            "{}",
            "a{}b",
            "{a,}b",
            "{a,b,{c,d}e}f",
            "{a,{b,{c,d}}}",
            "{x{a,b}y}",
            "{{a,b}}",
            "{1..3}",
            "{3..1}",
            "{-1..1}",
            "{c..a}",
            "{A..C}",
            "{0..0}",
            "{1..3}{a,b}",
            "{a,b{1..2}}",
            "{a}{b,c}",
            "a}b",
            "{a",
            "x{a,b}{}",
            "{a,b},c",
            "{{},a}",
        ] {
            let word = Word { pieces: vec![Piece::Literal(text.as_bytes().to_vec())] };
            let found: Vec<String> = expand(word)
                .unwrap()
                .into_iter()
                .flat_map(|word| word.pieces)
                .map(|piece| match piece {
                    Piece::Literal(bytes) => String::from_utf8(bytes).unwrap(),
                    piece => panic!("{piece:?}"),
                })
                .collect();
            assert_eq!(found, bash_words(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_implemented_is_an_error() {
        for (text, what) in [
            ("{a,b", "braces that do not close"),
            ("a,b}", "braces that do not close"),
            ("{1..", "braces that do not close"),
            ("{1..3..2}", "the sequence `{1..3..2}`"),
            ("{a..C}", "the sequence `{a..C}`"),
            ("{1..x}", "the sequence `{1..x}`"),
            ("{+1..3}", "the sequence `{+1..3}`"),
            ("{1..4097}", "the sequence `{1..4097}`"),
            ("{1..100}{1..100}", "braces that come to more than 4096 words"),
            ("{~,a}", "a tilde that braces bring to the start of a word"),
            ("a={b,c}", "braces in an argument that reads as an assignment"),
        ] {
            let text = text.as_bytes().to_vec();
            // The text of an unbalanced word without an opening brace is a word.
            let found = expand(Word { pieces: vec![Piece::Literal(text.clone())] });
            match text.contains(&b'{') {
                true => assert_eq!(found.unwrap_err(), what),
                false => assert_eq!(found.unwrap().len(), 1),
            }
        }
        let many = |count| Word { pieces: vec![Piece::Literal(b"{".repeat(count))] };
        assert!(expand(many(32)).is_ok());
        assert_eq!(expand(many(33)).unwrap_err(), "a word with more than 32 braces");
    }

    /// Quotes and expansions are no braces, and go into each word.
    #[test]
    fn what_is_quoted_stays() {
        let quoted = || Piece::Quoted(b"{,}".to_vec());
        let literal = |text: &str| Piece::Literal(text.as_bytes().to_vec());
        let word = Word { pieces: vec![quoted(), literal("{a,"), quoted(), literal("}")] };
        let found = expand(word).unwrap();
        assert_eq!(found[0].pieces, [quoted(), literal("a")]);
        assert_eq!(found[1].pieces, [quoted(), quoted()]);
        assert_eq!(found.len(), 2);
        let only = Word { pieces: vec![quoted()] };
        assert_eq!(expand(only.clone()), Ok(vec![only]));
    }
}
