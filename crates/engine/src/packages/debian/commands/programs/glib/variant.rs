//! Values of GLib and how they lie in a file: types by their letters, bytes in the order of x86-64 and aarch64.
//!
//! Standard: the GVariant specification 1.0, "Serialization Format", in normal form. Oracle: glib-compile-schemas.

use std::fmt;

/// How deep a type may lie in others (`G_VARIANT_MAX_RECURSION_DEPTH` has 128).
pub(super) const DEPTH_MAX: usize = 64;

/// A definite type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// One of `bynqiuxthdsog`.
    Basic(u8),
    /// `v`: any value, with its type.
    Variant,
    /// `m`: one or none.
    Maybe(Box<Type>),
    /// `a`: any number of one type.
    Array(Box<Type>),
    /// `()`: one of each.
    Tuple(Vec<Type>),
    /// `{}`: a key and what it leads to.
    Entry(Box<Type>, Box<Type>),
}

impl Type {
    /// The type of a string, which is one whole type.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = parse(text.as_bytes(), DEPTH_MAX)?;
        rest.is_empty().then_some(kind)
    }

    /// A type of texts, numbers or truth.
    pub(super) const STRING: Self = Self::Basic(b's');

    pub(super) fn array(of: Self) -> Self {
        Self::Array(Box::new(of))
    }

    fn alignment(&self) -> usize {
        match self {
            Self::Basic(b'n' | b'q') => 2,
            Self::Basic(b'i' | b'u' | b'h') => 4,
            Self::Basic(b'x' | b't' | b'd') | Self::Variant => 8,
            Self::Basic(_) => 1,
            Self::Maybe(of) | Self::Array(of) => of.alignment(),
            Self::Tuple(members) => members.iter().map(Self::alignment).max().unwrap_or(1),
            Self::Entry(key, value) => key.alignment().max(value.alignment()),
        }
    }

    /// Whether each value takes as many bytes as any other.
    fn is_fixed(&self) -> bool {
        match self {
            Self::Basic(letter) => !b"sog".contains(letter),
            Self::Variant | Self::Maybe(_) | Self::Array(_) => false,
            Self::Tuple(members) => members.iter().all(Self::is_fixed),
            Self::Entry(key, value) => key.is_fixed() && value.is_fixed(),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic(letter) => write!(f, "{}", char::from(*letter)),
            Self::Variant => f.write_str("v"),
            Self::Maybe(of) => write!(f, "m{of}"),
            Self::Array(of) => write!(f, "a{of}"),
            Self::Tuple(members) => {
                f.write_str("(")?;
                members.iter().try_for_each(|member| member.fmt(f))?;
                f.write_str(")")
            }
            Self::Entry(key, value) => write!(f, "{{{key}{value}}}"),
        }
    }
}

fn parse(text: &[u8], depth: usize) -> Option<(Type, &[u8])> {
    let depth = depth.checked_sub(1)?;
    let (first, mut rest) = text.split_first()?;
    Some(match first {
        b'v' => (Type::Variant, rest),
        b'm' | b'a' => {
            let (of, rest) = parse(rest, depth)?;
            let of = Box::new(of);
            (if *first == b'm' { Type::Maybe(of) } else { Type::Array(of) }, rest)
        }
        b'(' => {
            let mut members = Vec::new();
            while rest.first()? != &b')' {
                let (member, behind) = parse(rest, depth)?;
                members.push(member);
                rest = behind;
            }
            (Type::Tuple(members), &rest[1..])
        }
        b'{' => {
            let (key, rest) = parse(rest, depth)?;
            let (value, rest) = parse(rest, depth)?;
            let is_basic = matches!(key, Type::Basic(_));
            let rest = rest.strip_prefix(b"}").filter(|_| is_basic)?;
            (Type::Entry(Box::new(key), Box::new(value)), rest)
        }
        letter if b"bynqiuxthdsog".contains(letter) => (Type::Basic(*letter), rest),
        _ => return None,
    })
}

/// A value, whose type says the rest.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Boolean(bool),
    /// Of any width that the type has.
    Integer(i128),
    Double(f64),
    Text(String),
    Variant(Type, Box<Value>),
    Maybe(Option<Box<Value>>),
    /// The elements of an array, the members of a tuple, a key with its value.
    Sequence(Vec<Value>),
}

