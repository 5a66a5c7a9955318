//! What firmware and kernel extend into the RTMRs of a TD whose kernel QEMU starts (`-kernel`).
//!
//! [`Platform`] is what every boot of the firmware starts with, [`DirectBoot::prediction`] a whole
//! one. The fold is [`Events::rtmrs`]. Events are in the order of the log; each names the PCR that
//! its register stands for, and where two would do (the TD HOB and the variables are in no PCR of a
//! TPM) PCR 1, so that [`crate::event::RtmrIndex::of_pcr`] gives the register.
//!
//! RTMR 3 is the running system's and stays 0. Tables that QEMU makes (ACPI, SMBIOS) are inputs by
//! their digests; without them RTMR 0 is open, and the others are predicted all the same.
//! Deliberately absent: a shim (`-shim`); disks that the firmware makes boot options of, but
//! see [`super::disk`].
//!
//! Standard: UEFI 2.11, section 38.4.1. Source: edk2, `OvmfPkg/Tcg/TdTcg2Dxe`,
//! `OvmfPkg/IntelTdx/TdxHelperLib`, `OvmfPkg/Library/QemuFwCfgLib`; Linux,
//! `drivers/firmware/efi/libstub`. Oracle: the event log of a real TD.

use std::borrow::Cow;

use cvmkit_formats::digest::Digests;
use thiserror::Error;

use super::prediction::{Prediction, Step, Unknown};
use crate::event::{Event, EventType, Events, PcrIndex, Source};
use crate::firmware::layout::Layout;
use crate::firmware::{Firmware, TdvfError, TdvfSectionType};
use crate::linux::KernelVersion;
use crate::uefi::action::{Action, exit_boot_services, separator};
use crate::uefi::medium::{FirmwareBy, Loaded, Medium};
use crate::uefi::variables::SecureBoot;
use crate::uefi::{PCR_BOOT_CONFIG, PCR_MACHINE, boot_option, image, load_options};

/// Where the kernel's EFI stub measures what it was given (Linux, `EFISTUB_EVT_LOAD_OPTIONS`,
/// `EFISTUB_EVT_INITRD`).
const PCR_KERNEL_INPUTS: PcrIndex = PcrIndex::new(9).unwrap();

/// Bytes of `etc/tpm/log`, which QEMU makes empty (`TPM_LOG_AREA_MINIMUM_SIZE`; TCG ACPI
/// Specification 1.2, section 8 "TPM2", "LAML").
const TPM_LOG_LEN: usize = 64 << 10;

/// Why there is no boot to predict.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An input that a register depends on is not given.
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// Secure Boot is on, and what verified the kernel is not given.
    #[error("Secure Boot is on, expected the database entry that verified the kernel")]
    NoAuthority,
    /// QEMU ends the command line at the first NUL.
    #[error("the command line has a NUL at byte {at}, where QEMU ends it")]
    CommandLineNul {
        /// Byte offset of the NUL in the command line.
        at: usize,
    },
}

/// The ACPI tables that QEMU makes, as the firmware measures them: the fw_cfg files of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcpiTables {
    /// `etc/table-loader`.
    pub loader: Digests,
    /// `etc/acpi/rsdp`.
    pub rsdp: Digests,
    /// `etc/acpi/tables`.
    pub tables: Digests,
}

/// An item of QEMU's configuration that firmware measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationItem {
    /// The file in fw_cfg, or what edk2 calls an item that is no file.
    pub name: Cow<'static, str>,
    /// Contents of the item, which are what is hashed.
    pub data: Cow<'static, [u8]>,
}

impl ConfigurationItem {
    /// The items of a machine that starts a kernel, without `-boot` and `bootindex`.
    ///
    /// There are more when a machine has what they configure; in the order in which they are
    /// measured: `etc/extra-pci-roots`, `BootMenu`, `etc/boot-menu-wait`, `etc/reserved-memory-end`,
    /// `opt/ovmf/X-PciMmio64Mb`, `bootorder` (`mCacheFwCfgList` of `QemuFwCfgCacheInit.c`).
    #[must_use]
    pub fn of_direct_boot() -> Vec<Self> {
        let item = |name, data| Self { name: Cow::Borrowed(name), data: Cow::Borrowed(data) };
        // No menu, a u16; and the option ROM by which a BIOS would start the kernel.
        let rom = b"/rom@genroms/linuxboot_dma.bin\0";
        vec![item("BootMenu", &[0, 0]), item("bootorder", rom)]
    }
}

/// The digests of the firmware's variable store as it is in the image.
///
/// # Errors
/// [`TdvfError`]: firmware that can't start a TD, or has no single CFV section.
pub fn cfv_digests(firmware: &Firmware<'_>) -> Result<Digests, TdvfError> {
    Ok(Digests::of(firmware.tdvf_section(TdvfSectionType::Cfv)?.data))
}

