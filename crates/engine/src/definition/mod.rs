//! What the user wants: `image.toml`, parsed into a value without invalid states.
//!
//! [`Project::open`] finds and parses the file; [`Project::definition`] applies a variant and
//! checks everything that does not need the lock. An unknown key is an error: a misspelt key must
//! never be a silently weaker image.

mod console;
mod error;
mod parse;
mod platform;
pub mod raw;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use cvmkit_formats::architecture::Architecture;
use cvmkit_formats::gpt::{Guid, ParseGuidError};

pub use error::DefinitionError;
pub use raw::RawCompression as Compression;
use raw::RawDefinition;
pub use raw::{RawBootKind as BootKind, RawMetadata as Metadata};

use cvmkit_attest::profile::{Profile, ProfileError};
use cvmkit_formats::digest::Sha256;
use cvmkit_host::files;

use crate::packages::debian::Source;
use crate::rootfs::is_hostname;

/// Name of the definition in its folder.
const DEFINITION_FILE: &str = "image.toml";

/// No definition is longer: 45 000 `[[files]]` have as much. It takes up to 150 times as much memory.
const DEFINITION_MAX: u64 = 2 << 20;

/// What the id of an image is made of.
pub const ID_RULE: &str = "1 to 64 lower-case letters and digits, with `.` or `-` between them";

/// Whether a name can be the id of an image, by [`ID_RULE`]: it is a part of file names, which `_`
/// joins (UAPI.10), `IMAGE_ID` of os-release(5), and the host name where no other is given.
#[must_use]
pub fn is_id(name: &str) -> bool {
    !name.bytes().any(|byte| byte.is_ascii_uppercase()) && is_hostname(name)
}

/// A definition file and where it stands.
#[derive(Clone, Debug)]
pub struct Project {
    /// The file itself, `image.toml` or another name.
    pub path: PathBuf,
    /// What it says, unchecked, its variants among it.
    pub raw: RawDefinition,
}

