//! What maintainer scripts reach: the files of the tree, and the programs of a Debian system.
//!
//! A program that is a shell script of the tree is evaluated; those of coreutils and their like are
//! `cvmkit_shell`'s; what Debian wrote in Perl or C stands here, as far as scripts use it. All else ends
//! the evaluation: it never becomes a guess. Oracle: the programs themselves.

mod accounts;
mod alternatives;
mod asked;
mod capabilities;
mod debconf;
mod declined;
mod divert;
mod dpkg;
mod effects;
mod files;
mod given;
mod interpreter;
mod machine;
mod maintainer;
mod perl;
mod programs;
mod query;
mod random;
mod realpath;
mod statoverride;
mod system;
#[cfg(test)]
mod tests;
mod units;
mod unmade;
mod words;

use cvmkit_shell::Stop;
use cvmkit_shell::commands::{self, run_program};
use cvmkit_shell::world::{FileError, Files as _, Invocation, Ran, World, absolute};

use crate::packages::debian::commands::words::shown;
pub use accounts::AccountChange;
pub use asked::{Asked, Diversion, LeftOut, Override, Unit};
pub use debconf::AnswerProblem;
pub use effects::{Effect, PathState};
pub(crate) use given::Repeats;
pub use maintainer::Script;
use system::Program;
pub use system::{State, System};

/// The program of a name, if it is one of these.
fn program(name: &[u8]) -> Option<Program> {
    Some(match name {
        b"addgroup" | b"adduser" => accounts::adduser,
        b"bash" | b"dash" | b"sh" => interpreter::sh,
        b"chfn" => accounts::chfn,
        b"dbus-send" => machine::no_bus,
        b"deb-systemd-helper" => units::deb_systemd_helper,
        b"deb-systemd-invoke" => units::deb_systemd_invoke,
        b"debconf-show" => debconf::show,
        b"deluser" => accounts::deluser,
        b"depmod" => machine::depmod,
        b"dpkg" => dpkg::dpkg,
        b"dpkg-divert" => divert::dpkg_divert,
        b"dpkg-query" => query::dpkg_query,
        b"dpkg-realpath" => realpath::dpkg_realpath,
        b"dpkg-statoverride" => statoverride::dpkg_statoverride,
        b"dpkg-trigger" => declined::dpkg_trigger,
        b"getcap" => capabilities::getcap,
        b"getent" => accounts::getent,
        b"gpasswd" => accounts::gpasswd,
        b"groupadd" => accounts::groupadd,
        b"dnsdomainname" | b"hostname" => machine::hostname,
        b"invoke-rc.d" | b"service" | b"start-stop-daemon" => units::nothing_starts,
        b"locale" => machine::locale,
        b"mokutil" => machine::mokutil,
        b"pgrep" | b"pidof" => machine::no_process,
        b"py3versions" => machine::py3versions,
        b"run-parts" => machine::run_parts,
        b"runlevel" => units::runlevel,
        b"setcap" => capabilities::setcap,
        b"setpriv" => machine::setpriv,
        b"systemctl" => units::systemctl,
        b"uname" => machine::uname,
        b"update-alternatives" => alternatives::update_alternatives,
        b"update-rc.d" => units::update_rc_d,
        b"useradd" => accounts::useradd,
        b"usermod" => accounts::usermod,
        name if name.starts_with(b"python3") => machine::python,
        name => return programs::program(name).or_else(|| declined::program(name)),
    })
}

/// The steps that a call of a program counts as.
const CALL: u64 = 50;

/// The same of the programs that stand in this module.
const CALL_OF_DEBIAN: u64 = 1000;

impl World for System<'_, '_> {
    fn find(&self, name: &[u8], search: &[u8]) -> Option<Vec<u8>> {
        if name.contains(&b'/') {
            return self.executable(name);
        }
        let folders = search.split(|byte| *byte == b':');
        let candidates = folders.map(|folder| [absolute(b"/", folder), name.to_vec()].join(&b'/'));
        candidates.map(|path| absolute(b"/", &path)).find_map(|path| self.executable(&path))
    }

