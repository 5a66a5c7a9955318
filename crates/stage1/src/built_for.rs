//! The kernel command line that this image was built for, and whether the kernel's is that one.
//!
//! The initramfs is measured, and carries the image's own command line; only the root hash is left
//! open in it, because the root hash is what the verified root hashes to. Whoever adds a word by an
//! addon of the ESP, an SMBIOS string, a boot option or QEMU's `-append` is refused here, before a
//! disk is looked at, whether or not a verifier looks at the register that would show it.
//!
//! What the kernel itself does with an added word, before there is a PID 1, is not for stage 1 to
//! undo. That is why the image's command line ends in `--`: what is appended behind it goes to init
//! and not to the kernel (`parse_args`, `kernel/params.c`), so `rdinit=` and `root=` don't count.

use crate::Fatal;

/// Where the build put it.
const BUILT_FOR: &str = "/etc/stage1/command-line";

/// The one word that is open. The rest of it is a matter of `cmdline::parse`.
const OPEN: &[u8] = b"roothash=";

/// What firmware adds to the command line that QEMU hands it: edk2 before 2025.08 puts it behind
/// everything else, later ones before (`QemuLoadKernelImage`, `OvmfPkg/Library`).
const LOADERS_WORD: &[u8] = b"initrd=initrd";

/// Refuses a command line that is not the one this image was built for.
pub(crate) fn require(line: &[u8]) -> Result<(), Fatal> {
    let built_for = std::fs::read(BUILT_FOR).map_err(|e| format!("{BUILT_FOR}: {e}"))?;
    check(line, &built_for)
}

/// Compares word by word, so that a refusal can name the word, and then the white space.
pub(crate) fn check(line: &[u8], built_for: &[u8]) -> Result<(), Fatal> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let all = words(line);
    let found = match all.as_slice() {
        [LOADERS_WORD, rest @ ..] | [rest @ .., LOADERS_WORD] => rest,
        whole => whole,
    };
    let expected = words(built_for);
    for (at, word) in found.iter().enumerate() {
        if !expected.get(at).is_some_and(|expected| fits(word, expected)) {
            return Err(refusal(word, &expected, at));
        }
    }
    if let Some(missing) = expected.get(found.len()) {
        return Err(format!("kernel command line: expected `{}`, found its end", shown(missing)));
    }
    if all.join(&b' ') != line {
        return Err("kernel command line: expected one space between words, found others".into());
    }
    Ok(())
}

fn fits(word: &[u8], expected: &[u8]) -> bool {
    match expected == OPEN {
        true => word.starts_with(OPEN),
        false => word == expected,
    }
}

fn refusal(word: &[u8], expected: &[&[u8]], at: usize) -> Fatal {
    let known = expected.iter().any(|expected| fits(word, expected));
    let word = shown(word);
    match (known, expected.get(at)) {
        (false, _) => {
            format!("kernel command line: `{word}` is not in the one that this image was built for")
        }
        (true, Some(expected)) => {
            format!("kernel command line: expected `{}`, found `{word}`", shown(expected))
        }
        (true, None) => format!("kernel command line: expected its end, found `{word}` again"),
    }
}

fn shown(word: &[u8]) -> String {
    match word == OPEN {
        true => "roothash=<64 hexadecimal digits>".to_owned(),
        false => word.escape_ascii().to_string(),
    }
}

/// The words as they are, split where the kernel splits (`next_arg`, `lib/cmdline.c`): at white
/// space outside of double quotes.
fn words(line: &[u8]) -> Vec<&[u8]> {
    let mut quoted = false;
    line.split(|&byte| {
        quoted ^= byte == b'"';
        !quoted && is_space(byte)
    })
    .filter(|word| !word.is_empty())
    .collect()
}

