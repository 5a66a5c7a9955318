//! OVMF firmware: what its footer table says about confidential guests.

use std::fmt::Write as _;
use std::io;

use cvmkit_formats::source::{Source, read_all};
use cvmkit_measure::firmware::{self, Firmware, TABLE_FOOTER_GUID};
use cvmkit_measure::gpa::FOUR_GIB;

use super::super::input::FIRMWARE_MAX;
use super::error::Error;
use super::magic::has;

/// Bytes from the end of an image to the GUID that closes its footer table.
const FOOTER_GUID_DISTANCE: u64 = 48;

/// True for an image that ends in a footer table.
pub(super) fn is_firmware(source: &impl Source) -> io::Result<bool> {
    match source.len().checked_sub(FOOTER_GUID_DISTANCE) {
        Some(at) if source.len() < FOUR_GIB => has(source, at, &TABLE_FOOTER_GUID.0),
        _ => Ok(false),
    }
}

/// Lists the image and its footer table. Absent metadata is listed as none; corrupt metadata is an error.
pub(super) fn listing(source: &impl Source) -> Result<String, Error> {
    if source.len() > FIRMWARE_MAX {
        let (found, most) = (source.len(), FIRMWARE_MAX);
        return Err(format!("the firmware has {found} bytes, expected at most {most}").into());
    }
    let image = read_all(source, FIRMWARE_MAX)?;
    // A split image (`OVMF_CODE.fd`) is listed too: nothing is computed from it.
    let firmware = Firmware::of_end(&image)?;
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = writeln!(text, "OVMF firmware of {} bytes at {}", image.len(), firmware.gpa());
    let _ = match absent(firmware.ap_reset_vector(), &firmware::Error::NoResetBlock)? {
        Some(vector) => writeln!(text, "  SEV-ES reset vector  {vector:#010x}"),
        None => writeln!(text, "  SEV-ES reset vector  none"),
    };
    let _ = match firmware.hash_table_area()? {
        Some(area) => {
            writeln!(text, "  kernel hash table    {} with {:#x} bytes", area.gpa, area.size)
        }
        None => writeln!(text, "  kernel hash table    none"),
    };
    let _ = match firmware.tdx_metadata_offset()? {
        Some(at) => writeln!(text, "  TDVF descriptor      at {at:#x}"),
        None => writeln!(text, "  TDVF descriptor      none"),
    };
    if let Some(entry) = absent(firmware.svsm_entry_point(), &firmware::Error::NoSvsmInfo)? {
        let _ = writeln!(text, "  SVSM entry point     {entry:#x}");
    }
    match absent(firmware.sev_sections(), &firmware::Error::NoSevMetadata)? {
        None => text.push_str("  SEV metadata         none\n"),
        Some(sections) => {
            let _ = writeln!(text, "SEV metadata, sections: {}", sections.len());
            for section in sections {
                let (kind, at) = (section.section_type, section.at);
                let (gpa, size) = (section.gpa, section.size);
                let _ = writeln!(text, "  {at:#08x} {gpa}+{size:#07x} {kind:?}");
            }
        }
    }
    Ok(text)
}

/// None where the footer table lacks the entry.
fn absent<T>(
    found: Result<T, firmware::Error>,
    missing: &firmware::Error,
) -> Result<Option<T>, firmware::Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error == *missing => Ok(None),
        Err(error) => Err(error),
    }
}
