//! update-alternatives: one name for programs of several packages, in automatic mode.
//!
//! The links follow every call, so that later scripts find the program; the files below
//! `/var/lib/dpkg/alternatives` are written at the end.

use std::collections::BTreeMap;

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::{FileError, Files as _};

use super::System;
use crate::packages::debian::alternatives::{Alternative, AlternativeLink};

/// Where generic names are.
const FOLDER: &str = "/etc/alternatives";

/// `update-alternatives --install LINK NAME PATH PRIORITY [--slave LINK NAME PATH]..`, `--remove NAME
/// PATH`, `--auto NAME`, `--list NAME`, `--query NAME`, `--display NAME`.
pub(super) fn update_alternatives(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let words: Vec<String> =
        call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let quiet = ["--quiet", "--force", "--verbose", "--skip-auto"];
    let words: Vec<&str> = words.into_iter().filter(|word| !quiet.contains(word)).collect();
    match words.as_slice() {
        ["--install", rest @ ..] => {
            let Some(candidate) = candidate(rest) else {
                return Ok(call.usage("error: --install needs <link> <name> <path> <priority>", 2));
            };
            install(system, call, candidate)
        }
        ["--remove", name, path] => remove(system, call, name, |one| one.master.path == *path),
        ["--remove-all", name] => remove(system, call, name, |_| true),
        ["--list", name] => match system.candidates(name).as_slice() {
            [] => Ok(call.usage(&format!("error: no alternatives for {name}"), 2)),
            candidates => {
                let paths = candidates.iter().map(|one| format!("{}\n", one.master.path));
                let text: String = paths.collect();
                call.print(text.as_bytes());
                Ok(0)
            }
        },
        [option @ ("--query" | "--display"), name] => match system.candidates(name).as_slice() {
            [] => Ok(call.usage(&format!("error: no alternatives for {name}"), 2)),
            candidates => {
                let text = match *option {
                    "--query" => query(system, candidates),
                    _ => display(system, candidates),
                };
                match text {
                    Some(text) => call.print(text.as_bytes()),
                    None => return Err(call.unsupported(format!("{name}, which is not automatic"))),
                }
                Ok(0)
            }
        },
        ["--auto", name] => relink(system, call, name),
        words => Err(call.unsupported(words.join(" "))),
    }
}

impl System<'_, '_> {
    /// The candidates of a group, by path.
    fn candidates(&self, name: &str) -> Vec<&Alternative> {
        let candidates = self.asked.alternatives.iter().map(|(_, one)| one);
        let mut found: Vec<&Alternative> =
            candidates.filter(|one| one.master.name == name).collect();
        found.sort_by(|a, b| a.master.path.cmp(&b.master.path));
        found
    }
}

impl System<'_, '_> {
    /// Whether a path that is not there is of a package that is unpacked: what the definition excludes is missing,
    /// as with dpkg's `path-exclude` (dpkg.cfg(5)), and what is diverted.
    fn is_excluded(&self, path: &str) -> bool {
        let bare = path.trim_start_matches('/').as_bytes();
        let unpacked = self.packages.values().filter(|one| self.states.contains_key(&one.name));
        let mut entries = unpacked.flat_map(|one| &one.entries);
        let is_packaged = entries.any(|entry| entry.path == bare);
        let is_diverted = self.asked.diversions.iter().any(|one| one.from == path);
        is_packaged && !is_diverted
    }
}

/// What a group in automatic mode leads to, and the candidate that it would choose.
fn chosen<'c>(
    system: &System<'_, '_>,
    candidates: &[&'c Alternative],
) -> Option<(String, &'c Alternative)> {
    let generic = format!("{FOLDER}/{}", candidates.first()?.master.name);
    let value = system.target(generic.as_bytes()).ok();
    let value = value.filter(|_| system.generic_links.contains(&generic))?;
    let value = String::from_utf8(value).ok()?;
    let best = candidates
        .iter()
        .rev()
        .max_by_key(|one| (one.priority, one.master.path == value))
        .copied()?;
    Some((value, best))
}

/// The links of a group beside the first, by name.
fn followers<'c>(candidates: &[&'c Alternative]) -> BTreeMap<&'c str, &'c str> {
    let all = candidates.iter().flat_map(|one| &one.slaves);
    all.map(|slave| (slave.name.as_str(), slave.link.as_str())).collect()
}