/// The kernel's `isspace`, which takes the no-break space of Latin-1 for one (`lib/ctype.c`).
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0xa0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT_FOR: &[u8] = b"roothash= efi=noruntime console=ttyS0 panic=-1 --";
    const LINE: &str = "roothash=00 efi=noruntime console=ttyS0 panic=-1 --";

    fn refused(line: &str) -> String {
        check(line.as_bytes(), BUILT_FOR).unwrap_err()
    }

    #[test]
    fn the_line_with_any_root_hash_is_it() {
        for line in [LINE, &format!("{LINE}\n"), &LINE.replace("=00", "=ff")] {
            assert_eq!(check(line.as_bytes(), BUILT_FOR), Ok(()), "{line}");
        }
    }

    #[test]
    fn firmware_may_add_its_word_at_one_end_once() {
        let added = "initrd=initrd";
        assert_eq!(check(format!("{added} {LINE}").as_bytes(), BUILT_FOR), Ok(()));
        assert_eq!(check(format!("{LINE} {added}\n").as_bytes(), BUILT_FOR), Ok(()));
        for line in [
            format!("{added} {LINE} {added}"),
            format!("{LINE} {added} {added}"),
            LINE.replace("panic", &format!("{added} panic")),
            format!("{LINE} initrd=other"),
        ] {
            assert!(refused(&line).contains("`initrd="), "{line}");
        }
    }

    #[test]
    fn an_added_word_is_named_wherever_it_is() {
        for word in ["init=/bin/bash", "rdinit=/x", "quiet", "--x", "a=\"b c\"", "\"\"", "Panic=-1"]
        {
            let shown = word.replace('"', "\\\"");
            for line in [
                format!("{LINE} {word}"),
                format!("{word} {LINE}"),
                LINE.replace("console", &format!("{word} console")),
            ] {
                let refusal = refused(&line);
                assert!(refusal.contains(&format!("`{shown}` is not in the one")), "{refusal}");
            }
        }
    }

    #[test]
    fn what_is_missing_repeated_or_moved_is_named() {
        assert!(refused("").contains("expected `roothash=<64 hexadecimal digits>`, found its end"));
        assert!(refused(LINE.trim_end_matches(" --")).contains("expected `--`, found its end"));
        let without = LINE.replace("efi=noruntime ", "");
        assert!(refused(&without).contains("expected `efi=noruntime`, found `console=ttyS0`"));
        let twice = format!("{LINE} panic=-1");
        assert!(refused(&twice).contains("expected its end, found `panic=-1` again"));
        let hashes = LINE.replace("efi", "roothash=01 efi");
        assert!(refused(&hashes).contains("expected `efi=noruntime`, found `roothash=01`"));
        let moved = "roothash=00 console=ttyS0 efi=noruntime panic=-1 --";
        assert!(refused(moved).contains("expected `efi=noruntime`, found `console=ttyS0`"));
        let changed = LINE.replace("noruntime", "runtime");
        assert!(refused(&changed).contains("`efi=runtime` is not in the one"));
    }

    #[test]
    fn white_space_is_part_of_the_line() {
        for line in [
            LINE.replace(' ', "  "),
            LINE.replace(' ', "\t"),
            format!(" {LINE}"),
            format!("{LINE} "),
            LINE.replacen(' ', "\n", 1),
        ] {
            assert!(refused(&line).contains("one space between words"), "{line:?}");
        }
    }

    #[test]
    fn every_byte_that_is_changed_added_or_lost_is_noticed() {
        let line = LINE.as_bytes();
        for at in 0..line.len() {
            let free = (9..11).contains(&at);
            for byte in [0, b' ', b'"', b'-', b'x', b'\\', 0x7f, 0x80, 0xa0, 0xff] {
                let (mut changed, mut added) = (line.to_vec(), line.to_vec());
                changed[at] = byte;
                added.insert(at, byte);
                let same = changed == line || free && byte != b' ' && byte != b'"' && byte != 0xa0;
                assert_eq!(check(&changed, BUILT_FOR).is_ok(), same, "{at} {byte:#x}");
                let open = (9..=11).contains(&at) && ![b' ', b'"', 0xa0].contains(&byte);
                assert_eq!(check(&added, BUILT_FOR).is_ok(), open, "{at} {byte:#x}");
            }
            let mut lost = line.to_vec();
            lost.remove(at);
            assert_eq!(check(&lost, BUILT_FOR).is_ok(), free, "{at}");
        }
    }
}
