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

/// A call that is not a literal `update-alternatives --install LINK NAME PATH PRIORITY [--slave ...]`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("not a literal update-alternatives call: `{0}`")]
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

    /// update-alternatives(1): `--install LINK NAME PATH PRIORITY`, then slaves of three words each.
    #[test]
    fn calls_that_are_not_literal_are_refused() {
        let good = "update-alternatives --install /usr/bin/a a /usr/bin/b 5 --slave /m a.1 /n";
        assert_eq!(parse(good).unwrap()[0].slaves.len(), 1);
        let changes = [
            ("/usr/bin/b", "$path"),
            ("/usr/bin/b", "`path`"),
            ("/usr/bin/b", "/usr/bin/*"),
            ("/usr/bin/b", "/usr/bin/?"),
            ("/usr/bin/b", "\"/usr/bin/b\""),
            ("/usr/bin/b", "'/usr/bin/b'"),
            ("/usr/bin/b", "(/usr/bin/b)"),
            ("/usr/bin/b", "/usr/{bin,lib}"),
            ("/usr/bin/b", "usr/bin/b"),
            ("/usr/bin/a", "usr/bin/a"),
            (" a ", " a/b "),
            (" 5", " five"),
            (" 5", ""),
            (" 5", " 99999999999"),
            ("--slave", "--follower"),
            (" /n", ""),
            (" /n", " n"),
            ("--install", "--force --install"),
        ];
        for (from, to) in changes {
            let line = good.replacen(from, to, 1);
            assert_eq!(parse(&line), Err(AlternativeError(line.clone())), "{line}");
        }
        let text = AlternativeError(good.to_owned()).to_string();
        assert_eq!(text, format!("not a literal update-alternatives call: `{good}`"));
    }

    #[test]
    fn what_surrounds_a_call_is_left_out() {
        for line in [
            "  update-alternatives --install /a a /b -5 || true",
            "update-alternatives --quiet --install /a a /b -5 >/dev/null",
            "update-alternatives --install /a a /b --quiet -5; true",
            "update-alternatives --install /a a /b -5 && true",
        ] {
            let found = parse(line).unwrap();
            assert_eq!((found.len(), found[0].priority), (1, -5), "{line}");
        }
        for line in ["update-alternatives --remove a /b", "echo update-alternatives --install", ""]
        {
            assert_eq!(parse(line), Ok(vec![]), "{line}");
        }
    }
}
