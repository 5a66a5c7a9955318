//! `cvmkit audit`: what a root file system holds that an attacker could use.

use std::fmt;
use std::process::ExitCode;

use cvmkit_engine::build::{self, Audited};
use cvmkit_engine::rootfs::Finding;
use serde::Serialize;

use super::project::{DefinitionArgument, OriginArguments, Places};
use crate::console::{Answer, Console};
use crate::text::counted;

/// What to audit, and where packages come from.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    definition: DefinitionArgument,
    /// Audit a variant of the definition.
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    #[command(flatten)]
    origins: OriginArguments,
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        let project = self.definition.open()?;
        let places = Places::of(&project)?;
        let vendor = self.origins.vendor.as_deref();
        let origins = places.origins(self.origins.offline, vendor, console);
        let audited = build::audit(&project, self.variant.as_deref(), origins)?;
        let report = Report::of(audited);
        console.result(&report);
        Ok(if report.refused > 0 && !report.debug { ExitCode::from(1) } else { ExitCode::SUCCESS })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    image: String,
    debug: bool,
    /// How many findings end the build of a production image.
    refused: usize,
    findings: Vec<Finding>,
}

impl Report {
    fn of(audited: Audited) -> Self {
        let refused = audited.refused();
        let Audited { title, debug, findings } = audited;
        Self { image: title, debug, refused, findings }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let findings = counted(self.findings.len(), "finding");
        write!(f, "{}: {findings}, {} refused", self.image, self.refused)?;
        if self.debug && self.refused > 0 {
            f.write_str(" in a production image")?;
        }
        for finding in &self.findings {
            write!(f, "\n  {:<7}  {finding}", finding.verdict.name())?;
            if let Some(reason) = &finding.reason {
                write!(f, " ({reason})")?;
            }
        }
        Ok(())
    }
}
