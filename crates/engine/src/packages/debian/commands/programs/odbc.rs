//! odbcinst(1) of unixODBC 2.3, as packages of drivers call it. Oracle: the program.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;

/// The drivers of the system.
const TABLE: &[u8] = b"/etc/odbcinst.ini";

/// A section: its name, and its keys with their values.
type Section = (String, Vec<(String, String)>);

/// `odbcinst -i -d -f TEMPLATE`: adds the drivers of a template, each with a count of one use.
pub(super) fn odbcinst(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let template = match call.arguments() {
        [install, driver, file, template]
            if install == b"-i" && driver == b"-d" && file == b"-f" =>
        {
            template
        }
        _ => return Err(call.unsupported("these words")),
    };
    let new = match system.read(&call.path(template)) {
        Ok(text) => sections(&String::from_utf8_lossy(&text)),
        Err(error) => return Ok(call.fail("", template, error)),
    };
    let old = system.read(TABLE).unwrap_or_default();
    let Some(known) = sections(&String::from_utf8_lossy(&old)) else {
        return Err(call.unsupported("a table of another form"));
    };
    let Some(mut new) = new else { return Err(call.unsupported("a template of another form")) };
    let is_known = |section: &Section| known.iter().any(|(name, _)| *name == section.0);
    if new.iter().any(is_known) {
        return Err(call.unsupported("a driver that is there already"));
    }
    for (_, keys) in &mut new {
        keys.push(("UsageCount".to_owned(), "1".to_owned()));
        call.print(b"odbcinst: Driver installed. Usage count increased to 1. \n");
        call.print(b"    Target directory is /etc\n");
    }
    let text: String = known.iter().chain(&new).map(text).collect();
    match system.write(TABLE, text.as_bytes(), 0o666 & !call.umask()) {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("", TABLE, error)),
    }
}

/// A section as the program writes it.
fn text((name, keys): &Section) -> String {
    let keys: String = keys.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    format!("[{name}]\n{keys}\n")
}

/// The sections of a table; nothing where a line is neither a name nor a value.
fn sections(text: &str) -> Option<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(name) => sections.push((name.trim().to_owned(), Vec::new())),
            None => {
                let (key, value) = line.split_once('=')?;
                let pair = (key.trim().to_owned(), value.trim().to_owned());
                sections.last_mut()?.1.push(pair);
            }
        }
    }
    Some(sections)
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    const TEMPLATE: &str = "[P ANSI]\nDescription\t= driver (ANSI)\nDebug\t\t= 0\n\n[P Unicode]\n\
                            Driver\t\t= w.so\n";

    /// What `odbcinst` 2.3.11 writes of the same template, into a table that it wrote before.
    #[test]
    fn drivers_are_added() {
        let files = [
            ("/usr/bin/odbcinst", "+x"),
            ("/usr/share/t", TEMPLATE),
            ("/etc/odbcinst.ini", "[A]\nDriver=a.so\nUsageCount=1\n\n"),
        ];
        let install = "odbcinst -i -d -f /usr/share/t";
        let written = "[A]\nDriver=a.so\nUsageCount=1\n\n[P ANSI]\nDescription=driver (ANSI)\nDebug=0\n\
                       UsageCount=1\n\n[P Unicode]\nDriver=w.so\nUsageCount=1\n\n";
        let script = format!("set -e; {install} >/dev/null; cat /etc/odbcinst.ini");
        assert_eq!(output(&files, &script), written);
        assert!(stop(&files, &format!("{install}; {install}")).contains("there already"));
        assert!(stop(&files, "odbcinst -q -d").contains("these words"));
        let files = [files[0], files[1], ("/etc/odbcinst.ini", "# mine\n")];
        assert!(stop(&files, install).contains("a table of another form"));
    }
}
