//! dd(1) and truncate(1): files of a size.

use super::super::call::{Call, number, shown};
use super::super::options::Options;
use crate::stop::Stop;
use crate::world::{FileError, FileType, World};

/// The most bytes that are written at once: a file is whole in memory.
const SIZE_MAX: u64 = 64 << 20;

/// A number of bytes: digits, and what they are multiplied by.
fn size(word: &[u8]) -> Option<u64> {
    let end = word.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(word.len());
    let unit = match &word[end..] {
        b"" => 1,
        b"kB" | b"KB" => 1000,
        b"k" | b"K" | b"KiB" => 1 << 10,
        b"MB" => 1_000_000,
        b"M" | b"MiB" => 1 << 20,
        b"GB" => 1_000_000_000,
        b"G" | b"GiB" => 1 << 30,
        b"TB" => 1_000_000_000_000,
        b"T" | b"TiB" => 1 << 40,
        _ => return None,
    };
    number(&word[..end])?.checked_mul(unit)
}

/// The words of a call of dd.
struct Transfer<'w> {
    from: Option<&'w [u8]>,
    to: Option<&'w [u8]>,
    block: u64,
    count: Option<u64>,
    skip: u64,
    seek: u64,
    /// What the output already has stays.
    keeps: bool,
    is_silent: bool,
}

/// dd(1), of blocks that are as long in the output as in the input.
pub(in super::super) fn dd<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let transfer = Transfer::of(call)?;
    let bytes = |blocks: u64| blocks.saturating_mul(transfer.block);
    let most = transfer.count.map(bytes);
    if most.is_some_and(|most| most > SIZE_MAX) || bytes(transfer.seek) > SIZE_MAX {
        return Err(call.unsupported("more than 64 MiB"));
    }
    let read = match transfer.from {
        Some(b"/dev/zero") => match most {
            Some(most) => Ok(vec![0; usize::try_from(most).unwrap_or_default()]),
            None => return Err(call.unsupported("an input without an end")),
        },
        // A world may say what it has in their place.
        Some(word @ (b"/dev/random" | b"/dev/urandom")) => match call.contents(world, word) {
            Ok(drawn) => Ok(drawn),
            Err(_) => {
                return Err(call.unsupported(format!("`{}`: nothing is random", shown(word))));
            }
        },
        Some(word) => call.contents(world, word).map(|text| cut(&text, bytes(transfer.skip), most)),
        // Of a pipe it may get less than a block at once, unless that is a byte.
        None if transfer.block == 1 => {
            let skipped = usize::try_from(transfer.skip).unwrap_or(usize::MAX);
            call.input_up_to(skipped);
            let most = most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
            Ok(call.input_up_to(most))
        }
        None if transfer.count.is_some() || transfer.skip > 0 => {
            return Err(call.unsupported("a part of its input, in blocks of more than a byte"));
        }
        None => Ok(call.input()),
    };
    let data = match read {
        Ok(data) => data,
        Err(error) => {
            return Ok(call.fail("failed to open", transfer.from.unwrap_or_default(), error));
        }
    };
    match transfer.to {
        None => call.print(&data),
        Some(b"/dev/null") => {}
        Some(word) => {
            let (path, mode) = (call.path(word), 0o666 & !call.invocation.umask);
            let before = world.read(&path).unwrap_or_default();
            let start = usize::try_from(bytes(transfer.seek)).unwrap_or_default();
            let mut contents = before[..start.min(before.len())].to_vec();
            contents.resize(start, 0);
            contents.extend_from_slice(&data);
            if transfer.keeps {
                contents.extend_from_slice(before.get(contents.len()..).unwrap_or_default());
            }
            if let Err(error) = world.write(&path, &contents, mode) {
                return Ok(call.fail("failed to open", word, error));
            }
        }
    }
    if !transfer.is_silent {
        let len = data.len() as u64;
        let records =
            format!("{}+{}", len / transfer.block, u8::from(!len.is_multiple_of(transfer.block)));
        let report = format!("{records} records in\n{records} records out\n");
        call.invocation.errors.extend_from_slice(report.as_bytes());
    }
    Ok(0)
}

fn cut(text: &[u8], skip: u64, most: Option<u64>) -> Vec<u8> {
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let rest = text.get(skip..).unwrap_or_default();
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(rest.len());
    rest[..most.min(rest.len())].to_vec()
}

