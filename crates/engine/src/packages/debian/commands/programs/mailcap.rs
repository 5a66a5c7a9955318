//! update-mime of mailcap 3.70: `/etc/mailcap`, which says what shows a type of media, from what packages bring.
//! Its warnings are left out.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::{FileType, Files as _};

use crate::packages::debian::commands::System;

const MAILCAP: &str = "/etc/mailcap";
const DEFAULT: &str = "/usr/lib/mime/mailcap";
const PACKAGES: &str = "/usr/lib/mime/packages";
const APPLICATIONS: &str = "/usr/share/applications";
const ORDER: &str = "/etc/mailcap.order";
const CONFIGURATION: &str = "/etc/update-mime.conf";

/// What an entry has that names none: the middle of 0 to 9.
const PRIORITY: u32 = 5;

/// What stands between the part of the administrator and the entries.
const LINE: &str =
    "\n###############################################################################\n\n";

/// A line of mailcap(5), with what it is ordered by.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    package: String,
    text: String,
    priority: u32,
}

/// `update-mime [--triggered]`.
pub(super) fn update_mime(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    match call.arguments() {
        [] => {}
        [word] if word == b"--triggered" => {}
        _ => return Err(call.unsupported("these words")),
    }
    if system.status(CONFIGURATION.as_bytes(), true).is_ok() {
        return Err(call.unsupported(format!("{CONFIGURATION}, which is Perl")));
    }
    let mut entries = of_packages(system, call)?;
    entries.extend(of_applications(system, call, &entries)?);
    let order = text(system, call, ORDER)?.unwrap_or_default();
    let entries = ordered(call, entries, &order)?;
    let old = match text(system, call, MAILCAP)? {
        Some(old) => Some(old),
        None => text(system, call, DEFAULT)?,
    };
    let Some(old) = old else { return Ok(0) };
    let Some(mut new) = of_the_administrator(&old) else {
        call.print_error(format!("Error: '{MAILCAP}' is not in required format\n").as_bytes());
        return Ok(0);
    };
    new += LINE;
    for entry in entries {
        let text = without_priority(&entry.text);
        new += text.trim_end().strip_suffix(';').map_or(text.as_str(), str::trim_end);
        new += "\n";
    }
    let file = format!("{MAILCAP}.new");
    let written = system.write(file.as_bytes(), new.as_bytes(), 0o644);
    match written.and_then(|()| system.rename(file.as_bytes(), MAILCAP.as_bytes())) {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("could not write", MAILCAP.as_bytes(), error)),
    }
}

/// A file, if it is there.
fn text(system: &System<'_, '_>, call: &Call<'_>, path: &str) -> Result<Option<String>, Stop> {
    let Ok(bytes) = system.read(path.as_bytes()) else { return Ok(None) };
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| call.unsupported(format!("{path}, which is not UTF-8")))
}

/// The paths in a folder as Perl's glob lists them: without hidden files, whatever the case of letters.
fn listed(system: &System<'_, '_>, call: &Call<'_>, folder: &str) -> Result<Vec<String>, Stop> {
    let names = system.list(folder.as_bytes()).unwrap_or_default();
    let names = names.into_iter().map(String::from_utf8).collect::<Result<Vec<_>, _>>();
    let names = names.map_err(|_| call.unsupported(format!("a name in {folder}")))?;
    let mut names: Vec<String> = names.into_iter().filter(|name| !name.starts_with('.')).collect();
    names.sort_by(|one, other| {
        let lower = |name: &str| name.to_ascii_lowercase();
        lower(one).cmp(&lower(other)).then_with(|| one.cmp(other))
    });
    Ok(names.into_iter().map(|name| format!("{folder}/{name}")).collect())
}

/// Whether a path is of a hidden or a kept file.
fn is_skipped(path: &str) -> bool {
    path.contains("/.") || path.contains("/#") || path.ends_with('~')
}

/// The lines of a text that are neither empty nor comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').filter(|line| {
        let start = line.trim_start();
        !start.is_empty() && !start.starts_with('#')
    })
}

