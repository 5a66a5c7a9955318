//! The GUIDed table at the end of the image.
//!
//! It is read backwards. Each entry is `data | size u16 | guid`, where `size` counts all three. The
//! entry of the footer GUID comes first and its size counts the whole table, itself included.

use std::collections::BTreeMap;

use super::{Error, TABLE_FOOTER_GUID};
use crate::guid::{GUID_LEN, Guid};

/// The table ends this many bytes before the image does: the reset vector code follows it
/// (edk2 `ResetVectorVtf0.asm`).
const BYTES_AFTER_TABLE: usize = 32;

/// `size u16 | guid`.
const HEADER_LEN: usize = 2 + GUID_LEN;

/// One entry of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// Byte offset of the data in the image.
    pub(super) at: usize,
    pub(super) data: &'a [u8],
}

impl Entry<'_> {
    /// The little-endian number `offset` bytes into the data.
    pub(super) fn u32_at(&self, offset: usize) -> Result<u32, Error> {
        let number = self.data.get(offset..).and_then(<[u8]>::first_chunk);
        number.copied().map(u32::from_le_bytes).ok_or_else(|| Error::CorruptFooterTable {
            at: self.at,
            what: "length of the entry's data",
            expected: format!("at least {} bytes", offset + 4),
            found: format!("{} bytes", self.data.len()),
        })
    }
}

/// Every entry of the table but the footer.
pub(super) fn entries(image: &[u8]) -> Result<BTreeMap<Guid, Entry<'_>>, Error> {
    let none = Error::NoFooterTable { found: Guid([0; GUID_LEN]) };
    let end = image.len().checked_sub(BYTES_AFTER_TABLE).ok_or_else(|| none.clone())?;
    let up_to_footer = image.get(..end).ok_or_else(|| none.clone())?;
    let (above, size, guid) = split_header(up_to_footer).ok_or(none)?;
    if guid != TABLE_FOOTER_GUID {
        return Err(Error::NoFooterTable { found: guid });
    }
    let mut rest = data_of(above, size, above.len())?;
    let start = above.len() - rest.len();
    let mut entries = BTreeMap::new();
    // Fewer bytes than a header are what VMMs skip as well.
    while let Some((above, size, guid)) = split_header(rest) {
        let data = data_of(above, size, start + above.len())?;
        let before = above.len() - data.len();
        let entry = Entry { at: start + before, data };
        if entries.insert(guid, entry).is_some() {
            return Err(Error::CorruptFooterTable {
                at: entry.at,
                what: "entry",
                expected: "each GUID once".to_owned(),
                found: format!("{guid} again"),
            });
        }
        rest = above.get(..before).unwrap_or_default();
    }
    Ok(entries)
}

/// Takes the header off the end: what is above it, its size field, its GUID.
fn split_header(bytes: &[u8]) -> Option<(&[u8], usize, Guid)> {
    let (rest, guid) = bytes.split_last_chunk::<GUID_LEN>()?;
    let (above, size) = rest.split_last_chunk()?;
    Some((above, u16::from_le_bytes(*size).into(), Guid(*guid)))
}

/// The data of an entry: the end of `above`. `header` is the entry header's offset in the image.
fn data_of(above: &[u8], size: usize, header: usize) -> Result<&[u8], Error> {
    let data = size
        .checked_sub(HEADER_LEN)
        .and_then(|len| above.len().checked_sub(len))
        .and_then(|start| above.get(start..));
    data.ok_or_else(|| Error::CorruptFooterTable {
        at: header,
        what: "size of the entry",
        expected: format!("{HEADER_LEN} to {}", above.len() + HEADER_LEN),
        found: size.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Guid = Guid::new(1);
    const TWO: Guid = Guid::new(2);

    /// `data | size u16 | guid`, with the size that is right.
    fn entry(guid: Guid, data: &[u8]) -> Vec<u8> {
        let size = u16::try_from(data.len() + HEADER_LEN).unwrap();
        [data, &size.to_le_bytes(), &guid.0].concat()
    }

    /// An image of 100 bytes, entries, the footer with this size, and the reset vector.
    fn image(entries: &[u8], size: usize) -> Vec<u8> {
        let size = u16::try_from(size).unwrap();
        let footer = [&size.to_le_bytes()[..], &TABLE_FOOTER_GUID.0].concat();
        [&[0xee; 100][..], entries, &footer, &[0; BYTES_AFTER_TABLE]].concat()
    }

    #[test]
    fn entries_are_read_from_the_end() {
        let table = [entry(ONE, b"abcd"), entry(TWO, &[])].concat();
        let image = image(&table, table.len() + HEADER_LEN);
        let found = entries(&image).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), [&ONE, &TWO]);
        assert_eq!((found[&ONE].at, found[&ONE].data), (100, &b"abcd"[..]));
        assert_eq!((found[&TWO].at, found[&TWO].data), (122, &[][..]));
        assert_eq!(found[&ONE].u32_at(0).unwrap(), 0x6463_6261);
        assert_eq!(
            found[&ONE].u32_at(1).unwrap_err().to_string(),
            "corrupt firmware footer table at 0x64: length of the entry's data is 4 bytes, expected \
             at least 5 bytes"
        );
        // Fewer bytes than a header before the first entry are skipped, as VMMs do.
        let padded = [&[7; 17][..], &table].concat();
        let image = self::image(&padded, padded.len() + HEADER_LEN);
        assert_eq!(entries(&image).unwrap().len(), 2);
    }

    #[test]
    fn sizes_that_leave_the_table_are_refused() {
        let table = entry(ONE, b"abcd");
        let small = |size: usize| entries(&image(&table, size)).unwrap_err().to_string();
        let footer = "corrupt firmware footer table at 0x7a: size of the entry is";
        assert_eq!(small(17), format!("{footer} 17, expected 18 to 140"));
        assert_eq!(small(141), format!("{footer} 141, expected 18 to 140"));
        assert!(entries(&image(&table, 18)).unwrap().is_empty());
        // The size of an entry: 17 is no header, 23 is one byte more than there is.
        for size in [17u8, 23] {
            let mut broken = table.clone();
            broken[4] = size;
            let found = entries(&image(&broken, 22 + HEADER_LEN)).unwrap_err().to_string();
            let expected = format!("at 0x68: size of the entry is {size}, expected 18 to 22");
            assert!(found.ends_with(&expected), "{found}");
        }
        let twice = table.repeat(2);
        let found = entries(&image(&twice, twice.len() + HEADER_LEN)).unwrap_err().to_string();
        assert!(found.starts_with("corrupt firmware footer table at 0x64: entry is"), "{found}");
        assert!(found.ends_with("again, expected each GUID once"), "{found}");
    }

    #[test]
    fn images_without_the_table_are_told_what_is_there() {
        for len in [0, 31, 49] {
            let expected = Error::NoFooterTable { found: Guid([0; GUID_LEN]) };
            assert_eq!(entries(&vec![0xee; len]).unwrap_err(), expected, "{len} bytes");
        }
        let found = entries(&[0xee; 50]).unwrap_err();
        assert_eq!(found, Error::NoFooterTable { found: Guid([0xee; GUID_LEN]) });
    }
}
