//! Unified kernel images: a systemd stub with sections appended.
//!
//! The contract: the layout is a function of the stub, the names and the lengths, so that
//! [`Plan::len`] is known before the contents are. Sections lie where ukify 257 puts them:
//! addresses and file offsets behind everything of the stub, aligned as the stub says,
//! `VirtualSize` the exact length. On one input and in one order the file is ukify's, byte for
//! byte.
//!
//! Deviations from ukify: [`Plan::new`] puts sections in the order of their
//! measurement, [`Plan::in_order`] keeps the caller's; a stub whose raw data is not
//! aligned, whose symbols are not its end, or that overlaps itself is refused instead of repaired;
//! of the stub's own sections only `.sbat` may be replaced; whether the kernel is NX-compatible
//! ([`Options::for_kernel`]) is asked for, never guessed.
//!
//! Deliberately absent: several profiles, several device trees, addons, signing.
//!
//! Standard: UAPI.5 Unified Kernel Image. Oracle: ukify 257, `objcopy -O binary`.

use zerocopy::little_endian::U32;
use zerocopy::{FromZeros, IntoBytes};

use super::spec::{
    NX_COMPAT, SECTION_CODE, SECTION_INITIALIZED_DATA, SECTION_READ, SYMBOL, SectionHeader,
};
use super::{Error, Headers};
use crate::sink::Sink;
use crate::source::{Source, Window, read_all};
use crate::stream;

/// The sections of a UKI (UAPI.5, "UKI Components") in the order that systemd-stub 257 measures
/// them in (its manual page, "Signed PE sections").
pub const SECTION_ORDER: [&str; 15] = [
    ".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".uname", ".sbat",
    ".pcrsig", ".pcrpkey", ".profile", ".dtbauto", ".hwids", ".efifw",
];

/// A section of the stub that may be replaced: ukify puts the kernel's entries into it too.
const REPLACEABLE: &str = ".sbat";

/// What the plan must know about the contents besides their lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Keep the stub's promise to run with data pages not executable. The kernel must promise it
    /// too, or firmware that insists on it refuses the kernel.
    pub keep_nx_compat: bool,
}

impl Options {
    /// Takes the promise from the kernel that will become `.linux`.
    ///
    /// # Errors
    /// As [`Headers::read`]: systemd-stub can start nothing but a PE image.
    pub fn for_kernel<S: Source + ?Sized>(kernel: &S) -> Result<Self, Error> {
        Ok(Self { keep_nx_compat: Headers::read(kernel)?.is_nx_compatible() })
    }
}

/// Where a section lies, in the file and in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// `Name`, such as `.linux`.
    pub name: String,
    /// Offset in the file.
    pub offset: u64,
    /// Length of the contents: `VirtualSize`.
    pub len: u64,
    /// Length in the file, padded: `SizeOfRawData`.
    pub raw_len: u64,
    /// `VirtualAddress`, from the image base.
    pub address: u64,
}

/// A frozen UKI.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The stub with its headers as they will be. A replaced section's bytes are not used.
    stub: Vec<u8>,
    /// In the order of the file.
    sections: Vec<Placed>,
    len: u64,
}

impl Plan {
    /// Appends sections of these names and lengths to `stub`, in the order of [`SECTION_ORDER`].
    ///
    /// # Errors
    /// [`Error::Invalid`] names a section that UAPI.5 does not know, comes twice, is empty, or does
    /// not fit; [`Error::Unsupported`] and [`Error::Corrupt`] say what is wrong with the stub.
    pub fn new(stub: &[u8], sections: &[(&str, u64)], options: &Options) -> Result<Self, Error> {
        let mut sorted = sections.to_vec();
        sorted.sort_by_key(|(name, _)| SECTION_ORDER.iter().position(|known| known == name));
        Self::in_order(stub, &sorted, options)
    }

