//! Who said last of a path's contents, mode and capabilities what they are, as far as the packages' own
//! archives do not tell: the definition, scripts of packages that its author brings, and lines that a step of the
//! build goes by.

use std::collections::BTreeMap;

use super::{Placed, PlacedNode, capability};

/// Who says something of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// An entry of the definition.
    Definition,
    /// This package, for which no distribution vouches: its script, or a file of it that a step of the build goes by.
    Script(String),
    /// Nobody who names the file to whoever reads the definition: a file of the definition's, or one that no package
    /// has, which a step of the build goes by.
    Nobody,
}

/// Authors by path, as the tree spells it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attribution {
    pub(crate) contents: BTreeMap<Vec<u8>, Author>,
    pub(crate) modes: BTreeMap<Vec<u8>, Author>,
    pub(crate) capabilities: BTreeMap<Vec<u8>, Author>,
}

impl Attribution {
    /// Notes what an entry of the definition says.
    pub(crate) fn placed(&mut self, path: &[u8], file: &Placed) {
        let (contents, mode, capabilities) = match &file.node {
            // A folder that only leads to a file of an overlay is not the definition's.
            PlacedNode::OverlayDirectory => return,
            PlacedNode::Existing(changes) => {
                let capabilities = file.xattrs.contains_key(capability::ATTRIBUTE.as_bytes());
                (false, changes.mode.is_some(), capabilities)
            }
            PlacedNode::File(_) | PlacedNode::Directory | PlacedNode::Symlink(_) => {
                (true, true, true)
            }
        };
        let maps = [&mut self.contents, &mut self.modes, &mut self.capabilities];
        for (map, is_said) in maps.into_iter().zip([contents, mode, capabilities]) {
            if is_said {
                map.insert(path.to_vec(), Author::Definition);
            }
        }
    }

    /// Notes who gave a path its mode and owner, and nothing else of it.
    pub(crate) fn given(&mut self, path: &[u8], author: Author) {
        self.modes.insert(path.to_vec(), author);
    }

    /// Notes that a script of a package of the author's has changed a path.
    pub(crate) fn changed(&mut self, path: &[u8], package: &str) {
        for map in [&mut self.contents, &mut self.modes, &mut self.capabilities] {
            map.insert(path.to_vec(), Author::Script(package.to_owned()));
        }
    }
}
