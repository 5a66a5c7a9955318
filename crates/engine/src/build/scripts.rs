//! What the maintainer scripts of one package do, for whoever asks.

use super::error::BuildError;
use super::rootfs::evaluate;
use crate::definition::Project;
use crate::fetch::Origins;
use crate::lock::{LockError, LockFile, Unevaluated, root_role};
use crate::rootfs::EvaluatedScript;

/// Why nobody can say what scripts do.
#[derive(Debug)]
pub enum Unexplained {
    /// The packages can't be evaluated.
    Unevaluated(Unevaluated),
    /// The definition does not parse, or the lock says something else.
    Build(BuildError),
}

/// A script, and the root file systems in which it does what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedScript {
    /// What it did.
    pub script: EvaluatedScript,
    /// `root`, `root:VARIANT`, in the order of the definition.
    pub roles: Vec<String>,
}

/// What the scripts of a package do in every root file system that has it, as the lock says; in the order in
/// which they run.
///
/// # Errors
/// The packages can't be evaluated, or they come to something else than the lock says.
pub fn explain(
    project: &Project,
    lock: &LockFile,
    package: &str,
    origins: Origins<'_>,
) -> Result<Vec<ExplainedScript>, Unexplained> {
    let mut explained: Vec<ExplainedScript> = Vec::new();
    let definitions = project.definitions().map_err(|error| build(error.into()))?;
    for definition in &definitions {
        let variant = definition.variant.as_deref();
        let role = root_role(variant);
        if !lock.lock.packages_of(&role).any(|one| one.name == package) {
            continue;
        }
        let ids = lock.lock.ids(variant);
        let evaluated = evaluate(project, definition, lock, &ids, origins);
        let scripts = evaluated.map_err(Unexplained::Unevaluated)?.scripts;
        lock.holds_scripts(variant, &scripts).map_err(build)?;
        for script in scripts.into_iter().filter(|script| script.package == package) {
            match explained.iter_mut().find(|known| known.script == script) {
                Some(known) => known.roles.push(role.clone()),
                None => explained.push(ExplainedScript { script, roles: vec![role.clone()] }),
            }
        }
    }
    Ok(explained)
}

fn build(error: LockError) -> Unexplained {
    Unexplained::Build(error.into())
}
