//! The two trees of a set: ours out of an image, theirs out of mmdebstrap.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use toml::Table;

use super::listing::{self, Listing};
use crate::bench::inputs::INDEX;
use crate::sets::{Program, Set};
use crate::{Workspace, demo, step};

/// The suite that the archive of a set's packages claims to be: mmdebstrap takes essential packages from no other.
const SUITE: &str = "trixie";

/// Counts up when listings change, so that kept ones are made anew.
const FORM: &str = "2";

/// The role of a package of the root file system.
const ROLE: &str = "root";

/// A set with its lock.
pub(super) struct Making<'a> {
    workspace: &'a Workspace,
    program: &'a Program,
    /// Definition, lock and listing.
    folder: PathBuf,
    lock: Table,
    definition: Table,
}

impl<'a> Making<'a> {
    /// Writes the definition and locks it.
    pub(super) fn prepare(
        workspace: &'a Workspace,
        program: &'a Program,
        set: &Set,
        folder: &Path,
    ) -> Result<Self> {
        let folder = program.write(set, folder)?;
        lock(workspace, program, &folder)?;
        let table = |name: &str| -> Result<Table> {
            let text = fs::read_to_string(folder.join(name)).with_context(|| name.to_owned())?;
            toml::from_str(&text).with_context(|| name.to_owned())
        };
        let (lock, definition) = (table("image.lock")?, table("image.toml")?);
        Ok(Self { workspace, program, lock, definition, folder })
    }

    /// The tree of an image.
    pub(super) fn ours(&self) -> Result<Listing> {
        let out = self.empty("out")?;
        let mut build = self.program.command(self.workspace, &["build", "--offline", "--quiet"]);
        let ended = step::attempt(build.arg(&self.folder).arg("--out").arg(&out))?;
        if ended.code != Some(0) {
            let lines: Vec<&str> =
                ended.stderr.lines().filter(|line| !line.starts_with("note:")).collect();
            // A page that is committed names no folder of the machine that made it.
            bail!("{}", lines.join(" ").replace(&self.folder.display().to_string(), "DEF"));
        }
        let disk = demo::only(&out, ".raw")?;
        let manifest: Value = serde_json::from_slice(&fs::read(out.join("manifest.json"))?)?;
        let partitions = manifest["partitions"].as_array().into_iter().flatten();
        let mut roots = partitions.filter(|partition| partition["name"] == ROLE);
        let offset = roots.next().and_then(|root| root["offset"].as_u64());
        let offset = offset.context("the manifest has no root partition")?;
        let root = self.empty("ours")?;
        let mut unpack = step::command("unsquashfs", ["-quiet", "-no-progress", "-strict-errors"]);
        unpack.args(["-offset", &offset.to_string(), "-dest"]).arg(&root).arg(disk);
        step::run(&mut unpack)?;
        let listing = listing::of_folder(&root)?;
        fs::remove_dir_all(root)?;
        fs::remove_dir_all(out)?;
        listing::save(&listing, &self.folder.join("ours.json"))?;
        Ok(listing)
    }

    /// The tree that dpkg and the scripts make, made once for a lock's packages.
    pub(super) fn theirs(&self) -> Result<Listing> {
        let kept = self.folder.join("theirs.json");
        let done = self.folder.join("theirs.of");
        let packages = self.packages()?;
        let mut hash = Sha256::new();
        packages.iter().for_each(|package| hash.update(&package.sha256));
        self.options()?.iter().for_each(|option| hash.update(option));
        hash.update(FORM);
        let of: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if fs::read_to_string(&done).is_ok_and(|text| text == of) {
            return listing::load(&kept);
        }
        let root = self.empty("theirs")?;
        let archive = self.archive(&packages)?;
        self.bootstrap(&packages, &archive, &root)?;
        let listing = listing::of_folder(&root)?;
        fs::remove_dir_all(root)?;
        fs::remove_dir_all(archive)?;
        listing::save(&listing, &kept)?;
        fs::write(done, of)?;
        Ok(listing)
    }

    /// Runs mmdebstrap: essential packages first, then all others, from an archive that has nothing else.
    fn bootstrap(&self, packages: &[Locked], archive: &Path, root: &Path) -> Result<()> {
        let names: Vec<String> = packages
            .iter()
            .map(|package| {
                format!("{}:{}={}", package.name, package.apt_architecture(), package.version)
            })
            .collect();
        let mut command = step::command("mmdebstrap", ["--mode=root", "--variant=essential"]);
        command.args(["--format=directory", "--skip=output/dev", "--architectures=amd64"]);
        command.arg(format!("--include={}", names.join(",")));
        command.args([
            "--aptopt=APT::Install-Recommends false",
            "--aptopt=APT::Sandbox::User \"root\"",
        ]);
        command.args(self.options()?.iter().map(|option| format!("--dpkgopt={option}")));
        command.arg(SUITE).arg(root);
        command.arg(format!("deb [trusted=yes] copy:{} ./", archive.display()));
        // What shadow writes into shadow(5) as the day of a change.
        command.env("SOURCE_DATE_EPOCH", self.timestamp()?).env("LC_ALL", "C.UTF-8");
        let log = self.folder.join("theirs.log");
        let ended = step::output(command.arg("--quiet").stderr(fs::File::create(&log)?));
        ended.with_context(|| format!("see {}", log.display())).map(|_| ())
    }

