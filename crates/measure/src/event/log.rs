//! Event logs as firmware writes them: of a TPM, and of a TD (CCEL).
//!
//! Both are the crypto-agile format: one TCG_PCR_EVENT whose data is the "Spec ID Event03" header,
//! then TCG_PCR_EVENT2 entries with one digest for each algorithm the header lists (TCG PC Client
//! Platform Firmware Profile 1.06, sections 10.2.1, 10.2.2 and 10.4.5.1). A TD's log counts measurement
//! registers instead of PCRs ([`RegisterSet::of_log_index`]). Memory is linear in the input, and
//! data is borrowed from it.
//!
//! Where a log ends is not written down: the areas firmware reserves are larger and filled with
//! zeros or ones. An entry that starts where only filling is left ends the log; an entry that
//! starts before and does not fit is an error, as is all that a replay could misunderstand.
//!
//! Deliberately absent: logs with SHA-1 digests only (TPM 1.2), which are told apart and refused;
//! logs of userspace. Oracles: tpm2_eventlog, the PCRs and RTMRs the logs were read beside.

use std::borrow::Cow;
use std::collections::BTreeSet;

use thiserror::Error;

use super::EventType;
use super::cursor::Cursor;
use super::data;
use super::observed::{Observed, ObservedEvent};
use super::register::{Bank, BankDigest, Register, RegisterSet};

pub use super::algorithm::AlgorithmId;
pub use super::data::{SPEC_ID_SIGNATURE, STARTUP_LOCALITY_SIGNATURE};

/// What headers of older formats begin with, `00` for EFI and `02` for TPM 1.2.
const SPEC_ID_ANY: &[u8] = b"Spec ID Event";

/// Signature of the ACPI table that says where a TD's log is, but does not hold it.
pub const CCEL_TABLE_SIGNATURE: &[u8; 4] = b"CCEL";

/// Bytes of the SHA-1 digest of a TCG_PCR_EVENT.
const SHA1_LEN: usize = 20;

/// PCRs of a TPM 1.2.
const LEGACY_PCRS: u32 = 24;

/// More hash functions than exist (TCG Algorithm Registry 1.34, table 3).
const ALGORITHMS_MAX: u32 = 16;

