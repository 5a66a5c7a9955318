//! dpkg's database, in the place where dpkg and scanners look for it (`/var/lib/dpkg`).
//!
//! `status`, `info/*`, `diversions` and `triggers/*` are those of freshly installed packages.
//! Deliberately absent: `alternatives/*` of update-alternatives(1), triggers that wait.
//!
//! Oracle: `dpkg-query --admindir`, `dpkg-divert --admindir --list`.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_debian::deb822;
use cvmkit_debian::scripts::Native;
use cvmkit_formats::archive::{Entry, EntryKind};
use cvmkit_formats::source::read_all;
use md5::Digest as _;

use super::scripts::Effects;
use super::{AssembleError, Package, Request};
use crate::content::Content;
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::{Assembly, bare};

const ADMIN_DIRECTORY: &str = "/var/lib/dpkg";

/// The longest conffile that is hashed: real ones have a few hundred KB.
const CONFFILE_MAX: u64 = 64 << 20;

/// How much of dpkg's database the image has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PackageDatabase {
    /// `status` with conffiles, diversions, triggers, and every control file but maintainer scripts
    /// that can't run on a read-only root.
    Full,
    /// `status`, `*.list` and `*.md5sums`: what scanners and `dpkg -L`, `-S` and `-V` read.
    #[default]
    Minimal,
    /// Nothing: the list of packages is in the manifest only.
    Absent,
}

/// Writes the database, without what the packages themselves have in its folder.
pub(super) fn write(
    assembly: &mut Assembly<'_>,
    effects: &Effects,
    request: &Request<'_>,
) -> Result<(), AssembleError> {
    nothing_is_diverted(request.packages, effects)?;
    if request.package_database == PackageDatabase::Absent {
        return Ok(());
    }
    let mut packages: Vec<&Package> = request.packages.iter().collect();
    packages.sort_by_key(|package| &package.name);
    let full = request.package_database == PackageDatabase::Full;
    let mut status = String::new();
    for package in &packages {
        let conffiles = if full { conffiles(package)? } else { String::new() };
        status += &stanza(package, &conffiles);
        control_files(assembly, package, full)?;
    }
    for (name, text) in [
        ("info/format", "1\n"),
        ("arch-native", &format!("{}\n", request.architecture)),
        ("arch", &format!("{}\n", request.architecture)),
        ("status", &status),
        ("statoverride", &overrides(effects)),
        ("available", ""),
        ("diversions", &if full { diversions(effects) } else { String::new() }),
    ] {
        assembly.write(&format!("{ADMIN_DIRECTORY}/{name}"), 0o644, text)?;
    }
    for name in ["updates", "triggers", "parts", "alternatives"] {
        let meta = assembly.root(0o755);
        assembly.directory(&format!("{ADMIN_DIRECTORY}/{name}"), meta)?;
    }
    for (name, text) in if full { triggers(&packages) } else { BTreeMap::new() } {
        assembly.write(&format!("{ADMIN_DIRECTORY}/triggers/{name}"), 0o644, text.as_str())?;
    }
    Ok(())
}

/// Refuses a diversion of a file that another package has: dpkg would unpack it elsewhere. Those of
/// recipes are of names that only an upgrade could lose.
fn nothing_is_diverted(packages: &[Package], effects: &Effects) -> Result<(), AssembleError> {
    let diverted: BTreeMap<&[u8], &String> = effects
        .native
        .iter()
        .filter_map(|(package, native)| match native {
            Native::Divert { from, .. } => Some((bare(from).as_bytes(), package)),
            _ => None,
        })
        .collect();
    for package in packages {
        for entry in &package.entries {
            let by = diverted.get(entry.path.as_slice()).filter(|by| ***by != package.name);
            // A directory is never diverted (dpkg-divert(1)).
            let Some(by) = by.filter(|_| entry.kind != EntryKind::Directory) else { continue };
            return Err(AssembleError::Diverted {
                path: format!("/{}", String::from_utf8_lossy(&entry.path)),
                first: (*by).clone(),
                second: package.name.clone(),
            });
        }
    }
    Ok(())
}

/// The field `Conffiles` of `status`: path and MD5 of each, as they came.
fn conffiles(package: &Package) -> Result<String, RootfsError> {
    let Some(list) = package.control.files.get("conffiles") else { return Ok(String::new()) };
    let mut field = String::new();
    for line in String::from_utf8_lossy(list).lines() {
        let path = line.trim();
        // What an upgrade takes away is not there (deb-conffiles(5)).
        if path.is_empty() || path.starts_with("remove-on-upgrade ") {
            continue;
        }
        let entry = package.entries.iter().find(|entry| entry.path == bare(path).as_bytes());
        let Some(EntryKind::File { offset, len }) = entry.map(|entry| &entry.kind) else {
            return Err(RootfsError::Unsupported {
                path: bare(path).to_owned(),
                what: format!("no file of `{}`, which lists it as a conffile", package.name),
            });
        };
        let content = Content::Stored { object: package.data.clone(), offset: *offset, len: *len };
        let bytes = read_all(&content, CONFFILE_MAX)
            .map_err(|source| RootfsError::Read { path: bare(path).to_owned(), source })?;
        field += &format!("\n {path} {}", hex::encode(md5::Md5::digest(&bytes)));
    }
    Ok(field)
}

