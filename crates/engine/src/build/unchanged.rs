//! Knows an earlier build of the same inputs again, so that nothing is made twice.
//!
//! The store remembers, for all that a build was a function of, the `SHA256SUMS` it wrote. A folder
//! that holds these sums, and whose files have them, is that build's output; every file is hashed,
//! so a damaged or edited output is never taken for it.

use std::path::Path;

use cvmkit_attest::output::{Manifest, SUMS_FILE, Sums};
use cvmkit_formats::digest::Sha256;
use cvmkit_host::files;

use super::built::Built;
use super::error::BuildError;
use crate::store::Store;

/// The output of an earlier build of these inputs, if `out` holds it whole.
pub(super) fn find(store: &Store, key: Sha256, out: &Path) -> Result<Option<Built>, BuildError> {
    let Some(remembered) = store.recorded(key)? else { return Ok(None) };
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
    Ok(Some(Built {
        folder,
        manifest,
        identity,
        unchanged: true,
        log: Vec::new(),
        notes: Vec::new(),
    }))
}
