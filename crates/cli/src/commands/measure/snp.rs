//! `cvmkit measure snp`: the launch digest of an AMD guest, with the options of sev-snp-measure
//! 0.0.13.
//!
//! The contract: where that tool prints a digest of something a guest can be started as, this one
//! prints the same; what it refuses is refused. Deliberate deviations, each a refusal (exit 2) of
//! what the tool measures although it would not hold: firmware without SEV metadata, an empty
//! `--kernel`, a kernel under an SVSM, vCPU options that contradict each other. Oracle:
//! sev-snp-measure.

mod files;
mod refusal;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files::replace;
use cvmkit_measure::firmware::{self, Firmware};
use cvmkit_measure::kernel_hashes::KernelHashes;
use cvmkit_measure::sev;
use cvmkit_measure::snp::{
    self, Guest, GuestFeatures, LaunchDigest, SvsmGuest, VcpuSignature, VcpuType, Vmm, VmmType,
};

use super::super::input;
use crate::console::{Answer, CommandError, Console};
use files::Files;
use refusal::Refusal;
use report::{Launch, Report};

/// The options of sev-snp-measure, and `--explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Say what was measured beside the digest.
    #[arg(long, short)]
    verbose: bool,
    /// Guest mode.
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    /// Number of guest vCPUs; in every mode but sev and snp:ovmf-hash.
    #[arg(long, value_name = "N")]
    vcpus: Option<u32>,
    /// Type of guest vCPU, by QEMU's name, such as EPYC-v4.
    #[arg(long, value_name = "CPUTYPE", value_parser = vcpu_type)]
    vcpu_type: Option<VcpuType>,
    /// Guest vCPU signature: CPUID Fn0000_0001_EAX.
    #[arg(long, value_name = "VALUE", value_parser = signature)]
    vcpu_sig: Option<VcpuSignature>,
    /// Guest vCPU family, extended family included.
    #[arg(long, value_name = "FAMILY", requires_all = ["vcpu_model", "vcpu_stepping"])]
    vcpu_family: Option<u32>,
    /// Guest vCPU model, extended model included.
    #[arg(long, value_name = "MODEL", requires = "vcpu_family")]
    vcpu_model: Option<u32>,
    /// Guest vCPU stepping.
    #[arg(long, value_name = "STEPPING", requires = "vcpu_family")]
    vcpu_stepping: Option<u32>,
    /// Type of guest VMM: QEMU, ec2 or gce.
    #[arg(long, value_name = "VMMTYPE", default_value_t = VmmType::Qemu)]
    vmm_type: VmmType,
    /// Firmware file.
    #[arg(long, value_name = "PATH")]
    ovmf: PathBuf,
    /// Kernel file of a direct boot.
    #[arg(long, value_name = "PATH")]
    kernel: Option<PathBuf>,
    /// Initrd file; with --kernel.
    #[arg(long, value_name = "PATH")]
    initrd: Option<PathBuf>,
    /// Kernel command line; with --kernel.
    #[arg(long, value_name = "CMDLINE", allow_hyphen_values = true)]
    append: Option<String>,
    /// `SEV_FEATURES` of the vCPUs, decimal or 0x and hex; in mode snp.
    #[arg(long, value_name = "VALUE", default_value = "0x1", value_parser = integer)]
    guest_features: u64,
    /// How the digest is printed; snp:ovmf-hash is always hex.
    #[arg(long, value_enum, default_value_t)]
    output_format: OutputFormat,
    /// The digest of the firmware's own pages, computed with --mode snp:ovmf-hash. They are then
    /// not read from --ovmf, and nothing checks that both belong together; in mode snp.
    #[arg(long, value_name = "HASH")]
    snp_ovmf_hash: Option<LaunchDigest>,
    /// Write each measured VMSA to vmsa<N>.bin in the current folder.
    #[arg(long)]
    dump_vmsa: bool,
    /// SVSM image; in mode snp:svsm.
    #[arg(long, value_name = "PATH")]
    svsm: Option<PathBuf>,
    /// Bytes of the firmware variables; in mode snp:svsm.
    #[arg(long, value_name = "SIZE", conflicts_with = "vars_file")]
    vars_size: Option<u64>,
    /// File of the firmware variables, of which the size counts; in mode snp:svsm.
    #[arg(long, value_name = "PATH")]
    vars_file: Option<PathBuf>,
    /// Print every operation of the launch with the digest after it; the last line is the digest.
    #[arg(long)]
    explain: bool,
}

/// The guest modes of sev-snp-measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
enum Mode {
    /// AMD SEV.
    #[serde(rename = "sev")]
    Sev,
    /// AMD SEV-ES.
    #[value(name = "seves")]
    #[serde(rename = "seves")]
    SevEs,
    /// AMD SEV-SNP.
    #[default]
    #[serde(rename = "snp")]
    Snp,
    /// The firmware's part of AMD SEV-SNP.
    #[value(name = "snp:ovmf-hash")]
    #[serde(rename = "snp:ovmf-hash")]
    SnpOvmfHash,
    /// AMD SEV-SNP with COCONUT-SVSM.
    #[value(name = "snp:svsm")]
    #[serde(rename = "snp:svsm")]
    SnpSvsm,
}

impl Mode {
    /// As `--mode` takes it.
    fn name(self) -> &'static str {
        match self {
            Self::Sev => "sev",
            Self::SevEs => "seves",
            Self::Snp => "snp",
            Self::SnpOvmfHash => "snp:ovmf-hash",
            Self::SnpSvsm => "snp:svsm",
        }
    }
}

