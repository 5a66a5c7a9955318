//! a2enmod, a2enconf and a2ensite: links from `NAME-enabled` to `NAME-available` (a2enmod(8)); a2dismod and the others that
//! remove them; and a2query of apache2 2.4, which says what is enabled.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::{Call, Options};
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;

/// One of the three: its folders, and the suffixes of its files.
struct Kind {
    folder: &'static str,
    state: &'static str,
    suffix: &'static str,
}

impl Kind {
    const MODULE: Self = Self { folder: "mods", state: "module", suffix: ".load" };
    const CONF: Self = Self { folder: "conf", state: "conf", suffix: ".conf" };
    const SITE: Self = Self { folder: "sites", state: "site", suffix: ".conf" };

    fn of(program: &str) -> Self {
        match program {
            "a2enmod" => Self::MODULE,
            "a2enconf" => Self::CONF,
            _ => Self::SITE,
        }
    }
}

/// `a2en.. [-q] [-m] [-f] NAME..`.
pub(super) fn enable(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let kind = Kind::of(&call.name());
    let (mut is_maintainer, mut names) = (false, Vec::new());
    for word in call.arguments() {
        match word.as_slice() {
            b"-q" | b"--quiet" | b"-f" | b"--force" => {}
            b"-m" | b"--maintmode" => is_maintainer = true,
            option if option.starts_with(b"-") => return Err(call.unsupported("this option")),
            name => names.push(String::from_utf8_lossy(name).into_owned()),
        }
    }
    let mut status = 0;
    for name in names {
        status = one(system, call, &kind, &name, is_maintainer, 0)?.max(status);
    }
    Ok(status)
}

/// How deep modules may depend on one another.
const DEPTH_MAX: u32 = 20;

fn one(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    kind: &Kind,
    name: &str,
    is_maintainer: bool,
    depth: u32,
) -> Result<u8, Stop> {
    let Kind { folder, suffix, .. } = kind;
    let is_module = *folder == "mods";
    let name = without_suffix(call, kind, name)?;
    let threaded = ["event", "worker"].iter().any(|mpm| is_enabled(system, &format!("mpm_{mpm}")));
    let name = if is_module && name == "cgi" && threaded { "cgid" } else { name };
    let file = format!("/etc/apache2/{folder}-available/{name}{suffix}");
    let Ok(text) = system.read(file.as_bytes()) else {
        call.complain(&format!("ERROR: {name} does not exist!"));
        return Ok(1);
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    if depth > DEPTH_MAX {
        return Err(call.unsupported(format!("{name}, which depends on itself")));
    }
    for depends in words_behind(&text, "# Depends:") {
        let is_there = match is_module {
            true => one(system, call, kind, &depends, is_maintainer, depth + 1)? == 0,
            // Only modules bring what they depend on.
            false => is_enabled(system, &depends),
        };
        if !is_there {
            call.complain(&format!("WARNING: {name} depends on {depends}, which is not enabled"));
            return Ok(1);
        }
    }
    let conflicts = words_behind(&text, "# Conflicts:");
    if let Some(conflict) =
        conflicts.iter().find(|conflict| is_module && is_enabled(system, conflict))
    {
        call.complain(&format!("ERROR: {name} conflicts with {conflict}"));
        return Ok(1);
    }
    link(system, call, kind, name, is_maintainer)
}

/// A name that may have its file's suffix.
fn without_suffix<'n>(call: &Call<'_>, kind: &Kind, name: &'n str) -> Result<&'n str, Stop> {
    if name.contains(['*', '?', '[', '{']) {
        return Err(call.unsupported(format!("the pattern {name}")));
    }
    match name.strip_suffix(kind.suffix) {
        Some(name) => Ok(name),
        // The program takes any byte for the dot.
        None if name.len() > 4 && name.ends_with(&kind.suffix[1..]) => {
            Err(call.unsupported(format!("the name {name}")))
        }
        None => Ok(name),
    }
}

/// Whether a module is enabled.
fn is_enabled(system: &System<'_, '_>, module: &str) -> bool {
    let link = format!("/etc/apache2/mods-enabled/{module}.load");
    system.status(link.as_bytes(), true).is_ok()
}

/// Makes the links that are missing, and the mark of who wanted the first.
fn link(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    kind: &Kind,
    name: &str,
    is_maintainer: bool,
) -> Result<u8, Stop> {
    let Kind { folder, suffix, .. } = kind;
    let suffixes: &[&str] = if *suffix == ".load" { &[".load", ".conf"] } else { &[".conf"] };
    let mut is_new = false;
    for of in suffixes {
        let target = format!("../{folder}-available/{name}{of}");
        let link = format!("/etc/apache2/{folder}-enabled/{name}{of}");
        let available = format!("/etc/apache2/{folder}-available/{name}{of}");
        if system.status(available.as_bytes(), true).is_err()
            || system.status(link.as_bytes(), false).is_ok()
        {
            continue;
        }
        if let Err(error) = system.make_symlink(link.as_bytes(), target.as_bytes()) {
            return Ok(call.fail("could not create", link.as_bytes(), error));
        }
        is_new |= of == suffix;
    }
    if !is_new {
        return Ok(0);
    }
    mark(system, call, kind, name, "enabled", is_maintainer)
}

/// Leaves the mark of who wanted what of a name, the only one of it.
fn mark(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    kind: &Kind,
    name: &str,
    what: &str,
    is_maintainer: bool,
) -> Result<u8, Stop> {
    let folder = format!("/var/lib/apache2/{}", kind.state);
    for what in ["enabled", "disabled"] {
        for who in ["admin", "maint"] {
            // There may be none.
            let _ = system.remove(format!("{folder}/{what}_by_{who}/{name}").as_bytes());
        }
    }
    let who = if is_maintainer { "maint" } else { "admin" };
    let marks = format!("{folder}/{what}_by_{who}");
    let mark = format!("{marks}/{name}");
    // Nothing but the name counts.
    let made = system.make_folders(&marks);
    match made.and_then(|()| system.write(mark.as_bytes(), b"", 0o644)) {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("could not create", mark.as_bytes(), error)),
    }
}

