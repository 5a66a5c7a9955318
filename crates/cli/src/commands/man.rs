//! `cvmkit man`: the manual pages.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use cvmkit_engine::files::{self, cannot};

use crate::console::{Answer, CommandError, Console};

/// Where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder to write `cvmkit.1` and the pages of the commands into.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Arguments {
    pub(crate) fn run(self, _: &Console) -> Answer {
        files::make_folder(&self.folder)?;
        let mut whole = crate::Arguments::command();
        whole.build();
        page(&whole, "cvmkit", &self.folder)?;
        for command in whole.get_subcommands() {
            page(command, &format!("cvmkit-{}", command.get_name()), &self.folder)?;
        }
        Ok(ExitCode::SUCCESS)
    }
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
