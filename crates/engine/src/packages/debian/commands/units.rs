//! deb-systemd-helper, deb-systemd-invoke, systemctl and update-rc.d: units and init scripts are
//! enabled; nothing starts, as in a chroot.
//!
//! Which units start at boot is decided once, for scripts, presets and the definition together
//! ([`crate::rootfs::units`]): a script only asks. The helper's files below `/var/lib/systemd`, by which it
//! tells upgrades apart, are not made. Oracle: init-system-helpers 1.69.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::{FileType, Files as _};

use super::{System, Unit};

/// Where units are, in the order of the helper (`find_unit`).
const FOLDERS: [&str; 3] = ["/etc/systemd", "/lib/systemd", "/usr/lib/systemd"];

/// Verbs of systemctl(1) that talk to a manager: in a chroot they succeed and do nothing
/// (`VERB_ONLINE_ONLY`, `src/systemctl/systemctl.c`).
const ONLINE_ONLY: [&str; 22] = [
    "condreload",
    "condrestart",
    "condstop",
    "daemon-reexec",
    "daemon-reload",
    "force-reload",
    "is-active",
    "is-failed",
    "isolate",
    "kill",
    "list-units",
    "reload",
    "reload-or-restart",
    "reset-failed",
    "restart",
    "set-property",
    "show",
    "start",
    "status",
    "stop",
    "try-reload-or-restart",
    "try-restart",
];

/// Which manager a call is about.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Instance {
    is_user: bool,
}

impl Instance {
    fn name(self) -> &'static str {
        if self.is_user { "user" } else { "system" }
    }
}

impl System<'_, '_> {
    /// The path of a unit's file.
    fn unit_file(&self, instance: Instance, unit: &str) -> Option<String> {
        let paths = FOLDERS.iter().map(|folder| format!("{folder}/{}/{unit}", instance.name()));
        let is_file = |path: &String| {
            let status = self.status(path.as_bytes(), true);
            status.is_ok_and(|status| status.file_type == FileType::Regular)
        };
        paths.into_iter().find(is_file)
    }

    fn asked_unit(&self, instance: Instance, unit: &str) -> Option<usize> {
        let units = &self.asked.units;
        units.iter().position(|one| one.name == unit && one.is_user == instance.is_user)
    }

    fn ask_unit(&mut self, call: &Call<'_>, instance: Instance, unit: &str) {
        if self.asked_unit(instance, unit).is_none() {
            let package = call.variable("DPKG_MAINTSCRIPT_PACKAGE").unwrap_or_default();
            let package = String::from_utf8_lossy(package).into_owned();
            let unit = Unit { package, name: unit.to_owned(), is_user: instance.is_user };
            self.asked.units.push(unit);
        }
    }

    fn mask_path(instance: Instance, unit: &str) -> String {
        format!("/etc/systemd/{}/{unit}", instance.name())
    }

    /// Masks a unit; `own` masks are deb-systemd-helper's.
    fn mask(&mut self, call: &mut Call<'_>, instance: Instance, unit: &str, own: bool) -> u8 {
        let path = Self::mask_path(instance, unit);
        if self.status(path.as_bytes(), false).is_ok() {
            return 0;
        }
        let folder = format!("/etc/systemd/{}", instance.name());
        if let Err(error) = self.make_folders(&folder) {
            return call.fail("cannot make", folder.as_bytes(), error);
        }
        match self.make_symlink(path.as_bytes(), b"/dev/null") {
            Ok(()) => {
                if own {
                    self.masked.insert(path);
                }
                0
            }
            Err(error) => call.fail("unable to link", path.as_bytes(), error),
        }
    }

    /// Takes away a mask; deb-systemd-helper(1p) only takes its own.
    fn unmask(&mut self, call: &mut Call<'_>, instance: Instance, unit: &str, any: bool) -> u8 {
        let path = Self::mask_path(instance, unit);
        let is_mask = self.target(path.as_bytes()).is_ok_and(|target| target == b"/dev/null");
        if !is_mask || !(any || self.masked.contains(&path)) {
            return 0;
        }
        self.masked.remove(&path);
        match self.remove(path.as_bytes()) {
            Ok(()) => 0,
            Err(error) => call.fail("unable to remove", path.as_bytes(), error),
        }
    }
}

