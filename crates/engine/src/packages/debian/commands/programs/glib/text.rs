//! The text of a value (GLib's "GVariant Text Format"), read as a type that is known.
//!
//! A value in `<` and `>` brings its own type, which is the most general one that fits, as GLib chooses it.

use super::variant::{DEPTH_MAX, Type, Value};

/// What a text says, before a type decides what it is.
#[derive(Debug)]
enum Said {
    Boolean(bool),
    Number(String),
    Text(String),
    Bytes(Vec<u8>),
    Maybe(Option<Box<Said>>),
    Variant(Box<Said>),
    Array(Vec<Said>),
    Tuple(Vec<Said>),
    Dictionary(Vec<(Said, Said)>),
    Entry(Box<(Said, Said)>),
    Declared(Type, Box<Said>),
}

/// Reads the text of a value of this type.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn read(text: &str, kind: &Type) -> Result<Value, String> {
    let mut reader = Reader { text, at: 0 };
    let said = reader.value(DEPTH_MAX)?;
    match reader.token()? {
        "" => value(&said, kind),
        token => Err(format!("`{token}` stands behind the value")),
    }
}

struct Reader<'a> {
    text: &'a str,
    /// Where the next token begins, or blanks before it.
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next token, which is left there; empty at the end.
    fn token(&mut self) -> Result<&'a str, String> {
        let rest = &self.text[self.at..];
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
        self.at = self.text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok("") };
        let until = |ends: fn(char) -> bool| rest.find(ends).unwrap_or(rest.len());
        let len = match first {
            '-' | '+' | '.' | '0'..='9' => {
                until(|c| !c.is_ascii_alphanumeric() && !"-+.".contains(c))
            }
            '\'' | '"' => quoted_len(rest, 0)?,
            'b' if rest[1..].starts_with(['\'', '"']) => quoted_len(rest, 1)?,
            'a'..='z' => until(|c| !c.is_ascii_alphanumeric()),
            '@' => declaration_len(rest),
            first => first.len_utf8(),
        };
        Ok(&rest[..len])
    }

    /// Goes behind the next token if it is this one.
    fn take(&mut self, wanted: &str) -> Result<bool, String> {
        let is = self.token()? == wanted;
        if is {
            self.at += wanted.len();
        }
        Ok(is)
    }

    fn need(&mut self, wanted: &str) -> Result<(), String> {
        match self.take(wanted)? {
            true => Ok(()),
            false => match self.token()? {
                "" => Err(format!("expected `{wanted}`, found the end")),
                token => Err(format!("expected `{wanted}`, found `{token}`")),
            },
        }
    }

    fn value(&mut self, depth: usize) -> Result<Said, String> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(format!("values lie more than {DEPTH_MAX} deep in one another"));
        };
        let token = self.token()?;
        let Some(first) = token.chars().next() else {
            return Err("expected a value, found the end".into());
        };
        self.at += token.len();
        Ok(match (token, first) {
            ("[", _) => Said::Array(self.elements("]", depth)?),
            ("(", _) => Said::Tuple(self.members(depth)?),
            ("{", _) => self.dictionary(depth)?,
            ("<", _) => {
                let value = self.value(depth)?;
                self.need(">")?;
                Said::Variant(Box::new(value))
            }
            ("true" | "false", _) => Said::Boolean(token == "true"),
            ("nothing", _) => Said::Maybe(None),
            ("just", _) => Said::Maybe(Some(Box::new(self.value(depth)?))),
            ("inf" | "nan", _) | (_, '-' | '+' | '.' | '0'..='9') => Said::Number(token.to_owned()),
            (_, '\'' | '"') => Said::Text(unquoted(token)?),
            (_, 'b') if token.ends_with(['\'', '"']) => Said::Bytes(unquoted_bytes(&token[1..])),
            _ => {
                let kind = declared(token).ok_or_else(|| format!("`{token}` is not a value"))?;
                Said::Declared(kind, Box::new(self.value(depth)?))
            }
        })
    }

    /// Values with commas between them.
    fn elements(&mut self, end: &str, depth: usize) -> Result<Vec<Said>, String> {
        let mut elements = Vec::new();
        while !self.take(end)? {
            if !elements.is_empty() {
                self.need(",")?;
            }
            elements.push(self.value(depth)?);
        }
        Ok(elements)
    }

    /// The members of a tuple: one alone has a comma behind it.
    fn members(&mut self, depth: usize) -> Result<Vec<Said>, String> {
        if self.take(")")? {
            return Ok(Vec::new());
        }
        let mut members = vec![self.value(depth)?];
        self.need(",")?;
        while !self.take(")")? {
            if members.len() > 1 {
                self.need(",")?;
            }
            members.push(self.value(depth)?);
        }
        Ok(members)
    }

    /// A dictionary, or one entry that is none's.
    fn dictionary(&mut self, depth: usize) -> Result<Said, String> {
        let mut entries = Vec::new();
        while !self.take("}")? {
            if !entries.is_empty() {
                self.need(",")?;
            }
            let key = self.value(depth)?;
            if entries.is_empty() && self.take(",")? {
                let value = self.value(depth)?;
                self.need("}")?;
                return Ok(Said::Entry(Box::new((key, value))));
            }
            self.need(":")?;
            entries.push((key, self.value(depth)?));
        }
        Ok(Said::Dictionary(entries))
    }
}

