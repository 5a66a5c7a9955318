#![forbid(unsafe_code)]
//! The build: from a definition and a lock to a measured image, and back from the image to proof.

pub mod build;
pub mod content;
pub mod definition;
pub mod describe;
pub mod fetch;
pub mod image;
pub mod kernel;
pub mod local;
pub mod lock;
pub mod mirrors;
pub mod oci;
pub mod packages;
pub mod plan;
pub mod rootfs;
pub mod schema;
pub mod store;
pub mod vendor;
pub mod verify;