/// `deb-systemd-helper [--quiet] [--user|--system] ACTION UNIT..`.
pub(super) fn deb_systemd_helper(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let mut instance = Instance { is_user: false };
    let mut words = Vec::new();
    for word in call.arguments() {
        match word.as_slice() {
            b"--quiet" | b"-quiet" => {}
            b"--user" => instance.is_user = true,
            b"--system" => instance.is_user = false,
            word => words.push(String::from_utf8_lossy(word).into_owned()),
        }
    }
    let Some((action, units)) = words.split_first() else { return Ok(0) };
    let asks = matches!(action.as_str(), "is-enabled" | "was-enabled" | "debian-installed");
    let mut status = u8::from(asks);
    for unit in units {
        let is_asked = system.asked_unit(instance, unit).is_some();
        let key = (instance.is_user, unit.clone());
        match action.as_str() {
            "enable" if system.unit_file(instance, unit).is_none() => {
                call.complain(&format!("error: unable to read {unit}"));
                return Ok(1);
            }
            "enable" => system.ask_unit(call, instance, unit),
            "disable" | "purge" => {
                system.helper_states.remove(&key);
                if let Some(at) = system.asked_unit(instance, unit) {
                    system.asked.units.remove(at);
                }
            }
            "debian-installed" if is_asked || system.helper_states.contains(&key) => status = 0,
            "was-enabled" | "is-enabled" if is_asked => status = 0,
            // There is no file of an earlier installation, and that is taken for yes.
            "was-enabled" if !system.helper_states.contains(&key) => status = 0,
            "update-state" => drop(system.helper_states.insert(key)),
            "mask" => status = system.mask(call, instance, unit, true).max(status),
            "unmask" => status = system.unmask(call, instance, unit, false).max(status),
            "is-enabled" | "reenable" | "was-enabled" => {
                return Err(call.unsupported(format!("{action} {unit} after its state was kept")));
            }
            // Another word is none of the program's actions, and it does nothing.
            _ => {}
        }
    }
    Ok(status)
}

/// `deb-systemd-invoke [--user] ACTION UNIT..`: no manager runs, and the policy of a build is that none
/// would start anything.
pub(super) fn deb_systemd_invoke(
    _system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    Ok(if call.arguments().len() < 2 { 1 } else { 0 })
}

/// invoke-rc.d(8), service(8) and start-stop-daemon(8): the policy of a build is that nothing starts and nothing
/// stops (`policy-rc.d` answers 101), which is a success.
pub(super) fn nothing_starts(_: &mut System<'_, '_>, _: &mut Call<'_>) -> Result<u8, Stop> {
    Ok(0)
}

/// `runlevel`: no init has written one (runlevel(8)).
pub(super) fn runlevel(_system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    call.print(b"unknown\n");
    Ok(1)
}

/// systemctl(1) as in a chroot.
pub(super) fn systemctl(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let mut instance = Instance { is_user: false };
    let mut words = Vec::new();
    for word in call.arguments() {
        match word.as_slice() {
            b"-q" | b"--quiet" | b"--system" | b"--no-reload" | b"--no-block" | b"--force"
            | b"-f" | b"--no-ask-password" | b"--no-pager" => {}
            b"--user" | b"--global" => instance.is_user = true,
            option if option.starts_with(b"-") => {
                let option = String::from_utf8_lossy(option).into_owned();
                return Err(call.unsupported(format!("the option {option}")));
            }
            word => words.push(String::from_utf8_lossy(word).into_owned()),
        }
    }
    // Without a verb it lists units.
    let Some((verb, units)) = words.split_first() else { return Ok(0) };
    // erlang-base 27.3 asks for units to start those that depend on it: nothing starts.
    let starts_them = call.variable("DPKG_MAINTSCRIPT_PACKAGE") == Some(b"erlang-base")
        && verb == "list-unit-files";
    if ONLINE_ONLY.contains(&verb.as_str()) || starts_them {
        return Ok(0);
    }
    let mut status = 0;
    for unit in units {
        let unit = if unit.contains('.') { unit.clone() } else { format!("{unit}.service") };
        match verb.as_str() {
            "enable" | "preset" if system.unit_file(instance, &unit).is_none() => {
                call.print_error(format!("Unit {unit} does not exist\n").as_bytes());
                return Ok(1);
            }
            "enable" | "preset" => system.ask_unit(call, instance, &unit),
            "disable" => {
                if let Some(at) = system.asked_unit(instance, &unit) {
                    system.asked.units.remove(at);
                }
            }
            "mask" => status = system.mask(call, instance, &unit, false).max(status),
            "unmask" => status = system.unmask(call, instance, &unit, true).max(status),
            verb => return Err(call.unsupported(format!("{verb} {unit}"))),
        }
    }
    match verb.as_str() {
        "enable" | "preset" | "disable" | "mask" | "unmask" if !units.is_empty() => Ok(status),
        verb => Err(call.unsupported(verb.to_owned())),
    }
}

