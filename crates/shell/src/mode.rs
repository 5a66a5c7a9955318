//! Modes in octal or symbols, as chmod(1), mkdir(1), install(1) and the shell's umask take them.

/// Applies a mode, in octal or symbols, to the permissions of a file (coreutils manual, "File
/// permissions"); nothing if it is no mode.
pub(crate) fn apply(mode: &[u8], old: u16, is_directory: bool, umask: u16) -> Option<u16> {
    if mode.first()?.is_ascii_digit() {
        let digits = mode.iter().all(|byte| matches!(byte, b'0'..=b'7')) && mode.len() <= 5;
        let value = digits.then(|| u16::from_str_radix(str::from_utf8(mode).ok()?, 8).ok())??;
        // A directory keeps what only five digits take from it.
        let kept = if is_directory && mode.len() < 5 { old & 0o6000 } else { 0 };
        return (value <= 0o7777).then_some(value | kept);
    }
    let mut now = old;
    for clause in mode.split(|byte| *byte == b',') {
        now = symbolic(clause, now, is_directory, umask)?;
    }
    Some(now)
}

/// `u=rwx`, `go-w`, `a+X`, `g=u`: who, then one or more changes.
fn symbolic(clause: &[u8], old: u16, is_directory: bool, umask: u16) -> Option<u16> {
    let who_end = clause.iter().position(|byte| b"+-=".contains(byte))?;
    let (who, mut changes) = clause.split_at(who_end);
    let mut whose: u16 = 0;
    for one in who {
        whose |= match one {
            b'u' => 0o4700,
            b'g' => 0o2070,
            b'o' => 0o1007,
            b'a' => 0o7777,
            _ => return None,
        };
    }
    // Without anyone, all, less what the umask withholds.
    let (whose, mask) = if who.is_empty() { (0o7777, !umask) } else { (whose, 0o7777) };
    let mut now = old;
    while let [operator, rest @ ..] = changes {
        let end = rest.iter().position(|byte| b"+-=".contains(byte)).unwrap_or(rest.len());
        let (letters, behind) = rest.split_at(end);
        let bits = bits_of(letters, now, is_directory)? & whose & mask;
        now = match operator {
            b'+' => now | bits,
            b'-' => now & !bits,
            _ => {
                // A directory keeps its set-ID bits.
                let kept = if is_directory { 0o6000 } else { 0 };
                (now & !(whose & !kept)) | bits
            }
        };
        changes = behind;
    }
    Some(now)
}

fn bits_of(letters: &[u8], old: u16, is_directory: bool) -> Option<u16> {
    if let [copy @ (b'u' | b'g' | b'o')] = letters {
        let shift = match copy {
            b'u' => 6,
            b'g' => 3,
            _ => 0,
        };
        let bits = old >> shift & 0o7;
        return Some(bits << 6 | bits << 3 | bits);
    }
    let mut bits = 0;
    for letter in letters {
        bits |= match letter {
            b'r' => 0o444,
            b'w' => 0o222,
            b'x' => 0o111,
            b'X' if is_directory || old & 0o111 != 0 => 0o111,
            b'X' => 0,
            b's' => 0o6000,
            b't' => 0o1000,
            _ => return None,
        };
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::apply;

    #[test]
    fn modes_are_octal_or_symbols() {
        for (mode, old, is_directory, expected) in [
            ("755", 0o644, false, Some(0o755)),
            ("0755", 0o6644, false, Some(0o755)),
            ("0755", 0o2700, true, Some(0o2755)),
            ("00755", 0o2700, true, Some(0o755)),
            ("4755", 0, false, Some(0o4755)),
            ("8", 0, false, None),
            ("77777", 0, false, None),
            ("u+x", 0o644, false, Some(0o744)),
            ("go-w", 0o666, false, Some(0o644)),
            ("a+X", 0o644, false, Some(0o644)),
            ("a+X", 0o744, false, Some(0o755)),
            ("a+X", 0o600, true, Some(0o711)),
            ("u=rwx,g=rx,o=", 0o777, false, Some(0o750)),
            ("g=u", 0o640, false, Some(0o660)),
            ("g+s", 0o755, true, Some(0o2755)),
            ("u+s", 0o755, false, Some(0o4755)),
            ("+t", 0o777, true, Some(0o1777)),
            ("+w", 0o444, false, Some(0o644)),
            ("=r", 0o777, false, Some(0o444)),
            ("=r", 0o6777, true, Some(0o6444)),
            ("-w", 0o777, false, Some(0o577)),
            ("u+rw-x", 0o100, false, Some(0o600)),
            ("", 0o644, false, None),
            ("q+x", 0o644, false, None),
            ("u+q", 0o644, false, None),
            ("u", 0o644, false, None),
        ] {
            assert_eq!(apply(mode.as_bytes(), old, is_directory, 0o022), expected, "{mode}");
        }
    }
}
