//! Tools of cargo that checks run: a pinned version, built from its own lock.

use std::path::PathBuf;

use anyhow::Result;

use crate::{Workspace, step};

/// A tool works for seconds: compiled without optimisation, it is there in a tenth of the time.
const QUICKLY: [&str; 6] = [
    "--debug",
    "--config",
    "profile.dev.opt-level=0",
    "--config",
    "profile.dev.debug=false",
    "--quiet",
];

/// The program of a crate, which is built if this version is not there. `version_of` are the arguments
/// that make the program print its name and version.
pub(crate) fn install(
    workspace: &Workspace,
    name: &str,
    version: &str,
    version_of: &[&str],
) -> Result<PathBuf> {
    let tools = workspace.target.join("tools");
    let program = tools.join("bin").join(name);
    let printed = step::output(&mut step::command(&program, version_of)).unwrap_or_default();
    if printed != format!("{name} {version}") {
        let mut install = step::command("cargo", ["install", name, "--locked", "--force"]);
        install.args(["--version", version, "--root"]).arg(&tools).args(QUICKLY);
        // How this workspace is linked is no matter of its tools.
        step::run(install.current_dir(&workspace.target))?;
    }
    Ok(program)
}
