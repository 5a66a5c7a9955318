//! A definition whose every value was checked.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::architecture::Architecture;
use cvmkit_formats::digest::Sha256;

use super::input::Input;
use super::platform::Platform;
use super::raw::{
    RawBootKind as BootKind, RawCompression as Compression, RawGroup, RawMetadata as Metadata,
    RawUser,
};
use super::seed::Seed;
use crate::packages::debian::Source;
use crate::rootfs::{Allowed, is_hostname};

/// What the id of an image is made of.
pub const ID_RULE: &str = "1 to 64 lower-case letters and digits, with `.` or `-` between them";

/// Whether a name can be the id of an image, by [`ID_RULE`]: it is a part of file names, which `_`
/// joins (UAPI.10), `IMAGE_ID` of os-release(5), and the host name where no other is given.
#[must_use]
pub fn is_id(name: &str) -> bool {
    !name.bytes().any(|byte| byte.is_ascii_uppercase()) && is_hostname(name)
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
    /// What packages are put over.
    pub base: Option<Base>,
    /// Tar archives that are put over what packages have, in this order, none twice at one target.
    pub layers: Vec<Layer>,
    /// Folders that are laid over the root file system, in this order.
    pub overlays: Vec<Overlay>,
    /// System users, each name once; with a login shell only in a debug image.
    pub users: Vec<RawUser>,
    /// Units to enable, by their full names.
    pub units_enable: Vec<String>,
    /// Units to mask, by their full names.
    pub units_mask: Vec<String>,
    /// Target that systemd boots to: `multi-user.target`, if the definition does not say.
    pub default_target: String,
    /// Findings of the audit that the image may have.
    pub allow: Vec<Allowed>,
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

/// What goes into the root file system.
#[derive(Clone, Debug)]
pub struct Packages {
    /// Requested packages: `NAME` or `NAME=VERSION`.
    pub install: Vec<String>,
    /// `.deb` files and folders of them, relative to the definition, without a final slash.
    pub local: Vec<String>,
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
    /// What stands for maintainer scripts, by package and the SHA-256 of the script; none of them is
    /// skipped.
    pub give: BTreeMap<String, BTreeMap<Sha256, Given>>,
    /// Answers to questions of debconf, each one line of text, by question.
    pub debconf: BTreeMap<String, String>,
    /// Packages to leave out although others depend on them, each with its reason: none that is requested.
    pub drop: BTreeMap<String, String>,
}

impl Packages {
    /// The names of the requested packages, without versions.
    pub(crate) fn requested(&self) -> impl Iterator<Item = &str> {
        self.install.iter().map(|one| one.split_once('=').map_or(one.as_str(), |(name, _)| name))
    }
}

/// What stands for a maintainer script: something, no account and no path twice.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Files, folders and links, none where a boot hides it.
    pub files: Vec<FileEntry>,
    /// System users, with a login shell only in a debug image.
    pub users: Vec<RawUser>,
    /// Groups that are none of these users'.
    pub groups: Vec<RawGroup>,
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

/// An OCI image layout that packages are put over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// A folder or a tar archive, relative to the definition, without a final slash.
    pub oci: String,
    /// The tag of the image, where there are several.
    pub reference: Option<String>,
}

/// A tar archive that is put over what packages have.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Relative to the definition.
    pub source: String,
    /// The digest it must have, if the definition says.
    pub sha256: Option<Sha256>,
    /// In the image, without a leading slash; empty for its root.
    pub target: String,
}

/// A folder laid over the root file system.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// Relative to the definition, without a final slash.
    pub source: String,
    /// In the image, without a leading slash; empty for its root.
    pub target: String,
    /// Whose all that it brings is.
    pub ownership: Ownership,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UAPI.10 joins the parts of a file name by `_`; os-release(5), `IMAGE_ID`; hostname(7).
    #[test]
    fn an_id_is_a_host_name_in_lower_case() {
        for (name, is) in [
            ("a", true),
            ("0", true),
            ("a.b-c", true),
            (&*"x".repeat(64), true),
            (&*"x".repeat(65), false),
            ("", false),
            ("A", false),
            ("aB", false),
            ("a_b", false),
            ("a-", false),
            ("-a", false),
            ("a..b", false),
            ("a b", false),
            ("\u{e4}", false),
        ] {
            assert_eq!(is_id(name), is, "{name:?}");
        }
    }
}
