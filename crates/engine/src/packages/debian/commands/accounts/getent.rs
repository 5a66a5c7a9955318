//! getent(1) over the tables.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use super::tables::Table;
use crate::packages::debian::commands::System;

/// `getent passwd|group|shadow [KEY..]` over the files, and `getent hosts NAME..` (getent(1)).
pub(in super::super) fn getent(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let words: Vec<String> =
        call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let table = match words.first().map(String::as_str) {
        Some("passwd") => Table::Passwd,
        Some("group") => Table::Group,
        Some("shadow") => Table::Shadow,
        Some("gshadow") => Table::Gshadow,
        Some("hosts") => return hosts(system, call, &words[1..]),
        other => {
            return Err(call.unsupported(format!("the database {}", other.unwrap_or_default())));
        }
    };
    let rows = system.rows(table);
    let keys = words.get(1..).unwrap_or_default();
    if keys.is_empty() {
        rows.iter().for_each(|row| call.print(format!("{}\n", row.join(":")).as_bytes()));
        return Ok(0);
    }
    let mut status = 0;
    for key in keys {
        let by_id = key.bytes().all(|byte| byte.is_ascii_digit());
        let at = if by_id { 2 } else { 0 };
        match rows.iter().find(|row| row.get(at) == Some(key)) {
            Some(row) => call.print(format!("{}\n", row.join(":")).as_bytes()),
            None => status = 2,
        }
    }
    Ok(status)
}

/// Names of the machine itself, which `nss-myhostname` knows without any file (nss-myhostname(8)).
const OWN_NAMES: [&str; 4] = ["localhost", "localhost.localdomain", "_gateway", "_outbound"];

/// Looks for machines: no name server is asked in a build, so that only what is of the image itself could be found.
fn hosts(system: &System<'_, '_>, call: &Call<'_>, names: &[String]) -> Result<u8, Stop> {
    let text = system.read(b"/etc/hosts").unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let own = system.assembly.request.hostname;
    let mut known = text.lines().flat_map(|line| {
        line.split('#').next().unwrap_or_default().split_whitespace().map(str::to_owned)
    });
    let mut is_known = |name: &String| {
        let is_own = own == Some(name) || OWN_NAMES.contains(&name.as_str());
        let is_address =
            name.contains(':') || name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        is_own || is_address || name.ends_with(".localhost") || known.any(|one| one == *name)
    };
    match names {
        [name] if !is_known(name) => Ok(2),
        names => Err(call.unsupported(format!("the machine {}", names.join(" ")))),
    }
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    /// As getent answers where no name server does.
    #[test]
    fn a_machine_elsewhere_is_not_found() {
        let files = [("/etc/hosts", "127.0.0.1 localhost # ldap\n10.0.0.1 dirhost d\n")];
        assert_eq!(output(&files, "getent hosts ldap; echo $?"), "2\n");
        for name in ["d", "localhost", "10.0.0.2", "::1", "", "a b"] {
            let script = format!("getent hosts {name}");
            assert!(stop(&files, &script).contains("the machine"), "{name}");
        }
    }
}
