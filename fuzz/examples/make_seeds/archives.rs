//! Archives, alone and compressed, and what is made of them: packages, layers.

use std::io::Write as _;

use crate::CONTROL;

pub(crate) fn write() {
    crate::write("deb", &debs());
    crate::write("tar", &[("ustar", tarball()), ("layer", layer())]);
    crate::write("oci", &[("layers", oci())]);
    let compressed = [("gzip", gzip(b"contents")), ("xz", XZ.to_vec()), ("zstd", zstd())];
    crate::write("compression", &compressed);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("memory does not fail");
    encoder.finish().expect("memory does not fail")
}

/// `printf contents | xz --check=crc32`: nothing here can write xz without one more dependency.
const XZ: [u8; 60] = [
    0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x01, 0x69, 0x22, 0xde, 0x36, 0x02, 0x00, 0x21, 0x01,
    0x16, 0x00, 0x00, 0x00, 0x74, 0x2f, 0xe5, 0xa3, 0x01, 0x00, 0x07, 0x63, 0x6f, 0x6e, 0x74, 0x65,
    0x6e, 0x74, 0x73, 0x00, 0x77, 0x11, 0xfa, 0xb4, 0x00, 0x01, 0x1c, 0x08, 0x44, 0x60, 0x2a, 0xc8,
    0x90, 0x42, 0x99, 0x0d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x01, 0x59, 0x5a,
];

/// One raw block of one byte (RFC 8878, section 3.1.1).
fn zstd() -> Vec<u8> {
    vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, 1, 0x09, 0, 0, b'a']
}

fn entry(name: &str, kind: u8, contents: &[u8], link: &str) -> Vec<u8> {
    let mut header = [0u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", contents.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[148..156].fill(b' ');
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header[257..265].copy_from_slice(b"ustar  \0");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = [&header[..], contents].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

fn tarball() -> Vec<u8> {
    let long = "d/".to_owned() + &"n".repeat(110) + "\0";
    archive(&[
        entry("./", b'5', b"", ""),
        entry("./d/", b'5', b"", ""),
        entry("./d/f", b'0', b"contents", ""),
        entry("./d/h", b'1', b"", "./d/f"),
        entry("./s", b'2', b"", "d/f"),
        entry("pax", b'x', b"19 path=d/a-name-p\n", ""),
        entry("short", b'0', b"x", ""),
        entry("././@LongLink", b'L', long.as_bytes(), ""),
        entry("cut", b'0', b"y", ""),
    ])
}

/// An index of no image, and two layers: the upper one has whiteouts, and a file behind a link.
fn oci() -> Vec<u8> {
    let lower = archive(&[
        entry("d/", b'5', b"", ""),
        entry("d/a", b'0', b"a", ""),
        entry("d/b", b'0', b"b", ""),
        entry("l", b'2', b"", "d"),
    ]);
    let mut upper = archive(&[
        entry("d/.wh.a", b'0', b"", ""),
        entry("l/c", b'0', b"c", ""),
        entry("e/.wh..wh..opq", b'0', b"", ""),
    ]);
    upper.resize(lower.len(), 0);
    [b"{\"schemaVersion\":2,\"manifests\":[]}\n".as_slice(), &lower, &upper].concat()
}

/// What no package has: a comment in front of all, libarchive's attributes, and a path twice.
fn layer() -> Vec<u8> {
    archive(&[
        entry("pax_global_header", b'g', b"14 comment=ab\n", ""),
        entry("./", b'5', b"", ""),
        entry(
            "pax",
            b'x',
            b"30 SCHILY.xattr.user.a=foobar\n36 LIBARCHIVE.xattr.user.a=Zm9vYmFy\n",
            "",
        ),
        entry("./f", b'0', b"first", ""),
        entry("./h", b'1', b"", "./f"),
        entry("./f", b'0', b"second", ""),
    ])
}

fn debs() -> Vec<(&'static str, Vec<u8>)> {
    let member = |name: &str, bytes: &[u8]| {
        let head =
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, bytes.len());
        let pad: &[u8] = if bytes.len() % 2 == 1 { b"\n" } else { b"" };
        [head.as_bytes(), bytes, pad].concat()
    };
    let package = |members: [(&str, &[u8]); 3]| {
        let members = members.map(|(name, bytes)| member(name, bytes)).concat();
        [b"!<arch>\n".as_slice(), &members].concat()
    };
    let control = archive(&[
        entry("./", b'5', b"", ""),
        entry("./control", b'0', CONTROL.as_bytes(), ""),
        entry("./postinst", b'0', b"#!/bin/sh\nset -e\n", ""),
    ]);
    let data = archive(&[entry("./", b'5', b"", ""), entry("./f", b'0', b"contents", "")]);
    let format: (&str, &[u8]) = ("debian-binary", b"2.0\n");
    let plain = package([format, ("control.tar", &control), ("data.tar", &data)]);
    let (control, data) = (gzip(&control), gzip(&data));
    let packed = package([format, ("control.tar.gz", &control), ("data.tar.gz", &data)]);
    vec![("plain", plain), ("gzip", packed)]
}
