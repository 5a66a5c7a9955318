//! What the root file system is asked to be: the packages, local files and accounts of the inputs.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::digest::Sha256;
use cvmkit_shell::evaluation::Limits;

use super::copies::Copies;
use super::error::BuildError;
use super::inputs::Inputs;
use super::overlays;
use crate::content::Content;
use crate::definition::raw::RawUser;
use crate::definition::{Definition, FileEntry, FileKind, Metadata, Ownership, Project};
use crate::fetch::Origins;
use crate::lock::{LocalFile, LocalKind, LockError, LockFile, LockedPackage, Unevaluated};
use crate::packages::debian::{self, AssembleError, Given, Package, PackageDatabase, Request};
use crate::rootfs::{
    self, Evaluated, GroupRequest, Ids, Placed, PlacedNode, RootfsError, UserRequest,
};
use crate::store::Store;

/// The parameter with which systemd keeps `/var` in memory (kernel-command-line(7)).
const VOLATILE_STATE: &str = "systemd.volatile=state";

impl Inputs<'_> {
    /// What the root file system is made of.
    pub(crate) fn rootfs_request<'p>(
        &'p self,
        packages: &'p [Package],
        store: &Store,
    ) -> Result<RootfsParts<'p>, BuildError> {
        let patterns = &self.definition.packages;
        let mut copies = Copies::new(store);
        let base = self.base(&mut copies)?;
        let layers = self.layers(&mut copies)?;
        let included = patterns.include_paths.iter().map(|pattern| format!("!{pattern}"));
        Ok(RootfsParts {
            definition: self.definition,
            packages,
            files: self.placed(&layers, &mut copies)?,
            base,
            layers,
            give: self.given(&mut copies)?,
            users: self.definition.users.iter().map(user).collect(),
            groups: self.definition.users.iter().filter_map(group).collect(),
            exclude: patterns.exclude_paths.iter().cloned().chain(included).collect(),
            ids: Ids::Locked(self.lock.lock.ids(self.definition.variant.as_deref())),
            check_needs: !patterns.drop.is_empty()
                || self.definition.allow.iter().any(|allowed| allowed.finding.is_missing()),
            own_packages: self.own_packages()?,
            mtime: self.timestamp.0,
        })
    }

    /// The packages that the author of the definition brings.
    fn own_packages(&self) -> Result<BTreeSet<String>, BuildError> {
        let lock = &self.lock.lock;
        let own = debian::own_suites(&lock.suites).map_err(LockError::from)?;
        let is_own = |package: &&LockedPackage| {
            let suite = (package.archive.as_str(), package.suite.as_str());
            package.is_local() || own.contains(&suite)
        };
        let packages = lock.packages_of(&self.root_role).filter(is_own);
        Ok(packages.map(|package| package.name.clone()).collect())
    }

    /// Overlays first, single files after them.
    fn placed(
        &self,
        layers: &[rootfs::Layer],
        copies: &mut Copies<'_>,
    ) -> Result<Vec<Placed>, BuildError> {
        let mut placed = Vec::new();
        for overlay in &self.definition.overlays {
            for (relative, file) in self.locked_below(&overlay.source) {
                let path = match overlay.target.as_str() {
                    "" => format!("/{relative}"),
                    target => format!("/{target}/{relative}"),
                };
                placed.push(self.local(copies, file, path, None, &overlay.ownership)?);
            }
        }
        for file in &self.definition.files {
            placed.extend(self.single(copies, file)?);
        }
        overlays::check(self, layers, &placed)?;
        Ok(placed)
    }

    /// A single file of the definition; nothing of a local one that the lock does not have.
    fn single(
        &self,
        copies: &mut Copies<'_>,
        file: &FileEntry,
    ) -> Result<Option<Placed>, BuildError> {
        let path = format!("/{}", file.path);
        let ownership = Ownership {
            owner: file.owner.clone().unwrap_or_else(|| "root".into()),
            group: file.group.clone().unwrap_or_else(|| "root".into()),
        };
        let default = if file.kind == FileKind::Folder { 0o755 } else { 0o644 };
        let mode = file.mode.unwrap_or(default);
        let node = match &file.kind {
            FileKind::Existing => PlacedNode::Existing(rootfs::Changes {
                mode: file.mode,
                user: file.owner.clone(),
                group: file.group.clone(),
            }),
            FileKind::Text(text) => PlacedNode::File(Content::from(text.as_str())),
            FileKind::Symlink(target) => PlacedNode::Symlink(target.clone()),
            FileKind::Folder => PlacedNode::Directory,
            FileKind::Local(source, _) => {
                let Some(locked) = self.locked.get(source.as_str()) else { return Ok(None) };
                let copy = self.local(copies, locked, path, Some(mode), &ownership)?;
                return Ok(Some(Placed { xattrs: file.xattrs.clone(), ..copy }));
            }
        };
        let one = place(path, mode, &ownership, node);
        Ok(Some(Placed { xattrs: file.xattrs.clone(), ..one }))
    }

    /// What is done instead of scripts, by package and script.
    fn given(
        &self,
        copies: &mut Copies<'_>,
    ) -> Result<BTreeMap<String, BTreeMap<Sha256, Given>>, BuildError> {
        let mut packages: BTreeMap<String, BTreeMap<Sha256, Given>> = BTreeMap::new();
        for (package, scripts) in &self.definition.packages.give {
            for (script, raw) in scripts {
                let files = raw.files.iter().map(|file| self.single(copies, file));
                let files = files.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
                let own = raw
                    .groups
                    .iter()
                    .map(|group| GroupRequest { name: group.name.clone(), gid: group.gid });
                let given = Given {
                    users: raw.users.iter().map(user).collect(),
                    groups: own.chain(raw.users.iter().filter_map(group)).collect(),
                    files,
                };
                packages.entry(package.clone()).or_default().insert(*script, given);
            }
        }
        Ok(packages)
    }

    fn local(
        &self,
        copies: &mut Copies<'_>,
        file: &LocalFile,
        path: String,
        mode: Option<u16>,
        ownership: &Ownership,
    ) -> Result<Placed, BuildError> {
        let (default, node) = match &file.kind {
            LocalKind::Symlink { target } => (0o777, PlacedNode::Symlink(target.clone())),
            LocalKind::Folder => (0o755, PlacedNode::OverlayDirectory),
            LocalKind::File { sha256, executable, .. } => {
                let (content, computed) = copies.take(&self.folder.locate(&file.path)?)?;
                if computed != *sha256 {
                    // It changed since it was surveyed.
                    return Err(LockError::LocalChanged {
                        path: file.path.clone(),
                        locked: sha256.to_string(),
                        found: computed.to_string(),
                    }
                    .into());
                }
                let mode = if *executable { 0o755 } else { 0o644 };
                (mode, PlacedNode::File(content))
            }
        };
        Ok(place(path, mode.unwrap_or(default), ownership, node))
    }
}