/// The length of what is in quotes, `before` bytes of which stand before them.
fn quoted_len(text: &str, before: usize) -> Result<usize, String> {
    let quote = text.as_bytes()[before];
    let mut at = before + 1;
    loop {
        match text.as_bytes().get(at) {
            None => return Err("a quote is not closed".into()),
            Some(b'\\') => at += 2,
            Some(byte) if *byte == quote => return Ok(at + 1),
            Some(_) => at += 1,
        }
    }
}

/// The length of a `@` with its type, which ends at a bracket that it did not open.
fn declaration_len(text: &str) -> usize {
    let mut open = 0_usize;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            '(' | '{' => open += 1,
            ')' | '}' if open == 0 => return at,
            ')' | '}' => open -= 1,
            ',' | ':' | '>' | ']' => return at,
            letter if letter.is_ascii_whitespace() => return at,
            _ => {}
        }
    }
    text.len()
}

/// The type that a word declares.
fn declared(word: &str) -> Option<Type> {
    if let Some(kind) = word.strip_prefix('@') {
        return Type::parse(kind);
    }
    const NAMES: [(&str, u8); 13] = [
        ("boolean", b'b'),
        ("byte", b'y'),
        ("double", b'd'),
        ("handle", b'h'),
        ("int16", b'n'),
        ("int32", b'i'),
        ("int64", b'x'),
        ("objectpath", b'o'),
        ("signature", b'g'),
        ("string", b's'),
        ("uint16", b'q'),
        ("uint32", b'u'),
        ("uint64", b't'),
    ];
    NAMES.iter().find(|(name, _)| *name == word).map(|(_, letter)| Type::Basic(*letter))
}

fn escape(letter: char) -> Option<char> {
    Some(match letter {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        _ => return None,
    })
}

fn unquoted(token: &str) -> Result<String, String> {
    let mut letters = token[1..token.len() - 1].chars();
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        let Some(escaped) = letters.next() else { return Err("a quote is not closed".into()) };
        match escaped {
            '\n' => {}
            'u' | 'U' => {
                let len = if escaped == 'u' { 4 } else { 8 };
                let digits: String = letters.by_ref().take(len).collect();
                let is_hex =
                    digits.len() == len && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                let code =
                    u32::from_str_radix(&digits, 16).ok().filter(|code| is_hex && *code != 0);
                let Some(one) = code.and_then(char::from_u32) else {
                    return Err(format!("`\\{escaped}{digits}` is not a character"));
                };
                text.push(one);
            }
            other => text.push(escape(other).unwrap_or(other)),
        }
    }
    Ok(text)
}

