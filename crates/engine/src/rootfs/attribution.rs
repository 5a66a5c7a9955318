//! Who said last of a path's contents, mode and capabilities what they are, as far as the packages' own
//! archives do not tell: the definition, and scripts of packages that its author brings.

use std::collections::BTreeMap;

use super::{Placed, PlacedNode, capability};

/// Who says something of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// An entry of the definition.
    Definition,
    /// A script of this package, for which no distribution vouches.
    Script(String),
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

    /// Notes that a script of a package of the author's has changed a path.
    pub(crate) fn changed(&mut self, path: &[u8], package: &str) {
        for map in [&mut self.contents, &mut self.modes, &mut self.capabilities] {
            map.insert(path.to_vec(), Author::Script(package.to_owned()));
        }
    }
}
