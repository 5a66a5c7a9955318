//! What is extended into the RTMRs of a TD that boots a unified kernel image from a disk.
//!
//! Firmware and stub do what they do for a TPM ([`crate::tpm`]); what a TPM gets in PCR 2 to 6 is in
//! RTMR 1, and the sections that the stub measures are in RTMR 2. Then it depends:
//!
//! - Linux measures its command line and its initrd through the TPM's protocol if there is one, and
//!   only otherwise into RTMR 2 (`efi_measure_tagged_event`, since 6.9). So a TD that has a virtual
//!   TPM as well has the sections alone in RTMR 2. systemd-stub extends both (since version 256).
//! - Firmware makes boot options of the devices it finds and measures them: RTMR 0 is open.
//!
//! Deliberately absent: boot loaders before the image, as in [`crate::tpm`].
//!
//! Standard: UEFI 2.11, section 38.4.1. Source: systemd, `src/boot/measure.c`; Linux,
//! `drivers/firmware/efi/libstub/efi-stub-helper.c`; edk2, `DxeTpm2MeasureBootLib`. Oracles: the event
//! log of a TD on Google's cloud; boots under QEMU, whose TPM gets the same digests.

use cvmkit_formats::digest::Digests;

use super::prediction::{Prediction, Step, Unknown};
use super::rtmr::{Platform, exit_step, kernel_input_steps, smbios_step};
use crate::firmware::layout::Layout;
use crate::tpm::{Disk, Error, Uki, UkiEvents};
use crate::uefi::PCR_MACHINE;
use crate::uefi::action::{Action, exit_boot_services, separator};
use crate::uefi::medium::Loaded;
use crate::uefi::variables::SecureBoot;

/// The firmware of a TD that boots from a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// A known one, on a known machine.
    Known(Box<Platform>),
    /// A cloud's, of which no file is at hand: RTMR 0 is open.
    Foreign {
        /// How it measures, of which only the place of the last separator is of any importance.
        layout: Layout,
        /// What its variables say of Secure Boot.
        secure_boot: SecureBoot,
    },
}

/// A TD that boots a unified kernel image from a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskBoot<'a> {
    /// Its firmware: a known file on a known machine, or a cloud's.
    pub firmware: Firmware,
    /// The SMBIOS tables, for layouts that measure them.
    pub smbios: Option<Digests>,
    /// The unified kernel image that boots.
    pub uki: &'a Uki,
    /// The disk it is on.
    pub disk: Disk<'a>,
    /// Whether the TD has a virtual TPM; none if it may.
    pub tpm: Option<bool>,
}

impl DiskBoot<'_> {
    /// What is known of the registers when the kernel runs.
    ///
    /// # Errors
    /// What makes any boot of the image unknown: [`Error::NoConsole`], [`Error::BootSecret`] and
    /// [`Error::NotAuthorized`].
    pub fn prediction(&self) -> Result<Prediction, Error> {
        let (mut steps, secure_boot) = match &self.firmware {
            Firmware::Known(platform) => (self.platform_steps(platform), &platform.secure_boot),
            Firmware::Foreign { layout, secure_boot } => (foreign_steps(*layout), secure_boot),
        };
        let boot = UkiEvents::new(secure_boot, self.uki, &self.disk)?;
        steps.extend(boot.loading.into_iter().map(Step::from));
        steps.extend(boot.sections.into_iter().map(Step::from));
        steps.extend(boot.kernel.map(Step::from));
        steps.extend(kernel_input_steps(boot.kernel_inputs, self.uki.kernel_version, self.tpm));
        let layout = match &self.firmware {
            Firmware::Known(platform) => platform.layout,
            Firmware::Foreign { layout, .. } => *layout,
        };
        steps.extend(exit_step(layout, &self.disk.medium, Loaded::FromDisk));
        steps.extend(exit_boot_services().map(Step::from));
        Ok(Prediction::of_steps(steps))
    }

    /// What known firmware measures before it loads the image.
    fn platform_steps(&self, platform: &Platform) -> Vec<Step> {
        let layout = platform.layout;
        let mut steps = platform.volume_steps();
        if layout.measures_configuration {
            // The order of the devices is among it.
            steps.push(Step::unknown(PCR_MACHINE, Unknown::BootOptions));
        }
        steps.extend(platform.table_steps());
        if layout.measures_smbios {
            steps.push(smbios_step(self.smbios, layout));
        }
        steps.push(Step::unknown(PCR_MACHINE, Unknown::BootOptions));
        let last = [Action::CallingApplication.event(), separator(layout.separator_pcr())];
        steps.extend(last.map(Step::from));
        steps
    }
}

/// What is known of firmware nobody has: it tries a boot option and ends its own measurements.
fn foreign_steps(layout: Layout) -> Vec<Step> {
    let first = Step::unknown(PCR_MACHINE, Unknown::Firmware);
    let last = [Action::CallingApplication.event(), separator(layout.separator_pcr())];
    [first].into_iter().chain(last.map(Step::from)).collect()
}
