//! The definition as it is written: TOML tables, every key optional or defaulted later.
//!
//! The JSON Schema is generated from these types, so their documentation is the user's. Words are
//! mkosi's and systemd-repart's where those have one.

use std::collections::BTreeMap;

use cvmkit_attest::profile::{Boot, DiskAccess, Features, Memory};
use cvmkit_formats::architecture::Architecture;
use cvmkit_formats::digest::Sha256;
use cvmkit_measure::firmware::behaviour::SecureBootBuild;
use cvmkit_measure::uefi::medium::{DiskBus, FirmwareBy};

use crate::packages::debian::Source;
use crate::rootfs::FindingKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An image definition (`image.toml`).
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawDefinition {
    /// Name of the image: 1 to 64 lower-case letters, digits, `.` and `-`, a letter or digit first; the
    /// first part of every file name, and `IMAGE_ID` of the image's os-release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Version of the image; the second part of every file name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Architecture of the packages: `x86-64`, or `arm64`, which can be locked and audited but not built yet. Variants may have
    /// another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// A UUID of your own (`uuidgen`) from which the UUIDs and salts of the image are derived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// Contents of `/etc/hostname`. Default: the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Marks a debug image: shells and logins are allowed, and the manifest, os-release and all
    /// file names say so. Only allowed in a variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debug: Option<bool>,
    /// Base addresses of Debian mirrors, tried in order before those the host's apt uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<String>,
    /// Folders outside of the definition's own, relative to it, that local files may come from.
    /// Default: none; every local file is below the definition's folder, links followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside_folders: Vec<String>,
    /// Suites that packages of the root file system come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Packages of the root file system.
    #[serde(default)]
    pub packages: RawPackages,
    /// Kernel, its modules in the initramfs and its command line.
    #[serde(default)]
    pub kernel: RawKernel,
    /// Format and compression of the root file system.
    #[serde(default)]
    pub root: RawRoot,
    /// dm-verity parameters of the root file system.
    #[serde(default)]
    pub verity: RawVerity,
    /// How the image boots.
    #[serde(default)]
    pub boot: RawBoot,
    /// Firmware the measurements are computed for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<RawInput>,
    /// Single files, folders and links to add or replace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<RawFile>,
    /// The file system that packages are put over. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<RawBase>,
    /// Tar archives whose members are put over what packages have, in order; overlays and files come after
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<RawLayer>,
    /// Folders whose contents are laid over the root file system, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<RawOverlay>,
    /// System users to add.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<RawUser>,
    /// systemd units to enable or mask. Nothing is enabled that is not named here.
    #[serde(default)]
    pub units: RawUnits,
    /// Findings of the audit that this image may have: without it each ends the build of a production image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<RawAllow>,
    /// Platforms whose expected measurements go into `reference-values.json`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<RawPlatform>,
    /// Changes to the definition, by name: `cvmkit build --variant NAME`. A key given here replaces
    /// that of the base; a list is appended to it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variant: BTreeMap<String, RawDefinition>,
}

/// Packages of the root file system.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawPackages {
    /// Packages to install with their dependencies; recommended packages are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub install: Vec<String>,
    /// `.deb` files, and folders whose `.deb` files are meant, relative to the definition. A package of
    /// theirs is taken instead of those of its name that the suites have, whatever the versions; what is
    /// neither in `install` nor needed by others is not installed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local: Vec<String>,
    /// Whether every `Essential: yes` package is installed. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub essential: Option<bool>,
    /// Paths not to unpack, as dpkg's path-exclude patterns (`/usr/share/doc/*`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_paths: Vec<String>,
    /// Exceptions to `exclude-paths` (`/usr/share/doc/*/copyright`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include_paths: Vec<String>,
    /// How much of dpkg's database is kept. Default: `full`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<RawMetadata>,
    /// What is decided about maintainer scripts, by package.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scripts: BTreeMap<String, RawScripts>,
    /// Answers to questions of debconf, by the question's name (`"tzdata/Areas" = "Europe"`): text, or
    /// `true` and `false`. Default: that of the question's template.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub debconf: BTreeMap<String, RawAnswer>,
    /// Packages that must not be in the image although others depend on them, each with the reason, such
    /// as `initramfs-tools = "stage 1 is ours"`. Packages that only these need are left out too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub drop: BTreeMap<String, String>,
}