    /// As [`Plan::new`], in the order given.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn in_order(
        stub: &[u8],
        sections: &[(&str, u64)],
        options: &Options,
    ) -> Result<Self, Error> {
        check_names(sections)?;
        let headers = Headers::read(stub)?;
        check_stub(&headers)?;
        let mut layout = Layout::new(stub, headers)?;
        for &(name, len) in sections {
            layout.place(name, len)?;
        }
        layout.seal(options)
    }

    /// Length of the image in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an image is never empty")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Where the sections lie, in the order of the file.
    #[must_use]
    pub fn sections(&self) -> &[Placed] {
        &self.sections
    }

    /// Emits the image in order; `contents` by name, in any order.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a section's contents are missing or not as long as planned, before
    /// anything is emitted; [`Error::Io`] when the sink or the contents fail.
    pub fn write(
        &self,
        contents: &[(&str, &dyn Source)],
        sink: &mut impl Sink,
    ) -> Result<(), Error> {
        let mut planned = Vec::with_capacity(self.sections.len());
        for section in &self.sections {
            let found = contents.iter().find(|(name, _)| *name == section.name);
            let refused = |why: String| Error::Invalid { section: section.name.clone(), why };
            let &(_, content) = found.ok_or_else(|| refused("no contents are given".into()))?;
            if content.len() != section.len {
                let found = content.len();
                return Err(refused(format!("expected {} bytes, found {found}", section.len)));
            }
            planned.push((section, content));
        }
        if let Some((name, _)) = contents.iter().find(|(name, _)| !self.has(name)) {
            let why = "contents are given, but it is not planned".into();
            return Err(Error::Invalid { section: (*name).to_owned(), why });
        }
        self.emit(&planned, sink)
            .map_err(|source| Error::Io { role: "writing a unified kernel image", source })
    }

    fn has(&self, name: &str) -> bool {
        self.sections.iter().any(|section| section.name == name)
    }

    fn emit(
        &self,
        planned: &[(&Placed, &dyn Source)],
        sink: &mut impl Sink,
    ) -> std::io::Result<()> {
        let mut at = 0;
        let stub_len = self.stub.len() as u64;
        for &(section, content) in planned {
            // What of the stub lies before this section; the part of a replaced one is skipped.
            self.emit_stub(at..section.offset.min(stub_len), sink)?;
            stream::copy(content, sink, section.offset)?;
            at = section.offset + section.raw_len;
            let end = section.offset + section.len;
            sink.zeros(end, at - end)?;
        }
        self.emit_stub(at..stub_len, sink)
    }

    fn emit_stub(&self, range: std::ops::Range<u64>, sink: &mut impl Sink) -> std::io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        stream::each_piece(&self.stub, range, |at, bytes| sink.write_at(at, bytes))
    }
}

fn check_names(sections: &[(&str, u64)]) -> Result<(), Error> {
    for (at, &(name, len)) in sections.iter().enumerate() {
        let refused = |why: &str| Error::Invalid { section: name.to_owned(), why: why.to_owned() };
        if !SECTION_ORDER.contains(&name) {
            return Err(refused("UAPI.5 defines no section of this name"));
        }
        if sections.iter().take(at).any(|(earlier, _)| *earlier == name) {
            return Err(refused("it comes twice"));
        }
        if len == 0 {
            return Err(refused("it is empty"));
        }
    }
    Ok(())
}

fn check_stub(headers: &Headers) -> Result<(), Error> {
    let refused = |why: String| Err(Error::Unsupported { what: "stub", why });
    if headers.certificates.is_some() {
        return refused("it is signed".into());
    }
    let alignment = headers.optional.file_alignment.get();
    if !headers.optional.headers_size.get().is_multiple_of(alignment) {
        return refused(format!("SizeOfHeaders is not a multiple of {alignment}"));
    }
    let mut file_end = u64::from(headers.optional.headers_size.get());
    let mut memory_end = file_end;
    for section in &headers.sections {
        let range = section.raw_range();
        let aligned = section.raw_offset.is_multiple_of(alignment)
            && section.raw_size.is_multiple_of(alignment);
        if !aligned || range.start < file_end || u64::from(section.virtual_address) < memory_end {
            return refused(format!("section `{}` is not aligned or out of order", section.name));
        }
        file_end = range.end;
        memory_end = u64::from(section.virtual_address) + u64::from(section.virtual_size);
    }
    Ok(())
}

/// An image under construction.
struct Layout {
    stub: Vec<u8>,
    headers: Headers,
    added: Vec<Placed>,
    /// The replaced section of the stub.
    replaced: Option<Placed>,
    file_end: u64,
    memory_end: u64,
    initialized: u64,
}

