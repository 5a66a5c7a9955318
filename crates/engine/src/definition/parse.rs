//! `RawDefinition` to `Definition`: every rule about a single value is here, those of packages in a file of
//! their own.

mod packages;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cvmkit_attest::profile::{Profile, ProfileError, Technology};
use cvmkit_formats::architecture::Architecture;
use cvmkit_host::document;

use super::raw::{
    RawAllow, RawBase, RawBoot, RawCompression, RawDefinition, RawFile, RawInput, RawKernel,
    RawLayer, RawOverlay, RawPlatform, RawRoot, RawUser, RawVerity,
};
use super::{
    Base, BootKind, Definition, DefinitionError, FileEntry, FileKind, Input, Layer, Overlay,
    Ownership, Platform, ProfileSource, Root, Seed, Verity, console, exceptions,
};
use crate::packages::debian::{Source, is_archive_name, is_flat, is_pool_path};
use crate::rootfs::{Allowed, accounts, capability, is_hostname, mode};

/// Drivers of the disks that hypervisors and clouds offer.
const DEFAULT_MODULES: [&str; 5] = ["virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "nvme"];

/// The longest command line of x86 (`COMMAND_LINE_SIZE`, `arch/x86/include/asm/setup.h`) less NUL.
const COMMAND_LINE_MAX: usize = 2047;

/// `roothash=` with a SHA-256 and a space.
const ROOTHASH_PARAMETER_LEN: usize = 9 + 64 + 1;

/// A space and the `--` that ends what the kernel takes for parameters.
const END_OF_PARAMETERS_LEN: usize = 3;

/// Keeps systemd from taking credentials that the host offers by SMBIOS, fw_cfg or the ESP: some of
/// them are run as tmpfiles.d, sysctl.d or units (systemd.system-credentials(7)). systemd leaves
/// them alone in a confidential VM by itself, but only where it recognises one.
const NO_HOST_CREDENTIALS: &str = "systemd.import_credentials=no";

/// Keeps the kernel from the variables of the firmware, which are the host's: systemd takes
/// `SystemdOptions` for a second command line, and other variables for where a hibernated system is
/// or whether to reset to factory defaults (systemd.generator(7), `efivars.c` of systemd).
const NO_EFI_VARIABLES: &str = "efi=noruntime";

/// The longest name of an extended attribute (`XATTR_NAME_MAX`, `linux/limits.h`).
const XATTR_NAME_MAX: usize = 255;

/// What is asked of the number of an account.
const ID_RULE: &str =
    "a number below 4294967295 other than 65535: those two mean \"no change\" to a kernel";

/// Parses the text of a definition.
pub(super) fn toml(text: &str, path: &Path) -> Result<RawDefinition, DefinitionError> {
    document::toml(text).map_err(|misfit| {
        let (line, column, path) = (misfit.line, misfit.column, path.to_owned());
        match unknown_field(&misfit.message) {
            Some((key, known)) => DefinitionError::UnknownKey { path, line, column, key, known },
            None => DefinitionError::Malformed { path, line, column, message: misfit.words() },
        }
    })
}

/// serde's words for a key that does not exist: ``unknown field `a`, expected one of `b`, `c` ``.
fn unknown_field(message: &str) -> Option<(String, Vec<String>)> {
    let quoted = message.strip_prefix("unknown field `")?;
    // A key may hold backticks and commas itself; those that exist do not.
    let (key, known) = quoted.rsplit_once("`, expected ")?;
    let known = known.split('`').skip(1).step_by(2).map(str::to_owned);
    Some((key.to_owned(), known.collect()))
}

/// Checks a definition; `raw.variant` has been applied before.
pub(super) fn definition(
    raw: RawDefinition,
    variant: Option<&str>,
    path: &Path,
) -> Result<Definition, DefinitionError> {
    Check { path, debug: raw.debug.unwrap_or(false) }.definition(raw, variant)
}

/// Refuses a list of files, that of `key`, which names one path twice: the first would have no effect.
/// A variant may name one of the base, and replaces it.
pub(super) fn distinct_files(key: &str, raw: &RawDefinition, path: &Path) -> Checked<()> {
    let mut known = BTreeSet::new();
    match raw.files.iter().find(|file| !known.insert(&file.path)) {
        None => Ok(()),
        Some(file) => {
            let check = Check { path, debug: false };
            Err(check.invalid(key, &file.path, "a path that is given once"))
        }
    }
}

/// Knows where the definition stands, for its errors.
struct Check<'a> {
    path: &'a Path,
    debug: bool,
}

