//! What a backslash and a letter stand for where all programs agree.

/// The control character of a letter behind a backslash (XBD table 5-1), such as `\n`.
pub(crate) fn control(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::control;

    #[test]
    fn seven_letters_stand_for_control_characters() {
        let found = (0..=255).filter_map(|letter| Some((letter, control(letter)?)));
        let expected = [
            (b'a', b'\x07'),
            (b'b', b'\x08'),
            (b'f', b'\x0c'),
            (b'n', b'\x0a'),
            (b'r', b'\x0d'),
            (b't', b'\x09'),
            (b'v', b'\x0b'),
        ];
        assert!(found.eq(expected));
    }
}
