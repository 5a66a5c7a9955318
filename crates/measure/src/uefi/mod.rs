//! What UEFI firmware measures, whoever keeps the registers: a TPM or a TD.
//!
//! Each module builds the bytes that EDK2 hashes for one kind of event, and the [`Event`] with
//! them. Which events come, and in which order, is the platform's matter: [`crate::tpm`] and the
//! TDX module say.
//!
//! Deliberately absent: option ROMs, SPDM, the SHA-1 and SHA-512 banks, firmware that follows
//! revision 1.05 of the profile for boot variables and partition tables (`EV_EFI_VARIABLE_BOOT2`,
//! `EV_EFI_GPT_EVENT2`), which no OVMF of Debian does. Oracle: event logs of OVMF under QEMU.
//!
//! Standards: TCG PC Client Platform Firmware Profile 1.06 ("the profile" below), UEFI 2.11.

pub mod action;
pub mod boot_option;
pub mod device_path;
pub mod gpt;
pub mod image;
pub mod load_options;
pub mod medium;
pub mod variable_store;
pub mod variables;

use std::borrow::Cow;

use cvmkit_formats::digest::Digests;

use crate::event::{Event, EventType, PcrIndex, Source};

/// Configuration of the machine and boot variables (the profile, section 3.3.4.2).
pub const PCR_MACHINE: PcrIndex = PcrIndex::new(1).unwrap();

/// Boot manager code and attempts to boot (the profile, section 3.3.4.5).
pub const PCR_BOOT_CODE: PcrIndex = PcrIndex::new(4).unwrap();

/// Boot manager configuration and the partition table (the profile, section 3.3.4.6).
pub const PCR_BOOT_CONFIG: PcrIndex = PcrIndex::new(5).unwrap();

/// The Secure Boot policy (the profile, section 3.3.4.8).
pub const PCR_SECURE_BOOT: PcrIndex = PcrIndex::new(7).unwrap();

/// The event of bytes that are hashed as they are.
fn event_of(
    pcr: PcrIndex,
    event_type: EventType,
    meaning: impl Into<Cow<'static, str>>,
    source: Source,
    bytes: &[u8],
) -> Event {
    Event { pcr, event_type, meaning: meaning.into(), source, digests: Digests::of(bytes) }
}

/// UTF-16 in the byte order of UEFI, without a final NUL.
pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
