#![forbid(unsafe_code)]
//! The machine that cvmkit runs on: the one crate that opens files and sockets.
//!
//! [`files`] finds, reads and writes, and never leaves half of a file; [`document`] and [`versioned`]
//! read TOML and JSON; [`fault`] says whose fault an error is and what to do next; [`progress`] is
//! told of long work; `http` fetches, where its feature is on. Deliberately absent: the clock and the
//! environment, which the command line passes in.

pub mod document;
pub mod fault;
pub mod files;
#[cfg(feature = "http")]
pub mod http;
pub mod progress;
pub mod timestamp;
pub mod versioned;
