//! The form of a recipe, and short words to write one in.

use super::effects::{Access, Native};
use super::kind::ScriptKind;

/// What one script of one package does on a fresh image.
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
