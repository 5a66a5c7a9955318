//! A CoRIM in a file, signed or not. `read` decodes it, `write` encodes it, `dump` lists it.

use super::content::Corim;
use super::cose::Sign1;

/// A CoRIM as it is in a file: unsigned, or the payload of a `COSE_Sign1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorimFile {
    /// What it says, signed or not.
    pub corim: Corim,
    /// The `COSE_Sign1` around it, which nobody has verified yet; none if it is not signed.
    pub signed: Option<Sign1>,
}
