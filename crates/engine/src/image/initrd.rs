//! The initramfs: stage 1, the modules it loads, and nothing else.

use cvmkit_formats::cpio;
use cvmkit_formats::tree::{Device, Inode, Meta, Node, Tree, split};

use super::ImageError;
use crate::content::Content;
use crate::kernel::Module;

/// zstd level of the initramfs: it is small, and measured once per boot.
const ZSTD_LEVEL: i32 = 12;

/// Where stage 1 finds the list of modules to load, in order.
const MODULE_LIST: &str = "etc/stage1/modules";

/// Mount points that stage 1 uses, and the folders of what it reads.
const FOLDERS: [&str; 6] = ["dev", "proc", "sys", "run", "sysroot", "etc/stage1"];

/// A zstd-compressed cpio archive.
///
/// # Errors
/// A module with a path that is none.
pub(super) fn build(stage1: &[u8], modules: &[Module], mtime: i64) -> Result<Vec<u8>, ImageError> {
    let tree = tree(stage1, modules, mtime)?;
    let mut archive = Vec::new();
    cpio::Plan::new(&tree, &cpio::Options::default())?.write(&mut archive)?;
    // One worker gives the bytes that any number of workers gives; none would give others.
    let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL).map_err(ImageError::Compress)?;
    encoder.multithread(1).map_err(ImageError::Compress)?;
    encoder.include_checksum(true).map_err(ImageError::Compress)?;
    std::io::Write::write_all(&mut encoder, &archive).map_err(ImageError::Compress)?;
    encoder.finish().map_err(ImageError::Compress)
}

fn tree(stage1: &[u8], modules: &[Module], mtime: i64) -> Result<Tree<Content>, ImageError> {
    let folder = Meta::root(0o755, mtime);
    let mut tree = Tree::new(folder.clone());
    for path in FOLDERS {
        tree.make_directories(path.as_bytes(), &folder)?;
    }
    // The kernel opens /dev/console for PID 1 before devtmpfs is mounted.
    let console = Node::CharDevice(Device { major: 5, minor: 1 });
    tree.put(b"dev/console", Inode { meta: Meta::root(0o600, mtime), node: console })?;
    let program = Inode::file(Meta::root(0o755, mtime), Content::from(stage1.to_vec()));
    tree.put(b"init", program)?;
    let mut list = String::new();
    for module in modules {
        let path = module.path.trim_start_matches('/').as_bytes();
        tree.make_directories(split(path).0, &folder)?;
        let contents = Content::from(module.contents.clone());
        tree.put(path, Inode::file(Meta::root(0o644, mtime), contents))?;
        list.push_str(&format!("{}\n", module.path));
    }
    let list = Inode::file(Meta::root(0o644, mtime), Content::from(list.as_str()));
    tree.put(MODULE_LIST.as_bytes(), list)?;
    Ok(tree)
}
