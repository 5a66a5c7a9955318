//! Who says that a file is as it is.

use std::collections::BTreeSet;

use crate::rootfs::PlacedNode;
use crate::rootfs::assembly::{Assembly, bare};

/// Who says that a file is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin<'a> {
    /// The package that has it, or a script that changed what a package has.
    Package(&'a str),
    /// An entry of the definition.
    Definition,
    /// Neither: a layer has it, or a script or a step of the build made it.
    Made,
}

/// Origins by path.
pub(super) struct Origins<'a> {
    assembly: &'a Assembly<'a>,
    /// What the definition puts somewhere or changes, as the tree spells the paths.
    named: BTreeSet<Vec<u8>>,
}

impl<'a> Origins<'a> {
    pub(super) fn of(assembly: &'a Assembly<'a>) -> Self {
        let files = assembly.request.files.iter();
        // A folder that only leads to a file of an overlay is not the definition's.
        let own = files.filter(|file| !matches!(file.node, PlacedNode::OverlayDirectory));
        let spelt = own.filter_map(|file| {
            let path = bare(&file.path).as_bytes();
            assembly.tree.canonical(path).ok()
        });
        Self { assembly, named: spelt.collect() }
    }

    pub(super) fn origin(&self, path: &[u8]) -> Origin<'a> {
        if self.named.contains(path) {
            return Origin::Definition;
        }
        self.package(path).map_or(Origin::Made, Origin::Package)
    }

    /// The package that has a path, unless a layer replaced what it has.
    pub(super) fn package(&self, path: &[u8]) -> Option<&'a str> {
        if self.assembly.layered.files.contains(path) {
            return None;
        }
        self.assembly.owners.get(path).map(String::as_str)
    }
}
