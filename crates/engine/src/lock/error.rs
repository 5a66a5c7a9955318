//! What can be wrong with a lock or its making.

use std::path::{Path, PathBuf};

use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::FileError;
use cvmkit_host::versioned::VersionedError;
use thiserror::Error;

use super::difference::ScriptChange;
use super::dropped::DropProblem;
use crate::definition::DefinitionError;
use crate::local::LocalError;
use crate::packages::debian::{LocalPackagesError, ResolveError, SuiteError};
use crate::rootfs::RootfsError;

/// Why there is no usable lock.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// There is none yet.
    #[error("no lock at `{}`", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The definition.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// It is no lock that `cvmkit lock` wrote.
    #[error("`{}` is not a lock that `cvmkit lock` wrote\n  {message}\n  --> {}", path.display(), place(path, *line))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// It was edited.
    #[error(
        "`{}` was edited\n    stated:   {stated}  ({})\n    computed: {computed}",
        path.display(),
        place(path, Some(*line))
    )]
    Edited {
        /// The file.
        path: PathBuf,
        /// The line of the digest, from 1.
        line: usize,
        /// The digest in its head.
        stated: Sha256,
        /// The digest of its body.
        computed: Sha256,
    },
    /// It is longer than any.
    #[error("`{}` is longer than {limit} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most there may be.
        limit: u64,
    },
    /// It does not have a package that the definition names.
    #[error("`{}` has no package `{package}` of role `{role}`, which the definition installs", path.display())]
    NotHeld {
        /// The file.
        path: PathBuf,
        /// The package, as the definition names it.
        package: String,
        /// What it should be there for.
        role: String,
    },
    /// It does without other packages than the definition drops.
    #[error(
        "`{}` does not leave out of `{role}` what the definition drops:{}",
        path.display(),
        .problems.iter().map(|problem| format!("\n    {problem}")).collect::<String>()
    )]
    OtherDrops {
        /// The file.
        path: PathBuf,
        /// The root file system.
        role: String,
        /// All that differs.
        problems: Vec<DropProblem>,
    },
    /// When it was made, the scripts of some root file systems could not be evaluated.
    #[error(
        "`{}` may lack ids of system accounts and effects of maintainer scripts (of {}): they were not known \
         when it was made",
        path.display(),
        .roles.join(", ")
    )]
    UnknownIds {
        /// The file.
        path: PathBuf,
        /// The roles of the root file systems.
        roles: Vec<String>,
    },
    /// Maintainer scripts do something else than it says.
    #[error(
        "{} something else than `{}` says of `{role}`:{}",
        match changes.len() {
            1 => "a maintainer script does".to_owned(),
            count => format!("{count} maintainer scripts do"),
        },
        path.display(),
        listed(changes)
    )]
    OtherEffects {
        /// The file.
        path: PathBuf,
        /// The root file system.
        role: String,
        /// Each script that differs.
        changes: Vec<ScriptChange>,
    },
    /// An id of the lock is another account's by now.
    #[error(transparent)]
    Ids(Box<RootfsError>),
    /// The network is needed, and not to be used.
    #[error("packages have to be resolved again, and the network is off")]
    Offline,
    /// It has no package of a root file system.
    #[error("the lock has no package of role `{role}`")]
    NoRootPackages {
        /// The role.
        role: String,
    },
    /// It is of another format.
    #[error(transparent)]
    Versioned(#[from] VersionedError),
    /// It was made for another definition.
    #[error(
        "the lock `{}` is stale: `{}` changed since\n    locked:   {locked}\n    computed: \
         {computed}",
        path.display(),
        definition.display()
    )]
    Stale {
        /// The lock.
        path: PathBuf,
        /// The definition.
        definition: PathBuf,
        /// Checksum the lock was made for.
        locked: Sha256,
        /// Checksum of the definition now.
        computed: Sha256,
    },
    /// A local file is not what was locked.
    #[error(
        "the local file `{path}` does not match the lock\n    locked: {locked}\n    found:  {found}"
    )]
    LocalChanged {
        /// The file, relative to the definition.
        path: String,
        /// What was locked.
        locked: String,
        /// What is there.
        found: String,
    },
    /// A local file is not what the definition pins.
    #[error(
        "the local file `{path}` does not have the sha256 that the definition pins\n    \
         expected: {expected}\n    computed: {computed}"
    )]
    LocalPin {
        /// The file, relative to the definition.
        path: String,
        /// In the definition.
        expected: Sha256,
        /// Of the file.
        computed: Sha256,
    },
    /// A local file is not where it may be, or can't be read.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// A local file is neither file, folder nor link, or an overlay is none.
    #[error("the local file `{path}` can't be used: {why}")]
    LocalUnusable {
        /// As the definition gives it.
        path: String,
        /// The reason.
        why: &'static str,
    },
    /// A suite is not trusted.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// A suite that no source lists, and that only an input comes from, is not trusted.
    #[error("the {role} comes from the suite `{suite}`, which nothing else does")]
    InputSuite {
        /// What the input is for.
        role: &'static str,
        /// The suite.
        suite: String,
        /// Why.
        source: SuiteError,
    },
    /// Local packages can't be used.
    #[error(transparent)]
    LocalPackages(#[from] LocalPackagesError),
    /// There is no set of packages that the definition asks for.
    #[error("the packages of the definition can't be resolved")]
    Resolve(#[from] ResolveError),
    /// A package that holds the stub or the firmware is in no suite.
    #[error("no package `{package}` for the {role}{}", in_suite(.suite))]
    NoSuchInput {
        /// What it is for.
        role: &'static str,
        /// The package.
        package: String,
        /// The suite it should come from.
        suite: Option<String>,
    },
    /// A suite that only an input names, and that may be trusted in several ways.
    #[error(
        "the suite `{suite}` of the {role} can be that of several sources: {}",
        .sources.join(", ")
    )]
    AmbiguousSuite {
        /// What the input is for.
        role: &'static str,
        /// The suite.
        suite: String,
        /// Each source in words.
        sources: Vec<String>,
    },
    /// An input's archive that no source has.
    #[error("no source has the archive `{archive}` that the {role} comes from")]
    UnknownArchive {
        /// What the input is for.
        role: &'static str,
        /// The archive.
        archive: String,
    },
    /// Packages to drop that no root file system would have.
    #[error(
        "the definition drops {}, which no package of the image needs",
        .names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    )]
    NotDropped {
        /// The packages.
        names: Vec<String>,
    },
    /// A package to update that the lock does not have.
    #[error("`{name}` is not in the lock")]
    NotLocked {
        /// The package.
        name: String,
    },
    /// A package to keep that the archives do not have any more.
    #[error("`{name}` {version} is locked, but no suite has it any more")]
    NoLongerThere {
        /// The package.
        name: String,
        /// Its locked version.
        version: String,
    },
    /// The answer to `lock --check` is no.
    #[error(transparent)]
    Unfit(Box<LockError>),
    /// The lock can't be written as TOML.
    #[error("the lock can't be serialised: {message}")]
    Unserialisable {
        /// The serialiser's words.
        message: String,
    },
}

