//! Schemas of GSettings: what `*.gschema.xml` and `*.enums.xml` say (`gschema.dtd` of GLib 2.84). The real program
//! leaves out a file with a mistake; here each mistake is an error with its place.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::markup::{self, Element};
use super::strings::Strings;
use super::text;
use super::variant::{Type, Value};

/// How many keys and schemas may be in one index: a whole desktop has some thousands.
const COUNT_MAX: usize = 20_000;

/// What the strings of a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    Choices,
    Enumeration,
    Flags,
}

/// A key, with all that bounds its values.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) kind: Type,
    pub(super) default: Value,
    /// The category of a translation and the text to translate, with its context.
    pub(super) translated: Option<(u8, String)>,
    pub(super) flavour: Flavour,
    pub(super) strings: Rc<Strings>,
    pub(super) range: Option<[Value; 2]>,
    /// Other defaults of desktops, in the order in which they came.
    pub(super) desktops: Vec<(String, Value)>,
    /// Whether the schema that this one extends has the key.
    overrides: bool,
}

impl Key {
    /// Reads a value that the key may have.
    pub(super) fn read(&self, said: &str) -> Result<Value, String> {
        let value = text::read(said, &self.kind)?;
        self.check(&value)?;
        Ok(value)
    }

    fn check(&self, value: &Value) -> Result<(), String> {
        if let Some([least, greatest]) = &self.range {
            return match is_in_order(least, value) && is_in_order(value, greatest) {
                true => Ok(()),
                false => Err("the value is not in the range of the key".into()),
            };
        }
        match (self.strings.is_empty(), value) {
            (true, _) => Ok(()),
            (false, Value::Text(name)) if self.strings.has(name) => Ok(()),
            (false, Value::Text(name)) => Err(format!("`{name}` is not one of the key's strings")),
            (false, Value::Sequence(values)) => {
                values.iter().try_for_each(|value| self.check(value))
            }
            (false, Value::Maybe(value)) => {
                value.as_ref().map_or(Ok(()), |value| self.check(value))
            }
            _ => Err("the value is not of strings".into()),
        }
    }
}

fn is_in_order(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => one <= other,
        (Value::Double(one), Value::Double(other)) => one <= other,
        _ => false,
    }
}

/// What is in a schema.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Key(Key),
    /// The schema of what is below this one.
    Child(String),
}

/// A schema.
#[derive(Debug, Default)]
pub(super) struct Schema {
    pub(super) path: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) extends: Option<String>,
    pub(super) list_of: Option<String>,
    /// The names of its items, in the order in which they came: a child's ends in `/`.
    pub(super) order: Vec<String>,
    pub(super) items: BTreeMap<String, Item>,
}

/// All that a folder of schemas says.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    /// The names of schemas, in the order in which they came.
    pub(super) order: Vec<String>,
    pub(super) schemas: BTreeMap<String, Schema>,
    enumerations: BTreeMap<String, Rc<Strings>>,
    flags: BTreeMap<String, Rc<Strings>>,
    count: usize,
}

/// What is wrong, and in which line.
pub(super) type Problem = (usize, String);

/// Attributes of an element: those it must have, then those it may have.
fn attributes<'a, const M: usize, const N: usize>(
    element: &'a Element,
    needed: [&str; M],
    allowed: [&str; N],
) -> Result<([&'a str; M], [Option<&'a str>; N]), Problem> {
    let (line, name) = (element.line, &element.name);
    let is_known = |key: &str| needed.contains(&key) || allowed.contains(&key);
    if let Some((key, _)) = element.attributes.iter().find(|(key, _)| !is_known(key)) {
        return Err((line, format!("unknown attribute `{key}` of <{name}>")));
    }
    if let Some(key) = needed.iter().find(|key| element.attribute(key).is_none()) {
        return Err((line, format!("<{name}> has no attribute `{key}`")));
    }
    let found = needed.map(|key| element.attribute(key).unwrap_or_default());
    Ok((found, allowed.map(|key| element.attribute(key))))
}

/// An element that has no text of its own.
fn without_text(element: &Element) -> Result<(), Problem> {
    match element.text.trim_matches(|c: char| c.is_ascii_whitespace()) {
        "" => Ok(()),
        _ => Err((element.line, format!("text in <{}>", element.name))),
    }
}

/// An element that has nothing in it but text.
fn without_children(element: &Element) -> Result<(), Problem> {
    element.children.first().map_or(Ok(()), |child| Err(misplaced(child, element)))
}

fn misplaced(child: &Element, element: &Element) -> Problem {
    (child.line, format!("<{}> in <{}>", child.name, element.name))
}

