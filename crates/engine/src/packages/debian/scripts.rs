//! Classifies the scripts of all packages and carries out what recipes ask for.

use std::collections::BTreeSet;

use cvmkit_attest::output::Notice;
use cvmkit_debian::scripts::{
    Access, Alternative, AppArmorLocal, Native, check_triggers, classify, generated, of_control,
};
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::tree::{Inode, Node};

use super::{AssembleError, KERNEL_PACKAGES, Package, Request, certificates, pam, shells};
use crate::rootfs::assembly::{Assembly, bare};
use crate::rootfs::effects::{self, DefaultUnit, SystemAccount};
use crate::rootfs::{Accounts, Idle, RootfsError, capability};

/// What the scripts of all packages come to, each with its package, by name of the package.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects {
    /// What steps of the root file system do.
    pub root: effects::Effects,
    /// Candidates of link groups.
    pub alternatives: Vec<(String, Alternative)>,
    /// Everything else.
    pub native: Vec<(String, Native)>,
    /// Local includes of AppArmor profiles.
    pub apparmor_locals: Vec<AppArmorLocal>,
    /// Kernel releases to index the modules of.
    pub kernels: Vec<String>,
}

/// Reads the scripts and triggers of the request's packages, by name of the package.
pub(super) fn classify_request(
    assembly: &mut Assembly<'_>,
    request: &Request<'_>,
) -> Result<Effects, AssembleError> {
    let mut packages: Vec<&Package> = request.packages.iter().collect();
    packages.sort_by_key(|package| &package.name);
    let mut effects = Effects::default();
    let mut idle = Vec::new();
    for package in &packages {
        let wanted = request.skip.get(&package.name);
        let mut skipping = Skipping { wanted, done: BTreeSet::new() };
        classify_package(assembly, package, &mut skipping, &mut effects)?;
        for sha256 in skipping.idle() {
            let why = "matches none of its scripts that need to be skipped".to_owned();
            idle.push(Idle { key: skip_key(&package.name), value: sha256.to_string(), why });
        }
    }
    for (name, skipped) in &request.skip {
        if packages.iter().all(|package| package.name != *name) {
            let value = skipped.iter().map(Sha256::to_string).collect::<Vec<_>>().join(", ");
            let why = "is of a package that is not in the image".to_owned();
            idle.push(Idle { key: skip_key(name), value, why });
        }
    }
    if idle.is_empty() { Ok(effects) } else { Err(RootfsError::NoEffect(idle).into()) }
}

fn skip_key(package: &str) -> String {
    format!("packages.scripts.\"{package}\".skip")
}

/// What the definition says to skip of one package, and what of it came up.
struct Skipping<'a> {
    wanted: Option<&'a BTreeSet<Sha256>>,
    done: BTreeSet<Sha256>,
}

impl Skipping<'_> {
    /// True if what has this digest is to be skipped.
    fn skips(&mut self, sha256: Sha256) -> bool {
        let skips = self.wanted.is_some_and(|wanted| wanted.contains(&sha256));
        if skips {
            self.done.insert(sha256);
        }
        skips
    }

    fn all(&self) -> Vec<Sha256> {
        self.wanted.into_iter().flatten().copied().collect()
    }

    fn idle(self) -> Vec<Sha256> {
        self.wanted.into_iter().flatten().filter(|one| !self.done.contains(one)).copied().collect()
    }
}

