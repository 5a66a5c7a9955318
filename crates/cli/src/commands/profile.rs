//! `cvmkit profile`: the platform profiles that a definition can name.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use cvmkit_attest::profile::{BUILT_IN, Profile, ProfileError};
use cvmkit_host::files;
use cvmkit_measure::claim::ConditionCode;
use serde::Serialize;

use crate::console::{Answer, CommandError, Console};

/// Which profile to print.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The profile to print, or a file of your own to check (`./mine.toml`). Default: list all.
    #[arg(value_name = "NAME|FILE")]
    name: Option<String>,
}

/// The profile of that name or in that file, told apart as in a definition: a path has a slash or `.toml`.
pub(super) fn own_or_built_in(name: &str) -> Result<Profile, CommandError> {
    if name.contains('/') || name.ends_with(".toml") {
        return Ok(Profile::parse(&files::read_text(Path::new(name))?, name)?);
    }
    Ok(Profile::built_in(name)?)
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        match self.name {
            None => console.answer(&List::new()?),
            Some(name) => {
                let profile = own_or_built_in(&name)?;
                let text = match BUILT_IN.iter().find(|(known, _)| *known == name) {
                    Some((_, text)) => (*text).to_owned(),
                    None => files::read_text(Path::new(&name))?,
                };
                console.answer(&Printed::new(profile, text));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Every profile.
#[derive(Serialize)]
struct List {
    profiles: Vec<Printed>,
}

impl List {
    fn new() -> Result<Self, ProfileError> {
        let printed = |(name, text): (&str, &str)| {
            Ok(Printed::new(Profile::built_in(name)?, text.to_owned()))
        };
        Ok(Self { profiles: BUILT_IN.into_iter().map(printed).collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Printed { profile, text, .. } in &self.profiles {
            let words = text.lines().next().unwrap_or_default().trim_start_matches("# ");
            writeln!(f, "{:<16} {words}", profile.name)?;
        }
        Ok(())
    }
}

/// One profile: as its file has it, or as data.
#[derive(Serialize)]
struct Printed {
    #[serde(flatten)]
    profile: Profile,
    /// The condition of all its values, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<ConditionCode>,
    #[serde(skip)]
    text: String,
}

impl Printed {
    fn new(profile: Profile, text: String) -> Self {
        Self { condition: profile.condition(), profile, text }
    }
}

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
