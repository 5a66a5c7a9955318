//! Builds the guest's PID 1 (`crates/stage1`) and hands the path of the program to
//! `src/stage1.rs`, which embeds it.
//!
//! The contract: the program's bytes depend on its source, `Cargo.lock`, the toolchain and the C
//! library and linker of the host, and on nothing else: not on where the checkout or the registry
//! lies, nor on profile, flags, wrappers or configuration of the outer build. It never uses the
//! network: the outer build has fetched `libc` already, on which `cvmkit` depends too.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a build script is started through the environment and exists to start cargo"
)]

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The guest's platform. Its C library is linked statically, so the target needs no musl.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The stage 1 profile, in the names of `[profile.release]`. Given as options, because they go
/// before every configuration file and before the profile of the workspace.
const PROFILE: [&str; 9] = [
    "opt-level='s'",
    "codegen-units=1",
    "lto='fat'",
    "panic='abort'",
    "debug=false",
    "strip='symbols'",
    "overflow-checks=true",
    "debug-assertions=false",
    "incremental=false",
];

/// What cargo, rustup and the linker need to be found; nothing else of the environment gets in.
const ENVIRONMENT: [&str; 5] = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];

/// What changes the program, besides the toolchain.
const INPUTS: [&str; 4] =
    ["crates/stage1/src", "crates/stage1/Cargo.toml", "Cargo.toml", "Cargo.lock"];

fn main() -> Result<(), Box<dyn Error>> {
    let workspace = workspace()?;
    for input in INPUTS {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let target_dir = PathBuf::from(variable("OUT_DIR")?).join("stage1");
    let status = nested_cargo(&workspace, &target_dir)?.status()?;
    if !status.success() {
        return Err(format!(
            "building stage 1 for {TARGET} failed ({status}); it needs this rustup target, a \
             linker `cc` and a static C library (Debian: libc6-dev)"
        )
        .into());
    }
    let program = target_dir.join(TARGET).join("release").join("stage1");
    println!("cargo::rustc-env=CVMKIT_STAGE1={}", utf8(&program)?);
    Ok(())
}

/// The folder of `Cargo.lock`, two above this package.
fn workspace() -> Result<PathBuf, Box<dyn Error>> {
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = package.ancestors().nth(2).ok_or("crates/cli must lie in its workspace")?;
    Ok(workspace.to_owned())
}

fn nested_cargo(workspace: &Path, target_dir: &Path) -> Result<Command, Box<dyn Error>> {
    let mut cargo = Command::new(variable("CARGO")?);
    cargo.env_clear().envs(ENVIRONMENT.iter().filter_map(|name| Some((name, env::var_os(name)?))));
    cargo
        .current_dir(workspace)
        .env("RUSTC", variable("RUSTC")?)
        // Set but empty: no wrapper, whatever a configuration file says.
        .envs([("RUSTC_WRAPPER", ""), ("RUSTC_WORKSPACE_WRAPPER", "")])
        // Goes before `RUSTFLAGS` and before every `rustflags` of a configuration file.
        .env("CARGO_ENCODED_RUSTFLAGS", flags(workspace)?.join("\u{1f}"))
        .args(["build", "--release", "--locked", "--offline", "--package", "cvmkit-stage1"])
        .args(["--target", TARGET])
        .arg("--manifest-path")
        .arg(workspace.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir);
    for setting in PROFILE {
        cargo.args(["--config", &format!("profile.release.{setting}")]);
    }
    cargo.args(["--config", &format!("target.{TARGET}.linker='cc'")]);
    Ok(cargo)
}

/// A static, position-dependent program without a trace of the host's paths.
fn flags(workspace: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut flags = vec![
        "-Ctarget-feature=+crt-static".to_owned(),
        "-Crelocation-model=static".to_owned(),
        "-Clink-arg=-Wl,--build-id=none".to_owned(),
    ];
    let homes = [(workspace.to_owned(), "/cvmkit"), (cargo_home()?, "/cargo")];
    for (from, to) in homes {
        flags.push(format!("--remap-path-prefix={}={to}", utf8(&from)?));
    }
    // With the `rust-src` component rustc shows the standard library's source where it lies.
    let source = sysroot()?.join("lib/rustlib/src/rust");
    flags.push(format!("--remap-path-prefix={}=/rust", utf8(&source)?));
    Ok(flags)
}

fn cargo_home() -> Result<PathBuf, Box<dyn Error>> {
    match env::var_os("CARGO_HOME") {
        Some(home) => Ok(home.into()),
        None => Ok(PathBuf::from(variable("HOME")?).join(".cargo")),
    }
}

fn sysroot() -> Result<PathBuf, Box<dyn Error>> {
    let output = Command::new(variable("RUSTC")?).args(["--print", "sysroot"]).output()?;
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("cargo sets {name} for build scripts; it is missing"))
}

fn utf8(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("the path {} is not UTF-8", path.display()))
}
