//! Programs that are builtins of the shell too: `env`, `xargs` and `find` call them by their files.
//!
//! Those of coreutils have more than the builtins of dash, and differ in places. Here they are the builtins,
//! and where the two would not agree, a call is a [`Stop`].

use super::call::{Call, shown};
use super::options::Options;
use crate::evaluation::run_builtin;
use crate::stop::Stop;
use crate::world::{Invocation, World};

/// Runs the builtin with the words of the call.
fn as_builtin<W: World>(world: &mut W, call: &mut Call<'_>, name: &str) -> Result<u8, Stop> {
    let mut words = vec![name.as_bytes().to_vec()];
    words.extend_from_slice(call.arguments());
    run_builtin(
        world,
        Invocation {
            words: &words,
            output: call.invocation.output,
            errors: call.invocation.errors,
            ..call.invocation
        },
    )
}

/// printf(1).
pub(super) fn printf<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let arguments = match call.arguments() {
        [first, rest @ ..] if first == b"--" => rest,
        arguments => arguments,
    };
    let Some((format, values)) = arguments.split_first() else {
        return Ok(call.usage("missing operand", 1));
    };
    let refused = || call.unsupported(format!("the format `{}`", shown(format)));
    let mut bytes = format.iter();
    let mut takes_strings_alone = true;
    while let Some(byte) = bytes.next() {
        match byte {
            // Coreutils read these escapes, dash does not.
            b'\\' if bytes.next().is_some_and(|next| b"xuUc\"".contains(next)) => {
                return Err(refused());
            }
            b'%' => {
                let letter = bytes.find(|byte| byte.is_ascii_alphabetic() || **byte == b'%');
                if letter.is_some_and(|letter| *letter == b'b') {
                    return Err(refused());
                }
                takes_strings_alone &= matches!(letter, Some(b's' | b'%'));
            }
            _ => {}
        }
    }
    if !takes_strings_alone && values.iter().any(Vec::is_empty) {
        return Err(call.unsupported("a number or character of an empty word"));
    }
    as_builtin(world, call, "printf")
}

/// test(1) and `[`.
pub(super) fn test<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let arguments = call.arguments();
    let differs = |word: &&Vec<u8>| {
        matches!(word.as_slice(), b"<" | b">" | b"==" | b"-nt" | b"-ot" | b"-N" | b"-l" | b"-v")
    };
    if let Some(word) = arguments.iter().find(differs) {
        return Err(call.unsupported(format!("`{}`", shown(word))));
    }
    if arguments.windows(2).any(|pair| pair == [b"!", b"!"]) {
        return Err(call.unsupported("`! !`"));
    }
    let name = call.name();
    as_builtin(world, call, &name)
}

/// pwd(1): unlike the builtin's, its path has no links.
pub(super) fn pwd<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    Options::of(call, "P", &[("physical", b'P')])?;
    match world.real_path(call.invocation.directory) {
        Ok(path) => {
            call.print(&[path.as_slice(), b"\n"].concat());
            Ok(0)
        }
        Err(error) => Ok(call.fail("", b".", error)),
    }
}
