//! grep(1).

use super::super::call::{Call, number, shown};
use super::super::options::Options;
use super::lines::{parts, readable};
use super::regex::{Dialect, Regex};
use crate::stop::Stop;
use crate::world::{FileError, FileType, World};

/// How patterns are read.
#[derive(Clone, Copy)]
enum Form {
    Basic,
    Extended,
    Fixed,
    Perl,
}

/// grep(1).
pub(in super::super) fn grep<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    search(world, call, Form::Basic)
}

/// `grep -E`.
pub(in super::super) fn egrep<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    search(world, call, Form::Extended)
}

/// `grep -F`.
pub(in super::super) fn fgrep<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    search(world, call, Form::Fixed)
}

/// The long options, each with its letter.
const LONG: [(&str, u8); 28] = [
    ("after-context", b'A'),
    ("before-context", b'B'),
    ("context", b'C'),
    ("extended-regexp", b'E'),
    ("fixed-strings", b'F'),
    ("basic-regexp", b'G'),
    ("regexp", b'e'),
    ("ignore-case", b'i'),
    ("invert-match", b'v'),
    ("quiet", b'q'),
    ("silent", b'q'),
    ("count", b'c'),
    ("files-with-matches", b'l'),
    ("files-without-match", b'L'),
    ("line-regexp", b'x'),
    ("word-regexp", b'w'),
    ("no-filename", b'h'),
    ("with-filename", b'H'),
    ("line-number", b'n'),
    ("no-messages", b's'),
    ("only-matching", b'o'),
    ("max-count", b'm'),
    ("text", b'a'),
    ("perl-regexp", b'P'),
    ("null-data", b'z'),
    ("recursive", b'r'),
    ("color", b'='),
    ("colour", b'='),
];

fn search<W: World>(world: &mut W, call: &mut Call<'_>, form: Form) -> Result<u8, Stop> {
    let options = Options::of(call, "EFGPe:ivqclLxwhHnsom:ayzrA:B:C:=::", &LONG)?;
    if let Some(word) = options.last(b'=').filter(|word| !matches!(*word, b"never" | b"auto" | b""))
    {
        return Err(call.unsupported(format!("--color={}", shown(word))));
    }
    let form = match options.last_of(b"EFGP") {
        Some(b'E') => Form::Extended,
        Some(b'F') => Form::Fixed,
        Some(b'P') => Form::Perl,
        Some(_) => Form::Basic,
        None => form,
    };
    let mut operands = options.operands.as_slice();
    let mut patterns: Vec<&[u8]> = options.all(b'e').collect();
    if patterns.is_empty() {
        let [pattern, files @ ..] = operands else {
            return Ok(call.usage("no pattern", 2));
        };
        patterns.push(pattern);
        operands = files;
    }
    let regexes = compile(call, &options, &patterns, form)?;
    let most = count(call, &options, b'm')?.unwrap_or(u64::MAX);
    let context = context(call, &options)?;
    let (named, files) = files(world, call, &options, operands);
    let mut search = Search {
        options: &options,
        regexes,
        most,
        context,
        is_named: options.has(b'H') || named && !options.has(b'h'),
        is_found: false,
        is_printed: false,
    };
    let mut is_failed = false;
    for (word, file) in files {
        match file.and_then(|()| readable(world, call, &word)) {
            Ok(text) => search.file(call, &word, &text)?,
            Err(error) => {
                is_failed = true;
                if !options.has(b's') {
                    call.fail("", &word, error);
                }
            }
        }
    }
    // What is found counts more than what could not be read, with -q (grep(1), "Exit status").
    Ok(match (search.is_found, is_failed) {
        (true, true) if options.has(b'q') => 0,
        (_, true) => 2,
        (true, false) => 0,
        (false, false) => 1,
    })
}

/// A file as it is named, or why there is none.
type Named = (Vec<u8>, Result<(), FileError>);

