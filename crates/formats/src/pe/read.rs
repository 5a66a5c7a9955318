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
    /// `Characteristics`
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
    /// Length of the file.
    pub len: u64,
    /// Offset of the COFF file header.
    pub file_header_offset: u64,
    /// "COFF File Header"
    pub file: FileHeader,
    /// "Optional Header"
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
    /// alignment is no power of two; [`Error::Unsupported`] for PE32.
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

    /// Offset of the section table.
    #[must_use]
    pub fn section_table_offset(&self) -> u64 {
        self.optional_offset() + u64::from(self.file.optional_header_size.get())
    }

    /// The first section of a name.
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
        return refused(format!("alignments {alignments:?} are no powers of two"));
    }
    let headers = u64::from(optional.headers_size.get());
    if headers > image.len() || headers < at + size {
        return refused(format!("SizeOfHeaders {headers} is none"));
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
