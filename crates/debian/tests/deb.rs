//! Binary packages: crafted ones are refused, real ones read as `dpkg-deb` and GNU tar read them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it found")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "runs apt and dpkg-deb")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use cvmkit_debian::deb::{Deb, DebError};
use cvmkit_formats::archive::tar::entries;
use cvmkit_formats::archive::{Entry, EntryKind};
use cvmkit_formats::compression::CompressionError;
use proptest::prelude::*;

const CONTROL: &str = "Package: a\nVersion: 1\nArchitecture: all\n";

fn member(name: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, bytes.len());
    let pad: &[u8] = if bytes.len() % 2 == 1 { b"\n" } else { b"" };
    [header.as_bytes(), bytes, pad].concat()
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let members = members.iter().map(|(name, bytes)| member(name, bytes));
    [b"!<arch>\n".to_vec()].into_iter().chain(members).collect::<Vec<_>>().concat()
}

fn tarball(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn package(control: &[(&str, &[u8])]) -> Vec<u8> {
    let (control, data) = (tarball(control), tarball(&[("f", b"contents")]));
    ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", &data)])
}

fn control_error(control: &[(&str, &[u8])]) -> DebError {
    let bytes = package(control);
    Deb::parse(&bytes).unwrap().control().unwrap_err()
}

#[test]
fn a_package_is_read() {
    let control = tarball(&[("control", CONTROL.as_bytes()), ("postinst", b"#!/bin/sh\n")]);
    let data = tarball(&[("f", b"contents")]);
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&control).unwrap();
        encoder.finish().unwrap()
    };
    let (xz, zstd) =
        (liblzma::encode_all(&data[..], 1).unwrap(), zstd::encode_all(&data[..], 1).unwrap());
    for (name, data) in [("data.tar", &data), ("data.tar.xz", &xz), ("data.tar.zst/", &zstd)] {
        let bytes = ar(&[("debian-binary", b"2.0\n"), ("control.tar.gz", &gzip), (name, data)]);
        let deb = Deb::parse(&bytes).unwrap();
        let control = deb.control().unwrap();
        assert_eq!(control.fields.get("package"), Some("a"));
        assert_eq!(control.files["postinst"], b"#!/bin/sh\n");
        let found = entries(deb.data().unwrap()).unwrap();
        assert_eq!(found[0].kind, EntryKind::File { offset: 512, len: 8 });
    }
}

#[test]
fn the_outer_layer_is_strict() {
    let good = package(&[("control", CONTROL.as_bytes())]);
    assert!(matches!(Deb::parse(b""), Err(DebError::ArMagic)));
    assert!(matches!(Deb::parse(b"!<thin>\n"), Err(DebError::ArMagic)));
    for len in [9, 60, 67] {
        assert!(matches!(Deb::parse(&good[..len]), Err(DebError::ArHeader { .. })), "{len}");
    }
    assert!(matches!(Deb::parse(&good[..good.len() - 1]), Err(DebError::ArTruncated { .. })));
    let tail = [&good[..], b"tail"].concat();
    assert!(matches!(Deb::parse(&tail), Err(DebError::ArHeader { what: "its length", .. })));
    for (at, byte) in [(66, b'x'), (56, b'-'), (56, b' '), (8, b' '), (10, 7), (12, b'/')] {
        let mut altered = good.clone();
        altered[at] = byte;
        assert!(Deb::parse(&altered).is_err(), "{at}");
    }
    let odd = ar(&[("debian-binary", b"2.0\n"), ("control.tar", b"x"), ("data.tar", b"")]);
    let mut no_padding = odd;
    let at = no_padding.len() - 61;
    no_padding[at] = b'x';
    assert!(matches!(Deb::parse(&no_padding), Err(DebError::ArHeader { .. })));
}

#[test]
fn members_must_be_those_of_the_format() {
    let lists: [&[&str]; 8] = [
        &[],
        &["debian-binary"],
        &["debian-binary", "data.tar", "control.tar"],
        &["control.tar", "debian-binary", "data.tar"],
        &["debian-binary", "control.tar", "data.tar", "data.tar"],
        &["debian-binary", "_gpgorigin", "control.tar", "data.tar"],
        &["debian-binary", "control.tar", "data.tar", "_gpgorigin"],
        &["debian-binary", "control.tar", "control.tar"],
    ];
    for names in lists {
        let members: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, &b"2.0\n"[..])).collect();
        assert!(matches!(Deb::parse(&ar(&members)), Err(DebError::Members(_))), "{names:?}");
    }
    for name in ["data.tar.bz2", "data.tar.lzma", "data.tarx", "data.tar.xz.gz"] {
        let bytes = ar(&[("debian-binary", b"2.0\n"), ("control.tar", b""), (name, b"")]);
        assert!(matches!(Deb::parse(&bytes), Err(DebError::UnsupportedCompression(_))), "{name}");
    }
    for format in ["", "2.0", "2.1\n", "3.0\n", "2.0\nx\n"] {
        let bytes =
            ar(&[("debian-binary", format.as_bytes()), ("control.tar", b""), ("data.tar", b"")]);
        assert!(matches!(Deb::parse(&bytes), Err(DebError::Format(_))), "{format:?}");
    }
}

