//! Decodes the headers of an image and checks that they stay inside it.

use std::ops::Range;

use zerocopy::FromBytes;

use super::Error;
use super::spec::{
    CERTIFICATE_DIRECTORY, CHECKSUM, DOS_MAGIC, DataDirectory, FileHeader, LFANEW, MAGIC_PE32,
    MAGIC_PE32_PLUS, NX_COMPAT, OptionalHeader, SIGNATURE, SectionHeader,
};
use crate::source::{self, Source, Window};

/// A section of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// `Name`, without its padding. A name that is not ASCII is shown with replacements.
    pub name: String,
    /// `VirtualSize`: bytes in memory.
    pub virtual_size: u32,
    /// `VirtualAddress`, from the image base.
    pub virtual_address: u32,
    /// `SizeOfRawData`: bytes in the file.
    pub raw_size: u32,
    /// `PointerToRawData`: offset in the file.
    pub raw_offset: u32,
    /// `Characteristics`: bits of "Section Flags".
    pub characteristics: u32,
}

impl Section {
    /// The section's bytes in the file, padding included.
    #[must_use]
    pub fn raw_range(&self) -> Range<u64> {
        let start = u64::from(self.raw_offset);
        start..start + u64::from(self.raw_size)
    }

    /// The section's contents: `VirtualSize` bytes, what systemd-stub uses and measures.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a section longer in memory than in the file, [`Error::Io`] when
    /// `image` is not the one the headers were read from.
    pub fn contents<S: Source>(&self, image: S) -> Result<Window<S>, Error> {
        if self.virtual_size > self.raw_size {
            let why = format!(
                "`{}` has {} bytes in the file and {} in memory",
                self.name, self.raw_size, self.virtual_size
            );
            return Err(Error::Unsupported { what: "section", why });
        }
        Window::new(image, u64::from(self.raw_offset), u64::from(self.virtual_size))
            .map_err(|source| Error::Io { role: "opening a PE section", source })
    }
}

/// The headers of a PE32+ image.
#[derive(Clone, Debug)]
pub struct Headers {
    /// Bytes of the file.
    pub len: u64,
    /// Offset of the COFF file header.
    pub file_header_offset: u64,
    /// The "COFF File Header": machine, number of sections.
    pub file: FileHeader,
    /// The "Optional Header" of PE32+: alignments, sizes, subsystem.
    pub optional: OptionalHeader,
    /// Where the attribute certificate table lies in the file, if there is one.
    pub certificates: Option<Range<u64>>,
    /// In the order of the section table.
    pub sections: Vec<Section>,
}

impl Headers {
    /// Reads the headers of an image.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a header, a section or the certificate table leaves the file, or an
    /// alignment is not a power of two; [`Error::Unsupported`] for PE32.
    pub fn read<S: Source + ?Sized>(image: &S) -> Result<Self, Error> {
        if bytes(image, "DOS header", 0, 2)? != DOS_MAGIC {
            return Err(corrupt("DOS header", 0, "expected MZ"));
        }
        let lfanew: [u8; 4] = fixed(image, "DOS header", LFANEW)?;
        let at = u64::from(u32::from_le_bytes(lfanew));
        if bytes(image, "signature", at, 4)? != SIGNATURE {
            return Err(corrupt("signature", at, "expected PE and two NUL"));
        }
        let file_header_offset = at + 4;
        let file: FileHeader = structure(image, "file header", file_header_offset)?;
        let optional = read_optional(image, file_header_offset + 20, &file)?;
        let mut headers = Self {
            len: image.len(),
            file_header_offset,
            file,
            optional,
            certificates: None,
            sections: Vec::new(),
        };
        headers.certificates = headers.read_certificates(image)?;
        headers.sections = headers.read_sections(image)?;
        Ok(headers)
    }

    /// Offset of the optional header.
    #[must_use]
    pub fn optional_offset(&self) -> u64 {
        self.file_header_offset + 20
    }