/// The firmware of a TD and the machine it runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// How the firmware measures, by its release of edk2.
    pub layout: Layout,
    /// Of the memory that the VMM describes: [`super::hob::TdHob::digests`].
    pub td_hob: Digests,
    /// Of the variable store in the firmware image: [`cfv_digests`].
    pub cfv: Digests,
    /// What the firmware's variables say of Secure Boot.
    pub secure_boot: SecureBoot,
    /// Measured if the layout does: [`ConfigurationItem::of_direct_boot`] for most machines.
    pub configuration: Vec<ConfigurationItem>,
    /// The digests of the tables that QEMU makes; none if they are not known.
    pub acpi: Option<AcpiTables>,
    /// Whether the machine has a virtual TPM: then the room for its log is a table too.
    pub has_tpm: bool,
}

impl Platform {
    /// What is extended before the firmware looks for something to boot, of a direct boot.
    fn steps(&self) -> Vec<Step> {
        let mut steps = self.volume_steps();
        if self.layout.measures_configuration {
            steps.extend(self.configuration.iter().map(|item| {
                let (flags, name) = (EventType::EV_PLATFORM_CONFIG_FLAGS, &item.name);
                machine_event(flags, format!("fw_cfg {name}"), Digests::of(&item.data)).into()
            }));
        }
        steps.extend(self.table_steps());
        steps
    }

    /// What the firmware starts with: the TD HOB and its variables, both of the VMM, so that SEC measures
    /// them before it uses either (`TdxHelperMeasureTdHob`, then `TdxHelperMeasureCfvImage`, called by
    /// `SecCoreStartupWithStack` of `OvmfPkg/Sec/SecMain.c`).
    pub(super) fn volume_steps(&self) -> Vec<Step> {
        let (hob, volume) =
            (EventType::EV_EFI_HANDOFF_TABLES2, EventType::EV_EFI_PLATFORM_FIRMWARE_BLOB2);
        let cfv = Event {
            source: Source::FirmwareVariables,
            ..machine_event(volume, "configuration firmware volume", self.cfv)
        };
        vec![machine_event(hob, "TD HOB", self.td_hob).into(), cfv.into()]
    }

    /// What comes after QEMU's configuration: Secure Boot, ACPI.
    pub(super) fn table_steps(&self) -> Vec<Step> {
        let flags = EventType::EV_PLATFORM_CONFIG_FLAGS;
        let mut steps: Vec<Step> = self.secure_boot.events().into_iter().map(Step::from).collect();
        match self.acpi {
            Some(AcpiTables { loader, rsdp, tables }) => {
                let room = self.has_tpm.then(|| Digests::of(&[0; TPM_LOG_LEN]));
                let files = [
                    ("ACPI loader", Some(loader)),
                    ("ACPI RSDP", Some(rsdp)),
                    ("room for the TPM's log", room),
                    ("ACPI tables", Some(tables)),
                ];
                let given = files.into_iter().filter_map(|(name, of)| Some((name, of?)));
                steps.extend(given.map(|(name, of)| machine_event(flags, name, of).into()));
            }
            None => steps.push(Step::unknown(PCR_MACHINE, Unknown::AcpiTables)),
        }
        steps
    }
}

/// An event of what the VMM made or was told.
fn machine_event(
    event_type: EventType,
    meaning: impl Into<Cow<'static, str>>,
    digests: Digests,
) -> Event {
    Event {
        pcr: PCR_MACHINE,
        event_type,
        meaning: meaning.into(),
        source: Source::Machine,
        digests,
    }
}

/// A TD whose kernel QEMU starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectBoot<'a> {
    /// The firmware, and the machine that it describes to itself.
    pub platform: Platform,
    /// What verified the kernel, with Secure Boot on: [`SecureBoot::authority`]. No log of such a
    /// boot is at hand; its place is that in the log of a TD that boots from a disk.
    pub authority: Option<Event>,
    /// The SMBIOS tables, for layouts that measure them: what the event log of such a machine says,
    /// as edk2 leaves out fields that differ from machine to machine.
    pub smbios: Option<Digests>,
    /// [`crate::linux::digests`], with the header that [`Layout::measures_patched_kernel`] asks
    /// for.
    pub kernel: Digests,
    /// [`crate::linux::version`]; of a kernel that does not say it is not known whether it measures what it
    /// is given.
    pub kernel_version: Option<KernelVersion>,
    /// Whether the TD has a virtual TPM, which Linux prefers; none if it may.
    pub tpm: Option<bool>,
    /// What is known of its disk; its firmware is given by `-bios`.
    pub medium: Medium,
    /// The initrd, if there is one.
    pub initrd: Option<Digests>,
    /// The command line, as QEMU is given it.
    pub command_line: &'a [u8],
}

