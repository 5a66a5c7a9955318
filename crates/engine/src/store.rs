//! Verified bytes by their SHA-256, shared by all builds of a user.
//!
//! ```text
//! STORE/sha256/ab/abcd…          objects; the name is the digest of the contents
//! STORE/partial/abcd…            downloads under way, resumed by the next try
//! STORE/decoded/abcd…            what the package `abcd…` decodes to, sealed
//! STORE/builds/abcd…             the `SHA256SUMS` that a build of the inputs `abcd…` wrote, sealed
//! ```
//!
//! Nothing enters unverified, everything is hashed again when it is opened, and a bad object is
//! dropped so that it is fetched again (I4). What no digest of a lock vouches for is kept under a
//! [seal](SealKey) of the account that derived it, and is dropped when the seal does not match.
//!
//! Others may write to the store too: every name in it is looked up in its open [`Folder`], and no
//! link is followed. A store that nothing can be written to serves what it has, and keeps nothing.

mod key;
mod objects;
mod seal;

pub use key::SealKey;
pub use objects::{Blob, Partial, Store};
pub use seal::{Sealing, Unsealing};
