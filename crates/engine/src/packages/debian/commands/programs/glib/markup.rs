//! XML as GLib's `GMarkup` reads it: elements with attributes and texts; declarations, comments and names with a
//! colon mean nothing, and no entity but XML's own five is known.

/// How deep elements may lie in one another: those of schemas lie four deep.
const DEPTH_MAX: usize = 16;

/// An element with all that is in it.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    /// All texts that stand in it directly, one behind the other.
    pub(super) text: String,
    /// The line in which it begins.
    pub(super) line: usize,
}

impl Element {
    /// An attribute of this name, if it is there.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a document: its outermost element.
///
/// # Errors
/// The line, and what is wrong with it.
pub(super) fn read(text: &str) -> Result<Element, (usize, String)> {
    let mut reader = Reader { text, at: 0, counted: (0, 1) };
    reader.document().map_err(|problem| (reader.line(), problem))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// The place up to which lines are counted, and the line there.
    counted: (usize, usize),
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> usize {
        let (from, line) = self.counted;
        let between = &self.text.as_bytes()[from..self.at];
        self.counted = (self.at, line + between.iter().filter(|byte| **byte == b'\n').count());
        self.counted.1
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take(&mut self, wanted: &str) -> bool {
        let is = self.rest().starts_with(wanted);
        if is {
            self.at += wanted.len();
        }
        is
    }

    fn need(&mut self, wanted: &str) -> Result<(), String> {
        match self.take(wanted) {
            true => Ok(()),
            false => Err(format!("expected `{wanted}`")),
        }
    }

    /// Takes all up to a mark, and the mark.
    fn up_to(&mut self, mark: &str) -> Result<&'a str, String> {
        let rest = self.rest();
        let Some(len) = rest.find(mark) else { return Err(format!("`{mark}` is missing")) };
        self.at += len + mark.len();
        Ok(&rest[..len])
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn name(&mut self) -> Result<&'a str, String> {
        let rest = self.rest();
        let ends = |c: char| c.is_ascii_whitespace() || "=/>".contains(c);
        let name = &rest[..rest.find(ends).unwrap_or(rest.len())];
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins || !name.bytes().all(is_known) {
            return Err(format!("`{name}` is not a name"));
        }
        self.at += name.len();
        Ok(name)
    }

    fn document(&mut self) -> Result<Element, String> {
        self.between()?;
        let element = self.element(DEPTH_MAX)?;
        self.between()?;
        match self.rest() {
            "" => Ok(element),
            _ => Err("something stands behind the outermost element".into()),
        }
    }

    /// Goes behind blanks, comments and declarations.
    fn between(&mut self) -> Result<(), String> {
        loop {
            self.blanks();
            if !self.comment()? {
                return Ok(());
            }
        }
    }

    /// Goes behind a comment, a processing instruction or a declaration, if one is next.
    fn comment(&mut self) -> Result<bool, String> {
        if self.take("<!--") {
            self.up_to("-->")?;
        } else if self.take("<?") {
            self.up_to("?>")?;
        } else if self.take("<!DOCTYPE") {
            // Up to its own end, whatever it declares.
            let mut open = 1;
            while open > 0 {
                let Some(len) = self.rest().find(['<', '>']) else {
                    return Err("a declaration does not end".into());
                };
                open = if self.rest()[len..].starts_with('<') { open + 1 } else { open - 1 };
                self.at += len + 1;
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn element(&mut self, depth: usize) -> Result<Element, String> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(format!("elements lie more than {DEPTH_MAX} deep in one another"));
        };
        let line = self.line();
        self.need("<")?;
        let name = self.name()?;
        let mut element = Element { name: name.to_owned(), line, ..Element::default() };
        loop {
            self.blanks();
            if self.take("/>") {
                return Ok(element);
            }
            if self.take(">") {
                break;
            }
            self.attribute(&mut element)?;
        }
        while !self.take("</") {
            if self.take("<![CDATA[") {
                element.text += self.up_to("]]>")?;
            } else if self.comment()? {
            } else if self.rest().starts_with('<') {
                let child = self.element(depth)?;
                // `G_MARKUP_IGNORE_QUALIFIED`
                if !child.name.contains(':') {
                    element.children.push(child);
                }
            } else {
                let rest = self.rest();
                let Some(len) = rest.find('<') else {
                    return Err(format!("<{name}> is not closed"));
                };
                element.text += &resolved(&rest[..len], false)?;
                self.at += len;
            }
        }
        let closed = self.name()?;
        if closed != name {
            return Err(format!("</{closed}> closes <{name}>"));
        }
        self.blanks();
        self.need(">")?;
        Ok(element)
    }

    fn attribute(&mut self, element: &mut Element) -> Result<(), String> {
        let name = self.name()?;
        self.blanks();
        self.need("=")?;
        self.blanks();
        let value = match (self.take("\""), self.rest()) {
            (true, _) => self.up_to("\"")?,
            (false, _) if self.take("'") => self.up_to("'")?,
            _ => return Err(format!("the value of `{name}` is not in quotes")),
        };
        if value.contains('<') {
            return Err(format!("the value of `{name}` has a `<`"));
        }
        if element.attribute(name).is_some() {
            return Err(format!("`{name}` is given twice"));
        }
        if !name.contains(':') {
            element.attributes.push((name.to_owned(), resolved(value, true)?));
        }
        Ok(())
    }
}

/// A text with its entities and ends of lines resolved; blanks of an attribute are spaces.
fn resolved(text: &str, is_attribute: bool) -> Result<String, String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = match is_attribute {
        true => text.replace(['\n', '\t'], " "),
        false => text,
    };
    let (mut rest, mut whole) = (text.as_str(), String::new());
    while let Some((before, behind)) = rest.split_once('&') {
        let Some((entity, behind)) = behind.split_once(';') else {
            return Err("an `&` begins no entity".into());
        };
        whole += before;
        whole.push(character(entity).ok_or_else(|| format!("unknown entity `&{entity};`"))?);
        rest = behind;
    }
    Ok(whole + rest)
}

fn character(entity: &str) -> Option<char> {
    Some(match entity {
        "amp" => '&',
        "apos" => '\'',
        "gt" => '>',
        "lt" => '<',
        "quot" => '"',
        entity => {
            let number = entity.strip_prefix('#')?;
            let (digits, base) = match number.strip_prefix('x') {
                Some(digits) => (digits, 16),
                None => (number, 10),
            };
            let code =
                u32::from_str_radix(digits, base).ok().filter(|_| !digits.starts_with('+'))?;
            char::from_u32(code).filter(|one| *one != '\0')?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_attributes_and_texts() {
        let text = "<?xml version='1.0'?>\n<!DOCTYPE a [<!ELEMENT a ANY>]>\n<!-- <x> -->\n<a b='1&amp;2' c = \"\n\" \
                    xml:lang='x'>\nt&#x41;&lt;<![CDATA[<&]]><!-- no --><n:s>y</n:s><e/></a >\n";
        let element = read(text).unwrap();
        assert_eq!((element.name.as_str(), element.line), ("a", 4));
        assert_eq!((element.attribute("b"), element.attribute("c")), (Some("1&2"), Some(" ")));
        assert_eq!(element.attribute("xml:lang"), None);
        assert_eq!(element.text, "\ntA<<&");
        assert_eq!(element.children.len(), 1);
    }

    #[test]
    fn what_is_no_markup_is_told_with_its_line() {
        for text in [
            "",
            "a",
            "<a>",
            "<a></b>",
            "<a",
            "<a b>",
            "<a b=c/>",
            "<a b='1' b='2'/>",
            "<a>&nbsp;</a>",
            "<a>&</a>",
            "<a/><b/>",
            "<a>&#0;</a>",
            "<a b='<'/>",
            "<!-- <a/>",
            "<a><![CDATA[</a>",
            "<1/>",
            "<a/>x",
            "<!DOCTYPE a",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read("<a>\n<b>\n</a>").unwrap_err(), (3, "</a> closes <b>".to_owned()));
        assert!(read(&"<a>".repeat(100_000)).is_err());
    }
}
