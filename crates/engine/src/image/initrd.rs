//! The initramfs: stage 1, the modules it loads, the command line it expects, and nothing else.

use cvmkit_formats::compression::{Compression, decompress};
use cvmkit_formats::cpio;
use cvmkit_formats::source::read_all;
use cvmkit_formats::tree::{Device, Inode, Meta, Node, Tree, split};
use cvmkit_host::timestamp::Timestamp;

use super::error::ImageError;
use crate::content::Content;
use crate::kernel::Module;

/// zstd level of the initramfs: it is small, and measured once per boot.
const ZSTD_LEVEL: i32 = 12;

/// Where stage 1 finds the list of modules to load, in order.
pub(crate) const MODULE_LIST: &str = "etc/stage1/modules";

/// Where stage 1 finds the command line that the image was built for.
pub(crate) const BUILT_FOR: &str = "etc/stage1/command-line";

/// Most bytes of an unpacked initramfs: a guard, real ones have a few MB.
pub(crate) const UNPACKED_MAX: u64 = 128 << 20;

/// Mount points that stage 1 uses, and the folders of what it reads.
pub(crate) const FOLDERS: [&str; 6] = ["dev", "proc", "sys", "run", "sysroot", "etc/stage1"];

/// What goes into an initramfs.
#[derive(Clone, Copy)]
pub struct InitrdParts<'a> {
    /// The guest's PID 1.
    pub stage1: &'a [u8],
    /// The modules that it loads, in their order.
    pub modules: &'a [Module],
    /// What the command line must be, of [`built_for`](super::built_for).
    pub built_for: &'a str,
    /// The time of all that is made.
    pub timestamp: Timestamp,
}

/// The initramfs: stage 1, and what it loads and expects, in a zstd-compressed cpio archive.
///
/// # Errors
/// A path that is none, or the compressor's.
pub fn initrd(parts: &InitrdParts<'_>) -> Result<Vec<u8>, ImageError> {
    compressed(&tree(parts)?)
}

/// An initramfs of [`initrd()`] as it is for another command line.
///
/// # Errors
/// [`ImageError::Compress`] or [`ImageError::Initrd`] for bytes that [`initrd()`] did not make.
pub fn initrd_for(initrd: &[u8], built_for: &str) -> Result<Vec<u8>, ImageError> {
    let archive = decompress(initrd, Compression::Zstd, UNPACKED_MAX);
    let archive = archive.map_err(|error| ImageError::Compress(std::io::Error::other(error)))?;
    let mut tree = cpio::read(&archive)?.tree.try_map(|content| -> Result<_, ImageError> {
        Ok(Content::from(read_all(&content, UNPACKED_MAX).map_err(ImageError::Compress)?))
    })?;
    let meta = tree.inode(tree.root()).meta.clone();
    put_command_line(&mut tree, built_for, meta.mtime)?;
    compressed(&tree)
}

fn compressed(tree: &Tree<Content>) -> Result<Vec<u8>, ImageError> {
    let mut archive = Vec::new();
    cpio::Plan::new(tree, &cpio::Options::default())?.write(&mut archive)?;
    // One worker gives the bytes that any number of workers gives; none would give others.
    let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL).map_err(ImageError::Compress)?;
    encoder.multithread(1).map_err(ImageError::Compress)?;
    encoder.include_checksum(true).map_err(ImageError::Compress)?;
    std::io::Write::write_all(&mut encoder, &archive).map_err(ImageError::Compress)?;
    encoder.finish().map_err(ImageError::Compress)
}

fn tree(parts: &InitrdParts<'_>) -> Result<Tree<Content>, ImageError> {
    let mtime = parts.timestamp.0;
    let folder = Meta::root(0o755, mtime);
    let mut tree = Tree::new(folder.clone());
    for path in FOLDERS {
        tree.make_directories(path.as_bytes(), &folder)?;
    }
    // The kernel opens /dev/console for PID 1 before devtmpfs is mounted.
    let console = Node::CharDevice(Device { major: 5, minor: 1 });
    tree.put(b"dev/console", Inode { meta: Meta::root(0o600, mtime), node: console })?;
    let program = Inode::file(Meta::root(0o755, mtime), Content::from(parts.stage1.to_vec()));
    tree.put(b"init", program)?;
    let mut list = String::new();
    for module in parts.modules {
        let path = module.path.trim_start_matches('/').as_bytes();
        tree.make_directories(split(path).0, &folder)?;
        let contents = Content::from(module.contents.clone());
        tree.put(path, Inode::file(Meta::root(0o644, mtime), contents))?;
        list.push_str(&format!("{}\n", module.path));
    }
    let list = Inode::file(Meta::root(0o644, mtime), Content::from(list.as_str()));
    tree.put(MODULE_LIST.as_bytes(), list)?;
    put_command_line(&mut tree, parts.built_for, mtime)?;
    Ok(tree)
}

fn put_command_line(
    tree: &mut Tree<Content>,
    built_for: &str,
    mtime: i64,
) -> Result<(), ImageError> {
    let line = Inode::file(Meta::root(0o644, mtime), Content::from(built_for));
    tree.put(BUILT_FOR.as_bytes(), line)?;
    Ok(())
}