/// An answer to a question of debconf.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(untagged, expecting = "an answer: text in quotes, `true` or `false`")]
pub enum RawAnswer {
    /// To a question that takes yes or no.
    Flag(bool),
    /// To any question, as debconf keeps it: several choices with a comma and a blank between them.
    Text(String),
}

/// How much of dpkg's database the image keeps.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RawMetadata {
    /// `status` and `info/`: scanners and `dpkg -L` work.
    Full,
    /// Only `status`.
    Minimal,
    /// Nothing.
    None,
}

/// What is decided about maintainer scripts of a package that can't be evaluated.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "its own keys, such as `scripts.PACKAGE.skip = [\"SHA-256\"]`: the error about a \
                 script shows its SHA-256"
)]
pub struct RawScripts {
    /// Leave them out, explicitly: the SHA-256 of each text, as the error about it shows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<Sha256>,
    /// State what they do, instead of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub give: Vec<RawGiven>,
}

/// What a maintainer script does, stated instead of it. It is done when the script would have run:
/// accounts first, then files in their order.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawGiven {
    /// SHA-256 of the script's text, as the error about it shows it.
    pub script: Sha256,
    /// Files, folders and links that it makes or changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<RawFile>,
    /// System users that it makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<RawUser>,
    /// Groups that it makes, beside those of its users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<RawGroup>,
}

/// A system group.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawGroup {
    /// Its name, as groupadd(8) admits it.
    pub name: String,
    /// Number. Default: that of the lock, which gives out each below 1000 once and keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

/// Kernel, its modules in the initramfs and its command line.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawKernel {
    /// Modules that stage 1 loads besides those the root file system needs: the drivers of the
    /// disks the image may boot from. Default: virtio, SCSI and NVMe disks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules: Option<Vec<String>>,
    /// Kernel parameters; `roothash=` is added by the build.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command_line: Vec<String>,
}

/// Format and compression of the root file system.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawRoot {
    /// File system. Only `squashfs` so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<RawFormat>,
    /// How blocks of the file system are compressed. Default: `zstd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<RawCompression>,
    /// Compression level: zstd 1 to 22 (default 3), gzip 1 to 9 (default 9).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression_level: Option<u32>,
    /// Bytes in a data block: a power of two from 4096 to 1048576. Default: 131072.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_size: Option<u32>,
}

/// A root file system format.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RawFormat {
    /// squashfs 4.0.
    Squashfs,
}

/// A compression of the root file system.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RawCompression {
    /// Zstandard.
    Zstd,
    /// zlib.
    Gzip,
}

/// dm-verity parameters of the root file system.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawVerity {
    /// Salt in hex, up to 256 bytes. Default: 32 bytes derived from the seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// UUID of the hash area. Default: derived from the seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Bytes in a data block: 1024 or 4096. Default: 4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_block_size: Option<u32>,
    /// Bytes in a hash block: 1024 or 4096. Default: 4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_block_size: Option<u32>,
}

/// How the image boots.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawBoot {
    /// `disk`: a GPT disk with a UKI on its EFI system partition. `direct`: the host's VMM loads
    /// kernel and initrd, the disk holds only the root file system. Default: `disk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<RawBootKind>,
    /// The systemd stub of the UKI. Default: `linuxx64.efi.stub` of package `systemd-boot-efi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stub: Option<RawInput>,
}

/// How an image boots.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RawBootKind {
    /// By UEFI from its disk.
    Disk,
    /// With kernel and initrd given to the VMM.
    Direct,
}

/// A build input that does not go into the root file system: a file of a package, or a local file.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawInput {
    /// Package that holds the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Suite the package comes from. Default: the suites of `sources`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// Archive of that suite. Default: that of the source which lists the suite, or that of the
    /// first source when none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// Path in the package, or of a local file relative to the definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 that a local file must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
}