type Checked<T> = Result<T, DefinitionError>;

impl Check<'_> {
    fn definition(&self, raw: RawDefinition, variant: Option<&str>) -> Checked<Definition> {
        if self.debug && variant.is_none() {
            return Err(self.invalid("debug", "true", "only a variant can be a debug image"));
        }
        if !raw.variant.is_empty() {
            let key = match variant {
                Some(name) => format!("variant.{name}.variant"),
                None => "variant".to_owned(),
            };
            return Err(self.invalid(&key, "a table", "no variant within a variant"));
        }
        let architecture = raw
            .architecture
            .ok_or_else(|| self.missing("architecture", "architecture = \"x86-64\""))?;
        let id = self.id(raw.id)?;
        self.sources(&raw.sources)?;
        self.users_are_distinct(&raw.users)?;
        let seed = self.seed(raw.seed)?;
        let firmware = raw.firmware.map(|raw| self.input("firmware", raw)).transpose()?;
        Ok(Definition {
            version: self.name("version", raw.version, "version = \"1\"")?,
            variant: self.variant(variant)?,
            debug: self.debug,
            architecture,
            hostname: self.hostname(raw.hostname, &id)?,
            id,
            seed,
            mirrors: raw.mirrors,
            outside_folders: raw.outside_folders,
            sources: raw.sources,
            packages: self.packages(raw.packages)?,
            command_line: self.command_line(&raw.kernel)?,
            modules: modules(raw.kernel),
            root: self.root(&raw.root)?,
            verity: self.verity(raw.verity, seed)?,
            boot: raw.boot.kind.unwrap_or(BootKind::Disk),
            stub: self.stub(raw.boot, architecture)?,
            platforms: self.platforms(raw.platforms, firmware.as_ref())?,
            firmware,
            files: self.each(raw.files, |check, raw| check.file("files", raw))?,
            base: raw.base.map(|raw| self.base(raw)).transpose()?,
            layers: self.layers(raw.layers)?,
            overlays: self.each(raw.overlays, Self::overlay)?,
            users: self.each(raw.users, |check, raw| check.user("users", raw))?,
            allow: self.each(raw.allow, Self::allow)?,
            units_enable: raw.units.enable,
            units_mask: raw.units.mask,
            default_target: raw.units.default.unwrap_or_else(|| "multi-user.target".into()),
        })
    }

    fn sources(&self, sources: &[Source]) -> Checked<()> {
        if sources.is_empty() {
            return Err(self.missing("sources", "[[sources]]` with `suites = [\"trixie\"]"));
        }
        let mut known = BTreeSet::new();
        for source in sources {
            if !is_archive_name(&source.archive) {
                let rule = "the last part of the archive's address, such as `debian`";
                return Err(self.invalid("sources.archive", &source.archive, rule));
            }
            if source.suites.is_empty() {
                return Err(self.invalid("sources.suites", "an empty list", "at least one suite"));
            }
            if source.components.is_empty() {
                let rule = "at least one component";
                return Err(self.invalid("sources.components", "an empty list", rule));
            }
            let flat = source.suites.iter().find(|suite| is_flat(suite));
            if let Some(flat) = flat.filter(|_| source.components != ["main"]) {
                let rule = format!("no components: `{flat}` is of a flat archive");
                let found = source.components.join(" ");
                return Err(self.invalid("sources.components", &found, &rule));
            }
            for suite in &source.suites {
                // Of two, the components and keys of one would be passed over.
                let folder = suite.strip_suffix('/').unwrap_or(suite);
                let is_named = is_pool_path(folder) || suite == "./";
                if !is_named || !known.insert((&source.archive, suite)) {
                    let rule = "a suite's name, once for each archive";
                    return Err(self.invalid("sources.suites", suite, rule));
                }
            }
        }
        Ok(())
    }

    fn users_are_distinct(&self, users: &[RawUser]) -> Checked<()> {
        let mut known = BTreeSet::new();
        match users.iter().find(|user| !known.insert(&user.name)) {
            Some(user) => Err(self.invalid("users.name", &user.name, "a name that is given once")),
            None => Ok(()),
        }
    }

    fn each<T, U>(&self, items: Vec<T>, check: impl Fn(&Self, T) -> Checked<U>) -> Checked<Vec<U>> {
        items.into_iter().map(|item| check(self, item)).collect()
    }

    fn name(&self, key: &str, value: Option<String>, example: &str) -> Checked<String> {
        let value = value.ok_or_else(|| self.missing(key, example))?;
        // UAPI.10: the parts of a file name are joined by `_`, so no part may hold one.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-+~^".contains(&byte);
        let first = value.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if first && value.len() <= 64 && value.bytes().all(plain) {
            return Ok(value);
        }
        let rule = "1 to 64 letters, digits and `.-+~^`, a letter or digit first";
        Err(self.invalid(key, &value, rule))
    }

    /// One rule for all who name an image: file names (UAPI.10) and os-release(5), `IMAGE_ID`.
    fn id(&self, id: Option<String>) -> Checked<String> {
        let id = id.ok_or_else(|| self.missing("id", "id = \"my-image\""))?;
        if super::is_id(&id) { Ok(id) } else { Err(self.invalid("id", &id, super::ID_RULE)) }
    }

    fn hostname(&self, name: Option<String>, id: &str) -> Checked<String> {
        let name = name.unwrap_or_else(|| id.to_owned());
        if is_hostname(&name) {
            return Ok(name);
        }
        let rule = "1 to 64 letters and digits, with `.` or `-` between them";
        Err(self.invalid("hostname", &name, rule))
    }

    fn variant(&self, name: Option<&str>) -> Checked<Option<String>> {
        name.map(|name| self.name("variant", Some(name.to_owned()), "")).transpose()
    }

    fn seed(&self, seed: Option<String>) -> Checked<Seed> {
        let text = seed.ok_or_else(|| {
            self.missing("seed", "seed = \"...\"` with a UUID of your own (`uuidgen`)")
        })?;
        Ok(Seed(self.uuid("seed", &text)?))
    }

    fn uuid(&self, key: &str, text: &str) -> Checked<[u8; 16]> {
        let mut bytes = [0; 16];
        let dashes = text.match_indices('-').map(|(at, _)| at).eq([8, 13, 18, 23]);
        match hex::decode_to_slice(text.replace('-', ""), &mut bytes) {
            Ok(()) if dashes => Ok(bytes),
            _ => Err(self.invalid(key, text, "a UUID, such as uuidgen prints")),
        }
    }

    fn command_line(&self, raw: &RawKernel) -> Checked<Vec<String>> {
        let key = "kernel.command-line";
        for parameter in &raw.command_line {
            if parameter.is_empty() || !parameter.bytes().all(|byte| byte.is_ascii_graphic()) {
                let rule = "one parameter of printable ASCII without spaces";
                return Err(self.invalid(key, parameter, rule));
            }
            let name = parameter.split('=').next().unwrap_or_default();
            if name == "roothash" {
                let rule = "no `roothash=`: the build adds the one it computes";
                return Err(self.invalid(key, parameter, rule));
            }
            if parameter == "--" || parameter.contains('"') {
                let rule = "no quotes, as a parameter has no spaces, and no `--`";
                return Err(self.invalid(key, parameter, rule));
            }
            if name.replace('-', "_") == "systemd.import_credentials" && !self.debug {
                let rule = "no credentials of the host, but in a variant with `debug = true`";
                return Err(self.invalid(key, parameter, rule));
            }
            if restores_efi_variables(parameter) && !self.debug {
                let rule = "no variables of the firmware, but in a variant with `debug = true`";
                return Err(self.invalid(key, parameter, rule));
            }
            self.stage1_parameter(key, name, parameter, &raw.command_line)?;
            if let Some(rule) = console::refused(parameter).filter(|_| !self.debug) {
                let rule = format!("{rule}, but in a variant with `debug = true`");
                return Err(self.invalid(key, parameter, &rule));
            }
        }
        let own: &[&str] = match self.debug {
            true => &[],
            false => &[NO_EFI_VARIABLES, NO_HOST_CREDENTIALS],
        };
        let own = own.iter().map(|parameter| (*parameter).to_owned());
        let parameters: Vec<String> = own.chain(raw.command_line.iter().cloned()).collect();
        let len = parameters.join(" ").len() + ROOTHASH_PARAMETER_LEN + END_OF_PARAMETERS_LEN;
        if len > COMMAND_LINE_MAX {
            let rule = format!("at most {COMMAND_LINE_MAX} bytes with `roothash=`");
            return Err(self.invalid(key, &format!("{len} bytes"), &rule));
        }
        Ok(parameters)
    }

    /// What stage 1 would refuse at boot is refused here.
    fn stage1_parameter(
        &self,
        key: &str,
        name: &str,
        parameter: &str,
        all: &[String],
    ) -> Checked<()> {
        let value = parameter.split_once('=').map(|(_, value)| value);
        let (fits, rule) = match name {
            "init" => (value.is_some_and(|path| path.starts_with('/')), "an absolute path"),
            "cvmkit.root_wait" => (
                value.is_some_and(|seconds| seconds.parse::<u16>().is_ok_and(|n| n <= 3600)),
                "whole seconds up to 3600",
            ),
            _ => return Ok(()),
        };
        let same = all.iter().filter(|other| other.split('=').next() == Some(name)).count();
        if fits && same == 1 {
            return Ok(());
        }
        Err(self.invalid(key, parameter, &format!("`{name}=` at most once, with {rule}")))
    }

    fn root(&self, raw: &RawRoot) -> Checked<Root> {
        let compression = raw.compression.unwrap_or(RawCompression::Zstd);
        let (levels, default) = match compression {
            RawCompression::Zstd => (1..=22, 3),
            RawCompression::Gzip => (1..=9, 9),
        };
        let level = raw.compression_level.unwrap_or(default);
        if !levels.contains(&level) {
            let rule = format!("{} to {}", levels.start(), levels.end());
            return Err(self.invalid("root.compression-level", &level.to_string(), &rule));
        }
        let block_size = raw.block_size.unwrap_or(131_072);
        if !block_size.is_power_of_two() || !(4096..=1_048_576).contains(&block_size) {
            let rule = "a power of two from 4096 to 1048576";
            return Err(self.invalid("root.block-size", &block_size.to_string(), rule));
        }
        Ok(Root { compression, level, block_size })
    }

    fn verity(&self, raw: RawVerity, seed: Seed) -> Checked<Verity> {
        let salt = match raw.salt {
            None => seed.derive("verity salt").to_vec(),
            Some(text) => match hex::decode(&text) {
                Ok(salt) if salt.len() <= 256 => salt,
                _ => return Err(self.invalid("verity.salt", &text, "up to 256 bytes in hex")),
            },
        };
        let uuid = match raw.uuid {
            None => seed.uuid("verity"),
            Some(text) => self.uuid("verity.uuid", &text)?,
        };
        let block_size = |key: &str, value: Option<u32>| match value.unwrap_or(4096) {
            size @ (1024 | 4096) => Ok(size),
            size => Err(self.invalid(key, &size.to_string(), "1024 or 4096")),
        };
        Ok(Verity {
            salt,
            uuid,
            data_block_size: block_size("verity.data-block-size", raw.data_block_size)?,
            hash_block_size: block_size("verity.hash-block-size", raw.hash_block_size)?,
        })
    }

    fn stub(&self, raw: RawBoot, architecture: Architecture) -> Checked<Input> {
        if raw.stub.is_some() && raw.kind == Some(BootKind::Direct) {
            let rule = "no stub with `kind = \"direct\"`, which has no UKI";
            return Err(self.invalid("boot.stub", "a stub", rule));
        }
        match raw.stub {
            Some(stub) => self.input("boot.stub", stub),
            None => Ok(Input::Package {
                package: "systemd-boot-efi".into(),
                suite: None,
                archive: None,
                path: architecture.stub().into(),
            }),
        }
    }

    fn platforms(&self, raw: Vec<RawPlatform>, firmware: Option<&Input>) -> Checked<Vec<Platform>> {
        raw.into_iter().map(|raw| self.platform(raw, firmware)).collect()
    }

    fn input(&self, key: &str, raw: RawInput) -> Checked<Input> {
        let path =
            raw.path.ok_or_else(|| self.missing(&format!("{key}.path"), "path = \"...\""))?;
        match (raw.package, raw.sha256, raw.suite) {
            (Some(package), None, suite) => {
                let path = self.image_path(&format!("{key}.path"), &path)?;
                let archive = raw.archive;
                if let (Some(archive), None) = (&archive, &suite) {
                    let rule = "the archive of a `suite` that is named beside it";
                    return Err(self.invalid(&format!("{key}.archive"), archive, rule));
                }
                Ok(Input::Package { package, suite, archive, path })
            }
            (None, Some(sha256), None) if raw.archive.is_none() => {
                Ok(Input::Local { path, sha256 })
            }
            // A suite or an archive is that of a package.
            (None, None, suite) if suite.is_some() || raw.archive.is_some() => {
                Err(self.missing(&format!("{key}.package"), "package = \"...\""))
            }
            (None, None, _) => Err(self.missing(&format!("{key}.sha256"), "sha256 = \"...\"")),
            _ => Err(self.invalid(
                key,
                "a mixture",
                "either a package and suite, or a local file and its sha256",
            )),
        }
    }

    fn image_path(&self, key: &str, path: &str) -> Checked<String> {
        let relative = path.strip_prefix('/').unwrap_or_default();
        let clean =
            relative.split('/').all(|name| cvmkit_formats::tree::is_valid_name(name.as_bytes()));
        if clean {
            return Ok(relative.to_owned());
        }
        Err(self.invalid(key, path, "an absolute path without `.`, `..` and empty names"))
    }

    /// A file of the list that `list` names.
    fn file(&self, list: &str, raw: RawFile) -> Checked<FileEntry> {
        let key = format!("{list}.`{}`", raw.path);
        let kind = match (raw.content, raw.source, raw.symlink, raw.folder) {
            (Some(text), None, None, None) => FileKind::Text(text),
            (None, Some(source), None, None) => FileKind::Local(source, raw.sha256),
            (None, None, Some(target), None) => FileKind::Symlink(target),
            (None, None, None, Some(true)) => FileKind::Folder,
            (None, None, None, None) => FileKind::Existing,
            _ => {
                let rule = "exactly one of `content`, `source`, `symlink` and `folder = true`";
                return Err(self.invalid(&key, "as it is", rule));
            }
        };
        if raw.sha256.is_some() && !matches!(kind, FileKind::Local(..)) {
            return Err(self.invalid(&key, "sha256", "a digest only with `source`"));
        }
        self.owners(&key, raw.owner.as_ref(), raw.group.as_ref())?;
        let is_link = matches!(kind, FileKind::Symlink(_));
        if is_link && (raw.mode.is_some() || raw.capabilities.is_some()) {
            let rule = "a link without `mode` and `capabilities`: Linux has none of links";
            return Err(self.invalid(&key, "as it is", rule));
        }
        let mode = raw.mode.as_deref().map(|mode| self.mode(&key, mode)).transpose()?;
        let entry = FileEntry {
            path: self.image_path(&format!("{list}.path"), &raw.path)?,
            mode,
            xattrs: self.xattrs(&key, raw.capabilities.as_deref(), raw.xattrs)?,
            owner: raw.owner,
            group: raw.group,
            kind,
        };
        let changes = entry.mode.is_some() || entry.owner.is_some() || entry.group.is_some();
        if entry.kind == FileKind::Existing && !changes && entry.xattrs.is_empty() {
            let rule = "one of `content`, `source`, `symlink` and `folder = true`, or what to change \
                        of the file that is there: `mode`, `owner`, `group`, `capabilities`, `xattrs`";
            return Err(self.invalid(&key, "as it is", rule));
        }
        Ok(entry)
    }

    fn xattrs(
        &self,
        key: &str,
        capabilities: Option<&str>,
        raw: BTreeMap<String, String>,
    ) -> Checked<BTreeMap<Vec<u8>, Vec<u8>>> {
        let mut xattrs = BTreeMap::new();
        for (name, value) in raw {
            let places = ["user.", "trusted.", "security."];
            let fits =
                places.iter().any(|place| name.len() > place.len() && name.starts_with(place));
            if !fits || name.len() > XATTR_NAME_MAX || name.contains('\0') {
                let rule = "a name in `user.`, `trusted.` or `security.` of at most 255 bytes";
                return Err(self.invalid(&format!("{key}.xattrs"), &name, rule));
            }
            let bytes = match value.strip_prefix("0x") {
                None => value.into_bytes(),
                Some(digits) => hex::decode(digits).map_err(|_| {
                    let rule = "bytes in hex behind `0x`, or text";
                    self.invalid(&format!("{key}.xattrs.`{name}`"), &value, rule)
                })?,
            };
            xattrs.insert(name.into_bytes(), bytes);
        }
        if let Some(text) = capabilities {
            let key = format!("{key}.capabilities");
            let bytes =
                capability::attribute(text).map_err(|rule| self.invalid(&key, text, &rule))?;
            let name = capability::ATTRIBUTE.as_bytes().to_vec();
            if xattrs.insert(name, bytes).is_some() {
                let rule = "the capabilities once: here, or as `security.capability` in `xattrs`";
                return Err(self.invalid(&key, text, rule));
            }
        }
        Ok(xattrs)
    }

    fn mode(&self, key: &str, text: &str) -> Checked<u16> {
        mode::octal(text)
            .ok_or_else(|| self.invalid(&format!("{key}.mode"), text, "an octal mode up to 7777"))
    }

    /// A target in the image, by its key.
    fn target(&self, key: &str, target: Option<&str>) -> Checked<String> {
        match target {
            None | Some("/") => Ok(String::new()),
            Some(path) => self.image_path(key, path),
        }
    }

    fn base(&self, raw: RawBase) -> Checked<Base> {
        let named = raw.oci.ok_or_else(|| self.missing("base.oci", "oci = \"...\""))?;
        let oci = named.trim_end_matches('/').to_owned();
        if oci.is_empty() {
            let rule = "a folder or an archive, relative to the definition";
            return Err(self.invalid("base.oci", &named, rule));
        }
        Ok(Base { oci, reference: raw.reference })
    }

    fn layers(&self, raw: Vec<RawLayer>) -> Checked<Vec<Layer>> {
        let mut layers: Vec<Layer> = Vec::new();
        for RawLayer { source, sha256, target } in raw {
            let target = self.target("layers.target", target.as_deref())?;
            if layers.iter().any(|layer| (&layer.source, &layer.target) == (&source, &target)) {
                let rule = "an archive that is named once for each target";
                return Err(self.invalid("layers.source", &source, rule));
            }
            layers.push(Layer { source, sha256, target });
        }
        Ok(layers)
    }

    fn overlay(&self, raw: RawOverlay) -> Checked<Overlay> {
        let target = self.target("overlays.target", raw.target.as_deref())?;
        let key = format!("overlays.`{}`", raw.source);
        self.owners(&key, raw.owner.as_ref(), raw.group.as_ref())?;
        // A final slash says that it is a folder, which each overlay is.
        let source = raw.source.trim_end_matches('/').to_owned();
        Ok(Overlay { source, target, ownership: ownership(raw.owner, raw.group) })
    }

    fn allow(&self, raw: RawAllow) -> Checked<Allowed> {
        let RawAllow { finding, path, reason } = raw;
        exceptions::allows(&path, &reason)
            .map_err(|(key, found, rule)| self.invalid(&key, &found, rule))?;
        Ok(Allowed { finding, path, reason })
    }

    /// A user of the list that `list` names.
    fn user(&self, list: &str, raw: RawUser) -> Checked<RawUser> {
        if let (Some(shell), false) = (&raw.shell, self.debug)
            && !shell.ends_with("/nologin")
            && !shell.ends_with("/false")
        {
            let key = format!("{list}.`{}`.shell", raw.name);
            let rule = "no login shell, but in a variant with `debug = true`";
            return Err(self.invalid(&key, shell, rule));
        }
        let key = format!("{list}.`{}`", raw.name);
        self.account_id(&format!("{key}.uid"), raw.uid)?;
        self.account_id(&format!("{key}.gid"), raw.gid)?;
        Ok(raw)
    }

    /// Refuses the number of an account that none can have.
    fn account_id(&self, key: &str, id: Option<u32>) -> Checked<()> {
        match id.filter(|id| !accounts::is_id(*id)) {
            None => Ok(()),
            Some(id) => Err(self.invalid(key, &id.to_string(), ID_RULE)),
        }
    }

    /// Refuses an owner by number that no account can be.
    fn owners(&self, key: &str, owner: Option<&String>, group: Option<&String>) -> Checked<()> {
        for (field, name) in [("owner", owner), ("group", group)] {
            let is_number =
                |name: &&String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
            if let Some(name) = name.filter(is_number).filter(|name| accounts::id(name).is_none()) {
                return Err(self.invalid(&format!("{key}.{field}"), name, ID_RULE));
            }
        }
        Ok(())
    }

    /// A platform with the files of its machine; `default` is the definition's firmware.
    fn platform(&self, mut raw: RawPlatform, default: Option<&Input>) -> Checked<Platform> {
        let example = "profile = \"qemu-snp\"";
        let name = raw.profile.clone().ok_or_else(|| self.missing("platforms.profile", example))?;
        let profile = match name.strip_prefix("./") {
            Some(path) => ProfileSource::File(path.to_owned()),
            None => {
                let profile = Profile::built_in(&name).map_err(|source| self.profile(source))?;
                ProfileSource::BuiltIn(Box::new(profile))
            }
        };
        let file = |key: &str, raw: Option<RawInput>| {
            raw.map(|raw| self.input(&format!("platforms.{key}"), raw)).transpose()
        };
        let own = file("firmware", raw.firmware.take())?;
        let platform = Platform {
            firmware: own,
            variables: file("variables", raw.variables.take())?,
            pinned: file("pinned", raw.pinned.take())?,
            image: file("image", raw.image.take())?,
            profile,
            changes: raw,
        };
        if let ProfileSource::BuiltIn(profile) = &platform.profile {
            self.fits(&platform, profile, default)?;
        }
        Ok(platform)
    }

    /// Refuses a platform that lacks a file of its machine, or changes what can't be.
    fn fits(&self, platform: &Platform, profile: &Profile, default: Option<&Input>) -> Checked<()> {
        if platform.firmware_of(profile, default).is_none() && profile.needs_firmware() {
            let words = profile.required_firmware();
            let example = format!("firmware = {{ ... }}` for {words}: `package = \"...\"");
            return Err(self.missing("platforms.firmware", &example));
        }
        if platform.image.is_none() && profile.technology == Technology::Se {
            let example = "image = { path = \"...\", sha256 = \"...\" }";
            return Err(self.missing("platforms.image", example));
        }
        platform.resolve(|_| Ok(String::new())).map_err(|source| self.profile(source)).map(drop)
    }

    fn profile(&self, source: ProfileError) -> DefinitionError {
        DefinitionError::Profile { path: self.path.to_owned(), source: Box::new(source) }
    }

    fn invalid(&self, key: &str, found: &str, expected: &str) -> DefinitionError {
        DefinitionError::Invalid {
            path: self.path.to_owned(),
            key: key.to_owned(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    }

    fn missing(&self, key: &str, example: &str) -> DefinitionError {
        DefinitionError::MissingKey {
            path: self.path.to_owned(),
            key: key.to_owned(),
            example: example.to_owned(),
        }
    }
}

fn modules(raw: RawKernel) -> Vec<String> {
    raw.modules.unwrap_or_else(|| DEFAULT_MODULES.map(str::to_owned).to_vec())
}

fn ownership(owner: Option<String>, group: Option<String>) -> Ownership {
    Ownership {
        owner: owner.unwrap_or_else(|| "root".into()),
        group: group.unwrap_or_else(|| "root".into()),
    }
}

/// `efi=` with the option that undoes `noruntime` (`parse_efi_cmdline`, `drivers/firmware/efi/efi.c`).
fn restores_efi_variables(parameter: &str) -> bool {
    let options = parameter.strip_prefix("efi=").unwrap_or_default();
    options.split(',').any(|option| option == "runtime")
}

#[cfg(test)]
mod tests;
