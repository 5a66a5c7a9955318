//! UEFI variables: boot options, Secure Boot keys, and the entry of a key that verified an image.

use std::fmt;

use super::device_path::DevicePath;
use super::raw::anything;
use super::text::Text;
use crate::event::EventType;
use crate::event::cursor::Cursor;
use crate::guid::{GUID_LEN, Guid};

/// Items shown of a list.
const ITEMS_SHOWN: usize = 16;

/// Most bytes of a variable's name that are decoded.
const NAME_MAX: usize = 1024;

/// EFI_CERT_X509_GUID and others (UEFI 2.10, section 32.4.1).
const SIGNATURE_TYPES: [(Guid, &str); 4] = [
    (Guid::new(0xa5c059a1_94e4_4aa7_87b5_ab155c2bf072), "X.509 certificate"),
    (Guid::new(0xc1c41626_504c_4092_aca9_41f936934328), "SHA-256 hash"),
    (Guid::new(0x3bd2a492_96c0_4079_b420_fcf98ef103ed), "hash of a certificate"),
    (Guid::new(0x3c5766e8_269c_4e34_aa14_ed776e85b3b6), "RSA-2048 key"),
];

/// UEFI_VARIABLE_DATA (TCG PC Client Platform Firmware Profile 1.06, section 10.4.3): vendor GUID,
/// number of UTF-16 units of the name, bytes of the contents, name, contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable<'a> {
    /// `VariableName`, the vendor GUID: whose name it is.
    pub guid: Guid,
    /// `UnicodeName`, up to 512 UTF-16 units of it.
    pub name: Text,
    /// Its contents; nothing when it does not exist.
    pub data: &'a [u8],
    /// Whether the contents are one entry of the variable, and not the variable.
    pub is_authority: bool,
}

impl<'a> Variable<'a> {
    pub(super) fn parse(event_type: EventType, data: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(data);
        let guid = cursor.guid()?;
        let (units, len) = (cursor.u64()?, cursor.u64()?);
        let name = cursor.take(usize::try_from(units.checked_mul(2)?).ok()?)?;
        let data = cursor.take(usize::try_from(len).ok()?)?;
        let (units, _) = name.get(..NAME_MAX).unwrap_or(name).as_chunks::<2>();
        let units: Vec<_> = units.iter().copied().map(u16::from_le_bytes).collect();
        let is_authority = event_type == EventType::EV_EFI_VARIABLE_AUTHORITY;
        Some(Self { guid, name: Text::of_utf16(&units), data, is_authority })
    }

    fn contents(&self) -> Option<String> {
        let name = self.name.0.as_str();
        match name {
            _ if self.is_authority => authority(self.data),
            "SecureBoot" | "SetupMode" | "AuditMode" | "DeployedMode" => match self.data {
                [0] => Some("off".to_owned()),
                [1] => Some("on".to_owned()),
                _ => None,
            },
            "PK" | "KEK" | "db" | "dbx" | "dbt" | "dbr" => signatures(self.data),
            "BootOrder" | "DriverOrder" => order(self.data),
            _ if is_boot_option(name) => LoadOption::parse(self.data).map(|o| o.to_string()),
            _ => None,
        }
    }
}

impl fmt::Display for Variable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Firmware's own names are short and plain; any other is quoted.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = match &self.name.0 {
            name if !name.is_empty() && name.len() < 64 && name.chars().all(is_plain) => {
                name.clone()
            }
            _ => self.name.to_string(),
        };
        let contents = match self.data {
            [] => "not set".to_owned(),
            data => self.contents().unwrap_or_else(|| anything(data)),
        };
        let kind = if self.is_authority { "verified by" } else { "variable" };
        write!(f, "{kind} {name}: {contents}")
    }
}

/// `Boot` or `Driver` and four hexadecimal digits (UEFI 2.10, section 3.1.3).
fn is_boot_option(name: &str) -> bool {
    let digits = name.strip_prefix("Boot").or_else(|| name.strip_prefix("Driver"));
    digits.is_some_and(|text| text.len() == 4 && text.chars().all(|c| c.is_ascii_hexdigit()))
}

/// The numbers of boot options, first choice first (UEFI 2.10, section 3.1.1).
fn order(data: &[u8]) -> Option<String> {
    let (numbers, []) = data.as_chunks::<2>() else { return None };
    let shown = numbers.iter().take(ITEMS_SHOWN).copied().map(u16::from_le_bytes);
    let shown: Vec<_> = shown.map(|number| format!("{number:04X}")).collect();
    let ellipsis = if numbers.len() > ITEMS_SHOWN { ", ..." } else { "" };
    Some(format!("{}{ellipsis}", shown.join(", ")))
}

fn signature_type(guid: Guid) -> String {
    let known = SIGNATURE_TYPES.iter().find(|(known, _)| *known == guid);
    known.map_or_else(|| format!("signature of type {guid}"), |(_, name)| (*name).to_owned())
}

