//! Makes the checksums of a changed file right, so that it gets past the outer check and to the
//! fields behind it.

use cvmkit_formats::digest::Sha256;

use crate::ovmf_image;

/// CRC-32 (ISO 3309), bit by bit.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|field| u32::from_le_bytes(*field))
}

fn le64(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u64::from_le_bytes(*field)).ok()
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + field.len()) {
        place.copy_from_slice(field);
    }
}

/// The checksum of a PE image ("PE Format", "Optional Header Windows-Specific Fields", `CheckSum`).
pub(crate) fn pe(bytes: &mut [u8]) {
    let Some(at) = le32(bytes, 0x3c).and_then(|at| usize::try_from(at).ok()?.checked_add(24 + 64))
    else {
        return;
    };
    if bytes.get(at..at + 4).is_none() {
        return;
    }
    put(bytes, at, &[0; 4]);
    let mut sum = 0_u64;
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = u32::try_from(sum).unwrap() + u32::try_from(bytes.len()).unwrap();
    put(bytes, at, &sum.to_le_bytes());
}

/// A firmware image starts with a volume and ends in the table that is read.
pub(crate) fn firmware(bytes: &mut [u8]) {
    if bytes.len() > 4096 {
        ovmf_image::put_volume_header(bytes);
    }
}

/// Both headers of a GPT and their arrays of entries (UEFI 2.10, table 5.5).
pub(crate) fn gpt(bytes: &mut [u8]) {
    const SECTOR: usize = 512;
    let last = (bytes.len() / SECTOR).saturating_sub(1) * SECTOR;
    for header in [SECTOR, last] {
        let field = |at: usize| le64(bytes, header + at);
        let (Some(lba), Some(count), Some(size)) =
            (field(72), le32(bytes, header + 80), le32(bytes, header + 84))
        else {
            continue;
        };
        let start = lba.checked_mul(SECTOR);
        let len = usize::try_from(u64::from(count) * u64::from(size)).ok();
        let end = start.zip(len).and_then(|(start, len)| start.checked_add(len));
        let entries = start.zip(end).and_then(|(start, end)| bytes.get(start..end)).map(crc32);
        if let Some(crc) = entries {
            put(bytes, header + 88, &crc.to_le_bytes());
        }
        put(bytes, header + 16, &[0; 4]);
        let len = le32(bytes, header + 12).and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        if let Some(whole) = header.checked_add(len).and_then(|end| bytes.get(header..end)) {
            let crc = crc32(whole);
            put(bytes, header + 16, &crc.to_le_bytes());
        }
    }
}

/// The second FAT of a volume becomes a copy of the first.
pub(crate) fn fat(bytes: &mut [u8]) {
    let half = |at: usize| bytes.get(at..)?.first_chunk().map(|field| u16::from_le_bytes(*field));
    let (Some(sector), Some(reserved), Some(sectors)) = (half(11), half(14), half(22)) else {
        return;
    };
    let (sector, reserved) = (usize::from(sector), usize::from(reserved));
    let (start, len) = (reserved * sector, usize::from(sectors) * sector);
    if bytes.len() >= start + 2 * len {
        bytes.copy_within(start..start + len, start + len);
    }
}

/// The checksum of every tar header (POSIX.1-2024, pax, "ustar Interchange Format").
pub(crate) fn tar(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512) {
        if block[257..262] == *b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

/// The checksum of a firmware volume's header (PI 1.8, volume 3, section 3.2.1): its 16-bit words add
/// up to 0. The variable store lies behind it.
pub(crate) fn volume(bytes: &mut [u8]) {
    let len = bytes.get(48..).and_then(<[u8]>::first_chunk);
    let Some(len) = len.map(|field| u16::from_le_bytes(*field)) else {
        return;
    };
    put(bytes, 50, &[0; 2]);
    let header = bytes.get(..usize::from(len)).unwrap_or_default();
    let words = header.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let sum = words.fold(0_u16, u16::wrapping_add);
    put(bytes, 50, &sum.wrapping_neg().to_le_bytes());
}

/// The digest in the head of a lock, which is of all that follows its comment but the line of the digest.
pub(crate) fn lock(bytes: &mut [u8]) {
    const LINE: &str = "\nsha256 = \"";
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(start) = text.find("format = ") else { return };
    let Some(line) = text[start..].find(LINE).map(|at| start + at) else { return };
    let Some(end) = text[line + 1..].find('\n').map(|at| line + 1 + at) else { return };
    let body = format!("{}{}", &text[start..line], &text[end..]);
    let digest = Sha256::of(body.as_bytes()).to_string();
    put(bytes, line + LINE.len(), digest.as_bytes());
}

/// A gzip file with the bytes as they are (RFC 1951, section 3.2.4; RFC 1952).
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut pieces = bytes.chunks(0xffff).peekable();
    if bytes.is_empty() {
        file.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(piece) = pieces.next() {
        let len = u16::try_from(piece.len()).unwrap();
        file.push(u8::from(pieces.peek().is_none()));
        file.extend(len.to_le_bytes());
        file.extend((!len).to_le_bytes());
        file.extend(piece);
    }
    file.extend(crc32(bytes).to_le_bytes());
    file.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    file
}

/// A `.deb` of these members (deb(5)).
pub(crate) fn deb(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let header =
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100644, bytes.len());
        file.extend(header.as_bytes());
        file.extend(*bytes);
        if bytes.len() % 2 == 1 {
            file.push(b'\n');
        }
    }
    file
}

/// The members of a `.deb`.
pub(crate) fn members(deb: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut members = Vec::new();
    let mut at = 8;
    while let Some(header) = deb.get(at..at + 60) {
        let text = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(&header[range]).trim().trim_end_matches('/').to_owned()
        };
        let len: usize = text(48..58).parse().unwrap();
        members.push((text(0..16), deb[at + 60..at + 60 + len].to_vec()));
        at += 60 + len + len % 2;
    }
    members
}

/// A file's digest wherever a text has that of what it was.
pub(crate) fn digest_in(text: &str, before: &[u8], after: &[u8]) -> String {
    text.replace(&Sha256::of(before).to_string(), &Sha256::of(after).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_the_known_ones() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let mut text = b"# x\n\nformat = 2\nsha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"\nrest\n".to_vec();
        lock(&mut text);
        let digest = Sha256::of(b"format = 2\nrest\n").to_string();
        assert!(String::from_utf8(text).unwrap().contains(&digest));
        let members = [("debian-binary", b"2.0\n".as_slice()), ("data.tar", b"abc")];
        let back = super::members(&deb(&members));
        assert_eq!(back[1], ("data.tar".to_owned(), b"abc".to_vec()));
    }
}
