//! Members of tar archives, put over what packages have.
//!
//! They are placed twice, as files of the definition are: before scripts run, so that a unit or a setting of
//! a layer takes part, and after all effects, so that nothing overwrites them. The last member of a path wins,
//! within an archive and among them. A folder that is there already keeps its mode and owner: archives say of
//! `/` and `/usr` what was true where they were made.
//!
//! Oracle: GNU tar, which extracts the same archives over the same tree.

use std::collections::BTreeMap;

use cvmkit_attest::output::Notice;
use cvmkit_formats::archive::{Entry, EntryKind};
use cvmkit_formats::tree::{Inode, Meta, TreeError, split};

use super::assembly::Assembly;
use super::{Layer, RootfsError};
use crate::content;

/// Places the layers of the request, and tells what of the tree gives way.
///
/// # Errors
/// [`RootfsError::Layer`] with all members that do not fit into the tree.
pub(crate) fn place(assembly: &mut Assembly<'_>) -> Result<(), RootfsError> {
    for layer in assembly.request.layers {
        let mut placing = Placing { assembly, layer, told: Told::default() };
        placing.each(Placing::first)?;
        placing.told.finish(layer, assembly);
    }
    Ok(())
}

/// Places them again, over what scripts and other steps have changed since.
///
/// # Errors
/// As for [`place`].
pub(crate) fn place_again(assembly: &mut Assembly<'_>) -> Result<(), RootfsError> {
    for layer in assembly.request.layers {
        Placing { assembly, layer, told: Told::default() }.each(Placing::again)?;
    }
    Ok(())
}

/// One layer while it is placed.
struct Placing<'p, 'a> {
    assembly: &'p mut Assembly<'a>,
    layer: &'a Layer,
    told: Told,
}

impl<'a> Placing<'_, 'a> {
    /// Does one step with each member; all that fails is one error.
    fn each(
        &mut self,
        step: impl Fn(&mut Self, &'a Entry, &[u8]) -> Result<(), TreeError>,
    ) -> Result<(), RootfsError> {
        let mut problems = Vec::new();
        for entry in &self.layer.members.entries {
            let path = self.layer.path(&entry.path);
            if let Err(why) = step(self, entry, &path) {
                problems.push(format!("`/{}`: {why}", path.escape_ascii()));
            }
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(RootfsError::Layer { layer: self.layer.name.clone(), problems }),
        }
    }

    fn first(&mut self, entry: &'a Entry, path: &[u8]) -> Result<(), TreeError> {
        if entry.kind == EntryKind::Directory {
            return self.folder(entry, path);
        }
        let real = self.place(path)?;
        if boot_hides(&real) {
            self.told.hidden.add(&real);
        }
        let owner = self.assembly.owners.get(&real);
        let is_new = self.assembly.layered.files.insert(real.clone());
        if let Some(owner) = owner.filter(|_| is_new) {
            self.told.replaced.entry(owner.clone()).or_default().add(&real);
            let shown = real.escape_ascii();
            let line = format!("`/{shown}` of {} replaces that of {owner}", self.layer.name);
            self.assembly.note(line);
        }
        self.leaf(entry, &real)
    }

    fn again(&mut self, entry: &'a Entry, path: &[u8]) -> Result<(), TreeError> {
        if entry.kind == EntryKind::Directory {
            let real = self.assembly.tree.canonical(path)?;
            if self.assembly.layered.folders.contains(&real) {
                let meta = content::meta(entry, self.assembly.request.mtime);
                self.assembly.tree.put(&real, Inode::directory(meta))?;
            }
            return Ok(());
        }
        let real = self.place(path)?;
        match self.assembly.layered.withheld.contains(&real) {
            true => Ok(()),
            false => self.leaf(entry, &real),
        }
    }

    /// Makes a folder, or keeps the one that is there; a link to one stays too.
    fn folder(&mut self, entry: &Entry, path: &[u8]) -> Result<(), TreeError> {
        let meta = content::meta(entry, self.assembly.request.mtime);
        let tree = &mut self.assembly.tree;
        match tree.resolve(path) {
            Ok(id) if tree.inode(id).is_directory() => {
                let real = tree.real_path(path)?;
                if self.assembly.layered.folders.contains(&real) {
                    *tree.meta_mut(id) = meta;
                    return Ok(());
                }
                let kept = &tree.inode(id).meta;
                let access = |meta: &Meta| (meta.mode, meta.uid, meta.gid, meta.xattrs.clone());
                if access(kept) != access(&meta) {
                    let (mode, uid, gid) = (kept.mode, kept.uid, kept.gid);
                    let line = format!(
                        "`/{}` keeps {mode:04o} {uid}:{gid}, {} has {:04o} {}:{}",
                        real.escape_ascii(),
                        self.layer.name,
                        meta.mode,
                        meta.uid,
                        meta.gid
                    );
                    self.assembly.note(line);
                    self.told.kept.add(&real);
                }
                Ok(())
            }
            Ok(_) => Err(TreeError::NotADirectory(path.escape_ascii().to_string())),
            Err(_) => {
                let real = self.place(path)?;
                self.assembly.tree.put(&real, Inode::directory(meta))?;
                self.assembly.layered.folders.insert(real);
                Ok(())
            }
        }
    }

    /// The real path of a member. Parents that the archive does not have are made.
    fn place(&mut self, path: &[u8]) -> Result<Vec<u8>, TreeError> {
        let meta = self.assembly.root(0o755);
        self.assembly.tree.make_directories(split(path).0, &meta)?;
        self.assembly.tree.canonical(path)
    }

    fn leaf(&mut self, entry: &Entry, real: &[u8]) -> Result<(), TreeError> {
        if let EntryKind::HardLink(target) = &entry.kind {
            let target = self.assembly.tree.canonical(&self.layer.path(target))?;
            let found = self.assembly.tree.lookup(&target);
            let id = found.ok_or_else(|| TreeError::NotFound(target.escape_ascii().to_string()))?;
            return self.assembly.tree.link(real, id);
        }
        let meta = content::meta(entry, self.assembly.request.mtime);
        match content::node(&entry.kind, |offset, len| self.layer.archive.part(offset, len)) {
            Some(node) => self.assembly.tree.put(real, Inode { meta, node }).map(drop),
            None => Ok(()),
        }
    }
}

