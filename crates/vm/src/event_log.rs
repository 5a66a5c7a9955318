//! The TPM's event log, out of the memory of a stopped guest: without an agent, and from the tables
//! that Linux itself reads it from.
//!
//! UEFI firmware gives its log away twice: as far as it goes when Linux's EFI stub asks for it, which
//! keeps a copy and notes it in the configuration table, and what comes after as "final events",
//! which that table names too. Both together are the log (`drivers/char/tpm/eventlog/efi.c` of
//! Linux). The entries of the configuration table are looked for in all of memory by their GUIDs, and
//! what they point to must be such a table in every field, so a chance match of a GUID (the kernel
//! has them as constants) is passed over.
//!
//! Nothing of it is trusted: the guest can write what it likes. Whoever relies on the log replays it
//! against registers that were signed.
//!
//! Sources: `struct linux_efi_tpm_eventlog` (`include/linux/efi.h`); TCG EFI Protocol Specification,
//! family 2.0, section 7 ("Log entries after Get Event Log service").

use std::collections::BTreeSet;

use cvmkit_measure::event::RegisterSet;
use cvmkit_measure::event::log::Log;

use super::error::BootError;
use super::monitor::Connection;

/// `LINUX_EFI_TPM_EVENT_LOG_GUID`, b7799cb0-eca2-4943-9667-1fae07b747fa, as it is in memory.
const EVENT_LOG: [u8; 16] = [
    0xb0, 0x9c, 0x79, 0xb7, 0xa2, 0xec, 0x43, 0x49, 0x96, 0x67, 0x1f, 0xae, 0x07, 0xb7, 0x47, 0xfa,
];

/// `EFI_TCG2_FINAL_EVENTS_TABLE_GUID`, 1e2ed096-30e2-4254-bd89-863bbef82325.
const FINAL_EVENTS: [u8; 16] = [
    0x96, 0xd0, 0x2e, 0x1e, 0xe2, 0x30, 0x54, 0x42, 0xbd, 0x89, 0x86, 0x3b, 0xbe, 0xf8, 0x23, 0x25,
];

/// Bytes of `struct linux_efi_tpm_eventlog` before the log: size, preboot size, version.
const LOG_HEAD: usize = 9;
/// `EFI_TCG2_EVENT_LOG_FORMAT_TCG_2`.
const CRYPTO_AGILE: u8 = 2;
/// Bytes of `EFI_TCG2_FINAL_EVENTS_TABLE` before its events: version, number.
const FINAL_HEAD: usize = 16;

/// Firmware keeps 64 KiB; Linux would take any size.
const LOG_MAX: usize = 4 << 20;
/// What is read of the final events: edk2 keeps 32 KiB.
const FINAL_MAX: usize = 64 << 10;

/// How much memory is copied at once.
const PIECE: usize = 32 << 20;

/// Where a q35 puts memory: all of it below 4 GiB if it is less than this, else the first 2 GiB
/// (`hw/i386/pc_q35.c`, `pc_q35_init`).
const SPLIT_FROM: u64 = 0xb000_0000;
const LOW_MAX: u64 = 0x8000_0000;
const HIGH: u64 = 1 << 32;

/// Reads the log of a stopped guest with so much memory.
pub(super) fn read(guest: &mut Connection<'_>, memory_mib: u32) -> Result<Vec<u8>, BootError> {
    let memory = Memory::of(memory_mib);
    let entries = entries(guest, &memory)?;
    let mut logs = BTreeSet::new();
    for &address in &entries.logs {
        if let Some(kept) = kept_by_linux(guest, &memory, address)? {
            logs.insert(kept);
        }
    }
    let mut logs = logs.into_iter();
    let kept = match (logs.next(), logs.next()) {
        (Some(kept), None) => kept,
        (None, _) => return Err(missing("no table of Linux's EFI stub points to one")),
        (Some(_), Some(_)) => return Err(missing("two tables point to different ones")),
    };
    let mut finals = BTreeSet::new();
    for &address in &entries.finals {
        finals.extend(final_events(guest, &memory, address, &kept)?);
    }
    let mut finals = finals.into_iter();
    match (finals.next(), finals.next()) {
        (Some(behind), None) => Ok([kept.log, behind].concat()),
        (None, _) => Err(missing("the firmware's table of final events is not there")),
        (Some(_), Some(_)) => Err(missing("there are two different tables of final events")),
    }
}

