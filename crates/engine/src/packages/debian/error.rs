//! Why a root file system can't be assembled of Debian packages.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cvmkit_debian::deb822::Deb822Error;
use cvmkit_debian::relation::RelationError;
use cvmkit_debian::triggers::TriggerError;
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::tree::TreeError;
use cvmkit_host::fault::{Diagnosis, Fault};
use thiserror::Error;

use super::commands::AnswerProblem;
use crate::rootfs::RootfsError;

/// Why a root file system can't be assembled of Debian packages.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// Packages of the base that nobody vouches for.
    #[error("the base `{base}` has packages that the lock does not have: {}", .missing.join(", "))]
    BasePackages {
        /// Its path beside the definition.
        base: String,
        /// Their names.
        missing: Vec<String>,
    },
    /// The list of packages of the base.
    #[error("the base's `/{path}` can't be read")]
    BaseStatus {
        /// The file.
        path: String,
        /// Why.
        source: Box<Deb822Error>,
    },
    /// A step that is the same for packages of any kind.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// Maintainer scripts that can't be evaluated, or that fail.
    #[error("{}", problems(.0))]
    Scripts(Vec<ScriptProblem>),
    /// Answers to questions of debconf that can't be used.
    #[error("{}", answers(.0))]
    Answers(Vec<AnswerProblem>),
    /// Several errors, each of its own kind.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<AssembleError>),
    /// A `triggers` control file.
    #[error("the control file `triggers` of `{package}` does not parse")]
    Triggers {
        /// The package.
        package: String,
        /// Why.
        source: TriggerError,
    },
    /// A field that names other packages.
    #[error("`{field}` of `{package}` does not parse")]
    Relation {
        /// The package.
        package: String,
        /// The field of its control file.
        field: &'static str,
        /// Why.
        source: RelationError,
    },
    /// Two packages write one path and neither replaces the other.
    #[error("`{first}` and `{second}` both contain `/{path}`, and neither replaces the other")]
    PackageConflict {
        /// The path.
        path: String,
        /// One package.
        first: String,
        /// The other.
        second: String,
    },
    /// One package has a file at two paths that are one on a merged /usr.
    #[error(
        "`{package}` contains `/{first}` and `/{second}`, which are one file: `/{path}` (/usr is \
         merged)"
    )]
    OneFileTwice {
        /// The package.
        package: String,
        /// The path in the tree.
        path: String,
        /// One path in the package.
        first: String,
        /// The other.
        second: String,
    },
    /// A package does not fit into the tree.
    #[error("can't unpack `/{path}` of `{package}`: {source}")]
    Unpack {
        /// The package.
        package: String,
        /// Its path.
        path: String,
        /// Why.
        source: TreeError,
    },
}

/// A script of a package, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptProblem {
    /// The package whose script it is.
    pub package: String,
    /// The member of its control archive.
    pub script: String,
    /// Of its text, if it is a script: nothing else can be skipped.
    pub sha256: Option<Sha256>,
    /// What the definition says to skip of the package already.
    pub skipped: BTreeSet<Sha256>,
    /// What is wrong, with the line where there is one.
    pub why: String,
}

impl fmt::Display for ScriptProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { package, script, why, .. } = self;
        let name = format!("{script} of {package}");
        match why.starts_with(&name) {
            true => f.write_str(why),
            false => write!(f, "{name}: {why}"),
        }
    }
}

/// All problems, one on a line.
fn problems(problems: &[ScriptProblem]) -> String {
    let mut text = match problems {
        [_] => "a maintainer script can't be evaluated".to_owned(),
        problems => format!("{} maintainer scripts can't be evaluated", problems.len()),
    };
    for problem in problems {
        text += &format!("\n    {problem}");
    }
    text
}

/// All answers, one on a line.
fn answers(problems: &[AnswerProblem]) -> String {
    let mut text = match problems {
        [_] => "an answer of [packages.debconf] can't be used".to_owned(),
        problems => format!("{} answers of [packages.debconf] can't be used", problems.len()),
    };
    for problem in problems {
        text += &format!("\n    {problem}");
    }
    text
}

/// What to do about each answer, by question where there are several.
fn answer_hint(problems: &[AnswerProblem]) -> String {
    let hint = |problem: &AnswerProblem| {
        problem.hint.clone().unwrap_or_else(|| "correct it or leave it out".to_owned())
    };
    match problems {
        [problem] => hint(problem),
        problems => {
            let lines = problems.iter();
            let lines = lines.map(|one| format!("`{}`: {}", one.question, hint(one)));
            lines.collect::<Vec<_>>().join("\n    ")
        }
    }
}