    /// Offset of `CheckSum`, 4 bytes.
    #[must_use]
    pub fn checksum_offset(&self) -> u64 {
        self.optional_offset() + CHECKSUM
    }

    /// Offset of the certificate table's data directory, 8 bytes, if the image has that many.
    #[must_use]
    pub fn certificate_directory_offset(&self) -> Option<u64> {
        let has_it = self.optional.directories.get() > CERTIFICATE_DIRECTORY;
        has_it.then(|| self.optional_offset() + 112 + u64::from(CERTIFICATE_DIRECTORY) * 8)
    }

    /// Where the section table starts in the file, in bytes.
    #[must_use]
    pub fn section_table_offset(&self) -> u64 {
        self.optional_offset() + u64::from(self.file.optional_header_size.get())
    }

    /// The first section of a name; several sections may share one, as in a UKI of several profiles.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// True if the image promises to run with data pages not executable.
    #[must_use]
    pub fn is_nx_compatible(&self) -> bool {
        self.optional.dll_characteristics.get() & NX_COMPAT != 0
    }

    fn read_certificates<S: Source + ?Sized>(
        &self,
        image: &S,
    ) -> Result<Option<Range<u64>>, Error> {
        let Some(at) = self.certificate_directory_offset() else { return Ok(None) };
        let directory: DataDirectory = structure(image, "data directory", at)?;
        let start = u64::from(directory.address.get());
        let end = start + u64::from(directory.size.get());
        if start == 0 && end == 0 {
            return Ok(None);
        }
        if start < self.section_table_offset() || end > self.len {
            let why = format!("certificates at {start:#x}..{end:#x} leave the file");
            return Err(corrupt("data directory", at, why));
        }
        Ok(Some(start..end))
    }

    fn read_sections<S: Source + ?Sized>(&self, image: &S) -> Result<Vec<Section>, Error> {
        let mut at = self.section_table_offset();
        let mut sections = Vec::new();
        for _ in 0..self.file.sections.get() {
            let raw: SectionHeader = structure(image, "section header", at)?;
            let name = raw.name.split(|&byte| byte == 0).next().unwrap_or_default();
            let section = Section {
                name: String::from_utf8_lossy(name).into_owned(),
                virtual_size: raw.virtual_size.get(),
                virtual_address: raw.virtual_address.get(),
                raw_size: raw.raw_size.get(),
                raw_offset: raw.raw_offset.get(),
                characteristics: raw.characteristics.get(),
            };
            if section.raw_size != 0 && section.raw_range().end > self.len {
                let why = format!("`{}` leaves the file", section.name);
                return Err(corrupt("section header", at, why));
            }
            sections.push(section);
            at += 40;
        }
        if at > u64::from(self.optional.headers_size.get()) {
            let why = format!("{} sections leave SizeOfHeaders", sections.len());
            return Err(corrupt("section table", self.section_table_offset(), why));
        }
        Ok(sections)
    }
}

fn read_optional<S: Source + ?Sized>(
    image: &S,
    at: u64,
    file: &FileHeader,
) -> Result<OptionalHeader, Error> {
    match u16::from_le_bytes(fixed(image, "optional header", at)?) {
        MAGIC_PE32_PLUS => {}
        MAGIC_PE32 => {
            let why = "PE32, expected PE32+".into();
            return Err(Error::Unsupported { what: "optional header", why });
        }
        other => return Err(corrupt("optional header", at, format!("magic {other:#x}"))),
    }
    let optional: OptionalHeader = structure(image, "optional header", at)?;
    let refused = |why: String| Err(corrupt("optional header", at, why));
    let size = u64::from(file.optional_header_size.get());
    let directories = u64::from(optional.directories.get());
    if size < 112 + directories * 8 {
        return refused(format!("{size} bytes with {directories} data directories"));
    }
    let alignments = [optional.file_alignment.get(), optional.section_alignment.get()];
    if !alignments.iter().all(|alignment| alignment.is_power_of_two()) {
        return refused(format!("expected alignments of powers of two, found {alignments:?}"));
    }
    let headers = u64::from(optional.headers_size.get());
    if headers > image.len() || headers < at + size {
        let least = at + size;
        return refused(format!(
            "expected SizeOfHeaders {least} to {}, found {headers}",
            image.len()
        ));
    }
    Ok(optional)
}

