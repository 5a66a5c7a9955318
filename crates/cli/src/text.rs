//! Text for people: what comes from archives, locks, definitions and images never reaches a terminal
//! as it is.
//!
//! Control characters can move the cursor, repaint what was said before or answer for the user; marks
//! of direction let a name read backwards. Both are shown as what they are, such as `\\u{1b}`.

use std::fmt::Write as _;

/// `text` with everything that a terminal would obey, or show elsewhere than it stands, written out.
/// Line breaks and tabs stay: they are what our own text is laid out with.
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

/// A message of several lines: those behind the first are indented, so that a line break within a name
/// can't begin a line that reads as one of ours, such as `error:` or `note:`.
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

/// A text in one line, as it is within a sentence: line breaks and tabs are written out, too.
pub(crate) fn line(text: &str) -> String {
    plain(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// A count and its noun: `1 package`, `2 packages`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Marks that no reader sees: of direction (Unicode Standard Annex 9, table 1), of lines and
/// paragraphs, and those that join, hide or tag what stands beside them.
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