/// A file, folder or link to add or replace. One of `content`, `source`, `symlink` and `folder` says
/// what it is. With none of them the file or folder that a package or an overlay has at this path
/// stays, and what is given of `mode`, `owner`, `group`, `capabilities` and `xattrs` changes.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawFile {
    /// Absolute path in the image.
    pub path: String,
    /// The text of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// A local file, relative to the definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The target of a symbolic link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symlink: Option<String>,
    /// `true` for a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<bool>,
    /// SHA-256 that the file must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// Mode in octal, such as `"0755"`. Default: 0644 for files, 0755 for folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Owner, by name or number. Default: root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Group, by name or number. Default: root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Capabilities of the file as setcap(8) takes them, such as `"cap_net_raw+ep"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<String>,
    /// Extended attributes in `user.`, `trusted.` or `security.`, by name. Values are text, or bytes
    /// in hex behind `0x`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
}

/// A file system that packages are put over. Packages that it has must be in the lock too, and the lock's take
/// their place; its accounts must be those of the image.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawBase {
    /// An OCI image layout, relative to the definition: a folder with `oci-layout`, `index.json` and `blobs`, or
    /// a tar archive of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oci: Option<String>,
    /// The tag of the image (`org.opencontainers.image.ref.name`), where the layout has several for this
    /// architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// A tar archive whose members are put over what packages have, with their modes, numeric owners, times and
/// extended attributes. The last member of a path wins; a folder that is there already keeps its mode and owner.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawLayer {
    /// The archive, relative to the definition: plain, or compressed by gzip, xz or zstd, whatever its name.
    pub source: String,
    /// SHA-256 that the archive must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// Where in the image. Default: `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// A folder laid over the root file system. Files keep only their executable bit: 0755 or 0644. A
/// `[[files]]` entry with `path` and `mode` gives one of them another mode.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawOverlay {
    /// The folder, relative to the definition.
    pub source: String,
    /// Where in the image. Default: `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Owner of all it brings. Default: root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Group of all it brings. Default: root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// A system user, with a group of its name.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawUser {
    /// Login name, as useradd(8) admits it.
    pub name: String,
    /// Number. Default: that of the lock, which gives out each below 1000 once and keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Number of the group of the same name. Default: the uid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Full name, for the comment field of passwd(5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Home folder. Default: `/nonexistent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Login shell. Default: `/usr/sbin/nologin`; another one only in a debug variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Other groups to be a member of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// Which systemd units start.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawUnits {
    /// Units to enable, as `systemctl enable` would.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enable: Vec<String>,
    /// Units to mask, as `systemctl mask` would: nothing starts them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mask: Vec<String>,
    /// The default target. Default: `multi-user.target`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// A finding of the audit that the image may have.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawAllow {
    /// Its class, as `cvmkit audit` names it.
    pub finding: FindingKind,
    /// Its path, as `cvmkit audit` names it, or a pattern of paths as in `exclude-paths`.
    pub path: String,
    /// Why it may be there, in one line.
    pub reason: String,
}

/// A platform to compute expected measurements for: a profile, and what is different here.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawPlatform {
    /// The profile: one that `cvmkit profile` lists, or `./FILE.toml` beside the definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Numbers of virtual CPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<Vec<u32>>,
    /// QEMU names of CPU models (`sev-snp`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcpu_types: Option<Vec<String>>,
    /// SEV features of the guest's VMSA in hex, such as `"0x1"` (SNP only) or `"0x21"` (with debug
    /// swap, as kernels 6.6 and 6.7 set it).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_features: Option<Features>,
    /// Sizes of memory, such as `"2G"` (`tdx`, and `tpm` where QEMU patches the kernel).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Vec<Memory>>,
    /// Version of QEMU, such as `"10.1"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vmm_version: Option<String>,
    /// How the machine boots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<Boot>,
    /// Firmware of this platform. Default: that of the definition for `sev-snp` and `tdx` under
    /// QEMU, none for `tpm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<RawInput>,
    /// The firmware's variables with the keys of Secure Boot, such as `OVMF_VARS_4M.ms.fd` (`tpm`).
    /// Default: firmware without Secure Boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<RawInput>,
    /// The event log of an earlier boot with the same firmware and machine: PCR 0 and 1 are what it
    /// says (`tpm`). Default: they are not predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<RawInput>,
    /// A finished Secure Execution image (`se`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<RawInput>,
    /// How the firmware of a TD measures, if its SHA-256 is not known: an edk2 release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware_layout: Option<String>,
    /// Whether the firmware of a TD was built with Secure Boot, if its SHA-256 is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub secure_boot: Option<SecureBootBuild>,
    /// How the firmware of a machine with a TPM measures, if its SHA-256 is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware_behaviour: Option<String>,
    /// Whether the machine can write to its disk (`tpm` and `tdx`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskAccess>,
    /// The bus of that disk (`tpm` and `tdx` of QEMU): `virtio-blk`, `virtio-scsi`, `nvme`, `usb` or
    /// `ahci`. Decides how often firmware of edk2 2025.08 and later leaves boot services.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub disk_bus: Option<DiskBus>,
    /// How QEMU gives the machine its firmware (`tpm`): `pflash` or `bios`. Decides the same of a
    /// direct boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub firmware_by: Option<FirmwareBy>,
}

