//! Holds what is linked in against `deny.toml`: cargo-deny for licences, unwanted crates, sources and
//! wildcards, and that the decisions about advisories are of the versions that are locked.
//!
//! The contract: cargo-deny is the pinned version, built from its own lock. It takes longer to compile than
//! most checks take, and what it says follows from files of this repository alone: `JUDGED` has their digest
//! since it last found nothing, and another digest has it built and asked. Deliberately absent from a run of
//! all checks: the advisory database, which is a git repository (ADR 9).

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::{Workspace, demo, step, tool};

/// The version of cargo-deny that reads `deny.toml` and a lock of format 4.
const VERSION: &str = "0.18.5";

/// The digest of all that cargo-deny judged when it found nothing.
const JUDGED: &str = "xtask/data/judged-by-cargo-deny";

/// Licences, unwanted crates, sources, and the decisions about advisories.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    ensure_decisions(workspace)?;
    let record = workspace.root.join(JUDGED);
    let digest = digest(&judged(workspace)?);
    if fs::read_to_string(&record).is_ok_and(|judged| judged == digest) {
        println!("  nothing has changed since cargo-deny {VERSION} found nothing ({JUDGED})");
        return Ok(());
    }
    run(workspace, &["licenses", "bans", "sources"])?;
    fs::write(&record, digest)?;
    println!("  {JUDGED} is written anew: commit it, and nobody has to build cargo-deny for this");
    Ok(())
}

/// All that an answer of cargo-deny follows from: the policy, the lock, which has the digest of every crate, and
/// the manifests, which say what is linked in. Names are relative to the root.
fn judged(workspace: &Workspace) -> Result<Vec<(String, Vec<u8>)>> {
    let crates = demo::list(&workspace.root.join("crates"))?;
    let manifests = crates.iter().map(|name| format!("crates/{name}/Cargo.toml"));
    let mut names: Vec<String> = ["Cargo.lock", "Cargo.toml", "deny.toml", "xtask/Cargo.toml"]
        .into_iter()
        .map(str::to_owned)
        .chain(manifests)
        .collect();
    names.sort();
    let read = |name: String| {
        let path: PathBuf = workspace.root.join(&name);
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        Ok((name, bytes))
    };
    names.into_iter().map(read).collect()
}

/// SHA-256 over the version of cargo-deny and, for each file, its name, length and bytes.
fn digest(files: &[(String, Vec<u8>)]) -> String {
    let mut hash = Sha256::new();
    hash.update(VERSION);
    for (name, bytes) in files {
        hash.update(format!("\n{name} {}\n", bytes.len()));
        hash.update(bytes);
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}\n")
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
    fn each_file_that_is_judged_counts() {
        let files = |name: &str, bytes: &[u8]| vec![(name.to_owned(), bytes.to_vec())];
        let judged = |name, bytes| digest(&files(name, bytes));
        assert_eq!(judged("Cargo.lock", b"a"), judged("Cargo.lock", b"a"));
        assert_ne!(judged("Cargo.lock", b"a"), judged("Cargo.lock", b"b"));
        assert_ne!(judged("Cargo.lock", b"a"), judged("deny.toml", b"a"));
    }

    /// A crate of the workspace whose manifest is not judged could link anything in.
    #[test]
    fn every_member_of_the_workspace_is_judged() {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
        let workspace = Workspace { target: root.join("target"), root };
        let judged = judged(&workspace).unwrap();
        let manifest: toml::Table =
            toml::from_slice(&fs::read(workspace.root.join("Cargo.toml")).unwrap()).unwrap();
        let members = manifest["workspace"]["members"].as_array().unwrap();
        for member in members {
            let member = member.as_str().unwrap().trim_end_matches("/*");
            assert!(judged.iter().any(|(name, _)| name.starts_with(member)), "{member}");
        }
    }

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
