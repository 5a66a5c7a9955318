//! Which scripts run on a fresh image.

use std::collections::BTreeMap;

/// Which script of a package (Debian Policy 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScriptKind {
    /// Called as `preinst install` before the files are unpacked.
    Preinst,
    /// Called as `postinst configure` when everything is unpacked.
    Postinst,
}

impl ScriptKind {
    /// The member of the control archive.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Preinst => "preinst",
            Self::Postinst => "postinst",
        }
    }
}

/// The scripts of a control archive that run on a fresh image, in the order they would.
pub fn of_control(files: &BTreeMap<String, Vec<u8>>) -> impl Iterator<Item = (ScriptKind, &[u8])> {
    [ScriptKind::Preinst, ScriptKind::Postinst]
        .into_iter()
        .filter_map(|kind| Some((kind, files.get(kind.file_name())?.as_slice())))
}
