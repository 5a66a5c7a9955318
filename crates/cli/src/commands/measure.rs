//! `cvmkit measure`: what hardware will measure, from the files it is given.

mod snp;

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
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        match self.of {
            Of::Snp(arguments) => arguments.run(console),
        }
    }
}