fn of_packages(system: &System<'_, '_>, call: &Call<'_>) -> Result<Vec<Entry>, Stop> {
    let mut entries = Vec::new();
    for path in listed(system, call, PACKAGES)? {
        if is_skipped(&path) {
            continue;
        }
        let package = path.rsplit('/').next().unwrap_or_default().to_owned();
        let text = text(system, call, &path)?.unwrap_or_default();
        entries.extend(lines(&text).map(|line| Entry {
            package: package.clone(),
            text: line.to_owned(),
            priority: of_line(line),
        }));
    }
    Ok(entries)
}

/// The priority of a line, whatever the case of its letters.
fn of_line(line: &str) -> u32 {
    let found = priority(&line.to_ascii_lowercase());
    found.map(|found| found.0).filter(|priority| *priority <= 9).unwrap_or(PRIORITY)
}

/// The number of `priority = 7` in a line, and where that stands with the `;` behind it.
fn priority(line: &str) -> Option<(u32, Range<usize>)> {
    const WORD: &str = "priority";
    line.match_indices(WORD).find_map(|(at, _)| {
        let number = line[at + WORD.len()..].trim_start().strip_prefix('=')?.trim_start();
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        let rest = number[digits..].trim_start();
        let is_whole = digits > 0 && (rest.is_empty() || rest.starts_with(';'));
        let end = line.len() - rest.strip_prefix(';').unwrap_or(rest).len();
        is_whole.then(|| (number[..digits].parse().unwrap_or(u32::MAX), at..end))
    })
}

/// An entry without its priority, which is no field of mailcap(5); one in capitals stays.
fn without_priority(text: &str) -> String {
    match priority(text) {
        Some((_, range)) => {
            format!("{}{}", text[..range.start].trim_end(), &text[range.end..])
        }
        None => text.to_owned(),
    }
}

/// The files of a folder, those of the folders in it first.
fn below(
    system: &System<'_, '_>,
    call: &Call<'_>,
    folder: &str,
    depth: u32,
) -> Result<Vec<String>, Stop> {
    const DEPTH_MAX: u32 = 20;
    if depth > DEPTH_MAX {
        return Err(call.unsupported(format!("{folder}, which lies too deep")));
    }
    let (mut files, mut here) = (Vec::new(), Vec::new());
    if is_skipped(folder) {
        return Ok(files);
    }
    for path in listed(system, call, folder)? {
        match system.status(path.as_bytes(), true).map(|status| status.file_type) {
            Ok(FileType::Directory) => files.extend(below(system, call, &path, depth + 1)?),
            Ok(FileType::Regular) => here.push(path),
            _ => {}
        }
    }
    files.extend(here);
    Ok(files)
}

/// The entries of desktop files; a package with entries of its own has none of these.
fn of_applications(
    system: &System<'_, '_>,
    call: &Call<'_>,
    others: &[Entry],
) -> Result<Vec<Entry>, Stop> {
    let names = listed(system, call, PACKAGES)?;
    let names = names.iter().filter(|path| !is_skipped(path));
    let of = names.filter_map(|path| path.rsplit('/').next()).map(str::to_owned);
    let mut known: BTreeSet<String> =
        of.chain(others.iter().map(|one| one.package.clone())).collect();
    let mut entries = Vec::new();
    for path in below(system, call, APPLICATIONS, 0)? {
        let name = path.rsplit('/').next().and_then(|name| name.strip_suffix(".desktop"));
        let Some(package) = name.filter(|_| !is_skipped(&path)) else { continue };
        if !known.insert(package.to_owned()) {
            continue;
        }
        let text = text(system, call, &path)?.unwrap_or_default();
        entries.extend(of_application(package, &text));
    }
    Ok(entries)
}

