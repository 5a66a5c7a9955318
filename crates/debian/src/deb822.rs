//! Paragraphs of `Field: value` lines, the syntax of everything in a Debian archive (deb822(5)).
//!
//! The contract: [`paragraphs`] borrows from the text, so an index of 57 MB costs one scan and no
//! copy. Names compare without regard to ASCII case (Debian Policy 5.1), a field occurs once per
//! paragraph, and whatever does not parse is an error with its line number. Deliberately absent:
//! writing, and the OpenPGP armour around a paragraph (see [`crate::openpgp`]). The oracle is the
//! archive itself: apt reads the same files in the resolver's tests.

use thiserror::Error;

/// The most fields of one paragraph; packages have 30. It keeps the search for a field that comes
/// twice linear in the length of the text.
const FIELDS_MAX: usize = 256;

/// Why a text is not a sequence of paragraphs. Lines count from 1.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deb822Error {
    /// A line that is neither a field nor a continuation nor a comment.
    #[error("line {line}: expected `Field: value`, found `{found}`")]
    MissingColon {
        /// Where.
        line: usize,
        /// The first 60 characters of the line.
        found: String,
    },
    /// A line that starts with a space or tab, where no field is open.
    #[error("line {line}: a continuation line, but no field precedes it")]
    OrphanContinuation {
        /// Where.
        line: usize,
    },
    /// A field name outside the characters of Debian Policy 5.1.
    #[error("line {line}: invalid field name `{found}`")]
    InvalidName {
        /// Where.
        line: usize,
        /// The name.
        found: String,
    },
    /// The same field twice in one paragraph.
    #[error("line {line}: duplicate field `{name}` in one paragraph")]
    DuplicateField {
        /// Where the second one is.
        line: usize,
        /// The name.
        name: String,
    },
    /// More fields than any paragraph has.
    #[error("line {line}: more than {FIELDS_MAX} fields in one paragraph")]
    TooManyFields {
        /// Where the first one too many is.
        line: usize,
    },
    /// A NUL byte or a carriage return.
    #[error("line {line}: a control file can't contain a NUL or a carriage return")]
    ControlCharacter {
        /// Where.
        line: usize,
    },
    /// One paragraph was expected.
    #[error("expected exactly one paragraph, found {found}")]
    NotOneParagraph {
        /// How many: 0, or 2 for two or more.
        found: usize,
    },
}

/// One field of a paragraph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as written.
    pub name: &'a str,
    /// The value as written, without the space around it. A folded value keeps its line breaks,
    /// its leading spaces and the comment lines within it; see [`Field::lines`].
    pub value: &'a str,
}

impl<'a> Field<'a> {
    /// The lines of the value, without the space around them and without comment lines. The first
    /// is what stands beside the name, and may be empty.
    pub fn lines(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.value.split('\n').filter(|line| !line.starts_with('#')).map(str::trim)
    }
}

/// One paragraph, borrowed from the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stanza<'a> {
    fields: Vec<Field<'a>>,
    text: &'a str,
    line: usize,
}

impl<'a> Stanza<'a> {
    /// The fields in the order of the text.
    #[must_use]
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// The value of a field, by its name in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.field(name).map(|field| field.value)
    }

    /// A field, by its name in any case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Field<'a>> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).copied()
    }

    /// The paragraph's text, its last line break included.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The number of its first line.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The same paragraph with its own memory, comments left out.
    #[must_use]
    pub fn to_paragraph(&self) -> Paragraph {
        let own = |field: &Field<'_>| {
            let lines = field.value.split('\n').filter(|line| !line.starts_with('#'));
            (field.name.to_owned(), lines.collect::<Vec<_>>().join("\n"))
        };
        Paragraph { fields: self.fields.iter().map(own).collect() }
    }
}

/// One paragraph that owns its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paragraph {
    fields: Vec<(String, String)>,
}

impl Paragraph {
    /// Reads a text of exactly one paragraph, such as a package's `control`.
    ///
    /// # Errors
    /// [`Deb822Error::NotOneParagraph`], or what [`paragraphs`] says.
    pub fn parse(text: &str) -> Result<Self, Deb822Error> {
        let mut found = paragraphs(text);
        let Some(first) = found.next().transpose()? else {
            return Err(Deb822Error::NotOneParagraph { found: 0 });
        };
        match found.next().transpose()? {
            None => Ok(first.to_paragraph()),
            Some(_) => Err(Deb822Error::NotOneParagraph { found: 2 }),
        }
    }

    /// The value of a field, by its name in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Names and values in the order of the text.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The paragraphs of a text, in order. Blank lines separate them; lines that start with `#` are
/// comments. The first error ends the iteration.
#[must_use]
pub fn paragraphs(text: &str) -> Paragraphs<'_> {
    Paragraphs { text, at: 0, line: 0, failed: false }
}

/// Iterates over the paragraphs of a text; see [`paragraphs`].
#[derive(Clone, Debug)]
pub struct Paragraphs<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    failed: bool,
}

