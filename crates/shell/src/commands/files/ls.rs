//! ls(1): names, one to a line, and what else is asked for of each.

use super::super::call::{Call, shown};
use super::super::options::Options;
use super::super::version_order::by_version;
use super::ls_long::{Entry, Long, indicator};
use super::occupied::{human, kibibytes};
use super::paths::{below, is_directory};
use crate::stop::Stop;
use crate::world::{FileType, World};

const LONG: [(&str, u8); 19] = [
    ("all", b'a'),
    ("almost-all", b'A'),
    ("directory", b'd'),
    ("dereference", b'L'),
    ("dereference-command-line", b'H'),
    ("classify", b'F'),
    ("color", b'='),
    ("full-time", b'/'),
    ("human-readable", b'h'),
    ("indicator-style", b'%'),
    ("inode", b'i'),
    ("literal", b'N'),
    ("no-group", b'G'),
    ("numeric-uid-gid", b'n'),
    ("recursive", b'R'),
    ("reverse", b'r'),
    ("size", b's'),
    ("sort", b','),
    ("time-style", b'@'),
];

/// A call of ls.
pub(super) struct Listing<'o, 'w> {
    pub(super) options: &'o Options<'w>,
    long: Option<Long>,
    /// What sorts names: `v`, `t`, `S` or nothing.
    order: Option<u8>,
    status: u8,
    /// Something is printed, and a gap comes before what follows.
    has_begun: bool,
}

/// ls(1), as it is where its output is no terminal.
pub(in super::super) fn ls<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "1aAdULvlnogihFprStRsGHNk=::/,:%:@:", &LONG)?;
    check(call, &options)?;
    let order = match options.last(b',') {
        None => options.last_of(b"vtSU"),
        Some(b"time") => Some(b't'),
        Some(b"size") => Some(b'S'),
        Some(b"version") => Some(b'v'),
        Some(b"name") => None,
        Some(word) => return Err(call.unsupported(format!("--sort={}", shown(word)))),
    };
    let is_long = b"lnog/".iter().any(|letter| options.has(*letter));
    let long = match is_long {
        true => Some(Long::of(world, call, &options)?),
        false => None,
    };
    let mut listing = Listing { options: &options, long, order, status: 0, has_begun: false };
    let (files, folders) = listing.operands(world, call);
    if !files.is_empty() {
        listing.print(world, call, &files)?;
        listing.has_begun = true;
    }
    let is_titled = options.operands.len() > 1 || options.has(b'R');
    for folder in folders {
        listing.directory(world, call, &folder.name, &folder.path, is_titled)?;
    }
    Ok(listing.status)
}

/// Refuses what is not implemented of options that are.
fn check(call: &Call<'_>, options: &Options<'_>) -> Result<(), Stop> {
    for (letter, name) in [(b'=', "color"), (b'%', "indicator-style")] {
        let word = options.last(letter).unwrap_or(b"none");
        let is_known = matches!(word, b"none" | b"never" | b"no" | b"auto" | b"tty");
        if !is_known {
            return Err(call.unsupported(format!("--{name}={}", shown(word))));
        }
    }
    Ok(())
}

impl Listing<'_, '_> {
    /// The operands, in order: files, and directories that are listed.
    fn operands<W: World>(&mut self, world: &W, call: &mut Call<'_>) -> (Vec<Entry>, Vec<Entry>) {
        let has = |letter| self.options.has(letter);
        let here: &[&[u8]] = &[b"."];
        let words = if self.options.operands.is_empty() { here } else { &self.options.operands };
        let follows = has(b'L') || has(b'H');
        // A link is listed as itself where more than names are shown.
        let opens_links = follows || (self.long.is_none() && !has(b'd') && !has(b'F'));
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for word in words {
            let path = call.path(word);
            let at = match world.status(&path, follows) {
                Ok(at) => at,
                Err(error) => {
                    call.fail("cannot access", word, error);
                    self.status = 2;
                    continue;
                }
            };
            let is_folder = match opens_links {
                true => is_directory(world, &path),
                false => at.file_type == FileType::Directory,
            };
            let entry = Entry { name: word.to_vec(), path, at };
            if is_folder && !has(b'd') { folders.push(entry) } else { files.push(entry) }
        }
        self.sort(&mut files);
        self.sort(&mut folders);
        (files, folders)
    }

