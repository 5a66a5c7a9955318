//! Relationship fields: `Depends`, `Conflicts`, `Provides` and their like (Debian Policy 7.1,
//! deb-control(5)).
//!
//! The contract: a field is a list of groups, a group a list of alternatives; every byte of it has
//! a meaning or is an error. Deliberately absent: build profiles (`<!nocheck>`), which source
//! packages alone have, and substitution variables. The oracle is apt, in the resolver's tests.

use std::fmt;

use thiserror::Error;

use crate::version::{Version, VersionError};

/// Why a relationship field does not parse.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelationError {
    /// A name outside Debian Policy 5.6.1.
    #[error("relation `{0}`: invalid package name")]
    Name(String),
    /// What follows the name is neither a version nor a list of architectures.
    #[error("relation `{0}`: expected `name[:arch] [(op version)] [[arch ...]]`")]
    Syntax(String),
    /// An unknown operator.
    #[error("relation `{relation}`: expected `<<`, `<=`, `=`, `>=` or `>>`, found `{found}`")]
    Operator {
        /// The relation.
        relation: String,
        /// What stands in its place.
        found: String,
    },
    /// A version that does not parse.
    #[error("relation `{relation}`")]
    Version {
        /// The relation.
        relation: String,
        /// Why.
        source: VersionError,
    },
}

/// How a version must compare (Debian Policy 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`, and the obsolete `<`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`, and the obsolete `>`
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Operator {
    /// Whether `version` stands in this relation to `limit`.
    #[must_use]
    pub fn holds(self, version: &Version, limit: &Version) -> bool {
        let order = version.cmp(limit);
        match self {
            Self::Earlier => order.is_lt(),
            Self::EarlierOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::LaterOrEqual => order.is_ge(),
            Self::Later => order.is_gt(),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        })
    }
}

/// One alternative of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The package, maybe a virtual one.
    pub name: &'a str,
    /// What stands behind a colon: `any`, `native` or an architecture.
    pub qualifier: Option<&'a str>,
    /// What its version must be.
    pub constraint: Option<(Operator, Version)>,
    /// The architectures between brackets, each maybe with a `!`; none means all.
    pub architectures: Vec<&'a str>,
}

impl Relation<'_> {
    /// Whether the relation is meant for an architecture at all (Debian Policy 7.1).
    #[must_use]
    pub fn applies_to(&self, architecture: &str) -> bool {
        let mut words = self.architectures.iter();
        let negated = self.architectures.first().is_some_and(|word| word.starts_with('!'));
        let listed = words.any(|word| word.trim_start_matches('!') == architecture);
        self.architectures.is_empty() || listed != negated
    }

    /// Whether a version, or none as an unversioned `Provides` has, satisfies the constraint
    /// (Debian Policy 7.5: an unversioned provision satisfies no versioned relation).
    #[must_use]
    pub fn accepts(&self, version: Option<&Version>) -> bool {
        match &self.constraint {
            None => true,
            Some((operator, limit)) => version.is_some_and(|found| operator.holds(found, limit)),
        }
    }
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        if let Some((operator, version)) = &self.constraint {
            write!(f, " ({operator} {version})")?;
        }
        if !self.architectures.is_empty() {
            write!(f, " [{}]", self.architectures.join(" "))?;
        }
        Ok(())
    }
}

/// The groups of a field, each a list of alternatives; a field is satisfied if every group is.
/// Empty groups, as a trailing comma makes, are passed over as dpkg does.
///
/// # Errors
/// [`RelationError`], with the relation.
pub fn parse(field: &str) -> Result<Vec<Vec<Relation<'_>>>, RelationError> {
    let groups = field.split(',').map(str::trim).filter(|group| !group.is_empty());
    groups.map(|group| group.split('|').map(relation).collect()).collect()
}

/// The bare names of a field in their order, with their qualifiers; for scans that need no more.
pub(crate) fn names(field: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '(' | '[');
    field
        .split([',', '|'])
        .map(move |relation| relation.trim_start().split(ends).next().unwrap_or_default())
        .filter(|name| !name.is_empty())
}