/// One line: where it starts, where the next one starts, its text without the line break.
struct Line<'a> {
    start: usize,
    end: usize,
    text: &'a str,
}

impl<'a> Paragraphs<'a> {
    fn next_line(&mut self) -> Option<Line<'a>> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let len = rest.find('\n').unwrap_or(rest.len());
        let start = self.at;
        self.at = (start + len + 1).min(self.text.len());
        self.line += 1;
        Some(Line { start, end: start + len, text: &rest[..len] })
    }

    fn read(&mut self) -> Result<Option<Stanza<'a>>, Deb822Error> {
        let mut stanza = Stanza { fields: Vec::with_capacity(24), text: "", line: 0 };
        let mut start = 0;
        // The open field's name and where its value starts and ends in the text.
        let mut open: Option<(&'a str, usize, usize)> = None;
        while let Some(line) = self.next_line() {
            if line.text.bytes().all(|byte| matches!(byte, b' ' | b'\t')) {
                if stanza.line == 0 {
                    continue;
                }
                stanza.text = &self.text[start..line.start];
                self.close(&mut stanza, open);
                return Ok(Some(stanza));
            }
            if line.text.starts_with('#') {
                continue;
            }
            if line.text.bytes().any(|byte| matches!(byte, 0 | b'\r')) {
                return Err(Deb822Error::ControlCharacter { line: self.line });
            }
            if stanza.line == 0 {
                (stanza.line, start) = (self.line, line.start);
            }
            if line.text.starts_with([' ', '\t']) {
                match &mut open {
                    Some((_, _, end)) => *end = line.end,
                    None => return Err(Deb822Error::OrphanContinuation { line: self.line }),
                }
                continue;
            }
            self.close(&mut stanza, open);
            let name = self.name(line.text)?;
            if stanza.fields.len() == FIELDS_MAX {
                return Err(Deb822Error::TooManyFields { line: self.line });
            }
            if stanza.field(name).is_some() {
                let name = name.to_owned();
                return Err(Deb822Error::DuplicateField { line: self.line, name });
            }
            open = Some((name, line.start + name.len() + 1, line.end));
        }
        if stanza.line == 0 {
            return Ok(None);
        }
        stanza.text = &self.text[start..];
        self.close(&mut stanza, open);
        Ok(Some(stanza))
    }

    /// Ends the open field, if there is one: its value reaches to the end of its last line.
    fn close(&self, stanza: &mut Stanza<'a>, open: Option<(&'a str, usize, usize)>) {
        if let Some((name, start, end)) = open {
            let value = self.text[start..end].trim_matches([' ', '\t', '\n']);
            stanza.fields.push(Field { name, value });
        }
    }

    /// The field name a line starts with: printable ASCII without a colon, not starting with `#`
    /// or `-` (Debian Policy 5.1).
    fn name(&self, line: &'a str) -> Result<&'a str, Deb822Error> {
        let Some((name, _)) = line.split_once(':') else {
            let found = line.chars().take(60).collect();
            return Err(Deb822Error::MissingColon { line: self.line, found });
        };
        let valid = name.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
        if name.is_empty() || name.starts_with('-') || !valid {
            let found = name.chars().take(60).collect();
            return Err(Deb822Error::InvalidName { line: self.line, found });
        }
        Ok(name)
    }
}

impl<'a> Iterator for Paragraphs<'a> {
    type Item = Result<Stanza<'a>, Deb822Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.read().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Stanza<'_>>, Deb822Error> {
        paragraphs(text).collect()
    }

