//! `cvmkit lock`: pin the exact inputs of a definition.

use std::fmt;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use cvmkit_engine::build::{self, ExplainedScript, Unexplained};
use cvmkit_engine::definition::Project;
use cvmkit_engine::fetch::Origins;
use cvmkit_engine::lock::{
    self, Accepted, Changes, Fingerprint, LockError, LockFile, Resolving, Unevaluated, Update,
};
use cvmkit_engine::rootfs::ScriptDecision;
use cvmkit_host::fault::{Diagnosis, in_one_line};
use cvmkit_host::progress::Progress;
use serde::Serialize;

use super::project::{DefinitionArgument, OriginArguments, Places};
use crate::console::{Answer, CommandError, Console};
use crate::environment;
use crate::text::counted;

/// What to lock, and how much may change.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    definition: DefinitionArgument,
    #[command(flatten)]
    origins: OriginArguments,
    /// Only check that the lock fits the definition and its local files; exit 1 if not.
    #[arg(long, conflicts_with_all = ["update", "explain"])]
    check: bool,
    /// Update to the current state of the archives: everything, or the named packages.
    #[arg(long, value_name = "PKG", num_args = 0.., conflicts_with = "explain")]
    update: Option<Vec<String>>,
    /// Accept a suite whose release file has expired; the lock records it.
    #[arg(long, value_name = "SUITE")]
    accept_expired: Vec<String>,
    /// Accept a state of a suite that is older than the locked one; the lock records it.
    #[arg(long, value_name = "SUITE")]
    accept_older: Vec<String>,
    /// Accept signatures of a key that has expired; the lock records it.
    #[arg(long, value_name = "FINGERPRINT", value_parser = fingerprint)]
    accept_expired_key: Vec<Fingerprint>,
    /// Show why a package is locked, and what its maintainer scripts do.
    #[arg(long, value_name = "PKG")]
    explain: Option<String>,
}

fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    text.parse().map_err(|_| "expected a fingerprint of 40 hexadecimal digits".to_owned())
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        let project = self.definition.open()?;
        if self.check {
            lock::check(&project)?;
            console.result(&Current { current: true });
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(package) = &self.explain {
            console.result(&self.explanation(&project, package, console)?);
            return Ok(ExitCode::SUCCESS);
        }
        let places = Places::of(&project)?;
        let update = match self.update {
            None => Update::Needed,
            Some(packages) if packages.is_empty() => Update::All,
            Some(packages) => Update::Only(packages),
        };
        let listening = Listening { console, notes: Mutex::default() };
        let vendor = self.origins.vendor.as_deref();
        let origins = places.origins(self.origins.offline, vendor, console);
        let resolving = Resolving {
            origins: Origins { progress: &listening, ..origins },
            now: environment::now(),
            evaluate: build::evaluate,
            accepted: Accepted {
                expired: &self.accept_expired,
                older: &self.accept_older,
                expired_keys: &self.accept_expired_key,
            },
        };
        let (lock, changes) = lock::lock(&project, &update, &resolving)?;
        console.result(&Locked {
            path: project.lock_path().display().to_string(),
            packages: lock.packages.len(),
            dropped: lock.dropped.len(),
            bytes: lock.packages.iter().map(|package| package.size).sum(),
            accounts: lock.accounts.len(),
            scripts: lock.scripts.len(),
            unknown_ids_of: lock.unknown_ids_of,
            files: lock.files.len(),
            notes: listening.notes.into_inner().unwrap_or_else(PoisonError::into_inner),
            changes,
        });
        Ok(ExitCode::SUCCESS)
    }
}

