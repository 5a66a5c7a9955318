//! What the rules of a platform's values were compared with: a boot, an oracle's answers, recorded
//! values of real machines, or the documentation alone.
//!
//! Each row stands for tests of this project, which fail if it does not hold: boots of
//! `crates/cli/tests/boots/{vtpm,tdx}`, oracles and vectors of `crates/measure/tests`.

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

#[cfg(test)]
mod tests {
    use cvmkit_measure::firmware::behaviour::FirmwareBuild;
    use cvmkit_measure::linux::KernelVersion;
    use cvmkit_measure::tpm::StubVersion;
    use cvmkit_measure::uefi::medium::DiskBus;

    use super::*;

    /// Evidence as `code: words`.
    fn shown(evidence: &[Evidence]) -> Vec<String> {
        let shown = |evidence: &Evidence| {
            let words: Vec<_> = evidence.values.iter().map(Word::as_str).collect();
            format!("{}: {}", evidence.code.code(), words.join(" "))
        };
        evidence.iter().map(shown).collect()
    }

    /// The oracles and recorded values of `crates/measure/tests`.
    #[test]
    fn each_profile_names_what_its_rules_were_compared_with() {
        for (name, expected) in [
            ("qemu-snp", &["oracle: sev-snp-measure-0.0.13"][..]),
            ("ec2-snp", &["oracle: sev-snp-measure-0.0.13", "document: ec2"]),
            ("gce-snp", &["oracle: sev-snp-measure-0.0.13", "document: gce"]),
            (
                "qemu-tdx-direct",
                &["oracle: td-shim-tee-info-hash", "vector: dstack-quote ccel-ovmf"],
            ),
            ("gce-tdx", &["vector: ccel-gke-uki"]),
            ("qemu-vtpm", &[]),
            ("azure-vtpm", &["document: azure"]),
            ("gce-vtpm", &["document: gce"]),
            ("nitro-tpm", &["document: ec2"]),
            ("se", &["vector: pvimg-header"]),
        ] {
            assert_eq!(shown(&of(&Profile::built_in(name).unwrap())), expected, "{name}");
        }
    }

    /// The events of an image are the same for a TPM: of a TD those of machines with `-bios` count.
    #[test]
    fn a_td_from_a_disk_names_boots_of_machines_with_a_tpm() {
        let own = Profile::built_in("qemu-tdx-uki").unwrap();
        let [mrtd, all] = of(&own).try_into().unwrap();
        assert_eq!(shown(&[mrtd]), ["oracle: td-shim-tee-info-hash"]);
        let all: Vec<_> = all.values.iter().map(Word::as_str).collect();
        assert_eq!(all.len(), 9);
        for word in &all {
            assert!(word.contains("/bios/") && word.contains("/systemd-"), "{word}");
        }
        for (bus, expected) in [(DiskBus::Nvme, 1), (DiskBus::VirtioBlk, 5), (DiskBus::Ahci, 1)] {
            let of_bus = of(&Profile { disk_bus: Some(bus), ..own.clone() });
            let words: Vec<_> = of_bus[1].values.iter().map(Word::as_str).collect();
            assert_eq!(words.len(), expected, "{words:?}");
            assert!(words.iter().all(|word| word.contains(&format!("/{bus}/"))), "{words:?}");
        }
    }

    #[test]
    fn boots_of_several_machines_are_named_once() {
        let kernel = Some(KernelVersion { major: 6, minor: 12 });
        let start = Start { stub: Some(StubVersion(257)), kernel };
        let machine = |firmware| Assumptions {
            firmware,
            secure_boot: None,
            read_only_disk: Some(false),
            disk_bus: Some(DiskBus::VirtioBlk),
            firmware_by: Some(FirmwareBy::Bios),
            kernel: None,
        };
        let [older, newer] = [FirmwareBuild::Ovmf202502, FirmwareBuild::Ovmf202608].map(machine);
        let found = boots([newer, older, newer].iter(), start);
        let rest = "no-secure-boot/bios/virtio-blk/systemd-257/linux-6.12/qemu-10.0";
        let expected = format!("boot: ovmf-2025.02/{rest} ovmf-2026.08/{rest}");
        assert_eq!(shown(&[found]), [expected]);
    }
}