#[test]
fn control_archives_hold_plain_files() {
    assert!(matches!(control_error(&[]), DebError::NoControl));
    assert!(matches!(control_error(&[("postinst", b"")]), DebError::NoControl));
    assert!(matches!(control_error(&[("d/control", b"")]), DebError::ControlEntry(_)));
    assert!(matches!(control_error(&[("control", b"\xff")]), DebError::ControlEncoding));
    assert!(matches!(control_error(&[("control", b"no colon")]), DebError::ControlSyntax(_)));
    let two = b"Package: a\nVersion: 1\nArchitecture: all\n\nPackage: b\n";
    assert!(matches!(control_error(&[("control", two)]), DebError::ControlSyntax(_)));
    for field in ["Package", "Version", "Architecture"] {
        let text = CONTROL.replace(field, "X");
        let error = control_error(&[("control", text.as_bytes())]);
        assert!(matches!(error, DebError::ControlField(name) if name == field), "{field}");
    }
    assert!(matches!(
        control_error(&[("control", b"A: 1"), ("control", b"A: 1")]),
        DebError::Tar(_)
    ));
}

#[test]
fn streams_end_where_they_should() {
    let data = tarball(&[("f", &[7; 100_000])]);
    let xz = liblzma::encode_all(&data[..], 1).unwrap();
    let with = |data: &[u8]| {
        let control = tarball(&[("control", CONTROL.as_bytes())]);
        ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar.xz", data)])
    };
    let error = |bytes: &[u8], limit| {
        let deb = Deb::parse(bytes).unwrap();
        match entries(deb.data_within(limit).unwrap()).unwrap_err().into() {
            DebError::Compression { source, .. } => source,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(error(&with(&xz[..xz.len() / 2]), 1 << 30), CompressionError::Corrupt { .. }));
    let tail = [&xz[..], b"12345678"].concat();
    assert!(matches!(error(&with(&tail), 1 << 30), CompressionError::Trailing { len: 8, .. }));
    assert_eq!(error(&with(&xz), 4096), CompressionError::TooLarge { limit: 4096 });
    // 300 MB of zeros in 45 kB: stopped at the limit, never held in memory.
    let bomb = liblzma::encode_all(std::io::repeat(0).take(300 << 20), 1).unwrap();
    assert!(bomb.len() < 64 << 10);
    assert_eq!(error(&with(&bomb), 64 << 20), CompressionError::TooLarge { limit: 64 << 20 });
}

proptest! {
    #[test]
    fn no_bytes_panic(at in 0usize..3000, byte: u8, cut in 0usize..3000) {
        let mut bytes = package(&[("control", CONTROL.as_bytes())]);
        let (at, cut) = (at % bytes.len(), cut % bytes.len());
        bytes[at] = byte;
        for bytes in [&bytes[..], &bytes[..cut]] {
            if let Ok(deb) = Deb::parse(bytes) {
                let _ = deb.control();
                let _ = deb.data().map(entries);
            }
        }
    }
}

/// Chosen for hard links, setuid bits, odd owners, long names, empty control archives, zero-length
/// files, many entries.
const REAL: [&str; 10] = [
    "base-files",
    "passwd",
    "sudo",
    "tzdata",
    "perl-base",
    "git",
    "ca-certificates",
    "openssh-client",
    "man-db",
    "python3-minimal",
];

fn skip(why: &str) {
    let required = std::env::var_os("CVMKIT_ORACLES").is_some_and(|value| value == "require");
    assert!(!required, "{why}");
    eprintln!("SKIPPED: {why}");
}

fn download(folder: &Path) -> bool {
    let output = Command::new("apt-get").arg("download").args(REAL).current_dir(folder).output();
    output.is_ok_and(|output| output.status.success())
}

/// The packages of the folder `CVMKIT_DEBS` names, or else [`REAL`].
#[test]
fn real_packages_read_as_dpkg_and_tar_read_them() {
    let own = tempfile::tempdir().unwrap();
    let given = std::env::var_os("CVMKIT_DEBS").map(PathBuf::from);
    let folder = given.as_deref().unwrap_or(own.path());
    if given.is_none() && !download(folder) {
        return skip("apt-get can't download packages");
    }
    let mut count = 0;
    for found in std::fs::read_dir(folder).unwrap() {
        let path = found.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "deb") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let started = Instant::now();
        let deb = Deb::parse(&bytes).unwrap();
        let control = deb.control().unwrap();
        let mut data = Vec::new();
        deb.data().unwrap().read_to_end(&mut data).unwrap();
        let listed = entries(&data[..]).unwrap();
        eprintln!("{}: {} entries in {:?}", path.display(), listed.len(), started.elapsed());
        assert_eq!(data, run("dpkg-deb", &["--fsys-tarfile"], &path, &[]));
        assert_eq!(listing(&listed), gnu_listing(&data));
        compare_contents(&data, &listed);
        compare_control(&path, &control.files);
        let version = run("dpkg-deb", &["-f"], &path, &["Version"]);
        let ours = control.fields.get("Version").unwrap();
        assert_eq!(String::from_utf8(version).unwrap().trim_end(), ours);
        count += 1;
    }
    eprintln!("{count} packages");
    assert!(count >= REAL.len());
}

