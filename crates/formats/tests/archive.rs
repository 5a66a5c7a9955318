//! Crafted file system archives: each is refused by the rule it breaks, and by no other.
//!
//! Headers are made with the `tar` crate, and then broken.

#![expect(clippy::panic, reason = "a test says what it found")]

use cvmkit_formats::archive::tar::{Limits, TarError, TarReason, entries, entries_within};
use cvmkit_formats::archive::{Entry, EntryKind};
use tar::{EntryType, Header};

fn header(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    header.set_size(size);
    header.set_cksum();
    header
}

/// One archive, piece by piece.
#[derive(Clone, Default)]
struct Archive(Vec<u8>);

impl Archive {
    fn header(mut self, header: &Header) -> Self {
        self.0.extend_from_slice(header.as_bytes());
        self
    }

    fn contents(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn entry(self, name: &str, kind: EntryType) -> Self {
        self.header(&header(name, kind, 0))
    }

    fn file(self, name: &str, bytes: &[u8]) -> Self {
        self.header(&header(name, EntryType::Regular, bytes.len() as u64)).contents(bytes)
    }

    fn link(self, name: &str, kind: EntryType, target: &str) -> Self {
        let mut header = header(name, kind, 0);
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.header(&header)
    }

    fn extended(self, kind: u8, bytes: &[u8]) -> Self {
        let header = header("././@", EntryType::new(kind), bytes.len() as u64);
        self.header(&header).contents(bytes)
    }

    fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut bytes = Vec::new();
        for (keyword, value) in records {
            let body = [b" ", keyword.as_bytes(), b"=", value, b"\n"].concat();
            let mut len = body.len() + 1;
            while len.to_string().len() + body.len() != len {
                len += 1;
            }
            bytes.extend_from_slice(len.to_string().as_bytes());
            bytes.extend_from_slice(&body);
        }
        self.extended(b'x', &bytes)
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

fn archive() -> Archive {
    Archive::default().entry("./", EntryType::Directory)
}

/// A file entry whose header is changed, its checksum made to fit.
fn changed(change: impl Fn(&mut [u8; 512])) -> Vec<u8> {
    let mut header = header("./f", EntryType::Regular, 0);
    change(header.as_mut_bytes());
    header.set_cksum();
    archive().header(&header).end()
}

fn reason(bytes: &[u8]) -> TarReason {
    match entries(bytes) {
        Err(TarError::Entry { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn paths() {
    let long = "x".repeat(256);
    let cases: [(&str, TarReason); 12] = [
        ("../f", TarReason::ParentPath),
        ("./a/../f", TarReason::ParentPath),
        ("./..", TarReason::ParentPath),
        ("/etc/passwd", TarReason::AbsolutePath),
        ("//f", TarReason::AbsolutePath),
        ("./a//f", TarReason::UnnormalisedPath),
        (".//f", TarReason::AbsolutePath),
        ("./a/./f", TarReason::UnnormalisedPath),
        ("././f", TarReason::UnnormalisedPath),
        ("./f\n", TarReason::LineBreakPath),
        ("./f/", TarReason::SlashPath),
        ("./", TarReason::Root),
    ];
    for (name, expected) in cases {
        let archive = Archive::default().file(name, b"x").end();
        let expected = if name == ".//f" { TarReason::UnnormalisedPath } else { expected };
        assert_eq!(reason(&archive), expected, "{name:?}");
    }
    assert_eq!(reason(&Archive::default().file("", b"").end()), TarReason::EmptyPath);
    let long = Archive::default().extended(b'L', format!("{long}\0").as_bytes()).file("f", b"");
    assert_eq!(reason(&long.end()), TarReason::LongName);
}

#[test]
fn header_fields() {
    let nul = |at: usize| {
        move |block: &mut [u8; 512]| {
            block[at] = 0;
            block[at + 1] = b'x';
        }
    };
    assert_eq!(reason(&changed(nul(3))), TarReason::Nul("name"));
    assert_eq!(reason(&changed(nul(157))), TarReason::Nul("linkname"));
    assert_eq!(reason(&changed(|block| block[257] = b'x')), TarReason::Magic);
    assert_eq!(reason(&changed(|block| block[257..265].fill(0))), TarReason::Magic);
    assert_eq!(reason(&changed(|block| block[345] = 1)), TarReason::Sparse);
    let numbers = [(100, "mode"), (108, "uid"), (116, "gid"), (124, "size"), (136, "mtime")];
    for (at, name) in numbers {
        assert_eq!(reason(&changed(|block| block[at] = b'8')), TarReason::Number(name), "{name}");
        let empty = changed(|block| block[at..at + 8].fill(b' '));
        assert_eq!(reason(&empty), TarReason::Number(name), "{name}");
    }
    let full_type = changed(|block| block[100..108].copy_from_slice(b"0100644\0"));
    assert_eq!(reason(&full_type), TarReason::Number("mode"));
    let negative = changed(|block| block[124..136].fill(0xff));
    assert_eq!(reason(&negative), TarReason::Number("size"));
    let huge = changed(|block| {
        block[124] = 0x80;
        block[125..136].fill(0xff);
    });
    assert_eq!(reason(&huge), TarReason::Number("size"));
    let mut wrong_sum = archive().file("./f", b"x").end();
    wrong_sum[512 + 148] ^= 1;
    assert!(matches!(reason(&wrong_sum), TarReason::Checksum { .. }));
}

#[test]
fn types() {
    for kind in [b'7', b'g', b'V', b'M', b'D', b'N', b'A', b'X', b'?'] {
        let refused = reason(&changed(|block| block[156] = kind));
        assert_eq!(refused, TarReason::Type(char::from(kind)));
    }
    assert_eq!(reason(&changed(|block| block[156] = b'S')), TarReason::Sparse);
    let sparse = archive().pax(&[("GNU.sparse.major", b"1")]).file("./f", b"");
    assert_eq!(reason(&sparse.end()), TarReason::Sparse);
    let sized = archive().header(&header("./d", EntryType::Directory, 7)).contents(b"1234567");
    assert_eq!(reason(&sized.end()), TarReason::UnexpectedSize(7));
    let sized = archive().file("./f", b"").header(&header("./l", EntryType::Link, 7));
    assert!(matches!(reason(&sized.end()), TarReason::UnexpectedSize(7)));
}

#[test]
fn links() {
    let empty = archive().entry("./l", EntryType::Symlink).end();
    assert_eq!(reason(&empty), TarReason::EmptyTarget);
    let on_file = archive().link("./f", EntryType::Regular, "x").end();
    assert_eq!(reason(&on_file), TarReason::UnexpectedTarget);
    let cases = [
        ("./missing", TarReason::LinkTarget("missing".to_owned())),
        ("./d", TarReason::LinkTarget("d".to_owned())),
        ("./self", TarReason::LinkTarget("self".to_owned())),
        ("../etc/shadow", TarReason::ParentPath),
        ("/etc/shadow", TarReason::AbsolutePath),
        ("", TarReason::EmptyPath),
    ];
    for (target, expected) in cases {
        let archive = archive().entry("./d/", EntryType::Directory);
        let archive = archive.link("./self", EntryType::Link, target).end();
        assert_eq!(reason(&archive), expected, "{target:?}");
    }
    // Writing through a link, whichever of the two comes first.
    let through = archive().link("./l", EntryType::Symlink, "/etc").file("./l/passwd", b"x").end();
    assert_eq!(reason(&through), TarReason::Parent("l".to_owned()));
    let after = archive().file("./l/passwd", b"x").link("./l", EntryType::Symlink, "/etc").end();
    assert_eq!(reason(&after), TarReason::Parent("l".to_owned()));
    let below_file = archive().file("./f", b"x").file("./f/g", b"x").end();
    assert_eq!(reason(&below_file), TarReason::Parent("f".to_owned()));
}

#[test]
fn duplicates() {
    let twice = archive().file("./f", b"x").file("./f", b"y").end();
    assert_eq!(reason(&twice), TarReason::Duplicate);
    let spelled = archive().file("./f", b"x").file("f", b"x").end();
    assert_eq!(reason(&spelled), TarReason::Duplicate);
    let replaced =
        archive().entry("./d/", EntryType::Directory).link("./d", EntryType::Symlink, "/").end();
    assert_eq!(reason(&replaced), TarReason::Duplicate);
    let mut other_mode = header("./d/", EntryType::Directory, 0);
    other_mode.set_mode(0o777);
    other_mode.set_cksum();
    let directory = archive().entry("./d/", EntryType::Directory);
    assert_eq!(reason(&directory.clone().header(&other_mode).end()), TarReason::Duplicate);
    // The same directory again says nothing new.
    let again = directory.entry("./d", EntryType::Directory).end();
    assert_eq!(entries(&again[..]).unwrap().len(), 2);
}

#[test]
fn extended_headers() {
    let clash = archive().pax(&[("size", b"1024")]).file("./f", b"").end();
    assert_eq!(reason(&clash), TarReason::SizeClash { header: 0, extended: 1024 });
    let clash = archive().pax(&[("size", b"0")]).file("./f", &[b'x'; 512]).end();
    assert_eq!(reason(&clash), TarReason::SizeClash { header: 512, extended: 0 });
    let cases: [(&str, &[u8], TarReason); 9] = [
        ("path", b"../x", TarReason::ParentPath),
        ("path", b"x\0y", TarReason::Nul("path")),
        ("linkpath", b"x", TarReason::UnexpectedTarget),
        ("uid", b"4294967296", TarReason::Number("uid")),
        ("gid", b"-1", TarReason::Number("gid")),
        ("mtime", b"1.", TarReason::Number("mtime")),
        ("mtime", b"", TarReason::Number("mtime")),
        ("LIBARCHIVE.xattr.user.x", b"eA==", TarReason::Keyword("LIBARCHIVE.xattr.user.x".into())),
        ("SCHILY.xattr.", b"x", TarReason::Keyword("SCHILY.xattr.".into())),
    ];
    for (keyword, value, expected) in cases {
        let archive = archive().pax(&[(keyword, value)]).file("./f", b"").end();
        assert_eq!(reason(&archive), expected, "{keyword}");
    }
    let twice = archive().pax(&[("uid", b"1"), ("uid", b"2")]).file("./f", b"").end();
    assert_eq!(reason(&twice), TarReason::ExtendedTwice("uid".into()));
    let twice = archive().pax(&[("uid", b"1")]).pax(&[("gid", b"2")]).file("./f", b"").end();
    assert_eq!(reason(&twice), TarReason::ExtendedTwice("x".into()));
    let both = archive().extended(b'L', b"./a\0").pax(&[("path", b"./b")]).file("./f", b"").end();
    assert_eq!(reason(&both), TarReason::ExtendedTwice("path".into()));
    let orphan = archive().pax(&[("uid", b"1")]).end();
    assert_eq!(reason(&orphan), TarReason::ExtendedOrphan);
    let damaged: [&[u8]; 6] = [
        b"uid=1\n",
        b"99 uid=1\n",
        b"8 uid=1x",
        b"6 uid\n",
        b"0 \n",
        b"18446744073709551616 x=1\n",
    ];
    for bytes in damaged {
        let archive = archive().extended(b'x', bytes).file("./f", b"").end();
        let found = reason(&archive);
        let expected = matches!(found, TarReason::Extended(_) | TarReason::Number("record length"));
        assert!(expected, "{bytes:?} {found:?}");
    }
    for bytes in [&b"./a"[..], b"./a\0b\0", b""] {
        let archive = archive().extended(b'L', bytes).file("./f", b"").end();
        assert_eq!(reason(&archive), TarReason::Nul("long name"));
    }
}

#[test]
fn ends() {
    let whole = archive().file("./f", b"contents").end();
    assert_eq!(entries(&whole[..]).unwrap().len(), 2);
    for len in [0, 1, 511, 512, 600, 1024, 1025, 1100, 1536, 1537, 2048, 2100, whole.len() - 1] {
        assert_eq!(reason(&whole[..len]), TarReason::Truncated, "{len}");
    }
    let padded = [&whole[..], &[0; 8192]].concat();
    assert_eq!(entries(&padded[..]).unwrap().len(), 2);
    for tail in [&b"x"[..], &[0, 0, 7], header("./g", EntryType::Regular, 0).as_bytes()] {
        assert_eq!(reason(&[&whole[..], tail].concat()), TarReason::Trailing);
    }
    let lone = [&whole[..whole.len() - 512], &whole[..]].concat();
    assert_eq!(reason(&lone), TarReason::LoneZeroBlock);
}

#[test]
fn limits() {
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        let archive = archive().pax(&[("uid", b"7")]).file("./dir-file", b"contents").end();
        match entries_within(&archive[..], &limits) {
            Err(TarError::Entry { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(limits(|limits| limits.entries = 1), TarReason::ManyEntries(1));
    assert_eq!(limits(|limits| limits.file = 7), TarReason::LargeFile(7));
    assert_eq!(limits(|limits| limits.path = 9), TarReason::LongPath(9));
    assert_eq!(limits(|limits| limits.extended = 7), TarReason::LargeExtended(7));
    // A size that no memory could hold is refused before anything is allocated.
    let huge = archive().header(&header("././@", EntryType::XHeader, 1 << 40)).end();
    assert_eq!(reason(&huge), TarReason::LargeExtended(1 << 20));
    let huge = archive().header(&header("./f", EntryType::Regular, 1 << 40)).end();
    assert_eq!(reason(&huge), TarReason::LargeFile(8 << 30));
}

#[test]
fn what_packages_use_is_read() {
    let mut device = header("./dev", EntryType::Char, 0);
    device.set_device_major(10).unwrap();
    device.set_device_minor(200).unwrap();
    device.set_cksum();
    let long = format!("./{}/{}", "d".repeat(200), "f".repeat(200));
    let bytes = archive()
        .header(&device)
        .entry("./pipe", EntryType::Fifo)
        .extended(b'L', format!("{long}\0").as_bytes())
        .file("././@x", b"abc")
        .link("./s", EntryType::Symlink, "../../outside is fine: it is data")
        .pax(&[
            ("mtime", b"1700000000.9"),
            ("uid", b"3000000000"),
            ("SCHILY.xattr.security.capability", b"\x01\x00\x00\x02\n=\0"),
        ])
        .file("./cap", b"x")
        .link("./hard", EntryType::Link, "./cap")
        .end();
    let found = entries(&bytes[..]).unwrap();
    let by_path = |path: &str| -> &Entry {
        found.iter().find(|entry| entry.path == path.as_bytes()).unwrap()
    };
    assert_eq!(by_path("").kind, EntryKind::Directory);
    assert_eq!(by_path("dev").kind, EntryKind::CharDevice { major: 10, minor: 200 });
    assert_eq!(by_path("pipe").kind, EntryKind::Fifo);
    let EntryKind::File { offset, len } = by_path(&long[2..]).kind else { panic!() };
    let (start, len) = (usize::try_from(offset).unwrap(), usize::try_from(len).unwrap());
    assert_eq!(&bytes[start..start + len], b"abc");
    let target = b"../../outside is fine: it is data".to_vec();
    assert_eq!(by_path("s").kind, EntryKind::Symlink(target));
    assert_eq!((by_path("cap").uid, by_path("cap").mtime), (3_000_000_000, 1_700_000_000));
    assert_eq!(by_path("cap").xattrs[&b"security.capability"[..]], b"\x01\x00\x00\x02\n=\0");
    assert_eq!(by_path("hard").kind, EntryKind::HardLink(b"cap".to_vec()));
}
