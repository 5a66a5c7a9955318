//! What scripts ask for and other steps carry out, whatever the order of the scripts.

use std::collections::BTreeSet;
use std::fmt;

use cvmkit_debian::scripts::Alternative;

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
    /// Triggers that scripts activate by name or path (deb-triggers(5)).
    pub triggers: BTreeSet<String>,
    /// Keys that scripts wanted to make.
    pub secrets: Vec<Secret>,
    /// Programs that were called and do nothing here, with the reason, each once.
    pub declined: BTreeSet<(String, &'static str)>,
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

/// A key that a script wanted to make, and that the image does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// The package whose script calls the program.
    pub package: String,
    /// The call, words and all, as a shell reads it.
    pub call: String,
}

/// A line of `/var/lib/dpkg/statoverride`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
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
