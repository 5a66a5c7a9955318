//! No terminal of a production image leads to a shell (I11).
//!
//! [`remove`] takes away what gives a login or a shell on a terminal, with every name and link of
//! it: there is nothing left that could be unmasked. [`check`] looks at the finished tree, after the
//! files of the definition, and judges by meaning: names are resolved, units are loaded as systemd
//! loads them, with their aliases, templates, instances and drop-ins, and each that could read a
//! terminal is an error, started or not. A debug image keeps everything.
//!
//! Out of reach is a program of the image that opens a terminal by itself: what the definition runs
//! is the definition's.

mod activation;
mod init;
mod opening;
mod settings;
#[cfg(test)]
mod tests;
mod unit;

use std::collections::BTreeSet;

use cvmkit_attest::output::Notice;
use cvmkit_formats::tree::{InodeId, Node};

use super::assembly::{Assembly, bare};
use super::units::file::{FOLDERS, Loaded, USER_FOLDERS, is_null, load};
use super::units::name::Name;
use super::units::walk::{self, Reached};
use super::{PlacedNode, RootfsError};
use opening::{Opening, PROGRAM_FOLDERS, PROGRAMS, program_name, program_path, refuse};
pub(super) use unit::commands;

/// Units that read a terminal, or that the host starts by pressing keys.
const UNITS: &[&str] = &[
    "autovt@.service",
    "console-getty.service",
    "container-getty@.service",
    "ctrl-alt-del.target",
    "debug-shell.service",
    "emergency.service",
    "getty-static.service",
    "getty@.service",
    "rescue.service",
    "serial-getty@.service",
    "systemd-firstboot.service",
    "systemd-storagetm.service",
];

/// Targets of the keys that the host's keyboard has (systemd.special(7)).
const KEY_TARGETS: [&str; 2] = ["ctrl-alt-del.target", "kbrequest.target"];

/// What packages of servers that people log in to say that they provide (Debian's list of virtual
/// package names).
const SERVER_PACKAGES: [&str; 3] = ["rsh-server", "ssh-server", "telnet-server"];

/// Such servers by name, for those that no package says it of: the definition's own, Debian's telnetd,
/// and the parts of a server. What a program does with who connects is in no file, so what bears another
/// name and comes with the definition is not known.
const SERVERS: [&str; 8] = [
    "dropbear",
    "in.rlogind",
    "in.rshd",
    "in.telnetd",
    "sshd",
    "sshd.session-split",
    "telnetd",
    "tinysshd",
];

/// Generators that start such units, run commands, or open SSH to the host, from what the kernel
/// command line, the firmware or the virtual machine monitor says.
const GENERATORS: &[&str] = &[
    "systemd-debug-generator",
    "systemd-getty-generator",
    "systemd-run-generator",
    "systemd-ssh-generator",
];

const GENERATOR_FOLDERS: &[&str] = &[
    "/etc/systemd/system-generators",
    "/usr/local/lib/systemd/system-generators",
    "/usr/lib/systemd/system-generators",
];

/// True for a unit that production images do not have, be it an instance of a template.
pub(super) fn is_login_unit(unit: &str) -> bool {
    let template = Name::parse(unit).ok().and_then(|name| name.template());
    UNITS.contains(&unit) || template.is_some_and(|template| UNITS.contains(&template.as_str()))
}

/// Takes away units, programs and generators, and every name that leads to one. What the definition
/// places stays, for [`check`] to refuse.
pub(super) fn remove(assembly: &mut Assembly<'_>) -> Result<(), RootfsError> {
    let own = own_paths(assembly);
    let doomed = doomed(assembly);
    let mut removed = Vec::new();
    for (path, id) in assembly.tree.walk() {
        let leads = match assembly.tree.inode(id).node {
            Node::Directory(_) => false,
            Node::Symlink(_) if !doomed.contains(&id) => {
                assembly.tree.resolve(&path).is_ok_and(|id| doomed.contains(&id))
                    || is_link_to_login(&path)
            }
            _ => doomed.contains(&id),
        };
        if leads && !own.contains(&path) {
            removed.push(path);
        }
    }
    for path in &removed {
        assembly.tree.remove(path);
        assembly.owners.remove(path);
        if assembly.layered.files.contains(path) {
            assembly.layered.withheld.insert(path.clone());
        }
    }
    let paths: Vec<String> =
        removed.iter().map(|path| format!("/{}", String::from_utf8_lossy(path))).collect();
    if !paths.is_empty() {
        let paths = paths.join(", ");
        assembly.note(format!("production image: removed what opens a terminal: {paths}"));
    }
    settings::write(assembly)
}

