//! Everything that boots a machine, in one program: as many machines run at once as libtest has threads, so
//! that no processor waits for the last boot of a kind.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "runs processes, found by the environment, on files it makes"
)]

mod boot;
mod hostile;
mod ready;
#[path = "../rig/mod.rs"]
mod rig;
mod tdx;
mod vtpm;
