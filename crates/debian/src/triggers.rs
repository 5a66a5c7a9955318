//! The `triggers` control file (deb-triggers(5)): which triggers a package waits for, and which it sets off.
//!
//! Deliberately absent: who acts on them. The oracle is dpkg, which refuses the same lines.

use thiserror::Error;

/// Why a `triggers` control file does not parse.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("triggers, line {line}: {why}")]
pub struct TriggerError {
    /// Counted from 1.
    pub line: u64,
    /// What is wrong with the line.
    pub why: String,
}

/// What a package does with a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// `interest` and its variants: the package's `postinst` runs when the trigger is activated.
    Interest,
    /// `activate` and its variants: a change of the package's state activates the trigger.
    Activate,
}

/// A line of the control file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// What the package does with it.
    pub directive: Directive,
    /// Whether the package that activates it waits until it has been acted on (without `-noawait`).
    pub waits: bool,
    /// A name, or the absolute path of a file or folder.
    pub name: String,
}

impl Trigger {
    /// Whether a file at an absolute path activates this trigger: it is the path itself, or lies below it
    /// (deb-triggers(5), "file triggers").
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        self.name.starts_with('/')
            && path
                .strip_prefix(self.name.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Reads a `triggers` control file.
///
/// # Errors
/// [`TriggerError`] for the first line that dpkg would refuse.
pub fn parse(text: &[u8]) -> Result<Vec<Trigger>, TriggerError> {
    let mut triggers = Vec::new();
    for (line, text) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let wrong = |why: String| TriggerError { line, why };
        let text = str::from_utf8(text).map_err(|_| wrong("is not UTF-8".to_owned()))?;
        let mut words = text.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(word) = words.next() else { continue };
        let (directive, waits) = match word {
            "interest" | "interest-await" => (Directive::Interest, true),
            "interest-noawait" => (Directive::Interest, false),
            "activate" | "activate-await" => (Directive::Activate, true),
            "activate-noawait" => (Directive::Activate, false),
            word => return Err(wrong(format!("unknown directive `{}`", word.escape_debug()))),
        };
        let (Some(name), None) = (words.next(), words.next()) else {
            return Err(wrong(format!("`{word}` needs exactly one name")));
        };
        // `trig_name_is_illegal` (lib/dpkg/triglib.c): printable ASCII without blanks.
        if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong(format!("invalid name `{}`", name.escape_debug())));
        }
        triggers.push(Trigger { directive, waits, name: name.to_owned() });
    }
    Ok(triggers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// deb-triggers(5): a directive and a name on a line, comments from `#`.
    #[test]
    fn each_directive_is_read_with_its_name() {
        for (text, directive, waits, name) in [
            ("interest ldconfig", Directive::Interest, true, "ldconfig"),
            ("interest-await a", Directive::Interest, true, "a"),
            ("  interest-noawait\t/usr/share/x # why", Directive::Interest, false, "/usr/share/x"),
            ("activate x\n", Directive::Activate, true, "x"),
            ("# c\n\nactivate-await x", Directive::Activate, true, "x"),
            ("activate-noawait a#b", Directive::Activate, false, "a"),
        ] {
            let name = name.to_owned();
            let expected = vec![Trigger { directive, waits, name }];
            assert_eq!(parse(text.as_bytes()), Ok(expected), "{text}");
        }
        for text in ["", "\n\n", "  # interest /x\n"] {
            assert_eq!(parse(text.as_bytes()), Ok(Vec::new()), "{text}");
        }
    }

    #[test]
    fn other_lines_are_refused_with_their_number() {
        for (text, error) in [
            ("interest", "triggers, line 1: `interest` needs exactly one name"),
            ("\ninterest a b", "triggers, line 2: `interest` needs exactly one name"),
            ("interest-maybe a", "triggers, line 1: unknown directive `interest-maybe`"),
            ("ldconfig\n", "triggers, line 1: unknown directive `ldconfig`"),
            ("activate \u{e9}", "triggers, line 1: invalid name `é`"),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), error, "{text}");
        }
        assert_eq!(parse(b"activate \xff").unwrap_err().why, "is not UTF-8");
    }

    #[test]
    fn a_path_covers_itself_and_what_is_below_it() {
        let trigger = |name: &str| Trigger {
            directive: Directive::Interest,
            waits: true,
            name: name.to_owned(),
        };
        for (name, path, covers) in [
            ("/usr/share/man", "/usr/share/man", true),
            ("/usr/share/man", "/usr/share/man/man1/a.1", true),
            ("/usr/share/man/", "/usr/share/man/a", true),
            ("/usr/share/man", "/usr/share/manual", false),
            ("/usr/share/man", "/usr/share", false),
            ("ldconfig", "ldconfig", false),
        ] {
            assert_eq!(trigger(name).covers(path), covers, "{name} {path}");
        }
    }
}
