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

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros as _;

    use super::*;
    use crate::pe::Section;
    use crate::pe::spec::{FileHeader, OptionalHeader};

    /// Headers at byte 0x40 of an image, up to 0x200 of it, with sections at these places.
    fn headers(len: u64, directories: u32, sections: &[(u32, u32)]) -> Headers {
        let mut optional = OptionalHeader::new_zeroed();
        optional.headers_size.set(0x200);
        optional.directories.set(directories);
        let section = |&(raw_offset, raw_size): &(u32, u32)| Section {
            name: ".text".into(),
            virtual_size: 0,
            virtual_address: 0,
            raw_size,
            raw_offset,
            characteristics: 0,
        };
        Headers {
            len,
            file_header_offset: 0x44,
            file: FileHeader::new_zeroed(),
            optional,
            certificates: None,
            sections: sections.iter().map(section).collect(),
        }
    }

    /// "Calculating the PE Image Hash", steps 3 to 14: CheckSum at 0x58 + 64, the certificate table's
    /// directory at 0x58 + 144.
    #[test]
    fn the_checksum_and_the_certificates_are_left_out() {
        let ranges = |headers: &Headers| digested_ranges(headers).unwrap();
        let front = [0..0x98, 0x9c..0xe8, 0xf0..0x200];
        let unsigned = headers(0x700, 16, &[(0x400, 0x200), (0, 0), (0x200, 0x200)]);
        let behind = [0x200..0x400, 0x400..0x600, 0x600..0x700];
        assert_eq!(ranges(&unsigned), [&front[..], &behind].concat());

        let mut signed = unsigned.clone();
        signed.certificates = Some(0x6f0..0x700);
        let behind = [0x200..0x400, 0x400..0x600, 0x600..0x6f0];
        assert_eq!(ranges(&signed), [&front[..], &behind].concat());

        let without_directory = headers(0x200, 4, &[]);
        assert_eq!(ranges(&without_directory), [0..0x98, 0x9c..0x200, 0x200..0x200]);
    }

    /// `HashPeImage` counts what it hashed: a gap between sections shifts what comes behind.
    #[test]
    fn what_lies_behind_the_sections_begins_at_their_sum() {
        let gap = headers(0x900, 16, &[(0x400, 0x200)]);
        let ranges = digested_ranges(&gap).unwrap();
        assert_eq!(ranges[3..], [0x400..0x600, 0x400..0x900]);
    }

    #[test]
    fn images_whose_digest_tools_disagree_about_are_refused() {
        let mut early = headers(0x700, 16, &[]);
        early.certificates = Some(0x600..0x6f8);
        assert_eq!(
            digested_ranges(&early).unwrap_err().to_string(),
            "PE certificates before the end: they end at 0x6f8 of 0x700"
        );
        let overlap = headers(0x5ff, 16, &[(0x200, 0x200), (0x200, 0x200)]);
        assert_eq!(
            digested_ranges(&overlap).unwrap_err().to_string(),
            "PE sections that overlap: 1536 bytes in headers and sections of 1535"
        );
        assert!(digested_ranges(&headers(0x600, 16, &[(0x200, 0x200); 2])).is_ok());
    }
}
