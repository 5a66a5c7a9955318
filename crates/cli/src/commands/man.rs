//! `cvmkit man`: the manual pages.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use cvmkit_host::files::{self, cannot};

use crate::console::{Answer, CommandError, Console};

/// Where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder for `cvmkit.1` and one page per command; created when missing.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Arguments {
    pub(crate) fn run(self, _: &Console) -> Answer {
        files::make_folder(&self.folder)?;
        let mut whole = crate::Arguments::command();
        whole.build();
        pages(&whole, "cvmkit", &self.folder)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The page of a command, and those of its subcommands.
fn pages(command: &clap::Command, name: &str, folder: &Path) -> Result<(), CommandError> {
    page(command, name, folder)?;
    command
        .get_subcommands()
        .try_for_each(|own| pages(own, &format!("{name}-{}", own.get_name()), folder))
}

fn page(command: &clap::Command, name: &str, folder: &Path) -> Result<(), CommandError> {
    let path = folder.join(format!("{name}.1"));
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(name)
        .render(&mut text)
        .map_err(cannot("write", &path))?;
    Ok(files::replace(&path, &text)?)
}
