//! lighty-enable-mod of lighttpd 1.4.79: links from `conf-enabled` to `conf-available`.

use std::collections::BTreeMap;

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;

/// The files of a folder by the names of their modules: `10-NAME.conf`.
fn modules(system: &System<'_, '_>, folder: &str) -> BTreeMap<String, String> {
    let names = system.list(format!("/etc/lighttpd/{folder}").as_bytes()).unwrap_or_default();
    let names = names.into_iter().filter_map(|name| String::from_utf8(name).ok());
    let of = |name: String| {
        let (number, module) = name.strip_suffix(".conf")?.split_once('-')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let is_module = is_number && !module.is_empty() && module.bytes().all(is_name);
        is_module.then(|| (module.to_owned(), name.clone()))
    };
    names.filter_map(of).collect()
}

/// The modules that a line such as `# -*- depends: a, b -*-` names.
fn named(text: &str, what: &str) -> Vec<String> {
    let head = format!("# -*- {what}: ");
    let lines = text.lines().filter_map(|line| line.split_once(&head)?.1.split_once(" -*-"));
    lines.flat_map(|(names, _)| names.split(',')).map(|name| name.trim().to_owned()).collect()
}

/// `lighty-enable-mod NAME..`.
pub(super) fn enable(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const NO_ACTION: u8 = 2;
    let available = modules(system, "conf-available");
    let mut enabled = modules(system, "conf-enabled");
    let mut pending: Vec<String> =
        call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    if pending.is_empty() {
        return Err(call.unsupported("a question"));
    }
    let (mut status, mut at) = (0, 0);
    while let Some(name) = pending.get(at).cloned() {
        at += 1;
        let Some(file) = available.get(&name) else {
            call.print(format!("Ignoring unknown module: {name}\n").as_bytes());
            status = NO_ACTION;
            continue;
        };
        let link = format!("/etc/lighttpd/conf-enabled/{file}");
        if system.status(link.as_bytes(), true).is_ok() {
            call.print(b"already enabled\n");
            status = NO_ACTION;
            continue;
        }
        let path = format!("/etc/lighttpd/conf-available/{file}");
        let text = system.read(path.as_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        for module in named(&text, "depends") {
            match (available.contains_key(&module), enabled.contains_key(&module)) {
                (true, true) => {}
                (true, false) => {
                    call.print(format!("Met dependency: {module}\n").as_bytes());
                    pending.push(module);
                }
                (false, _) => {
                    call.print(format!("Unresolved dependency: {module}\n").as_bytes());
                    return Ok(1);
                }
            }
        }
        if let Some(module) =
            named(&text, "conflicts").iter().find(|one| enabled.contains_key(*one))
        {
            let line = format!("Conflicting dependencies: {name} conflicts with {module}\n");
            call.print(line.as_bytes());
            return Ok(1);
        }
        let target = format!("../conf-available/{file}");
        if let Err(error) = system.make_symlink(link.as_bytes(), target.as_bytes()) {
            return Ok(call.fail("failure", link.as_bytes(), error));
        }
        call.print(format!("Enabling {name}: ok\n").as_bytes());
        enabled.insert(name, file.clone());
    }
    call.print(b"Run \"service lighttpd force-reload\" to enable changes\n");
    Ok(status)
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    #[test]
    fn modules_of_lighttpd_bring_those_that_they_depend_on() {
        let files = [
            ("/usr/sbin/lighty-enable-mod", "#!/usr/bin/perl -w\n"),
            ("/usr/bin/readlink", "+x"),
            ("/etc/lighttpd/conf-available/10-a.conf", "# -*- depends: b, c -*-\n"),
            ("/etc/lighttpd/conf-available/10-b.conf", ""),
            ("/etc/lighttpd/conf-available/11-c.conf", "# -*- conflicts: x -*-\n"),
            ("/etc/lighttpd/conf-available/12-d.conf", "# -*- conflicts: b -*-\n"),
            ("/etc/lighttpd/conf-available/13-e.conf", "# -*- depends: none -*-\n"),
            ("/etc/lighttpd/conf-enabled/", ""),
        ];
        let script = "lighty-enable-mod a; echo $?; lighty-enable-mod d; echo $?; lighty-enable-mod e; echo $?; \
                      lighty-enable-mod b gone; echo $?; ls /etc/lighttpd/conf-enabled; \
                      readlink /etc/lighttpd/conf-enabled/11-c.conf";
        let end = "Run \"service lighttpd force-reload\" to enable changes\n";
        let expected = format!(
            "Met dependency: b\nMet dependency: c\nEnabling a: ok\nEnabling b: ok\nEnabling c: ok\n{end}0\n\
             Conflicting dependencies: d conflicts with b\n1\nUnresolved dependency: none\n1\n\
             already enabled\nIgnoring unknown module: gone\n{end}2\n\
             10-a.conf\n10-b.conf\n11-c.conf\n../conf-available/11-c.conf\n"
        );
        assert_eq!(output(&files, script), expected);
        assert!(stop(&files, "lighty-enable-mod").contains("a question"));
    }
}
