//! Puts the contents of all packages into one tree, as dpkg would on an empty system.
//!
//! A directory keeps the metadata of the first package that has it, as with dpkg. A path of two packages belongs to the one that declares
//! `Replaces` for the other (Debian Policy 7.6.1); without that it is an error.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_debian::version::Version;
use cvmkit_formats::archive::{Entry, EntryKind};
use cvmkit_formats::tree::{Inode, InodeId, Node, TreeError, split};

use super::commands::Asked;
use super::error::AssembleError;
use super::exclude::Filter;
use super::package::{BASE_PACKAGE, Package};
use super::request::Request;
use crate::content::{self, Content};
use crate::rootfs::assembly::Assembly;
use crate::rootfs::attribution::Author;

/// Links of the merged /usr (Debian Policy 9.1, `usrmerge`), made when `base-files` has none.
const MERGED: &[(&str, &[&str])] =
    &[("bin", &[]), ("lib", &[]), ("lib64", &["amd64", "loong64", "ppc64el"]), ("sbin", &[])];

/// Puts one package after another into the tree.
pub(super) struct Unpacker<'r> {
    packages: Vec<&'r Package>,
    filter: Filter<'r>,
    left_out: usize,
}

impl<'r> Unpacker<'r> {
    /// Makes the folders that a merged /usr needs and no package has.
    ///
    /// # Errors
    /// [`AssembleError`]
    pub(super) fn new(
        assembly: &mut Assembly<'_>,
        request: &'r Request<'_>,
    ) -> Result<Self, AssembleError> {
        let mut packages: Vec<&Package> = request.packages.iter().collect();
        packages.sort_by_key(|package| &package.name);
        merge_usr(assembly, &packages, request.architecture)?;
        Ok(Self { packages, filter: Filter::new(request.exclude), left_out: 0 })
    }

    /// Unpacks a package, as far as dpkg has been told: what is diverted goes elsewhere, and what has an
    /// override has its owner and mode.
    ///
    /// # Errors
    /// [`AssembleError`]: a file of another package, a path that does not fit into the tree.
    pub(super) fn unpack(
        &mut self,
        assembly: &mut Assembly<'_>,
        package: &'r Package,
        asked: &Asked,
    ) -> Result<(), AssembleError> {
        let (entries, out) = self.filter.kept(&package.entries);
        self.left_out += out;
        let claimed = BTreeMap::new();
        let packages = &self.packages;
        Unpacking { assembly, packages, package, asked, claimed }.run(&entries)?;
        assembly.provided.insert(package.name.clone(), provided(package));
        Ok(())
    }

