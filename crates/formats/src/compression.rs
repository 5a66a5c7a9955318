//! Decompression of what an archive publishes: indices and package members.
//!
//! The contract: one stream, decoded to its end, its checksum verified, nothing behind it, never
//! more output than the caller's limit and never more decoder memory than [`XZ_MEMORY`] or a window
//! of 2^[`ZSTD_WINDOW_LOG`] bytes. [`reader`] takes one stream, as archives of packages have it;
//! [`members`] takes one behind the other, as `pigz`, `pxz` and registries of containers write them.
//! Deliberately absent: bzip2 and lzma-alone, which dpkg still reads but no supported archive ships, and
//! every encoder. The oracles are `xz`, `gzip`, `zstd` (through real packages) and apt.

use std::io::{self, BufRead, Read};

use thiserror::Error;

/// The most memory an xz stream may ask for: 128 MiB, above the 65 MiB of `xz -9` (xz(1)).
pub const XZ_MEMORY: u64 = 128 << 20;

/// The largest window a zstd frame may ask for, as a power of two: 128 MiB, what the reference
/// decoder accepts by default and what `zstd --ultra -22` uses (zstd(1), RFC 8878 3.1.1.1.2).
pub const ZSTD_WINDOW_LOG: u32 = 27;

/// How a member or an index is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not compressed: bytes pass as they are.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// xz (the .xz file format 1.2.0).
    Xz,
    /// zstd (RFC 8878).
    Zstd,
}

impl Compression {
    /// By the ending of a name: `.gz`, `.xz`, `.zst` or none of a compressor.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        match name.rsplit_once('.') {
            Some((_, "gz")) => Self::Gzip,
            Some((_, "xz")) => Self::Xz,
            Some((_, "zst")) => Self::Zstd,
            _ => Self::None,
        }
    }

    /// By the first bytes of a file: the magic numbers of gzip (RFC 1952, 2.3.1), xz (the .xz file format
    /// 1.2.0, 2.1.1.1) and zstd, whose frames may have a skippable one in front (RFC 8878, 3.1.1 and 3.1.2).
    #[must_use]
    pub fn of_start(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// Why a compressed stream was refused. Readers carry it inside their [`io::Error`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressionError {
    /// The stream does not decode: bad magic, bad checksum, truncated, too much memory asked for.
    #[error("the {format} stream does not decode: {why}")]
    Corrupt {
        /// Name of the format, such as `xz`.
        format: &'static str,
        /// What the decoder said.
        why: String,
    },
    /// Bytes after the end of the stream.
    #[error("{len} bytes follow the end of the {format} stream")]
    Trailing {
        /// Name of the format, such as `xz`.
        format: &'static str,
        /// Number of the bytes.
        len: usize,
    },
    /// More output than allowed.
    #[error("the stream decodes to more than the limit of {limit} bytes")]
    TooLarge {
        /// The most bytes that the caller wants.
        limit: u64,
    },
}

impl CompressionError {
    /// The refusal inside an error that a reader of this module answered, if it is one.
    #[must_use]
    pub fn inside(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<CompressionError> for io::Error {
    fn from(error: CompressionError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// A reader of the decompressed bytes, at most `limit` of them. Its errors carry a
/// [`CompressionError`].
///
/// # Errors
/// [`CompressionError::Corrupt`] if the decoder can't be set up.
pub fn reader(
    bytes: &[u8],
    compression: Compression,
    limit: u64,
) -> Result<Box<dyn Read + Send + '_>, CompressionError> {
    if bytes.is_empty() && compression != Compression::None {
        return Err(corrupt("compressed", &"it is empty"));
    }
    let decoder: Box<dyn Decoder + Send + '_> = match compression {
        Compression::Gzip => Box::new(flate2::bufread::GzDecoder::new(bytes)),
        other => decoder(bytes, other, 0)?,
    };
    Ok(Box::new(Limited { decoder, limit, left: limit }))
}

/// As [`reader`], of a stream that is not in memory, which may be several of its format one behind the other.
///
/// # Errors
/// [`CompressionError::Corrupt`] if the decoder can't be set up.
pub fn members<'a>(
    stream: impl BufRead + Send + 'a,
    compression: Compression,
    limit: u64,
) -> Result<Box<dyn Read + Send + 'a>, CompressionError> {
    let decoder = decoder(stream, compression, liblzma::stream::CONCATENATED)?;
    Ok(Box::new(Limited { decoder, limit, left: limit }))
}

