//! adduser, useradd and their like: accounts of scripts, with the ids of the lock.
//!
//! Files of sysusers.d(5) are carried out before any script, so that a script finds those accounts.
//! Oracle: adduser 3.152, shadow 4.17.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::{Call, Options, gid, uid};
use cvmkit_shell::world::Files as _;

use super::System;

/// The shell of a system user (`adduser --system`).
const NOLOGIN: &str = "/usr/sbin/nologin";

/// The home of a system user that is given none.
const NO_HOME: &str = "/nonexistent";

/// The group of a system user that gets none of its own (`USERGROUPS`, adduser(8)).
const NO_GROUP: &str = "nogroup";

/// The group of users who get none of their own (`GROUP`, useradd(8)).
const DEFAULT_GROUP: u32 = 100;

/// A table of accounts.
#[derive(Clone, Copy)]
enum Table {
    Passwd,
    Group,
    Shadow,
    Gshadow,
}

impl Table {
    fn path(self) -> &'static [u8] {
        match self {
            Self::Passwd => b"/etc/passwd",
            Self::Group => b"/etc/group",
            Self::Shadow => b"/etc/shadow",
            Self::Gshadow => b"/etc/gshadow",
        }
    }

    /// The mode of a table that is not there yet.
    fn mode(self) -> u16 {
        match self {
            Self::Passwd | Self::Group => 0o644,
            Self::Shadow | Self::Gshadow => 0o640,
        }
    }
}

/// A user that is to be made.
struct NewUser {
    name: String,
    id: Option<u32>,
    gid: u32,
    comment: String,
    home: String,
    shell: String,
}