fn classify_package(
    assembly: &mut Assembly<'_>,
    package: &Package,
    skipping: &mut Skipping<'_>,
    effects: &mut Effects,
) -> Result<(), AssembleError> {
    let name = &package.name;
    if let Some(triggers) = package.control.files.get("triggers")
        && let Err(unknown) = check_triggers(name, triggers)
    {
        let sha256 = Sha256::of(triggers);
        if !skipping.skips(sha256) {
            let skipped = skipping.all();
            return Err(AssembleError::UnknownTrigger { unknown, sha256, skipped });
        }
        skipped(assembly, name, "triggers", sha256, "");
    }
    for (kind, text) in of_control(&package.control.files) {
        let found = match classify(name, kind, text) {
            Ok(found) => found,
            Err(unknown) => {
                let sha256 = Sha256::of(unknown.text.as_bytes());
                if !skipping.skips(sha256) {
                    let skipped = skipping.all();
                    return Err(AssembleError::UnknownScript { unknown, skipped });
                }
                skipped(assembly, name, kind.file_name(), sha256, &unknown.text);
                generated(name, text)
            }
        };
        if !found.why.is_empty() {
            assembly.note(format!("{} of {name}: {}", kind.file_name(), found.why));
        }
        effects.add(name, found);
    }
    Ok(())
}

fn skipped(assembly: &mut Assembly<'_>, package: &str, script: &str, sha256: Sha256, text: &str) {
    assembly.notices.push(Notice::ScriptSkipped {
        package: package.to_owned(),
        script: script.to_owned(),
        sha256,
        lost_capabilities: capabilities(text),
    });
}

/// The `setcap` calls of a script that name a capability, as far as they can be read.
fn capabilities(text: &str) -> Vec<String> {
    let calls =
        text.lines().flat_map(|line| line.match_indices("setcap ").map(move |at| (line, at.0)));
    let mut found: Vec<String> = Vec::new();
    for (line, at) in calls {
        let rest = line.get(at..).unwrap_or_default();
        let end = rest.find([';', '&', '|', '>', '\'', ')']).unwrap_or(rest.len());
        let call = rest.get(..end).unwrap_or_default().trim();
        let names = call.to_ascii_lowercase().contains("cap_") || call.contains('$');
        if names && !found.iter().any(|known| known == call) {
            found.push(call.to_owned());
        }
    }
    found
}

impl Effects {
    fn add(&mut self, package: &str, found: cvmkit_debian::scripts::Effects) {
        let named = |name: &str| name.to_owned();
        let mut unit =
            |name, user| self.root.units.push((named(package), DefaultUnit { name, user }));
        found.units.into_iter().for_each(|found| unit(found.name, found.user));
        self.alternatives.extend(found.alternatives.into_iter().map(|one| (named(package), one)));
        self.apparmor_locals.extend(found.apparmor_locals);
        for native in found.native {
            let account = match native {
                Native::Enable(name) => {
                    unit(named(name), false);
                    continue;
                }
                Native::ModuleIndex => {
                    let release = package.strip_prefix(KERNEL_PACKAGES).unwrap_or(package);
                    self.kernels.push(named(release));
                    continue;
                }
                Native::SystemGroup { name } => SystemAccount::Group { name: named(name) },
                Native::SystemUser { name, comment, home } => SystemAccount::User {
                    name: named(name),
                    comment: named(comment),
                    home: named(home),
                },
                other => {
                    self.native.push((named(package), other));
                    continue;
                }
            };
            self.root.accounts.push((named(package), account));
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
        Native::Capabilities { path, text } => capable(assembly, package, path, text),
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

/// setcap(8), which refuses what is no regular file.
fn capable(
    assembly: &mut Assembly<'_>,
    package: &str,
    path: &str,
    text: &str,
) -> Result<(), RootfsError> {
    let Some(id) = assembly.find(path).filter(|_| assembly.is_file(path)) else {
        assembly.note(format!("no {path} for the capabilities of {package}"));
        return Ok(());
    };
    let value = capability::attribute(text).map_err(|why| RootfsError::Unsupported {
        path: bare(path).to_owned(),
        what: format!("capabilities `{text}` of {package} ({why})"),
    })?;
    let xattrs = &mut assembly.tree.meta_mut(id).xattrs;
    xattrs.insert(capability::ATTRIBUTE.as_bytes().to_vec(), value);
    assembly.note(format!("{path} has {text} ({package})"));
    Ok(())
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
