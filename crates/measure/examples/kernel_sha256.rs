//! The SHA-256 of a kernel and nothing else: what every tool has to compute that
//! measures a direct boot, on one processor. `cargo xtask bench` shows how far `measure snp` is from it.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a command-line tool")]

use std::error::Error;
use std::fs::File;
use std::io::Read as _;

use cvmkit_formats::digest::Sha256;
use sha2::Digest as _;

fn main() -> Result<(), Box<dyn Error>> {
    let mut kernel = File::open(std::env::args().nth(1).ok_or("name the kernel")?)?;
    let (mut hasher, mut piece) = (sha2::Sha256::new(), vec![0; 64 << 10]);
    loop {
        let len = kernel.read(&mut piece)?;
        if len == 0 {
            break;
        }
        hasher.update(&piece[..len]);
    }
    println!("{}", Sha256(hasher.finalize().into()));
    Ok(())
}
