//! What changes which commands run next, and where.

use super::super::{Fault, Shell};
use crate::mode;
use crate::syntax;
use crate::world::{FileType, World};

impl<W: World> Shell<'_, W> {
    /// `.`: a file's commands in this shell.
    pub(super) fn dot(&mut self, arguments: &[Vec<u8>], tested: bool) -> Result<u32, Fault> {
        let Some(name) = arguments.first() else {
            return Err(self.error(".: filename argument required"));
        };
        self.check_dot(arguments)?;
        let path = match name.contains(&b'/') {
            true => self.state.absolute(name),
            false => {
                let search = self.state.get("PATH").cloned().unwrap_or_default();
                let candidates = search
                    .split(|byte| *byte == b':')
                    .map(|folder| self.state.absolute(&[folder, b"/", name].concat()));
                let mut found = candidates.filter(|path| self.world.source(path).is_ok());
                let found = found.next();
                match found {
                    Some(path) => path,
                    // It would look here too.
                    None if self.is_bash() => {
                        return Err(self.unsupported("`.` of a name that `PATH` lacks in bash"));
                    }
                    None => name.clone(),
                }
            }
        };
        let shown = String::from_utf8_lossy(name).into_owned();
        let Ok(text) = self.world.source(&path) else {
            if self.is_bash() {
                self.complain(&format!("{shown}: No such file or directory"))?;
                return Ok(1);
            }
            return Err(self.error(&format!(".: cannot open {shown}: No such file")));
        };
        let list = self.parse_now(&text, &shown)?;
        let script = std::mem::replace(&mut self.script, shown);
        if list.items.is_empty() {
            self.state.status = 0;
        }
        self.state.sourced += 1;
        let ran = self.deeper(|shell| shell.list(&list, tested));
        self.state.sourced = self.state.sourced.saturating_sub(1);
        self.script = script;
        match ran {
            Ok(()) | Err(Fault::Return) => Ok(self.state.status),
            Err(fault) => Err(fault),
        }
    }

    pub(super) fn eval(&mut self, arguments: &[Vec<u8>], tested: bool) -> Result<u32, Fault> {
        let text = arguments.join(&b' ');
        self.run_text(&text, tested)?;
        Ok(self.state.status)
    }

    /// `exec`: its redirections stay; a command is the last of the shell.
    pub(super) fn exec(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        if arguments.is_empty() {
            return Ok(0);
        }
        self.external(arguments)?;
        self.state.traps.clear();
        Err(Fault::Exit)
    }

    /// `break` and `continue`.
    pub(super) fn leave_loops(&mut self, name: &str, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let wanted = match arguments.first() {
            None => 1,
            Some(text) => self.number(name, text)?,
        };
        let loops = wanted.min(self.state.loops);
        self.state.status = 0;
        match (loops, name) {
            (0, _) if wanted == 0 => Err(self.error(&format!("{name}: Illegal number: 0"))),
            (0, _) => Ok(0),
            (loops, "break") => Err(Fault::Break(loops)),
            (loops, _) => Err(Fault::Continue(loops)),
        }
    }

    /// `exit` and `return`, with a status or that of the command before.
    pub(super) fn leave(&mut self, name: &str, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        if let Some(text) = arguments.first() {
            self.state.status = self.number(name, text)?;
        }
        Err(if name == "exit" { Fault::Exit } else { Fault::Return })
    }

    /// A number that is not negative, or the shell's error.
    pub(super) fn number(&mut self, name: &str, text: &[u8]) -> Result<u32, Fault> {
        let number = str::from_utf8(text).ok().and_then(|text| text.parse::<i32>().ok());
        number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
            let shown = String::from_utf8_lossy(text).into_owned();
            self.error(&format!("{name}: Illegal number: {shown}"))
        })
    }

    /// `command`: a command that is no function; with `-v` and `-V`, what a name is.
    pub(super) fn command_builtin(
        &mut self,
        arguments: &[Vec<u8>],
        tested: bool,
    ) -> Result<u32, Fault> {
        let mut rest = arguments;
        while let Some((option, others)) = rest.split_first() {
            match option.as_slice() {
                b"-p" => rest = others,
                b"--" => {
                    rest = others;
                    break;
                }
                b"-v" => {
                    self.check_described(others, false)?;
                    return Ok(self.describe(others, false)?.into());
                }
                b"-V" => {
                    self.check_described(others, true)?;
                    return Ok(self.describe(others, true)?.into());
                }
                option if self.is_bash() && option.starts_with(b"-") => {
                    let shown = String::from_utf8_lossy(option).into_owned();
                    return Err(self.unsupported(format!("`command {shown}`")));
                }
                _ => break,
            }
        }
        match rest.first() {
            None => Ok(0),
            Some(name) if super::is_special(name) || self.has_builtin(name) => {
                match self.builtin(rest, tested) {
                    // `command` takes this from a special builtin (XCU `command`).
                    Ok(()) | Err(Fault::Error) => Ok(self.state.status),
                    Err(fault) => Err(fault),
                }
            }
            Some(_) => {
                self.external(rest)?;
                Ok(self.state.status)
            }
        }
    }

    /// `command -v`, and `type` with `long`.
    pub(super) fn describe(&mut self, names: &[Vec<u8>], long: bool) -> Result<u8, Fault> {
        let search = self.state.get("PATH").cloned().unwrap_or_default();
        let mut status = 0;
        for name in names {
            if self.state.aliases.has(name) {
                let name = String::from_utf8_lossy(name);
                return Err(
                    self.unsupported(format!("the alias `{name}` where a command is asked for"))
                );
            }
            let found = match name.as_slice() {
                name if self.function(name).is_some() => Some((name.to_vec(), "a shell function")),
                name if super::is_special(name) => Some((name.to_vec(), "a special shell builtin")),
                name if self.has_builtin(name) => Some((name.to_vec(), "a shell builtin")),
                name if syntax::is_reserved(name) || self.is_reserved_by_bash(name) => {
                    Some((name.to_vec(), "a shell keyword"))
                }
                // A path is answered as it is.
                name if name.contains(&b'/') => {
                    let path = self.state.absolute(name);
                    self.world.find(&path, &search).map(|_| (name.to_vec(), ""))
                }
                name => self.world.find(name, &search).map(|path| (path, "")),
            };
            let line = match (found, long) {
                (Some((path, _)), false) => [path.as_slice(), b"\n"].concat(),
                (Some((path, "")), true) => [name.as_slice(), b" is ", &path, b"\n"].concat(),
                (Some((_, what)), true) => {
                    [name.as_slice(), b" is ", what.as_bytes(), b"\n"].concat()
                }
                (None, long) => {
                    status = if self.is_bash() { 1 } else { 127 };
                    match long {
                        true => [name.as_slice(), b": not found\n"].concat(),
                        false => Vec::new(),
                    }
                }
            };
            self.write(1, &line)?;
        }
        Ok(status)
    }

    pub(super) fn change_directory(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let is_option = |word: &&Vec<u8>| matches!(word.as_slice(), b"-L" | b"-P" | b"--");
        let options = arguments.iter().take_while(is_option).count();
        let (options, operands) = arguments.split_at(options);
        let is_physical = options.iter().rfind(|word| *word != b"--").is_some_and(|it| it == b"-P");
        let mut back = false;
        let wanted = match operands.first() {
            None => self.state.get("HOME").cloned().unwrap_or_default(),
            Some(word) if word == b"-" => {
                back = true;
                self.state.get("OLDPWD").cloned().unwrap_or_default()
            }
            Some(word) if word.starts_with(b"-") && options.is_empty() => {
                let shown = String::from_utf8_lossy(word).into_owned();
                return Err(self.unsupported(format!("`cd {shown}`")));
            }
            Some(word) => word.clone(),
        };
        let absolute = self.state.absolute(&wanted);
        let path = match is_physical {
            true => self.world.real_path(&absolute).unwrap_or(absolute),
            false => without_parents(&absolute),
        };
        let is_directory = self
            .world
            .status(&path, true)
            .is_ok_and(|status| status.file_type == FileType::Directory);
        if !is_directory {
            let shown = String::from_utf8_lossy(&wanted).into_owned();
            self.complain(&format!("cd: can't cd to {shown}"))?;
            return Ok(if self.is_bash() { 1 } else { 2 });
        }
        let old = std::mem::replace(&mut self.state.directory, path.clone());
        self.state.set("OLDPWD", old).map_err(|why| self.error(&why))?;
        self.state.set("PWD", path).map_err(|why| self.error(&why))?;
        if back { self.print_directory() } else { Ok(0) }
    }

    /// `pwd`: with `-P` without links.
    pub(super) fn print_working_directory(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        match arguments.last().map(Vec::as_slice) {
            None | Some(b"-L") => self.print_directory(),
            Some(b"-P") => {
                let directory = self.state.directory.clone();
                let Ok(path) = self.world.real_path(&directory) else {
                    return Err(self.unsupported("`pwd -P` of a directory that is gone"));
                };
                self.write(1, &[path.as_slice(), b"\n"].concat())?;
                Ok(0)
            }
            Some(word) => {
                let shown = String::from_utf8_lossy(word).into_owned();
                Err(self.unsupported(format!("`pwd {shown}`")))
            }
        }
    }

    pub(super) fn print_directory(&mut self) -> Result<u8, Fault> {
        let line = [self.state.directory.as_slice(), b"\n"].concat();
        self.write(1, &line)?;
        Ok(0)
    }

    /// `umask`, in octal digits or symbols.
    pub(super) fn umask(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let text = match arguments {
            [] => {
                let line = format!("{:04o}\n", self.state.umask);
                self.write(1, line.as_bytes())?;
                return Ok(0);
            }
            [option] if option == b"-S" => {
                let kept = !self.state.umask;
                let letters = |shift: u16| -> String {
                    let bits = [(4, 'r'), (2, 'w'), (1, 'x')];
                    let kept = bits.iter().filter(|(bit, _)| kept >> shift & bit != 0);
                    kept.map(|(_, letter)| *letter).collect()
                };
                let line = format!("u={},g={},o={}\n", letters(6), letters(3), letters(0));
                self.write(1, line.as_bytes())?;
                return Ok(0);
            }
            [text, ..] => text,
        };
        let mask = match text.first().is_some_and(u8::is_ascii_digit) {
            true => str::from_utf8(text).ok().and_then(|text| u16::from_str_radix(text, 8).ok()),
            // Symbols say what is kept.
            false => mode::apply(text, !self.state.umask & 0o777, false, 0)
                .filter(|_| !text.starts_with(b"-"))
                .map(|kept| !kept & 0o777),
        };
        match mask.filter(|mask| *mask <= 0o777) {
            Some(mask) => self.state.umask = mask,
            None => {
                let shown = String::from_utf8_lossy(text).into_owned();
                return Err(self.unsupported(format!("`umask {shown}`")));
            }
        }
        Ok(0)
    }

    /// `trap`: only the end of the shell ever comes.
    pub(super) fn trap(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let arguments = match arguments.split_first() {
            Some((first, rest)) if first == b"--" => rest,
            _ => arguments,
        };
        let Some((action, conditions)) = arguments.split_first() else {
            for name in CONDITIONS {
                let Some(action) = self.state.traps.get(name) else { continue };
                let line = [b"trap -- ".as_slice(), &quoted(action), b" ", name.as_bytes(), b"\n"];
                let line = line.concat();
                self.write(1, &line)?;
            }
            return Ok(0);
        };
        // A number alone, or `-`, takes actions away.
        let resets = action == b"-" || conditions.is_empty();
        let names = if conditions.is_empty() { arguments } else { conditions };
        for name in names {
            let Some(condition) = condition(self.signal(name)) else {
                let shown = String::from_utf8_lossy(name).into_owned();
                self.write(2, format!("trap: {shown}: bad trap\n").as_bytes())?;
                return Ok(1);
            };
            match resets {
                true => self.state.traps.remove(condition),
                false => self.state.traps.insert(condition.to_owned(), action.clone()),
            };
        }
        Ok(0)
    }
}

