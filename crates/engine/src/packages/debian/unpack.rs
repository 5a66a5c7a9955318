//! Puts the contents of all packages into one tree, as dpkg would on an empty system.
//!
//! `base-files` comes first, then the others by name: a directory keeps the metadata of the first
//! package that has it, as with dpkg. A path of two packages belongs to the one that declares
//! `Replaces` for the other (Debian Policy 7.6.1); without that it is an error.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_debian::version::Version;
use cvmkit_formats::archive::{Entry, EntryKind};
use cvmkit_formats::tree::{Device, Inode, InodeId, Meta, Node, TreeError, split};

use super::exclude::Filter;
use super::{AssembleError, BASE_PACKAGE, Package, Request};
use crate::content::Content;
use crate::rootfs::assembly::Assembly;

/// Links of the merged /usr (Debian Policy 9.1, `usrmerge`), made when `base-files` has none.
const MERGED: &[(&str, &[&str])] =
    &[("bin", &[]), ("lib", &[]), ("lib64", &["amd64", "loong64", "ppc64el"]), ("sbin", &[])];

/// Unpacks every package of the request.
pub(super) fn packages(
    assembly: &mut Assembly<'_>,
    request: &Request<'_>,
) -> Result<(), AssembleError> {
    let mut packages: Vec<&Package> = request.packages.iter().collect();
    packages.sort_by_key(|package| (package.name != BASE_PACKAGE, &package.name));
    merge_usr(assembly, &packages, request.architecture)?;
    let mut filter = Filter::new(request.exclude);
    let mut left_out = 0;
    for package in &packages {
        let (entries, out) = filter.kept(&package.entries);
        left_out += out;
        let claimed = BTreeMap::new();
        Unpacking { assembly, packages: &packages, package, claimed }.run(&entries)?;
        assembly.provided.insert(package.name.clone(), provided(package));
    }
    filter.check()?;
    if left_out > 0 {
        assembly.note(format!("left out {left_out} packaged paths that `exclude` matches"));
    }
    Ok(())
}

fn merge_usr(
    assembly: &mut Assembly<'_>,
    packages: &[&Package],
    architecture: &str,
) -> Result<(), AssembleError> {
    for &(name, architectures) in MERGED {
        let packaged = packages.iter().any(|package| {
            let mut entries = package.entries.iter();
            entries.any(|entry| {
                entry.path == name.as_bytes() && matches!(entry.kind, EntryKind::Symlink(_))
            })
        });
        let applies = architectures.is_empty() || architectures.contains(&architecture);
        if packaged || !applies {
            continue;
        }
        let meta = assembly.root(0o755);
        assembly.directory(&format!("usr/{name}"), meta)?;
        assembly.link(name, &format!("usr/{name}"))?;
        assembly.note(format!("made /{name} a link to usr/{name}: no package has it"));
    }
    Ok(())
}

/// One package while it is put into the tree.
struct Unpacking<'a, 'r, 't> {
    assembly: &'a mut Assembly<'t>,
    packages: &'a [&'r Package],
    package: &'r Package,
    /// The package's own spelling of each path that it has taken, by that of the tree.
    claimed: BTreeMap<Vec<u8>, &'r [u8]>,
}

