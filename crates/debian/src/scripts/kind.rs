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

#[cfg(test)]
mod tests {
    use super::*;

    /// Debian Policy 6.5: `preinst` before `postinst`; the rest never runs on a fresh image.
    #[test]
    fn scripts_come_in_the_order_in_which_they_run() {
        let names = ["config", "control", "postinst", "postrm", "preinst", "prerm"];
        let files = names.map(|name| (name.to_owned(), name.as_bytes().to_vec())).into();
        let found: Vec<_> = of_control(&files).collect();
        let expected: [(ScriptKind, &[u8]); 2] =
            [(ScriptKind::Preinst, b"preinst"), (ScriptKind::Postinst, b"postinst")];
        assert_eq!(found, expected);
        let files = BTreeMap::from([("postinst".to_owned(), vec![])]);
        let found: Vec<_> = of_control(&files).map(|(kind, _)| kind).collect();
        assert_eq!(found, [ScriptKind::Postinst]);
    }
}
