//! The tools that tests compare with, and that the demonstration boots with.
//!
//! The table is the one place that says which, and which version the tests were written against. A
//! second run only looks: one query, well under a second.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{Workspace, apt, step};

/// What the tools are needed for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// To boot the demonstration and check its digests.
    Demo,
    /// For every test and benchmark.
    Tests,
}

/// One Debian package.
struct Package {
    name: &'static str,
    /// Start of the upstream version the tests were written against (Debian 12).
    written_for: &'static str,
    need: Need,
}

const fn package(name: &'static str, written_for: &'static str, need: Need) -> Package {
    Package { name, written_for, need }
}

const PACKAGES: &[Package] = &[
    package("binutils", "2.40", Need::Tests),
    package("build-essential", "12", Need::Tests),
    package("busybox-static", "1.35", Need::Tests),
    package("cpio", "2.13", Need::Tests),
    package("cryptsetup-bin", "2.6", Need::Tests),
    package("dosfstools", "4.2", Need::Tests),
    package("fdisk", "2.38", Need::Tests),
    package("gdisk", "1.0", Need::Tests),
    package("gnupg", "2.2", Need::Tests),
    package("gpgv", "2.2", Need::Tests),
    package("kmod", "30", Need::Tests),
    package("mmdebstrap", "1.3", Need::Tests),
    package("mtools", "4.0", Need::Tests),
    package("openssl", "3.0", Need::Tests),
    package("ovmf", "2022.11", Need::Demo),
    package("python3-pefile", "2023.2", Need::Tests),
    package("python3-venv", "3.11", Need::Demo),
    package("sbsigntool", "0.9", Need::Tests),
    package("squashfs-tools", "4.5", Need::Tests),
    package("strace", "6.1", Need::Tests),
    package("swtpm", "0.7", Need::Tests),
    package("systemd", "252", Need::Tests),
    package("time", "1.9", Need::Tests),
    package("tpm2-tools", "5.4", Need::Tests),
    package("umoci", "0.4", Need::Tests),
    package("util-linux", "2.38", Need::Demo),
    package("xz-utils", "5.4", Need::Tests),
    package("zstd", "1.5", Need::Tests),
];

/// The emulator; Debian 12 itself has 7.2, which crashes Linux 6.12 guests.
const QEMU: Package = package("qemu-system-x86", "10.", Need::Demo);
const QEMU_OLDEST: u32 = 10;

/// What comes from the Python package index: the reference implementation of SNP launch digests,
/// COSE, TupleHash, and CDDL.
const PYTHON: [(&str, &str); 5] = [
    ("sev-snp-measure", "0.0.13"),
    // pycose takes any, and reads nothing with cbor2 6.
    ("cbor2", "5.9.0"),
    ("pycose", "1.1.0"),
    ("pycryptodome", "4.4.0"),
    ("cddl-verifier", "1.5.3"),
];

/// The program of the first.
const SNP_MEASURE: &str = "sev-snp-measure";

/// How tests call the interpreter that has these packages.
const INTERPRETER: &str = "oracle-python";

/// The CDDL of CoRIM, and the manifest that brings it.
const CDDL_FILE: &str = "CoRIM.cddl";
const CDDL_MANIFEST: &str = "[package]
name = \"cddl\"
version = \"0.0.0\"
edition = \"2024\"

[dependencies]
corim-rs = \"=0.2.0\"

[workspace]
";

