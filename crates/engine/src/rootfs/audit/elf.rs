//! What an ELF file needs of other files to run (System V ABI, "Object Files" and "Dynamic Linking").
//!
//! A few ranges of the file are read, however long it is, and as the kernel (`fs/binfmt_elf.c`) and the loader
//! of glibc (`elf/dl-load.c`) read them: by addresses, not by the names of sections, which they do not look at.
//! What can't be read is an error with its words, never a file that needs nothing. Oracle: `readelf -d` and
//! `readelf -l`.

use std::io;

use cvmkit_formats::source::Source;
use thiserror::Error;

/// Types of files (`elf.h`): programs and libraries are run, objects and core dumps are not.
const ET_EXEC: u64 = 2;
const ET_DYN: u64 = 3;
const NEVER_RUN: [u64; 3] = [0, 1, 4];
/// Types from here on are those of an operating system or a processor.
const ET_LOOS: u64 = 0xfe00;

/// Types of segments (`elf.h`).
const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;

/// Tags of the dynamic section (`elf.h`).
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// The most bytes of program headers with which Linux runs a program (`load_elf_phdrs`). The loader takes a
/// library with more, and the field for their number has 16 bits.
const RUN_MAX: u64 = 65536;

/// The most bytes of a dynamic section and of one string that are read: guards. The kernel takes no longer
/// path of a loader (`PATH_MAX`), and real sections have some kB.
const DYNAMIC_MAX: u64 = 1 << 20;
const STRING_MAX: u64 = 4096;

/// For which machines a file is: class, byte order, `e_machine`.
pub(super) type Machine = (u8, u8, u16);

/// What a file needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) machine: Machine,
    /// The program that the kernel starts for it.
    pub(super) loader: Option<String>,
    /// Names of libraries, in their order.
    pub(super) libraries: Vec<String>,
    /// Where it wants them to be looked for before all else: `DT_RUNPATH`, or `DT_RPATH` without one.
    pub(super) folders: Vec<String>,
}

/// Why it is not known what a file needs.
#[derive(Debug, Error)]
pub(super) enum ElfError {
    /// The file can't be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// What it says of itself makes no sense.
    #[error("{0}")]
    Damaged(String),
}

/// What a file needs; nothing for what is no ELF file, or one of a type that nothing runs.
pub(super) fn needs(source: &impl Source) -> Result<Option<Needs>, ElfError> {
    let Some(file) = File::open(source)? else { return Ok(None) };
    match file.kind {
        ET_EXEC | ET_DYN => {}
        kind if NEVER_RUN.contains(&kind) || kind >= ET_LOOS => return Ok(None),
        kind => return Err(damaged(format!("has the unknown type {kind}"))),
    }
    let segments = file.segments()?;
    let of = |kind: u64| segments.iter().filter(move |segment| segment.kind == kind);
    let mut needs =
        Needs { machine: file.machine, loader: None, libraries: Vec::new(), folders: Vec::new() };
    // The kernel takes the first of them. What `objcopy --only-keep-debug` leaves has an empty one.
    if let Some(segment) = of(PT_INTERP).next().filter(|segment| segment.len > 0) {
        needs.loader = Some(file.string(segment.offset, segment.len, "the path of its loader")?);
    }
    let table = segments.len() as u64 * file.header_len();
    if table > RUN_MAX && (file.kind == ET_EXEC || needs.loader.is_some()) {
        let words = format!("has {table} bytes of program headers, and Linux runs none with more");
        return Err(damaged(format!("{words} than {RUN_MAX}")));
    }
    // The loader takes the last.
    if let Some(segment) = of(PT_DYNAMIC).next_back() {
        file.dynamic(segment, &segments, &mut needs)?;
    }
    Ok(Some(needs))
}

/// For which machine a library is; nothing for another file, and for what no loader takes.
pub(super) fn library(source: &impl Source) -> io::Result<Option<Machine>> {
    match File::open(source) {
        Ok(file) => Ok(file.filter(|file| file.kind == ET_DYN).map(|file| file.machine)),
        Err(ElfError::Read(error)) => Err(error),
        Err(ElfError::Damaged(_)) => Ok(None),
    }
}

