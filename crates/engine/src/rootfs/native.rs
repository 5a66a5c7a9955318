//! Classifies the scripts of all packages and carries out what recipes ask for.

use cvmkit_debian::scripts::{
    Access, Alternative, AppArmorLocal, EnabledUnit, Native, check_triggers, classify, generated,
    of_control,
};
use cvmkit_formats::tree::{Inode, Node};

use super::assembly::{Assembly, bare};
use super::{Accounts, Package, RootfsError, ScriptDecision, certificates, pam, shells};

/// What the scripts of all packages come to, each with its package, by name of the package.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects {
    /// Units Debian enables.
    pub units: Vec<(String, EnabledUnit)>,
    /// Candidates of link groups.
    pub alternatives: Vec<(String, Alternative)>,
    /// Everything else.
    pub native: Vec<(String, Native)>,
    /// Local includes of AppArmor profiles.
    pub apparmor_locals: Vec<AppArmorLocal>,
    /// Kernel releases to index the modules of.
    pub kernels: Vec<String>,
}

/// Reads the scripts and triggers of every package.
pub(super) fn classify_all(
    packages: &mut dyn Iterator<Item = &Package>,
    decide: &dyn Fn(&str) -> Option<ScriptDecision>,
    log: &mut Vec<String>,
) -> Result<Effects, RootfsError> {
    let mut effects = Effects::default();
    for package in packages {
        let name = &package.name;
        let skips = decide(name) == Some(ScriptDecision::Skip);
        if let Some(triggers) = package.control.files.get("triggers").filter(|_| !skips) {
            check_triggers(name, triggers)?;
        }
        for (kind, text) in of_control(&package.control.files) {
            let found = match classify(name, kind, text) {
                Err(unknown) if skips => {
                    log.push(format!(
                        "skipped the {} of {name} as the definition says (SHA-256 {})",
                        kind.file_name(),
                        unknown.sha256
                    ));
                    generated(name, text)
                }
                found => found?,
            };
            if !found.why.is_empty() {
                log.push(format!("{} of {name}: {}", kind.file_name(), found.why));
            }
            effects.add(name, found);
        }
    }
    Ok(effects)
}

/// Reads the scripts and triggers of the request's packages, by name of the package.
pub(super) fn classify_request(assembly: &mut Assembly<'_>) -> Result<Effects, RootfsError> {
    let request = assembly.request;
    let mut packages: Vec<&Package> = request.packages.iter().collect();
    packages.sort_by_key(|package| &package.name);
    classify_all(
        &mut packages.into_iter(),
        &|name| request.scripts.get(name).copied(),
        &mut assembly.log,
    )
}

impl Effects {
    fn add(&mut self, package: &str, found: cvmkit_debian::scripts::Effects) {
        let named = |name: &str| name.to_owned();
        self.units.extend(found.units.into_iter().map(|unit| (named(package), unit)));
        self.alternatives.extend(found.alternatives.into_iter().map(|one| (named(package), one)));
        self.apparmor_locals.extend(found.apparmor_locals);
        for native in found.native {
            match native {
                Native::Enable(unit) => {
                    let unit = EnabledUnit { name: named(unit), user: false };
                    self.units.push((named(package), unit));
                }
                Native::ModuleIndex => {
                    let release = package.strip_prefix("linux-image-").unwrap_or(package);
                    self.kernels.push(named(release));
                }
                other => self.native.push((named(package), other)),
            }
        }
    }
}

/// Carries out the natives that make files.
pub(super) fn apply(
    assembly: &mut Assembly<'_>,
    effects: &Effects,
    accounts: &Accounts,
) -> Result<(), RootfsError> {
    for (package, native) in &effects.native {
        one(assembly, package, *native, accounts)?;
    }
    for AppArmorLocal { profile, local } in &effects.apparmor_locals {
        if assembly.is_file(profile) && !assembly.occupied(local) {
            assembly.write(local, 0o644, "")?;
        }
    }
    Ok(())
}

fn one(
    assembly: &mut Assembly<'_>,
    package: &str,
    native: Native,
    accounts: &Accounts,
) -> Result<(), RootfsError> {
    match native {
        Native::Copy { from, to } => copy(assembly, from, to),
        Native::Directory { path, access } if !assembly.occupied(path) => {
            let inode = Inode::directory(meta(assembly, package, access, accounts)?);
            assembly.put(path, inode)
        }
        Native::File { path, access, text } if !assembly.occupied(path) => {
            let inode = Inode::file(meta(assembly, package, access, accounts)?, text.into());
            assembly.put(path, inode)
        }
        Native::Link { path, target } if !assembly.occupied(path) => assembly.link(path, target),
        Native::Relink { path, target } => relink(assembly, path, target),
        Native::Owner { path, access } => own(assembly, package, path, access, accounts),
        Native::Shells => shells::write(assembly),
        Native::Certificates => certificates::write(assembly),
        Native::PamProfiles => pam::write(assembly),
        Native::Absent { path, what } if !assembly.names(path)?.is_empty() => {
            let path = bare(path).to_owned();
            Err(RootfsError::Unsupported { path, what: what.to_owned() })
        }
        // Something is there already, or another step takes care of it.
        _ => Ok(()),
    }
}

fn meta(
    assembly: &Assembly<'_>,
    package: &str,
    access: Access,
    accounts: &Accounts,
) -> Result<cvmkit_formats::tree::Meta, RootfsError> {
    let mut meta = assembly.root(access.mode);
    meta.uid = accounts.uid(access.user, package)?;
    meta.gid = accounts.gid(access.group, package)?;
    Ok(meta)
}

/// The copy shares the contents; a source that `exclude` left out has no copy.
fn copy(assembly: &mut Assembly<'_>, from: &str, to: &str) -> Result<(), RootfsError> {
    if assembly.occupied(to) {
        return Ok(());
    }
    let Some(id) = assembly.find(from) else {
        assembly.note(format!("no {to}: {from} is not there"));
        return Ok(());
    };
    let inode = assembly.tree.inode(id).clone();
    assembly.put(to, inode)
}

fn relink(assembly: &mut Assembly<'_>, path: &str, target: &str) -> Result<(), RootfsError> {
    let existing = assembly.tree.lookup(bare(path).as_bytes());
    if let Some(id) = existing.filter(|&id| assembly.tree.inode(id).is_directory()) {
        if assembly.tree.entries(id).next().is_some() {
            return Err(RootfsError::Unsupported {
                path: bare(path).to_owned(),
                what: format!("files, but must become a link to `{target}`"),
            });
        }
        assembly.tree.remove(bare(path).as_bytes());
    }
    assembly.link(path, target)
}

fn own(
    assembly: &mut Assembly<'_>,
    package: &str,
    path: &str,
    access: Access,
    accounts: &Accounts,
) -> Result<(), RootfsError> {
    let Some(id) = assembly.find(path) else {
        // `dpkg-statoverride --update` warns here too: there is nothing that could be too open.
        assembly.note(format!("no {path} for the statoverride of {package}"));
        return Ok(());
    };
    let (uid, gid) = (accounts.uid(access.user, package)?, accounts.gid(access.group, package)?);
    debug_assert!(!matches!(assembly.tree.inode(id).node, Node::Symlink(_)));
    let meta = assembly.tree.meta_mut(id);
    (meta.mode, meta.uid, meta.gid) = (access.mode, uid, gid);
    assembly.note(format!(
        "{path} is {:04o} {}:{} (statoverride of {package})",
        access.mode, access.user, access.group
    ));
    Ok(())
}
