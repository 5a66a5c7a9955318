//! What is said of the machine that reports.

use std::path::PathBuf;

use cvmkit_formats::digest::Digests;
use cvmkit_measure::firmware::layout::Layout;
use cvmkit_measure::qemu::QemuVersion;
use cvmkit_measure::tdx::rtmr::AcpiTables;
use cvmkit_measure::tpm::Platform;
use cvmkit_measure::uefi::medium::Medium;

use super::known::KnownValue;
use super::verdict::Judged;
use crate::predict::TpmMachine;
use crate::profile::{Boot, Vmm};

/// What is said of the machine that reports; what is not said is open.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Who gives it its TPM; under QEMU if that is not said.
    pub platform: Option<Platform>,
    /// What is known of it if it has a TPM: firmware, Secure Boot, disk, kernel.
    pub machine: TpmMachine,
    /// Whether its Secure Boot state is known; if not, firmware without Secure Boot is tried, and
    /// firmware that has no keys.
    pub knows_secure_boot: bool,
    /// The phases that userspace has extended into PCR 11 when registers were read; tried in turn
    /// if none are given.
    pub phases: Option<Vec<String>>,
    /// What is known of it if it is a TD.
    pub td: TdOptions,
    /// How it booted, if that is known.
    pub boot: Option<Boot>,
    /// The name of its profile, if that is known: only machines of it are compared.
    pub profile: Option<String>,
    /// What must be judged for the answer to be "equal"; what the image decides if none is given.
    pub required: Option<Vec<Judged>>,
    /// The facts given here that only a prediction can take into account, in the caller's words: an
    /// error that refuses one names it so.
    pub described: Vec<&'static str>,
}

/// What is said of a TD; what is not said is open.
#[derive(Clone, Debug, Default)]
pub struct TdOptions {
    /// Its firmware; none for that of the image's folder.
    pub firmware: Option<PathBuf>,
    /// How the firmware measures, where its file does not say.
    pub layout: Option<Layout>,
    /// QEMU's version, which decides the kernel that the firmware gets.
    pub qemu: Option<QemuVersion>,
    /// Bytes of memory; found by the TD HOB if there is a log.
    pub memory: Option<u64>,
    /// The ACPI tables that QEMU makes, without which RTMR 0 is open.
    pub acpi: Option<AcpiTables>,
    /// The SMBIOS tables, for firmware that measures them.
    pub smbios: Option<Digests>,
    /// Whether it has a virtual TPM, into which Linux measures rather than into RTMR 2.
    pub tpm: Option<bool>,
    /// How it has its disk, on which the number of exits from boot services depends.
    pub medium: Medium,
}

impl Options {
    /// The platform whose rules hold.
    pub(super) fn platform(&self) -> Platform {
        self.platform.unwrap_or(Platform::QemuOvmf)
    }

    /// Whether reference values are of a machine that is not another one than is said.
    pub(super) fn fits(&self, known: &KnownValue) -> bool {
        let vmm = self.platform.map(|platform| match platform {
            Platform::Azure => Vmm::Azure,
            Platform::Gce => Vmm::Gce,
            Platform::NitroTpm => Vmm::Ec2,
            _ => Vmm::Qemu,
        });
        vmm.is_none_or(|vmm| vmm == known.value.vmm)
            && self.boot.is_none_or(|boot| boot == known.value.boot)
            && self.profile.as_ref().is_none_or(|profile| *profile == known.value.profile)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::fixture::known;
    use super::*;
    use crate::tests::image::value;

    /// Each fact leaves out the machines that it is not true of; of several, all hold.
    #[test]
    fn a_machine_fits_what_is_said_of_it() {
        let of =
            |profile: &str, vmm: &str, boot: &str| value(profile, ["tpm", vmm, boot], json!({}));
        let known = known(&[
            of("a", "qemu", "uki-disk"),
            of("b", "azure", "uki-disk"),
            of("c", "gce", "uki-disk"),
            of("d", "ec2", "uki-disk"),
            of("e", "qemu", "direct"),
        ]);
        let fitting = |options: Options| -> String {
            let fitting = known.iter().filter(|known| options.fits(known));
            fitting.map(|known| known.value.profile.as_str()).collect()
        };
        let any = Options::default;
        let platform = |platform| Options { platform: Some(platform), ..any() };
        let profile = |name: &str| Options { profile: Some(name.to_owned()), ..any() };
        for (options, expected) in [
            (any(), "abcde"),
            (platform(Platform::QemuOvmf), "ae"),
            (platform(Platform::Azure), "b"),
            (platform(Platform::Gce), "c"),
            (platform(Platform::NitroTpm), "d"),
            (Options { boot: Some(Boot::Direct), ..any() }, "e"),
            (Options { boot: Some(Boot::UkiDisk), ..any() }, "abcd"),
            (profile("c"), "c"),
            (profile("f"), ""),
            (Options { boot: Some(Boot::UkiDisk), ..platform(Platform::QemuOvmf) }, "a"),
            (Options { boot: Some(Boot::Direct), ..profile("a") }, ""),
            (Options { platform: Some(Platform::Azure), ..profile("a") }, ""),
        ] {
            assert_eq!(fitting(options.clone()), expected, "{options:?}");
        }
    }

    #[test]
    fn a_machine_is_under_qemu_if_nothing_else_is_said() {
        assert_eq!(Options::default().platform(), Platform::QemuOvmf);
        let azure = Options { platform: Some(Platform::Azure), ..Options::default() };
        assert_eq!(azure.platform(), Platform::Azure);
    }
}
