//! What a build is a function of, checked against the lock before anything is made.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use cvmkit_attest::output::Notice;
use cvmkit_formats::architecture::Architecture;
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::source::read_all;
use cvmkit_host::timestamp::Timestamp;

use super::error::BuildError;
use super::packages;
use crate::definition::raw::RawDefinition;
use crate::definition::{Definition, Input, Project};
use crate::fetch::Origins;
use crate::local::LocalFolder;
use crate::lock::{
    FIRMWARE_ROLE, LocalFile, LockError, LockFile, LockedDrop, LockedPackage, STUB_ROLE,
    input_role, root_role, source_of, survey,
};
use crate::packages::debian::{Dropped, Whole};
use crate::packages::{Package, Wanted};

/// Longest stub or firmware that is taken: a guard, real ones have up to 16 MiB.
pub(crate) const INPUT_MAX: u64 = 128 << 20;

/// What a build needs besides the definition and its lock.
#[derive(Clone, Copy)]
pub struct Builder<'a> {
    /// Where locked files come from.
    pub origins: Origins<'a>,
    /// The guest's PID 1.
    pub stage1: &'a [u8],
    /// The version that makes the image, for the manifest.
    pub version: &'a str,
    /// The program that makes the image. Another program may make other bytes, so it must not take
    /// an earlier one's output for its own; without it, no earlier output is taken.
    pub program: Option<Sha256>,
}

/// A file of a machine, or a stub.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) bytes: Vec<u8>,
    /// Where it came from, in words.
    pub(crate) origin: String,
    /// Where the local package is that has it.
    pub(crate) local: Option<String>,
}

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
    pub(super) locked: BTreeMap<&'a str, &'a LocalFile>,
    project: &'a Project,
}

/// The packages of a root file system, decoded.
pub(super) struct RootPackages {
    /// In the order of the lock.
    pub(super) packages: Vec<Package>,
    /// What to know of those that are not there.
    pub(super) notices: Vec<Notice>,
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
        let variant = definition.variant.as_deref();
        let [stub, firmware] = [STUB_ROLE, FIRMWARE_ROLE].map(|role| input_role(role, variant));
        let roles = [&inputs.root_role, &stub, &firmware];
        let local = roles.into_iter().flat_map(|role| lock.lock.packages_of(role));
        let local = local.filter(|package| package.is_local());
        let local = local.filter_map(|package| inputs.locked.get(package.path.as_str()));
        if let Some(gone) = { local }.find(|file| !found.contains(file.path.as_str())) {
            return Err(gone_file(gone).into());
        }
        let folders = definition.overlays.iter().map(|overlay| &overlay.source);
        for folder in folders.chain(definition.base.iter().map(|base| &base.oci)) {
            let mut locked = inputs.locked_below(folder);
            if let Some((_, locked)) = locked.find(|(_, file)| !found.contains(file.path.as_str()))
            {
                return Err(gone_file(locked).into());
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

    /// Refuses an architecture that only a lock knows: stage 1, the boot files and what is measured are those of one
    /// so far.
    pub(crate) fn is_built(&self) -> Result<(), BuildError> {
        match self.definition.architecture {
            Architecture::X86_64 => Ok(()),
            other => Err(BuildError::Architecture(other.name())),
        }
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

    /// What to fetch of the root file system's packages, in the lock's order.
    pub(super) fn packages(&self) -> Vec<Wanted> {
        self.lock.wanted(&self.root_role)
    }

    /// The packages of the root file system, which are all that the definition asks for by what they say
    /// themselves.
    pub(super) fn root_packages(&self, origins: Origins<'_>) -> Result<RootPackages, BuildError> {
        let packages = packages::unpack(&self.packages(), &self.folder, origins)?;
        let (lock, asked) = (&self.lock.lock, &self.definition.packages);
        let dropped = lock.dropped.iter().filter(|one| one.roles.contains(&self.root_role));
        // What went with another is nobody's need.
        let dropped = dropped.filter_map(|one| {
            let because = one.because.as_deref()?;
            let LockedDrop { name, version, provides, .. } = one;
            Some(Dropped { name, version, provides, because })
        });
        let local = lock.packages_of(&self.root_role).filter(|package| package.is_local());
        let whole = Whole {
            role: &self.root_role,
            packages: &packages,
            dropped: &dropped.collect::<Vec<_>>(),
            requested: asked.requested().collect(),
            local: local.map(|package| package.name.as_str()).collect(),
            essential: asked.essential,
            architecture: self.definition.architecture.debian(),
        };
        let notices = whole.check()?;
        Ok(RootPackages { packages, notices })
    }

    /// The definition as it is written, with its variant laid over it.
    pub(crate) fn raw(&self) -> RawDefinition {
        self.project.written(self.definition.variant.as_deref())
    }

    /// The input that the definition has under `key`.
    pub(crate) fn input(
        &self,
        role: &'static str,
        key: &'static str,
        input: &Input,
        origins: Origins<'_>,
    ) -> Result<Found, BuildError> {
        match input {
            Input::Local { path, sha256 } => {
                let bytes = self.folder.read(path, INPUT_MAX)?;
                let computed = Sha256::of(&bytes);
                if computed != *sha256 {
                    // It changed since it was surveyed.
                    let (path, expected) = (path.clone(), *sha256);
                    return Err(LockError::LocalPin { path, expected, computed }.into());
                }
                Ok(Found { bytes, origin: format!("local file {path}"), local: None })
            }
            Input::Package { package, path, .. } => {
                let locked = self.locked_input(role, key, input, package)?;
                let wanted = self.lock.wanted_package(locked);
                let local = locked.is_local().then(|| locked.path.clone());
                let blobs = packages::fetch(std::slice::from_ref(&wanted), &self.folder, origins)?;
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
                let origin = format!("{} {}: /{path}", package.name, package.version);
                Ok(Found { bytes, origin, local })
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
            let of_sources = sources.any(|source| {
                source.archive == locked.archive && source.suites.contains(&locked.suite)
            });
            locked.name == package && (of_sources || own.is_none() && locked.is_local())
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
}

fn gone_file(locked: &LocalFile) -> LockError {
    LockError::LocalChanged {
        path: locked.path.clone(),
        locked: locked.kind.to_string(),
        found: "nothing".into(),
    }
}

fn changed(file: &LocalFile, locked: Option<&LocalFile>) -> LockError {
    LockError::LocalChanged {
        path: file.path.clone(),
        locked: locked.map_or_else(|| "nothing".into(), |locked| locked.kind.to_string()),
        found: file.kind.to_string(),
    }
}
