//! Why nothing was measured: always the fault of the options or of a file they name (exit 2).

use std::path::PathBuf;

use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_measure::firmware;
use cvmkit_measure::kernel_hashes::CmdlineNulError;
use cvmkit_measure::snp::{self, VcpuModelError, VcpuSignature, VmmType};
use thiserror::Error;

/// Options or files that no guest could be started with.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    #[error("missing --kernel PATH, which {option} needs")]
    KernelRequired { option: &'static str },
    #[error("missing --vcpus N in guest mode '{mode}'")]
    MissingVcpus { mode: &'static str },
    #[error("missing --vcpu-type or --vcpu-sig or --vcpu-family in guest mode '{mode}'")]
    MissingVcpuType { mode: &'static str },
    #[error("{option} means vCPU signature {vcpu}, but {other} means {found}")]
    OtherVcpu {
        option: &'static str,
        vcpu: VcpuSignature,
        other: &'static str,
        found: VcpuSignature,
    },
    #[error("--vcpu-family, --vcpu-model and --vcpu-stepping do not describe a vCPU")]
    Vcpu(#[from] VcpuModelError),
    #[error("cannot measure --append")]
    Append(#[from] CmdlineNulError),
    #[error("--snp-ovmf-hash needs guest mode 'snp', found '{mode}'")]
    OvmfHash { mode: &'static str },
    #[error("--dump-vmsa needs a guest mode that measures VMSAs, found '{mode}'")]
    NoVmsa { mode: &'static str },
    #[error("--explain needs a whole launch, and guest mode 'snp:ovmf-hash' is a part of one")]
    NoLaunch,
    #[error("guest mode 'snp:svsm' requires --svsm")]
    MissingSvsm,
    #[error("guest mode 'snp:svsm' requires --vars-size or --vars-file")]
    MissingVars,
    #[error("guest mode 'snp:svsm' needs --vmm-type QEMU, found {found}")]
    SvsmVmm { found: VmmType },
    #[error("guest mode 'snp:svsm' does not measure a kernel, so nothing would check --kernel")]
    SvsmKernel,
    #[error("cannot measure `{}`", path.display())]
    Image { path: PathBuf, source: snp::Error },
    #[error("cannot measure `{}` in guest mode '{mode}'", firmware.display())]
    Launch { firmware: PathBuf, mode: &'static str, source: snp::Error },
}

impl Diagnosis for Refusal {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        let (Self::Image { source, .. } | Self::Launch { source, .. }) = self else {
            return None;
        };
        let hint = match source {
            snp::Error::NoKernelHashesSection | snp::Error::NoHashTable => {
                "use firmware that checks kernel hashes, such as Debian's ovmf-amdsev, or boot \
                 from a disk and leave out --kernel, --initrd and --append"
            }
            snp::Error::Firmware(
                firmware::Error::NoSevMetadata | firmware::Error::NoFooterTable { .. },
            ) => {
                "use a whole firmware image built for AMD SEV-SNP, such as Debian's ovmf-amdsev, \
                 not its variables and not an image split from them"
            }
            snp::Error::Firmware(error) => error.next_step()?,
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
