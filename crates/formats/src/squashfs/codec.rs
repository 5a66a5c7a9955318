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

/// Compresses blocks on any thread; idle contexts are kept for the next block.
pub(super) struct Encoder {
    compression: Compression,
    idle: Mutex<Vec<Context>>,
}

enum Context {
    Zstd(zstd::bulk::Compressor<'static>),
    Gzip(Box<CompressorOxide>),
}

impl Encoder {
    pub(super) fn new(compression: Compression) -> Result<Self, Error> {
        let (option, level, max, expected) = match compression {
            Compression::Zstd { level } => ("the zstd level", level, 22, "1 to 22"),
            Compression::Gzip { level } => ("the gzip level", level, 9, "1 to 9"),
        };
        if level == 0 || level > max {
            return Err(Error::Option { option, expected, found: level.into() });
        }
        Ok(Self { compression, idle: Mutex::new(Vec::new()) })
    }

    /// The compressed form of `block` into `out`, which is cleared; false (and nothing of use in
    /// `out`) if it would not be shorter.
    pub(super) fn shrink(&self, block: &[u8], out: &mut Vec<u8>) -> Result<bool, Error> {
        out.clear();
        let mut context = match self.take() {
            Some(context) => context,
            None => self.context().map_err(Error::Compress)?,
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
        self.give_back(context);
        Ok(shrunk)
    }

    fn context(&self) -> io::Result<Context> {
        Ok(match self.compression {
            Compression::Zstd { level } => {
                Context::Zstd(zstd::bulk::Compressor::new(level.into())?)
            }
            Compression::Gzip { level } => {
                let mut compressor = Box::<CompressorOxide>::default();
                compressor.set_format_and_level(DataFormat::Zlib, level);
                Context::Gzip(compressor)
            }
        })
    }

    fn take(&self) -> Option<Context> {
        self.idle.lock().ok()?.pop()
    }

    fn give_back(&self, context: Context) {
        if matches!(self.compression, Compression::Zstd { level } if level > ZSTD_REUSE_LEVEL_MAX) {
            return;
        }
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(context);
        }
    }
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

    /// At most `limit` bytes; more is an error, never more memory.
    pub(super) fn expand(self, block: &[u8], limit: usize) -> Result<Vec<u8>, String> {
        match self {
            Self::Zstd => {
                let mut out = Vec::with_capacity(limit);
                zstd::bulk::Decompressor::new()
                    .and_then(|mut context| context.decompress_to_buffer(block, &mut out))
                    .map_err(|error| format!("expected a zstd frame, found: {error}"))?;
                Ok(out)
            }
            Self::Gzip => {
                // One byte of room more tells a stream that ends at the limit from a longer one.
                let mut out = Vec::with_capacity(limit + 1);
                let status = Decompress::new(true)
                    .decompress_vec(block, &mut out, FlushDecompress::Finish)
                    .map_err(|error| format!("expected a zlib stream, found: {error}"))?;
                match status {
                    Status::StreamEnd if out.len() <= limit => Ok(out),
                    _ => Err(format!("expected a zlib stream of at most {limit} bytes")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text-like blocks of 128 KiB that differ from each other.
    fn blocks() -> Vec<Vec<u8>> {
        let words: Vec<String> = (0..4000u64).map(|n| format!("{:x} ", n * n * 7919)).collect();
        (0..12usize)
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
