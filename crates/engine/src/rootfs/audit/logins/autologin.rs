//! Programs that log somebody in on a terminal who says no password: agetty(8) and its like with a user's name, in
//! units, in their drop-ins, and in `/etc/inittab`.
//!
//! A production image has no getty that a unit could run, so these are what is left of one: a unit would run it again as
//! soon as it has one.

use super::files::{finding, text};
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;
use crate::rootfs::configuration;
use crate::rootfs::finding::{Finding, FindingKind, Verdict};
use crate::rootfs::units::file::{FOLDERS, parse};

/// Programs that take the name of who is logged in.
const PROGRAMS: [&str; 5] = ["agetty", "fgetty", "getty", "login", "mingetty"];

/// Signs before the program of a unit (systemd.service(5), "Special executable prefixes").
const SIGNS: [char; 6] = ['@', '-', ':', '+', '!', '|'];

/// agetty's letters that take a word (agetty(8)).
const WITH_WORD: &str = "aCdfHIloPrt";

/// Where sysvinit and its like have what they start (inittab(5)).
const INITTAB: &str = "/etc/inittab";

pub(super) fn find(assembly: &Assembly<'_>) -> Result<Vec<Finding>, RootfsError> {
    let mut found = Vec::new();
    for path in services(assembly)? {
        let text = text(assembly, &path)?.unwrap_or_default();
        for one in parse(&text, &path) {
            let starts = one.section == "Service" && one.key.starts_with("Exec");
            if starts && let Some(user) = autologin(&one.value) {
                found.push(row(assembly, &path, &format!("{}={}", one.key, one.value), &user));
            }
        }
    }
    let inittab = text(assembly, INITTAB)?.unwrap_or_default();
    for line in inittab.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let command = line.splitn(4, ':').nth(3).unwrap_or_default();
        if let Some(user) = autologin(command) {
            found.push(row(assembly, INITTAB, line, &user));
        }
    }
    Ok(found)
}

fn row(assembly: &Assembly<'_>, path: &str, line: &str, user: &str) -> Finding {
    let words = format!("logs {user} in without a password: `{line}`");
    finding(assembly, FindingKind::Autologin, path, words, |_| Verdict::Refused)
}

/// Services and the drop-ins of services, of all folders: which of them hide others changes with each file.
fn services(assembly: &Assembly<'_>) -> Result<Vec<String>, RootfsError> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        for name in assembly.names(folder)? {
            let path = format!("{folder}/{name}");
            if name.ends_with(".service") && assembly.is_file(&path) {
                files.push(path);
            } else if name.ends_with(".d") {
                let names = assembly.names(&path)?.into_iter();
                let drop_ins = names.filter(|name| name.ends_with(".conf"));
                files.extend(drop_ins.map(|name| format!("{path}/{name}")));
            }
        }
    }
    Ok(files)
}

/// Whom a command logs in, if it logs somebody in; a word of it may be the text of a shell.
fn autologin(command: &str) -> Option<String> {
    let plain = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<String>>();
    let split = configuration::words(command).unwrap_or_else(|_| plain(command));
    program(&split).or_else(|| {
        let texts = split.iter().filter(|word| word.contains(char::is_whitespace));
        let mut commands = texts.flat_map(|text| text.split([';', '&', '|', '(', ')', '`']));
        commands.find_map(|command| program(&plain(command)))
    })
}

/// As [`autologin`], of words that some program may stand before: `setsid`, `env`.
fn program(words: &[String]) -> Option<String> {
    let mut words = words.iter().map(String::as_str);
    let mut signs: &[char] = &SIGNS;
    let program = words.by_ref().find_map(|word| {
        let word = word.trim_start_matches(std::mem::take(&mut signs));
        let name = word.rsplit('/').next().unwrap_or_default();
        PROGRAMS.contains(&name).then_some(name)
    })?;
    let words: Vec<&str> = words.collect();
    match program {
        "login" => login(&words),
        _ => getty(&words),
    }
}

/// `login -f USER` (login(1)).
fn login(words: &[&str]) -> Option<String> {
    let at = words.iter().position(|word| word.starts_with("-f"))?;
    let user = words[at].strip_prefix("-f").filter(|user| !user.is_empty());
    let user = user.or_else(|| words.get(at + 1..)?.iter().find(|word| **word != "--").copied());
    Some(user.unwrap_or("a user").to_owned())
}

