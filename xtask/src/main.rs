#![forbid(unsafe_code)]
#![expect(clippy::disallowed_types, reason = "development tasks start cargo, apt and the oracles")]
#![expect(clippy::disallowed_methods, reason = "development tasks read the environment and files")]
//! Development tasks: everything a newcomer or CI needs, as `cargo xtask TASK`.
//!
//! The contract: on a fresh Debian 12 machine with a Rust toolchain, `demo` and `test` each do all
//! the set-up they need and are safe to run again. Nothing here is part of the product.

mod apt;
mod bench;
mod campaign;
mod demo;
mod deny;
mod fuzz;
mod inputs;
mod mutants;
mod oracles;
mod packages;
mod servers;
mod sets;
mod shape;
mod step;
mod test;
mod tool;
mod trees;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

const USAGE: &str = "\
usage: cargo xtask TASK

  demo            build cvmkit and recipes/minimal, measure it, boot it
  test            install the oracles; check format and lints; fuzz; run every test
  test --quick    only what needs no oracle: format, lints, unit tests
  fuzz [SECONDS] [TARGET..]
                  fuzz all decoders of foreign bytes, or some (default 30 s each)
  campaign boots  boot the machines that are not in every run of all checks
  campaign readers [NAME[=NUMBER]]
                  20 000 changed inputs for all readers of foreign bytes, or for some
  campaign advisories
                  look up every crate that is linked in, in the advisory database
  campaign mutants [--count N] [--seed S] [--again]
                  change the code in N places (default 300), one at a time: the tests must fail
  campaign packages [--sets FILE] [--folder DIR] [--failed] [--again] [--page] [NAME..]
                  lock every package set and 1000 server packages, and write docs/packages.md
  campaign packages --list
                  draw the server packages from the archive's index
  campaign servers [--folder DIR] [--page] [NAME..]
                  boot images with servers, and write docs/servers.md
  campaign trees [--folder DIR] [--theirs | --page] [NAME..]
                  compare images of package sets with what mmdebstrap makes, and write docs/trees.md
  bench [N]       race other tools, N alternating runs (default 3)
  shape           count files, functions, tests and links, and write docs/shape.md
  oracles         install or check the tools that tests compare with";

/// Where things are.
struct Workspace {
    /// The checkout.
    root: PathBuf,
    /// Cargo's target folder; everything these tasks make is below it or below `out/`.
    target: PathBuf,
}

impl Workspace {
    /// From the environment that `cargo run` sets.
    fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").context("run as `cargo xtask`")?;
        let root =
            Path::new(&manifest).parent().context("xtask is outside its workspace")?.to_owned();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(target) => std::path::absolute(target)?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The release build of the product.
    fn cvmkit(&self) -> PathBuf {
        self.target.join("release/cvmkit")
    }

    /// The build of the product that the tests run.
    fn checked_cvmkit(&self) -> PathBuf {
        self.target.join(test::PROFILE).join("cvmkit")
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let workspace = Workspace::find()?;
    match arguments.as_slice() {
        ["demo"] => demo::run(&workspace),
        ["test"] => test::run(&workspace, test::Extent::Whole),
        ["test", "--quick"] => test::run(&workspace, test::Extent::Quick),
        ["fuzz", arguments @ ..] => fuzz::run(&workspace, arguments),
        ["campaign", arguments @ ..] => campaign::run(&workspace, arguments),
        ["bench"] => bench::run(&workspace, 3),
        ["bench", runs] => bench::run(&workspace, runs.parse().context(USAGE)?),
        ["shape"] => shape::run(&workspace),
        ["oracles"] => oracles::ensure(&workspace, oracles::Need::Tests),
        _ => bail!("{USAGE}"),
    }
}
