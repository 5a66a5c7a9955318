//! Where sev-snp-measure is: `CVMKIT_SNP_MEASURE` names it, or `PATH` finds it.

use std::path::PathBuf;
use std::{env, fs};

/// The interpreter behind the tool: the one its first line names.
pub(crate) fn interpreter() -> Option<PathBuf> {
    let in_path = || {
        let folders = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&folders)
            .map(|folder| folder.join("sev-snp-measure"))
            .find(|path| path.is_file())
    };
    let Some(tool) = env::var_os("CVMKIT_SNP_MEASURE").map(PathBuf::from).or_else(in_path) else {
        assert!(
            env::var("CVMKIT_ORACLES").as_deref() != Ok("require"),
            "sev-snp-measure is not installed"
        );
        eprintln!("SKIPPED: sev-snp-measure is not installed");
        return None;
    };
    let script = fs::read_to_string(&tool).unwrap_or_else(|e| panic!("{}: {e}", tool.display()));
    let first_line = script.lines().next().and_then(|line| line.strip_prefix("#!"));
    Some(PathBuf::from(first_line.expect("sev-snp-measure is a script with an interpreter").trim()))
}
