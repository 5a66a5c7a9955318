//! What each maintainer script did in all its runs, and the digest of it that a lock keeps.

use cvmkit_formats::digest::{Hasher, Sha256};

use super::commands::{Effect, Script};
use crate::rootfs::{EvaluatedScript, ScriptDecision};

/// The runs of all scripts so far.
#[derive(Default)]
pub(super) struct Runs {
    scripts: Vec<(EvaluatedScript, Hasher)>,
}

impl Runs {
    /// Notes what a script has changed in one run. A run that changes nothing leaves the digest as it is.
    pub(super) fn add(
        &mut self,
        package: &str,
        script: &Script,
        sha256: Sha256,
        decision: Option<ScriptDecision>,
        effects: &[Effect],
    ) {
        let name = script.file_name();
        let is_this = |(one, _): &(EvaluatedScript, Hasher)| {
            (one.package.as_str(), one.script.as_str()) == (package, name)
        };
        let at = self.scripts.iter().position(is_this).unwrap_or_else(|| {
            let (package, script) = (package.to_owned(), name.to_owned());
            let effects = Sha256::of(b"");
            let one =
                EvaluatedScript { package, script, sha256, effects, decision, lines: Vec::new() };
            self.scripts.push((one, Hasher::default()));
            self.scripts.len() - 1
        });
        let (one, hasher) = &mut self.scripts[at];
        for effect in effects {
            let record = effect.record();
            // Lengths keep two effects from reading as one other.
            hasher.update(&(record.len() as u64).to_le_bytes());
            hasher.update(record.as_bytes());
            if effect.is_shown() {
                one.lines.push(effect.to_string());
            }
        }
    }

    /// What all scripts did, in the order of their first runs.
    pub(super) fn finish(self) -> Vec<EvaluatedScript> {
        let finish = |(one, hasher): (EvaluatedScript, Hasher)| EvaluatedScript {
            effects: hasher.finish().0,
            ..one
        };
        self.scripts.into_iter().map(finish).collect()
    }
}
