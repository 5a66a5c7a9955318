//! Reference values in a folder of their own, and machines of them.

use std::path::{Path, PathBuf};

use cvmkit_host::files;
use serde_json::Value;

use super::super::machine::{ExpectedMachine, machines};
use super::super::source::ExportSource;
use crate::output::REFERENCE_FILE;
use crate::tests::image::reference_values;

/// A key of sev-snp-measure's tests, and another one.
pub(in super::super) const KEY: &str =
    include_str!("../../../../measure/tests/fixtures/id_key_test.pem");
pub(in super::super) const OTHER_KEY: &str =
    include_str!("../../../../measure/tests/fixtures/author_key_test.pem");

/// `reference-values.json` in a folder, removed when it is dropped.
pub(in super::super) struct Values(tempfile::TempDir);

impl Values {
    pub(in super::super) fn of(values: &[Value]) -> Self {
        Self::with(false, &[], values)
    }

    pub(in super::super) fn of_debug(values: &[Value]) -> Self {
        Self::with(true, &[], values)
    }

    pub(in super::super) fn with(debug: bool, profiles: &[Value], values: &[Value]) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        let text = reference_values(debug, profiles, values);
        files::replace(&file.path(), text.as_bytes()).unwrap();
        file
    }

    pub(in super::super) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(in super::super) fn path(&self) -> PathBuf {
        self.folder().join(REFERENCE_FILE)
    }

    pub(in super::super) fn source(&self) -> ExportSource {
        ExportSource::open(&self.path()).unwrap()
    }
}

/// The machine of one value.
pub(in super::super) fn machine(value: Value) -> ExpectedMachine {
    machine_of(false, value)
}

/// The machine of one value of a debug image, or of another.
pub(in super::super) fn machine_of(debug: bool, value: Value) -> ExpectedMachine {
    let value = serde_json::from_value(value).unwrap();
    machines(debug, vec![value]).unwrap().remove(0)
}
