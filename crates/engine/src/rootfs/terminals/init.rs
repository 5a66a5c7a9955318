//! What the kernel starts, and which unit that starts first.

use super::opening::{Opening, refuse};
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::{Assembly, bare};
use crate::rootfs::units::file::{FOLDERS, Loaded, load};
use crate::rootfs::units::walk::Reached;

/// What stage 1 starts unless `init=` names something else.
const INIT: &str = "/sbin/init";

/// Programs that read commands from their standard input, which of an init is the console.
const INTERPRETERS: [&str; 22] = [
    "ash", "bash", "busybox", "csh", "dash", "expect", "fish", "gawk", "guile", "ksh", "lua",
    "mksh", "node", "perl", "php", "pwsh", "python", "rbash", "ruby", "sh", "tclsh", "zsh",
];

/// Targets that are a shell, in all their spellings: what production removes is all they are.
const RESCUE: [&str; 4] =
    ["rescue.target", "emergency.target", "rescue.service", "emergency.service"];

/// Checks init, and answers the unit that it starts first.
pub(super) fn check(assembly: &Assembly<'_>) -> Result<String, RootfsError> {
    let words = assembly.request.command_line;
    let value = |key: &str| words.iter().rev().find_map(|word| word.strip_prefix(key));
    match value("init=") {
        Some(path) => is_no_interpreter(assembly, path, true)?,
        None => is_no_interpreter(assembly, INIT, false)?,
    }
    let asked_for = value("systemd.unit=");
    let start = asked_for.unwrap_or("default.target");
    match load(assembly, FOLDERS, start)? {
        Loaded::Unit(unit) => {
            let last = unit.path.rsplit('/').next().unwrap_or_default();
            if RESCUE.contains(&last)
                || unit.names.iter().any(|name| RESCUE.contains(&name.as_str()))
            {
                let why = format!("is a shell: it is `{last}`");
                let opening = Opening { file: unit.path.clone(), why };
                return refuse(start, opening, &Reached::default());
            }
        }
        // A tree without systemd has none; one that is asked for must be there.
        Loaded::Absent | Loaded::Masked if asked_for.is_none() && !has_systemd(assembly) => {}
        _ => {
            let why = "is what systemd starts first, and is not in the image".to_owned();
            return Err(RootfsError::Unit { unit: start.to_owned(), why });
        }
    }
    Ok(start.to_owned())
}

fn has_systemd(assembly: &Assembly<'_>) -> bool {
    assembly.is_file("/usr/lib/systemd/systemd")
}

fn is_no_interpreter(
    assembly: &Assembly<'_>,
    path: &str,
    asked_for: bool,
) -> Result<(), RootfsError> {
    let led = assembly.led_to(path);
    let Some(id) = assembly.find(path).filter(|_| assembly.is_file(path)) else {
        return match asked_for {
            false => Ok(()),
            true => Err(RootfsError::Value {
                field: "init=",
                value: path.to_owned(),
                why: "expected a program of the image",
            }),
        };
    };
    let name = led.rsplit('/').next().unwrap_or_default();
    // `python3.13` is a python, `bash-static` a bash.
    let family = name.split(|sign: char| !sign.is_ascii_alphabetic()).next().unwrap_or_default();
    if assembly.tree.inode(id).meta.mode & 0o111 == 0 {
        let why = "expected a program: it is not executable";
        return Err(RootfsError::Value { field: "init=", value: path.to_owned(), why });
    }
    if INTERPRETERS.contains(&family) || is_listed_shell(assembly, path)? {
        return Err(RootfsError::Terminal {
            what: format!("`init={path}`"),
            path: led,
            why: "takes commands from the console".to_owned(),
            started_by: Vec::new(),
        });
    }
    Ok(())
}

/// True for a program that `/etc/shells` lists, by whatever name.
fn is_listed_shell(assembly: &Assembly<'_>, path: &str) -> Result<bool, RootfsError> {
    let shells = assembly.text("/etc/shells")?.unwrap_or_default();
    let id = assembly.find(path);
    let mut listed = shells.lines().filter(|line| line.starts_with('/'));
    Ok(listed.any(|shell| assembly.tree.resolve(bare(shell).as_bytes()).ok() == id))
}
