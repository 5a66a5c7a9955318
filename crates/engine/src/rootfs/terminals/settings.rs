//! Settings of the kernel and of PID 1 that the host's keyboard and serial line reach: SysRq,
//! Ctrl-Alt-Del, the shell after a crash (sysctl.d(5), systemd-system.conf(5)).

use super::opening::Opening;
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;
use crate::rootfs::configuration;
use crate::rootfs::glob;
use crate::rootfs::units::file::parse;
use crate::rootfs::units::walk::is_true;

/// Named to be read last: what a package sets is set back.
const SYSCTL: (&str, &str) = (
    "/usr/lib/sysctl.d/zz-cvmkit.conf",
    "# The console is the host's: no key of it is for the kernel.\nkernel.sysrq = 0\n",
);
const MANAGER: (&str, &str) = (
    "/usr/lib/systemd/system.conf.d/zz-cvmkit.conf",
    "# The console is the host's: no key of it is for PID 1, and no shell opens there.\n\
     [Manager]\nCtrlAltDelBurstAction=none\nCrashShell=no\n",
);

const SYSCTL_FOLDERS: &[&str] = &["/etc/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];
/// Read by procps' `sysctl --system` behind all others.
const SYSCTL_FILE: &str = "/etc/sysctl.conf";

const MANAGER_FOLDERS: &[&str] = &[
    "/etc/systemd/system.conf.d",
    "/usr/local/lib/systemd/system.conf.d",
    "/usr/lib/systemd/system.conf.d",
];
const MANAGER_FILES: [&str; 3] = [
    "/etc/systemd/system.conf",
    "/usr/local/lib/systemd/system.conf",
    "/usr/lib/systemd/system.conf",
];

/// Writes what closes them.
pub(super) fn write(assembly: &mut Assembly<'_>) -> Result<(), RootfsError> {
    for (path, text) in [SYSCTL, MANAGER] {
        assembly.write(path, 0o644, text)?;
    }
    assembly.note("production image: kernel.sysrq=0, CtrlAltDelBurstAction=none, CrashShell=no");
    Ok(())
}

/// Refuses settings that come to something else in the end.
pub(super) fn check(assembly: &Assembly<'_>) -> Result<(), RootfsError> {
    match sysrq(assembly)?.or(manager(assembly)?) {
        None => Ok(()),
        Some((what, Opening { file, why })) => Err(RootfsError::Terminal {
            what: what.to_owned(),
            path: file,
            why,
            started_by: Vec::new(),
        }),
    }
}

fn sysrq(assembly: &Assembly<'_>) -> Result<Option<(&'static str, Opening)>, RootfsError> {
    let mut last = None;
    let files = configuration::files(assembly, SYSCTL_FOLDERS)?;
    for file in files.into_iter().chain([SYSCTL_FILE.to_owned()]) {
        let text = assembly.text(&file)?.unwrap_or_default();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            let Some((key, value)) = line.trim_start_matches('-').split_once('=') else {
                continue;
            };
            if names_sysrq(key.trim()) {
                last = Some((file.clone(), value.trim().to_owned()));
            }
        }
    }
    let Some((file, value)) = last.filter(|(_, value)| value != "0") else { return Ok(None) };
    let why = format!("the host's keys reach the kernel: kernel.sysrq={value}");
    Ok(Some(("setting `kernel.sysrq`", Opening { file, why })))
}

/// A key may have slashes for dots, and be a pattern (sysctl.d(5)).
fn names_sysrq(key: &str) -> bool {
    glob::matches(key.replace('.', "/").as_bytes(), b"kernel/sysrq")
}

fn manager(assembly: &Assembly<'_>) -> Result<Option<(&'static str, Opening)>, RootfsError> {
    let main = MANAGER_FILES.into_iter().find(|path| assembly.is_file(path)).map(str::to_owned);
    let (mut action, mut shell, mut environment) = (None, None, None);
    for file in main.into_iter().chain(configuration::files(assembly, MANAGER_FOLDERS)?) {
        let text = assembly.text(&file)?.unwrap_or_default();
        for one in parse(&text, &file).into_iter().filter(|one| one.section == "Manager") {
            match one.key.as_str() {
                "CtrlAltDelBurstAction" => action = Some(one),
                "CrashShell" => shell = Some(one),
                "ManagerEnvironment" if one.value.contains("SYSTEMD_") => environment = Some(one),
                _ => {}
            }
        }
    }
    if let Some(action) = action.filter(|one| one.value != "none") {
        let why = format!("the host's keys reach PID 1: CtrlAltDelBurstAction={}", action.value);
        return Ok(Some(("setting `CtrlAltDelBurstAction`", Opening { file: action.file, why })));
    }
    if let Some(shell) = shell.filter(|one| is_true(&one.value)) {
        let why = "a shell opens when PID 1 crashes".to_owned();
        return Ok(Some(("setting `CrashShell`", Opening { file: shell.file, why })));
    }
    Ok(environment.map(|one| {
        let why = format!("changes a default of PID 1: {}", one.value);
        ("setting `ManagerEnvironment`", Opening { file: one.file, why })
    }))
}
