//! The page of a whole run, and the lines that are printed on the way.

use std::fmt::Write as _;

use super::Judged;
use super::compare::Difference;
use super::expected::Expected;

const HEAD: &str = "\
# Trees

`cargo xtask campaign trees` makes this page; do not edit it. For each package set it builds an image, and lets mmdebstrap make a root
file system of the very same `.deb` files, with dpkg running their maintainer scripts. Both trees are compared path by path: type,
mode, owner and group by name, content, link target, extended attributes, device numbers, hard links. Files of accounts and dpkg's
status are compared record by record. Times are not compared.

A difference is *explained* when an entry of `xtask/data/trees.toml` says that it is meant, and why. Any other is *open*: a bug until
somebody finds out that it is none.

";

/// Open differences of a set that the page lists.
const LISTED_MAX: usize = 200;

/// The text of the page.
pub(super) fn write(judged: &[Judged], expected: &[Expected]) -> String {
    let mut page = String::from(HEAD);
    page.push_str("| set | paths and records | equal | explained differences | open differences |\n|---|---|---|---|---|\n");
    for one in judged {
        page.push_str(&row(one));
    }
    page.push_str("\n## Open\n");
    for one in judged.iter().filter(|one| !one.open.is_empty() || one.comparison.is_none()) {
        let _ = write!(page, "\n### {}\n\n", one.set.name);
        if one.comparison.is_none() {
            let _ = writeln!(page, "{}", cell(&one.problem));
            continue;
        }
        page.push_str("| path | attribute | ours | of the scripts |\n|---|---|---|---|\n");
        for difference in one.open.iter().take(LISTED_MAX) {
            let (ours, theirs) = values(difference);
            let (path, attribute) = (cell(&difference.path), &difference.attribute);
            let _ = writeln!(page, "| `{path}` | {attribute} | {ours} | {theirs} |");
        }
        if one.open.len() > LISTED_MAX {
            let _ = writeln!(page, "\nand {} more", one.open.len() - LISTED_MAX);
        }
    }
    page.push_str(
        "\n## Explained\n\n| differences | path | attribute | why |\n|---|---|---|---|\n",
    );
    for (at, entry) in expected.iter().enumerate() {
        let count: usize = judged.iter().filter_map(|one| one.explained.get(at)).sum();
        let (path, attribute, reason) = (cell(&entry.path), &entry.attribute, cell(&entry.reason));
        let _ = writeln!(page, "| {count} | `{path}` | {attribute} | {reason} |");
    }
    page
}

fn row(one: &Judged) -> String {
    let name = &one.set.name;
    match &one.comparison {
        None => format!("| {name} | | | | |\n"),
        Some(found) => {
            let explained: usize = one.explained.iter().sum();
            let (paths, equal, open) = (found.paths, found.equal, one.open.len());
            format!("| {name} | {paths} | {equal} | {explained} | {open} |\n")
        }
    }
}

/// What is printed of a set: its row and every open difference.
pub(super) fn summary(one: &Judged) -> String {
    let mut text = row(one);
    if one.comparison.is_none() {
        let _ = writeln!(text, "  {}", one.problem);
    }
    for difference in &one.open {
        let (ours, theirs) = values(difference);
        let _ = writeln!(text, "  {} {}: {ours} / {theirs}", difference.path, difference.attribute);
    }
    text
}

/// Both values; of long texts, the first lines that differ.
fn values(difference: &Difference) -> (String, String) {
    let (ours, theirs) = (difference.ours.as_str(), difference.theirs.as_str());
    let is_long = |text: &str| text.contains('\n');
    if !is_long(ours) && !is_long(theirs) {
        return (cell(ours), cell(theirs));
    }
    let (mut left, mut right) = (ours.lines(), theirs.lines());
    let mut line = 0;
    loop {
        line += 1;
        match (left.next(), right.next()) {
            (Some(ours), Some(theirs)) if ours == theirs => {}
            (None, None) => return ("line end".into(), "line end".into()),
            (ours, theirs) => {
                let shown = |text: Option<&str>| match text {
                    Some(text) => format!("line {line}: {}", cell(text)),
                    None => format!("no line {line}"),
                };
                return (shown(ours), shown(theirs));
            }
        }
    }
}

/// A text in a cell of a table, not too long.
fn cell(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ").replace('|', "\\|").replace('<', "&lt;");
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sets::Set;
    use crate::trees::compare::Comparison;

    #[test]
    fn a_page_counts_lists_and_explains() {
        let difference = Difference {
            path: "/etc/a".into(),
            attribute: "content".into(),
            ours: "x\ny\n".into(),
            theirs: "x\nz | w\n".into(),
        };
        let comparison = Comparison { paths: 9, equal: 7, differences: Vec::new() };
        let judged = Judged {
            set: Set::of_package("nginx"),
            comparison: Some(comparison),
            problem: String::new(),
            open: vec![difference],
            explained: vec![3],
        };
        let page = write(&[judged], &[]);
        assert!(page.contains("| nginx | 9 | 7 | 3 | 1 |"), "{page}");
        assert!(page.contains("| `/etc/a` | content | line 2: y | line 2: z \\| w |"), "{page}");
    }
}
