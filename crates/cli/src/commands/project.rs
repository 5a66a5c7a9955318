//! What the commands about a definition share: where it is, where packages come from, where an image goes.

use std::path::{Path, PathBuf};

use clap::Args;
use cvmkit_engine::build::Builder;
use cvmkit_engine::definition::Project;
use cvmkit_engine::fetch::Origins;
use cvmkit_engine::mirrors::Mirrors;
use cvmkit_engine::store::Store;
use cvmkit_formats::digest::Sha256;
use cvmkit_host::files;

use crate::console::{CommandError, Console};
use crate::stage1::STAGE1;
use crate::{environment, name_service};

/// The definition that a command works on.
#[derive(Debug, Args)]
pub(super) struct DefinitionArgument {
    /// A folder that holds `image.toml`, or the file itself.
    #[arg(value_name = "DEF", default_value = ".")]
    definition: PathBuf,
}

impl DefinitionArgument {
    pub(super) fn open(&self) -> Result<Project, CommandError> {
        Ok(Project::open(&self.definition)?)
    }
}

/// Where locked packages come from.
#[derive(Debug, Args)]
pub(super) struct OriginArguments {
    /// Do not use the network.
    #[arg(long)]
    pub(super) offline: bool,
    /// Take packages from a folder that `cvmkit vendor` filled, then from the mirrors.
    #[arg(long, value_name = "DIR")]
    pub(super) vendor: Option<PathBuf>,
}

/// The store and the mirrors of one run.
pub(super) struct Places {
    store: Store,
    mirrors: Mirrors,
}

impl Places {
    pub(super) fn of(project: &Project) -> Result<Self, CommandError> {
        name_service::keep_to_what_is_linked_in()?;
        Ok(Self {
            store: Store::open(
                &environment::store()?,
                environment::seal_key()?,
                &environment::scratch(),
            )?,
            mirrors: project.archive_mirrors().fold(
                environment::mirrors(&project.raw.mirrors)?,
                |mirrors, (archive, addresses)| mirrors.and_own(archive, addresses),
            ),
        })
    }

    pub(super) fn origins<'a>(
        &'a self,
        offline: bool,
        vendor: Option<&'a Path>,
        console: &'a Console,
    ) -> Origins<'a> {
        Origins { store: &self.store, vendor, mirrors: &self.mirrors, offline, progress: console }
    }
}

/// A builder with this program's stage 1, version and digest.
pub(super) fn builder<'a>(
    places: &'a Places,
    origins: &'a OriginArguments,
    console: &'a Console,
) -> Result<Builder<'a>, CommandError> {
    Ok(Builder {
        origins: places.origins(origins.offline, origins.vendor.as_deref(), console),
        stage1: STAGE1,
        version: env!("CARGO_PKG_VERSION"),
        program: program()?,
    })
}

/// The SHA-256 of this program's file; none without `/proc`.
fn program() -> Result<Option<Sha256>, CommandError> {
    let Some(path) = environment::program() else { return Ok(None) };
    let file = files::open(&path)?;
    Ok(Some(Sha256::of_reader(file).map_err(files::cannot("read", &path))?.0))
}

/// The folder that an image is built into: the named one, or `out/ID_VERSION[_VARIANT]`.
pub(super) fn output_folder(
    project: &Project,
    variant: Option<&str>,
    named: Option<PathBuf>,
) -> Result<PathBuf, CommandError> {
    match named {
        Some(folder) => Ok(folder),
        None => Ok(Path::new("out").join(project.definition(variant)?.stem())),
    }
}
