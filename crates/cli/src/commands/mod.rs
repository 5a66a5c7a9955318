//! One file per command.

mod audit;
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
mod project;
mod schema;
mod td;
mod vendor;
mod verify;
mod verity;
mod wording;

use clap::Subcommand;

use crate::console::{Answer, Console};
use deferred::Deferred;

/// The commands, in the order of use.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start your own definition from a template.
    New(Deferred<new::Arguments>),
    /// Pin the exact inputs of a definition in `image.lock`.
    Lock(Deferred<lock::Arguments>),
    /// Copy every locked package into a folder, to build from on another machine.
    Vendor(Deferred<vendor::Arguments>),
    /// Show which registers an edit changes, before you build.
    Plan(Deferred<plan::Arguments>),
    /// List what a root file system holds that an attacker could use.
    Audit(Deferred<audit::Arguments>),
    /// Build the image that a definition and its lock describe.
    Build(Deferred<build::Arguments>),
    /// List the platform profiles, or print one.
    Profile(Deferred<profile::Arguments>),
    /// Compute what hardware will measure.
    Measure(Deferred<measure::Arguments>),
    /// Compare what a machine reports with what an image should measure.
    Compare(Deferred<compare::Arguments>),
    /// Export an image's reference values in a verifier's format.
    Export(Deferred<export::Arguments>),
    /// Print an annotated listing of a file of a known format.
    Dump(Deferred<dump::Arguments>),
    /// Make, verify or dump a dm-verity hash tree.
    Verity(Deferred<verity::Arguments>),
    /// Boot an image in QEMU and check what it prints.
    Boot(Deferred<boot::Arguments>),
    /// Verify an image: derive every digest again, from its files alone.
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
            Self::Audit(arguments) => arguments.0.run(console),
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
