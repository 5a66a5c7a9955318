//! Which source a package comes from that is no part of the root file system.

use super::LockError;
use crate::definition::{BootKind, Definition, Input, Platform};
use crate::packages::debian::Source;

use super::{FIRMWARE_ROLE, STUB_ROLE};

/// The inputs of a definition that do not go into the root file system, by role.
pub(super) fn inputs(definition: &Definition) -> impl Iterator<Item = (&'static str, &Input)> {
    let stub = (definition.boot == BootKind::Disk).then_some((STUB_ROLE, &definition.stub));
    let machines = definition.platforms.iter().flat_map(Platform::inputs);
    let machines = definition.firmware.iter().chain(machines);
    stub.into_iter().chain(machines.map(|input| (FIRMWARE_ROLE, input)))
}

/// The source, of one suite alone, that an input with a `suite` comes from: the one that lists the
/// suite; where none does, those of the input's archive, which is that of the first source unless
/// it is named. `None` for an input without a suite.
///
/// # Errors
/// There are several that would be trusted differently, or none.
pub(crate) fn source_of(
    definition: &Definition,
    role: &'static str,
    input: &Input,
) -> Result<Option<Source>, LockError> {
    let Input::Package { suite: Some(suite), archive, .. } = input else { return Ok(None) };
    let of_archive = |source: &&Source| archive.as_ref().is_none_or(|own| *own == source.archive);
    let listing = definition.sources.iter().filter(of_archive);
    let listing = listing.filter(|source| source.suites.contains(suite));
    let mut found = distinct(listing, suite);
    if found.is_empty() {
        let first = definition.sources.first().map(|source| &source.archive);
        let archive = archive.as_ref().or(first);
        let beside = definition.sources.iter().filter(|source| Some(&source.archive) == archive);
        found = distinct(beside, suite);
    }
    match (found.len(), found.pop()) {
        (1, source) => Ok(source),
        (_, Some(last)) => {
            found.push(last);
            let (suite, sources) = (suite.clone(), found.iter().map(in_words).collect());
            Err(LockError::AmbiguousSuite { role, suite, sources })
        }
        (_, None) => {
            let archive = archive.clone().unwrap_or_default();
            Err(LockError::UnknownArchive { role, archive })
        }
    }
}

fn distinct<'a>(sources: impl Iterator<Item = &'a Source>, suite: &str) -> Vec<Source> {
    let mut found: Vec<Source> = Vec::new();
    for source in sources.map(|source| source.alone(suite)) {
        if !found.contains(&source) {
            found.push(source);
        }
    }
    found
}

/// What tells a source from others, for an error.
fn in_words(source: &Source) -> String {
    let list = |name: &str, values: &[String]| match values {
        [] => String::new(),
        values => format!(", {name} {}", values.join(" ")),
    };
    let (keys, files) = (list("keys", &source.keys), list("key files", &source.key_files));
    format!("`{}` ({}{keys}{files})", source.archive, source.components.join(" "))
}