/// How a digest is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum OutputFormat {
    /// Lower-case hexadecimal digits.
    #[default]
    Hex,
    /// Base64 (RFC 4648, section 4).
    Base64,
}

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

    /// Refuses options that do not fit each other, before any file is read.
    fn check(&self) -> Result<(), Refusal> {
        let mode = self.mode.name();
        let no_vmsa = matches!(self.mode, Mode::Sev | Mode::SnpOvmfHash);
        if self.explain && self.mode == Mode::SnpOvmfHash {
            return Err(Refusal::NoLaunch);
        }
        if self.dump_vmsa && no_vmsa {
            return Err(Refusal::NoVmsa { mode });
        }
        if self.snp_ovmf_hash.is_some() && !matches!(self.mode, Mode::Snp | Mode::SnpOvmfHash) {
            return Err(Refusal::OvmfHash { mode });
        }
        if self.mode == Mode::SnpOvmfHash {
            return Ok(());
        }
        if self.kernel.is_none() && self.initrd.is_some() {
            return Err(Refusal::KernelRequired { option: "--initrd" });
        }
        if self.kernel.is_none() && self.append.as_ref().is_some_and(|text| !text.is_empty()) {
            return Err(Refusal::KernelRequired { option: "--append" });
        }
        if self.mode == Mode::Sev {
            return Ok(());
        }
        self.vcpus()?;
        self.vmm()?;
        if self.mode == Mode::SnpSvsm { self.check_svsm() } else { Ok(()) }
    }

    fn check_svsm(&self) -> Result<(), Refusal> {
        if self.kernel.is_some() {
            return Err(Refusal::SvsmKernel);
        }
        if self.vmm_type != VmmType::Qemu {
            return Err(Refusal::SvsmVmm { found: self.vmm_type });
        }
        if self.svsm.is_none() {
            return Err(Refusal::MissingSvsm);
        }
        if self.vars_file.is_none() && matches!(self.vars_size, None | Some(0)) {
            return Err(Refusal::MissingVars);
        }
        Ok(())
    }

    fn vcpus(&self) -> Result<u32, Refusal> {
        self.vcpus.ok_or(Refusal::MissingVcpus { mode: self.mode.name() })
    }

    fn svsm_path(&self) -> Option<&Path> {
        self.svsm.as_deref().filter(|_| self.mode == Mode::SnpSvsm)
    }

    fn vmm(&self) -> Result<Vmm, Refusal> {
        let missing = |_| Refusal::MissingVcpuType { mode: self.mode.name() };
        self.vmm_type.with(self.vcpu()?).map_err(missing)
    }

    /// The vCPU that the options describe, if any does; where several do they must agree.
    fn vcpu(&self) -> Result<Option<VcpuSignature>, Refusal> {
        let by_family = match (self.vcpu_family, self.vcpu_model, self.vcpu_stepping) {
            (Some(family), Some(model), Some(stepping)) => {
                Some(VcpuSignature::new(family, model, stepping)?)
            }
            _ => None,
        };
        let given = [
            ("--vcpu-family", by_family),
            ("--vcpu-sig", self.vcpu_sig),
            ("--vcpu-type", self.vcpu_type.map(|vcpu_type| vcpu_type.signature())),
        ];
        let mut given = given.into_iter().filter_map(|(option, vcpu)| Some((option, vcpu?)));
        let Some((option, vcpu)) = given.next() else { return Ok(None) };
        match given.find(|(_, other)| *other != vcpu) {
            None => Ok(Some(vcpu)),
            Some((other, found)) => Err(Refusal::OtherVcpu { option, vcpu, other, found }),
        }
    }

    /// Whether a kernel is measured.
    fn is_direct(&self) -> bool {
        self.kernel.is_some() && self.mode != Mode::SnpOvmfHash
    }

    fn kernel_hashes(&self, files: &Files) -> Result<Option<KernelHashes>, Refusal> {
        let Some(kernel) = files.kernel else { return Ok(None) };
        let initrd = files.initrd.map(|digest| Sha256(digest.0));
        let cmdline = self.append.as_deref().unwrap_or_default();
        let hashes = KernelHashes::from_digests(Sha256(kernel.0), initrd, cmdline.as_bytes());
        Ok(Some(hashes?))
    }

    fn vars_size(&self) -> Result<u64, CommandError> {
        let Some(path) = &self.vars_file else { return Ok(self.vars_size.unwrap_or(0)) };
        Ok(cvmkit_formats::source::Source::len(&input::source(path)?))
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

/// A model by QEMU's name.
fn vcpu_type(name: &str) -> Result<VcpuType, String> {
    let more = "--vcpu-sig takes the signature of any other";
    name.parse::<VcpuType>().map_err(|error| format!("{error}; {more}"))
}

/// A number in the spelling of sev-snp-measure: decimal, or behind `0x`, `0o` or `0b`.
fn integer(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let radixes = [("0x", 16), ("0o", 8), ("0b", 2)];
    let radix =
        radixes.iter().find_map(|&(prefix, radix)| Some((lower.strip_prefix(prefix)?, radix)));
    let (digits, radix) = radix.unwrap_or((&lower, 10));
    let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // `010` is 8 to some and 10 to others; the tool refuses it too.
    let ambiguous = radix == 10 && digits.len() > 1 && digits.starts_with('0');
    let number = u64::from_str_radix(digits, radix).ok().filter(|_| plain && !ambiguous);
    number.ok_or_else(|| "expected a number of 64 bits, decimal or 0x and hex digits".to_owned())
}

fn signature(text: &str) -> Result<VcpuSignature, String> {
    let number = u32::try_from(integer(text)?).ok();
    let expected = || "expected a CPUID signature of 32 bits".to_owned();
    number.map(VcpuSignature).ok_or_else(expected)
}
