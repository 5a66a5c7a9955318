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
mod tables;
#[cfg(test)]
mod tests;

use super::RootfsError;
use super::assembly::Assembly;
pub use account::{Accounts, Group, GroupRequest, Ids, User, UserRequest};
pub(crate) use account::{id, is_account_name, is_id, is_packaged_name};
pub(crate) use allocation::{SYSTEM_ID_MAX, SYSTEM_ID_MIN};
use collection::{Collection, check_name};
pub(crate) use files::{make_homes, write};
pub(crate) use masters::Masters;
pub(crate) use tables::{close, read_back};

/// Gathers the accounts that the image has before any script runs: those of the `masters`, then what is asked for.
///
/// # Errors
/// A line that can't be read, an account that can't be made as it is asked for, ids that do not fit.
pub(crate) fn collect(
    assembly: &mut Assembly<'_>,
    masters: Masters,
) -> Result<Accounts, RootfsError> {
    let request = assembly.request;
    let mut collection = Collection::new(masters::read(assembly, masters)?);
    let own = request.groups.iter().map(|group| &group.name);
    for name in own.chain(request.users.iter().map(|user| &user.name)) {
        check_name(name, is_account_name(name))?;
    }
    for group in request.groups {
        collection.group(&group.name, group.gid)?;
    }
    for user in request.users {
        collection.definition_user(user, request.debug, masters.package)?;
    }
    for line in sysusers::read(assembly)? {
        collection.line(line)?;
    }
    collection.finish(&request.ids)
}
