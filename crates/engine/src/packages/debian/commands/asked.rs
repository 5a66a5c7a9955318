//! What scripts ask for and other steps carry out, whatever the order of the scripts.

use std::collections::BTreeSet;
use std::fmt;

use cvmkit_formats::tree::Meta;
use cvmkit_shell::commands::Call;

use super::words::shown;
use crate::packages::debian::alternatives::Alternative;
use crate::rootfs::accounts;
use crate::rootfs::assembly::Assembly;

/// What scripts asked for, each with the package whose script it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Units that start at boot unless the definition says otherwise.
    pub units: Vec<Unit>,
    /// Candidates of link groups.
    pub alternatives: Vec<(String, Alternative)>,
    /// What dpkg-statoverride has been told.
    pub overrides: Vec<Override>,
    /// What dpkg-divert has been told.
    pub diversions: Vec<Diversion>,
    /// Triggers that scripts have activated by name or path, and nobody has acted on (deb-triggers(5)).
    pub triggers: BTreeSet<String>,
    /// Kernel releases whose modules are to be indexed (depmod(8)).
    pub kernels: Vec<String>,
    /// Keys that scripts wanted to make, and that the image does not have.
    pub secrets: Vec<LeftOut>,
    /// Data that scripts wanted programs to make, and that the image does not have.
    pub data: Vec<LeftOut>,
    /// Programs that were called and do nothing here, with the reason, each once.
    pub declined: BTreeSet<(String, &'static str)>,
}

impl Asked {
    /// Gives a packaged file the owner and mode of its override, if it has one; the package that asked for it.
    pub(crate) fn overridden(
        &self,
        assembly: &Assembly<'_>,
        path: &[u8],
        meta: &mut Meta,
    ) -> Option<&str> {
        let is_this = |one: &&Override| one.path.as_bytes().strip_prefix(b"/") == Some(path);
        let found = self.overrides.iter().find(is_this)?;
        let id = |table: &str, name: &str| -> Option<u32> {
            if let Some(id) = name.strip_prefix('#') {
                return accounts::id(id);
            }
            let text = assembly.text(table).ok()??;
            let rows = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
            rows.filter(|row| row.first() == Some(&name)).find_map(|row| accounts::id(row.get(2)?))
        };
        meta.mode = found.mode;
        meta.uid = id("/etc/passwd", &found.user).unwrap_or(meta.uid);
        meta.gid = id("/etc/group", &found.group).unwrap_or(meta.gid);
        Some(&found.package)
    }
}

impl Asked {
    /// What is asked for, each as one line; calls that do nothing are none of it.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let units = self.units.iter().map(|Unit { name, is_user, .. }| match is_user {
            true => format!("unit {name} starts with a user's session"),
            false => format!("unit {name} starts at boot"),
        });
        let overrides =
            self.overrides.iter().map(|Override { user, group, mode, path, .. }| {
                format!("override of {path}: {mode:04o} {user}:{group}")
            });
        let secrets = self.secrets.iter().map(|one| format!("keys are left out: {}", one.call));
        let data = self.data.iter().map(|one| format!("data is left out: {}", one.call));
        let kernels =
            self.kernels.iter().map(|release| format!("modules of {release} are indexed"));
        units
            .chain(self.alternatives.iter().map(|(_, one)| one.to_string()))
            .chain(overrides)
            .chain(self.diversions.iter().map(ToString::to_string))
            .chain(kernels)
            .chain(secrets)
            .chain(data)
    }
}

/// A unit that a script enables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The package whose script enables it.
    pub package: String,
    /// The unit's file name.
    pub name: String,
    /// True for a unit of the user manager (`systemctl --user`).
    pub is_user: bool,
}

/// A call of a program that was not run: what it would have made is not of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The package whose script calls the program.
    pub package: String,
    /// The call, words and all, as a shell reads it.
    pub call: String,
}

/// A line of `/var/lib/dpkg/statoverride`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The package whose script asked for it.
    pub package: String,
    /// The owner, by name or as `#` with an id.
    pub user: String,
    /// The group, likewise.
    pub group: String,
    /// Twelve bits.
    pub mode: u16,
    /// Absolute.
    pub path: String,
}

/// An entry of `/var/lib/dpkg/diversions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diversion {
    /// The path that packages know.
    pub from: String,
    /// Where their file is.
    pub to: String,
    /// Whose own file stays at `from`; nobody's for a diversion of the administrator's.
    pub package: Option<String>,
}

impl LeftOut {
    /// The call as it stands, of the package whose script runs.
    pub(super) fn of(call: &Call<'_>) -> Self {
        let package = call.variable("DPKG_MAINTSCRIPT_PACKAGE").unwrap_or_default();
        let package = String::from_utf8_lossy(package).into_owned();
        let mut words = vec![call.name().into_bytes()];
        words.extend(call.arguments().iter().cloned());
        Self { package, call: shown(&words) }
    }
}

impl fmt::Display for Diversion {
    /// As dpkg-divert says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, package } = self;
        match package {
            Some(package) => write!(f, "diversion of {from} to {to} by {package}"),
            None => write!(f, "local diversion of {from} to {to}"),
        }
    }
}
