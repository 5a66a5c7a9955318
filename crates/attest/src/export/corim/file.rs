//! A CoRIM in a file, signed or not. `read` decodes it, `write` encodes it, `dump` lists it.

use super::content::Corim;
use super::cose::Sign1;

/// A CoRIM as it is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorimFile {
    /// What it says.
    pub corim: Corim,
    /// The signature around it, if there is one.
    pub signed: Option<Sign1>,
}
