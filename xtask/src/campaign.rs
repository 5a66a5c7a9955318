//! What is too long for every run of all checks, and runs before an issue is called resolved.

use anyhow::{Result, bail};

use crate::inputs::Inputs;
use crate::{Workspace, deny, mutants, oracles, packages, servers, step, test, trees};

/// `boots`, `readers [NAME[=NUMBER]]`, `advisories`, or `mutants`, `packages`, `servers` or `trees` with its options.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    match arguments {
        ["boots"] => boots(workspace),
        ["readers"] => readers(workspace, ""),
        ["readers", only] => readers(workspace, only),
        ["mutants", options @ ..] => mutants::run(workspace, options),
        ["packages", options @ ..] => packages::run(workspace, options),
        ["servers", options @ ..] => servers::run(workspace, options),
        ["trees", options @ ..] => trees::run(workspace, options),
        ["advisories"] => deny::advisories(workspace),
        _ => bail!("{}", crate::USAGE),
    }
}

/// Boots what a run of all checks leaves out: the tests that are ignored there.
fn boots(workspace: &Workspace) -> Result<()> {
    oracles::ensure(workspace, oracles::Need::Tests)?;
    let command = || {
        let mut cargo = step::command("cargo", ["test", "--profile", test::PROFILE]);
        cargo.args(["--workspace", "--test", "boots"]).args(test::CROSS_CHECK);
        cargo.current_dir(&workspace.root);
        cargo
    };
    step::announce("the product and the tests that boot");
    step::run(command().arg("--no-run"))?;
    let inputs = Inputs::ensure(workspace, &workspace.checked_cvmkit())?;
    step::announce("boots that are not in every run of all checks");
    let mut boots = command();
    boots.args(["--", "--ignored"]).env("CVMKIT_ORACLES", "require");
    inputs.tell(&mut boots)?;
    step::run(&mut boots)
}

/// Changes files for every reader of foreign bytes and runs the program on them. `only` is a part of
/// readers' names, or several with commas between them, and perhaps the number of one mutation.
fn readers(workspace: &Workspace, only: &str) -> Result<()> {
    oracles::ensure(workspace, oracles::Need::Tests)?;
    let arguments = ["test", "--profile", test::PROFILE, "--workspace", "--test", "campaign"];
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