/// `is_valid_keyname`
fn check_name(name: &str, line: usize) -> Result<(), Problem> {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_right = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(letters)
        && !name.contains("--")
        && !name.ends_with('-')
        && name.len() <= 1024;
    match is_right {
        true => Ok(()),
        false => Err((line, format!("`{name}` is not a name of a key"))),
    }
}

impl Schemas {
    /// Adds what a file says.
    ///
    /// # Errors
    /// What is wrong with it, and in which line.
    pub(super) fn add(&mut self, text: &str) -> Result<(), Problem> {
        let list = markup::read(text)?;
        if list.name != "schemalist" {
            return Err((list.line, format!("<{}> is not <schemalist>", list.name)));
        }
        let ([], [domain]) = attributes(&list, [], ["gettext-domain"])?;
        without_text(&list)?;
        for element in &list.children {
            match element.name.as_str() {
                "schema" => self.schema(element, domain)?,
                "enum" => self.strings(element, false)?,
                "flags" => self.strings(element, true)?,
                _ => return Err(misplaced(element, &list)),
            }
        }
        Ok(())
    }

    fn counted(&mut self, line: usize) -> Result<(), Problem> {
        self.count += 1;
        match self.count <= COUNT_MAX {
            true => Ok(()),
            false => Err((line, format!("more than {COUNT_MAX} keys and schemas"))),
        }
    }

    fn strings(&mut self, element: &Element, are_flags: bool) -> Result<(), Problem> {
        let ([id], []) = attributes(element, ["id"], [])?;
        without_text(element)?;
        let mut strings = Strings::default();
        for child in &element.children {
            if child.name != "value" {
                return Err(misplaced(child, element));
            }
            let ([nick, value], []) = attributes(child, ["nick", "value"], [])?;
            without_text(child)?;
            without_children(child)?;
            add_string(&mut strings, nick, value, are_flags)
                .map_err(|problem| (child.line, problem))?;
        }
        if strings.is_empty() {
            return Err((element.line, format!("<{}> has no value", element.name)));
        }
        let known = if are_flags { &mut self.flags } else { &mut self.enumerations };
        match known.insert(id.to_owned(), Rc::new(strings)) {
            None => Ok(()),
            Some(_) => Err((element.line, format!("the <{}> `{id}` is given twice", element.name))),
        }
    }

    fn schema(&mut self, element: &Element, domain: Option<&str>) -> Result<(), Problem> {
        let line = element.line;
        let ([id], [path, own, extends, list_of]) =
            attributes(element, ["id"], ["path", "gettext-domain", "extends", "list-of"])?;
        without_text(element)?;
        self.counted(line)?;
        let mut schema = Schema {
            path: path.map(str::to_owned),
            domain: own.or(domain).map(str::to_owned),
            extends: extends.map(str::to_owned),
            list_of: list_of.map(str::to_owned),
            ..Schema::default()
        };
        if self.schemas.contains_key(id) {
            return Err((line, format!("the schema `{id}` is given twice")));
        }
        self.check_relations(&mut schema).map_err(|problem| (line, problem))?;
        for child in &element.children {
            self.counted(child.line)?;
            let (name, item) = match child.name.as_str() {
                "key" => self.key(&schema, child)?,
                "override" => self.overriding(&schema, child)?,
                "child" => {
                    let ([name, of], []) = attributes(child, ["name", "schema"], [])?;
                    without_text(child)?;
                    without_children(child)?;
                    check_name(name, child.line)?;
                    (format!("{name}/"), Item::Child(of.to_owned()))
                }
                _ => return Err(misplaced(child, element)),
            };
            if schema.items.insert(name.clone(), item).is_some() {
                return Err((child.line, format!("`{name}` is given twice")));
            }
            schema.order.push(name);
        }
        self.order.push(id.to_owned());
        self.schemas.insert(id.to_owned(), schema);
        Ok(())
    }

    /// Whether a schema may extend and list what it does.
    fn check_relations(&self, schema: &mut Schema) -> Result<(), String> {
        let named = |id: &str| {
            self.schemas.get(id).ok_or_else(|| format!("the schema `{id}` is not there yet"))
        };
        let pathless = |schema: &Schema, id: &str| match &schema.path {
            None => Ok(()),
            Some(path) => Err(format!("the schema `{id}` has a path, {path}")),
        };
        if let Some(id) = &schema.list_of {
            pathless(named(id)?, id)?;
        }
        if let Some(id) = &schema.extends {
            let extended = named(id)?;
            pathless(extended, id)?;
            match (&schema.list_of, &extended.list_of) {
                (None, of) => schema.list_of.clone_from(of),
                (Some(_), None) => return Err(format!("the schema `{id}` is not a list")),
                (Some(one), Some(other)) if self.lineage(one).any(|id| id == other) => {}
                (Some(one), Some(other)) => {
                    return Err(format!("`{one}` does not extend `{other}`"));
                }
            }
        }
        match &schema.path {
            Some(path) if !path.starts_with('/') || !path.ends_with('/') => {
                Err(format!("the path {path} does not begin and end with a slash"))
            }
            Some(path) if schema.list_of.is_some() && !path.ends_with(":/") => {
                Err(format!("the path {path} of a list does not end with `:/`"))
            }
            _ => Ok(()),
        }
    }