/// The entries of a desktop file: one for each type, if it says what to run.
fn of_application(package: &str, text: &str) -> Vec<Entry> {
    let (mut terminal, mut name) = ("test=test -n \"$DISPLAY\"", package);
    let (mut icon, mut command, mut types, mut is_in_group) = ("", None, Vec::new(), false);
    for line in lines(text) {
        if line.starts_with('[') && line.ends_with(']') {
            is_in_group = line == "[Desktop Entry]";
        }
        if !is_in_group {
            continue;
        }
        if let Some(value) = value(line, "terminal=", true) {
            if value == "true"
                || value.strip_prefix("true").is_some_and(|rest| !rest.starts_with(is_word))
            {
                terminal = "needsterminal";
            }
        } else if let Some(value) = value(line, "name=", true) {
            name = value;
        } else if let Some(value) = value(line, "icon=", true) {
            icon = value;
        } else if let Some(value) = value(line, "exec=", false) {
            command = Some(value);
        } else if let Some(value) = value(line, "mimetype=", false) {
            types.extend(split(value));
        }
    }
    let Some(command) = command else { return Vec::new() };
    let mut command = command.to_owned();
    for letter in ["%f", "%F", "%u", "%U"] {
        command = command.replace(letter, "%s");
    }
    if !command.contains("%s") {
        command += " %s";
    }
    let command = command.replace("%c", name).replace("%i", &format!("--icon {icon}"));
    let entry = |one: &str| Entry {
        package: package.to_owned(),
        text: format!("{one}; {command}; {terminal}"),
        priority: PRIORITY,
    };
    types.into_iter().map(entry).collect()
}

/// What `;` separates, without white space around it and without what is empty.
fn split(value: &str) -> impl Iterator<Item = &str> {
    let last = value.matches(';').count();
    let parts = value.split(';').enumerate().map(move |(at, part)| {
        let part = if at > 0 { part.trim_start() } else { part };
        if at < last { part.trim_end() } else { part }
    });
    parts.filter(|part| !part.is_empty())
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// What stands behind a key, whatever the case of its letters: a key that starts the line has to have a value, and
/// another may have other words before it.
fn value<'l>(line: &'l str, key: &str, is_at_start: bool) -> Option<&'l str> {
    let lower = line.to_ascii_lowercase();
    let at = lower.find(key)?;
    let value = &line[at + key.len()..];
    (!is_at_start || at == 0 && !value.is_empty()).then_some(value)
}

