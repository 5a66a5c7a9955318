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
        /// The name that was asked for.
        name: String,
    },
    /// Not TOML, an unknown key, or a value of another type.
    #[error("`{place}` is not a platform profile: {message}")]
    Malformed {
        /// The name of the profile, or its file.
        place: String,
        /// What is wrong, with line and column.
        message: String,
    },
    /// A value that the key can't have, or that does not fit the others.
    #[error("profile `{profile}`: `{key}` can't be `{found}`\n  expected: {expected}")]
    Invalid {
        /// The name of the profile.
        profile: String,
        /// The key, or the keys that don't go together.
        key: String,
        /// The value that it holds, in words.
        found: String,
        /// The values that it may hold, in words.
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
