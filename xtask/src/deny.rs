//! Holds what is linked in against `deny.toml`: cargo-deny for licences, unwanted crates, sources and
//! wildcards, and that the decisions about advisories are of the versions that are locked.
//!
//! The contract: cargo-deny is the pinned version, built from its own lock. Deliberately absent from
//! a run of all checks: the advisory database, which is a git repository (ADR 9).

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::{Workspace, step, tool};

/// The version of cargo-deny that reads `deny.toml` and a lock of format 4.
const VERSION: &str = "0.18.5";

/// Licences, unwanted crates, sources, and the decisions about advisories.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    ensure_decisions(workspace)?;
    run(workspace, &["licenses", "bans", "sources"])
}

/// What the advisory database says: this needs a network that has it.
pub(crate) fn advisories(workspace: &Workspace) -> Result<()> {
    step::announce("advisories");
    run(workspace, &["advisories"])
        .context("cannot check the advisories: their database is a git repository")
}

fn run(workspace: &Workspace, which: &[&str]) -> Result<()> {
    let program = tool::install(workspace, "cargo-deny", VERSION, &["--version"])?;
    let mut check = step::command(&program, ["--log-level", "error", "check"]);
    step::run(check.args(which).current_dir(&workspace.root))
}

/// Refuses decisions that nobody took of what is locked now.
fn ensure_decisions(workspace: &Workspace) -> Result<()> {
    let read = |name: &str| -> Result<toml::Table> {
        let path = workspace.root.join(name);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| name.to_owned())
    };
    let stale = stale(&read("deny.toml")?, &read("Cargo.lock")?)?;
    ensure!(stale.is_empty(), "deny.toml:\n  {}", stale.join("\n  "));
    Ok(())
}

/// The advisories that were decided of another crate or version than those in the lock: a reason
/// starts with both.
fn stale(policy: &toml::Table, lock: &toml::Table) -> Result<Vec<String>> {
    let word = |value: &toml::Value, key: &str| -> Result<String> {
        let word = value.get(key).and_then(toml::Value::as_str);
        Ok(word.with_context(|| format!("{value} has no `{key}`"))?.to_owned())
    };
    let locked = lock.get("package").and_then(toml::Value::as_array);
    let locked = locked.context("Cargo.lock has no packages")?.iter();
    let locked: Vec<String> = locked
        .map(|package| Ok(format!("{} {}", word(package, "name")?, word(package, "version")?)))
        .collect::<Result<_>>()?;
    let ignored =
        policy.get("advisories").and_then(|advisories| advisories.get("ignore")?.as_array());
    let mut stale = Vec::new();
    for advisory in ignored.context("deny.toml has no list advisories.ignore")? {
        let (id, reason) = (word(advisory, "id")?, word(advisory, "reason")?);
        let decided = reason.split([',', ':']).next().unwrap_or_default();
        if !locked.iter().any(|package| package == decided) {
            stale.push(format!(
                "{id}: decided of `{decided}`, which is not locked: decide it again"
            ));
        }
    }
    Ok(stale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_of_one_version() {
        let policy = r#"advisories.ignore = [{ id = "RUSTSEC-1", reason = "rsa 0.9.10, 2026-11-27: no key" }]"#;
        let stale = |locked: &str| {
            let lock = format!("[[package]]\nname = \"rsa\"\nversion = \"{locked}\"");
            stale(&policy.parse().unwrap(), &lock.parse().unwrap()).unwrap()
        };
        assert_eq!(stale("0.9.10"), Vec::<String>::new());
        let found = stale("0.9.11");
        assert!(
            found.len() == 1 && found[0].contains("RUSTSEC-1: decided of `rsa 0.9.10`"),
            "{found:?}"
        );
    }

    #[test]
    fn a_policy_without_decisions_is_not_taken_for_one_without_any_to_take() {
        let table = |text: &str| text.parse::<toml::Table>().unwrap();
        let lock = table("[[package]]\nname = \"rsa\"\nversion = \"1\"");
        assert!(stale(&table("[licenses]"), &lock).is_err());
        assert!(stale(&table("advisories.ignore = [\"RUSTSEC-1\"]"), &lock).is_err());
        assert!(stale(&table("advisories.ignore = []"), &table("")).is_err());
    }
}