/// The bytes of `b'...'`, with the zero that ends them.
fn unquoted_bytes(token: &str) -> Vec<u8> {
    let inner = &token.as_bytes()[1..token.len() - 1];
    let (mut bytes, mut at) = (Vec::new(), 0);
    while let Some(byte) = inner.get(at) {
        at += 1;
        let Some(escaped) = inner.get(at).filter(|_| *byte == b'\\') else {
            bytes.push(*byte);
            continue;
        };
        let digits =
            inner[at..].iter().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
        if digits > 0 {
            let code = inner[at..at + digits].iter();
            bytes.push(
                code.fold(0_u8, |code, digit| code.wrapping_mul(8).wrapping_add(digit - b'0')),
            );
            at += digits;
            continue;
        }
        at += 1;
        match (escaped, escape(char::from(*escaped)).and_then(|one| u8::try_from(one).ok())) {
            (b'\n', _) => {}
            (_, Some(one)) => bytes.push(one),
            (other, None) => bytes.push(*other),
        }
    }
    bytes.push(0);
    bytes
}

/// What is said, as a value of a type.
fn value(said: &Said, kind: &Type) -> Result<Value, String> {
    let misfit = || Err(format!("the value is not of the type `{kind}`"));
    match (said, kind) {
        // The type that is asked for counts, whatever is declared.
        (Said::Declared(_, said), kind) => value(said, kind),
        (Said::Maybe(None), Type::Maybe(_)) => Ok(Value::Maybe(None)),
        (Said::Maybe(Some(said)), Type::Maybe(of)) => {
            Ok(Value::Maybe(Some(Box::new(value(said, of)?))))
        }
        (said, Type::Maybe(of)) => Ok(Value::Maybe(Some(Box::new(value(said, of)?)))),
        (Said::Boolean(is), Type::Basic(b'b')) => Ok(Value::Boolean(*is)),
        (Said::Number(token), Type::Basic(b'd')) => double(token).map(Value::Double),
        (Said::Number(token), Type::Basic(letter)) => match range(*letter) {
            Some(range) => integer(token, range).map(Value::Integer),
            None => misfit(),
        },
        (Said::Text(text), Type::Basic(b's')) => Ok(Value::Text(text.clone())),
        (Said::Text(text), Type::Basic(b'o')) if is_object_path(text) => {
            Ok(Value::Text(text.clone()))
        }
        (Said::Text(text), Type::Basic(b'g')) if text.is_empty() => Ok(Value::Text(text.clone())),
        (Said::Variant(said), Type::Variant) => {
            let Some(of) = pattern(said)?.resolved() else {
                return Err("the type of an empty value is not told".into());
            };
            Ok(Value::Variant(of.clone(), Box::new(value(said, &of)?)))
        }
        (Said::Array(said), Type::Array(of)) => sequence(said.iter().map(|said| value(said, of))),
        (Said::Bytes(bytes), Type::Array(of)) if **of == Type::Basic(b'y') => {
            sequence(bytes.iter().map(|byte| Ok(Value::Integer(i128::from(*byte)))))
        }
        (Said::Tuple(said), Type::Tuple(kinds)) if said.len() == kinds.len() => {
            sequence(said.iter().zip(kinds).map(|(said, kind)| value(said, kind)))
        }
        (Said::Entry(pair), Type::Entry(key, of)) => entry(&pair.0, &pair.1, key, of),
        (Said::Dictionary(entries), Type::Array(of)) => match &**of {
            Type::Entry(key, of) => {
                sequence(entries.iter().map(|(at, said)| entry(at, said, key, of)))
            }
            _ => misfit(),
        },
        _ => misfit(),
    }
}

fn sequence(values: impl Iterator<Item = Result<Value, String>>) -> Result<Value, String> {
    Ok(Value::Sequence(values.collect::<Result<_, _>>()?))
}

