//! Whether a CoRIM that somebody hands out says of the image what its reference values say.

use std::path::{Path, PathBuf};

use cvmkit_attest::export::corim::{CorimFile, OfImage};
use cvmkit_attest::export::{ExportError, ExportSource, Validity};
use cvmkit_attest::output::REFERENCE_FILE;
use cvmkit_measure::snp::id_block::PublicKey;

use super::examination::Examination;
use super::folder::Folder;
use super::{Check, VerifyError};

/// A CoRIM that speaks of an image.
#[derive(Debug)]
pub struct Endorsement {
    path: PathBuf,
    file: CorimFile,
    key: Option<PublicKey>,
}

impl Endorsement {
    /// Reads the bytes of the file at `path`, which `key` is to have signed if there is one.
    ///
    /// # Errors
    /// [`VerifyError::Corim`] for a file that `cvmkit export` did not write.
    pub fn read(path: &Path, bytes: &[u8], key: Option<PublicKey>) -> Result<Self, VerifyError> {
        let refused = |source| VerifyError::Corim { path: path.to_owned(), source };
        let file = CorimFile::read(bytes).map_err(refused)?;
        Ok(Self { path: path.to_owned(), file, key })
    }

    /// From when to when it and its signature are to be used, as far as they say so.
    pub fn validities(&self) -> impl Iterator<Item = Validity> {
        let of_signature = self.file.signed.as_ref().and_then(|signed| signed.header.validity);
        self.file.corim.validity.into_iter().chain(of_signature)
    }

    /// Holds it against the reference values of the folder, which another check computes again.
    pub(super) fn examine(
        &self,
        folder: &Folder,
        notes: &mut Vec<String>,
    ) -> Result<Examination, VerifyError> {
        let mut examination = Examination::new(Check::Corim);
        let name = self.path.display().to_string();
        self.signature(&mut examination, &name, notes);
        // Only what is a plain file of the folder.
        if folder.source(REFERENCE_FILE).is_none() {
            examination.skip("the values", "there are no reference values");
            return Ok(examination);
        }
        let image = match ExportSource::open(folder.path()) {
            Ok(image) => image,
            Err(ExportError::File(error)) => return Err(error.into()),
            Err(_) => {
                examination.skip("the values", "the reference values can't be read");
                return Ok(examination);
            }
        };
        let OfImage { machines, differences, silent } = self.file.corim.of_image(&image);
        let signed = if self.file.signed.is_some() { "signed" } else { "not signed" };
        examination.detail = format!("{machines} machines, {signed}");
        for difference in differences {
            examination.find(&name, difference.what, difference.expected, difference.found);
        }
        let silent = silent.iter().map(|it| format!("the CoRIM does not cover {it}"));
        notes.extend(silent);
        Ok(examination)
    }

    fn signature(&self, examination: &mut Examination, name: &str, notes: &mut Vec<String>) {
        let what = "the signature";
        match (&self.file.signed, &self.key) {
            (None, None) => {
                notes.push("the CoRIM is not signed: nobody vouches for it".into());
            }
            (Some(_), None) => {
                let note = "the signature of the CoRIM is not verified: name the signer's public \
                            key with `--corim-key`";
                notes.push(note.to_owned());
            }
            (None, Some(_)) => {
                examination.find(name, what, "a signature by the key that was named", "none");
            }
            (Some(signed), Some(key)) => {
                if let Err(error) = signed.verify(key) {
                    let expected = format!("one by the key with the SHA-256 {}", error.expected);
                    examination.find(name, what, expected, error.found);
                }
            }
        }
    }
}
