//! The command line as its users meet it: the built program, run, against tools that others wrote.
//!
//! A tool that is not installed is a loud skip, and a failure where `CVMKIT_ORACLES=require`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../measure/tests/bzimage/mod.rs"]
mod bzimage;
mod compare;
mod compare_td;
mod compare_words;
mod dump;
#[allow(dead_code, reason = "other tests need all of it")]
#[path = "../../../measure/tests/event_logs/mod.rs"]
mod event_logs;
mod export;
mod export_dstack;
mod help;
mod host;
mod id_block;
mod json;
#[path = "../rig/json_keys.rs"]
mod json_keys;
mod linking;
mod measure;
mod measure_boot;
mod measure_large;
mod measure_se;
mod measure_stage0;
mod measure_tdx;
mod measure_tpm;
mod memory;
mod new;
#[path = "../../../measure/tests/ovmf_image/mod.rs"]
mod ovmf_image;
mod program;
mod results;
#[allow(dead_code, reason = "other tests need all of it")]
#[path = "../../../measure/tests/se_image/mod.rs"]
mod se_image;
#[allow(dead_code, reason = "other tests need all of it")]
mod small_disk;
#[path = "../../../measure/tests/small_uki/mod.rs"]
mod small_uki;
#[path = "../rig/snapshots.rs"]
mod snapshots;
#[expect(clippy::panic, clippy::disallowed_methods, reason = "the environment names the oracle")]
#[path = "../../../measure/tests/snp_measure/mod.rs"]
mod snp_measure;
#[path = "../../../measure/tests/tdvf_image/mod.rs"]
mod tdvf_image;
mod tiny_image;
mod types;
mod verity;
