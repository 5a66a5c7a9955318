//! `cvmkit schema`: the JSON Schemas of what cvmkit reads and writes.

use std::process::ExitCode;

use cvmkit_engine::schema::{self, Kind};

use crate::console::{Answer, Console};

/// Which file format.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file that the schema describes.
    #[arg(value_enum, default_value_t)]
    of: Of,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Of {
    /// `image.toml`
    #[default]
    Definition,
    /// `manifest.json`
    Manifest,
    /// `reference-values.json`
    ReferenceValues,
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        let kind = match self.of {
            Of::Definition => Kind::Definition,
            Of::Manifest => Kind::Manifest,
            Of::ReferenceValues => Kind::ReferenceValues,
        };
        console.value(&schema::json(kind));
        Ok(ExitCode::SUCCESS)
    }
}