fn relation(text: &str) -> Result<Relation<'_>, RelationError> {
    let text = text.trim();
    let end = text.find(|c: char| c.is_ascii_whitespace() || matches!(c, '(' | '['));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let (name, qualifier) = match name.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (name, None),
    };
    let word =
        |word: &str| word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if !is_package_name(name) {
        return Err(RelationError::Name(text.to_owned()));
    }
    if qualifier.is_some_and(|qualifier| qualifier.is_empty() || !word(qualifier)) {
        return Err(RelationError::Syntax(text.to_owned()));
    }
    let (constraint, rest) = bracketed(rest.trim_start(), '(', ')', text)?;
    let constraint = constraint.map(|inner| version_constraint(inner, text)).transpose()?;
    let (architectures, rest) = bracketed(rest.trim_start(), '[', ']', text)?;
    if !rest.trim().is_empty() {
        return Err(RelationError::Syntax(text.to_owned()));
    }
    let architectures: Vec<&str> =
        architectures.map(|inner| inner.split_ascii_whitespace().collect()).unwrap_or_default();
    let negated = architectures.iter().filter(|word| word.starts_with('!')).count();
    let valid = architectures.iter().all(|arch| word(arch.trim_start_matches('!')));
    if !valid || (negated != 0 && negated != architectures.len()) {
        return Err(RelationError::Syntax(text.to_owned()));
    }
    Ok(Relation { name, qualifier, constraint, architectures })
}

/// What stands between brackets at the start of `rest`, and what follows them.
fn bracketed<'a>(
    rest: &'a str,
    open: char,
    close: char,
    whole: &str,
) -> Result<(Option<&'a str>, &'a str), RelationError> {
    let Some(inner) = rest.strip_prefix(open) else { return Ok((None, rest)) };
    let (inner, rest) =
        inner.split_once(close).ok_or_else(|| RelationError::Syntax(whole.to_owned()))?;
    Ok((Some(inner.trim()), rest))
}

fn version_constraint(inner: &str, whole: &str) -> Result<(Operator, Version), RelationError> {
    let end = inner.find(|c| !matches!(c, '<' | '=' | '>')).unwrap_or(inner.len());
    let (operator, version) = inner.split_at(end);
    let operator = match operator {
        "<<" => Operator::Earlier,
        // Debian Policy 7.1: the single signs mean "or equal", unlike what they look like.
        "<=" | "<" => Operator::EarlierOrEqual,
        "=" => Operator::Equal,
        ">=" | ">" => Operator::LaterOrEqual,
        ">>" => Operator::Later,
        _ => {
            let (relation, found) = (whole.to_owned(), operator.to_owned());
            return Err(RelationError::Operator { relation, found });
        }
    };
    let version = Version::parse(version.trim())
        .map_err(|source| RelationError::Version { relation: whole.to_owned(), source })?;
    Ok((operator, version))
}