    fn run(&mut self, invocation: Invocation<'_>) -> Result<Ran, Stop> {
        self.watch(invocation, dispatch)
    }

    fn source(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
        match self.real_path(path)?.as_slice() {
            debconf::CONFMODULE_PATH => Ok(debconf::CONFMODULE.as_bytes().to_vec()),
            path => self.read(path),
        }
    }

    fn now(&self) -> i64 {
        self.assembly.request.mtime
    }

    fn exceeded(&self) -> Option<(u64, &'static str)> {
        let most = self.limits.steps;
        self.exceeded
            .or_else(|| (self.done.get() > most).then_some((most, "steps, with all it runs")))
    }

    fn work(&self, units: u64) {
        self.done.set(self.done.get().saturating_add(units));
    }

    fn home(&self, login: &str) -> Option<Vec<u8>> {
        let passwd = self.read(b"/etc/passwd").unwrap_or_default();
        let mut lines = passwd.split(|byte| *byte == b'\n');
        let home = lines.find_map(|line| {
            let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
            (fields.first() == Some(&login.as_bytes()))
                .then(|| fields.get(5).map(|home| home.to_vec()))?
        });
        home.or_else(|| (login == "root").then(|| b"/root".to_vec()))
    }
}

/// Runs what the first word of a call names, and says whether it is a script.
fn dispatch(system: &mut System<'_, '_>, invocation: Invocation<'_>) -> Result<(Ran, bool), Stop> {
    let is_script = |ran: Ran| (ran, true);
    let is_program = |ran: Ran| (ran, false);
    let name = invocation.words.first().map(Vec::as_slice).unwrap_or_default();
    system.work(CALL + (invocation.input.len() as u64 >> 10));
    if name == debconf::FRONTEND_PATH {
        return run_program(debconf::frontend, system, invocation).map(is_script);
    }
    // execvp(3) has folders of its own where there is no PATH.
    let search = invocation.environment.get("PATH").map_or(&b"/bin:/usr/bin"[..], Vec::as_slice);
    let path = match name.contains(&b'/') {
        true => Some(absolute(invocation.directory, name)),
        false => system.find(name, search),
    };
    let Some(path) = path else { return Ok(is_program(refused(invocation, "not found", 127))) };
    if system.executable(&path).is_none() {
        return Ok(is_program(match system.status(&path, true) {
            Ok(_) => refused(invocation, "Permission denied", 126),
            Err(_) => refused(invocation, "not found", 127),
        }));
    }
    if let Some(known) = system.known_as(&path) {
        if let Some(program) = program(&known) {
            // It may go through all packages.
            system.work(CALL_OF_DEBIAN - CALL);
            let is_shell = interpreter::dialect(&String::from_utf8_lossy(&known)).is_some();
            let ran = run_program(program, system, invocation)?;
            return Ok((ran, is_shell));
        }
        let module = invocation.words.get(1).map(Vec::as_slice);
        if known == b"perl" && module == Some(b"-MMail::SpamAssassin") {
            return run_program(programs::no_rules, system, invocation).map(is_program);
        }
        if commands::has::<System<'_, '_>>(&known) {
            let words = invocation.words;
            let (script, line) = (invocation.script.to_owned(), invocation.line);
            let ran = commands::run(system, invocation)?;
            let missing = || Stop::Unsupported { script, line, what: shown(words) };
            return ran.map(is_program).ok_or_else(missing);
        }
    }
    if system.is_ucf_of_value(&path, &invocation) {
        return run_program(random::ucf, system, invocation).map(is_script);
    }
    interpreter::run(system, &path, invocation).map(is_script)
}

/// What dash says of a command that it can't run.
fn refused(invocation: Invocation<'_>, why: &str, status: u8) -> Ran {
    let Invocation { script, line, words, errors, .. } = invocation;
    let name = shown(words.get(..1).unwrap_or_default());
    errors.extend_from_slice(format!("{script}: {line}: {name}: {why}\n").as_bytes());
    Ran { status, consumed: 0 }
}
