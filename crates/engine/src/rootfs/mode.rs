//! Permission bits as people write them.

/// The mode in a text of octal digits, at most `7777`: no sign, no space, no `0o` (chmod(1), tmpfiles.d(5)).
pub(crate) fn octal(text: &str) -> Option<u16> {
    let is_digits = text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = is_digits.then(|| u16::from_str_radix(text, 8).ok())?;
    mode.filter(|mode| *mode <= 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_octal_digits_up_to_7777() {
        for (text, mode) in [
            ("0", Some(0)),
            ("644", Some(0o644)),
            ("0644", Some(0o644)),
            ("00000644", Some(0o644)),
            ("7777", Some(0o7777)),
            ("10000", None),
            ("177777", None),
            ("200000", None),
            ("8", None),
            ("+644", None),
            ("-644", None),
            (" 644", None),
            ("0o644", None),
            ("u+x", None),
            ("", None),
        ] {
            assert_eq!(octal(text), mode, "`{text}`");
        }
    }
}
