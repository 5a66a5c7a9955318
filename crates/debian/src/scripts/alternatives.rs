//! Reads literal `update-alternatives --install` calls out of shell text.
//!
//! Only calls whose every argument is a literal are understood; a variable is an error.

use thiserror::Error;

/// A name, the generic link and what one candidate offers for it (update-alternatives(1)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlternativeLink {
    /// The generic name's absolute path, such as `/usr/bin/awk`.
    pub link: String,
    /// The name in `/etc/alternatives`.
    pub name: String,
    /// The candidate's absolute path.
    pub path: String,
}

/// One candidate of one link group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// The master link.
    pub master: AlternativeLink,
    /// In automatic mode the highest one wins.
    pub priority: i32,
    /// Links that follow the master.
    pub slaves: Vec<AlternativeLink>,
}

/// A call is no literal `update-alternatives --install LINK NAME PATH PRIORITY [--slave ...]`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no literal update-alternatives call")]
pub struct AlternativeError(pub String);

/// Every call in `text`, in its order.
///
/// # Errors
/// [`AlternativeError`] for a call that is not made of literals.
pub(super) fn parse(text: &str) -> Result<Vec<Alternative>, AlternativeError> {
    let joined = text.replace("\\\n", " ");
    joined
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("update-alternatives ") && line.contains("--install"))
        .map(|line| call(line).ok_or_else(|| AlternativeError(line.to_owned())))
        .collect()
}

fn call(line: &str) -> Option<Alternative> {
    let command = line.split(['|', ';', '&', '>']).next()?;
    if command.contains(['$', '`', '*', '?', '"', '\'', '(', '{']) {
        return None;
    }
    let mut words = command.split_whitespace().skip(1).filter(|&word| word != "--quiet");
    if words.next()? != "--install" {
        return None;
    }
    let master = triple(&mut words)?;
    let priority = words.next()?.parse().ok()?;
    let mut slaves = Vec::new();
    while let Some(option) = words.next() {
        if option != "--slave" {
            return None;
        }
        slaves.push(triple(&mut words)?);
    }
    Some(Alternative { master, priority, slaves })
}

fn triple<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<AlternativeLink> {
    let link = words.next().filter(|link| link.starts_with('/'))?.to_owned();
    let name = words.next().filter(|name| !name.contains('/'))?.to_owned();
    let path = words.next().filter(|path| path.starts_with('/'))?.to_owned();
    Some(AlternativeLink { link, name, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_continued_calls_with_slaves() {
        let text = "x() {\nupdate-alternatives --quiet \\\n --install /usr/bin/a a /usr/bin/b 5 \\\n\
            \t--slave /usr/share/a.1.gz a.1.gz \\\n /usr/share/b.1.gz || true\n}\n";
        let found = parse(text).unwrap();
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((one.master.name.as_str(), one.priority), ("a", 5));
        assert_eq!(one.slaves[0].path, "/usr/share/b.1.gz");
    }

    #[test]
    fn variables_are_refused() {
        assert!(parse("update-alternatives --install /usr/bin/a a $path 5").is_err());
        assert!(parse("update-alternatives --install /usr/bin/a a /x").is_err());
    }
}
