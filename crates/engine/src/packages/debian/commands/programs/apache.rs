//! a2enmod, a2enconf and a2ensite: links from `NAME-enabled` to `NAME-available` (a2enmod(8)).

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;

/// One of the three: its folders, and the suffixes of its files.
struct Kind {
    folder: &'static str,
    state: &'static str,
    suffix: &'static str,
}

impl Kind {
    fn of(program: &str) -> Self {
        match program {
            "a2enmod" => Self { folder: "mods", state: "module", suffix: ".load" },
            "a2enconf" => Self { folder: "conf", state: "conf", suffix: ".conf" },
            _ => Self { folder: "sites", state: "site", suffix: ".conf" },
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
    if name.contains(['*', '?', '[', '{']) {
        return Err(call.unsupported(format!("the pattern {name}")));
    }
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
    let Kind { folder, state, suffix } = kind;
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
    let (by, other) = if is_maintainer { ("maint", "admin") } else { ("admin", "maint") };
    let marks = format!("/var/lib/apache2/{state}/enabled_by_{by}");
    let mark = format!("{marks}/{name}");
    // There may be none.
    let _ = system.remove(format!("/var/lib/apache2/{state}/enabled_by_{other}/{name}").as_bytes());
    // Nothing but the name counts.
    let made = system.make_folders(&marks);
    match made.and_then(|()| system.write(mark.as_bytes(), b"", 0o644)) {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("could not create", mark.as_bytes(), error)),
    }
}

/// The words of a comment such as `# Depends: mime`.
fn words_behind(text: &str, head: &str) -> Vec<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(head));
    line.into_iter().flat_map(str::split_whitespace).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::output;

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
                      a2ensite -q 000-default; ls /etc/apache2/sites-enabled /var/lib/apache2/site/enabled_by_admin; \
                      a2enconf c 2>/dev/null; echo $?; a2enmod -q mpm_event cgi; ls /var/lib/apache2/module/enabled_by_admin";
        let expected = "0\n1\n1\n/etc/apache2/mods-enabled:\nmime.conf\nmime.load\nneg.load\n\n\
                        /var/lib/apache2/module/enabled_by_maint:\nmime\nneg\n\
                        /etc/apache2/sites-enabled:\n000-default.conf\n\n\
                        /var/lib/apache2/site/enabled_by_admin:\n000-default\n1\ncgid\nmpm_event\n";
        assert_eq!(output(&files, script), expected);
    }
}
