//! The data of an event, decoded for people.
//!
//! [`describe`] always has an answer: what a layout does not fit is shown as text or as bytes. Text
//! comes from the log and is untrusted, so it is quoted, escaped and cut; a description is one line
//! whatever the log says. Device paths are shown as far as they are understood.
//!
//! The data is not what was measured, only what the log says was: see
//! [`super::observed::ObservedEvent::binds_data`]. Standard: TCG PC Client Platform Firmware Profile
//! 1.06, section 10.4 (which data an event type has). Oracle: tpm2_eventlog.

mod device_path;
mod raw;
mod text;
mod variable;

use std::fmt;

use cvmkit_formats::gpt::spec as gpt;
use zerocopy::FromBytes as _;

use super::EventType;
use super::cursor::Cursor;
use crate::guid::Guid;

use raw::anything;

pub use device_path::DevicePath;
pub use text::{Text, text};
pub use variable::{LoadOption, Variable};

/// Signature of the header of crypto-agile logs (TCG PC Client Platform Firmware Profile 1.06,
/// section 10.4.5.1).
pub const SPEC_ID_SIGNATURE: &[u8; 16] = b"Spec ID Event03\0";

/// Signature of the entry that says at which locality the TPM was started (the same, section
/// 10.4.5.3).
pub const STARTUP_LOCALITY_SIGNATURE: &[u8; 16] = b"StartupLocality\0";

/// Characters of a description; what is longer is cut.
const CHARS_SHOWN: usize = 2048;

/// List items shown: partitions, tables.
const ITEMS_SHOWN: usize = 16;

/// The data in words: one line without control characters, of 2048 characters at most.
#[must_use]
pub fn describe(event_type: EventType, data: &[u8]) -> String {
    let text = match EventData::parse(event_type, data) {
        Some(parsed) => parsed.to_string(),
        None => anything(data),
    };
    match text.char_indices().nth(CHARS_SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The data of an event whose layout the standard fixes by its type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventData<'a> {
    /// EV_NO_ACTION: the header of a log.
    SpecId,
    /// EV_NO_ACTION: the locality at which the TPM was started.
    StartupLocality(u8),
    /// EV_NO_ACTION: anything else, by its signature.
    Note(Text),
    /// EV_SEPARATOR: 0 or all ones; 1 announces an error.
    Separator(u32),
    /// Strings: actions, IPL, versions.
    Text(Text),
    /// A tagged event: number and data.
    Tagged {
        /// Says whose data it is.
        tag: u32,
        /// What follows tag and length; the tag says its layout.
        data: &'a [u8],
    },
    /// UEFI_VARIABLE_DATA: a variable with its contents.
    Variable(Variable<'a>),
    /// UEFI_GPT_DATA: header and entries of a partition table.
    PartitionTable(PartitionTable),
    /// UEFI_IMAGE_LOAD_EVENT: where an application or a driver was loaded from.
    Image(Image<'a>),
    /// UEFI_PLATFORM_FIRMWARE_BLOB, with or without description.
    FirmwareBlob {
        /// Its name, if it has one.
        description: Option<Text>,
        /// Guest-physical address of the first byte.
        base: u64,
        /// Bytes from `base` on.
        len: u64,
    },
    /// UEFI_HANDOFF_TABLE_POINTERS, with or without description.
    HandoffTables {
        /// Their name, if they have one.
        description: Option<Text>,
        /// What each of them is; the first few.
        tables: Vec<Guid>,
        /// Number of tables, as the log says.
        count: u64,
    },
}

impl<'a> EventData<'a> {
    /// Decodes data; none when it has no layout, or not the one its type asks for.
    #[must_use]
    pub fn parse(event_type: EventType, data: &'a [u8]) -> Option<Self> {
        match event_type {
            EventType::EV_NO_ACTION => no_action(data),
            EventType::EV_SEPARATOR => {
                data.try_into().ok().map(u32::from_le_bytes).map(Self::Separator)
            }
            EventType::EV_EVENT_TAG => tagged(data),
            EventType::EV_EFI_VARIABLE_DRIVER_CONFIG
            | EventType::EV_EFI_VARIABLE_BOOT
            | EventType::EV_EFI_VARIABLE_BOOT2
            | EventType::EV_EFI_VARIABLE_AUTHORITY => {
                Variable::parse(event_type, data).map(Self::Variable)
            }
            EventType::EV_EFI_GPT_EVENT | EventType::EV_EFI_GPT_EVENT2 => {
                PartitionTable::parse(data).map(Self::PartitionTable)
            }
            EventType::EV_EFI_BOOT_SERVICES_APPLICATION
            | EventType::EV_EFI_BOOT_SERVICES_DRIVER
            | EventType::EV_EFI_RUNTIME_SERVICES_DRIVER => Image::parse(data).map(Self::Image),
            EventType::EV_EFI_PLATFORM_FIRMWARE_BLOB => firmware_blob(Cursor::new(data), None),
            EventType::EV_EFI_PLATFORM_FIRMWARE_BLOB2 => {
                let (rest, description) = described(data)?;
                firmware_blob(rest, Some(description))
            }
            EventType::EV_EFI_HANDOFF_TABLES => handoff_tables(Cursor::new(data), None),
            EventType::EV_EFI_HANDOFF_TABLES2 => {
                let (rest, description) = described(data)?;
                handoff_tables(rest, Some(description))
            }
            _ => text(data).map(Self::Text),
        }
    }
}

impl fmt::Display for EventData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |description: &Option<Text>| match description {
            Some(text) => format!("{text}, "),
            None => String::new(),
        };
        match self {
            Self::SpecId => f.write_str("header of a crypto-agile log"),
            Self::StartupLocality(locality) => write!(f, "TPM started at locality {locality}"),
            Self::Note(signature) => write!(f, "note {signature}"),
            Self::Separator(0 | u32::MAX) => f.write_str("separator"),
            Self::Separator(value) => write!(f, "separator {value:#x}, which reports an error"),
            Self::Text(text) => text.fmt(f),
            Self::Tagged { tag, data } => write!(f, "tag {tag:#010x}, {}", anything(data)),
            Self::Variable(variable) => variable.fmt(f),
            Self::PartitionTable(table) => table.fmt(f),
            Self::Image(image) => image.fmt(f),
            Self::FirmwareBlob { description, base, len } => {
                write!(f, "{}{len:#x} bytes of firmware at {base:#x}", named(description))
            }
            Self::HandoffTables { description, tables, count } => {
                let unit = if *count == 1 { "table" } else { "tables" };
                write!(f, "{}{count} {unit}", named(description))?;
                let tables: Vec<_> = tables.iter().map(Guid::to_string).collect();
                if tables.is_empty() { Ok(()) } else { write!(f, ": {}", tables.join(", ")) }
            }
        }
    }
}

/// All data of this type starts with a signature of 16 bytes (TCG PC Client Platform Firmware
/// Profile 1.06, section 10.4.5).
fn no_action(data: &[u8]) -> Option<EventData<'_>> {
    let (signature, rest) = data.split_first_chunk::<16>()?;
    match (signature, rest) {
        (SPEC_ID_SIGNATURE, _) => Some(EventData::SpecId),
        (STARTUP_LOCALITY_SIGNATURE, [locality, ..]) => Some(EventData::StartupLocality(*locality)),
        _ => text(signature).map(EventData::Note),
    }
}

