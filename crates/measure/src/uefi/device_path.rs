//! Device paths: where a boot option leads, as a list of nodes.
//!
//! Standard: UEFI 2.11, chapter 10. Deliberately absent: decoding, and the nodes that no boot
//! option of OVMF has; [`Node::Other`] takes those as bytes.

use crate::guid::Guid;

use super::utf16;

/// The node that ends a path (UEFI 2.11, section 10.3.1, table 10-3): type 0x7f, sub-type 0xff.
const END: [u8; 4] = [0x7f, 0xff, 4, 0];

/// One node of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Node {
    /// A PCI root bridge: ACPI device of `_HID` PNP0A03 (UEFI 2.11, section 10.3.3).
    PciRoot {
        /// `_UID`
        uid: u32,
    },
    /// A PCI function (UEFI 2.11, section 10.3.2.1).
    Pci {
        /// Number of the device on its bus.
        device: u8,
        /// Number of the function of that device, 0 to 7.
        function: u8,
    },
    /// A file by its path, with backslashes (UEFI 2.11, section 10.3.5.4).
    File(String),
    /// A firmware volume (Platform Initialization 1.8, volume 3, section 8.3 "MEDIA_PIWG_FW_VOL").
    FirmwareVolume(Guid),
    /// A file in a firmware volume (as above, "MEDIA_PIWG_FW_FILE").
    FirmwareFile(Guid),
    /// Any other: type, sub-type and what follows the length.
    Other {
        /// `Type`
        kind: u8,
        /// `Sub-Type`
        sub_kind: u8,
        /// What follows the length.
        data: Vec<u8>,
    },
}

/// `_HID` PNP0A03 as a compressed EISA identifier (ACPI 6.5, section 19.3.4).
const PNP0A03: u32 = 0x0a03_41d0;

impl Node {
    /// Type, sub-type and contents.
    fn parts(&self) -> (u8, u8, Vec<u8>) {
        match self {
            Self::PciRoot { uid } => (2, 1, [PNP0A03.to_le_bytes(), uid.to_le_bytes()].concat()),
            Self::Pci { device, function } => (1, 1, vec![*function, *device]),
            Self::File(path) => {
                let mut data = utf16(path);
                data.extend([0, 0]);
                (4, 4, data)
            }
            Self::FirmwareFile(guid) => (4, 6, guid.0.to_vec()),
            Self::FirmwareVolume(guid) => (4, 7, guid.0.to_vec()),
            Self::Other { kind, sub_kind, data } => (*kind, *sub_kind, data.clone()),
        }
    }
}

/// The path as bytes, with its end. A node longer than its 16-bit length can say is cut off in
/// that length, not in the bytes; no firmware makes one.
#[must_use]
pub fn to_bytes(nodes: &[Node]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for node in nodes {
        let (kind, sub_kind, data) = node.parts();
        let len = u16::try_from(data.len() + 4).unwrap_or(u16::MAX);
        bytes.extend([kind, sub_kind]);
        bytes.extend(len.to_le_bytes());
        bytes.extend(data);
    }
    bytes.extend(END);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::data::DevicePath;

    /// UEFI 2.11, section 10.3: as bytes, and as the reader of logs shows them.
    #[test]
    fn nodes_lie_in_memory_as_the_standard_says() {
        let guid = Guid::new(0x04030201_0605_0807_090a_0b0c0d0e0f10);
        let other =
            Node::Other { kind: 3, sub_kind: 23, data: vec![1, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9] };
        for (node, bytes, shown) in [
            (Node::PciRoot { uid: 1 }, "02010c00d041030a01000000", "PciRoot(0x1)"),
            (Node::Pci { device: 3, function: 2 }, "010106000203", "Pci(0x3,0x2)"),
            (Node::File("\\a".into()), "04040a005c0061000000", "\"\\a\""),
            (
                Node::FirmwareFile(guid),
                "040614000102030405060708090a0b0c0d0e0f10",
                "FvFile(04030201-0605-0807-090a-0b0c0d0e0f10)",
            ),
            (
                Node::FirmwareVolume(guid),
                "040714000102030405060708090a0b0c0d0e0f10",
                "Fv(04030201-0605-0807-090a-0b0c0d0e0f10)",
            ),
            (other, "03171000010000000909090909090909", "NVMe(0x1)"),
        ] {
            let path = to_bytes(&[node]);
            assert_eq!(hex::encode(&path), format!("{bytes}7fff0400"));
            assert_eq!(DevicePath(&path).to_string(), shown);
        }
        assert_eq!(hex::encode(to_bytes(&[])), "7fff0400");
    }
}
