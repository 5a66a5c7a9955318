//! Debian: suites that are signed, packages that are chosen, and the root file system that dpkg would make
//! of them, with no maintainer script run.
//!
//! [`Archives`] chooses packages from suites that a [`Judge`] trusts; [`open`] decodes one; [`assemble`]
//! unpacks them, classifies their scripts, and carries out what the scripts ask for as native effects, in
//! the order of the function's body, between the steps of [`crate::rootfs`]. An unknown script or trigger
//! and two packages that write one path are errors.
//!
//! Nothing else in the engine names the crate `cvmkit_debian`. Deliberately absent: running scripts,
//! conffile questions. Oracle: apt's choice of packages, and the tree that dpkg makes of them.

mod alternatives;
mod archives;
mod certificates;
pub mod commands;
mod database;
mod error;
mod exclude;
mod package;
mod pam;
mod request;
mod scripts;
mod shells;
mod source;
mod suite;
mod unpack;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::rootfs::assembly::Assembly;
use crate::rootfs::{
    Accounts, Rootfs, accounts, identity, libraries, overlay, programs, remake_var_at_boot,
    terminals, tmpfiles, units,
};
pub(crate) use archives::Archives;
pub use cvmkit_debian::openpgp::Fingerprint;
pub(crate) use cvmkit_debian::release::{SIZE_MAX, is_archive_name, is_pool_path};
pub(crate) use cvmkit_debian::resolver::Options;
pub use cvmkit_debian::resolver::ResolveError;
pub(crate) use database::{Installed, installed};
pub use error::AssembleError;
pub use package::{AnotherPackage, DebError, Package};
pub(crate) use package::{BASE_PACKAGE, KERNEL_PACKAGES, PackageError, identify, keep, open};
pub use request::{PackageDatabase, Request};
use scripts::Effects;
pub use source::Source;
pub use suite::{Accepted, SuiteError};
pub(crate) use suite::{Judge, KeyFile, TrustedSuite};

/// The accounts that Debian fixes (base-passwd(5), Debian Policy 9.2.2).
const MASTERS: accounts::Masters = accounts::Masters {
    package: "base-passwd",
    passwd: "/usr/share/base-passwd/passwd.master",
    group: "/usr/share/base-passwd/group.master",
};

/// The ids of the accounts that a root file system has and nothing fixes, by name: with
/// [`Ids::GivenOut`](crate::rootfs::Ids::GivenOut), those that belong into its lock.
///
/// # Errors
/// As for [`assemble`], as far as it goes for this.
pub fn unfixed_ids(request: &Request<'_>) -> Result<BTreeMap<String, u32>, AssembleError> {
    let (_, _, accounts) = populate(&mut Assembly::new(&request.root), request)?;
    Ok(accounts.unfixed().clone())
}

/// Puts packages and local files into the tree, reads the scripts, and collects the accounts.
fn populate<'a>(
    assembly: &mut Assembly<'a>,
    request: &'a Request<'a>,
) -> Result<(BTreeSet<&'a str>, Effects, Accounts), AssembleError> {
    unpack::packages(assembly, request)?;
    let kept = overlay::place(assembly)?;
    let effects = scripts::classify_request(assembly, request)?;
    let accounts = accounts::collect(assembly, &effects.root, MASTERS)?;
    Ok((kept, effects, accounts))
}

/// Assembles a root file system.
///
/// # Errors
/// [`AssembleError`], each naming the package or path it is about.
pub fn assemble(request: &Request<'_>) -> Result<Rootfs, AssembleError> {
    let mut assembly = Assembly::new(&request.root);
    let (kept, effects, accounts) = populate(&mut assembly, request)?;
    accounts::write(&mut assembly, &accounts)?;
    scripts::apply(&mut assembly, &effects, &accounts)?;
    tmpfiles::apply(&mut assembly, &accounts)?;
    alternatives::apply(&mut assembly, &effects, request.package_database)?;
    units::apply(&mut assembly, &effects.root)?;
    identity::apply(&mut assembly)?;
    libraries::check(&assembly)?;
    database::write(&mut assembly, &effects, request)?;
    overlay::place_owned(&mut assembly, &accounts, &kept)?;
    units::check_masks(&assembly)?;
    programs::check_own(&assembly)?;
    let mut notices = units::enabled::check(&assembly, &effects.root)?;
    notices.extend(terminals::check(&assembly)?);
    let Assembly { tree, owners, log, notices: mut all, .. } = assembly;
    all.extend(notices);
    let kernels = effects.kernels;
    let mut rootfs = Rootfs { tree, owners, accounts, log, notices: all, kernels };
    if request.root.volatile_var {
        remake_var_at_boot(&mut rootfs, request.root.mtime)?;
    }
    Ok(rootfs)
}