/// TCG_PCClientTaggedEvent (TCG PC Client Platform Firmware Profile 1.06, section 10.4.2.1).
fn tagged(data: &[u8]) -> Option<EventData<'_>> {
    let mut cursor = Cursor::new(data);
    let (tag, len) = (cursor.u32()?, cursor.u32()?);
    let data = cursor.take(usize::try_from(len).ok()?)?;
    cursor.is_empty().then_some(EventData::Tagged { tag, data })
}

/// The description in front of the layouts whose name ends with 2: a length byte and text.
fn described(data: &[u8]) -> Option<(Cursor<'_>, Text)> {
    let mut cursor = Cursor::new(data);
    let len = cursor.u8()?;
    let description = cursor.take(usize::from(len))?;
    Some((cursor, Text::lossy(description)))
}

fn firmware_blob(mut cursor: Cursor<'_>, description: Option<Text>) -> Option<EventData<'_>> {
    let (base, len) = (cursor.u64()?, cursor.u64()?);
    cursor.is_empty().then_some(EventData::FirmwareBlob { description, base, len })
}

fn handoff_tables(mut cursor: Cursor<'_>, description: Option<Text>) -> Option<EventData<'_>> {
    let count = cursor.u64()?;
    let mut tables = Vec::new();
    while let (Some(guid), Some(_pointer)) = (cursor.guid(), cursor.u64()) {
        if tables.len() < ITEMS_SHOWN {
            tables.push(guid);
        }
    }
    cursor.is_empty().then_some(EventData::HandoffTables { description, tables, count })
}

/// UEFI_IMAGE_LOAD_EVENT: where a PE/COFF image was loaded from. The image itself is not in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// Guest-physical address it was loaded at.
    pub location: u64,
    /// Bytes in memory.
    pub len: u64,
    /// The address its headers prefer.
    pub link_address: u64,
    /// The file that was loaded, by its device path.
    pub device_path: DevicePath<'a>,
}

impl<'a> Image<'a> {
    fn parse(data: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(data);
        let (location, len, link_address) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let path = cursor.u64()?;
        let device_path = DevicePath(cursor.take(usize::try_from(path).ok()?)?);
        Some(Self { location, len, link_address, device_path })
    }
}

impl fmt::Display for Image<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "image of {} bytes from {}", self.len, self.device_path)
    }
}

