//! Who says that a file is as it is.

use std::collections::BTreeMap;

use crate::rootfs::assembly::Assembly;
use crate::rootfs::attribution::Author;
use crate::rootfs::finding::Verdict;

/// Who says that a file is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin<'a> {
    /// The package of a distribution that has it, or a script of one that changed what a package has.
    Distribution,
    /// A package that the author of the definition brings, or a script of it: no distribution vouches for it.
    Own(&'a str),
    /// An entry of the definition.
    Definition,
    /// None of them: a layer has it, or a script or a step of the build made it.
    Made,
}

impl Origin<'_> {
    /// What comes of a right that somebody gave a file by its name: a distribution's packages are reviewed,
    /// and an entry of the definition names it.
    pub(super) fn of_right(self) -> Verdict {
        match self {
            Self::Distribution | Self::Definition => Verdict::Listed,
            Self::Own(_) | Self::Made => Verdict::Refused,
        }
    }

    /// What comes of a secret among contents. Whoever has a package of a distribution has its secrets
    /// already: they are of tests and examples.
    pub(super) fn of_secret(self) -> Verdict {
        match self {
            Self::Distribution => Verdict::Listed,
            Self::Own(_) | Self::Definition | Self::Made => Verdict::Refused,
        }
    }
}

/// Who says what of one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Says<'a> {
    pub(super) contents: Origin<'a>,
    pub(super) mode: Origin<'a>,
    pub(super) capabilities: Origin<'a>,
}

impl<'a> Says<'a> {
    /// The package of the author's that says something.
    pub(super) fn own_package(&self) -> Option<&'a str> {
        [self.contents, self.mode, self.capabilities].into_iter().find_map(|origin| match origin {
            Origin::Own(package) => Some(package),
            _ => None,
        })
    }
}

/// Who says what of the path, as the tree spells it.
pub(super) fn says<'a>(assembly: &'a Assembly<'_>, path: &[u8]) -> Says<'a> {
    let owner = package(assembly, path);
    let of = |authors: &'a BTreeMap<Vec<u8>, Author>| match (authors.get(path), owner) {
        (Some(Author::Definition), _) => Origin::Definition,
        (Some(Author::Script(package)), _) => Origin::Own(package),
        (Some(Author::Nobody), _) => Origin::Made,
        (None, Some(owner)) if assembly.request.own_packages.contains(owner) => Origin::Own(owner),
        (None, Some(_)) => Origin::Distribution,
        (None, None) => Origin::Made,
    };
    let authors = &assembly.attribution;
    Says {
        contents: of(&authors.contents),
        mode: of(&authors.modes),
        capabilities: of(&authors.capabilities),
    }
}

/// The package that has a path, unless a layer replaced what it has.
pub(super) fn package<'a>(assembly: &'a Assembly<'_>, path: &[u8]) -> Option<&'a str> {
    if assembly.layered.files.contains(path) {
        return None;
    }
    assembly.owners.get(path).map(String::as_str)
}
