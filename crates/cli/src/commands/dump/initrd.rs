//! An initrd: consecutive archives, each plain or compressed (Linux
//! `Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::fmt::Write as _;
use std::io;

use cvmkit_formats::compression::{Compression, decompress};
use cvmkit_formats::cpio;
use cvmkit_formats::source::{Source, Window, read_all};

use super::error::Error;
use super::magic::has;

/// How archives start: the magic of "new ASCII" cpio, of gzip (RFC 1952, section 2.3.1) and of zstd
/// (RFC 8878, section 3.1.1).
const MAGICS: [(&[u8], Compression); 3] = [
    (b"070701", Compression::None),
    (&[0x1f, 0x8b], Compression::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
];

/// Longest compressed archive, bytes: it is in memory together with its content.
const PACKED_MAX: u64 = 128 << 20;

/// Longest decompressed archive, bytes: the buffer grows to 256 MiB.
const UNPACKED_MAX: u64 = 250 << 20;

/// True for a cpio archive, and for gzip or zstd, which may hold one.
pub(super) fn starts(source: &impl Source) -> io::Result<bool> {
    Ok(compression_at(source, 0)?.is_some())
}

fn compression_at(source: &impl Source, at: u64) -> io::Result<Option<Compression>> {
    for (magic, compression) in MAGICS {
        if has(source, at, magic)? {
            return Ok(Some(compression));
        }
    }
    Ok(None)
}

/// Lists archive after archive to the end of the file.
pub(super) fn listing(source: &impl Source) -> Result<String, Error> {
    let mut text = String::new();
    let mut at = 0;
    while at < source.len() {
        let Some(compression) = compression_at(source, at)? else {
            let why = "expected the magic of cpio (070701), gzip or zstd";
            return Err(format!("no archive at {at:#x}: {why}").into());
        };
        let rest = Window::new(source, at, source.len() - at)?;
        // Writing to a String can't fail.
        at = match compression {
            Compression::None => {
                let _ = writeln!(text, "cpio archive at {at:#x}");
                at + plain(&rest, &mut text)?
            }
            _ => {
                let _ = writeln!(text, "cpio archive at {at:#x}, {compression:?}");
                let archives =
                    decompress(&read_all(&rest, PACKED_MAX)?, compression, UNPACKED_MAX)?;
                let mut inner = 0;
                while inner < Source::len(&archives) {
                    let rest = Window::new(&archives, inner, Source::len(&archives) - inner)?;
                    inner += plain(&rest, &mut text)?;
                }
                source.len()
            }
        };
    }
    Ok(text)
}

/// Lists a plain archive; answers where the next one may start, after the zeros of padding.
fn plain(source: &impl Source, text: &mut String) -> Result<u64, Error> {
    let archive = cpio::read(source)?;
    text.push_str(&cpio::dump(&archive.tree));
    let mut at = archive.end;
    let mut piece = [0; 512];
    while at < source.len() {
        let step = usize::try_from((source.len() - at).min(512))?;
        let piece = &mut piece[..step];
        source.read_at(at, piece)?;
        match piece.iter().position(|&byte| byte != 0) {
            Some(padding) => return Ok(at + padding as u64),
            None => at += step as u64,
        }
    }
    Ok(at)
}
