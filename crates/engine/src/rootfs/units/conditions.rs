//! Whether a unit can ever start on an image: conditions whose answer the image decides
//! (systemd.unit(5), "Conditions and Asserts").
//!
//! The root is read-only and is never changed in place, `/etc/machine-id` is empty with no first
//! boot, and the command line is measured. What the running machine decides is left open: a unit is
//! called impossible only when it is.

use cvmkit_formats::tree::Node;

use super::file::Unit;
use super::name::Name;
use super::walk::is_true;
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;

/// Where a boot has file systems of its own.
const RUNTIME: [&str; 5] = ["/run", "/dev", "/proc", "/sys", "/tmp"];

/// The two lists of a unit. Each is reset and judged by itself (`src/core/load-fragment.c`,
/// `config_parse_unit_condition_string`; `src/core/unit.c`, `unit_test_condition`, `unit_test_assert`).
const LISTS: [&str; 2] = ["Condition", "Assert"];

/// The condition that keeps `unit` from ever starting, as `Key=value`; nothing if it may start.
pub(in crate::rootfs) fn impossible(
    assembly: &Assembly<'_>,
    unit: &Unit,
) -> Result<Option<String>, RootfsError> {
    for list in LISTS {
        if let Some(condition) = impossible_by(list, assembly, unit)? {
            return Ok(Some(condition));
        }
    }
    Ok(None)
}

/// The same by one of the lists.
fn impossible_by(
    list: &str,
    assembly: &Assembly<'_>,
    unit: &Unit,
) -> Result<Option<String>, RootfsError> {
    let name = Name::parse(&unit.name)?;
    let mut triggers = Vec::new();
    for one in unit.assignments().iter().filter(|one| one.section == "Unit") {
        let Some(kind) = one.key.strip_prefix(list) else { continue };
        if one.value.is_empty() {
            // An empty one takes back all of the list, of whatever kind.
            triggers.clear();
            continue;
        }
        let rest = one.value.as_str();
        let (is_trigger, rest) = match rest.strip_prefix('|') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (is_negated, argument) = match rest.trim_start().strip_prefix('!') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, rest.trim_start()),
        };
        let holds = match name.expand(argument) {
            Some(argument) => holds(assembly, kind, &argument)?.map(|holds| holds != is_negated),
            None => None,
        };
        triggers.push((is_trigger, holds, format!("{}={}", one.key, one.value)));
    }
    let must = triggers.iter().find(|(is_trigger, holds, _)| !is_trigger && *holds == Some(false));
    if let Some((_, _, condition)) = must {
        return Ok(Some(condition.clone()));
    }
    let any: Vec<_> = triggers.iter().filter(|(is_trigger, ..)| *is_trigger).collect();
    let none_holds = !any.is_empty() && any.iter().all(|(_, holds, _)| *holds == Some(false));
    let words: Vec<&str> = any.iter().map(|(_, _, condition)| condition.as_str()).collect();
    Ok(none_holds.then(|| words.join(" ")))
}

/// What the image answers; nothing where only the machine can.
fn holds(assembly: &Assembly<'_>, kind: &str, argument: &str) -> Result<Option<bool>, RootfsError> {
    let request = assembly.request;
    let has_word = |wanted: &str| {
        let mut words = request.command_line.iter();
        words.any(|word| word == wanted || word.split('=').next() == Some(wanted))
    };
    Ok(match kind {
        "FirstBoot" if has_word("systemd.condition_first_boot") => None,
        "FirstBoot" => empty_machine_id(assembly)?.then(|| !is_true(argument)),
        "NeedsUpdate" => Some(false),
        "KernelCommandLine" => Some(has_word(argument)),
        _ if !is_of_image(assembly, argument) => None,
        "PathIsReadWrite" => Some(false),
        "PathExists" => Some(assembly.find(argument).is_some()),
        "PathExistsGlob" => None,
        "PathIsDirectory" => {
            Some(node(assembly, argument, |node| matches!(node, Node::Directory(_))))
        }
        "PathIsSymbolicLink" => Some(assembly.target(argument).is_some()),
        "DirectoryNotEmpty" => Some(!assembly.names(argument)?.is_empty()),
        "FileNotEmpty" => Some(assembly.read(argument)?.is_some_and(|text| !text.is_empty())),
        "FileIsExecutable" => {
            let id = assembly.find(argument).filter(|_| assembly.is_file(argument));
            Some(id.is_some_and(|id| assembly.tree.inode(id).meta.mode & 0o111 != 0))
        }
        _ => None,
    })
}

fn node(
    assembly: &Assembly<'_>,
    path: &str,
    is: impl Fn(&Node<crate::content::Content>) -> bool,
) -> bool {
    assembly.find(path).is_some_and(|id| is(&assembly.tree.inode(id).node))
}

/// An empty one means that there is no first boot (machine-id(5), "First boot semantics").
fn empty_machine_id(assembly: &Assembly<'_>) -> Result<bool, RootfsError> {
    Ok(assembly.read("/etc/machine-id")?.is_some_and(|id| id.is_empty()))
}

/// True for a path below the read-only root, which no boot puts something else over.
fn is_of_image(assembly: &Assembly<'_>, path: &str) -> bool {
    let is_below = |path: &str, folder: &str| {
        path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // A link such as /etc/resolv.conf leads to what only a boot makes.
    let real = assembly.led_to(path);
    let leads_out = |folder: &str| is_below(path, folder) || is_below(&real, folder);
    path.starts_with('/') && !RUNTIME.into_iter().chain(["/var", "/home", "/mnt"]).any(leads_out)
}
