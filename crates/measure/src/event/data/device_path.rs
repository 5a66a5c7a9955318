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

#[cfg(test)]
mod tests {
    use super::*;

    /// A node: type, sub-type, length with these four bytes, data (UEFI 2.10, table 10-1).
    fn node(kind: u8, subtype: u8, data: &[u8]) -> Vec<u8> {
        let len = u16::try_from(data.len() + HEADER).unwrap();
        [&[kind, subtype][..], &len.to_le_bytes(), data].concat()
    }

    fn shown(bytes: &[u8]) -> String {
        DevicePath(bytes).to_string()
    }

    const GUID: &str = "04030201-0605-0807-090a-0b0c0d0e0f10";
    const END: [u8; 4] = [0x7f, 0xff, 4, 0];

    /// UEFI 2.10, section 10.6.1.6, the table of text.
    #[test]
    fn nodes_of_virtual_machines_have_their_text() {
        let guid: Vec<u8> = (1..=16).collect();
        let file: Vec<u8> = "\\EFI\\a\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let words =
            |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
        let hard_drive = |signature_type: u8| {
            [&1u32.to_le_bytes()[..], &words(&[2048, 9]), &guid, &[2, signature_type]].concat()
        };
        for (bytes, expected) in [
            (node(1, 1, &[2, 3]), "Pci(0x3,0x2)".to_owned()),
            (
                node(1, 3, &[&11u32.to_le_bytes()[..], &words(&[16, 31])].concat()),
                "MemoryMapped(11,0x10,0x1f)".into(),
            ),
            (node(1, 4, &guid), format!("VenHw({GUID})")),
            (node(2, 1, &[0xd0, 0x41, 3, 0x0a, 5, 0, 0, 0]), "PciRoot(0x5)".into()),
            (node(2, 1, &[0xd0, 0x41, 5, 1, 5, 0, 0, 0]), "Acpi(0x010541d0,0x5)".into()),
            (node(3, 2, &[1, 0, 2, 0]), "Scsi(0x1,0x2)".into()),
            (node(3, 10, &guid), format!("VenMsg({GUID})")),
            (node(3, 11, &[0x52, 0x54, 0, 1, 2, 3, 9, 9]), "MAC(525400010203)".into()),
            (node(3, 12, &[0; 15]), "IPv4".into()),
            (node(3, 13, &[0; 15]), "IPv6".into()),
            (node(3, 18, &[1, 0, 0xff, 0xff, 0, 0]), "Sata(0x1,0xffff,0x0)".into()),
            (node(3, 23, &[1, 0, 0, 0, 9, 9, 9, 9]), "NVMe(0x1)".into()),
            (node(3, 24, b"http://a/b"), "Uri(\"http://a/b\")".into()),
            (node(4, 1, &hard_drive(2)), format!("HD(1,GPT,{GUID})")),
            (node(4, 1, &hard_drive(1)), "HD(1)".into()),
            (node(4, 3, &guid), format!("VenMedia({GUID})")),
            (node(4, 4, &file), "\"\\EFI\\a\"".into()),
            (node(4, 6, &guid), format!("FvFile({GUID})")),
            (node(4, 7, &guid), format!("Fv({GUID})")),
            (node(4, 8, &[&[0; 4][..], &words(&[16, 31])].concat()), "Offset(0x10,0x1f)".into()),
            (node(9, 7, &[0xab, 0xcd]), "Path(9,7,abcd)".into()),
            // A known node that is too short, and a long one of an unknown kind.
            (node(1, 1, &[2]), "Path(1,1,02)".into()),
            (node(9, 7, &[0xaa; 17]), format!("Path(9,7,{})", "aa".repeat(16))),
        ] {
            assert_eq!(shown(&[bytes, END.to_vec()].concat()), expected);
        }
    }

    #[test]
    fn paths_are_separated_ended_and_cut() {
        let pci = node(1, 1, &[0, 1]);
        let next_instance = node(0x7f, 1, &[]);
        assert_eq!(shown(&[]), "nowhere");
        assert_eq!(shown(&END), "nowhere");
        assert_eq!(shown(&pci.repeat(2)), "Pci(0x1,0x0)/Pci(0x1,0x0)");
        let two = [pci.clone(), next_instance, pci.clone(), END.to_vec()].concat();
        assert_eq!(shown(&two), "Pci(0x1,0x0),Pci(0x1,0x0)");
        // A length below the header's, and one behind the end.
        for len in [0, 3, 7] {
            let broken = [pci.as_slice(), &[1, 1, len, 0, 0, 1]].concat();
            assert_eq!(shown(&broken), "Pci(0x1,0x0)/2 broken bytes", "length {len}");
        }
        let long = shown(&pci.repeat(NODES_SHOWN + 1));
        assert_eq!(long.matches("Pci").count(), NODES_SHOWN);
        assert!(long.ends_with("/..."));
    }
}
