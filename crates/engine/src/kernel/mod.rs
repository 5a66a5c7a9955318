//! The kernel packages of a root file system: which kernel, which modules, what loads first.
//!
//! Pure functions over a [`Tree`]: nothing is read but its contents. Kernel packages ship neither
//! `modules.dep` nor a list for an initramfs, so both are made here, from the modules themselves:
//! [`Kernel::closure`] for the initramfs, [`depmod`] for the root file system.
//!
//! Deliberately absent: choosing modules by hardware, the configuration of modprobe, and DKMS.
//! Oracle: `modinfo` and `depmod` of kmod 30, on the packages of Debian.

pub mod depmod;
pub mod index;
mod modules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::compression::{Compression, CompressionError, decompress};
use cvmkit_formats::source::read_all;
use cvmkit_formats::tree::{InodeId, Node, Tree};
use cvmkit_host::fault::{Diagnosis, Fault, near};
use thiserror::Error;

use crate::content::Content;

pub use modules::{Module, ModuleInfo};

/// No module is longer: the largest of Debian 13 has 9 MiB. Guards against compression bombs.
const MODULE_MAX: u64 = 128 << 20;

/// No list beside the modules is longer; `modules.alias` of a large kernel has 2 MiB.
const LIST_MAX: u64 = 64 << 20;

/// Why kernel and modules can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KernelError {
    /// No directory under `usr/lib/modules` holds modules.
    #[error("no kernel in the image: /usr/lib/modules holds no release")]
    None,
    /// More than one, and none was named.
    #[error("expected one kernel in the image, found {}", found.join(", "))]
    Several {
        /// Their releases.
        found: Vec<String>,
    },
    /// The named one is not there.
    #[error("kernel {release} is not in the image, which has {}", found.join(", "))]
    UnknownRelease {
        /// What was asked for.
        release: String,
        /// What there is.
        found: Vec<String>,
    },
    /// A file that belongs to a kernel is missing or not a regular file.
    #[error("/{0} is not a file of the image")]
    Missing(String),
    /// A file could not be read.
    #[error("/{path}")]
    Read {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A module does not decompress.
    #[error("/{path}")]
    Compression {
        /// Its path.
        path: String,
        /// Why.
        source: CompressionError,
    },
    /// A module or a list is not what its name says.
    #[error("/{path}: {why}")]
    Corrupt {
        /// Its path.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Two files claim one module name, and `updates` does not decide between them.
    #[error("kernel module `{name}` is there twice: /{first} and /{second}")]
    Duplicate {
        /// The module.
        name: String,
        /// One path.
        first: String,
        /// The other.
        second: String,
    },
    /// A module that neither exists nor is built in.
    #[error("kernel {release} has no module `{name}`{}", needed(needed_by.as_deref()))]
    UnknownModule {
        /// The kernel.
        release: String,
        /// The module.
        name: String,
        /// The module whose `depends=` names it.
        needed_by: Option<String>,
        /// A module with a name like it.
        near: Option<String>,
    },
    /// Modules that need each other can't be loaded in any order.
    #[error("kernel module `{0}` depends on itself")]
    Cycle(String),
    /// libkmod's index holds 7-bit text only.
    #[error("kernel module index: `{0}` is not printable ASCII")]
    NotAscii(String),
    /// The index's offsets have 28 bits.
    #[error("kernel module index: {0} bytes, more than the 268435455 that its offsets can address")]
    IndexTooLarge(usize),
}

fn needed(by: Option<&str>) -> String {
    by.map_or_else(String::new, |by| format!(", which `{by}` needs"))
}

impl Diagnosis for KernelError {
    fn fault(&self) -> Fault {
        match self {
            Self::Read { .. } => Fault::Environment,
            Self::IndexTooLarge(_) => Fault::Bug,
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::None => Some("add a kernel package, such as `linux-image-cloud-amd64`".into()),
            Self::Several { .. } => Some("name the release of the kernel to boot".into()),
            Self::UnknownModule { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            _ => None,
        }
    }
}

/// One kernel of a root file system.
pub struct Kernel<'a> {
    tree: &'a Tree<Content>,
    release: String,
    /// `usr/lib/modules/<release>`, without links.
    folder: String,
    /// Paths relative to the folder, by module name.
    files: BTreeMap<String, String>,
    /// Names of the modules that are built in.
    builtin: BTreeSet<String>,
}

impl<'a> Kernel<'a> {
    /// The kernel `release`, or the only one.
    ///
    /// # Errors
    /// [`KernelError::None`], [`KernelError::Several`] or [`KernelError::UnknownRelease`] when the
    /// choice is not clear; [`KernelError::Duplicate`] for two modules of one name.
    pub fn find(tree: &'a Tree<Content>, release: Option<&str>) -> Result<Self, KernelError> {
        let (parent, id) = modules_folder(tree).ok_or(KernelError::None)?;
        let found: Vec<String> = tree
            .entries(id)
            .filter(|(_, id)| tree.inode(*id).is_directory())
            .filter_map(|(name, _)| String::from_utf8(name.clone()).ok())
            .collect();
        let release = match (release, found.as_slice()) {
            (_, []) => return Err(KernelError::None),
            (Some(release), all) if all.iter().any(|one| one == release) => release.to_owned(),
            (Some(release), _) => {
                return Err(KernelError::UnknownRelease { release: release.into(), found });
            }
            (None, [only]) => only.clone(),
            (None, _) => return Err(KernelError::Several { found }),
        };
        let folder = format!("{parent}/{release}");
        let files = module_files(tree, &folder)?;
        let mut kernel = Self { tree, release, folder, files, builtin: BTreeSet::new() };
        kernel.builtin = kernel.list("modules.builtin")?.lines().map(module_name).collect();
        Ok(kernel)
    }

    /// Its release, as `uname -r` says it.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The directory of its modules, relative to the root: `usr/lib/modules/<release>`.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// The boot image, `boot/vmlinuz-<release>`.
    ///
    /// # Errors
    /// [`KernelError::Missing`].
    pub fn vmlinuz(&self) -> Result<&'a Content, KernelError> {
        self.content(&format!("boot/vmlinuz-{}", self.release))
    }

    /// The options it was built with, `boot/config-<release>`: lines of `CONFIG_NAME=value`.
    ///
    /// # Errors
    /// [`KernelError::Missing`], [`KernelError::Read`] or [`KernelError::Corrupt`].
    pub fn config(&self) -> Result<String, KernelError> {
        self.text(&format!("boot/config-{}", self.release))
    }

    /// Whether the kernel has this module built in; `-` and `_` are the same.
    #[must_use]
    pub fn is_builtin(&self, name: &str) -> bool {
        self.builtin.contains(&name.replace('-', "_"))
    }

    /// The names of all modules that are files, in byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// A text file of the module directory.
    fn list(&self, name: &str) -> Result<String, KernelError> {
        self.text(&format!("{}/{name}", self.folder))
    }

    fn text(&self, path: &str) -> Result<String, KernelError> {
        String::from_utf8(self.bytes(path, LIST_MAX)?)
            .map_err(|e| KernelError::Corrupt { path: path.into(), why: e.to_string() })
    }

    fn bytes(&self, path: &str, limit: u64) -> Result<Vec<u8>, KernelError> {
        read_all(self.content(path)?, limit)
            .map_err(|source| KernelError::Read { path: path.into(), source })
    }

    fn content(&self, path: &str) -> Result<&'a Content, KernelError> {
        let id = self.tree.resolve(path.as_bytes());
        match id.map(|id| &self.tree.inode(id).node) {
            Ok(Node::File(content)) => Ok(content),
            _ => Err(KernelError::Missing(path.into())),
        }
    }

    /// The uncompressed bytes of the module in this file of the module directory.
    fn module(&self, file: &str) -> Result<Vec<u8>, KernelError> {
        let path = format!("{}/{file}", self.folder);
        let bytes = self.bytes(&path, MODULE_MAX)?;
        decompress(&bytes, Compression::of_name(file), MODULE_MAX)
            .map_err(|source| KernelError::Compression { path, source })
    }

    fn unknown(&self, name: &str, needed_by: Option<&str>) -> KernelError {
        let known = self.names().chain(self.builtin.iter().map(String::as_str));
        KernelError::UnknownModule {
            release: self.release.clone(),
            name: name.into(),
            needed_by: needed_by.map(Into::into),
            near: near(name, known).map(Into::into),
        }
    }
}

