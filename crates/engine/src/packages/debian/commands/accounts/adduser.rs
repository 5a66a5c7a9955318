//! adduser(8), addgroup(8) and deluser(8), of system accounts.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::{Call, Options, gid};

use super::tables::{NewUser, Table};
use crate::packages::debian::commands::System;
use crate::rootfs::accounts;

/// The shell of a system user (`adduser --system`).
const NOLOGIN: &str = "/usr/sbin/nologin";

/// The home of a system user that is given none.
const NO_HOME: &str = "/nonexistent";

/// The group of a system user that gets none of its own (`USERGROUPS`, adduser(8)).
const NO_GROUP: &str = "nogroup";

/// Long options by a letter of ours: `d`, `f` and `q` change nothing here.
const LONG: [(&str, u8); 23] = [
    ("system", b's'),
    ("group", b'g'),
    ("home", b'h'),
    ("shell", b'l'),
    ("uid", b'u'),
    ("gid", b'i'),
    ("ingroup", b'n'),
    ("gecos", b'c'),
    ("comment", b'c'),
    ("no-create-home", b'H'),
    ("disabled-login", b'd'),
    ("disabled-password", b'd'),
    ("quiet", b'q'),
    ("force-badname", b'q'),
    ("allow-bad-names", b'q'),
    ("allow-badname", b'q'),
    ("allow-all-names", b'q'),
    ("firstuid", b'f'),
    ("lastuid", b'f'),
    ("debug", b'q'),
    ("logmsglevel", b'f'),
    ("stderrmsglevel", b'f'),
    ("stdoutmsglevel", b'f'),
];

/// `adduser --system [OPTION..] USER`, `adduser USER GROUP`, `addgroup --system GROUP`.
pub(in super::super) fn adduser(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let options = Options::of(call, "sgh:l:u:i:n:c:Hdqf:", &LONG)?;
    let operands: Vec<String> = options.operands.iter().map(|word| text(word)).collect();
    let is_group = call.name() == "addgroup" || (options.has(b'g') && !options.has(b's'));
    match operands.as_slice() {
        [user, group] => member(system, call, user, group),
        [name] if is_group && system.has(Table::Group, name) => {
            // A system group that is there is what was asked for.
            Ok(if options.has(b's') { 0 } else { 1 })
        }
        [name] if is_group => {
            let id = number(call, &options, b'i')?;
            let added = system.add_group(name, id).map(|_| 0);
            added.map_err(|what| call.unsupported(what))
        }
        [name] if options.has(b's') && system.has(Table::Passwd, name) => Ok(0),
        [name] if options.has(b's') => system_user(system, call, &options, name),
        _ => Err(call.unsupported("an account of a person")),
    }
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// The argument of an option, an id.
fn number(call: &Call<'_>, options: &Options<'_>, letter: u8) -> Result<Option<u32>, Stop> {
    let Some(word) = options.last(letter) else { return Ok(None) };
    let id = accounts::id(&text(word));
    id.map(Some).ok_or_else(|| call.unsupported(format!("the id {}", text(word))))
}

fn member(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    user: &str,
    group: &str,
) -> Result<u8, Stop> {
    if !system.has(Table::Passwd, user) {
        return Ok(call.usage(&format!("The user `{user}' does not exist."), 12));
    }
    if !system.has(Table::Group, group) {
        return Ok(call.usage(&format!("The group `{group}' does not exist."), 12));
    }
    system.join(user, group).map(|()| 0).map_err(|what| call.unsupported(what))
}

/// `deluser [-q] USER GROUP`: the user is no member of the group any more.
pub(in super::super) fn deluser(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let long = [("quiet", b'q'), ("verbose", b'q'), ("system", b's')];
    let options = Options::of(call, "q", &long)?;
    let operands: Vec<String> = options.operands.iter().map(|word| text(word)).collect();
    let [user, group] = operands.as_slice() else {
        return Err(call.unsupported("the removal of an account"));
    };
    let Some(row) = system.row(Table::Passwd, user) else {
        return Ok(call.usage(&format!("The user `{user}' does not exist."), 12));
    };
    if !system.has(Table::Group, group) {
        return Ok(call.usage(&format!("The group `{group}' does not exist."), 12));
    }
    let primary = row.get(3).and_then(|id| system.group_names().get(id).cloned());
    if primary.as_ref() == Some(group) {
        let message = "You may not remove the user from their primary group.";
        return Ok(call.usage(message, 43));
    }
    match system.leave(user, group).map_err(|what| call.unsupported(what))? {
        true => Ok(0),
        false => {
            let message = format!("The user `{user}' is not a member of group `{group}'.");
            Ok(call.usage(&message, 42))
        }
    }
}

fn system_user(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    options: &Options<'_>,
    name: &str,
) -> Result<u8, Stop> {
    let id = number(call, options, b'u')?;
    let primary = match (options.last(b'n'), number(call, options, b'i')?) {
        (Some(group), _) => gid(system, group),
        (None, Some(id)) => Some(id),
        (None, None) if options.has(b'g') => match gid(system, name.as_bytes()) {
            Some(id) if system.has(Table::Group, name) => Some(id),
            _ => Some(system.add_group(name, id).map_err(|what| call.unsupported(what))?),
        },
        (None, None) => gid(system, NO_GROUP.as_bytes()),
    };
    let Some(primary) = primary else {
        return Ok(call.usage("The group does not exist.", 12));
    };
    let given =
        |letter: u8, default: &str| options.last(letter).map_or_else(|| default.to_owned(), text);
    let user = NewUser {
        name: name.to_owned(),
        id,
        gid: primary,
        comment: given(b'c', ""),
        home: given(b'h', NO_HOME),
        shell: given(b'l', NOLOGIN),
    };
    let id = system.add_user(&user).map_err(|what| call.unsupported(what))?;
    if !options.has(b'H') && user.home != NO_HOME {
        system.make_home(&user.home, id, primary).map_err(|what| call.unsupported(what))?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    /// As deluser of adduser 3.152 ends.
    #[test]
    fn a_user_leaves_a_group() {
        let files = [
            ("/etc/passwd", "u:x:900:900::/u:/bin/false\nv:x:901:901::/v:/bin/false\n"),
            ("/etc/group", "u:x:900:\nadm:x:4:a,u,b\n"),
            ("/etc/gshadow", "u:!::\nadm:*::u,b\n"),
            ("/usr/sbin/deluser", "+x"),
        ];
        let script = "for two in 'u adm' 'u adm' 'v adm' 'u u' 'w adm' 'u x'; do \
                      deluser -q $two 2>/dev/null; echo $?; done; cat /etc/group /etc/gshadow";
        let expected = "0\n42\n42\n43\n12\n12\nu:x:900:\nadm:x:4:a,b\nu:!::\nadm:*::b\n";
        assert_eq!(output(&files, script), expected);
        assert!(stop(&files, "deluser u").contains("the removal of an account"));
    }
}
