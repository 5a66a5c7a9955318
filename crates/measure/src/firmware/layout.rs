//! What edk2 measures in a TD, by release: the parts that changed from one to the next.
//!
//! A firmware image does not say which release it was built from, so the layout is an input: who
//! uses an image knows its package, or its SHA-256. Each layout holds from the release it is named
//! after until the next one. Firmware that is not built from `OvmfPkgX64.dsc` without Secure Boot
//! may have other boot options.
//!
//! Source: the history of edk2, commits named where they matter. Oracle: event logs of real TDs
//! and of OVMF under QEMU.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::event::PcrIndex;
use crate::guid::Guid;
use crate::names::UnknownName;
use crate::qemu::QemuVersion;
use crate::uefi::boot_option::{LoadOption, attributes};
use crate::uefi::device_path::Node;
use crate::uefi::load_options::InitrdArgument;
use crate::uefi::{PCR_BOOT_CODE, PCR_MACHINE};

/// `FvNameGuid` of the volume that OVMF's DXE drivers and applications are in.
const DXE_VOLUME: Guid = Guid::new(0x7cb8bdc9_f8eb_4f34_aaea_3ee4af6516a1);
/// `FILE_GUID` of `UiApp`.
const UI_APP: Guid = Guid::new(0x462caa21_7614_4503_836e_8ab6f4662331);
/// `FILE_GUID` of `BootManagerMenuApp`.
const BOOT_MANAGER_MENU: Guid = Guid::new(0xeec25bdc_67f2_4d95_b1d5_f81b2039d11d);

/// How the firmware of a TD measures; see [`LAYOUTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layout {
    /// The first release it is true of.
    pub name: &'static str,
    /// Year and month of that release.
    release: (u32, u32),
    /// Whether the separator at the end of the firmware's own measurements is in RTMR 0, where
    /// there is one already (that of PCR 7, which RTMR 0 stands for too), and not in RTMR 1.
    separator_in_rtmr0: bool,
    /// Whether a kernel is taken as it is in the file, if QEMU offers that.
    pub takes_kernel_as_in_file: bool,
    /// Whether items of QEMU's configuration are measured (fw_cfg).
    pub measures_configuration: bool,
    /// Whether the SMBIOS tables are measured.
    pub measures_smbios: bool,
    /// Whether boot options are those of two applications, or of `UiApp` alone.
    has_setup_option: bool,
    /// Whether `initrd=initrd` comes before or behind the command line.
    pub initrd_argument: InitrdArgument,
    /// Whether boot services have to be left twice where [`crate::uefi::medium`] says so: seen in logs
    /// of TPMs.
    pub first_exit_may_fail: bool,
}

/// Every layout, oldest first.
pub const LAYOUTS: &[Layout] = &[
    Layout {
        name: "edk2-stable202205",
        release: (2022, 5),
        separator_in_rtmr0: true,
        takes_kernel_as_in_file: false,
        measures_configuration: false,
        measures_smbios: false,
        has_setup_option: false,
        initrd_argument: InitrdArgument::Last,
        first_exit_may_fail: false,
    },
    // efaf8931bb: the separator is that of RTMR 1.
    Layout {
        name: "edk2-stable202411",
        release: (2024, 11),
        separator_in_rtmr0: false,
        takes_kernel_as_in_file: false,
        measures_configuration: false,
        measures_smbios: false,
        has_setup_option: false,
        initrd_argument: InitrdArgument::Last,
        first_exit_may_fail: false,
    },
    // 20df7c42bd: `etc/boot/kernel` of fw_cfg.
    Layout {
        name: "edk2-stable202502",
        release: (2025, 2),
        separator_in_rtmr0: false,
        takes_kernel_as_in_file: true,
        measures_configuration: false,
        measures_smbios: false,
        has_setup_option: false,
        initrd_argument: InitrdArgument::Last,
        first_exit_may_fail: false,
    },
    // be529ef3c9: fw_cfg; cd76265f1a: SMBIOS; d433b4c8e4: boot options.
    Layout {
        name: "edk2-stable202505",
        release: (2025, 5),
        separator_in_rtmr0: false,
        takes_kernel_as_in_file: true,
        measures_configuration: true,
        measures_smbios: true,
        has_setup_option: true,
        initrd_argument: InitrdArgument::Last,
        first_exit_may_fail: false,
    },
    // a2ac0fea49: the command line.
    Layout {
        name: "edk2-stable202508",
        release: (2025, 8),
        separator_in_rtmr0: false,
        takes_kernel_as_in_file: true,
        measures_configuration: true,
        measures_smbios: true,
        has_setup_option: true,
        initrd_argument: InitrdArgument::First,
        first_exit_may_fail: true,
    },
];

impl Layout {
    /// The layout of edk2 as it was in that month, such as `(2025, 2)` for Debian's 2025.02; none
    /// before TDX.
    #[must_use]
    pub fn of_edk2(year: u32, month: u32) -> Option<Self> {
        LAYOUTS.iter().copied().rfind(|layout| layout.release <= (year, month))
    }

