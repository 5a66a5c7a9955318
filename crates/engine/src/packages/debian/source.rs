//! Where packages come from: suites of an archive, and who may sign them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Some suites of one archive.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Source {
    /// Archive: the last part of its address below a mirror, `debian` or `debian-security`.
    #[serde(default = "debian")]
    pub archive: String,
    /// Base addresses of this archive alone, what stands before `dists/`: asked first, and no other
    /// mirror unless its address ends in the archive's name. Default: the mirrors of all archives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<String>,
    /// Suites or code names, such as `trixie`; of a flat archive, which has no `dists/`, the folder of
    /// its `InRelease` with a final slash, such as `./`.
    pub suites: Vec<String>,
    /// Components of the suites, such as `main` or `non-free-firmware`; a flat archive has none.
    /// Default: `main`.
    #[serde(default = "main_component")]
    pub components: Vec<String>,
    /// Fingerprints of archive keys to accept, of the Debian archive keys and those in `key-files`.
    /// Default: all in `key-files`, or the Debian archive keys when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// OpenPGP certificates beside the definition, armored or binary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_files: Vec<String>,
    /// What the signed release files must say in `Origin`, such as `Debian`: tells archives apart
    /// that share keys and names of suites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What the signed release files must say in `Label`, such as `Debian-Security`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How many days old a suite without `Valid-Until` may be before `lock` notes it. Default: 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_days: Option<u32>,
}

impl Source {
    /// This source with one suite alone: two that are equal are to be trusted alike.
    #[must_use]
    pub(crate) fn alone(&self, suite: &str) -> Self {
        Self { suites: vec![suite.to_owned()], ..self.clone() }
    }
}

/// Whether a suite is a folder of a flat archive (sources.list(5): it ends in a slash).
pub(crate) fn is_flat(suite: &str) -> bool {
    suite.ends_with('/')
}

/// The folder of a suite's `InRelease`, below `base`.
pub(crate) fn release_folder(base: &str, suite: &str) -> String {
    match suite.trim_end_matches('/') {
        "." => base.to_owned(),
        folder if is_flat(suite) => format!("{base}/{folder}"),
        suite => format!("{base}/dists/{suite}"),
    }
}

fn debian() -> String {
    "debian".into()
}

fn main_component() -> Vec<String> {
    vec!["main".into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sources.list(5): an exact path in place of a suite ends in a slash, and is below the address.
    #[test]
    fn a_suite_that_ends_in_a_slash_is_a_folder() {
        for (suite, flat, folder) in [
            ("trixie", false, "http://a.test/x/dists/trixie"),
            ("trixie/updates", false, "http://a.test/x/dists/trixie/updates"),
            ("./", true, "http://a.test/x"),
            ("stable/", true, "http://a.test/x/stable"),
            ("a/b/", true, "http://a.test/x/a/b"),
        ] {
            assert_eq!(is_flat(suite), flat, "{suite}");
            assert_eq!(release_folder("http://a.test/x", suite), folder);
        }
    }
}
