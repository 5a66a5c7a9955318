//! Programs that can't run for want of what runs them: a script whose interpreter is missing, an
//! ELF file whose loader is, a command that is not there.
//!
//! Looked at are the commands of enabled units and the executable files of the definition: what
//! packages have beside that may be for others; an audit asks all files.

use cvmkit_formats::source::Source as _;
use cvmkit_formats::tree::Node;

use super::assembly::{Assembly, bare};
use super::error::MissingProgram;
use super::{PlacedNode, RootfsError};
use crate::content::Content;

/// Where systemd looks for a command that is no path (systemd.service(5), "Command lines").
const PATH: [&str; 4] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];

/// The most the kernel reads of a script's first line (`BINPRM_BUF_SIZE`, `linux/binfmts.h`).
const LINE_MAX: usize = 256;

/// Where a boot may put a program.
const RUNTIME: [&str; 5] = ["/run/", "/var/", "/tmp/", "/proc/", "/dev/"];

/// Checks the program of a unit's command; answers it if it is nowhere.
pub(super) fn check_command(
    assembly: &Assembly<'_>,
    unit: &str,
    file: &str,
    words: &[String],
) -> Result<Option<MissingProgram>, RootfsError> {
    let Some(program) = words.first().filter(|program| !program.contains(['%', '$'])) else {
        return Ok(None);
    };
    let path = match program.contains('/') {
        true => Some(program.clone()),
        false => PATH
            .iter()
            .map(|folder| format!("{folder}/{program}"))
            .find(|path| assembly.find(path).is_some()),
    };
    if RUNTIME.iter().any(|folder| program.starts_with(folder)) {
        return Ok(None);
    }
    match path.filter(|path| assembly.is_file(path)) {
        Some(path) => check_file(assembly, &path).map(|()| None),
        None => Ok(Some(MissingProgram {
            unit: unit.to_owned(),
            program: program.clone(),
            file: file.to_owned(),
        })),
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
pub(super) fn check_file(assembly: &Assembly<'_>, path: &str) -> Result<(), RootfsError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::tests::{assembly, refused};
    use crate::rootfs::{Placed, Request};

    /// A 64-bit little-endian ELF file whose second program header names this loader (elf(5)).
    fn elf(loader: &str) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(64 + 2 * 56, 0);
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(32, &64_u64.to_le_bytes()); // e_phoff
        put(54, &56_u16.to_le_bytes()); // e_phentsize
        put(56, &2_u16.to_le_bytes()); // e_phnum
        put(64, &1_u32.to_le_bytes()); // PT_LOAD
        put(120, &3_u32.to_le_bytes()); // PT_INTERP
        put(128, &176_u64.to_le_bytes()); // p_offset
        put(152, &(loader.len() as u64 + 1).to_le_bytes()); // p_filesz
        file.extend(loader.as_bytes());
        file.push(0);
        file
    }

    #[test]
    fn the_loader_of_an_elf_file_is_found() {
        let good = elf("/lib64/ld-linux-x86-64.so.2");
        assert_eq!(loader(&good).as_deref(), Some("/lib64/ld-linux-x86-64.so.2"));
        let changed = |at: usize, byte: u8| {
            let mut other = good.clone();
            other[at] = byte;
            loader(&other)
        };
        for (at, byte, what) in [
            (0, 0, "no magic number"),
            (4, 1, "32 bits"),
            (5, 2, "big-endian"),
            (56, 1, "one header, which is not it"),
            (120, 4, "another kind of header"),
            (39, 255, "headers outside of the file"),
            (135, 255, "a path outside of the file"),
            (159, 255, "a path that is too long"),
        ] {
            assert_eq!(changed(at, byte), None, "{what}");
        }
        assert_eq!(loader(&good[..good.len() - 1]), None, "cut off");
        assert_eq!(loader(b""), None);
    }

    /// A tree with a script or program at `/usr/bin/x`.
    fn checked(bytes: &[u8], files: &[(&str, &str)]) -> Result<(), RootfsError> {
        let request = Request::default();
        let mut assembly = assembly(&request, files);
        assembly.write("/usr/bin/x", 0o755, bytes.to_vec())?;
        check_file(&assembly, "/usr/bin/x")
    }

    /// execve(2), "Interpreter scripts".
    #[test]
    fn what_runs_a_program_must_be_there() {
        let there =
            [("/usr/bin/sh", ""), ("/bin", "-> usr/bin"), ("/usr/bin/env", ""), ("/lib/ld.so", "")];
        let plain = elf("/lib/ld.so");
        let lost = elf("/lib/lost.so");
        for (bytes, missing) in [
            (&b"#!/bin/sh\n"[..], None),
            (b"#!/bin/sh -e\n", None),
            (b"#! /bin/sh\n", None),
            (b"#!/bin/sh", None),
            (b"#!/bin/bash\n", Some("/bin/bash")),
            (b"#!/bin/folder\n", Some("/bin/folder")),
            (b"#!/usr/bin/env sh\n", None),
            (b"#!/usr/bin/env -S sh -e\n", None),
            (b"#!/usr/bin/env A=b sh\n", None),
            (b"#!/usr/bin/env python3\n", Some("python3")),
            (b"#!/usr/bin/env /bin/sh\n", None),
            (b"#!/usr/bin/env /opt/gone\n", Some("/opt/gone")),
            (b"#!/usr/bin/env\n", None),
            (b"#!/usr/bin/not-env python3\n", Some("/usr/bin/not-env")),
            (b"#!/run/made/later\n", None),
            (b"#!/var/lib/x\n", None),
            (b"#!/runner\n", Some("/runner")),
            (b"#!\n", None),
            (b"no script", None),
            (b"", None),
            (&plain, None),
            (&lost, Some("/lib/lost.so")),
        ] {
            match (checked(bytes, &there), missing) {
                (Ok(()), None) => {}
                (Err(RootfsError::NoInterpreter { path, runner }), Some(missing)) => {
                    assert_eq!((path.as_str(), runner.as_str()), ("usr/bin/x", missing));
                }
                (found, _) => panic!("{}: {found:?}", bytes.escape_ascii()),
            }
        }
    }

    #[test]
    fn an_interpreter_that_is_a_script_needs_its_own() {
        let lost =
            [("/usr/bin/first", "#!/usr/bin/second\n"), ("/usr/bin/second", "#!/usr/bin/gone\n")];
        let error = checked(b"#!/usr/bin/first\n", &lost).unwrap_err();
        let RootfsError::NoInterpreter { path, runner } = error else { panic!("{error}") };
        assert_eq!((path.as_str(), runner.as_str()), ("usr/bin/second", "/usr/bin/gone"));
        // The kernel gives up after five: so does this, without an end there would be none.
        checked(b"#!/usr/bin/loop\n", &[("/usr/bin/loop", "#!/usr/bin/loop\n")]).unwrap();
    }

    #[test]
    fn the_program_of_an_enabled_unit_is_there() {
        let request = Request::default();
        let assembly = assembly(
            &request,
            &[
                ("/usr/bin/here", "x"),
                ("/usr/local/bin/own", "x"),
                ("/usr/bin/script", "#!/gone\n"),
                ("/usr/bin/folder/x", ""),
                ("/opt/not-in-path", "x"),
            ],
        );
        for (words, is_there) in [
            (&["/usr/bin/here", "a"][..], true),
            (&["here"], true),
            (&["own"], true),
            (&["/gone"], false),
            (&["gone"], false),
            (&["not-in-path"], false),
            (&["/usr/bin/folder"], false),
            (&["folder"], false),
            (&["/run/x"], true),
            (&["/var/lib/x"], true),
            (&["/tmp/x"], true),
            (&["$PROGRAM"], true),
            (&["/opt/%i"], true),
            (&[], true),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let found = check_command(&assembly, "a.service", "/etc/a", &words);
            let missing = MissingProgram {
                unit: "a.service".to_owned(),
                program: words.first().cloned().unwrap_or_default(),
                file: "/etc/a".to_owned(),
            };
            assert_eq!(found.unwrap(), (!is_there).then_some(missing), "{words:?}");
        }
        let script = check_command(&assembly, "a.service", "/etc/a", &["script".to_owned()]);
        refused(script, "`/usr/bin/script` can't run: `/gone`");
    }

    #[test]
    fn programs_of_the_definition_are_checked_and_its_other_files_are_not() {
        let placed = |mode, node| Placed {
            path: "/opt/x".into(),
            mode,
            user: "root".into(),
            group: "root".into(),
            xattrs: std::collections::BTreeMap::new(),
            node,
        };
        let script = || PlacedNode::File("#!/gone\n".into());
        for (mode, node, is_refused) in [
            (0o755, script(), true),
            (0o100, script(), true),
            (0o010, script(), true),
            (0o001, script(), true),
            (0o644, script(), false),
            (0o755, PlacedNode::Directory, false),
            (0o755, PlacedNode::File("text".into()), false),
        ] {
            let files = [placed(mode, node)];
            let request = Request { files: &files, ..Request::default() };
            let mut assembly = assembly(&request, &[]);
            if let PlacedNode::File(content) = &files[0].node {
                assembly.write("/opt/x", mode, content.clone()).unwrap();
            }
            assert_eq!(check_own(&assembly).is_err(), is_refused, "{mode:o}");
        }
    }
}