impl System<'_, '_> {
    fn rows(&self, table: Table) -> Vec<Vec<String>> {
        let text = self.read(table.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
    }

    fn set_rows(
        &mut self,
        call: &Call<'_>,
        table: Table,
        rows: &[Vec<String>],
    ) -> Result<(), Stop> {
        let text: String = rows.iter().map(|row| row.join(":") + "\n").collect();
        self.write(table.path(), text.as_bytes(), table.mode()).map_err(|error| {
            let path = String::from_utf8_lossy(table.path());
            call.unsupported(format!("{path}: {}", error.words()))
        })
    }

    fn row(&self, table: Table, name: &str) -> Option<Vec<String>> {
        self.rows(table).into_iter().find(|row| row.first().is_some_and(|first| first == name))
    }

    fn append(&mut self, call: &Call<'_>, table: Table, row: &[&str]) -> Result<(), Stop> {
        let mut rows = self.rows(table);
        rows.push(row.iter().map(|field| (*field).to_owned()).collect());
        self.set_rows(call, table, &rows)
    }

    fn has(&self, table: Table, name: &str) -> bool {
        self.row(table, name).is_some()
    }

    /// The id of a new account: the lock's, or the highest that is free as a user's and a group's.
    fn new_id(&mut self, call: &Call<'_>, name: &str) -> Result<u32, Stop> {
        if let Some(id) = self.assembly.request.ids.known().get(name) {
            return Ok(*id);
        }
        // One that a user or a group of this name has already.
        let own = [Table::Passwd, Table::Group].into_iter().find_map(|table| self.row(table, name));
        if let Some(id) = own.and_then(|row| row.get(2)?.parse().ok()) {
            return Ok(id);
        }
        let of = |row: Vec<String>| row.get(2).and_then(|id| id.parse::<u32>().ok());
        let rows = self.rows(Table::Passwd).into_iter().chain(self.rows(Table::Group));
        let mut taken: std::collections::BTreeSet<u32> = rows.filter_map(of).collect();
        taken.extend(self.assembly.request.ids.known().values());
        let free = (crate::rootfs::SYSTEM_ID_MIN..=crate::rootfs::SYSTEM_ID_MAX).rev();
        let id = free.into_iter().find(|id| !taken.contains(id));
        id.ok_or_else(|| call.unsupported("no id is free"))
    }

    fn add_group(&mut self, call: &Call<'_>, name: &str, id: Option<u32>) -> Result<u32, Stop> {
        let id = match id {
            Some(id) => id,
            None => self.new_id(call, name)?,
        };
        self.append(call, Table::Group, &[name, "x", &id.to_string(), ""])?;
        self.append(call, Table::Gshadow, &[name, "!", "", ""])?;
        Ok(id)
    }

    fn add_user(&mut self, call: &Call<'_>, user: &NewUser) -> Result<u32, Stop> {
        let id = match user.id {
            Some(id) => id,
            None => self.new_id(call, &user.name)?,
        };
        let (text, gid) = (id.to_string(), user.gid.to_string());
        let NewUser { name, comment, home, shell, .. } = user;
        self.append(call, Table::Passwd, &[name, "x", &text, &gid, comment, home, shell])?;
        let day = (self.assembly.request.mtime / 86_400).max(1).to_string();
        self.append(call, Table::Shadow, &[name, "!", &day, "", "", "", "", "", ""])?;
        Ok(id)
    }

    /// Makes a user a member of a group.
    fn join(&mut self, call: &Call<'_>, user: &str, group: &str) -> Result<(), Stop> {
        for (table, at) in [(Table::Group, 3), (Table::Gshadow, 3)] {
            let mut rows = self.rows(table);
            let row = rows.iter_mut().find(|row| row.first().is_some_and(|name| name == group));
            let Some(members) = row.and_then(|row| row.get_mut(at)) else { continue };
            let mut names: Vec<&str> = members.split(',').filter(|one| !one.is_empty()).collect();
            if !names.contains(&user) {
                names.push(user);
                *members = names.join(",");
                self.set_rows(call, table, &rows)?;
            }
        }
        Ok(())
    }

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

    /// Makes a home directory where nothing is; the folders above it are root's.
    fn make_home(
        &mut self,
        call: &mut Call<'_>,
        home: &str,
        id: u32,
        gid: u32,
    ) -> Result<(), Stop> {
        if self.status(home.as_bytes(), true).is_ok() {
            return Ok(());
        }
        if self.make_folders(home).is_err() {
            return Err(call.unsupported(format!("the home directory {home}")));
        }
        let owned = self.set_owner(home.as_bytes(), Some(id), Some(gid), true);
        owned.map_err(|error| call.unsupported(format!("{home}: {}", error.words())))
    }
}

/// `getent passwd|group|shadow [KEY..]` over the files (getent(1)).
pub(super) fn getent(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let words: Vec<String> =
        call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let table = match words.first().map(String::as_str) {
        Some("passwd") => Table::Passwd,
        Some("group") => Table::Group,
        Some("shadow") => Table::Shadow,
        Some("gshadow") => Table::Gshadow,
        other => {
            return Err(call.unsupported(format!("the database {}", other.unwrap_or_default())));
        }
    };
    let rows = system.rows(table);
    let keys = words.get(1..).unwrap_or_default();
    if keys.is_empty() {
        rows.iter().for_each(|row| call.print(format!("{}\n", row.join(":")).as_bytes()));
        return Ok(0);
    }
    let mut status = 0;
    for key in keys {
        let by_id = key.bytes().all(|byte| byte.is_ascii_digit());
        let at = if by_id { 2 } else { 0 };
        match rows.iter().find(|row| row.get(at) == Some(key)) {
            Some(row) => call.print(format!("{}\n", row.join(":")).as_bytes()),
            None => status = 2,
        }
    }
    Ok(status)
}

/// adduser(8) and addgroup(8).
pub(super) fn adduser(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
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
    let options = Options::of(call, "sgh:l:u:i:n:c:Hdqf:", &LONG)?;
    let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    let operands: Vec<String> = options.operands.iter().map(|word| text(word)).collect();
    let is_group = call.name() == "addgroup" || (options.has(b'g') && !options.has(b's'));
    let number = |letter: u8| -> Result<Option<u32>, Stop> {
        let Some(word) = options.last(letter) else { return Ok(None) };
        let id = text(word).parse();
        id.map(Some).map_err(|_| call.unsupported(format!("the id {}", text(word))))
    };
    match operands.as_slice() {
        [user, group] => {
            if !system.has(Table::Passwd, user) {
                return Ok(call.usage(&format!("The user `{user}' does not exist."), 10));
            }
            if !system.has(Table::Group, group) {
                return Ok(call.usage(&format!("The group `{group}' does not exist."), 11));
            }
            system.join(call, user, group)?;
            Ok(0)
        }
        [name] if is_group => {
            if system.has(Table::Group, name) {
                // A system group that is there is what was asked for.
                return Ok(if options.has(b's') { 0 } else { 1 });
            }
            let id = number(b'i')?;
            system.add_group(call, name, id)?;
            Ok(0)
        }
        [name] if options.has(b's') => {
            if system.has(Table::Passwd, name) {
                return Ok(0);
            }
            let id = number(b'u')?;
            let primary = match (options.last(b'n'), number(b'i')?) {
                (Some(group), _) => gid(system, group),
                (None, Some(id)) => Some(id),
                (None, None) if options.has(b'g') => match gid(system, name.as_bytes()) {
                    Some(id) if system.has(Table::Group, name) => Some(id),
                    _ => Some(system.add_group(call, name, id)?),
                },
                (None, None) => gid(system, NO_GROUP.as_bytes()),
            };
            let Some(primary) = primary else {
                return Ok(call.usage("The group does not exist.", 11));
            };
            let given = |letter: u8, default: &str| {
                options.last(letter).map_or_else(|| default.to_owned(), text)
            };
            let user = NewUser {
                name: name.clone(),
                id,
                gid: primary,
                comment: given(b'c', ""),
                home: given(b'h', NO_HOME),
                shell: given(b'l', NOLOGIN),
            };
            let id = system.add_user(call, &user)?;
            if !options.has(b'H') && user.home != NO_HOME {
                system.make_home(call, &user.home, id, primary)?;
            }
            Ok(0)
        }
        _ => Err(call.unsupported("an account of a person")),
    }
}

/// groupadd(8).
pub(super) fn groupadd(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "rfg:", &[("system", b'r'), ("force", b'f'), ("gid", b'g')])?;
    let [name] = options.operands.as_slice() else {
        return Err(call.unsupported("these operands"));
    };
    let name = String::from_utf8_lossy(name).into_owned();
    if system.has(Table::Group, &name) {
        let message = format!("group '{name}' already exists");
        return Ok(if options.has(b'f') { 0 } else { call.usage(&message, 9) });
    }
    let id = options.last(b'g').map(|word| String::from_utf8_lossy(word).parse());
    let id = id.transpose().map_err(|_| call.unsupported("an id that is no number"))?;
    if id.is_none() && !options.has(b'r') {
        return Err(call.unsupported("a group of a person"));
    }
    system.add_group(call, &name, id)?;
    Ok(0)
}

