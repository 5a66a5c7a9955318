#![forbid(unsafe_code)]
//! What an image should measure, and whether a machine measured it: what a verifier service links.
//!
//! A [`profile`] says what is taken for granted of a machine; [`predict`] turns files and a machine into
//! a prediction; [`values`] are those of all machines that an image is for. [`output`] is the folder
//! that a build wrote. [`compare`] holds what a machine reported against one of them, and `export`
//! (behind a feature) writes them in the shapes of other verifiers. Deliberately absent: whatever
//! builds an image.

pub mod compare;
#[cfg(feature = "export")]
pub mod export;
pub mod machine_name;
pub mod output;
pub mod predict;
pub mod profile;
pub mod values;