/// The inodes to take away, by the names they have.
fn doomed(assembly: &Assembly<'_>) -> BTreeSet<InodeId> {
    let mut found = BTreeSet::new();
    for (folders, names) in
        [(FOLDERS, UNITS), (PROGRAM_FOLDERS, PROGRAMS), (GENERATOR_FOLDERS, GENERATORS)]
    {
        for (folder, name) in
            folders.iter().flat_map(|folder| names.iter().map(move |name| (folder, name)))
        {
            // An alias is taken away, not what it leads to: `ctrl-alt-del.target` is a reboot.
            let path = assembly.tree.canonical(format!("{}/{name}", bare(folder)).as_bytes());
            found.extend(path.ok().and_then(|path| assembly.tree.lookup(&path)));
        }
    }
    found
}

/// A link in a `.wants` folder counts by its name, wherever it leads.
fn is_link_to_login(path: &[u8]) -> bool {
    let path = String::from_utf8_lossy(path);
    let mut names = path.rsplit('/');
    let (name, folder) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    let wants = [".wants", ".requires", ".upholds"].iter().any(|suffix| folder.ends_with(suffix));
    let is_unit_folder = path.contains("systemd/system");
    is_unit_folder && (UNITS.contains(&name) || (wants && is_login_unit(name)))
}

/// Where the definition itself puts files and links, as the tree spells it.
fn own_paths(assembly: &Assembly<'_>) -> BTreeSet<Vec<u8>> {
    let files = assembly.request.files.iter();
    files
        .filter(|file| matches!(file.node, PlacedNode::File(_) | PlacedNode::Symlink(_)))
        .filter_map(|file| assembly.tree.canonical(bare(&file.path).as_bytes()).ok())
        .collect()
}

/// Refuses a production tree in which a terminal leads to a shell.
///
/// A login over the network is the definition's to allow, by enabling what serves it: it needs a key
/// or password that the image has, and the digests cover that. It is answered, to be told.
pub(crate) fn check(assembly: &Assembly<'_>) -> Result<Vec<Notice>, RootfsError> {
    if assembly.request.debug {
        return Ok(Vec::new());
    }
    generators(assembly)?;
    let start = init::check(assembly)?;
    let reached = walk::walk(assembly, &[&start])?;
    wanted_logins(assembly)?;
    for name in candidates(assembly, FOLDERS, &reached)? {
        if let Loaded::Unit(unit) = load(assembly, FOLDERS, &name)?
            && let Some(opening) = unit::opening(assembly, &unit)?
        {
            return refuse(&name, opening, &reached);
        }
    }
    for name in candidates(assembly, USER_FOLDERS, &Reached::default())? {
        if let Loaded::Unit(unit) = load(assembly, USER_FOLDERS, &name)?
            && let Some(opening) = unit::opening(assembly, &unit)?
        {
            return refuse(&name, opening, &Reached::default());
        }
    }
    keys(assembly, &reached)?;
    activation::check(assembly)?;
    settings::check(assembly)?;
    network_logins(assembly, &reached)
}

