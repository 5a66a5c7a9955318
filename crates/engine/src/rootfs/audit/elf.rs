//! What an ELF file needs of other files to run (System V ABI, "Object Files" and "Dynamic Linking").
//!
//! A few ranges of the file are read, however long it is. What does not parse needs nothing: neither the
//! kernel nor the loader would run it. Oracle: `readelf -d` and `readelf -l`.

use std::io;

use cvmkit_formats::source::Source;

/// Types of segments (`elf.h`).
const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;

/// Tags of the dynamic section (`elf.h`).
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// The most program headers, bytes of the dynamic section, and bytes of one string that are read: guards.
const SEGMENTS_MAX: u64 = 512;
const DYNAMIC_MAX: u64 = 1 << 16;
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

/// What a file needs; nothing for what is no ELF file.
pub(super) fn needs(source: &impl Source) -> io::Result<Option<Needs>> {
    let Some(file) = File::open(source)? else { return Ok(None) };
    let Some(segments) = file.segments()? else { return Ok(None) };
    let mut needs =
        Needs { machine: file.machine, loader: None, libraries: Vec::new(), folders: Vec::new() };
    for segment in &segments {
        match segment.kind {
            PT_INTERP => needs.loader = file.string(segment.offset, segment.len)?,
            PT_DYNAMIC => file.dynamic(segment, &segments, &mut needs)?,
            _ => {}
        }
    }
    Ok(Some(needs))
}

/// For which machine an ELF file is; nothing for another file.
pub(super) fn machine(source: &impl Source) -> io::Result<Option<Machine>> {
    Ok(File::open(source)?.map(|file| file.machine))
}

struct File<'s, S> {
    source: &'s S,
    machine: Machine,
    head: Vec<u8>,
}

/// A program header.
struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    len: u64,
}

impl<'s, S: Source> File<'s, S> {
    fn open(source: &'s S) -> io::Result<Option<Self>> {
        let Some(head) = bytes(source, 0, 64.min(source.len()))? else { return Ok(None) };
        let &[0x7f, b'E', b'L', b'F', class @ (1 | 2), order @ (1 | 2), ..] = head.as_slice()
        else {
            return Ok(None);
        };
        let mut file = Self { source, machine: (class, order, 0), head };
        let Some(machine) = file.number(&file.head, 18, 2) else { return Ok(None) };
        file.machine.2 = u16::try_from(machine).unwrap_or_default();
        Ok(Some(file))
    }

    fn is_64(&self) -> bool {
        self.machine.0 == 2
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

    fn segments(&self) -> io::Result<Option<Vec<Segment>>> {
        let (table, size, count) = match self.is_64() {
            true => ((32, 8), (54, 2), (56, 2)),
            false => ((28, 4), (42, 2), (44, 2)),
        };
        let field = |(at, len)| self.number(&self.head, at, len);
        let (Some(table), Some(size), Some(count)) = (field(table), field(size), field(count))
        else {
            return Ok(None);
        };
        if count > SEGMENTS_MAX || size < if self.is_64() { 56 } else { 32 } {
            return Ok(None);
        }
        let Some(bytes) = bytes(self.source, table, size * count)? else { return Ok(None) };
        let chunks = bytes.chunks(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(Some(chunks.filter_map(|header| self.segment(header)).collect()))
    }

    fn segment(&self, header: &[u8]) -> Option<Segment> {
        let field = |at, len| self.number(header, at, len);
        Some(match self.is_64() {
            true => Segment {
                kind: field(0, 4)?,
                offset: field(8, 8)?,
                address: field(16, 8)?,
                len: field(32, 8)?,
            },
            false => Segment {
                kind: field(0, 4)?,
                offset: field(4, 4)?,
                address: field(8, 4)?,
                len: field(16, 4)?,
            },
        })
    }

    /// Reads the dynamic section.
    fn dynamic(
        &self,
        dynamic: &Segment,
        segments: &[Segment],
        needs: &mut Needs,
    ) -> io::Result<()> {
        let len = dynamic.len.min(DYNAMIC_MAX);
        let Some(bytes) = bytes(self.source, dynamic.offset, len)? else { return Ok(()) };
        let word = if self.is_64() { 8 } else { 4 };
        let entry = |of: &[u8]| Some((self.number(of, 0, word)?, self.number(of, word, word)?));
        let entries: Vec<(u64, u64)> = bytes
            .chunks_exact(2 * word)
            .map_while(entry)
            .take_while(|(tag, _)| *tag != 0)
            .collect();
        let value = |tag: u64| entries.iter().find(|(found, _)| *found == tag).map(|(_, is)| *is);
        let (Some(table), Some(size)) = (value(DT_STRTAB), value(DT_STRSZ)) else { return Ok(()) };
        let Some(table) = offset_of(table, segments) else { return Ok(()) };
        let text = |at: u64| match at < size {
            true => self.string(table.saturating_add(at), (size - at).min(STRING_MAX)),
            false => Ok(None),
        };
        for (_, at) in entries.iter().filter(|(tag, _)| *tag == DT_NEEDED) {
            needs.libraries.extend(text(*at)?);
        }
        if let Some(at) = value(DT_RUNPATH).or_else(|| value(DT_RPATH)) {
            let folders = text(at)?.unwrap_or_default();
            needs.folders = folders.split(':').map(str::to_owned).collect();
        }
        Ok(())
    }

    /// The string at `at`, which ends within `len` bytes or with them.
    fn string(&self, at: u64, len: u64) -> io::Result<Option<String>> {
        let len = len.min(STRING_MAX).min(self.source.len().saturating_sub(at));
        let Some(bytes) = bytes(self.source, at, len)? else { return Ok(None) };
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Some(String::from_utf8_lossy(text).into_owned()).filter(|text| !text.is_empty()))
    }
}

/// Where in the file an address is.
fn offset_of(address: u64, segments: &[Segment]) -> Option<u64> {
    let holds = |segment: &&Segment| {
        let at = address.checked_sub(segment.address);
        segment.kind == PT_LOAD && at.is_some_and(|at| at < segment.len)
    };
    let segment = segments.iter().find(holds)?;
    segment.offset.checked_add(address - segment.address)
}

/// A range of the file; nothing if it ends before.
fn bytes(source: &impl Source, at: u64, len: u64) -> io::Result<Option<Vec<u8>>> {
    if at.checked_add(len).is_none_or(|end| end > source.len()) {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    source.read_at(at, &mut bytes)?;
    Ok(Some(bytes))
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
        let len = (entries.len() + 3) * 16;
        let table = (AT + len) as u64;
        entries.extend([(DT_STRTAB, 0x10_000 + table), (DT_STRSZ, strings.len() as u64), (0, 0)]);
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(AT, 0);
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
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
        for other in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x03\x01\x01"] {
            assert_eq!(needs(&other).unwrap(), None);
            assert_eq!(machine(&other).unwrap(), None);
        }
    }

    /// Bytes of packages: whatever they say, they are read or passed over.
    #[test]
    fn what_is_damaged_is_read_without_a_fault() {
        let good = elf(Some("/lib/ld.so"), &["libc.so.6"], Some("/opt"));
        for at in 0..good.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut other = good.clone();
                other[at] = byte;
                needs(&other.as_slice()).unwrap();
            }
            needs(&&good[..at]).unwrap();
        }
    }
}
