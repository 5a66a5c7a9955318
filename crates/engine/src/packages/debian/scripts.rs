//! Classifies the scripts of all packages and carries out what recipes ask for.

use std::collections::BTreeSet;

use cvmkit_attest::output::Notice;
use cvmkit_debian::scripts::{
    Access, Alternative, AppArmorLocal, Native, check_triggers, classify, generated, of_control,
};
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::tree::{Inode, Node};

use super::error::AssembleError;
use super::package::{KERNEL_PACKAGES, Package};
use super::request::Request;
use super::{certificates, pam, shells};
use crate::rootfs::assembly::{Assembly, bare};
use crate::rootfs::effects::{self, DefaultUnit, SystemAccount};
use crate::rootfs::{Accounts, RootfsError, Unused, capability};

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
    let mut unused = Vec::new();
    for package in &packages {
        let wanted = request.skip.get(&package.name);
        let mut skipping = Skipping { wanted, done: BTreeSet::new() };
        classify_package(assembly, package, &mut skipping, &mut effects)?;
        for sha256 in skipping.unused() {
            let why = "matches none of its scripts that need to be skipped".to_owned();
            unused.push(Unused { key: skip_key(&package.name), value: sha256.to_string(), why });
        }
    }
    for (name, skipped) in &request.skip {
        if packages.iter().all(|package| package.name != *name) {
            let value = skipped.iter().map(Sha256::to_string).collect::<Vec<_>>().join(", ");
            let why = "is of a package that is not in the image".to_owned();
            unused.push(Unused { key: skip_key(name), value, why });
        }
    }
    if unused.is_empty() { Ok(effects) } else { Err(RootfsError::NoEffect(unused).into()) }
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

    fn unused(self) -> Vec<Sha256> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::tests::{MASTERS, access, assembly, at, refused};
    use crate::rootfs::{self, accounts};

    const ACCESS: Access = Access { mode: 0o750, user: "daemon", group: "adm" };

    /// The tree of `files` after one native of the package `p`; `daemon` is user 1, `adm` group 4.
    fn after<'a>(
        request: &'a rootfs::Request<'a>,
        files: &[(&str, &str)],
        native: Native,
    ) -> Result<Assembly<'a>, RootfsError> {
        let mut assembly = assembly(request, files);
        assembly.write("/usr/lib/sysusers.d/x.conf", 0o644, "u daemon 1\ng adm 4\n")?;
        let accounts = accounts::collect(&mut assembly, &effects::Effects::default(), MASTERS)?;
        one(&mut assembly, "p", native, &accounts)?;
        Ok(assembly)
    }

    #[test]
    fn what_is_there_already_is_not_made_again() {
        let request = rootfs::Request::default();
        let file = Native::File { path: "/etc/x", access: ACCESS, text: "new" };
        let folder = Native::Directory { path: "/etc/x", access: ACCESS };
        let link = Native::Link { path: "/etc/x", target: "new" };
        let copy = Native::Copy { from: "/usr/share/x", to: "/etc/x" };
        let packaged = ("/usr/share/x", "packaged");
        for (native, made) in [(file, "new"), (folder, "/"), (link, "-> new"), (copy, "packaged")] {
            let found = after(&request, &[packaged], native).unwrap();
            assert_eq!(at(&found, "/etc/x").as_deref(), Some(made), "{native:?}");
            for old in ["old", "-> nowhere"] {
                let found = after(&request, &[packaged, ("/etc/x", old)], native).unwrap();
                assert_eq!(at(&found, "/etc/x").as_deref(), Some(old), "{native:?}");
            }
        }
        for native in [file, folder] {
            let found = after(&request, &[], native).unwrap();
            assert_eq!(access(&found, "/etc/x"), (0o750, 1, 4), "{native:?}");
        }
        let found = after(&request, &[], copy).unwrap();
        assert_eq!(at(&found, "/etc/x"), None);
        assert_eq!(found.log.last().unwrap(), "no /etc/x: /usr/share/x is not there");
    }

    #[test]
    fn a_copy_has_the_mode_of_its_original() {
        let request = rootfs::Request::default();
        let mut tree = assembly(&request, &[]);
        tree.write("/usr/share/x", 0o640, "text").unwrap();
        copy(&mut tree, "/usr/share/x", "/etc/x").unwrap();
        assert_eq!(access(&tree, "/etc/x").0, 0o640);
        assert_ne!(tree.find("/etc/x"), tree.find("/usr/share/x"), "two files");
    }

    #[test]
    fn an_empty_directory_becomes_a_link_and_a_full_one_is_refused() {
        let request = rootfs::Request::default();
        let native = Native::Relink { path: "/etc/x", target: "/run/x" };
        for files in [&[][..], &[("/etc/x/", "")], &[("/etc/x", "-> old")], &[("/etc/x", "file")]] {
            let found = after(&request, files, native).unwrap();
            assert_eq!(at(&found, "/etc/x").as_deref(), Some("-> /run/x"), "{files:?}");
        }
        let full = after(&request, &[("/etc/x/y", "")], native);
        refused(full, "`/etc/x` holds files, but must become a link to `/run/x`: not supported");
    }

    /// dpkg-statoverride(1) and setcap(8), which need a file.
    #[test]
    fn owners_and_capabilities_are_of_what_is_there() {
        let request = rootfs::Request::default();
        let own = Native::Owner { path: "/usr/bin/x", access: ACCESS };
        let found = after(&request, &[("/usr/bin/x", "")], own).unwrap();
        assert_eq!(access(&found, "/usr/bin/x"), (0o750, 1, 4));
        let note = "/usr/bin/x is 0750 daemon:adm (statoverride of p)";
        assert_eq!(found.log.last().unwrap(), note);
        let found = after(&request, &[], own).unwrap();
        assert_eq!(found.log.last().unwrap(), "no /usr/bin/x for the statoverride of p");

        let attribute = capability::ATTRIBUTE.as_bytes();
        let raw = |text| Native::Capabilities { path: "/usr/bin/x", text };
        let found = after(&request, &[("/usr/bin/x", "")], raw("cap_net_raw+ep")).unwrap();
        let id = found.find("/usr/bin/x").unwrap();
        let value = &found.tree.inode(id).meta.xattrs[attribute];
        assert_eq!(*value, capability::attribute("cap_net_raw+ep").unwrap());
        for files in [&[][..], &[("/usr/bin/x/", "")]] {
            let found = after(&request, files, raw("cap_net_raw+ep")).unwrap();
            let note = "no /usr/bin/x for the capabilities of p";
            assert_eq!(found.log.last().unwrap(), note, "{files:?}");
        }
        let wrong = after(&request, &[("/usr/bin/x", "")], raw("cap_nothing+ep"));
        refused(wrong, "capabilities `cap_nothing+ep` of p (unknown capability `cap_nothing`)");
        let nobody = Access { user: "nobody-there", ..ACCESS };
        let native = Native::Owner { path: "/usr/bin/x", access: nobody };
        refused(after(&request, &[("/usr/bin/x", "")], native), "p needs the user `nobody-there`");
    }

    #[test]
    fn a_folder_that_must_be_empty_is_refused_with_its_files() {
        let request = rootfs::Request::default();
        let native = Native::Absent { path: "/etc/x", what: "hooks" };
        for files in [&[][..], &[("/etc/x/", "")], &[("/etc/y/z", "")]] {
            after(&request, files, native).unwrap();
        }
        refused(
            after(&request, &[("/etc/x/y", "")], native),
            "`/etc/x` holds hooks: not supported",
        );
    }

    #[test]
    fn local_profiles_are_made_beside_profiles_that_are_there() {
        let request = rootfs::Request::default();
        let local = |name: &str| AppArmorLocal {
            profile: format!("/etc/apparmor.d/{name}"),
            local: format!("/etc/apparmor.d/local/{name}"),
        };
        let effects =
            Effects { apparmor_locals: ["a", "b", "c"].map(local).into(), ..Effects::default() };
        let files = [
            ("/etc/apparmor.d/a", "profile"),
            ("/etc/apparmor.d/b", "profile"),
            ("/etc/apparmor.d/local/b", "mine"),
        ];
        let mut found = assembly(&request, &files);
        apply(&mut found, &effects, &Accounts::default()).unwrap();
        let local = |name: &str| at(&found, &format!("/etc/apparmor.d/local/{name}"));
        assert_eq!(
            (local("a"), local("b"), local("c")),
            (Some(String::new()), Some("mine".into()), None)
        );
    }

    #[test]
    fn effects_are_sorted_by_who_carries_them_out() {
        use cvmkit_debian::scripts::EnabledUnit;
        let mut effects = Effects::default();
        let link = Native::Link { path: "/a", target: "b" };
        let found = cvmkit_debian::scripts::Effects {
            units: vec![EnabledUnit { name: "u.service".into(), user: true }],
            native: vec![
                Native::Enable("e.service"),
                Native::ModuleIndex,
                Native::SystemGroup { name: "g" },
                Native::SystemUser { name: "s", comment: "c", home: "/h" },
                link,
            ],
            ..Default::default()
        };
        effects.add("linux-image-6.12.0-amd64", found.clone());
        effects.add("kernel-of-ours", found);
        let unit = |name: &str, user| DefaultUnit { name: name.into(), user };
        let units: Vec<&DefaultUnit> = effects.root.units.iter().map(|(_, unit)| unit).collect();
        let (first, second) = (unit("u.service", true), unit("e.service", false));
        assert_eq!(units, [&first, &second, &first, &second]);
        assert_eq!(effects.kernels, ["6.12.0-amd64", "kernel-of-ours"]);
        let group = SystemAccount::Group { name: "g".into() };
        let user = SystemAccount::User { name: "s".into(), comment: "c".into(), home: "/h".into() };
        let accounts: Vec<&SystemAccount> =
            effects.root.accounts.iter().map(|(_, account)| account).collect();
        assert_eq!(accounts, [&group, &user, &group, &user]);
        let package = || "kernel-of-ours".to_owned();
        assert_eq!(effects.native.last(), Some(&(package(), link)));
        assert_eq!(effects.native.len(), 2);
    }

    #[test]
    fn capabilities_that_a_skipped_script_would_set_are_found() {
        for (text, found) in [
            ("setcap cap_net_raw+ep /usr/bin/x", &["setcap cap_net_raw+ep /usr/bin/x"][..]),
            ("  if ! setcap cap_a+ep /x; then echo no; fi\n", &["setcap cap_a+ep /x"]),
            (
                "setcap CAP_A+ep /x || setcap cap_b=p /y",
                &["setcap CAP_A+ep /x", "setcap cap_b=p /y"],
            ),
            ("setcap \"$caps\" /x >/dev/null", &["setcap \"$caps\" /x"]),
            ("x=$(setcap cap_a+p /x)", &["setcap cap_a+p /x"]),
            ("setcap cap_a+p /x\nsetcap cap_a+p /x\n", &["setcap cap_a+p /x"]),
            ("echo 'setcap failed'", &[]),
            ("command -v setcap >/dev/null", &[]),
            ("setcap -r /x", &[]),
            ("", &[]),
        ] {
            assert_eq!(capabilities(text), found, "{text}");
        }
    }
}
