//! What the rules of a platform's values were compared with: a boot, an oracle's answers, recorded
//! values of real machines, or the documentation alone.
//!
//! Each row stands for tests of this project, which fail if it does not hold: boots of
//! `crates/cli/tests/{vtpm,tdx}`, oracles and vectors of `crates/measure/tests`.

use std::collections::BTreeSet;

use cvmkit_measure::claim::{Evidence, EvidenceCode, Word};
use cvmkit_measure::uefi::medium::FirmwareBy;

use crate::predict::{self, Assumptions, BOOTED, Booted, Start};
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
                Boot::UkiDisk => of_td_from_disk(profile),
            };
            vec![mrtd, events]
        }
        (Technology::Tdx, _) => vec![one(Vector, &["ccel-gke-uki"])],
        // That depends on more than the profile: [`boots`].
        (Technology::Tpm, Vmm::Qemu) => Vec::new(),
        (Technology::Tpm, vmm) => vec![document(vmm)],
        (Technology::Se, _) => vec![one(Vector, &["pvimg-header"])],
    }
}

fn document(vmm: Vmm) -> Evidence {
    Evidence::with(EvidenceCode::Document, [Word::of(vmm)])
}

/// The boots of machines with a TPM that are most like these.
pub(super) fn boots<'a>(assumed: impl Iterator<Item = &'a Assumptions>, start: Start) -> Evidence {
    let booted: BTreeSet<Booted> =
        assumed.flat_map(|assumptions| predict::alike(assumptions, start)).collect();
    Evidence::with(EvidenceCode::Boot, booted.into_iter().map(Word::of))
}

/// Of a TD the events of an image from a disk were seen in machines with a TPM: the same digests in
/// another register.
fn of_td_from_disk(profile: &Profile) -> Evidence {
    let is_alike = |booted: &&Booted| {
        booted.stub.is_some()
            && profile.disk_bus.is_none_or(|bus| booted.bus == Some(bus))
            && booted.firmware_by == FirmwareBy::Bios
    };
    let booted = BOOTED.iter().filter(is_alike).map(Word::of);
    Evidence::with(EvidenceCode::Boot, booted)
}
