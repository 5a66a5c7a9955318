//! `cvmkit verity format`: a hash tree over a file.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cvmkit_formats::sink::{Shifted, Sink};
use cvmkit_formats::source::{Source, Window};
use cvmkit_formats::verity::{Plan, RootHash};
use cvmkit_host::files::{self, FileSource, Staging};

use super::super::input;
use super::refusal::Refusal;
use super::tree::{Described, TreeArguments, Uuid};
use crate::console::{Answer, CommandError, Console};

/// The data, the file for its tree, and how the tree is made.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The file to protect; its size is a multiple of the data block size.
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// The file for the hash area. It may be DATA itself, with --hash-offset at its end.
    #[arg(value_name = "HASH")]
    hash: PathBuf,
    #[command(flatten)]
    tree: TreeArguments,
    /// UUID in the superblock. Default: nil, so that the same data gives the same bytes.
    #[arg(long, value_name = "UUID", conflicts_with = "no_superblock")]
    uuid: Option<Uuid>,
    /// Also write the root hash to this file, in hex without a line end.
    #[arg(long, value_name = "FILE")]
    root_hash_file: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn run(self, console: &Console) -> Answer {
        let uuid = self.uuid.as_ref().map_or([0; 16], |uuid| uuid.0);
        let options = self.tree.options(uuid);
        let offset = self.tree.hash_offset;
        if !offset.is_multiple_of(options.hash_block_size.max(1).into()) {
            let block_size = options.hash_block_size;
            return Err(Refusal::Unaligned { found: offset, block_size }.into());
        }
        let data = input::source(&self.data)?;
        let len = self.tree.covered(&self.data, data.len(), &options)?;
        let data = Window::new(data, 0, len).map_err(files::cannot("read", &self.data))?;
        let plan = Plan::new(len, &options).map_err(Refusal::of(&self.data))?;
        let target = Target::new(&self.data, &self.hash, offset)?;
        let root = self.write(&plan, &data, &target)?;
        console.answer(&Described::of(&plan, &self.hash).with(&root));
        Ok(ExitCode::SUCCESS)
    }

    /// Writes beside the target, then renames the finished file over it.
    fn write(
        &self,
        plan: &Plan,
        data: &impl Source,
        target: &Target,
    ) -> Result<RootHash, CommandError> {
        const NAME: &str = "hash";
        let offset = self.tree.hash_offset;
        let staging = Staging::new(&target.path)?;
        let mut output = staging.create(NAME)?;
        if let Some(front) = &target.front {
            copy(front, &mut output).map_err(files::cannot("copy", &target.path))?;
        }
        let len = offset.checked_add(plan.hash_len()).ok_or(Refusal::Offset {
            path: target.path.clone(),
            offset,
            len: plan.hash_len(),
        })?;
        let mut area = Shifted::new(&mut output, offset);
        let root =
            plan.write(data, &mut area).map_err(Refusal::of_format(&self.data, &self.hash))?;
        output.set_len(len)?;
        output.sync()?;
        if let Some(path) = &self.root_hash_file {
            files::replace(path, root.to_string().as_bytes())?;
        }
        staging.publish_file(NAME)?;
        Ok(root)
    }
}

/// The file for the hash area.
struct Target {
    path: PathBuf,
    /// Its bytes before the hash area, if it has some.
    front: Option<FileSource>,
}

impl Target {
    fn new(data: &Path, hash: &Path, offset: u64) -> Result<Self, CommandError> {
        if !hash.try_exists().map_err(files::cannot("find", hash))? {
            return Ok(Self { path: hash.to_owned(), front: None });
        }
        let file = input::source(hash)?;
        let len = file.len();
        let is_data = identity(data)? == identity(hash)?;
        if len > offset && (offset > 0 || is_data) {
            return Err(Refusal::Overlap { path: hash.to_owned(), offset, len }.into());
        }
        // A rename replaces a symbolic link; its target is what the user means.
        let path = hash.canonicalize().map_err(files::cannot("find", hash))?;
        Ok(Self { path, front: (offset > 0).then_some(file) })
    }
}

/// Device and inode: two names with equal ones are one file.
pub(super) fn identity(path: &Path) -> Result<(u64, u64), CommandError> {
    let metadata = input::open(path)?.metadata().map_err(files::cannot("read", path))?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Copies a file in pieces of 1 MiB.
fn copy(from: &FileSource, to: &mut impl Sink) -> io::Result<()> {
    const PIECE: u64 = 1 << 20;
    let mut piece = vec![0; 1 << 20];
    let mut at = 0;
    while at < from.len() {
        let step = usize::try_from((from.len() - at).min(PIECE)).map_err(io::Error::other)?;
        from.read_at(at, &mut piece[..step])?;
        to.write_at(at, &piece[..step])?;
        at += step as u64;
    }
    Ok(())
}
