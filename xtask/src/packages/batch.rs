//! What one run of the program is asked: a set alone, or many as variants of one definition.

use anyhow::Result;

use super::record::Kind;
use crate::sets::{self, Set};

/// Variants of one definition.
const LEN: usize = 25;

/// Sets and packages that are locked together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Of its folder.
    pub(super) name: String,
    pub(super) items: Vec<(Kind, Set)>,
    /// Whether the one item is not a variant.
    is_alone: bool,
}

/// All of `items` in batches that depend on nothing but the list: locks outlive a run.
pub(super) fn of(items: &[(Kind, Set)], recipe: &str) -> Result<Vec<Batch>> {
    let mut batches = Vec::new();
    let mut variants: Vec<(Kind, Set)> = Vec::new();
    for item in items {
        match item.1.is_variant(recipe)? {
            true => variants.push(item.clone()),
            false => batches.push(alone(item)),
        }
    }
    let batch = |(at, items): (usize, &[(Kind, Set)])| Batch {
        name: format!("batch-{at:02}"),
        items: items.to_vec(),
        is_alone: false,
    };
    batches.extend(variants.chunks(LEN).enumerate().map(batch));
    Ok(batches)
}

/// One item with a definition of its own.
pub(super) fn alone((kind, set): &(Kind, Set)) -> Batch {
    let name = match kind {
        Kind::Set => set.name.clone(),
        Kind::Package => format!("server/{}", set.name),
    };
    Batch { name, items: vec![(*kind, set.clone())], is_alone: true }
}

impl Batch {
    pub(super) fn definition(&self, recipe: &str, version: &str) -> Result<String> {
        match self.items.as_slice() {
            [(_, set)] if self.is_alone => set.definition(recipe, version),
            items => {
                let sets: Vec<&Set> = items.iter().map(|(_, set)| set).collect();
                sets::variants(recipe, "batch", version, &sets)
            }
        }
    }

    /// The variant of an item.
    pub(super) fn variant(&self, at: usize) -> Option<String> {
        (!self.is_alone).then(|| sets::variant(at))
    }

    /// Two batches of what this one has; none of one item.
    pub(super) fn halves(&self) -> Option<[Self; 2]> {
        let (first, second) = self.items.split_at(self.items.len() / 2);
        let half = |letter: char, items: &[(Kind, Set)]| match items {
            [item] => alone(item),
            items => Self {
                name: format!("{}{letter}", self.name),
                items: items.to_vec(),
                is_alone: false,
            },
        };
        (self.items.len() > 1).then(|| [half('a', first), half('b', second)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_halved_down_to_its_items() {
        let items: Vec<_> =
            ["a", "b", "c"].map(|name| (Kind::Package, Set::of_package(name))).into();
        let recipe = "[packages]\ninstall = [\"c\"]\n";
        let batches = of(&items, recipe).unwrap();
        assert_eq!(batches.len(), 2, "what adds nothing is alone: {batches:?}");
        assert_eq!((batches[0].name.as_str(), batches[0].variant(0)), ("server/c", None));
        assert_eq!((batches[1].items.len(), batches[1].variant(1)), (2, Some("v1".into())));
        let [first, second] = batches[1].halves().unwrap();
        assert_eq!((first.name.as_str(), second.name.as_str()), ("server/a", "server/b"));
        assert_eq!(first.halves(), None);
    }
}
