//! Device paths as text, as far as the devices of virtual machines go.
//!
//! Standard: UEFI 2.10, section 10.3 (nodes) and 10.6 (text).

use std::fmt;

use super::text::Text;
use crate::event::cursor::Cursor;
use crate::guid::Guid;

/// Nodes shown; a path of a virtual machine has fewer than ten.
const NODES_SHOWN: usize = 32;

/// Type and length of a node.
const HEADER: usize = 4;

/// A device path as it is stored. Prints its nodes separated by slashes; a node of a kind not
/// known here prints as `Path(type,subtype,bytes)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevicePath<'a>(pub &'a [u8]);

impl fmt::Display for DevicePath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cursor = Cursor::new(self.0);
        let mut separator = "";
        for _ in 0..NODES_SHOWN {
            if cursor.is_empty() {
                return if separator.is_empty() { f.write_str("nowhere") } else { Ok(()) };
            }
            let Some(node) = Node::read(&mut cursor) else {
                return write!(f, "{separator}{} broken bytes", cursor.rest().len());
            };
            match (node.kind, node.subtype) {
                (0x7f, 0xff) => continue,
                (0x7f, _) => separator = ",",
                _ => {
                    write!(f, "{separator}{node}")?;
                    separator = "/";
                }
            }
        }
        f.write_str("/...")
    }
}

/// One node.
struct Node<'a> {
    kind: u8,
    subtype: u8,
    data: &'a [u8],
}

impl<'a> Node<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let (kind, subtype, len) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
        let data = cursor.take(usize::from(len).checked_sub(HEADER)?)?;
        Some(Self { kind, subtype, data })
    }

    /// The text of a node whose kind is known; the sections are those of UEFI 2.10.
    fn known(&self) -> Option<String> {
        let mut data = Cursor::new(self.data);
        let text = match (self.kind, self.subtype) {
            // 10.3.2, hardware.
            (1, 1) => {
                let (function, device) = (data.u8()?, data.u8()?);
                format!("Pci({device:#x},{function:#x})")
            }
            (1, 3) => {
                let (kind, start, end) = (data.u32()?, data.u64()?, data.u64()?);
                format!("MemoryMapped({kind},{start:#x},{end:#x})")
            }
            (1, 4) => format!("VenHw({})", data.guid()?),
            // 10.3.3, ACPI; the identifier is EISA's PNP0A03.
            (2, 1) => match (data.u32()?, data.u32()?) {
                (0x0a03_41d0, uid) => format!("PciRoot({uid:#x})"),
                (hid, uid) => format!("Acpi({hid:#010x},{uid:#x})"),
            },
            // 10.3.4, messaging.
            (3, 2) => {
                let (target, lun) = (data.u16()?, data.u16()?);
                format!("Scsi({target:#x},{lun:#x})")
            }
            (3, 10) => format!("VenMsg({})", data.guid()?),
            (3, 11) => format!("MAC({})", hex::encode(data.take(6)?)),
            (3, 12) => "IPv4".to_owned(),
            (3, 13) => "IPv6".to_owned(),
            (3, 18) => {
                let (port, multiplier, lun) = (data.u16()?, data.u16()?, data.u16()?);
                format!("Sata({port:#x},{multiplier:#x},{lun:#x})")
            }
            (3, 23) => format!("NVMe({:#x})", data.u32()?),
            (3, 24) => format!("Uri({})", Text::lossy(self.data)),
            // 10.3.5, media.
            (4, 1) => hard_drive(&mut data)?,
            (4, 3) => format!("VenMedia({})", data.guid()?),
            (4, 4) => file(self.data),
            (4, 6) => format!("FvFile({})", data.guid()?),
            (4, 7) => format!("Fv({})", data.guid()?),
            (4, 8) => {
                let (_reserved, start, end) = (data.u32()?, data.u64()?, data.u64()?);
                format!("Offset({start:#x},{end:#x})")
            }
            _ => return None,
        };
        Some(text)
    }
}

impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some(text) => f.write_str(&text),
            None => {
                let Self { kind, subtype, data } = self;
                let shown = data.get(..16).unwrap_or(data);
                write!(f, "Path({kind},{subtype},{})", hex::encode(shown))
            }
        }
    }
}

/// A partition: number, start and size in blocks, signature, its format (2 is a GPT's GUID).
fn hard_drive(data: &mut Cursor<'_>) -> Option<String> {
    let (number, _start, _size) = (data.u32()?, data.u64()?, data.u64()?);
    let signature: Guid = data.guid()?;
    let (_format, signature_type) = (data.u8()?, data.u8()?);
    Some(match signature_type {
        2 => format!("HD({number},GPT,{signature})"),
        _ => format!("HD({number})"),
    })
}

/// The name of a file, in UTF-16.
fn file(data: &[u8]) -> String {
    let (units, _) = data.as_chunks::<2>();
    let units: Vec<_> = units.iter().copied().map(u16::from_le_bytes).collect();
    let text = Text::of_utf16(&units).to_string();
    // Backslashes are every second character of a path; doubled they only disturb.
    text.replace("\\\\", "\\")
}
