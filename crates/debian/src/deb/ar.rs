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