/// A chain of EFI_SIGNATURE_LIST (UEFI 2.10, section 32.4.1), counted by type.
fn signatures(data: &[u8]) -> Option<String> {
    const HEADER: usize = GUID_LEN + 12;
    let mut counts: Vec<(String, usize)> = Vec::new();
    let mut cursor = Cursor::new(data);
    while !cursor.is_empty() {
        let name = signature_type(cursor.guid()?);
        let [list, header, each] = [cursor.u32()?, cursor.u32()?, cursor.u32()?]
            .map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        let body = cursor.take(list.checked_sub(HEADER)?)?.get(header..)?;
        let count = body.len().checked_div(each)?;
        if let Some((_, total)) = counts.iter_mut().find(|(known, _)| *known == name) {
            *total += count;
        } else if counts.len() < ITEMS_SHOWN {
            counts.push((name, count));
        } else {
            return None;
        }
    }
    let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{count} x {name}")).collect();
    Some(counts.join(", "))
}

/// EFI_SIGNATURE_DATA: the owner's GUID and a key or hash (UEFI 2.10, section 32.4.1).
fn authority(data: &[u8]) -> Option<String> {
    // DER of a certificate is a sequence with a length of two bytes. What shim logs is other.
    let (owner, key) = data.split_first_chunk::<GUID_LEN>()?;
    let owner = Guid(*owner);
    match key {
        [0x30, 0x82, ..] => Some(format!("certificate of {} bytes, owner {owner}", key.len())),
        hash if hash.len() == 32 => Some(format!("hash {}, owner {owner}", hex::encode(hash))),
        _ => None,
    }
}

/// EFI_LOAD_OPTION (UEFI 2.10, section 3.1.3): a boot option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOption<'a> {
    /// Whether it is active, hidden, an application.
    pub attributes: u32,
    /// What a boot menu shows.
    pub description: Text,
    /// `FilePathList`: what it loads.
    pub device_path: DevicePath<'a>,
    /// `OptionalData`: what the loaded image is given.
    pub optional_data: &'a [u8],
}

impl<'a> LoadOption<'a> {
    /// Decodes the contents of a `Boot####` variable.
    #[must_use]
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(data);
        let attributes = cursor.u32()?;
        let path = usize::from(cursor.u16()?);
        let mut units = Vec::new();
        loop {
            match cursor.u16()? {
                0 => break,
                unit => units.push(unit),
            }
        }
        let device_path = DevicePath(cursor.take(path)?);
        let description = Text::of_utf16(&units);
        Some(Self { attributes, description, device_path, optional_data: cursor.rest() })
    }
}

