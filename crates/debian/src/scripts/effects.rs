//! What scripts ask for: file system changes by name, so that the table of recipes reads as what a
//! package needs. The code that carries them out lives elsewhere.

use super::alternatives::Alternative;

/// What the recognised parts of one script would do on a fresh image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Units that Debian enables when the package is installed.
    pub units: Vec<EnabledUnit>,
    /// `update-alternatives --install` calls.
    pub alternatives: Vec<Alternative>,
    /// Empty files that local AppArmor changes are included from, by absolute path, each with the
    /// profile whose presence asks for it.
    pub apparmor_locals: Vec<AppArmorLocal>,
    /// What the recipe of the residual says.
    pub native: Vec<Native>,
    /// Why the residual needs exactly that; empty when there was no residual.
    pub why: &'static str,
}

/// A unit that `deb-systemd-helper enable` would enable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EnabledUnit {
    /// The unit's file name.
    pub name: String,
    /// True for a unit of the user manager.
    pub user: bool,
}

/// `dh_apparmor`'s local include.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppArmorLocal {
    /// The profile, an absolute path; without it nothing is made.
    pub profile: String,
    /// The include, an absolute path.
    pub local: String,
}

/// A change of the tree, or a fact about it. Paths are absolute; users and groups are names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Native {
    /// Carry out the `update-alternatives` calls of the residual.
    Alternatives,
    /// Start the account files from `base-passwd`'s master files.
    AccountMasters,
    /// A system user with a group of its own and no login (adduser(8) `--system --group`).
    SystemUser {
        /// User and group.
        name: &'static str,
        /// The comment field.
        comment: &'static str,
        /// The home directory, which is not made.
        home: &'static str,
    },
    /// A system group.
    SystemGroup {
        /// The group.
        name: &'static str,
    },
    /// A copy with the same mode and owner, unless `to` exists.
    Copy {
        /// A packaged file.
        from: &'static str,
        /// Its copy.
        to: &'static str,
    },
    /// A directory, unless something is there.
    Directory {
        /// Where.
        path: &'static str,
        /// Who may.
        access: Access,
    },
    /// A regular file, unless something is there.
    File {
        /// Where.
        path: &'static str,
        /// Who may.
        access: Access,
        /// The contents.
        text: &'static str,
    },
    /// A symbolic link, unless something is there.
    Link {
        /// Where.
        path: &'static str,
        /// What it points at.
        target: &'static str,
    },
    /// A symbolic link in the place of an empty directory.
    Relink {
        /// Where.
        path: &'static str,
        /// What it points at.
        target: &'static str,
    },
    /// Another owner and mode for a packaged file (dpkg-statoverride(1)).
    Owner {
        /// Where.
        path: &'static str,
        /// Who may.
        access: Access,
    },
    /// Capabilities of a packaged file (setcap(8)).
    Capabilities {
        /// Where.
        path: &'static str,
        /// As `setcap` takes them.
        text: &'static str,
    },
    /// A diversion that stays in dpkg's database (dpkg-divert(1)); nothing is renamed.
    Divert {
        /// The name that is diverted.
        from: &'static str,
        /// Where to.
        to: &'static str,
    },
    /// Write `/etc/shells` from `/usr/share/debianutils`.
    Shells,
    /// Write the certificate bundle and the links by hash.
    Certificates,
    /// Write `/etc/pam.d/common-*` from the profiles.
    PamProfiles,
    /// Write the module index of this kernel package (depmod(8)).
    ModuleIndex,
    /// Debian enables this unit.
    Enable(&'static str),
    /// The package would have to do something that is not supported if this folder had files.
    Absent {
        /// Where.
        path: &'static str,
        /// What it would be.
        what: &'static str,
    },
}

/// Permission bits and owner, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// `0o0000` to `0o7777`.
    pub mode: u16,
    /// Its owner, by name.
    pub user: &'static str,
    /// Its group, by name.
    pub group: &'static str,
}