    /// Refuses patterns that left nothing out.
    ///
    /// # Errors
    /// [`RootfsError::NoEffect`](crate::rootfs::RootfsError::NoEffect)
    pub(super) fn finish(self, assembly: &mut Assembly<'_>) -> Result<(), AssembleError> {
        self.filter.check()?;
        if self.left_out > 0 {
            let left_out = self.left_out;
            assembly.note(format!("left out {left_out} packaged paths that `exclude` matches"));
        }
        Ok(())
    }
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
    /// What scripts have told dpkg so far.
    asked: &'a Asked,
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
        let (path, is_diverted) = match self.diverted(&entry.path) {
            Some(to) => (self.place_at(to.as_bytes(), entry)?, true),
            None => (path, false),
        };
        if let Some(first) = self.claimed.insert(path.clone(), &entry.path) {
            return Err(AssembleError::OneFileTwice {
                package: self.package.name.clone(),
                path: lossy(&path),
                first: lossy(first),
                second: lossy(&entry.path),
            });
        }
        if !is_diverted && !self.claim(&path)? {
            return Ok(());
        }
        if is_diverted {
            self.assembly.owners.insert(path.clone(), self.package.name.clone());
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
        let mut inode =
            Inode { meta: content::meta(body, self.assembly.request.mtime), node: self.node(body) };
        let by = self.asked.overridden(self.assembly, &entry.path, &mut inode.meta);
        let id = self.assembly.tree.put(&path, inode).map_err(|why| self.fault(entry, why))?;
        // A right that a package of the author's gives is that one's, whosever file it is.
        if let Some(by) = by.filter(|by| self.assembly.request.own_packages.contains(*by)) {
            self.assembly.attribution.given(&path, Author::Script(by.to_owned()));
        }
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
                let meta = content::meta(entry, self.assembly.request.mtime);
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
                let mut inode = Inode::directory(content::meta(entry, self.assembly.request.mtime));
                self.asked.overridden(self.assembly, &entry.path, &mut inode.meta);
                self.assembly.tree.put(&path, inode).map_err(|why| self.fault(entry, why))?;
                self.assembly.owners.insert(path, self.package.name.clone());
                Ok(())
            }
        }
    }

    /// The path as the tree spells it. Parents a package forgot are made.
    fn place(&mut self, entry: &Entry) -> Result<Vec<u8>, AssembleError> {
        self.place_at(&entry.path, entry)
    }

    fn place_at(&mut self, path: &[u8], entry: &Entry) -> Result<Vec<u8>, AssembleError> {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let meta = self.assembly.root(0o755);
        let tree = &mut self.assembly.tree;
        let placed = tree.make_directories(split(path).0, &meta).and_then(|_| tree.canonical(path));
        placed.map_err(|why| self.fault(entry, why))
    }

    /// Where a file goes that another package, or the administrator, has diverted (dpkg-divert(1)).
    fn diverted(&self, path: &[u8]) -> Option<String> {
        let is_this =
            |from: &String| from.strip_prefix('/').is_some_and(|from| from.as_bytes() == path);
        let found = self.asked.diversions.iter().find(|one| is_this(&one.from))?;
        let is_own = found.package.as_ref() == Some(&self.package.name);
        (!is_own).then(|| found.to.clone())
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

    fn node(&self, entry: &Entry) -> Node<Content> {
        // A hard link is replaced by the entry it names before this is asked.
        let data = &self.package.data;
        let node = content::node(&entry.kind, |offset, len| Content::Stored {
            object: data.clone(),
            offset,
            len,
        });
        node.unwrap_or_else(|| Node::Directory(BTreeMap::new()))
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
    use cvmkit_formats::tree::Device;

    use super::*;
    use crate::packages::debian::order;
    use crate::packages::debian::tests::{package, request};
    use crate::rootfs;

    /// Debian Policy 7.1: the five relations, of which `<` and `>` are old spellings of `<=` and `>=`.
    #[test]
    fn each_relation_compares_versions() {
        for (relation, below, same, above) in [
            ("<< 1.1", true, false, false),
            ("<= 1.1", true, true, false),
            ("= 1.1", false, true, false),
            (">= 1.1", false, true, true),
            (">> 1.1", false, false, true),
            ("< 1.1", true, true, false),
            ("> 1.1", false, true, true),
            ("<<1.1", true, false, false),
            ("<<  1.1 ", true, false, false),
            ("1.1", false, false, false),
            ("== 1.1", false, false, false),
            ("<> 1.1", false, false, false),
            ("<< ", false, false, false),
            ("", false, false, false),
        ] {
            let found = ["1.1~rc1", "1.1", "1.1+b1"].map(|version| satisfies(version, relation));
            assert_eq!(found, [below, same, above], "`{relation}`");
        }
        assert!(!satisfies("not a version", "<< 1"));
        assert!(satisfies("1:0.9", ">> 2.0"), "an epoch goes before all");
    }

    /// Debian Policy 7.6.1.
    #[test]
    fn a_package_replaces_those_that_it_names() {
        let other = package("other", "", &[]);
        for (field, is_replaced) in [
            ("", false),
            ("Replaces: other\n", true),
            ("Replaces: a, other, b\n", true),
            ("Replaces: other (<< 2)\n", true),
            ("Replaces: other (= 1.0)\n", true),
            ("Replaces: other (<< 1.0)\n", false),
            ("Replaces: a, other (>> 1.0), other (= 1.0)\n", true),
            ("Replaces: other:amd64\n", true),
            ("Replaces: other2\n", false),
            ("Replaces: an-other\n", false),
            ("Breaks: other\n", false),
            ("Conflicts: other\n", false),
        ] {
            let package = package("p", field, &[]);
            assert_eq!(replaces(&package, &other), is_replaced, "{field}");
        }
    }

    #[test]
    fn provided_names_lose_their_versions() {
        for (field, names) in [
            ("", &[][..]),
            ("Provides: a\n", &["a"]),
            ("Provides: b, a (= 1.2), c(= 3)\n", &["a", "b", "c"]),
            ("Provides: , ,\n", &[]),
        ] {
            let found = provided(&package("p", field, &[]));
            assert!(found.iter().map(String::as_str).eq(names.iter().copied()), "{field}");
        }
    }

    /// The tree of some packages, with the owners.
    fn unpacked<'a>(
        root: &'a rootfs::Request<'a>,
        own: &Request<'_>,
    ) -> Result<Assembly<'a>, AssembleError> {
        let mut assembly = Assembly::new(root);
        let mut unpacker = Unpacker::new(&mut assembly, own)?;
        for package in order::of(own.packages, own.architecture)?.packages {
            unpacker.unpack(&mut assembly, package, &Asked::default())?;
        }
        unpacker.finish(&mut assembly)?;
        Ok(assembly)
    }

    fn refused(own: &Request<'_>) -> AssembleError {
        unpacked(&rootfs::Request::default(), own).map(drop).unwrap_err()
    }

    /// Debian Policy 9.1: the four links into /usr, of which `lib64` is of some architectures.
    #[test]
    fn merged_folders_are_made_where_no_package_has_them() {
        for (architecture, lib64) in
            [("amd64", true), ("loong64", true), ("ppc64el", true), ("arm64", false), ("", false)]
        {
            let root = rootfs::Request::default();
            let own = Request { architecture, ..request(&[]) };
            let assembly = unpacked(&root, &own).unwrap();
            for (name, is_made) in [("bin", true), ("lib", true), ("lib64", lib64), ("sbin", true)]
            {
                let target = is_made.then(|| format!("usr/{name}"));
                assert_eq!(assembly.target(name), target, "{architecture} {name}");
                assert_eq!(assembly.find(&format!("usr/{name}")).is_some(), is_made);
            }
            assert_eq!(assembly.log.len(), 3 + usize::from(lib64));
        }
        let packages = [package("base-files", "", &[("bin", "-> usr/sbin"), ("usr/sbin/x", "")])];
        let root = rootfs::Request::default();
        let assembly = unpacked(&root, &request(&packages)).unwrap();
        assert_eq!(assembly.target("bin").as_deref(), Some("usr/sbin"), "the package's own stays");
        // A directory of that name is none of its own.
        let packages = [package("p", "", &[("bin/", ""), ("bin/x", "x")])];
        let assembly = unpacked(&root, &request(&packages)).unwrap();
        assert_eq!(assembly.text("/usr/bin/x").unwrap().as_deref(), Some("x"));
    }

    #[test]
    fn base_files_comes_first_and_decides_about_the_root() {
        let mut base = package("base-files", "", &[("", ""), ("srv/", "")]);
        (base.entries[0].mode, base.entries[1].mode) = (0o711, 0o700);
        let mut first = package("a", "", &[("", ""), ("srv/", "")]);
        (first.entries[0].mode, first.entries[1].mode) = (0o777, 0o777);
        let packages = [first, base];
        let root = rootfs::Request::default();
        let assembly = unpacked(&root, &request(&packages)).unwrap();
        let mode = |path: &str| assembly.tree.inode(assembly.find(path).unwrap()).meta.mode;
        assert_eq!((mode(""), mode("srv")), (0o711, 0o700));
        assert_eq!(assembly.owners[b"srv".as_slice()], "base-files");
    }

    #[test]
    fn metadata_is_the_packages_and_times_are_not_of_the_future() {
        let mut one = package("p", "", &[("usr/x", "x"), ("usr/y", "-> x"), ("usr/old", "o")]);
        for entry in &mut one.entries {
            (entry.mode, entry.uid, entry.gid) = (0o4750, 7, 8);
            entry.xattrs = BTreeMap::from([(b"user.a".to_vec(), b"b".to_vec())]);
        }
        one.entries[2].mtime = 400;
        let packages = [one];
        let root = rootfs::Request { mtime: 500, ..rootfs::Request::default() };
        let assembly = unpacked(&root, &request(&packages)).unwrap();
        for (path, mode, mtime) in
            [("usr/x", 0o4750, 500), ("usr/y", 0o777, 500), ("usr/old", 0o4750, 400)]
        {
            let id = assembly.tree.lookup(path.as_bytes()).unwrap();
            let meta = &assembly.tree.inode(id).meta;
            assert_eq!((meta.mode, meta.uid, meta.gid, meta.mtime), (mode, 7, 8, mtime), "{path}");
            assert_eq!(meta.xattrs[b"user.a".as_slice()], b"b", "{path}");
        }
    }

    #[test]
    fn every_kind_of_node_is_unpacked() {
        let mut one =
            package("p", "", &[("dev/", ""), ("dev/c", ""), ("dev/b", ""), ("dev/f", "")]);
        one.entries[1].kind = EntryKind::CharDevice { major: 1, minor: 3 };
        one.entries[2].kind = EntryKind::BlockDevice { major: 7, minor: 9 };
        one.entries[3].kind = EntryKind::Fifo;
        let packages = [one];
        let root = rootfs::Request::default();
        let assembly = unpacked(&root, &request(&packages)).unwrap();
        let node = |path: &str| &assembly.tree.inode(assembly.find(path).unwrap()).node;
        assert!(matches!(node("dev/c"), Node::CharDevice(Device { major: 1, minor: 3 })));
        assert!(matches!(node("dev/b"), Node::BlockDevice(Device { major: 7, minor: 9 })));
        assert!(matches!(node("dev/f"), Node::Fifo));
    }

    /// dpkg leaves a directory, or a link to one, as it is.
    #[test]
    fn a_directory_of_two_packages_is_the_first_ones_and_may_be_a_link() {
        let link = package("a", "", &[("usr/real/", ""), ("usr/link", "-> real")]);
        let below = package("b", "", &[("usr/link/", ""), ("usr/link/x", "x")]);
        let packages = [link, below];
        let root = rootfs::Request::default();
        let assembly = unpacked(&root, &request(&packages)).unwrap();
        assert_eq!(assembly.text("/usr/real/x").unwrap().as_deref(), Some("x"));
        assert_eq!(assembly.owners[b"usr/real/x".as_slice()], "b");
        assert!(!assembly.owners.contains_key(b"usr/link/x".as_slice()));
    }

    #[test]
    fn what_does_not_fit_into_the_tree_is_refused_with_its_package() {
        let file = || package("a", "", &[("usr/x", "x")]);
        for (packages, path, why) in [
            (vec![file(), package("b", "", &[("usr/x/", "")])], "usr/x", "not a directory"),
            (
                vec![
                    package("a", "", &[("usr/x", "-> gone")]),
                    package("b", "", &[("usr/x/", "")]),
                ],
                "usr/x",
                "",
            ),
            (vec![file(), package("b", "", &[("usr/x/y", "y")])], "usr/x/y", "usr/x"),
            (vec![package("b", "", &[("usr/y", "= usr/gone")])], "usr/y", "usr/gone"),
        ] {
            let error = refused(&request(&packages));
            let AssembleError::Unpack { package, path: found, source } = &error else {
                panic!("{error}")
            };
            assert_eq!((package.as_str(), found.as_str()), ("b", path));
            assert!(source.to_string().contains(why), "{source}");
        }
    }

    #[test]
    fn a_hard_link_shares_the_inode_of_its_first_name_that_stays() {
        let files: &[(&str, &str)] =
            &[("usr/a", "text"), ("usr/b", "= usr/a"), ("usr/c", "= usr/a")];
        let packages = [package("p", "", files)];
        let root = rootfs::Request::default();
        let exclude = ["/usr/a".to_owned()];
        for (exclude, is_there) in [(&[][..], true), (&exclude[..], false)] {
            let own = Request { exclude, ..request(&packages) };
            let assembly = unpacked(&root, &own).unwrap();
            assert_eq!(assembly.find("usr/a").is_some(), is_there);
            assert_eq!(assembly.find("usr/b").unwrap(), assembly.find("usr/c").unwrap());
            assert_eq!(assembly.text("usr/c").unwrap().as_deref(), Some("text"));
            let out = "left out 1 packaged paths that `exclude` matches";
            assert_eq!(assembly.log.iter().any(|line| line == out), !is_there);
        }
    }

    #[test]
    fn two_that_replace_each_other_decide_nothing() {
        let of = |name: &str, other: &str| {
            let field = format!("Replaces: {other}\n");
            package(name, &field, &[("usr/x", name)])
        };
        let packages = [of("a", "b"), of("b", "a")];
        let error = refused(&request(&packages));
        assert!(matches!(error, AssembleError::PackageConflict { .. }), "{error}");
        // The one that is replaced keeps its other files, whichever comes first.
        for (winner, loser) in [("a", "b"), ("b", "a")] {
            let packages =
                [of(winner, loser), package(loser, "", &[("usr/x", "lost"), ("usr/y", "kept")])];
            let root = rootfs::Request::default();
            let assembly = unpacked(&root, &request(&packages)).unwrap();
            assert_eq!(assembly.text("usr/x").unwrap().as_deref(), Some(winner));
            assert_eq!(assembly.text("usr/y").unwrap().as_deref(), Some("kept"));
            assert_eq!(assembly.owners[b"usr/x".as_slice()], winner);
        }
    }

    #[test]
    fn what_a_package_provides_is_remembered() {
        let packages = [package("a", "Provides: ssh-server\n", &[]), package("b", "", &[])];
        let root = rootfs::Request::default();
        let assembly = unpacked(&root, &request(&packages)).unwrap();
        assert_eq!(assembly.provided["a"], BTreeSet::from(["ssh-server".to_owned()]));
        assert_eq!(assembly.provided["b"], BTreeSet::new());
    }
}