/// The files to search, and whether their names stand before what is found: where there is more than one
/// operand, or a directory is gone through.
fn files<W: World>(
    world: &W,
    call: &Call<'_>,
    options: &Options<'_>,
    operands: &[&[u8]],
) -> (bool, Vec<Named>) {
    let is_recursive = options.has(b'r');
    if operands.is_empty() {
        return match is_recursive {
            true => (true, below(world, call, b"")),
            false => (false, vec![(b"-".to_vec(), Ok(()))]),
        };
    }
    let (mut is_named, mut files) = (operands.len() > 1, Vec::new());
    for word in operands {
        let status = world.status(&call.path(word), true);
        let is_directory = status.is_ok_and(|status| status.file_type == FileType::Directory);
        match is_recursive && is_directory {
            true => {
                is_named = true;
                files.extend(below(world, call, word));
            }
            false => files.push((word.to_vec(), Ok(()))),
        }
    }
    (is_named, files)
}

/// The regular files below a directory: neither links nor devices (grep(1), `-r`). Their order is that of a
/// directory, which no standard fixes: here of their names.
fn below<W: World>(world: &W, call: &Call<'_>, directory: &[u8]) -> Vec<Named> {
    let (mut files, mut pending) = (Vec::new(), vec![(directory.to_vec(), true)]);
    while let Some((name, is_directory)) = pending.pop() {
        let path = if name.is_empty() { call.directory().to_vec() } else { call.path(&name) };
        if !is_directory {
            files.push((name, Ok(())));
            continue;
        }
        let entries = match world.list(&path) {
            Ok(entries) => entries,
            Err(error) => {
                files.push((name, Err(error)));
                continue;
            }
        };
        let separator: &[u8] = if name.is_empty() || name.ends_with(b"/") { b"" } else { b"/" };
        for entry in entries.into_iter().rev() {
            let of = [&path, &b"/"[..], &entry].concat();
            let is_directory = match world.status(&of, false).map(|status| status.file_type) {
                Ok(FileType::Directory) => true,
                Ok(FileType::Regular) => false,
                _ => continue,
            };
            pending.push(([&name, separator, &entry].concat(), is_directory));
        }
    }
    files
}

/// The number that an option has.
fn count(call: &Call<'_>, options: &Options<'_>, letter: u8) -> Result<Option<u64>, Stop> {
    let Some(word) = options.last(letter) else { return Ok(None) };
    let unknown = || call.unsupported(format!("-{} {}", char::from(letter), shown(word)));
    number(word).ok_or_else(unknown).map(Some)
}

/// How many lines before and after a match are printed too.
fn context(call: &Call<'_>, options: &Options<'_>) -> Result<Option<(u64, u64)>, Stop> {
    let around = count(call, options, b'C')?;
    let before = count(call, options, b'B')?.or(around);
    let after = count(call, options, b'A')?.or(around);
    if before.is_none() && after.is_none() {
        return Ok(None);
    }
    if options.has(b'o') || options.has(b'm') {
        return Err(call.unsupported("lines around a match with -o or -m"));
    }
    Ok(Some((before.unwrap_or(0), after.unwrap_or(0))))
}

/// The expressions: one for each line of each pattern.
fn compile(
    call: &Call<'_>,
    options: &Options<'_>,
    patterns: &[&[u8]],
    form: Form,
) -> Result<Vec<Regex>, Stop> {
    let ignore_case = options.has(b'i') || options.has(b'y');
    let lines = patterns.iter().flat_map(|text| text.split(|byte| *byte == b'\n'));
    let compiled = lines.map(|pattern| {
        let regex = match form {
            Form::Basic => Regex::new(call, pattern, Dialect::Basic, ignore_case),
            Form::Extended => Regex::new(call, pattern, Dialect::Extended, ignore_case),
            Form::Fixed => Regex::literal(call, pattern, ignore_case),
            Form::Perl => Regex::of_perl(call, pattern, ignore_case),
        };
        regex?.only(call, options.has(b'x'), options.has(b'w'))
    });
    compiled.collect()
}

struct Search<'o, 'w> {
    options: &'o Options<'w>,
    regexes: Vec<Regex>,
    most: u64,
    /// How many lines stand before a match, and how many behind it.
    context: Option<(u64, u64)>,
    is_named: bool,
    is_found: bool,
    /// A line is printed: `--` stands before the next one that does not follow it.
    is_printed: bool,
}

