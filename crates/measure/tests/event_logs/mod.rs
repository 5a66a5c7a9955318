//! Event logs of real boots, and a writer of logs for what no boot at hand did.

use cvmkit_measure::event::log::{AlgorithmId, Entry, Header, Log, SPEC_ID_SIGNATURE};
use cvmkit_measure::event::{EventType, RegisterSet};

pub(crate) const UKI: &[u8] = include_bytes!("../fixtures/event_logs/uki.bin");
pub(crate) const DIRECT: &[u8] = include_bytes!("../fixtures/event_logs/direct.bin");
pub(crate) const CCEL_OVMF: &[u8] = include_bytes!("../fixtures/event_logs/ccel_ovmf.bin");
pub(crate) const CCEL_GRUB: &[u8] = include_bytes!("../fixtures/event_logs/ccel_grub.bin");
pub(crate) const CCEL_GKE_UKI: &[u8] = include_bytes!("../fixtures/event_logs/ccel_gke_uki.bin");
pub(crate) const CCEL_TD_SHIM: &[u8] = include_bytes!("../fixtures/event_logs/ccel_td_shim.bin");

/// Every log, with whose registers it has.
pub(crate) const ALL: [(&str, &[u8], RegisterSet); 6] = [
    ("uki", UKI, RegisterSet::Tpm),
    ("direct", DIRECT, RegisterSet::Tpm),
    ("ccel_ovmf", CCEL_OVMF, RegisterSet::Td),
    ("ccel_grub", CCEL_GRUB, RegisterSet::Td),
    ("ccel_gke_uki", CCEL_GKE_UKI, RegisterSet::Td),
    ("ccel_td_shim", CCEL_TD_SHIM, RegisterSet::Td),
];

/// One entry, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) index: u32,
    pub(crate) event_type: EventType,
    pub(crate) digests: Vec<(AlgorithmId, Vec<u8>)>,
    pub(crate) data: Vec<u8>,
}

impl Record {
    pub(crate) fn of(entry: &Entry<'_>) -> Self {
        let digests = entry.digests.iter().map(|(id, bytes)| (*id, bytes.to_vec()));
        let Entry { index, event_type, data, .. } = *entry;
        Self { index, event_type, digests: digests.collect(), data: data.to_vec() }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.index.to_le_bytes());
        out.extend(self.event_type.0.to_le_bytes());
        out.extend(length(self.digests.len()));
        for (algorithm, digest) in &self.digests {
            out.extend(algorithm.0.to_le_bytes());
            out.extend(digest);
        }
        out.extend(length(self.data.len()));
        out.extend(&self.data);
    }
}

pub(crate) fn records(log: &Log<'_>) -> Vec<Record> {
    log.entries.iter().map(Record::of).collect()
}

fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("a small log").to_le_bytes()
}

/// The first entry. Its register and the size of a UINTN are the writer's: logs differ there.
pub(crate) fn header_bytes(header: &Header<'_>, index: u32) -> Vec<u8> {
    let [major, minor, errata] = header.version;
    let mut data = SPEC_ID_SIGNATURE.to_vec();
    data.extend(header.platform_class.to_le_bytes());
    data.extend([minor, major, errata, 2]);
    data.extend(length(header.algorithms.len()));
    for (algorithm, size) in &header.algorithms {
        data.extend(algorithm.0.to_le_bytes());
        data.extend(size.to_le_bytes());
    }
    data.push(u8::try_from(header.vendor_info.len()).expect("a short vendor information"));
    data.extend(header.vendor_info);
    let mut out = index.to_le_bytes().to_vec();
    out.extend(EventType::EV_NO_ACTION.0.to_le_bytes());
    out.extend([0; 20]);
    out.extend(length(data.len()));
    out.extend(data);
    out
}

/// A whole log.
pub(crate) fn write(header: &Header<'_>, index: u32, records: &[Record]) -> Vec<u8> {
    let mut out = header_bytes(header, index);
    records.iter().for_each(|record| record.write(&mut out));
    out
}

/// The register number in the first entry of a log.
pub(crate) fn header_index(log: &[u8]) -> u32 {
    u32::from_le_bytes(log[..4].try_into().expect("four bytes"))
}
