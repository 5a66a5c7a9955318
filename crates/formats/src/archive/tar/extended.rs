//! What stands in front of an entry: pax extended headers (POSIX.1-2017 pax(1), "pax Extended
//! Header") and the GNU long name and long link (GNU tar manual, `LF_LONGNAME`, `LF_LONGLINK`).

use std::collections::{BTreeMap, BTreeSet};

use super::error::TarReason;
use super::header::Header;
use super::limits::Limits;
use super::paths;
use crate::archive::entry::{Entry, EntryKind};

/// The pax keyword prefix of extended attributes (star(1)).
const XATTR: &str = "SCHILY.xattr.";

/// Everything the extended headers of one entry say.
#[derive(Default)]
pub(super) struct Extended {
    kinds: BTreeSet<u8>,
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<i64>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Extended {
    /// Takes one extended header in: type `x`, `L` or `K`.
    pub(super) fn add(&mut self, kind: u8, bytes: &[u8]) -> Result<(), TarReason> {
        if !self.kinds.insert(kind) {
            return Err(TarReason::ExtendedTwice(char::from(kind).to_string()));
        }
        match kind {
            b'L' => set(&mut self.path, long_name(bytes, "long name")?, "path"),
            b'K' => set(&mut self.target, long_name(bytes, "long link")?, "linkpath"),
            _ => self.pax(bytes),
        }
    }

    fn pax(&mut self, mut bytes: &[u8]) -> Result<(), TarReason> {
        let mut seen = BTreeSet::new();
        while !bytes.is_empty() {
            let (keyword, value, rest) = record(bytes)?;
            bytes = rest;
            if !seen.insert(keyword) {
                return Err(TarReason::ExtendedTwice(keyword.to_owned()));
            }
            self.pax_record(keyword, value)?;
        }
        Ok(())
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
                Some(name) => {
                    self.xattrs.insert(name.as_bytes().to_vec(), value.to_vec());
                    Ok(())
                }
                None => Err(TarReason::Keyword(keyword.escape_debug().to_string())),
            },
        }
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
            xattrs: self.xattrs,
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
