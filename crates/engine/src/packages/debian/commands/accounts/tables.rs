//! The four tables of accounts in the tree (passwd(5), group(5), shadow(5), gshadow(5)).

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;
use crate::rootfs::{SYSTEM_ID_MAX, SYSTEM_ID_MIN};

/// A table of accounts.
#[derive(Clone, Copy)]
pub(in super::super) enum Table {
    Passwd,
    Group,
    Shadow,
    Gshadow,
}

impl Table {
    /// Every table.
    const ALL: [Self; 4] = [Self::Passwd, Self::Group, Self::Shadow, Self::Gshadow];

    /// The table at an absolute path.
    pub(super) fn at(path: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.path() == path)
    }

    /// Its name in `/etc`.
    pub(super) fn file_name(self) -> &'static str {
        match self {
            Self::Passwd => "passwd",
            Self::Group => "group",
            Self::Shadow => "shadow",
            Self::Gshadow => "gshadow",
        }
    }

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
pub(in super::super) struct NewUser {
    pub(in super::super) name: String,
    pub(in super::super) id: Option<u32>,
    pub(in super::super) gid: u32,
    pub(in super::super) comment: String,
    pub(in super::super) home: String,
    pub(in super::super) shell: String,
}

impl System<'_, '_> {
    pub(super) fn rows(&self, table: Table) -> Vec<Vec<String>> {
        let text = self.read(table.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
    }

    /// The name of an id in `/etc/passwd` or `/etc/group`; the id itself where it has none.
    pub(in super::super) fn name_of(&self, table: &str, id: u32) -> String {
        let id = id.to_string();
        let text = self.read(table.as_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let rows = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let found = rows
            .filter(|row| row.get(2) == Some(&id.as_str()))
            .find_map(|row| row.first().copied());
        found.map_or_else(|| id.clone(), str::to_owned)
    }

    /// The day of the build, as shadow(5) counts them.
    pub(in super::super) fn day(&self) -> String {
        (self.assembly.request.mtime / 86_400).max(1).to_string()
    }

    /// The names of groups, by id.
    pub(in super::super) fn group_names(&self) -> BTreeMap<String, String> {
        let rows = self.rows(Table::Group).into_iter();
        rows.filter_map(|row| Some((row.get(2)?.clone(), row.first()?.clone()))).collect()
    }

    pub(super) fn set_rows(&mut self, table: Table, rows: &[Vec<String>]) -> Result<(), String> {
        let text: String = rows.iter().map(|row| row.join(":") + "\n").collect();
        self.write(table.path(), text.as_bytes(), table.mode()).map_err(|error| {
            let path = String::from_utf8_lossy(table.path());
            format!("{path}: {}", error.words())
        })
    }

    pub(super) fn row(&self, table: Table, name: &str) -> Option<Vec<String>> {
        self.rows(table).into_iter().find(|row| row.first().is_some_and(|first| first == name))
    }

    pub(super) fn append(&mut self, table: Table, row: &[&str]) -> Result<(), String> {
        let mut rows = self.rows(table);
        rows.push(row.iter().map(|field| (*field).to_owned()).collect());
        self.set_rows(table, &rows)
    }

    pub(in super::super) fn has(&self, table: Table, name: &str) -> bool {
        self.row(table, name).is_some()
    }

    /// The id of a new account: the lock's, or the highest that is free as a user's and a group's.
    pub(super) fn new_id(&mut self, name: &str) -> Result<u32, String> {
        if let Some(id) = self.assembly.request.ids.known().get(name).copied() {
            self.unfixed.insert(name.to_owned(), id);
            return Ok(id);
        }
        // One that a user or a group of this name has already.
        let own = [Table::Passwd, Table::Group].into_iter().find_map(|table| self.row(table, name));
        if let Some(id) = own.and_then(|row| row.get(2)?.parse().ok()) {
            return Ok(id);
        }
        let of = |row: Vec<String>| row.get(2).and_then(|id| id.parse::<u32>().ok());
        let rows = self.rows(Table::Passwd).into_iter().chain(self.rows(Table::Group));
        let mut taken: BTreeSet<u32> = rows.filter_map(of).collect();
        taken.extend(self.assembly.request.ids.known().values());
        let free = (SYSTEM_ID_MIN..=SYSTEM_ID_MAX).rev();
        let id = free.into_iter().find(|id| !taken.contains(id));
        let id = id.ok_or("no id is free")?;
        self.unfixed.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Adds a group with its line of `/etc/gshadow`; answers its id.
    ///
    /// # Errors
    /// Why a table can't be written, or that no id is free.
    pub(in super::super) fn add_group(
        &mut self,
        name: &str,
        id: Option<u32>,
    ) -> Result<u32, String> {
        let id = match id {
            Some(id) => id,
            None => self.new_id(name)?,
        };
        self.append(Table::Group, &[name, "x", &id.to_string(), ""])?;
        self.append(Table::Gshadow, &[name, "!", "", ""])?;
        Ok(id)
    }

    /// Adds a user without a password; answers its id.
    ///
    /// # Errors
    /// As for [`System::add_group`].
    pub(in super::super) fn add_user(&mut self, user: &NewUser) -> Result<u32, String> {
        let id = match user.id {
            Some(id) => id,
            None => self.new_id(&user.name)?,
        };
        let (text, gid) = (id.to_string(), user.gid.to_string());
        let NewUser { name, comment, home, shell, .. } = user;
        self.append(Table::Passwd, &[name, "x", &text, &gid, comment, home, shell])?;
        let day = self.day();
        self.append(Table::Shadow, &[name, "!", &day, "", "", "", "", "", ""])?;
        Ok(id)
    }

    /// Makes a user a member of a group.
    pub(in super::super) fn join(&mut self, user: &str, group: &str) -> Result<(), String> {
        for (table, at) in [(Table::Group, 3), (Table::Gshadow, 3)] {
            let mut rows = self.rows(table);
            let row = rows.iter_mut().find(|row| row.first().is_some_and(|name| name == group));
            let Some(members) = row.and_then(|row| row.get_mut(at)) else { continue };
            let mut names: Vec<&str> = members.split(',').filter(|one| !one.is_empty()).collect();
            if !names.contains(&user) {
                names.push(user);
                *members = names.join(",");
                self.set_rows(table, &rows)?;
            }
        }
        Ok(())
    }

    /// Takes a user out of a group; false if it is no member.
    pub(in super::super) fn leave(&mut self, user: &str, group: &str) -> Result<bool, String> {
        let mut was_member = false;
        for table in [Table::Group, Table::Gshadow] {
            let mut rows = self.rows(table);
            let row = rows.iter_mut().find(|row| row.first().is_some_and(|name| name == group));
            let Some(members) = row.and_then(|row| row.get_mut(3)) else { continue };
            let kept: Vec<&str> = members.split(',').filter(|one| *one != user).collect();
            let kept = kept.join(",");
            if kept != *members {
                was_member |= matches!(table, Table::Group);
                *members = kept;
                self.set_rows(table, &rows)?;
            }
        }
        Ok(was_member)
    }

    /// Makes a home directory where nothing is; the folders above it are root's.
    pub(in super::super) fn make_home(
        &mut self,
        home: &str,
        id: u32,
        gid: u32,
    ) -> Result<(), String> {
        if self.status(home.as_bytes(), true).is_ok() {
            return Ok(());
        }
        if self.make_folders(home).is_err() {
            return Err(format!("the home directory {home}"));
        }
        let owned = self.set_owner(home.as_bytes(), Some(id), Some(gid), true);
        owned.map_err(|error| format!("{home}: {}", error.words()))
    }
}