/// The decoder of a stream: of gzip all members, of xz as `flags` say.
fn decoder<'a, R: BufRead + Send + 'a>(
    stream: R,
    compression: Compression,
    flags: u32,
) -> Result<Box<dyn Decoder + Send + 'a>, CompressionError> {
    Ok(match compression {
        Compression::None => Box::new(Plain(stream)),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(stream)),
        Compression::Xz => {
            let decoder = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, flags);
            let decoder = decoder.map_err(|error| corrupt("xz", &error))?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(stream, decoder))
        }
        Compression::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(stream);
            let mut decoder = decoder.map_err(|error| corrupt("zstd", &error))?;
            let window = decoder.window_log_max(ZSTD_WINDOW_LOG);
            window.map_err(|error| corrupt("zstd", &error))?;
            Box::new(decoder)
        }
    })
}

/// Decompresses into memory.
///
/// # Errors
/// [`CompressionError`].
pub fn decompress(
    bytes: &[u8],
    compression: Compression,
    limit: u64,
) -> Result<Vec<u8>, CompressionError> {
    let mut decoded = Vec::new();
    match reader(bytes, compression, limit)?.read_to_end(&mut decoded) {
        Ok(_) => Ok(decoded),
        Err(error) => Err(match CompressionError::inside(&error) {
            Some(inside) => inside.clone(),
            None => corrupt("compressed", &error),
        }),
    }
}

fn corrupt(format: &'static str, error: &dyn std::fmt::Display) -> CompressionError {
    CompressionError::Corrupt { format, why: error.to_string() }
}

/// A decoder that knows what it has not consumed.
trait Decoder: Read {
    fn format(&self) -> &'static str;
    /// How many bytes there are behind the end of the stream, as far as they were read.
    fn rest(&mut self) -> io::Result<usize>;
}

struct Plain<R>(R);

impl<R: BufRead> Read for Plain<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<R: BufRead> Decoder for Plain<R> {
    fn format(&self) -> &'static str {
        "plain"
    }

    fn rest(&mut self) -> io::Result<usize> {
        Ok(self.0.fill_buf()?.len())
    }
}

impl<R: BufRead> Decoder for flate2::bufread::GzDecoder<R> {
    fn format(&self) -> &'static str {
        "gzip"
    }

    fn rest(&mut self) -> io::Result<usize> {
        Ok(self.get_mut().fill_buf()?.len())
    }
}

impl<R: BufRead> Decoder for flate2::bufread::MultiGzDecoder<R> {
    fn format(&self) -> &'static str {
        "gzip"
    }

    fn rest(&mut self) -> io::Result<usize> {
        Ok(self.get_mut().fill_buf()?.len())
    }
}

impl<R: BufRead> Decoder for liblzma::bufread::XzDecoder<R> {
    fn format(&self) -> &'static str {
        "xz"
    }

    fn rest(&mut self) -> io::Result<usize> {
        Ok(self.get_mut().fill_buf()?.len())
    }
}

impl<R: BufRead> Decoder for zstd::stream::read::Decoder<'_, R> {
    fn format(&self) -> &'static str {
        "zstd"
    }

    fn rest(&mut self) -> io::Result<usize> {
        Ok(self.get_mut().fill_buf()?.len())
    }
}

/// Ends a stream at its limit, and refuses what follows its end.
struct Limited<'a> {
    decoder: Box<dyn Decoder + Send + 'a>,
    limit: u64,
    left: u64,
}