/// Why bytes are no event log, or not one that can be replayed. Offsets count bytes from the start
/// of the log; entry 0 is the header.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Fewer bytes than a field needs.
    #[error(
        "the event log ends inside the {field} of entry {entry} at offset {offset:#x}: expected \
         {needed} bytes, found {found}"
    )]
    Truncated {
        /// The field that does not fit, such as `event data`.
        field: &'static str,
        /// Number of the entry; the header is 0.
        entry: usize,
        /// Byte offset of the field in the log.
        offset: usize,
        /// Bytes that the field has.
        needed: usize,
        /// Bytes up to the end of the log.
        found: usize,
    },
    /// The ACPI table instead of what it points to.
    #[error(
        "this is the ACPI table CCEL, which only says where the event log is: expected the log \
         itself (Linux has it in `data/CCEL` beside the tables)"
    )]
    AcpiTable,
    /// A log of the format of TPM 1.2.
    #[error(
        "the event log has SHA-1 digests only (its first entry is {found}), expected the \
         crypto-agile format, which starts with a \"Spec ID Event03\" entry: SHA-1 can't be \
         replayed into SHA-256 or SHA-384 registers"
    )]
    Legacy {
        /// Type and description of the first entry.
        found: String,
    },
    /// The first entry is of no event log.
    #[error(
        "this is not an event log: expected an entry of type EV_NO_ACTION with \"Spec ID Event03\" at \
         offset 0, found an entry of type {found}"
    )]
    NotALog {
        /// Type of the first entry.
        found: EventType,
    },
    /// A header that lists no hash functions, or more than there are.
    #[error("the header lists {found} hash algorithms, expected 1 to {ALGORITHMS_MAX}")]
    AlgorithmCount {
        /// Their number, as it is written.
        found: u32,
    },
    /// A header that gives a hash function a length it does not have.
    #[error("the header gives {algorithm} digests {found} bytes, expected {expected}")]
    DigestSize {
        /// The hash function that the header or entry names.
        algorithm: AlgorithmId,
        /// Bytes of a digest, as the header says.
        found: u16,
        /// Bytes; of an algorithm unknown here, at least one.
        expected: u16,
    },
    /// A hash function that is there twice.
    #[error("entry {entry} at offset {offset:#x} has two digests or sizes for {algorithm}")]
    DuplicateAlgorithm {
        /// Number of the entry; the header is 0.
        entry: usize,
        /// Byte offset of the entry in the log.
        offset: usize,
        /// The hash function that the header or entry names.
        algorithm: AlgorithmId,
    },
    /// A digest whose length is unknown.
    #[error(
        "entry {entry} at offset {offset:#x} has a digest of algorithm {found}, which the header \
         does not list"
    )]
    UnlistedAlgorithm {
        /// Number of the entry; the header is 0.
        entry: usize,
        /// Byte offset of the entry in the log.
        offset: usize,
        /// The hash function that the entry names.
        found: AlgorithmId,
    },
    /// No digest, or more than hash functions.
    #[error("entry {entry} at offset {offset:#x} has {found} digests, expected 1 to {expected}")]
    DigestCount {
        /// Number of the entry; the header is 0.
        entry: usize,
        /// Byte offset of the entry in the log.
        offset: usize,
        /// Their number, as it is written.
        found: u32,
        /// The number of hash functions the header lists.
        expected: usize,
    },
    /// An extension of something that is no register.
    #[error(
        "entry {entry} at offset {offset:#x} extends register {found}, expected {expected}: is it \
         a log of another kind of machine?"
    )]
    UnknownRegister {
        /// Number of the entry; the header is 0.
        entry: usize,
        /// Byte offset of the entry in the log.
        offset: usize,
        /// The register's number, as it is written.
        found: u32,
        /// The numbers of the machine's registers, such as `0 to 23`.
        expected: &'static str,
    },
    /// A bank the firmware did not extend.
    #[error("the event log has no {bank} digests, only {}", names(available))]
    NoBank {
        /// The bank that was to be replayed.
        bank: Bank,
        /// The hash functions that the header lists.
        available: Vec<AlgorithmId>,
    },
    /// An entry without the digest of a bank, so that its replay would be wrong.
    #[error("entry {entry} at offset {offset:#x} has no {bank} digest, but other entries have")]
    MissingDigest {
        /// Number of the entry; the header is 0.
        entry: usize,
        /// Byte offset of the entry in the log.
        offset: usize,
        /// The bank that was to be replayed.
        bank: Bank,
    },
    /// A locality that decides nothing, or two things.
    #[error(
        "entry {entry} at offset {offset:#x} says the TPM was started at locality {found}, \
         expected 0, 3 or 4, once, and before PCR 0 is extended"
    )]
    StartupLocality {
        /// Number of the entry; the header is 0.
        entry: usize,
        /// Byte offset of the entry in the log.
        offset: usize,
        /// The locality that the entry has.
        found: u8,
    },
}

fn names(algorithms: &[AlgorithmId]) -> String {
    let names: Vec<_> = algorithms.iter().map(AlgorithmId::to_string).collect();
    names.join(", ")
}

/// What the header says: TCG_EfiSpecIdEvent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// 0 for clients, 1 for servers.
    pub platform_class: u32,
    /// Version of the standard: major, minor, errata.
    pub version: [u8; 3],
    /// Hash functions with the bytes of their digests, in the order of the log.
    pub algorithms: Vec<(AlgorithmId, u16)>,
    /// Whatever the vendor had to say.
    pub vendor_info: &'a [u8],
}

