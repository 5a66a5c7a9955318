//! The accounts that the definition, files of packages and scripts ask for, gathered by name.

use std::collections::{BTreeMap, BTreeSet};

use super::account::{
    Accounts, Group, Ids, NO_SHELLS, NOLOGIN, User, UserRequest, is_packaged_name,
};
use super::allocation::{Allocation, Wish};
use super::sysusers::{Line, PrimaryGroup};
use crate::rootfs::RootfsError;

/// No password fits, and the account is not disabled for that (`!`, `*` in shadow(5)).
const LOCKED: &str = "!*";

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
pub(super) struct Collection {
    accounts: Accounts,
    users: BTreeMap<String, NewUser>,
    groups: BTreeMap<String, Option<u32>>,
    members: BTreeSet<(String, String)>,
}

impl Collection {
    /// Nothing but the accounts that exist.
    pub(super) fn new(accounts: Accounts) -> Self {
        let (users, groups, members) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { accounts, users, groups, members }
    }

    /// Asks for a group. Who asks for one with an id and who asks for any are content with the same.
    pub(super) fn group(&mut self, name: &str, id: Option<u32>) -> Result<(), RootfsError> {
        check_name(name, is_packaged_name(name))?;
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
        check_name(name, is_packaged_name(name))?;
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

    /// Asks for what a line of sysusers.d(5) does.
    pub(super) fn line(&mut self, line: Line) -> Result<(), RootfsError> {
        match line {
            Line::Group { name, id } => self.group(&name, id),
            Line::Member { user, group } => {
                self.group(&group, None)?;
                self.members.insert((group, user));
                Ok(())
            }
            Line::User { name, id, group, comment, home, shell, locked } => {
                let password = LOCKED.to_owned();
                let user = NewUser { id, group, comment, home, shell, password, expired: locked };
                self.user(&name, user)
            }
        }
    }

    /// Asks for a user of the definition, which must be a new one. `distributor` is the package that has the
    /// fixed ones.
    pub(super) fn definition_user(
        &mut self,
        user: &UserRequest,
        debug: bool,
        distributor: &str,
    ) -> Result<(), RootfsError> {
        let refuse = |why: String| RootfsError::Account { name: user.name.clone(), why };
        if self.accounts.has_user(&user.name) {
            return Err(refuse(format!("is already a user of {distributor}")));
        }
        let shell = user.shell.as_deref().unwrap_or(NOLOGIN);
        if !debug && !NO_SHELLS.contains(&shell) {
            return Err(refuse(format!("the shell `{shell}` would be a login in production")));
        }
        let password = match user.password_hash.as_deref() {
            None => LOCKED.to_owned(),
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

    /// All accounts: those that exist, then the new ones by name, groups first.
    pub(super) fn finish(self, ids: &Ids) -> Result<Accounts, RootfsError> {
        let allocation = Allocation::new(&self.accounts, &self.wishes(), ids)?;
        let Self { mut accounts, users, groups, members } = self;
        accounts.unfixed = allocation.unfixed();
        for (name, gid) in groups {
            let gid = gid.map_or_else(|| allocation.id(&name), Ok)?;
            accounts.groups.push(Group { name, gid, members: BTreeSet::new() });
        }
        for (name, user) in users {
            let uid = allocation.id(&name)?;
            add(&mut accounts, name, uid, user)?;
        }
        for (group, user) in &members {
            join(&mut accounts, group, user)?;
        }
        Ok(accounts)
    }

    /// The names that need an id, each with what needs it.
    fn wishes(&self) -> BTreeMap<&str, Wish> {
        let mut wishes: BTreeMap<&str, Wish> = BTreeMap::new();
        for (name, user) in &self.users {
            wishes.entry(name).or_default().user = Some(user.id);
        }
        for (name, id) in &self.groups {
            wishes.entry(name).or_default().group = Some(*id);
        }
        wishes
    }
}

/// Adds a user, whose primary group must be there.
fn add(accounts: &mut Accounts, name: String, uid: u32, user: NewUser) -> Result<(), RootfsError> {
    let group = accounts.groups.iter().find(|group| match &user.group {
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
    accounts.users.push(User { name, uid, gid, comment, home, shell, password, expired });
    Ok(())
}

/// Makes a user a member of a group; both must be there.
fn join(accounts: &mut Accounts, group: &str, user: &str) -> Result<(), RootfsError> {
    accounts.uid(user, &format!("membership of `{user}` in `{group}`"))?;
    let found = accounts.groups.iter_mut().find(|found| found.name == group);
    let unknown = || RootfsError::UnknownAccount {
        what: format!("user `{user}`"),
        kind: "group",
        name: group.to_owned(),
    };
    found.ok_or_else(unknown)?.members.insert(user.to_owned());
    Ok(())
}

/// Refuses a name, unless it fits.
pub(super) fn check_name(name: &str, fits: bool) -> Result<(), RootfsError> {
    if fits {
        return Ok(());
    }
    let why = "is not a valid account name (lower-case letters, digits, `_` and `-`, at most 31)"
        .to_owned();
    Err(RootfsError::Account { name: name.to_owned(), why })
}