    #[test]
    fn folded_fields_comments_and_blank_lines() {
        let text = "\n# top\nPackage: a\nDescription: short\n long\n .\n# within\n more\nEmpty:\n\
                    \n \t\n\npackage: b\nLast: value:with:colons";
        let found = parse(text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].get("PACKAGE"), Some("a"));
        assert_eq!(found[0].get("Empty"), Some(""));
        let description = found[0].field("description").unwrap();
        assert_eq!(description.lines().collect::<Vec<_>>(), ["short", "long", ".", "more"]);
        let owned = found[0].to_paragraph();
        assert_eq!(owned.get("Description"), Some("short\n long\n .\n more"));
        assert_eq!(found[1].get("Last"), Some("value:with:colons"));
        assert_eq!((found[0].line(), found[1].line()), (3, 13));
        assert_eq!(found[1].text(), "package: b\nLast: value:with:colons");
    }

    /// deb822(5): what may surround a value, and what may stand in it.
    #[test]
    fn values() {
        let cases = [
            ("a:1", "1"),
            ("a: \t1 \t\n", "1"),
            ("a: b: c#d\n", "b: c#d"),
            ("a:\n", ""),
            ("a:", ""),
            ("a:\n 1\n\t2\n", "1\n\t2"),
            ("a: 1\n  \n", "1"),
            ("a: grün\n", "grün"),
            ("a: 1\n# end", "1"),
            ("#a: 0\na: 1", "1"),
        ];
        for (text, expected) in cases {
            let found = parse(text).unwrap();
            assert_eq!(found.len(), 1, "{text:?}");
            assert_eq!(found[0].get("a"), Some(expected), "{text:?}");
        }
    }

    /// Debian Policy 5.1: printable ASCII without a colon, a leading `#` or a leading `-`.
    #[test]
    fn names() {
        for name in ["a", "A-b_c.d+e", "1", "a#b", "~", "!", "a-"] {
            let text = format!("{name}: 1");
            assert_eq!(parse(&text).unwrap()[0].fields()[0].name, name);
        }
        for name in ["-", "-a", "", "a b", "a\t", "ä", "a\u{7f}", "\u{1}"] {
            let expected = Deb822Error::InvalidName { line: 1, found: name.to_owned() };
            assert_eq!(parse(&format!("{name}: 1")), Err(expected), "{name:?}");
        }
    }

    #[test]
    fn paragraphs_are_parted_by_blank_lines() {
        let count = |text: &str| parse(text).unwrap().len();
        assert_eq!(count(""), 0);
        assert_eq!(count(" \n\t\n\n"), 0);
        assert_eq!(count("# comment\n"), 0);
        assert_eq!(count("a: 1\nb: 2\n"), 1);
        assert_eq!(count("a: 1\n# no end\nb: 2\n"), 1);
        assert_eq!(count("a: 1\n \t\na: 2\n\n\n\na: 3"), 3);
        // A field may come again in the next paragraph.
        let texts: Vec<_> =
            parse("a: 1\n\n#x\na: 2\n\n").unwrap().iter().map(Stanza::text).collect();
        assert_eq!(texts, ["a: 1\n", "a: 2\n"]);
    }

    #[test]
    fn the_first_error_is_the_last_item() {
        let mut found = paragraphs("a: 1\n\nb\n\nc: 3\n");
        assert!(found.next().unwrap().is_ok());
        assert_eq!(
            found.next(),
            Some(Err(Deb822Error::MissingColon { line: 3, found: "b".to_owned() }))
        );
        assert_eq!(found.next(), None);
        let long = "x".repeat(100);
        let Err(Deb822Error::MissingColon { found, .. }) = parse(&long) else { panic!() };
        assert_eq!(found.len(), 60);
        let Err(Deb822Error::InvalidName { found, .. }) = parse(&format!("{long} :")) else {
            panic!()
        };
        assert_eq!(found.len(), 60);
    }

    #[test]
    fn a_paragraph_that_owns_its_text_has_the_same_fields() {
        let text = "A: 1\nB: 2\n#c\n 3\n";
        let owned = Paragraph::parse(text).unwrap();
        assert_eq!(owned.fields().collect::<Vec<_>>(), [("A", "1"), ("B", "2\n 3")]);
        assert_eq!((owned.get("b"), owned.get("C")), (Some("2\n 3"), None));
        assert_eq!(owned, parse(text).unwrap()[0].to_paragraph());
    }

    #[test]
    fn errors_name_the_line() {
        let cases = [
            ("a: 1\nno colon here\n", "line 2: expected `Field: value`, found `no colon here`"),
            (" a: 1\n", "line 1: a continuation line, but no field precedes it"),
            ("a: 1\n\n b", "line 3: a continuation line, but no field precedes it"),
            ("a b: 1\n", "line 1: invalid field name `a b`"),
            ("-a: 1\n", "line 1: invalid field name `-a`"),
            (": 1\n", "line 1: invalid field name ``"),
            ("a: 1\nA: 2\n", "line 2: duplicate field `A` in one paragraph"),
            ("a: 1\0\n", "line 1: a control file can't contain a NUL or a carriage return"),
            ("a: 1\r\nb: 2\n", "line 1: a control file can't contain a NUL or a carriage return"),
            ("a: 1\n\r\n", "line 2: a control file can't contain a NUL or a carriage return"),
            ("a: 1\n 2\0\n", "line 2: a control file can't contain a NUL or a carriage return"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text:?}");
        }
    }

    /// 300 000 fields of one paragraph took over 100 s.
    #[test]
    fn a_paragraph_has_only_so_many_fields() {
        let fields = |count: usize| (0..count).map(|at| format!("f{at}: x\n")).collect::<String>();
        assert_eq!(parse(&fields(FIELDS_MAX)).unwrap()[0].fields().len(), FIELDS_MAX);
        let refused = Deb822Error::TooManyFields { line: FIELDS_MAX + 1 };
        assert_eq!(parse(&fields(300_000)), Err(refused));
    }

    #[test]
    fn one_paragraph() {
        assert_eq!(Paragraph::parse("\n"), Err(Deb822Error::NotOneParagraph { found: 0 }));
        assert_eq!(
            Paragraph::parse("a: 1\n\nb: 2"),
            Err(Deb822Error::NotOneParagraph { found: 2 })
        );
        assert_eq!(Paragraph::parse("a: 1").unwrap().get("A"), Some("1"));
    }
}
