//! What the rules of a platform's values were compared with: a boot, an oracle's answers, recorded
//! values of real machines, or the documentation alone.
//!
//! Each row stands for tests of this project, which fail if it does not hold: boots of
//! `crates/cli/tests/{vtpm,tdx}`, oracles and vectors of `crates/measure/tests`.

use cvmkit_measure::claim::{Evidence, EvidenceCode, Word};

use crate::predict::BOOTED;
use crate::profile::{Boot, Profile, Technology, Vmm};

/// Of the values of a profile.
pub(super) fn of(profile: &Profile) -> Vec<Evidence> {
    use EvidenceCode::{Oracle, Vector};
    let one = |code, values: &[&str]| Evidence::with(code, values.iter().map(Word::of));
    match (profile.technology, profile.vmm) {
        (Technology::SevSnp, Vmm::Qemu) => vec![one(Oracle, &["sev-snp-measure-0.0.13"])],
        (Technology::SevSnp, vmm) => {
            vec![one(Oracle, &["sev-snp-measure-0.0.13"]), document(vmm)]
        }
        (Technology::Tdx, Vmm::Qemu) => {
            let mrtd = one(Oracle, &["td-shim-tee-info-hash"]);
            let events = match profile.boot {
                Boot::Direct => one(Vector, &["dstack-quote", "ccel-ovmf"]),
                // Of the same digests in another register.
                Boot::UkiDisk => boots(profile),
            };
            vec![mrtd, events]
        }
        (Technology::Tdx, _) => vec![one(Vector, &["ccel-gke-uki"])],
        (Technology::Tpm, Vmm::Qemu) => vec![boots(profile)],
        (Technology::Tpm, vmm) => vec![document(vmm)],
        (Technology::Se, _) => vec![one(Vector, &["pvimg-header"])],
    }
}

fn document(vmm: Vmm) -> Evidence {
    Evidence::with(EvidenceCode::Document, [Word::of(vmm)])
}

/// The boots of such machines with a TPM: firmware, how it is given, bus.
fn boots(profile: &Profile) -> Evidence {
    let from_disk = profile.boot == Boot::UkiDisk;
    let is_alike = |booted: &&crate::predict::Booted| {
        booted.from_disk == from_disk
            && profile.firmware_by.is_none_or(|by| by == booted.firmware_by)
            && profile.disk_bus.is_none_or(|bus| booted.bus.is_none_or(|booted| booted == bus))
    };
    let word = |booted: &crate::predict::Booted| {
        let bus = booted.bus.map_or("no-disk".to_owned(), |bus| bus.to_string());
        Word::of(format!("{}/{}/{bus}", booted.firmware, booted.firmware_by))
    };
    let alike: Vec<Word> = BOOTED.iter().filter(is_alike).map(word).collect();
    if alike.is_empty() { document(profile.vmm) } else { Evidence::with(EvidenceCode::Boot, alike) }
}