impl<'r> Unpacking<'_, 'r, '_> {
    /// Unpacks those entries that are not left out.
    fn run(mut self, kept: &[&'r Entry]) -> Result<(), AssembleError> {
        let package = self.package;
        let bodies: BTreeMap<&[u8], &Entry> = package
            .entries
            .iter()
            .filter(|entry| matches!(entry.kind, EntryKind::File { .. }))
            .map(|entry| (entry.path.as_slice(), entry))
            .collect();
        let mut linked = BTreeMap::new();
        for entry in kept {
            self.entry(entry, &bodies, &mut linked)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &'r Entry,
        bodies: &BTreeMap<&[u8], &Entry>,
        linked: &mut BTreeMap<Vec<u8>, InodeId>,
    ) -> Result<(), AssembleError> {
        if let EntryKind::Directory = entry.kind {
            return self.directory(entry);
        }
        let path = self.place(entry)?;
        if let Some(first) = self.claimed.insert(path.clone(), &entry.path) {
            return Err(AssembleError::OneFileTwice {
                package: self.package.name.clone(),
                path: lossy(&path),
                first: lossy(first),
                second: lossy(&entry.path),
            });
        }
        if !self.claim(&path)? {
            return Ok(());
        }
        let (source, body) = match &entry.kind {
            EntryKind::HardLink(target) => {
                // The body may be at a name that was left out: the first name that stays has it.
                if let Some(&id) = linked.get(target) {
                    return self.link(entry, &path, id);
                }
                let body = bodies.get(target.as_slice()).copied();
                let missing = || TreeError::NotFound(lossy(target));
                (target, body.ok_or_else(|| self.fault(entry, missing()))?)
            }
            _ => (&entry.path, entry),
        };
        let inode = Inode { meta: self.meta(body), node: self.node(body) };
        let id = self.assembly.tree.put(&path, inode).map_err(|why| self.fault(entry, why))?;
        linked.insert(source.clone(), id);
        Ok(())
    }

    fn link(&mut self, entry: &Entry, path: &[u8], id: InodeId) -> Result<(), AssembleError> {
        self.assembly.tree.link(path, id).map_err(|why| self.fault(entry, why))
    }

    /// A directory that is there already, or is a link to one, stays as it is.
    fn directory(&mut self, entry: &Entry) -> Result<(), AssembleError> {
        if entry.path.is_empty() {
            if self.package.name == BASE_PACKAGE {
                let meta = self.meta(entry);
                *self.assembly.tree.meta_mut(self.assembly.tree.root()) = meta;
            }
            return Ok(());
        }
        match self.assembly.tree.resolve(&entry.path) {
            Ok(id) if self.assembly.tree.inode(id).is_directory() => Ok(()),
            Ok(_) => Err(self.fault(entry, TreeError::NotADirectory(lossy(&entry.path)))),
            Err(_) => {
                let path = self.place(entry)?;
                if self.assembly.tree.lookup(&path).is_some() {
                    return Err(self.fault(entry, TreeError::Exists(lossy(&path))));
                }
                let inode = Inode::directory(self.meta(entry));
                self.assembly.tree.put(&path, inode).map_err(|why| self.fault(entry, why))?;
                self.assembly.owners.insert(path, self.package.name.clone());
                Ok(())
            }
        }
    }

    /// The path as the tree spells it. Parents a package forgot are made.
    fn place(&mut self, entry: &Entry) -> Result<Vec<u8>, AssembleError> {
        let meta = self.assembly.root(0o755);
        let tree = &mut self.assembly.tree;
        let placed = tree
            .make_directories(split(&entry.path).0, &meta)
            .and_then(|_| tree.canonical(&entry.path));
        placed.map_err(|why| self.fault(entry, why))
    }

    /// Takes a path for this package. Answers false if another one's file stays there.
    fn claim(&mut self, path: &[u8]) -> Result<bool, AssembleError> {
        let owner = self.assembly.owners.get(path);
        if let Some(owner) = owner.filter(|owner| **owner != self.package.name) {
            let other = self.packages.iter().find(|package| package.name == *owner);
            let other = other.copied().unwrap_or(self.package);
            match (replaces(self.package, other), replaces(other, self.package)) {
                (true, false) => {}
                (false, true) => return Ok(false),
                _ => {
                    return Err(AssembleError::PackageConflict {
                        path: lossy(path),
                        first: other.name.clone(),
                        second: self.package.name.clone(),
                    });
                }
            }
        }
        self.assembly.owners.insert(path.to_vec(), self.package.name.clone());
        Ok(true)
    }

    fn meta(&self, entry: &Entry) -> Meta {
        let mode = if matches!(entry.kind, EntryKind::Symlink(_)) { 0o777 } else { entry.mode };
        Meta {
            mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime.min(self.assembly.request.mtime),
            xattrs: entry.xattrs.clone(),
        }
    }

    fn node(&self, entry: &Entry) -> Node<Content> {
        match &entry.kind {
            // A hard link is replaced by the entry it names before this is asked.
            EntryKind::Directory | EntryKind::HardLink(_) => Node::Directory(BTreeMap::new()),
            &EntryKind::File { offset, len } => {
                Node::File(Content::Stored { object: self.package.data.clone(), offset, len })
            }
            EntryKind::Symlink(target) => Node::Symlink(target.clone()),
            &EntryKind::CharDevice { major, minor } => Node::CharDevice(Device { major, minor }),
            &EntryKind::BlockDevice { major, minor } => Node::BlockDevice(Device { major, minor }),
            EntryKind::Fifo => Node::Fifo,
        }
    }

    fn fault(&self, entry: &Entry, source: TreeError) -> AssembleError {
        let package = self.package.name.clone();
        AssembleError::Unpack { package, path: lossy(&entry.path), source }
    }
}

/// The names in the field `Provides`, without versions (Debian Policy 7.5).
fn provided(package: &Package) -> BTreeSet<String> {
    let relations = package.control.fields.get("Provides").unwrap_or_default().split(',');
    let names = relations.map(|one| one.split_once('(').map_or(one, |(name, _)| name).trim());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// True if `package` may overwrite files of `other`.
fn replaces(package: &Package, other: &Package) -> bool {
    let relations = package.control.fields.get("Replaces").unwrap_or_default();
    relations.split(',').any(|relation| {
        let (name, version) = match relation.split_once('(') {
            Some((name, version)) => (name, Some(version.trim().trim_end_matches(')'))),
            None => (relation, None),
        };
        let name = name.trim().split(':').next().unwrap_or_default();
        name == other.name && version.is_none_or(|version| satisfies(&other.version, version))
    })
}

/// True if `version` satisfies a relation such as `<< 1.2` (Debian Policy 7.1).
fn satisfies(version: &str, relation: &str) -> bool {
    let at = relation.find(|byte: char| !"<>=".contains(byte)).unwrap_or(relation.len());
    let (operator, wanted) = relation.split_at(at);
    let (Ok(version), Ok(wanted)) = (version.parse::<Version>(), wanted.trim().parse::<Version>())
    else {
        return false;
    };
    match operator {
        "<<" => version < wanted,
        "<=" | "<" => version <= wanted,
        "=" => version == wanted,
        ">=" | ">" => version >= wanted,
        ">>" => version > wanted,
        _ => false,
    }
}

fn lossy(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_compare_versions() {
        assert!(satisfies("1.0", "<< 1.1"));
        assert!(!satisfies("1.1", "<< 1.1"));
        assert!(satisfies("1.1", "<= 1.1"));
        assert!(!satisfies("1.1~rc1", ">= 1.1"));
    }
}
