//! The variables in a `VARS.fd`: the authenticated variable store that OVMF keeps in flash.
//!
//! The contract: the newest valid value of each variable, as firmware would find it at its start.
//! Nothing is verified, and a store that was caught in the middle of an update or of reclaiming
//! space is read without that repair. Deliberately absent: writing, the older store without
//! authentication. Oracle: `virt-fw-vars`, and what OVMF then measures.
//!
//! Standard: Platform Initialization 1.8, volume 3, section 3.2.1 (firmware volume); EDK2,
//! `MdeModulePkg/Include/Guid/VariableFormat.h` (store).

use std::collections::BTreeMap;

use thiserror::Error;

use crate::guid::{GUID_LEN, Guid};

/// `gEfiSystemNvDataFvGuid`: the file system of a volume that keeps variables.
const NV_DATA: Guid = Guid::new(0xfff12b8d_7696_4c8b_a985_2747075b4f50);

/// `gEfiAuthenticatedVariableGuid`: the signature of the store.
const AUTHENTICATED: Guid = Guid::new(0xaaf32c78_947b_439a_a180_2e144ec37792);

/// Bytes of `VARIABLE_STORE_HEADER`: signature, size, format, state, 6 reserved.
const STORE_HEADER: usize = 28;

/// Bytes of `AUTHENTICATED_VARIABLE_HEADER`.
const HEADER: usize = 60;

/// `StartId` of a variable.
const START_ID: u16 = 0x55aa;

/// `VAR_ADDED`: the state of a value in use. Bits are cleared as it goes through its life, and
/// `VAR_IN_DELETED_TRANSITION` (0xfe) is cleared while its successor is written.
const ADDED: u8 = 0x3f;
const IN_DELETED_TRANSITION: u8 = 0x3e;

/// Why the bytes were refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The file does not start with such a volume.
    #[error("no variable store at byte {at:#x}: expected {what}")]
    NoStore {
        /// Byte offset in the file.
        at: usize,
        /// What must be at that offset.
        what: &'static str,
    },
    /// A variable leaves the store.
    #[error("variable at byte {at:#x}: its {what} leaves the store")]
    Leaves {
        /// Offset of the variable in the store.
        at: usize,
        /// The part that leaves it: name or data.
        what: &'static str,
    },
}

/// Variables by vendor and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<(Guid, String), Vec<u8>>);

impl Variables {
    /// Reads a `VARS.fd`, or a whole flash image that starts with one.
    ///
    /// # Errors
    /// [`Error::NoStore`] and [`Error::Leaves`].
    pub fn read(flash: &[u8]) -> Result<Self, Error> {
        let store = find_store(flash)?;
        let mut variables = BTreeMap::new();
        let mut at = STORE_HEADER;
        while let Some(header) = Header::read(store, at) {
            let (name, data, end) = header.contents(store, at)?;
            if matches!(header.state, ADDED | IN_DELETED_TRANSITION) {
                let place = (header.vendor, name);
                // A value in transition has lost to a successor, wherever that lies.
                if header.state == ADDED || !variables.contains_key(&place) {
                    variables.insert(place, data.to_vec());
                }
            }
            at = end.next_multiple_of(4);
        }
        Ok(Self(variables))
    }

    /// The data of a variable, if it is set.
    #[must_use]
    pub fn get(&self, vendor: Guid, name: &str) -> Option<&[u8]> {
        self.0.get(&(vendor, name.to_owned())).map(Vec::as_slice)
    }

    /// All of them: vendor, name, data.
    pub fn iter(&self) -> impl Iterator<Item = (Guid, &str, &[u8])> {
        self.0.iter().map(|((vendor, name), data)| (*vendor, name.as_str(), data.as_slice()))
    }
}

/// The store behind the volume's header (PI 1.8, volume 3, section 3.2.1.1: file system GUID at
/// 16, `HeaderLength` at 48).
fn find_store(flash: &[u8]) -> Result<&[u8], Error> {
    let refused = |at, what| Error::NoStore { at, what };
    let volume = flash.get(16..).and_then(|rest| rest.first_chunk());
    if volume.is_none_or(|guid| Guid(*guid) != NV_DATA) {
        return Err(refused(16, "the GUID of a volume with variables"));
    }
    let header_len = flash.get(48..).and_then(|rest| rest.first_chunk());
    let start = usize::from(header_len.map_or(0, |len| u16::from_le_bytes(*len)));
    let store = flash.get(start..).unwrap_or_default();
    if store.first_chunk().is_none_or(|guid| Guid(*guid) != AUTHENTICATED) {
        return Err(refused(start, "the GUID of authenticated variables"));
    }
    let size = word(store, GUID_LEN).ok_or(refused(start, "a size"))?;
    store.get(..size).ok_or(refused(start, "as many bytes as it says"))
}

