//! Programs that can't run for want of what runs them: a script whose interpreter is missing, an
//! ELF file whose loader is, a command that is not there.
//!
//! Looked at are the commands of enabled units and the executable files of the definition: what
//! packages have beside that may be for others.

use cvmkit_formats::source::Source as _;
use cvmkit_formats::tree::Node;

use super::assembly::{Assembly, bare};
use super::{PlacedNode, RootfsError};
use crate::content::Content;

/// Where systemd looks for a command that is no path (systemd.service(5), "Command lines").
const PATH: [&str; 4] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];

/// The most the kernel reads of a script's first line (`BINPRM_BUF_SIZE`, `linux/binfmts.h`).
const LINE_MAX: usize = 256;

/// Where a boot may put a program.
const RUNTIME: [&str; 5] = ["/run/", "/var/", "/tmp/", "/proc/", "/dev/"];

/// Checks the program of a unit's command.
pub(super) fn check_command(
    assembly: &Assembly<'_>,
    unit: &str,
    file: &str,
    words: &[String],
) -> Result<(), RootfsError> {
    let Some(program) = words.first().filter(|program| !program.contains(['%', '$'])) else {
        return Ok(());
    };
    let path = match program.contains('/') {
        true => Some(program.clone()),
        false => PATH
            .iter()
            .map(|folder| format!("{folder}/{program}"))
            .find(|path| assembly.find(path).is_some()),
    };
    if RUNTIME.iter().any(|folder| program.starts_with(folder)) {
        return Ok(());
    }
    match path.filter(|path| assembly.is_file(path)) {
        Some(path) => check_file(assembly, &path),
        None => Err(RootfsError::Unit {
            unit: unit.to_owned(),
            why: format!(
                "is enabled and runs `{program}`, which is not in the image\n  --> {file}"
            ),
        }),
    }
}

/// Checks the executable files of the definition.
pub(crate) fn check_own(assembly: &Assembly<'_>) -> Result<(), RootfsError> {
    for file in assembly.request.files {
        if matches!(file.node, PlacedNode::File(_)) && file.mode & 0o111 != 0 {
            check_file(assembly, &file.path)?;
        }
    }
    Ok(())
}

/// Follows a script to its interpreter, and that one to its own.
fn check_file(assembly: &Assembly<'_>, path: &str) -> Result<(), RootfsError> {
    let mut path = path.to_owned();
    // The kernel gives up after five (`exec_binprm`, `fs/exec.c`).
    for _ in 0..5 {
        let Some(runner) = runner(assembly, &path)? else { return Ok(()) };
        if RUNTIME.iter().any(|folder| runner.starts_with(folder)) {
            return Ok(());
        }
        if !assembly.is_file(&runner) {
            return Err(RootfsError::NoInterpreter { path: bare(&path).to_owned(), runner });
        }
        path = runner;
    }
    Ok(())
}

/// What the kernel starts instead of the file: the interpreter of a script, the loader of an ELF
/// file; nothing for a file that runs by itself.
fn runner(assembly: &Assembly<'_>, path: &str) -> Result<Option<String>, RootfsError> {
    let Some(id) = assembly.find(path) else { return Ok(None) };
    let Node::File(content) = &assembly.tree.inode(id).node else { return Ok(None) };
    let start = head(content)
        .map_err(|source| RootfsError::Read { path: bare(path).to_owned(), source })?;
    if let Some(line) = start.strip_prefix(b"#!") {
        let end = line.iter().position(|&byte| byte == b'\n').unwrap_or(line.len());
        let line = String::from_utf8_lossy(line.get(..end).unwrap_or_default()).into_owned();
        let mut words = line.split_whitespace();
        let interpreter = words.next().map(str::to_owned);
        let is_env = interpreter.as_deref().is_some_and(|path| path.ends_with("/env"));
        // `env` looks for what really runs.
        let named = words.find(|word| !word.starts_with('-') && !word.contains('='));
        return Ok(match named.filter(|_| is_env) {
            Some(name) if !name.contains('/') => {
                let mut places = PATH.iter().map(|folder| format!("{folder}/{name}"));
                let found = places.find(|place| assembly.is_file(place));
                Some(found.unwrap_or_else(|| name.to_owned()))
            }
            Some(path) => Some(path.to_owned()),
            None => interpreter,
        });
    }
    Ok(loader(&start))
}

/// The start of a file, as much of it as tells what runs it.
fn head(content: &Content) -> std::io::Result<Vec<u8>> {
    /// The program headers and the loader's path come at the start.
    const LEN: u64 = 4096;
    let len = usize::try_from(content.len().min(LEN)).unwrap_or(LINE_MAX);
    let mut start = vec![0; len];
    content.read_at(0, &mut start)?;
    Ok(start)
}

/// `PT_INTERP` of a 64-bit little-endian ELF file (elf(5)); nothing for another file.
fn loader(start: &[u8]) -> Option<String> {
    /// `e_ident` up to the version: class 64, little-endian.
    const MAGIC: &[u8] = b"\x7fELF\x02\x01\x01";
    const PT_INTERP: u64 = 3;
    let number = |at: usize, len: usize| -> Option<u64> {
        let bytes = start.get(at..at.checked_add(len)?)?;
        Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    };
    if !start.starts_with(MAGIC) {
        return None;
    }
    let table = usize::try_from(number(32, 8)?).ok()?;
    let (size, count) = (number(54, 2)?, number(56, 2)?);
    for index in 0..count {
        let at = table.checked_add(usize::try_from(size.checked_mul(index)?).ok()?)?;
        if number(at, 4)? == PT_INTERP {
            let offset = usize::try_from(number(at.checked_add(8)?, 8)?).ok()?;
            let len = usize::try_from(number(at.checked_add(32)?, 8)?).ok()?;
            let path = start.get(offset..offset.checked_add(len)?)?;
            let path = path.split(|&byte| byte == 0).next()?;
            return Some(String::from_utf8_lossy(path).into_owned());
        }
    }
    None
}