fn missing(why: &str) -> BootError {
    BootError::NoEventLog { why: why.to_owned() }
}

/// The guest's memory, as ranges of physical addresses.
#[derive(Debug, PartialEq, Eq)]
struct Memory {
    low: std::ops::Range<u64>,
    high: std::ops::Range<u64>,
}

impl Memory {
    fn of(mib: u32) -> Self {
        let size = u64::from(mib) << 20;
        match size {
            0..SPLIT_FROM => Self { low: 0..size, high: HIGH..HIGH },
            _ => Self { low: 0..LOW_MAX, high: HIGH..HIGH + size - LOW_MAX },
        }
    }

    /// So many bytes from here, or less where memory ends; none outside of it.
    fn within(&self, address: u64, len: usize) -> Option<usize> {
        let range = [&self.low, &self.high].into_iter().find(|range| range.contains(&address))?;
        usize::try_from(range.end - address).ok().map(|left| left.min(len))
    }
}

/// What entries of a configuration table, or what looks like them, point to.
#[derive(Default)]
struct Entries {
    logs: BTreeSet<u64>,
    finals: BTreeSet<u64>,
}

impl Entries {
    /// Takes what is in a piece of memory. Entries are 8-byte aligned (UEFI Specification, section
    /// 4.6), so one may lie across the end of a piece: pieces overlap.
    fn take(&mut self, piece: &[u8]) {
        for at in (0..piece.len()).step_by(8) {
            let Some(guid) = piece.get(at..at + 16) else { break };
            let found = match guid {
                guid if guid == EVENT_LOG => &mut self.logs,
                guid if guid == FINAL_EVENTS => &mut self.finals,
                _ => continue,
            };
            let pointer = piece.get(at + 16..).and_then(|rest| rest.first_chunk());
            found.extend(pointer.map(|bytes| u64::from_le_bytes(*bytes)));
        }
    }
}

fn entries(guest: &mut Connection<'_>, memory: &Memory) -> Result<Entries, BootError> {
    entries_of(memory, |address, len| guest.memory(address, len))
}

/// The entries of memory that is read piece by piece.
fn entries_of(
    memory: &Memory,
    mut read: impl FnMut(u64, usize) -> Result<Vec<u8>, BootError>,
) -> Result<Entries, BootError> {
    /// An entry, less one step.
    const OVERLAP: usize = 16;
    let mut entries = Entries::default();
    for address in memory.low.clone().step_by(PIECE).chain(memory.high.clone().step_by(PIECE)) {
        if let Some(len) = memory.within(address, PIECE + OVERLAP) {
            entries.take(&read(address, len)?);
        }
    }
    Ok(entries)
}

/// A log as Linux's EFI stub keeps it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    log: Vec<u8>,
    /// Bytes of the final events that are in the log already.
    preboot: usize,
}

/// The log that an address has, if it has one.
fn kept_by_linux(
    guest: &mut Connection<'_>,
    memory: &Memory,
    address: u64,
) -> Result<Option<Kept>, BootError> {
    if memory.within(address, LOG_HEAD) != Some(LOG_HEAD) {
        return Ok(None);
    }
    let Some((len, preboot)) = log_head(&guest.memory(address, LOG_HEAD)?) else { return Ok(None) };
    let whole = LOG_HEAD + len;
    if memory.within(address, whole) != Some(whole) {
        return Ok(None);
    }
    let mut log = guest.memory(address, whole)?;
    log.drain(..LOG_HEAD);
    Ok(Log::parse(&log, RegisterSet::Tpm).is_ok().then_some(Kept { log, preboot }))
}

