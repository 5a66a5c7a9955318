//! The guest modes sev-snp-measure knows, by its names.

use std::str::FromStr;

use crate::names::UnknownName;

/// What is measured: the launch of one kind of guest, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// SEV: [`crate::sev::launch`].
    Sev,
    /// SEV-ES: [`crate::sev::launch_es`].
    SevEs,
    /// SEV-SNP: [`super::launch`].
    Snp,
    /// The firmware's part of SEV-SNP: [`super::firmware_digest`].
    SnpOvmfHash,
    /// SEV-SNP under an SVSM: [`super::launch_svsm`].
    SnpSvsm,
}

/// Every accepted spelling, the one sev-snp-measure's `--mode` takes first of its kind.
const NAMES: [(&str, Mode); 9] = [
    ("sev", Mode::Sev),
    ("seves", Mode::SevEs),
    ("sev-es", Mode::SevEs),
    ("snp", Mode::Snp),
    ("sev-snp", Mode::Snp),
    ("snp:ovmf-hash", Mode::SnpOvmfHash),
    ("sev-snp:ovmf-hash", Mode::SnpOvmfHash),
    ("snp:svsm", Mode::SnpSvsm),
    ("sev-snp:svsm", Mode::SnpSvsm),
];

impl FromStr for Mode {
    type Err = UnknownName;

    /// Reads a mode, whatever its case.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let unknown = || UnknownName::new("guest mode", name, NAMES.map(|(known, _)| known));
        known.map(|&(_, mode)| mode).ok_or_else(unknown)
    }
}