impl Diagnosis for LockError {
    fn fault(&self) -> Fault {
        match self {
            Self::File(error) => error.fault(),
            Self::Definition(error) => error.fault(),
            Self::Suite(error) | Self::InputSuite { source: error, .. } => error.fault(),
            Self::Local(error) => error.fault(),
            Self::LocalPackages(error) => error.fault(),
            Self::Ids(error) => error.fault(),
            Self::Offline => Fault::Environment,
            Self::Unfit(_) => Fault::Negative,
            Self::Unserialisable { .. } => Fault::Bug,
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing { .. } => "run `cvmkit lock`".into(),
            Self::Stale { .. } => "run `cvmkit lock`; packages move only if their part of the \
                                   definition changed"
                .into(),
            Self::LocalChanged { .. } => "run `cvmkit lock` to take the change over".into(),
            Self::LocalPin { .. } => "correct the sha256, or the file".into(),
            Self::Malformed { .. } | Self::Edited { .. } | Self::TooLong { .. } => {
                "restore it from version control, or make a new one with `cvmkit lock --update`, \
                 which updates packages and can't detect a mirror that serves an old state"
                    .into()
            }
            Self::NotHeld { .. } | Self::OtherDrops { .. } | Self::NoRootPackages { .. } => {
                "restore the lock from version control, or run `cvmkit lock --update`".into()
            }
            Self::UnknownIds { .. } => {
                "run `cvmkit lock` again; it says why they are not known".into()
            }
            Self::OtherEffects { .. } => "run `cvmkit lock`, which changes no package, and review what it \
                                          says; to make a published image again, take the version of \
                                          cvmkit that made it"
                .into(),
            Self::Ids(error) => return error.hint(),
            Self::Offline => "run `cvmkit lock` without `--offline`".into(),
            Self::Versioned(error) => return error.hint(),
            Self::AmbiguousSuite { .. } => {
                "name the input's `archive`; or list the suite in the source that is meant".into()
            }
            Self::UnknownArchive { .. } => "correct `archive`, or add a source of it".into(),
            Self::File(error) => return error.hint(),
            Self::Definition(error) => return error.hint(),
            Self::Local(error) => return error.hint(),
            Self::LocalPackages(error) => return error.hint(),
            Self::Unfit(error) => return error.hint(),
            Self::Suite(error) => return error.hint(),
            Self::InputSuite { role, source, .. } => {
                let first = source.hint().map(|hint| format!("{hint}; ")).unwrap_or_default();
                format!(
                    "{first}or name the {role} without this suite, as a file that you keep (`path` \
                     and `sha256`, or a `.deb` in `packages.local`)"
                )
            }
            Self::NoSuchInput { suite: None, .. } => {
                "name the suite that has it with `suite = \"...\"`".into()
            }
            Self::NotDropped { .. } => {
                "take them out of `packages.drop`, or correct the names".into()
            }
            Self::NotLocked { .. } => "`cvmkit lock` adds packages; `--update` moves them".into(),
            Self::NoLongerThere { name, .. } => {
                format!("update it too: `cvmkit lock --update {name} ...`, or all with `--update`")
            }
            Self::NoSuchInput { .. } => "correct the input's `package` or its `suite`".into(),
            Self::Resolve(_) => {
                "correct `packages.install`, or add a suite to `[[sources]]`".into()
            }
            Self::LocalUnusable { .. } | Self::Unserialisable { .. } => return None,
        })
    }
}

