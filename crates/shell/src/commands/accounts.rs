//! Users and groups, as passwd(5) and group(5) of the file system have them.

use super::call::{Call, number, shown};
use super::options::Options;
use crate::stop::Stop;
use crate::world::{Files, World};

/// A line of passwd(5) or group(5): its fields.
type Line = Vec<Vec<u8>>;

fn lines(files: &impl Files, path: &[u8]) -> Vec<Line> {
    let text = files.read(path).unwrap_or_default();
    let fields = |line: &[u8]| line.split(|byte| *byte == b':').map(<[u8]>::to_vec).collect();
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(fields).collect()
}

/// A user with what else its line says.
pub(super) struct User {
    pub(super) name: Vec<u8>,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

fn id_of(field: Option<&Vec<u8>>) -> Option<u32> {
    numeric(field?)
}

/// Whether a number is -1 in 32 bits, which chown(2) takes for "no change".
pub(super) fn is_no_change(text: &[u8]) -> bool {
    number(text) == Some(u32::MAX.into())
}

/// An id in digits: -1 in 32 bits is none (`parse_with_separator`, gnulib's `userspec.c`).
fn numeric(text: &[u8]) -> Option<u32> {
    number(text).and_then(|id| u32::try_from(id).ok()).filter(|id| *id != u32::MAX)
}

fn users(files: &impl Files) -> impl Iterator<Item = User> {
    lines(files, b"/etc/passwd").into_iter().filter_map(|line| {
        let (uid, gid) = (id_of(line.get(2))?, id_of(line.get(3))?);
        Some(User { name: line.into_iter().next()?, uid, gid })
    })
}

fn groups(files: &impl Files) -> impl Iterator<Item = (Vec<u8>, u32, Vec<u8>)> {
    lines(files, b"/etc/group").into_iter().filter_map(|line| {
        let gid = id_of(line.get(2))?;
        let members = line.get(3).cloned().unwrap_or_default();
        Some((line.into_iter().next()?, gid, members))
    })
}

/// A user by name; root is there before any file says so.
pub(super) fn user(files: &impl Files, name: &[u8]) -> Option<User> {
    let root = || User { name: b"root".to_vec(), uid: 0, gid: 0 };
    users(files).find(|user| user.name == name).or_else(|| (name == b"root").then(root))
}

/// The id of a user, by its name in `/etc/passwd` or as a number.
pub fn uid(files: &impl Files, name: &[u8]) -> Option<u32> {
    let known = user(files, name).map(|user| user.uid);
    known.or_else(|| numeric(name))
}

/// The id of a group, by its name in `/etc/group` or as a number.
pub fn gid(files: &impl Files, name: &[u8]) -> Option<u32> {
    let known = groups(files).find(|(group, ..)| group == name).map(|(_, gid, _)| gid);
    let root = || (name == b"root").then_some(0);
    known.or_else(root).or_else(|| numeric(name))
}

/// The name of a user's id.
pub(super) fn user_name(files: &impl Files, uid: u32) -> Option<Vec<u8>> {
    let root = || (uid == 0).then(|| b"root".to_vec());
    users(files).find(|user| user.uid == uid).map(|user| user.name).or_else(root)
}

/// The name of a group's id.
pub(super) fn group_name(files: &impl Files, gid: u32) -> Option<Vec<u8>> {
    let root = || (gid == 0).then(|| b"root".to_vec());
    groups(files).find(|(_, id, _)| *id == gid).map(|(name, ..)| name).or_else(root)
}

/// The ids of the groups that a user is of, the own one first.
fn ids_of(files: &impl Files, user: &User) -> Vec<u32> {
    let is_member =
        |members: &[u8]| members.split(|byte| *byte == b',').any(|one| one == user.name);
    let further = groups(files).filter(|(_, gid, members)| *gid != user.gid && is_member(members));
    std::iter::once(user.gid).chain(further.map(|(_, gid, _)| gid)).collect()
}

/// groups(1): of users by name, or of root, who runs scripts of packages.
pub(super) fn groups_of<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "", &[])?;
    let here: &[&[u8]] = &[b"root"];
    let is_named = !options.operands.is_empty();
    let mut status = 0;
    for name in if is_named { &options.operands } else { here } {
        let Some(user) = user(world, name) else {
            status = call.usage(&format!("'{}': no such user", shown(name)), 1);
            continue;
        };
        let text = |gid| group_name(world, gid).unwrap_or_else(|| gid.to_string().into_bytes());
        let texts: Vec<Vec<u8>> = ids_of(world, &user).into_iter().map(text).collect();
        if is_named {
            call.print(&[*name, b" : "].concat());
        }
        call.print(&texts.join(&b' '));
        call.print(b"\n");
    }
    Ok(status)
}

/// id(1), with one of `-u`, `-g` and `-G`, or with a name alone: then it only says if there is one.
pub(super) fn id<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("user", b'u'), ("group", b'g'), ("groups", b'G'), ("name", b'n')];
    let options = Options::of(call, "ugGn", &long)?;
    let name = options.operands.first().copied().unwrap_or(b"root");
    let Some(user) = user(world, name) else {
        return Ok(call.usage(&format!("'{}': no such user", shown(name)), 1));
    };
    let named = options.has(b'n');
    let user_text = |uid: u32| named.then(|| user_name(world, uid)).flatten();
    let group_text = |gid: u32| named.then(|| group_name(world, gid)).flatten();
    let text = match options.last_of(b"ugG") {
        Some(b'u') => user_text(user.uid).unwrap_or_else(|| user.uid.to_string().into()),
        Some(b'g') => group_text(user.gid).unwrap_or_else(|| user.gid.to_string().into()),
        Some(_) => {
            let text = |gid| group_text(gid).unwrap_or_else(|| gid.to_string().into());
            let texts: Vec<Vec<u8>> = ids_of(world, &user).into_iter().map(text).collect();
            texts.join(&b' ')
        }
        None => {
            let name = shown(&user.name);
            let named = |gid: u32| match group_name(world, gid) {
                Some(name) => format!("{gid}({})", shown(&name)),
                None => gid.to_string(),
            };
            let all: Vec<String> = ids_of(world, &user).into_iter().map(named).collect();
            let (uid, gid, all) = (user.uid, named(user.gid), all.join(","));
            format!("uid={uid}({name}) gid={gid} groups={all}").into()
        }
    };
    call.print(&text);
    call.print(b"\n");
    Ok(0)
}