/// Bytes of the log and of what the final events repeat.
fn log_head(head: &[u8]) -> Option<(usize, usize)> {
    let (size, rest) = head.split_first_chunk()?;
    let (preboot, rest) = rest.split_first_chunk()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    let preboot = usize::try_from(u32::from_le_bytes(*preboot)).ok()?;
    let is_head = rest == [CRYPTO_AGILE] && (1..=LOG_MAX).contains(&size) && preboot <= FINAL_MAX;
    is_head.then_some((size, preboot))
}

/// What happened behind the log: the final events that it does not have.
fn final_events(
    guest: &mut Connection<'_>,
    memory: &Memory,
    address: u64,
    kept: &Kept,
) -> Result<Option<Vec<u8>>, BootError> {
    let Some(len) = memory.within(address, FINAL_MAX).filter(|&len| len > FINAL_HEAD) else {
        return Ok(None);
    };
    let table = guest.memory(address, len)?;
    Ok(behind(&table, kept))
}

fn behind(table: &[u8], kept: &Kept) -> Option<Vec<u8>> {
    let (version, rest) = table.split_first_chunk()?;
    let (number, events) = rest.split_first_chunk()?;
    if u64::from_le_bytes(*version) != 1 {
        return None;
    }
    let number = usize::try_from(u64::from_le_bytes(*number)).ok()?;
    let len = (0..number)
        .try_fold(0_usize, |at, _| at.checked_add(event_len(events.get(at..)?, &kept.log)?))?;
    let behind = events.get(kept.preboot..len)?.to_vec();
    // The log goes on where it ended, or these are no events.
    let log = [kept.log.as_slice(), &behind].concat();
    Log::parse(&log, RegisterSet::Tpm).is_ok().then_some(behind)
}

/// Bytes of the first `TCG_PCR_EVENT2` (PC Client Platform Firmware Profile, section 10.2.2), whose
/// digests are as long as the header of the log says.
fn event_len(event: &[u8], log: &[u8]) -> Option<usize> {
    let word = |at: usize| event.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let half = |at: usize| event.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes));
    let mut at = 8;
    let digests = word(at)?;
    at += 4;
    for _ in 0..digests {
        at += 2 + digest_len(log, half(at)?)?;
    }
    let data = usize::try_from(word(at)?).ok()?;
    at.checked_add(4)?.checked_add(data).filter(|&len| len <= event.len())
}

