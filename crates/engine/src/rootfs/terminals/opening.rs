//! What opens a terminal: devices, programs, and the command lines that lead to one.

use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;
use crate::rootfs::units::walk::Reached;

/// Programs that ask for a login or open a shell on a terminal.
pub(super) const PROGRAMS: &[&str] = &[
    "agetty",
    "fbgetty",
    "fgetty",
    "getty",
    "kmscon",
    "login",
    "mgetty",
    "mingetty",
    "ngetty",
    "openvt",
    "rungetty",
    "sulogin",
    "systemd-sulogin-shell",
];

/// Where programs are looked up.
pub(super) const PROGRAM_FOLDERS: &[&str] = &[
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/lib/systemd",
];

/// What opens a terminal: where it is written, and what it is.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) file: String,
    pub(super) why: String,
}

/// Refuses a unit that opens a terminal, with what starts it.
pub(super) fn refuse<T>(unit: &str, opening: Opening, reached: &Reached) -> Result<T, RootfsError> {
    let started_by = reached.path_to(unit).into_iter().map(str::to_owned).collect();
    let Opening { file, why } = opening;
    Err(RootfsError::Terminal { what: format!("unit `{unit}`"), path: file, why, started_by })
}

/// True for a device of the running machine that somebody may sit at, or a name that may lead to one.
pub(super) fn is_terminal(assembly: &Assembly<'_>, path: &str) -> bool {
    /// How their names start below `/dev`.
    const DEVICES: [&str; 13] = [
        "char/", "console", "fd/", "hvc", "input/", "ptmx", "pts/", "serial/", "stdin", "tty",
        "vcs", "vport", "xvc",
    ];
    let path = assembly.led_to(path);
    match path.strip_prefix("/dev/") {
        Some(device) => DEVICES.iter().any(|start| device.starts_with(start)),
        None => path.starts_with("/proc/") && path.contains("/fd/"),
    }
}

/// The last name of where `program` leads.
pub(super) fn program_name(assembly: &Assembly<'_>, program: &str) -> String {
    program_path(assembly, program).rsplit('/').next().unwrap_or_default().to_owned()
}

/// Where `program` leads, looked up as systemd does when it is no path.
pub(super) fn program_path(assembly: &Assembly<'_>, program: &str) -> String {
    match program.contains('/') {
        true => assembly.led_to(program),
        false => {
            let mut places = PROGRAM_FOLDERS.iter().map(|folder| format!("{folder}/{program}"));
            let found = places.find(|place| assembly.find(place).is_some());
            found.map_or_else(|| program.to_owned(), |place| assembly.led_to(&place))
        }
    }
}

/// What a command line opens, if it is a terminal: by the program, one it is told to run, or a
/// redirection in the text of a shell.
pub(super) fn opened(assembly: &Assembly<'_>, words: &[String]) -> Option<String> {
    /// Names that mean one thing only, as arguments of `env`, `setsid` or a shell too.
    const GETTYS: [&str; 5] = ["agetty", "getty", "mgetty", "mingetty", "sulogin"];
    let (program, arguments) = words.split_first()?;
    let called = program.rsplit('/').next().unwrap_or_default();
    let name = program_name(assembly, program);
    if PROGRAMS.contains(&name.as_str()) || PROGRAMS.contains(&called) {
        return Some(format!("runs `{program}`"));
    }
    for argument in arguments {
        for word in argument.split(|byte: char| byte.is_whitespace() || ";&|()`$".contains(byte)) {
            let is_path = word.starts_with('/') && !word.starts_with("/dev/");
            let name = if is_path { program_name(assembly, word) } else { word.to_owned() };
            if GETTYS.contains(&name.as_str()) || (is_path && PROGRAMS.contains(&name.as_str())) {
                return Some(format!("runs `{name}`"));
            }
        }
        let mut redirections = argument.split('<').skip(1);
        let device = redirections.find_map(|rest| {
            let rest = rest.trim_start_matches(['>', ' ', '\t']);
            let end = rest.find(|byte: char| byte.is_whitespace() || ";&|()".contains(byte));
            let path = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            let path = path.trim_matches(['"', '\'']);
            (path.starts_with('/') && is_terminal(assembly, path)).then(|| path.to_owned())
        });
        if let Some(device) = device {
            return Some(format!("reads `{device}`"));
        }
    }
    None
}
