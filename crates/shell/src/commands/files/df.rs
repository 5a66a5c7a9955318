//! df(1): the room that there is.
//!
//! How large the disk of the machine is, and which device it is, nobody knows when an image is built; what
//! scripts ask is whether there is room for what they are about to write, and there is. The answer is one file
//! system, the root's, with [`KIBIBYTES`] that are all free; its device is `-`, as df(1) shows one that it does
//! not know.

use super::super::call::{Call, number, shown};
use super::super::options::Options;
use super::occupied::human;
use crate::stop::Stop;
use crate::world::World;

/// The size of the file system: 1 TiB.
const KIBIBYTES: u64 = 1 << 30;

/// How numbers are shown: in so many bytes, with a letter behind them, or as people read them.
enum Unit {
    Bytes(u64, &'static str),
    Human,
}

/// A column: its title, its text, and its least width; those of text stand at the left.
struct Column {
    title: String,
    text: String,
    width: usize,
    is_left: bool,
}

/// df(1), without types and inodes.
pub(in super::super) fn df<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("portability", b'P'),
        ("block-size", b'B'),
        ("human-readable", b'h'),
        ("output", b'='),
        ("local", b'l'),
        ("all", b'a'),
        ("no-sync", b'%'),
    ];
    let options = Options::of(call, "PkmB:hla=::%", &long)?;
    let variables = ["DF_BLOCK_SIZE", "BLOCK_SIZE", "BLOCKSIZE", "POSIXLY_CORRECT"];
    let is_set = |name: &&&str| call.variable(name).is_some_and(|value| !value.is_empty());
    if let Some(name) = variables.iter().find(is_set) {
        return Err(call.unsupported(format!("with `{name}` in its environment")));
    }
    let mut status = 0;
    let mut files: Vec<&[u8]> = Vec::new();
    for word in &options.operands {
        match world.status(&call.path(word), true) {
            Ok(_) => files.push(word),
            Err(error) => status = call.fail("", word, error),
        }
    }
    if files.is_empty() && !options.operands.is_empty() {
        return Ok(status);
    }
    if files.is_empty() {
        files.push(b"-");
    }
    let unit = unit(call, &options)?;
    let lines: Result<Vec<Vec<Column>>, Stop> =
        files.iter().map(|file| columns(call, &options, &unit, file)).collect();
    print(call, &lines?);
    Ok(status)
}

fn unit(call: &Call<'_>, options: &Options<'_>) -> Result<Unit, Stop> {
    Ok(match options.last_of(b"kmBh") {
        None | Some(b'k') => Unit::Bytes(1 << 10, ""),
        Some(b'm') => Unit::Bytes(1 << 20, ""),
        Some(b'h') => Unit::Human,
        Some(_) => {
            let word = options.last(b'B').unwrap_or_default();
            let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (factor, letter) = match &word[digits..] {
                b"" => (1, ""),
                b"K" | b"k" => (1 << 10, "K"),
                b"M" => (1 << 20, "M"),
                b"G" => (1 << 30, "G"),
                b"T" => (1 << 40, "T"),
                _ => return Err(call.unsupported(format!("-B {}", shown(word)))),
            };
            match number(&word[..digits]).map(|number| number.checked_mul(factor)) {
                None if digits == 0 && factor > 1 => Unit::Bytes(factor, letter),
                Some(Some(bytes)) if bytes > 0 => Unit::Bytes(bytes, ""),
                _ => return Err(call.unsupported(format!("-B {}", shown(word)))),
            }
        }
    })
}

/// The title of a size in blocks, without autoscaling.
fn blocks(options: &Options<'_>, bytes: u64) -> Option<String> {
    if options.has(b'P') {
        return Some(format!("{bytes}-blocks"));
    }
    let units = [(1_u64 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    match units.iter().find(|(unit, _)| bytes.is_multiple_of(*unit)) {
        Some((unit, letter)) => Some(format!("{}{letter}-blocks", bytes / unit)),
        None if bytes < 1000 => Some(format!("{bytes}B-blocks")),
        None => None,
    }
}

fn columns(
    call: &Call<'_>,
    options: &Options<'_>,
    unit: &Unit,
    file: &[u8],
) -> Result<Vec<Column>, Stop> {
    let shown_size = |kibibytes: u64| match unit {
        Unit::Bytes(bytes, letter) => format!("{}{letter}", (kibibytes << 10).div_ceil(*bytes)),
        Unit::Human => human(kibibytes << 10),
    };
    let list = match options.last(b'=') {
        None => &b"source,size,used,avail,pcent,target"[..],
        Some(b"") => return Err(call.unsupported("--output of all columns")),
        Some(list) => list,
    };
    let is_human = matches!(unit, Unit::Human);
    let mut columns = Vec::new();
    for name in list.split(|byte| *byte == b',') {
        let column = |title: &str, text: String, width, is_left| Column {
            title: title.to_owned(),
            text,
            width,
            is_left,
        };
        columns.push(match name {
            b"source" => column("Filesystem", "-".to_owned(), 14, true),
            b"size" => match unit {
                Unit::Bytes(bytes, _) => {
                    let unknown = || call.unsupported(format!("blocks of {bytes} bytes"));
                    let title = blocks(options, *bytes).ok_or_else(unknown)?;
                    column(&title, shown_size(KIBIBYTES), 5, false)
                }
                Unit::Human => column("Size", shown_size(KIBIBYTES), 5, false),
            },
            b"used" => column("Used", shown_size(0), 5, false),
            b"avail" => {
                let is_short = is_human || options.has(b'=');
                let title = if is_short { "Avail" } else { "Available" };
                column(title, shown_size(KIBIBYTES), 5, false)
            }
            b"pcent" => {
                let title = if options.has(b'P') && !is_human { "Capacity" } else { "Use%" };
                column(title, "0%".to_owned(), 4, false)
            }
            b"target" => column("Mounted on", "/".to_owned(), 0, true),
            b"file" => column("File", shown(file), 0, true),
            name => return Err(call.unsupported(format!("--output={}", shown(name)))),
        });
    }
    Ok(columns)
}

/// The lines below their titles, as wide as the widest of each column; the last is not filled at its right.
fn print(call: &mut Call<'_>, lines: &[Vec<Column>]) {
    let Some(first) = lines.first() else { return };
    let width = |at: usize| {
        let texts = lines.iter().filter_map(|line| line.get(at));
        let widest = texts.map(|column| column.text.len().max(column.title.len())).max();
        widest.unwrap_or(0).max(first.get(at).map_or(0, |column| column.width))
    };
    let titles = first.iter().map(|column| column.title.as_str()).collect();
    let texts = lines.iter().map(|line| line.iter().map(|column| column.text.as_str()).collect());
    let all: Vec<Vec<&str>> = std::iter::once(titles).chain(texts).collect();
    for line in all {
        let cells: Vec<String> = line
            .iter()
            .enumerate()
            .map(|(at, text)| {
                let width = width(at);
                match (first[at].is_left, at + 1 == line.len()) {
                    (true, true) => (*text).to_owned(),
                    (true, false) => format!("{text:<width$}"),
                    (false, _) => format!("{text:>width$}"),
                }
            })
            .collect();
        call.print(format!("{}\n", cells.join(" ")).as_bytes());
    }
}
