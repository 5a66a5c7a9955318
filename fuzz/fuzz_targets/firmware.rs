//! OVMF images: footer table, SEV and TDVF metadata, and the launches made of them.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. Launches of several vCPUs have the
//! digests of each alone.
//!
//! Input: an image.

#![no_main]

use cvmkit_measure::firmware::Firmware;
use cvmkit_measure::kernel_hashes::KernelHashes;
use cvmkit_measure::snp::{self, Guest, SvsmGuest, VcpuSignature, Vmm};
use cvmkit_measure::tdx::hob::TdHob;
use cvmkit_measure::tdx::mrtd::{self, Extended, Passes, Rule};
use cvmkit_measure::tdx::rtmr;
use cvmkit_measure::{sev, snp::Launch};
use libfuzzer_sys::fuzz_target;

/// EPYC-v4, as QEMU has it.
const VCPU: VcpuSignature = VcpuSignature(0x0080_0f12);

/// Metadata may name every page below 4 GiB, which is seconds of hashing and no more.
const PAGES_MAX: u64 = 4096;

fn check(launch: &Launch<'_>) -> Option<snp::LaunchDigest> {
    let pages: u64 = launch.operations().iter().map(snp::Operation::pages).sum();
    (pages <= PAGES_MAX).then(|| {
        let last = launch.explain().last().map(|step| step.digest);
        assert_eq!(last, Some(launch.digest()), "what is explained is not what is measured");
        launch.digest()
    })
}

/// Every rule by which a TD is built of the firmware.
fn check_td(firmware: &Firmware<'_>) {
    let memory = 3 << 30;
    let hob = TdHob::q35(firmware, memory);
    if let Ok(hob) = &hob {
        let total: u64 = hob.ranges().iter().map(|range| range.size).sum();
        assert_eq!(total, memory, "memory is lost or found");
    }
    let _ = rtmr::cfv_digests(firmware);
    for passes in [Passes::Single, Passes::Two] {
        for extended in [Extended::Marked, Extended::All { td_hob: b"a TD HOB" }] {
            let Ok(launch) = mrtd::launch(firmware, &Rule { passes, extended }) else { continue };
            let pages: u64 = launch.operations().iter().map(|operation| operation.pages).sum();
            if pages <= PAGES_MAX / 16 {
                let last = launch.explain().last().map(|step| step.digest);
                assert_eq!(last, Some(launch.digest()), "what is explained is not measured");
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let whole = Firmware::parse(bytes);
    let Ok(firmware) = Firmware::of_end(bytes) else {
        assert!(whole.is_err(), "a whole image without a table");
        return;
    };
    check_td(&firmware);
    let _ = (firmware.hash_table_area(), firmware.svsm_entry_point());
    if let Ok(Some(at)) = firmware.tdx_metadata_offset() {
        assert!(at <= bytes.len(), "the TDX metadata leaves the image");
    }
    let kernel = KernelHashes::from_bytes(b"kernel", None, b"quiet").ok();
    let bare = Guest::new(Vmm::Qemu { vcpu: VCPU });
    for guest in [bare.clone(), Guest { kernel, ..bare }] {
        let Ok(launch) = snp::launch(&firmware, &guest, 2) else { continue };
        if let Some(digest) = check(&launch) {
            let both = snp::digests(&firmware, &guest, &[1, 2]).expect("fewer vCPUs launch too");
            assert_eq!(both.get(&2), Some(&digest));
        }
    }
    let _ = sev::launch(&firmware, kernel.as_ref()).map(|launch| launch.digest());
    let _ = sev::launch_es(&firmware, Vmm::Qemu { vcpu: VCPU }, kernel.as_ref(), 2);
    let guest = SvsmGuest { vcpu: VCPU, vars_size: 0 };
    let _ = snp::launch_svsm(&firmware, &firmware, &guest, 1).map(|launch| check(&launch));
});
