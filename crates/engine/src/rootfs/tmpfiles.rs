//! Carries out what of tmpfiles.d(5) must be in the image, since its root is read-only at boot.
//!
//! Only paths that are part of the image count: `/run`, `/dev`, `/proc`, `/sys` and `/tmp` are made
//! at boot. Types `d D v q Q f L C z` are done; those that only clean, or change a running system,
//! are left to the boot. Lines that are for the boot only (`!`), take a credential (`^`) or name
//! something of the running machine (`%m`) are left to it too. Any other type is an error.
//!
//! Oracle: `systemd-tmpfiles --root --create`.

use cvmkit_formats::tree::{Inode, Meta};

use super::assembly::Assembly;
use super::attribution::Author;
use super::configuration::{files, first_words};
use super::{Accounts, RootfsError, escape, mode};

const FOLDERS: &[&str] = &["/etc/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d"];

/// Where the boot has its own file systems.
const RUNTIME: &[&str] = &["/run", "/dev", "/proc", "/sys", "/tmp", "/var/run", "/var/lock"];

/// Types that clean, or act on what only exists at boot: nothing to do in an image.
const BOOT_TYPES: &[char] =
    &['e', 'w', 'p', 'c', 'b', 'x', 'X', 'r', 'R', 'Z', 't', 'T', 'h', 'H', 'a', 'A', 'm'];

/// Type, path, mode, user, group and age; all that follows is the argument.
const FIELDS_BEFORE_ARGUMENT: usize = 6;

/// One line.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    kind: char,
    replaces: bool,
    path: String,
    mode: Option<u16>,
    user: Option<String>,
    group: Option<String>,
    /// A mode or owner with `:` applies only to what the line makes.
    on_creation: bool,
    /// What a file holds, where a link leads, or what is copied.
    argument: Option<Vec<u8>>,
}

/// Carries out every line of every file, in the order of the files' names.
pub(crate) fn apply(assembly: &mut Assembly<'_>, accounts: &Accounts) -> Result<(), RootfsError> {
    for path in files(assembly, FOLDERS)? {
        let text = assembly.text(&path)?.unwrap_or_default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let syntax = |why| RootfsError::Syntax {
                path: path.trim_start_matches('/').to_owned(),
                line: number,
                why,
            };
            if let Some(line) = parse(line).map_err(syntax)? {
                carry_out(assembly, accounts, &path, &line)?;
            }
        }
    }
    Ok(())
}

