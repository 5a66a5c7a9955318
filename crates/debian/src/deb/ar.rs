//! The outer layer of a `.deb`: an `ar` archive (deb(5), ar(5)).
//!
//! The contract: every byte belongs to the magic, a 60-byte member header, a member or its padding;
//! anything else is an error. Deliberately absent: the symbol and long-name tables of ar, which
//! deb(5) excludes.

use super::error::DebError;

/// The global header (deb(5), "FORMAT").
const MAGIC: &[u8] = b"!<arch>\n";
/// A member header: name 16, date 12, uid 6, gid 6, mode 8, size 10, end 2 (ar(5)).
const HEADER_LEN: usize = 60;
const HEADER_END: &[u8] = b"`\n";

/// One member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    /// Its name, without padding and without the slash some writers add.
    pub(super) name: &'a str,
    /// Its contents.
    pub(super) bytes: &'a [u8],
}

/// All members of the archive, in order.
pub(super) fn members(archive: &[u8]) -> Result<Vec<Member<'_>>, DebError> {
    let mut rest = archive.strip_prefix(MAGIC).ok_or(DebError::ArMagic)?;
    let mut members = Vec::new();
    while !rest.is_empty() {
        let offset = archive.len() - rest.len();
        let (member, behind) = member(rest, offset)?;
        members.push(member);
        rest = behind;
    }
    Ok(members)
}

fn member(bytes: &[u8], offset: usize) -> Result<(Member<'_>, &[u8]), DebError> {
    let damaged = |what| DebError::ArHeader { offset, what };
    let (header, rest) = bytes.split_at_checked(HEADER_LEN).ok_or(damaged("its length"))?;
    if !header.ends_with(HEADER_END) {
        return Err(damaged("its end mark"));
    }
    let text = |range| header.get(range).and_then(|field| std::str::from_utf8(field).ok());
    let name = text(0..16).ok_or(damaged("its name"))?.trim_end_matches(' ');
    let name = name.strip_suffix('/').unwrap_or(name);
    let printable = name.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'/');
    if name.is_empty() || !printable {
        return Err(damaged("its name"));
    }
    let size = text(48..58).ok_or(damaged("its size"))?.trim_end_matches(' ');
    let digits = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
    let size = size.parse::<usize>().ok().filter(|_| digits).ok_or(damaged("its size"))?;
    let short = || DebError::ArTruncated { name: name.to_owned(), size, found: rest.len() };
    let (contents, rest) = rest.split_at_checked(size).ok_or_else(short)?;
    // Members start at even offsets; the byte between is a line break.
    let rest = match size % 2 {
        0 => rest,
        _ => rest.strip_prefix(b"\n").ok_or(damaged("the padding behind its member"))?,
    };
    Ok((Member { name, bytes: contents }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of one member `name` with the contents `abc` and its padding.
    fn archive() -> Vec<u8> {
        let header = format!("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", "name", 0, 0, 0, 100_644, 3);
        [MAGIC, header.as_bytes(), b"abc\n"].concat()
    }

    /// The archive with other bytes at an offset of its header.
    fn changed(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut archive = archive();
        archive[MAGIC.len() + at..][..bytes.len()].copy_from_slice(bytes);
        archive
    }

    fn refusal(bytes: &[u8]) -> String {
        members(bytes).unwrap_err().to_string()
    }

    #[test]
    fn members_are_read_in_their_order() {
        let twice = [&archive()[..], &archive()[MAGIC.len()..]].concat();
        for (bytes, count) in [(MAGIC.to_vec(), 0), (archive(), 1), (twice, 2)] {
            let found = members(&bytes).unwrap();
            assert_eq!(found.len(), count);
            assert!(found.iter().all(|one| one.name == "name" && one.bytes == b"abc"));
        }
        // deb(5): some writers end a name with a slash. Time, owner and mode mean nothing.
        for (at, bytes) in [(4, &b"/"[..]), (16, b"x"), (28, b"x"), (34, b"x"), (40, b"x")] {
            assert_eq!(members(&changed(at, bytes)).unwrap()[0].name, "name", "{at}");
        }
        let even = [&changed(48, b"2 ")[..MAGIC.len() + HEADER_LEN], b"ab"].concat();
        assert_eq!(members(&even).unwrap()[0].bytes, b"ab");
        assert_eq!(members(&changed(48, b"03")).unwrap()[0].bytes, b"abc");
    }

    /// One changed field, and what is said of it.
    #[test]
    fn every_refusal_names_the_field() {
        let cases: [(usize, &[u8], &str); 15] = [
            (0, b"    ", "its name is damaged"),
            (0, b"/   ", "its name is damaged"),
            (0, b"a/b ", "its name is damaged"),
            (0, b"a b ", "its name is damaged"),
            (0, b"a\0  ", "its name is damaged"),
            (0, b"a\x7f  ", "its name is damaged"),
            (0, b"\xff", "its name is damaged"),
            (48, b" ", "its size is damaged"),
            (48, b" 3", "its size is damaged"),
            (48, b"+3", "its size is damaged"),
            (48, b"-3", "its size is damaged"),
            (48, b"0x3", "its size is damaged"),
            (48, b"\xff", "its size is damaged"),
            (58, b"'", "its end mark is damaged"),
            (59, b"\0", "its end mark is damaged"),
        ];
        for (at, bytes, expected) in cases {
            let expected = format!("ar member at offset 8: {expected}");
            assert_eq!(refusal(&changed(at, bytes)), expected, "{}", bytes.escape_ascii());
        }
        let mut unpadded = archive();
        *unpadded.last_mut().unwrap() = b' ';
        let expected = "ar member at offset 8: the padding behind its member is damaged";
        assert_eq!(refusal(&unpadded), expected);
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = archive();
        let magic = "not a Debian package: expected the ar magic `!<arch>` at offset 0";
        for len in 0..whole.len() {
            let expected = match len {
                0..8 => magic.to_owned(),
                8 => continue,
                9..68 => "ar member at offset 8: its length is damaged".to_owned(),
                68..71 => format!("ar member `name`: expected 3 bytes, found {}", len - 68),
                _ => "ar member at offset 8: the padding behind its member is damaged".to_owned(),
            };
            assert_eq!(refusal(&whole[..len]), expected, "{len}");
        }
        let tail = [&whole[..], b"x"].concat();
        assert_eq!(refusal(&tail), "ar member at offset 72: its length is damaged");
        let huge = "ar member `name`: expected 9999999999 bytes, found 4";
        assert_eq!(refusal(&changed(48, b"9999999999")), huge);
        assert_eq!(refusal(b"!<arch>\r\n"), magic);
    }
}
