//! What scripts ask of the machine they run on: they are told of the image, never of the host.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::{Call, Options};
use cvmkit_shell::world::{FileType, Files as _};

use super::System;
use super::programs::listchanges;
use crate::packages::debian::KERNEL_PACKAGES;

/// Kernel's names of machines (`uname -m`) by Debian's.
const MACHINES: [(&str, &str); 3] = [("amd64", "x86_64"), ("arm64", "aarch64"), ("s390x", "s390x")];

impl System<'_, '_> {
    /// The release of the image's kernel, if it has exactly one.
    fn kernel_release(&self) -> Option<&str> {
        let mut releases = self.packages.keys().filter_map(|name| {
            let release = name.strip_prefix(KERNEL_PACKAGES)?;
            release.starts_with(|first: char| first.is_ascii_digit()).then_some(release)
        });
        releases.next().filter(|_| releases.next().is_none())
    }
}

/// `uname`: the image's kernel.
pub(super) fn uname(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let machine = MACHINES.iter().find(|(debian, _)| *debian == system.architecture);
    let answer = match call.arguments() {
        [] => "Linux",
        [option] => match option.as_slice() {
            b"-s" | b"--kernel-name" => "Linux",
            b"-o" | b"--operating-system" => "GNU/Linux",
            b"-m" | b"--machine" => match machine {
                Some((_, machine)) => machine,
                None => return Err(call.unsupported("this architecture")),
            },
            b"-r" | b"--kernel-release" => match system.kernel_release() {
                Some(release) => release,
                None => return Err(call.unsupported("an image without exactly one kernel")),
            },
            _ => return Err(call.unsupported("this option")),
        },
        _ => return Err(call.unsupported("these options")),
    };
    let line = format!("{answer}\n");
    call.print(line.as_bytes());
    Ok(0)
}

/// `hostname [-s|-f|-d|-y]` and `dnsdomainname`, which is the third of them (hostname 3.23): the name that the image has,
/// and that its `/etc/hosts` knows. It is in no domain of NIS, of which a kernel is told when it runs.
pub(super) fn hostname(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("short", b's'),
        ("fqdn", b'f'),
        ("long", b'f'),
        ("domain", b'd'),
        ("nis", b'y'),
        ("yp", b'y'),
    ];
    let options = Options::of(call, "sfdy", &long)?;
    if !options.operands.is_empty() {
        return Err(call.unsupported("another name"));
    }
    let name = system.assembly.request.hostname.unwrap_or("localhost");
    let asked = if call.name() == "dnsdomainname" { Some(b'd') } else { options.last_of(b"sfdy") };
    let answer = match (asked, name.split_once('.')) {
        (Some(b's'), Some((host, _))) => host,
        (Some(b'd'), Some((_, domain))) => domain,
        // Of no domain it says nothing, not even a line.
        (Some(b'd'), None) => return Ok(0),
        (Some(b'y'), _) => return Ok(call.usage("Local domain name not set", 1)),
        _ => name,
    };
    let line = format!("{answer}\n");
    call.print(line.as_bytes());
    Ok(0)
}

/// `depmod [-a] [-F SYMBOLS] RELEASE`: the modules of a kernel are indexed when all packages are there.
pub(super) fn depmod(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "aqeF:", &[("all", b'a'), ("filesyms", b'F')])?;
    let [release] = options.operands.as_slice() else {
        return Err(call.unsupported("a call that names no release"));
    };
    let release = String::from_utf8_lossy(release).into_owned();
    if !system.asked.kernels.contains(&release) {
        system.asked.kernels.push(release);
    }
    Ok(0)
}

/// pgrep(1) and pidof(8): no process runs.
pub(super) fn no_process(_: &mut System<'_, '_>, _: &mut Call<'_>) -> Result<u8, Stop> {
    Ok(1)
}

/// `dbus-send`: no bus runs (dbus 1.16).
pub(super) fn no_bus(_: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    call.print_error(
        b"Failed to open connection to \"system\" message bus: Failed to connect to socket \
          /run/dbus/system_bus_socket: No such file or directory\n",
    );
    Ok(1)
}

