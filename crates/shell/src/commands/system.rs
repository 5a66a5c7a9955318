//! Programs about the machine (coreutils, util-linux). Only what holds for any machine that runs an image is
//! answered: the one that builds it is another.

use super::call::{Call, shown};
use super::options::Options;
use crate::stop::Stop;
use crate::world::World;

/// uname(1): the names of the kernel and of the system.
pub(super) fn uname<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("kernel-name", b's'),
        ("nodename", b'n'),
        ("kernel-release", b'r'),
        ("kernel-version", b'v'),
        ("machine", b'm'),
        ("operating-system", b'o'),
        ("all", b'a'),
    ];
    let options = Options::of(call, "snrvmoa", &long)?;
    if let Some(word) = options.operands.first() {
        return Ok(call.usage(&format!("extra operand '{}'", shown(word)), 1));
    }
    for letter in *b"nrvma" {
        if options.has(letter) {
            let why =
                format!("-{}: the machine that runs the image answers it", char::from(letter));
            return Err(call.unsupported(why));
        }
    }
    call.print(match (options.has(b's'), options.has(b'o')) {
        (true, true) => b"Linux GNU/Linux\n",
        (false, true) => b"GNU/Linux\n",
        (_, false) => b"Linux\n",
    });
    Ok(0)
}

/// hostname(1).
pub(super) fn hostname<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    Err(call.unsupported("the machine that runs the image has the name"))
}

/// nproc(1).
pub(super) fn nproc<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    Err(call.unsupported("the machine that runs the image has the processors"))
}

/// chroot(8).
pub(super) fn chroot<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    Err(call.unsupported("a second root directory"))
}

/// tty(1): there is no terminal.
pub(super) fn tty<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "s", &[("silent", b's'), ("quiet", b's')])?;
    if !options.has(b's') {
        call.print(b"not a tty\n");
    }
    Ok(1)
}

/// stty(1): there is no terminal. A setting may start with `-`, so these are no options of getopt(3).
pub(super) fn stty<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    const KNOWN: [&str; 10] =
        ["--all", "--save", "-a", "-echo", "-g", "echo", "raw", "sane", "size", "speed"];
    let is_known = |word: &&Vec<u8>| KNOWN.iter().any(|known| known.as_bytes() == word.as_slice());
    if let Some(word) = call.arguments().iter().find(|word| !is_known(word)) {
        return Err(call.unsupported(shown(word)));
    }
    call.complain("'standard input': Inappropriate ioctl for device");
    Ok(1)
}

/// whoami(1): scripts of packages run as root.
pub(super) fn whoami<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "", &[])?;
    if let Some(word) = options.operands.first() {
        return Ok(call.usage(&format!("extra operand '{}'", shown(word)), 1));
    }
    call.print(b"root\n");
    Ok(0)
}

/// logger(1): there is no log. Without a message it reads one.
pub(super) fn logger<W: World>(_: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("tag", b't'), ("priority", b'p'), ("id", b'i')];
    let options = Options::of(call, "+t:p:i", &long)?;
    if options.operands.is_empty() {
        call.input();
    }
    Ok(0)
}

/// mountpoint(1): what is mounted is the root directory and, if it is there, `/proc`, as in a folder that a
/// package manager has made its root. Nothing is in it.
pub(super) fn mountpoint<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    /// It is there, and nothing is mounted on it (mountpoint(1), "Exit status").
    const NOT_MOUNTED: u8 = 32;
    let options = Options::of(call, "q", &[("quiet", b'q')])?;
    let [word] = options.operands.as_slice() else {
        return Ok(call.usage("bad usage", 1));
    };
    let path = call.path(word);
    if let Err(error) = world.status(&path, true) {
        if !options.has(b'q') {
            call.fail("", word, error);
        }
        return Ok(1);
    }
    let mounted: [&[u8]; 2] = [b"/", b"/proc"];
    let is_mounted = world.real_path(&path).is_ok_and(|real| mounted.contains(&real.as_slice()));
    if !options.has(b'q') {
        let verdict = if is_mounted { "is" } else { "is not" };
        call.print(format!("{} {verdict} a mountpoint\n", shown(word)).as_bytes());
    }
    Ok(if is_mounted { 0 } else { NOT_MOUNTED })
}
