//! Writes a folder of the host as squashfs and prints seconds, bytes and peak memory, to compare
//! with mksquashfs: `squashfs_bench FOLDER OUT zstd|gzip LEVEL [THREADS]`.
#![expect(clippy::disallowed_methods, reason = "a measuring tool that walks a real folder")]
#![expect(clippy::print_stdout, reason = "a command-line tool")]

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cvmkit_formats::sink::Sink;
use cvmkit_formats::source::Source;
use cvmkit_formats::squashfs::{Compression, Options, Plan};
use cvmkit_formats::tree::{Device, Inode, Meta, Node, Tree};
use std::collections::BTreeMap;

struct OnDisk {
    path: PathBuf,
    len: u64,
}

impl Source for OnDisk {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        File::open(&self.path)?.read_exact_at(buf, offset)
    }
}

struct Image(File);

impl Sink for Image {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
}

fn meta(stat: &std::fs::Metadata) -> Result<Meta> {
    Ok(Meta {
        mode: u16::try_from(stat.mode() & 0o7777)?,
        uid: stat.uid(),
        gid: stat.gid(),
        mtime: stat.mtime(),
        xattrs: BTreeMap::new(),
    })
}

/// `makedev` of glibc, for the numbers a disk image of packages can hold.
fn device(rdev: u64) -> Result<Device> {
    Ok(Device {
        major: u32::try_from((rdev >> 8) & 0xfff)?,
        minor: u32::try_from((rdev & 0xff) | ((rdev >> 12) & 0xf_ff00))?,
    })
}

fn load(folder: &Path) -> Result<Tree<OnDisk>> {
    let mut tree = Tree::new(meta(&folder.symlink_metadata()?)?);
    let mut seen = BTreeMap::new();
    let mut pending = vec![(folder.to_path_buf(), Vec::new())];
    while let Some((at, below)) = pending.pop() {
        for entry in std::fs::read_dir(&at)? {
            let entry = entry?;
            let path = entry.path();
            let stat = path.symlink_metadata()?;
            let mut name = below.clone();
            if !name.is_empty() {
                name.push(b'/');
            }
            name.extend(entry.file_name().into_vec());
            if let Some(&first) = seen.get(&(stat.dev(), stat.ino())) {
                tree.link(&name, first)?;
                continue;
            }
            let kind = stat.file_type();
            let node = if kind.is_dir() {
                pending.push((path, name.clone()));
                Node::Directory(BTreeMap::new())
            } else if kind.is_symlink() {
                Node::Symlink(std::fs::read_link(&path)?.into_os_string().into_vec())
            } else if kind.is_fifo() {
                Node::Fifo
            } else if kind.is_socket() {
                Node::Socket
            } else if kind.is_char_device() {
                Node::CharDevice(device(stat.rdev())?)
            } else if kind.is_block_device() {
                Node::BlockDevice(device(stat.rdev())?)
            } else {
                Node::File(OnDisk { path, len: stat.len() })
            };
            let id = tree.put(&name, Inode { meta: meta(&stat)?, node })?;
            if !kind.is_dir() && stat.nlink() > 1 {
                seen.insert((stat.dev(), stat.ino()), id);
            }
        }
    }
    Ok(tree)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, out, compression, level, threads @ ..] = arguments.as_slice() else {
        bail!("usage: squashfs_bench FOLDER OUT zstd|gzip LEVEL [THREADS]");
    };
    let level = level.parse()?;
    let compression = match compression.as_str() {
        "zstd" => Compression::Zstd { level },
        "gzip" => Compression::Gzip { level },
        other => bail!("expected zstd or gzip, found {other}"),
    };
    let threads = threads.first().map_or(Ok(2), |threads| threads.parse())?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let started = Instant::now();
    let tree = load(Path::new(folder))?;
    let loaded = started.elapsed();
    let mut image = Image(File::create(out).with_context(|| out.clone())?);
    let options = Options { compression, ..Options::new(0) };
    let len = pool.install(|| Plan::new(&tree, &options)?.write(&mut image))?;
    image.0.set_len(len)?;
    let total = started.elapsed();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: ?");
    println!(
        "{compression:?}: {:.2} s ({:.2} s of it listing the folder), {len} bytes, {peak}",
        total.as_secs_f64(),
        loaded.as_secs_f64(),
    );
    Ok(())
}
