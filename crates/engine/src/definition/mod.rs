//! What the user wants: `image.toml`, parsed into a value without invalid states.
//!
//! [`Project::open`] finds and parses the file; [`Project::definition`] applies a variant and
//! checks everything that does not need the lock. An unknown key is an error: a misspelt key must
//! never be a silently weaker image.

mod checked;
mod console;
mod error;
mod exceptions;
mod input;
mod parse;
mod platform;
mod project;
pub mod raw;
#[cfg(test)]
pub(crate) mod sample;
mod seed;

pub use checked::{
    Base, Definition, FileEntry, FileKind, Given, ID_RULE, Layer, Overlay, Ownership, Packages,
    Root, Verity, is_id,
};
pub use error::DefinitionError;
pub use input::Input;
pub use platform::{Platform, ProfileSource};
pub use project::Project;
pub use raw::{RawBootKind as BootKind, RawCompression as Compression, RawMetadata as Metadata};
pub use seed::Seed;