    fn sort(&self, entries: &mut [Entry]) {
        entries.sort_by(|one, other| {
            let first = match self.order {
                Some(b'v') => by_version(&one.name, &other.name),
                Some(b't') => other.at.mtime.cmp(&one.at.mtime),
                Some(b'S') => other.at.size.cmp(&one.at.size),
                _ => std::cmp::Ordering::Equal,
            };
            first.then_with(|| one.name.cmp(&other.name))
        });
        if self.options.has(b'r') {
            entries.reverse();
        }
    }

    fn directory<W: World>(
        &mut self,
        world: &W,
        call: &mut Call<'_>,
        word: &[u8],
        path: &[u8],
        is_titled: bool,
    ) -> Result<(), Stop> {
        let has = |letter| self.options.has(letter);
        let names = match world.list(path) {
            Ok(names) => names,
            Err(error) => {
                call.fail("cannot open directory", word, error);
                self.status = 2;
                return Ok(());
            }
        };
        if is_titled {
            let gap = if std::mem::replace(&mut self.has_begun, true) { "\n" } else { "" };
            call.print(format!("{gap}{}:\n", shown(word)).as_bytes());
        }
        let shows = |name: &Vec<u8>| !name.starts_with(b".") || has(b'a') || has(b'A');
        let own = if has(b'a') { vec![b".".to_vec(), b"..".to_vec()] } else { Vec::new() };
        let mut entries = Vec::new();
        for name in own.into_iter().chain(names.into_iter().filter(shows)) {
            let path = if name == b"." { path.to_vec() } else { below(path, &name) };
            match world.status(&path, has(b'L')).or_else(|_| world.status(&path, false)) {
                Ok(at) => entries.push(Entry { name, path, at }),
                Err(error) => {
                    call.fail("cannot access", &name, error);
                    self.status = 1;
                }
            }
        }
        self.sort(&mut entries);
        if self.long.is_some() || has(b's') {
            let total: u64 = entries.iter().map(|entry| kibibytes(&entry.at)).sum();
            let total = if has(b'h') { human(total << 10) } else { total.to_string() };
            call.print(format!("total {total}\n").as_bytes());
        }
        self.print(world, call, &entries)?;
        if has(b'R') {
            let is_inner = |entry: &&Entry| {
                entry.at.file_type == FileType::Directory && !matches!(&*entry.name, b"." | b"..")
            };
            for entry in entries.iter().filter(is_inner) {
                self.directory(world, call, &below(word, &entry.name), &entry.path, true)?;
            }
        }
        Ok(())
    }

    fn print<W: World>(
        &self,
        world: &W,
        call: &mut Call<'_>,
        entries: &[Entry],
    ) -> Result<(), Stop> {
        if let Some(long) = &self.long {
            return long.print(world, call, self.options, entries);
        }
        let has = |letter| self.options.has(letter);
        let inode = |entry: &Entry| entry.at.inode.to_string();
        let blocks = |entry: &Entry| match has(b'h') {
            true => human(kibibytes(&entry.at) << 10),
            false => kibibytes(&entry.at).to_string(),
        };
        let width = |text: &dyn Fn(&Entry) -> String| {
            entries.iter().map(|entry| text(entry).len()).max().unwrap_or(0)
        };
        let (inode_width, blocks_width) = (width(&inode), width(&blocks));
        for entry in entries {
            if has(b'i') {
                call.print(format!("{:>inode_width$} ", inode(entry)).as_bytes());
            }
            if has(b's') {
                call.print(format!("{:>blocks_width$} ", blocks(entry)).as_bytes());
            }
            call.print(&entry.name);
            call.print(indicator(self.options, &entry.at).as_bytes());
            call.print(b"\n");
        }
        Ok(())
    }
}
