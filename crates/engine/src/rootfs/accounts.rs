//! Users and groups: the master files, sysusers.d, scripts and the definition, with ids that are
//! the same on every build.
//!
//! Ids that are given are honoured; the others are those of the lock. A new one gets the highest that
//! is free, from 999 down and in the order of names, when the lock is made ([`Ids`]): never by a
//! build, so that another package renumbers nobody. Every account is locked, and in a production
//! image no account has a login shell. No backup files (`passwd-`) are written.
//!
//! Oracle: getent(1), pwck(8) and grpck(8) of the passwd package.

use std::collections::{BTreeMap, BTreeSet};

use super::RootfsError;
use super::assembly::Assembly;
use super::effects::{Effects, SystemAccount};
use super::sysusers::{Line, PrimaryGroup, is_account_name, read};

/// The highest id of a system account (`SYS_UID_MAX`, login.defs(5)).
pub(crate) const SYSTEM_ID_MAX: u32 = 999;

/// The lowest id given out automatically (`FIRST_SYSTEM_UID`, adduser.conf(5)).
pub(crate) const SYSTEM_ID_MIN: u32 = 100;

const PASSWD_MASTER: &str = "/usr/share/base-passwd/passwd.master";
const GROUP_MASTER: &str = "/usr/share/base-passwd/group.master";
const NOLOGIN: &str = "/usr/sbin/nologin";

/// Shells that end at once, so that an account that has one can't log in.
const NO_SHELLS: &[&str] =
    &[NOLOGIN, "/sbin/nologin", "/bin/false", "/usr/bin/false", "/bin/sync", "/usr/bin/sync"];

/// Where the ids come from that neither a package nor the definition fixes: one for a user and the
/// group of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ids {
    /// The lock has each: an account without one is refused, and so is an id without its account.
    Locked(BTreeMap<String, u32>),
    /// These stay; other accounts get others. This is how a lock comes by them.
    GivenOut(BTreeMap<String, u32>),
}

impl Default for Ids {
    fn default() -> Self {
        Self::GivenOut(BTreeMap::new())
    }
}

impl Ids {
    fn known(&self) -> &BTreeMap<String, u32> {
        match self {
            Self::Locked(ids) | Self::GivenOut(ids) => ids,
        }
    }
}

/// A user of the definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRequest {
    /// Its name.
    pub name: String,
    /// Its id; a system id when absent.
    pub uid: Option<u32>,
    /// Its primary group, which must exist; a group of its own, with the same id, when absent.
    pub group: Option<String>,
    /// Further groups, which must exist.
    pub groups: Vec<String>,
    /// The comment field.
    pub comment: String,
    /// The home directory, made with mode 0700 if it is missing; `/nonexistent` when absent.
    pub home: Option<String>,
    /// The shell; one that ends at once unless the image is a debug image.
    pub shell: Option<String>,
    /// A crypt(5) hash; only in a debug image.
    pub password_hash: Option<String>,
}

/// A group of the definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupRequest {
    /// Its name.
    pub name: String,
    /// Its id; a system id when absent.
    pub gid: Option<u32>,
}

/// One line of passwd(5), with what shadow(5) adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Comment field.
    pub comment: String,
    /// Home directory.
    pub home: String,
    /// Shell.
    pub shell: String,
    /// `sp_pwdp` of shadow(5): never empty.
    pub password: String,
    /// `sp_expire` is 1: the account has expired.
    pub expired: bool,
}

/// One line of group(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Group id.
    pub gid: u32,
    /// Users that have it as a further group.
    pub members: BTreeSet<String>,
}

/// All users and groups, in the order of their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    users: Vec<User>,
    groups: Vec<Group>,
    unfixed: BTreeMap<String, u32>,
}

impl Accounts {
    /// In the order of `/etc/passwd`.
    #[must_use]
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// In the order of `/etc/group`.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The ids that neither a package nor the definition fixes, by name: they belong into the lock.
    #[must_use]
    pub fn unfixed(&self) -> &BTreeMap<String, u32> {
        &self.unfixed
    }

    /// The id of a user given by name or number; `what` asks for it.
    ///
    /// # Errors
    /// [`RootfsError::UnknownAccount`].
    pub fn uid(&self, name: &str, what: &str) -> Result<u32, RootfsError> {
        let found = self.users.iter().find(|user| user.name == name).map(|user| user.uid);
        named_or_number(found, name, what, "user")
    }

