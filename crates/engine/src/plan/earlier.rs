//! The image of an earlier build, as its output folder describes it.

use std::path::{Path, PathBuf};

use cvmkit_attest::output::{Manifest, REFERENCE_FILE};
use cvmkit_attest::values::ReferenceValues;

use super::PlanError;

/// An image that was built.
pub(super) struct Earlier {
    pub(super) folder: PathBuf,
    pub(super) manifest: Manifest,
    pub(super) values: ReferenceValues,
}

impl Earlier {
    /// Reads what describes the image in a folder.
    pub(super) fn read(folder: &Path) -> Result<Self, PlanError> {
        let manifest = Manifest::read(folder)?;
        let values = ReferenceValues::read(&folder.join(REFERENCE_FILE))?;
        Ok(Self { folder: folder.to_owned(), manifest, values })
    }
}