impl Layout {
    fn new(stub: &[u8], mut headers: Headers) -> Result<Self, Error> {
        let mut stub = stub.to_vec();
        strip_symbols(&mut stub, &mut headers)?;
        let file_alignment = u64::from(headers.optional.file_alignment.get());
        let file_end = (stub.len() as u64).next_multiple_of(file_alignment);
        stub.resize(usize::try_from(file_end).unwrap_or(usize::MAX), 0);
        let last = headers.sections.last();
        let memory_end = last.map_or(0, |section| {
            u64::from(section.virtual_address) + u64::from(section.virtual_size)
        });
        let initialized = u64::from(headers.optional.initialized_data_size.get());
        Ok(Self {
            stub,
            headers,
            added: Vec::new(),
            replaced: None,
            file_end,
            memory_end,
            initialized,
        })
    }

    fn place(&mut self, name: &str, len: u64) -> Result<(), Error> {
        let refused = |why: String| Error::Invalid { section: name.to_owned(), why };
        if let Some(own) = self.headers.section(name) {
            if name != REPLACEABLE {
                return Err(refused("the stub has one already".into()));
            }
            let room = u64::from(own.raw_size);
            if len > room {
                return Err(refused(format!("{len} bytes, the stub has room for {room}")));
            }
            self.replaced = Some(Placed {
                name: name.to_owned(),
                offset: u64::from(own.raw_offset),
                len,
                raw_len: room,
                address: u64::from(own.virtual_address),
            });
            return Ok(());
        }
        let count = self.headers.sections.len() + self.added.len() + 1;
        let table_end = self.headers.section_table_offset() + count as u64 * 40;
        let room = u64::from(self.headers.optional.headers_size.get());
        if table_end > room {
            let why = format!("no header space: {count} sections need {table_end} of {room} bytes");
            return Err(refused(why));
        }
        let optional = &self.headers.optional;
        let address = self.memory_end.next_multiple_of(u64::from(optional.section_alignment.get()));
        let raw_len = len
            .checked_next_multiple_of(u64::from(optional.file_alignment.get()))
            .ok_or_else(|| refused(format!("{len} bytes")))?;
        let placed = Placed { name: name.to_owned(), offset: self.file_end, len, raw_len, address };
        let limit = u64::from(u32::MAX) - u64::from(optional.section_alignment.get());
        if raw_len > limit || self.file_end + raw_len > limit || address + len > limit {
            return Err(refused(format!("{len} bytes take the image beyond 4 GiB")));
        }
        self.file_end += raw_len;
        self.memory_end = address + len;
        self.initialized += len;
        self.added.push(placed);
        Ok(())
    }

    /// Brings the headers up to date.
    fn seal(mut self, options: &Options) -> Result<Plan, Error> {
        let stub_sections = self.headers.sections.len();
        if let Some(replaced) = &self.replaced {
            let at = self.headers.sections.iter().position(|own| own.name == replaced.name);
            let offset = self.headers.section_table_offset() + at.unwrap_or(0) as u64 * 40 + 8;
            patch(&mut self.stub, offset, small(replaced.len)?.as_bytes());
        }
        let mut at = self.headers.section_table_offset() + stub_sections as u64 * 40;
        for placed in &self.added {
            patch(&mut self.stub, at, section_header(placed)?.as_bytes());
            at += 40;
        }
        let count = stub_sections + self.added.len();
        let file = &mut self.headers.file;
        file.sections.set(u16::try_from(count).unwrap_or(u16::MAX));
        let optional = &mut self.headers.optional;
        let alignment = u64::from(optional.section_alignment.get());
        optional.image_size = small(self.memory_end.next_multiple_of(alignment))?;
        optional.initialized_data_size = small(self.initialized)?;
        optional.checksum = U32::ZERO;
        if !options.keep_nx_compat {
            optional.dll_characteristics.set(optional.dll_characteristics.get() & !NX_COMPAT);
        }
        patch(&mut self.stub, self.headers.file_header_offset, self.headers.file.as_bytes());
        let at = self.headers.optional_offset();
        patch(&mut self.stub, at, self.headers.optional.as_bytes());
        let sections = self.replaced.into_iter().chain(self.added).collect();
        Ok(Plan { stub: self.stub, sections, len: self.file_end })
    }
}