/// One entry: TCG_PCR_EVENT2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Which one; the header is 0, so the first is 1, as tpm2_eventlog counts.
    pub number: usize,
    /// Where it starts in the log, in bytes.
    pub offset: usize,
    /// The number of the register, as it is written.
    pub index: u32,
    /// The register. Only entries that extend nothing may be without one.
    pub register: Option<Register>,
    /// What kind of thing was measured.
    pub event_type: EventType,
    /// The digests, each of the length its algorithm has in the header.
    pub digests: Vec<(AlgorithmId, &'a [u8])>,
    /// What the log says about it; often not what was hashed.
    pub data: &'a [u8],
}

impl Entry<'_> {
    /// The digest for a bank.
    #[must_use]
    pub fn digest(&self, bank: Bank) -> Option<BankDigest> {
        let of_bank = |(algorithm, _): &&(AlgorithmId, &[u8])| *algorithm == bank.algorithm();
        self.digests.iter().find(of_bank).and_then(|(_, bytes)| bank.digest(bytes))
    }

    /// Says which register of a set its number stands for.
    fn name_register(&mut self, registers: RegisterSet) -> Result<(), Error> {
        self.register = registers.of_log_index(self.index);
        if self.register.is_some() || !self.extends() {
            return Ok(());
        }
        let (entry, offset, found) = (self.number, self.offset, self.index);
        Err(Error::UnknownRegister { entry, offset, found, expected: registers.log_indices() })
    }

    /// Whether it extends its register.
    #[must_use]
    pub fn extends(&self) -> bool {
        self.event_type != EventType::EV_NO_ACTION
    }

    /// The data in words, as [`data::describe`].
    #[must_use]
    pub fn describe(&self) -> String {
        data::describe(self.event_type, self.data)
    }
}

/// An event log in the crypto-agile format, borrowed from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log<'a> {
    /// Whose registers its numbers are.
    pub registers: RegisterSet,
    /// The first entry: version, hash functions, vendor information.
    pub header: Header<'a>,
    /// Every other entry, in the order of the log.
    pub entries: Vec<Entry<'a>>,
    /// Bytes of header and entries; what comes after is filling.
    pub len: usize,
}

impl<'a> Log<'a> {
    /// Reads a log, as Linux has it in `binary_bios_measurements` or in the data of the ACPI table
    /// CCEL. Nothing in it says which of both it is: `registers` must.
    ///
    /// # Errors
    /// Anything that is not such a log to its end.
    pub fn parse(bytes: &'a [u8], registers: RegisterSet) -> Result<Self, Error> {
        let mut reader = Reader { cursor: Cursor::new(bytes), entry: 0 };
        let header = reader.header(bytes)?;
        let filling = filling_start(bytes);
        let mut entries = Vec::new();
        while reader.cursor.offset() < filling {
            reader.entry = entries.len() + 1;
            entries.push(reader.entry(registers, &header)?);
        }
        Ok(Self { registers, header, entries, len: reader.cursor.offset() })
    }

    /// The same log, with its numbers read as those of another set of registers.
    ///
    /// # Errors
    /// [`Error::UnknownRegister`], for the first entry whose number the set does not have.
    pub fn with_registers(mut self, registers: RegisterSet) -> Result<Self, Error> {
        self.registers = registers;
        self.entries.iter_mut().try_for_each(|entry| entry.name_register(registers))?;
        Ok(self)
    }

