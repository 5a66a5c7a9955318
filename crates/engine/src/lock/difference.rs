//! How a maintainer script differs from what a lock says of it, in words.

use std::fmt;

use serde::Serialize;

/// A maintainer script that does something else than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ScriptChange {
    /// The package whose script it is.
    pub package: String,
    /// `preinst`, `config` or `postinst`.
    pub script: String,
    /// What of it differs.
    pub change: ScriptDifference,
}

/// How a script differs from what is locked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScriptDifference {
    /// It came with a package that was there before.
    New,
    /// It went, and its package did not.
    Gone,
    /// Its text is another, and so is what it does.
    Text,
    /// Its text is the same, and what it does is not: what it finds differs, or how it is evaluated.
    Effects,
}

impl fmt::Display for ScriptChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { package, script, change } = self;
        let what = match change {
            ScriptDifference::New => "is new",
            ScriptDifference::Gone => "is gone",
            ScriptDifference::Text => "has another text and another effect",
            ScriptDifference::Effects => "has the same text and another effect",
        };
        write!(f, "{script} of {package} {what}")
    }
}