fn entry(key: &Said, said: &Said, kind: &Type, of: &Type) -> Result<Value, String> {
    Ok(Value::Sequence(vec![value(key, kind)?, value(said, of)?]))
}

/// The least and the greatest integer of a type.
pub(super) fn range(letter: u8) -> Option<[i128; 2]> {
    Some(match letter {
        b'y' => [0, u8::MAX.into()],
        b'n' => [i16::MIN.into(), i16::MAX.into()],
        b'q' => [0, u16::MAX.into()],
        b'i' | b'h' => [i32::MIN.into(), i32::MAX.into()],
        b'u' => [0, u32::MAX.into()],
        b'x' => [i64::MIN.into(), i64::MAX.into()],
        b't' => [0, u64::MAX.into()],
        _ => return None,
    })
}

/// An integer as strtoull(3) reads it with the base 0.
pub(super) fn integer(token: &str, [least, greatest]: [i128; 2]) -> Result<i128, String> {
    let digits = token.strip_prefix('-').unwrap_or(token);
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u64::from_str_radix(digits, base).ok().filter(|_| is_plain);
    let Some(number) = number.map(i128::from) else {
        return Err(format!("`{token}` is not an integer of at most 64 bits"));
    };
    let number = if token.starts_with('-') { -number } else { number };
    match (least..=greatest).contains(&number) {
        true => Ok(number),
        false => Err(format!("{number} is not from {least} to {greatest}")),
    }
}

fn double(token: &str) -> Result<f64, String> {
    let is_infinite = matches!(token, "inf" | "-inf");
    let is_decimal = token.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number = token.parse::<f64>().ok().filter(|_| is_decimal || is_infinite);
    match number {
        Some(number) if is_infinite || number.is_normal() || number == 0.0 => Ok(number),
        _ => Err(format!("`{token}` is not a decimal number that a double can be")),
    }
}

fn is_object_path(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    text == "/" || text.strip_prefix('/').is_some_and(|names| names.split('/').all(is_name))
}

/// The types that something said can be of.
#[derive(Debug)]
enum Pattern {
    Any,
    Number,
    Text,
    /// Of these types, or of maybes of them.
    Optional(Box<Pattern>),
    Basic(u8),
    Variant,
    Maybe(Box<Pattern>),
    Array(Box<Pattern>),
    Tuple(Vec<Pattern>),
    Entry(Box<(Pattern, Pattern)>),
}

fn optional(pattern: Pattern) -> Pattern {
    Pattern::Optional(Box::new(pattern))
}

impl Pattern {
    fn of(kind: &Type) -> Self {
        match kind {
            Type::Basic(letter) => Self::Basic(*letter),
            Type::Variant => Self::Variant,
            Type::Maybe(of) => Self::Maybe(Box::new(Self::of(of))),
            Type::Array(of) => Self::Array(Box::new(Self::of(of))),
            Type::Tuple(kinds) => Self::Tuple(kinds.iter().map(Self::of).collect()),
            Type::Entry(key, value) => Self::Entry(Box::new((Self::of(key), Self::of(value)))),
        }
    }

