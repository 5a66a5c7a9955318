//! The root file system: packages in, a tree out, and no maintainer script run.
//!
//! [`assemble`] unpacks packages into a [`Tree`], classifies their scripts and carries out what
//! they come to as native effects, one module each, in the order of the function's body. The result
//! is a function of the [`Request`]; nothing touches the host, and nothing is left to chance:
//! an unknown script, trigger or tmpfiles.d directive, two packages writing one path, a login path
//! in a production image are errors.
//!
//! Deliberately absent: running scripts, conffile questions, the loader cache, host keys, the
//! journal's catalogue and the hardware database. Oracle: the tree dpkg makes of the same packages.

pub mod accounts;
mod alternatives;
mod assembly;
pub mod capability;
mod certificates;
mod dpkg;
mod error;
mod exclude;
mod glob;
mod identity;
mod libraries;
mod native;
mod overlay;
mod pam;
mod programs;
mod shells;
mod sysusers;
mod terminals;
mod tmpfiles;
pub mod units;
mod unpack;
mod volatile;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;

use cvmkit_debian::deb::Control;
use cvmkit_formats::archive::Entry;
use cvmkit_formats::tree::Tree;

pub use accounts::{Accounts, GroupRequest, Ids, UserRequest};
pub(crate) use accounts::{SYSTEM_ID_MAX, SYSTEM_ID_MIN};
pub use dpkg::PackageDatabase;
pub use error::{Idle, RootfsError};
pub(crate) use identity::is_hostname;
pub use overlay::{Changes, Placed, PlacedNode};
pub(crate) use sysusers::is_account_name;
pub use units::Units;
pub use volatile::remake_var_at_boot;

use cvmkit_attest::output::Notice;
use cvmkit_formats::digest::Sha256;

use crate::content::Content;
use assembly::Assembly;

/// One package, verified and decoded.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `amd64`, `all` and so on.
    pub architecture: String,
    /// The control archive.
    pub control: Control,
    /// The members of `data.tar`, in its order.
    pub entries: Vec<Entry>,
    /// The decompressed `data.tar`; offsets in `entries` count from its start.
    pub data: Arc<File>,
}

/// Everything the root file system is made of.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// Packages with different names, in any order.
    pub packages: &'a [Package],
    /// Debian's name of the machine, such as `amd64`.
    pub architecture: &'a str,
    /// Users the definition adds.
    pub users: &'a [UserRequest],
    /// Groups the definition adds.
    pub groups: &'a [GroupRequest],
    /// Where ids come from that nothing else fixes.
    pub ids: Ids,
    /// The kernel command line but `roothash=`.
    pub command_line: &'a [String],
    /// Units to enable and mask.
    pub units: Units,
    /// Files, directories and links of the definition; they win over packages and effects.
    pub files: &'a [Placed],
    /// `/etc/hostname`; `localhost` when absent.
    pub hostname: Option<&'a str>,
    /// `IMAGE_ID=` of os-release(5).
    pub image_id: &'a str,
    /// `IMAGE_VERSION=` of os-release(5).
    pub image_version: &'a str,
    /// A debug image: consoles and logins are allowed, and os-release says so.
    pub debug: bool,
    /// Globs of packaged files to leave out, as dpkg's `path-exclude`; with a leading `!` as its
    /// `path-include`. The last one that matches decides.
    pub exclude: &'a [String],
    /// SHA-256 of what to skip of the scripts that no recipe covers, by package; what recipes and
    /// generated blocks say is done.
    pub skip: BTreeMap<String, BTreeSet<Sha256>>,
    /// How much of dpkg's database is kept.
    pub package_database: PackageDatabase,
    /// `/var` is a fresh tmpfs at each boot (`systemd.volatile=state`): [`remake_var_at_boot`].
    pub volatile_var: bool,
    /// Time of everything made here, seconds since 1970; packaged files keep theirs if older.
    pub mtime: i64,
}

/// The finished tree and what is known about it.
#[derive(Clone, Debug)]
pub struct Rootfs {
    /// The file system.
    pub tree: Tree<Content>,
    /// The package that owns each packaged path, without leading slash, as the tree spells it.
    pub owners: BTreeMap<Vec<u8>, String>,
    /// Users and groups; their ids belong into the lock.
    pub accounts: Accounts,
    /// What was done that no package file shows, and why; one line each.
    pub log: Vec<String>,
    /// What whoever publishes the image has to know; it belongs into the manifest.
    pub notices: Vec<Notice>,
    /// Kernel releases whose `modules.dep` and its relatives are still to be made.
    pub kernels: Vec<String>,
}

/// The ids of the accounts that a root file system has and nothing fixes, by name: with
/// [`Ids::GivenOut`], those that belong into its lock.
///
/// # Errors
/// As for [`assemble`], as far as it goes for this.
pub fn unfixed_ids(request: &Request<'_>) -> Result<BTreeMap<String, u32>, RootfsError> {
    let (_, _, accounts) = populate(&mut Assembly::new(request))?;
    Ok(accounts.unfixed().clone())
}

/// Puts packages and local files into the tree, and tells what scripts come to and who lives there.
fn populate<'a>(
    assembly: &mut Assembly<'a>,
) -> Result<(BTreeSet<&'a str>, native::Effects, Accounts), RootfsError> {
    unpack::packages(assembly)?;
    let kept = overlay::place(assembly)?;
    let effects = native::classify_request(assembly)?;
    let accounts = accounts::collect(assembly, &effects)?;
    Ok((kept, effects, accounts))
}

/// Assembles a root file system.
///
/// # Errors
/// [`RootfsError`], each naming the package or path it is about.
pub fn assemble(request: &Request<'_>) -> Result<Rootfs, RootfsError> {
    let mut assembly = Assembly::new(request);
    let (kept, effects, accounts) = populate(&mut assembly)?;
    accounts::write(&mut assembly, &accounts)?;
    native::apply(&mut assembly, &effects, &accounts)?;
    tmpfiles::apply(&mut assembly, &accounts)?;
    alternatives::apply(&mut assembly, &effects)?;
    units::apply(&mut assembly, &effects)?;
    identity::apply(&mut assembly)?;
    libraries::check(&assembly)?;
    dpkg::write(&mut assembly, &effects)?;
    overlay::place_owned(&mut assembly, &accounts, &kept)?;
    units::check_masks(&assembly)?;
    programs::check_own(&assembly)?;
    let mut notices = units::enabled::check(&assembly, &effects)?;
    notices.extend(terminals::check(&assembly)?);
    let Assembly { tree, owners, log, notices: mut all, .. } = assembly;
    all.extend(notices);
    let kernels = effects.kernels;
    let mut rootfs = Rootfs { tree, owners, accounts, log, notices: all, kernels };
    if request.volatile_var {
        remake_var_at_boot(&mut rootfs, request.mtime)?;
    }
    Ok(rootfs)
}
