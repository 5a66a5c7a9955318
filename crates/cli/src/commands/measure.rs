//! `cvmkit measure`: what hardware will measure, computed from files.

mod id_block;
mod image;
mod se;
mod snp;
mod stage0;
mod tdx;
mod tpm;

use super::deferred::Deferred;
use crate::console::{Answer, Console};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    of: Of,
}

/// One subcommand per technology.
#[derive(Debug, clap::Subcommand)]
enum Of {
    /// The launch digest of an AMD SEV-SNP, SEV-ES or SEV guest; takes the options of
    /// sev-snp-measure.
    Snp(Deferred<snp::Arguments>),
    /// The identity of an AMD SEV-SNP guest: a signed ID block and its authentication.
    IdBlock(Deferred<id_block::Arguments>),
    /// MRTD and RTMRs of an Intel TD that boots a kernel or a disk.
    Tdx(Deferred<tdx::Arguments>),
    /// The PCRs of a machine with a TPM that boots an image.
    Tpm(Deferred<tpm::Arguments>),
    /// The reference values of an image, for its own profiles or for others.
    Image(Deferred<image::Arguments>),
    /// The tag of an IBM Secure Execution image, and whether its pages match its header.
    Se(Deferred<se::Arguments>),
    /// What Oak's stage0 measures of a kernel, in the fields of HATs' appraisal policies.
    Stage0(Deferred<stage0::Arguments>),
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        match self.of {
            Of::Snp(arguments) => arguments.0.run(console),
            Of::IdBlock(arguments) => arguments.0.run(console),
            Of::Tdx(arguments) => arguments.0.run(console),
            Of::Tpm(arguments) => arguments.0.run(console),
            Of::Image(arguments) => arguments.0.run(console),
            Of::Se(arguments) => arguments.0.run(console),
            Of::Stage0(arguments) => arguments.0.run(console),
        }
    }
}
