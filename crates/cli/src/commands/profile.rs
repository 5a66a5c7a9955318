//! `cvmkit profile`: the platform profiles that a definition can name.

use std::fmt;
use std::process::ExitCode;

use cvmkit_engine::profile::{BUILT_IN, Profile};
use serde::Serialize;

use crate::console::{Answer, Console};

/// Which profile to print.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print this one, to copy and change it; without a name list all.
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        match self.name {
            None => console.answer(&List::new()?),
            Some(name) => {
                let profile = Profile::built_in(&name)?;
                let text = BUILT_IN.iter().find(|(known, _)| *known == name);
                let text = text.map_or("", |(_, text)| text);
                console.answer(&Printed { profile, text });
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Every profile.
#[derive(Serialize)]
struct List {
    profiles: Vec<Profile>,
}

impl List {
    fn new() -> Result<Self, cvmkit_engine::profile::ProfileError> {
        let profiles = BUILT_IN.iter().map(|(name, _)| Profile::built_in(name));
        Ok(Self { profiles: profiles.collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (profile, (_, text)) in self.profiles.iter().zip(BUILT_IN) {
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
    #[serde(skip)]
    text: &'static str,
}

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}
