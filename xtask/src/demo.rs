//! From nothing to a booted, measured image: what a newcomer runs first.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::step::{announce, attempt, command, output, run as run_step};
use crate::{Workspace, oracles};

/// Printed by the recipe's last unit once systemd has reached multi-user.
const READY: &str = "cvmkit: ready (failed units: 0)";

/// cvmkit's exit code for a fault of the environment.
const ENVIRONMENT: i32 = 3;

/// Builds, measures and boots `recipes/minimal`.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let started = Instant::now();
    oracles::ensure(workspace, oracles::Need::Demo)?;
    announce("build cvmkit");
    build_cvmkit(workspace)?;
    let out = workspace.root.join("out/demo");
    let (recipe, published) = build_image(workspace, &workspace.cvmkit(), &out, None)?;
    let artifacts = Artifacts::find(&out)?;
    announce("SEV-SNP launch digests, by cvmkit and by sev-snp-measure");
    for vcpus in ["1", "2", "4"] {
        compare_digests(workspace, &artifacts, vcpus)?;
    }
    announce("boot the disk with UEFI firmware, to systemd's multi-user");
    let boot = ["boot".as_ref(), out.as_os_str(), "--until".as_ref(), READY.as_ref()];
    run_step(command(workspace.cvmkit(), boot).args(["--timeout", "300"]))?;
    announce("done");
    println!("  took         {:.0} s", started.elapsed().as_secs_f64());
    println!("  cvmkit       {}", workspace.cvmkit().display());
    println!("  definition   {}", recipe.display());
    println!("  image        {}", out.display());
    for name in list(&out)? {
        let size = fs::metadata(out.join(&name))?.len();
        println!("    {:>11} {name}", size);
    }
    if !published {
        banner();
    }
    Ok(())
}

/// Builds the release binary of the product.
pub(crate) fn build_cvmkit(workspace: &Workspace) -> Result<()> {
    let arguments = ["build", "--release", "--package", "cvmkit"];
    run_step(command("cargo", arguments).current_dir(&workspace.root))
}

/// Builds the image by this program from the committed lock, or from a fresh one when the mirrors have
/// moved on; returns the definition used, and whether its digests are the published ones. The store is
/// the user's unless another one is named.
pub(crate) fn build_image(
    workspace: &Workspace,
    cvmkit: &Path,
    out: &Path,
    store: Option<&Path>,
) -> Result<(PathBuf, bool)> {
    let recipe = workspace.root.join("recipes/minimal");
    announce("build the image");
    if !recipe.join("image.lock").is_file() {
        run_step(command(cvmkit, ["lock"]).arg(&recipe))?;
    }
    let build = |recipe: &Path| {
        let mut command = command(cvmkit, ["build"]);
        command.arg(recipe).arg("--out").arg(out);
        command.envs(store.map(|store| ("CVMKIT_STORE", store)));
        command
    };
    let ended = attempt(&mut build(&recipe))?;
    match ended.code {
        Some(0) => return Ok((recipe, true)),
        Some(ENVIRONMENT) if is_gone(&ended.stderr) => {}
        code => bail!("cvmkit build failed with exit code {code:?}"),
    }
    banner();
    let scratch = workspace.target.join("demo/minimal");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    copy_folder(&recipe, &scratch)?;
    fs::remove_file(scratch.join("image.lock"))?;
    lock_afresh(cvmkit, &scratch)?;
    run_step(&mut build(&scratch))?;
    Ok((scratch, false))
}

/// Locks a definition; a suite that its archive has let expire is taken all the same, loudly.
fn lock_afresh(cvmkit: &Path, recipe: &Path) -> Result<()> {
    let mut lock = command(cvmkit, ["lock"]);
    lock.arg(recipe);
    let mut taken: Vec<String> = Vec::new();
    loop {
        let ended = attempt(&mut lock)?;
        match (ended.code, expired_suite(&ended.stderr)) {
            (Some(0), _) => return Ok(()),
            (Some(ENVIRONMENT), Some(suite)) if !taken.iter().any(|one| one == suite) => {
                println!("!! the mirror's suite `{suite}` has expired; accepted all the same");
                lock.args(["--accept-expired", suite]);
                taken.push(suite.to_owned());
            }
            (code, _) => bail!("cvmkit lock failed with exit code {code:?}"),
        }
    }
}

/// The suite that the hint of an error offers to take although it has expired.
fn expired_suite(stderr: &str) -> Option<&str> {
    let (_, rest) = stderr.split_once("`--accept-expired ")?;
    rest.split_once('`').map(|(suite, _)| suite)
}

