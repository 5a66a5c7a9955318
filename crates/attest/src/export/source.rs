//! What documents are made from: reference values, and the image's folder if it is there.

use std::path::{Path, PathBuf};

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files;

use super::error::ExportError;
use super::machine::{self, ExpectedMachine};
use super::note::DEBUG_MARK;
use super::request::{Selection, Shape};
use crate::output::{DESCRIPTION_MAX, REFERENCE_FILE};
use crate::profile::Profile;
use crate::values::{ReadError, ReferenceValues};

/// Reference values, and the image they are of if it is there.
#[derive(Debug)]
pub struct ExportSource {
    pub(super) path: PathBuf,
    pub(super) debug: bool,
    profiles: Vec<Profile>,
    pub(super) machines: Vec<ExpectedMachine>,
    /// Digest of `reference-values.json`, which every id is derived from.
    pub(super) sha256: Sha256,
    folder: Option<PathBuf>,
}

impl ExportSource {
    /// Reads the folder of an image, or its `reference-values.json` alone.
    ///
    /// # Errors
    /// A file that can't be read, that is longer than any, or that holds no reference values of this schema.
    pub fn open(path: &Path) -> Result<Self, ExportError> {
        let folder = path.is_dir().then(|| path.to_owned());
        let file = folder.as_ref().map_or(path.to_owned(), |folder| folder.join(REFERENCE_FILE));
        let bytes = files::read_at_most(&file, DESCRIPTION_MAX)?;
        let values = ReferenceValues::parse(&bytes, &file)?;
        let (debug, profiles, values) = (values.debug, values.profiles, values.values);
        // Which were decoded when they were read.
        let machines = machine::machines(debug, values).map_err(|fault| ReadError::Value {
            path: file.clone(),
            machine: String::new(),
            fault,
        })?;
        let sha256 = Sha256::of(&bytes);
        Ok(Self { path: path.to_owned(), debug, profiles, machines, sha256, folder })
    }

    /// The machines that were asked for.
    pub(super) fn select(
        &self,
        selection: &Selection,
    ) -> Result<Vec<&ExpectedMachine>, ExportError> {
        let chosen: Vec<_> =
            self.machines.iter().filter(|machine| machine.fits(selection)).collect();
        if chosen.is_empty() {
            let known = self.machines.iter().map(ToString::to_string).collect();
            return Err(ExportError::NoMachine { path: self.path.clone(), known });
        }
        Ok(chosen)
    }

    /// What every document says if the image is a debug image.
    pub(super) fn mark(&self) -> Option<&'static str> {
        self.debug.then_some(DEBUG_MARK)
    }

    /// What is taken for granted of a machine.
    pub(super) fn profile(&self, machine: &ExpectedMachine) -> Result<&Profile, ExportError> {
        let found = self.profiles.iter().find(|profile| profile.name == machine.value.profile);
        found.ok_or_else(|| ExportError::NoProfile {
            path: self.path.clone(),
            profile: machine.value.profile.clone(),
        })
    }

    /// The folder of the image, for a shape that needs its files.
    pub(super) fn folder(&self, shape: Shape, what: &'static str) -> Result<&Path, ExportError> {
        let needed = || ExportError::NoFolder { path: self.path.clone(), shape, what };
        self.folder.as_deref().ok_or_else(needed)
    }
}
