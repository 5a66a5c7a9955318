//! A definition file, its variants, and the digests of what it says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files;

use super::checked::Definition;
use super::error::DefinitionError;
use super::parse;
use super::raw::{RawDefinition, RawPlatform};
use crate::packages::debian::Source;

/// Name of the definition in its folder.
const DEFINITION_FILE: &str = "image.toml";

/// No definition is longer: 45 000 `[[files]]` have as much. It takes up to 150 times as much memory.
const DEFINITION_MAX: u64 = 2 << 20;

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

    /// The base addresses that sources give for their archives alone, those of all variants.
    pub fn archive_mirrors(&self) -> impl Iterator<Item = (&str, &[String])> {
        let raws = std::iter::once(&self.raw).chain(self.raw.variant.values());
        let sources = raws.flat_map(|raw| &raw.sources);
        sources.map(|source| (source.archive.as_str(), source.mirrors.as_slice()))
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

    /// A digest of all that decides which packages are resolved, and nothing else: not where they are fetched from.
    #[must_use]
    pub fn package_checksum(&self) -> Sha256 {
        let machine_files = |raw: &RawPlatform| {
            [&raw.firmware, &raw.variables, &raw.pinned, &raw.image].map(Clone::clone)
        };
        let relevant = |raw: &RawDefinition| {
            let mut packages = serde_json::json!({
                "install": raw.packages.install, "essential": raw.packages.essential
            });
            // Absent where there are none: the checksums of other definitions stay what they were.
            if !raw.packages.local.is_empty() {
                packages["local"] = serde_json::json!(raw.packages.local);
            }
            if !raw.packages.drop.is_empty() {
                packages["drop"] = serde_json::json!(raw.packages.drop);
            }
            // Any address serves the suites that the same keys sign: one that moved moves no package.
            let anywhere = |source: &Source| Source { mirrors: Vec::new(), ..source.clone() };
            serde_json::json!({
                "architecture": raw.architecture,
                "sources": raw.sources.iter().map(anywhere).collect::<Vec<_>>(),
                "packages": packages,
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

#[cfg(test)]
mod tests;
