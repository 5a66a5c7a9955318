//! A definition with servers: what it installs and enables, the files that it adds, and what its servers answer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use toml::{Table, Value};

use crate::demo;

/// The console's log of a boot, beside the definition.
pub(super) const LOG: &str = "serial.log";

/// What the definition lays over its packages.
const TREE: &str = "tree";

/// What is there to ask servers, and is no part of what a user would write.
const CHECK: &str = "usr/lib/servers";

/// The servers of an image.
const LIST: &str = "list";

/// Units that only say how the boot went.
const SAYING: [&str; 2] = ["cvmkit-ready.service", "servers-check.service"];

/// A server of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) package: String,
    pub(super) unit: String,
    /// What the answer has to hold.
    pub(super) expected: String,
}

/// A definition of the campaign.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    pub(super) name: String,
    pub(super) servers: Vec<Server>,
    pub(super) install: Vec<String>,
    /// The units of servers.
    pub(super) enable: Vec<String>,
    /// The files that it adds, by their paths, with their texts.
    pub(super) files: BTreeMap<String, String>,
    /// The versions that were locked, by package; empty before.
    pub(super) versions: BTreeMap<String, String>,
}

impl Image {
    /// Reads the definition in a folder, and its lock if there is one.
    pub(super) fn read(folder: &Path, name: &str) -> Result<Self> {
        let definition = table(&folder.join("image.toml"))?;
        let words = |section: &str, key: &str| -> Result<Vec<String>> {
            let list = definition.get(section).and_then(|section| section.get(key));
            let list = list.and_then(Value::as_array);
            let list = list.with_context(|| format!("{name}: no `{section}.{key}`"))?;
            Ok(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        };
        let mut enable = words("units", "enable")?;
        enable.retain(|unit| !SAYING.contains(&unit.as_str()));
        let mut files = BTreeMap::new();
        read_files(&folder.join(TREE), "", &mut files)?;
        let list = files.remove(&format!("{CHECK}/{LIST}"));
        files.retain(|path, _| !path.starts_with(CHECK));
        let list = list.with_context(|| format!("{name}: no list of servers"))?;
        let lock = folder.join("image.lock");
        let versions = match lock.is_file() {
            true => versions(&table(&lock)?),
            false => BTreeMap::new(),
        };
        Ok(Self {
            name: name.to_owned(),
            servers: servers(&list)?,
            install: words("packages", "install")?,
            enable,
            files,
            versions,
        })
    }
}

/// The definitions below a folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = demo::list(folder)?;
    names.retain(|name| folder.join(name).join("image.toml").is_file());
    Ok(names)
}

fn table(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{}", path.display()))
}

fn versions(lock: &Table) -> BTreeMap<String, String> {
    let packages = lock.get("package").and_then(Value::as_array).into_iter().flatten();
    let text =
        |package: &Value, key: &str| Some(package.get(key).and_then(Value::as_str)?.to_owned());
    packages.filter_map(|one| Some((text(one, "name")?, text(one, "version")?))).collect()
}

fn servers(list: &str) -> Result<Vec<Server>> {
    let one = |line: &str| match line.split('\t').collect::<Vec<_>>().as_slice() {
        [package, unit, expected, _ask] => Ok(Server {
            package: (*package).to_owned(),
            unit: (*unit).to_owned(),
            expected: (*expected).to_owned(),
        }),
        _ => bail!("not package, unit, answer and question: `{line}`"),
    };
    let servers = list.lines().map(one).collect::<Result<Vec<_>>>()?;
    ensure!(!servers.is_empty(), "no server is listed");
    Ok(servers)
}

fn read_files(folder: &Path, at: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    for name in demo::list(folder)? {
        let (path, place) = (folder.join(&name), format!("{at}{name}"));
        if path.is_dir() {
            read_files(&path, &format!("{place}/"), files)?;
        } else {
            files.insert(place, fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_lines_and_versions_are_the_locks() {
        let found = servers("nginx\tnginx.service\t200 OK\ttcp 80\n").unwrap();
        assert_eq!(found[0].package, "nginx");
        assert_eq!(found[0].expected, "200 OK");
        assert!(servers("").is_err());
        assert!(servers("nginx\tnginx.service\n").is_err());
        let lock = toml::from_str("[[package]]\nname = \"nginx\"\nversion = \"1.26\"\n").unwrap();
        assert_eq!(versions(&lock)["nginx"], "1.26");
    }
}