impl DirectBoot<'_> {
    /// Everything that is extended until the kernel runs, if all of it is known.
    ///
    /// # Errors
    /// As [`DirectBoot::prediction`]; [`Error::Unknown`] for an input that is not given.
    pub fn events(&self) -> Result<Events, Error> {
        Ok(self.prediction()?.complete()?)
    }

    /// What is known of the registers when the kernel runs.
    ///
    /// # Errors
    /// [`Error::NoAuthority`] and [`Error::CommandLineNul`].
    pub fn prediction(&self) -> Result<Prediction, Error> {
        let layout = self.platform.layout;
        if self.platform.secure_boot.enabled == Some(true) && self.authority.is_none() {
            return Err(Error::NoAuthority);
        }
        let mut steps = self.platform.steps();
        steps.extend(self.authority.clone().map(Step::from));
        // The kernel is loaded, and so measured, before ReadyToBoot is signalled (`TryRunningQemuKernel`
        // in `OvmfPkg/Library/PlatformBootManagerLib/QemuKernel.c`). That has the SMBIOS tables measured
        // (`MeasureSmbiosTable`), then boot options, the attempt and the separator (`OnReadyToBoot` in
        // `OvmfPkg/Tcg/TdTcg2Dxe/TdTcg2Dxe.c`); only then the kernel runs.
        steps.push(image::application(self.kernel, "kernel", Source::Kernel).into());
        if layout.measures_smbios {
            steps.push(smbios_step(self.smbios, layout));
        }
        steps.extend(boot_option_events(layout).into_iter().map(Step::from));
        let started = [Action::CallingApplication.event(), separator(layout.separator_pcr())];
        steps.extend(started.map(Step::from));
        let inputs = self.kernel_input_events()?;
        steps.extend(kernel_input_steps(inputs, self.kernel_version, self.tpm));
        steps.extend(exit_step(layout, &self.medium, Loaded::FromVmm));
        steps.extend(exit_boot_services().map(Step::from));
        Ok(Prediction::of_steps(steps))
    }

    /// What the kernel measures of what it was given; nothing of what it was not given.
    fn kernel_input_events(&self) -> Result<Vec<Event>, Error> {
        if let Some(at) = self.command_line.iter().position(|&byte| byte == 0) {
            return Err(Error::CommandLineNul { at });
        }
        let event = |meaning: &'static str, source, digests| Event {
            pcr: PCR_KERNEL_INPUTS,
            event_type: EventType::EV_EVENT_TAG,
            meaning: meaning.into(),
            source,
            digests,
        };
        let argument = self.platform.layout.initrd_argument;
        let options = argument.load_options(self.command_line, self.initrd.is_some());
        let mut events = Vec::new();
        if !options.is_empty() {
            let bytes = load_options::measured(&options);
            events.push(event("command line", Source::CommandLine, Digests::of(&bytes)));
        }
        events.extend(self.initrd.map(|digests| event("initrd", Source::Initrd, digests)));
        Ok(events)
    }
}

/// `BootOrder`, then each option that it names, in its order (`MeasureAllBootVariables` of edk2): an option
/// that the order leaves out is not measured.
fn boot_option_events(layout: Layout) -> Vec<Event> {
    let options: Vec<_> = (0_u16..).zip(layout.boot_options()).collect();
    let order: Vec<u16> = options.iter().map(|(number, _)| *number).collect();
    let each = options.iter().map(|(number, option)| boot_option::option_event(*number, option));
    [boot_option::order_event(&order)].into_iter().chain(each).collect()
}

/// What is not known of leaving boot services: where a TPM of the same firmware sees the first call
/// fail, or may. No log of such a TD is at hand.
pub(super) fn exit_step(layout: Layout, medium: &Medium, loaded: Loaded) -> Option<Step> {
    let medium = Medium { firmware_by: Some(FirmwareBy::Bios), ..*medium };
    let is_once = !layout.first_exit_may_fail || medium.first_exit_fails(loaded) == Some(false);
    (!is_once).then(|| Step::unknown(PCR_BOOT_CONFIG, Unknown::ExitBootServices))
}

/// The SMBIOS tables, of a layout that measures them: without serial numbers, UUIDs and other fields that
/// differ from machine to machine (`FilterSmbiosTable` in edk2's
/// `MdeModulePkg/Universal/SmbiosMeasurementDxe`), so the file that QEMU gives has another digest.
pub(super) fn smbios_step(smbios: Option<Digests>, layout: Layout) -> Step {
    let tables = EventType::EV_EFI_HANDOFF_TABLES;
    match smbios {
        Some(digests) => machine_event(tables, "SMBIOS tables", digests).into(),
        None => Step::unknown(PCR_MACHINE, Unknown::SmbiosTables { layout: layout.name }),
    }
}