/// `update-rc.d [-f] NAME ACTION`: links of init scripts, as without insserv (`make_sysv_links`).
pub(super) fn update_rc_d(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let words = call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned());
    let words: Vec<String> = words.filter(|word| word != "-f").collect();
    let (Some(name), Some(action)) = (words.first(), words.get(1)) else {
        return Ok(call.usage("error: not enough arguments", 1));
    };
    if system.status(b"/sbin/insserv", true).is_ok()
        || system.status(b"/usr/lib/insserv/insserv", true).is_ok()
        || system.status(b"/sbin/openrc", true).is_ok()
    {
        return Err(call.unsupported("insserv and OpenRC"));
    }
    match action.as_str() {
        "remove" => remove_links(system, call, name),
        "defaults" | "start" | "stop" => make_links(system, call, name, 'S'),
        "defaults-disabled" => make_links(system, call, name, 'K'),
        "enable" | "disable" => {
            toggle_unit(system, call, name, action == "enable");
            let levels = words.get(2..).unwrap_or_default();
            toggle_links(system, call, name, action == "enable", levels)
        }
        action => Err(call.unsupported(format!("{name} {action}"))),
    }
}

/// Enables or disables the unit of an init script's name, as the program has systemctl do, whatever it answers
/// (`make_systemd_links`).
fn toggle_unit(system: &mut System<'_, '_>, call: &Call<'_>, name: &str, enables: bool) {
    let (instance, unit) = (Instance { is_user: false }, format!("{name}.service"));
    match (enables, system.asked_unit(instance, &unit)) {
        (true, None) if system.unit_file(instance, &unit).is_some() => {
            system.ask_unit(call, instance, &unit);
        }
        (false, Some(at)) => drop(system.asked.units.remove(at)),
        _ => {}
    }
}

/// Makes links that start an init script those that stop it, or the other way round, in levels that may be
/// given (`sysv_toggle`).
fn toggle_links(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    name: &str,
    enables: bool,
    levels: &[String],
) -> Result<u8, Stop> {
    let script = format!("/etc/init.d/{name}");
    let levels = match system.read(script.as_bytes()) {
        Err(_) => return Ok(call.usage(&format!("error: unable to read {script}"), 1)),
        Ok(_) if !levels.is_empty() => levels.to_vec(),
        Ok(text) => default_levels(&String::from_utf8_lossy(&text)).0,
    };
    if levels.is_empty() {
        let message = format!("error: {name} Default-Start contains no runlevels, aborting.");
        return Ok(call.usage(&message, 1));
    }
    let counts = |level: &String| matches!(level.as_str(), "S" | "2" | "3" | "4" | "5");
    let folders: Vec<String> =
        levels.into_iter().filter(counts).map(|level| format!("/etc/rc{level}.d/")).collect();
    let links = links(system, name).into_iter();
    let links: Vec<String> =
        links.filter(|link| folders.iter().any(|folder| link.starts_with(folder))).collect();
    if links.is_empty() {
        return Ok(call.usage("error: no runlevel symlinks to modify, aborting!", 1));
    }
    let (from, to) = if enables { ("/K", "/S") } else { ("/S", "/K") };
    for link in links {
        let Some((folder, rest)) = link.rsplit_once(from).filter(|(_, rest)| !rest.contains('/'))
        else {
            continue;
        };
        let new = format!("{folder}{to}{rest}");
        if let Err(error) = system.rename(link.as_bytes(), new.as_bytes()) {
            return Ok(call.fail("error:", link.as_bytes(), error));
        }
    }
    Ok(0)
}

/// The links of an init script: `/etc/rc?.d/[SK][0-9][0-9]NAME`.
fn links(system: &System<'_, '_>, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for level in system.list(b"/etc").unwrap_or_default() {
        let level = String::from_utf8_lossy(&level).into_owned();
        if level.len() != 5 || !level.starts_with("rc") || !level.ends_with(".d") {
            continue;
        }
        let folder = format!("/etc/{level}");
        for link in system.list(folder.as_bytes()).unwrap_or_default() {
            let link = String::from_utf8_lossy(&link).into_owned();
            let of_name = link.strip_prefix(['S', 'K']).and_then(|rest| rest.strip_suffix(name));
            if of_name.is_some_and(|at| at.len() == 2 && at.bytes().all(|b| b.is_ascii_digit())) {
                found.push(format!("{folder}/{link}"));
            }
        }
    }
    found
}

