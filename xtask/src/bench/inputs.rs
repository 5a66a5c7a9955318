//! What the races start from, made once per run: packages, the root they make, files to hash.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::mirror;
use crate::demo::{self, list, only};
use crate::{Workspace, step};

/// Bytes that the unpacked root has to have, so that the figures are those of a real system.
const ROOT_MIN: u64 = 300_000_000;

/// Bytes to hash into a tree.
const LARGE: u64 = 1 << 30;

/// Makes a flat archive of a folder of packages (sources.list(5), "exact path") that claims to be
/// the suite `$1`: mmdebstrap takes essential packages only from a suite of that name.
pub(crate) const INDEX: &str = "\
set -e
dpkg-scanpackages --multiversion . >Packages 2>index.log
set -- \"$1\" $(sha256sum <Packages) $(wc -c <Packages)
printf 'Suite: %s\\nCodename: %s\\n' \"$1\" \"$1\" >Release
printf 'SHA256:\\n %s %s Packages\\n' \"$2\" \"$4\" >>Release
";

/// The inputs of all races.
pub(super) struct Inputs {
    folder: PathBuf,
    /// The definition and a lock made now.
    pub(super) recipe: PathBuf,
    /// The first suite it names.
    pub(super) suite: String,
    /// The locked packages, as `.deb` files with an index.
    pub(super) debs: PathBuf,
    /// The root file system, unpacked.
    pub(super) root: PathBuf,
    /// Its length in bytes.
    pub(super) root_len: u64,
    /// A file of [`LARGE`] bytes.
    pub(super) large: PathBuf,
    /// The built minimal image, which has firmware to measure.
    pub(super) minimal: PathBuf,
}