/// Nothing for a line that is left to the boot.
fn parse(line: &str) -> Result<Option<Line>, String> {
    let (fields, rest) = first_words(line, FIELDS_BEFORE_ARGUMENT)?;
    let field = |index: usize| {
        fields.get(index).map(String::as_str).filter(|field| !field.is_empty() && *field != "-")
    };
    let kind = field(0).ok_or("the type is missing")?;
    let path = field(1).ok_or("the path is missing")?.trim_end_matches('/');
    let mut letters = kind.chars();
    let letter = letters.next().unwrap_or_default();
    let flags = letters.as_str();
    if let Some(unknown) = flags.chars().find(|flag| !"+!-=~^$?".contains(*flag)) {
        return Err(format!("type `{kind}`: unknown flag `{unknown}`"));
    }
    let runtime = RUNTIME.iter().any(|root| {
        path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if runtime || path.is_empty() || BOOT_TYPES.contains(&letter) {
        return Ok(None);
    }
    if flags.contains(['!', '^']) || path.contains(['%', '*']) {
        return Ok(None);
    }
    if !"dDvqQfLCz".contains(letter) {
        return Err(format!("type `{kind}` is not supported"));
    }
    if !path.starts_with('/') {
        return Err(format!("`{path}` is not absolute"));
    }
    let argument = match argument(letter, rest)?.map(|text| expanded(&text)) {
        Some(None) => return Ok(None),
        argument => argument.flatten(),
    };
    let on_creation = [2, 3, 4].iter().any(|&at| field(at).is_some_and(|f| f.starts_with(':')));
    let owner = |index| field(index).map(|name| name.trim_start_matches(':').to_owned());
    Ok(Some(Line {
        kind: letter,
        replaces: flags.contains('+'),
        path: path.to_owned(),
        mode: field(2).map(permissions).transpose()?,
        user: owner(3),
        group: owner(4),
        on_creation,
        argument,
    }))
}

/// The argument that the rest of a line is, escapes decoded; nothing for `-`, and for a type that has none.
fn argument(letter: char, rest: &str) -> Result<Option<Vec<u8>>, String> {
    if rest.is_empty() || rest == "-" || !"fLC".contains(letter) {
        return Ok(None);
    }
    let argument = escape::decoded(rest)?;
    match letter == 'f' || str::from_utf8(&argument).is_ok() {
        true => Ok(Some(argument)),
        false => Err(format!("`{rest}`: expected a path in UTF-8")),
    }
}

/// The text with `%%` as `%`; nothing if it has another specifier, which only a running machine can answer.
fn expanded(text: &[u8]) -> Option<Vec<u8>> {
    let mut parts = text.split(|&byte| byte == b'%');
    let mut expanded = parts.next().unwrap_or_default().to_vec();
    while let Some(specifier) = parts.next() {
        let behind = parts.next().filter(|_| specifier.is_empty())?;
        expanded.push(b'%');
        expanded.extend_from_slice(behind);
    }
    Some(expanded)
}

fn permissions(text: &str) -> Result<u16, String> {
    mode::octal(text.trim_start_matches([':', '~']))
        .ok_or_else(|| format!("mode `{text}`: expected an octal number"))
}

fn carry_out(
    assembly: &mut Assembly<'_>,
    accounts: &Accounts,
    file: &str,
    line: &Line,
) -> Result<(), RootfsError> {
    let exists = assembly.occupied(&line.path);
    match line.kind {
        'd' | 'D' | 'v' | 'q' | 'Q' if !exists => {
            let meta = meta(assembly, accounts, file, line, 0o755)?;
            assembly.note(format!("{} made as {file} says", line.path));
            return assembly.directory(&line.path, meta);
        }
        'f' if !exists => {
            let meta = meta(assembly, accounts, file, line, 0o644)?;
            assembly.note(format!("{} made as {file} says", line.path));
            return assembly.put(
                &line.path,
                Inode::file(meta, line.argument.clone().unwrap_or_default().into()),
            );
        }
        'L' => return link(assembly, file, line, exists),
        'C' if !exists => return copy(assembly, file, line),
        _ => {}
    }
    // What exists keeps its contents and takes over the mode and owner that are given.
    let Some(id) = assembly.find(&line.path).filter(|_| exists && !line.on_creation) else {
        return Ok(());
    };
    let old = assembly.tree.inode(id).meta.clone();
    let uid = line.user.as_deref().map(|name| accounts.uid(name, file)).transpose()?;
    let gid = line.group.as_deref().map(|name| accounts.gid(name, file)).transpose()?;
    let meta = assembly.tree.meta_mut(id);
    meta.mode = line.mode.unwrap_or(old.mode);
    meta.uid = uid.unwrap_or(old.uid);
    meta.gid = gid.unwrap_or(old.gid);
    if *meta != old {
        let (mode, uid, gid) = (meta.mode, meta.uid, meta.gid);
        attribute(assembly, file, &line.path);
        assembly.note(format!("{} is {mode:04o} {uid}:{gid} as {file} says", line.path));
    }
    Ok(())
}

/// Notes who gives a path its mode: the package that brings the file of lines, if no distribution vouches for it, or
/// nobody. What a distribution's file says of another's path counts as if that one had said it.
fn attribute(assembly: &mut Assembly<'_>, file: &str, path: &str) {
    let spelled = |path: &str| assembly.tree.real_path(path.as_bytes()).ok();
    let (Some(file), Some(path)) = (spelled(file), spelled(path)) else { return };
    let is_replaced =
        assembly.attribution.contents.contains_key(&file) || assembly.layered.files.contains(&file);
    let author = match (assembly.attribution.contents.get(&file), assembly.owners.get(&file)) {
        (Some(Author::Script(package)), _) => Author::Script(package.clone()),
        (_, Some(package)) if !is_replaced => {
            if !assembly.request.own_packages.contains(package) {
                return;
            }
            Author::Script(package.clone())
        }
        _ => Author::Nobody,
    };
    assembly.attribution.given(&path, author);
}

fn meta(
    assembly: &Assembly<'_>,
    accounts: &Accounts,
    file: &str,
    line: &Line,
    default: u16,
) -> Result<Meta, RootfsError> {
    let mut meta = assembly.root(line.mode.unwrap_or(default));
    meta.uid = line.user.as_deref().map_or(Ok(0), |name| accounts.uid(name, file))?;
    meta.gid = line.group.as_deref().map_or(Ok(0), |name| accounts.gid(name, file))?;
    Ok(meta)
}

fn link(
    assembly: &mut Assembly<'_>,
    file: &str,
    line: &Line,
    exists: bool,
) -> Result<(), RootfsError> {
    let target = source(line);
    if exists && (!line.replaces || assembly.target(&line.path).as_ref() == Some(&target)) {
        return Ok(());
    }
    assembly.note(format!("{} links to {target} as {file} says", line.path));
    assembly.link(&line.path, &target)
}

/// Only single files are copied; a directory would be an error.
fn copy(assembly: &mut Assembly<'_>, file: &str, line: &Line) -> Result<(), RootfsError> {
    let source = source(line);
    let Some(id) = assembly.find(&source) else { return Ok(()) };
    if assembly.tree.inode(id).is_directory() {
        return Err(RootfsError::Unsupported {
            path: source.trim_start_matches('/').to_owned(),
            what: format!("a directory that {file} copies"),
        });
    }
    let inode = assembly.tree.inode(id).clone();
    assembly.note(format!("{} copied from {source} as {file} says", line.path));
    assembly.put(&line.path, inode)
}

/// The argument of a link or a copy: the original in the factory's folder if none is given.
fn source(line: &Line) -> String {
    match &line.argument {
        Some(argument) => String::from_utf8_lossy(argument).into_owned(),
        None => format!("/usr/share/factory{}", line.path),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the oracle needs real folders")]

    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::rootfs::tests::{MASTERS, access, assembly, at, is_root, oracle, refused};
    use crate::rootfs::{Request, accounts};

    #[test]
    fn what_the_boot_does_is_left_to_it() {
        for line in [
            "d /run/lock 1777 root root -",
            "d /run",
            "r! /forcefsck",
            "f^ /etc/hosts - - - - network.hosts",
            "z /var/log/journal/%m 2755 root systemd-journal - -",
            "a+ /var/log/journal - - - - d:group::r-x",
            "x /var/tmp/systemd-private-%b-*",
            "L /var/run - - - - ../run",
        ] {
            assert_eq!(parse(line).unwrap(), None, "{line}");
        }
    }

    #[test]
    fn image_paths_are_kept() {
        let line = parse("d- /root :0700 root :root -").unwrap().unwrap();
        assert!(line.on_creation);
        assert_eq!((line.mode, line.group.as_deref()), (Some(0o700), Some("root")));
        let line = parse("L+ /etc/mtab   -    -    -    -  ../proc/self/mounts").unwrap().unwrap();
        let target = &b"../proc/self/mounts"[..];
        assert_eq!((line.replaces, line.argument.as_deref()), (true, Some(target)));
        assert_eq!(parse("d /runner").unwrap().unwrap().path, "/runner");
    }

    #[test]
    fn unknown_types_flags_and_modes_are_errors() {
        for (line, why) in [
            ("k /etc/x", "type `k` is not supported"),
            ("d@ /etc/x", "type `d@`: unknown flag `@`"),
            ("d+@ /etc/x", "type `d+@`: unknown flag `@`"),
            ("d /etc/x 9999", "mode `9999`: expected an octal number"),
            ("d /etc/x 17777", "mode `17777`: expected an octal number"),
            ("d /etc/x +755", "mode `+755`: expected an octal number"),
            ("d /etc/x :~+755", "mode `:~+755`: expected an octal number"),
            ("d /etc/x :", "mode `:`: expected an octal number"),
            ("d etc/x", "`etc/x` is not absolute"),
            ("d", "the path is missing"),
            ("d -", "the path is missing"),
            ("- /etc/x", "the type is missing"),
            ("d \"/etc/x", "a quote is not closed"),
            ("d /etc/x\\", "ends with a backslash"),
        ] {
            assert_eq!(parse(line).unwrap_err(), why, "{line}");
        }
    }

    /// The tree with one file of lines applied; the users `root` (0) and the group `adm` (4) exist.
    fn applied<'a>(
        request: &'a Request<'a>,
        files: &[(&str, &str)],
        lines: &str,
    ) -> Result<Assembly<'a>, RootfsError> {
        let mut assembly = assembly(request, &[("/usr/lib/tmpfiles.d/x.conf", lines)]);
        for (path, text) in files {
            assembly.write(path, 0o600, *text)?;
        }
        assembly.write("/usr/lib/sysusers.d/x.conf", 0o644, "g adm 4\n")?;
        let accounts = accounts::collect(&mut assembly, MASTERS)?;
        apply(&mut assembly, &accounts)?;
        Ok(assembly)
    }

    /// tmpfiles.d(5), "Type": what each letter makes where nothing is.
    #[test]
    fn each_type_makes_its_kind_where_nothing_is() {
        let request = Request::default();
        let factory = [("/usr/share/factory/etc/x", "factory"), ("/opt/from", "other")];
        for (line, made, is) in [
            ("d /etc/x", Some("/"), (0o755, 0, 0)),
            ("D /etc/x 0700 root adm", Some("/"), (0o700, 0, 4)),
            ("v /etc/x 0750 - adm", Some("/"), (0o750, 0, 4)),
            ("q /etc/x", Some("/"), (0o755, 0, 0)),
            ("Q /etc/x", Some("/"), (0o755, 0, 0)),
            ("d /etc/x/", Some("/"), (0o755, 0, 0)),
            ("d /etc/x :0700 :root :adm", Some("/"), (0o700, 0, 4)),
            ("d /etc/x 2755 0 4", Some("/"), (0o2755, 0, 4)),
            ("f /etc/x 0640 root adm - text", Some("text"), (0o640, 0, 4)),
            ("f /etc/x", Some(""), (0o644, 0, 0)),
            ("L /etc/x", Some("-> /usr/share/factory/etc/x"), (0o600, 0, 0)),
            ("L /etc/x - - - - /opt/from", Some("-> /opt/from"), (0o600, 0, 0)),
            ("C /etc/x", Some("factory"), (0o600, 0, 0)),
            ("C /etc/x - - - - /opt/from", Some("other"), (0o600, 0, 0)),
            ("C /etc/x - - - - /opt/missing", None, (0, 0, 0)),
            ("z /etc/x 0600 root root", None, (0, 0, 0)),
        ] {
            let assembly = applied(&request, &factory, line).unwrap();
            assert_eq!(at(&assembly, "/etc/x").as_deref(), made, "{line}");
            if made.is_some() {
                assert_eq!(access(&assembly, "/etc/x"), is, "{line}");
            }
        }
    }

    /// tmpfiles.d(5), "Argument": the rest of the line, where a path is copied from, leads to, or text that is written.
    #[test]
    fn an_argument_is_the_rest_of_its_line() {
        let request = Request::default();
        for (rest, text) in [
            ("one  two\tthree", "one  two\tthree"),
            ("  lead and trail  ", "lead and trail"),
            (r"one\\two", r"one\two"),
            (r"one\ntwo\n", "one\ntwo\n"),
            (r"\x41\101\s", "AA "),
            (r#""quoted" 'text' # no comment"#, r#""quoted" 'text' # no comment"#),
            ("-x", "-x"),
            ("--", "--"),
            ("-", ""),
            ("", ""),
            ("100%% sure", "100% sure"),
            ("%%%%", "%%"),
        ] {
            let line = format!("f /etc/x - - - - {rest}");
            let assembly = applied(&request, &[], &line).unwrap();
            assert_eq!(at(&assembly, "/etc/x").as_deref(), Some(text), "{line}");
        }
        for (line, target) in [
            ("L /etc/x - - - - a  b", "-> a  b"),
            (r"L /etc/x - - - - a\\b", r"-> a\b"),
            ("L /etc/x - - - - \"a b\"", "-> \"a b\""),
            ("L /etc/x - - - - -", "-> /usr/share/factory/etc/x"),
        ] {
            let assembly = applied(&request, &[], line).unwrap();
            assert_eq!(at(&assembly, "/etc/x").as_deref(), Some(target), "{line}");
        }
        let assembly = applied(&request, &[("/opt/a b", "from")], "C /etc/x - - - - /opt/a b");
        assert_eq!(at(&assembly.unwrap(), "/etc/x").as_deref(), Some("from"));
        let assembly = applied(&request, &[], r"f /etc/x - - - - \xff").unwrap();
        assert_eq!(assembly.read("/etc/x").unwrap(), Some(vec![0xff]));
    }

    /// tmpfiles.d(5), "Specifiers": `%H`, `%m` and others are of the machine that boots.
    #[test]
    fn an_argument_with_a_specifier_is_left_to_the_boot() {
        for rest in ["%H", "a %m", "%", "%%%", "%%a%b", r"\x25H"] {
            assert_eq!(parse(&format!("f /etc/x - - - - {rest}")).unwrap(), None, "{rest}");
        }
        assert!(parse("d /etc/x - - - - %H").unwrap().is_some(), "a folder has no argument");
    }

    #[test]
    fn an_argument_that_does_not_decode_is_refused() {
        for (line, why) in [
            (r"f /etc/x - - - - a\q", r"`\q` is not a C-style escape"),
            (r"f /etc/x - - - - a\", r"`\` is not a C-style escape"),
            (r"L /etc/x - - - - \0", r"`\0` is not a C-style escape"),
            (r"L /etc/x - - - - \xff", r"`\xff`: expected a path in UTF-8"),
            (r"C /etc/x - - - - \xff", r"`\xff`: expected a path in UTF-8"),
        ] {
            assert_eq!(parse(line).unwrap_err(), why, "{line}");
        }
        assert!(parse(r"d /etc/x - - - - \q").unwrap().is_some(), "a folder has no argument");
    }

    /// `systemd-tmpfiles` makes what is made here, of the same lines.
    #[test]
    fn systemd_makes_the_same_files() {
        const LINES: &str = r#"
d /opt/d 0750
D "/opt/with space"
d /opt/e :0711
f /opt/f 0640 - - - one  two\\three \x41\101\u00e4\s|\n
f /opt/empty
f /opt/dash - - - - -
f /opt/quotes - - - - "a" 'b' # c
f /opt/percent - - - - 100%%
f /opt/masked ~0600 - - - x
L /opt/l - - - - a  b\\c
L /opt/factory
L+ /opt/f2 - - - - f
f /opt/f2 - - - - hidden
z /opt/empty 0600
"#;
        let folder = tempfile::tempdir().unwrap();
        let lines = folder.path().join("usr/lib/tmpfiles.d");
        fs::create_dir_all(&lines).unwrap();
        fs::create_dir_all(folder.path().join("opt")).unwrap();
        fs::create_dir_all(folder.path().join("etc")).unwrap();
        fs::write(lines.join("x.conf"), LINES).unwrap();
        let root = format!("--root={}", folder.path().display());
        if !is_root() || oracle("systemd-tmpfiles", &[&root, "--create"]).is_none() {
            return;
        }
        let request = Request::default();
        let assembly = applied(&request, &[], LINES).unwrap();
        let ours = assembly.names("/opt").unwrap();
        let mut theirs: Vec<String> = fs::read_dir(folder.path().join("opt"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        theirs.sort();
        assert_eq!(ours, theirs);
        assert_eq!(ours.len(), 12);
        for name in ours {
            let (path, real) = (format!("/opt/{name}"), folder.path().join("opt").join(&name));
            let metadata = fs::symlink_metadata(&real).unwrap();
            let found = match metadata.file_type() {
                kind if kind.is_symlink() => {
                    format!("-> {}", fs::read_link(&real).unwrap().display())
                }
                kind if kind.is_dir() => "/".to_owned(),
                _ => fs::read_to_string(&real).unwrap(),
            };
            assert_eq!(at(&assembly, &path).unwrap(), found, "{path}");
            if !metadata.is_symlink() {
                let mode = u32::from(access(&assembly, &path).0);
                assert_eq!(mode, metadata.mode() & 0o7777, "{path}");
            }
        }
    }

    /// What exists keeps its contents; mode and owner change unless `:` says that they are of new ones
    /// (tmpfiles.d(5), "Mode" and "User, Group").
    #[test]
    fn what_exists_keeps_its_contents_and_takes_over_modes() {
        let request = Request::default();
        let factory = [("/usr/share/factory/etc/x", "factory"), ("/etc/x", "old")];
        for (line, made, is) in [
            ("f /etc/x 0640 root adm - new", "old", (0o640, 0, 4)),
            ("z /etc/x 0640", "old", (0o640, 0, 0)),
            ("z /etc/x - - adm", "old", (0o600, 0, 4)),
            ("z /etc/x", "old", (0o600, 0, 0)),
            ("f /etc/x :0640 root :adm - new", "old", (0o600, 0, 0)),
            ("C /etc/x", "old", (0o600, 0, 0)),
            ("L /etc/x", "old", (0o600, 0, 0)),
            ("L+ /etc/x", "-> /usr/share/factory/etc/x", (0o600, 0, 0)),
        ] {
            let assembly = applied(&request, &factory, line).unwrap();
            assert_eq!(at(&assembly, "/etc/x").as_deref(), Some(made), "{line}");
            assert_eq!(access(&assembly, "/etc/x"), is, "{line}");
        }
    }

    #[test]
    fn a_line_that_can_not_be_carried_out_is_refused() {
        let request = Request::default();
        let files = [("/opt/folder/file", "x")];
        for (line, words) in [
            ("d /etc/x - nobody-there", "needs the user `nobody-there`"),
            ("z /opt/folder - - nobody-there", "needs the group `nobody-there`"),
            ("C /etc/x - - - - /opt/folder", "`/opt/folder` holds a directory"),
            ("d /opt/folder/file/x", "can't make `/opt/folder/file/x`"),
            ("# one\n\nd /etc/x 0799", "`/usr/lib/tmpfiles.d/x.conf`, line 3: mode `0799`"),
        ] {
            refused(applied(&request, &files, line), words);
        }
    }

    #[test]
    fn a_prefix_of_a_name_is_not_a_folder_of_the_boot() {
        for (path, is_left) in [
            ("/run", true),
            ("/run/x", true),
            ("/runner/x", false),
            ("/devices", false),
            ("/var/run/x", true),
            ("/var/runs", false),
            ("/tmp/", true),
            ("/var/tmp", false),
            ("/", true),
        ] {
            assert_eq!(parse(&format!("d {path}")).unwrap().is_none(), is_left, "{path}");
        }
    }
}
