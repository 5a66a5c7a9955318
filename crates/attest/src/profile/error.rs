//! What can be wrong with a profile.

use cvmkit_host::fault::{Diagnosis, Fault, near};
use thiserror::Error;

use super::built_in::BUILT_IN;

/// What is wrong with a profile, and where.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A name that no profile has.
    #[error("unknown platform profile `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// Not TOML, an unknown key, or a value of another type.
    #[error("`{place}` is not a platform profile: {message}")]
    Malformed {
        /// Its name or file.
        place: String,
        /// Why.
        message: String,
    },
    /// A value that the key can't have, or that does not fit the others.
    #[error("profile `{profile}`: `{key}` can't be `{found}`\n  expected: {expected}")]
    Invalid {
        /// Its name.
        profile: String,
        /// The key.
        key: String,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: String,
    },
}

impl Diagnosis for ProfileError {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        let Self::Unknown { name } = self else { return None };
        let known = BUILT_IN.map(|(name, _)| name);
        Some(match near(name, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!(
                "the profiles are {}; in a definition `./FILE.toml` names one of your own",
                known.join(", ")
            ),
        })
    }
}