/// What a trap may be for, by its number: the end of the shell, and the signals of Linux, signal(7).
const CONDITIONS: [&str; 32] = [
    "EXIT", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
    "USR2", "PIPE", "ALRM", "TERM", "16", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The condition of a name, in capitals or not, or of a number.
pub(super) fn condition(name: &[u8]) -> Option<&'static str> {
    let number = str::from_utf8(name).ok().and_then(|name| name.parse().ok());
    let named = || CONDITIONS.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name));
    CONDITIONS.get(number.or_else(named)?).copied()
}

/// A path without `..`, taken away by name as `cd -L` does (XCU `cd`, step 8).
fn without_parents(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
        match part {
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return b"/".to_vec();
    }
    parts.iter().flat_map(|part| [b"/".as_slice(), part].concat()).collect()
}

/// In single quotes, as dash prints it: quotes within stand in double quotes.
pub(super) fn quoted(text: &[u8]) -> Vec<u8> {
    let (mut quoted, mut rest) = (Vec::new(), text);
    loop {
        let plain = rest.iter().position(|byte| *byte == b'\'').unwrap_or(rest.len());
        quoted.extend_from_slice(&[b"'", &rest[..plain], b"'"].concat());
        rest = &rest[plain..];
        let quotes = rest.iter().take_while(|byte| **byte == b'\'').count();
        if quotes > 0 {
            quoted.extend_from_slice(&[b"\"", &rest[..quotes], b"\""].concat());
            rest = &rest[quotes..];
        }
        if rest.is_empty() {
            return quoted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{check, check_in_world};

    /// XCU `command` and `type`.
    #[test]
    fn command_runs_what_is_no_function() {
        check(
            r#"
$ f() { echo f; }; command f; echo $?; echo() { printf 'mine\n'; }; command echo a; command -p echo b; command -- echo c; command; printf '%s\n' $?
127
a
b
c
0
stderr: script: 1: f: not found
$ command exit 3; echo no
exit: 3
$ command false; echo $?; command . /nonexistent/x; echo $?; command shift 9; echo $?; command readonly r=1; (command export r=2; echo on); echo $?
1
2
2
on
0
stderr: script: 1: .: cannot open /nonexistent/x: No such file
stderr: script: 1: shift: can't shift that many
stderr: script: 1: r: is read only
$ command -v echo; command -v export; command -v nosuch; echo $?; f() { :; }; command -v f
> command -v /nonexistent/x; echo $?; command -v if; command -v case; command -v [
> command -v in
echo
export
127
f
127
if
case
[
in
$ command -V echo; command -V export; f() { :; }; command -V f; command -V nosuch; echo $?
> type echo : f nosuch while; echo $?
echo is a shell builtin
export is a special shell builtin
f is a shell function
nosuch: not found
127
echo is a shell builtin
: is a special shell builtin
f is a shell function
nosuch: not found
while is a shell keyword
127
"#,
        );
    }

    /// XCU 2.15, `eval` and `dot`.
    #[test]
    fn eval_and_dot_run_here() {
        check(
            r#"
$ eval 'x=1; echo $x'; echo $x; eval echo '"a  b"' c; eval; echo $?; eval 'false'; echo $?
> eval ''; echo $?; false; eval 'echo $?'; eval eval eval echo deep
1
1
a  b c
0
1
0
1
deep
$ f() { eval 'return 3; echo no'; echo no; }; f; echo $?; eval 'exit 4'; echo no
3
exit: 4
$ . /nonexistent/file; echo no
stderr: script: 1: .: cannot open /nonexistent/file: No such file
exit: 2
$ . nosuchfile; echo no
stderr: script: 1: .: cannot open nosuchfile: No such file
exit: 2
$ false; eval 'echo $?'; false; eval; echo $?; false; eval ' '; echo $?; false; eval '# nothing'
> echo $?
1
0
0
0
$ eval 'break'; for x in 1 2; do eval 'continue'; echo no; done; eval "echo '"'$x'"'"
$x
"#,
        );
    }

    /// XCU `umask`.
    #[test]
    fn umask_is_octal() {
        check(
            r#"
$ umask; umask 027; umask; umask 7; umask; umask 0; umask; umask 0777; umask; (umask 022); umask
0022
0027
0007
0000
0777
0777
"#,
        );
    }

    /// XCU 2.15, `trap`; signal(7).
    #[test]
    fn traps_are_listed() {
        check(
            r#"
$ trap; trap 'echo a' INT TERM; trap; trap - INT; trap; trap '' HUP; trap; trap TERM; trap
> trap -- "it's" QUIT; trap
trap -- 'echo a' INT
trap -- 'echo a' TERM
trap -- 'echo a' TERM
trap -- '' HUP
trap -- 'echo a' TERM
trap -- '' HUP
trap -- '' HUP
trap -- 'it'"'"'s' QUIT
$ trap 'echo x' 0; trap; trap 0; trap; trap 'echo y' hup HUP; trap; trap - HUP; trap 'a''b' EXIT
> trap - EXIT; trap; trap "'" USR1; trap
trap -- 'echo x' EXIT
trap -- 'echo y' HUP
trap -- ''"'" USR1
$ trap 'echo x' usr1 TERM hup EXIT KILL; trap; trap - 0 1; trap; trap '' 31 2; trap
trap -- 'echo x' EXIT
trap -- 'echo x' HUP
trap -- 'echo x' KILL
trap -- 'echo x' USR1
trap -- 'echo x' TERM
trap -- 'echo x' KILL
trap -- 'echo x' USR1
trap -- 'echo x' TERM
trap -- '' INT
trap -- 'echo x' KILL
trap -- 'echo x' USR1
trap -- 'echo x' TERM
trap -- '' SYS
$ trap 'echo x' FOO; echo $?; trap 'echo x' 65; echo $?; trap - FOO; echo $?; trap x; echo $?; trap x 2 SIGTERM 3; echo $?; trap
1
1
1
1
1
trap -- 'x' INT
stderr: trap: FOO: bad trap
stderr: trap: 65: bad trap
stderr: trap: FOO: bad trap
stderr: trap: x: bad trap
stderr: trap: SIGTERM: bad trap
"#,
        );
    }

    /// XCU 2.15, `exec`.
    #[test]
    fn what_exec_changes_stays() {
        check(
            r#"
$ exec 3>&1; echo a >&3; exec 3>&-; echo b >&3; echo $?; exec; echo $?; exec 1>&2; echo err
a
2
0
stderr: script: 1: 3: Bad file descriptor
stderr: err
$ exec 3>&1 >/dev/null; echo lost; echo kept >&3; (exec >&3; echo sub); echo lost
kept
sub
$ exec echo a; echo no
stderr: script: 1: echo: not found
exit: 127
"#,
        );
    }

    /// XCU `cd` and `pwd`.
    #[test]
    fn directories_change() {
        check_in_world(
            r#"
$ cd /; pwd; echo $PWD $OLDPWD; cd /w/dir; pwd; echo $PWD $OLDPWD; cd ..; pwd; cd -
> cd ../dir/./sub; pwd; cd -L /; pwd; cd -- /w; pwd
/
/ /w
/w/dir
/w/dir /
/w
/w/dir
/w/dir/sub
/
/w
$ cd missing; echo $?; pwd; cd a.txt; echo $?; HOME=/w/dir; cd; pwd; cd ../../..; pwd; cd w//dir/; pwd; cd ''; pwd
2
/w
2
/w/dir
/
/w/dir
/w/dir
stderr: script: 1: cd: can't cd to missing
stderr: script: 1: cd: can't cd to a.txt
$ cd dir; (cd /; pwd); pwd; x=$(cd /; pwd); echo $x; PWD=/x; pwd; OLDPWD=/; cd -; pwd
/
/w/dir
/
/w/dir
/
/
$ cd -; echo $? $PWD; unset HOME; cd; echo $? $PWD; cd link; echo $?
/w
0 /w
0 /w
2
stderr: script: 1: cd: can't cd to link
"#,
        );
    }

    /// XCU 2.15, `dot`.
    /// What a function, `{ }`, `eval` or a file changes is the shell's.
    #[test]
    fn what_exec_changes_stays_behind_commands() {
        check_in_world(
            r#"
$ f() { exec 3>&1; }; f; echo a >&3; { exec 4>&1; } 2>n; echo b >&4; eval 'exec 5>&1'; echo c >&5
> echo 'exec 6>&1' >x; . ./x; echo e >&6; f >n; echo d >&3; read x <n; echo $x
a
b
c
e
d
"#,
        );
    }

    #[test]
    fn dot_runs_a_file_here() {
        check_in_world(
            r#"
$ . ./dir/x.sh; echo $? $v; . /w/dir/x.sh; f() { . dir/x.sh; echo on; return 5; }; f; echo $?
sourced one
3 1
sourced one
sourced
on
5
$ PATH=/w/bin:/w/dir; . x.sh; echo $?; PATH=dir; . x.sh; echo $?
sourced one
3
sourced one
3
$ set -e; . dir/x.sh; echo no
sourced one
exit: 3
$ . dir/x.sh || echo caught; . ./b.txt; echo $?; (exit 3); . ./b.txt; echo $?; echo 'echo $?' >n
> (exit 3); . ./n
sourced one
caught
0
0
3
$ . b.txt; echo no
stderr: script: 1: .: cannot open b.txt: No such file
exit: 2
$ . dir; echo no
stderr: script: 1: .: cannot open dir: No such file
exit: 2
"#,
        );
    }

    #[test]
    fn parents_go_by_name() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/..", "/"),
            ("/a/../b", "/b"),
            ("/../../a", "/a"),
            ("/a//b/", "/a/b"),
            ("/a/...", "/a/..."),
        ] {
            assert_eq!(without_parents(path.as_bytes()), expected.as_bytes(), "{path}");
        }
    }

    #[test]
    fn a_text_is_quoted_as_dash_does_it() {
        for (text, expected) in [
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r#"'it'"'"'s'"#),
            ("''", r#"''"''""#),
            ("'a", r#"''"'"'a'"#),
            ("a'", r#"'a'"'""#),
        ] {
            assert_eq!(quoted(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }
}
