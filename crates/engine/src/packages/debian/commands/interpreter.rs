//! Programs of the tree that are scripts: what a shell reads is evaluated, all else ends the evaluation.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::evaluation::{Finished, Start};
use cvmkit_shell::syntax::Dialect;
use cvmkit_shell::world::{Files as _, Invocation, Ran};

use super::words::shown;
use super::{System, programs};

/// Shells whose scripts are evaluated, each with what it reads.
const SHELLS: [(&str, Dialect); 3] =
    [("sh", Dialect::Posix), ("dash", Dialect::Posix), ("bash", Dialect::Bash)];

/// The interpreter of a text and the argument that its first line gives it (execve(2)).
pub(super) fn shebang(text: &[u8]) -> Option<(String, String)> {
    let line = text.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line).trim().to_owned();
    let (program, argument) = line.split_once([' ', '\t']).unwrap_or((&line, ""));
    let (mut program, mut argument) = (program, argument.trim());
    if program.ends_with("/env") {
        (program, argument) = argument.split_once([' ', '\t']).unwrap_or((argument, ""));
    }
    let name = program.rsplit('/').next().unwrap_or(program);
    Some((name.to_owned(), argument.to_owned()))
}

/// What a shell of this name reads, if it is one whose scripts are evaluated.
pub(super) fn dialect(name: &str) -> Option<Dialect> {
    SHELLS.iter().find(|(known, _)| *known == name).map(|(_, dialect)| *dialect)
}

/// The letters of options such as `-e`; nothing if they are something else.
pub(super) fn letters(argument: &str) -> Option<Vec<u8>> {
    match argument {
        "" | "-" => Some(Vec::new()),
        argument => {
            let letters = argument.strip_prefix('-')?;
            letters.bytes().all(|byte| byte.is_ascii_lowercase()).then(|| letters.into())
        }
    }
}

/// Runs the program at a path.
pub(super) fn run(
    system: &mut System<'_, '_>,
    path: &[u8],
    invocation: Invocation<'_>,
) -> Result<Ran, Stop> {
    let unsupported = |what: String| Stop::Unsupported {
        script: invocation.script.to_owned(),
        line: invocation.line,
        what,
    };
    let program = String::from_utf8_lossy(path).into_owned();
    let text = system.read(path).unwrap_or_default();
    let Some((interpreter, argument)) = shebang(&text) else {
        return Err(unsupported(format!("the program `{program}` can't be evaluated")));
    };
    let (Some(dialect), Some(options)) = (dialect(&interpreter), letters(&argument)) else {
        return Err(unsupported(format!(
            "the {interpreter} script `{program}` can't be evaluated"
        )));
    };
    let start = Start {
        name: program,
        arguments: invocation.words.get(1..).unwrap_or_default().to_vec(),
        environment: invocation.environment.clone(),
        input: invocation.input.to_vec(),
        directory: invocation.directory.to_vec(),
        options,
        umask: invocation.umask,
        dialect,
    };
    let Finished { status, output, errors } = system.script(&text, start)?;
    invocation.output.extend(output);
    invocation.errors.extend(errors);
    // How much of its input a script has read is not known: what follows finds nothing left.
    Ok(Ran { status, consumed: invocation.input.len() })
}

/// The letters of a shell's options, where its operands start, and whether the first is a text.
fn sh_options(call: &Call<'_>) -> Result<(Vec<u8>, usize, bool), Stop> {
    let words = call.arguments();
    let (mut options, mut at, mut is_text) = (Vec::new(), 0, false);
    while let Some(word) = words.get(at).filter(|word| word.len() > 1 && word[0] == b'-') {
        at += 1;
        if word == b"--" {
            break;
        }
        for letter in &word[1..] {
            match letter {
                b'c' => is_text = true,
                b'a'..=b'z' => options.push(*letter),
                _ => {
                    return Err(call
                        .unsupported(format!("the option {}", shown(std::slice::from_ref(word)))));
                }
            }
        }
    }
    Ok((options, at, is_text))
}

/// `sh [-e..] FILE [ARGUMENT..]` and `sh [-e..] -c TEXT [NAME [ARGUMENT..]]` (sh(1)).
pub(super) fn sh(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let (options, at, is_text) = sh_options(call)?;
    let rest = call.arguments().get(at..).unwrap_or_default();
    if let Some(file) = rest.first().filter(|_| !is_text) {
        // A program that stands for a script stands for it whoever reads the script.
        let name = system.known_as(&call.path(file));
        if name.is_some_and(|name| programs::program(&name).is_some()) {
            return call.run(system, rest);
        }
    }
    let first = rest.first().cloned();
    let (text, name, arguments) = match (is_text, first) {
        (true, Some(text)) => {
            let name =
                rest.get(1).map_or_else(|| call.name(), |name| shown(std::slice::from_ref(name)));
            (text, name, rest.get(2..).unwrap_or_default().to_vec())
        }
        (true, None) => return Ok(call.usage("-c requires an argument", 2)),
        (false, Some(file)) => match call.contents(system, &file) {
            Ok(text) => (
                text,
                shown(std::slice::from_ref(&file)),
                rest.get(1..).unwrap_or_default().to_vec(),
            ),
            Err(_) => {
                let message =
                    format!("cannot open {}: No such file", shown(std::slice::from_ref(&file)));
                return Ok(call.usage(&message, 2));
            }
        },
        (false, None) => (call.input(), call.name(), Vec::new()),
    };
    let start = Start {
        name,
        arguments,
        environment: call.environment().clone(),
        input: call.input(),
        directory: call.directory().to_vec(),
        options,
        umask: call.umask(),
        dialect: dialect(&call.name()).unwrap_or(Dialect::Posix),
    };
    let finished = system.script(&text, start)?;
    call.print(&finished.output);
    call.print_error(&finished.errors);
    Ok(finished.status)
}