    /// A schema, the one that it extends, and so on.
    fn lineage<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a str> {
        let next =
            |id: &&'a str| self.schemas.get(*id).and_then(|schema| schema.extends.as_deref());
        std::iter::successors(Some(id), next)
    }

    /// The key of a name of the schemas that one extends.
    fn inherited(&self, schema: &Schema, name: &str) -> Option<&Key> {
        let extended = schema.extends.as_deref()?;
        self.lineage(extended).find_map(|id| match self.schemas.get(id)?.items.get(name)? {
            Item::Key(key) => Some(key),
            Item::Child(_) => None,
        })
    }

    /// The type of a key, with the strings that it may have.
    fn kind(&self, element: &Element) -> Result<(String, Type, Flavour, Rc<Strings>), Problem> {
        let ([name], kinds) = attributes(element, ["name"], ["type", "enum", "flags"])?;
        let named = |known: &BTreeMap<String, Rc<Strings>>, id: &str| {
            let missing = || (element.line, format!("the strings `{id}` are not there yet"));
            known.get(id).cloned().ok_or_else(missing)
        };
        let (kind, flavour, strings) = match kinds {
            [Some(kind), None, None] => {
                let Some(kind) = Type::parse(kind) else {
                    return Err((element.line, format!("`{kind}` is not a definite type")));
                };
                (kind, Flavour::Choices, Rc::default())
            }
            [None, Some(id), None] => {
                (Type::STRING, Flavour::Enumeration, named(&self.enumerations, id)?)
            }
            [None, None, Some(id)] => {
                (Type::array(Type::STRING), Flavour::Flags, named(&self.flags, id)?)
            }
            _ => return Err((element.line, "a key has one of `type`, `enum` and `flags`".into())),
        };
        Ok((name.to_owned(), kind, flavour, strings))
    }

    fn key(&self, schema: &Schema, element: &Element) -> Result<(String, Item), Problem> {
        let line = element.line;
        let (name, kind, flavour, strings) = self.kind(element)?;
        check_name(&name, line)?;
        without_text(element)?;
        if schema.list_of.is_some() {
            return Err((line, format!("the key `{name}` in a list")));
        }
        if self.inherited(schema, &name).is_some_and(|key| !key.overrides) {
            return Err((
                line,
                format!("the key `{name}` is one of a schema that this one extends"),
            ));
        }
        let default = Value::Boolean(false);
        let (translated, range, desktops) = (None, None, Vec::new());
        let mut key =
            Key { kind, default, translated, flavour, strings, range, desktops, overrides: false };
        let mut default = None;
        for child in &element.children {
            let is_repeated = match child.name.as_str() {
                "default" => default.replace(child).is_some(),
                "range" => key.range.replace(range_of(&key, child)?).is_some(),
                "choices" | "aliases" => {
                    names(&mut key, child)?;
                    false
                }
                "summary" | "description" => {
                    let ([], []) = attributes(child, [], [])?;
                    without_children(child)?;
                    false
                }
                _ => return Err(misplaced(child, element)),
            };
            if is_repeated {
                return Err((child.line, format!("<{}> is given twice", child.name)));
            }
        }
        let Some(default) = default else {
            return Err((line, format!("the key `{name}` has no <default>")));
        };
        let ([], [category, context]) = attributes(default, [], ["l10n", "context"])?;
        set_default(&mut key, default, category, context, schema)?;
        Ok((name, Item::Key(key)))
    }

    fn overriding(&self, schema: &Schema, element: &Element) -> Result<(String, Item), Problem> {
        let ([name], [category, context]) = attributes(element, ["name"], ["l10n", "context"])?;
        let Some(original) = self.inherited(schema, name) else {
            return Err((
                element.line,
                format!("no schema that this one extends has the key `{name}`"),
            ));
        };
        let mut key =
            Key { translated: None, desktops: Vec::new(), overrides: true, ..original.clone() };
        set_default(&mut key, element, category, context, schema)?;
        Ok((name.to_owned(), Item::Key(key)))
    }
}