/// `usr/lib/modules`, or `lib/modules` of a package that was made before /usr was merged.
fn modules_folder(tree: &Tree<Content>) -> Option<(&'static str, InodeId)> {
    ["usr/lib/modules", "lib/modules"].into_iter().find_map(|path| {
        let id = tree.resolve(path.as_bytes()).ok()?;
        tree.inode(id).is_directory().then_some((path, id))
    })
}

/// The paths of all modules below `folder`, relative to it, by name. What lies in `updates` goes
/// before everything else, as depmod.d(5) has it.
fn module_files(
    tree: &Tree<Content>,
    folder: &str,
) -> Result<BTreeMap<String, String>, KernelError> {
    let mut found = Vec::new();
    let mut pending = vec![(String::new(), tree.resolve(folder.as_bytes()))];
    while let Some((path, Ok(id))) = pending.pop() {
        for (name, child) in tree.entries(id) {
            let Ok(name) = str::from_utf8(name) else { continue };
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            match &tree.inode(child).node {
                Node::Directory(_) => pending.push((path, Ok(child))),
                Node::File(_) if is_module(name) => {
                    found.push((!path.starts_with("updates/"), path))
                }
                _ => {}
            }
        }
    }
    found.sort();
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for (_, path) in found {
        let name = module_name(&path);
        match files.get(&name) {
            Some(first) if !first.starts_with("updates/") || path.starts_with("updates/") => {
                return Err(KernelError::Duplicate { name, first: first.clone(), second: path });
            }
            Some(_) => {}
            None => {
                files.insert(name, path);
            }
        }
    }
    Ok(files)
}

/// The endings that libkmod knows (`kmod_exts`), except `.gz`, which no supported kernel uses.
fn is_module(file: &str) -> bool {
    [".ko", ".ko.xz", ".ko.zst"].iter().any(|ending| file.ends_with(ending))
}

/// The name of the module in a file: up to the first dot, `-` as `_`.
fn module_name(path: &str) -> String {
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}
