//! `update-inetd` of update-inetd 4.53: entries of `/etc/inetd.conf`, where there is one.
//!
//! A service is a word: what would be an expression, and what would be a question, ends the evaluation.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::{FileError, Files as _};

use crate::packages::debian::commands::System;
use crate::packages::debian::commands::words::shown;

const FILE: &str = "/etc/inetd.conf";

/// What stands before an entry that is disabled.
const OFF: &str = "#<off># ";

/// What a call asks for.
struct Request {
    mode: Mode,
    /// More than one entry may be meant.
    multi: bool,
    group: String,
    argument: String,
}

#[derive(Clone, Copy)]
enum Mode {
    Add,
    Remove,
    Enable,
    Disable,
}

impl Request {
    fn of(call: &Call<'_>) -> Result<Self, Stop> {
        let (mut mode, mut multi, mut group) = (None, false, "OTHER".to_owned());
        let mut words = call.arguments().iter();
        let mut rest = Vec::new();
        while let Some(word) = words.next() {
            match word.as_slice() {
                b"--add" => mode = Some(Mode::Add),
                b"--remove" => mode = Some(Mode::Remove),
                b"--enable" => mode = Some(Mode::Enable),
                b"--disable" => mode = Some(Mode::Disable),
                b"--multi" => multi = true,
                b"--verbose" => {}
                b"--group" => {
                    let missing = || call.unsupported("an option without its argument");
                    let word = words.next().ok_or_else(missing)?;
                    group = String::from_utf8_lossy(word).to_ascii_uppercase();
                }
                option if option.starts_with(b"-") => {
                    let option = shown(std::slice::from_ref(word));
                    return Err(call.unsupported(format!("the option {option}")));
                }
                _ => rest.push(String::from_utf8_lossy(word).into_owned()),
            }
        }
        match (mode, rest.pop().filter(|_| rest.is_empty())) {
            (Some(mode), Some(argument)) => Ok(Self { mode, multi, group, argument }),
            _ => Err(call.unsupported("these words")),
        }
    }
}

/// `update-inetd [--multi] [--group GROUP] --add ENTRY | --remove SERVICE | --enable SERVICE,.. | --disable
/// SERVICE,..`.
pub(super) fn update_inetd(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let request = Request::of(call)?;
    let text = match system.read(FILE.as_bytes()) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(FileError::NotFound) => {
            let doing = match request.mode {
                Mode::Add => "add",
                Mode::Enable => "enable",
                Mode::Remove | Mode::Disable => return Ok(0),
            };
            call.complain(&format!("warning: cannot {doing} service, {FILE} does not exist"));
            return Ok(0);
        }
        Err(error) => return Ok(call.fail("cannot open", FILE.as_bytes(), error)),
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    match request.mode {
        Mode::Add => add(call, &mut lines, &request)?,
        Mode::Remove => {
            let service = word(call, &request.argument)?;
            let is_it = |line: &String| {
                is_entry(line, service)
                    || line.strip_prefix(OFF).is_some_and(|line| is_entry(line, service))
            };
            several(call, lines.iter().filter(|line| is_it(line)).count(), request.multi)?;
            lines.retain(|line| !is_it(line));
        }
        Mode::Enable => {
            for service in request.argument.split(',') {
                enable(&mut lines, word(call, service)?);
            }
        }
        Mode::Disable => {
            for service in request.argument.split(',') {
                let service = word(call, service)?;
                let is_it = |line: &String| is_entry(line, service);
                several(call, lines.iter().filter(|line| is_it(line)).count(), request.multi)?;
                for line in lines.iter_mut().filter(|line| is_it(line)) {
                    line.insert_str(0, OFF);
                }
            }
        }
    }
    let new: String = lines.iter().map(|line| format!("{line}\n")).collect();
    if new == text {
        return Ok(0);
    }
    // A new file takes its place; the service is told where one runs.
    let written = system.remove(FILE.as_bytes());
    match written.and_then(|()| system.write(FILE.as_bytes(), new.as_bytes(), 0o644)) {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("cannot install", FILE.as_bytes(), error)),
    }
}

/// A service that is no expression.
fn word<'s>(call: &Call<'_>, service: &'s str) -> Result<&'s str, Stop> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    match !service.is_empty() && service.bytes().all(is_word) {
        true => Ok(service),
        false => Err(call.unsupported(format!("the service {service}"))),
    }
}