/// What a partition table event says: the header of the GPT and the entries in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionTable {
    /// `DiskGUID` of the header.
    pub disk: cvmkit_formats::gpt::Guid,
    /// Number of partitions, as the log says.
    pub count: u64,
    /// The first few of them: type, unique identifier, name.
    pub partitions: Vec<(cvmkit_formats::gpt::Guid, cvmkit_formats::gpt::Guid, Text)>,
}

impl PartitionTable {
    /// UEFI_GPT_DATA (TCG PC Client Platform Firmware Profile 1.06, section 10.4.3): the header as
    /// UEFI 2.10, table 5-5 has it, without its reserved tail, a count, and the entries.
    fn parse(data: &[u8]) -> Option<Self> {
        let (header, rest) = gpt::Header::ref_from_prefix(data).ok()?;
        if header.signature != gpt::SIGNATURE {
            return None;
        }
        let mut cursor = Cursor::new(rest);
        let count = cursor.u64()?;
        let size = usize::try_from(header.entry_size.get()).ok()?;
        if size < size_of::<gpt::Entry>() {
            return None;
        }
        let mut partitions = Vec::new();
        for _ in 0..count.min(ITEMS_SHOWN as u64) {
            let (entry, _) = gpt::Entry::ref_from_prefix(cursor.take(size)?).ok()?;
            let name: Vec<u16> = entry.name.iter().map(|unit| unit.get()).collect();
            let name = name.split(|unit| *unit == 0).next().unwrap_or_default();
            partitions.push((entry.type_guid, entry.unique_guid, Text::of_utf16(name)));
        }
        Some(Self { disk: header.disk_guid, count, partitions })
    }
}

