//! `cvmkit completions`: a completion script for a shell.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::console::{Answer, Console};

/// Which shell.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The shell to complete for.
    #[arg(value_enum)]
    shell: Shell,
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut crate::Arguments::command(),
            "cvmkit",
            &mut script,
        );
        console.value(&String::from_utf8_lossy(&script));
        Ok(ExitCode::SUCCESS)
    }
}
