//! What a build is a function of, checked against the lock before anything is made.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use cvmkit_formats::digest::Sha256;
use cvmkit_formats::source::read_all;
use cvmkit_host::timestamp::Timestamp;

use super::copies::Copies;
use super::machines::Machines;
use super::{BuildError, Builder, overlays, packages};
use crate::content::Content;
use crate::definition::raw::RawDefinition;
use crate::definition::{BootKind, Definition, FileKind, Input, Metadata, Ownership, Project};
use crate::fetch::{self, Origins};
use crate::local::LocalFolder;
use crate::lock::{
    LocalFile, LocalKind, LockError, LockFile, LockedPackage, STUB_ROLE, UntoldIds, input_role,
    root_role, source_of, survey,
};
use crate::packages::debian::{self, AssembleError, Package, PackageDatabase, Request};
use crate::rootfs::{self, GroupRequest, Ids, Placed, PlacedNode, RootfsError, UserRequest};
use crate::store::Store;

/// Longest stub or firmware that is taken: a guard, real ones have up to 16 MiB.
pub(crate) const INPUT_MAX: u64 = 128 << 20;

/// The parameter with which systemd keeps `/var` in memory (kernel-command-line(7)).
const VOLATILE_STATE: &str = "systemd.volatile=state";

/// Checked inputs.
pub(crate) struct Inputs<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) lock: &'a LockFile,
    pub(crate) root_role: String,
    pub(crate) timestamp: Timestamp,
    /// The local files as they are.
    pub(crate) local: Vec<LocalFile>,
    /// Where they may be.
    pub(crate) folder: LocalFolder,
    /// The local files of the lock, by path.
    locked: BTreeMap<&'a str, &'a LocalFile>,
    project: &'a Project,
}

/// Inputs that do not go into the root file system.
pub(crate) struct External {
    /// Empty when the image has no UKI.
    pub(crate) stub: Vec<u8>,
    pub(crate) machines: Machines,
}

impl<'a> Inputs<'a> {
    /// Checks that the local files are those of the lock.
    pub(crate) fn check(
        project: &'a Project,
        definition: &'a Definition,
        lock: &'a LockFile,
    ) -> Result<Self, BuildError> {
        let inputs = Self::of_folder(project, definition, lock)?;
        let found: BTreeSet<&str> = inputs.local.iter().map(|file| file.path.as_str()).collect();
        for file in &inputs.local {
            let locked = inputs.locked.get(file.path.as_str()).copied();
            if locked != Some(file) {
                return Err(changed(file, locked).into());
            }
        }
        for overlay in &definition.overlays {
            let mut locked = inputs.locked_below(&overlay.source);
            if let Some((_, locked)) = locked.find(|(_, file)| !found.contains(file.path.as_str()))
            {
                return Err(LockError::LocalChanged {
                    path: locked.path.clone(),
                    locked: locked.kind.to_string(),
                    found: "nothing".into(),
                }
                .into());
            }
        }
        drop(found);
        Ok(inputs)
    }

    /// The locked files below a folder, in byte order, each with its path from there.
    pub(super) fn locked_below(
        &self,
        folder: &str,
    ) -> impl Iterator<Item = (&'a str, &'a LocalFile)> {
        let below = format!("{folder}/");
        let range =
            self.locked.range::<str, _>((Bound::Included(below.as_str()), Bound::Unbounded));
        let found: Vec<_> = range
            .map_while(|(path, file)| Some((path.strip_prefix(below.as_str())?, *file)))
            .collect();
        found.into_iter()
    }

    /// The inputs with local files as they are now, locked or not: to plan with, not to build of.
    pub(crate) fn of_folder(
        project: &'a Project,
        definition: &'a Definition,
        lock: &'a LockFile,
    ) -> Result<Self, BuildError> {
        let local = survey(std::slice::from_ref(definition), project.folder())?;
        lock.holds(definition)?;
        let variant = definition.variant.as_deref();
        let root_role = root_role(variant);
        let timestamp = lock.lock.timestamp(variant);
        let timestamp =
            timestamp.ok_or_else(|| LockError::NoRootPackages { role: root_role.clone() })?;
        let folder = LocalFolder::of(definition, project.folder())?;
        let locked = lock.lock.files.iter().map(|file| (file.path.as_str(), file)).collect();
        Ok(Self { local, definition, lock, root_role, timestamp, folder, locked, project })
    }