/// Linux measures what it is given into a TD since this version, and into a TPM earlier
/// (`efi_measure_tagged_event`: "efi/libstub: Measure into CC protocol if TCG2 protocol is absent").
const MEASURES_INTO_TD: KernelVersion = KernelVersion { major: 6, minor: 9 };

/// What the kernel extends of these events.
pub(super) fn kernel_input_steps(
    events: impl IntoIterator<Item = Event>,
    version: Option<KernelVersion>,
    tpm: Option<bool>,
) -> Vec<Step> {
    let mut events = events.into_iter().map(Step::from).peekable();
    if events.peek().is_none() || tpm == Some(true) {
        return Vec::new();
    }
    let unknown = match (version, tpm) {
        (None, _) => Unknown::KernelVersion,
        // A distribution may have brought it to an older kernel.
        (Some(found), _) if found < MEASURES_INTO_TD => Unknown::OldKernel { found },
        (Some(_), None) => Unknown::Tpm,
        (Some(_), Some(_)) => return events.collect(),
    };
    vec![Step::unknown(PCR_KERNEL_INPUTS, unknown)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uefi::medium::DiskBus;

    fn shown(steps: Vec<Step>) -> Vec<String> {
        let shown = |step| match step {
            Step::Known(event) => event.meaning.into_owned(),
            Step::Unknown { pcr, reason } => format!("{pcr:?}: {reason:?}"),
        };
        steps.into_iter().map(shown).collect()
    }

    /// Linux, `efi_measure_tagged_event`: the TPM's protocol first, since 6.9 the TD's otherwise.
    #[test]
    fn the_kernel_measures_into_a_td_without_a_tpm() {
        let version = |major, minor| Some(KernelVersion { major, minor });
        let event = || machine_event(EventType::EV_EVENT_TAG, "input", Digests::of(b"x"));
        let old = "PCR 9: OldKernel { found: KernelVersion { major: 6, minor: 8 } }";
        for (version, tpm, expected) in [
            (version(6, 9), Some(false), Some("input")),
            (version(7, 0), Some(false), Some("input")),
            (version(6, 9), Some(true), None),
            (None, Some(true), None),
            (version(6, 9), None, Some("PCR 9: Tpm")),
            (version(6, 8), Some(false), Some(old)),
            (version(6, 8), None, Some(old)),
            (None, Some(false), Some("PCR 9: KernelVersion")),
            (None, None, Some("PCR 9: KernelVersion")),
        ] {
            let found = shown(kernel_input_steps([event()], version, tpm));
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{version:?}, {tpm:?}");
            // Nothing that is measured is nothing that is unknown.
            assert!(kernel_input_steps([], version, tpm).is_empty());
        }
    }

    #[test]
    fn leaving_boot_services_is_known_where_nothing_can_be_written() {
        let of = |year, month| Layout::of_edk2(year, month).unwrap();
        let medium =
            |is_writable, bus| Medium { is_writable, bus, firmware_by: Some(FirmwareBy::Pflash) };
        let blk = Some(DiskBus::VirtioBlk);
        for (layout, medium, loaded, is_open) in [
            (of(2025, 5), Medium::default(), Loaded::FromDisk, false),
            (of(2025, 8), Medium::default(), Loaded::FromDisk, true),
            (of(2025, 8), medium(Some(false), blk), Loaded::FromDisk, false),
            (of(2025, 8), medium(Some(true), Some(DiskBus::Nvme)), Loaded::FromDisk, false),
            (of(2025, 8), medium(Some(true), blk), Loaded::FromDisk, true),
            // A TD has its firmware by `-bios`, whatever is said of the machine.
            (of(2025, 8), medium(Some(true), blk), Loaded::FromVmm, true),
        ] {
            let step = exit_step(layout, &medium, loaded);
            let expected = is_open.then_some("PCR 5: ExitBootServices".to_owned());
            assert_eq!(shown(step.into_iter().collect()), expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn tables_that_are_not_given_open_their_register() {
        let layout = Layout::of_edk2(2025, 5).unwrap();
        let missing = r#"PCR 1: SmbiosTables { layout: "edk2-stable202505" }"#;
        assert_eq!(shown(vec![smbios_step(None, layout)]), [missing]);
        let given = smbios_step(Some(Digests::of(b"x")), layout);
        assert_eq!(shown(vec![given]), ["SMBIOS tables"]);
    }
}
