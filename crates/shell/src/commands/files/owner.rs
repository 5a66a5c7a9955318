//! chown(1) and chgrp(1).

use super::super::accounts;
use super::super::call::{Call, shown};
use super::super::options::Options;
use super::paths::walk;
use crate::stop::Stop;
use crate::world::{FileError, FileType, Files, Status, World};

/// What changes.
pub(super) struct Owner {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

/// `user`, `user:group`, `user:` with the user's own group, `:group`; an error says what is unknown.
pub(super) fn owner(files: &impl Files, word: &[u8]) -> Result<Owner, String> {
    let at = word.iter().position(|byte| *byte == b':');
    let (user, group) = match at {
        Some(at) => (&word[..at], Some(&word[at + 1..])),
        None => (word, None),
    };
    let invalid = |what: &str| format!("invalid {what}: '{}'", shown(word));
    let uid = match user {
        b"" => None,
        user => Some(accounts::uid(files, user).ok_or_else(|| invalid("user"))?),
    };
    let gid = match group {
        None => None,
        Some(b"") if user.is_empty() => None,
        Some(b"") => {
            let own = accounts::user(files, user).map(|user| user.gid);
            Some(own.ok_or_else(|| invalid("spec"))?)
        }
        Some(group) => Some(accounts::gid(files, group).ok_or_else(|| invalid("group"))?),
    };
    Ok(Owner { uid, gid })
}

/// chown(1).
pub(in super::super) fn chown<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    change(world, call, |files, word| owner(files, word))
}

/// chgrp(1).
pub(in super::super) fn chgrp<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    change(world, call, |files, word| match accounts::gid(files, word) {
        Some(gid) => Ok(Owner { uid: None, gid: Some(gid) }),
        // Unlike chown, it passes this on to the kernel, which changes nothing.
        None if accounts::is_no_change(word) => Ok(Owner { uid: None, gid: None }),
        None => Err(format!("invalid group: '{}'", shown(word))),
    })
}

fn change<W: World>(
    world: &mut W,
    call: &mut Call<'_>,
    read: impl Fn(&W, &[u8]) -> Result<Owner, String>,
) -> Result<u8, Stop> {
    let long = [
        ("recursive", b'R'),
        ("no-dereference", b'h'),
        ("silent", b'f'),
        ("quiet", b'f'),
        ("from", b'^'),
        ("reference", b'='),
        ("changes", b'c'),
    ];
    // Of -H, -L and -P the last decides which links a recursive change goes through: none by default.
    let options = Options::of(call, "cRhf^:=:HLP", &long)?;
    let through = options.last_of(b"HLP").filter(|_| options.has(b'R'));
    let is_link = |word: &&[u8]| {
        let at = world.status(&call.path(word), false);
        at.is_ok_and(|at| at.file_type == FileType::Symlink)
    };
    // `-H` goes through those that are named.
    if through == Some(b'L') || (through == Some(b'H') && options.operands.iter().any(is_link)) {
        return Err(call.unsupported("a recursive change through links"));
    }
    let (change, operands) = match asked_for(world, call, &options, read) {
        Ok(asked) => asked,
        Err(status) => return Ok(status),
    };
    let is_told = options.has(b'c');
    let is_plain = !change.recursive && !change.links;
    if is_told && !(is_plain && change.owner.uid.is_some() && change.owner.gid.is_some()) {
        return Err(call.unsupported("the option -c of anything but an owner with a group"));
    }
    let mut status = 0;
    for word in operands {
        let path = call.path(word);
        let before = world.status(&path, true).ok();
        match change.of(world, &path) {
            Ok(()) if is_told => tell(world, call, word, before)?,
            Ok(()) => {}
            Err(_) if options.has(b'f') => status = 1,
            Err(error) => status = call.fail("cannot access", word, error),
        }
    }
    Ok(status)
}

/// What the words ask for, and of which files; the status of a call that can't be, which is told.
fn asked_for<'o, W: World>(
    world: &W,
    call: &mut Call<'_>,
    options: &'o Options<'_>,
    read: impl Fn(&W, &[u8]) -> Result<Owner, String>,
) -> Result<(Change, &'o [&'o [u8]]), u8> {
    let mut operands = options.operands.as_slice();
    let owner = if let Some(like) = options.last(b'=') {
        match world.status(&call.path(like), true) {
            Ok(status) => Owner { uid: Some(status.uid), gid: Some(status.gid) },
            Err(error) => return Err(call.fail("failed to get attributes of", like, error)),
        }
    } else {
        let [word, rest @ ..] = operands else { return Err(call.usage("missing operand", 1)) };
        operands = rest;
        read(world, word).map_err(|message| call.usage(&message, 1))?
    };
    let from = options.last(b'^').map(|word| read(world, word)).transpose();
    let from = from.map_err(|message| call.usage(&message, 1))?;
    let from = from.unwrap_or(Owner { uid: None, gid: None });
    if operands.is_empty() {
        return Err(call.usage("missing operand", 1));
    }
    let change = Change { owner, from, recursive: options.has(b'R'), links: options.has(b'h') };
    Ok((change, operands))
}

/// Says of a file that its owner is another one now.
fn tell<W: World>(
    world: &W,
    call: &mut Call<'_>,
    word: &[u8],
    before: Option<Status>,
) -> Result<(), Stop> {
    let name = |id: u32, name: Option<Vec<u8>>| match name {
        Some(name) => shown(&name),
        None => id.to_string(),
    };
    let owners = |at: &Status| {
        let user = name(at.uid, accounts::user_name(world, at.uid));
        format!("{user}:{}", name(at.gid, accounts::group_name(world, at.gid)))
    };
    let now = world.status(&call.path(word), true).ok();
    if let (Some(before), Some(now)) = (before, now)
        && (before.uid, before.gid) != (now.uid, now.gid)
    {
        let (from, to) = (owners(&before), owners(&now));
        let line = format!("changed ownership of {} from {from} to {to}\n", call.quoted(word)?);
        call.print(line.as_bytes());
    }
    Ok(())
}

/// A change of owners.
struct Change {
    owner: Owner,
    /// Only of what has these.
    from: Owner,
    recursive: bool,
    /// A link is changed and not what it leads to.
    links: bool,
}

impl Change {
    fn of(&self, files: &mut impl Files, path: &[u8]) -> Result<(), FileError> {
        let all = if self.recursive { walk(files, path)? } else { vec![path.to_vec()] };
        for path in all {
            let is_link = files.status(&path, false)?.file_type == FileType::Symlink;
            let is_itself = self.links || (self.recursive && is_link);
            let now = files.status(&path, !is_itself)?;
            let matches = self.from.uid.is_none_or(|uid| uid == now.uid)
                && self.from.gid.is_none_or(|gid| gid == now.gid);
            if matches {
                files.set_owner(&path, self.owner.uid, self.owner.gid, !is_itself)?;
            }
        }
        Ok(())
    }
}