/// `agetty -a USER`, or options for login that do the same.
fn getty(words: &[&str]) -> Option<String> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if let Some(option) = word.strip_prefix("--") {
            let (option, value) = match option.split_once('=') {
                Some((option, value)) => (option, Some(value)),
                None => (option, None),
            };
            // getopt_long(3) takes a beginning that is clear: `--auto`.
            if !option.is_empty() && "autologin".starts_with(option) {
                return Some(value.or(words.next().copied()).unwrap_or("a user").to_owned());
            }
            if option.len() > 6 && "login-options".starts_with(option) {
                let value = value.or(words.next().copied()).unwrap_or_default();
                if let Some(user) = login(&value.split_whitespace().collect::<Vec<_>>()) {
                    return Some(user);
                }
            }
        } else if let Some(letters) = word.strip_prefix('-') {
            let Some((at, letter)) =
                letters.char_indices().find(|(_, one)| WITH_WORD.contains(*one))
            else {
                continue;
            };
            let rest = &letters[at + 1..];
            let value = match rest.is_empty() {
                true => words.next().copied().unwrap_or("a user"),
                false => rest,
            };
            match letter {
                'a' => return Some(value.to_owned()),
                'o' => {
                    if let Some(user) = login(&value.split_whitespace().collect::<Vec<_>>()) {
                        return Some(user);
                    }
                }
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::rows;
    use super::*;

    #[test]
    fn a_command_logs_somebody_in_or_asks() {
        for (command, user) in [
            ("-/sbin/agetty --autologin root --noclear %I $TERM", Some("root")),
            ("/sbin/agetty --autologin=root tty1", Some("root")),
            ("/sbin/agetty --auto root tty1", Some("root")),
            ("-/sbin/agetty -a root tty1", Some("root")),
            ("agetty -aroot tty1", Some("root")),
            ("agetty -Jna root tty1", Some("root")),
            ("agetty -o '-p -f root' tty1", Some("root")),
            ("agetty --login-options '-f root' tty1", Some("root")),
            ("/sbin/mingetty --autologin a tty1", Some("a")),
            ("/usr/bin/setsid /sbin/agetty -a a tty1", Some("a")),
            ("/bin/login -f root", Some("root")),
            ("/bin/login -p -froot", Some("root")),
            ("/bin/sh -c 'sleep 1; exec /sbin/agetty -a root tty1'", Some("root")),
            ("-/sbin/agetty -o '-- \\\\u' --noreset --noclear - ${TERM}", None),
            ("-/sbin/agetty -o '-p -- \\\\u' --keep-baud 115200,57600 - $TERM", None),
            ("agetty -f /etc/issue -l /bin/a tty1", None),
            ("/usr/bin/tool -a root", None),
            ("/usr/bin/tool --login -f root", None),
            ("/usr/bin/serial-getty -a root", None),
            ("/bin/login -p", None),
            ("", None),
        ] {
            assert_eq!(autologin(command).as_deref(), user, "{command}");
        }
    }

    #[test]
    fn units_drop_ins_and_inittab_are_looked_at() {
        let command = "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root %I\n";
        let drop_in = "/etc/systemd/system/serial-getty@.service.d/autologin.conf";
        let words =
            "logs root in without a password: `ExecStart=-/sbin/agetty --autologin root %I`";
        assert_eq!(
            rows(&[(drop_in, command)]),
            [format!("refused autologin: `{drop_in}` {words}")]
        );
        for path in [
            "/etc/systemd/system/getty@tty1.service.d/x.conf",
            "/usr/lib/systemd/system/service.d/x.conf",
            "/usr/local/lib/systemd/system/mine.service",
        ] {
            assert_eq!(rows(&[(path, command)]).len(), 1, "{path}");
        }
        for path in ["/etc/systemd/system/getty@.service.d/x.bak", "/usr/share/doc/getty@.service"]
        {
            assert!(rows(&[(path, command)]).is_empty(), "{path}");
        }
        let lines =
            "# 1:2345:respawn:/sbin/getty -a x\nS0:23:respawn:/sbin/agetty -a root ttyS0 115200\n";
        let words =
            "logs root in without a password: `S0:23:respawn:/sbin/agetty -a root ttyS0 115200`";
        assert_eq!(rows(&[(INITTAB, lines)]), [format!("refused autologin: `{INITTAB}` {words}")]);
    }
}
