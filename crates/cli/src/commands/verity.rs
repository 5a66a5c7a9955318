//! `cvmkit verity`: dm-verity hash trees, byte for byte those of veritysetup.
//!
//! The contract: the same options give the same bytes on every machine, so the default salt is none and the
//! default UUID nil, where veritysetup draws random ones. HASH appears whole or not at all.
//! Deliberately absent: devices, hash type 0, forward error correction. Oracle: veritysetup.

mod format;
mod refusal;
mod tree;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cvmkit_formats::verity;

use crate::console::{Answer, Console};
use refusal::Refusal;
use tree::{Described, hash_area};

/// What to do with a hash tree.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Hash DATA into a tree, write it to HASH and print the root hash.
    Format(format::Arguments),
    /// Verify DATA and HASH against a root hash; exit 1 names the first bad block.
    Verify(verify::Arguments),
    /// Print the superblock of HASH.
    Dump(DumpArguments),
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        match self.action {
            Action::Format(arguments) => arguments.run(console),
            Action::Verify(arguments) => arguments.run(console),
            Action::Dump(arguments) => arguments.run(console),
        }
    }
}

/// Where the superblock is.
#[derive(Debug, clap::Args)]
struct DumpArguments {
    /// The file with the hash area.
    #[arg(value_name = "HASH")]
    hash: PathBuf,
    /// Offset of the hash area in HASH, bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    hash_offset: u64,
}

impl DumpArguments {
    fn run(&self, console: &Console) -> Answer {
        let hash = hash_area(&self.hash, self.hash_offset)?;
        let header = verity::read(&hash).map_err(Refusal::of(&self.hash))?;
        console.answer(&Described::by(&header, &self.hash).map_err(Refusal::of(&self.hash))?);
        Ok(ExitCode::SUCCESS)
    }
}

/// A superblock as text, for `cvmkit dump`: without the name of a file.
pub(super) fn described(header: &verity::Header) -> Result<String, verity::Error> {
    let text = Described::by(header, Path::new(""))?.to_string();
    let (_, fields) = text.split_once('\n').unwrap_or_default();
    Ok(format!("dm-verity superblock at 0x0\n{fields}"))
}