impl Read for Limited<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let format = self.decoder.format();
        let len = match self.decoder.read(buf) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(corrupt(format, &error).into()),
        };
        if len == 0 {
            let rest = self.decoder.rest()?;
            if rest > 0 {
                return Err(CompressionError::Trailing { format, len: rest }.into());
            }
        }
        let left = u64::try_from(len).ok().and_then(|len| self.left.checked_sub(len));
        self.left = left.ok_or(CompressionError::TooLarge { limit: self.limit })?;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn compressed(bytes: &[u8]) -> [(Compression, Vec<u8>); 3] {
        [
            (Compression::Gzip, gzip(bytes)),
            (Compression::Xz, liblzma::encode_all(bytes, 1).unwrap()),
            (Compression::Zstd, zstd::encode_all(bytes, 1).unwrap()),
        ]
    }

    #[test]
    fn whole_streams_decode_up_to_the_limit() {
        let text = vec![b'x'; 100_000];
        for (compression, bytes) in compressed(&text) {
            assert_eq!(decompress(&bytes, compression, 100_000).as_ref(), Ok(&text));
            let error = decompress(&bytes, compression, 99_999).unwrap_err();
            assert_eq!(error, CompressionError::TooLarge { limit: 99_999 }, "{compression:?}");
        }
        assert_eq!(decompress(&text, Compression::None, 100_000).as_ref(), Ok(&text));
        assert!(decompress(&text, Compression::None, 99_999).is_err());
    }

    #[test]
    fn truncated_altered_and_trailing_bytes_are_refused() {
        let text: Vec<u8> = (0..50_000u32).flat_map(u32::to_le_bytes).collect();
        for (compression, bytes) in compressed(&text) {
            for len in [0, 1, 5, bytes.len() / 2, bytes.len() - 1] {
                let error = decompress(&bytes[..len], compression, 1 << 20);
                assert!(
                    matches!(error, Err(CompressionError::Corrupt { .. })),
                    "{compression:?} {len} {error:?}"
                );
            }
            let trailing = [&bytes[..], b"tail"].concat();
            assert!(decompress(&trailing, compression, 1 << 20).is_err(), "{compression:?}");
        }
        for at in [40, 400] {
            let mut altered = liblzma::encode_all(&text[..], 1).unwrap();
            altered[at] ^= 1;
            assert!(decompress(&altered, Compression::Xz, 1 << 20).is_err());
        }
    }

    /// `cat a.gz b.gz` is what parallel compressors write; a package has one stream.
    #[test]
    fn streams_behind_each_other_are_one_only_where_it_is_asked_for() {
        for (compression, bytes) in compressed(b"half") {
            let twice = [&bytes[..], &bytes].concat();
            let mut decoded = Vec::new();
            members(&twice[..], compression, 8).unwrap().read_to_end(&mut decoded).unwrap();
            assert_eq!(decoded, b"halfhalf", "{compression:?}");
            let more = members(&twice[..], compression, 7).unwrap().read_to_end(&mut decoded);
            assert!(CompressionError::inside(&more.unwrap_err()).is_some(), "{compression:?}");
            let trailing = [&bytes[..], b"tail, and more"].concat();
            let read = members(&trailing[..], compression, 99).unwrap().read_to_end(&mut decoded);
            assert!(read.is_err(), "{compression:?}");
            for len in [0, 1, bytes.len() - 1] {
                let short = members(&bytes[..len], compression, 99).unwrap();
                assert!({ short }.read_to_end(&mut decoded).is_err(), "{compression:?} {len}");
            }
            assert_eq!(Compression::of_start(&bytes), compression);
            assert!(
                compression == Compression::Zstd
                    || reader(&twice, compression, 99)
                        .is_ok_and(|mut reader| reader.read_to_end(&mut decoded).is_err()),
                "{compression:?}"
            );
        }
        assert_eq!(Compression::of_start(b"./\0"), Compression::None);
        assert_eq!(Compression::of_start(&[0x5a, 0x2a, 0x4d, 0x18, 0]), Compression::Zstd);
    }

    #[test]
    fn names() {
        assert_eq!(Compression::of_name("Packages.xz"), Compression::Xz);
        assert_eq!(Compression::of_name("data.tar.zst"), Compression::Zstd);
        assert_eq!(Compression::of_name("control.tar.gz"), Compression::Gzip);
        assert_eq!(Compression::of_name("Packages"), Compression::None);
    }
}
