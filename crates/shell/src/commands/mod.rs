//! The programs that scripts call, as those of Debian 13 work on files and text: GNU coreutils, grep,
//! sed, findutils and diffutils, and some of util-linux and debianutils.
//!
//! What is implemented are the options that scripts of packages use. Any other, and any other program, is a
//! [`Stop`]: it never becomes a guess. There is no clock, no locale and no process; bytes are
//! characters, as in the locale `C`. Oracle: the programs themselves.

mod accounts;
mod call;
mod date;
mod files;
mod getopt;
mod options;
mod process;
mod system;
mod text;

use crate::stop::Stop;
use crate::world::{Invocation, Ran, World};
use call::{Call, base};

/// A program: what it does, and its exit status.
type Program<W> = fn(&mut W, &mut Call<'_>) -> Result<u8, Stop>;

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
    let Some(program) = invocation.words.first().and_then(|word| program::<W>(base(word))) else {
        return Ok(None);
    };
    let mut call = Call::new(invocation);
    let status = program(world, &mut call)?;
    Ok(Some(Ran { status, consumed: call.consumed() }))
}

fn program<W: World>(name: &[u8]) -> Option<Program<W>> {
    Some(match name {
        b"basename" => text::names::basename,
        b"cat" => text::cat::cat,
        b"chgrp" => files::owner::chgrp,
        b"chmod" => files::mode::chmod,
        b"chown" => files::owner::chown,
        b"chroot" => system::chroot,
        b"cmp" => text::compare::cmp,
        b"comm" => text::merge::comm,
        b"cp" => files::copy::cp,
        b"cut" => text::cut::cut,
        b"date" => date::date,
        b"dd" => files::sizes::dd,
        b"diff" => text::compare::diff,
        b"dirname" => text::names::dirname,
        b"echo" => text::cat::echo,
        b"egrep" => text::grep::egrep,
        b"env" => process::env,
        b"expr" => text::expr::expr,
        b"false" => process::failure,
        b"fgrep" => text::grep::fgrep,
        b"find" => files::find::find,
        b"getopt" => getopt::getopt,
        b"grep" => text::grep::grep,
        b"head" => text::ends::head,
        b"hostname" => system::hostname,
        b"id" => accounts::id,
        b"install" => files::install::install,
        b"ln" => files::links::ln,
        b"logger" => system::logger,
        b"ls" => files::ls::ls,
        b"md5sum" => text::digests::md5sum,
        b"mkdir" => files::directories::mkdir,
        b"mkfifo" => files::nodes::mkfifo,
        b"mknod" => files::nodes::mknod,
        b"mktemp" => files::mktemp::mktemp,
        b"mountpoint" => system::mountpoint,
        b"mv" => files::rename::mv,
        b"nproc" => system::nproc,
        b"paste" => text::merge::paste,
        b"readlink" => files::links::readlink,
        b"realpath" => files::links::realpath,
        b"rev" => text::reverse::rev,
        b"rm" => files::remove::rm,
        b"rmdir" => files::directories::rmdir,
        b"sed" => text::sed::sed,
        b"seq" => text::seq::seq,
        b"sha1sum" => text::digests::sha1sum,
        b"sha256sum" => text::digests::sha256sum,
        b"sha512sum" => text::digests::sha512sum,
        b"sleep" | b"sync" | b"true" => process::success,
        b"sort" => text::sort::sort,
        b"stat" => files::stat::stat,
        b"tac" => text::reverse::tac,
        b"tail" => text::ends::tail,
        b"tee" => text::cat::tee,
        b"touch" => files::touch::touch,
        b"tr" => text::tr::tr,
        b"truncate" => files::sizes::truncate,
        b"tty" => system::tty,
        b"uname" => system::uname,
        b"uniq" => text::sort::uniq,
        b"wc" => text::wc::wc,
        b"which" => process::which,
        b"whoami" => system::whoami,
        b"xargs" => process::xargs,
        _ => return None,
    })
}
