//! What stands in front of an entry: pax extended headers (POSIX.1-2017 pax(1), "pax Extended
//! Header") and the GNU long name and long link (GNU tar manual, `LF_LONGNAME`, `LF_LONGLINK`).

use std::collections::{BTreeMap, BTreeSet};

use super::dialect::Dialect;
use super::error::TarReason;
use super::header::Header;
use super::limits::Limits;
use super::paths;
use crate::archive::entry::{Entry, EntryKind};
use crate::base64;

/// The pax keyword prefix of extended attributes (star(1)).
const XATTR: &str = "SCHILY.xattr.";

/// The prefix under which libarchive writes them once more: names in percent encoding, values in base64
/// without padding (tar(5) of libarchive, "Pax Interchange Format").
const LIBARCHIVE_XATTR: &str = "LIBARCHIVE.xattr.";

/// How a name may be encoded (POSIX.1-2017 pax(1), `hdrcharset`). Names are bytes here, whatever they say.
const CHARSETS: [&[u8]; 2] = [b"BINARY", b"ISO-IR 10646 2000 UTF-8"];

/// Everything the extended headers of one entry say.
#[derive(Default)]
pub(super) struct Extended {
    dialect: Dialect,
    kinds: BTreeSet<u8>,
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<i64>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Those that libarchive wrote once more.
    again: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Extended {
    pub(super) fn of(dialect: Dialect) -> Self {
        Self { dialect, ..Self::default() }
    }

    /// Takes one extended header in: type `x`, `g`, `L` or `K`.
    pub(super) fn add(&mut self, kind: u8, bytes: &[u8]) -> Result<(), TarReason> {
        if !self.kinds.insert(kind) {
            return Err(TarReason::ExtendedTwice(char::from(kind).to_string()));
        }
        match kind {
            b'L' => set(&mut self.path, long_name(bytes, "long name")?, "path"),
            b'K' => set(&mut self.target, long_name(bytes, "long link")?, "linkpath"),
            // What holds for all entries behind it would have to hold in every reader.
            b'g' => each_record(bytes, |keyword, _| match keyword {
                "comment" => Ok(()),
                other => Err(TarReason::Keyword(other.escape_debug().to_string())),
            }),
            _ => each_record(bytes, |keyword, value| self.pax_record(keyword, value)),
        }
    }

    fn pax_record(&mut self, keyword: &str, value: &[u8]) -> Result<(), TarReason> {
        let plain = |name| if value.contains(&0) { Err(TarReason::Nul(name)) } else { Ok(value) };
        match keyword {
            "path" => set(&mut self.path, plain("path")?.to_vec(), "path"),
            "linkpath" => set(&mut self.target, plain("linkpath")?.to_vec(), "linkpath"),
            "size" => set(&mut self.size, decimal(value, "size")?, "size"),
            "uid" => set(&mut self.uid, decimal(value, "uid")?, "uid"),
            "gid" => set(&mut self.gid, decimal(value, "gid")?, "gid"),
            "mtime" => set(&mut self.mtime, seconds(value, "mtime")?, "mtime"),
            // Nothing of an image depends on these.
            "atime" | "ctime" | "uname" | "gname" | "comment" => Ok(()),
            _ if keyword.starts_with("GNU.sparse.") => Err(TarReason::Sparse),
            _ => match keyword.strip_prefix(XATTR).filter(|name| !name.is_empty()) {
                // GNU tar writes `=` and `%` of a name in percent encoding, others do not.
                Some(name) if self.dialect.is_layer() && name.contains('%') => {
                    Err(TarReason::Keyword(keyword.escape_debug().to_string()))
                }
                Some(name) => {
                    self.xattrs.insert(name.as_bytes().to_vec(), value.to_vec());
                    Ok(())
                }
                None if self.dialect.is_layer() => self.layer_record(keyword, value),
                None => Err(TarReason::Keyword(keyword.escape_debug().to_string())),
            },
        }
    }

    /// What only layers have.
    fn layer_record(&mut self, keyword: &str, value: &[u8]) -> Result<(), TarReason> {
        let refused = || TarReason::Keyword(keyword.escape_debug().to_string());
        match keyword {
            // Where the file was before, and when it was made: nothing of an image.
            "SCHILY.dev" | "SCHILY.ino" | "SCHILY.nlink" | "LIBARCHIVE.creationtime" => Ok(()),
            "hdrcharset" if CHARSETS.contains(&value) => Ok(()),
            _ => {
                let name = keyword.strip_prefix(LIBARCHIVE_XATTR).and_then(percent_decoded);
                let name = name.filter(|name| !name.is_empty()).ok_or_else(refused)?;
                let value = base64::decode(value).ok_or_else(refused)?;
                match self.again.insert(name, value) {
                    None => Ok(()),
                    Some(_) => Err(TarReason::ExtendedTwice(keyword.escape_debug().to_string())),
                }
            }
        }
    }

    /// The attributes, those that are there twice being the same.
    fn all_xattrs(mut self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, TarReason> {
        for (name, value) in self.again {
            let first = self.xattrs.entry(name.clone()).or_insert_with(|| value.clone());
            if *first != value {
                return Err(TarReason::AttributeClash(name.escape_ascii().to_string()));
            }
        }
        Ok(self.xattrs)
    }

    /// The entry that a header and what stood in front of it describe; its contents start at
    /// `offset`.
    pub(super) fn entry(
        self,
        header: &Header,
        offset: u64,
        limits: &Limits,
    ) -> Result<Entry, TarReason> {
        let len = self.agreed_size(header)?;
        let name = self.path.as_deref().unwrap_or(&header.name);
        let target = self.target.as_deref().unwrap_or(&header.linkname);
        if name.len() > limits.path || target.len() > limits.path {
            return Err(TarReason::LongPath(limits.path));
        }
        if len > limits.file {
            return Err(TarReason::LargeFile(limits.file));
        }
        if header.kind != b'0' && len != 0 {
            return Err(TarReason::UnexpectedSize(len));
        }
        if !matches!(header.kind, b'1' | b'2') && !target.is_empty() {
            return Err(TarReason::UnexpectedTarget);
        }
        let (major, minor) = (header.major, header.minor);
        let kind = match header.kind {
            b'0' => EntryKind::File { offset, len },
            b'1' => EntryKind::HardLink(paths::normalise(target, false)?),
            b'2' if target.is_empty() => return Err(TarReason::EmptyTarget),
            b'2' => EntryKind::Symlink(target.to_vec()),
            b'3' => EntryKind::CharDevice { major, minor },
            b'4' => EntryKind::BlockDevice { major, minor },
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            other => return Err(TarReason::Type(char::from(other))),
        };
        Ok(Entry {
            path: paths::normalise(name, kind == EntryKind::Directory)?,
            kind,
            mode: header.mode,
            uid: self.uid.unwrap_or(header.uid),
            gid: self.gid.unwrap_or(header.gid),
            mtime: self.mtime.unwrap_or(header.mtime),
            xattrs: self.all_xattrs()?,
        })
    }

    /// Readers differ in which size they believe, and then in where the next header is
    /// (CVE-2025-62518), so the two must agree.
    fn agreed_size(&self, header: &Header) -> Result<u64, TarReason> {
        match self.size {
            Some(extended) if extended != header.size => {
                Err(TarReason::SizeClash { header: header.size, extended })
            }
            _ => Ok(header.size),
        }
    }
}

fn set<T>(slot: &mut Option<T>, value: T, name: &str) -> Result<(), TarReason> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(TarReason::ExtendedTwice(name.to_owned())),
    }
}

