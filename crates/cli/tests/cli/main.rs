//! The command line as its users meet it: the built program, run, against tools that others wrote.
//!
//! A tool that is not installed is a loud skip, and a failure where `CVMKIT_ORACLES=require`.

mod dump;
mod measure;
mod new;
mod program;
mod verity;