    /// What was extended, as one bank has it.
    ///
    /// # Errors
    /// A bank that the log is without, in whole or in part, or a startup locality that can't be.
    pub fn observed(&self, bank: Bank) -> Result<Observed<'a>, Error> {
        let available = || self.header.algorithms.iter().map(|(algorithm, _)| *algorithm);
        if !available().any(|algorithm| algorithm == bank.algorithm()) {
            return Err(Error::NoBank { bank, available: available().collect() });
        }
        let mut events = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.extends()) {
            let Entry { number, offset, event_type, data, .. } = *entry;
            let missing = Error::MissingDigest { entry: number, offset, bank };
            let digest = entry.digest(bank).ok_or(missing)?;
            let Some(register) = entry.register else { continue };
            events.push(ObservedEvent { register, event_type, digest, data: Cow::Borrowed(data) });
        }
        let startup_locality = self.startup_locality()?;
        let observed = Observed::from_log(self.registers, bank, events);
        Ok(observed.with_startup_locality(startup_locality))
    }

    /// The locality the TPM was started at, 0 when the log does not say.
    ///
    /// # Errors
    /// A value the standard does not have, or one that comes when PCR 0 has been extended.
    pub fn startup_locality(&self) -> Result<u8, Error> {
        let mut found = None;
        let mut extended = false;
        for entry in &self.entries {
            let (number, offset) = (entry.number, entry.offset);
            extended |= entry.extends() && entry.index == 0;
            let locality = match entry.data.strip_prefix(STARTUP_LOCALITY_SIGNATURE) {
                Some(locality) if !entry.extends() => locality,
                _ => continue,
            };
            let field = "startup locality";
            let truncated = Error::Truncated { field, entry: number, offset, needed: 1, found: 0 };
            let locality = *locality.first().ok_or(truncated)?;
            // TCG PC Client Platform Firmware Profile 1.06, section 10.4.5.3; 4 is an H-CRTM.
            if !matches!(locality, 0 | 3 | 4) || extended || found.is_some() {
                return Err(Error::StartupLocality { entry: number, offset, found: locality });
            }
            found = Some(locality);
        }
        Ok(found.unwrap_or(0))
    }
}

/// Where nothing but zeros, or nothing but ones, is left: edk2 fills the area with ones
/// (`SetupEventLog` in `SecurityPkg/Tcg/Tcg2Dxe/Tcg2Dxe.c`, as does that of TdTcg2Dxe), others with
/// zeros. Found once, so that a log of many almost empty entries takes no longer than another.
fn filling_start(bytes: &[u8]) -> usize {
    let Some(fill) = bytes.last().copied().filter(|byte| matches!(byte, 0 | 0xff)) else {
        return bytes.len();
    };
    bytes.iter().rposition(|byte| *byte != fill).map_or(0, |last| last + 1)
}