    /// Names everything the output is a function of.
    ///
    /// None where it is not known which program this is.
    pub(crate) fn key(&self, builder: &Builder<'_>) -> Result<Option<Sha256>, BuildError> {
        let Some(program) = builder.program else { return Ok(None) };
        let parts = [
            program.to_string(),
            builder.version.to_owned(),
            Sha256::of(builder.stage1).to_string(),
            self.definition.variant.clone().unwrap_or_default(),
            self.definition_digest().to_string(),
            self.lock_digest().to_string(),
        ];
        Ok(Some(Sha256::of(parts.join("\0").as_bytes())))
    }

    /// A digest of what the definition says of this image, and of nothing that only another variant
    /// does.
    pub(crate) fn definition_digest(&self) -> Sha256 {
        self.project.checksum_of(self.definition.variant.as_deref())
    }

    /// A digest of what this image has of the lock.
    pub(crate) fn lock_digest(&self) -> Sha256 {
        self.lock.lock.part(self.definition.variant.as_deref(), &self.local)
    }

    /// The stub, and what the machines have.
    pub(crate) fn external(&self, origins: Origins<'_>) -> Result<External, BuildError> {
        let stub = match self.definition.boot {
            BootKind::Disk => self.input(STUB_ROLE, "boot.stub", &self.definition.stub, origins)?.0,
            BootKind::Direct => Vec::new(),
        };
        Ok(External { stub, machines: Machines::gather(self, origins)? })
    }

    /// The definition as it is written, with its variant laid over it.
    pub(crate) fn raw(&self) -> RawDefinition {
        self.project.written(self.definition.variant.as_deref())
    }

    /// The bytes of the input that the definition has under `key`, and where they came from.
    pub(crate) fn input(
        &self,
        role: &'static str,
        key: &'static str,
        input: &Input,
        origins: Origins<'_>,
    ) -> Result<(Vec<u8>, String), BuildError> {
        match input {
            Input::Local { path, sha256 } => {
                let bytes = self.folder.read(path, INPUT_MAX)?;
                let computed = Sha256::of(&bytes);
                if computed != *sha256 {
                    // It changed since it was surveyed.
                    let (path, expected) = (path.clone(), *sha256);
                    return Err(LockError::LocalPin { path, expected, computed }.into());
                }
                Ok((bytes, format!("local file {path}")))
            }
            Input::Package { package, path, .. } => {
                let locked = self.locked_input(role, key, input, package)?;
                let wanted = self.lock.wanted_package(locked);
                let blobs = fetch::fetch(std::slice::from_ref(&wanted), origins)?;
                let blob = blobs.first().ok_or(BuildError::NoInputPackage { role })?;
                let package = packages::package(&wanted, blob, origins.store)?;
                let named = || (package.name.clone(), path.clone());
                let content = package.file(path);
                let bytes = content.map(|content| read_all(&content, INPUT_MAX)).transpose();
                let bytes = bytes.map_err(|source| {
                    let (package, path) = named();
                    BuildError::InputFile { role, package, path, source }
                })?;
                let bytes = bytes.ok_or_else(|| {
                    let (package, path) = named();
                    BuildError::NoInputFile { role, key, package, path }
                })?;
                Ok((bytes, format!("{} {}: /{path}", package.name, package.version)))
            }
        }
    }

    /// The package of an input: a role may have several of one name, of several suites.
    fn locked_input(
        &self,
        role: &'static str,
        key: &'static str,
        input: &Input,
        package: &str,
    ) -> Result<&LockedPackage, BuildError> {
        let own = source_of(self.definition, role, input)?;
        let sources = own.as_ref().map_or(&self.definition.sources[..], std::slice::from_ref);
        let is_wanted = |locked: &&LockedPackage| {
            let mut sources = sources.iter();
            locked.name == package
                && sources.any(|source| {
                    source.archive == locked.archive && source.suites.contains(&locked.suite)
                })
        };
        let role_of_variant = input_role(role, self.definition.variant.as_deref());
        let of_role = |locked: &&LockedPackage| locked.roles.contains(&role_of_variant);
        let packages = self.lock.lock.packages.iter();
        let found: Vec<_> = packages.filter(of_role).filter(is_wanted).collect();
        match found.as_slice() {
            [] => Err(BuildError::NoInputPackage { role }),
            [one] => Ok(one),
            several => {
                let in_words = |one: &&LockedPackage| format!("{} of {}", one.version, one.suite);
                let (package, found) = (package.to_owned(), several.iter().map(in_words).collect());
                Err(BuildError::TwoInputPackages { role, key, package, found })
            }
        }
    }

