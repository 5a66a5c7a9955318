//! Shell scripts: syntax, and evaluation over files in memory.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs.
//!
//! Input: a script.

#![no_main]

use cvmkit_shell::evaluation::{Limits, Start, evaluate};
use cvmkit_shell::memory::Memory;
use cvmkit_shell::syntax;
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    steps: 2_000,
    output: 1 << 18,
    words: 1 << 20,
    depth: 40,
    syntax: syntax::Limits { len: 1 << 16, depth: 40 },
};

fuzz_target!(|script: &[u8]| {
    let start = Start { arguments: vec![b"configure".to_vec()], ..Start::default() };
    let _ = evaluate(script, start, &mut Memory::with_programs(b"/etc"), LIMITS);
});