impl Project {
    /// Reads the definition at `path`: a folder with `image.toml`, or the file itself.
    ///
    /// # Errors
    /// [`DefinitionError`]: the file is missing, longer than 2 MiB, not UTF-8, no TOML, or has an unknown
    /// key or a value of another type, with its line and column.
    pub fn open(path: &Path) -> Result<Self, DefinitionError> {
        let path = if path.is_dir() { path.join(DEFINITION_FILE) } else { path.to_owned() };
        let bytes = files::read_up_to(&path, DEFINITION_MAX + 1).map_err(|error| {
            if error.is_not_found() {
                DefinitionError::Missing { path: path.clone() }
            } else {
                DefinitionError::File(error)
            }
        })?;
        if bytes.len() as u64 > DEFINITION_MAX {
            return Err(DefinitionError::TooLong { path, limit: DEFINITION_MAX });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            DefinitionError::Encoding { path: path.clone(), at }
        })?;
        let raw = parse::toml(&text, &path)?;
        Ok(Self { path, raw })
    }

    /// The definition of one variant, or of the base.
    ///
    /// # Errors
    /// [`DefinitionError`]: names the key, what it holds and what it should; or the variants that there are.
    pub fn definition(&self, variant: Option<&str>) -> Result<Definition, DefinitionError> {
        let mut base = self.raw.clone();
        let mut variants = std::mem::take(&mut base.variant);
        parse::distinct_files("files.path", &base, &self.path)?;
        let Some(name) = variant else {
            return parse::definition(base, None, &self.path);
        };
        let says_nothing = |raw: &RawDefinition| {
            serde_json::to_value(raw).ok() == serde_json::to_value(RawDefinition::default()).ok()
        };
        if variants.get(name).is_some_and(says_nothing) {
            return Err(DefinitionError::Invalid {
                path: self.path.clone(),
                key: format!("variant.{name}"),
                found: "an empty table".to_owned(),
                expected: "what is different in the variant".to_owned(),
            });
        }
        match variants.remove(name) {
            Some(over) => {
                parse::distinct_files(&format!("variant.{name}.files.path"), &over, &self.path)?;
                parse::definition(base.overlaid(over), Some(name), &self.path)
            }
            None => Err(DefinitionError::UnknownVariant {
                path: self.path.clone(),
                name: name.to_owned(),
                known: variants.into_keys().collect(),
            }),
        }
    }

    /// What the base or a variant says as it is written: a variant laid over the base.
    pub(crate) fn written(&self, variant: Option<&str>) -> RawDefinition {
        let mut base = self.raw.clone();
        let mut variants = std::mem::take(&mut base.variant);
        match variant.and_then(|name| variants.remove(name)) {
            Some(over) => base.overlaid(over),
            None => base,
        }
    }

    /// A digest of what the base or a variant says, and of nothing that only another variant does.
    #[must_use]
    pub fn checksum_of(&self, variant: Option<&str>) -> Sha256 {
        checksum(&self.written(variant))
    }

    /// The base and every variant, in byte order of the names, the base first.
    ///
    /// # Errors
    /// As for [`Project::definition`].
    pub fn definitions(&self) -> Result<Vec<Definition>, DefinitionError> {
        let names = self.raw.variant.keys().map(|name| Some(name.as_str()));
        std::iter::once(None).chain(names).map(|name| self.definition(name)).collect()
    }

    /// The folder that local files of the definition are relative to.
    #[must_use]
    pub fn folder(&self) -> &Path {
        files::parent(&self.path)
    }

    /// Where the lock of this definition stands: `image.lock` beside `image.toml`.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.path.with_extension("lock")
    }

    /// What binds a lock to this definition: a digest of what it says. Comments, order of keys and
    /// white space do not count.
    #[must_use]
    pub fn checksum(&self) -> Sha256 {
        checksum(&self.raw)
    }

    /// A digest of all that decides which packages are resolved, and nothing else.
    #[must_use]
    pub fn package_checksum(&self) -> Sha256 {
        let machine_files = |raw: &raw::RawPlatform| {
            [&raw.firmware, &raw.variables, &raw.pinned, &raw.image].map(Clone::clone)
        };
        let relevant = |raw: &RawDefinition| {
            serde_json::json!({
                "architecture": raw.architecture,
                "sources": raw.sources,
                "packages": { "install": raw.packages.install, "essential": raw.packages.essential },
                "stub": raw.boot.stub,
                "boot": raw.boot.kind,
                "firmware": raw.firmware,
                "platforms": raw.platforms.iter().map(machine_files).collect::<Vec<_>>(),
            })
        };
        let variants: BTreeMap<_, _> =
            self.raw.variant.iter().map(|(name, raw)| (name, relevant(raw))).collect();
        checksum(&serde_json::json!({ "base": relevant(&self.raw), "variants": variants }))
    }
}

fn checksum(value: &impl serde::Serialize) -> Sha256 {
    Sha256::of(&serde_json::to_vec(value).expect("strings, numbers and sorted maps serialise"))
}

