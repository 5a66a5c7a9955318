//! Small archives, of users and times that are not the image's.

/// One member: a path, its mode, and what it is (`/` a folder, `-> x` a link, `= x` another name of `x`, else
/// a file of this text).
pub(crate) type Row<'a> = (&'a str, u16, &'a str);

/// A header of POSIX.1-2017 pax(1), and what follows it.
fn row((path, mode, what): Row<'_>) -> Vec<u8> {
    let (kind, target, text) = match what.split_at_checked(2) {
        _ if what == "/" => (b'5', "", ""),
        Some(("->", target)) => (b'2', target.trim_start(), ""),
        Some(("= ", target)) => (b'1', target, ""),
        _ => (b'0', "", what),
    };
    headed(path, mode, (kind, target), text.as_bytes())
}

/// A file of these bytes.
pub(crate) fn member(path: &str, bytes: &[u8]) -> Vec<u8> {
    headed(path, 0o644, (b'0', ""), bytes)
}

fn headed(path: &str, mode: u16, (kind, target): (u8, &str), text: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    header[..path.len()].copy_from_slice(path.as_bytes());
    header[100..108].copy_from_slice(format!("{mode:07o}\0").as_bytes());
    header[108..124].copy_from_slice(b"0000007\x000000010\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", text.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000005\0");
    header[156] = kind;
    header[157..157 + target.len()].copy_from_slice(target.as_bytes());
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = [&header[..], text].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// An archive of these members.
pub(crate) fn archive(rows: &[Row<'_>]) -> Vec<u8> {
    let members = rows.iter().map(|one| row(*one)).collect::<Vec<_>>().concat();
    [members, vec![0; 1024]].concat()
}
