//! Package sets: what campaigns put into images, and the definition of such an image.
//!
//! The contract: a set's definition is `recipes/minimal`, of which sources, kernel and excluded paths stay as
//! they are, with the set's packages beside its own. What only a boot or a measurement needs is left out:
//! firmware, platforms, overlays, variants, and a `/var` that is made anew at boot. The version is the program's SHA-256, so that no program takes
//! over what another one found out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest as _, Sha256};
use toml::{Table, Value};

use crate::{Workspace, demo, step};

/// The kernel of the recipe.
const KERNEL: &str = "linux-image-cloud-amd64";

/// Sets that stand for another kernel.
const KERNELS: [(&str, &str); 2] =
    [("kernel-generic", "linux-image-amd64"), ("kernel-rt", "linux-image-rt-amd64")];

/// Packages that start so are in another component of the archive.
const FIRMWARE: (&str, &str) = ("firmware-", "non-free-firmware");

/// The kernel's parameter for which an image keeps a copy of `/var`.
const VOLATILE: &str = "systemd.volatile=state";

/// The keys of the recipe that a set keeps.
const KEPT: [&str; 5] = ["architecture", "seed", "sources", "packages", "kernel"];

/// Packages to install together, under a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) packages: Vec<String>,
}

impl Set {
    /// One package, under its own name.
    pub(crate) fn of_package(package: &str) -> Self {
        Self { name: package.to_owned(), packages: vec![package.to_owned()] }
    }

    /// The definition of an image with these packages; `recipe` is the text of `recipes/minimal`.
    pub(crate) fn definition(&self, recipe: &str, version: &str) -> Result<String> {
        let mut table = base(recipe, &self.name, version)?;
        let install = install(&mut table).context("recipes/minimal installs nothing")?;
        if let Some(kernel) = self.kernel() {
            let there = install.iter_mut().find(|package| package.as_str() == Some(KERNEL));
            *there.with_context(|| format!("recipes/minimal has no {KERNEL}"))? =
                Value::String(kernel.to_owned());
        }
        let new = self.beside(install);
        install.extend(new);
        if self.has_firmware() {
            let sources = table.get_mut("sources").and_then(Value::as_array_mut);
            for source in sources.into_iter().flatten() {
                let components = ["main", FIRMWARE.1].map(|one| Value::String(one.to_owned()));
                let source = source.as_table_mut().context("a source that is no table")?;
                source.insert("components".into(), Value::Array(components.into()));
            }
        }
        Ok(toml::to_string(&table)?)
    }

    /// Whether the set can be a variant of the recipe's image: one with more packages, and nothing else.
    pub(crate) fn is_variant(&self, recipe: &str) -> Result<bool> {
        let mut table = base(recipe, &self.name, "0")?;
        let install = install(&mut table).context("recipes/minimal installs nothing")?;
        let has_more = !self.beside(install).is_empty();
        Ok(has_more && self.kernel().is_none() && !self.has_firmware())
    }

    fn kernel(&self) -> Option<&'static str> {
        KERNELS.iter().find(|(set, _)| *set == self.name).map(|(_, kernel)| *kernel)
    }

    fn has_firmware(&self) -> bool {
        self.packages.iter().any(|package| package.starts_with(FIRMWARE.0))
    }

    /// The packages that a definition does not install yet.
    fn beside(&self, install: &[Value]) -> Vec<Value> {
        let packages = self.packages.iter().map(|package| Value::String(package.clone()));
        packages.filter(|package| !install.contains(package)).collect()
    }
}

/// One definition for many sets: each is a variant, named by [`variant`]. Choosing among the packages of an
/// archive takes longer than evaluating those that were chosen, and most of it is the same for all sets.
pub(crate) fn variants(recipe: &str, name: &str, version: &str, sets: &[&Set]) -> Result<String> {
    let mut table = base(recipe, name, version)?;
    let there = install(&mut table).context("recipes/minimal installs nothing")?.clone();
    let one = |(at, set): (usize, &&Set)| {
        let install = Table::from_iter([("install".to_owned(), Value::Array(set.beside(&there)))]);
        let packages = Table::from_iter([("packages".to_owned(), Value::Table(install))]);
        (variant(at), Value::Table(packages))
    };
    let all: Table = sets.iter().enumerate().map(one).collect();
    table.insert("variant".into(), Value::Table(all));
    Ok(toml::to_string(&table)?)
}

/// The name of a set's variant by its place: packages may have letters that variants may not.
pub(crate) fn variant(at: usize) -> String {
    format!("v{at}")
}

/// What all definitions take from the recipe.
fn base(recipe: &str, name: &str, version: &str) -> Result<Table> {
    let mut table: Table = toml::from_str(recipe).context("recipes/minimal")?;
    table.retain(|key, _| KEPT.contains(&key));
    table.insert("id".into(), Value::String(identity(name)));
    table.insert("version".into(), Value::String(version.to_owned()));
    let kernel = table.get_mut("kernel").and_then(Value::as_table_mut);
    let words = kernel.and_then(|kernel| kernel.get_mut("command-line")?.as_array_mut());
    words.into_iter().for_each(|words| words.retain(|word| word.as_str() != Some(VOLATILE)));
    Ok(table)
}

/// The packages that a definition installs.
fn install(table: &mut Table) -> Option<&mut Vec<Value>> {
    table.get_mut("packages")?.as_table_mut()?.get_mut("install")?.as_array_mut()
}

/// A package's name as an image's: the `+` of `g++` is none of its letters.
fn identity(name: &str) -> String {
    let mut identity = name.replace('+', ".plus");
    identity.truncate(64);
    identity
}

