//! The guest's PID 1, built by `build.rs` and embedded: every initramfs starts with it.

/// A static x86-64 program; its SHA-256 does not depend on where `cvmkit` was built.
pub(crate) const STAGE1: &[u8] = include_bytes!(env!("CVMKIT_STAGE1"));
