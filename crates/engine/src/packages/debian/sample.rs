//! Packages that tests are made of, byte by byte (deb(5), ar(5), tar(5)).

/// One member of a tar archive: a ustar header and its contents, padded.
pub(crate) fn member(path: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, path);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", bytes.len()));
    put(136, "00000000017\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = vec![0; bytes.len().next_multiple_of(512) - bytes.len()];
    [&header[..], bytes, &padding].concat()
}

/// A tar archive of these members, with its end.
pub(crate) fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let members = files.iter().flat_map(|(path, bytes)| member(path, bytes));
    members.chain([0; 1024]).collect()
}

/// A package that holds one file, and says this of itself.
pub(crate) fn deb(control: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    let control = tar_of(&[("./control", control.as_bytes())]);
    for (name, contents) in
        [("debian-binary", &b"2.0\n"[..]), ("control.tar", &control), ("data.tar", data)]
    {
        let head =
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", contents.len());
        bytes.extend(head.as_bytes());
        bytes.extend(contents);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}
