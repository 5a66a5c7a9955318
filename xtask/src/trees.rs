//! Whether evaluated scripts do what scripts do: for each of some package sets, the tree of an image is compared
//! with the one that mmdebstrap makes of the same packages, running their scripts.
//!
//! The contract: both trees come of the very `.deb` files of one lock, with the same paths left out. They are
//! compared path by path: type, mode, owner and group by name, content, link target, extended attributes,
//! device numbers, hard links; times are not. Every difference is explained by an entry of
//! `xtask/data/trees.toml`, and every entry explains one, or the campaign fails. `docs/trees.md` is the result.
//! The tree of the scripts is kept as a listing beside its lock, so a later run makes ours alone.
//!
//! Needs root, as scripts do. Oracle: mmdebstrap, dpkg and the packages' own scripts; unsquashfs to read ours.

mod compare;
mod expected;
mod listing;
mod made;
mod page;
mod parts;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail, ensure};

use crate::sets::{self, Program, Set};
use crate::{Workspace, apt, step};
use compare::{Comparison, Difference};
use expected::Expected;
use listing::Listing;

/// The sets that are compared.
const SETS: &str = "xtask/data/tree-sets.tsv";

/// The result.
const PAGE: &str = "docs/trees.md";

/// What makes and reads the trees.
const TOOLS: [&str; 4] = ["mmdebstrap", "dpkg-dev", "squashfs-tools", "attr"];

/// What was found about a set.
struct Judged {
    set: Set,
    /// None if no image can be built of it; why is in `problem`.
    comparison: Option<Comparison>,
    problem: String,
    /// Differences that no entry explains.
    open: Vec<Difference>,
    /// For each entry, how many differences of this set it explains.
    explained: Vec<usize>,
}

/// `[--folder DIR] [--theirs | --page] [NAME..]`.
pub(crate) fn run(workspace: &Workspace, options: &[&str]) -> Result<()> {
    let options = Options::parse(options)?;
    ensure_tools()?;
    let program = Program::find(workspace)?;
    let expected = expected::read(&workspace.root)?;
    let folder = options.folder.clone().unwrap_or(workspace.target.join("campaign/trees"));
    fs::create_dir_all(&folder)?;
    let sets = sets::read(&workspace.root.join(SETS))?;
    let unknown = options.names.iter().find(|name| sets.iter().all(|set| set.name != **name));
    ensure!(unknown.is_none(), "no set of {SETS}: {}", unknown.map_or("", |name| name));
    let is_whole = options.names.is_empty();
    if options.page {
        let judged = kept(sets, &folder, &expected);
        return Ok(fs::write(workspace.root.join(PAGE), page::write(&judged, &expected))?);
    }
    let wanted = |set: &Set| is_whole || options.names.contains(&set.name);
    let mut judged = Vec::new();
    for set in sets.into_iter().filter(wanted) {
        step::announce(&set.name);
        let making = made::Making::prepare(workspace, &program, &set, &folder)?;
        let theirs = making.theirs()?;
        if options.theirs {
            continue;
        }
        let ours = making.ours();
        judged.push(judge(set, ours, &theirs, &expected));
        if let Some(last) = judged.last() {
            print!("{}", page::summary(last));
        }
    }
    if options.theirs {
        return Ok(());
    }
    let unused: Vec<&Expected> = expected
        .iter()
        .enumerate()
        .filter(|(at, _)| {
            judged.iter().all(|one| one.explained.get(*at) == Some(&0) || one.comparison.is_none())
        })
        .map(|(_, entry)| entry)
        .collect();
    if is_whole {
        fs::write(workspace.root.join(PAGE), page::write(&judged, &expected))?;
        let named: Vec<String> =
            unused.iter().map(|entry| format!("{} ({})", entry.path, entry.attribute)).collect();
        ensure!(named.is_empty(), "{} explains nothing: {}", expected::FILE, named.join(", "));
    }
    let open: BTreeSet<&str> = judged
        .iter()
        .filter(|one| !one.open.is_empty() || one.comparison.is_none())
        .map(|one| one.set.name.as_str())
        .collect();
    ensure!(open.is_empty(), "not equal: {}", open.into_iter().collect::<Vec<_>>().join(", "));
    Ok(())
}

/// Judges what earlier runs kept.
fn kept(sets: Vec<Set>, folder: &Path, expected: &[Expected]) -> Vec<Judged> {
    let judged = |set: Set| {
        let listing = |name: &str| listing::load(&folder.join(&set.name).join(name));
        let none = || Err(anyhow!("not compared yet"));
        match (listing("ours.json"), listing("theirs.json")) {
            (Ok(ours), Ok(theirs)) => judge(set, Ok(ours), &theirs, expected),
            _ => judge(set, none(), &Listing::new(), expected),
        }
    };
    sets.into_iter().map(judged).collect()
}

fn judge(set: Set, ours: Result<Listing>, theirs: &Listing, expected: &[Expected]) -> Judged {
    let ours = match ours {
        Ok(ours) => ours,
        Err(error) => {
            let problem = format!("{error:#}");
            return Judged {
                set,
                comparison: None,
                problem,
                open: Vec::new(),
                explained: vec![0; expected.len()],
            };
        }
    };
    let comparison = compare::compare(&ours, theirs);
    let mut explained = vec![0; expected.len()];
    let mut open = Vec::new();
    for difference in &comparison.differences {
        match expected.iter().position(|entry| entry.explains(difference)) {
            Some(at) => explained[at] += 1,
            None => open.push(difference.clone()),
        }
    }
    Judged { set, comparison: Some(comparison), problem: String::new(), open, explained }
}

fn ensure_tools() -> Result<()> {
    ensure!(
        step::output(&mut step::command("id", ["-u"]))? == "0",
        "scripts are run to compare with: this campaign needs root"
    );
    let found = apt::installed(&TOOLS);
    let missing: Vec<&str> = TOOLS.into_iter().filter(|tool| !found.contains_key(*tool)).collect();
    if !missing.is_empty() {
        apt::update()?;
        apt::install(&missing, None)?;
    }
    Ok(())
}

/// What to compare.
#[derive(Debug, Default)]
struct Options {
    /// Where definitions, locks and listings are.
    folder: Option<PathBuf>,
    /// Only make the trees of the scripts.
    theirs: bool,
    /// Only write the page, of the listings that earlier runs kept.
    page: bool,
    /// Only these sets; none means all.
    names: Vec<String>,
}

impl Options {
    fn parse(options: &[&str]) -> Result<Self> {
        let mut parsed = Self::default();
        let mut left = options;
        while let Some((option, rest)) = left.split_first() {
            left = match (*option, rest) {
                ("--theirs", rest) => {
                    parsed.theirs = true;
                    rest
                }
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
        let options = Options::parse(&["--theirs", "--folder", "/x", "nginx"]).unwrap();
        assert!(options.theirs);
        assert_eq!(options.names, ["nginx"]);
        assert!(Options::parse(&["--folder"]).is_err());
    }

    /// What a campaign reads is there and can be read.
    #[test]
    fn the_data_of_the_campaign_is_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(!expected::read(root).unwrap().is_empty());
        assert_eq!(sets::read(&root.join(SETS)).unwrap().len(), 40);
    }
}
