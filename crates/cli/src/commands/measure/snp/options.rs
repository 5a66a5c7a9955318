//! The options of sev-snp-measure 0.0.13, and which of them go together.

use std::path::{Path, PathBuf};

use cvmkit_formats::source::Source as _;
use cvmkit_measure::snp::{LaunchDigest, VcpuSignature, VcpuType, Vmm, VmmType};

use super::super::super::input::{self, InputError};
use super::refusal::Refusal;

/// The options of sev-snp-measure, and `--explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Name the guest mode beside the digest.
    #[arg(long, short)]
    pub(super) verbose: bool,
    /// Guest mode.
    #[arg(long, value_enum, default_value_t)]
    pub(super) mode: Mode,
    /// Number of guest vCPUs; in every mode except sev and snp:ovmf-hash.
    #[arg(long, value_name = "N")]
    pub(super) vcpus: Option<u32>,
    /// Type of guest vCPU, by QEMU's name, such as EPYC-v4.
    #[arg(long, value_name = "CPUTYPE", value_parser = vcpu_type)]
    pub(super) vcpu_type: Option<VcpuType>,
    /// Guest vCPU signature: CPUID Fn0000_0001_EAX.
    #[arg(long, value_name = "VALUE", value_parser = signature)]
    pub(super) vcpu_sig: Option<VcpuSignature>,
    /// Guest vCPU family, extended family included.
    #[arg(long, value_name = "FAMILY", requires_all = ["vcpu_model", "vcpu_stepping"])]
    pub(super) vcpu_family: Option<u32>,
    /// Guest vCPU model, extended model included.
    #[arg(long, value_name = "MODEL", requires = "vcpu_family")]
    pub(super) vcpu_model: Option<u32>,
    /// Guest vCPU stepping.
    #[arg(long, value_name = "STEPPING", requires = "vcpu_family")]
    pub(super) vcpu_stepping: Option<u32>,
    /// Type of guest VMM: QEMU, ec2 or gce.
    #[arg(long, value_name = "VMMTYPE", default_value_t = VmmType::Qemu)]
    pub(super) vmm_type: VmmType,
    /// Firmware file, whole, such as OVMF.amdsev.fd.
    #[arg(long, value_name = "PATH")]
    pub(super) ovmf: PathBuf,
    /// Kernel file of a direct boot.
    #[arg(long, value_name = "PATH")]
    pub(super) kernel: Option<PathBuf>,
    /// Initrd file; with --kernel.
    #[arg(long, value_name = "PATH")]
    pub(super) initrd: Option<PathBuf>,
    /// Kernel command line; with --kernel.
    #[arg(long, value_name = "CMDLINE", allow_hyphen_values = true)]
    pub(super) append: Option<String>,
    /// `SEV_FEATURES` of the vCPUs, decimal or hexadecimal after 0x; in mode snp.
    #[arg(long, value_name = "VALUE", default_value = "0x1", value_parser = integer)]
    pub(super) guest_features: u64,
    /// The format of the digest; snp:ovmf-hash is always hex.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(super) output_format: OutputFormat,
    /// The digest of the firmware's own pages, computed with --mode snp:ovmf-hash; in mode snp. The
    /// pages are then not read from --ovmf, and nothing checks that the two belong together.
    #[arg(long, value_name = "HASH")]
    pub(super) snp_ovmf_hash: Option<LaunchDigest>,
    /// Write each measured VMSA to vmsa<N>.bin in the current folder.
    #[arg(long)]
    pub(super) dump_vmsa: bool,
    /// SVSM image; in mode snp:svsm.
    #[arg(long, value_name = "PATH")]
    pub(super) svsm: Option<PathBuf>,
    /// Size of the firmware variables, bytes; in mode snp:svsm.
    #[arg(long, value_name = "SIZE", conflicts_with = "vars_file")]
    pub(super) vars_size: Option<u64>,
    /// File of the firmware variables, for its size alone; in mode snp:svsm.
    #[arg(long, value_name = "PATH")]
    pub(super) vars_file: Option<PathBuf>,
    /// Print every operation of the launch with the digest after it; the last line is the digest.
    #[arg(long)]
    pub(super) explain: bool,
}

/// The guest modes of sev-snp-measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
pub(super) enum Mode {
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
    /// The name that `--mode` takes.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sev => "sev",
            Self::SevEs => "seves",
            Self::Snp => "snp",
            Self::SnpOvmfHash => "snp:ovmf-hash",
            Self::SnpSvsm => "snp:svsm",
        }
    }
}

/// The format of a digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OutputFormat {
    /// Lower-case hexadecimal digits.
    #[default]
    Hex,
    /// Base64 (RFC 4648, section 4).
    Base64,
}

impl Arguments {
    /// Refuses options that do not go together, before any file is read.
    pub(super) fn check(&self) -> Result<(), Refusal> {
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

    pub(super) fn vcpus(&self) -> Result<u32, Refusal> {
        self.vcpus.ok_or(Refusal::MissingVcpus { mode: self.mode.name() })
    }

    pub(super) fn svsm_path(&self) -> Option<&Path> {
        self.svsm.as_deref().filter(|_| self.mode == Mode::SnpSvsm)
    }

    pub(super) fn vmm(&self) -> Result<Vmm, Refusal> {
        let missing = |_| Refusal::MissingVcpuType { mode: self.mode.name() };
        self.vmm_type.with(self.vcpu()?).map_err(missing)
    }

    /// The vCPU that the options describe, if one does; several must agree.
    pub(super) fn vcpu(&self) -> Result<Option<VcpuSignature>, Refusal> {
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

    /// Whether a kernel is measured: `snp:ovmf-hash` covers the firmware alone.
    pub(super) fn is_direct(&self) -> bool {
        self.kernel.is_some() && self.mode != Mode::SnpOvmfHash
    }

    pub(super) fn vars_size(&self) -> Result<u64, InputError> {
        let Some(path) = &self.vars_file else { return Ok(self.vars_size.unwrap_or(0)) };
        Ok(input::source(path)?.len())
    }
}

/// A model by QEMU's name.
fn vcpu_type(name: &str) -> Result<VcpuType, String> {
    let more = "for any other, give its signature with --vcpu-sig";
    name.parse::<VcpuType>().map_err(|error| format!("{error}; {more}"))
}

/// A number as sev-snp-measure takes it: decimal, or after `0x`, `0o` or `0b`.
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
    number.ok_or_else(|| "expected a number of 64 bits, decimal or hexadecimal after 0x".to_owned())
}

fn signature(text: &str) -> Result<VcpuSignature, String> {
    let number = u32::try_from(integer(text)?).ok();
    let expected = || "expected a CPUID signature of 32 bits".to_owned();
    number.map(VcpuSignature).ok_or_else(expected)
}