/// Lines that can be put into a definition, one for each package.
fn skip_lines(problems: &[ScriptProblem]) -> String {
    let mut digests: BTreeMap<&str, BTreeSet<Sha256>> = BTreeMap::new();
    for problem in problems {
        let Some(sha256) = problem.sha256 else { continue };
        let of = digests.entry(&problem.package).or_default();
        of.extend(&problem.skipped);
        of.insert(sha256);
    }
    digests
        .iter()
        .map(|(package, digests)| format!("\n    {}", skip_key(package, digests)))
        .collect()
}

/// A key that can be put into a definition, beside tables of the package (`give`): names with a dot or a plus need
/// quotes in TOML.
fn skip_key(package: &str, skipped: &BTreeSet<Sha256>) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let name = match package.bytes().all(is_bare) {
        true => package.to_owned(),
        false => format!("\"{package}\""),
    };
    let digests: Vec<String> = skipped.iter().map(|digest| format!("\"{digest}\"")).collect();
    format!("scripts.{name}.skip = [{}]", digests.join(", "))
}

impl AssembleError {
    /// One error of all there are.
    ///
    /// # Errors
    /// There is at least one.
    pub(super) fn of_all(mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.pop() {
            None => Ok(()),
            Some(last) if errors.is_empty() => Err(last),
            Some(last) => {
                errors.push(last);
                Err(Self::Several(errors))
            }
        }
    }
}

impl Diagnosis for AssembleError {
    fn fault(&self) -> Fault {
        match self {
            Self::Rootfs(error) => error.fault(),
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Rootfs(error) => return error.hint(),
            Self::Scripts(problems) if problems.iter().all(|one| one.sha256.is_none()) => {
                "leave the packages out".to_owned()
            }
            Self::Scripts(problems) => format!(
                "read what each does behind its line; if this image needs nothing of it, say so below \
                 [packages] as shown; what it needs of one, `give` states there; otherwise leave the package \
                 out:{}",
                skip_lines(problems)
            ),
            Self::Answers(problems) => answer_hint(problems),
            Self::Several(errors) => {
                let hints = errors.iter().filter_map(Diagnosis::hint);
                hints.collect::<Vec<_>>().join("\n")
            }
            Self::PackageConflict { first, second, .. } => {
                format!("leave `{first}` or `{second}` out, or exclude the path")
            }
            Self::OneFileTwice { package, .. } => {
                format!("leave `{package}` out; dpkg would overwrite one with the other")
            }
            Self::BasePackages { missing, .. } => format!(
                "install them from the archive, `packages.install = [\"{}\"]`, or make a base without \
                 them",
                missing.join("\", \"")
            ),
            Self::BaseStatus { .. } => "copy the image again: it is damaged".to_owned(),
            Self::Unpack { .. } | Self::Triggers { .. } | Self::Relation { .. } => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::sample;

    /// What is printed goes below `[packages]`, next to what is given there for another script of the package.
    #[test]
    fn what_a_hint_prints_is_put_beside_tables_that_give() {
        let problem = |package: &str, text: &[u8]| ScriptProblem {
            package: package.into(),
            script: "postinst".into(),
            sha256: Some(Sha256::of(text)),
            skipped: BTreeSet::from([Sha256::of(b"before")]),
            why: "why".into(),
        };
        let names = ["plain", "libstdc++6", "x.y", "0ad"];
        let problems: Vec<ScriptProblem> =
            names.iter().map(|name| problem(name, name.as_bytes())).collect();
        let hint = AssembleError::Scripts(problems).hint().unwrap();
        let keys: Vec<&str> = hint.lines().skip(1).map(str::trim).collect();
        assert_eq!(keys.len(), names.len(), "{hint}");
        let give = |name: &&str| {
            format!(
                "[[packages.scripts.\"{name}\".give]]\nscript = \"{}\"\ngroups = [{{ name = \"g\" }}]\n",
                Sha256::of(b"other")
            )
        };
        let gives = names.iter().map(give).collect::<String>();
        let skips = format!("[packages]\n{}\n", keys.join("\n"));
        for tables in [format!("{skips}{gives}"), format!("{gives}{skips}")] {
            let packages = sample::definition(&tables).packages;
            for name in names {
                let skipped = [Sha256::of(b"before"), Sha256::of(name.as_bytes())];
                assert_eq!(packages.skip[name], BTreeSet::from(skipped), "{tables}");
                assert_eq!(packages.give[name].len(), 1, "{tables}");
            }
        }
    }
}
