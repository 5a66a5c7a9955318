//! One file per command.

mod boot;
mod build;
mod compare;
mod completions;
mod deferred;
mod dump;
mod export;
mod input;
mod lock;
mod machine;
mod man;
mod measure;
mod new;
mod plan;
mod profile;
mod schema;
mod td;
mod vendor;
mod verify;
mod verity;
mod wording;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use cvmkit_engine::build::Builder;
use cvmkit_engine::definition::Project;
use cvmkit_engine::fetch::Origins;
use cvmkit_engine::mirrors::Mirrors;
use cvmkit_engine::store::Store;
use cvmkit_formats::digest::Sha256;
use cvmkit_host::files;

use crate::console::{Answer, CommandError, Console};
use crate::stage1::STAGE1;
use crate::{environment, name_service};
use deferred::Deferred;

/// The commands, in the order of use.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a definition of your own from a template.
    New(Deferred<new::Arguments>),
    /// Pin the exact inputs of a definition in `image.lock`.
    Lock(Deferred<lock::Arguments>),
    /// Copy every locked package into a folder, to build from on another machine.
    Vendor(Deferred<vendor::Arguments>),
    /// Say which registers an edit will change, before anything is built.
    Plan(Deferred<plan::Arguments>),
    /// Build the image that a definition and its lock describe.
    Build(Deferred<build::Arguments>),
    /// List the platform profiles, or print one.
    Profile(Deferred<profile::Arguments>),
    /// Compute what hardware will measure.
    Measure(Deferred<measure::Arguments>),
    /// Compare what a machine reports with what an image should do.
    Compare(Deferred<compare::Arguments>),
    /// Print an image's reference values in the shape that a verifier reads.
    Export(Deferred<export::Arguments>),
    /// Print an annotated listing of a file of a known format.
    Dump(Deferred<dump::Arguments>),
    /// Make, check or show a dm-verity hash tree.
    Verity(Deferred<verity::Arguments>),
    /// Boot an image in QEMU and judge it by what it says.
    Boot(Deferred<boot::Arguments>),
    /// Check an image: derive every digest again, from its files alone.
    Verify(Deferred<verify::Arguments>),
    /// Print the JSON Schema of a file format.
    Schema(Deferred<schema::Arguments>),
    /// Print a completion script for a shell.
    Completions(Deferred<completions::Arguments>),
    /// Write the manual pages.
    Man(Deferred<man::Arguments>),
}

impl Command {
    pub(crate) fn run(self, console: &Console) -> Answer {
        match self {
            Self::New(arguments) => arguments.0.run(console),
            Self::Lock(arguments) => arguments.0.run(console),
            Self::Vendor(arguments) => arguments.0.run(console),
            Self::Plan(arguments) => arguments.0.run(console),
            Self::Build(arguments) => arguments.0.run(console),
            Self::Profile(arguments) => arguments.0.run(console),
            Self::Measure(arguments) => arguments.0.run(console),
            Self::Compare(arguments) => arguments.0.run(console),
            Self::Export(arguments) => arguments.0.run(console),
            Self::Dump(arguments) => arguments.0.run(console),
            Self::Verity(arguments) => arguments.0.run(console),
            Self::Boot(arguments) => arguments.0.run(console),
            Self::Verify(arguments) => arguments.0.run(console),
            Self::Schema(arguments) => arguments.0.run(console),
            Self::Completions(arguments) => arguments.0.run(console),
            Self::Man(arguments) => arguments.0.run(console),
        }
    }
}

/// The definition that a command is about.
#[derive(Debug, Args)]
struct DefinitionArgument {
    /// A folder that holds `image.toml`, or the file itself.
    #[arg(value_name = "DEF", default_value = ".")]
    definition: PathBuf,
}

impl DefinitionArgument {
    fn open(&self) -> Result<Project, CommandError> {
        Ok(Project::open(&self.definition)?)
    }
}

/// Where locked packages may come from.
#[derive(Debug, Args)]
struct OriginArguments {
    /// Use no network.
    #[arg(long)]
    offline: bool,
    /// Take packages from a folder that `cvmkit vendor` wrote before asking the mirrors.
    #[arg(long, value_name = "DIR")]
    vendor: Option<PathBuf>,
}

/// The store and the mirrors of one run.
struct Places {
    store: Store,
    mirrors: Mirrors,
}

impl Places {
    fn of(project: &Project) -> Result<Self, CommandError> {
        name_service::keep_to_what_is_linked_in()?;
        Ok(Self {
            store: Store::open(
                &environment::store()?,
                environment::seal_key()?,
                &environment::scratch(),
            )?,
            mirrors: environment::mirrors(&project.raw.mirrors)?,
        })
    }

    fn origins<'a>(
        &'a self,
        offline: bool,
        vendor: Option<&'a Path>,
        console: &'a Console,
    ) -> Origins<'a> {
        Origins { store: &self.store, vendor, mirrors: &self.mirrors, offline, progress: console }
    }
}

/// What a build is made with.
fn builder<'a>(
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

/// The digest of this very program; none where no file system tells which file it is (`/proc`).
fn program() -> Result<Option<Sha256>, CommandError> {
    let Some(path) = environment::program() else { return Ok(None) };
    let file = files::open(&path)?;
    Ok(Some(Sha256::of_reader(file).map_err(files::cannot("read", &path))?.0))
}

/// The folder that an image is built into, if no other is named.
fn output_folder(
    project: &Project,
    variant: Option<&str>,
    named: Option<PathBuf>,
) -> Result<PathBuf, CommandError> {
    match named {
        Some(folder) => Ok(folder),
        None => Ok(Path::new("out").join(project.definition(variant)?.stem())),
    }
}

/// A count and its noun: `1 package`, `2 packages`.
fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
