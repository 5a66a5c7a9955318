//! cat(1), echo(1) and tee(1).

use super::super::call::Call;
use super::super::options::Options;
use super::lines::each_file;
use crate::stop::Stop;
use crate::world::World;

/// cat(1).
pub(in super::super) fn cat<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "u", &[])?;
    let mut status = 0;
    each_file(world, call, &options.operands, &mut status, |call, _, text| {
        call.print(&text);
        Ok(())
    })?;
    Ok(status)
}

/// echo(1), which unlike that of the shell reads no escapes.
pub(in super::super) fn echo<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let mut words = call.arguments();
    let mut end: &[u8] = b"\n";
    while let [word, rest @ ..] = words
        && word.len() > 1
        && word.starts_with(b"-")
        && word[1..].iter().all(|byte| b"neE".contains(byte))
    {
        if word.contains(&b'e') {
            return Err(call.unsupported("the option -e"));
        }
        if word.contains(&b'n') {
            end = b"";
        }
        words = rest;
    }
    call.print(&words.join(&b' '));
    call.print(end);
    Ok(0)
}

/// tee(1).
pub(in super::super) fn tee<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "a", &[("append", b'a')])?;
    let text = call.input();
    let mode = 0o666 & !call.invocation.umask;
    let mut status = 0;
    for word in &options.operands {
        if *word == b"/dev/null" {
            continue;
        }
        let path = call.path(word);
        let before = match options.has(b'a') {
            true => world.read(&path).unwrap_or_default(),
            false => Vec::new(),
        };
        let contents = [before.as_slice(), &text].concat();
        if let Err(error) = world.write(&path, &contents, mode) {
            status = call.fail("", word, error);
        }
    }
    call.print(&text);
    Ok(status)
}
