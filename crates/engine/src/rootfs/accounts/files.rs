//! The four files that list the accounts (passwd(5), group(5), shadow(5), gshadow(5)), and home directories.
//!
//! No backup files (`passwd-`) are written. Oracle: getent(1), pwck(8) and grpck(8) of the passwd package.

use cvmkit_formats::tree::Inode;

use super::account::{Accounts, Group, User};
use crate::rootfs::assembly::Assembly;
use crate::rootfs::{RootfsError, hidden};

/// Writes the four files.
pub(crate) fn write(assembly: &mut Assembly<'_>, accounts: &Accounts) -> Result<(), RootfsError> {
    // Day 0 would mean that the password must be changed at once (shadow(5)).
    let day = (assembly.request.mtime / 86_400).max(1);
    let (mut passwd, mut shadow) = (String::new(), String::new());
    for User { name, uid, gid, comment, home, shell, password, expired } in &accounts.users {
        passwd += &format!("{name}:x:{uid}:{gid}:{comment}:{home}:{shell}\n");
        let aging = if password == "*" { "0:99999:7:::" } else { ":::::" };
        let aging = if *expired { "::::1:" } else { aging };
        shadow += &format!("{name}:{password}:{day}:{aging}\n");
    }
    let (mut group, mut gshadow) = (String::new(), String::new());
    for Group { name, gid, members } in &accounts.groups {
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let members = members.join(",");
        group += &format!("{name}:x:{gid}:{members}\n");
        gshadow += &format!("{name}:*::{members}\n");
    }
    // Without base-passwd there is no such group: the files are root's alone.
    let readers = accounts.groups.iter().find(|group| group.name == "shadow");
    let readers = readers.map_or(0, |group| group.gid);
    for (path, mode, text) in [
        ("/etc/passwd", 0o644, passwd),
        ("/etc/group", 0o644, group),
        ("/etc/shadow", 0o640, shadow),
        ("/etc/gshadow", 0o640, gshadow),
    ] {
        let mut meta = assembly.root(mode);
        meta.gid = if mode == 0o640 { readers } else { 0 };
        assembly.put(path, Inode::file(meta, text.as_str().into()))?;
    }
    Ok(())
}

/// Makes the home directories of the definition's users, where nothing is.
pub(crate) fn make_homes(
    assembly: &mut Assembly<'_>,
    accounts: &Accounts,
) -> Result<(), RootfsError> {
    for user in assembly.request.users {
        let Some(home) = user.home.as_deref().filter(|home| *home != "/nonexistent") else {
            continue;
        };
        let found = accounts.users.iter().find(|found| found.name == user.name);
        if let Some(found) = found.filter(|_| !assembly.occupied(home)) {
            let key = format!("users.`{}`.home", user.name);
            hidden::check(assembly, home, &key, hidden::hidden_by)?;
            let mut meta = assembly.root(0o700);
            (meta.uid, meta.gid) = (found.uid, found.gid);
            assembly.directory(home, meta)?;
        }
    }
    Ok(())
}
