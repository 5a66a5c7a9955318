//! Observations of every form against reference values alone, and against the folder of an image.

pub(super) mod fixture;
mod td;
mod tpm;
mod values;
