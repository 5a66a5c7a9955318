//! `cvmkit measure`: what hardware will measure, from the files it is given.

mod id_block;
mod image;
mod se;
mod snp;
mod stage0;
mod tdx;
mod tpm;

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
    Snp(Box<snp::Arguments>),
    /// The identity of an AMD SEV-SNP guest: an ID block, signed, with its authentication.
    IdBlock(Box<id_block::Arguments>),
    /// MRTD and RTMRs of an Intel TD that QEMU starts with a kernel.
    Tdx(Box<tdx::Arguments>),
    /// The PCRs of a machine that boots an image with a TPM.
    Tpm(Box<tpm::Arguments>),
    /// The reference values of an image, for its own profiles or for others.
    Image(image::Arguments),
    /// What identifies an IBM Secure Execution image, and whether its pages are those of its header.
    Se(se::Arguments),
    /// What Oak's stage0 measures of a kernel, as appraisal policies of HATs list it.
    Stage0(Box<stage0::Arguments>),
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        match self.of {
            Of::Snp(arguments) => arguments.run(console),
            Of::IdBlock(arguments) => arguments.run(console),
            Of::Tdx(arguments) => arguments.run(console),
            Of::Tpm(arguments) => arguments.run(console),
            Of::Image(arguments) => arguments.run(console),
            Of::Se(arguments) => arguments.run(console),
            Of::Stage0(arguments) => arguments.run(console),
        }
    }
}
