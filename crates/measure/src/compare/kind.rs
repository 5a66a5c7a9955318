//! How a log and a prediction differ.

use std::fmt;

use serde::Serialize;

/// How two lists of events differ at the first place where they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Another digest stands where the expected one should.
    Differs,
    /// The expected event did not happen.
    Missing,
    /// An event happened that is not expected.
    Unexpected,
    /// Both events happen, but not in this order.
    OutOfOrder,
    /// The register did not start with the value it should have started with.
    InitialValue,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Differs => "differs",
            Self::Missing => "is missing",
            Self::Unexpected => "is unexpected",
            Self::OutOfOrder => "is out of order",
            Self::InitialValue => "starts with a different value",
        })
    }
}