/// Cuts a COFF symbol table and its strings off the end ("COFF Symbol Table": images should have
/// none, but older stubs do).
fn strip_symbols(stub: &mut Vec<u8>, headers: &mut Headers) -> Result<(), Error> {
    let start = u64::from(headers.file.symbol_table.get());
    if start == 0 {
        return Ok(());
    }
    let strings = start + u64::from(headers.file.symbols.get()) * SYMBOL;
    // "COFF String Table": its first four bytes are its length, which counts them.
    let strings_len = usize::try_from(strings)
        .ok()
        .and_then(|at| stub.get(at..at.checked_add(4)?)?.try_into().ok())
        .map_or(0, u32::from_le_bytes);
    let end = strings + u64::from(strings_len);
    let sections_end = headers.sections.iter().map(|section| section.raw_range().end).max();
    if end != stub.len() as u64 || sections_end.is_some_and(|sections| sections > start) {
        let why = format!("its symbols at {start:#x}..{end:#x} are not its end");
        return Err(Error::Unsupported { what: "stub", why });
    }
    stub.truncate(usize::try_from(start).unwrap_or(usize::MAX));
    headers.file.symbol_table = U32::ZERO;
    headers.file.symbols = U32::ZERO;
    Ok(())
}

/// The stub of a UKI whose last sections are those `appended`: as it was but for symbols, checksum
/// and sizes, with zeros where the headers of the appended sections are.
///
/// With it, the same contents and the NX promise of `image`, [`Plan`] gives `image` again.
///
/// # Errors
/// As [`Headers::read`]; [`Error::Unsupported`] for other sections, or a stub of `limit` bytes.
pub fn stub_within<S: Source + ?Sized>(
    image: &S,
    appended: &[&str],
    limit: u64,
) -> Result<Vec<u8>, Error> {
    let mut headers = Headers::read(image)?;
    let refused = |why: String| Error::Unsupported { what: "unified kernel image", why };
    let own = headers.sections.len().saturating_sub(appended.len());
    let behind = headers.sections.split_off(own);
    let first =
        behind.first().ok_or_else(|| refused("it has none of the appended sections".into()))?;
    if let Some(other) = behind.iter().find(|section| !appended.contains(&section.name.as_str())) {
        return Err(refused(format!(
            "expected the appended sections last, found `{}` among them",
            other.name
        )));
    }
    let len = u64::from(first.raw_offset);
    let window = Window::new(image, 0, len).and_then(|window| read_all(&window, limit));
    let mut stub = window.map_err(|source| Error::Io { role: "reading a stub", source })?;
    let table_end = headers.section_table_offset() + own as u64 * 40;
    if table_end + behind.len() as u64 * 40 > len {
        return Err(refused("its sections begin within its headers".into()));
    }
    patch(&mut stub, table_end, &vec![0; behind.len() * 40]);
    let memory_end = headers
        .sections
        .last()
        .map_or(0, |section| u64::from(section.virtual_address) + u64::from(section.virtual_size));
    headers.file.sections.set(u16::try_from(own).unwrap_or(u16::MAX));
    let optional = &mut headers.optional;
    let added: u64 = behind.iter().map(|section| u64::from(section.virtual_size)).sum();
    let initialized = u64::from(optional.initialized_data_size.get()).saturating_sub(added);
    optional.initialized_data_size = small(initialized)?;
    let alignment = u64::from(optional.section_alignment.get());
    optional.image_size = small(memory_end.next_multiple_of(alignment))?;
    optional.checksum = U32::ZERO;
    patch(&mut stub, headers.file_header_offset, headers.file.as_bytes());
    patch(&mut stub, headers.optional_offset(), headers.optional.as_bytes());
    Ok(stub)
}

fn section_header(placed: &Placed) -> Result<SectionHeader, Error> {
    let mut header = SectionHeader::new_zeroed();
    for (slot, byte) in header.name.iter_mut().zip(placed.name.bytes()) {
        *slot = byte;
    }
    header.virtual_size = small(placed.len)?;
    header.virtual_address = small(placed.address)?;
    header.raw_size = small(placed.raw_len)?;
    header.raw_offset = small(placed.offset)?;
    // Stubs older than 257 may start a kernel in place, inside the section.
    let kind = if placed.name == ".linux" { SECTION_CODE } else { SECTION_INITIALIZED_DATA };
    header.characteristics = U32::new(SECTION_READ | kind);
    Ok(header)
}

/// Every address and length of an image has 32 bits; [`Layout::place`] has made sure.
fn small(value: u64) -> Result<U32, Error> {
    u32::try_from(value).map(U32::new).map_err(|_| {
        let why = format!("{value:#x} does not fit in 32 bits");
        Error::Unsupported { what: "image size", why }
    })
}