/// Modules that are disabled only by who insists.
const ESSENTIAL: [&str; 17] = [
    "alias",
    "auth_basic",
    "authn_file",
    "authz_host",
    "authz_user",
    "autoindex",
    "deflate",
    "dir",
    "env",
    "filter",
    "logio",
    "mime",
    "negotiation",
    "setenvif",
    "unixd",
    "version",
    "watchdog",
];

/// `a2dis.. [-q] [-m] NAME..`.
pub(super) fn disable(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let kind = Kind::of(&call.name().replace("a2dis", "a2en"));
    let (mut is_maintainer, mut names) = (false, Vec::new());
    for word in call.arguments() {
        match word.as_slice() {
            b"-q" | b"--quiet" => {}
            b"-m" | b"--maintmode" => is_maintainer = true,
            option if option.starts_with(b"-") => return Err(call.unsupported("this option")),
            name => names.push(String::from_utf8_lossy(name).into_owned()),
        }
    }
    let mut status = 0;
    for name in names {
        status = disable_one(system, call, &kind, &name, is_maintainer)?.max(status);
    }
    Ok(status)
}

fn disable_one(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    kind: &Kind,
    name: &str,
    is_maintainer: bool,
) -> Result<u8, Stop> {
    let is_module = kind.folder == "mods";
    let name = without_suffix(call, kind, name)?;
    if is_module && ESSENTIAL.contains(&name) {
        return Err(call.unsupported(format!("a module that others may need {name}")));
    }
    let link = format!("/etc/apache2/{}-enabled/{name}{}", kind.folder, kind.suffix);
    if system.status(link.as_bytes(), false).is_err() {
        // What is not enabled is not found among what is.
        call.complain(&format!("ERROR: No {} found matching {name}!", kind.state));
        return Ok(1);
    }
    if system.status(link.as_bytes(), true).is_err() || system.target(link.as_bytes()).is_err() {
        return Err(call.unsupported(format!("{link}, which is no link to what is available")));
    }
    let mut depending = Vec::new();
    for other in enabled(system, call, kind).unwrap_or_default().iter().filter(|_| is_module) {
        let load = format!("/etc/apache2/mods-enabled/{other}.load");
        let text = system.read(load.as_bytes()).unwrap_or_default();
        let depends = words_behind(&String::from_utf8_lossy(&text), "# Depends:");
        if depends.iter().any(|one| one == name) {
            depending.push(other.clone());
        }
    }
    if !depending.is_empty() {
        let depending = depending.join(" ");
        call.complain(&format!("ERROR: modules depend on {name}: {depending}"));
        return Ok(1);
    }
    let configuration = format!("/etc/apache2/mods-enabled/{name}.conf");
    let links = if is_module { vec![link, configuration] } else { vec![link] };
    for link in links {
        if system.target(link.as_bytes()).is_ok()
            && let Err(error) = system.remove(link.as_bytes())
        {
            return Ok(call.fail("could not remove", link.as_bytes(), error));
        }
    }
    let title = match kind.state {
        "module" => "Module",
        "conf" => "Conf",
        _ => "Site",
    };
    call.print(format!("{title} {name} disabled.\n").as_bytes());
    mark(system, call, kind, name, "disabled", is_maintainer)
}