/// Bytes of a digest, by the `TCG_EfiSpecIDEventStruct` that the log starts with (section 10.4.5.1):
/// behind PCR, type, SHA-1 and size are the signature, class, versions, width of `uintn`, and the
/// algorithms with their sizes.
fn digest_len(log: &[u8], algorithm: u16) -> Option<usize> {
    const COUNT: usize = 8 + 20 + 4 + 16 + 4 + 4;
    let count = u32::from_le_bytes(*log.get(COUNT..)?.first_chunk()?);
    let algorithms = log.get(COUNT + 4..)?.chunks_exact(4).take(usize::try_from(count).ok()?);
    let of = |entry: &[u8]| -> Option<(u16, u16)> {
        let (id, size) = entry.split_first_chunk()?;
        Some((u16::from_le_bytes(*id), u16::from_le_bytes(*size.first_chunk()?)))
    };
    algorithms.filter_map(of).find(|(id, _)| *id == algorithm).map(|(_, size)| size.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header that knows SHA-1 and SHA-256.
    fn header() -> Vec<u8> {
        let mut spec = b"Spec ID Event03\0".to_vec();
        spec.extend([0, 0, 0, 0, 0, 2, 0, 2, 2, 0, 0, 0]); // class, 2.0 errata 0, width 2, count
        spec.extend([4, 0, 20, 0, 11, 0, 32, 0, 0]); // SHA-1, SHA-256, no vendor's data
        let mut log = vec![0, 0, 0, 0, 3, 0, 0, 0];
        log.extend([0; 20]);
        log.extend(u32::try_from(spec.len()).unwrap().to_le_bytes());
        log.extend(spec);
        log
    }

    fn event(pcr: u8, data: &[u8]) -> Vec<u8> {
        let mut event = vec![pcr, 0, 0, 0, 5, 0, 0, 0x80, 2, 0, 0, 0];
        event.extend([4, 0].into_iter().chain([pcr; 20]));
        event.extend([11, 0].into_iter().chain([pcr; 32]));
        event.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        event.extend(data);
        event
    }

    fn table(version: u8, number: u8, events: &[Vec<u8>]) -> Vec<u8> {
        let mut table = vec![version, 0, 0, 0, 0, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0];
        table.extend(events.concat());
        table.extend([0; 100]);
        table
    }

    #[test]
    fn what_the_log_has_already_is_left_out_of_the_final_events() {
        let (first, second) = (event(4, b"first"), event(5, b"the second"));
        let log = [header(), first.clone()].concat();
        let kept = Kept { preboot: first.len(), log };
        let both = [first, second.clone()];
        assert_eq!(behind(&table(1, 2, &both), &kept), Some(second.clone()));
        assert_eq!(behind(&table(1, 1, &both), &kept), Some(Vec::new()), "nothing came after it");
        assert_eq!(behind(&table(2, 2, &both), &kept), None, "no such table");
        assert_eq!(behind(&table(1, 9, &both), &kept), None, "fewer events than it says");
        assert_eq!(behind(&table(1, 0, &both), &kept), None, "fewer events than the log has");
    }

    #[test]
    fn entries_are_found_where_pieces_meet() {
        let mut piece = [0; 64];
        piece[8..24].copy_from_slice(&EVENT_LOG);
        piece[24..32].copy_from_slice(&0x1234_u64.to_le_bytes());
        piece[33..49].copy_from_slice(&FINAL_EVENTS); // not aligned
        let mut entries = Entries::default();
        entries.take(&piece);
        assert_eq!((entries.logs.first(), entries.finals.len()), (Some(&0x1234), 0));
        let mut cut = Entries::default();
        cut.take(&piece[..24]);
        assert!(cut.logs.is_empty(), "its pointer is in the next piece");
        // Wherever an entry lies across the end of a piece it is read as a whole.
        for before in [8, 16, 24] {
            let mut guest = vec![0; 2 * PIECE];
            guest[PIECE - before..][..16].copy_from_slice(&EVENT_LOG);
            guest[PIECE - before + 16..][..8].copy_from_slice(&0x1234_u64.to_le_bytes());
            let read = |address: u64, len: usize| {
                Ok(guest[usize::try_from(address).unwrap()..][..len].to_vec())
            };
            let entries = entries_of(&Memory::of(64), read).unwrap();
            assert_eq!(entries.logs.first(), Some(&0x1234), "{before}");
        }
    }

    #[test]
    fn memory_above_4_gib_is_where_a_q35_has_it() {
        let (low, high) = (0..2 << 30, 4 << 30..6 << 30);
        assert_eq!(Memory::of(4096), Memory { low, high });
        assert_eq!(Memory::of(4096).within(3 << 30, 1), None);
        assert_eq!(Memory::of(1024).within((1 << 30) - 4, 9), Some(4));
    }

    #[test]
    fn only_a_crypto_agile_log_has_a_head() {
        let head = |version: u8, size: u32| {
            [&size.to_le_bytes()[..], &7_u32.to_le_bytes(), &[version]].concat()
        };
        assert_eq!(log_head(&head(2, 100)), Some((100, 7)));
        assert_eq!(log_head(&head(1, 100)), None);
        assert_eq!(log_head(&head(2, 0)), None);
        assert_eq!(log_head(&head(2, u32::MAX)), None);
        assert_eq!(log_head(&[2]), None);
    }
}
