//! `gschemas.compiled`: schemas as tables of GVDB.

use super::gvdb::{Content, Table, order};
use super::schema::{Flavour, Item, Key, Schema, Schemas};
use super::variant::{Type, Value};

/// How long an index may be: that of a whole desktop has less than 1 MiB.
const LEN_MAX: usize = 16 << 20;

/// An index, and the schemas that others name and that are not there.
pub(super) struct Index {
    pub(super) bytes: Vec<u8>,
    pub(super) missing: Vec<String>,
}

/// The index of schemas; nothing if it is too long.
pub(super) fn write(schemas: &Schemas) -> Option<Index> {
    let (mut root, mut missing, mut len) = (Table::new(), Vec::new(), 0);
    for id in in_order(&schemas.order) {
        let Some(schema) = schemas.schemas.get(id) else { continue };
        let mut table = Table::new();
        let mut is_translated = false;
        for name in in_order(&schema.order) {
            let Some(item) = schema.items.get(name) else { continue };
            if let Item::Child(of) = item
                && !schemas.schemas.contains_key(of)
            {
                missing.push(of.clone());
            }
            is_translated |= matches!(item, Item::Key(key) if key.translated.is_some());
            let value = item_value(item)?;
            len += value.len();
            if len > LEN_MAX {
                return None;
            }
            table.list(name, Content::Value(value));
        }
        for (name, text) in about(schema, is_translated) {
            table.add(name, Content::Value(text_value(text)?));
        }
        root.list(id, Content::Table(table));
    }
    let bytes = root.file().filter(|bytes| bytes.len() <= LEN_MAX)?;
    Some(Index { bytes, missing })
}

/// Names as GLib's table of them has them.
fn in_order(names: &[String]) -> Vec<&str> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    order(&names).into_iter().map(|at| names[at]).collect()
}

/// What a schema says of itself.
fn about(schema: &Schema, is_translated: bool) -> impl Iterator<Item = (&'static str, &str)> {
    let domain = schema.domain.as_deref().filter(|_| is_translated);
    [
        (".path", schema.path.as_deref()),
        (".extends", schema.extends.as_deref()),
        (".list-of", schema.list_of.as_deref()),
        (".gettext-domain", domain),
    ]
    .into_iter()
    .filter_map(|(name, text)| Some((name, text?)))
}

fn text_value(text: &str) -> Option<Vec<u8>> {
    Value::Variant(Type::STRING, Box::new(Value::text(text))).bytes(&Type::Variant)
}

fn item_value(item: &Item) -> Option<Vec<u8>> {
    let key = match item {
        Item::Child(of) => return text_value(of),
        Item::Key(key) => key,
    };
    let (mut kinds, mut values) = (vec![key.kind.clone()], vec![key.default.clone()]);
    for (letter, kind, value) in bounds(key) {
        kinds.push(Type::Tuple(vec![Type::Basic(b'y'), kind]));
        values.push(Value::Sequence(vec![Value::Integer(i128::from(letter)), value]));
    }
    let value = Box::new(Value::Sequence(values));
    Value::Variant(Type::Tuple(kinds), value).bytes(&Type::Variant)
}

/// What stands behind a default, each with its letter.
fn bounds(key: &Key) -> Vec<(u8, Type, Value)> {
    let mut bounds = Vec::new();
    if let Some((category, said)) = &key.translated {
        let kind = Type::Tuple(vec![Type::Basic(b'y'), Type::STRING]);
        let value = vec![Value::Integer(i128::from(*category)), Value::text(said)];
        bounds.push((b'l', kind, Value::Sequence(value)));
    }
    if !key.strings.is_empty() {
        let letter = match key.flavour {
            Flavour::Choices => b'c',
            Flavour::Enumeration => b'e',
            Flavour::Flags => b'f',
        };
        bounds.push((letter, Type::array(Type::Basic(b'u')), key.strings.value()));
    }
    if let Some(range) = &key.range {
        let kind = Type::Tuple(vec![key.kind.clone(); 2]);
        bounds.push((b'r', kind, Value::Sequence(range.to_vec())));
    }
    if !key.desktops.is_empty() {
        let names: Vec<&str> = key.desktops.iter().map(|(name, _)| name.as_str()).collect();
        let entries = order(&names).into_iter().map(|at| {
            let (name, value) = &key.desktops[at];
            let value = Value::Variant(key.kind.clone(), Box::new(value.clone()));
            Value::Sequence(vec![Value::text(name), value])
        });
        let kind = Type::Entry(Box::new(Type::STRING), Box::new(Type::Variant));
        bounds.push((b'd', Type::array(kind), Value::Sequence(entries.collect())));
    }
    bounds
}
