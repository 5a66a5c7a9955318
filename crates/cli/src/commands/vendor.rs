//! `cvmkit vendor`: everything a rebuild needs, in one folder.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use cvmkit_engine::vendor;
use serde::Serialize;

use super::project::{DefinitionArgument, Places};
use crate::console::{Answer, Console};
use crate::text::counted;

/// What to copy, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder to fill.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    definition: DefinitionArgument,
    /// Do not use the network: copy from the store.
    #[arg(long)]
    offline: bool,
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        let project = self.definition.open()?;
        let places = Places::of(&project)?;
        let origins = places.origins(self.offline, None, console);
        let vendored = vendor::vendor(&project, &self.folder, origins)?;
        console.result(&Vendored {
            folder: self.folder.display().to_string(),
            packages: vendored.packages,
            bytes: vendored.bytes,
        });
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Serialize)]
struct Vendored {
    folder: String,
    packages: usize,
    bytes: u64,
}

impl fmt::Display for Vendored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packages = counted(self.packages, "package");
        let megabytes = self.bytes / 1_000_000;
        writeln!(f, "{}: {packages} ({megabytes} MB)", self.folder)?;
        write!(f, "build from it with `cvmkit build --offline --vendor {}`", self.folder)
    }
}
