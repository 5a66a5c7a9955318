#![deny(unsafe_code)] // `memory`, `name_service` and `standard_output` alone expect it
//! `cvmkit`: turns a declarative image definition and a lock into a measured confidential-VM image.
//!
//! The command line is a contract: names and exit codes stay. 0: yes, or done. 1: the answer is no.
//! 2: usage or definition. 3: environment. 70: a bug of cvmkit.

mod commands;
mod console;
mod environment;
mod memory;
mod name_service;
mod refusal;
mod stage1;
mod standard_output;
mod text;
mod threads;

use std::process::ExitCode;

use clap::Parser;

use commands::Command;
use console::{Console, Format};

/// Turns a declarative image definition and a lock into a measured confidential-VM image.
#[derive(Debug, Parser)]
#[command(name = "cvmkit", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The format of results.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Print only errors and the values you asked for.
    #[arg(long, short, global = true)]
    quiet: bool,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(asked) => return console::say(asked),
    };
    let console = Console::new(arguments.format, arguments.quiet);
    let done = threads::start().map_err(Into::into).and_then(|()| arguments.command.run(&console));
    match done {
        Ok(code) => console.finish(code),
        Err(error) => console.error(&error),
    }
}
