//! The tree that a root file system starts from, where the definition names one.
//!
//! The build writes the accounts of an image itself, so an account of the base that nothing else makes, or
//! that has another id, would leave files to nobody: each is told, and none is taken over.

use super::accounts::Accounts;
use super::assembly::Assembly;
use super::{Base, RootfsError};

/// Accounts that the base has, by the file that lists them.
pub(crate) struct BaseAccounts {
    users: Vec<(String, u32)>,
    groups: Vec<(String, u32)>,
}

impl BaseAccounts {
    /// Those of a tree that has no others yet.
    ///
    /// # Errors
    /// A line that is none of passwd(5) or group(5).
    pub(crate) fn of(assembly: &Assembly<'_>) -> Result<Self, RootfsError> {
        Ok(Self { users: ids(assembly, "etc/passwd")?, groups: ids(assembly, "etc/group")? })
    }

    /// Compares them with those of the image.
    ///
    /// # Errors
    /// [`RootfsError::BaseAccounts`] with all that differ.
    pub(crate) fn check(&self, base: &Base, accounts: &Accounts) -> Result<(), RootfsError> {
        let mut problems = Vec::new();
        for (name, id) in &self.users {
            let found = accounts.uid(name, "").ok();
            problems.extend(differs("user", name, *id, found));
        }
        for (name, id) in &self.groups {
            let found = accounts.gid(name, "").ok();
            problems.extend(differs("group", name, *id, found));
        }
        let base = base.name.clone();
        if problems.is_empty() { Ok(()) } else { Err(RootfsError::BaseAccounts { base, problems }) }
    }
}

fn differs(kind: &str, name: &str, id: u32, found: Option<u32>) -> Option<String> {
    match found {
        Some(found) if found == id => None,
        Some(found) => Some(format!("{kind} `{name}` is {id} in the base, {found} in the image")),
        None => Some(format!("{kind} `{name}` ({id}) is nobody in the image")),
    }
}

/// Names and ids: the first and the third field of each line (passwd(5), group(5)).
fn ids(assembly: &Assembly<'_>, path: &str) -> Result<Vec<(String, u32)>, RootfsError> {
    let text = assembly.text(path)?.unwrap_or_default();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    lines
        .map(|(at, line)| {
            let mut fields = line.split(':');
            let (name, id) = (fields.next(), fields.nth(1).and_then(|id| id.parse().ok()));
            name.zip(id).map(|(name, id)| (name.to_owned(), id)).ok_or_else(|| {
                RootfsError::Syntax {
                    path: path.to_owned(),
                    line: at + 1,
                    why: format!("expected a name and an id, found `{}`", line.escape_debug()),
                }
            })
        })
        .collect()
}
