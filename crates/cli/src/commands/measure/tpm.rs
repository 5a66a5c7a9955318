//! `cvmkit measure tpm`: the PCRs of a machine that boots an image, before it boots.
//!
//! Each register has a value or a reason. A property of the machine that no option gives is never guessed; the
//! registers that it decides are not predicted. Oracles: boots under
//! QEMU with swtpm, systemd-measure for PCR 11.

mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use cvmkit_attest::export::systemd::SystemdMeasure;
use cvmkit_attest::output::REFERENCE_FILE;
use cvmkit_attest::predict::{TpmBoot, TpmMachine};
use cvmkit_attest::profile::{Boot, Profile};
use cvmkit_attest::values::{self, ReferenceValues};
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_measure::event::Bank;
use cvmkit_measure::tpm::Platform;
use thiserror::Error;

use super::super::machine::{MachineArguments, Phases};
use crate::console::{Answer, CommandError, Console};
use report::{Measured, Report};

/// What boots, and in which machine.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder of an image, as `cvmkit build` wrote it.
    #[arg(value_name = "OUT", required_unless_present = "uki", conflicts_with = "uki")]
    out: Option<PathBuf>,
    /// A unified kernel image (UKI) instead of OUT, with `--disk` for the disk that it boots from.
    #[arg(long, value_name = "EFI")]
    uki: Option<PathBuf>,
    /// The disk that holds --uki. Default: a disk without a partition table.
    #[arg(long, value_name = "RAW", requires = "uki")]
    disk: Option<PathBuf>,
    /// The number of the profile of --uki that boots, as in `@N` of the boot option. Default: 0, the
    /// first.
    #[arg(long, value_name = "N", requires = "uki")]
    profile: Option<u32>,
    /// QEMU loads kernel, initrd and command line of OUT.
    #[arg(long, conflicts_with_all = ["uki", "json_systemd_measure"])]
    direct: bool,
    #[command(flatten)]
    machine: MachineArguments,
    /// The boot phases that userspace has extended into PCR 11, such as enter-initrd:leave-initrd.
    /// Default: none.
    #[arg(long, value_name = "PHASES")]
    phase: Option<Phases>,
    /// The bank. Default: the first that the platform has.
    #[arg(long, value_enum)]
    bank: Option<BankName>,
    /// Print every event with the register's value after it.
    #[arg(long)]
    explain: bool,
    /// Print PCR 11 as `systemd-measure calculate --json` does: both banks unless --bank names one, its
    /// four phases unless --phase names some.
    #[arg(long, conflicts_with = "explain")]
    json_systemd_measure: bool,
}

/// A bank of PCRs, by its hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum BankName {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
}

impl BankName {
    fn bank(self) -> Bank {
        match self {
            Self::Sha256 => Bank::Sha256,
            Self::Sha384 => Bank::Sha384,
        }
    }
}

/// Options that do not fit the platform.
#[derive(Debug, Error)]
enum Refusal {
    #[error("platform {platform} has no {bank} bank: expected --bank {expected}")]
    Bank { platform: Platform, bank: Bank, expected: Bank },
}

impl Diagnosis for Refusal {
    fn fault(&self) -> Fault {
        Fault::Definition
    }
}

impl Arguments {
    pub(super) fn run(&self, console: &Console) -> Answer {
        let platform = self.machine.platform();
        let bank = self.bank(platform)?;
        let own = self.profile_of_image(platform)?;
        let machine = match (&own, &self.out) {
            (Some(profile), Some(out)) => values::tpm_machine(profile, out)?,
            _ => TpmMachine {
                // Without `--read-only-disk`, the disk is writable.
                medium: self.machine.medium(Some(true)),
                ..self.machine.machine()?
            },
        };
        let boot = match (&self.uki, &self.out) {
            (Some(uki), _) => {
                TpmBoot::disk(uki.clone(), self.profile.unwrap_or(0), self.disk.as_deref())?
            }
            (None, Some(out)) => TpmBoot::of_image(out, self.direct)?,
            // clap asks for one of them.
            (None, None) => return Ok(ExitCode::from(2)),
        };
        let predictions = boot.predictions(&machine)?;
        if self.json_systemd_measure {
            let banks = self.bank.map_or(Bank::ALL.to_vec(), |bank| vec![bank.bank()]);
            console.json(&SystemdMeasure::new(&predictions, &banks, &self.moments()));
            return Ok(ExitCode::SUCCESS);
        }
        let phases = self.phase.clone().map(|Phases(phases)| phases).unwrap_or_default();
        let subject = Measured {
            boot: &boot,
            platform,
            profile: own.as_ref().map(|profile| profile.name.as_str()),
            bank,
            phases: &phases,
            knows_variables: match &own {
                Some(profile) => profile.variables.is_some(),
                None => self.machine.knows_secure_boot(),
            },
            knows_disk: self.disk.is_some() || self.out.is_some(),
        };
        console.answer(&Report::new(&subject, &predictions, self.explain));
        Ok(ExitCode::SUCCESS)
    }

    /// The image's own profile for this platform and boot, if no option describes the machine: the answer is then
    /// that of `measure image`.
    fn profile_of_image(&self, platform: Platform) -> Result<Option<Profile>, CommandError> {
        let Some(out) = self.out.as_ref().filter(|_| self.machine.described().is_empty()) else {
            return Ok(None);
        };
        let path = out.join(REFERENCE_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let boot = if self.direct { Boot::Direct } else { Boot::UkiDisk };
        let fits = |profile: &Profile| {
            values::tpm_platform(profile) == Some(platform) && profile.boot == boot
        };
        Ok(ReferenceValues::read(&path)?.profiles.into_iter().find(fits))
    }

    fn bank(&self, platform: Platform) -> Result<Bank, Refusal> {
        let expected = match platform.banks() {
            (true, _) => Bank::Sha256,
            (false, _) => Bank::Sha384,
        };
        let Some(bank) = self.bank.map(BankName::bank) else { return Ok(expected) };
        let has = match bank {
            Bank::Sha256 => platform.banks().0,
            Bank::Sha384 => platform.banks().1,
        };
        if has { Ok(bank) } else { Err(Refusal::Bank { platform, bank, expected }) }
    }

    /// The phases that systemd-measure prints a value for, each with those before it.
    fn moments(&self) -> Vec<Vec<String>> {
        match &self.phase {
            Some(Phases(phases)) => vec![phases.clone()],
            None => SystemdMeasure::moments(),
        }
    }
}