impl Arguments {
    /// Why a package is locked, and what its scripts do as far as that can be told here.
    fn explanation(
        &self,
        project: &Project,
        package: &str,
        console: &Console,
    ) -> Result<Explanation, CommandError> {
        let file = LockFile::open(project)?;
        let reasons = file.lock.explain(package);
        if reasons.is_empty() {
            return Err(LockError::NotLocked { name: package.to_owned() }.into());
        }
        let places = Places::of(project)?;
        let vendor = self.origins.vendor.as_deref();
        let origins = places.origins(self.origins.offline, vendor, console);
        let scripts = match build::explain(project, &file, package, origins) {
            Ok(scripts) => Some(scripts.into_iter().map(ScriptExplanation::from).collect()),
            Err(Unexplained::Build(error)) => return Err(error.into()),
            Err(Unexplained::Unevaluated(why)) => {
                let why: Box<dyn Diagnosis> = match why {
                    Unevaluated::Taken(error) => error,
                    Unevaluated::NotHad(error) | Unevaluated::Other(error) => error,
                };
                let why = in_one_line(&*why);
                console.note(&format!("what its maintainer scripts do can't be told: {why}"));
                None
            }
        };
        Ok(Explanation { package: package.to_owned(), reasons, scripts })
    }
}

/// The console, and the notes that went to it.
struct Listening<'a> {
    console: &'a Console,
    notes: Mutex<Vec<String>>,
}

impl Progress for Listening<'_> {
    fn begin(&self, what: &str, total: u64) {
        self.console.begin(what, total);
    }

    fn advance(&self, bytes: u64) {
        self.console.advance(bytes);
    }

    fn end(&self) {
        self.console.end();
    }

    fn note(&self, text: &str) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
        self.console.note(text);
    }
}

#[derive(Serialize)]
struct Current {
    current: bool,
}

impl fmt::Display for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lock fits the definition and its local files")
    }
}

#[derive(Serialize)]
struct Explanation {
    package: String,
    /// From the package up to one that the definition requests: each with its reason.
    reasons: Vec<(String, String)>,
    /// Its maintainer scripts in the order in which they run; nothing if they can't be evaluated here.
    #[serde(skip_serializing_if = "Option::is_none")]
    scripts: Option<Vec<ScriptExplanation>>,
}

/// A maintainer script, and what it does.
#[derive(Serialize)]
struct ScriptExplanation {
    script: String,
    package: String,
    /// Of its text.
    sha256: String,
    /// Of what it does, as the lock has it.
    effects: String,
    /// What the definition decides about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<ScriptDecision>,
    /// The root file systems in which it does this.
    roles: Vec<String>,
    /// Each as the log of a build has it.
    does: Vec<String>,
}

impl From<ExplainedScript> for ScriptExplanation {
    fn from(ExplainedScript { script, roles }: ExplainedScript) -> Self {
        Self {
            script: script.script,
            package: script.package,
            sha256: script.sha256.to_string(),
            effects: script.effects.to_string(),
            decision: script.decision,
            roles,
            does: script.lines,
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reasons.iter().try_for_each(|(package, reason)| writeln!(f, "{package}: {reason}"))?;
        self.scripts.iter().flatten().try_for_each(|script| script.fmt(f))
    }
}

impl fmt::Display for ScriptExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { script, package, roles, does, decision, .. } = self;
        let nothing = if does.is_empty() { " changes nothing" } else { "" };
        let decided = match decision {
            None => "",
            Some(ScriptDecision::Skip) => ", skipped",
            Some(ScriptDecision::Give) => ", given by the definition",
        };
        writeln!(f, "{script} of {package} ({}){decided}{nothing}", roles.join(", "))?;
        does.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Locked {
    path: String,
    packages: usize,
    /// How many packages the image does without because its definition drops them.
    dropped: usize,
    bytes: u64,
    /// How many accounts have an id in the lock.
    accounts: usize,
    /// How many maintainer scripts are in the lock with what they do.
    scripts: usize,
    /// The roles of root file systems whose accounts and scripts could not be told.
    unknown_ids_of: Vec<String>,
    files: usize,
    /// The notes on standard error, for readers of JSON alone.
    notes: Vec<String>,
    changes: Changes,
}

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.changes)?;
        let packages = counted(self.packages, "package");
        let megabytes = self.bytes / 1_000_000;
        let files = counted(self.files, "local file");
        write!(f, "{}: {packages} ({megabytes} MB), {files}", self.path)?;
        if self.dropped > 0 {
            write!(f, ", {} dropped", counted(self.dropped, "package"))?;
        }
        match (self.changes.is_empty(), self.changes.rewritten) {
            (false, _) => Ok(()),
            (true, true) => {
                f.write_str(", rewritten: no package, account, script or local file changed")
            }
            (true, false) => f.write_str(", unchanged"),
        }
    }
}
