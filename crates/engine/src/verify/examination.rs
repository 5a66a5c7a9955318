//! What one check has found so far.

use std::error::Error;
use std::fmt::Display;

use schemars::JsonSchema;
use serde::Serialize;

use super::VerifyError;
use super::error::{in_one_line, is_of_the_host};
use super::folder::Folder;

/// A thing that is checked, in the order of the report.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Every file has its sum, and every file of the manifest has one.
    Sums,
    /// The manifest agrees with itself, with the sums and with the files' lengths.
    Manifest,
    /// Both copies of the GPT, and the partitions that the manifest lists.
    PartitionTable,
    /// One root hash in the manifest, the command line and its own file.
    RootHash,
    /// The dm-verity superblock, and every block under the root hash.
    Verity,
    /// The root file system decodes, contents and all.
    RootFileSystem,
    /// Name, version and debug mark of the image in its os-release.
    OsRelease,
    /// The packages of the manifest are those of the package database.
    Packages,
    /// The EFI system partition holds the UKI and nothing else.
    Esp,
    /// The UKI holds the kernel, the initramfs and the command line beside it.
    Uki,
    /// The initramfs holds stage 1, the modules it lists, and nothing else.
    Initrd,
    /// Every reference value computed again.
    ReferenceValues,
    /// A CoRIM that was given says of the image what its reference values say.
    Corim,
}

impl Check {
    /// As the report names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sums => "sums",
            Self::Manifest => "manifest",
            Self::PartitionTable => "partition table",
            Self::RootHash => "root hash",
            Self::Verity => "dm-verity",
            Self::RootFileSystem => "root file system",
            Self::OsRelease => "os-release",
            Self::Packages => "packages",
            Self::Esp => "EFI system partition",
            Self::Uki => "UKI",
            Self::Initrd => "initramfs",
            Self::ReferenceValues => "reference values",
            Self::Corim => "CoRIM",
        }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// All of it was checked and nothing was found.
    Passed,
    /// Something is wrong.
    Failed,
    /// Nothing is known to be wrong, but some of it could not be checked.
    Skipped,
}

/// A check that was made, or could not be.
#[derive(Clone, Debug, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub struct Checked {
    /// The check, of which each report has every one.
    pub check: Check,
    /// Whether it passed, failed or could not be made in full.
    pub state: State,
    /// What was looked at, such as `3 partitions`.
    pub detail: String,
    /// What could not be checked, and why.
    pub skipped: Vec<String>,
}

/// Something that is wrong.
#[derive(Clone, Debug, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// Which check found it.
    pub check: Check,
    /// The file it is in: a name in the folder.
    pub file: String,
    /// What is wrong in it.
    pub what: String,
    /// What should be there.
    pub expected: String,
    /// What is there instead, as text that is safe to print.
    pub found: String,
}

/// One check under way.
#[derive(Debug)]
pub(super) struct Examination {
    check: Check,
    findings: Vec<Finding>,
    skipped: Vec<String>,
    /// What was looked at.
    pub(super) detail: String,
}

impl Examination {
    pub(super) fn new(check: Check) -> Self {
        Self { check, findings: Vec::new(), skipped: Vec::new(), detail: String::new() }
    }

    /// Records what is wrong.
    pub(super) fn find(
        &mut self,
        file: &str,
        what: impl Into<String>,
        expected: impl Display,
        found: impl Display,
    ) {
        self.findings.push(Finding {
            check: self.check,
            file: file.to_owned(),
            what: what.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        });
    }

    /// True as long as nothing is known to be wrong.
    pub(super) fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Records a difference, if there is one.
    pub(super) fn expect<T: Display + PartialEq>(
        &mut self,
        file: &str,
        what: &str,
        expected: T,
        found: T,
    ) {
        if expected != found {
            self.find(file, what, expected, found);
        }
    }