/// One on a line each.
fn listed(changes: &[ScriptChange]) -> String {
    changes.iter().map(|change| format!("\n    {change}")).collect()
}

/// `image.lock:12`.
fn place(path: &Path, line: Option<usize>) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    line.map_or_else(|| name.clone().into_owned(), |line| format!("{name}:{line}"))
}

fn in_suite(suite: &Option<String>) -> String {
    suite.as_ref().map_or_else(String::new, |suite| format!(" in suite `{suite}`"))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind::PermissionDenied;

    use cvmkit_host::files::cannot;

    use super::*;

    fn denied() -> FileError {
        cannot("read", "x".as_ref())(std::io::Error::from(PermissionDenied))
    }

    fn nothing_resolves() -> ResolveError {
        ResolveError::UnknownPackage { name: "p".into(), near: Vec::new() }
    }

    fn missing_input(suite: Option<&str>) -> LockError {
        let suite = suite.map(str::to_owned);
        LockError::NoSuchInput { role: "stub", package: "p".into(), suite }
    }

    /// The answer of `lock --check` is no whatever was found; what the host refused stays its fault.
    #[test]
    fn the_fault_is_that_of_the_cause_but_for_an_answer() {
        let path = || PathBuf::from("image.lock");
        let sha256 = Sha256::of(b"");
        for (error, fault) in [
            (LockError::File(denied()), Fault::Environment),
            (DefinitionError::File(denied()).into(), Fault::Environment),
            (DefinitionError::Missing { path: path() }.into(), Fault::Definition),
            (LocalError::File(denied()).into(), Fault::Environment),
            (LocalError::Absolute { path: "/x".into() }.into(), Fault::Definition),
            (LockError::Offline, Fault::Environment),
            (LockError::Unfit(Box::new(LockError::Offline)), Fault::Negative),
            (LockError::Unfit(Box::new(LockError::Missing { path: path() })), Fault::Negative),
            (LockError::Unserialisable { message: "m".into() }, Fault::Bug),
            (LockError::Missing { path: path() }, Fault::Definition),
            (
                LockError::Malformed { path: path(), line: None, message: "m".into() },
                Fault::Definition,
            ),
            (
                LockError::Edited { path: path(), line: 5, stated: sha256, computed: sha256 },
                Fault::Definition,
            ),
            (LockError::Resolve(nothing_resolves()), Fault::Definition),
            (missing_input(None), Fault::Definition),
        ] {
            assert_eq!(error.fault(), fault, "{error:?}");
        }
        let (suite, archive) = ("s".to_owned(), "a".to_owned());
        let changed = SuiteError::Changed { suite, archive };
        let fault = changed.fault();
        assert_eq!(LockError::Suite(changed).fault(), fault);
    }

    #[test]
    fn a_hint_names_the_key_or_the_command_that_helps() {
        let path = || PathBuf::from("image.lock");
        let file =
            || LockError::LocalChanged { path: "f".into(), locked: "a".into(), found: "b".into() };
        let cases = [
            (LockError::Missing { path: path() }, "run `cvmkit lock`"),
            (file(), "run `cvmkit lock` to take the change over"),
            (LockError::Unfit(Box::new(file())), "run `cvmkit lock` to take the change over"),
            (LockError::Offline, "run `cvmkit lock` without `--offline`"),
            (missing_input(None), "name the suite that has it with `suite = \"...\"`"),
            (missing_input(Some("s")), "correct the input's `package` or its `suite`"),
            (
                LockError::Resolve(nothing_resolves()),
                "correct `packages.install`, or add a suite to `[[sources]]`",
            ),
            (
                LockError::NoLongerThere { name: "p".into(), version: "1".into() },
                "update it too: `cvmkit lock --update p ...`, or all with `--update`",
            ),
            (
                LockError::UnknownArchive { role: "stub", archive: "a".into() },
                "correct `archive`, or add a source of it",
            ),
        ];
        for (error, hint) in cases {
            assert_eq!(error.hint().as_deref(), Some(hint), "{error:?}");
        }
        let restored = |error: LockError| error.hint().unwrap().contains("restore");
        let (roles, role) = (vec!["root".to_owned()], "root".to_owned());
        assert!(restored(LockError::Malformed { path: path(), line: None, message: "m".into() }));
        assert!(restored(LockError::TooLong { path: path(), limit: 1 }));
        assert!(restored(LockError::NoRootPackages { role: role.clone() }));
        assert!(restored(LockError::NotHeld { path: path(), package: "p".into(), role }));
        assert!(!restored(LockError::UnknownIds { path: path(), roles }));
        let unusable = LockError::LocalUnusable { path: "f".into(), why: "it is a pipe" };
        assert_eq!(unusable.hint(), None);
        // A cause keeps its own.
        let missing = || DefinitionError::Missing { path: "image.toml".into() };
        assert_eq!(LockError::from(missing()).hint(), missing().hint());
        let outside = || LocalError::Outside {
            path: "../x/y".into(),
            folder: "/a".into(),
            found: "/x/y".into(),
        };
        assert_eq!(LockError::from(outside()).hint(), outside().hint());
    }

    #[test]
    fn a_place_is_the_line_of_the_lock_where_it_is_known() {
        let malformed = |line| {
            let path = PathBuf::from("folder/image.lock");
            LockError::Malformed { path, line, message: "m".into() }.to_string()
        };
        assert!(malformed(Some(7)).ends_with("\n  --> image.lock:7"), "{}", malformed(Some(7)));
        assert!(malformed(None).ends_with("\n  --> image.lock"), "{}", malformed(None));
        assert_eq!(missing_input(None).to_string(), "no package `p` for the stub");
        assert_eq!(
            missing_input(Some("s")).to_string(),
            "no package `p` for the stub in suite `s`"
        );
    }
}
