//! Debian: suites that are signed, packages that are chosen, and the root file system that dpkg would make
//! of them, with its maintainer scripts evaluated.
//!
//! [`Archives`] chooses packages from suites that a [`Judge`] trusts; [`open`] decodes one; [`assemble`]
//! installs them, then carries out what scripts ask for and other steps decide together, in the order of
//! the function's body, between the steps of [`crate::rootfs`]. A script that can't be evaluated and two
//! packages that write one path are errors.
//!
//! Nothing else in the engine names the crate `cvmkit_debian`. Deliberately absent: processes, conffile
//! questions. Oracle: apt's choice of packages, and the tree that dpkg makes of them.

mod alternatives;
mod archives;
mod base;
mod certificates;
mod closure;
pub mod commands;
mod database;
mod error;
mod exclude;
mod installation;
mod local;
mod order;
mod package;
mod pam;
mod request;
mod runs;
#[cfg(test)]
pub(crate) mod sample;
mod skip;
mod source;
mod suite;
mod sysusers;
mod triggers;
mod unpack;

#[cfg(test)]
mod tests;

use cvmkit_attest::output::Notice;

use crate::rootfs::assembly::Assembly;
use crate::rootfs::effects::{DefaultUnit, Effects};
use crate::rootfs::{
    Evaluated, Rootfs, accounts, audit, identity, layer, libraries, overlay, programs,
    remake_var_at_boot, terminals, tmpfiles, units,
};
pub(crate) use archives::{Archives, Chosen, Gone};
pub use closure::ClosureError;
pub(crate) use closure::{Dropped, Whole};
pub use commands::AnswerProblem;
use commands::{Asked, LeftOut};
pub use cvmkit_debian::openpgp::Fingerprint;
pub(crate) use cvmkit_debian::relation::is_package_name;
pub(crate) use cvmkit_debian::release::{SIZE_MAX, is_archive_name, is_pool_path};
pub(crate) use cvmkit_debian::resolver::Options;
pub use cvmkit_debian::resolver::{Flaw, Need, ResolveError};
pub(crate) use database::{Installed, installed};
pub use error::{AssembleError, ScriptProblem};
pub(crate) use local::{LocalIndex, LocalPackages};
pub use local::{LocalPackagesError, LocalProblem};
pub use package::{AnotherPackage, DebError, Package};
pub(crate) use package::{BASE_PACKAGE, KERNEL_PACKAGES, PackageError, identify, keep, open};
pub use request::{Given, PackageDatabase, Request};
pub use source::Source;
pub(crate) use source::is_flat;
pub use suite::{Accepted, SuiteError};
pub(crate) use suite::{Judge, KeyFile, TrustedSuite, own_suites};

/// Evaluates the maintainer scripts of a root file system, for its lock.
///
/// # Errors
/// As for [`assemble`], as far as it goes for this.
pub fn evaluate(request: &Request<'_>) -> Result<Evaluated, AssembleError> {
    let outcome = installation::install(&mut Assembly::new(&request.root), request)?;
    Ok(Evaluated { ids: outcome.accounts.unfixed().clone(), scripts: outcome.scripts })
}

/// Assembles a root file system.
///
/// # Errors
/// [`AssembleError`], each naming the package or path it is about.
pub fn assemble(request: &Request<'_>) -> Result<Rootfs, AssembleError> {
    let mut assembly = Assembly::new(&request.root);
    let outcome = installation::install(&mut assembly, request)?;
    let installation::Outcome { kept, asked, mut accounts, scripts } = outcome;
    let effects = enabled(&asked);
    accounts::close(&mut assembly, &mut accounts)?;
    collect(&mut assembly, &asked)?;
    tmpfiles::apply(&mut assembly, &accounts)?;
    alternatives::write(&mut assembly, &asked.alternatives, request.package_database)?;
    units::apply(&mut assembly, &effects)?;
    identity::apply(&mut assembly)?;
    libraries::check(&assembly)?;
    database::write(&mut assembly, &asked, request)?;
    layer::place_again(&mut assembly)?;
    overlay::place_owned(&mut assembly, &accounts, &kept)?;
    units::check_masks(&assembly)?;
    programs::check_own(&assembly)?;
    let mut notices = units::enabled::check(&assembly, &effects)?;
    notices.extend(terminals::check(&assembly)?);
    notices.extend(left_out(&asked));
    let findings = audit::find(&assembly, request.root.check_needs)?;
    let Assembly { tree, owners, log, notices: mut all, .. } = assembly;
    all.extend(notices);
    let kernels = asked.kernels;
    let mut rootfs =
        Rootfs { tree, owners, accounts, log, notices: all, scripts, findings, kernels };
    if request.root.volatile_var {
        remake_var_at_boot(&mut rootfs, request.root.mtime)?;
    }
    Ok(rootfs)
}

/// The units that scripts enable.
fn enabled(asked: &Asked) -> Effects {
    let unit = |unit: &commands::Unit| {
        let of = DefaultUnit { name: unit.name.clone(), user: unit.is_user };
        (unit.package.clone(), of)
    };
    Effects { units: asked.units.iter().map(unit).collect() }
}

/// Puts together what programs put together whose calls were declined, when all packages are there.
fn collect(assembly: &mut Assembly<'_>, asked: &Asked) -> Result<(), AssembleError> {
    let has = |name: &str| asked.declined.iter().any(|(declined, _)| declined == name);
    if has("update-ca-certificates") {
        certificates::write(assembly)?;
    }
    if has("pam-auth-update") {
        pam::write(assembly)?;
    }
    Ok(())
}

/// Keys and data that scripts wanted to make, and that the image does not have.
fn left_out(asked: &Asked) -> Vec<Notice> {
    let keys = asked.secrets.iter().cloned();
    let keys = keys.map(|LeftOut { package, call }| Notice::KeysLeftOut { package, call });
    let data = asked.data.iter().cloned();
    keys.chain(data.map(|LeftOut { package, call }| Notice::DataLeftOut { package, call }))
        .collect()
}
