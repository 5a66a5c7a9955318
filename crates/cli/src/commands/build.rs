//! `cvmkit build`: the image that a definition and its lock describe.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use cvmkit_engine::build::{self, Built};
use cvmkit_formats::digest::Sha256;
use cvmkit_host::progress::Progress as _;
use serde::Serialize;

use super::project::{DefinitionArgument, OriginArguments, Places, builder, output_folder};
use crate::console::{Answer, Console};
use crate::text::line;

/// What to build, from where, and into which folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    definition: DefinitionArgument,
    /// Build a variant of the definition.
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// The folder to fill. Default: `out/ID_VERSION[_VARIANT]`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    origins: OriginArguments,
    /// Also print the changes to the root file system that come from no package.
    #[arg(long)]
    log: bool,
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        let project = self.definition.open()?;
        let variant = self.variant.as_deref();
        let out = output_folder(&project, variant, self.out)?;
        let places = Places::of(&project)?;
        let builder = builder(&places, &self.origins, console)?;
        let built = build::build(&project, variant, &out, &builder)?;
        for note in &built.notes {
            console.note(note);
        }
        console.result(&Report::of(&built, self.log));
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    folder: String,
    unchanged: bool,
    debug: bool,
    root_hash: String,
    /// SHA-256 of `SHA256SUMS`.
    identity: Sha256,
    artifacts: Vec<(String, u64)>,
    log: Vec<String>,
    notes: Vec<String>,
}

impl Report {
    fn of(built: &Built, log: bool) -> Self {
        let files = built.manifest.artifacts.iter();
        Self {
            folder: built.folder.display().to_string(),
            unchanged: built.unchanged,
            debug: built.manifest.image.debug,
            root_hash: built.manifest.root.root_hash.clone(),
            identity: built.identity,
            artifacts: files.map(|file| (file.name.clone(), file.size)).collect(),
            log: if log { built.log.clone() } else { Vec::new() },
            notes: built.notes.clone(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.log {
            // A name that a script made may hold a line break.
            writeln!(f, "{}", line(one))?;
        }
        let state = if self.unchanged { " (unchanged)" } else { "" };
        writeln!(f, "{}{state}", self.folder)?;
        for (name, size) in &self.artifacts {
            writeln!(f, "  {size:>11}  {name}")?;
        }
        writeln!(f, "root hash  {}", self.root_hash)?;
        write!(f, "identity   {}", self.identity)?;
        if self.debug {
            write!(
                f,
                "\nDEBUG image: it may have shells and logins; do not trust it in production"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that a maintainer script made begins no line of ours.
    #[test]
    fn a_line_of_the_log_is_one_line() {
        let report = Report {
            folder: "out".to_owned(),
            unchanged: false,
            debug: false,
            root_hash: "aa".to_owned(),
            identity: Sha256::of(b""),
            artifacts: Vec::new(),
            log: vec!["postinst of a: /etc/x\nroot hash  bb 0644 root:root".to_owned()],
            notes: Vec::new(),
        };
        let text = report.to_string();
        assert!(
            text.starts_with("postinst of a: /etc/x\\nroot hash  bb 0644 root:root\nout\n"),
            "{text}"
        );
    }
}
