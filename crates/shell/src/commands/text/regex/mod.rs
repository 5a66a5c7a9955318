//! Regular expressions of POSIX (XBD 9) with GNU's additions, on bytes.
//!
//! They are translated for the crate `regex`, which takes the first alternative that matches where POSIX
//! takes the longest match. Wherever that could differ, all matches are followed at once ([`longest`]): they
//! say where the longest ends, and whether the groups of the crate's match are those of POSIX. If they may
//! not be, asking for one is a [`Stop`]. Back-references are not implemented.

mod dialect;
mod longest;
mod perl;
mod translation;

use std::ops::Range;
use std::rc::Rc;

use regex::bytes;

use super::super::call::{Call, shown};
use crate::stop::Stop;
pub(in super::super) use dialect::Dialect;
use longest::Longest;
use translation::{Node, Translation, literal};

/// A regular expression.
#[derive(Clone, Debug)]
pub(in super::super) struct Regex {
    regex: bytes::Regex,
    /// The same, where the first match need not be the longest.
    longest: Option<Rc<Longest>>,
    groups: usize,
}

/// A match: where all of it is, and each group that takes part.
#[derive(Clone, Debug)]
pub(super) struct Found {
    whole: Range<usize>,
    groups: Vec<Option<Range<usize>>>,
}

impl Found {
    /// A match of which nobody asks the groups.
    pub(super) fn without_groups(whole: Range<usize>) -> Self {
        Self { whole, groups: Vec::new() }
    }

    pub(super) fn whole(&self) -> Range<usize> {
        self.whole.clone()
    }

    /// A group, from 1; 0 is the whole.
    pub(super) fn group(&self, number: usize) -> Option<Range<usize>> {
        match number {
            0 => Some(self.whole()),
            _ => self.groups.get(number - 1).cloned().flatten(),
        }
    }
}

impl Regex {
    pub(in super::super) fn new(
        call: &Call<'_>,
        pattern: &[u8],
        dialect: Dialect,
        ignore_case: bool,
    ) -> Result<Self, Stop> {
        let translated = Translation::of(pattern, dialect)
            .map_err(|why| call.unsupported(format!("`{}`: {why}", shown(pattern))))?;
        Self::compile(call, pattern, &translated, ignore_case)
    }

    /// One that matches a text as it stands.
    pub(super) fn literal(call: &Call<'_>, text: &[u8], ignore_case: bool) -> Result<Self, Stop> {
        let atoms = text.iter().map(|byte| Node::Atom(literal(*byte))).collect();
        let node = Node::Or(vec![atoms]);
        let translated = Translation { node, groups: 0, is_ambiguous: false };
        Self::compile(call, text, &translated, ignore_case)
    }

    /// One of Perl (pcre2pattern(3)), as far as the crate reads it in the same way: there the first alternative
    /// that matches is the right one.
    pub(super) fn of_perl(
        call: &Call<'_>,
        pattern: &[u8],
        ignore_case: bool,
    ) -> Result<Self, Stop> {
        Self::perl(call, pattern, ignore_case, "$")
    }

    /// The same of a line that may have its end: `$` is before it too (perlre(1)).
    pub(super) fn of_perl_line(
        call: &Call<'_>,
        pattern: &[u8],
        ignore_case: bool,
    ) -> Result<Self, Stop> {
        Self::perl(call, pattern, ignore_case, "(?m:$)")
    }

    fn perl(call: &Call<'_>, pattern: &[u8], ignore_case: bool, end: &str) -> Result<Self, Stop> {
        let refused = |why: &str| {
            call.unsupported(format!("the expression `{}` of Perl ({why})", shown(pattern)))
        };
        let text = perl::checked(pattern, end).map_err(refused)?;
        let flags = if ignore_case { "(?i-u)" } else { "(?-u)" };
        let built = bytes::RegexBuilder::new(&format!("{flags}{text}")).size_limit(1 << 20).build();
        let regex = built.map_err(|_| refused("it does not compile"))?;
        let groups = regex.captures_len() - 1;
        Ok(Self { regex, longest: None, groups })
    }

    /// Whether it looks at where a text starts or ends.
    pub(super) fn has_anchor(&self) -> bool {
        self.regex.as_str().contains(['^', '$'])
    }

    fn compile(
        call: &Call<'_>,
        pattern: &[u8],
        translated: &Translation,
        ignore_case: bool,
    ) -> Result<Self, Stop> {
        let refused =
            |why: String| call.unsupported(format!("the expression `{}` ({why})", shown(pattern)));
        let flags = if ignore_case { "(?si-u)" } else { "(?s-u)" };
        let build = |text: &str| {
            let text = format!("{flags}{text}");
            let built = bytes::RegexBuilder::new(&text).size_limit(1 << 20).build();
            built.map_err(|error| error.to_string())
        };
        let regex = build(&translated.node.text()).map_err(refused)?;
        let longest = match translated.is_ambiguous {
            true => Some(Rc::new(Longest::of(&translated.node, build).map_err(refused)?)),
            false => None,
        };
        Ok(Self { regex, longest, groups: translated.groups })
    }

    /// The same, of whole lines or of whole words alone.
    pub(in super::super) fn only(
        self,
        call: &Call<'_>,
        lines: bool,
        words: bool,
    ) -> Result<Self, Stop> {
        let inner = self.regex.as_str();
        let text = match (lines, words) {
            (true, _) => format!("\\A(?:{inner})\\z"),
            (false, true) => format!("(?-u:\\b{{start-half}})(?:{inner})(?-u:\\b{{end-half}})"),
            (false, false) => return Ok(self),
        };
        let regex = bytes::Regex::new(&text);
        let regex = regex.map_err(|error| call.unsupported(format!("-w or -x ({error})")))?;
        Ok(Self { regex, longest: None, groups: self.groups })
    }

    /// How many groups it has.
    pub(super) fn groups(&self) -> usize {
        self.groups
    }

    pub(in super::super) fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// The first match that starts at `from` or behind it.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        let found = self.regex.find_at(text, from)?.range();
        let end = self.longest.as_ref().and_then(|longest| longest.end(text, found.start));
        Some(found.start..end.unwrap_or(found.end))
    }

    /// The same, with its groups.
    pub(super) fn find_groups(
        &self,
        call: &Call<'_>,
        text: &[u8],
        from: usize,
    ) -> Result<Option<Found>, Stop> {
        let Some(captures) = self.regex.captures_at(text, from) else { return Ok(None) };
        let range = |at: usize| captures.get(at).map(|found| found.range());
        let Some(whole) = range(0) else { return Ok(None) };
        let groups: Vec<_> = (1..=self.groups).map(range).collect();
        if let Some(longest) = &self.longest
            && self.groups > 0
            && !longest.has_groups(text, &whole, &groups)
        {
            let pattern = self.regex.as_str();
            let why = format!("the groups of `{pattern}` where alternatives overlap");
            return Err(call.unsupported(why));
        }
        Ok(Some(Found { whole, groups }))
    }
}
