//! Users and groups: the master files, sysusers.d, scripts and the definition, with ids that are
//! the same on every build.
//!
//! [`collect`] gathers them, [`write`] lists them. Ids that are given are honoured; the others are those of
//! the lock. A new one gets the highest that is free, from 999 down and in the order of names, when the lock
//! is made ([`Ids`]): never by a build, so that another package renumbers nobody. Every account is locked, and
//! in a production image no account has a login shell.

mod account;
mod allocation;
mod collection;
mod files;
mod masters;
mod sysusers;
#[cfg(test)]
mod tests;

use super::RootfsError;
use super::assembly::Assembly;
use super::effects::Effects;
pub(crate) use account::is_account_name;
pub use account::{Accounts, Group, GroupRequest, Ids, User, UserRequest};
use account::{NO_SHELLS, NOLOGIN};
pub(crate) use allocation::{SYSTEM_ID_MAX, SYSTEM_ID_MIN};
use collection::Collection;
pub(crate) use files::write;
pub(crate) use masters::Masters;

/// Gathers every account the image has: those of the `masters`, then what is asked for.
///
/// # Errors
/// A line that can't be read, an account that can't be made as it is asked for, ids that do not fit.
pub(crate) fn collect(
    assembly: &mut Assembly<'_>,
    effects: &Effects,
    masters: Masters,
) -> Result<Accounts, RootfsError> {
    let request = assembly.request;
    let mut collection = Collection::new(masters::read(assembly, masters)?);
    for group in request.groups {
        collection.group(&group.name, group.gid)?;
    }
    for user in request.users {
        collection.definition_user(user, request.debug, masters.package)?;
    }
    for line in sysusers::read(assembly)? {
        collection.line(line)?;
    }
    for (_, account) in &effects.accounts {
        collection.system_account(account)?;
    }
    let mut accounts = collection.finish(&request.ids)?;
    if !request.debug {
        close_shells(assembly, &mut accounts);
    }
    Ok(accounts)
}

/// Gives every account a shell that ends at once.
fn close_shells(assembly: &mut Assembly<'_>, accounts: &mut Accounts) {
    for user in &mut accounts.users {
        if !NO_SHELLS.contains(&user.shell.as_str()) {
            let line = format!("{} has {NOLOGIN} instead of {}", user.name, user.shell);
            assembly.note(format!("production image: {line}"));
            user.shell = NOLOGIN.to_owned();
        }
    }
}
