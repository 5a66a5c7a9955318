//! A launch digest as text and as JSON.

use std::fmt;

use cvmkit_formats::base64::base64;
use cvmkit_measure::kernel_hashes::KernelHashes;
use cvmkit_measure::sev;
use cvmkit_measure::snp::{self, Contents, LaunchDigest, Meaning, VcpuSignature};
use serde::Serialize;

use super::options::{Arguments, Mode, OutputFormat};

/// What was measured.
pub(super) enum Launch<'a> {
    /// SEV or SEV-ES.
    Sev(sev::Launch<'a>),
    /// SEV-SNP.
    Snp(snp::Launch<'a>),
    /// The firmware's part of SEV-SNP.
    Firmware(LaunchDigest),
}

impl Launch<'_> {
    fn digest(&self) -> Vec<u8> {
        match self {
            Self::Sev(launch) => launch.digest().0.0.to_vec(),
            Self::Snp(launch) => launch.digest().0.0.to_vec(),
            Self::Firmware(digest) => digest.0.0.to_vec(),
        }
    }

    fn steps(&self) -> Steps {
        match self {
            Self::Sev(launch) => Steps::Sev(launch.explain().collect()),
            Self::Snp(launch) => Steps::Snp(launch.explain().collect()),
            Self::Firmware(_) => Steps::Snp(Vec::new()),
        }
    }

    /// The measured VMSAs with the number of their vCPU.
    pub(super) fn vmsas(&self) -> Vec<(u32, Vec<u8>)> {
        let vcpu = |meaning: Meaning| match meaning {
            Meaning::Vmsa { vcpu } => Some(vcpu),
            _ => None,
        };
        let page = |operation: &snp::Operation<'_>| match &operation.contents {
            Contents::Page(page) => Some(page.clone()),
            _ => None,
        };
        match self {
            Self::Sev(launch) => {
                let operations = launch.operations().iter();
                operations.filter_map(|op| Some((vcpu(op.meaning)?, op.bytes.to_vec()))).collect()
            }
            Self::Snp(launch) => {
                let operations = launch.operations().iter();
                operations
                    .filter_map(|op| Some((vcpu(op.meaning)?, page(op)?.bytes().to_vec())))
                    .collect()
            }
            Self::Firmware(_) => Vec::new(),
        }
    }
}

/// The operations of a launch.
#[derive(Serialize)]
#[serde(untagged)]
enum Steps {
    Sev(Vec<sev::Step>),
    Snp(Vec<snp::Step>),
}

/// What is printed.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Report {
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    vmm_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vcpus: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vcpu_signature: Option<VcpuSignature>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guest_features: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel_hashes: Option<KernelHashes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operations: Option<Steps>,
    output_format: OutputFormat,
    digest: String,
    #[serde(skip)]
    verbose: bool,
}

impl Report {
    pub(super) fn new(
        arguments: &Arguments,
        kernel_hashes: Option<KernelHashes>,
        launch: &Launch<'_>,
    ) -> Self {
        let mode = arguments.mode;
        let has_vcpus = matches!(mode, Mode::SevEs | Mode::Snp | Mode::SnpSvsm);
        let output_format = match mode {
            Mode::SnpOvmfHash => OutputFormat::Hex,
            _ => arguments.output_format,
        };
        let digest = launch.digest();
        Self {
            mode,
            vmm_type: has_vcpus.then(|| arguments.vmm_type.to_string()),
            vcpus: arguments.vcpus.filter(|_| has_vcpus),
            vcpu_signature: arguments.vcpu().ok().flatten().filter(|_| has_vcpus),
            guest_features: (mode == Mode::Snp).then(|| format!("{:#x}", arguments.guest_features)),
            kernel_hashes,
            operations: arguments.explain.then(|| launch.steps()),
            output_format,
            digest: match output_format {
                OutputFormat::Hex => hex::encode(digest),
                OutputFormat::Base64 => base64(&digest),
            },
            verbose: arguments.verbose,
        }
    }

    /// sev-snp-measure's name of the mode, in what it prints with `--verbose`.
    fn verbose_name(&self) -> Option<&'static str> {
        let name = match self.mode {
            Mode::Sev => "SEV",
            Mode::SevEs => "SEV_ES",
            Mode::Snp => "SEV_SNP",
            Mode::SnpSvsm => "SEV_SNP_SVSM",
            Mode::SnpOvmfHash => return None,
        };
        Some(name).filter(|_| self.verbose)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operations {
            Some(Steps::Sev(steps)) => {
                writeln!(
                    f,
                    "{:>5} | {:<21} | {:>10} | {:<64} | running digest",
                    "index", "meaning", "bytes", "contents"
                )?;
                steps.iter().try_for_each(|step| writeln!(f, "{step}"))?;
            }
            Some(Steps::Snp(steps)) => {
                writeln!(
                    f,
                    "{:>5} | {:<10} | {:<14} | {:<21} | {:<96} | running digest",
                    "index", "type", "gpa", "meaning", "contents"
                )?;
                steps.iter().try_for_each(|step| writeln!(f, "{step}"))?;
            }
            None => {}
        }
        match self.verbose_name() {
            Some(name) => write!(f, "Calculated {name} guest measurement: {}", self.digest),
            None => f.write_str(&self.digest),
        }
    }
}
