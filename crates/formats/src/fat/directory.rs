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
    let mut dots = [0usize; 2];
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
        let [own, above] = &mut dots;
        let dot = match &entry.name {
            b".          " => Some((directory.cluster, own)),
            b"..         " => Some((directory.parent, above)),
            _ => None,
        };
        if let Some((expected, count)) = dot {
            if is_root
                || entry.first_cluster() != expected
                || entry.attributes & ATTR_DIRECTORY == 0
            {
                return Err(refused("`.` or `..` is not the directory or its parent".into()));
            }
            *count += 1;
            continue;
        }
        let name = alias.map_or_else(|| short_text(&entry.name), Ok).map_err(refused)?;
        found.push(Found { name, entry });
    }
    if !is_root && dots != [1; 2] {
        let [own, above] = dots;
        return Err(refused(format!("expected one `.` and one `..`, found {own} and {above}")));
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

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes as _;

    use super::*;
    use crate::fat::name::assign;

    const ROOT: Place = Place { is_root: true, cluster: 0, parent: 0 };
    const BELOW: Place = Place { is_root: false, cluster: 5, parent: 3 };

    fn short(name: &[u8; 11], attributes: u8, cluster: u16) -> Vec<u8> {
        let mut entry = DirEntry::read_from_bytes(&[0; 32]).unwrap();
        (entry.name, entry.attributes) = (*name, attributes);
        entry.cluster_low.set(cluster);
        entry.as_bytes().to_vec()
    }

    fn dots(own: u16, parent: u16) -> Vec<u8> {
        let dot = short(b".          ", ATTR_DIRECTORY, own);
        [dot, short(b"..         ", ATTR_DIRECTORY, parent)].concat()
    }

    /// A long name in two parts and its short entry, as the writer encodes them.
    fn long() -> Vec<u8> {
        let names = assign(&[b"a long name.txt"]).unwrap().remove(0);
        [names.long_entries(), short(&names.short, 0, 9)].concat()
    }

    fn names(raw: &[u8], place: &Place) -> Result<Vec<String>, String> {
        let found = decode(raw, 0x40, place).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|found| String::from_utf8(found.name).unwrap()).collect())
    }

    fn refusal(raw: &[u8], place: &Place) -> String {
        let found = names(raw, place).unwrap_err();
        found.strip_prefix("FAT directory at byte 0x40: ").unwrap().to_owned()
    }

    #[test]
    fn names_are_read_up_to_the_end_mark() {
        let label = short(b"ESP        ", ATTR_VOLUME_ID, 0);
        let mut deleted = short(b"GONE       ", 0, 0);
        deleted[0] = 0xe5;
        let file = short(b"BOOTX64 EFI", 0x20, 2);
        let end = vec![0; 32];
        let raw = [label, deleted, long(), file.clone(), end, file].concat();
        assert_eq!(names(&raw, &ROOT).unwrap(), ["a long name.txt", "BOOTX64.EFI"]);
        let below = [dots(5, 3), short(b"A          ", 0, 0), short(b"A       B  ", 0, 0)].concat();
        assert_eq!(names(&below, &BELOW).unwrap(), ["A", "A.B"]);
        assert_eq!(names(&[], &ROOT).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn the_dots_name_the_directory_and_its_parent() {
        let wrong = "`.` or `..` is not the directory or its parent";
        let file = |name: &[u8; 11], cluster| short(name, 0, cluster);
        for (raw, place, expected) in [
            (dots(5, 2), &BELOW, wrong),
            (dots(4, 3), &BELOW, wrong),
            (dots(0, 0), &ROOT, wrong),
            (file(b".          ", 5), &BELOW, wrong),
            (vec![], &BELOW, "expected one `.` and one `..`, found 0 and 0"),
            (dots(5, 3)[..32].to_vec(), &BELOW, "expected one `.` and one `..`, found 1 and 0"),
            (dots(5, 3)[..32].repeat(2), &BELOW, "expected one `.` and one `..`, found 2 and 0"),
            // More than a byte can count.
            (dots(5, 3).repeat(256), &BELOW, "expected one `.` and one `..`, found 256 and 256"),
        ] {
            assert_eq!(refusal(&raw, place), expected);
        }
    }

    #[test]
    fn labels_are_of_the_root_and_short() {
        let label = short(b"ESP        ", ATTR_VOLUME_ID, 0);
        let expected = "a volume label outside the root";
        assert_eq!(refusal(&[dots(5, 3), label].concat(), &BELOW), expected);
        let mut long_label = long();
        long_label[64 + 11] = ATTR_VOLUME_ID;
        assert_eq!(refusal(&long_label, &ROOT), expected);
    }

    /// FAT 1.03, "Long Directory Entries": the last part comes first, all of one checksum.
    #[test]
    fn parts_of_a_long_name_that_do_not_belong_together_are_refused() {
        const SECOND: usize = 32;
        const SHORT: usize = 64;
        let changed = |at: usize, value: u8| {
            let mut raw = long();
            raw[at] = value;
            raw
        };
        let rows = [
            (changed(0, 0x40), "long name part 0x40 begins a name"),
            (changed(0, 0x55), "long name part 0x55 begins a name"),
            (changed(SECOND, 0x41), "long name part 0x41 begins a name"),
            (changed(0, 2), "expected long name part 0, found 2"),
            (changed(SECOND, 2), "expected long name part 1, found 2"),
            (changed(SECOND + 13, 0), "the parts of a long name have different checksums"),
            (changed(SHORT, b'X'), "a long name does not belong to its entry"),
            (
                [&long()[..SECOND], &long()[SHORT..]].concat(),
                "a long name does not belong to its entry",
            ),
            // The NUL behind the name's two last units, and the padding behind that.
            (changed(1, 0), "a long name is not padded by one NUL and ffff"),
            (changed(SECOND + 1, 0), "a long name is not padded by one NUL and ffff"),
            (changed(7, 0xfe), "a long name is not padded by one NUL and ffff"),
            // Half of a surrogate pair.
            (changed(SECOND + 2, 0xd8), "a long name is not UTF-16"),
        ];
        for (raw, expected) in rows {
            assert_eq!(refusal(&raw, &ROOT), expected);
        }
    }

    #[test]
    fn short_names_are_printable_ascii() {
        for bad in [0x1f, 0x7f, 0x80, 0xff] {
            let mut name = *b"AB      TXT";
            name[1] = bad;
            assert!(refusal(&short(&name, 0, 0), &ROOT).ends_with("is not ASCII"), "{bad:#x}");
        }
        assert_eq!(short_text(b" A!~    X  ").unwrap(), b" A!~.X");
    }

    /// `date -u -d TEXT +%s` for the days that a calendar gets wrong first.
    #[test]
    fn times_are_those_of_date() {
        let entry = |year: u16, month: u16, day: u16, [hour, minute, second]: [u16; 3]| {
            let mut entry = DirEntry::read_from_bytes(&[0; 32]).unwrap();
            entry.written_date.set((year - 1980) << 9 | month << 5 | day);
            entry.written_time.set(hour << 11 | minute << 5 | (second / 2));
            entry
        };
        for (entry, expected) in [
            (entry(1980, 1, 1, [0, 0, 0]), 315_532_800),
            (entry(1980, 3, 1, [0, 0, 0]), 320_716_800),
            (entry(1981, 1, 1, [0, 0, 0]), 347_155_200),
            (entry(2000, 2, 29, [23, 59, 58]), 951_868_798),
            (entry(2024, 2, 29, [12, 34, 56]), 1_709_210_096),
            (entry(2099, 12, 31, [0, 0, 0]), 4_102_358_400),
            (entry(2100, 3, 1, [0, 0, 0]), 4_107_542_400),
            (entry(2107, 12, 31, [23, 59, 58]), 4_354_819_198),
            // A month and a day of 0 are the first ones; a month of 15 is December.
            (entry(1980, 0, 0, [0, 0, 0]), 315_532_800),
            (entry(1980, 15, 1, [0, 0, 0]), 344_476_800),
        ] {
            assert_eq!(seconds(&entry), expected);
        }
    }
}
