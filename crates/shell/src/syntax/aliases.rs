//! The aliases that a shell knows.
//!
//! A shell knows an alias from the line behind the one that defines it, since it reads on when a line has run. So
//! each alias has its line, and a script is parsed once more where it has defined one.

use std::collections::BTreeMap;

use super::ast::Word;

/// The aliases of a shell, by name.
#[derive(Clone, Debug, Default)]
pub struct Aliases(BTreeMap<Vec<u8>, Alias>);

/// What stands for a name.
#[derive(Clone, Debug)]
pub(super) struct Alias {
    pub(super) words: Vec<Word>,
    /// The line of its definition: those behind it know it.
    pub(super) line: u32,
}

impl Aliases {
    pub(super) fn get(&self, name: &[u8]) -> Option<&Alias> {
        self.0.get(name)
    }

    pub(super) fn insert(&mut self, name: Vec<u8>, alias: Alias) {
        self.0.insert(name, alias);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Vec<u8>, &Alias)> {
        self.0.iter()
    }

    /// Whether a name is an alias.
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        self.0.contains_key(name)
    }

    /// The same, for a text that is read when they are all there.
    #[must_use]
    pub fn everywhere(&self) -> Self {
        let of =
            |(name, alias): (&Vec<u8>, &Alias)| (name.clone(), Alias { line: 0, ..alias.clone() });
        Self(self.0.iter().map(of).collect())
    }
}
