//! Relationship fields.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. What parses prints as something
//! that parses to the same.

#![no_main]

use cvmkit_debian::relation::{Relation, parse};
use libfuzzer_sys::fuzz_target;

fn printed(groups: &[Vec<Relation<'_>>]) -> String {
    let group = |group: &Vec<Relation<'_>>| {
        group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
    };
    groups.iter().map(group).collect::<Vec<_>>().join(", ")
}

fuzz_target!(|text: &str| {
    let Ok(groups) = parse(text) else { return };
    let text = printed(&groups);
    assert_eq!(parse(&text).as_ref(), Ok(&groups), "{text}");
    for relation in groups.iter().flatten() {
        let _ = relation.applies_to("amd64");
        let own = relation.constraint.as_ref().map(|(_, version)| version);
        let _ = relation.accepts(own);
    }
});