    /// What both can be.
    fn and(self, other: Self) -> Option<Self> {
        let boxed = |one: Box<Self>, other: Box<Self>| one.and(*other).map(Box::new);
        Some(match (self, other) {
            (Self::Any, one) | (one, Self::Any) => one,
            (Self::Optional(one), Self::Optional(other)) => Self::Optional(boxed(one, other)?),
            (Self::Optional(one), Self::Maybe(other))
            | (Self::Maybe(other), Self::Optional(one)) => {
                Self::Maybe(Box::new(Self::Optional(one).and(*other)?))
            }
            (Self::Optional(one), other) | (other, Self::Optional(one)) => one.and(other)?,
            (Self::Number, Self::Number) => Self::Number,
            (Self::Number, Self::Basic(letter)) | (Self::Basic(letter), Self::Number)
                if b"ynqiuxthd".contains(&letter) =>
            {
                Self::Basic(letter)
            }
            (Self::Text, Self::Text) => Self::Text,
            (Self::Text, Self::Basic(letter)) | (Self::Basic(letter), Self::Text)
                if b"sog".contains(&letter) =>
            {
                Self::Basic(letter)
            }
            (Self::Basic(one), Self::Basic(other)) if one == other => Self::Basic(one),
            (Self::Variant, Self::Variant) => Self::Variant,
            (Self::Maybe(one), Self::Maybe(other)) => Self::Maybe(boxed(one, other)?),
            (Self::Array(one), Self::Array(other)) => Self::Array(boxed(one, other)?),
            (Self::Tuple(one), Self::Tuple(other)) if one.len() == other.len() => {
                let pairs = one.into_iter().zip(other);
                Self::Tuple(pairs.map(|(one, other)| one.and(other)).collect::<Option<_>>()?)
            }
            (Self::Entry(one), Self::Entry(other)) => {
                Self::Entry(Box::new((one.0.and(other.0)?, one.1.and(other.1)?)))
            }
            _ => return None,
        })
    }

    /// The type that GLib takes: no maybe where none is said, strings, and integers of 32 bits.
    fn resolved(&self) -> Option<Type> {
        let boxed = |of: &Self| of.resolved().map(Box::new);
        Some(match self {
            Self::Any => return None,
            Self::Number => Type::Basic(b'i'),
            Self::Text => Type::STRING,
            Self::Optional(of) => of.resolved()?,
            Self::Basic(letter) => Type::Basic(*letter),
            Self::Variant => Type::Variant,
            Self::Maybe(of) => Type::Maybe(boxed(of)?),
            Self::Array(of) => Type::Array(boxed(of)?),
            Self::Tuple(of) => Type::Tuple(of.iter().map(Self::resolved).collect::<Option<_>>()?),
            Self::Entry(pair) => Type::Entry(boxed(&pair.0)?, boxed(&pair.1)?),
        })
    }
}

fn pattern(said: &Said) -> Result<Pattern, String> {
    Ok(match said {
        Said::Boolean(_) => optional(Pattern::Basic(b'b')),
        Said::Number(token) => {
            let is_double = token.contains('.')
                || !token.starts_with("0x") && token.contains('e')
                || token.contains("inf")
                || token.contains("nan");
            optional(if is_double { Pattern::Basic(b'd') } else { Pattern::Number })
        }
        Said::Text(_) => optional(Pattern::Text),
        Said::Bytes(_) => optional(Pattern::Array(Box::new(Pattern::Basic(b'y')))),
        Said::Maybe(None) => Pattern::Maybe(Box::new(Pattern::Any)),
        Said::Maybe(Some(said)) => Pattern::Maybe(Box::new(pattern(said)?)),
        Said::Variant(_) => optional(Pattern::Variant),
        Said::Array(said) => optional(Pattern::Array(Box::new(shared(said.iter())?))),
        Said::Tuple(said) => {
            optional(Pattern::Tuple(said.iter().map(pattern).collect::<Result<_, _>>()?))
        }
        Said::Dictionary(entries) => {
            let key = key_pattern(shared(entries.iter().map(|(key, _)| key))?)?;
            // The first value decides.
            let value = entries.first().map_or(Ok(Pattern::Any), |(_, value)| pattern(value))?;
            optional(Pattern::Array(Box::new(Pattern::Entry(Box::new((key, value))))))
        }
        Said::Entry(pair) => {
            let key = key_pattern(pattern(&pair.0)?)?;
            optional(Pattern::Entry(Box::new((key, pattern(&pair.1)?))))
        }
        Said::Declared(kind, _) => Pattern::of(kind),
    })
}

