//! Text for people: names from archives, locks, definitions and images are escaped before they reach a
//! terminal.
//!
//! Control characters can move the cursor, overwrite earlier lines or answer for the user; directional
//! marks let a name read backwards. Both are shown by their code points, such as `\\u{1b}`.

use std::fmt::Write as _;

/// `text` with control characters and invisible marks escaped. Line breaks and tabs stay: our own layout
/// needs them.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' | '\t' => plain.push(char),
            char if char.is_control() || is_mark(char) => {
                // Writing to a String can't fail.
                let _ = write!(plain, "{}", char.escape_unicode());
            }
            char => plain.push(char),
        }
    }
    plain
}

/// A message of several lines, indented after the first, so that a line break within a name cannot start a
/// line that reads like ours, such as `error:` or `note:`.
pub(crate) fn block(text: &str) -> String {
    let text = plain(text);
    let mut lines = text.split('\n');
    let mut block = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        let indent = if line.starts_with([' ', '\t']) || line.is_empty() { "" } else { "  " };
        // Writing to a String can't fail.
        let _ = write!(block, "\n{indent}{line}");
    }
    block
}

/// A text in one line, for use within a sentence: line breaks and tabs are escaped too.
pub(crate) fn line(text: &str) -> String {
    plain(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// A count and its noun: `1 package`, `2 packages`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Invisible marks: of direction (Unicode Standard Annex 9, table 1), of lines and paragraphs, and those that
/// join, hide or tag their neighbours.
fn is_mark(char: char) -> bool {
    matches!(
        char,
        '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_a_name_begins_no_line_of_ours() {
        assert_eq!(
            block("cannot read `a\nerror: all is well`"),
            "cannot read `a\n  error: all is well`"
        );
        assert_eq!(block("x\n  --> y\n\nz\r"), "x\n  --> y\n\n  z\\u{d}");
        assert_eq!(line("a\n\tb\u{1b}"), "a\\n\\tb\\u{1b}");
    }

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(plain("a\u{1b}[2Jb\u{9b}c\u{7f}\r"), "a\\u{1b}[2Jb\\u{9b}c\\u{7f}\\u{d}");
        assert_eq!(plain("exe.\u{202e}gpj"), "exe.\\u{202e}gpj");
        assert_eq!(plain("a\u{2066}b\u{200b}c\u{61c}"), "a\\u{2066}b\\u{200b}c\\u{61c}");
        for mark in
            ['\u{61c}', '\u{200b}', '\u{200f}', '\u{2028}', '\u{202e}', '\u{2060}', '\u{206f}']
                .into_iter()
                .chain(['\u{feff}', '\u{fff9}', '\u{fffb}', '\u{e0000}', '\u{e007f}'])
        {
            let shown = plain(&format!("a{mark}b"));
            assert_eq!(shown, format!("a{}b", mark.escape_unicode()));
        }
        assert_eq!(plain("é漢\t1\n2"), "é漢\t1\n2");
    }
}
