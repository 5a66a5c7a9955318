//! Programs of shadow: useradd(8), groupadd(8), usermod(8), chfn(1) and gpasswd(1), of system accounts.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::{Call, Options, gid, uid};
use cvmkit_shell::world::Files as _;

use super::tables::{NewUser, Table};
use crate::packages::debian::commands::System;
use crate::rootfs::accounts;

/// The group of users who get none of their own (`GROUP`, useradd(8)).
const DEFAULT_GROUP: u32 = 100;

/// Long options of useradd(8).
const USERADD: [(&str, u8); 12] = [
    ("system", b'r'),
    ("no-create-home", b'M'),
    ("create-home", b'm'),
    ("home-dir", b'd'),
    ("home", b'd'),
    ("shell", b's'),
    ("comment", b'c'),
    ("gid", b'g'),
    ("groups", b'G'),
    ("uid", b'u'),
    ("user-group", b'U'),
    ("no-user-group", b'N'),
];

/// Long options of usermod(8).
const USERMOD: [(&str, u8); 9] = [
    ("append", b'a'),
    ("groups", b'G'),
    ("comment", b'c'),
    ("home", b'd'),
    ("gid", b'g'),
    ("shell", b's'),
    ("lock", b'L'),
    ("unlock", b'U'),
    ("expiredate", b'e'),
];

impl System<'_, '_> {
    /// Whether useradd(8) gives each user a group (`USERGROUPS_ENAB`, login.defs(5)).
    fn has_user_groups(&self) -> bool {
        let text = self.read(b"/etc/login.defs").unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let value = text.lines().find_map(|line| {
            line.strip_prefix("USERGROUPS_ENAB").filter(|rest| rest.starts_with([' ', '\t']))
        });
        value.is_some_and(|value| value.trim() == "yes")
    }

    /// The shell that useradd(8) gives (`SHELL`, `/etc/default/useradd`).
    fn default_shell(&self) -> String {
        let text = self.read(b"/etc/default/useradd").unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let shell = text.lines().find_map(|line| line.strip_prefix("SHELL="));
        shell.unwrap_or("/bin/bash").to_owned()
    }
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// The one operand of a call.
fn operand(call: &Call<'_>, options: &Options<'_>) -> Result<String, Stop> {
    match options.operands.as_slice() {
        [name] => Ok(text(name)),
        _ => Err(call.unsupported("these operands")),
    }
}

/// The argument of an option, an id.
fn number(call: &Call<'_>, options: &Options<'_>, letter: u8) -> Result<Option<u32>, Stop> {
    let id = options.last(letter).map(|word| accounts::id(&text(word)));
    let refused = || call.unsupported("an id that is not a number, or that no account can have");
    id.map(|id| id.ok_or_else(refused)).transpose()
}

/// `groupadd -r|-g ID [-f] GROUP`.
pub(in super::super) fn groupadd(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let options = Options::of(call, "rfg:", &[("system", b'r'), ("force", b'f'), ("gid", b'g')])?;
    let name = operand(call, &options)?;
    if system.has(Table::Group, &name) {
        let message = format!("group '{name}' already exists");
        return Ok(if options.has(b'f') { 0 } else { call.usage(&message, 9) });
    }
    let id = number(call, &options, b'g')?;
    if id.is_none() && !options.has(b'r') {
        return Err(call.unsupported("a group of a person"));
    }
    system.add_group(&name, id).map(|_| 0).map_err(|what| call.unsupported(what))
}

/// `useradd -r|-u ID [OPTION..] USER`.
pub(in super::super) fn useradd(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let options = Options::of(call, "rMmd:s:c:g:G:u:UN", &USERADD)?;
    let name = operand(call, &options)?;
    if system.has(Table::Passwd, &name) {
        return Ok(call.usage(&format!("user '{name}' already exists"), 9));
    }
    let id = number(call, &options, b'u')?;
    if !options.has(b'r') && id.is_none() {
        return Err(call.unsupported("an account of a person"));
    }
    let primary = match options.last(b'g') {
        Some(group) => gid(system, group),
        None if options.has(b'N') || !system.has_user_groups() => Some(DEFAULT_GROUP),
        None if system.has(Table::Group, &name) => {
            return Ok(call.usage(&format!("group {name} exists"), 9));
        }
        None => Some(system.add_group(&name, id).map_err(|what| call.unsupported(what))?),
    };
    let Some(primary) = primary else { return Ok(call.usage("group does not exist", 6)) };
    let given =
        |letter: u8, default: &str| options.last(letter).map_or_else(|| default.to_owned(), text);
    let user = NewUser {
        name: name.clone(),
        id,
        gid: primary,
        comment: given(b'c', ""),
        home: given(b'd', &format!("/home/{name}")),
        shell: given(b's', &system.default_shell()),
    };
    let id = system.add_user(&user).map_err(|what| call.unsupported(what))?;
    if options.has(b'm') {
        system.make_home(&user.home, id, primary).map_err(|what| call.unsupported(what))?;
    }
    join(system, call, &options, &name)
}

/// Makes a user a member of the groups that `-G` lists.
fn join(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    options: &Options<'_>,
    user: &str,
) -> Result<u8, Stop> {
    let groups = options.last(b'G').map(text).unwrap_or_default();
    for group in groups.split(',').filter(|group| !group.is_empty()) {
        if !system.has(Table::Group, group) {
            return Ok(call.usage(&format!("group '{group}' does not exist"), 6));
        }
        system.join(user, group).map_err(|what| call.unsupported(what))?;
    }
    Ok(0)
}

/// `usermod [OPTION..] USER`: the fields of a user, and `-aG`, `-L`, `-U`, `-e`.
pub(in super::super) fn usermod(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let options = Options::of(call, "aG:c:d:g:s:LUe:", &USERMOD)?;
    let name = operand(call, &options)?;
    if options.has(b'G') && !options.has(b'a') {
        return Err(call.unsupported("-G without -a"));
    }
    if options.has(b'L') && options.has(b'U') {
        return Err(call.unsupported("-L with -U"));
    }
    let mut rows = system.rows(Table::Passwd);
    let row = rows.iter_mut().find(|row| row.first() == Some(&name));
    let Some(row) = row.filter(|row| row.len() == 7) else {
        return Ok(call.usage(&format!("user '{name}' does not exist"), 6));
    };
    for (letter, at) in [(b'c', 4), (b'd', 5), (b's', 6)] {
        if let Some(word) = options.last(letter) {
            row[at] = text(word);
        }
    }
    if let Some(group) = options.last(b'g') {
        let Some(id) = gid(system, group) else {
            return Ok(call.usage(&format!("group '{}' does not exist", text(group)), 6));
        };
        row[3] = id.to_string();
    }
    system.set_rows(Table::Passwd, &rows).map_err(|what| call.unsupported(what))?;
    lock(system, call, &options, &name)?;
    join(system, call, &options, &name)
}

/// What `-L`, `-U` and `-e` change in shadow(5).
fn lock(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    options: &Options<'_>,
    name: &str,
) -> Result<(), Stop> {
    let mut rows = system.rows(Table::Shadow);
    let row = rows.iter_mut().find(|row| row.first().is_some_and(|first| first == name));
    let Some(row) = row.filter(|row| row.len() == 9) else { return Ok(()) };
    if options.has(b'L') && !row[1].starts_with('!') {
        row[1].insert(0, '!');
    }
    // What would be no password at all stays locked, and the program says so and goes on.
    if options.has(b'U') && row[1].starts_with('!') {
        match row[1].len() {
            1 => call
                .complain("unlocking the user's password would result in a passwordless account."),
            _ => drop(row[1].remove(0)),
        }
    }
    match options.last(b'e').map(text).as_deref() {
        None => {}
        Some("") => row[7].clear(),
        Some("1" | "1970-01-02") => row[7] = "1".to_owned(),
        Some(date) => return Err(call.unsupported(format!("the date {date}"))),
    }
    system.set_rows(Table::Shadow, &rows).map_err(|what| call.unsupported(what))
}

/// `chfn -f NAME USER`: the first of the parts of a user's comment, of which there are four then.
pub(in super::super) fn chfn(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "f:", &[("full-name", b'f')])?;
    let name = operand(call, &options)?;
    let Some(full) = options.last(b'f').map(text) else {
        return Err(call.unsupported("a call that asks"));
    };
    if full.contains([':', ',', '=']) || !full.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(call.unsupported(format!("the name {full}")));
    }
    let mut rows = system.rows(Table::Passwd);
    let row = rows.iter_mut().find(|row| row.first() == Some(&name));
    let Some(row) = row.filter(|row| row.len() == 7) else {
        return Ok(call.usage(&format!("user '{name}' does not exist"), 1));
    };
    let mut parts: Vec<&str> = row[4].split(',').collect();
    if parts.len() > 4 || row[4].contains('=') {
        return Err(call.unsupported(format!("the comment {}", row[4])));
    }
    parts.resize(4, "");
    parts[0] = &full;
    row[4] = parts.join(",");
    system.set_rows(Table::Passwd, &rows).map(|()| 0).map_err(|what| call.unsupported(what))
}

