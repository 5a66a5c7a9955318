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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::image::{ImageFolder, reference_values, value};

    fn folder() -> ImageFolder {
        let snp = json!({ "launch-digest": "01".repeat(48) });
        ImageFolder::direct()
            .values(
                &[],
                &[
                    value("snp", ["sev-snp", "qemu", "direct"], snp),
                    value("td", ["tdx", "qemu", "direct"], json!({ "firmware": "a.fd" })),
                ],
            )
            .finish()
    }

    fn profile(name: &str) -> Options {
        Options { profile: Some(name.to_owned()), ..Options::default() }
    }

    #[test]
    fn a_folder_has_its_files_and_a_file_has_none() {
        let folder = folder();
        let file = folder.at("reference-values.json");
        for (path, has_files) in [(folder.path(), true), (&*file, false)] {
            let expectation = Expectation::read(path, &Options::default()).unwrap();
            assert_eq!(expectation.folder.is_some(), has_files);
            assert_eq!(expectation.known.len(), 2);
            let firmware: Vec<_> = expectation.named.firmware().unwrap().collect();
            assert_eq!(firmware, [Some("a.fd")]);
            let error = expectation.without("this");
            let CompareError::NoExpectation { path: of, what: "this", is_folder } = error else {
                panic!("{error}")
            };
            assert_eq!((of.as_path(), is_folder), (path, has_files));
        }
    }

    /// Values of another schema, or of none, are not passed over for the files.
    #[test]
    fn a_folder_without_reference_values_is_predicted_from() {
        let folder = ImageFolder::direct().finish();
        let read = || Expectation::read(folder.path(), &Options::default());
        let expectation = read().unwrap();
        assert!(expectation.known.is_empty() && expectation.folder.is_some());
        folder.put("reference-values.json", b"{}");
        assert!(matches!(read().err().unwrap(), CompareError::Known(ReadError::Versioned(_))));
        let none = Expectation::read(&folder.at("none"), &Options::default()).err().unwrap();
        assert!(matches!(none, CompareError::Known(ReadError::File(_))), "{none}");
    }

    #[test]
    fn machines_are_those_that_fit() {
        let folder = folder();
        let file = folder.at("reference-values.json");
        let known = |path: &Path, options: &Options| {
            let expectation = Expectation::read(path, options);
            let names = |of: Expectation<'_>| -> Vec<String> {
                of.known.iter().map(|of| of.value.profile.clone()).collect()
            };
            expectation.map(names)
        };
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let disk = Options { boot: Some(crate::profile::Boot::UkiDisk), ..Options::default() };
        for path in [folder.path(), &file] {
            assert_eq!(known(path, &profile("td")).unwrap(), names(&["td"]));
            let error = known(path, &profile("other")).unwrap_err();
            let CompareError::NoMachine { path: of } = &error else { panic!("{error}") };
            assert_eq!(of, path);
        }
        // The TDs that are named do not depend on what is said of the machine.
        let expectation = Expectation::read(folder.path(), &profile("snp")).unwrap();
        assert!(expectation.named.boots("direct"));
        // A folder still has its files to predict from, unless a profile is named.
        assert_eq!(known(folder.path(), &disk).unwrap(), names(&[]));
        assert!(matches!(known(&file, &disk), Err(CompareError::NoMachine { .. })));
        folder.put("reference-values.json", reference_values(false, &[], &[]).as_bytes());
        assert_eq!(known(&file, &disk).unwrap(), names(&[]));
        assert!(matches!(known(&file, &profile("td")), Err(CompareError::NoMachine { .. })));
        assert!(matches!(
            known(folder.path(), &profile("td")),
            Err(CompareError::NoMachine { .. })
        ));
    }

    /// I9: a request without effect is an error.
    #[test]
    fn a_fact_without_effect_on_computed_values_is_refused() {
        let folder = folder();
        let described = Options { described: vec!["--memory", "--layout"], ..Options::default() };
        Expectation::read(folder.path(), &described).unwrap();
        let file = folder.at("reference-values.json");
        let error = Expectation::read(&file, &described).err().unwrap();
        let CompareError::NeedsFiles { path, given: "--memory" } = &error else {
            panic!("{error}")
        };
        assert_eq!(path, &file);
    }

    #[test]
    fn reference_values_answer_for_a_tpm_if_nothing_is_said_of_it() {
        let of = |platform: &str, options: &Options| {
            let boot = if platform == "tpm" { "uki-disk" } else { "direct" };
            let value = value("p", [platform, "qemu", boot], json!({}));
            let folder = ImageFolder::direct().values(&[], &[value]).finish();
            Expectation::read(folder.path(), options).unwrap().answers_for_tpm(options)
        };
        let described = Options { described: vec!["--no-keys"], ..Options::default() };
        assert!(of("tpm", &Options::default()));
        assert!(!of("tpm", &described) && !of("tdx", &Options::default()));
    }
}
