//! Commands that do the same work, run in turn and timed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};

use crate::step;

/// A race takes no further round that would pass this many seconds: on a busy machine fewer runs are
/// better than none.
const SECONDS_MAX: f64 = 120.0;

/// One command in a race.
pub(super) struct Side {
    command: Command,
    /// Removed before each run, so that it always starts from nothing.
    products: Vec<PathBuf>,
}

impl Side {
    pub(super) fn new(command: Command, products: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { command, products: products.into_iter().collect() }
    }
}

/// Commands that run in turn.
pub(super) struct Race {
    pub(super) name: &'static str,
    pub(super) sides: Vec<Side>,
}

/// What one run took, or the medians of several.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    /// Seconds on the clock.
    pub(super) wall: f64,
    /// Seconds of all processors, in user and kernel.
    pub(super) cpu: f64,
    /// Largest resident set of a process, in MiB; of all runs.
    pub(super) peak: f64,
}

impl Race {
    /// Runs each side up to `runs` times and returns their medians; the last products stay.
    pub(super) fn run<const N: usize>(&self, runs: usize) -> Result<[Figures; N]> {
        step::announce(self.name);
        let started = Instant::now();
        let mut all: Vec<Vec<Figures>> = vec![Vec::new(); self.sides.len()];
        for round in 1..=runs {
            for (side, figures) in self.sides.iter().zip(&mut all) {
                side.products.iter().try_for_each(|product| remove(product))?;
                // No side waits for the disk to take what another one wrote.
                step::output(&mut step::command("sync", [""; 0]))?;
                let taken = timed(&side.command)?;
                print!("  {:8.4} s {:7.3} CPU {:4.0} MiB", taken.wall, taken.cpu, taken.peak);
                figures.push(taken);
            }
            println!();
            let passed = started.elapsed().as_secs_f64();
            let each = passed / f64::from(u32::try_from(round)?);
            if round < runs && passed + each > SECONDS_MAX {
                println!("  no further round: {passed:.0} s have passed");
                break;
            }
        }
        let medians: Vec<Figures> = all.iter().map(|figures| median(figures)).collect();
        medians.try_into().map_err(|_| anyhow!("`{}` has not {N} sides", self.name))
    }
}

fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    removed.with_context(|| format!("cannot remove `{}`", path.display()))
}

/// A run that is shorter than this many seconds is timed many times over.
const SHORT: f64 = 0.3;

/// How often.
const MANY: u32 = 25;

/// Runs its arguments behind the first, which says how often.
const REPEAT: &str = "n=$1; shift; while [ $n -gt 0 ]; do \"$@\"; n=$((n - 1)); done";

/// One run under GNU time. A short one is run many times more: GNU time takes a millisecond itself,
/// which is much of the shortest runs, and counts in hundredths of a second.
fn timed(command: &Command) -> Result<Figures> {
    let once = under_time(command)?;
    if once.wall > SHORT {
        return Ok(once);
    }
    let mut walls = Vec::new();
    for _ in 0..MANY {
        let started = Instant::now();
        step::output(&mut carried(Command::new(command.get_program()), command))?;
        walls.push(started.elapsed().as_secs_f64());
    }
    walls.sort_by(f64::total_cmp);
    let wall = walls.get(walls.len() / 2).copied().unwrap_or(once.wall);
    let mut repeated = step::command("sh", ["-c", REPEAT, "sh", &MANY.to_string()]);
    repeated.arg(command.get_program());
    let cpu = under_time(&carried(repeated, command))?.cpu / f64::from(MANY);
    Ok(Figures { wall, cpu, peak: once.peak })
}

/// One run under GNU time, whose last line of standard error has all figures but the wall.
fn under_time(command: &Command) -> Result<Figures> {
    let mut time = step::command("time", ["--format", "%U %S %M", "--"]);
    time.arg(command.get_program());
    let started = Instant::now();
    let output = carried(time, command).output().context("cannot start GNU time")?;
    let wall = started.elapsed().as_secs_f64();
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {}", step::shown(command), stderr.trim());
    figures(wall, &stderr).with_context(|| format!("GNU time printed no figures: {stderr}"))
}

/// `to` with the arguments and the environment of a command.
fn carried(mut to: Command, command: &Command) -> Command {
    to.args(command.get_args());
    to.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    to
}

fn figures(wall: f64, stderr: &str) -> Option<Figures> {
    let mut words = stderr.trim_end().lines().next_back()?.split(' ');
    let mut next = || words.next()?.parse::<f64>().ok();
    Some(Figures { wall, cpu: next()? + next()?, peak: next()? / 1024.0 })
}

/// The middle of each figure, the lower one of an even number; the greatest peak.
fn median(runs: &[Figures]) -> Figures {
    let middle = |figure: fn(&Figures) -> f64| {
        let mut figures: Vec<f64> = runs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(runs.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    };
    let peak = runs.iter().map(|run| run.peak).fold(0.0, f64::max);
    Figures { wall: middle(|run| run.wall), cpu: middle(|run| run.cpu), peak }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_each_figure_and_the_peak_is_the_greatest() {
        let run = |wall, cpu, peak| Figures { wall, cpu, peak };
        let runs = [run(3.0, 1.0, 5.0), run(1.0, 2.0, 9.0), run(2.0, 3.0, 7.0)];
        let Figures { wall, cpu, peak } = median(&runs);
        assert_eq!([wall, cpu, peak], [2.0, 2.0, 9.0]);
        assert_eq!(median(&runs[..2]).wall.to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn a_command_is_timed_with_its_environment_and_its_failure_is_told() {
        let mut script = step::command("sh", ["-c", "test \"$RACE\" = 1 && echo x >&2"]);
        let error = timed(&script).unwrap_err().to_string();
        assert!(error.contains("failed"), "{error}");
        let Ok(figures) = timed(script.env("RACE", "1")) else { panic!("it succeeds") };
        assert!(figures.wall > 0.0 && figures.cpu >= 0.0 && figures.peak > 0.1, "{figures:?}");
    }

    #[test]
    fn a_short_command_is_run_many_times() {
        let path = std::env::temp_dir().join(format!("cvmkit-race-{}", std::process::id()));
        let mut script = step::command("sh", ["-c", "echo run >>\"$0\""]);
        timed(script.arg(&path)).unwrap();
        let runs = fs::read_to_string(&path).unwrap().lines().count();
        fs::remove_file(&path).unwrap();
        assert_eq!(runs, 1 + 2 * 25);
    }
}
