//! dpkg's database, in the place where dpkg and scanners look for it (`/var/lib/dpkg`).
//!
//! `status` and `info/*` are those of freshly installed packages, except that conffiles have no
//! MD5 there: the image is not upgraded in place. Oracle: `dpkg-query --admindir`.

use std::collections::BTreeMap;

use cvmkit_debian::deb::Entry;
use cvmkit_debian::scripts::Native;

use super::assembly::Assembly;
use super::native::Effects;
use super::{Package, RootfsError};

const ADMIN_DIRECTORY: &str = "/var/lib/dpkg";

/// How much of dpkg's database the image has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PackageDatabase {
    /// `status`, and every control file but maintainer scripts that can't run on a read-only root.
    Full,
    /// `status`, `*.list` and `*.md5sums`: what scanners and `dpkg -L`, `-S` and `-V` read.
    #[default]
    Minimal,
    /// Nothing: the list of packages is in the manifest only.
    Absent,
}

/// Writes the database, without what the packages themselves have in its folder.
pub(super) fn write(assembly: &mut Assembly<'_>, effects: &Effects) -> Result<(), RootfsError> {
    let request = assembly.request;
    if request.package_database == PackageDatabase::Absent {
        return Ok(());
    }
    let mut packages: Vec<&Package> = request.packages.iter().collect();
    packages.sort_by_key(|package| &package.name);
    let mut status = String::new();
    for package in &packages {
        status += &stanza(package);
        control_files(assembly, package)?;
    }
    for (name, text) in [
        ("info/format", "1\n"),
        ("arch-native", &format!("{}\n", request.architecture)),
        ("arch", &format!("{}\n", request.architecture)),
        ("status", &status),
        ("statoverride", &overrides(effects)),
        ("available", ""),
        ("diversions", ""),
    ] {
        assembly.write(&format!("{ADMIN_DIRECTORY}/{name}"), 0o644, text)?;
    }
    for name in ["updates", "triggers", "parts", "alternatives"] {
        let meta = assembly.root(0o755);
        assembly.directory(&format!("{ADMIN_DIRECTORY}/{name}"), meta)?;
    }
    Ok(())
}

/// A stanza of `status`: the control fields, with the state after the name.
fn stanza(package: &Package) -> String {
    let mut text = String::new();
    for (name, value) in package.control.fields.fields() {
        let value = value.trim_end();
        let gap = if value.starts_with('\n') { "" } else { " " };
        text += &format!("{name}:{gap}{value}\n");
        if name.eq_ignore_ascii_case("Package") {
            text += "Status: install ok installed\n";
        }
    }
    text.push('\n');
    text
}

fn control_files(assembly: &mut Assembly<'_>, package: &Package) -> Result<(), RootfsError> {
    const SCRIPTS: &[&str] = &["preinst", "postinst", "prerm", "postrm", "config", "control"];
    // `Multi-Arch: same` packages can be there once for each architecture: the name tells.
    let same = package.control.fields.get("Multi-Arch").is_some_and(|value| value == "same");
    let name = match same {
        true => format!("{}:{}", package.name, package.architecture),
        false => package.name.clone(),
    };
    let full = assembly.request.package_database == PackageDatabase::Full;
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