/// `enum_state_add_value`
fn add_string(
    strings: &mut Strings,
    nick: &str,
    value: &str,
    are_flags: bool,
) -> Result<(), String> {
    if nick.len() < 2 {
        return Err(format!("the nick `{nick}` has less than two letters"));
    }
    let range = match are_flags {
        true => [0, i128::from(u32::MAX)],
        false => [i128::from(i32::MIN), i128::from(i32::MAX)],
    };
    let number = text::integer(value, range)?;
    let number = match u32::try_from(number) {
        Ok(number) => number,
        Err(_) => i32::try_from(number).map_err(|_| "too great")?.cast_unsigned(),
    };
    if strings.has_number(number) {
        return Err(format!("the value {value} is given twice"));
    }
    match (are_flags, number.count_ones()) {
        // No flag is an empty array.
        (true, 0) => Ok(()),
        (true, 2..) => Err(format!("the value {value} of a flag has more than one bit")),
        _ => strings.add(nick, number),
    }
}

/// `<range>` of a key; a bound that is not given is the type's.
fn range_of(key: &Key, element: &Element) -> Result<[Value; 2], Problem> {
    let ([], [least, greatest]) = attributes(element, [], ["min", "max"])?;
    without_text(element)?;
    without_children(element)?;
    let problem = |problem| (element.line, problem);
    let of_kind = match key.kind {
        Type::Basic(b'd') => Some([Value::Double(f64::NEG_INFINITY), Value::Double(f64::INFINITY)]),
        // A handle is no number.
        Type::Basic(letter) if letter != b'h' => {
            text::range(letter).map(|range| range.map(Value::Integer))
        }
        _ => None,
    };
    let Some(of_kind) = of_kind else {
        return Err(problem(format!("<range> of a key of the type `{}`", key.kind)));
    };
    let [from, to] = of_kind;
    let read = |bound: Option<&str>, otherwise| match bound {
        Some(bound) => text::read(bound, &key.kind).map_err(problem),
        None => Ok(otherwise),
    };
    let range = [read(least, from)?, read(greatest, to)?];
    match is_in_order(&range[0], &range[1]) {
        true => Ok(range),
        false => Err(problem("the range ends before it begins".into())),
    }
}

/// `<choices>` and `<aliases>` of a key.
fn names(key: &mut Key, element: &Element) -> Result<(), Problem> {
    let ([], []) = attributes(element, [], [])?;
    without_text(element)?;
    let mut of = &key.kind;
    while let Type::Array(inner) | Type::Maybe(inner) = of {
        of = inner;
    }
    let are_choices = element.name == "choices";
    let is_right = match are_choices {
        true => key.flavour == Flavour::Choices && key.strings.is_empty() && of == &Type::STRING,
        false => !key.strings.is_empty(),
    };
    if !is_right || element.children.is_empty() {
        return Err((element.line, format!("<{}> of this key, or an empty one", element.name)));
    }
    let strings = Rc::make_mut(&mut key.strings);
    for child in &element.children {
        without_text(child)?;
        without_children(child)?;
        let added = match (are_choices, child.name.as_str()) {
            (true, "choice") => {
                let ([value], []) = attributes(child, ["value"], [])?;
                strings.add(value, 0)
            }
            (false, "alias") => {
                let ([value, target], []) = attributes(child, ["value", "target"], [])?;
                strings.add_alias(value, target)
            }
            _ => return Err(misplaced(child, element)),
        };
        added.map_err(|problem| (child.line, problem))?;
    }
    Ok(())
}

/// Gives a key its default, which is translated where it runs if it has a category.
fn set_default(
    key: &mut Key,
    element: &Element,
    category: Option<&str>,
    context: Option<&str>,
    schema: &Schema,
) -> Result<(), Problem> {
    let problem = |problem| (element.line, problem);
    without_children(element)?;
    let category = match category {
        None if context.is_some() => {
            return Err(problem("a context without `l10n`".to_owned()));
        }
        None => None,
        Some("messages") => Some(b'm'),
        Some("time") => Some(b't'),
        Some(other) => return Err(problem(format!("unknown category `{other}` of translations"))),
    };
    if let Some(category) = category {
        if schema.domain.is_none() {
            return Err(problem("`l10n` without a gettext-domain".to_owned()));
        }
        let said = element.text.trim_matches(|c: char| c.is_ascii_whitespace());
        let said = context.map_or(said.to_owned(), |context| format!("{context}\x04{said}"));
        key.translated = Some((category, said));
    }
    key.default = key.read(&element.text).map_err(problem)?;
    Ok(())
}
