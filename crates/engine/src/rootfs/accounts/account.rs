//! What users and groups are, as the definition asks for them and as the files of the image list them.

use std::collections::{BTreeMap, BTreeSet};

use crate::rootfs::RootfsError;

/// The shell of an account without a login.
pub(super) const NOLOGIN: &str = "/usr/sbin/nologin";

/// Shells that end at once, so that an account that has one can't log in.
pub(super) const NO_SHELLS: &[&str] =
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
    /// The ids that are known, by account.
    pub(crate) fn known(&self) -> &BTreeMap<String, u32> {
        match self {
            Self::Locked(ids) | Self::GivenOut(ids) => ids,
        }
    }
}

/// A user of the definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRequest {
    /// The login name, as useradd(8) admits it.
    pub name: String,
    /// Its id; a system id when absent.
    pub uid: Option<u32>,
    /// Its primary group, which must exist; a group of its own, with the same id, when absent.
    pub group: Option<String>,
    /// Further groups, which must exist.
    pub groups: Vec<String>,
    /// The comment field of passwd(5), without `:` and line breaks.
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
    /// The group's name, as groupadd(8) admits it.
    pub name: String,
    /// Its id; a system id when absent.
    pub gid: Option<u32>,
}

/// One line of passwd(5), with what shadow(5) adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The login name: the first field, which no other line has.
    pub name: String,
    /// The user id: 0 is root, 1 to 999 are accounts of the system.
    pub uid: u32,
    /// The id of the primary group, which `group` has too.
    pub gid: u32,
    /// The fifth field (GECOS).
    pub comment: String,
    /// The home directory, an absolute path that need not exist.
    pub home: String,
    /// The program of a login, an absolute path.
    pub shell: String,
    /// `sp_pwdp` of shadow(5): never empty.
    pub password: String,
    /// `sp_expire` is 1: the account has expired.
    pub expired: bool,
}

/// One line of group(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's name: the first field, which no other line has.
    pub name: String,
    /// The group id: 0 is root, 1 to 999 are groups of the system.
    pub gid: u32,
    /// Users that have it as a further group.
    pub members: BTreeSet<String>,
}

/// All users and groups, in the order of their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    pub(super) users: Vec<User>,
    pub(super) groups: Vec<Group>,
    pub(super) unfixed: BTreeMap<String, u32>,
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

    /// Refuses a lock that does not have exactly the ids that nothing else fixes, and accounts whose ids are
    /// others than it gives them; `before` are those that were there before any script ran.
    ///
    /// # Errors
    /// [`RootfsError::OtherId`], [`RootfsError::NoLockedId`], [`RootfsError::IdleLockedId`]
    pub(crate) fn check_lock(&self, ids: &Ids, before: &Self) -> Result<(), RootfsError> {
        // A lock that is made is held to what it will say.
        self.have_ids(&self.unfixed, before)?;
        let Ids::Locked(locked) = ids else { return Ok(()) };
        self.have_ids(locked, before)?;
        // Of another variant, or of an account that is gone: only a lock is made with those.
        if let Some((name, &id)) = locked.iter().find(|(name, _)| !self.unfixed.contains_key(*name))
        {
            return Err(RootfsError::IdleLockedId { name: name.clone(), id });
        }
        let missing = self.unfixed.keys().filter(|name| !locked.contains_key(*name));
        let names: Vec<String> = missing.cloned().collect();
        if names.is_empty() { Ok(()) } else { Err(RootfsError::NoLockedId { names }) }
    }

    /// Refuses a user or a group of another id than its name is given. A group that a package fixes, and that has
    /// the name of a user without an id of its own, keeps its own.
    fn have_ids(&self, given: &BTreeMap<String, u32>, before: &Self) -> Result<(), RootfsError> {
        let rows = |accounts: &Self| -> Vec<(&'static str, String, u32)> {
            let users = accounts.users.iter().map(|user| ("user", user.name.clone(), user.uid));
            let groups = accounts.groups.iter().map(|one| ("group", one.name.clone(), one.gid));
            users.chain(groups).collect()
        };
        let fixed = rows(before);
        let differs = |row: &&(&'static str, String, u32)| {
            let (kind, name, id) = *row;
            let is_fixed = *kind == "group" && fixed.contains(row);
            !is_fixed && given.get(name).is_some_and(|given| given != id)
        };
        let now = rows(self);
        let Some((kind, name, found)) = now.iter().find(differs) else { return Ok(()) };
        let (name, found) = (name.clone(), *found);
        let id = given.get(&name).copied().unwrap_or_default();
        Err(RootfsError::OtherId { kind, name, id, found })
    }

    pub(super) fn has_user(&self, name: &str) -> bool {
        self.users.iter().any(|user| user.name == name)
    }

    pub(super) fn has_group(&self, name: &str) -> bool {
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
    found.or_else(|| id(name)).ok_or_else(|| RootfsError::UnknownAccount {
        what: what.to_owned(),
        kind,
        name: name.to_owned(),
    })
}

