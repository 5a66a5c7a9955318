//! The options of a hash tree, and its description as veritysetup prints it.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use cvmkit_formats::gpt::Guid;
use cvmkit_formats::source::{Source, Window};
use cvmkit_formats::verity::{Algorithm, Error, Header, Options, Plan, RootHash};
use cvmkit_host::files::FileSource;
use serde::Serialize;

use super::super::input;
use super::refusal::Refusal;
use crate::console::CommandError;

/// How the tree is made; each option is veritysetup's.
#[derive(Debug, clap::Args)]
pub(super) struct TreeArguments {
    /// Salt in hex, or `-` for none. Default: none, so that the same data gives the same bytes.
    #[arg(long, value_name = "HEX|-")]
    pub(super) salt: Option<Salt>,
    /// Size of a data block, bytes: a power of two from 512 to 524288. Default: 4096.
    #[arg(long, value_name = "BYTES")]
    pub(super) data_block_size: Option<u32>,
    /// Size of a hash block, bytes: a power of two from 512 to 524288. Default: 4096.
    #[arg(long, value_name = "BYTES")]
    pub(super) hash_block_size: Option<u32>,
    /// Hash algorithm. Default: sha256.
    #[arg(long = "hash", value_enum, value_name = "NAME")]
    pub(super) algorithm: Option<Hash>,
    /// How many data blocks the tree covers. Default: all of DATA.
    #[arg(long, value_name = "N")]
    pub(super) data_blocks: Option<u64>,
    /// The hash area has no superblock.
    #[arg(long)]
    pub(super) no_superblock: bool,
    /// Offset of the hash area in HASH, bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(super) hash_offset: u64,
}

impl TreeArguments {
    pub(super) fn options(&self, uuid: [u8; 16]) -> Options {
        let salt = self.salt.clone().map_or_else(Vec::new, |salt| salt.0);
        let base = Options::new(salt, uuid);
        Options {
            data_block_size: self.data_block_size.unwrap_or(base.data_block_size),
            hash_block_size: self.hash_block_size.unwrap_or(base.hash_block_size),
            algorithm: self.algorithm.map_or(base.algorithm, Hash::algorithm),
            superblock: !self.no_superblock,
            ..base
        }
    }
}

impl TreeArguments {
    /// Bytes of DATA that the tree covers: those of --data-blocks, or all.
    pub(super) fn covered(
        &self,
        path: &Path,
        found: u64,
        options: &Options,
    ) -> Result<u64, Refusal> {
        let Some(blocks) = self.data_blocks else { return Ok(found) };
        let size = options.data_block_size;
        let len = blocks.checked_mul(size.into()).filter(|len| *len <= found);
        len.ok_or_else(|| Refusal::FewerBlocks { path: path.to_owned(), blocks, size, found })
    }
}

/// The bytes of a file from `offset` to its end.
pub(super) fn hash_area(path: &Path, offset: u64) -> Result<Window<FileSource>, CommandError> {
    let file = input::source(path)?;
    let len = file.len();
    let beyond = || Refusal::Offset { path: path.to_owned(), offset, len };
    let rest = len.checked_sub(offset).ok_or_else(beyond)?;
    Ok(Window::new(file, offset, rest).map_err(|_| beyond())?)
}

/// A salt on the command line.
#[derive(Clone, Debug)]
pub(super) struct Salt(Vec<u8>);

impl FromStr for Salt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self(Vec::new()));
        }
        let salt = hex::decode(text).ok().filter(|salt| (1..=256).contains(&salt.len()));
        salt.map(Self).ok_or_else(|| "expected 1 to 256 bytes in hex, or `-` for none".to_owned())
    }
}

/// A UUID on the command line, bytes in text order.
#[derive(Clone, Debug)]
pub(super) struct Uuid(pub(super) [u8; 16]);

impl FromStr for Uuid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let guid = text.parse::<Guid>().map_err(|error| error.to_string())?;
        Ok(Self(guid.to_text_order()))
    }
}

/// The hash functions of a tree.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Hash {
    /// SHA-256
    Sha256,
    /// SHA-512
    Sha512,
}

impl Hash {
    fn algorithm(self) -> Algorithm {
        match self {
            Self::Sha256 => Algorithm::Sha256,
            Self::Sha512 => Algorithm::Sha512,
        }
    }
}

/// A hash tree in the fields and the order of `veritysetup dump`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Described {
    file: String,
    /// None without a superblock, which alone has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    hash_type: u32,
    data_blocks: u64,
    data_block_size: u32,
    hash_blocks: u64,
    hash_block_size: u32,
    hash_algorithm: &'static str,
    /// In hex; empty without a salt.
    salt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_hash: Option<String>,
}

impl Described {
    /// The tree that a superblock describes.
    pub(super) fn by(header: &Header, path: &Path) -> Result<Self, Error> {
        let size = u64::from(header.options.data_block_size);
        let len = header.data_blocks.checked_mul(size).ok_or_else(|| Error::Corrupt {
            what: "data_blocks",
            at: 72,
            why: format!(
                "expected fewer bytes of data than 2^64, found {} blocks",
                header.data_blocks
            ),
        })?;
        Ok(Self::of(&Plan::new(len, &header.options)?, path))
    }

    /// The tree of a plan.
    pub(super) fn of(plan: &Plan, path: &Path) -> Self {
        let options = plan.options();
        let uuid = Guid::from_text_order(options.uuid).to_string();
        Self {
            file: path.display().to_string(),
            uuid: options.superblock.then_some(uuid),
            hash_type: cvmkit_formats::verity::spec::HASH_TYPE,
            data_blocks: plan.data_blocks(),
            data_block_size: options.data_block_size,
            hash_blocks: plan.levels().iter().map(|level| level.blocks).sum(),
            hash_block_size: options.hash_block_size,
            hash_algorithm: options.algorithm.name(),
            salt: hex::encode(&options.salt),
            root_hash: None,
        }
    }

    pub(super) fn with(self, root: &RootHash) -> Self {
        Self { root_hash: Some(root.to_string()), ..self }
    }
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let salt = if self.salt.is_empty() { "-" } else { &self.salt };
        writeln!(f, "VERITY header information for {}", self.file)?;
        writeln!(f, "UUID:            \t{}", self.uuid.as_deref().unwrap_or_default())?;
        writeln!(f, "Hash type:       \t{}", self.hash_type)?;
        writeln!(f, "Data blocks:     \t{}", self.data_blocks)?;
        writeln!(f, "Data block size: \t{}", self.data_block_size)?;
        writeln!(f, "Hash blocks:     \t{}", self.hash_blocks)?;
        writeln!(f, "Hash block size: \t{}", self.hash_block_size)?;
        writeln!(f, "Hash algorithm:  \t{}", self.hash_algorithm)?;
        write!(f, "Salt:            \t{salt}")?;
        match &self.root_hash {
            Some(root) => write!(f, "\nRoot hash:      \t{root}"),
            None => Ok(()),
        }
    }
}
