//! `cvmkit verity verify`: whether data and hash tree match a root hash.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use cvmkit_formats::source::{Source, Window};
use cvmkit_formats::verity::{self, Options, Plan, RootHash};
use serde::Serialize;

use super::super::input;
use super::refusal::Refusal;
use super::tree::{TreeArguments, hash_area};
use crate::console::{Answer, CommandError, Console};

/// The data, its tree, and the root hash.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The protected file.
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// The file with the hash area. It may be DATA itself, with --hash-offset.
    #[arg(value_name = "HASH")]
    hash: PathBuf,
    /// The root hash, in hex.
    #[arg(value_name = "ROOTHASH", conflicts_with = "root_hash_file")]
    root_hash: Option<RootHashText>,
    /// Read the root hash from this file.
    #[arg(long, value_name = "FILE")]
    root_hash_file: Option<PathBuf>,
    #[command(flatten)]
    tree: TreeArguments,
}

/// A root hash on the command line.
#[derive(Clone, Debug)]
struct RootHashText(RootHash);

impl std::str::FromStr for RootHashText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error: verity::Error| error.to_string())
    }
}

impl Arguments {
    pub(super) fn run(self, console: &Console) -> Answer {
        let root = self.root_hash()?;
        let hash = hash_area(&self.hash, self.tree.hash_offset)?;
        let data = input::source(&self.data)?;
        let (options, blocks) = self.described(&hash)?;
        let expected = root.as_bytes().len();
        if expected != options.algorithm.digest_len() {
            return Err(Refusal::RootHashLength {
                algorithm: options.algorithm.name(),
                expected: options.algorithm.digest_len(),
                found: expected,
            }
            .into());
        }
        let (len, bytes_behind) = self.data_len(data.len(), blocks, &options)?;
        let data = Window::new(&data, 0, len).map_err(|_| Refusal::OtherLength {
            path: self.data.clone(),
            expected: len,
            found: data.len(),
        })?;
        let plan = Plan::new(len, &options).map_err(Refusal::of_verify(&self.data, &self.hash))?;
        plan.verify(&data, &hash, &root).map_err(Refusal::of_verify(&self.data, &self.hash))?;
        console.result(&Verified {
            data: self.data.display().to_string(),
            verified: true,
            data_blocks: plan.data_blocks(),
            data_block_size: options.data_block_size,
            bytes_behind,
        });
        Ok(ExitCode::SUCCESS)
    }

    fn root_hash(&self) -> Result<RootHash, CommandError> {
        match (&self.root_hash, &self.root_hash_file) {
            (Some(root), _) => Ok(root.0.clone()),
            (None, Some(path)) => {
                let bytes = input::read(path, 4096)?;
                let text = String::from_utf8_lossy(&bytes);
                let wrong = |source| Refusal::RootHashFile { path: path.clone(), source };
                Ok(text.trim_end().parse().map_err(wrong)?)
            }
            (None, None) => Err(Refusal::NoRootHash.into()),
        }
    }

    /// How the tree was made, and over how many data blocks, if there is a superblock.
    fn described(
        &self,
        hash: &Window<impl Source>,
    ) -> Result<(Options, Option<u64>), CommandError> {
        if self.tree.no_superblock {
            return Ok((self.tree.options([0; 16]), None));
        }
        let given = [
            ("--salt", self.tree.salt.is_some()),
            ("--data-block-size", self.tree.data_block_size.is_some()),
            ("--hash-block-size", self.tree.hash_block_size.is_some()),
            ("--hash", self.tree.algorithm.is_some()),
            ("--data-blocks", self.tree.data_blocks.is_some()),
        ];
        if let Some((option, _)) = given.into_iter().find(|(_, given)| *given) {
            return Err(Refusal::Described { option }.into());
        }
        let header = verity::read(hash).map_err(Refusal::of_verify(&self.data, &self.hash))?;
        Ok((header.options, Some(header.data_blocks)))
    }

    /// How many bytes of DATA the tree covers, and how many follow them, which the kernel does not read. A gap
    /// before a hash area in the same file does not count.
    fn data_len(
        &self,
        found: u64,
        blocks: Option<u64>,
        options: &Options,
    ) -> Result<(u64, u64), CommandError> {
        let is_hash = super::format::identity(&self.data)? == super::format::identity(&self.hash)?;
        let limit = if is_hash { self.tree.hash_offset } else { found };
        let expected = match blocks {
            Some(blocks) => blocks.saturating_mul(options.data_block_size.into()),
            None => self.tree.covered(&self.data, limit, options)?,
        };
        // A padded gap before the hash area is not data.
        if let Some(behind) = limit.checked_sub(expected) {
            return Ok((expected, if is_hash { 0 } else { behind }));
        }
        Err(Refusal::OtherLength { path: self.data.clone(), expected, found: limit }.into())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Verified {
    data: String,
    verified: bool,
    data_blocks: u64,
    data_block_size: u32,
    /// Bytes of the file that the tree does not cover.
    #[serde(skip_serializing_if = "is_nothing")]
    bytes_behind: u64,
}

fn is_nothing(bytes: &u64) -> bool {
    *bytes == 0
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (blocks, size) = (self.data_blocks, self.data_block_size);
        write!(f, "{}: verified, {blocks} blocks of {size} bytes", self.data)?;
        match self.bytes_behind {
            0 => Ok(()),
            behind => write!(f, "\nnote: the tree does not cover the {behind} bytes after them"),
        }
    }
}