impl Value {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// The bytes of a value of this type: nothing if it is of another.
    pub(super) fn bytes(&self, kind: &Type) -> Option<Vec<u8>> {
        Some(match (self, kind) {
            (Self::Boolean(is), Type::Basic(b'b')) => vec![u8::from(*is)],
            (
                Self::Integer(number),
                Type::Basic(b'y' | b'n' | b'q' | b'i' | b'u' | b'h' | b'x' | b't'),
            ) => {
                let width = if kind == &Type::Basic(b'y') { 1 } else { kind.alignment() };
                number.to_le_bytes()[..width].to_vec()
            }
            (Self::Double(number), Type::Basic(b'd')) => number.to_le_bytes().to_vec(),
            (Self::Text(text), Type::Basic(b's' | b'o' | b'g')) => {
                [text.as_bytes(), b"\0"].concat()
            }
            (Self::Variant(of, value), Type::Variant) => {
                [value.bytes(of)?, vec![0], of.to_string().into_bytes()].concat()
            }
            (Self::Maybe(None), Type::Maybe(_)) => Vec::new(),
            (Self::Maybe(Some(value)), Type::Maybe(of)) => {
                let mut bytes = value.bytes(of)?;
                if !of.is_fixed() {
                    bytes.push(0);
                }
                bytes
            }
            (Self::Sequence(elements), Type::Array(of)) => array(elements, of)?,
            (Self::Sequence(members), Type::Tuple(kinds)) => {
                tuple(members, &kinds.iter().collect::<Vec<_>>())?
            }
            (Self::Sequence(pair), Type::Entry(key, value)) => tuple(pair, &[key, value])?,
            _ => return None,
        })
    }
}

fn pad(bytes: &mut Vec<u8>, alignment: usize) {
    bytes.resize(bytes.len().next_multiple_of(alignment), 0);
}

/// Appends where parts end, in as few bytes each as the whole needs.
fn frame(mut bytes: Vec<u8>, ends: impl ExactSizeIterator<Item = usize>) -> Vec<u8> {
    let (len, count) = (bytes.len(), ends.len());
    let fits = |width: &usize| len + count * width < 1 << (8 * width);
    let width = [1, 2, 4].into_iter().find(fits).unwrap_or(8);
    for end in ends {
        bytes.extend_from_slice(&end.to_le_bytes()[..width]);
    }
    bytes
}

fn array(elements: &[Value], of: &Type) -> Option<Vec<u8>> {
    let (alignment, is_fixed) = (of.alignment(), of.is_fixed());
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for element in elements {
        pad(&mut bytes, alignment);
        bytes.extend(element.bytes(of)?);
        ends.push(bytes.len());
    }
    if is_fixed {
        ends.clear();
    }
    Some(frame(bytes, ends.into_iter()))
}

fn tuple(members: &[Value], kinds: &[&Type]) -> Option<Vec<u8>> {
    if members.len() != kinds.len() {
        return None;
    }
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    let mut is_fixed = true;
    for (at, (member, kind)) in members.iter().zip(kinds).enumerate() {
        pad(&mut bytes, kind.alignment());
        bytes.extend(member.bytes(kind)?);
        if !kind.is_fixed() {
            is_fixed = false;
            if at + 1 < members.len() {
                ends.push(bytes.len());
            }
        }
    }
    if is_fixed {
        pad(&mut bytes, kinds.iter().map(|kind| kind.alignment()).max().unwrap_or(1));
        if members.is_empty() {
            bytes.push(0);
        }
    }
    Some(frame(bytes, ends.into_iter().rev()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_and_written() {
        for text in ["b", "as", "a{sv}", "m(ii)", "a((auss)u)", "()", "a{s(ai)}"] {
            assert_eq!(Type::parse(text).map(|kind| kind.to_string()).as_deref(), Some(text));
        }
        for text in ["", "a", "ss", "(s", "{sv", "{vs}", "*", "r", "a?", "s)", &"a".repeat(70)] {
            assert_eq!(Type::parse(text), None, "{text}");
        }
    }

    /// The examples of the specification, section 2.5.5, in the byte order of the machine.
    #[test]
    fn values_lie_as_the_specification_has_them() {
        let bytes = |kind: &str, value: Value| value.bytes(&Type::parse(kind).unwrap()).unwrap();
        let texts = ["i", "can", "has", "strings?"].map(Value::text).to_vec();
        let expected = b"i\0can\0has\0strings?\0\x02\x06\x0a\x13";
        assert_eq!(bytes("as", Value::Sequence(texts)), expected);
        let pair =
            |text: &str, number| Value::Sequence(vec![Value::text(text), Value::Integer(number)]);
        let pairs = Value::Sequence(vec![pair("hi", -2), pair("bye", -1)]);
        let expected = b"hi\0\0\xfe\xff\xff\xff\x03\0\0\0bye\0\xff\xff\xff\xff\x04\x09\x15";
        assert_eq!(bytes("a(si)", pairs), expected);
        assert_eq!(bytes("()", Value::Sequence(Vec::new())), b"\0");
        let some = |value| Value::Maybe(Some(Box::new(value)));
        assert_eq!(bytes("ms", some(Value::text("a"))), b"a\0\0");
        assert_eq!(bytes("mq", some(Value::Integer(258))), b"\x02\x01");
        let four = Value::Sequence(vec![Value::Integer(7), Value::Integer(1)]);
        assert_eq!(bytes("(yn)", four.clone()), b"\x07\0\x01\0");
        assert_eq!(bytes("(ny)", four), b"\x07\0\x01\0");
        assert_eq!(Value::Boolean(true).bytes(&Type::STRING), None);
        let long = Value::Sequence(vec![Value::text(&"x".repeat(253)), Value::text("")]);
        assert_eq!(bytes("as", long).len(), 255 + 4);
    }
}