/// `AUTHENTICATED_VARIABLE_HEADER`, the fields that matter.
struct Header {
    state: u8,
    name_len: usize,
    data_len: usize,
    vendor: Guid,
}

impl Header {
    /// The header at an offset; none behind the last variable.
    fn read(store: &[u8], at: usize) -> Option<Self> {
        let bytes: &[u8; HEADER] = store.get(at..)?.first_chunk()?;
        if bytes.first_chunk().map(|id| u16::from_le_bytes(*id)) != Some(START_ID) {
            return None;
        }
        Some(Self {
            state: *bytes.get(2)?,
            name_len: word(bytes, 36)?,
            data_len: word(bytes, 40)?,
            vendor: Guid(*bytes.get(44..)?.first_chunk()?),
        })
    }

    /// Name, data, and where they end.
    fn contents<'a>(&self, store: &'a [u8], at: usize) -> Result<(String, &'a [u8], usize), Error> {
        let part = |start: usize, len: usize, what| {
            let end = start.checked_add(len).ok_or(Error::Leaves { at, what })?;
            store.get(start..end).map(|part| (part, end)).ok_or(Error::Leaves { at, what })
        };
        let (name, name_end) = part(at + HEADER, self.name_len, "name")?;
        let (data, end) = part(name_end, self.data_len, "data")?;
        let units = name.chunks_exact(2).filter_map(|unit| unit.first_chunk());
        let units = units.map(|unit| u16::from_le_bytes(*unit)).take_while(|&unit| unit != 0);
        let name = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok((name.collect(), data, end))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*field)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VENDOR: Guid = Guid::new(7);

    fn variable(state: u8, name: &str, data: &[u8]) -> Vec<u8> {
        let name: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let mut bytes = vec![0; HEADER];
        bytes[..3].copy_from_slice(&[0xaa, 0x55, state]);
        bytes[36..40].copy_from_slice(&u32::try_from(name.len()).unwrap().to_le_bytes());
        bytes[40..44].copy_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
        bytes[44..].copy_from_slice(&VENDOR.0);
        bytes.extend([&name, data].concat());
        bytes.resize(bytes.len().next_multiple_of(4), 0xff);
        bytes
    }

    fn flash(variables: &[Vec<u8>]) -> Vec<u8> {
        let mut volume = vec![0; 72];
        volume[16..32].copy_from_slice(&NV_DATA.0);
        volume[48] = 72;
        let mut store = [AUTHENTICATED.0.to_vec(), vec![0; 12], variables.concat()].concat();
        store.resize(store.len() + 64, 0xff);
        let size = u32::try_from(store.len()).unwrap();
        store[16..20].copy_from_slice(&size.to_le_bytes());
        [volume, store].concat()
    }

    #[test]
    fn the_newest_value_counts_and_deleted_ones_do_not() {
        let flash = flash(&[
            variable(0x3c, "gone", b"x"),
            variable(ADDED, "kept", b"value"),
            variable(IN_DELETED_TRANSITION, "kept", b"older"),
            variable(IN_DELETED_TRANSITION, "alone", b"1"),
        ]);
        let variables = Variables::read(&flash).unwrap();
        let all: Vec<_> = variables.iter().map(|(_, name, data)| (name, data)).collect();
        assert_eq!(all, [("alone", &b"1"[..]), ("kept", b"value")]);
        assert_eq!(variables.get(Guid::new(8), "kept"), None);
    }

    #[test]
    fn bytes_that_are_no_store_are_refused() {
        let whole = flash(&[variable(ADDED, "kept", b"value")]);
        for cut in 0..whole.len() {
            Variables::read(&whole[..cut]).unwrap_err();
        }
        let mut long = variable(ADDED, "kept", b"value");
        long[43] = 0xff;
        assert_eq!(
            Variables::read(&flash(&[long])).unwrap_err().to_string(),
            "variable at byte 0x1c: its data leaves the store"
        );
    }
}
