//! `cvmkit profile`: the platform profiles that a definition can name.

use std::fmt;
use std::process::ExitCode;

use cvmkit_engine::profile::{BUILT_IN, Profile, ProfileError};
use cvmkit_measure::claim::ConditionCode;
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
        let printed = |(name, text)| Ok(Printed::new(Profile::built_in(name)?, text));
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
    /// What its values rest on as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<ConditionCode>,
    #[serde(skip)]
    text: &'static str,
}

impl Printed {
    fn new(profile: Profile, text: &'static str) -> Self {
        Self { condition: profile.condition(), profile, text }
    }
}

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}
