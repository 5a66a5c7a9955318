//! UEFI variables: boot options, Secure Boot keys, and the entry of a key that verified an image.

use std::fmt;

use super::anything;
use super::device_path::DevicePath;
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
    /// Whose name it is.
    pub guid: Guid,
    /// Its name.
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
    /// What it loads.
    pub device_path: DevicePath<'a>,
    /// What it hands over.
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