impl RawDefinition {
    /// This definition with a variant laid over it: a key given there replaces the one here, a list
    /// is appended to the one here.
    #[must_use]
    pub fn overlaid(self, over: Self) -> Self {
        Self {
            id: over.id.or(self.id),
            version: over.version.or(self.version),
            architecture: over.architecture.or(self.architecture),
            seed: over.seed.or(self.seed),
            hostname: over.hostname.or(self.hostname),
            debug: over.debug.or(self.debug),
            mirrors: appended(self.mirrors, over.mirrors),
            outside_folders: appended(self.outside_folders, over.outside_folders),
            sources: appended(self.sources, over.sources),
            packages: self.packages.overlaid(over.packages),
            kernel: RawKernel {
                modules: over.kernel.modules.or(self.kernel.modules),
                command_line: appended(self.kernel.command_line, over.kernel.command_line),
            },
            root: RawRoot {
                format: over.root.format.or(self.root.format),
                compression: over.root.compression.or(self.root.compression),
                compression_level: over.root.compression_level.or(self.root.compression_level),
                block_size: over.root.block_size.or(self.root.block_size),
            },
            verity: RawVerity {
                salt: over.verity.salt.or(self.verity.salt),
                uuid: over.verity.uuid.or(self.verity.uuid),
                data_block_size: over.verity.data_block_size.or(self.verity.data_block_size),
                hash_block_size: over.verity.hash_block_size.or(self.verity.hash_block_size),
            },
            boot: RawBoot {
                kind: over.boot.kind.or(self.boot.kind),
                stub: over.boot.stub.or(self.boot.stub),
            },
            firmware: over.firmware.or(self.firmware),
            files: appended(self.files, over.files),
            base: over.base.or(self.base),
            layers: appended(self.layers, over.layers),
            overlays: appended(self.overlays, over.overlays),
            users: appended(self.users, over.users),
            units: RawUnits {
                enable: appended(self.units.enable, over.units.enable),
                mask: appended(self.units.mask, over.units.mask),
                default: over.units.default.or(self.units.default),
            },
            allow: appended(self.allow, over.allow),
            platforms: appended(self.platforms, over.platforms),
            // The base's are taken out before; one within a variant is refused.
            variant: over.variant,
        }
    }
}

impl RawPackages {
    fn overlaid(self, over: Self) -> Self {
        let (mut scripts, mut debconf, mut drop) = (self.scripts, self.debconf, self.drop);
        scripts.extend(over.scripts);
        debconf.extend(over.debconf);
        drop.extend(over.drop);
        Self {
            install: appended(self.install, over.install),
            local: appended(self.local, over.local),
            essential: over.essential.or(self.essential),
            exclude_paths: appended(self.exclude_paths, over.exclude_paths),
            include_paths: appended(self.include_paths, over.include_paths),
            metadata: over.metadata.or(self.metadata),
            scripts,
            debconf,
            drop,
        }
    }
}

fn appended<T>(mut base: Vec<T>, over: Vec<T>) -> Vec<T> {
    base.extend(over);
    base
}

#[cfg(test)]
mod tests;
