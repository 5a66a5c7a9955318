//! Boot options: `Boot####` and `BootOrder`, which firmware measures into PCR 1.
//!
//! EDK2 hashes the data of these variables alone, without their names (`EV_EFI_VARIABLE_BOOT` of
//! the profile's revision 1.03 and before; `MeasureVariable` in `SecurityPkg/Tcg/Tcg2Dxe/Tcg2Dxe.c`,
//! which hashes UEFI_VARIABLE_DATA for the Secure Boot policy only). Standard: UEFI 2.11, section 3.1.3 "Load Options".

use super::device_path::{self, Node};
use super::{PCR_MACHINE, event_of, utf16};
use crate::event::{Event, EventType, Source};

/// Bits of an option's attributes (UEFI 2.11, section 3.1.3).
pub mod attributes {
    /// `LOAD_OPTION_ACTIVE`: tried without being asked for.
    pub const ACTIVE: u32 = 0x1;
    /// `LOAD_OPTION_HIDDEN`: in no menu.
    pub const HIDDEN: u32 = 0x8;
    /// `LOAD_OPTION_CATEGORY_APP`: no system, but an application of the firmware.
    pub const CATEGORY_APP: u32 = 0x100;
}

/// An `EFI_LOAD_OPTION`: the data of `Boot####`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOption {
    /// See [`attributes`].
    pub attributes: u32,
    /// What a boot menu shows; stored as UTF-16 with a NUL.
    pub description: String,
    /// `FilePathList[0]`: the device and file that it starts.
    pub file_path: Vec<Node>,
    /// What the loaded image is given.
    pub optional_data: Vec<u8>,
}

impl LoadOption {
    /// The data of its variable.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let path = device_path::to_bytes(&self.file_path);
        let path_len = u16::try_from(path.len()).unwrap_or(u16::MAX);
        let mut bytes = self.attributes.to_le_bytes().to_vec();
        bytes.extend(path_len.to_le_bytes());
        bytes.extend(utf16(&self.description));
        bytes.extend([0, 0]);
        bytes.extend(path);
        bytes.extend(&self.optional_data);
        bytes
    }
}

/// The data of `BootOrder`: numbers of options, the first to try first.
#[must_use]
pub fn order_bytes(order: &[u16]) -> Vec<u8> {
    order.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The event of `BootOrder`.
#[must_use]
pub fn order_event(order: &[u16]) -> Event {
    variable_event("BootOrder".into(), &order_bytes(order))
}

/// The event of `Boot####`.
#[must_use]
pub fn option_event(number: u16, option: &LoadOption) -> Event {
    let meaning = format!("Boot{number:04X}: {}", option.description);
    variable_event(meaning, &option.to_bytes())
}

fn variable_event(meaning: String, data: &[u8]) -> Event {
    let event_type = EventType::EV_EFI_VARIABLE_BOOT;
    event_of(PCR_MACHINE, event_type, meaning, Source::FirmwareVariables, data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guid::Guid;

    /// `Boot0000` of OVMF 2025.02, from a log under QEMU with swtpm.
    #[test]
    fn an_application_of_the_firmware() {
        let option = LoadOption {
            attributes: attributes::ACTIVE | attributes::HIDDEN | attributes::CATEGORY_APP,
            description: "UiApp".into(),
            file_path: vec![
                Node::FirmwareVolume(Guid::new(0x7cb8bdc9_f8eb_4f34_aaea_3ee4af6516a1)),
                Node::FirmwareFile(Guid::new(0x462caa21_7614_4503_836e_8ab6f4662331)),
            ],
            optional_data: Vec::new(),
        };
        assert_eq!(
            hex::encode(option.to_bytes()),
            "090100002c0055006900410070007000000004071400c9bdb87cebf8344faaea3ee4af6516a1\
             0406140021aa2c4614760345836e8ab6f46623317fff0400"
        );
        let digest = option_event(0, &option).digests.sha384.to_string();
        assert!(digest.starts_with("23ada07f5261f12f34a0bd8e46760962d6b4d576a416f1fe"));
    }

    /// As above, `Boot0001` of a machine with a virtio disk.
    #[test]
    fn a_disk() {
        let auto_created = Guid::new(0x8108ac4e_9f11_4d59_850e_e21a522c59b2);
        let option = LoadOption {
            attributes: attributes::ACTIVE,
            description: "UEFI Non-Block Boot Device".into(),
            file_path: vec![Node::PciRoot { uid: 0 }, Node::Pci { device: 1, function: 0 }],
            optional_data: auto_created.0.to_vec(),
        };
        assert_eq!(
            option_event(1, &option).digests.sha256.to_string(),
            "cc740d3abe25e2f53fa01e5b38aa135b539e9369cb83ac90e763167b977e5b22"
        );
        let order = order_event(&[1, 0, 2]).digests.sha256.to_string();
        assert_eq!(order, "263d99957c7b574c63a265b32da7fff8b8ad831828946bfbff650d7074dd9198");
    }
}