/// Whether a boot has a file system of its own over a path, so that nobody sees what is there.
fn boot_hides(real: &[u8]) -> bool {
    [&b"run/"[..], b"proc/", b"sys/", b"dev/"].iter().any(|folder| real.starts_with(folder))
}

/// What is to be known of a layer.
#[derive(Default)]
struct Told {
    /// Files of packages that gave way, by package.
    replaced: BTreeMap<String, Counted>,
    /// Folders that did not.
    kept: Counted,
    hidden: Counted,
}

/// How many paths, and the first.
#[derive(Default)]
struct Counted {
    count: u64,
    first: String,
}

impl Counted {
    fn add(&mut self, path: &[u8]) {
        if self.count == 0 {
            self.first = format!("/{}", path.escape_ascii());
        }
        self.count += 1;
    }
}

impl Told {
    fn finish(self, layer: &Layer, assembly: &mut Assembly<'_>) {
        let name = || layer.name.clone();
        let members = layer.members.entries.len() as u64;
        assembly.notices.push(Notice::Layer { layer: name(), sha256: layer.sha256, members });
        for (package, Counted { count, first }) in self.replaced {
            let layer = name();
            assembly.notices.push(Notice::LayerReplaces { layer, package, count, first });
        }
        let mut repeated = Counted::default();
        for path in &layer.members.repeated {
            repeated.add(path);
            let shown = path.escape_ascii();
            assembly.note(format!("{} has `/{shown}` more than once: the last counts", layer.name));
        }
        let Counted { count, first } = repeated;
        if count > 0 {
            assembly.notices.push(Notice::LayerRepeats { layer: name(), count, first });
        }
        let Counted { count, first } = self.kept;
        if count > 0 {
            assembly.notices.push(Notice::LayerFoldersKept { layer: name(), count, first });
        }
        let Counted { count, first } = self.hidden;
        if count > 0 {
            assembly.notices.push(Notice::LayerHidden { layer: name(), count, first });
        }
    }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