/// A GNU long name: closed by one NUL, with none within.
fn long_name(bytes: &[u8], name: &'static str) -> Result<Vec<u8>, TarReason> {
    match bytes.split_last() {
        Some((0, text)) if !text.contains(&0) => Ok(text.to_vec()),
        _ => Err(TarReason::Nul(name)),
    }
}

/// Hands each record to `take`; no keyword comes twice.
fn each_record(
    mut bytes: &[u8],
    mut take: impl FnMut(&str, &[u8]) -> Result<(), TarReason>,
) -> Result<(), TarReason> {
    let mut seen = BTreeSet::new();
    while !bytes.is_empty() {
        let (keyword, value, rest) = record(bytes)?;
        bytes = rest;
        if !seen.insert(keyword) {
            return Err(TarReason::ExtendedTwice(keyword.to_owned()));
        }
        take(keyword, value)?;
    }
    Ok(())
}

/// A name in percent encoding (RFC 3986, 2.1), if it is one.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}

/// One record, `LENGTH KEYWORD=VALUE\n`, where the length counts itself. Answers keyword, value and
/// what follows.
fn record(bytes: &[u8]) -> Result<(&str, &[u8], &[u8]), TarReason> {
    let space = bytes.iter().take(11).position(|&byte| byte == b' ');
    let space = space.ok_or(TarReason::Extended("a record without a length"))?;
    let len: u64 = decimal(&bytes[..space], "record length")?;
    let len = usize::try_from(len).map_err(|_| TarReason::Extended("a record too long"))?;
    let (record, rest) = bytes
        .split_at_checked(len)
        .ok_or(TarReason::Extended("a record longer than its header"))?;
    let body = record.get(space + 1..).and_then(|body| body.strip_suffix(b"\n"));
    let body = body.ok_or(TarReason::Extended("a record without its line break"))?;
    let equals = body.iter().position(|&byte| byte == b'=');
    let equals = equals.ok_or(TarReason::Extended("a record without `=`"))?;
    let keyword = std::str::from_utf8(&body[..equals])
        .map_err(|_| TarReason::Extended("a keyword that is not UTF-8"))?;
    Ok((keyword, &body[equals + 1..], rest))
}

