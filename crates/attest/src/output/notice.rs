//! What whoever publishes or verifies an image has to know about its root file system: decisions of
//! the definition that the files alone do not tell. The manifest has them as codes and values.

use std::fmt;

use cvmkit_formats::digest::Sha256;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing to know, by its code.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(tag = "code", deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Notice {
    /// A maintainer script, or a file of triggers, that the definition says to skip.
    #[serde(rename_all = "kebab-case")]
    ScriptSkipped {
        /// The package.
        package: String,
        /// `preinst`, `postinst` or `triggers`.
        script: String,
        /// What was skipped, as the definition names it.
        sha256: Sha256,
        /// Capabilities that the script would have given to files (`setcap`), one command each.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lost_capabilities: Vec<String>,
    },
    /// A production image that people log in to over the network.
    #[serde(rename_all = "kebab-case")]
    NetworkLogin {
        /// The unit that a boot starts.
        unit: String,
        /// What it runs.
        program: String,
    },
    /// A unit that helps an enabled one, and never starts on this image.
    #[serde(rename_all = "kebab-case")]
    HelperNeverStarts {
        /// The enabled unit.
        unit: String,
        /// The one that helps it.
        helper: String,
        /// What can't hold; empty if the helper is not enabled.
        condition: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScriptSkipped { package, script, sha256, lost_capabilities } => {
                write!(f, "{script} of {package} was skipped (SHA-256 {sha256})")?;
                for lost in lost_capabilities {
                    write!(
                        f,
                        "; without it nothing runs `{lost}`: see `capabilities` of [[files]]"
                    )?;
                }
                Ok(())
            }
            Self::NetworkLogin { unit, program } => write!(
                f,
                "{unit} runs {program}: whoever holds a key or password that the image accepts gets \
                 in over the network"
            ),
            Self::HelperNeverStarts { unit, helper, condition } if condition.is_empty() => write!(
                f,
                "{unit} is enabled, but {helper}, which Debian enables for it, is not: nothing does \
                 what it would do"
            ),
            Self::HelperNeverStarts { unit, helper, condition } => write!(
                f,
                "{unit} is enabled, but {helper}, which helps it, never starts on this image \
                 ({condition} can't hold): nothing does what it would do"
            ),
        }
    }
}
