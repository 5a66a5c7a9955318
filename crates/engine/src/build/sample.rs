//! What builds are made of: a definition, its lock and its local files in a folder, without a network.

use std::path::Path;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files;
use cvmkit_host::progress::Silent;

use super::BuildError;
use super::inputs::Inputs;
use crate::definition::{Definition, Project, sample as definitions};
use crate::fetch::Origins;
use crate::lock::{Lock, LockFile, sample as locks, survey};
use crate::mirrors::Mirrors;
use crate::store::Store;

/// A definition in a folder, and a lock that fits it and its local files.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) project: Project,
    pub(crate) definition: Definition,
    pub(crate) lock: LockFile,
    pub(crate) store: Store,
    pub(crate) mirrors: Mirrors,
}

impl Bench {
    /// Of a root file system of one package.
    pub(crate) fn new(tables: &str, files: &[(&str, &str)]) -> Self {
        Self::of(
            &definitions::text("", tables),
            files,
            None,
            locks::lock(vec![locks::package("p")]),
        )
    }

    pub(crate) fn of(
        text: &str,
        files: &[(&str, &str)],
        variant: Option<&str>,
        lock: Lock,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            put(folder.path(), name, text);
        }
        let project = definitions::project_in(folder.path(), text);
        let files = survey(&project.definitions().unwrap(), project.folder()).unwrap();
        let lock = locks::beside(&project, Lock { files, ..lock });
        let definition = project.definition(variant).unwrap();
        let store = Store::open(&folder.path().join("store"), None, folder.path()).unwrap();
        Self { folder, project, definition, lock, store, mirrors: Mirrors::default() }
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        put(self.folder.path(), name, text);
    }

    pub(crate) fn remove(&self, name: &str) {
        files::remove(&self.folder.path().join(name)).unwrap();
    }

    pub(crate) fn checked(&self) -> Result<Inputs<'_>, BuildError> {
        Inputs::check(&self.project, &self.definition, &self.lock)
    }

    pub(crate) fn inputs(&self) -> Inputs<'_> {
        self.checked().unwrap()
    }

    pub(crate) fn origins(&self) -> Origins<'_> {
        let Self { store, mirrors, .. } = self;
        Origins { store, vendor: None, mirrors, offline: true, progress: &Silent }
    }
}

pub(crate) fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    files::make_folder(files::parent(&path)).unwrap();
    files::replace(&path, text.as_bytes()).unwrap();
}

/// A local file as a definition pins it, in one line.
pub(crate) fn pinned(name: &str, text: &str) -> String {
    format!("{{ path = \"{name}\", sha256 = \"{}\" }}", Sha256::of(text.as_bytes()))
}