fn decimal<T: TryFrom<u64>>(value: &[u8], name: &'static str) -> Result<T, TarReason> {
    let refused = || TarReason::Number(name);
    if value.is_empty() {
        return Err(refused());
    }
    let digit = |number: u64, &byte: &u8| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        number.checked_mul(10)?.checked_add(digit.into())
    };
    let number = value.iter().try_fold(0, digit).ok_or_else(refused)?;
    T::try_from(number).map_err(|_| refused())
}

/// Decimal seconds, maybe negative, maybe with a fraction; rounded down.
fn seconds(value: &[u8], name: &'static str) -> Result<i64, TarReason> {
    let refused = || TarReason::Number(name);
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let mut parts = digits.splitn(2, |&byte| byte == b'.');
    let whole: u64 = decimal(parts.next().unwrap_or_default(), name)?;
    let fraction = parts.next().unwrap_or(b"0");
    if fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
        return Err(refused());
    }
    let whole = i64::try_from(whole).map_err(|_| refused())?;
    let down = i64::from(fraction.iter().any(|&byte| byte != b'0'));
    Ok(if negative { -whole - down } else { whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// POSIX.1-2017 pax(1), "pax Extended Header": `"%d %s=%s\n"`, where the number counts itself.
    #[test]
    fn a_record_counts_its_own_length() {
        assert_eq!(record(b"8 a=bcd\nrest"), Ok(("a", &b"bcd"[..], &b"rest"[..])));
        assert_eq!(record(b"6 a==\n"), Ok(("a", &b"="[..], &b""[..])));
        assert_eq!(record(b"5 a=\n"), Ok(("a", &b""[..], &b""[..])));
        assert_eq!(record(b"8 a=b\nc\n"), Ok(("a", &b"b\nc"[..], &b""[..])));
        // The length may have ten digits.
        assert_eq!(record(b"0000000015 a=b\n"), Ok(("a", &b"b"[..], &b""[..])));
        for (bytes, reason) in [
            (&b"a=b\n"[..], TarReason::Extended("a record without a length")),
            (b"00000000012 a=b\n", TarReason::Extended("a record without a length")),
            (b" a=b\n", TarReason::Number("record length")),
            (b"x a=b\n", TarReason::Number("record length")),
            (b"9 a=bcd\n", TarReason::Extended("a record longer than its header")),
            (b"7 a=bcd\n", TarReason::Extended("a record without its line break")),
            (b"1 a=b\n", TarReason::Extended("a record without its line break")),
            (b"5 abc\n", TarReason::Extended("a record without its line break")),
            (b"6 abc\n", TarReason::Extended("a record without `=`")),
            (b"6 \xff=b\n", TarReason::Extended("a keyword that is not UTF-8")),
        ] {
            assert_eq!(record(bytes).err(), Some(reason), "{bytes:?}");
        }
    }

    #[test]
    fn times_are_rounded_down() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1700000000", Some(1_700_000_000)),
            ("1.0", Some(1)),
            ("1.9999", Some(1)),
            ("-1", Some(-1)),
            ("-1.000", Some(-1)),
            ("-1.5", Some(-2)),
            ("-0.1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775807.1", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("", None),
            ("-", None),
            (".5", None),
            ("1.", None),
            ("1.x", None),
            ("1.5.5", None),
            ("+1", None),
            ("--1", None),
            (" 1", None),
        ] {
            let found = seconds(text.as_bytes(), "mtime");
            assert_eq!(found, expected.ok_or(TarReason::Number("mtime")), "{text}");
        }
        assert_eq!(decimal::<u32>(b"4294967295", "uid"), Ok(u32::MAX));
        for text in ["4294967296", "", "1a", "-1", "18446744073709551616"] {
            let found = decimal::<u32>(text.as_bytes(), "uid");
            assert_eq!(found, Err(TarReason::Number("uid")), "{text}");
        }
    }

    fn pax(records: &[(&str, &[u8])]) -> Result<Extended, TarReason> {
        let mut extended = Extended::default();
        for (keyword, value) in records {
            extended.pax_record(keyword, value)?;
        }
        Ok(extended)
    }

    fn header(kind: u8, size: u64, linkname: &str) -> Header {
        let (name, linkname) = (b"name".to_vec(), linkname.into());
        let (mode, uid, gid, mtime, major, minor) = (0o644, 1, 2, 3, 4, 5);
        Header { name, linkname, kind, mode, uid, gid, size, mtime, major, minor }
    }

    fn entry(extended: Extended, header: &Header) -> Result<Entry, TarReason> {
        extended.entry(header, 1024, &Limits::default())
    }

    #[test]
    fn what_stands_in_front_outweighs_the_header() {
        let plain = entry(Extended::default(), &header(b'0', 7, "")).unwrap();
        assert_eq!((plain.path.as_slice(), plain.mode), (&b"name"[..], 0o644));
        assert_eq!((plain.uid, plain.gid, plain.mtime), (1, 2, 3));
        assert_eq!(plain.kind, EntryKind::File { offset: 1024, len: 7 });
        let records: [(&str, &[u8]); 11] = [
            ("path", b"./other"),
            ("size", b"7"),
            ("uid", b"11"),
            ("gid", b"12"),
            ("mtime", b"13.5"),
            ("atime", b"x"),
            ("ctime", b""),
            ("uname", b"root"),
            ("gname", b"root"),
            ("comment", b"\0"),
            ("SCHILY.xattr.user.a", b"\0b"),
        ];
        let found = entry(pax(&records).unwrap(), &header(b'0', 7, "")).unwrap();
        assert_eq!(
            (found.path.as_slice(), found.uid, found.gid, found.mtime),
            (&b"other"[..], 11, 12, 13)
        );
        assert_eq!(found.xattrs, BTreeMap::from([(b"user.a".to_vec(), b"\0b".to_vec())]));
        let linked = pax(&[("linkpath", b"/to")]).unwrap();
        let found = entry(linked, &header(b'2', 0, "from")).unwrap();
        assert_eq!(found.kind, EntryKind::Symlink(b"/to".to_vec()));
    }

    fn layer(records: &[(&str, &[u8])]) -> Result<Entry, TarReason> {
        let mut extended = Extended::of(Dialect::Layer);
        for (keyword, value) in records {
            extended.pax_record(keyword, value)?;
        }
        entry(extended, &header(b'0', 7, ""))
    }

    /// tar(5) of libarchive: each attribute stands there twice, once for star and once for itself.
    #[test]
    fn a_layer_may_be_written_by_libarchive() {
        let found = layer(&[
            ("SCHILY.dev", b"1"),
            ("SCHILY.ino", b"2"),
            ("SCHILY.nlink", b"1"),
            ("LIBARCHIVE.creationtime", b"1.5"),
            ("hdrcharset", b"BINARY"),
            ("SCHILY.xattr.user.a", b"\0b"),
            ("LIBARCHIVE.xattr.user.a", b"AGI"),
            ("LIBARCHIVE.xattr.user.%3Db", b"Zm8"),
        ]);
        let attributes =
            [(b"user.a".to_vec(), b"\0b".to_vec()), (b"user.=b".to_vec(), b"fo".to_vec())];
        assert_eq!(found.unwrap().xattrs, BTreeMap::from(attributes));
        let keyword = |name: &str| TarReason::Keyword(name.into());
        for (records, reason) in [
            (
                &[("SCHILY.xattr.user.a", &b"b"[..]), ("LIBARCHIVE.xattr.user.a", b"Yw")][..],
                TarReason::AttributeClash("user.a".into()),
            ),
            (
                &[("LIBARCHIVE.xattr.user.a", b"Yw"), ("LIBARCHIVE.xattr.user%2Ea", b"Yw")],
                TarReason::ExtendedTwice("LIBARCHIVE.xattr.user%2Ea".into()),
            ),
            (&[("LIBARCHIVE.xattr.user.a", b"Y")], keyword("LIBARCHIVE.xattr.user.a")),
            (&[("LIBARCHIVE.xattr.user.%3", b"Yw")], keyword("LIBARCHIVE.xattr.user.%3")),
            (&[("LIBARCHIVE.xattr.%+1", b"Yw")], keyword("LIBARCHIVE.xattr.%+1")),
            (&[("LIBARCHIVE.xattr.", b"Yw")], keyword("LIBARCHIVE.xattr.")),
            (&[("SCHILY.xattr.user.%3Da", b"b")], keyword("SCHILY.xattr.user.%3Da")),
            (&[("SCHILY.acl.access", b"user::rwx")], keyword("SCHILY.acl.access")),
            (&[("SCHILY.fflags", b"uchg")], keyword("SCHILY.fflags")),
            (&[("RHT.security.selinux", b"x")], keyword("RHT.security.selinux")),
            (&[("hdrcharset", b"latin1")], keyword("hdrcharset")),
            (&[("GNU.sparse.major", b"1")], TarReason::Sparse),
        ] {
            assert_eq!(layer(records).err(), Some(reason), "{records:?}");
        }
        // None of this is a package's.
        let refused = pax(&[("SCHILY.ino", b"2")]).err();
        assert_eq!(refused, Some(keyword("SCHILY.ino")));
    }

    /// `git archive` writes the commit there. What holds for all entries would hold in some readers only.
    #[test]
    fn a_global_header_has_a_comment_alone() {
        let global = |bytes| Extended::of(Dialect::Layer).add(b'g', bytes);
        assert_eq!(global(b"14 comment=ab\n"), Ok(()));
        assert_eq!(global(b"10 path=x\n"), Err(TarReason::Keyword("path".into())));
        assert_eq!(
            global(b"14 comment=ab\n14 comment=ab\n"),
            Err(TarReason::ExtendedTwice("comment".into()))
        );
    }

    #[test]
    fn keywords_that_may_change_an_entry_are_refused() {
        for (keyword, value, reason) in [
            ("path", &b"a\0b"[..], TarReason::Nul("path")),
            ("linkpath", b"\0", TarReason::Nul("linkpath")),
            ("size", b"-1", TarReason::Number("size")),
            ("uid", b"x", TarReason::Number("uid")),
            ("gid", b"4294967296", TarReason::Number("gid")),
            ("mtime", b"now", TarReason::Number("mtime")),
            ("GNU.sparse.major", b"1", TarReason::Sparse),
            ("SCHILY.xattr.", b"", TarReason::Keyword("SCHILY.xattr.".into())),
            ("SCHILY.acl.access", b"", TarReason::Keyword("SCHILY.acl.access".into())),
            ("charset\n", b"", TarReason::Keyword("charset\\n".into())),
            ("Path", b"a", TarReason::Keyword("Path".into())),
        ] {
            assert_eq!(pax(&[(keyword, value)]).err(), Some(reason), "{keyword}");
        }
        let twice = |first: (u8, &[u8]), second: (u8, &[u8])| {
            let mut extended = Extended::default();
            extended.add(first.0, first.1).unwrap();
            extended.add(second.0, second.1).err()
        };
        let occurs = |what: &str| Some(TarReason::ExtendedTwice(what.into()));
        assert_eq!(twice((b'L', b"a\0"), (b'L', b"b\0")), occurs("L"));
        assert_eq!(twice((b'x', b"8 uid=1\n"), (b'x', b"8 gid=1\n")), occurs("x"));
        assert_eq!(twice((b'L', b"a\0"), (b'x', b"9 path=b\n")), occurs("path"));
        assert_eq!(twice((b'K', b"a\0"), (b'x', b"14 linkpath=b\n")), occurs("linkpath"));
        assert_eq!(twice((b'L', b"a\0"), (b'K', b"b\0")), None);
        let mut extended = Extended::default();
        assert_eq!(
            extended.add(b'x', b"8 uid=1\n8 uid=1\n"),
            Err(TarReason::ExtendedTwice("uid".into()))
        );
        for bytes in [&b""[..], b"a", b"a\0b\0", b"a\0\0"] {
            let reason = Err(TarReason::Nul("long name"));
            assert_eq!(Extended::default().add(b'L', bytes), reason, "{bytes:?}");
            let reason = Err(TarReason::Nul("long link"));
            assert_eq!(Extended::default().add(b'K', bytes), reason, "{bytes:?}");
        }
    }

    #[test]
    fn an_entry_is_one_thing() {
        let kind = |kind: u8, target: &str| entry(Extended::default(), &header(kind, 0, target));
        for (number, target, expected) in [
            (b'1', "./a", EntryKind::HardLink(b"a".to_vec())),
            (b'2', "./a/../b", EntryKind::Symlink(b"./a/../b".to_vec())),
            (b'3', "", EntryKind::CharDevice { major: 4, minor: 5 }),
            (b'4', "", EntryKind::BlockDevice { major: 4, minor: 5 }),
            (b'5', "", EntryKind::Directory),
            (b'6', "", EntryKind::Fifo),
        ] {
            assert_eq!(kind(number, target).unwrap().kind, expected);
            let sized = entry(Extended::default(), &header(number, 1, target));
            assert_eq!(sized.err(), Some(TarReason::UnexpectedSize(1)));
        }
        for (number, target, reason) in [
            (b'0', "to", TarReason::UnexpectedTarget),
            (b'5', "to", TarReason::UnexpectedTarget),
            (b'2', "", TarReason::EmptyTarget),
            (b'1', "", TarReason::EmptyPath),
            (b'1', "/a", TarReason::AbsolutePath),
            (b'7', "", TarReason::Type('7')),
        ] {
            assert_eq!(kind(number, target).err(), Some(reason), "{number}");
        }
        let clash = entry(pax(&[("size", b"8")]).unwrap(), &header(b'0', 7, ""));
        assert_eq!(clash.err(), Some(TarReason::SizeClash { header: 7, extended: 8 }));
    }

    #[test]
    fn bounds_are_what_may_just_be() {
        let limits = |file, path| Limits { file, path, ..Limits::default() };
        let of = |limits: Limits| {
            let found = Extended::default().entry(&header(b'0', 7, ""), 0, &limits);
            found.map(drop)
        };
        assert_eq!(of(limits(7, 4)), Ok(()));
        assert_eq!(of(limits(6, 4)), Err(TarReason::LargeFile(6)));
        assert_eq!(of(limits(7, 3)), Err(TarReason::LongPath(3)));
        let link = Extended::default().entry(&header(b'2', 0, "12345"), 0, &limits(7, 4));
        assert_eq!(link.err(), Some(TarReason::LongPath(4)));
        let usual =
            Limits { entries: 1_000_000, file: 8_589_934_592, path: 4096, extended: 1_048_576 };
        assert_eq!(Limits::default(), usual);
    }
}
