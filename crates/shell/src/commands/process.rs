//! Programs about programs: env, xargs, which, and those that only have a status.

use std::collections::BTreeMap;

use super::call::{Call, number, shown};
use super::options::Options;
use crate::stop::Stop;
use crate::world::{FileError, Invocation, World};

/// The most bytes of words of one call that xargs(1) makes (`ARG_MAX` less 2048 and the environment).
const WORDS_MAX: usize = 128 << 10;

/// true(1), and what takes time or flushes disks where there is neither.
pub(super) fn success<W: World>(_: &mut W, _: &mut Call<'_>) -> Result<u8, Stop> {
    Ok(0)
}

/// false(1).
pub(super) fn failure<W: World>(_: &mut W, _: &mut Call<'_>) -> Result<u8, Stop> {
    Ok(1)
}

/// which(1) of debianutils: where programs are.
pub(super) fn which<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "+", &[])?;
    let search = call.invocation.environment.get("PATH").cloned().unwrap_or_default();
    let mut status = u8::from(options.operands.is_empty());
    for name in &options.operands {
        // A path is answered as it is.
        let found = match name.contains(&b'/') {
            true => world.find(&call.path(name), &search).map(|_| name.to_vec()),
            false => world.find(name, &search),
        };
        match found {
            Some(path) => call.print(&[path.as_slice(), b"\n"].concat()),
            None => status = 1,
        }
    }
    Ok(status)
}

/// env(1): runs a program with other variables.
pub(super) fn env<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "+iu:", &[("ignore-environment", b'i'), ("unset", b'u')])?;
    let mut environment = match options.has(b'i') {
        true => Default::default(),
        false => call.invocation.environment.clone(),
    };
    for name in options.all(b'u') {
        environment.remove(&variable(call, name)?);
    }
    let mut words = options.operands.as_slice();
    if let [b"-", rest @ ..] = words {
        environment.clear();
        words = rest;
    }
    while let [word, rest @ ..] = words
        && let Some(at) = word.iter().position(|byte| *byte == b'=')
    {
        environment.insert(variable(call, &word[..at])?, word[at + 1..].to_vec());
        words = rest;
    }
    if words.is_empty() {
        for (name, value) in &environment {
            call.print(&[name.as_bytes(), b"=", value, b"\n"].concat());
        }
        return Ok(0);
    }
    run(world, call, words, &environment)
}

/// The name of a variable; one that is no text can't be held.
fn variable(call: &Call<'_>, name: &[u8]) -> Result<String, Stop> {
    let unknown = |_| call.unsupported(format!("the variable `{}`", name.escape_ascii()));
    String::from_utf8(name.to_vec()).map_err(unknown)
}

/// Runs the program of some words in the place of this one, with what it can read.
fn run<W: World>(
    world: &mut W,
    call: &mut Call<'_>,
    words: &[&[u8]],
    environment: &BTreeMap<String, Vec<u8>>,
) -> Result<u8, Stop> {
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
    let input = call.input();
    let nested = call.nested()?;
    let ran = world.run(Invocation {
        words: &words,
        nested,
        environment,
        input: &input,
        output: call.invocation.output,
        errors: call.invocation.errors,
        ..call.invocation
    })?;
    Ok(ran.status)
}

/// Programs that run another one with another priority, in another session or with other buffers, of which
/// nothing is seen: nice(1), ionice(1), nohup(1), setsid(1) and stdbuf(1).
pub(super) fn otherwise<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let short = match call.name().as_str() {
        "nice" => "+n:",
        "ionice" => "+c:n:t",
        "setsid" => "+cfw",
        "stdbuf" => "+i:o:e:",
        _ => "+",
    };
    let options = Options::of(call, short, &[])?;
    if options.operands.is_empty() {
        return Err(call.unsupported("without a program"));
    }
    let environment = call.environment();
    run(world, call, &options.operands, environment)
}

/// flock(1): nobody else holds a lock. A descriptor stays as it is, and a file is made where it is missing.
pub(super) fn flock<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("shared", b's'),
        ("exclusive", b'x'),
        ("unlock", b'u'),
        ("nonblock", b'n'),
        ("nb", b'n'),
        ("wait", b'w'),
        ("timeout", b'w'),
        ("close", b'o'),
    ];
    let options = Options::of(call, "+sxeunw:o", &long)?;
    match options.operands.as_slice() {
        [descriptor] if number(descriptor).is_some() => Ok(0),
        [file, command @ ..] if !command.is_empty() && !command[0].starts_with(b"-") => {
            let path = call.path(file);
            if world.status(&path, true).is_err()
                && let Err(error) = world.write(&path, b"", 0o666 & !call.umask())
            {
                call.fail("cannot open lock file", file, error);
                return Ok(if error == FileError::NotFound { 66 } else { 73 });
            }
            run(world, call, command, call.environment())
        }
        _ => Err(call.unsupported("these words")),
    }
}

