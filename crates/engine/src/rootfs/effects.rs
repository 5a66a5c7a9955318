//! What the scripts of packages ask for that steps of the root file system do, whatever the packages
//! are of: accounts and units.

/// Requests of all packages, each with the name of its package, in the order of the packages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effects {
    /// Units that the distribution enables.
    pub units: Vec<(String, DefaultUnit)>,
    /// System accounts.
    pub accounts: Vec<(String, SystemAccount)>,
}

/// A unit that the distribution enables by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DefaultUnit {
    /// The unit's file name.
    pub name: String,
    /// True for a unit of the user manager (`systemctl --user`).
    pub user: bool,
}

/// An account without a login, with an id of the system's range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SystemAccount {
    /// A group alone.
    Group {
        /// Its name.
        name: String,
    },
    /// A user with a group of its own name and id.
    User {
        /// The name of both.
        name: String,
        /// The comment field of passwd(5).
        comment: String,
        /// The home directory, which is not made.
        home: String,
    },
}