    /// The id of a group given by name or number; `what` asks for it.
    ///
    /// # Errors
    /// [`RootfsError::UnknownAccount`].
    pub fn gid(&self, name: &str, what: &str) -> Result<u32, RootfsError> {
        let found = self.groups.iter().find(|group| group.name == name).map(|group| group.gid);
        named_or_number(found, name, what, "group")
    }

    fn has_user(&self, name: &str) -> bool {
        self.users.iter().any(|user| user.name == name)
    }

    fn has_group(&self, name: &str) -> bool {
        self.groups.iter().any(|group| group.name == name)
    }
}

fn named_or_number(
    found: Option<u32>,
    name: &str,
    what: &str,
    kind: &'static str,
) -> Result<u32, RootfsError> {
    // A number is meant as such only where no account has it as its name; `""` is neither.
    let number = || name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse().ok())?;
    found.or_else(number).ok_or_else(|| RootfsError::UnknownAccount {
        what: what.to_owned(),
        kind,
        name: name.to_owned(),
    })
}

/// A user that is not there yet.
struct NewUser {
    id: Option<u32>,
    group: PrimaryGroup,
    comment: String,
    home: String,
    shell: String,
    password: String,
    expired: bool,
}

/// Accounts while they are gathered: those that exist, and those that are asked for by name.
struct Collection<'a> {
    accounts: Accounts,
    users: BTreeMap<String, NewUser>,
    groups: BTreeMap<String, Option<u32>>,
    members: BTreeSet<(String, String)>,
    ids: &'a Ids,
}

/// Gathers every account the image has.
pub(crate) fn collect(
    assembly: &mut Assembly<'_>,
    effects: &Effects,
) -> Result<Accounts, RootfsError> {
    let request = assembly.request;
    let mut collection = Collection {
        accounts: masters(assembly)?,
        users: BTreeMap::new(),
        groups: BTreeMap::new(),
        members: BTreeSet::new(),
        ids: &request.ids,
    };
    for group in request.groups {
        collection.group(&group.name, group.gid)?;
    }
    for user in request.users {
        collection.definition_user(user, request.debug)?;
    }
    for line in read(assembly)? {
        collection.line(line)?;
    }
    for (_, account) in &effects.accounts {
        collection.system_account(account)?;
    }
    let mut accounts = collection.finish()?;
    if !request.debug {
        for user in &mut accounts.users {
            if !NO_SHELLS.contains(&user.shell.as_str()) {
                let line = format!("{} has {NOLOGIN} instead of {}", user.name, user.shell);
                assembly.log.push(format!("production image: {line}"));
                user.shell = NOLOGIN.to_owned();
            }
        }
    }
    Ok(accounts)
}

fn masters(assembly: &Assembly<'_>) -> Result<Accounts, RootfsError> {
    let mut accounts = Accounts::default();
    for (fields, syntax) in table(assembly, GROUP_MASTER)? {
        let [name, _, gid, members] = fields.as_slice() else { return Err(syntax("4 fields")) };
        let members = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned);
        accounts.groups.push(Group {
            name: name.clone(),
            gid: gid.parse().map_err(|_| syntax("a group id"))?,
            members: members.collect(),
        });
    }
    for (fields, syntax) in table(assembly, PASSWD_MASTER)? {
        let [name, _, uid, gid, comment, home, shell] = fields.as_slice() else {
            return Err(syntax("7 fields"));
        };
        accounts.users.push(User {
            name: name.clone(),
            uid: uid.parse().map_err(|_| syntax("a user id"))?,
            gid: gid.parse().map_err(|_| syntax("a group id"))?,
            comment: comment.clone(),
            home: home.clone(),
            shell: shell.clone(),
            password: "*".to_owned(),
            expired: false,
        });
    }
    if accounts.users.is_empty() {
        // Without base-passwd there is still root: everything else depends on it.
        accounts.users.push(root_user());
        accounts.groups.push(Group { name: "root".to_owned(), gid: 0, members: BTreeSet::new() });
    }
    Ok(accounts)
}

fn root_user() -> User {
    User {
        name: "root".to_owned(),
        uid: 0,
        gid: 0,
        comment: "root".to_owned(),
        home: "/root".to_owned(),
        shell: NOLOGIN.to_owned(),
        password: "*".to_owned(),
        expired: false,
    }
}

type Row = (Vec<String>, Box<dyn Fn(&str) -> RootfsError>);