    /// Records why a decoder refused a file.
    ///
    /// # Errors
    /// [`VerifyError::Unreadable`] if the host's disk failed, so that nothing is known.
    pub(super) fn refused<E: Error + Send + Sync + 'static>(
        &mut self,
        folder: &Folder,
        file: &str,
        what: &str,
        error: E,
    ) -> Result<(), VerifyError> {
        if is_of_the_host(&error) {
            return Err(VerifyError::Unreadable {
                path: folder.path().join(file),
                source: Box::new(error),
            });
        }
        self.find(file, what, "one that decodes", in_one_line(&error));
        Ok(())
    }

    /// Records what can't be checked. Something else that is wrong is always the reason.
    pub(super) fn skip(&mut self, what: &str, why: &str) {
        self.skipped.push(format!("{what}: {why}"));
    }

    pub(super) fn finish(self) -> (Checked, Vec<Finding>) {
        let state = match (self.findings.is_empty(), self.skipped.is_empty()) {
            (false, _) => State::Failed,
            (true, false) => State::Skipped,
            (true, true) => State::Passed,
        };
        let Self { check, findings, skipped, detail } = self;
        (Checked { check, state, detail, skipped }, findings)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn finished(examine: impl FnOnce(&mut Examination)) -> (Checked, Vec<Finding>) {
        let mut examination = Examination::new(Check::Uki);
        examination.detail = "3 things".into();
        examine(&mut examination);
        examination.finish()
    }

    /// What is wrong counts before what could not be looked at.
    #[test]
    fn a_check_passes_if_nothing_is_wrong_and_all_was_looked_at() {
        let find = |it: &mut Examination| it.find("f", "what", 1, 2);
        let skip = |it: &mut Examination| it.skip("what", "why");
        for (state, (checked, findings)) in [
            (State::Passed, finished(|_| ())),
            (State::Failed, finished(find)),
            (State::Skipped, finished(skip)),
            (
                State::Failed,
                finished(|it| {
                    skip(it);
                    find(it);
                }),
            ),
        ] {
            assert_eq!((checked.check, checked.state), (Check::Uki, state));
            assert_eq!(checked.detail, "3 things");
            assert_eq!(findings.is_empty(), state != State::Failed);
        }
        assert_eq!(finished(skip).0.skipped, ["what: why"]);
    }

    #[test]
    fn a_finding_says_what_was_expected_of_which_file() {
        let (_, findings) = finished(|it| {
            it.expect("f", "equal", 1, 1);
            assert!(it.is_clean());
            it.expect("f", "other", "a", "b");
            assert!(!it.is_clean());
        });
        let text = str::to_owned;
        let expected = Finding {
            check: Check::Uki,
            file: text("f"),
            what: text("other"),
            expected: text("a"),
            found: text("b"),
        };
        assert_eq!(findings, [expected]);
    }

    /// Bytes that do not decode are wrong; of a disk that fails, nothing is known.
    #[test]
    fn a_decoder_s_refusal_is_a_finding_and_the_host_s_an_error() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::list(temporary.path()).unwrap();
        for kind in [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof] {
            let (checked, findings) = finished(|it| {
                it.refused(&folder, "f", "the UKI", io::Error::new(kind, "no PE")).unwrap();
            });
            assert_eq!(checked.state, State::Failed);
            assert_eq!((findings[0].file.as_str(), findings[0].what.as_str()), ("f", "the UKI"));
            assert_eq!(
                (findings[0].expected.as_str(), findings[0].found.as_str()),
                ("one that decodes", "no PE")
            );
        }
        let mut examination = Examination::new(Check::Uki);
        let failed = io::Error::other("the disk");
        let error = examination.refused(&folder, "f", "the UKI", failed).unwrap_err();
        let VerifyError::Unreadable { path, source } = error else { panic!("{error:?}") };
        assert_eq!((path, source.to_string()), (temporary.path().join("f"), "the disk".to_owned()));
        assert!(examination.is_clean(), "nothing is known to be wrong");
    }

    #[test]
    fn checks_have_names_of_their_own_in_the_order_of_the_report() {
        let all = [
            Check::Sums,
            Check::Manifest,
            Check::PartitionTable,
            Check::RootHash,
            Check::Verity,
            Check::RootFileSystem,
            Check::OsRelease,
            Check::Packages,
            Check::Esp,
            Check::Uki,
            Check::Initrd,
            Check::ReferenceValues,
            Check::Corim,
        ];
        assert!(all.is_sorted());
        let names: std::collections::BTreeSet<_> = all.iter().map(|check| check.name()).collect();
        assert_eq!(names.len(), all.len());
    }
}
