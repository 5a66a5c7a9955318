//! The long lines of ls(1): `ls -l` and its like.

use super::super::accounts;
use super::super::call::{Call, shown};
use super::super::date::{Time, check_zone, formatted};
use super::super::options::Options;
use super::occupied::{Names, human, kibibytes, permissions};
use crate::stop::Stop;
use crate::world::{FileType, Status, World};

/// What is listed.
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) path: Vec<u8>,
    pub(super) at: Status,
}

/// Half a year: what is older, or of the future, is shown with its year (coreutils manual, `ls -l`).
const RECENT: i64 = 31_556_952 / 2;

/// What the long lines of a call have in common.
pub(super) struct Long {
    names: Names,
    now: i64,
    /// The format of what is recent, and of the rest.
    times: (Vec<u8>, Vec<u8>),
}

/// What stands behind a name with `-F` and `-p`.
pub(super) fn indicator(options: &Options<'_>, at: &Status) -> &'static str {
    match (at.file_type, options.last_of(b"Fp")) {
        (_, None) => "",
        (FileType::Directory, _) => "/",
        (_, Some(b'p')) => "",
        (FileType::Symlink, _) => "@",
        (FileType::Fifo, _) => "|",
        (FileType::Socket, _) => "=",
        (FileType::Regular, _) if at.mode & 0o111 != 0 => "*",
        _ => "",
    }
}

impl Long {
    pub(super) fn of<W: World>(
        world: &W,
        call: &Call<'_>,
        options: &Options<'_>,
    ) -> Result<Self, Stop> {
        check_zone(world, call)?;
        if call.variable("TIME_STYLE").is_some() {
            return Err(call.unsupported("a style of times in the environment"));
        }
        let style = match options.last_of(b"/@") {
            Some(b'/') => b"full-iso",
            _ => options.last(b'@').unwrap_or(b"locale"),
        };
        let style = style.strip_prefix(b"posix-").map_or(style, |_| b"locale");
        let times: (&[u8], &[u8]) = match style {
            b"locale" => (b"%b %e %H:%M", b"%b %e  %Y"),
            b"full-iso" => (b"%F %T.%N %z", b"%F %T.%N %z"),
            b"long-iso" => (b"%F %R", b"%F %R"),
            b"iso" => (b"%m-%d %H:%M", b"%F "),
            [b'+', format @ ..] if !format.contains(&b'\n') => (format, format),
            style => return Err(call.unsupported(format!("--time-style={}", shown(style)))),
        };
        let times = (times.0.to_vec(), times.1.to_vec());
        Ok(Self { names: Names::of(world), now: world.now(), times })
    }

    fn time(&self, call: &Call<'_>, at: &Status) -> Result<String, Stop> {
        let is_recent = (self.now - RECENT + 1..=self.now).contains(&at.mtime);
        let format = if is_recent { &self.times.0 } else { &self.times.1 };
        let time = Time::of(at.mtime);
        let time = time.ok_or_else(|| call.unsupported("a year of more than four digits"))?;
        Ok(String::from_utf8_lossy(&formatted(call, format, &time)?).into_owned())
    }

    /// The columns of an entry but its name: each, and whether it stands at the right.
    fn columns<W: World>(
        &self,
        world: &W,
        call: &Call<'_>,
        options: &Options<'_>,
        entry: &Entry,
    ) -> Result<Vec<(String, bool)>, Stop> {
        let at = &entry.at;
        let has = |letter| options.has(letter);
        let mut columns = Vec::new();
        if has(b'i') {
            columns.push((at.inode.to_string(), true));
        }
        if has(b's') {
            let taken = kibibytes(at);
            columns.push((if has(b'h') { human(taken << 10) } else { taken.to_string() }, true));
        }
        columns.push((permissions(at), false));
        columns.push((self.names.count(at).to_string(), true));
        let id = |name: Option<Vec<u8>>, id: u32| match name.filter(|_| !has(b'n')) {
            Some(name) => (shown(&name), false),
            // A number without a name stands at the right, among names too.
            None => (id.to_string(), true),
        };
        if !has(b'g') {
            columns.push(id(accounts::user_name(world, at.uid), at.uid));
        }
        if !has(b'o') && !has(b'G') {
            columns.push(id(accounts::group_name(world, at.gid), at.gid));
        }
        if matches!(at.file_type, FileType::CharDevice | FileType::BlockDevice) {
            return Err(call.unsupported(format!("the numbers of `{}`", shown(&entry.name))));
        }
        columns.push((if has(b'h') { human(at.size) } else { at.size.to_string() }, true));
        columns.push((self.time(call, at)?, true));
        Ok(columns)
    }

    pub(super) fn print<W: World>(
        &self,
        world: &W,
        call: &mut Call<'_>,
        options: &Options<'_>,
        entries: &[Entry],
    ) -> Result<(), Stop> {
        let lines: Result<Vec<_>, Stop> =
            entries.iter().map(|entry| self.columns(world, call, options, entry)).collect();
        let lines = lines?;
        let mut widths: Vec<usize> = Vec::new();
        for line in &lines {
            widths.resize(line.len(), 0);
            for (width, (text, _)) in widths.iter_mut().zip(line) {
                *width = text.len().max(*width);
            }
        }
        for (line, entry) in lines.iter().zip(entries) {
            for ((text, is_right), width) in line.iter().zip(&widths) {
                let text = match is_right {
                    true => format!("{text:>width$} "),
                    false => format!("{text:<width$} "),
                };
                call.print(text.as_bytes());
            }
            call.print(&entry.name);
            match world.target(&entry.path) {
                Ok(target) if entry.at.file_type == FileType::Symlink => {
                    let led = world.status(&entry.path, true);
                    let mark = led.map_or("", |at| indicator(options, &at));
                    call.print(&[b" -> ", target.as_slice(), mark.as_bytes()].concat());
                }
                _ => call.print(indicator(options, &entry.at).as_bytes()),
            }
            call.print(b"\n");
        }
        Ok(())
    }
}