/// `mokutil --sb-state` of mokutil 0.7: a build has none of the variables of a machine's firmware.
pub(super) fn mokutil(_: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    if call.arguments() != [b"--sb-state".to_vec()] {
        return Err(call.unsupported("variables of a firmware"));
    }
    call.print_error(b"EFI variables are not supported on this system\n");
    Ok(1)
}

/// `locale [charmap|-a]`: the variables of locale(1), as the environment sets them, or the code set of the locale
/// that they name. Oracle: locale of glibc 2.36 and 2.41.
pub(super) fn locale(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const CATEGORIES: [&str; 12] = [
        "LC_CTYPE",
        "LC_NUMERIC",
        "LC_TIME",
        "LC_COLLATE",
        "LC_MONETARY",
        "LC_MESSAGES",
        "LC_PAPER",
        "LC_NAME",
        "LC_ADDRESS",
        "LC_TELEPHONE",
        "LC_MEASUREMENT",
        "LC_IDENTIFICATION",
    ];
    match call.arguments() {
        [] => {}
        [word] if word == b"charmap" => return charmap(call),
        [word] if word == b"-a" || word == b"--all-locales" => return all_locales(system, call),
        _ => return Err(call.unsupported("these operands")),
    }
    let variable = |name: &str| {
        let value = call.variable(name).filter(|value| !value.is_empty());
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let (lang, all) = (variable("LANG"), variable("LC_ALL"));
    let language = variable("LANGUAGE").unwrap_or_default();
    let mut text = format!("LANG={}\nLANGUAGE={language}\n", lang.clone().unwrap_or_default());
    for name in CATEGORIES {
        // One that is set itself stands without quotes, unless LC_ALL overrules it.
        let own = variable(name).filter(|_| all.is_none());
        let implied = all.clone().or_else(|| lang.clone()).unwrap_or_else(|| "C".to_owned());
        text +=
            &own.map_or_else(|| format!("{name}=\"{implied}\"\n"), |own| format!("{name}={own}\n"));
    }
    text += &format!("LC_ALL={}\n", all.unwrap_or_default());
    call.print(text.as_bytes());
    Ok(0)
}

/// The locales that the C library has in itself, and the folders of others; an archive of them is not read.
fn all_locales(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const FOLDER: &str = "/usr/lib/locale";
    let archive = format!("{FOLDER}/locale-archive");
    if system.status(archive.as_bytes(), true).is_ok() {
        return Err(call.unsupported(format!("the locales of {archive}")));
    }
    let mut names = system.list(FOLDER.as_bytes()).unwrap_or_default();
    names.retain(|name| {
        let file = [FOLDER.as_bytes(), name, b"LC_IDENTIFICATION"].join(&b'/');
        system.status(&file, true).is_ok()
    });
    names.extend([b"C".to_vec(), b"POSIX".to_vec()]);
    names.sort();
    names.iter().for_each(|name| call.print(&[name.as_slice(), b"\n"].concat()));
    Ok(0)
}

/// The code set of `LC_CTYPE`, for the locales that the C library has in itself.
fn charmap(call: &mut Call<'_>) -> Result<u8, Stop> {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| call.variable(name));
    let name = set.filter(|value| !value.is_empty()).map(<[u8]>::to_vec).next();
    call.print(match name.as_deref().unwrap_or(b"C") {
        b"C" | b"POSIX" => b"ANSI_X3.4-1968\n",
        b"C.UTF-8" | b"C.utf8" => b"UTF-8\n",
        name => {
            let name = String::from_utf8_lossy(name).into_owned();
            return Err(call.unsupported(format!("the code set of {name}")));
        }
    });
    Ok(0)
}

/// `run-parts [--arg=A|-a A] [--exit-on-error] [--report|--verbose] FOLDER` (run-parts(8)).
pub(super) fn run_parts(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let (mut arguments, mut ends_on_error, mut lists, mut folder) =
        (Vec::new(), false, false, None);
    let mut words = call.arguments().iter();
    while let Some(word) = words.next() {
        match word.as_slice() {
            b"--exit-on-error" => ends_on_error = true,
            b"--report" | b"--verbose" | b"-v" | b"--" => {}
            b"--list" => lists = true,
            b"-a" => arguments.extend(words.next().cloned()),
            option if option.starts_with(b"--arg=") => arguments.push(option[6..].to_vec()),
            option if option.starts_with(b"-") => {
                let option = String::from_utf8_lossy(option).into_owned();
                return Err(call.unsupported(format!("the option {option}")));
            }
            word => folder = Some(word.to_vec()),
        }
    }
    let Some(folder) = folder else { return Ok(call.usage("missing operand", 1)) };
    let Ok(names) = system.list(&call.path(&folder)) else {
        let folder = String::from_utf8_lossy(&folder).into_owned();
        return Ok(call.usage(&format!("failed to open directory {folder}"), 1));
    };
    let mut status = 0;
    for name in names {
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
        let path = [folder.as_slice(), &name].join(&b'/');
        let at = system.status(&call.path(&path), true);
        let runs =
            at.is_ok_and(|at| at.file_type == FileType::Regular && (lists || at.mode & 0o111 != 0));
        if !runs || !name.iter().all(fits) {
            continue;
        }
        if lists {
            call.print(&[path.as_slice(), b"\n"].concat());
            continue;
        }
        let words: Vec<Vec<u8>> = [vec![path], arguments.clone()].concat();
        let ended = call.run(system, &words)?;
        if ended != 0 {
            call.complain(&format!("exited with return code {ended}"));
            status = 1;
            if ends_on_error {
                return Ok(status);
            }
        }
    }
    Ok(status)
}

/// What twisted 24.11 has python3 do for each version of it: it lists the plugins, and keeps the list beside them.
const TWISTED: &str = "from twisted.plugin import IPlugin, getPlugins; list(getPlugins(IPlugin))";

/// python3, as far as it compiles modules, which is a cache as Twisted's list of plugins is, looks whether debconf's module is there, or runs a program
/// that stands here.
pub(super) fn python(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const DEBCONF: &[u8] = b"/usr/lib/python3/dist-packages/debconf.py";
    let mut words = call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned());
    let first = words.find(|word| !["-E", "-S", "-B", "-O", "-OO", "-I"].contains(&word.as_str()));
    let module = words.next();
    let rest: Vec<String> = words.collect();
    match (first.as_deref(), module.as_deref()) {
        (Some("-m"), Some("py_compile" | "compileall")) => Ok(0),
        (Some("-c"), Some("import debconf")) => match system.status(DEBCONF, true) {
            Ok(_) => Ok(0),
            Err(_) => {
                call.print_error(b"ModuleNotFoundError: No module named 'debconf'\n");
                Ok(1)
            }
        },
        (Some("-m"), Some(name)) if listchanges::is_meant(call, name) => {
            listchanges::helper(system, call, &rest)
        }
        (Some(path), Some(step)) if listchanges::is_meant(call, path) => {
            let words = [vec![step.to_owned()], rest].concat();
            listchanges::helper(system, call, &words)
        }
        (Some(path), _) if path.ends_with("/py_compile.py") => Ok(0),
        (Some(path), _) if path.ends_with("/compileall.py") => Ok(0),
        (Some("-c"), Some(TWISTED)) => {
            let why = "the list of Twisted's plugins is a cache";
            system.asked.declined.insert((call.name(), why));
            Ok(0)
        }
        (first, _) => Err(call.unsupported(format!("the program {}", first.unwrap_or_default()))),
    }
}

