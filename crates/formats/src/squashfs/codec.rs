//! Compressing and decompressing single blocks, with contexts that threads hand each other.

use std::io;
use std::sync::Mutex;

use flate2::{Decompress, FlushDecompress, Status};
use miniz_oxide::deflate::core::CompressorOxide;
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

use super::{Compression, Error, spec};

/// Up to this level zstd uses its `fast` and `dfast` strategies for every input size
/// (`lib/compress/clevels.h`), whose output does not depend on what a context did before. Above, the
/// row-based match finder may salt its tables with the context's past (`ZSTD_advanceHashSalt`), so
/// each block gets a new context: the bytes must not depend on which thread took which block.
const ZSTD_REUSE_LEVEL_MAX: u8 = 3;

// `flate2` compresses with whichever backend the crates of a build ask for together, and `zlib-rs`
// hashes with CRC instructions where the processor has them: other bytes on other machines. So
// zlib streams are made by `miniz_oxide` itself, which does the same everywhere.

/// Stores blocks on any thread.
pub(super) struct Encoder<'a> {
    method: Method<'a>,
}

/// Where the stored form of a block comes from.
enum Method<'a> {
    /// A compressor; idle contexts are kept for the next block.
    Compress(Compression, Mutex<Vec<Context>>),
    /// An image that has the block already.
    Recall(&'a Recall<'a>),
}

/// The form in which an image stores a block, as [`Encoder::shrink`] answers it.
pub(super) type Recall<'a> = dyn Fn(&[u8], &mut Vec<u8>) -> Result<bool, Error> + Sync + 'a;

enum Context {
    Zstd(zstd::bulk::Compressor<'static>),
    Gzip(Box<CompressorOxide>),
}

impl<'a> Encoder<'a> {
    pub(super) fn new(compression: Compression) -> Result<Self, Error> {
        let (option, level, max, expected) = match compression {
            Compression::Zstd { level } => ("the zstd level", level, 22, "1 to 22"),
            Compression::Gzip { level } => ("the gzip level", level, 9, "1 to 9"),
        };
        if level == 0 || level > max {
            return Err(Error::Option { option, expected, found: level.into() });
        }
        Ok(Self { method: Method::Compress(compression, Mutex::new(Vec::new())) })
    }

    /// Compresses nothing: blocks are stored as `recall` has them.
    pub(super) fn recalling(recall: &'a Recall<'a>) -> Self {
        Self { method: Method::Recall(recall) }
    }

    /// The compressed form of `block` into `out`, which is cleared; false (and nothing of use in
    /// `out`) if it would not be shorter.
    pub(super) fn shrink(&self, block: &[u8], out: &mut Vec<u8>) -> Result<bool, Error> {
        out.clear();
        let (compression, idle) = match &self.method {
            Method::Recall(recall) => return recall(block, out),
            Method::Compress(compression, idle) => (*compression, idle),
        };
        let taken = idle.lock().ok().and_then(|mut idle| idle.pop());
        let mut context = match taken {
            Some(context) => context,
            None => new_context(compression).map_err(Error::Compress)?,
        };
        let shrunk = match &mut context {
            Context::Zstd(compressor) => {
                out.reserve(zstd::zstd_safe::compress_bound(block.len()));
                compressor.compress_to_buffer(block, out).map_err(Error::Compress)?;
                out.len() < block.len()
            }
            Context::Gzip(compressor) => {
                compressor.reset();
                out.resize(block.len(), 0);
                let result = deflate(compressor, block, out, MZFlush::Finish);
                out.truncate(result.bytes_written);
                // A block that does not shrink leaves no room to finish in.
                result.status == Ok(MZStatus::StreamEnd) && out.len() < block.len()
            }
        };
        let spent = matches!(
            compression,
            Compression::Zstd { level } if level > ZSTD_REUSE_LEVEL_MAX
        );
        if let (false, Ok(mut idle)) = (spent, idle.lock()) {
            idle.push(context);
        }
        Ok(shrunk)
    }
}

fn new_context(compression: Compression) -> io::Result<Context> {
    Ok(match compression {
        Compression::Zstd { level } => Context::Zstd(zstd::bulk::Compressor::new(level.into())?),
        Compression::Gzip { level } => {
            let mut compressor = Box::<CompressorOxide>::default();
            compressor.set_format_and_level(DataFormat::Zlib, level);
            Context::Gzip(compressor)
        }
    })
}

/// What decompresses an image's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoder {
    Zstd,
    Gzip,
}

impl Decoder {
    pub(super) fn from_number(number: u16) -> Option<Self> {
        match number {
            spec::ZSTD => Some(Self::Zstd),
            spec::GZIP => Some(Self::Gzip),
            _ => None,
        }
    }