/// Installs what is missing and prints what is there.
pub(crate) fn ensure(workspace: &Workspace, need: Need) -> Result<()> {
    step::announce("tools to compare and boot with");
    let wanted: Vec<&Package> =
        PACKAGES.iter().filter(|package| need == Need::Tests || package.need == need).collect();
    let mut names: Vec<&str> = wanted.iter().map(|package| package.name).collect();
    names.push(QEMU.name);
    let found = apt::installed(&names);
    let missing: Vec<&str> = wanted
        .iter()
        .map(|package| package.name)
        .filter(|name| !found.contains_key(*name))
        .collect();
    let old_qemu = is_qemu_old(&found);
    if !missing.is_empty() || old_qemu {
        apt::update()?;
    }
    if !missing.is_empty() {
        apt::install(&missing, None)?;
    }
    if old_qemu {
        install_qemu()?;
    }
    ensure_python(workspace)?;
    if need == Need::Tests {
        ensure_cddl(workspace)?;
    }
    let found = apt::installed(&names);
    for package in wanted.into_iter().chain([&QEMU]) {
        let version = found.get(package.name).map_or("missing", String::as_str);
        let note = match apt::upstream(version).starts_with(package.written_for) {
            true => String::new(),
            false => format!("  (tests were written against {})", package.written_for),
        };
        println!("  {:<18} {version}{note}", package.name);
    }
    for (name, version) in PYTHON {
        println!("  {name:<18} {version}");
    }
    Ok(())
}

/// Where the reference implementation of SNP launch digests is.
pub(crate) fn snp_measure(workspace: &Workspace) -> PathBuf {
    venv(workspace).join("bin").join(SNP_MEASURE)
}

/// Installs the emulator where it is missing or too old.
pub(crate) fn ensure_qemu() -> Result<()> {
    if is_qemu_old(&apt::installed(&[QEMU.name])) {
        apt::update()?;
        install_qemu()?;
    }
    Ok(())
}

fn is_qemu_old(found: &BTreeMap<String, String>) -> bool {
    found.get(QEMU.name).is_none_or(|version| apt::major(version) < QEMU_OLDEST)
}

fn install_qemu() -> Result<()> {
    let new_enough =
        apt::candidate(QEMU.name)?.is_some_and(|version| apt::major(&version) >= QEMU_OLDEST);
    if new_enough {
        return apt::install(&[QEMU.name], None);
    }
    let suite = apt::backports()?;
    apt::install(&[QEMU.name], Some(&suite))
}

fn venv(workspace: &Workspace) -> PathBuf {
    workspace.target.join("oracles/venv")
}

fn ensure_python(workspace: &Workspace) -> Result<()> {
    let venv = venv(workspace);
    let requirements = PYTHON.map(|(name, version)| format!("{name}=={version}"));
    // Written last, so an interrupted installation is done again.
    let done = venv.join("installed");
    let is_done = fs::read_to_string(&done).is_ok_and(|text| text == requirements.join("\n"));
    if is_done && runs(&snp_measure(workspace)) {
        return Ok(());
    }
    step::run(step::command("python3", ["-m", "venv", "--clear"]).arg(&venv))?;
    let pip = venv.join("bin/pip");
    step::run(step::command(pip, ["install", "--quiet", "--no-input"]).args(&requirements))?;
    symlink("python3", venv.join("bin").join(INTERPRETER))?;
    fs::write(done, requirements.join("\n"))?;
    Ok(())
}

/// Puts the CDDL of CoRIM where tests look for it, as the crate that Trustee reads CoRIM with ships
/// it. A manifest of its own keeps that crate out of the workspace: it would change how every other
/// crate there reads numbers in JSON.
fn ensure_cddl(workspace: &Workspace) -> Result<()> {
    let folder = workspace.target.join("oracles/corim-rs");
    if folder.join(CDDL_FILE).is_file() {
        return Ok(());
    }
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    fs::write(folder.join("Cargo.toml"), CDDL_MANIFEST)?;
    let mut metadata = step::command("cargo", ["metadata", "--quiet", "--format-version", "1"]);
    let metadata = step::output(metadata.current_dir(&folder))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let manifest = packages.filter(|package| package["name"] == "corim-rs");
    let manifest = manifest.filter_map(|package| package["manifest_path"].as_str()).next();
    let manifest = manifest.context("cargo does not list corim-rs")?;
    fs::copy(Path::new(manifest).with_file_name(CDDL_FILE), folder.join(CDDL_FILE))?;
    Ok(())
}

/// A script of a moved folder or of a removed Python does not run.
fn runs(script: &Path) -> bool {
    step::output(step::command(script, ["--help"]).env("PYTHONDONTWRITEBYTECODE", "1")).is_ok()
}
