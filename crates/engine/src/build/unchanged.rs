//! Knows an earlier build of the same inputs again, so that nothing is made twice.
//!
//! The store remembers, for all that a build was a function of, the `SHA256SUMS` it wrote. A folder
//! that holds these sums, and whose files have them, is that build's output; every file is hashed,
//! so a damaged or edited output is never taken for it.

use std::path::Path;

use super::{BuildError, Built};
use crate::digest::Sha256;
use crate::files;
use crate::manifest::{Described, Manifest, SUMS_FILE, Sums};
use crate::store::Store;

/// What remembered sums are called in the store.
const DERIVED: &str = "build";

/// The output of an earlier build of these inputs, if `out` holds it whole.
pub(super) fn find(store: &Store, key: Sha256, out: &Path) -> Result<Option<Built>, BuildError> {
    let Some(remembered) = store.derived(DERIVED, key)? else { return Ok(None) };
    let remembered = remembered.bytes()?;
    let identity = Sha256::of(&remembered);
    match files::read(&out.join(SUMS_FILE)) {
        Ok(there) if there == remembered => {}
        Ok(_) => return Ok(None),
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let Ok(sums) = Sums::parse(&String::from_utf8_lossy(&remembered)) else { return Ok(None) };
    if !sums.mismatches(out)?.is_empty() {
        return Ok(None);
    }
    let manifest = Manifest::read(out)?;
    let folder = out.to_owned();
    Ok(Some(Built { folder, manifest, identity, unchanged: true, log: Vec::new() }))
}

/// Remembers a finished build.
pub(super) fn remember(
    store: &Store,
    key: Sha256,
    described: &Described,
) -> Result<(), BuildError> {
    use std::io::Write;
    let sums = described.sums.to_string();
    store.derive(DERIVED, key, |sink| {
        sink.write_all(sums.as_bytes()).map_err(|error| BuildError::File(sink.error(error)))
    })?;
    Ok(())
}