fn remove_links(system: &mut System<'_, '_>, call: &mut Call<'_>, name: &str) -> Result<u8, Stop> {
    for link in links(system, name) {
        if let Err(error) = system.remove(link.as_bytes()) {
            return Ok(call.fail("cannot remove", link.as_bytes(), error));
        }
    }
    Ok(0)
}

fn make_links(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    name: &str,
    start: char,
) -> Result<u8, Stop> {
    if !links(system, name).is_empty() {
        return Ok(0);
    }
    let script = format!("/etc/init.d/{name}");
    let Ok(text) = system.read(script.as_bytes()) else {
        return Ok(call.usage(&format!("error: unable to read {script}"), 1));
    };
    let (starts, stops) = default_levels(&String::from_utf8_lossy(&text));
    let starts = starts.into_iter().map(|level| (level, start));
    for (level, letter) in starts.chain(stops.into_iter().map(|level| (level, 'K'))) {
        let folder = format!("/etc/rc{level}.d");
        if let Err(error) = system.make_folders(&folder) {
            return Ok(call.fail("cannot make", folder.as_bytes(), error));
        }
        let link = format!("{folder}/{letter}01{name}");
        // One that is there already stays: the program does not look whether it could make it.
        let _ = system.make_symlink(link.as_bytes(), format!("../init.d/{name}").as_bytes());
    }
    Ok(0)
}

/// `Default-Start` and `Default-Stop` of the LSB header (LSB 5.0 Core, 22.3).
fn default_levels(text: &str) -> (Vec<String>, Vec<String>) {
    let header = text.lines().skip_while(|line| line.trim_end() != "### BEGIN INIT INFO");
    let header = header.take_while(|line| line.trim_end() != "### END INIT INFO");
    let (mut starts, mut stops) = (Vec::new(), Vec::new());
    for line in header {
        for (key, levels) in [("# Default-Start:", &mut starts), ("# Default-Stop:", &mut stops)] {
            if let Some(value) = line.strip_prefix(key) {
                *levels = value.split_whitespace().map(str::to_owned).collect();
            }
        }
    }
    (starts, stops)
}

#[cfg(test)]
mod tests {
    use cvmkit_shell::evaluation::Start;

    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::assembly;

    /// update-rc.d(8): links that start become links that stop, in the levels that the script starts in or those
    /// that are given. The program of Debian 12 does not do it below `DPKG_ROOT`.
    #[test]
    fn an_init_script_is_disabled_and_enabled_by_its_links() {
        let header = "#!/bin/sh\n### BEGIN INIT INFO\n# Default-Start: 2 3\n# Default-Stop: 0\n\
                      ### END INIT INFO\n";
        let files = [("/etc/init.d/x", header), ("/usr/sbin/update-rc.d", "")];
        for (script, links) in [
            ("update-rc.d x defaults; update-rc.d x disable", "K01x K01x K01x"),
            ("update-rc.d x defaults-disabled; update-rc.d x enable 3", "K01x K01x S01x"),
            ("update-rc.d x defaults; ! update-rc.d x disable 5", "K01x S01x S01x"),
            ("update-rc.d x defaults; ! update-rc.d y disable", "K01x S01x S01x"),
        ] {
            let request = Request::default();
            let mut tree = assembly(&request, &files);
            let program = tree.find("/usr/sbin/update-rc.d").unwrap();
            tree.tree.meta_mut(program).mode = 0o755;
            let mut system = System::new(&mut tree, &[], "amd64");
            let path = ("PATH".to_owned(), b"/usr/sbin".to_vec());
            let start = Start { environment: [path].into(), ..Start::default() };
            let finished = system.script(format!("set -e\n{script}\n").as_bytes(), start).unwrap();
            assert_eq!(finished.status, 0, "{script}: {finished:?}");
            let names = ["/etc/rc0.d", "/etc/rc2.d", "/etc/rc3.d"].map(|folder| {
                let names = system.list(folder.as_bytes()).unwrap();
                String::from_utf8(names.concat()).unwrap()
            });
            assert_eq!(names.join(" "), links, "{script}");
        }
    }

    /// deb-systemd-helper of init-system-helpers 1.69 does nothing for a word that is none of its actions.
    #[test]
    fn a_word_that_is_no_action_does_nothing() {
        let files = [("/usr/lib/systemd/system/u.service", "")];
        let script = "deb-systemd-helper update-state u.service; \
                      deb-systemd-helper start u.service; echo $?";
        assert_eq!(crate::packages::debian::commands::tests::output(&files, script), "0\n");
    }
}