/// A checked definition, of the base or of one variant.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Name of the image, by [`ID_RULE`]; the first part of its file names.
    pub id: String,
    /// Version of the image: 1 to 64 letters, digits and `.-+~^`; the second part of its file names.
    pub version: String,
    /// Name of the variant, in the characters of a version; `None` for the base.
    pub variant: Option<String>,
    /// True for an image that may have shells and logins; never for the base.
    pub debug: bool,
    /// The processor that runs it.
    pub architecture: Architecture,
    /// What UUIDs and salts are derived from.
    pub seed: Seed,
    /// Contents of `/etc/hostname`: the id, if the definition does not say.
    pub hostname: String,
    /// Base addresses of mirrors, tried in this order before all others.
    pub mirrors: Vec<String>,
    /// Folders outside of the definition's that local files may be in, relative to it.
    pub outside_folders: Vec<String>,
    /// Where packages come from: one source at least, each with a suite and a component.
    pub sources: Vec<Source>,
    /// What goes into the root file system.
    pub packages: Packages,
    /// Modules of the initramfs beside those that its root file system needs, by name.
    pub modules: Vec<String>,
    /// Kernel parameters in order, without `roothash=` and the final `--`, which the image adds: at most
    /// 2047 bytes with them.
    pub command_line: Vec<String>,
    /// How the root file system is written.
    pub root: Root,
    /// How it is hashed.
    pub verity: Verity,
    /// Whether firmware boots the disk, or the VMM the kernel.
    pub boot: BootKind,
    /// The systemd stub of the UKI; not used where the VMM boots the kernel.
    pub stub: Input,
    /// The firmware of all platforms that name none and whose profile takes one.
    pub firmware: Option<Input>,
    /// Single files, each path once in the base and once in the variant, whose entry comes last.
    pub files: Vec<FileEntry>,
    /// Folders that are laid over the root file system, in this order.
    pub overlays: Vec<Overlay>,
    /// System users, each name once; with a login shell only in a debug image.
    pub users: Vec<raw::RawUser>,
    /// Units to enable, by their full names.
    pub units_enable: Vec<String>,
    /// Units to mask, by their full names.
    pub units_mask: Vec<String>,
    /// Target that systemd boots to: `multi-user.target`, if the definition does not say.
    pub default_target: String,
    /// Platforms whose expected measurements are computed, in this order.
    pub platforms: Vec<Platform>,
}

impl Definition {
    /// `ID_VERSION`, or `ID_VERSION_VARIANT`: what file names start with.
    #[must_use]
    pub fn stem(&self) -> String {
        match &self.variant {
            Some(variant) => format!("{}_{}_{variant}", self.id, self.version),
            None => format!("{}_{}", self.id, self.version),
        }
    }

    /// What it is called in messages: `minimal 1`, `minimal 1 (debug)`.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.variant {
            Some(variant) => format!("{} {} ({variant})", self.id, self.version),
            None => format!("{} {}", self.id, self.version),
        }
    }
}

/// What UUIDs and salts are derived from by hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub [u8; 16]);

impl Seed {
    /// 32 bytes for one purpose: SHA-256 of `cvmkit`, the purpose and the seed, NUL-separated.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut input = format!("cvmkit\0{purpose}\0").into_bytes();
        input.extend_from_slice(&self.0);
        Sha256::of(&input).0
    }

    /// A version 8 UUID (RFC 9562, section 5.8) for one purpose, in text order.
    #[must_use]
    pub fn uuid(&self, purpose: &str) -> [u8; 16] {
        let digest = self.derive(purpose);
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&digest[..16]);
        uuid[6] = uuid[6] & 0x0f | 0x80;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        uuid
    }
}

impl fmt::Display for Seed {
    /// As a UUID in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Guid::from_text_order(self.0).fmt(f)
    }
}

impl FromStr for Seed {
    type Err = ParseGuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(|uuid: Guid| Self(uuid.to_text_order()))
    }
}

/// What goes into the root file system.
#[derive(Clone, Debug)]
pub struct Packages {
    /// Requested packages: `NAME` or `NAME=VERSION`.
    pub install: Vec<String>,
    /// Whether every package with `Essential: yes` is requested too.
    pub essential: bool,
    /// Patterns of absolute paths to leave out, as dpkg's `path-exclude`.
    pub exclude_paths: Vec<String>,
    /// Patterns of absolute paths to keep although they are excluded, as dpkg's `path-include`.
    pub include_paths: Vec<String>,
    /// How much of dpkg's database is kept.
    pub metadata: Metadata,
    /// SHA-256 of the maintainer scripts to skip, by package.
    pub skip: BTreeMap<String, BTreeSet<Sha256>>,
}

/// Root file system parameters.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    /// What compresses data and metadata.
    pub compression: Compression,
    /// Its level: 1 to 22 of zstd, 1 to 9 of gzip.
    pub level: u32,
    /// Bytes in a data block: a power of two from 4096 to 1048576.
    pub block_size: u32,
}

