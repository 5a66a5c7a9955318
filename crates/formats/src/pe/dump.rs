//! An annotated listing of an image's headers.

use std::fmt::Write as _;

use super::Headers;

/// Lists the headers, one line per section.
#[must_use]
pub fn dump(headers: &Headers) -> String {
    let mut text = String::new();
    let optional = &headers.optional;
    // Writing to a String can't fail.
    let _ = writeln!(text, "PE32+ image of {} bytes", headers.len);
    let _ = writeln!(text, "  machine            {:#06x}", headers.file.machine.get());
    let _ = writeln!(text, "  subsystem          {}", optional.subsystem.get());
    let _ = writeln!(text, "  section alignment  {:#x}", optional.section_alignment.get());
    let _ = writeln!(text, "  file alignment     {:#x}", optional.file_alignment.get());
    let _ = writeln!(text, "  size of image      {:#x}", optional.image_size.get());
    let _ = writeln!(text, "  size of headers    {:#x}", optional.headers_size.get());
    let _ = writeln!(text, "  initialized data   {:#x}", optional.initialized_data_size.get());
    let _ = writeln!(text, "  DLL flags          {:#06x}", optional.dll_characteristics.get());
    let _ = match &headers.certificates {
        Some(range) => writeln!(text, "  certificates       {range:#x?}"),
        None => writeln!(text, "  certificates       none"),
    };
    for section in &headers.sections {
        let _ = writeln!(
            text,
            "{:<8} address {:#010x}+{:#x} file {:#010x}+{:#x} flags {:#010x}",
            section.name,
            section.virtual_address,
            section.virtual_size,
            section.raw_offset,
            section.raw_size,
            section.characteristics
        );
    }
    text
}
