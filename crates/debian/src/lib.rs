#![forbid(unsafe_code)]
//! Debian archives as values: signatures, indices, dependency resolution, packages.
//!
//! The chain of trust, in the order of use: [`openpgp`] turns an `InRelease` into text that a
//! configured key has signed; [`release`] reads from it the size and SHA-256 of every index;
//! [`cvmkit_formats::compression`] and [`packages`] read an index; [`resolver`] chooses packages from
//! several as apt would on an empty system; [`deb`] reads the packages themselves. Bytes come in, values go
//! out: nothing here opens a file or a socket, reads a clock or logs.

pub mod deb;
pub mod deb822;
pub mod openpgp;
pub mod packages;
pub mod relation;
pub mod release;
pub mod resolver;
pub mod triggers;
pub mod version;
