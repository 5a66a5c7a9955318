//! Expressions of Perl that the crate `regex` reads as PCRE2 does.

/// The text for the crate, with what it reads for `$`; an error names what it would read in another way.
pub(super) fn checked(pattern: &[u8], end: &str) -> Result<String, &'static str> {
    let pattern = str::from_utf8(pattern).ok().filter(|text| text.is_ascii());
    let pattern = pattern.ok_or("bytes beyond ASCII")?;
    let (mut text, mut chars, mut repeats) = (String::new(), pattern.chars(), false);
    while let Some(char) = chars.next() {
        let repeated = std::mem::take(&mut repeats);
        match char {
            '\\' => text.push_str(&escape(chars.next().ok_or("a backslash at its end")?)?),
            '[' => {
                let rest = chars.as_str();
                let len = class(rest)?;
                text.push('[');
                text.push_str(&rest[..len]);
                chars = rest[len..].chars();
            }
            '(' if chars.as_str().starts_with('?') => {
                // `(?i)` and `(?:` alone: what else there is differs, or the crate has it not.
                let rest = chars.as_str();
                if !rest.starts_with("?:") && !rest.starts_with("?i)") {
                    return Err("a group with a question mark");
                }
                text.push(char);
            }
            '*' | '+' | '?' | '{' if repeated && char != '?' => {
                return Err("a possessive repetition");
            }
            '*' | '+' | '?' => {
                repeats = !repeated;
                text.push(char);
            }
            '{' => {
                let end = chars.as_str().find('}').ok_or("a `{` that is no interval")?;
                let (inner, rest) = chars.as_str().split_at(end);
                let is_interval = inner.starts_with(|c: char| c.is_ascii_digit())
                    && inner.chars().all(|c| c.is_ascii_digit() || c == ',')
                    && inner.matches(',').count() < 2;
                if !is_interval {
                    return Err("a `{` that is no interval");
                }
                text.push_str(&format!("{{{inner}}}"));
                chars = rest[1..].chars();
                repeats = true;
            }
            '$' => text.push_str(end),
            '}' | ']' => text.push_str(&format!("\\{char}")),
            char => text.push(char),
        }
    }
    Ok(text)
}

fn escape(letter: char) -> Result<String, &'static str> {
    match letter {
        'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'b' | 'B' | 'A' | 'z' | 'a' | 'f' | 'n' | 'r' | 't' => {
            Ok(format!("\\{letter}"))
        }
        letter if letter.is_ascii_alphanumeric() => Err("an escape"),
        letter => Ok(format!("\\x{:02x}", u32::from(letter))),
    }
}

/// How long a class is, behind its `[`, with the `]`.
fn class(rest: &str) -> Result<usize, &'static str> {
    let start = rest.find(|c| c != '^').unwrap_or(0).min(1);
    let mut at = start + usize::from(rest[start..].starts_with(']'));
    loop {
        let next =
            rest.get(at..).filter(|next| !next.is_empty()).ok_or("a class without its end")?;
        if next.starts_with(']') {
            return Ok(at + 1);
        }
        if let Some(inner) = next.strip_prefix("[:") {
            at += inner.find(":]").ok_or("a class without its end")? + 4;
            continue;
        }
        // Those that mean in a class what they mean outside.
        let escaped = next.strip_prefix('\\').and_then(|next| next.chars().next());
        if escaped.is_some_and(|one| "dswnrt".contains(one) || one.is_ascii_punctuation()) {
            at += 2;
            continue;
        }
        if next.starts_with(['[', '\\']) || ["&&", "--", "~~"].iter().any(|it| next.starts_with(it))
        {
            return Err("a class with a bracket, an escape or two signs");
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn what_differs_is_refused() {
        for (pattern, expected) in [
            (r"^\s*a+?(b|c){2,}$", r"^\s*a+?(b|c){2,}$"),
            (r"\<a\.b\-", r"\x3ca\x2eb\x2d"),
            (r"[^=\s\]]$", r"[^=\s\]]$"),
            ("[]a-z[:digit:]^-]x", "[]a-z[:digit:]^-]x"),
            ("(?i)a(?:b)}]", r"(?i)a(?:b)\}\]"),
        ] {
            assert_eq!(checked(pattern.as_bytes(), "$").as_deref(), Ok(expected), "{pattern}");
        }
        for pattern in [
            "a(?=b)", "(?<n>a)", "a++", "a{2}+", "a*+", r"\1", r"\Ka", r"\h", r"\v", r"\R",
            "a{,2}", "{", r"[\b]", "[a[b]", "[a&&b]", "[a", "\u{e4}", "a\\",
        ] {
            assert!(checked(pattern.as_bytes(), "$").is_err(), "{pattern}");
        }
    }
}
