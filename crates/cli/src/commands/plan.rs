//! `cvmkit plan`: which registers an edit changes, before it is built.

use std::path::PathBuf;
use std::process::ExitCode;

use cvmkit_engine::plan::{self, Edit};

use super::project::{DefinitionArgument, OriginArguments, Places, builder, output_folder};
use crate::console::{Answer, Console};

/// What to plan, and the build to compare it with.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    definition: DefinitionArgument,
    /// Plan a variant of the definition.
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// The build to compare with. Default: `out/ID_VERSION[_VARIANT]`.
    #[arg(long, value_name = "OUT")]
    with: Option<PathBuf>,
    /// Assume a change of root, kernel, initrd, command-line, stub, os-release, firmware,
    /// firmware-variables, vcpus, vcpu-type, guest-features or memory; may be given several times.
    #[arg(long, value_name = "WHAT")]
    edit: Vec<Edit>,
    #[command(flatten)]
    origins: OriginArguments,
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        let project = self.definition.open()?;
        let variant = self.variant.as_deref();
        let out = output_folder(&project, variant, self.with)?;
        let places = Places::of(&project)?;
        let builder = builder(&places, &self.origins, console)?;
        console.answer(&plan::plan(&project, variant, &out, &self.edit, &builder)?);
        Ok(ExitCode::SUCCESS)
    }
}
