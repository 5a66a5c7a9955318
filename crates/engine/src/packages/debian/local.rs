//! Packages that a user gives as `.deb` files: what their control files say, as the index of a suite.
//!
//! The contract: a local package is taken instead of those of its name that the suites have, whatever the
//! versions, as `apt install ./FILE` does on an empty system. What makes it unclear which package an image
//! has is refused, all of it at once: another architecture, two files of one name, and a file that
//! says to be the very package of a suite (name, version) and is not. Deliberately absent: signatures, as
//! the lock has the digest of each file. The oracle is apt.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use cvmkit_debian::deb::{Deb, DebError};
use cvmkit_debian::packages::{Index, Package, PackagesError};
use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, Fault, in_one_line};
use thiserror::Error;

/// Local packages that can't be used: all of a definition, each with its reason.
#[derive(Debug, Error)]
#[error("{}", in_lines(.0))]
pub struct LocalPackagesError(pub Vec<LocalProblem>);

/// Why a local package can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LocalProblem {
    /// It does not decode.
    #[error("the local file `{path}` can't be read as a package")]
    Deb {
        /// Relative to the definition.
        path: String,
        /// Why.
        source: DebError,
    },
    /// Its control file lacks a field, or has one that no index would have.
    #[error("the control file of the local package `{path}` can't be used")]
    Control {
        /// Relative to the definition.
        path: String,
        /// Why.
        source: PackagesError,
    },
    /// It is for another processor.
    #[error("the local package `{path}` is for {found}, expected {expected} or all")]
    Architecture {
        /// Relative to the definition.
        path: String,
        /// In its control file.
        found: String,
        /// Of the image.
        expected: &'static str,
    },
    /// Two files have the package.
    #[error("two local files have the package `{name}`: `{first}` and `{second}`")]
    Twice {
        /// The package.
        name: String,
        /// A file, relative to the definition.
        first: String,
        /// The other.
        second: String,
    },
    /// It would be installed because it says so itself.
    #[error("the local package `{path}` says that `{name}` is essential, and nothing requests it")]
    Unasked {
        /// Relative to the definition.
        path: String,
        /// The package.
        name: String,
    },
    /// A suite has another package of the same name and version.
    #[error(
        "the local package `{path}` has name and version of `{name}` {version} in suite `{suite}`, and \
         differs from it"
    )]
    Collision {
        /// Relative to the definition.
        path: String,
        /// The package.
        name: String,
        /// Its version.
        version: String,
        /// The suite that has it.
        suite: String,
    },
}

impl LocalProblem {
    fn hint(&self) -> &'static str {
        match self {
            Self::Deb { .. } => "replace the file with one that `dpkg-deb --info` reads",
            Self::Control { .. } => "correct the field, and make the package again",
            Self::Architecture { .. } => "name the package of the image's architecture",
            Self::Twice { .. } => "leave one of the files out",
            Self::Unasked { .. } => {
                "name it in `packages.install`, or leave the file out: only what the definition requests, and \
                 what that needs, comes of local files"
            }
            Self::Collision { .. } => {
                "give your package a version of its own, such as one that ends in `+local1`, or \
                 leave the file out to have the suite's"
            }
        }
    }
}

/// All problems, one on a line.
fn in_lines(problems: &[LocalProblem]) -> String {
    match problems {
        [one] => in_one_line(one),
        problems => {
            let lines = problems.iter().map(|problem| format!("\n    {}", in_one_line(problem)));
            format!("{} local packages can't be used{}", problems.len(), lines.collect::<String>())
        }
    }
}

impl Diagnosis for LocalPackagesError {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        let mut hints: Vec<&str> = Vec::new();
        for hint in self.0.iter().map(LocalProblem::hint) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        Some(hints.join("; "))
    }
}

/// The paragraphs of local packages, as an index would have them.
#[derive(Debug, Default)]
pub(crate) struct LocalPackages {
    text: String,
    /// Where each is, relative to the definition, in the order of the paragraphs.
    paths: Vec<String>,
    /// The first file of each package.
    by_name: BTreeMap<String, String>,
    problems: Vec<LocalProblem>,
}

/// Local packages as a resolver sees them.
pub(crate) struct LocalIndex<'a> {
    pub(super) index: Index<'a>,
    paths: &'a [String],
}

impl LocalPackages {
    /// No package is longer; the longest of Debian's have 1 GB.
    pub(crate) const LEN_MAX: u64 = 4 << 30;

    /// Takes a file in.
    pub(crate) fn add(&mut self, path: &str, bytes: &[u8], architecture: &'static str) {
        let paragraph = match paragraph(bytes, self.paths.len()) {
            Ok(paragraph) => paragraph,
            Err(source) => {
                let path = path.to_owned();
                return self.problems.push(LocalProblem::Deb { path, source });
            }
        };
        match Index::parse(paragraph.as_bytes()) {
            Ok(index) => index.packages.iter().for_each(|one| self.note(path, one, architecture)),
            Err(source) => {
                let path = path.to_owned();
                return self.problems.push(LocalProblem::Control { path, source });
            }
        }
        self.text += &paragraph;
        self.paths.push(path.to_owned());
    }

    /// Notes what is wrong with a package beside those that are there.
    fn note(&mut self, path: &str, package: &Package<'_>, architecture: &'static str) {
        if ![architecture, "all"].contains(&package.architecture) {
            let (path, found) = (path.to_owned(), package.architecture.to_owned());
            self.problems.push(LocalProblem::Architecture { path, found, expected: architecture });
        }
        match self.by_name.entry(package.name.to_owned()) {
            Entry::Vacant(new) => drop(new.insert(path.to_owned())),
            Entry::Occupied(known) => {
                let (name, first) = (package.name.to_owned(), known.get().clone());
                let second = path.to_owned();
                self.problems.push(LocalProblem::Twice { name, first, second });
            }
        }
    }

    /// The packages, if nothing is wrong with any.
    ///
    /// # Errors
    /// All that is wrong.
    pub(crate) fn checked(self) -> Result<Self, LocalPackagesError> {
        match self.problems.is_empty() {
            true => Ok(self),
            false => Err(LocalPackagesError(self.problems)),
        }
    }

    /// The packages, to choose from.
    pub(crate) fn index(&self) -> LocalIndex<'_> {
        let index = Index::parse(self.text.as_bytes());
        let index = index.expect("each paragraph was parsed when it was added");
        LocalIndex { index, paths: &self.paths }
    }
}

impl LocalIndex<'_> {
    /// Where a package is that was chosen from these.
    pub(super) fn path_of(&self, package: &Package<'_>) -> Option<&str> {
        let at: usize = package.filename.parse().ok()?;
        self.paths.get(at).map(String::as_str)
    }
}

/// What an index says of the package: its control file, and the fields of its own, where the place of
/// the package among the others stands for its path.
fn paragraph(bytes: &[u8], number: usize) -> Result<String, DebError> {
    let control = Deb::parse(bytes)?.control()?;
    let text = control.files.get("control").map(|text| String::from_utf8_lossy(text));
    Ok(format!(
        "{}\nFilename: {number}\nSize: {}\nSHA256: {}\n\n",
        text.unwrap_or_default().trim_end(),
        bytes.len(),
        Sha256::of(bytes)
    ))
}

#[cfg(test)]
mod tests;