/// Debian Policy 5.6.1: two characters or more of `a-z0-9+-.`, starting with a letter or digit. The
/// archive's names are the only use, but third parties ship capital letters and underscores, which
/// dpkg reads too.
#[must_use]
pub fn is_package_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_');
    first && name.bytes().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_alternatives_and_constraints() {
        let field = "libc6 (>= 2.38), python3:any | python3-minimal:amd64(<<4~), x [!i386 !arm64],";
        let groups = parse(field).unwrap();
        assert_eq!(groups.len(), 3);
        assert_eq!(groups[0][0].to_string(), "libc6 (>= 2.38)");
        assert_eq!(groups[1][0].qualifier, Some("any"));
        assert_eq!(groups[1][1].to_string(), "python3-minimal:amd64 (<< 4~)");
        assert!(groups[2][0].applies_to("amd64"));
        assert!(!groups[2][0].applies_to("i386"));
        let only = parse("y [amd64]").unwrap();
        assert!(only[0][0].applies_to("amd64") && !only[0][0].applies_to("i386"));
        assert_eq!(names(field).collect::<Vec<_>>()[..2], ["libc6", "python3:any"]);
    }

    #[test]
    fn old_operators_include_equality() {
        let one = Version::parse("1").unwrap();
        for (field, expected) in
            [("a (< 1)", true), ("a (> 1)", true), ("a (<< 1)", false), ("a (>> 1)", false)]
        {
            assert_eq!(parse(field).unwrap()[0][0].accepts(Some(&one)), expected, "{field}");
        }
        assert!(!parse("a (>= 1)").unwrap()[0][0].accepts(None));
        assert!(parse("a").unwrap()[0][0].accepts(None));
    }

    /// Debian Policy 7.1, against a version below, at and above the limit.
    #[test]
    fn operators() {
        let versions = ["1~", "1-0", "1.1"].map(|text| Version::parse(text).unwrap());
        for (operator, text, expected) in [
            (Operator::Earlier, "<<", [true, false, false]),
            (Operator::EarlierOrEqual, "<=", [true, true, false]),
            (Operator::Equal, "=", [false, true, false]),
            (Operator::LaterOrEqual, ">=", [false, true, true]),
            (Operator::Later, ">>", [false, false, true]),
        ] {
            let limit = Version::parse("1").unwrap();
            let found = versions.each_ref().map(|version| operator.holds(version, &limit));
            assert_eq!(found, expected, "{text}");
            assert_eq!(operator.to_string(), text);
            let field = format!("a ({text} 1)");
            let groups = parse(&field).unwrap();
            let (parsed, _) = groups[0][0].constraint.as_ref().unwrap();
            assert_eq!(*parsed, operator);
        }
    }

    #[test]
    fn spelling_is_normalised() {
        for (text, expected) in [
            (" a ", "a"),
            ("a(=1)", "a (= 1)"),
            ("a (=1)[x]", "a (= 1) [x]"),
            ("a\n (>= 1:2-3~)", "a (>= 1:2-3~)"),
            ("a ( << 1 )", "a (<< 1)"),
            ("a (< 1)", "a (<= 1)"),
            ("a (> 1)", "a (>= 1)"),
            ("a:any[ !x  !y ]", "a:any [!x !y]"),
            ("a []", "a"),
            ("0ad", "0ad"),
            ("A_b.c+d-e", "A_b.c+d-e"),
        ] {
            assert_eq!(parse(text).unwrap()[0][0].to_string(), expected, "{text:?}");
        }
    }

    #[test]
    fn commas_part_groups_and_bars_alternatives() {
        let shape = |field: &str| parse(field).unwrap().iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(shape(""), [0; 0]);
        assert_eq!(shape(" , ,"), [0; 0]);
        assert_eq!(shape("a|b, c,\n d | e|f,"), [2, 1, 3]);
    }

    /// A list of architectures is all names or all exclusions (Debian Policy 7.1).
    #[test]
    fn architectures() {
        for (relation, amd64, i386) in [
            ("a", true, true),
            ("a [amd64]", true, false),
            ("a [i386]", false, true),
            ("a [amd64 i386]", true, true),
            ("a [!amd64]", false, true),
            ("a [!i386 !amd64]", false, false),
            ("a [!arm64]", true, true),
            ("a [arm64]", false, false),
        ] {
            let groups = parse(relation).unwrap();
            let one = &groups[0][0];
            let found = (one.applies_to("amd64"), one.applies_to("i386"));
            assert_eq!(found, (amd64, i386), "{relation}");
        }
    }

    #[test]
    fn bare_names() {
        let of = |field| names(field).collect::<Vec<_>>();
        assert_eq!(of("a (>= 1) | b:any,c[x], d\n (= 2) ,, e"), ["a", "b:any", "c", "d", "e"]);
        assert_eq!(of(""), [""; 0]);
    }

    #[test]
    fn package_names() {
        for name in ["a", "0", "a+b-c.d", "libstdc++6", "A_b"] {
            assert!(is_package_name(name), "{name}");
        }
        for name in ["", "-a", "+a", ".a", "_a", "a b", "a:b", "a/b", "ä", "a\n"] {
            assert!(!is_package_name(name), "{name}");
        }
    }

    #[test]
    fn every_refusal_has_its_error() {
        let name = RelationError::Name as fn(String) -> RelationError;
        let syntax = RelationError::Syntax as fn(String) -> RelationError;
        for (relation, error) in [
            ("", name),
            ("-a", name),
            ("a/b", name),
            (":any", name),
            ("${misc:Depends}", name),
            ("a:", syntax),
            ("a:Any", syntax),
            ("a b", syntax),
            ("a (= 1", syntax),
            ("a (= 1) b", syntax),
            ("a [x", syntax),
            ("a [x !y]", syntax),
            ("a [X]", syntax),
            ("a <!nocheck>", syntax),
        ] {
            let text = format!("x | {relation}");
            assert_eq!(parse(&text).unwrap_err(), error(relation.to_owned()), "{relation}");
        }
        for (relation, found) in [("a (1)", ""), ("a (== 1)", "=="), ("a (=> 1)", "=>")] {
            let (relation, found) = (relation.to_owned(), found.to_owned());
            assert_eq!(
                parse(&relation.clone()).unwrap_err(),
                RelationError::Operator { relation, found }
            );
        }
        let error = parse("a (= x)").unwrap_err();
        assert!(matches!(error, RelationError::Version { relation, .. } if relation == "a (= x)"));
    }

    #[test]
    fn refused() {
        for field in [
            "a | ",
            "a (1)",
            "a (== 1)",
            "a (= )",
            "a (= 1",
            "a b",
            "a:",
            "a:b c",
            "a [x",
            "-a",
            "a <x>",
            "a [x !y]",
            "${shlibs:Depends}",
            "a (= 1) (= 2)",
            "a [x] (= 1)",
        ] {
            assert!(parse(field).is_err(), "{field}");
        }
    }
}
