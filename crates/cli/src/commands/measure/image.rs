//! `cvmkit measure image`: the reference values of an image, for its own profiles or for others.
//!
//! Without options, the values of `reference-values.json` are computed again from the files; `--profile` adds
//! machines that the definition does not name. A register that is not predictable has a reason instead of a
//! value.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cvmkit_attest::output::{Manifest, REFERENCE_FILE};
use cvmkit_attest::profile::{Memory, Profile, Technology, Vmm};
use cvmkit_attest::values::{self, ImageFiles, ReferenceValue, ReferenceValues, by_number};
use cvmkit_host::fault::{Diagnosis, Fault};
use serde::Serialize;
use thiserror::Error;

use super::super::profile::own_or_built_in;
use super::super::wording::{self, Place};
use crate::console::{Answer, CommandError, Console};

/// The image, and its machines.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder of an image, as `cvmkit build` wrote it.
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// A profile of `cvmkit profile`, or a file of your own (`./mine.toml`); may be given several times.
    /// Default: those of the image.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Vec<String>,
    /// Numbers of vCPUs, such as 1,2,4, in place of the profiles'.
    #[arg(long, value_name = "N", value_delimiter = ',', requires = "profile")]
    vcpus: Vec<u32>,
    /// vCPU types, such as EPYC-v4,EPYC-Milan, in place of the profiles'.
    #[arg(long, value_name = "CPUTYPE", value_delimiter = ',', requires = "profile")]
    vcpu_type: Vec<String>,
    /// Sizes of memory, such as 2G,4G, in place of the profiles'.
    #[arg(long, value_name = "SIZE", value_delimiter = ',', requires = "profile")]
    memory: Vec<Memory>,
    /// The firmware for profiles of SEV-SNP, TDX and QEMU. Default: that of the image.
    #[arg(long, value_name = "FD", requires = "profile")]
    firmware: Option<PathBuf>,
    /// The finished image for profiles of Secure Execution.
    #[arg(long, value_name = "FILE", requires = "profile")]
    secure_execution: Option<PathBuf>,
}

/// Profiles that lack a file.
#[derive(Debug, Error)]
enum Refusal {
    #[error("profile `{profile}` needs firmware, and the image has none for it")]
    NoFirmware { profile: String, requires: &'static str },
    #[error("profile `{profile}` needs a finished Secure Execution image")]
    NoImage { profile: String },
}

impl Diagnosis for Refusal {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoFirmware { requires, .. } => format!("name it with `--firmware`: {requires}"),
            Self::NoImage { .. } => "name it with `--secure-execution`".into(),
        })
    }
}

impl Arguments {
    pub(super) fn run(self, console: &Console) -> Answer {
        let manifest = Manifest::read(&self.out)?;
        let profiles = if self.profile.is_empty() {
            self.of_image()?
        } else {
            let named = self.profile.iter().map(|name| self.named(name, &manifest));
            named.collect::<Result<_, _>>()?
        };
        let subject = ImageFiles::of_folder(&manifest, &self.out);
        console.answer(&Report(values::values(&profiles, &subject)?));
        Ok(ExitCode::SUCCESS)
    }

    /// The profiles that the image was built with.
    fn of_image(&self) -> Result<Vec<Profile>, CommandError> {
        let values = ReferenceValues::read(&self.out.join(REFERENCE_FILE))?;
        for profile in &values.profiles {
            profile.check()?;
            profile.check_files()?;
        }
        Ok(values.profiles)
    }

    /// A profile, with the options in place of its own values.
    fn named(&self, name: &str, manifest: &Manifest) -> Result<Profile, CommandError> {
        let mut profile = own_or_built_in(name)?;
        if !self.vcpu_type.is_empty() && !profile.vcpu_types.is_empty() {
            profile.vcpu_types.clone_from(&self.vcpu_type);
        }
        let counts = matches!(profile.technology, Technology::SevSnp | Technology::Tdx);
        if counts && !self.vcpus.is_empty() {
            profile.vcpus.clone_from(&self.vcpus);
        }
        if profile.technology == Technology::Tdx && !self.memory.is_empty() {
            profile.memory.clone_from(&self.memory);
        }
        let is_named = self.firmware.is_some() && profile.technology != Technology::Se;
        if profile.needs_firmware() || is_named && (counts || profile.vmm == Vmm::Qemu) {
            profile.firmware = Some(self.firmware(&profile, manifest)?);
            // The file decides the behaviour, not the profile.
            profile.firmware_behaviour = None;
        }
        if profile.technology == Technology::Se {
            let image = self.secure_execution.as_deref().map(absolute);
            let none = || Refusal::NoImage { profile: name.to_owned() };
            profile.image = Some(image.ok_or_else(none)?);
        }
        profile.check()?;
        Ok(profile)
    }

    /// The named firmware; or that of the image's own platform of this technology and VMM; or, for QEMU, the
    /// image's default.
    fn firmware(&self, profile: &Profile, manifest: &Manifest) -> Result<String, CommandError> {
        if let Some(path) = &self.firmware {
            return Ok(absolute(path));
        }
        let like = |own: &Profile| (own.technology, own.vmm) == (profile.technology, profile.vmm);
        let own = self.of_image()?.into_iter().find(like).and_then(|own| own.firmware);
        let first = manifest.firmware.clone().filter(|_| profile.takes_default_firmware());
        let none = || Refusal::NoFirmware {
            profile: profile.name.clone(),
            requires: profile.required_firmware(),
        };
        Ok(own.or(first).ok_or_else(none)?)
    }
}

/// The absolute path of a user's file: a profile's paths are relative to the image.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// The values, as `reference-values.json` has them or as lines.
#[derive(Serialize)]
#[serde(transparent)]
struct Report(ReferenceValues);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.values.iter().try_for_each(|value| machine(value, f))
    }
}

/// One machine: what it is, then a line for each value.
fn machine(value: &ReferenceValue, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{value}")?;
    if let Some(digest) = &value.launch_digest {
        writeln!(f, "  launch-digest  {digest}")?;
    }
    for (bank, registers) in &value.registers {
        for (register, digest) in by_number(registers) {
            writeln!(f, "  {register:<6} {bank}:{digest}")?;
        }
    }
    if let Some(header) = &value.secure_execution {
        writeln!(f, "  tag            {}", header.tag)?;
        for key in &header.host_keys {
            writeln!(f, "  host key       {key}")?;
        }
    }
    for (register, conditions) in by_number(&value.conditions) {
        let words = wording::conditions(conditions, Place::Platform);
        writeln!(f, "  {register:<6} {words}")?;
    }
    for (register, reason) in by_number(&value.not_predicted) {
        let words = wording::reason(reason, Place::Platform);
        writeln!(f, "  {register:<6} not predicted: {words}")?;
    }
    Ok(())
}
