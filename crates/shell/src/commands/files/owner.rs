//! chown(1) and chgrp(1).

use super::super::accounts;
use super::super::call::{Call, shown};
use super::super::options::Options;
use super::walk;
use crate::stop::Stop;
use crate::world::{FileType, Files, World};

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
        ("from", b'F'),
        ("reference", b'r'),
    ];
    let options = Options::of(call, "RhfF:r:", &long)?;
    let mut operands = options.operands.as_slice();
    let owner = if let Some(like) = options.last(b'r') {
        match world.status(&call.path(like), true) {
            Ok(status) => Owner { uid: Some(status.uid), gid: Some(status.gid) },
            Err(error) => return Ok(call.fail("failed to get attributes of", like, error)),
        }
    } else {
        let [word, rest @ ..] = operands else { return Ok(call.usage("missing operand", 1)) };
        operands = rest;
        match read(world, word) {
            Ok(owner) => owner,
            Err(message) => return Ok(call.usage(&message, 1)),
        }
    };
    let from = match options.last(b'F').map(|word| read(world, word)) {
        Some(Err(message)) => return Ok(call.usage(&message, 1)),
        Some(Ok(from)) => from,
        None => Owner { uid: None, gid: None },
    };
    if operands.is_empty() {
        return Ok(call.usage("missing operand", 1));
    }
    let mut status = 0;
    for word in operands {
        let path = call.path(word);
        let all = if options.has(b'R') { walk(world, &path) } else { Ok(vec![path]) };
        let changed = all.and_then(|paths| {
            for path in paths {
                let at = world.status(&path, false)?;
                let is_link = at.file_type == FileType::Symlink;
                let is_itself = options.has(b'h') || (options.has(b'R') && is_link);
                let follow = !is_itself;
                let now = world.status(&path, follow)?;
                let matches = from.uid.is_none_or(|uid| uid == now.uid)
                    && from.gid.is_none_or(|gid| gid == now.gid);
                if matches {
                    world.set_owner(&path, owner.uid, owner.gid, follow)?;
                }
            }
            Ok(())
        });
        match changed {
            Ok(()) => {}
            Err(_) if options.has(b'f') => status = 1,
            Err(error) => status = call.fail("cannot access", word, error),
        }
    }
    Ok(status)
}