fn place(path: String, mode: u16, ownership: &Ownership, node: PlacedNode) -> Placed {
    let (user, group) = (ownership.owner.clone(), ownership.group.clone());
    Placed { path, mode, user, group, xattrs: BTreeMap::new(), node }
}

fn user(raw: &RawUser) -> UserRequest {
    UserRequest {
        name: raw.name.clone(),
        uid: raw.uid,
        groups: raw.groups.clone(),
        comment: raw.comment.clone().unwrap_or_default(),
        home: raw.home.clone(),
        shell: raw.shell.clone(),
        ..UserRequest::default()
    }
}

/// The group of a user's own, if its number is given.
fn group(raw: &RawUser) -> Option<GroupRequest> {
    raw.gid.map(|gid| GroupRequest { name: raw.name.clone(), gid: Some(gid) })
}

/// Evaluates the packages of one variant for its lock: the ids of its accounts that nothing else fixes, those in
/// `known` as they are there, and what its maintainer scripts do.
///
/// # Errors
/// The image of this lock can't be put together.
pub fn evaluate(
    project: &Project,
    definition: &Definition,
    lock: &LockFile,
    known: &BTreeMap<String, u32>,
    origins: Origins<'_>,
) -> Result<Evaluated, Unevaluated> {
    let evaluated = || -> Result<_, BuildError> {
        let inputs = Inputs::of_folder(project, definition, lock)?;
        let packages = inputs.root_packages(origins)?.packages;
        let ids = Ids::GivenOut(known.clone());
        let parts = RootfsParts { ids, ..inputs.rootfs_request(&packages, origins.store)? };
        Ok(debian::evaluate(&parts.as_request())?)
    };
    evaluated().map_err(|error| match error {
        BuildError::Assemble(error) => match *error {
            AssembleError::Rootfs(error @ RootfsError::LockedIdTaken { .. }) => {
                Unevaluated::Taken(Box::new(error))
            }
            error => Unevaluated::Other(Box::new(error)),
        },
        BuildError::Fetch(error) => Unevaluated::NotHad(Box::new(error)),
        error => Unevaluated::Other(Box::new(error)),
    })
}

/// Owns what a [`Request`] borrows.
pub(crate) struct RootfsParts<'a> {
    definition: &'a Definition,
    packages: &'a [Package],
    base: Option<rootfs::Base>,
    layers: Vec<rootfs::Layer>,
    files: Vec<Placed>,
    give: BTreeMap<String, BTreeMap<Sha256, Given>>,
    users: Vec<UserRequest>,
    groups: Vec<GroupRequest>,
    exclude: Vec<String>,
    ids: Ids,
    check_needs: bool,
    own_packages: BTreeSet<String>,
    mtime: i64,
}

impl RootfsParts<'_> {
    /// With every ELF file and script asked what it needs of others.
    pub(super) fn with_needs(self) -> Self {
        Self { check_needs: true, ..self }
    }

    pub(crate) fn as_request(&self) -> Request<'_> {
        let definition = self.definition;
        Request {
            packages: self.packages,
            architecture: definition.architecture.debian(),
            exclude: &self.exclude,
            skip: definition.packages.skip.clone(),
            give: self.give.clone(),
            debconf: definition.packages.debconf.clone(),
            package_database: match definition.packages.metadata {
                Metadata::Full => PackageDatabase::Full,
                Metadata::Minimal => PackageDatabase::Minimal,
                Metadata::None => PackageDatabase::Absent,
            },
            limits: Limits::default(),
            root: rootfs::Request {
                users: &self.users,
                groups: &self.groups,
                ids: self.ids.clone(),
                command_line: &definition.command_line,
                units: rootfs::Units {
                    enable: definition.units_enable.clone(),
                    mask: definition.units_mask.clone(),
                    default_target: Some(definition.default_target.clone()),
                },
                base: self.base.as_ref(),
                layers: &self.layers,
                files: &self.files,
                hostname: Some(&definition.hostname),
                image_id: &definition.id,
                image_version: &definition.version,
                debug: definition.debug,
                check_needs: self.check_needs,
                own_packages: self.own_packages.clone(),
                mtime: self.mtime,
                volatile_var: definition.command_line.iter().any(|word| word == VOLATILE_STATE),
            },
        }
    }
}
