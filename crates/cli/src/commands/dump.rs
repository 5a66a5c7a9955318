//! `cvmkit dump`: an annotated listing of a file, in the format that its magic number names.
//!
//! The contract: the format's own decoder makes the listing and checks what it lists; control characters in
//! names are escaped. Deliberately absent: formats inside others, except the archives in an initrd.

mod error;
mod firmware;
mod initrd;
mod listing;
mod magic;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cvmkit_formats::source::Source;
use cvmkit_host::fault::{Diagnosis, Fault};
use serde::Serialize;

use super::input;
use crate::console::{Answer, Console};
use crate::text::plain;
use error::{Error, is_environment};
use listing::Format;

/// The file to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A disk, file system, hash area, archive, PE image, firmware or CoRIM.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        let source = input::source(&self.file)?;
        let unreadable =
            |source| Refusal::Refused { path: self.file.clone(), format: "file", source };
        let found = Format::of(&source).map_err(|error| unreadable(error.into()))?;
        let format = found.ok_or_else(|| Refusal::unknown(&self.file, source.len()))?;
        let listing = format.listing(&source).map_err(|error| Refusal::Refused {
            path: self.file.clone(),
            format: format.name(),
            source: error,
        })?;
        console.answer(&Dump {
            file: self.file.display().to_string(),
            format: format.name(),
            listing: listing.lines().map(plain).collect(),
        });
        Ok(ExitCode::SUCCESS)
    }
}

/// Why nothing was listed.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(
        "unknown format of `{}`: expected {}, found {len} bytes of something else",
        path.display(),
        Format::names()
    )]
    Unknown { path: PathBuf, len: u64 },
    #[error("cannot list `{}` as {format}", path.display())]
    Refused { path: PathBuf, format: &'static str, source: Error },
}

impl Refusal {
    fn unknown(path: &Path, len: u64) -> Self {
        Self::Unknown { path: path.to_owned(), len }
    }
}

impl Diagnosis for Refusal {
    fn fault(&self) -> Fault {
        match self {
            Self::Refused { source, .. } if is_environment(&**source) => Fault::Environment,
            _ => Fault::Definition,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Dump {
    file: String,
    format: &'static str,
    listing: Vec<String>,
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.listing.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