    /// Whether the kernel is measured as QEMU patched it, under that release of QEMU: since 10.0 it
    /// offers the file as well, and since 10.2 it leaves the kernel of a confidential guest alone
    /// (`x86_load_linux`).
    #[must_use]
    pub const fn measures_patched_kernel(self, qemu: QemuVersion) -> bool {
        let takes_file = self.takes_kernel_as_in_file && qemu.is_at_least(10, 0);
        !(takes_file || qemu.is_at_least(10, 2))
    }

    /// The register that the last separator is extended into.
    pub(crate) fn separator_pcr(self) -> PcrIndex {
        if self.separator_in_rtmr0 { PCR_MACHINE } else { PCR_BOOT_CODE }
    }

    /// The boot options that the firmware makes when no device can be booted from, in the order of
    /// `BootOrder`. A kernel is started without any.
    #[must_use]
    pub fn boot_options(self) -> Vec<LoadOption> {
        let hidden = attributes::ACTIVE | attributes::HIDDEN | attributes::CATEGORY_APP;
        let listed = attributes::ACTIVE | attributes::CATEGORY_APP;
        if self.has_setup_option {
            let menu = application(hidden, "BootManagerMenuApp", BOOT_MANAGER_MENU);
            vec![menu, application(listed, "EFI Firmware Setup", UI_APP)]
        } else {
            vec![application(hidden, "UiApp", UI_APP)]
        }
    }
}

fn application(attributes: u32, description: &str, file: Guid) -> LoadOption {
    LoadOption {
        attributes,
        description: description.to_owned(),
        file_path: vec![Node::FirmwareVolume(DXE_VOLUME), Node::FirmwareFile(file)],
        optional_data: Vec::new(),
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

impl FromStr for Layout {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let known = LAYOUTS.iter().find(|layout| layout.name == text).copied();
        let names = LAYOUTS.iter().map(|layout| layout.name);
        known.ok_or_else(|| UnknownName::new("firmware layout", text, names))
    }
}

impl Serialize for Layout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_holds_from_its_release_to_the_next() {
        for (month, expected) in [
            ((2022, 4), None),
            ((2022, 5), Some("edk2-stable202205")),
            ((2024, 10), Some("edk2-stable202205")),
            ((2024, 11), Some("edk2-stable202411")),
            ((2025, 1), Some("edk2-stable202411")),
            ((2025, 2), Some("edk2-stable202502")),
            ((2025, 5), Some("edk2-stable202505")),
            ((2025, 7), Some("edk2-stable202505")),
            ((2025, 8), Some("edk2-stable202508")),
            ((2030, 1), Some("edk2-stable202508")),
        ] {
            let found = Layout::of_edk2(month.0, month.1).map(|layout| layout.name);
            assert_eq!(found, expected, "{month:?}");
        }
        assert!(LAYOUTS.windows(2).all(|pair| pair[0].release < pair[1].release));
        for layout in LAYOUTS {
            assert_eq!(layout.to_string().parse(), Ok(*layout));
        }
        let error = "edk2-stable2025".parse::<Layout>().unwrap_err().to_string();
        assert!(error.starts_with("unknown firmware layout `edk2-stable2025`"), "{error}");
    }

    /// QEMU patches the header up to 10.1, and offers the file since 10.0, which edk2 takes since
    /// 202502.
    #[test]
    fn firmware_and_qemu_decide_which_kernel_is_measured() {
        let older = Layout::of_edk2(2024, 11).unwrap();
        let newer = Layout::of_edk2(2025, 2).unwrap();
        for (major, minor, of_older, of_newer) in [
            (9, 2, true, true),
            (10, 0, true, false),
            (10, 1, true, false),
            (10, 2, false, false),
            (11, 0, false, false),
        ] {
            let qemu = QemuVersion::new(major, minor);
            assert_eq!(older.measures_patched_kernel(qemu), of_older, "{qemu}");
            assert_eq!(newer.measures_patched_kernel(qemu), of_newer, "{qemu}");
        }
    }

    /// edk2 efaf8931bb for the separator, d433b4c8e4 for the boot options.
    #[test]
    fn what_changed_from_release_to_release() {
        let of = |year, month| Layout::of_edk2(year, month).unwrap();
        assert_eq!(of(2022, 5).separator_pcr(), PCR_MACHINE);
        assert_eq!(of(2024, 11).separator_pcr(), PCR_BOOT_CODE);
        let options = |layout: Layout| {
            let options = layout.boot_options();
            options.into_iter().map(|o| (o.attributes, o.description)).collect::<Vec<_>>()
        };
        assert_eq!(options(of(2025, 2)), [(0x109, "UiApp".to_owned())]);
        assert_eq!(
            options(of(2025, 5)),
            [(0x109, "BootManagerMenuApp".to_owned()), (0x101, "EFI Firmware Setup".to_owned())]
        );
    }
}
