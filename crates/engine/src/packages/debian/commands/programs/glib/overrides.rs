//! Other defaults for the keys of schemas: `*.gschema.override`, a key file of GLib (`[SCHEMA]`, `[SCHEMA:DESKTOP]`).

use std::collections::BTreeMap;

use super::schema::{Item, Problem, Schemas};

/// Sets the defaults that a file says; answers which keys no schema has, as `(group, key)`.
///
/// # Errors
/// What is wrong with it, and in which line.
pub(super) fn apply(schemas: &mut Schemas, text: &str) -> Result<Vec<(String, String)>, Problem> {
    let mut unknown = Vec::new();
    for (line, group, key, value) in groups(text)? {
        let (id, desktop) = match group.split_once(':') {
            Some((id, desktop)) => (id, Some(desktop)),
            None => (group, None),
        };
        // That a schema is not installed is usual.
        let Some(schema) = schemas.schemas.get_mut(id) else { continue };
        let Some(Item::Key(item)) = schema.items.get_mut(key) else {
            unknown.push((group.to_owned(), key.to_owned()));
            continue;
        };
        let value = item.read(value).map_err(|problem| (line, format!("`{key}`: {problem}")))?;
        match desktop {
            None => item.default = value,
            Some(_) if item.translated.is_some() => {
                return Err((line, format!("`{key}` of one desktop is translated")));
            }
            Some(desktop) => match item.desktops.iter_mut().find(|(known, _)| known == desktop) {
                Some(known) => known.1 = value,
                None => item.desktops.push((desktop.to_owned(), value)),
            },
        }
    }
    Ok(unknown)
}

/// A line `KEY=VALUE`: its number, its group, the key and the value.
type Entry<'a> = (usize, &'a str, &'a str, &'a str);

/// The lines of a file, groups in the order in which they came first.
fn groups(text: &str) -> Result<Vec<Entry<'_>>, Problem> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut entries: Vec<(usize, Entry<'_>)> = Vec::new();
    let mut group = None;
    for (line, said) in (1..).zip(text.lines()) {
        let said = said.trim_ascii();
        if said.is_empty() || said.starts_with('#') {
            continue;
        }
        if let Some(name) = said.strip_prefix('[').and_then(|said| said.strip_suffix(']')) {
            if name.is_empty() || name.contains(|c: char| c.is_control() || "[]".contains(c)) {
                return Err((line, format!("`{said}` is not a group")));
            }
            let next = places.len();
            group = Some((*places.entry(name).or_insert(next), name));
            continue;
        }
        let (Some((key, value)), Some((place, name))) = (said.split_once('='), group) else {
            return Err((line, format!("`{said}` is neither a group nor a key of one")));
        };
        let (key, value) = (key.trim_ascii_end(), value.trim_ascii_start());
        if key.is_empty() || key.contains(['[', ']']) {
            return Err((line, format!("`{key}` is not a key")));
        }
        entries.push((place, (line, name, key, value)));
    }
    entries.sort_by_key(|(place, _)| *place);
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}
