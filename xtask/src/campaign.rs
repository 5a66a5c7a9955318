//! What is too long for every run of all checks, and runs before an issue is called resolved.

use anyhow::{Context, Result, bail};

use crate::{Workspace, oracles, step, test};

/// The version of cargo-deny that reads `deny.toml` and a lock of format 4.
const CARGO_DENY: &str = "0.18.5";

/// `readers [NAME[=NUMBER]]`, or `deny`.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    match arguments {
        ["readers"] => readers(workspace, ""),
        ["readers", only] => readers(workspace, only),
        ["deny"] => deny(workspace),
        _ => bail!("{}", crate::USAGE),
    }
}

/// Changes files for every reader of foreign bytes and runs the program on them. `only` is a part of
/// readers' names, or several with commas between them, and perhaps the number of one mutation.
fn readers(workspace: &Workspace, only: &str) -> Result<()> {
    oracles::ensure(workspace, oracles::Need::Tests)?;
    let arguments = ["test", "--release", "--workspace", "--test", "campaign"];
    let run = |more: &[&str]| {
        let mut cargo = step::command("cargo", arguments);
        cargo.args(test::CROSS_CHECK).arg("--").args(more);
        cargo.env("CVMKIT_CAMPAIGN", only).current_dir(&workspace.root);
        step::run(&mut cargo)
    };
    step::announce("planted faults: a panic, a hang, an allocation");
    run(&[])?;
    step::announce("every reader of foreign bytes");
    run(&["--ignored", "--exact", "readers", "--nocapture"])
}

/// cargo-deny with all its checks. The advisory database is a git repository: this needs a network
/// that has it.
fn deny(workspace: &Workspace) -> Result<()> {
    let tools = workspace.target.join("tools");
    let program = tools.join("bin/cargo-deny");
    let printed = step::output(&mut step::command(&program, ["--version"])).unwrap_or_default();
    if printed != format!("cargo-deny {CARGO_DENY}") {
        step::announce("build cargo-deny, which takes a while");
        let mut install = step::command("cargo", ["install", "cargo-deny", "--locked", "--force"]);
        step::run(install.args(["--version", CARGO_DENY, "--root"]).arg(&tools))?;
    }
    let check = |which: &[&str]| {
        let mut check = step::command(&program, ["check"]);
        step::run(check.args(which).current_dir(&workspace.root))
    };
    step::announce("licences, bans, sources");
    check(&["licenses", "bans", "sources"])?;
    step::announce("advisories");
    check(&["advisories"]).context("the advisories, of which the database is a git repository")
}
