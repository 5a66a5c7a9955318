//! What there is to know of a document beyond its bytes.

use std::fmt;

/// What every document of a debug image has in its bytes, whatever its shape: readers of each shape
/// ignore what they don't know, so there is a place in all of them.
pub const DEBUG_MARK: &str = "DEBUG IMAGE";

/// What a document leaves out, or what its values rest on. `Display` words it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// The values are those of a debug image. It is the first note of such a document.
    Debug,
    /// A CoRIM that covers several platforms: it names no profile, as there is place for one.
    SeveralPlatforms,
    /// A CoRIM without a signature.
    Unsigned,
    /// A machine or a value: left out and why, or what it rests on.
    Value(String),
}

impl From<String> for Note {
    fn from(words: String) -> Self {
        Self::Value(words)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debug => {
                "these are values of a DEBUG image, which may have shells and logins: no verifier in \
                 production may accept them"
            }
            Self::SeveralPlatforms => {
                "the CoRIM covers several platforms and names no profile: a verifier that goes by \
                 the profile needs one document for each platform"
            }
            Self::Unsigned => "the CoRIM is not signed",
            Self::Value(words) => words,
        })
    }
}