    /// At most `limit` bytes; more is an error, never more memory. So is anything behind the
    /// stream: a block has no room that nothing reads.
    pub(super) fn expand(self, block: &[u8], limit: usize) -> Result<Vec<u8>, String> {
        match self {
            Self::Zstd => {
                check_frame(block)?;
                let mut out = Vec::with_capacity(limit);
                zstd::bulk::Decompressor::new()
                    .and_then(|mut context| context.decompress_to_buffer(block, &mut out))
                    .map_err(|error| format!("expected a zstd frame, found: {error}"))?;
                Ok(out)
            }
            Self::Gzip => {
                // One byte of room more tells a stream that ends at the limit from a longer one.
                let mut out = Vec::with_capacity(limit + 1);
                let mut stream = Decompress::new(true);
                let status = stream
                    .decompress_vec(block, &mut out, FlushDecompress::Finish)
                    .map_err(|error| format!("expected a zlib stream, found: {error}"))?;
                let behind = (block.len() as u64).saturating_sub(stream.total_in());
                match status {
                    Status::StreamEnd if behind != 0 => {
                        Err(format!("expected one zlib stream, found {behind} bytes behind it"))
                    }
                    Status::StreamEnd if out.len() <= limit => Ok(out),
                    _ => Err(format!("expected a zlib stream of at most {limit} bytes")),
                }
            }
        }
    }
}

/// One frame and no more: a decoder skips frames that hold no data, and bits that it does not know
/// (RFC 8878, sections 3.1.1.1.1 and 3.1.2).
fn check_frame(block: &[u8]) -> Result<(), String> {
    const UNUSED_AND_RESERVED: u8 = 0b1_1000;
    let [0x28, 0xb5, 0x2f, 0xfd, descriptor, ..] = block else {
        return Err("expected a zstd frame, found none".into());
    };
    if descriptor & UNUSED_AND_RESERVED != 0 {
        return Err(format!("expected no unused bits in a zstd frame, found {descriptor:#04x}"));
    }
    let len = zstd::zstd_safe::find_frame_compressed_size(block)
        .map_err(|code| format!("expected a zstd frame, found: {}", error_name(code)))?;
    if len != block.len() {
        let behind = block.len().saturating_sub(len);
        return Err(format!("expected one zstd frame, found {behind} bytes behind it"));
    }
    Ok(())
}

fn error_name(code: usize) -> &'static str {
    zstd::zstd_safe::get_error_name(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text-like blocks of 128 KiB that differ from each other.
    fn blocks() -> Vec<Vec<u8>> {
        let words: Vec<String> = (0..4000u64).map(|n| format!("{:x} ", n * n * 7919)).collect();
        (0..4usize)
            .map(|seed| {
                let picks = (0..).scan(seed, |state, _: u32| {
                    *state = (*state * 6_364_136 + 1_442_695) % 1_000_003;
                    Some(words[*state % words.len()].as_bytes())
                });
                picks.flatten().copied().take(1 << 17).collect()
            })
            .collect()
    }

    #[test]
    fn the_past_of_a_context_does_not_change_the_bytes() {
        let blocks = blocks();
        let levels = (1..=15).map(|level| Compression::Zstd { level });
        for compression in levels.chain([Compression::Gzip { level: 9 }]) {
            let reused = Encoder::new(compression).unwrap();
            for block in &blocks {
                let (mut first, mut second) = (Vec::new(), Vec::new());
                assert!(Encoder::new(compression).unwrap().shrink(block, &mut first).unwrap());
                assert!(reused.shrink(block, &mut second).unwrap());
                assert!(first == second, "{compression:?}");
                let decoder = match compression {
                    Compression::Zstd { .. } => Decoder::Zstd,
                    Compression::Gzip { .. } => Decoder::Gzip,
                };
                assert!(decoder.expand(&first, block.len()).unwrap() == *block);
                assert!(decoder.expand(&first, block.len() - 1).is_err());
                let padded = [first.as_slice(), b"hidden"].concat();
                assert!(decoder.expand(&padded, block.len()).is_err());
            }
        }
    }

    #[test]
    fn noise_is_not_shrunk_and_levels_are_checked() {
        let mut state = 1u32;
        let noise: Vec<u8> = (0..5000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_le_bytes()[3]
            })
            .collect();
        for compression in [Compression::Zstd { level: 3 }, Compression::Gzip { level: 9 }] {
            let encoder = Encoder::new(compression).unwrap();
            assert!(!encoder.shrink(&noise, &mut Vec::new()).unwrap());
        }
        assert!(Encoder::new(Compression::Zstd { level: 23 }).is_err());
        assert!(Encoder::new(Compression::Gzip { level: 0 }).is_err());
    }
}
