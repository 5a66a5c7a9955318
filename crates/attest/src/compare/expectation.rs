//! What an observation is compared with: reference values, and the files of an image if they are there.

use std::path::Path;

use super::error::CompareError;
use super::known::{self, KnownValue};
use super::named::Named;
use super::options::Options;
use crate::output::REFERENCE_FILE;
use crate::profile::Technology;
use crate::values::ReadError;

/// What an observation is compared with.
pub(super) struct Expectation<'a> {
    path: &'a Path,
    /// The image, if it is there and not its reference values alone.
    pub(super) folder: Option<&'a Path>,
    pub(super) known: Vec<KnownValue>,
    /// The TDs that the image's profiles name, whatever is said of the machine.
    pub(super) named: Named,
}

impl<'a> Expectation<'a> {
    pub(super) fn read(path: &'a Path, options: &Options) -> Result<Self, CompareError> {
        let mut expectation = Self::of_path(path)?;
        let all = expectation.known.len();
        expectation.known.retain(|known| options.fits(known));
        if expectation.known.is_empty() && (all > 0 || options.profile.is_some()) {
            // A folder still has its files to predict from.
            if expectation.folder.is_none() || options.profile.is_some() {
                return Err(CompareError::NoMachine { path: path.to_owned() });
            }
        }
        if let (None, Some(given)) = (expectation.folder, options.described.first()) {
            return Err(CompareError::NeedsFiles { path: path.to_owned(), given });
        }
        Ok(expectation)
    }

    /// Whether reference values have registers of a TPM, and nothing is said of the machine that they
    /// would have to be computed anew for. Then they are what is expected, with the folder as without.
    pub(super) fn answers_for_tpm(&self, options: &Options) -> bool {
        let has_pcrs = |known: &KnownValue| known.value.platform == Technology::Tpm;
        options.described.is_empty() && self.known.iter().any(has_pcrs)
    }

    fn of_path(path: &'a Path) -> Result<Self, CompareError> {
        if !path.is_dir() {
            return Ok(Self::new(path, None, known::read(path)?));
        }
        // A folder without reference values still has the files to predict from.
        let known = match known::read(&path.join(REFERENCE_FILE)) {
            Err(ReadError::File(error)) if error.is_not_found() => Vec::new(),
            known => known?,
        };
        Ok(Self::new(path, Some(path), known))
    }

    fn new(path: &'a Path, folder: Option<&'a Path>, known: Vec<KnownValue>) -> Self {
        let named = Named::of(&known);
        Self { path, folder, known, named }
    }

    /// That nothing says what to expect of `what`.
    pub(super) fn without(&self, what: &'static str) -> CompareError {
        let is_folder = self.folder.is_some();
        CompareError::NoExpectation { path: self.path.to_owned(), what, is_folder }
    }
}