/// `py3versions -i|--installed` of python3 3.13: the versions that Debian supports, as far as they are installed.
pub(super) fn py3versions(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const DEFAULTS: &str = "/usr/share/python3/debian_defaults";
    match call.arguments() {
        [word] if word == b"-i" || word == b"--installed" => {}
        _ => return Err(call.unsupported("another call than for the installed versions")),
    }
    let text = system.read(DEFAULTS.as_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let setting = |key: &str| {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        lines.filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim()).next_back()
    };
    let (Some(default), Some(supported)) =
        (setting("default-version"), setting("supported-versions"))
    else {
        return Err(call.unsupported(format!("{DEFAULTS} without versions")));
    };
    let target = system.target(b"/usr/bin/python3").unwrap_or_default();
    if ![default.to_owned(), format!("/usr/bin/{default}")]
        .iter()
        .any(|one| one.as_bytes() == target)
    {
        return Err(call.unsupported(format!("/usr/bin/python3, which does not lead to {default}")));
    }
    let is_installed =
        |name: &&str| system.status(format!("/usr/bin/{name}").as_bytes(), false).is_ok();
    let mut names: Vec<&str> = supported.split(',').map(str::trim).filter(is_installed).collect();
    names.sort_unstable();
    call.print(format!("{}\n", names.join(" ")).as_bytes());
    Ok(0)
}

