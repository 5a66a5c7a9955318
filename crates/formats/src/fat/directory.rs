//! Decodes the entries of a directory and their long names.

use zerocopy::FromBytes;

use super::Error;
use super::spec::{
    ATTR_DIRECTORY, ATTR_LONG_NAME, ATTR_VOLUME_ID, DirEntry, LAST_LONG_ENTRY, LONG_UNITS,
    LongEntry, short_name_checksum,
};

/// Where a directory is: its first cluster and that of its parent, 0 for the root.
pub(super) struct Place {
    pub(super) is_root: bool,
    pub(super) cluster: u64,
    pub(super) parent: u64,
}

/// A file or directory that a directory names.
#[derive(Debug)]
pub(super) struct Found {
    /// Its long name, or else its short one.
    pub(super) name: Vec<u8>,
    pub(super) entry: DirEntry,
}

/// Parts of a long name, as they come before the entry they belong to.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    /// The order of the part that must come next; 0 when the entry must.
    expected: u8,
    checksum: u8,
}

impl LongName {
    fn push(&mut self, part: &LongEntry) -> Result<(), String> {
        let order = part.order & !LAST_LONG_ENTRY;
        if part.order & LAST_LONG_ENTRY != 0 {
            if !self.units.is_empty() || !(1..=20).contains(&order) {
                return Err(format!("long name part {:#x} begins a name", part.order));
            }
            *self = Self { units: Vec::new(), expected: order, checksum: part.checksum };
        }
        if order == 0 || order != self.expected {
            return Err(format!("expected long name part {}, found {order}", self.expected));
        }
        if part.checksum != self.checksum {
            return Err("the parts of a long name have different checksums".into());
        }
        // Parts come last first.
        self.units.splice(0..0, part.units());
        self.expected -= 1;
        Ok(())
    }

    /// The name, if it belongs to the entry that follows.
    fn take(&mut self, short: &[u8; 11]) -> Result<Option<Vec<u8>>, String> {
        let Self { units, expected, checksum } = std::mem::take(self);
        if units.is_empty() {
            return Ok(None);
        }
        if expected != 0 || checksum != short_name_checksum(short) {
            return Err("a long name does not belong to its entry".into());
        }
        let end = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
        let (name, padding) = units.split_at(end);
        let padded = padding.iter().skip(1).all(|&unit| unit == 0xffff);
        if name.is_empty() || padding.len() > LONG_UNITS || !padded {
            return Err("a long name is not padded by one NUL and ffff".into());
        }
        let text = String::from_utf16(name).map_err(|_| "a long name is not UTF-16")?;
        Ok(Some(text.into_bytes()))
    }
}

/// The entries of a directory: long names joined to the short entries they belong to, labels and
/// deleted entries left out, `.` and `..` checked.
///
/// # Errors
/// [`Error::Corrupt`] at `at`.
pub(super) fn decode(raw: &[u8], at: u64, directory: &Place) -> Result<Vec<Found>, Error> {
    let refused = |why: String| Error::corrupt("directory", at, why);
    let mut found = Vec::new();
    let mut long = LongName::default();
    let mut dots = 0u8;
    let is_root = directory.is_root;
    for slot in raw.as_chunks::<32>().0 {
        match slot {
            [0, ..] => break,
            // A deleted entry.
            [0xe5, ..] => continue,
            _ => {}
        }
        let entry = DirEntry::read_from_bytes(slot).map_err(|_| refused("too short".into()))?;
        if entry.attributes & 0x3f == ATTR_LONG_NAME {
            let part = LongEntry::read_from_bytes(slot).map_err(|_| refused("too short".into()))?;
            long.push(&part).map_err(refused)?;
            continue;
        }
        let alias = long.take(&entry.name).map_err(refused)?;
        if entry.attributes & ATTR_VOLUME_ID != 0 {
            if !is_root || alias.is_some() {
                return Err(refused("a volume label outside the root".into()));
            }
            continue;
        }
        let dot = match &entry.name {
            b".          " => Some(directory.cluster),
            b"..         " => Some(directory.parent),
            _ => None,
        };
        if let Some(expected) = dot {
            if is_root
                || entry.first_cluster() != expected
                || entry.attributes & ATTR_DIRECTORY == 0
            {
                return Err(refused("`.` or `..` is not the directory or its parent".into()));
            }
            dots += 1;
            continue;
        }
        let name = alias.map_or_else(|| short_text(&entry.name), Ok).map_err(refused)?;
        found.push(Found { name, entry });
    }
    if !is_root && dots != 2 {
        return Err(refused(format!("expected `.` and `..`, found {dots} of them")));
    }
    Ok(found)
}

/// The text of a short name: `BOOTX64 EFI` is `BOOTX64.EFI`.
fn short_text(name: &[u8; 11]) -> Result<Vec<u8>, String> {
    if !name.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return Err(format!("the short name {name:02x?} is not ASCII"));
    }
    let (base, extension) = name.split_at(8);
    let mut text = base.trim_ascii_end().to_vec();
    let extension = extension.trim_ascii_end();
    if !extension.is_empty() {
        text.push(b'.');
        text.extend_from_slice(extension);
    }
    Ok(text)
}

/// The time of the last change, seconds since 1970-01-01 UTC; fields out of range count as they
/// are.
pub(super) fn seconds(entry: &DirEntry) -> i64 {
    let (date, time) = (i64::from(entry.written_date.get()), i64::from(entry.written_time.get()));
    let (years, month, day) = (date >> 9, (date >> 5 & 15).clamp(1, 12), (date & 31).max(1));
    let is_leap = years % 4 == 0 && years != 120;
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let month_days = usize::try_from(month - 1).ok().and_then(|at| before.get(at)).unwrap_or(&0);
    let leap_days = (years + 3) / 4 - i64::from(years > 120) + i64::from(is_leap && month > 2);
    let days = 3652 + years * 365 + leap_days + month_days + day - 1;
    days * 86_400 + (time >> 11) * 3600 + (time >> 5 & 63) * 60 + (time & 31) * 2
}