/// timeout(1): no program takes time.
pub(super) fn timeout<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    /// timeout(1), "Exit status".
    const ITSELF: u8 = 125;
    let long = [
        ("kill-after", b'k'),
        ("signal", b's'),
        ("preserve-status", b'p'),
        ("foreground", b'f'),
        ("verbose", b'v'),
    ];
    let options = Options::of(call, "+k:s:pfv", &long)?;
    let is_duration = |word: &[u8]| {
        let digits = word.strip_suffix(b"s").or(word.strip_suffix(b"m"));
        let digits = digits.or(word.strip_suffix(b"h")).or(word.strip_suffix(b"d")).unwrap_or(word);
        let is_of_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        digits.first().is_some_and(u8::is_ascii_digit) && digits.iter().all(is_of_number)
    };
    match options.operands.as_slice() {
        [duration, words @ ..] if !words.is_empty() => {
            if !is_duration(duration) || !options.all(b'k').all(is_duration) {
                let message = format!("invalid time interval '{}'", shown(duration));
                return Ok(call.usage(&message, ITSELF));
            }
            let environment = call.environment();
            run(world, call, words, environment)
        }
        _ => Ok(call.usage("missing operand", ITSELF)),
    }
}

/// printenv(1), of variables by name.
pub(super) fn printenv<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "+", &[])?;
    if options.operands.is_empty() {
        return Err(call.unsupported("of all variables, whose order is not told"));
    }
    let mut status = 0;
    for name in &options.operands {
        match str::from_utf8(name).ok().and_then(|name| call.variable(name)) {
            Some(value) => call.print(&[value, b"\n"].concat()),
            None => status = 1,
        }
    }
    Ok(status)
}

/// xargs(1): runs a program with words of the input.
pub(super) fn xargs<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(
        call,
        "+0rn:I:d:",
        &[("null", b'0'), ("no-run-if-empty", b'r'), ("max-args", b'n'), ("delimiter", b'd')],
    )?;
    let input = call.input();
    let mut command: Vec<Vec<u8>> = options.operands.iter().map(|word| word.to_vec()).collect();
    if command.is_empty() {
        // xargs(1): the program is echo.
        command.push(b"echo".to_vec());
    }
    let end = match (options.last_of(b"0d"), options.last(b'd')) {
        (Some(b'd'), Some(word)) => Some(delimiter(call, word)?),
        (Some(_), _) => Some(0),
        (None, _) => None,
    };
    let items = match (end, options.last(b'I')) {
        (Some(end), _) => parted(&input, end),
        (None, Some(_)) => {
            let lines = parted(&input, b'\n').into_iter();
            let lines = lines.map(|line| line.trim_ascii_start().to_vec());
            lines.filter(|line| !line.is_empty()).collect()
        }
        (None, None) => quoted(call, &input)?,
    };
    let mut status = 0;
    if let Some(mark) = options.last(b'I') {
        for item in &items {
            let words: Vec<Vec<u8>> =
                command.iter().map(|word| replaced(word, mark, item)).collect();
            status = status.max(called(world, call, &words)?);
        }
        return Ok(status);
    }
    let most = match options.last(b'n').map(number) {
        Some(Some(0) | None) => return Err(call.unsupported("-n with no number")),
        Some(Some(most)) => usize::try_from(most).unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    if items.is_empty() {
        return if options.has(b'r') { Ok(0) } else { called(world, call, &command) };
    }
    let (fixed, mut len) = (command.len(), 0);
    for (at, item) in items.iter().enumerate() {
        len += item.len() + 1;
        command.push(item.clone());
        let is_last = at + 1 == items.len();
        if is_last || command.len() - fixed >= most || len > WORDS_MAX {
            status = status.max(called(world, call, &command)?);
            command.truncate(fixed);
            len = 0;
        }
    }
    Ok(status)
}

/// Runs one command of xargs; 123 if it fails (xargs(1), "Exit status").
fn called<W: World>(world: &mut W, call: &mut Call<'_>, words: &[Vec<u8>]) -> Result<u8, Stop> {
    Ok(match call.run(world, words)? {
        0 => 0,
        status @ (126 | 127) => status,
        _ => 123,
    })
}

/// The byte of `-d`: itself, or an escape of the few that scripts use.
fn delimiter(call: &Call<'_>, word: &[u8]) -> Result<u8, Stop> {
    match word {
        [byte] => Ok(*byte),
        b"\\n" => Ok(b'\n'),
        b"\\t" => Ok(b'\t'),
        b"\\0" => Ok(0),
        word => Err(call.unsupported(format!("-d {}", shown(word)))),
    }
}

/// What a byte ends, be it nothing; behind the last of them there need not be one more.
fn parted(input: &[u8], end: u8) -> Vec<Vec<u8>> {
    if input.is_empty() {
        return Vec::new();
    }
    let input = input.strip_suffix(&[end]).unwrap_or(input);
    input.split(|byte| *byte == end).map(<[u8]>::to_vec).collect()
}

/// Words with blanks between them, of which quotes and backslashes take their meaning.
fn quoted(call: &Call<'_>, input: &[u8]) -> Result<Vec<Vec<u8>>, Stop> {
    if input.iter().any(|byte| b"'\"\\".contains(byte)) {
        return Err(call.unsupported("quotes in its input"));
    }
    let words = input.split(u8::is_ascii_whitespace);
    Ok(words.filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect())
}

/// A word with an item in the place of each mark.
pub(super) fn replaced(word: &[u8], mark: &[u8], item: &[u8]) -> Vec<u8> {
    let mut result = Vec::new();
    let mut rest = word;
    while !rest.is_empty() {
        match rest.strip_prefix(mark).filter(|_| !mark.is_empty()) {
            Some(behind) => {
                result.extend_from_slice(item);
                rest = behind;
            }
            None => {
                result.push(rest[0]);
                rest = &rest[1..];
            }
        }
    }
    result
}