impl Search<'_, '_> {
    fn file(&mut self, call: &mut Call<'_>, word: &[u8], text: &[u8]) -> Result<(), Stop> {
        let has = |letter| self.options.has(letter);
        let prints = !has(b'q') && !has(b'c') && !has(b'l') && !has(b'L');
        let name = if word == b"-" { b"(standard input)" } else { word };
        let mut count = 0;
        let end = if has(b'z') { 0 } else { b'\n' };
        // GNU grep anchors at the lines of a record too.
        if has(b'z') && text.contains(&b'\n') && self.regexes.iter().any(Regex::has_anchor) {
            return Err(call.unsupported("-z with an anchor, of what holds a line break"));
        }
        if let Some(context) = self.context.filter(|_| prints) {
            return self.around(call, name, text, end, context);
        }
        for (number, line) in (1..).zip(parts(text, end)) {
            if count >= self.most {
                break;
            }
            if self.regexes.iter().any(|regex| regex.is_match(line)) == has(b'v') {
                continue;
            }
            count += 1;
            if !prints {
                continue;
            }
            if text.contains(&0) && !has(b'a') && !has(b'z') {
                return Err(call.unsupported("a match in a binary file"));
            }
            let mut prefix = Vec::new();
            if self.is_named {
                prefix = [name, b":"].concat();
            }
            if has(b'n') {
                prefix.extend(format!("{number}:").bytes());
            }
            match has(b'o') {
                true => self.matches(call, &prefix, line, end)?,
                false => call.print(&[&prefix, line, &[end]].concat()),
            }
        }
        // With -L too, a line decides, not a file that is listed.
        self.is_found |= count > 0;
        if has(b'q') {
            return Ok(());
        }
        if has(b'c') {
            if self.is_named {
                call.print(&[name, b":"].concat());
            }
            call.print(format!("{count}\n").as_bytes());
        }
        if (has(b'l') && count > 0) || (has(b'L') && count == 0) {
            call.print(&[name, b"\n"].concat());
        }
        Ok(())
    }

    /// Prints matches with the lines around them.
    fn around(
        &mut self,
        call: &mut Call<'_>,
        name: &[u8],
        text: &[u8],
        end: u8,
        (before, after): (u64, u64),
    ) -> Result<(), Stop> {
        let (inverted, numbered) = (self.options.has(b'v'), self.options.has(b'n'));
        let lines: Vec<&[u8]> = parts(text, end).collect();
        let matched: Vec<u64> = (0..)
            .zip(&lines)
            .filter(|(_, line)| self.regexes.iter().any(|regex| regex.is_match(line)) != inverted)
            .map(|(at, _)| at)
            .collect();
        let is_text = !text.contains(&0) || self.options.has(b'a') || self.options.has(b'z');
        if !matched.is_empty() && !is_text {
            return Err(call.unsupported("a match in a binary file"));
        }
        self.is_found |= !matched.is_empty();
        let (mut next, mut ahead) = (u64::MAX, matched.iter().peekable());
        let mut last: Option<u64> = None;
        for (at, line) in (0_u64..).zip(&lines) {
            while ahead.peek().is_some_and(|one| **one < at) {
                last = ahead.next().copied();
            }
            let is_match = ahead.peek().is_some_and(|one| **one == at);
            let is_before = ahead.peek().is_some_and(|one| **one - at <= before);
            let is_behind = last.is_some_and(|one| at - one <= after);
            if !(is_match || is_before || is_behind) {
                continue;
            }
            if self.is_printed && at != next {
                call.print(b"--\n");
            }
            (next, self.is_printed) = (at + 1, true);
            let mark = if is_match { b":" } else { b"-" };
            let mut prefix = Vec::new();
            if self.is_named {
                prefix = [name, &mark[..]].concat();
            }
            if numbered {
                prefix.extend(format!("{}", at + 1).bytes());
                prefix.extend_from_slice(mark);
            }
            call.print(&[&prefix, *line, &[end]].concat());
        }
        Ok(())
    }

    /// Prints the parts of a line that match.
    fn matches(
        &self,
        call: &mut Call<'_>,
        prefix: &[u8],
        line: &[u8],
        end: u8,
    ) -> Result<(), Stop> {
        let [regex] = self.regexes.as_slice() else {
            return Err(call.unsupported("-o with more than one pattern"));
        };
        if self.options.has(b'v') {
            return Ok(());
        }
        let mut from = 0;
        while let Some(range) = regex.find(line, from) {
            // An empty match is none here.
            from = range.end.max(range.start + 1);
            if !range.is_empty() {
                call.print(&[prefix, &line[range], &[end]].concat());
            }
            if from > line.len() {
                break;
            }
        }
        Ok(())
    }
}