/// Replaces bytes of the headers, which [`Headers::read`] has proven to lie inside the stub.
fn patch(stub: &mut [u8], at: u64, bytes: &[u8]) {
    let range = usize::try_from(at).ok().map(|start| start..start.saturating_add(bytes.len()));
    if let Some(slot) = range.and_then(|range| stub.get_mut(range)) {
        slot.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pe::sample::{self, CERTIFICATES, FILE, OPTIONAL, TABLE};

    const KEEP: Options = Options { keep_nx_compat: true };

    /// A stub of 0x400 bytes of headers and two sections of 0x200 bytes each.
    fn stub() -> Vec<u8> {
        sample::image(&[".text", ".sbat"])
    }

    fn edited(at: usize, bytes: &[u8]) -> Vec<u8> {
        sample::edited(stub(), at, bytes)
    }

    fn refusal(stub: &[u8], sections: &[(&str, u64)]) -> String {
        Plan::new(stub, sections, &KEEP).unwrap_err().to_string()
    }

    #[test]
    fn sections_are_known_come_once_and_fit() {
        for (sections, expected) in [
            (&[(".text", 1)][..], "UKI section `.text`: UAPI.5 defines no section of this name"),
            (&[(".linux", 1), (".linux", 2)], "UKI section `.linux`: it comes twice"),
            (&[(".initrd", 0)], "UKI section `.initrd`: it is empty"),
            (&[(".sbat", 0x201)], "UKI section `.sbat`: 513 bytes, the stub has room for 512"),
            (&[(".linux", u64::MAX)], "UKI section `.linux`: 18446744073709551615 bytes"),
            (
                &[(".linux", 0xffff_f000)],
                "UKI section `.linux`: 4294963200 bytes take the image beyond 4 GiB",
            ),
            (
                &[(".linux", 1 << 31), (".initrd", 1 << 31)],
                "UKI section `.initrd`: 2147483648 bytes take the image beyond 4 GiB",
            ),
        ] {
            assert_eq!(refusal(&stub(), sections), expected);
        }
        // SizeOfHeaders 0x400 has room for (0x400 - 0x148) / 40 = 17 sections, two of them the stub's.
        let all: Vec<(&str, u64)> =
            SECTION_ORDER.iter().filter(|name| **name != ".sbat").map(|name| (*name, 1)).collect();
        assert!(Plan::new(&stub(), &all, &KEEP).is_ok());
        let small = edited(OPTIONAL + 60, &[0, 2, 0, 0]);
        assert_eq!(
            refusal(&small, &all),
            "UKI section `.cmdline`: no header space: 5 sections need 528 of 512 bytes"
        );
    }

    #[test]
    fn stubs_that_would_have_to_be_repaired_are_refused() {
        let unaligned = |name| format!("PE stub: section `{name}` is not aligned or out of order");
        for (stub, expected) in [
            (edited(CERTIFICATES, &[0xf8, 7, 0, 0, 8]), "PE stub: it is signed".to_owned()),
            (
                edited(OPTIONAL + 60, &[0, 3]),
                "PE stub: SizeOfHeaders is not a multiple of 512".to_owned(),
            ),
            (edited(TABLE + 20, &[1, 4]), unaligned(".text")),
            (edited(TABLE + 16, &[1, 1]), unaligned(".text")),
            // Before the end of the headers, and of the section before, in the file and in memory.
            (edited(TABLE + 20, &[0, 2]), unaligned(".text")),
            (edited(TABLE + 60, &[0, 4]), unaligned(".sbat")),
            (edited(TABLE + 40 + 12, &[0, 0x10]), unaligned(".sbat")),
            (edited(TABLE + 12, &[0xff, 3]), unaligned(".text")),
        ] {
            assert_eq!(refusal(&stub, &[(".linux", 1)]), expected);
        }
    }

    /// "COFF String Table": its length counts its own four bytes.
    #[test]
    fn symbols_are_cut_off_where_they_are_the_end() {
        let with_symbols = |strings_len: u32, behind: &[u8]| {
            let mut stub = edited(FILE + 8, &[0, 8, 0, 0, 1]);
            stub.extend([7; 18]);
            stub.extend(strings_len.to_le_bytes());
            stub.extend(behind);
            stub
        };
        let plan = Plan::new(&with_symbols(8, b"abc\0"), &[(".linux", 1)], &KEEP).unwrap();
        let bare = Plan::new(&stub(), &[(".linux", 1)], &KEEP).unwrap();
        assert_eq!((plan.len(), &plan.stub), (bare.len(), &bare.stub));
        for (stub, end) in [
            (with_symbols(8, b"abc\0d"), 0x81a),
            (with_symbols(9, b"abc\0"), 0x81b),
            (with_symbols(8, b"abc\0")[..0x815].to_vec(), 0x812),
        ] {
            let expected = format!("PE stub: its symbols at 0x800..{end:#x} are not its end");
            assert_eq!(refusal(&stub, &[(".linux", 1)]), expected);
        }
        // Symbols that begin inside a section.
        let mut inside = edited(FILE + 8, &[0, 7, 0, 0, 0]);
        inside[0x700..0x704].copy_from_slice(&0x100u32.to_le_bytes());
        let expected = "PE stub: its symbols at 0x700..0x800 are not its end";
        assert_eq!(refusal(&inside, &[(".linux", 1)]), expected);
    }

    #[test]
    fn the_headers_say_what_was_added() {
        let plan = Plan::new(&stub(), &[(".initrd", 0x1001), (".linux", 3), (".sbat", 5)], &KEEP);
        let plan = plan.unwrap();
        let placed: Vec<_> = plan
            .sections()
            .iter()
            .map(|s| (s.name.as_str(), s.offset, s.len, s.raw_len, s.address))
            .collect();
        assert_eq!(
            placed,
            [
                (".sbat", 0x600, 5, 0x200, 0x2000),
                (".linux", 0x800, 3, 0x200, 0x3000),
                (".initrd", 0xa00, 0x1001, 0x1200, 0x4000)
            ]
        );
        let contents: [(&str, &dyn Source); 3] = [
            (".linux", &b"bzI".to_vec()),
            (".initrd", &vec![b'i'; 0x1001]),
            (".sbat", &b"sbat,".to_vec()),
        ];
        let mut image = Vec::new();
        plan.write(&contents, &mut image).unwrap();
        assert_eq!(image.len() as u64, plan.len());
        let headers = Headers::read(&image).unwrap();
        let optional = &headers.optional;
        // 0x100 of the stub, and the lengths of what was added; what is replaced was counted.
        assert_eq!(optional.initialized_data_size.get(), 0x100 + 0x1001 + 3);
        assert_eq!((optional.image_size.get(), optional.checksum.get()), (0x6000, 0));
        let flags: Vec<u32> = headers.sections.iter().map(|s| s.characteristics).collect();
        assert_eq!(flags[2..], [0x4000_0020, 0x4000_0040]);
        assert_eq!(headers.section(".sbat").unwrap().virtual_size, 5);
        assert_eq!(image[0x600..0x606], *b"sbat,\0");
        assert!(headers.is_nx_compatible());

        let options = Options { keep_nx_compat: false };
        let plan = Plan::new(&stub(), &[(".linux", 3)], &options).unwrap();
        let flags = OPTIONAL + 70;
        assert_eq!(plan.stub[flags..flags + 2], [1, 0], "the other flags stay");
        assert_eq!(Options::for_kernel(&stub()).unwrap(), KEEP);
    }

    #[test]
    fn a_stub_is_found_again_in_its_image() {
        let contents: [(&str, &dyn Source); 2] =
            [(".linux", &b"bzI".to_vec()), (".osrel", &b"ID=x\n".to_vec())];
        let lengths = contents.map(|(name, content)| (name, content.len()));
        let mut image = Vec::new();
        Plan::new(&stub(), &lengths, &KEEP).unwrap().write(&contents, &mut image).unwrap();
        let found = stub_within(&image, &[".linux", ".osrel"], 0x800).unwrap();
        let mut again = Vec::new();
        Plan::new(&found, &lengths, &KEEP).unwrap().write(&contents, &mut again).unwrap();
        assert_eq!(again, image);
        for (appended, limit, expected) in [
            (&[][..], 0x800, "PE unified kernel image: it has none of the appended sections"),
            (
                &[".linux", ".cmdline"],
                0x800,
                "PE unified kernel image: expected the appended sections last, found `.osrel` among them",
            ),
            (&[".linux", ".osrel"], 0x7ff, "reading a stub"),
        ] {
            assert_eq!(stub_within(&image, appended, limit).unwrap_err().to_string(), expected);
        }
        let mut early = image;
        let first = TABLE + 80 + 20;
        early[first..first + 4].copy_from_slice(&0x180u32.to_le_bytes());
        assert_eq!(
            stub_within(&early, &[".linux", ".osrel"], 0x800).unwrap_err().to_string(),
            "PE unified kernel image: its sections begin within its headers"
        );
    }
}
