//! Bad inputs: each gets its exit code, words that name thing, place, expected, found and next
//! step, and leaves nothing half-made.
//!
//! Packages, signatures and file systems are those of dpkg-deb, GnuPG and Linux; the mirror is one
//! of the test's own, with the faults that mirrors have.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "runs processes, found by the environment, on files it makes"
)]

mod accounts;
mod architectures;
mod archive;
mod asked;
mod audit;
mod definition;
mod fetched;
mod local_files;
mod local_packages;
mod lock;
mod machine;
mod mirror;
mod names;
#[allow(dead_code, reason = "only what makes an image whole")]
#[path = "../../../measure/tests/ovmf_image/mod.rs"]
mod ovmf_image;
mod own_archive;
mod packages;
mod results;
#[path = "../rig/mod.rs"]
mod rig;
mod trees_of_others;