fn damaged(words: impl Into<String>) -> ElfError {
    ElfError::Damaged(words.into())
}

struct File<'s, S> {
    source: &'s S,
    machine: Machine,
    /// `e_type`.
    kind: u64,
    head: Vec<u8>,
}

/// A program header.
struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    /// Its bytes in the file.
    len: u64,
    /// Its bytes in memory: behind those of the file are zeros.
    memory: u64,
}

impl<'s, S: Source> File<'s, S> {
    fn open(source: &'s S) -> Result<Option<Self>, ElfError> {
        let mut head = vec![0; usize::try_from(source.len().min(64)).unwrap_or_default()];
        source.read_at(0, &mut head)?;
        let &[0x7f, b'E', b'L', b'F', ref rest @ ..] = head.as_slice() else { return Ok(None) };
        let (class, order) = match *rest {
            [class @ (1 | 2), order @ (1 | 2), ..] => (class, order),
            [class, order, ..] => {
                return Err(damaged(format!("has the unknown class {class} or order {order}")));
            }
            _ => return Err(damaged("ends within its header")),
        };
        if head.len() < if class == 2 { 64 } else { 52 } {
            return Err(damaged("ends within its header"));
        }
        let mut file = Self { source, machine: (class, order, 0), kind: 0, head };
        file.kind = file.field((16, 2));
        file.machine.2 = u16::try_from(file.field((18, 2))).unwrap_or_default();
        Ok(Some(file))
    }

    fn is_64(&self) -> bool {
        self.machine.0 == 2
    }

    /// The length of a program header.
    fn header_len(&self) -> u64 {
        if self.is_64() { 56 } else { 32 }
    }

    /// A number of the file's header, all of which is there.
    fn field(&self, (at, len): (usize, usize)) -> u64 {
        self.number(&self.head, at, len).unwrap_or_default()
    }