impl<'w> Transfer<'w> {
    fn of(call: &Call<'w>) -> Result<Self, Stop> {
        let mut transfer = Self {
            from: None,
            to: None,
            block: 512,
            count: None,
            skip: 0,
            seek: 0,
            keeps: false,
            is_silent: false,
        };
        for word in call.arguments() {
            let unknown = || call.unsupported(format!("`{}`", shown(word)));
            let end = word.iter().position(|byte| *byte == b'=').ok_or_else(unknown)?;
            let value = &word[end + 1..];
            let amount = || size(value).ok_or_else(unknown);
            match &word[..end] {
                b"if" => transfer.from = Some(value),
                b"of" => transfer.to = Some(value),
                b"bs" => {
                    transfer.block = amount()?;
                    if transfer.block == 0 {
                        return Err(unknown());
                    }
                }
                b"count" => transfer.count = Some(amount()?),
                b"skip" => transfer.skip = amount()?,
                b"seek" => transfer.seek = amount()?,
                b"conv" => {
                    for one in value.split(|byte| *byte == b',') {
                        match one {
                            b"notrunc" => transfer.keeps = true,
                            b"fsync" | b"fdatasync" => {}
                            _ => return Err(unknown()),
                        }
                    }
                }
                b"status" => match value {
                    b"none" => transfer.is_silent = true,
                    b"noxfer" | b"progress" => {}
                    _ => return Err(unknown()),
                },
                _ => return Err(unknown()),
            }
        }
        Ok(transfer)
    }
}

/// truncate(1).
pub(in super::super) fn truncate<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("size", b's'), ("no-create", b'c'), ("reference", b'r')];
    let options = Options::of(call, "s:cr:", &long)?;
    let (how, given) = match (options.last(b's'), options.last(b'r')) {
        (None, None) => {
            return Ok(call.usage("you must specify either '--size' or '--reference'", 1));
        }
        (Some(word), None) => {
            let (how, digits) = match word.split_first() {
                Some((how, digits)) if b"+-<>/%".contains(how) => (*how, digits),
                _ => (b'=', word),
            };
            match size(digits) {
                Some(0) if matches!(how, b'/' | b'%') => {
                    return Ok(call.usage("division by zero", 1));
                }
                Some(size) => (how, size),
                None if digits.first().is_some_and(u8::is_ascii_digit) => {
                    return Err(call.unsupported(format!("the size `{}`", shown(word))));
                }
                None => return Ok(call.usage(&format!("Invalid number: '{}'", shown(word)), 1)),
            }
        }
        (None, Some(word)) => match world.status(&call.path(word), true) {
            Ok(like) => (b'=', like.size),
            Err(error) => return Ok(call.fail("cannot stat", word, error)),
        },
        (Some(_), Some(_)) => return Err(call.unsupported("-s with -r")),
    };
    if options.operands.is_empty() {
        return Ok(call.usage("missing file operand", 1));
    }
    let mut status = 0;
    for word in &options.operands {
        let path = call.path(word);
        let old = match world.status(&path, true) {
            Ok(at) if at.file_type == FileType::Directory => Err(FileError::IsADirectory),
            Ok(_) => world.read(&path),
            Err(FileError::NotFound) if options.has(b'c') => continue,
            Err(FileError::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let changed = match old {
            Ok(mut contents) => {
                let len = resized(contents.len() as u64, how, given);
                if len > SIZE_MAX {
                    return Err(call.unsupported("more than 64 MiB"));
                }
                contents.resize(usize::try_from(len).unwrap_or_default(), 0);
                world.write(&path, &contents, 0o666 & !call.invocation.umask)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = changed {
            status = call.fail("cannot open", word, error);
        }
    }
    Ok(status)
}

/// The new length of a file, by what stands before the number (truncate(1)).
fn resized(old: u64, how: u8, given: u64) -> u64 {
    match how {
        b'+' => old.saturating_add(given),
        b'-' => old.saturating_sub(given),
        b'<' => old.min(given),
        b'>' => old.max(given),
        b'/' => old / given * given,
        b'%' => old.div_ceil(given).saturating_mul(given),
        _ => given,
    }
}