/// The words of a comment such as `# Depends: mime`.
fn words_behind(text: &str, head: &str) -> Vec<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(head));
    line.into_iter().flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// Those of which there can be one.
const MPMS: [&str; 3] = ["event", "worker", "prefork"];

/// `a2query [-q] [-m MODULE] [-s SITE] [-c CONF] [-M]`.
pub(super) fn query(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    // The last option may have no name, and asks for all of its kind.
    let all = match call.arguments() {
        [.., last] if [b"-m", b"-s", b"-c"].iter().any(|one| last == one) => Some(Vec::new()),
        _ => None,
    };
    let words: Vec<Vec<u8>> = call.arguments().iter().cloned().chain(all).collect();
    let options = Options::of_words(call, &words, "m:s:c:Mq", &[])?;
    if !options.operands.is_empty() {
        return Err(call.unsupported("operands"));
    }
    let modules = match enabled(system, call, &Kind::MODULE) {
        Ok(modules) => modules,
        Err(status) => return Ok(status),
    };
    let mpm = |name: &String| MPMS.into_iter().find(|mpm| name.strip_prefix("mpm_") == Some(mpm));
    let mut mpms = modules.iter().filter_map(mpm);
    let mpm = mpms.next();
    if mpms.next().is_some() {
        call.print_error(
            b"There is more than one MPM loaded. Do not proceed due to undefined results\n",
        );
        return Ok(1);
    }
    let is_quiet = options.has(b'q');
    for (letter, kind) in [(b'm', Kind::MODULE), (b's', Kind::SITE), (b'c', Kind::CONF)] {
        let Some(name) = options.last(letter) else { continue };
        let name = String::from_utf8_lossy(name).into_owned();
        let status = query_one(system, call, &kind, &name, is_quiet)?;
        if status != 0 {
            return Ok(status);
        }
    }
    if options.has(b'M') && !is_quiet {
        call.print(format!("{}\n", mpm.unwrap_or("invalid")).as_bytes());
    }
    match options.has(b'm') || options.has(b's') || options.has(b'c') || options.has(b'M') {
        true => Ok(0),
        false => Err(call.unsupported("a call that asks nothing")),
    }
}

/// The names that are enabled; or the exit status where there is no folder of them.
fn enabled(system: &System<'_, '_>, call: &mut Call<'_>, kind: &Kind) -> Result<Vec<String>, u8> {
    let folder = format!("/etc/apache2/{}-enabled", kind.folder);
    let names = system.list(folder.as_bytes()).map_err(|error| {
        call.print_error(format!("{folder}: {}\n", error.words()).as_bytes());
        1
    })?;
    let names = names.into_iter().filter_map(|name| String::from_utf8(name).ok());
    Ok(names.filter_map(|name| Some(name.strip_suffix(kind.suffix)?.to_owned())).collect())
}