/// dm-verity parameters.
#[derive(Clone, Debug)]
pub struct Verity {
    /// Salt of every block's hash: at most 256 bytes.
    pub salt: Vec<u8>,
    /// UUID of the hash area, in the order of its text.
    pub uuid: [u8; 16],
    /// Bytes in a data block: 1024 or 4096.
    pub data_block_size: u32,
    /// Bytes in a hash block: 1024 or 4096.
    pub hash_block_size: u32,
}

/// A build input that does not go into the root file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file of a package.
    Package {
        /// Name of the package.
        package: String,
        /// Where it comes from; `None` for the definition's sources.
        suite: Option<String>,
        /// Archive of that suite, if the definition says; never without a suite.
        archive: Option<String>,
        /// Of the file in the package, without a leading slash.
        path: String,
    },
    /// A file beside the definition.
    Local {
        /// Relative to the definition.
        path: String,
        /// What it must hash to.
        sha256: Sha256,
    },
}

/// Owner and group, by name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// User, such as `root` or `1000`.
    pub owner: String,
    /// Group, such as `root` or `1000`.
    pub group: String,
}

/// A single file, folder or link.
#[derive(Clone, Debug)]
pub struct FileEntry {
    /// In the image, without a leading slash.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits up to `0o7777`; of an existing file those to change to. A link has none.
    pub mode: Option<u16>,
    /// User by name or number; of an existing file the one to change to.
    pub owner: Option<String>,
    /// Group by name or number; of an existing file the one to change to.
    pub group: Option<String>,
    /// Extended attributes by full name, capabilities among them.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What a [`FileEntry`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A file of this text.
    Text(String),
    /// A copy of a local file, relative to the definition, with the digest it must have.
    Local(String, Option<Sha256>),
    /// A symbolic link.
    Symlink(String),
    /// A folder.
    Folder,
    /// What is there already.
    Existing,
}

/// A folder laid over the root file system.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// Relative to the definition.
    pub source: String,
    /// In the image, without a leading slash; empty for its root.
    pub target: String,
    /// Whose all that it brings is.
    pub ownership: Ownership,
}

/// A platform to compute reference values for.
#[derive(Clone, Debug)]
pub struct Platform {
    /// Where its profile is.
    pub profile: ProfileSource,
    /// What is different here.
    pub changes: raw::RawPlatform,
    /// Its firmware, if it needs one.
    pub firmware: Option<Input>,
    /// Its firmware's variables.
    pub variables: Option<Input>,
    /// The event log that PCR 0 and 1 are pinned by.
    pub pinned: Option<Input>,
    /// A finished Secure Execution image.
    pub image: Option<Input>,
}

/// Where a profile is.
#[derive(Clone, Debug)]
pub enum ProfileSource {
    /// In the program.
    BuiltIn(Box<Profile>),
    /// In a file, relative to the definition.
    File(String),
}

impl Platform {
    /// The files that the machine has beside the image.
    pub fn inputs(&self) -> impl Iterator<Item = &Input> {
        [&self.firmware, &self.variables, &self.pinned, &self.image].into_iter().flatten()
    }

    /// Its firmware, where the definition names `default` for all platforms.
    #[must_use]
    pub fn firmware_of<'a>(
        &'a self,
        profile: &Profile,
        default: Option<&'a Input>,
    ) -> Option<&'a Input> {
        self.firmware.as_ref().or(default.filter(|_| profile.takes_default_firmware()))
    }

    /// The profile with the changes put in; `text` reads a file beside the definition.
    ///
    /// # Errors
    /// The file can't be read or is not a profile, or the changes do not fit it.
    pub fn resolve<E: From<ProfileError>>(
        &self,
        text: impl FnOnce(&str) -> Result<String, E>,
    ) -> Result<Profile, E> {
        let profile = match &self.profile {
            ProfileSource::BuiltIn(profile) => (**profile).clone(),
            ProfileSource::File(path) => Profile::parse(&text(path)?, path)?,
        };
        let mut changed = self.changes.applied(profile)?;
        // What a profile says of its own firmware is not true of another.
        if self.firmware.is_some() && self.changes.firmware_behaviour.is_none() {
            changed.firmware_behaviour = None;
        }
        Ok(changed)
    }
}
