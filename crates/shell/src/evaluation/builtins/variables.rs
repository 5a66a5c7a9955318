//! What changes variables, parameters and options.

use super::super::state::{Getopts, Options};
use super::super::{Fault, Shell};
use super::control::quoted;
use crate::world::World;

/// A name and what `=` gives it.
pub(super) fn split(word: &[u8]) -> (String, Option<Vec<u8>>) {
    match word.iter().position(|byte| *byte == b'=') {
        Some(at) => {
            (String::from_utf8_lossy(&word[..at]).into_owned(), Some(word[at + 1..].to_vec()))
        }
        None => (String::from_utf8_lossy(word).into_owned(), None),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

impl<W: World> Shell<'_, W> {
    /// A name of a variable, or the shell's error.
    pub(super) fn checked_name(&mut self, command: &str, name: String) -> Result<String, Fault> {
        self.check_variable(&name)?;
        match is_name(&name) {
            true => Ok(name),
            false => Err(self.error(&format!("{command}: {name}: bad variable name"))),
        }
    }

    /// `export` and `readonly`.
    pub(super) fn mark(&mut self, command: &str, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let exports = command == "export";
        let arguments = match arguments.split_first() {
            Some((option, [])) if option == b"-p" => &[],
            Some((option, rest)) if option == b"--" => rest,
            Some((option, _)) if option.starts_with(b"-") => {
                let shown = String::from_utf8_lossy(option).into_owned();
                return Err(self.unsupported(format!("`{command} {shown}`")));
            }
            _ => arguments,
        };
        if arguments.is_empty() {
            return self.print_marked(command, exports);
        }
        for word in arguments {
            let (name, value) = split(word);
            let name = self.checked_name(command, name)?;
            if let Some(value) = value {
                self.state.set(&name, value).map_err(|why| self.error(&why))?;
            }
            let variable = self.state.variables.entry(name).or_default();
            variable.exported |= exports;
            variable.read_only |= !exports;
        }
        Ok(0)
    }

    fn print_marked(&mut self, command: &str, exports: bool) -> Result<u8, Fault> {
        let marked = self.state.variables.iter().filter(|(_, variable)| match exports {
            true => variable.exported,
            false => variable.read_only,
        });
        let mut text = Vec::new();
        for (name, variable) in marked {
            text.extend_from_slice(format!("{command} {name}").as_bytes());
            if let Some(value) = &variable.value {
                text.push(b'=');
                text.extend(quoted(value));
            }
            text.push(b'\n');
        }
        self.write(1, &text)?;
        Ok(0)
    }

    /// `local`: until the function returns.
    pub(super) fn local(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        if self.state.locals.is_empty() {
            return Err(self.error("local: not in a function"));
        }
        for word in arguments {
            let (name, value) = split(word);
            if name == "-" {
                return Err(self.unsupported("`local -`"));
            }
            let name = self.checked_name("local", name)?;
            let old = self.state.variables.get(&name).cloned();
            if let Some(locals) = self.state.locals.last_mut() {
                locals.entry(name.clone()).or_insert(old);
            }
            // In dash a local variable keeps the value that it had outside.
            if let Some(value) = value {
                self.state.set(&name, value).map_err(|why| self.error(&why))?;
            }
        }
        Ok(0)
    }

    pub(super) fn unset(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let (functions, names) = match arguments.split_first() {
            Some((option, names)) if option == b"-f" => (true, names),
            Some((option, names)) if option == b"-v" || option == b"--" => (false, names),
            _ => (false, arguments),
        };
        for name in names {
            let name = String::from_utf8_lossy(name).into_owned();
            if functions {
                self.state.functions.remove(&name);
                continue;
            }
            let name = self.checked_name("unset", name)?;
            match self.state.variables.get(&name) {
                Some(variable) if variable.read_only => {
                    return Err(self.error(&format!("unset: {name}: is read only")));
                }
                _ => self.state.variables.remove(&name),
            };
        }
        Ok(0)
    }

    /// `set`: options, then positional parameters.
    pub(super) fn set(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        if arguments.is_empty() {
            let mut text = Vec::new();
            for (name, variable) in &self.state.variables {
                if let Some(value) = &variable.value {
                    text.extend_from_slice(
                        &[name.as_bytes(), b"=", &quoted(value), b"\n"].concat(),
                    );
                }
            }
            self.write(1, &text)?;
            return Ok(0);
        }
        let mut words = arguments.iter();
        while let Some(word) = words.clone().next() {
            let (on, letters) = match word.split_first() {
                Some((b'-', letters)) => (true, letters),
                Some((b'+', letters)) => (false, letters),
                _ => break,
            };
            words.next();
            match word.as_slice() {
                b"--" => {
                    self.state.set_positional(words.cloned().collect());
                    return Ok(0);
                }
                b"-" => {
                    self.state.options.trace = false;
                    self.state.options.verbose = false;
                    break;
                }
                _ => {}
            }
            for letter in letters {
                if *letter == b'o' && self.set_pipe_fail(&mut words, on) {
                    continue;
                }
                let letter = match letter {
                    b'o' => words.next().and_then(|name| Options::letter_of(name)),
                    letter => Some(*letter),
                };
                let option = letter.and_then(|letter| self.state.options.of_letter(letter));
                match option {
                    Some(option) => *option = on,
                    None => {
                        let shown = String::from_utf8_lossy(word).into_owned();
                        return Err(self.unsupported(format!("`set {shown}`")));
                    }
                }
            }
        }
        let rest: Vec<Vec<u8>> = words.cloned().collect();
        if !rest.is_empty() {
            self.state.set_positional(rest);
        }
        Ok(0)
    }

    /// `pipefail` of bash, if it is the option whose name comes next.
    fn set_pipe_fail(&mut self, words: &mut std::slice::Iter<'_, Vec<u8>>, on: bool) -> bool {
        let is_next = words.as_slice().first().is_some_and(|name| name == b"pipefail");
        let found = self.is_bash() && is_next;
        if found {
            words.next();
            self.state.options.pipe_fail = on;
        }
        found
    }

    pub(super) fn shift(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let count = match arguments.first() {
            None => 1,
            Some(text) => self.number("shift", text)?,
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > self.state.positional.len() {
            return Err(self.error("shift: can't shift that many"));
        }
        self.copied(size_of_val(self.state.positional.as_slice()) as u64)?;
        let rest = self.state.positional.split_off(count);
        self.state.set_positional(rest);
        Ok(0)
    }

    /// `getopts` (XCU `getopts`).
    pub(super) fn getopts(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let (Some(wanted), Some(name)) = (arguments.first(), arguments.get(1)) else {
            return Err(self.error("getopts: Usage: getopts optstring var [arg...]"));
        };
        let name = String::from_utf8_lossy(name).into_owned();
        let name = self.checked_name("getopts", name)?;
        let words = match arguments.get(2..) {
            Some(words) if !words.is_empty() => words.to_vec(),
            _ => {
                self.copied(self.state.size())?;
                self.state.positional.clone()
            }
        };
        let mut place = self.state.getopts;
        if place.next > words.len() + 1 {
            place = Getopts::default();
        }
        let silent = wanted.first() == Some(&b':');
        let found = next_option(&words, &mut place, wanted);
        let (letter, argument, status) = match found {
            Found::End => (b"?".to_vec(), None, 1),
            // Without one of its own, it has an empty one.
            Found::Option(letter, argument) => (vec![letter], Some(argument), 0),
            Found::Unknown(letter) if silent => (b"?".to_vec(), Some(vec![letter]), 0),
            Found::Missing(letter) if silent => (b":".to_vec(), Some(vec![letter]), 0),
            Found::Unknown(letter) | Found::Missing(letter) => {
                let why = match found {
                    Found::Unknown(_) => "Illegal option",
                    _ => "No arg for",
                };
                let message = format!(
                    "{why} -{}{}\n",
                    char::from(letter),
                    if why.starts_with('N') { " option" } else { "" }
                );
                self.write(2, message.as_bytes())?;
                (b"?".to_vec(), None, 0)
            }
        };
        self.state.set(&name, letter).map_err(|why| self.error(&why))?;
        match argument {
            Some(argument) => self.state.set("OPTARG", argument).map_err(|why| self.error(&why))?,
            None if status == 0 => drop(self.state.variables.remove("OPTARG")),
            None => {}
        }
        let index = place.next.to_string().into_bytes();
        self.state.set("OPTIND", index).map_err(|why| self.error(&why))?;
        self.state.getopts = place;
        Ok(status)
    }
}

/// What `getopts` comes to next.
enum Found {
    End,
    Option(u8, Vec<u8>),
    Unknown(u8),
    Missing(u8),
}

fn next_option(words: &[Vec<u8>], place: &mut Getopts, wanted: &[u8]) -> Found {
    let begun = place.within.take().and_then(|at| {
        let word = words.get(place.next.checked_sub(2)?)?.as_slice();
        (at < word.len()).then_some((word, at))
    });
    let (word, at) = match begun {
        Some(begun) => begun,
        None => {
            let Some(word @ [b'-', _, ..]) = words.get(place.next - 1).map(Vec::as_slice) else {
                return Found::End;
            };
            place.next += 1;
            match word {
                b"--" => return Found::End,
                word => (word, 1),
            }
        }
    };
    let letter = word[at];
    let rest = &word[at + 1..];
    let spec = wanted.iter().position(|byte| *byte == letter && letter != b':');
    match spec.map(|at| wanted.get(at + 1) == Some(&b':')) {
        None => {
            place.within = Some(at + 1);
            Found::Unknown(letter)
        }
        Some(false) => {
            place.within = Some(at + 1);
            Found::Option(letter, Vec::new())
        }
        Some(true) if !rest.is_empty() => Found::Option(letter, rest.to_vec()),
        Some(true) => match words.get(place.next - 1) {
            Some(argument) => {
                place.next += 1;
                Found::Option(letter, argument.clone())
            }
            None => Found::Missing(letter),
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::check;

    /// XCU 2.15, `export`, `readonly` and `unset`.
    #[test]
    fn variables_are_exported_and_marked() {
        check(
            r#"
$ export A=1 B; B=2; export -p; unset A; export -p; C=3; export C; export -p
export A='1'
export B='2'
export PATH='/nowhere'
export PWD='/'
export B='2'
export PATH='/nowhere'
export PWD='/'
export B='2'
export C='3'
export PATH='/nowhere'
export PWD='/'
$ readonly X='it'"'"'s' Y; readonly -p; readonly; echo $X; Y=1; echo no
readonly X='it'"'"'s'
readonly Y
readonly X='it'"'"'s'
readonly Y
it's
stderr: script: 1: Y: is read only
exit: 2
$ readonly X=1; unset X; echo no
stderr: script: 1: unset: X: is read only
exit: 2
$ readonly X=1; export X=2; echo no
stderr: script: 1: X: is read only
exit: 2
$ readonly X=1; (X=2; echo no); echo $?; export X; export -p; local y=1; echo no
2
export PATH='/nowhere'
export PWD='/'
export X='1'
stderr: script: 1: X: is read only
stderr: script: 1: local: not in a function
exit: 2
$ export 1a=2; echo no
stderr: script: 1: export: 1a: bad variable name
exit: 2
$ export a-b; echo no
stderr: script: 1: export: a-b: bad variable name
exit: 2
$ readonly =x; echo no
stderr: script: 1: readonly: : bad variable name
exit: 2
$ export -- A=1; echo $A; x='a  b' y='C=1 D=2'; export E=$x $y; echo "$E" $C $D; x=y
> export x=$x; echo $x
1
a  b 1 2
y
$ unset u; echo $?; x=1; unset -v x; echo "<$x>"; f() { echo f; }; unset -f f; f; echo $?; unset -f nofunc; echo $?; f() { echo f; }; f=1; unset f; f; echo "<$f>"; unset -- y; echo $?
0
<>
127
0
f
<>
0
stderr: script: 1: f: not found
$ unset 1x; echo no
stderr: script: 1: unset: 1x: bad variable name
exit: 2
$ unset IFS; x='a b'; echo $x; unset PATH; echo "<$PATH>"
a b
<>
"#,
        );
    }

    /// dash(1), `local`.
    #[test]
    fn local_variables_end_with_their_function() {
        check(
            r#"
$ x=0; f() { local x=1 y; y=2; echo $x $y; }; f; echo $x "<$y>"; f() { local x; echo "<$x>"; x=5
> }; f; echo $x; f() { local x; local x=3; }; f; echo $x
1 2
0 <>
<0>
0
0
$ f() { local u=1; unset u; echo "<$u>"; }; f; echo "<$u>"; g() { local v=1; h; echo $v; }
> h() { echo $v; v=2; }; g; echo "<$v>"
<>
<>
1
2
<>
$ f() { local a-b; }; f; echo no
stderr: script: 1: local: a-b: bad variable name
exit: 2
$ f() { local x=1; return 3; }; f; echo $? "<$x>"; x=9; f() { local x=$1; [ $x = 0 ] || f 0
> echo $x; }; f 1; echo $x
3 <>
0
1
9
"#,
        );
    }

    /// XCU 2.15, `set`.
    #[test]
    fn set_gives_parameters_and_options() {
        check(
            r#"
$ set -- a 'b c'; echo $# "$2"; set --; echo $#; set x y; echo $# $1; set - z; echo $# $1
> set -- -e; echo $1 $-; set -f; echo $# $1
2 b c
0
2 x
1 z
-e
1 -e
$ set -e -u +e; echo $-; set -o noglob; echo $-; set +o noglob -o noclobber -o allexport; echo $-; set -fu; echo $-; set +fu; echo $-; set -ef a b; echo $- $1; set -x; set - q 2>/dev/null; echo $- $1
u
uf
uaC
uaCf
aC
aCfe a
aCfe q
stderr: + set - q
$ set -o errexit -o nounset; echo $-; set +o errexit +o nounset; echo "<$->"
ue
<>
$ unset PWD PATH PPID PS1 PS2 PS4 OLDPWD MAIL MAILPATH; IFS=:; x='a b' y=; set; export z; set
IFS=':'
OPTIND='1'
x='a b'
y=''
IFS=':'
OPTIND='1'
x='a b'
y=''
"#,
        );
    }

    /// XCU 2.15, `shift`.
    #[test]
    fn shift_takes_parameters_away() {
        check(
            r#"
$ shift; echo $# "$1"; shift 2; echo $# $1; shift 0; echo $#; shift 1; echo $#; shift 0; echo $?
3 t wo
1 four
1
0
0
$ shift 4; echo $#; shift; echo no
0
stderr: script: 1: shift: can't shift that many
exit: 2
$ shift 5; echo no
stderr: script: 1: shift: can't shift that many
exit: 2
$ shift x; echo no
stderr: script: 1: shift: Illegal number: x
exit: 2
$ shift -1; echo no
stderr: script: 1: shift: Illegal number: -1
exit: 2
"#,
        );
    }

    /// XCU `getopts`.
    #[test]
    fn getopts_goes_through_options() {
        check(
            r#"
$ set -- -a -b v -cw -- -a; while getopts ab:c: o; do echo "$o <$OPTARG> $OPTIND"; done
> echo "$o $OPTIND"; shift $((OPTIND-1)); echo "$@"
a <> 2
b <v> 4
c <w> 5
? 6
-a
$ set -- -abv x; while getopts ab: o; do echo "$o <$OPTARG>"; done; echo $? $OPTIND
a <>
b <v>
0 2
$ set -- -abc; while getopts abc o; do echo "$o"; done; echo "$o $OPTIND"; set -- x -a; OPTIND=1
> getopts a o; echo $? $o $OPTIND; set -- -; OPTIND=1; getopts a o; echo $? $OPTIND; set --
> OPTIND=1; getopts a o; echo $? $OPTIND
a
b
c
? 2
1 ? 1
1 1
1 1
$ set -- -x -b; while getopts ab: o; do echo "$o <$OPTARG> $OPTIND"; done; echo $OPTIND
? <> 2
? <> 3
3
stderr: Illegal option -x
stderr: No arg for -b option
$ set -- -x -b; while getopts :ab: o; do echo "$o <$OPTARG> $OPTIND"; done; echo $OPTIND
? <x> 2
: <b> 3
3
$ while getopts ab: o -a -b 'v w' rest; do echo "$o <$OPTARG>"; done; echo $OPTIND $#
> set -- -b ''; OPTIND=1; getopts b: o; echo "$o <$OPTARG> $OPTIND"
a <>
b <v w>
4 4
b <> 3
$ set -- -abc -d; while getopts abcd o; do echo "$o $OPTIND"; done; set -- -axb; while getopts :ab o; do echo "$o $OPTIND"; done
a 2
b 2
c 2
d 3
a 2
? 2
b 2
$ set -- -ab -c; getopts abc o; OPTIND=$OPTIND; getopts abc o; echo $o $OPTIND; set -- -ba; getopts ab o; echo $o; shift 0; getopts ab o; echo $o; OPTIND=9; getopts ab o; echo $o $OPTIND
c 3
b
b
b 2
$ f() { getopts ab o "$@"; echo $o $OPTIND; }; g() { local OPTIND=1; f "$@"; }; set -- -ab; getopts ab o; f -b -a; f -b -a; g -a; getopts ab o; echo $o $OPTIND
b 2
b 2
a 2
? 2
$ OPTARG=x; set -- -a -b; getopts ab: o; echo "<${OPTARG-unset}>"; getopts ab: o 2>/dev/null; echo "<${OPTARG-unset}>"; OPTARG=y; getopts ab: o; echo "<${OPTARG-unset}>"
<>
<unset>
<y>
$ OPTIND=x; echo no
stderr: script: 1: Illegal number: x
exit: 2
$ getopts a; echo no
no
stderr: script: 1: getopts: Usage: getopts optstring var [arg...]
$ getopts a 1x -a; echo no
no
stderr: script: 1: getopts: 1x: bad variable name
$ readonly o; getopts a o -a; echo no
no
stderr: script: 1: o: is read only
"#,
        );
    }
}
