//! What the scripts of packages ask for that steps of the root file system do, whatever the packages
//! are of: units.

/// Requests of all packages, each with the name of its package, in the order of the packages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effects {
    /// Units that the distribution enables.
    pub units: Vec<(String, DefaultUnit)>,
}

/// A unit that the distribution enables by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DefaultUnit {
    /// The unit's file name.
    pub name: String,
    /// True for a unit of the user manager (`systemctl --user`).
    pub user: bool,
}