/// What `--display` says of a group in automatic mode.
fn display(system: &System<'_, '_>, candidates: &[&Alternative]) -> Option<String> {
    let master = &candidates.first()?.master;
    let (value, best) = chosen(system, candidates)?;
    let slaves = followers(candidates);
    let mut text = format!(
        "{0} - auto mode\n  link best version is {1}\n  link currently points to {value}\n  link {0} is {2}\n",
        master.name, best.master.path, master.link
    );
    slaves.iter().for_each(|(name, link)| text += &format!("  slave {name} is {link}\n"));
    for one in candidates {
        text += &format!("{} - priority {}\n", one.master.path, one.priority);
        for name in slaves.keys() {
            let of = one.slaves.iter().find(|slave| slave.name == *name);
            if let Some(slave) = of {
                text += &format!("  slave {name}: {}\n", slave.path);
            }
        }
    }
    Some(text)
}

/// What `--query` says of a group in automatic mode (update-alternatives(1), "Query format").
fn query(system: &System<'_, '_>, candidates: &[&Alternative]) -> Option<String> {
    let master = &candidates.first()?.master;
    let (value, best) = chosen(system, candidates)?;
    let slaves = followers(candidates);
    let mut text = format!("Name: {}\nLink: {}\n", master.name, master.link);
    if !slaves.is_empty() {
        text += "Slaves:\n";
        slaves.iter().for_each(|(name, link)| text += &format!(" {name} {link}\n"));
    }
    text += &format!("Status: auto\nBest: {}\nValue: {value}\n", best.master.path);
    for one in candidates {
        text += &format!("\nAlternative: {}\nPriority: {}\n", one.master.path, one.priority);
        if slaves.is_empty() {
            continue;
        }
        text += "Slaves:\n";
        for name in slaves.keys() {
            let of = one.slaves.iter().find(|slave| slave.name == *name);
            if let Some(slave) = of {
                text += &format!(" {name} {}\n", slave.path);
            }
        }
    }
    Some(text)
}

/// The words behind `--install`.
fn candidate(words: &[&str]) -> Option<Alternative> {
    let one = |words: &[&str]| match words {
        [link, name, path] if link.starts_with('/') && path.starts_with('/') => {
            let name = Some(*name).filter(|name| !name.contains('/'))?.to_owned();
            Some(AlternativeLink { link: (*link).to_owned(), name, path: (*path).to_owned() })
        }
        _ => None,
    };
    let master = one(words.get(..3)?)?;
    let priority = words.get(3)?.parse().ok()?;
    let slaves = words.get(4..)?.chunks(4).map(|slave| match slave {
        ["--slave" | "--follower", rest @ ..] => one(rest),
        _ => None,
    });
    Some(Alternative { master, priority, slaves: slaves.collect::<Option<_>>()? })
}

fn install(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    candidate: Alternative,
) -> Result<u8, Stop> {
    let AlternativeLink { name, path, .. } = &candidate.master;
    if system.status(path.as_bytes(), true).is_err() {
        let message = format!("error: alternative path {path} doesn't exist");
        if system.is_excluded(path) {
            // Nothing of the image could lead to it, or would look for it.
            let what = format!("update-alternatives of {path}");
            system.asked.declined.insert((what, "the definition excludes the path"));
            call.complain(&message);
            return Ok(0);
        }
        return Ok(call.usage(&message, 2));
    }
    let name = name.clone();
    let package = call.variable("DPKG_MAINTSCRIPT_PACKAGE").unwrap_or_default();
    let package = String::from_utf8_lossy(package).into_owned();
    let is_same = |one: &Alternative| one.master.name == name && one.master.path == *path;
    system.asked.alternatives.retain(|(_, one)| !is_same(one));
    system.asked.alternatives.push((package, candidate));
    relink(system, call, &name)
}

/// Takes candidates of a group away, with the links that are theirs alone.
fn remove(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    name: &str,
    goes: impl Fn(&Alternative) -> bool,
) -> Result<u8, Stop> {
    let of_group = |one: &Alternative| one.master.name == name;
    let links: Vec<AlternativeLink> = system
        .asked
        .alternatives
        .iter()
        .filter(|(_, one)| of_group(one))
        .flat_map(|(_, one)| one.slaves.iter().chain([&one.master]))
        .cloned()
        .collect();
    system.asked.alternatives.retain(|(_, one)| !(of_group(one) && goes(one)));
    for AlternativeLink { link, name, .. } in links {
        if let Err((path, error)) = place(system, &link, &name, None) {
            return Ok(call.fail("error: unable to remove", path.as_bytes(), error).max(2));
        }
    }
    relink(system, call, name)
}