/// `diversions`: three lines each, from, to, by.
fn diversions(effects: &Effects) -> String {
    let diverted = effects.native.iter().filter_map(|(package, native)| match native {
        Native::Divert { from, to } => Some(format!("{from}\n{to}\n{package}\n")),
        _ => None,
    });
    diverted.collect()
}

/// `triggers/File` for paths, and a file for each other trigger, with the packages that are
/// interested (`lib/dpkg/trigdeferred.c`, `lib/dpkg/triglib.c`).
fn triggers(packages: &[&Package]) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for package in packages {
        let Some(text) = package.control.files.get("triggers") else { continue };
        for line in String::from_utf8_lossy(text).lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let (Some(directive), Some(trigger)) = (words.next(), words.next()) else { continue };
            let Some(kind) = directive.strip_prefix("interest") else { continue };
            let wait = if kind == "-noawait" { "/noawait" } else { "" };
            let name = info_name(package);
            let (file, line) = match trigger.starts_with('/') {
                true => ("File", format!("{trigger} {name}{wait}\n")),
                false => (trigger, format!("{name}{wait}\n")),
            };
            files.entry(file.to_owned()).or_default().push_str(&line);
        }
    }
    files
}

/// A stanza of `status`: the control fields, with the state after the name.
fn stanza(package: &Package, conffiles: &str) -> String {
    let mut text = String::new();
    for (name, value) in package.control.fields.fields() {
        let value = value.trim_end();
        let gap = if value.starts_with('\n') { "" } else { " " };
        text += &format!("{name}:{gap}{value}\n");
        if name.eq_ignore_ascii_case("Package") {
            text += "Status: install ok installed\n";
        }
    }
    if !conffiles.is_empty() {
        text += &format!("Conffiles:{conffiles}\n");
    }
    text.push('\n');
    text
}

fn control_files(
    assembly: &mut Assembly<'_>,
    package: &Package,
    full: bool,
) -> Result<(), RootfsError> {
    const SCRIPTS: &[&str] = &["preinst", "postinst", "prerm", "postrm", "config", "control"];
    let name = info_name(package);
    for (kind, bytes) in &package.control.files {
        if kind == "md5sums" || (full && !SCRIPTS.contains(&kind.as_str())) {
            assembly.write(
                &format!("{ADMIN_DIRECTORY}/info/{name}.{kind}"),
                0o644,
                bytes.clone(),
            )?;
        }
    }
    let list = list(&package.entries);
    assembly.write(&format!("{ADMIN_DIRECTORY}/info/{name}.list"), 0o644, list)
}

/// `Multi-Arch: same` packages can be there once for each architecture: the name tells.
fn info_name(package: &Package) -> String {
    let same = package.control.fields.get("Multi-Arch").is_some_and(|value| value == "same");
    match same {
        true => format!("{}:{}", package.name, package.architecture),
        false => package.name.clone(),
    }
}

/// Every path of the package, as it is in the package; the root is `/.`.
fn list(entries: &[Entry]) -> Vec<u8> {
    let mut list = Vec::new();
    for entry in entries {
        list.push(b'/');
        list.extend_from_slice(if entry.path.is_empty() { b"." } else { &entry.path });
        list.push(b'\n');
    }
    list
}

/// `statoverride`: owner, group, mode and path of every packaged file that differs.
fn overrides(effects: &Effects) -> String {
    let lines: BTreeMap<&str, String> = effects
        .native
        .iter()
        .filter_map(|(_, native)| match native {
            Native::Owner { path, access } => {
                let line = format!("{} {} {:o} {path}\n", access.user, access.group, access.mode);
                Some((*path, line))
            }
            _ => None,
        })
        .collect();
    lines.into_values().collect()
}

/// Name, version and architecture.
pub(crate) type Installed = (String, String, String);

/// The packages of a file `status`, of which every stanza has to be of one that is installed once.
///
/// # Errors
/// Why the file can't be read, in words.
pub(crate) fn installed(status: &[u8]) -> Result<BTreeSet<Installed>, String> {
    let text = str::from_utf8(status).map_err(|error| error.to_string())?;
    let mut installed = BTreeSet::new();
    for stanza in deb822::paragraphs(text) {
        let stanza = stanza.map_err(|error| error.to_string())?;
        let field = |name: &str| {
            let value = stanza.get(name).map(str::to_owned);
            value.ok_or_else(|| format!("a stanza without `{name}`"))
        };
        let package = (field("Package")?, field("Version")?, field("Architecture")?);
        if !installed.insert(package.clone()) {
            return Err(format!("`{}` {} twice", package.0, package.1));
        }
    }
    Ok(installed)
}