fn corrupt(what: &'static str, at: u64, why: impl Into<String>) -> Error {
    Error::Corrupt { what, at, why: why.into() }
}

fn bytes<S: Source + ?Sized>(
    image: &S,
    what: &'static str,
    at: u64,
    len: u64,
) -> Result<Vec<u8>, Error> {
    let window = Window::new(image, at, len)
        .map_err(|_| corrupt(what, at, format!("{len} bytes leave the file")))?;
    source::read_all(&window, len)
        .map_err(|source| Error::Io { role: "reading a PE image", source })
}

fn fixed<const N: usize, S: Source + ?Sized>(
    image: &S,
    what: &'static str,
    at: u64,
) -> Result<[u8; N], Error> {
    let raw = bytes(image, what, at, N as u64)?;
    raw.try_into().map_err(|_| corrupt(what, at, "too short"))
}

fn structure<T: FromBytes, S: Source + ?Sized>(
    image: &S,
    what: &'static str,
    at: u64,
) -> Result<T, Error> {
    let raw = bytes(image, what, at, size_of::<T>() as u64)?;
    T::read_from_bytes(&raw).map_err(|_| corrupt(what, at, "too short"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pe::sample::{CERTIFICATES, FILE, OPTIONAL, TABLE, edited};

    /// 1536 bytes: headers of 1024 and one section of 512, all zeros, so that more headers are those of
    /// empty sections.
    fn image() -> Vec<u8> {
        let mut image = crate::pe::sample::image(&[".text"]);
        image[0x400..].fill(0);
        image
    }

    /// Offsets are those of the tables in "PE Format".
    #[test]
    fn every_header_that_contradicts_the_file_is_refused() {
        let word = u32::to_le_bytes;
        let rows: [(usize, &[u8], &str); 15] = [
            (0, b"NZ", "PE DOS header at byte 0x0: expected MZ"),
            (0x3c, &word(0x5fd), "PE signature at byte 0x5fd: 4 bytes leave the file"),
            (0x3c, &word(u32::MAX), "PE signature at byte 0xffffffff: 4 bytes leave the file"),
            (0x42, &[1], "PE signature at byte 0x40: expected PE and two NUL"),
            (OPTIONAL, &[0x0b, 1], "PE optional header: PE32, expected PE32+"),
            (OPTIONAL, &[7, 1], "PE optional header at byte 0x58: magic 0x107"),
            (
                FILE + 16,
                &[239],
                "PE optional header at byte 0x58: 239 bytes with 16 data directories",
            ),
            (
                OPTIONAL + 108,
                &word(u32::MAX),
                "PE optional header at byte 0x58: 240 bytes with 4294967295 data directories",
            ),
            (
                OPTIONAL + 36,
                &word(3),
                "PE optional header at byte 0x58: expected alignments of powers of two, found [3, \
                 4096]",
            ),
            (
                OPTIONAL + 32,
                &word(0),
                "PE optional header at byte 0x58: expected alignments of powers of two, found [512, \
                 0]",
            ),
            (
                OPTIONAL + 60,
                &word(327),
                "PE optional header at byte 0x58: expected SizeOfHeaders 328 to 1536, found 327",
            ),
            (
                OPTIONAL + 60,
                &word(1537),
                "PE optional header at byte 0x58: expected SizeOfHeaders 328 to 1536, found 1537",
            ),
            (FILE + 2, &[18], "PE section table at byte 0x148: 18 sections leave SizeOfHeaders"),
            (TABLE + 16, &word(0x201), "PE section header at byte 0x148: `.text` leaves the file"),
            (
                TABLE + 20,
                &word(u32::MAX),
                "PE section header at byte 0x148: `.text` leaves the file",
            ),
        ];
        for (at, bytes, expected) in rows {
            let image = edited(image(), at, bytes);
            assert_eq!(Headers::read(&image).unwrap_err().to_string(), expected);
        }
        for (len, expected) in [
            (1, "PE DOS header at byte 0x0: 2 bytes leave the file"),
            (0x3f, "PE DOS header at byte 0x3c: 4 bytes leave the file"),
            (0x57, "PE file header at byte 0x44: 20 bytes leave the file"),
            (0x59, "PE optional header at byte 0x58: 2 bytes leave the file"),
            (0xc7, "PE optional header at byte 0x58: 112 bytes leave the file"),
        ] {
            assert_eq!(Headers::read(&image()[..len]).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn headers_at_their_bounds_are_read() {
        for (at, bytes) in [
            (FILE + 2, &[17][..]),
            (OPTIONAL + 60, &[0x70, 1]), // 0x148 and one section
            (OPTIONAL + 60, &[0, 6]),
            (OPTIONAL + 36, &[1, 0]),
            (TABLE + 8, &[0xff; 4]),
        ] {
            assert!(Headers::read(&edited(image(), at, bytes)).is_ok(), "{at:#x}");
        }
        // A section of no bytes in the file may point anywhere.
        let empty = edited(image(), TABLE + 16, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        assert!(Headers::read(&empty).is_ok());
    }

    #[test]
    fn certificates_lie_behind_the_section_table_and_inside_the_file() {
        let read = |start: u32, len: u32| {
            let image = edited(image(), CERTIFICATES, &start.to_le_bytes());
            let image = edited(image, CERTIFICATES + 4, &len.to_le_bytes());
            Headers::read(&image).map(|headers| headers.certificates).map_err(|e| e.to_string())
        };
        assert_eq!(read(0, 0), Ok(None));
        assert_eq!(read(0x5f8, 8), Ok(Some(0x5f8..0x600)));
        assert_eq!(read(0x148, 0), Ok(Some(0x148..0x148)));
        for (start, len) in [(0x147, 8), (0x5f8, 9), (0x601, 0), (u32::MAX, u32::MAX), (0, 1)] {
            let found = read(start, len).unwrap_err();
            let range = format!("{start:#x}..{:#x}", u64::from(start) + u64::from(len));
            let whole = "PE data directory at byte 0xe8: certificates at";
            assert_eq!(found, format!("{whole} {range} leave the file"));
        }
        // Fewer directories: whatever is in the place is not the certificate table.
        let few = edited(edited(image(), OPTIONAL + 108, &[4]), CERTIFICATES, &[0xff; 8]);
        let headers = Headers::read(&few).unwrap();
        assert_eq!(
            (headers.certificates.clone(), headers.certificate_directory_offset()),
            (None, None)
        );
        assert!(Headers::read(&edited(few, OPTIONAL + 108, &[5])).is_err());
    }

    #[test]
    fn contents_are_what_is_in_memory() {
        let bytes = image();
        let headers = Headers::read(&bytes).unwrap();
        let section = headers.section(".text").unwrap();
        let contents = section.contents(&bytes).unwrap();
        assert_eq!((contents.start(), contents.len()), (0x400, 0x180));
        assert_eq!(section.raw_range(), 0x400..0x600);
        assert_eq!(headers.section(".data"), None);
        let longer = Section { virtual_size: 0x201, ..section.clone() };
        assert_eq!(
            longer.contents(&bytes).unwrap_err().to_string(),
            "PE section: `.text` has 512 bytes in the file and 513 in memory"
        );
        assert!(matches!(section.contents(&bytes[..0x500]), Err(Error::Io { .. })));
        let mut flags = headers.clone();
        for (bits, expected) in [(0, false), (0x0100, true), (0xfeff, false), (0xffff, true)] {
            flags.optional.dll_characteristics.set(bits);
            assert_eq!(flags.is_nx_compatible(), expected, "{bits:#x}");
        }
    }
}