/// More entries than one are changed where a call says so.
fn several(call: &Call<'_>, found: usize, multi: bool) -> Result<(), Stop> {
    match found > 1 && !multi {
        true => Err(call.unsupported("a question about several entries")),
        false => Ok(()),
    }
}

/// Whether a line starts with a service and a blank.
fn is_entry(line: &str, service: &str) -> bool {
    let rest = line.strip_prefix(service);
    rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_whitespace()))
}

fn enable(lines: &mut [String], service: &str) {
    for line in lines {
        if line.strip_prefix(OFF).is_some_and(|line| is_entry(line, service)) {
            line.drain(..OFF.len());
        }
    }
}

fn add(call: &Call<'_>, lines: &mut Vec<String>, request: &Request) -> Result<(), Stop> {
    let entry = request.argument.trim_end_matches('\n').replace("\\t", "\t");
    let service = word(call, entry.split([' ', '\t']).next().unwrap_or_default())?;
    if !entry.contains([' ', '\t']) {
        return Err(call.unsupported("an entry of one word"));
    }
    let off = |line: &String| line.strip_prefix(OFF).is_some_and(|line| is_entry(line, service));
    if lines.iter().any(off) {
        enable(lines, service);
        return Ok(());
    }
    let fields = |line: &str| line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
    if lines.iter().any(|line| is_entry(line, service)) {
        return match lines.iter().any(|line| fields(line) == fields(&entry)) {
            true => Ok(()),
            false => Err(call.unsupported("a question about an entry that is there")),
        };
    }
    let by_user = |line: &String| {
        let line = line.strip_prefix('#').map(str::trim_ascii_start);
        line.is_some_and(|line| is_entry(line, service))
    };
    if lines.iter().any(by_user) {
        return Ok(());
    }
    // Before the first line behind the head of its group that has neither letters nor `#`.
    let head = format!("#:{}:", request.group);
    let is_gap = |line: &String| !line.contains(|c: char| c.is_ascii_alphabetic() || c == '#');
    let at = lines.iter().position(|line| line.starts_with(&head));
    let gap = at.and_then(|at| Some(at + lines[at..].iter().position(is_gap)?));
    lines.insert(gap.unwrap_or(lines.len()), entry);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    const PROGRAM: (&str, &str) = ("/usr/sbin/update-inetd", "#!/usr/bin/perl\n");

    #[test]
    fn without_a_file_there_is_no_entry() {
        let script = "set -e; update-inetd --multi --remove skkserv; update-inetd --disable x; update-inetd --enable x; \
                      update-inetd --add 'skkserv\\t\\tstream\\ttcp\\tnowait\\tnobody\\t/usr/sbin/tcpd' 2>&1";
        let expected =
            "update-inetd: warning: cannot add service, /etc/inetd.conf does not exist\n";
        assert_eq!(output(&[PROGRAM], script), expected);
    }

    /// What the program makes of the same file.
    #[test]
    fn entries_are_added_and_switched() {
        let head = "#:MAIL:\nsmtp\tstream tcp nowait root /usr/sbin/smtpd\n\n#:OTHER: others\n#ident  stream tcp x\n";
        let files = [PROGRAM, ("/etc/inetd.conf", head)];
        let script = "update-inetd --group mail --add 'pop3\\tstream\\ttcp'; update-inetd --add 'z stream tcp nowait'; \
                      update-inetd --add 'z  stream\\ttcp nowait'; update-inetd --disable smtp,pop3; \
                      update-inetd --add 'ident stream tcp y'; update-inetd --enable pop3; cat /etc/inetd.conf; echo; \
                      update-inetd --add 'smtp stream'; update-inetd --remove pop3; cat /etc/inetd.conf; stat -c %a /etc/inetd.conf";
        let after = "#:MAIL:\n#<off># smtp\tstream tcp nowait root /usr/sbin/smtpd\npop3\tstream\ttcp\n\n\
                     #:OTHER: others\n#ident  stream tcp x\nz stream tcp nowait\n";
        let last = after.replace("#<off># ", "").replace("pop3\tstream\ttcp\n", "");
        assert_eq!(output(&files, script), format!("{after}\n{last}644\n"));
        assert!(stop(&files, "update-inetd --remove 's.*'").contains("the service s.*"));
        assert!(stop(&files, "update-inetd --add 'smtp dgram'").contains("a question"));
        assert!(stop(&files, "update-inetd --pattern x --add 'a b'").contains("--pattern"));
    }
}