/// Makes the links of a group those of its best candidate: the highest priority, and among equals the
/// one that is linked already, or whose path comes first.
fn relink(system: &mut System<'_, '_>, call: &mut Call<'_>, name: &str) -> Result<u8, Stop> {
    let generic = format!("{FOLDER}/{name}");
    let is_ours = system.generic_links.contains(&generic);
    if system.status(generic.as_bytes(), false).is_ok() && !is_ours {
        // The definition has chosen.
        return Ok(0);
    }
    let candidates = system.candidates(name);
    let current = system.target(generic.as_bytes()).ok();
    let is_current = |one: &Alternative| Some(one.master.path.as_bytes()) == current.as_deref();
    // What is linked stays unless another one's priority is higher.
    let best = candidates.iter().rev().max_by_key(|one| (one.priority, is_current(one)));
    // Every link of the group, and where it leads now.
    let mut links: BTreeMap<(String, String), Option<String>> = BTreeMap::new();
    for one in &candidates {
        for link in one.slaves.iter().chain([&one.master]) {
            links.entry((link.link.clone(), link.name.clone())).or_insert(None);
        }
    }
    if let Some(best) = best {
        for link in best.slaves.iter().chain([&best.master]) {
            links.insert((link.link.clone(), link.name.clone()), Some(link.path.clone()));
        }
    }
    for ((link, name), path) in links {
        let path = path.filter(|path| system.status(path.as_bytes(), true).is_ok());
        if let Err((path, error)) = place(system, &link, &name, path.as_deref()) {
            return Ok(call.fail("error: unable to make", path.as_bytes(), error).max(2));
        }
    }
    Ok(0)
}

/// Makes `link` lead to `path` by its generic name, or to nothing.
fn place(
    system: &mut System<'_, '_>,
    link: &str,
    name: &str,
    path: Option<&str>,
) -> Result<(), (String, FileError)> {
    let generic = format!("{FOLDER}/{name}");
    let failed = |path: &str| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    for (at, to) in [(generic.as_str(), path), (link, path.map(|_| generic.as_str()))] {
        let old = system.status(at.as_bytes(), false).ok();
        let is_link = |status: cvmkit_shell::world::Status| {
            status.file_type == cvmkit_shell::world::FileType::Symlink
        };
        match old {
            // A file in the place of the link stays, as update-alternatives leaves it without --force.
            Some(status) if !is_link(status) => continue,
            Some(_) => system.remove(at.as_bytes()).map_err(failed(at))?,
            None => {}
        }
        let Some(to) = to else { continue };
        let folder = at.rsplit_once('/').map_or("/", |(folder, _)| folder);
        system.make_folders(folder).map_err(failed(folder))?;
        system.make_symlink(at.as_bytes(), to.as_bytes()).map_err(failed(at))?;
    }
    system.generic_links.insert(generic);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{machine, run};
    use crate::packages::debian::commands::{State, System};
    use crate::packages::debian::tests::package;
    use crate::rootfs;

    /// The program fails where a path is missing; of one that the definition excludes nothing else would be there.
    #[test]
    fn an_excluded_path_is_no_alternative() {
        let request = rootfs::Request::default();
        let mut assembly = machine(&request, &[]);
        let packages = [package("p", "", &[("usr/share/man/a.5.gz", "")])];
        let mut system = System::new(&mut assembly, &packages, "amd64");
        let install = "update-alternatives --install /usr/share/man/t.5.gz t.5.gz";
        let script = format!("{install} /usr/share/man/a.5.gz 5 2>/dev/null; echo $?");
        let mut answer = |script: &str, is_unpacked: bool| {
            if is_unpacked {
                system.set_state("p", State::Unpacked);
            }
            String::from_utf8(run(&mut system, script).unwrap().output).unwrap()
        };
        assert_eq!(answer(&script, false), "2\n");
        assert_eq!(answer(&script, true), "0\n");
        assert_eq!(answer(&script.replace("a.5", "b.5"), true), "2\n");
        let divert = "dpkg-divert --quiet --no-rename --add /usr/share/man/a.5.gz; ";
        assert_eq!(answer(&format!("{divert}{script}"), true), "2\n");
        assert!(system.asked.alternatives.is_empty());
        assert_eq!(system.asked.declined.len(), 1);
    }
}
