//! The command line as its users meet it: the built program, run, against tools that others wrote.
//!
//! A tool that is not installed is a loud skip, and a failure where `CVMKIT_ORACLES=require`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compare;
mod compare_td;
mod dump;
#[allow(dead_code, reason = "other tests need all of it")]
#[path = "../../../measure/tests/event_logs/mod.rs"]
mod event_logs;
mod id_block;
mod measure;
mod measure_tdx;
mod measure_tpm;
mod new;
#[path = "../../../measure/tests/ovmf_image/mod.rs"]
mod ovmf_image;
mod program;
#[allow(dead_code, reason = "other tests need all of it")]
#[path = "../../../measure/tests/small_uki/mod.rs"]
mod small_uki;
#[path = "../../../measure/tests/tdvf_image/mod.rs"]
mod tdvf_image;
mod tiny_image;
mod verity;
