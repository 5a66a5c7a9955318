//! The programs that scripts call, as those of Debian 13 work on files and text: GNU coreutils, grep, sed,
//! mawk, findutils and diffutils, some of util-linux and debianutils, and perl where it edits lines.
//!
//! What is implemented are the options that scripts of packages use. Any other, and any other program, is a
//! [`Stop`]: it never becomes a guess. There is no clock, no locale, no log and no process: the present is the
//! time that the world has, in UTC, and bytes are characters, as in the locale `C`. What only the machine that
//! runs the image knows (its name, its processors, its kernel's release) is a [`Stop`] too. Oracle: the programs
//! themselves.

mod abbreviations;
mod accounts;
mod builtins;
mod call;
mod date;
mod files;
mod getopt;
mod options;
mod process;
mod system;
mod text;
mod version_order;

pub use accounts::{gid, uid};
pub use call::{Call, Program};
pub use files::canonicalize_missing;
pub use options::Options;

use crate::stop::Stop;
use crate::world::{Invocation, Ran, World};
use call::base;

/// Whether [`run`] has a program of this name, without its folder.
#[must_use]
pub fn has<W: World>(name: &[u8]) -> bool {
    program::<W>(base(name)).is_some()
}

/// Runs a program by its name, the first word without its folder; nothing if it is not among these.
///
/// # Errors
/// [`Stop`]: words that are not implemented.
pub fn run<W: World>(world: &mut W, invocation: Invocation<'_>) -> Result<Option<Ran>, Stop> {
    match invocation.words.first().and_then(|word| program::<W>(base(word))) {
        Some(program) => run_program(program, world, invocation).map(Some),
        None => Ok(None),
    }
}

/// Runs a program that a world has beside those of this module.
///
/// # Errors
/// [`Stop`]: words that are not implemented.
pub fn run_program<W>(
    program: Program<W>,
    world: &mut W,
    invocation: Invocation<'_>,
) -> Result<Ran, Stop> {
    let mut call = Call::new(invocation);
    let status = program(world, &mut call)?;
    Ok(Ran { status, consumed: call.consumed() })
}

fn program<W: World>(name: &[u8]) -> Option<Program<W>> {
    let own: Program<W> = match name {
        b"[" | b"test" => builtins::test,
        b"chroot" => system::chroot,
        b"date" => date::date,
        b"env" => process::env,
        b"false" => process::failure,
        b"flock" => process::flock,
        b"getopt" => getopt::getopt,
        b"hostname" => system::hostname,
        b"id" => accounts::id,
        b"logger" => system::logger,
        b"mountpoint" => system::mountpoint,
        b"groups" => accounts::groups_of,
        b"ionice" | b"nice" | b"nohup" | b"setsid" | b"stdbuf" => process::otherwise,
        b"nproc" => system::nproc,
        b"printenv" => process::printenv,
        b"printf" => builtins::printf,
        b"pwd" => builtins::pwd,
        b"sleep" | b"sync" | b"true" => process::success,
        b"stty" => system::stty,
        b"timeout" => process::timeout,
        b"tty" => system::tty,
        b"uname" => system::uname,
        b"which" => process::which,
        b"whoami" => system::whoami,
        b"xargs" => process::xargs,
        name => return files::program(name).or_else(|| text::program(name)),
    };
    Some(own)
}