/// Reads entries, and knows where it is when one does not fit.
struct Reader<'a> {
    cursor: Cursor<'a>,
    entry: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], Error> {
        let (offset, found) = (self.cursor.offset(), self.cursor.rest().len());
        let entry = self.entry;
        let truncated = Error::Truncated { field, entry, offset, needed: len, found };
        self.cursor.take(len).ok_or(truncated)
    }

    fn u16(&mut self, field: &'static str) -> Result<u16, Error> {
        self.number(2, field, Cursor::u16)
    }

    fn u32(&mut self, field: &'static str) -> Result<u32, Error> {
        self.number(4, field, Cursor::u32)
    }

    fn number<T>(
        &mut self,
        needed: usize,
        field: &'static str,
        read: impl FnOnce(&mut Cursor<'a>) -> Option<T>,
    ) -> Result<T, Error> {
        let (offset, found) = (self.cursor.offset(), self.cursor.rest().len());
        let entry = self.entry;
        read(&mut self.cursor).ok_or(Error::Truncated { field, entry, offset, needed, found })
    }

    fn sized(&mut self, field: &'static str) -> Result<&'a [u8], Error> {
        let len = self.u32(field)?;
        // A length that is no `usize` does not fit either.
        self.take(usize::try_from(len).unwrap_or(usize::MAX), field)
    }

    /// The first entry, in the old format: index, type, SHA-1 digest, data.
    fn header(&mut self, bytes: &[u8]) -> Result<Header<'a>, Error> {
        if bytes.starts_with(CCEL_TABLE_SIGNATURE) {
            return Err(Error::AcpiTable);
        }
        let index = self.u32("register index")?;
        let event_type = EventType(self.u32("event type")?);
        let digest = self.take(SHA1_LEN, "SHA-1 digest")?;
        let not_a_log = Error::NotALog { found: event_type };
        let is_header = event_type == EventType::EV_NO_ACTION;
        let data = match self.sized("event data") {
            Ok(data) => data,
            // Random bytes are no cut log.
            Err(error) => return Err(if is_header { error } else { not_a_log }),
        };
        if is_header && data.starts_with(SPEC_ID_SIGNATURE) {
            return spec_id(data, self.cursor.offset() - data.len());
        }
        let is_legacy = if is_header {
            data.starts_with(SPEC_ID_ANY) || data.starts_with(STARTUP_LOCALITY_SIGNATURE)
        } else {
            event_type.name().is_some() && index < LEGACY_PCRS && digest.iter().any(|b| *b != 0)
        };
        let found = || format!("{event_type}, {}", data::describe(event_type, data));
        Err(if is_legacy { Error::Legacy { found: found() } } else { not_a_log })
    }

    fn entry(&mut self, registers: RegisterSet, header: &Header<'a>) -> Result<Entry<'a>, Error> {
        let (number, offset) = (self.entry, self.cursor.offset());
        let index = self.u32("register index")?;
        let event_type = EventType(self.u32("event type")?);
        let mut entry = Entry {
            number,
            offset,
            index,
            register: None,
            event_type,
            digests: Vec::new(),
            data: &[],
        };
        entry.name_register(registers)?;
        entry.digests = self.digests(offset, header)?;
        entry.data = self.sized("event data")?;
        Ok(entry)
    }

    fn digests(
        &mut self,
        offset: usize,
        header: &Header<'a>,
    ) -> Result<Vec<(AlgorithmId, &'a [u8])>, Error> {
        let entry = self.entry;
        let found = self.u32("number of digests")?;
        let expected = header.algorithms.len();
        let count = usize::try_from(found).unwrap_or(usize::MAX);
        if !(1..=expected).contains(&count) {
            return Err(Error::DigestCount { entry, offset, found, expected });
        }
        let mut digests: Vec<(AlgorithmId, &[u8])> = Vec::with_capacity(count);
        for _ in 0..count {
            let algorithm = AlgorithmId(self.u16("digest algorithm")?);
            let mut listed = header.algorithms.iter();
            let size = listed.find(|(id, _)| *id == algorithm).map(|(_, size)| *size);
            let unlisted = Error::UnlistedAlgorithm { entry, offset, found: algorithm };
            let digest = self.take(usize::from(size.ok_or(unlisted)?), "digest")?;
            if digests.iter().any(|(id, _)| *id == algorithm) {
                return Err(Error::DuplicateAlgorithm { entry, offset, algorithm });
            }
            digests.push((algorithm, digest));
        }
        Ok(digests)
    }
}

/// The data of the first entry, which starts at `offset` of the log: TCG_EfiSpecIdEvent.
fn spec_id(data: &[u8], offset: usize) -> Result<Header<'_>, Error> {
    let mut cursor = Cursor::new(data);
    let truncated = |cursor: &Cursor<'_>| Error::Truncated {
        field: "\"Spec ID Event03\" header",
        entry: 0,
        offset: offset + cursor.offset(),
        needed: cursor.rest().len() + 1,
        found: cursor.rest().len(),
    };
    let fixed = |cursor: &mut Cursor<'_>| {
        cursor.take(SPEC_ID_SIGNATURE.len())?;
        let platform_class = cursor.u32()?;
        let (minor, major, errata) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
        // The size of a UINTN in the entries, of which there is none in any entry we read.
        cursor.u8()?;
        Some((platform_class, [major, minor, errata], cursor.u32()?))
    };
    let (platform_class, version, count) = fixed(&mut cursor).ok_or_else(|| truncated(&cursor))?;
    if !(1..=ALGORITHMS_MAX).contains(&count) {
        return Err(Error::AlgorithmCount { found: count });
    }
    let mut algorithms = Vec::new();
    let mut seen = BTreeSet::new();
    for _ in 0..count {
        let pair = |cursor: &mut Cursor<'_>| Some((AlgorithmId(cursor.u16()?), cursor.u16()?));
        let (algorithm, size) = pair(&mut cursor).ok_or_else(|| truncated(&cursor))?;
        check_size(algorithm, size)?;
        if !seen.insert(algorithm) {
            return Err(Error::DuplicateAlgorithm { entry: 0, offset: 0, algorithm });
        }
        algorithms.push((algorithm, size));
    }
    let vendor_len = cursor.u8().ok_or_else(|| truncated(&cursor))?;
    let vendor_info = cursor.take(usize::from(vendor_len)).ok_or_else(|| truncated(&cursor))?;
    Ok(Header { platform_class, version, algorithms, vendor_info })
}