/// Reads sets, one a line: the name, a tab, packages with spaces between them.
pub(crate) fn read(path: &Path) -> Result<Vec<Set>> {
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    parse(&text).with_context(|| format!("{}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Set>> {
    let mut sets: Vec<Set> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some((name, packages)) = line.split_once('\t') else { bail!("no tab in `{line}`") };
        ensure!(sets.iter().all(|set| set.name != name), "two sets are named `{name}`");
        let packages = packages.split_whitespace().map(str::to_owned).collect();
        sets.push(Set { name: name.to_owned(), packages });
    }
    Ok(sets)
}

/// The program that a campaign runs, and what it shares with others that do.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// The version of definitions that this program evaluates.
    pub(crate) version: String,
    /// The text of the recipe that sets build on.
    pub(crate) recipe: String,
}

impl Program {
    /// The program of `CVMKIT`, or a release build made now.
    pub(crate) fn find(workspace: &Workspace) -> Result<Self> {
        let path = match std::env::var_os("CVMKIT") {
            Some(path) => std::path::absolute(path)?,
            None => {
                demo::build_cvmkit(workspace)?;
                workspace.cvmkit()
            }
        };
        let bytes = fs::read(&path).with_context(|| format!("{}", path.display()))?;
        let digest: String =
            Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let recipe = workspace.root.join("recipes/minimal/image.toml");
        let recipe =
            fs::read_to_string(&recipe).with_context(|| format!("{}", recipe.display()))?;
        Ok(Self { path, version: format!("0.{}", &digest[..12]), recipe })
    }

    /// A command of the program.
    pub(crate) fn command(&self, workspace: &Workspace, arguments: &[&str]) -> Command {
        let mut command = step::command(&self.path, arguments);
        self.equip(workspace, &mut command);
        command
    }

    /// Gives a command the store of `CVMKIT_STORE`, or one that campaigns share.
    pub(crate) fn equip(&self, workspace: &Workspace, command: &mut Command) {
        if std::env::var_os("CVMKIT_STORE").is_none() {
            command.env("CVMKIT_STORE", workspace.target.join("campaign/store"));
        }
        command.env("NO_COLOR", "1");
    }

    /// Writes a set's definition below `folder`; answers where.
    pub(crate) fn write(&self, set: &Set, folder: &Path) -> Result<PathBuf> {
        let folder = folder.join(&set.name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("image.toml"), set.definition(&self.recipe, &self.version)?)?;
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "id = \"minimal\"\nversion = \"1\"\nseed = \"s\"\n\
        [[sources]]\nsuites = [\"trixie\"]\n\
        [packages]\ninstall = [\"systemd\", \"linux-image-cloud-amd64\"]\nexclude-paths = [\"/a/*\"]\n\
        [kernel]\ncommand-line = [\"quiet\", \"systemd.volatile=state\"]\n[firmware]\npackage = \"ovmf\"\n[variant.debug]\ndebug = true\n";

    fn definition(name: &str, packages: &[&str]) -> Table {
        let packages = packages.iter().map(|package| (*package).to_owned()).collect();
        let set = Set { name: name.to_owned(), packages };
        toml::from_str(&set.definition(RECIPE, "0.1").unwrap()).unwrap()
    }

    #[test]
    fn a_set_is_the_recipe_with_its_packages() {
        let table = definition("g++", &["g++", "systemd"]);
        assert_eq!(table["id"].as_str(), Some("g.plus.plus"));
        assert_eq!(table["version"].as_str(), Some("0.1"));
        let install: Vec<_> = table["packages"]["install"].as_array().unwrap().iter().collect();
        assert_eq!(install.len(), 3, "a package is named once: {install:?}");
        assert_eq!(install[2].as_str(), Some("g++"));
        assert_eq!(table["kernel"]["command-line"].as_array().unwrap().len(), 1);
        assert!(!table.contains_key("firmware") && !table.contains_key("variant"));
        assert!(table["packages"].get("exclude-paths").is_some() && table.contains_key("kernel"));
    }

    #[test]
    fn another_kernel_takes_the_place_of_the_recipe_s() {
        let table = definition("kernel-rt", &[]);
        let install = table["packages"]["install"].as_array().unwrap();
        assert_eq!(install[1].as_str(), Some("linux-image-rt-amd64"));
        assert!(table["sources"][0].get("components").is_none());
        let table = definition("x", &["firmware-misc-nonfree"]);
        let components = table["sources"][0]["components"].as_array().unwrap();
        assert_eq!(components[1].as_str(), Some("non-free-firmware"));
    }

    #[test]
    fn many_sets_are_variants_of_one_definition() {
        let sets = [Set::of_package("g++"), Set::of_package("nginx")];
        let text = variants(RECIPE, "batch", "0.1", &sets.iter().collect::<Vec<_>>()).unwrap();
        let table: Table = toml::from_str(&text).unwrap();
        let install = &table["variant"][&variant(1)]["packages"]["install"];
        assert_eq!(install.as_array().unwrap()[0].as_str(), Some("nginx"));
        assert_eq!(table["packages"]["install"].as_array().unwrap().len(), 2);
        for (name, can_be) in [("nginx", true), ("systemd", false), ("firmware-x", false)] {
            assert_eq!(Set::of_package(name).is_variant(RECIPE).unwrap(), can_be, "{name}");
        }
    }

    #[test]
    fn sets_are_lines() {
        let sets = parse("# words\nminimal\t\nnginx\tnginx  curl\n").unwrap();
        assert_eq!(sets[0], Set { name: "minimal".into(), packages: vec![] });
        assert_eq!(sets[1].packages, ["nginx", "curl"]);
        assert!(parse("nginx nginx\n").is_err());
        assert!(parse("a\tb\na\tc\n").is_err());
    }
}