/// `gpasswd -a USER GROUP`.
pub(in super::super) fn gpasswd(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let options = Options::of(call, "a:", &[("add", b'a')])?;
    let (Some(user), [group]) = (options.last(b'a'), options.operands.as_slice()) else {
        return Err(call.unsupported("these operands"));
    };
    if uid(system, user).is_none() || gid(system, group).is_none() {
        return Ok(call.usage("the user or the group does not exist", 3));
    }
    let (user, group) = (String::from_utf8_lossy(user), String::from_utf8_lossy(group));
    system.join(&user, &group).map_err(|what| call.unsupported(what))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    const USER: (&str, &str) = ("/etc/passwd", "u:x:900:900::/u:/bin/false\n");

    /// As shadow 4.13 and 4.17 do it.
    #[test]
    fn a_name_is_the_first_part_of_a_comment() {
        let files = [USER, ("/usr/bin/chfn", "+x")];
        let script = "chfn -f 'A b' u; cat /etc/passwd; chfn -f C u; cat /etc/passwd; \
                      chfn -f C gone 2>/dev/null; echo $?";
        let expected = "u:x:900:900:A b,,,:/u:/bin/false\nu:x:900:900:C,,,:/u:/bin/false\n1\n";
        assert_eq!(output(&files, script), expected);
        assert!(stop(&files, "chfn -f 'a,b' u").contains("the name a,b"));
        assert!(stop(&files, "chfn u").contains("a call that asks"));
    }

    #[test]
    fn a_password_is_unlocked_if_there_is_one() {
        let shadow = |password: &str| format!("u:{password}:1::::::\n");
        for (before, after) in [("!x", "x"), ("!!x", "!x"), ("!", "!"), ("x", "x"), ("*", "*")] {
            let files = [USER, ("/etc/shadow", &*shadow(before))];
            let script = "usermod -U -e '' u 2>/dev/null; echo $?; cat /etc/shadow";
            assert_eq!(output(&files, script), format!("0\n{}", shadow(after)));
        }
        assert!(stop(&[USER], "usermod -L -U u").contains("-L with -U"));
    }
}