/// The id in a text of digits that an account can have: no sign, which `u32::from_str` would take.
pub(crate) fn id(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?.filter(|id| is_id(*id))
}

/// Whether an account can have an id: -1, in 32 bits or in the 16 of old system calls, means "no change" to
/// chown(2) and setreuid(2) (`uid_is_valid`, `src/basic/user-util.c` of systemd).
pub(crate) fn is_id(id: u32) -> bool {
    ![u32::MAX, u32::from(u16::MAX)].contains(&id)
}

/// Debian's and systemd's common ground: a lower-case letter or `_`, then those, digits and `-`.
pub(crate) fn is_account_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    first
        && name.len() <= 31
        && bytes
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
}

/// As [`is_account_name`], with capital letters: packages have such accounts, and systemd takes them
/// (`valid_user_group_name`, `src/basic/user-util.c`).
pub(crate) fn is_packaged_name(name: &str) -> bool {
    is_account_name(&name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 31 characters: `ut_user` of utmp(5) has 32 bytes with its end, and systemd and adduser agree (<https://systemd.io/USER_NAMES>).
    #[test]
    fn names_start_with_a_letter_or_an_underscore_and_have_31_characters() {
        for name in ["a", "z", "_apt", "systemd-network", "x_1-", "x90", &"a".repeat(31)] {
            assert!(is_account_name(name), "{name}");
        }
        for name in
            ["", "-a", "1a", "A", "aB", "a.b", "a$", "a:b", "a b", "ä", "a\n", &"a".repeat(32)]
        {
            assert!(!is_account_name(name), "{name:?}");
        }
    }

    #[test]
    fn users_and_groups_are_looked_up_in_lists_of_their_own() {
        let user = User {
            name: "web".into(),
            uid: 33,
            gid: 5,
            comment: String::new(),
            home: "/".into(),
            shell: "/x".into(),
            password: "*".into(),
            expired: false,
        };
        let group = Group { name: "disk".into(), gid: 6, members: BTreeSet::new() };
        let accounts =
            Accounts { users: vec![user], groups: vec![group], unfixed: BTreeMap::new() };
        assert_eq!(accounts.uid("web", "x").unwrap(), 33);
        assert_eq!(accounts.gid("disk", "x").unwrap(), 6);
        for (asked, kind, name) in [
            (accounts.uid("disk", "`/srv`"), "user", "disk"),
            (accounts.gid("web", "`/srv`"), "group", "web"),
        ] {
            let text = asked.unwrap_err().to_string();
            assert_eq!(text, format!("`/srv` needs the {kind} `{name}`, which does not exist"));
        }
    }

    /// A name of digits alone is no account's (`is_account_name`), but an archive's master file may have one.
    #[test]
    fn the_name_of_an_account_goes_before_its_number() {
        let group = Group { name: "100".into(), gid: 7, members: BTreeSet::new() };
        let accounts = Accounts { groups: vec![group], ..Accounts::default() };
        assert_eq!(accounts.gid("100", "x").unwrap(), 7);
        assert_eq!(accounts.uid("100", "x").unwrap(), 100);
    }

    #[test]
    fn what_means_no_change_to_a_kernel_is_nobodys_id() {
        let accounts = Accounts::default();
        for (text, expected) in [
            ("0", Some(0)),
            ("65534", Some(65_534)),
            ("65535", None),
            ("65536", Some(65_536)),
            ("4294967294", Some(u32::MAX - 1)),
            ("4294967295", None),
            ("4294967296", None),
            ("+7", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(id(text), expected, "{text}");
            assert_eq!(accounts.uid(text, "x").ok(), expected, "{text}");
            assert_eq!(accounts.gid(text, "x").ok(), expected, "{text}");
        }
    }
}