/// `setpriv [OPTION..] -- PROGRAM ..` and the like: what runs as another user is run as it is, if it does
/// nothing here.
pub(super) fn setpriv(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let Some(at) = call.arguments().iter().position(|word| word == b"--") else {
        return Err(call.unsupported("a call without `--`"));
    };
    let words = call.arguments().get(at + 1..).unwrap_or_default().to_vec();
    let name = words.first().cloned().unwrap_or_default();
    let base = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    match super::declined::program(base) {
        Some(_) => call.run(system, &words),
        None => Err(call.unsupported(String::from_utf8_lossy(&name).into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    /// As hostname(1) answers on a machine with the name `localhost`.
    #[test]
    fn the_name_of_the_machine_is_that_of_the_image() {
        let script = "hostname; hostname -s; hostname --fqdn; hostname -d; dnsdomainname";
        assert_eq!(
            output(&[("/usr/bin/dnsdomainname", "+x")], script),
            "localhost\nlocalhost\nlocalhost\n"
        );
        assert_eq!(
            output(&[], "hostname --nis 2>&1; echo $?; hostname -y 2>/dev/null"),
            "hostname: Local domain name not set\n1\n"
        );
        assert!(stop(&[], "hostname other").contains("another name"));
        assert!(stop(&[], "hostname -I").contains("hostname"));
    }

    /// As `py3versions` of python3 3.13.5 answers.
    #[test]
    fn versions_of_python_are_those_that_are_installed() {
        let defaults = "[DEFAULT]\n# python3\ndefault-version = python3.13\nsupported-versions = python3.9, python3.13, \
                        python3.12\n";
        let files = [
            ("/usr/share/python3/debian_defaults", defaults),
            ("/usr/bin/py3versions", "+x"),
            ("/usr/bin/python3.13", "+x"),
            ("/usr/bin/python3.9", "+x"),
            ("/usr/bin/python3.8", "+x"),
            ("/usr/bin/ln", "+x"),
        ];
        let script = "ln -s python3.13 /usr/bin/python3; py3versions -i; py3versions --installed";
        assert_eq!(output(&files, script), "python3.13 python3.9\npython3.13 python3.9\n");
        let script = "ln -s python3.9 /usr/bin/python3; py3versions -i";
        assert!(stop(&files, script).contains("does not lead to python3.13"));
        assert!(stop(&files, "py3versions -d").contains("another call"));
        let list = |text: &str| format!("python3.13 -c '{text}'; echo $?");
        assert_eq!(output(&files, &list(super::TWISTED)), "0\n");
        assert!(stop(&files, &list("print()")).contains("the program -c"));
    }

    #[test]
    fn neither_bus_nor_firmware_is_here() {
        let files = [("/usr/bin/dbus-send", "+x"), ("/usr/bin/mokutil", "+x")];
        let script =
            "dbus-send --system --dest=a /a a.b 2>/dev/null || echo $?; mokutil --sb-state 2>&1";
        assert_eq!(output(&files, script), "1\nEFI variables are not supported on this system\n");
        assert!(stop(&files, "mokutil --db").contains("variables of a firmware"));
    }

    /// What glibc's `locale -a` says of a system with nothing else than its `C.utf8`.
    #[test]
    fn the_locales_are_those_of_the_tree() {
        let files =
            [("/usr/lib/locale/C.utf8/LC_IDENTIFICATION", ""), ("/usr/lib/locale/empty/", "")];
        assert_eq!(output(&files, "locale -a"), "C\nC.utf8\nPOSIX\n");
        assert_eq!(output(&[], "locale --all-locales"), "C\nPOSIX\n");
        let files = [("/usr/lib/locale/locale-archive", "")];
        assert!(
            stop(&files, "locale -a").contains("the locales of /usr/lib/locale/locale-archive")
        );
        assert!(stop(&[], "locale -m").contains("these operands"));
    }
}
