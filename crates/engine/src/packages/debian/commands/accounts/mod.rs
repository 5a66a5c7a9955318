//! adduser, useradd and their like: accounts of scripts, with the ids of the lock.
//!
//! Files of sysusers.d(5) are carried out before any script, so that a script finds those accounts.
//! Oracle: adduser 3.152, shadow 4.17.

mod adduser;
mod changes;
mod getent;
mod shadow;
mod tables;

pub(super) use adduser::{adduser, deluser};
pub use changes::AccountChange;
pub(super) use changes::{Versions, changes};
pub(super) use getent::getent;
pub(super) use shadow::{chfn, gpasswd, groupadd, useradd, usermod};
pub(super) use tables::{NewUser, Table};
