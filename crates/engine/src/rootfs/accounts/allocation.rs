//! Which id each new account gets: one that is fixed, one that is known, or the highest that is free.

use std::collections::{BTreeMap, BTreeSet};

use super::account::{Accounts, Ids};
use crate::rootfs::RootfsError;

/// The highest id of a system account (`SYS_UID_MAX`, login.defs(5)).
pub(crate) const SYSTEM_ID_MAX: u32 = 999;

/// The lowest id given out automatically (`FIRST_SYSTEM_UID`, adduser.conf(5)).
pub(crate) const SYSTEM_ID_MIN: u32 = 100;

/// What is to have an id under one name: a user, a group, or both, each with its own id if that is fixed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish {
    pub(super) user: Option<Option<u32>>,
    pub(super) group: Option<Option<u32>>,
}

impl Wish {
    /// The id of the name: its user's, otherwise its group's.
    fn fixed(self) -> Option<u32> {
        self.user.flatten().or(self.group.flatten())
    }
}

/// The ids of the new accounts.
#[derive(Default)]
pub(super) struct Allocation {
    taken: Taken,
    given: BTreeMap<String, u32>,
    unfixed: BTreeSet<String>,
}

impl Allocation {
    /// Settles the ids of all `wishes`, beside the accounts that exist.
    ///
    /// # Errors
    /// Two accounts with one id; a lock that has the wrong ids; no free id.
    pub(super) fn new(
        existing: &Accounts,
        wishes: &BTreeMap<&str, Wish>,
        ids: &Ids,
    ) -> Result<Self, RootfsError> {
        let mut allocation = Self { taken: Taken::of(existing)?, ..Self::default() };
        allocation.fix(wishes)?;
        allocation.keep(ids)?;
        allocation.give_out(ids)?;
        Ok(allocation)
    }

    /// The id of a name; never another one's, and never root's by default.
    pub(super) fn id(&self, name: &str) -> Result<u32, RootfsError> {
        self.given.get(name).copied().ok_or_else(|| RootfsError::Account {
            name: name.to_owned(),
            why: "has no id".to_owned(),
        })
    }

    /// The ids that neither a package nor the definition fixes.
    pub(super) fn unfixed(&self) -> BTreeMap<String, u32> {
        let is_unfixed = |name: &String| self.unfixed.contains(name);
        self.given
            .iter()
            .filter(|(name, _)| is_unfixed(name))
            .map(|(name, id)| (name.clone(), *id))
            .collect()
    }

    /// The ids that a package or the definition fixes, and the names without one.
    fn fix(&mut self, wishes: &BTreeMap<&str, Wish>) -> Result<(), RootfsError> {
        for (&name, wish) in wishes {
            let Some(id) = wish.fixed() else {
                self.unfixed.insert(name.to_owned());
                continue;
            };
            if wish.user.is_some() {
                self.taken.user(name, id)?;
            }
            if let Some(gid) = wish.group {
                self.taken.group(name, gid.unwrap_or(id))?;
            }
            self.given.insert(name.to_owned(), id);
        }
        Ok(())
    }

    /// The ids that are known already. Each is a user's and a group's, so that nobody else gets it.
    fn keep(&mut self, ids: &Ids) -> Result<(), RootfsError> {
        for (name, &id) in ids.known() {
            if !self.unfixed.contains(name) {
                // Of an account of a script, or of another variant.
                continue;
            }
            if let Some(other) = self.taken.other(name, id) {
                return Err(RootfsError::LockedIdTaken { name: name.clone(), id, other });
            }
            self.take(name, id)?;
        }
        Ok(())
    }

    /// The ids of accounts that have none yet.
    fn give_out(&mut self, ids: &Ids) -> Result<(), RootfsError> {
        let is_new = |name: &&String| !self.given.contains_key(*name);
        let names: Vec<String> = self.unfixed.iter().filter(is_new).cloned().collect();
        let reserved: BTreeSet<u32> = ids.known().values().copied().collect();
        for name in names {
            let id = self.taken.next_free(&reserved).ok_or_else(|| RootfsError::Account {
                name: name.clone(),
                why: format!("no id is free from {SYSTEM_ID_MAX} down to {SYSTEM_ID_MIN}"),
            })?;
            self.take(&name, id)?;
        }
        Ok(())
    }

    /// Gives the id to the user and the group of this name.
    fn take(&mut self, name: &str, id: u32) -> Result<(), RootfsError> {
        self.taken.user(name, id)?;
        self.taken.group(name, id)?;
        self.given.insert(name.to_owned(), id);
        Ok(())
    }
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
