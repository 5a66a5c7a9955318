//! `cvmkit measure snp`: the launch digest of an AMD guest, with the options of sev-snp-measure 0.0.13.
//!
//! The contract: for every guest that can be started, the digest is the one that sev-snp-measure prints, and
//! what that tool refuses is refused. Deliberate deviations: exit 2 where the tool prints a digest that no
//! guest would have, for firmware without SEV metadata, an empty `--kernel`, a kernel under an SVSM, and vCPU
//! options that contradict each other. Oracle: sev-snp-measure.

mod files;
mod options;
mod refusal;
mod report;

use std::path::Path;
use std::process::ExitCode;

use cvmkit_host::files::replace;
use cvmkit_measure::firmware::{self, Firmware};
use cvmkit_measure::kernel_hashes::KernelHashes;
use cvmkit_measure::sev;
use cvmkit_measure::snp::{self, Guest, GuestFeatures, LaunchDigest, SvsmGuest};

use crate::console::{Answer, CommandError, Console};
use files::Files;
pub(super) use options::Arguments;
use options::Mode;
use refusal::Refusal;
use report::{Launch, Report};

impl Arguments {
    pub(super) fn run(&self, console: &Console) -> Answer {
        self.check()?;
        let files = Files::read(self)?;
        let read = if files.is_checked { Firmware::of_end } else { Firmware::parse };
        let firmware = parsed(read(&files.image), &self.ovmf)?;
        let svsm = match (&files.svsm, &self.svsm) {
            (Some(image), Some(path)) => Some(parsed(Firmware::svsm(image), path)?),
            _ => None,
        };
        let kernel = self.kernel_hashes(&files)?;
        let launch = self.launch(&firmware, svsm.as_ref(), kernel, files.firmware_digest)?;
        if self.dump_vmsa {
            for (vcpu, page) in launch.vmsas() {
                replace(Path::new(&format!("vmsa{vcpu}.bin")), &page)?;
            }
        }
        console.answer(&Report::new(self, kernel, &launch));
        Ok(ExitCode::SUCCESS)
    }

    fn kernel_hashes(&self, files: &Files) -> Result<Option<KernelHashes>, Refusal> {
        let Some(kernel) = files.kernel else { return Ok(None) };
        let cmdline = self.append.as_deref().unwrap_or_default();
        Ok(Some(KernelHashes::from_digests(kernel, files.initrd, cmdline.as_bytes())?))
    }

    fn launch<'a>(
        &self,
        firmware: &Firmware<'a>,
        svsm: Option<&Firmware<'a>>,
        kernel: Option<KernelHashes>,
        firmware_digest: Option<LaunchDigest>,
    ) -> Result<Launch<'a>, CommandError> {
        let launch = match self.mode {
            Mode::Sev => sev::launch(firmware, kernel.as_ref()).map(Launch::Sev),
            Mode::SevEs => sev::launch_es(firmware, self.vmm()?, kernel.as_ref(), self.vcpus()?)
                .map(Launch::Sev),
            Mode::Snp => {
                let guest = Guest {
                    vmm: self.vmm()?,
                    features: GuestFeatures(self.guest_features),
                    kernel,
                    firmware_digest,
                };
                snp::launch(firmware, &guest, self.vcpus()?).map(Launch::Snp)
            }
            Mode::SnpOvmfHash => Ok(Launch::Firmware(snp::firmware_digest(firmware))),
            Mode::SnpSvsm => {
                let vcpu = self.vcpu()?.ok_or(Refusal::MissingVcpuType { mode: "snp:svsm" })?;
                let guest = SvsmGuest { vcpu, vars_size: self.vars_size()? };
                let svsm = svsm.ok_or(Refusal::MissingSvsm)?;
                snp::launch_svsm(firmware, svsm, &guest, self.vcpus()?).map(Launch::Snp)
            }
        };
        let refused = |source| Refusal::Launch {
            firmware: self.ovmf.clone(),
            mode: self.mode.name(),
            source,
        };
        Ok(launch.map_err(refused)?)
    }
}

fn parsed<'a>(
    firmware: Result<Firmware<'a>, firmware::Error>,
    path: &Path,
) -> Result<Firmware<'a>, Refusal> {
    firmware.map_err(|source| Refusal::Image { path: path.to_owned(), source: source.into() })
}