fn table(assembly: &Assembly<'_>, path: &'static str) -> Result<Vec<Row>, RootfsError> {
    let text = assembly.text(path)?.unwrap_or_default();
    let rows = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty());
    let row = |(number, line): (usize, &str)| -> Row {
        let fields = line.split(':').map(str::to_owned).collect();
        let found = line.to_owned();
        let syntax = move |expected: &str| RootfsError::Syntax {
            path: path.trim_start_matches('/').to_owned(),
            line: number,
            why: format!("expected {expected}, found `{found}`"),
        };
        (fields, Box::new(syntax))
    };
    Ok(rows.map(row).collect())
}

impl Collection<'_> {
    fn group(&mut self, name: &str, id: Option<u32>) -> Result<(), RootfsError> {
        check_name(name)?;
        if self.accounts.has_group(name) {
            return Ok(());
        }
        let wanted = self.groups.entry(name.to_owned()).or_default();
        if let (Some(first), Some(second)) = (*wanted, id)
            && first != second
        {
            let why = format!("is asked for with the ids {first} and {second}");
            return Err(RootfsError::Account { name: name.to_owned(), why });
        }
        *wanted = wanted.or(id);
        Ok(())
    }

    fn user(&mut self, name: &str, user: NewUser) -> Result<(), RootfsError> {
        check_name(name)?;
        if self.accounts.has_user(name) {
            return Ok(());
        }
        if user.group == PrimaryGroup::Own {
            self.group(name, None)?;
        }
        for (field, text) in
            [("comment", &user.comment), ("home", &user.home), ("shell", &user.shell)]
        {
            if text.contains([':', '\n']) {
                let why = format!("the {field} `{text}` has a colon or a line break");
                return Err(RootfsError::Account { name: name.to_owned(), why });
            }
        }
        // The definition and the first file to name a user decide what it is.
        self.users.entry(name.to_owned()).or_insert(user);
        Ok(())
    }

    fn line(&mut self, line: Line) -> Result<(), RootfsError> {
        match line {
            Line::Group { name, id } => self.group(&name, id),
            Line::Member { user, group } => {
                self.group(&group, None)?;
                self.members.insert((group, user));
                Ok(())
            }
            Line::User { name, id, group, comment, home, shell, locked } => {
                let password = "!*".to_owned();
                let user = NewUser { id, group, comment, home, shell, password, expired: locked };
                self.user(&name, user)
            }
        }
    }

    fn system_account(&mut self, account: &SystemAccount) -> Result<(), RootfsError> {
        match account {
            SystemAccount::Group { name } => self.group(name, None),
            SystemAccount::User { name, comment, home } => {
                let user = NewUser {
                    id: None,
                    group: PrimaryGroup::Own,
                    comment: comment.clone(),
                    home: home.clone(),
                    shell: NOLOGIN.to_owned(),
                    password: "!*".to_owned(),
                    expired: false,
                };
                self.user(name, user)
            }
        }
    }

    fn definition_user(&mut self, user: &UserRequest, debug: bool) -> Result<(), RootfsError> {
        let refuse = |why: String| RootfsError::Account { name: user.name.clone(), why };
        if self.accounts.has_user(&user.name) {
            return Err(refuse("is already a user of base-passwd".to_owned()));
        }
        let shell = user.shell.as_deref().unwrap_or(NOLOGIN);
        if !debug && !NO_SHELLS.contains(&shell) {
            return Err(refuse(format!("the shell `{shell}` would be a login in production")));
        }
        let password = match user.password_hash.as_deref() {
            None => "!*".to_owned(),
            Some(_) if !debug => {
                return Err(refuse("a password would be a login in production".to_owned()));
            }
            Some(hash) if hash.starts_with('$') && !hash.contains([':', '\n']) => hash.to_owned(),
            Some(_) => return Err(refuse("the password is not a crypt(5) hash".to_owned())),
        };
        let new = NewUser {
            id: user.uid,
            group: user.group.clone().map_or(PrimaryGroup::Own, PrimaryGroup::Named),
            comment: user.comment.clone(),
            home: user.home.clone().unwrap_or_else(|| "/nonexistent".to_owned()),
            shell: shell.to_owned(),
            password,
            expired: false,
        };
        self.user(&user.name, new)?;
        self.members.extend(user.groups.iter().map(|group| (group.clone(), user.name.clone())));
        Ok(())
    }

    /// Settles ids: those that are fixed, those that are known, and new ones by name.
    fn finish(mut self) -> Result<Accounts, RootfsError> {
        let mut taken = Taken::of(&self.accounts)?;
        let (mut given, unfixed) = self.fixed(&mut taken)?;
        self.known(&unfixed, &mut taken, &mut given)?;
        self.give_out(&unfixed, &mut taken, &mut given)?;
        for name in unfixed {
            let id = id_of(&given, &name)?;
            self.accounts.unfixed.insert(name, id);
        }
        for (name, gid) in std::mem::take(&mut self.groups) {
            let gid = match gid {
                Some(gid) => gid,
                None => id_of(&given, &name)?,
            };
            self.accounts.groups.push(Group { name, gid, members: BTreeSet::new() });
        }
        for (name, user) in std::mem::take(&mut self.users) {
            let uid = id_of(&given, &name)?;
            self.add(name, uid, user)?;
        }
        self.add_members()?;
        Ok(self.accounts)
    }

    /// The ids that a package or the definition fixes, and the names without one.
    fn fixed(
        &self,
        taken: &mut Taken,
    ) -> Result<(BTreeMap<String, u32>, BTreeSet<String>), RootfsError> {
        let (mut given, mut unfixed) = (BTreeMap::new(), BTreeSet::new());
        let names: BTreeSet<&String> = self.users.keys().chain(self.groups.keys()).collect();
        for name in names {
            let user = self.users.get(name).and_then(|user| user.id);
            let group = self.groups.get(name).copied().flatten();
            let Some(id) = user.or(group) else {
                unfixed.insert(name.clone());
                continue;
            };
            if self.users.contains_key(name) {
                taken.user(name, id)?;
            }
            if self.groups.contains_key(name) {
                taken.group(name, group.unwrap_or(id))?;
            }
            given.insert(name.clone(), id);
        }
        Ok((given, unfixed))
    }

    /// The ids that are known already. Each is a user's and a group's, so that nobody else gets it.
    fn known(
        &self,
        unfixed: &BTreeSet<String>,
        taken: &mut Taken,
        given: &mut BTreeMap<String, u32>,
    ) -> Result<(), RootfsError> {
        for (name, id) in self.ids.known() {
            if !unfixed.contains(name) {
                // Of another variant, or of an account that is gone: only a lock is made with those.
                if let Ids::Locked(_) = self.ids {
                    return Err(RootfsError::IdleLockedId { name: name.clone(), id: *id });
                }
                continue;
            }
            if let Some(other) = taken.other(name, *id) {
                let (name, id) = (name.clone(), *id);
                return Err(RootfsError::LockedIdTaken { name, id, other });
            }
            taken.user(name, *id)?;
            taken.group(name, *id)?;
            given.insert(name.clone(), *id);
        }
        Ok(())
    }

    /// The ids of accounts that have none yet.
    fn give_out(
        &self,
        unfixed: &BTreeSet<String>,
        taken: &mut Taken,
        given: &mut BTreeMap<String, u32>,
    ) -> Result<(), RootfsError> {
        let new: Vec<&String> = unfixed.iter().filter(|name| !given.contains_key(*name)).collect();
        let Ids::GivenOut(known) = self.ids else {
            let names: Vec<String> = new.into_iter().cloned().collect();
            let none_is_new = names.is_empty();
            return if none_is_new { Ok(()) } else { Err(RootfsError::NoLockedId { names }) };
        };
        let reserved: BTreeSet<u32> = known.values().copied().collect();
        for name in new {
            let id = taken.next_free(&reserved).ok_or_else(|| RootfsError::Account {
                name: name.clone(),
                why: format!("no id is free from {SYSTEM_ID_MAX} down to {SYSTEM_ID_MIN}"),
            })?;
            taken.user(name, id)?;
            taken.group(name, id)?;
            given.insert(name.clone(), id);
        }
        Ok(())
    }

    fn add(&mut self, name: String, uid: u32, user: NewUser) -> Result<(), RootfsError> {
        let groups = &self.accounts.groups;
        let group = groups.iter().find(|group| match &user.group {
            PrimaryGroup::Own => group.name == name,
            PrimaryGroup::Named(wanted) => group.name == *wanted,
            PrimaryGroup::Id(wanted) => group.gid == *wanted,
        });
        let gid = group.map(|group| group.gid).ok_or_else(|| RootfsError::UnknownAccount {
            what: format!("user `{name}`"),
            kind: "group",
            name: match &user.group {
                PrimaryGroup::Own => name.clone(),
                PrimaryGroup::Named(wanted) => wanted.clone(),
                PrimaryGroup::Id(wanted) => wanted.to_string(),
            },
        })?;
        let NewUser { comment, home, shell, password, expired, .. } = user;
        self.accounts.users.push(User { name, uid, gid, comment, home, shell, password, expired });
        Ok(())
    }

    fn add_members(&mut self) -> Result<(), RootfsError> {
        for (group, user) in &self.members {
            let what = format!("membership of `{user}` in `{group}`");
            self.accounts.uid(user, &what)?;
            let found = self.accounts.groups.iter_mut().find(|found| found.name == *group);
            let unknown = || RootfsError::UnknownAccount {
                what: format!("user `{user}`"),
                kind: "group",
                name: group.clone(),
            };
            found.ok_or_else(unknown)?.members.insert(user.clone());
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), RootfsError> {
    if is_account_name(name) {
        return Ok(());
    }
    let why = "is not a valid account name (lower-case letters, digits, `_` and `-`, at most 31)"
        .to_owned();
    Err(RootfsError::Account { name: name.to_owned(), why })
}

/// The id that was given out; never another one's, and never root's by default.
fn id_of(given: &BTreeMap<String, u32>, name: &str) -> Result<u32, RootfsError> {
    given
        .get(name)
        .copied()
        .ok_or_else(|| RootfsError::Account { name: name.to_owned(), why: "has no id".to_owned() })
}

/// Which ids are in use, and by whom.
#[derive(Default)]
struct Taken {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Taken {
    fn of(accounts: &Accounts) -> Result<Self, RootfsError> {
        let mut taken = Self::default();
        for user in &accounts.users {
            taken.user(&user.name, user.uid)?;
        }
        for group in &accounts.groups {
            taken.group(&group.name, group.gid)?;
        }
        Ok(taken)
    }

    fn user(&mut self, name: &str, id: u32) -> Result<(), RootfsError> {
        claim(&mut self.users, "user", name, id)
    }

    fn group(&mut self, name: &str, id: u32) -> Result<(), RootfsError> {
        claim(&mut self.groups, "group", name, id)
    }

    /// Who else has this id, as a user or as a group.
    fn other(&self, name: &str, id: u32) -> Option<String> {
        let mut holders = [&self.users, &self.groups].into_iter().filter_map(|ids| ids.get(&id));
        holders.find(|holder| *holder != name).cloned()
    }

    /// From the top down, as systemd-sysusers does (`add_user`, `src/sysusers/sysusers.c`), and unlike
    /// adduser, which goes up: an id that a later package of Debian fixes is more likely a low one. An id must be free
    /// as a user's and as a group's, since one number serves both. `reserved` are ids of accounts that this image
    /// does not have but another variant may.
    fn next_free(&self, reserved: &BTreeSet<u32>) -> Option<u32> {
        let mut ids = (SYSTEM_ID_MIN..=SYSTEM_ID_MAX).rev();
        let used = |id: &u32| self.users.contains_key(id) || self.groups.contains_key(id);
        ids.find(|id| !used(id) && !reserved.contains(id))
    }
}

fn claim(
    ids: &mut BTreeMap<u32, String>,
    kind: &'static str,
    name: &str,
    id: u32,
) -> Result<(), RootfsError> {
    match ids.insert(id, name.to_owned()) {
        Some(first) if first != name => {
            Err(RootfsError::DuplicateId { kind, id, first, second: name.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Writes the four files, and the home directories of the definition's users.
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
        assembly.put(path, cvmkit_formats::tree::Inode::file(meta, text.as_str().into()))?;
    }
    homes(assembly, accounts)
}

fn homes(assembly: &mut Assembly<'_>, accounts: &Accounts) -> Result<(), RootfsError> {
    for user in assembly.request.users {
        let Some(home) = user.home.as_deref().filter(|home| *home != "/nonexistent") else {
            continue;
        };
        let found = accounts.users.iter().find(|found| found.name == user.name);
        if let Some(found) = found.filter(|_| !assembly.occupied(home)) {
            let mut meta = assembly.root(0o700);
            (meta.uid, meta.gid) = (found.uid, found.gid);
            assembly.directory(home, meta)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