fn shared<'a>(said: impl Iterator<Item = &'a Said>) -> Result<Pattern, String> {
    let mut all = Pattern::Any;
    for one in said {
        all = all.and(pattern(one)?).ok_or("the elements have no type in common")?;
    }
    Ok(all)
}

/// Keys are no maybes.
fn key_pattern(pattern: Pattern) -> Result<Pattern, String> {
    match pattern {
        Pattern::Optional(of) => key_pattern(*of),
        Pattern::Any | Pattern::Number | Pattern::Text | Pattern::Basic(_) => Ok(pattern),
        _ => Err("a key is not of a basic type".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(kind: &str, text: &str) -> Vec<u8> {
        let kind = Type::parse(kind).unwrap();
        read(text, &kind)
            .unwrap_or_else(|problem| panic!("{text}: {problem}"))
            .bytes(&kind)
            .unwrap()
    }

    #[test]
    fn texts_are_values_of_their_type() {
        assert_eq!(bytes("b", " true\n"), b"\x01");
        assert_eq!(bytes("i", "-0x10"), (-16_i32).to_le_bytes());
        assert_eq!(bytes("i", "uint32 010"), 8_i32.to_le_bytes());
        assert_eq!(bytes("d", "1"), 1.0_f64.to_le_bytes());
        assert_eq!(bytes("d", "-.5e1"), (-5.0_f64).to_le_bytes());
        assert_eq!(
            bytes(
                "s",
                r#"'a\'\u00e9\n"\
b'"#
            ),
            "a'é\n\"b\0".as_bytes()
        );
        assert_eq!(bytes("as", "@as []"), b"");
        assert_eq!(bytes("ay", r"b'a\101\t'"), b"aA\t\0");
        assert_eq!(bytes("ms", "'x'"), b"x\0\0");
        assert_eq!(bytes("(si)", "('a', 1)"), b"a\0\0\0\x01\0\0\0\x02");
        assert_eq!(bytes("a{si}", "{'a': 1}"), bytes("a{si}", "[{'a', 1}]"));
        assert_eq!(bytes("(i)", "(1,)"), 1_i32.to_le_bytes());
        assert_eq!(bytes("o", "'/a/b_1'"), b"/a/b_1\0");
    }

    #[test]
    fn a_value_brings_the_type_that_fits_all() {
        for (text, kind) in [
            ("<1>", "i"),
            ("<[1, 2.5]>", "ad"),
            ("<[1, byte 2]>", "ay"),
            ("<['a', just 'b']>", "ams"),
            ("<{'a': <1>}>", "a{sv}"),
            ("<(1, 'x', true, <2>)>", "(isbv)"),
            ("<@as []>", "as"),
            ("<[[], ['a']]>", "aas"),
            ("<{'a', 1}>", "{si}"),
            ("<b'x'>", "ay"),
        ] {
            assert!(bytes("v", text).ends_with(format!("\0{kind}").as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_told() {
        for (kind, text) in [
            ("b", ""),
            ("b", "1"),
            ("b", "true false"),
            ("y", "256"),
            ("u", "-1"),
            ("i", "1.5"),
            ("i", "09"),
            ("s", "'a"),
            ("s", "'\\ud800'"),
            ("s", "word"),
            ("as", "['a',]"),
            ("as", "['a' 'b']"),
            ("(i)", "(1)"),
            ("v", "<[]>"),
            ("v", "<['a', 1]>"),
            ("d", "0x1"),
            ("d", "1e999"),
            ("d", "nan"),
            ("o", "'a'"),
            ("i", "--5"),
            ("a{sv}", "{'a': 1}"),
            ("a{sv}", "{'a' <1>}"),
            ("i", "é"),
            ("i", "@"),
            ("v", "<1"),
            ("i", "+5"),
        ] {
            assert!(read(text, &Type::parse(kind).unwrap()).is_err(), "{kind}: {text}");
        }
        let deep = "<".repeat(5000);
        assert!(read(&deep, &Type::Variant).is_err());
    }
}