fn check_size(algorithm: AlgorithmId, found: u16) -> Result<(), Error> {
    // The size of an algorithm unknown here is the header's to say, but 0 would make entries free.
    let expected = algorithm.known().map_or(found.max(1), |(_, size)| size);
    if found == expected { Ok(()) } else { Err(Error::DigestSize { algorithm, found, expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filling_is_what_repeats_up_to_the_end() {
        for (bytes, start) in [
            (&[][..], 0),
            (&[1, 2], 2),
            (&[1, 0, 0], 1),
            (&[1, 0xff, 0xff], 1),
            (&[0, 0], 0),
            (&[0xff, 0, 0], 1),
            (&[0, 0xff], 1),
            (&[1, 0, 2], 3),
        ] {
            assert_eq!(filling_start(bytes), start, "{bytes:?}");
        }
    }

    /// TCG_EfiSpecIdEvent of these algorithms, without vendor information.
    fn header(algorithms: &[(u16, u16)]) -> Vec<u8> {
        let mut bytes = SPEC_ID_SIGNATURE.to_vec();
        bytes.extend([1, 0, 0, 0, 6, 1, 7, 2]);
        bytes.extend(u32::try_from(algorithms.len()).unwrap().to_le_bytes());
        bytes.extend(
            algorithms
                .iter()
                .flat_map(|(id, size)| [id.to_le_bytes(), size.to_le_bytes()])
                .flatten(),
        );
        bytes.push(0);
        bytes
    }

    /// TCG PC Client Platform Firmware Profile 1.06, section 10.4.5.1.
    #[test]
    fn a_header_lists_each_algorithm_once_with_its_length() {
        let whole = header(&[(4, 20), (0x0b, 32), (0x99, 7)]);
        let read = spec_id(&whole, 32).unwrap();
        assert_eq!((read.platform_class, read.version), (1, [1, 6, 7]));
        let algorithms =
            [(AlgorithmId::SHA1, 20), (AlgorithmId::SHA256, 32), (AlgorithmId(0x99), 7)];
        assert_eq!(read.algorithms, algorithms);
        for cut in SPEC_ID_SIGNATURE.len()..whole.len() {
            let Err(Error::Truncated { entry: 0, offset, needed, found, .. }) =
                spec_id(&whole[..cut], 32)
            else {
                panic!("{cut} bytes")
            };
            assert!(offset + found <= 32 + cut && needed == found + 1, "{cut} bytes");
        }
        let mut vendor = whole;
        *vendor.last_mut().unwrap() = 3;
        assert!(spec_id(&vendor, 32).is_err());
        vendor.extend(b"abcd");
        assert_eq!(spec_id(&vendor, 32).unwrap().vendor_info, b"abc");
        for (algorithms, expected) in [
            (vec![], "the header lists 0 hash algorithms, expected 1 to 16"),
            (vec![(0x0b, 32); 17], "the header lists 17 hash algorithms, expected 1 to 16"),
            (vec![(0x0b, 20)], "the header gives sha256 digests 20 bytes, expected 32"),
            (vec![(0x12, 33)], "the header gives sm3_256 digests 33 bytes, expected 32"),
            (vec![(0x99, 0)], "the header gives 0x0099 digests 0 bytes, expected 1"),
            (
                vec![(0x0c, 48), (0x0c, 48)],
                "entry 0 at offset 0x0 has two digests or sizes for sha384",
            ),
        ] {
            assert_eq!(spec_id(&header(&algorithms), 32).unwrap_err().to_string(), expected);
        }
    }
}