    /// A number in the file's byte order.
    fn number(&self, bytes: &[u8], at: usize, len: usize) -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(len)?)?;
        let add = |number, byte: &u8| number << 8 | u64::from(*byte);
        Some(match self.machine.1 {
            1 => bytes.iter().rev().fold(0, add),
            _ => bytes.iter().fold(0, add),
        })
    }

    fn segments(&self) -> Result<Vec<Segment>, ElfError> {
        let (table, size, count) = match self.is_64() {
            true => ((32, 8), (54, 2), (56, 2)),
            false => ((28, 4), (42, 2), (44, 2)),
        };
        let (table, size, count) = (self.field(table), self.field(size), self.field(count));
        if count == 0 {
            // Neither the kernel nor the loader takes it.
            return Ok(Vec::new());
        }
        if size != self.header_len() {
            let expected = self.header_len();
            return Err(damaged(format!("has program headers of {size} bytes, not {expected}")));
        }
        let bytes = self.bytes(table, size * count, "its program headers")?;
        let chunks = bytes.chunks_exact(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(chunks.filter_map(|header| self.segment(header)).collect())
    }

    fn segment(&self, header: &[u8]) -> Option<Segment> {
        let field = |at, len| self.number(header, at, len);
        Some(match self.is_64() {
            true => Segment {
                kind: field(0, 4)?,
                offset: field(8, 8)?,
                address: field(16, 8)?,
                len: field(32, 8)?,
                memory: field(40, 8)?,
            },
            false => Segment {
                kind: field(0, 4)?,
                offset: field(4, 4)?,
                address: field(8, 4)?,
                len: field(16, 4)?,
                memory: field(20, 4)?,
            },
        })
    }

    /// Reads the dynamic section.
    fn dynamic(
        &self,
        dynamic: &Segment,
        segments: &[Segment],
        needs: &mut Needs,
    ) -> Result<(), ElfError> {
        let entries = self.entries(dynamic, segments)?;
        // The loader takes the last of a tag of which it needs one.
        let value = |tag: u64| entries.iter().rev().find(|(is, _)| *is == tag).map(|(_, is)| *is);
        let text = |at: u64, what: &str| {
            let table = value(DT_STRTAB).ok_or_else(|| damaged("has no table of strings"))?;
            match place(table.wrapping_add(at), segments) {
                Some((offset, len)) if len > 0 => self.string(offset, len, what),
                _ => Err(damaged(format!("has {what} outside of the file"))),
            }
        };
        for (_, at) in entries.iter().filter(|(tag, _)| *tag == DT_NEEDED) {
            needs.libraries.push(text(*at, "the name of a library")?);
        }
        if let Some(at) = value(DT_RUNPATH).or_else(|| value(DT_RPATH)) {
            let folders = match text(at, "its folders of libraries") {
                // An empty list is one.
                Err(ElfError::Damaged(words)) if words.ends_with(EMPTY) => String::new(),
                folders => folders?,
            };
            needs.folders = folders.split(':').map(str::to_owned).collect();
        }
        Ok(())
    }

    /// The entries of the dynamic section, which the loader finds by its address.
    fn entries(
        &self,
        dynamic: &Segment,
        segments: &[Segment],
    ) -> Result<Vec<(u64, u64)>, ElfError> {
        let Some((offset, len)) = place(dynamic.address, segments) else {
            return Err(damaged("has its dynamic section outside of what is loaded"));
        };
        let what = "its dynamic section";
        let word = if self.is_64() { 8 } else { 4 };
        let (mut entries, mut read) = (Vec::new(), 0);
        // Most have less than the first piece.
        while read < len {
            let piece = (len - read).min(4096);
            let bytes = self.bytes(offset.saturating_add(read), piece, what)?;
            for entry in bytes.chunks_exact(2 * word) {
                let of = |at| self.number(entry, at, word).unwrap_or_default();
                if of(0) == 0 {
                    return Ok(entries);
                }
                entries.push((of(0), of(word)));
            }
            read += piece;
            if read > DYNAMIC_MAX {
                return Err(damaged(format!("has no end of {what} within {DYNAMIC_MAX} bytes")));
            }
        }
        // Behind it are zeros, which end it.
        Ok(entries)
    }

    /// The string at `at`, which ends within `len` bytes.
    fn string(&self, at: u64, len: u64, what: &str) -> Result<String, ElfError> {
        let len = len.min(STRING_MAX).min(self.source.len().saturating_sub(at));
        let bytes = self.bytes(at, len, what)?;
        let Some(end) = bytes.iter().position(|byte| *byte == 0) else {
            return Err(damaged(format!("has no end of {what}")));
        };
        match &bytes[..end] {
            [] => Err(damaged(format!("has {what}{EMPTY}"))),
            text => Ok(String::from_utf8_lossy(text).into_owned()),
        }
    }

    /// A range of the file.
    fn bytes(&self, at: u64, len: u64, what: &str) -> Result<Vec<u8>, ElfError> {
        let is_there = at.checked_add(len).is_some_and(|end| end <= self.source.len());
        if !is_there || len == 0 {
            return Err(damaged(format!("ends before {what}")));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        self.source.read_at(at, &mut bytes)?;
        Ok(bytes)
    }
}

/// How the words for an empty string end.
const EMPTY: &str = ", which is empty";

/// Where in the file an address is, and how many bytes of the file follow there: none where memory has zeros.
fn place(address: u64, segments: &[Segment]) -> Option<(u64, u64)> {
    let holds = |segment: &&Segment| {
        let at = address.checked_sub(segment.address);
        segment.kind == PT_LOAD && at.is_some_and(|at| at < segment.len.max(segment.memory))
    };
    let segment = segments.iter().find(holds)?;
    let at = address - segment.address;
    Some((segment.offset.checked_add(at)?, segment.len.saturating_sub(at)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An ELF file of x86-64, little-endian: one segment of all, a loader, and a dynamic section.
    pub(crate) fn elf(loader: Option<&str>, libraries: &[&str], runpath: Option<&str>) -> Vec<u8> {
        const AT: usize = 64 + 3 * 56;
        let mut strings = vec![0_u8];
        let mut add = |text: &str| {
            let at = strings.len() as u64;
            strings.extend(text.as_bytes());
            strings.push(0);
            at
        };
        let mut entries: Vec<(u64, u64)> =
            libraries.iter().map(|name| (DT_NEEDED, add(name))).collect();
        entries.extend(runpath.map(|path| (DT_RUNPATH, add(path))));
        let interp = loader.map(|path| (add(path), path.len() as u64 + 1));
        let len = (entries.len() + 2) * 16;
        let table = (AT + len) as u64;
        entries.extend([(DT_STRTAB, 0x10_000 + table), (0, 0)]);
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(AT, 0);
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(16, &3_u16.to_le_bytes()); // e_type
        put(18, &62_u16.to_le_bytes()); // e_machine
        put(32, &64_u64.to_le_bytes()); // e_phoff
        put(54, &56_u16.to_le_bytes()); // e_phentsize
        put(56, &3_u16.to_le_bytes()); // e_phnum
        let mut segment = |index: usize, kind: u32, offset: u64, len: u64| {
            let at = 64 + index * 56;
            put(at, &kind.to_le_bytes());
            put(at + 8, &offset.to_le_bytes());
            put(at + 16, &(0x10_000 + offset).to_le_bytes());
            put(at + 32, &len.to_le_bytes());
            put(at + 40, &len.to_le_bytes());
        };
        segment(0, 1, 0, table + strings.len() as u64);
        segment(1, 2, AT as u64, len as u64);
        if let Some((at, len)) = interp {
            segment(2, 3, table + at, len);
        }
        for (tag, value) in entries {
            file.extend([tag.to_le_bytes(), value.to_le_bytes()].concat());
        }
        file.extend(strings);
        file
    }

    #[test]
    fn libraries_folders_and_the_loader_are_read() {
        let file = elf(Some("/lib/ld.so"), &["libc.so.6", "libx.so"], Some("$ORIGIN/x:/opt"));
        let found = needs(&file.as_slice()).unwrap().unwrap();
        assert_eq!(found.machine, (2, 1, 62));
        assert_eq!(found.loader.as_deref(), Some("/lib/ld.so"));
        assert_eq!(found.libraries, ["libc.so.6", "libx.so"]);
        assert_eq!(found.folders, ["$ORIGIN/x", "/opt"]);
        let bare = needs(&elf(None, &[], None).as_slice()).unwrap().unwrap();
        assert_eq!((bare.loader, bare.libraries.len(), bare.folders.len()), (None, 0, 0));
        for other in [&b""[..], b"#!/bin/sh\n", b"\x7fEL"] {
            assert_eq!(needs(&other).unwrap(), None);
            assert_eq!(library(&other).unwrap(), None);
        }
    }

    /// What comes of a file with these bytes written into it.
    fn with(file: &[u8], changes: &[(usize, &[u8])]) -> Result<Option<Needs>, String> {
        let mut file = file.to_vec();
        for (at, bytes) in changes {
            file[*at..*at + <[u8]>::len(bytes)].copy_from_slice(bytes);
        }
        needs(&file.as_slice()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_read_is_told_and_needs_not_nothing() {
        let good = elf(Some("/lib/ld.so"), &["libc.so.6"], Some("/opt"));
        let (load, dynamic, interp) = (64, 64 + 56, 64 + 112);
        let strtab = 64 + 3 * 56 + 2 * 16 + 8;
        let far = &0x7fff_ffff_u64.to_le_bytes()[..];
        for (changes, words) in [
            (&[(4, &[3][..])][..], "has the unknown class 3 or order 1"),
            (&[(5, &[0])], "has the unknown class 2 or order 0"),
            // The kernel of x86-64 looks at neither.
            (&[(5, &[2])], "has the unknown type 768"),
            (&[(16, &[9])], "has the unknown type 9"),
            (&[(54, &[57])], "has program headers of 57 bytes, not 56"),
            (&[(32, far)], "ends before its program headers"),
            (&[(56, &[0xff])], "ends before its program headers"),
            (&[(interp + 8, far)], "ends before the path of its loader"),
            (&[(interp + 32, &[3])], "has no end of the path of its loader"),
            (&[(load, &[9])], "has its dynamic section outside of what is loaded"),
            (&[(dynamic + 16, far)], "has its dynamic section outside of what is loaded"),
            (&[(load + 8, far)], "ends before its dynamic section"),
            (&[(strtab - 8, &[9])], "has no table of strings"),
            (&[(strtab, far)], "has the name of a library outside of the file"),
            (&[(strtab - 4 * 8, far)], "has the name of a library outside of the file"),
            (&[(strtab - 4 * 8, &[0])], "has the name of a library, which is empty"),
            (&[(strtab - 2 * 8, far)], "has its folders of libraries outside of the file"),
        ] {
            assert_eq!(with(&good, changes), Err(words.to_owned()), "{changes:?}");
        }
        for len in [4, 5, 6, 51, 63] {
            let error = needs(&&good[..len]).unwrap_err().to_string();
            assert_eq!(error, "ends within its header", "{len}");
        }
        // Objects, core dumps and the like are not run.
        for kind in [0, 1, 4] {
            assert_eq!(with(&good, &[(16, &[kind])]), Ok(None));
        }
        // Empty lists, and a loader that was taken out with the program (`objcopy --only-keep-debug`).
        let is_empty = |changes: &[(usize, &[u8])], of: fn(&Needs) -> bool| {
            assert!(of(&with(&good, changes).unwrap().unwrap()), "{changes:?}");
        };
        is_empty(&[(strtab - 2 * 8, &[0])], |needs| needs.folders == [""]);
        is_empty(&[(interp + 32, &[0])], |needs| needs.loader.is_none());
        is_empty(&[(load + 32, &[0; 8])], |needs| needs.libraries.is_empty());
    }

    /// A file whose first program headers are of a type without meaning.
    fn with_segments(count: u16, loader: Option<&str>) -> Vec<u8> {
        let mut file = elf(loader, &["libgone.so"], None);
        let own = file[64..64 + 3 * 56].to_vec();
        let table = file.len() as u64;
        file[32..40].copy_from_slice(&table.to_le_bytes());
        file[56..58].copy_from_slice(&count.to_le_bytes());
        for _ in 3..count {
            file.extend([4_u8; 56]);
        }
        file.extend(own);
        file
    }

    /// Linux runs a program with 65536 bytes of program headers, and the loader takes any library.
    #[test]
    fn programs_and_libraries_with_many_program_headers_need_what_they_need() {
        for (count, loader) in [(513, Some("/ld")), (1170, Some("/ld")), (1171, None), (9999, None)]
        {
            let found = needs(&with_segments(count, loader).as_slice()).unwrap().unwrap();
            assert_eq!(found.libraries, ["libgone.so"], "{count}");
            assert_eq!(found.loader.as_deref(), loader);
        }
        let error = needs(&with_segments(1171, Some("/ld")).as_slice()).unwrap_err().to_string();
        assert!(error.starts_with("has 65576 bytes of program headers"), "{error}");
    }

    /// The other class and the other byte order.
    #[test]
    fn files_of_32_bits_and_of_big_endian_machines_are_read() {
        let mut file = b"\x7fELF\x01\x02\x01".to_vec();
        file.resize(52 + 2 * 32, 0);
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(16, &[0, 3, 0, 22]);
        put(28, &[0, 0, 0, 52]);
        put(42, &[0, 32, 0, 2]);
        let mut segment = |at: usize, values: [u32; 6]| {
            put(at, &values.map(u32::to_be_bytes).concat());
        };
        segment(52, [1, 0, 0x1000, 0, 200, 200]);
        segment(84, [2, 116, 0x1000 + 116, 0, 24, 24]);
        for word in [1_u32, 1, 5, 0x1000 + 140, 0, 0] {
            file.extend(word.to_be_bytes());
        }
        file.extend(b"\0liba.so\0");
        file.resize(200, 0);
        let found = needs(&file.as_slice()).unwrap().unwrap();
        assert_eq!(
            (found.machine, &found.libraries[..]),
            ((1, 2, 22), &["liba.so".to_owned()][..])
        );
        assert_eq!(library(&file.as_slice()).unwrap(), Some((1, 2, 22)));
    }

    /// Bytes of packages: whatever they say, they are read or refused.
    #[test]
    fn what_is_damaged_is_read_without_a_fault() {
        let good = elf(Some("/lib/ld.so"), &["libc.so.6"], Some("/opt"));
        for at in 0..good.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut other = good.clone();
                other[at] = byte;
                drop(needs(&other.as_slice()));
            }
            drop(needs(&&good[..at]));
        }
    }
}