impl fmt::Display for LoadOption<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.description, self.device_path)?;
        if self.attributes != 1 {
            // LOAD_OPTION_ACTIVE alone is what most have.
            write!(f, ", attributes {:#x}", self.attributes)?;
        }
        match self.optional_data {
            [] => Ok(()),
            data => write!(f, ", {}", anything(data)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Guid = Guid::new(7);
    const X509: Guid = SIGNATURE_TYPES[0].0;
    const SHA256: Guid = SIGNATURE_TYPES[1].0;

    /// UEFI_VARIABLE_DATA.
    fn variable(name: &str, data: &[u8]) -> Vec<u8> {
        let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let lengths = [units.len() / 2, data.len()].map(|len| (len as u64).to_le_bytes()).concat();
        [&OWNER.0[..], &lengths, &units, data].concat()
    }

    fn shown(event_type: EventType, name: &str, data: &[u8]) -> String {
        Variable::parse(event_type, &variable(name, data)).unwrap().to_string()
    }

    /// EFI_SIGNATURE_LIST (UEFI 2.10, section 32.4.1).
    fn list(kind: Guid, header: &[u8], each: u32, body: &[u8]) -> Vec<u8> {
        let total = u32::try_from(28 + header.len() + body.len()).unwrap();
        let header_len = u32::try_from(header.len()).unwrap();
        let sizes = [total, header_len, each].map(u32::to_le_bytes).concat();
        [&kind.0[..], &sizes, header, body].concat()
    }

    #[test]
    fn contents_are_shown_by_name() {
        let config = EventType::EV_EFI_VARIABLE_DRIVER_CONFIG;
        let certificates = list(X509, &[], 20, &[0; 40]);
        let hashes = [list(SHA256, &[9; 4], 48, &[0; 48]), certificates.clone()].concat();
        let unknown = list(OWNER, &[], 17, &[0; 34]);
        let sixteen = vec!["0000"; 16].join(", ");
        for (name, data, expected) in [
            ("SecureBoot", vec![1], "on"),
            ("SecureBoot", vec![0], "off"),
            ("SetupMode", vec![2], "1 byte 02"),
            ("SecureBoot", vec![], "not set"),
            ("PK", certificates, "2 x X.509 certificate"),
            ("db", hashes, "1 x SHA-256 hash, 2 x X.509 certificate"),
            ("dbx", unknown, "2 x signature of type 00000000-0000-0000-0000-000000000007"),
            ("BootOrder", vec![1, 0, 0xff, 0x0a], "0001, 0AFF"),
            ("BootOrder", vec![1, 0, 2], "3 bytes 010002"),
            ("DriverOrder", vec![0; 34], &format!("{sixteen}, ...")),
            ("Boot000g", vec![1], "1 byte 01"),
            ("Boot00001", vec![1], "1 byte 01"),
            ("Other", b"text\0".to_vec(), "\"text\""),
        ] {
            assert_eq!(shown(config, name, &data), format!("variable {name}: {expected}"));
        }
    }

    #[test]
    fn names_that_are_not_plain_are_quoted() {
        let config = EventType::EV_EFI_VARIABLE_BOOT;
        assert_eq!(shown(config, "a\x1b[2J", &[]), "variable \"a\\u{1b}[2J\": not set");
        assert_eq!(shown(config, "", &[]), "variable \"\": not set");
        let long = "n".repeat(64);
        assert_eq!(shown(config, &long, &[]), format!("variable \"{long}\": not set"));
        assert_eq!(shown(config, &long[1..], &[]), format!("variable {}: not set", &long[1..]));
    }

    /// EFI_SIGNATURE_DATA: an owner, and a certificate in DER or a hash.
    #[test]
    fn an_authority_is_one_entry() {
        let authority = EventType::EV_EFI_VARIABLE_AUTHORITY;
        let entry = |key: &[u8]| [&OWNER.0[..], key].concat();
        let owner = "owner 00000000-0000-0000-0000-000000000007";
        let certificate = entry(&[0x30, 0x82, 1, 2, 3]);
        assert_eq!(
            shown(authority, "db", &certificate),
            format!("verified by db: certificate of 5 bytes, {owner}")
        );
        let hash = entry(&[0xab; 32]);
        assert_eq!(
            shown(authority, "db", &hash),
            format!("verified by db: hash {}, {owner}", "ab".repeat(32))
        );
        assert!(shown(authority, "db", &entry(&[0x30])).starts_with("verified by db: 17 bytes"));
        assert_eq!(shown(authority, "SbatLevel", &[1; 3]), "verified by SbatLevel: 3 bytes 010101");
    }

    #[test]
    fn lists_that_contradict_themselves_are_bytes() {
        let good = list(X509, &[], 20, &[0; 40]);
        let changed = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            bytes
        };
        assert_eq!(signatures(&good).unwrap(), "2 x X.509 certificate");
        // A size below the header's, one behind the end, a header larger than the list, no size.
        for bytes in [changed(16, 27), changed(16, 69), changed(20, 41), changed(24, 0)] {
            assert_eq!(signatures(&bytes), None, "{bytes:?}");
        }
        for cut in 1..good.len() {
            assert_eq!(signatures(&good[..cut]), None, "{cut} bytes");
        }
        let kinds: Vec<u8> =
            (0..17).flat_map(|kind| list(Guid::new(100 + kind), &[], 16, &[])).collect();
        assert_eq!(signatures(&kinds), None, "more types than are shown");
    }

    #[test]
    fn lengths_behind_the_end_are_no_variable() {
        let config = EventType::EV_EFI_VARIABLE_BOOT;
        let whole = variable("ab", b"xyz");
        assert!(Variable::parse(config, &whole).is_some());
        for cut in 0..whole.len() {
            assert_eq!(Variable::parse(config, &whole[..cut]), None, "{cut} bytes");
        }
        for (at, value) in [(16, u64::MAX), (16, 1 << 63), (24, u64::MAX), (24, 4)] {
            let mut bytes = whole.clone();
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            assert_eq!(Variable::parse(config, &bytes), None, "{at}: {value:#x}");
        }
    }

    /// EFI_LOAD_OPTION (UEFI 2.10, section 3.1.3).
    #[test]
    fn boot_options_have_a_description_a_path_and_data() {
        let option = |attributes: u32, data: &[u8]| {
            let name: Vec<u8> = "Linux\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
            let path = [1, 1, 6, 0, 0, 1, 0x7f, 0xff, 4, 0];
            [&attributes.to_le_bytes()[..], &[10, 0], &name, &path, data].concat()
        };
        let shown = |bytes: &[u8]| LoadOption::parse(bytes).unwrap().to_string();
        assert_eq!(shown(&option(1, &[])), "\"Linux\", Pci(0x1,0x0)");
        assert_eq!(
            shown(&option(9, b"quiet")),
            "\"Linux\", Pci(0x1,0x0), attributes 0x9, \"quiet\""
        );
        let whole = option(1, &[]);
        for cut in 0..whole.len() {
            assert_eq!(LoadOption::parse(&whole[..cut]), None, "{cut} bytes");
        }
        let found =
            super::super::describe(EventType::EV_EFI_VARIABLE_BOOT, &variable("Boot0001", &whole));
        assert_eq!(found, "variable Boot0001: \"Linux\", Pci(0x1,0x0)");
    }
}
