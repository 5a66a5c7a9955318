//! The aliases that a shell knows.
//!
//! A shell knows an alias from the line behind the one that defines it, since it reads on when a line has run. So
//! each definition has its line, one does not take the place of another before, and a script is parsed once more
//! where it has defined one.

use std::collections::BTreeMap;

use super::ast::Word;

/// The aliases of a shell, by name: the definitions of each, in their order.
#[derive(Clone, Debug, Default)]
pub struct Aliases(BTreeMap<Vec<u8>, Vec<Alias>>);

/// What stands for a name.
#[derive(Clone, Debug)]
pub(super) struct Alias {
    pub(super) words: Vec<Word>,
    /// The line of its definition: those behind it know it.
    pub(super) line: u32,
}

impl Aliases {
    /// What stands for a name on a line.
    pub(super) fn get(&self, name: &[u8], line: u32) -> Option<&Alias> {
        self.0.get(name)?.iter().rev().find(|alias| line > alias.line)
    }

    pub(super) fn insert(&mut self, name: Vec<u8>, alias: Alias) {
        self.0.entry(name).or_default().push(alias);
    }

    /// The newest definition of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Vec<u8>, &Alias)> {
        self.0.iter().filter_map(|(name, aliases)| Some((name, aliases.last()?)))
    }

    /// Whether a name is an alias.
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        self.0.contains_key(name)
    }

    /// The same, for a text that is read when they are all there.
    #[must_use]
    pub fn everywhere(&self) -> Self {
        let of = |(name, alias): (&Vec<u8>, &Alias)| {
            (name.clone(), vec![Alias { line: 0, ..alias.clone() }])
        };
        Self(self.iter().map(of).collect())
    }
}