impl Inputs {
    /// Makes all of them. The store stays for the next time, so packages are fetched once.
    pub(super) fn make(workspace: &Workspace) -> Result<Self> {
        step::announce("inputs: packages, image, unpacked root");
        let folder = workspace.target.join("bench");
        fs::create_dir_all(&folder)?;
        for name in list(&folder)?.iter().filter(|name| *name != STORE) {
            let path = folder.join(name);
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        let recipe = folder.join("recipe");
        fs::create_dir_all(&recipe)?;
        let definition = workspace.root.join("xtask/bench/image.toml");
        let text = fs::read_to_string(&definition)?;
        fs::write(recipe.join("image.toml"), &text)?;
        let mut inputs = Self {
            suite: suite(&text).context("the definition names no suite")?,
            debs: folder.join("debs"),
            root: folder.join("root"),
            root_len: 0,
            large: folder.join("large"),
            minimal: folder.join("minimal"),
            recipe,
            folder,
        };
        inputs.build(workspace)?;
        demo::build_image(workspace, &workspace.cvmkit(), &inputs.minimal, Some(&inputs.store()))?;
        Ok(inputs)
    }

    fn build(&mut self, workspace: &Workspace) -> Result<()> {
        step::run(self.cvmkit(workspace, &["lock", "--quiet"]).arg(&self.recipe))?;
        let image = self.product("image");
        let mut build = self.cvmkit(workspace, &["build", "--quiet"]);
        step::run(build.arg(&self.recipe).arg("--out").arg(&image))?;
        let vendor = self.product("vendor");
        let mut vendored = self.cvmkit(workspace, &["vendor", "--quiet"]);
        step::run(vendored.arg(&vendor).arg(&self.recipe))?;
        self.fetch(workspace, &vendor)?;
        fs::create_dir_all(&self.debs)?;
        collect_debs(&vendor, &self.debs)?;
        let mut index = shell(INDEX);
        step::run(index.args(["sh", &self.suite]).current_dir(&self.debs))?;
        let disk = only(&image, ".raw")?;
        let manifest: Value = serde_json::from_slice(&fs::read(image.join("manifest.json"))?)?;
        self.unpack(&disk, root_offset(&manifest).context("the manifest has no root partition")?)?;
        enlarge(&disk, &self.large, LARGE)
    }

    /// Unpacks the root file system of a disk.
    fn unpack(&mut self, disk: &Path, offset: u64) -> Result<()> {
        let mut unpack = step::command("unsquashfs", ["-quiet", "-no-progress", "-no-xattrs"]);
        unpack.args(["-offset", &offset.to_string(), "-dest"]).arg(&self.root).arg(disk);
        // Without root it cannot make owners and device nodes, and says so with status 2.
        step::attempt(&mut unpack)?;
        let usage = step::output(
            step::command("du", ["--summarize", "--apparent-size", "--block-size=1"])
                .arg(&self.root),
        )?;
        let len = usage.split_whitespace().next().context("du printed nothing")?;
        self.root_len = len.parse().with_context(|| format!("du printed `{usage}`"))?;
        println!("  the unpacked root has {} bytes", self.root_len);
        ensure!(self.root_len >= ROOT_MIN, "the root is smaller than {ROOT_MIN} bytes");
        Ok(())
    }

    /// Fetches the packages over the network, as far as that is the loopback interface, into an empty
    /// store: what `cvmkit vendor` leaves there is what this benchmark calls fetched.
    fn fetch(&self, workspace: &Workspace, vendor: &Path) -> Result<()> {
        let mirror = mirror::serve(vendor)?;
        let mut fetch = self.cvmkit(workspace, &["vendor", "--quiet"]);
        fetch.env("CVMKIT_STORE", self.fetched()).env("CVMKIT_MIRROR", format!("{mirror}/debian"));
        step::run(fetch.arg(self.product("vendor-of-loopback")).arg(&self.recipe))
    }

    /// The product, with the store of the benchmark.
    pub(super) fn cvmkit(&self, workspace: &Workspace, arguments: &[&str]) -> Command {
        let mut command = step::command(workspace.cvmkit(), arguments);
        command.env("CVMKIT_STORE", self.store());
        command.env("XDG_STATE_HOME", self.product("state"));
        command
    }

    /// The packages of the minimal recipe, whose scripts are evaluated.
    pub(super) fn minimal_debs(&self, workspace: &Workspace) -> Result<PathBuf> {
        let (vendor, debs) = (self.product("minimal-vendor"), self.product("minimal-debs"));
        let mut vendored = self.cvmkit(workspace, &["vendor", "--quiet"]);
        step::run(vendored.arg(&vendor).arg(workspace.root.join("recipes/minimal")))?;
        fs::create_dir_all(&debs)?;
        collect_debs(&vendor, &debs)?;
        Ok(debs)
    }

    fn store(&self) -> PathBuf {
        self.folder.join(STORE)
    }

    /// A store that packages were fetched into and nothing was built from.
    pub(super) fn fetched(&self) -> PathBuf {
        self.product("fetched")
    }

    /// A store with the packages as files and no more, such as a restored cache: what was derived
    /// from them is removed before each run.
    pub(super) fn files_only(&self) -> PathBuf {
        self.store()
    }

    /// Where a side of a race puts what it makes.
    pub(super) fn product(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The store's name in the folder of the benchmark.
const STORE: &str = "store";

fn shell(script: &str) -> Command {
    step::command("sh", ["-c", script])
}

/// The first suite a definition names.
fn suite(definition: &str) -> Option<String> {
    let line = definition.lines().find(|line| line.trim_start().starts_with("suites"))?;
    line.split('"').nth(1).map(str::to_owned)
}

/// Where the root file system starts on the disk.
fn root_offset(manifest: &Value) -> Option<u64> {
    let partitions = manifest.get("partitions")?.as_array()?;
    let root = partitions.iter().find(|partition| partition["name"] == "root")?;
    root.get("offset")?.as_u64()
}

/// Copies every package below a folder into another.
fn collect_debs(from: &Path, to: &Path) -> Result<()> {
    for name in list(from)? {
        let path = from.join(&name);
        if path.is_dir() {
            collect_debs(&path, to)?;
        } else if name.ends_with(".deb") {
            fs::copy(&path, to.join(&name)).with_context(|| format!("{}", path.display()))?;
        }
    }
    Ok(())
}

/// Repeats a file until there are `len` bytes.
fn enlarge(file: &Path, to: &Path, len: u64) -> Result<()> {
    let mut large = File::create(to)?;
    let mut left = len;
    while left > 0 {
        let copied = io::copy(&mut io::Read::take(File::open(file)?, left), &mut large)?;
        ensure!(copied > 0, "`{}` is empty", file.display());
        left -= copied;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_says_its_suite_and_the_manifest_its_root() {
        assert_eq!(suite("[[sources]]\nsuites = [\"a\", \"b\"]\n").as_deref(), Some("a"));
        assert_eq!(suite("id = \"a\"\n"), None);
        let partitions = serde_json::json!([{ "name": "esp" }, { "name": "root", "offset": 7 }]);
        assert_eq!(root_offset(&serde_json::json!({ "partitions": partitions })), Some(7));
        assert_eq!(root_offset(&serde_json::json!({})), None);
    }

    #[test]
    fn the_large_file_repeats_another() {
        let folder = std::env::temp_dir().join(format!("cvmkit-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (small, large) = (folder.join("small"), folder.join("large"));
        fs::write(&small, b"abc").unwrap();
        enlarge(&small, &large, 8).unwrap();
        assert_eq!(fs::read(&large).unwrap(), b"abcabcab");
        fs::write(&small, b"").unwrap();
        assert!(enlarge(&small, &large, 8).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