/// True if the error is about a pinned package that no mirror has any more: only then does cvmkit
/// suggest to move the lock.
fn is_gone(stderr: &str) -> bool {
    stderr.contains("lock --update")
}

fn banner() {
    let lines = [
        "A package that the committed lock pins is gone from the mirrors.",
        "This demonstration wrote a new lock for a copy below the target folder.",
        "ITS DIGESTS DIFFER FROM THE PUBLISHED ONES; the committed lock is unchanged.",
    ];
    let rule = "!".repeat(80);
    println!("\n{rule}");
    lines.iter().for_each(|line| println!("!! {line}"));
    println!("{rule}");
}

/// The files of a direct boot, which are what an SNP launch measures.
pub(crate) struct Artifacts {
    firmware: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
    cmdline: String,
    reference_values: String,
}

impl Artifacts {
    /// Finds them in the folder of a built image.
    pub(crate) fn find(out: &Path) -> Result<Self> {
        let manifest: Value = serde_json::from_str(&text(&out.join("manifest.json"))?)?;
        let named = text_of_key(&manifest, "firmware").map(|name| out.join(name));
        let firmware = match named.filter(|path| path.is_file()) {
            Some(path) => path,
            None => only(out, ".fd")?,
        };
        Ok(Self {
            firmware,
            kernel: only(out, ".vmlinuz")?,
            initrd: only(out, ".initrd")?,
            cmdline: text(&only(out, ".cmdline")?)?,
            reference_values: text(&out.join("reference-values.json"))?,
        })
    }

    /// The flags that `cvmkit measure snp` and `sev-snp-measure` share.
    pub(crate) fn flags(&self, vcpus: &str) -> Vec<std::ffi::OsString> {
        let fixed = ["--vcpus", vcpus, "--vcpu-type", "EPYC-v4", "--guest-features", "0x1"];
        let mut flags: Vec<_> = fixed.map(Into::into).into();
        flags.extend(["--ovmf".into(), self.firmware.clone().into()]);
        flags.extend(["--kernel".into(), self.kernel.clone().into()]);
        flags.extend(["--initrd".into(), self.initrd.clone().into()]);
        flags.extend(["--append".into(), self.cmdline.clone().into()]);
        flags
    }
}

fn compare_digests(workspace: &Workspace, artifacts: &Artifacts, vcpus: &str) -> Result<()> {
    let flags = artifacts.flags(vcpus);
    let ours = output(command(workspace.cvmkit(), ["measure", "snp"]).args(&flags))?;
    let theirs = output(command(oracles::snp_measure(workspace), ["--mode", "snp"]).args(&flags))?;
    println!("  {vcpus} vCPU  {ours}");
    ensure!(
        ours == theirs,
        "the digest for {vcpus} vCPU differs, sev-snp-measure computes {theirs}"
    );
    let published = artifacts.reference_values.to_ascii_lowercase();
    ensure!(published.contains(&ours), "reference-values.json lacks the digest of {vcpus} vCPU");
    println!("          equal to sev-snp-measure, and in reference-values.json");
    Ok(())
}

/// The first text under this key, at any depth.
fn text_of_key<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    match value {
        Value::Object(fields) => fields
            .get(key)
            .and_then(Value::as_str)
            .or_else(|| fields.values().find_map(|value| text_of_key(value, key))),
        Value::Array(items) => items.iter().find_map(|value| text_of_key(value, key)),
        _ => None,
    }
}

/// The one file of a folder whose name ends so.
pub(crate) fn only(folder: &Path, ending: &str) -> Result<PathBuf> {
    let mut names = list(folder)?;
    names.retain(|name| name.ends_with(ending));
    match names.as_slice() {
        [name] => Ok(folder.join(name)),
        _ => bail!("expected one *{ending} in `{}`, found {names:?}", folder.display()),
    }
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// The names in a folder, sorted.
pub(crate) fn list(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("`{}`", folder.display()))?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// Copies a folder and all below it.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for name in list(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            fs::copy(&from, &to).with_context(|| format!("cannot copy `{}`", from.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_firmware_is_found_at_any_depth() {
        let manifest = serde_json::json!({ "a": [{ "firmware": "x.fd" }], "firmware": { "b": 1 } });
        assert_eq!(text_of_key(&manifest, "firmware"), Some("x.fd"));
        assert_eq!(text_of_key(&manifest, "kernel"), None);
    }

    #[test]
    fn the_expired_suite_is_taken_from_the_hint() {
        let hint = "error: x\nhint: take it with `--accept-expired forky`\n";
        assert_eq!(expired_suite(hint), Some("forky"));
        assert_eq!(expired_suite("hint: `cvmkit lock --update`"), None);
    }
}
