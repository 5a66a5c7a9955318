//! The Authenticode digest: what Secure Boot verifies and firmware extends into PCR 4.
//!
//! The digest covers the file without `CheckSum`, the certificate table's data directory and the
//! table itself: headers, sections by their place in the file, then what lies behind them. Firmware
//! (`HashPeImage` of EDK2) takes the bytes behind the sections from the *sum* of what it hashed,
//! not from where the last section ends, and so does this module. A table that is not the end of
//! the file is refused: tools disagree about what is signed then. Signing tools pad an unsigned
//! file to 8 bytes first, which changes its digest; this module digests the file as it is.
//!
//! Standard: "Windows Authenticode Portable Executable Signature Format", "Calculating the PE Image
//! Hash". Oracle: the `authenticode` crate.

use std::ops::Range;

use sha2::Digest;
use sha2::digest::Output;

use super::{Error, Headers};
use crate::source::Source;
use crate::stream;

/// The Authenticode digest of an image.
///
/// # Errors
/// As [`digested_ranges`] and [`Headers::read`]; [`Error::Io`] when the image can't be read.
///
/// ```
/// use cvmkit_formats::pe::authenticode;
/// let not_an_image = b"MZ".to_vec();
/// assert!(authenticode::digest::<sha2::Sha256, _>(&not_an_image).is_err());
/// ```
pub fn digest<D: Digest, S: Source + ?Sized>(image: &S) -> Result<Output<D>, Error> {
    let mut state = D::new();
    for range in digested_ranges(&Headers::read(image)?)? {
        stream::each_piece(image, range, |_, bytes| {
            state.update(bytes);
            Ok(())
        })
        .map_err(|source| Error::Io { role: "digesting a PE image", source })?;
    }
    Ok(state.finalize())
}

/// The parts of the file that the digest covers, in its order.
///
/// # Errors
/// [`Error::Unsupported`] if the certificate table is not the end of the file, or sections overlap
/// so much that more is hashed than the file holds.
pub fn digested_ranges(headers: &Headers) -> Result<Vec<Range<u64>>, Error> {
    let checksum = headers.checksum_offset();
    let end_of_headers = u64::from(headers.optional.headers_size.get());
    let mut ranges = Vec::new();
    ranges.push(0..checksum);
    match headers.certificate_directory_offset() {
        Some(directory) => {
            ranges.push(checksum + 4..directory);
            ranges.push(directory + 8..end_of_headers);
        }
        None => ranges.push(checksum + 4..end_of_headers),
    }

    let mut sections: Vec<Range<u64>> = headers
        .sections
        .iter()
        .filter(|section| section.raw_size != 0)
        .map(|section| section.raw_range())
        .collect();
    sections.sort_by_key(|range| range.start);
    let hashed = sections.iter().fold(end_of_headers, |sum, range| sum + range.end - range.start);
    ranges.append(&mut sections);

    let end = match &headers.certificates {
        Some(table) if table.end != headers.len => {
            let why = format!("they end at {:#x} of {:#x}", table.end, headers.len);
            return Err(Error::Unsupported { what: "certificates before the end", why });
        }
        Some(table) => table.start,
        None => headers.len,
    };
    if hashed > end {
        let why = format!("{hashed} bytes in headers and sections of {end}");
        return Err(Error::Unsupported { what: "sections that overlap", why });
    }
    ranges.push(hashed..end);
    Ok(ranges)
}