fn run(program: &str, before: &[&str], path: &Path, after: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(before).arg(path).args(after).output().unwrap();
    assert!(output.status.success(), "{program} {before:?} {after:?}");
    output.stdout
}

fn pipe(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("TZ", "UTC")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output.stdout
}

/// What `tar -tv` says, without the time of day.
fn gnu_listing(data: &[u8]) -> Vec<String> {
    let arguments =
        ["--list", "--verbose", "--numeric-owner", "--quoting-style=literal", "-f", "-"];
    let text = String::from_utf8(pipe("tar", &arguments, data)).unwrap();
    let normal = |line: &str| {
        let (fields, rest) = line.split_at(line.find(':').unwrap() + 3);
        let mut fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        fields.truncate(3);
        format!("{} {}", fields.join(" "), rest.trim())
    };
    text.lines().map(normal).collect()
}

/// The same, made of entries.
fn listing(entries: &[Entry]) -> Vec<String> {
    let line = |entry: &Entry| {
        let (kind, size, tail) = match &entry.kind {
            EntryKind::Directory => ('d', 0, "/".to_owned()),
            EntryKind::File { len, .. } => ('-', *len, String::new()),
            EntryKind::Symlink(target) => ('l', 0, format!(" -> {}", lossy(target))),
            EntryKind::HardLink(target) => ('h', 0, format!(" link to ./{}", lossy(target))),
            other => panic!("{other:?}"),
        };
        let path = if entry.path.is_empty() { "." } else { "./" }.to_owned() + &lossy(&entry.path);
        let mode = mode_text(entry.mode);
        format!("{kind}{mode} {}/{} {size} {path}{tail}", entry.uid, entry.gid)
    };
    entries.iter().map(line).collect()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn mode_text(mode: u16) -> String {
    let mut text = String::new();
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
        });
    }
    text
}

/// All contents in order, as `tar --to-stdout` writes them, and all times.
fn compare_contents(data: &[u8], entries: &[Entry]) {
    let mut ours = Vec::new();
    for entry in entries {
        if let EntryKind::File { offset, len } = entry.kind {
            let start = usize::try_from(offset).unwrap();
            ours.extend_from_slice(&data[start..start + usize::try_from(len).unwrap()]);
        }
    }
    assert!(ours == pipe("tar", &["--extract", "--to-stdout", "-f", "-"], data));
    let times = pipe("tar", &["--list", "--verbose", "--full-time", "--utc", "-f", "-"], data);
    let times = String::from_utf8(times).unwrap();
    for (line, entry) in times.lines().zip(entries) {
        let mut words = line.split_ascii_whitespace().skip(3);
        let (date, time) = (words.next().unwrap(), words.next().unwrap());
        assert_eq!(format!("{date} {time}"), calendar(entry.mtime), "{line}");
    }
}

/// Seconds as `YYYY-MM-DD HH:MM:SS`, by counting.
fn calendar(mtime: i64) -> String {
    let (mut days, seconds) = (mtime.div_euclid(86_400), mtime.rem_euclid(86_400));
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days >= 365 + i64::from(leap(year)) {
        days -= 365 + i64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year}-{:02}-{:02} {hour:02}:{minute:02}:{second:02}", month + 1, days + 1)
}

fn compare_control(path: &Path, files: &BTreeMap<String, Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("control");
    run("dpkg-deb", &["-e"], path, &[target.to_str().unwrap()]);
    let mut theirs = BTreeMap::new();
    for found in std::fs::read_dir(&target).unwrap() {
        let found = found.unwrap();
        let name = found.file_name().into_string().unwrap();
        theirs.insert(name, std::fs::read(found.path()).unwrap());
    }
    assert!(&theirs == files, "{}", path.display());
}