/// Says by whom one is enabled; answers 1 for what is not there, 32 for what an administrator has disabled, and 33
/// for what a maintainer script has.
fn query_one(
    system: &System<'_, '_>,
    call: &mut Call<'_>,
    kind: &Kind,
    name: &str,
    is_quiet: bool,
) -> Result<u8, Stop> {
    let names = match enabled(system, call, kind) {
        Ok(names) => names,
        Err(status) => return Ok(status),
    };
    let name = name.strip_prefix("mod").unwrap_or(name);
    // The first suffix goes, wherever it stands.
    let suffix = [".conf", ".load"].into_iter().filter_map(|one| name.find(one)).min();
    let without = suffix.map(|at| [&name[..at], &name[at + ".conf".len()..]].concat());
    let name = without.as_deref().unwrap_or(name);
    let by = |what: &str, name: &str| {
        ["maint", "admin"].into_iter().find(|who| {
            let mark = format!("/var/lib/apache2/{}/{what}_by_{who}/{name}", kind.state);
            system.status(mark.as_bytes(), true).is_ok()
        })
    };
    let words = |who: Option<&str>| match who {
        Some("admin") => "site administrator",
        Some(_) => "maintainer script",
        None => "unknown",
    };
    // A folder has its names in no order that a standard fixes: here they are in that of their bytes.
    let found: Vec<&String> = names.iter().filter(|one| name.is_empty() || *one == name).collect();
    for name in &found {
        if !is_quiet {
            call.print(format!("{name} (enabled by {})\n", words(by("enabled", name))).as_bytes());
        }
    }
    if !found.is_empty() {
        return Ok(0);
    }
    let disabled = by("disabled", name);
    if !is_quiet {
        let why = disabled.map(|_| format!(" (disabled by {})", words(disabled)));
        let why = why.unwrap_or_default();
        let line = format!("No {} matches {name}{why}\n", kind.state);
        call.print_error(line.as_bytes());
    }
    Ok(match disabled {
        Some("admin") => 32,
        Some(_) => 33,
        None => 1,
    })
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    #[test]
    fn what_is_disabled_is_marked_and_others_stay() {
        let files = [
            ("/usr/sbin/a2dismod", "+x"),
            ("/etc/apache2/mods-available/mpm_event.load", "LoadModule\n"),
            ("/etc/apache2/mods-available/mpm_event.conf", ""),
            ("/etc/apache2/mods-available/ssl_x.load", "LoadModule\n"),
            ("/etc/apache2/mods-available/neg.load", "# Depends: ssl_x\nLoadModule\n"),
            ("/etc/apache2/mods-available/dir.load", "LoadModule\n"),
            ("/etc/apache2/mods-enabled/", ""),
        ];
        let script = "a2enmod -q -m mpm_event neg; a2dismod -m -q mpm_event; a2dismod -q ssl_x 2>/dev/null; echo $?; \
                      a2dismod gone 2>/dev/null; echo $?; ls /etc/apache2/mods-enabled; cd /var/lib/apache2/module; ls *; \
                      a2enmod -q mpm_event; ls /etc/apache2/mods-enabled; ls *";
        let expected = "Module mpm_event disabled.\n1\n1\nneg.load\nssl_x.load\n\
                        disabled_by_maint:\nmpm_event\n\nenabled_by_maint:\nneg\nssl_x\n\
                        mpm_event.conf\nmpm_event.load\nneg.load\nssl_x.load\n\
                        disabled_by_maint:\n\nenabled_by_admin:\nmpm_event\n\nenabled_by_maint:\nneg\nssl_x\n";
        assert_eq!(output(&files, script), expected);
        assert!(stop(&files, "a2enmod -q dir; a2dismod dir").contains("that others may need"));
        assert!(stop(&files, "a2dismod -f neg").contains("this option"));
    }

    #[test]
    fn what_is_enabled_is_said() {
        let files = [
            ("/usr/sbin/a2query", "+x"),
            ("/etc/apache2/mods-enabled/mpm_event.load", ""),
            ("/etc/apache2/mods-enabled/mpm_event.conf", ""),
            ("/var/lib/apache2/module/enabled_by_maint/mpm_event", ""),
            ("/var/lib/apache2/module/disabled_by_admin/php", ""),
            ("/var/lib/apache2/conf/disabled_by_maint/c", ""),
            ("/etc/apache2/conf-enabled/d.conf", ""),
        ];
        let script = "a2query -m mpm_event; a2query -q -m mpm_event; a2query -m mpm_prefork 2>&1; echo $?; \
                      a2query -m php 2>&1; echo $?; a2query -c c 2>&1; echo $?; a2query -c d; a2query -M; a2query -m; \
                      a2query -s x 2>&1; echo $?";
        let expected = "mpm_event (enabled by maintainer script)\nNo module matches mpm_prefork\n1\n\
                        No module matches php (disabled by site administrator)\n32\n\
                        No conf matches c (disabled by maintainer script)\n33\nd (enabled by unknown)\nevent\n\
                        mpm_event (enabled by maintainer script)\n\
                        /etc/apache2/sites-enabled: No such file or directory\n1\n";
        assert_eq!(output(&files, script), expected);
        let script =
            "a2query -c d.conf; a2query -qm mpm_event.load && a2query -c c.conf 2>&1; echo $?";
        let expected =
            "d (enabled by unknown)\nNo conf matches c (disabled by maintainer script)\n33\n";
        assert_eq!(output(&files, script), expected);
        assert!(stop(&files, "a2query -v").contains("a2query"));
        assert!(stop(&files, "a2query").contains("asks nothing"));
    }

    #[test]
    fn modules_of_apache_bring_those_that_they_depend_on() {
        let files = [
            ("/etc/apache2/mods-available/mime.load", "LoadModule\n"),
            ("/etc/apache2/mods-available/mime.conf", ""),
            ("/etc/apache2/mods-available/neg.load", "# Depends: mime\nLoadModule\n"),
            ("/etc/apache2/mods-available/w.load", "# Conflicts: neg\n"),
            ("/etc/apache2/mods-available/cgi.load", "LoadModule\n"),
            ("/etc/apache2/mods-available/cgid.load", "LoadModule\n"),
            ("/etc/apache2/mods-available/mpm_event.load", "LoadModule\n"),
            ("/etc/apache2/sites-available/000-default.conf", ""),
            ("/etc/apache2/conf-available/c.conf", "# Depends: w\n"),
            ("/usr/sbin/a2ensite", "+x"),
            ("/usr/sbin/a2enconf", "+x"),
            ("/etc/apache2/mods-enabled/", ""),
            ("/etc/apache2/sites-enabled/", ""),
            ("/etc/apache2/conf-enabled/", ""),
        ];
        let script = "a2enmod -m -q neg; echo $?; a2enmod -q neg; a2enmod gone 2>/dev/null; echo $?; \
                      a2enmod w 2>/dev/null; echo $?; ls /etc/apache2/mods-enabled /var/lib/apache2/module/enabled_by_maint; \
                      a2ensite -q 000-default.conf; ls /etc/apache2/sites-enabled /var/lib/apache2/site/enabled_by_admin; \
                      a2enconf c.conf 2>/dev/null; echo $?; a2enmod -q mpm_event cgi; ls /var/lib/apache2/module/enabled_by_admin";
        let expected = "0\n1\n1\n/etc/apache2/mods-enabled:\nmime.conf\nmime.load\nneg.load\n\n\
                        /var/lib/apache2/module/enabled_by_maint:\nmime\nneg\n\
                        /etc/apache2/sites-enabled:\n000-default.conf\n\n\
                        /var/lib/apache2/site/enabled_by_admin:\n000-default\n1\ncgid\nmpm_event\n";
        assert_eq!(output(&files, script), expected);
    }
}
