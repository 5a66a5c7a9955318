//! Where the functions of a file begin and end, and where its tests begin.
//!
//! Code is formatted by rustfmt, so a function ends at the brace that is as far in as its first line.
//! `tests/tidy.rs` has this file too: the table and the rule count alike.

/// How many lines stand before the module of tests, which is a file's last.
pub(super) fn source(lines: &[&str]) -> usize {
    let is_head = |at: &usize| {
        lines.get(*at) == Some(&"#[cfg(test)]")
            && lines.get(at + 1).is_some_and(|next| *next == "mod tests {")
    };
    (0..lines.len()).find(is_head).unwrap_or(lines.len())
}

/// The name and the lines of each function.
pub(super) fn functions<'l>(lines: &'l [&'l str]) -> impl Iterator<Item = (&'l str, usize)> {
    (0..lines.len()).filter_map(|at| function(lines.get(at..)?))
}

/// The function that begins with the first of some lines. A declaration has none.
fn function<'l>(lines: &[&'l str]) -> Option<(&'l str, usize)> {
    let line = lines.first()?;
    let code = line.trim_start();
    let words = ["pub ", "pub(crate) ", "pub(super) ", "const ", "unsafe ", "extern \"C\" "];
    let mut rest = code;
    while let Some(next) = words.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = next;
    }
    let name = rest.strip_prefix("fn ")?.split(['(', '<']).next()?;
    // The head ends where the body begins, or at once.
    let head = lines.iter().find(|line| line.ends_with(['{', '}', ';']))?;
    if head.ends_with('}') {
        return Some((name, 1));
    }
    let end = format!("{}}}", " ".repeat(line.len() - code.len()));
    let last = lines.iter().position(|line| *line == end).filter(|_| head.ends_with('{'))?;
    Some((name, last + 1))
}

/// A file with functions of every kind.
#[cfg(test)]
pub(super) const FILE: &str = "\
fn one() {}

impl A {
    /// Words.
    pub(crate) fn two(
        self,
    ) -> B {
        if a {
        }
    }
}

trait T {
    fn declared(&self);

    fn three(&self) {
        self.declared();
    }
}

#[cfg(test)]
mod tests {
    fn four() {
    }
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_end_where_they_began() {
        let lines: Vec<&str> = FILE.lines().collect();
        let found: Vec<_> = functions(&lines[..source(&lines)]).collect();
        assert_eq!(found, [("one", 1), ("two", 6), ("three", 3)]);
    }
}