    /// dpkg's options for what is left out.
    fn options(&self) -> Result<Vec<String>> {
        let packages = self.definition.get("packages").and_then(|value| value.as_table());
        let packages = packages.context("a definition without packages")?;
        let patterns = |key: &str, option: &str| -> Vec<String> {
            let list = packages.get(key).and_then(|value| value.as_array()).into_iter().flatten();
            list.filter_map(|value| Some(format!("{option}={}", value.as_str()?))).collect()
        };
        let mut options = patterns("exclude-paths", "path-exclude");
        options.extend(patterns("include-paths", "path-include"));
        Ok(options)
    }

    /// The locked packages of the root file system.
    fn packages(&self) -> Result<Vec<Locked>> {
        let list = self.lock.get("package").and_then(|value| value.as_array());
        let list = list.context("a lock without packages")?;
        let mut packages = Vec::new();
        for package in list.iter().filter_map(|value| value.as_table()) {
            let text = |key: &str| -> Result<String> {
                let value = package.get(key).and_then(|value| value.as_str());
                Ok(value.with_context(|| format!("a locked package without `{key}`"))?.to_owned())
            };
            let roles = package.get("roles").and_then(|value| value.as_array());
            if roles.into_iter().flatten().any(|role| role.as_str() == Some(ROLE)) {
                packages.push(Locked {
                    name: text("name")?,
                    version: text("version")?,
                    architecture: text("architecture")?,
                    sha256: text("sha256")?,
                    path: text("path")?,
                });
            }
        }
        ensure!(!packages.is_empty(), "a lock without packages of the root");
        Ok(packages)
    }

    /// A folder with the locked `.deb` files and an index of them.
    fn archive(&self, packages: &[Locked]) -> Result<PathBuf> {
        let vendor = self.empty("vendor")?;
        let mut command = self.program.command(self.workspace, &["vendor", "--quiet"]);
        step::run(command.arg(&vendor).arg(&self.folder))?;
        let archive = self.empty("archive")?;
        fs::create_dir(&archive)?;
        for package in packages {
            let name =
                Path::new(&package.path).file_name().context("a pool path without a name")?;
            let found =
                ["debian", "debian-security"].map(|name| vendor.join(name).join(&package.path));
            let found = found.into_iter().find(|path| path.is_file());
            let found =
                found.with_context(|| format!("`cvmkit vendor` gave no {}", package.path))?;
            fs::rename(found, archive.join(name))?;
        }
        fs::remove_dir_all(vendor)?;
        let mut index = step::command("sh", ["-c", INDEX, "sh", SUITE]);
        step::run(index.current_dir(&archive))?;
        Ok(archive)
    }

    /// The date of the newest suite that packages of the root come from, in seconds: what an image takes for
    /// the day of its accounts.
    fn timestamp(&self) -> Result<String> {
        let list =
            |key: &str| self.lock.get(key).and_then(|value| value.as_array()).into_iter().flatten();
        let is_of_root = |package: &&toml::Value| {
            let roles =
                package.get("roles").and_then(|value| value.as_array()).into_iter().flatten();
            roles.into_iter().any(|role| role.as_str() == Some(ROLE))
        };
        let suites: BTreeSet<&str> = list("package")
            .filter(is_of_root)
            .filter_map(|one| one.get("suite")?.as_str())
            .collect();
        let dates = list("suite").filter_map(|suite| {
            let is_used = suites.contains(suite.get("name")?.as_str()?);
            suite.get("date")?.as_str().filter(|_| is_used)
        });
        let date = dates.max().context("a lock without a dated suite")?;
        step::output(&mut step::command("date", ["-u", "-d", date, "+%s"]))
    }

    /// A name in the set's folder that nothing has.
    fn empty(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        Ok(path)
    }
}

/// A package of the lock.
#[derive(Debug)]
struct Locked {
    name: String,
    version: String,
    architecture: String,
    sha256: String,
    path: String,
}

impl Locked {
    /// apt knows what is for all architectures by the machine's.
    fn apt_architecture(&self) -> &str {
        if self.architecture == "all" { "amd64" } else { &self.architecture }
    }
}

/// Locks a definition, unless its lock is there and fits; a suite that expired is taken all the same.
fn lock(workspace: &Workspace, program: &Program, folder: &Path) -> Result<()> {
    let mut command = program.command(workspace, &["lock", "--quiet"]);
    command.arg(folder);
    for _ in 0..5 {
        let ended = step::attempt(&mut command)?;
        let hint = ended
            .stderr
            .split_once("`--accept-expired ")
            .and_then(|(_, rest)| rest.split_once('`'));
        match (ended.code, hint) {
            (Some(0), _) => return Ok(()),
            (_, Some((suite, _))) => {
                command.args(["--accept-expired", suite]);
            }
            (code, None) => bail!("cvmkit lock failed with exit code {code:?}"),
        }
    }
    bail!("cvmkit lock takes no suite")
}