impl fmt::Display for PartitionTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.count == 1 { "partition" } else { "partitions" };
        write!(f, "disk {} with {} {unit}", self.disk, self.count)?;
        for (at, (type_guid, unique_guid, name)) in self.partitions.iter().enumerate() {
            let separator = if at == 0 { ": " } else { ", " };
            write!(f, "{separator}{name} ({unique_guid}, type {type_guid})")?;
        }
        if self.count > self.partitions.len() as u64 { f.write_str(", ...") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// TCG PC Client Platform Firmware Profile 1.06, section 10.4: the layout of each type.
    #[test]
    fn every_layout_has_its_words() {
        use EventType as T;
        let image = [words(&[0x1000, 5, 0, 4]), vec![0x7f, 0xff, 4, 0]].concat();
        let table = [words(&[1]), (1..=16).collect(), words(&[0])].concat();
        let named = |name: &str, rest: &[u8]| {
            [&[u8::try_from(name.len()).unwrap()][..], name.as_bytes(), rest].concat()
        };
        let guid = "04030201-0605-0807-090a-0b0c0d0e0f10";
        for (event_type, data, expected) in [
            (
                T::EV_NO_ACTION,
                b"Spec ID Event03\0rest".to_vec(),
                "header of a crypto-agile log".to_owned(),
            ),
            (
                T::EV_NO_ACTION,
                b"StartupLocality\0\x03".to_vec(),
                "TPM started at locality 3".into(),
            ),
            (T::EV_NO_ACTION, b"SP800-155 Event\0rest".to_vec(), "note \"SP800-155 Event\"".into()),
            (T::EV_NO_ACTION, b"short".to_vec(), "\"short\"".into()),
            (T::EV_SEPARATOR, vec![0; 4], "separator".into()),
            (T::EV_SEPARATOR, vec![0xff; 4], "separator".into()),
            (T::EV_SEPARATOR, vec![1, 0, 0, 0], "separator 0x1, which reports an error".into()),
            (T::EV_SEPARATOR, vec![0; 3], "3 bytes 000000".into()),
            (
                T::EV_EVENT_TAG,
                [&[0xcd, 0xab, 0, 0, 2, 0, 0, 0][..], b"hi"].concat(),
                "tag 0x0000abcd, \"hi\"".into(),
            ),
            (T::EV_EVENT_TAG, vec![1, 0, 0, 0, 3, 0, 0, 0, 1], "9 bytes 010000000300000001".into()),
            (
                T::EV_EFI_PLATFORM_FIRMWARE_BLOB,
                words(&[16, 32]),
                "0x20 bytes of firmware at 0x10".into(),
            ),
            (
                T::EV_EFI_PLATFORM_FIRMWARE_BLOB2,
                named("CFV", &words(&[16, 32])),
                "\"CFV\", 0x20 bytes of firmware at 0x10".into(),
            ),
            (T::EV_EFI_HANDOFF_TABLES, table.clone(), format!("1 table: {guid}")),
            (T::EV_EFI_HANDOFF_TABLES2, named("HOB", &words(&[0])), "\"HOB\", 0 tables".into()),
            (T::EV_EFI_HANDOFF_TABLES2, named("x", &table), format!("\"x\", 1 table: {guid}")),
            (
                T::EV_EFI_BOOT_SERVICES_APPLICATION,
                image.clone(),
                "image of 5 bytes from nowhere".into(),
            ),
            (T::EV_EFI_BOOT_SERVICES_DRIVER, image.clone(), "image of 5 bytes from nowhere".into()),
            (T::EV_EFI_RUNTIME_SERVICES_DRIVER, image, "image of 5 bytes from nowhere".into()),
            (T::EV_EFI_ACTION, b"Calling".to_vec(), "\"Calling\"".into()),
            (T::EV_IPL, b".\0l\0i\0n\0\0\0".to_vec(), "\".lin\"".into()),
            (T::EV_POST_CODE, vec![], "no data".into()),
            (EventType(0x1234), vec![0xff], "1 byte ff".into()),
            (T::EV_POST_CODE, vec![0xff; 17], format!("17 bytes {}...", "ff".repeat(16))),
        ] {
            assert_eq!(describe(event_type, &data), expected, "{event_type}");
        }
    }

    /// What follows a layout that fixes its end is no such layout.
    #[test]
    fn layouts_end_where_they_say() {
        for (event_type, data) in [
            (EventType::EV_EFI_PLATFORM_FIRMWARE_BLOB, words(&[16, 32])),
            (EventType::EV_EFI_HANDOFF_TABLES, words(&[1, 2, 3, 4])),
            (EventType::EV_EVENT_TAG, vec![1, 0, 0, 0, 1, 0, 0, 0, 9]),
        ] {
            assert!(EventData::parse(event_type, &data).is_some(), "{event_type}");
            let longer = [data.as_slice(), &[0]].concat();
            assert_eq!(EventData::parse(event_type, &longer), None, "{event_type}");
            let shorter = &data[..data.len() - 1];
            assert_eq!(EventData::parse(event_type, shorter), None, "{event_type}");
        }
    }

    /// UEFI_GPT_DATA: the header of the table, a count, and entries of the size that it says.
    #[test]
    fn partition_tables_list_their_entries() {
        let table = |count: u64, entries: usize, size: usize| {
            let mut header = vec![0; 92];
            header[..8].copy_from_slice(b"EFI PART");
            header[84..88].copy_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
            let mut entry = vec![0; size];
            entry[0] = 1;
            entry[56] = b'e';
            [header, words(&[count]), entry.repeat(entries)].concat()
        };
        let described = |data: &[u8]| describe(EventType::EV_EFI_GPT_EVENT, data);
        let disk = "disk 00000000-0000-0000-0000-000000000000";
        let entry = "\"e\" (00000000-0000-0000-0000-000000000000, type 00000001-0000-0000-0000-000000000000)";
        assert_eq!(described(&table(0, 0, 128)), format!("{disk} with 0 partitions"));
        assert_eq!(described(&table(1, 1, 256)), format!("{disk} with 1 partition: {entry}"));
        let many = described(&table(17, 17, 128));
        assert!(
            many.starts_with(&format!("{disk} with 17 partitions: {entry}, {entry}")),
            "{many}"
        );
        let seventeen = table(17, 17, 128);
        let parsed = EventData::parse(EventType::EV_EFI_GPT_EVENT2, &seventeen).unwrap();
        assert!(parsed.to_string().ends_with(", ..."), "{parsed}");
        for broken in [table(2, 1, 128), table(1, 1, 64), table(u64::MAX, 3, 128)] {
            assert!(
                described(&broken).contains(" bytes 4546492050415254"),
                "{}",
                described(&broken)
            );
        }
        let mut other = table(0, 0, 128);
        other[0] = b'e';
        assert_eq!(EventData::parse(EventType::EV_EFI_GPT_EVENT, &other), None);
    }

    #[test]
    fn a_description_is_one_line_of_bounded_length() {
        let hostile = "\u{1f600}\n".repeat(5000);
        let shown = describe(EventType::EV_ACTION, hostile.as_bytes());
        assert!(!shown.contains('\n'));
        let tables =
            [words(&[3000]), [[7; 16].to_vec(), words(&[0])].concat().repeat(3000)].concat();
        let shown = describe(EventType::EV_EFI_HANDOFF_TABLES, &tables);
        assert_eq!(shown.matches("07070707-").count(), ITEMS_SHOWN);
        let image =
            [words(&[0, 0, 0, 40_000]), [4u8, 4, 0x40, 0x9c].to_vec(), vec![b'a'; 39_996]].concat();
        let shown = describe(EventType::EV_EFI_BOOT_SERVICES_APPLICATION, &image);
        assert!(shown.chars().count() <= CHARS_SHOWN + 3, "{shown}");
    }
}