/// Units that a boot starts and that run a server of logins.
fn network_logins(assembly: &Assembly<'_>, reached: &Reached) -> Result<Vec<Notice>, RootfsError> {
    let mut found: Vec<Notice> = Vec::new();
    for name in reached.names() {
        let Loaded::Unit(unit) = load(assembly, FOLDERS, name)? else { continue };
        let mut programs = commands(&unit, "Service")
            .into_iter()
            .flat_map(|command| command.words)
            .filter_map(|words| words.first().cloned());
        let runs_once = unit.last("Service", "Type").is_some_and(|it| it.value == "oneshot");
        let server = programs.find(|program| {
            SERVERS.contains(&program_name(assembly, program).as_str())
                || (!runs_once && is_of_a_server(assembly, program))
        });
        if let Some(program) = server {
            let unit = unit.path.rsplit('/').next().unwrap_or(name).to_owned();
            let notice = Notice::NetworkLogin { unit, program };
            if !found.contains(&notice) {
                found.push(notice);
            }
        }
    }
    Ok(found)
}

/// Whether a program is of a package that says it is a server of logins.
fn is_of_a_server(assembly: &Assembly<'_>, program: &str) -> bool {
    let path = program_path(assembly, program);
    let Some(owner) = assembly.owners.get(bare(&path).as_bytes()) else { return false };
    let provided = assembly.provided.get(owner);
    provided.is_some_and(|names| SERVER_PACKAGES.iter().any(|name| names.contains(*name)))
}

/// Every name that could be loaded: those of files, of what is reached, and of links that want one.
fn candidates(
    assembly: &Assembly<'_>,
    folders: &[&str],
    reached: &Reached,
) -> Result<BTreeSet<String>, RootfsError> {
    let mut names: BTreeSet<String> = reached.names().map(str::to_owned).collect();
    for folder in folders {
        for name in assembly.names(folder)? {
            match is_wants_folder(&name) {
                true => names.extend(assembly.names(&format!("{folder}/{name}"))?),
                false => names.extend(Some(name)),
            }
        }
    }
    names.extend(activation::units(assembly)?);
    names.retain(|name| Name::parse(name).is_ok());
    Ok(names)
}

fn is_wants_folder(name: &str) -> bool {
    [".wants", ".requires", ".upholds"].iter().any(|suffix| name.ends_with(suffix))
}

/// A link to a login unit that is not there does nothing: the definition wanted it, and is refused.
fn wanted_logins(assembly: &Assembly<'_>) -> Result<(), RootfsError> {
    let refused = |name: &str, file: String| {
        let why = "is wanted, and is a login on a terminal".to_owned();
        refuse(name, Opening { file, why }, &Reached::default())
    };
    for folder in FOLDERS {
        for entry in assembly.names(folder)? {
            let path = format!("{folder}/{entry}");
            if is_wants_folder(&entry) {
                let wanted = assembly.names(&path)?;
                if let Some(name) = wanted.iter().find(|name| is_login_unit(name)) {
                    return refused(name, format!("{path}/{name}"));
                }
            } else if is_login_unit(&entry) && leads_nowhere(assembly, &path) {
                return refused(&entry, path);
            }
        }
    }
    Ok(())
}

fn leads_nowhere(assembly: &Assembly<'_>, path: &str) -> bool {
    let leads = assembly.target(path).is_some_and(|target| !is_null(&target));
    leads && assembly.find(path).is_none()
}

fn generators(assembly: &Assembly<'_>) -> Result<(), RootfsError> {
    for folder in GENERATOR_FOLDERS {
        for name in GENERATORS {
            let path = format!("{folder}/{name}");
            let is_masked = assembly.target(&path).is_some_and(|target| is_null(&target));
            if assembly.occupied(&path) && !is_masked {
                return Err(RootfsError::Terminal {
                    what: format!("generator `{name}`"),
                    path,
                    why: "starts shells, logins or commands that the host asks for".to_owned(),
                    started_by: Vec::new(),
                });
            }
        }
    }
    Ok(())
}

fn keys(assembly: &Assembly<'_>, reached: &Reached) -> Result<(), RootfsError> {
    for target in KEY_TARGETS {
        if let Loaded::Unit(unit) = load(assembly, FOLDERS, target)? {
            let why = "is started by keys that the host presses".to_owned();
            return refuse(target, Opening { file: unit.path, why }, reached);
        }
    }
    Ok(())
}
