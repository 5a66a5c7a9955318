//! What a recipe can ask for: file system changes by name, so that the table of recipes reads as
//! what a package needs, and the code that carries them out lives elsewhere.

use super::{ScriptKind, trixie};

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
    /// Owner.
    pub user: &'static str,
    /// Group.
    pub group: &'static str,
}

/// What one script of one package comes to on a fresh image.
#[derive(Debug)]
pub(super) struct Recipe {
    /// The package, or its family for kernels.
    pub package: &'static str,
    /// Which script.
    pub script: ScriptKind,
    /// SHA-256 of the residual.
    pub sha256: &'static str,
    /// What to do; nothing for a script that does nothing on a fresh image.
    pub effects: &'static [Native],
    /// Why that is all.
    pub why: &'static str,
}

/// The recipe for a residual.
pub(super) fn find(package: &str, script: ScriptKind, sha256: &str) -> Option<&'static Recipe> {
    trixie::RECIPES.into_iter().flatten().find(|recipe| {
        recipe.package == package && recipe.script == script && recipe.sha256 == sha256
    })
}

pub(super) const fn directory(
    path: &'static str,
    mode: u16,
    user: &'static str,
    group: &'static str,
) -> Native {
    Native::Directory { path, access: Access { mode, user, group } }
}

pub(super) const fn file(
    path: &'static str,
    mode: u16,
    user: &'static str,
    group: &'static str,
    text: &'static str,
) -> Native {
    Native::File { path, access: Access { mode, user, group }, text }
}

pub(super) const fn owner(
    path: &'static str,
    mode: u16,
    user: &'static str,
    group: &'static str,
) -> Native {
    Native::Owner { path, access: Access { mode, user, group } }
}
