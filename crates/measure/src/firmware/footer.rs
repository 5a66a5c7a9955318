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