/// Entries by priority, then those of a type before those of many; and first those that the administrator has put
/// first, each `PACKAGE[:TYPE]`.
fn ordered(call: &Call<'_>, mut entries: Vec<Entry>, order: &str) -> Result<Vec<Entry>, Stop> {
    entries.sort_by_key(|entry| (Reverse(entry.priority), wildcards(&entry.text)));
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    for line in order.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let line = if line.trim().is_empty() { continue } else { line.trim_end() };
        let (package, wanted) = line.rsplit_once(':').unwrap_or((line, ""));
        let wanted = wanted.split(char::is_whitespace).next().unwrap_or_default();
        let wanted = if wanted.is_empty() { "*/*" } else { wanted };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/*-_".contains(&byte);
        if !wanted.bytes().all(is_plain) {
            return Err(call.unsupported(format!("the type {wanted} of {ORDER}")));
        }
        for (at, entry) in entries.iter().enumerate() {
            if entry.package == package && is_of(media_type(&entry.text), wanted) {
                let next = places.len();
                places.entry(at).or_insert(next);
            }
        }
    }
    let mut placed: Vec<(usize, Entry)> = entries
        .into_iter()
        .enumerate()
        .map(|(at, entry)| (places.get(&at).copied().unwrap_or(usize::MAX), entry))
        .collect();
    placed.sort_by_key(|(place, _)| *place);
    Ok(placed.into_iter().map(|(_, entry)| entry).collect())
}

/// 1 for `text/*`, 2 for `*/x`, 3 for both.
fn wildcards(text: &str) -> u8 {
    let first = text.split_whitespace().next().filter(|_| !text.starts_with(char::is_whitespace));
    u8::from(first.is_some_and(|word| word.find("/*").is_some_and(|at| at > 0)))
        + 2 * u8::from(text.starts_with("*/"))
}

fn media_type(text: &str) -> &str {
    text.split(|letter: char| letter == ';' || letter.is_whitespace()).next().unwrap_or_default()
}

/// Whether a type is one of a pattern, in which `*` is anything.
fn is_of(found: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = found.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// What is before the entries: up to the line that ends the administrator's own, which has to be there.
fn of_the_administrator(old: &str) -> Option<String> {
    let (mut kept, mut has_begun) = (String::new(), false);
    for line in old.split_inclusive('\n') {
        let line = line.replace("install-mime", "update-mime");
        kept += &line;
        let rest = line.strip_prefix("# ----- ");
        if has_begun && rest.is_some_and(|rest| rest.contains(" Ends ")) {
            return Some(kept);
        }
        has_begun |= rest.is_some_and(|rest| rest.contains(" Begins "));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::debian::commands::tests::{output, stop};

    const EDITOR: &str = "[Desktop Entry]\nName=The Editor\nIcon=ed\nTryExec=no\nExec=ed %i -t %c %F\n\
                          MimeType=text/plain;text/x-c ; ;application/x-z;\nTerminal=true\n[Other]\nExec=never\n";

    /// What update-mime of mailcap 3.70 made of these files.
    const MADE: &str = "# ----- User Section Begins ----- #\nmine\n# -----  User Section Ends  ----- #\n\
        \n###############################################################################\n\n\
        image/png; view %s; test=test -n \"$DISPLAY\"\n\
        text/plain; ed --icon ed -t The Editor %s; needsterminal\n\
        text/x-c; ed --icon ed -t The Editor %s; needsterminal\n\
        text/plain; less %s; needsterminal\n\
        text/html; w3m %s; nametemplate=%s.html\n\
        application/x-z; ed --icon ed -t The Editor %s; needsterminal\n\
        image/*; display %s\n\
        audio/*; play %s\n\
        */*; any %s\n\
        text/*; more %s ; PRIORITY = 3\n\
        image/png; see %s; Priority=2 ; x\n";

    fn files() -> Vec<(&'static str, &'static str)> {
        vec![
            ("/usr/sbin/update-mime", "+x"),
            (
                "/usr/lib/mime/packages/beta",
                "text/plain; less %s; needsterminal; priority=7\ntext/*; more %s ; PRIORITY = 3;\n# no\n\n\
                 */*; any %s; priority=12\nimage/png; see %s; Priority=2 ; x\naudio/*; play %s;  \n",
            ),
            (
                "/usr/lib/mime/packages/Alpha",
                "text/html; w3m %s; priority = 7 ; nametemplate=%s.html ; \nimage/*; display %s\n",
            ),
            ("/usr/lib/mime/packages/.hidden", "text/css; no\n"),
            ("/usr/lib/mime/packages/old~", "text/css; no\n"),
            ("/usr/share/applications/ed.desktop", EDITOR),
            (
                "/usr/share/applications/kde/View.desktop",
                "[Desktop Entry]\nExec=view\nmimetype=image/png;\n",
            ),
            (
                "/usr/share/applications/beta.desktop",
                "[Desktop Entry]\nExec=view\nmimetype=image/gif;\n",
            ),
            ("/usr/share/applications/none.desktop", "[Desktop Entry]\nExec=view\n"),
            ("/etc/mailcap.order", "# comment\nView\ned:text/*  # why\nbeta:text/plain\nnone\n"),
            (
                "/etc/mailcap",
                "# ----- User Section Begins ----- #\nmine\n# -----  User Section Ends  ----- #\nold; old\n",
            ),
        ]
    }

    #[test]
    fn types_of_media_are_shown_by_what_the_real_program_chooses() {
        let script = "update-mime --triggered; update-mime; cat /etc/mailcap; ls /etc";
        assert_eq!(output(&files(), script), format!("{MADE}mailcap\nmailcap.order\n"));
    }

    #[test]
    fn what_is_not_exact_stops() {
        assert!(stop(&files(), "update-mime --local").contains("these words"));
        let mut files = files();
        files.push((CONFIGURATION, "$debug = 1;"));
        assert!(stop(&files, "update-mime").contains("which is Perl"));
        files.pop();
        files.retain(|(path, _)| *path != ORDER);
        files.push((ORDER, "ed:text/x.y\n"));
        assert!(stop(&files, "update-mime").contains("the type text/x.y"));
    }

    #[test]
    fn a_pattern_of_types_is_anchored() {
        for (found, pattern, expected) in [
            ("text/plain", "text/*", true),
            ("text/plain", "*/*", true),
            ("text/plain", "*/pl", false),
            ("text/plain", "text/plain", true),
            ("text/plain2", "text/plain", false),
            ("a/b", "*a*b", true),
            ("a", "a*a", false),
        ] {
            assert_eq!(is_of(found, pattern), expected, "{found} {pattern}");
        }
    }
}