/// useradd(8), of system users.
pub(super) fn useradd(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const LONG: [(&str, u8); 12] = [
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
    let options = Options::of(call, "rMmd:s:c:g:G:u:UN", &LONG)?;
    let [name] = options.operands.as_slice() else {
        return Err(call.unsupported("these operands"));
    };
    let name = String::from_utf8_lossy(name).into_owned();
    if system.has(Table::Passwd, &name) {
        return Ok(call.usage(&format!("user '{name}' already exists"), 9));
    }
    let id = options.last(b'u').map(|word| String::from_utf8_lossy(word).parse());
    let id = id.transpose().map_err(|_| call.unsupported("an id that is no number"))?;
    if !options.has(b'r') && id.is_none() {
        return Err(call.unsupported("an account of a person"));
    }
    let primary = match options.last(b'g') {
        Some(group) => gid(system, group),
        None if options.has(b'N') || !system.has_user_groups() => Some(DEFAULT_GROUP),
        None if system.has(Table::Group, &name) => {
            return Ok(call.usage(
                &format!(
                    "group {name} exists - if you want to add this user to that group, use -g."
                ),
                9,
            ));
        }
        None => Some(system.add_group(call, &name, id)?),
    };
    let Some(primary) = primary else { return Ok(call.usage("group does not exist", 6)) };
    let text = |letter: u8, default: &str| {
        let given = options.last(letter).map(|word| String::from_utf8_lossy(word).into_owned());
        given.unwrap_or_else(|| default.to_owned())
    };
    let user = NewUser {
        name: name.clone(),
        id,
        gid: primary,
        comment: text(b'c', ""),
        home: text(b'd', &format!("/home/{name}")),
        shell: text(b's', &system.default_shell()),
    };
    let id = system.add_user(call, &user)?;
    if options.has(b'm') {
        system.make_home(call, &user.home, id, primary)?;
    }
    for group in text(b'G', "").split(',').filter(|group| !group.is_empty()) {
        if !system.has(Table::Group, group) {
            return Ok(call.usage(&format!("group '{group}' does not exist"), 6));
        }
        system.join(call, &name, group)?;
    }
    Ok(0)
}

/// usermod(8) and chsh(1): the fields of a user.
pub(super) fn usermod(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const LONG: [(&str, u8); 8] = [
        ("append", b'a'),
        ("groups", b'G'),
        ("comment", b'c'),
        ("home", b'd'),
        ("gid", b'g'),
        ("shell", b's'),
        ("lock", b'L'),
        ("expiredate", b'e'),
    ];
    let options = Options::of(call, "aG:c:d:g:s:Le:", &LONG)?;
    let [name] = options.operands.as_slice() else {
        return Err(call.unsupported("these operands"));
    };
    let name = String::from_utf8_lossy(name).into_owned();
    let Some(mut row) = system.row(Table::Passwd, &name) else {
        return Ok(call.usage(&format!("user '{name}' does not exist"), 6));
    };
    let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    for (letter, at) in [(b'c', 4), (b'd', 5), (b's', 6)] {
        if let (Some(word), Some(field)) = (options.last(letter), row.get_mut(at)) {
            *field = text(word);
        }
    }
    if let Some(group) = options.last(b'g') {
        let Some(id) = gid(system, group) else {
            return Ok(call.usage(&format!("group '{}' does not exist", text(group)), 6));
        };
        row[3] = id.to_string();
    }
    let mut rows = system.rows(Table::Passwd);
    rows.iter_mut().filter(|one| one.first() == Some(&name)).for_each(|one| one.clone_from(&row));
    system.set_rows(call, Table::Passwd, &rows)?;
    if options.has(b'G') && !options.has(b'a') {
        return Err(call.unsupported("-G without -a"));
    }
    for group in options.last(b'G').map(text).unwrap_or_default().split(',') {
        if group.is_empty() {
            continue;
        }
        if !system.has(Table::Group, group) {
            return Ok(call.usage(&format!("group '{group}' does not exist"), 6));
        }
        system.join(call, &name, group)?;
    }
    if options.has(b'L') || options.has(b'e') {
        let mut rows = system.rows(Table::Shadow);
        for row in rows.iter_mut().filter(|row| row.first() == Some(&name)) {
            if let Some(password) = row.get_mut(1).filter(|text| !text.starts_with('!'))
                && options.has(b'L')
            {
                *password = format!("!{password}");
            }
            if let (Some(date), Some(field)) = (options.last(b'e'), row.get_mut(7)) {
                match text(date).as_str() {
                    "" => field.clear(),
                    "1" | "1970-01-02" => *field = "1".to_owned(),
                    date => return Err(call.unsupported(format!("the date {date}"))),
                }
            }
        }
        system.set_rows(call, Table::Shadow, &rows)?;
    }
    Ok(0)
}

/// `gpasswd -a USER GROUP`.
pub(super) fn gpasswd(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "a:", &[("add", b'a')])?;
    let (Some(user), [group]) = (options.last(b'a'), options.operands.as_slice()) else {
        return Err(call.unsupported("these operands"));
    };
    if uid(system, user).is_none() || gid(system, group).is_none() {
        return Ok(call.usage("the user or the group does not exist", 3));
    }
    let (user, group) = (String::from_utf8_lossy(user), String::from_utf8_lossy(group));
    system.join(call, &user, &group)?;
    Ok(0)
}