    /// What the root file system is made of.
    pub(crate) fn rootfs_request<'p>(
        &'p self,
        packages: &'p [Package],
        store: &Store,
    ) -> Result<RootfsParts<'p>, BuildError> {
        let patterns = &self.definition.packages;
        let included = patterns.include_paths.iter().map(|pattern| format!("!{pattern}"));
        Ok(RootfsParts {
            definition: self.definition,
            packages,
            files: self.placed(&mut Copies::new(store))?,
            users: self.definition.users.iter().map(user).collect(),
            groups: self.definition.users.iter().filter_map(group).collect(),
            exclude: patterns.exclude_paths.iter().cloned().chain(included).collect(),
            ids: Ids::Locked(self.lock.lock.ids(self.definition.variant.as_deref())),
            mtime: self.timestamp.0,
        })
    }

    /// Overlays first, single files after them.
    fn placed(&self, copies: &mut Copies<'_>) -> Result<Vec<Placed>, BuildError> {
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
                    if let Some(locked) = self.locked.get(source.as_str()) {
                        let copy = self.local(copies, locked, path, Some(mode), &ownership)?;
                        placed.push(Placed { xattrs: file.xattrs.clone(), ..copy });
                    }
                    continue;
                }
            };
            let one = place(path, mode, &ownership, node);
            placed.push(Placed { xattrs: file.xattrs.clone(), ..one });
        }
        overlays::check(self, &placed)?;
        Ok(placed)
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

fn user(raw: &crate::definition::raw::RawUser) -> UserRequest {
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
fn group(raw: &crate::definition::raw::RawUser) -> Option<GroupRequest> {
    raw.gid.map(|gid| GroupRequest { name: raw.name.clone(), gid: Some(gid) })
}

fn changed(file: &LocalFile, locked: Option<&LocalFile>) -> LockError {
    LockError::LocalChanged {
        path: file.path.clone(),
        locked: locked.map_or_else(|| "nothing".into(), |locked| locked.kind.to_string()),
        found: file.kind.to_string(),
    }
}

/// The ids of one variant's accounts that nothing else fixes, to put into a lock; those in `known` as
/// they are there.
///
/// # Errors
/// The image of this lock can't be put together.
pub fn ids_of(
    project: &Project,
    definition: &Definition,
    lock: &LockFile,
    known: &BTreeMap<String, u32>,
    origins: Origins<'_>,
) -> Result<BTreeMap<String, u32>, UntoldIds> {
    let told = || -> Result<_, BuildError> {
        let inputs = Inputs::of_folder(project, definition, lock)?;
        let packages = packages::unpack(&inputs, origins)?;
        let ids = Ids::GivenOut(known.clone());
        let parts = RootfsParts { ids, ..inputs.rootfs_request(&packages, origins.store)? };
        Ok(debian::unfixed_ids(&parts.as_request())?)
    };
    told().map_err(|error| match error {
        BuildError::Assemble(error) => match *error {
            AssembleError::Rootfs(error @ RootfsError::LockedIdTaken { .. }) => {
                UntoldIds::Taken(Box::new(error))
            }
            error => UntoldIds::Other(Box::new(error)),
        },
        error => UntoldIds::Other(Box::new(error)),
    })
}

/// Owns what a [`Request`] borrows.
pub(crate) struct RootfsParts<'a> {
    definition: &'a Definition,
    packages: &'a [Package],
    files: Vec<Placed>,
    users: Vec<UserRequest>,
    groups: Vec<GroupRequest>,
    exclude: Vec<String>,
    ids: Ids,
    mtime: i64,
}

impl RootfsParts<'_> {
    pub(crate) fn as_request(&self) -> Request<'_> {
        let definition = self.definition;
        Request {
            packages: self.packages,
            architecture: definition.architecture.debian(),
            exclude: &self.exclude,
            skip: definition.packages.skip.clone(),
            package_database: match definition.packages.metadata {
                Metadata::Full => PackageDatabase::Full,
                Metadata::Minimal => PackageDatabase::Minimal,
                Metadata::None => PackageDatabase::Absent,
            },
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
                files: &self.files,
                hostname: Some(&definition.hostname),
                image_id: &definition.id,
                image_version: &definition.version,
                debug: definition.debug,
                mtime: self.mtime,
                volatile_var: definition.command_line.iter().any(|word| word == VOLATILE_STATE),
            },
        }
    }
}
