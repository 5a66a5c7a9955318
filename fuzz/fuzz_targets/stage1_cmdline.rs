//! Stage 1's reading of the kernel command line.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. The root hash that is taken stands
//! in the line.
//!
//! Input: the content of `/proc/cmdline`.

#![no_main]

use libfuzzer_sys::fuzz_target;

/// Stage 1 is a program, not a library; this module of it needs nothing of the others.
#[expect(dead_code, reason = "`read` and some fields are for stage 1 itself")]
#[path = "../../crates/stage1/src/cmdline.rs"]
mod cmdline;

type Fatal = String;

fuzz_target!(|text: &str| {
    let Ok(options) = cmdline::parse(text) else { return };
    let line = text.replace('"', "").to_ascii_lowercase();
    assert!(line.contains(&format!("roothash={}", options.root_hash)), "{text}");
    assert!(options.init.starts_with('/'), "{}", options.init);
});
