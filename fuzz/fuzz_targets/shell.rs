//! Shell scripts: syntax, and evaluation over an empty world.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs.
//!
//! Input: a script.

#![no_main]

use cvmkit_shell::Stop;
use cvmkit_shell::evaluation::{Limits, Start, evaluate};
use cvmkit_shell::syntax;
use cvmkit_shell::world::{FileError, Invocation, Ran, Status, World};
use libfuzzer_sys::fuzz_target;

/// No files, and commands that do nothing.
struct Empty;

impl World for Empty {
    fn status(&self, _: &[u8], _: bool) -> Result<Status, FileError> {
        Err(FileError::NotFound)
    }

    fn read(&self, _: &[u8]) -> Result<Vec<u8>, FileError> {
        Err(FileError::NotFound)
    }

    fn write(&mut self, _: &[u8], _: &[u8], _: u16) -> Result<(), FileError> {
        Ok(())
    }

    fn list(&self, _: &[u8]) -> Result<Vec<Vec<u8>>, FileError> {
        Err(FileError::NotFound)
    }

    fn find(&self, _: &[u8], _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn run(&mut self, invocation: Invocation<'_>) -> Result<Ran, Stop> {
        Ok(Ran { status: 0, consumed: invocation.input.len() })
    }

    fn home(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
}

const LIMITS: Limits = Limits {
    steps: 2_000,
    output: 1 << 18,
    words: 1 << 20,
    depth: 40,
    syntax: syntax::Limits { len: 1 << 16, depth: 40 },
};

fuzz_target!(|script: &[u8]| {
    let start = Start { arguments: vec![b"configure".to_vec()], ..Start::default() };
    let _ = evaluate(script, start, &mut Empty, LIMITS);
});
