//! Whether servers of the archive start in images: each definition of `xtask/data/servers` has several, is built
//! and booted once, and a unit in it says of each server whether it is active and what it answers.
//!
//! The contract: a definition is what a user would write, and the unit that asks (`check`) changes nothing of a
//! server. A server is well if systemd calls its unit active and its answer holds what the image's
//! `usr/lib/servers/list` expects; one that is not, and a boot that names failed units, fails the campaign.
//! `docs/servers.md` is the result, with everything that the definitions add to their packages.
//!
//! Locks are made anew below the target folder: what is tried are the packages of today. Oracle: systemd, and
//! the servers' own clients.

mod console;
mod image;
mod page;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::sets::Program;
use crate::{Workspace, demo, oracles, step};
use console::Boot;
use image::Image;

/// The definitions, and what the images have in common.
const DEFINITIONS: &str = "xtask/data/servers";

/// Files of the definitions that are not theirs alone.
const SHARED: [&str; 2] = [DEFINITIONS, "recipes/minimal/tree"];

/// The result.
const PAGE: &str = "docs/servers.md";

/// A boot takes one to four minutes where there is no KVM.
const TIMEOUT: &str = "900";

/// `[--folder DIR] [--page] [NAME..]`.
pub(crate) fn run(workspace: &Workspace, options: &[&str]) -> Result<()> {
    let options = Options::parse(options)?;
    let folder = options.folder.clone().unwrap_or(workspace.target.join("campaign/servers"));
    let names = image::names(&workspace.root.join(DEFINITIONS))?;
    let unknown = options.names.iter().find(|name| !names.contains(name));
    ensure!(unknown.is_none(), "no image of {DEFINITIONS}: {}", unknown.map_or("", |name| name));
    let is_whole = options.names.is_empty();
    let wanted: Vec<&String> =
        names.iter().filter(|name| is_whole || options.names.contains(name)).collect();
    if !options.page {
        oracles::ensure_qemu()?;
        let program = Program::find(workspace)?;
        for shared in SHARED {
            let to = folder.join(shared);
            if to.exists() {
                fs::remove_dir_all(&to)?;
            }
            demo::copy_folder(&workspace.root.join(shared), &to)?;
        }
        for name in &wanted {
            boot(workspace, &program, &folder, name)?;
        }
    }
    let judged = wanted.iter().map(|name| judge(&folder, name)).collect::<Result<Vec<_>>>()?;
    if is_whole {
        fs::write(workspace.root.join(PAGE), page::write(&judged))?;
    }
    print!("{}", page::table(&judged));
    let problems: Vec<String> = judged.iter().flat_map(problems).collect();
    ensure!(problems.is_empty(), "not well: {}", problems.join("; "));
    Ok(())
}

/// Locks, builds and boots an image; the console's log stays beside its definition.
fn boot(workspace: &Workspace, program: &Program, folder: &Path, name: &str) -> Result<()> {
    step::announce(name);
    let definition = folder.join(DEFINITIONS).join(name);
    let out = folder.join("out").join(name);
    let command = |words: &[&str]| program.command(workspace, words);
    step::run(command(&["lock", "--quiet"]).arg(&definition))?;
    step::run(command(&["build"]).arg(&definition).arg("--out").arg(&out))?;
    let mut boot = command(&["boot", "--direct", "--allow-failed", "--memory", "2G"]);
    boot.args(["--timeout", TIMEOUT, "--until", console::END, "--until", console::READY]);
    boot.arg("--serial-log").arg(definition.join(image::LOG)).arg(&out);
    step::attempt(&mut boot)?;
    Ok(())
}

/// An image, and what its boot said.
struct Judged {
    image: Image,
    boot: Boot,
}

fn judge(folder: &Path, name: &str) -> Result<Judged> {
    let folder = folder.join(DEFINITIONS).join(name);
    let log = folder.join(image::LOG);
    let log = fs::read(&log).with_context(|| format!("{}: not booted yet", log.display()))?;
    let boot = Boot::parse(&String::from_utf8_lossy(&log));
    Ok(Judged { image: Image::read(&folder, name)?, boot })
}

/// What is not well in an image.
fn problems(judged: &Judged) -> Vec<String> {
    let of = |what: String| format!("{}: {what}", judged.image.name);
    let servers = judged.image.servers.iter().filter_map(|server| {
        let answer = judged.boot.answer(&server.unit);
        match answer.is_some_and(|answer| answer.is_well(&server.expected)) {
            true => None,
            false => Some(of(server.unit.clone())),
        }
    });
    let failed = match judged.boot.failed.as_deref() {
        Some("0") => None,
        Some(failed) => Some(of(format!("failed units: {failed}"))),
        None => Some(of("the image did not get ready".to_owned())),
    };
    servers.chain(failed).collect()
}

/// What to boot.
#[derive(Debug, Default)]
struct Options {
    /// Where definitions, locks and images are.
    folder: Option<PathBuf>,
    /// Only write the page, of the logs that earlier runs kept.
    page: bool,
    /// Only these images; none means all.
    names: Vec<String>,
}

impl Options {
    fn parse(options: &[&str]) -> Result<Self> {
        let mut parsed = Self::default();
        let mut left = options;
        while let Some((option, rest)) = left.split_first() {
            left = match (*option, rest) {
                ("--page", rest) => {
                    parsed.page = true;
                    rest
                }
                ("--folder", [folder, rest @ ..]) => {
                    parsed.folder = Some(std::path::absolute(Path::new(folder))?);
                    rest
                }
                (name, rest) if !name.starts_with('-') => {
                    parsed.names.push(name.to_owned());
                    rest
                }
                _ => bail!("{}", crate::USAGE),
            };
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = Options::parse(&["--page", "--folder", "/x", "data"]).unwrap();
        assert!(options.page);
        assert_eq!(options.names, ["data"]);
        assert!(Options::parse(&["--folder"]).is_err());
    }

    /// The fifteen servers of the issue are in the definitions, each asked for something, and enabled.
    #[test]
    fn the_data_of_the_campaign_is_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(DEFINITIONS);
        let mut packages = std::collections::BTreeSet::new();
        for name in image::names(&root).unwrap() {
            let image = Image::read(&root.join(&name), &name).unwrap();
            for server in image.servers {
                assert!(!server.expected.is_empty(), "{}", server.unit);
                assert!(image.install.contains(&server.package), "{}", server.package);
                packages.insert(server.package);
            }
        }
        assert_eq!(packages.len(), 15, "{packages:?}");
    }

    #[test]
    fn what_is_not_well_is_named() {
        let server = |unit: &str| image::Server {
            package: "p".into(),
            unit: unit.into(),
            expected: "pong".into(),
        };
        let units = ["well", "silent", "failed", "absent"];
        let image =
            Image { name: "i".into(), servers: units.map(server).into(), ..Image::default() };
        let log = "server:\twell\tactive\t+pong\nserver:\tsilent\tactive\t\nserver:\tfailed\tfailed\tpong\n";
        let judged = |log: &str| Judged { image: image.clone(), boot: Boot::parse(log) };
        let ready = format!("{log}cvmkit: ready (failed units: 1: failed [failed])\n");
        let said = ["i: silent", "i: failed", "i: absent", "i: failed units: 1: failed [failed]"];
        assert_eq!(problems(&judged(&ready)), said);
        assert_eq!(problems(&judged(log))[3], "i: the image did not get ready");
    }
}
