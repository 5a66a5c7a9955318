//! Hashes a file into a dm-verity tree and prints seconds and the root hash, to compare with
//! `veritysetup format --salt=SALT`: `verity_bench DATA HASH [THREADS]`, the salt is 32 times `a5`.
#![expect(clippy::disallowed_methods, reason = "a measuring tool that reads a real file")]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use anyhow::{Result, bail};
use cvmkit_formats::sink::Sink;
use cvmkit_formats::source::Source;
use cvmkit_formats::verity::{Options, Plan};

struct OnDisk(File, u64);

impl Source for OnDisk {
    fn len(&self) -> u64 {
        self.1
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }
}

struct HashArea(File);

impl Sink for HashArea {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, data, hash, threads @ ..] = arguments.as_slice() else {
        bail!("usage: verity_bench DATA HASH [THREADS]");
    };
    let threads = threads.first().map_or(Ok(2), |threads| threads.parse())?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let started = Instant::now();
    let data = File::open(data)?;
    let len = data.metadata()?.len();
    let plan = Plan::new(len, &Options::new(vec![0xa5; 32], [0; 16]))?;
    let mut area = HashArea(File::create(hash)?);
    let root = pool.install(|| plan.write(&OnDisk(data, len), &mut area))?;
    let seconds = started.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: ?");
    println!("{seconds:.2} s, root hash {root}, {peak}");
    Ok(())
}
