//! The command line as its users meet it: the built program, run, against tools that others wrote.
//!
//! A tool that is not installed is a loud skip, and a failure where `CVMKIT_ORACLES=require`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dump;
mod measure;
mod new;
#[path = "../../../measure/tests/ovmf_image/mod.rs"]
mod ovmf_image;
mod program;
mod verity;
