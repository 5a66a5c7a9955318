//! The `config` of postfix 3.10.13: what kind of mail system the image is, and the names that it has mail for.
//!
//! No question is visible, so that each leads to the next one. A `main.cf` that is there is the definition's, and stays.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::{FileType, Files as _};

use super::questions::{ask, domain, get, is_true};
use crate::packages::debian::commands::System;

const CONFIGURATION: &[u8] = b"/etc/postfix/main.cf";
const NONE: &str = "No configuration";

/// Where names of machines end that have no domain.
const NO_DOMAIN: &str = "localdomain";

/// `config`: an answer to each question, most of them from the image's name.
pub(super) fn config(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    ask(system, call, "CAPB backup")?;
    let status = system.status(CONFIGURATION, true);
    let is_there = status.is_ok_and(|status| status.file_type == FileType::Regular);
    if is_there && is_default(system, call, "main_mailer_type")? {
        set(system, call, "main_mailer_type", NONE)?;
    }
    input(system, call, "high", "main_mailer_type")?;
    let kind = get(system, call, "postfix/main_mailer_type")?;
    if kind == NONE {
        return Ok(0);
    }
    if is_there {
        return Err(call.unsupported("/etc/postfix/main.cf with an answer that changes it"));
    }
    names(system, call)?;
    if ["Internet with smarthost", "Satellite system"].contains(&kind.as_str()) {
        if is_default(system, call, "relayhost")? {
            let domain = domain(system).unwrap_or(NO_DOMAIN);
            let relay = format!("smtp.{domain}");
            set(system, call, "relayhost", &relay)?;
        }
        input(system, call, "high", "relayhost")?;
    }
    input(system, call, "medium", "root_address")?;
    destinations(system, call, &kind)?;
    input(system, call, "low", "mynetworks")?;
    let has_procmail = system.executable(b"/usr/bin/procmail").is_some();
    if is_default(system, call, "procmail")? {
        set(system, call, "procmail", if has_procmail { "true" } else { "false" })?;
    }
    if has_procmail {
        input(system, call, "low", "procmail")?;
    }
    input(system, call, "low", "mailbox_limit")?;
    input(system, call, "low", "recipient_delim")?;
    if get(system, call, "postfix/recipient_delim")?.chars().count() > 1 {
        return Err(call.unsupported("a delimiter of more than one character"));
    }
    if is_default(system, call, "protocols")? {
        // Which there are is the kernel's: Debian's have all.
        set(system, call, "protocols", "all")?;
    }
    input(system, call, "low", "protocols")?;
    Ok(0)
}

/// The name that mail is from: that of `/etc/mailname`, or the image's.
fn names(system: &mut System<'_, '_>, call: &Call<'_>) -> Result<(), Stop> {
    let file = system.read(b"/etc/mailname").unwrap_or_default();
    let file = String::from_utf8_lossy(&file).lines().next().unwrap_or_default().to_owned();
    let own = host(system).to_owned();
    let mut name = if file.is_empty() { own.clone() } else { file };
    if ["ubuntu.com", "debian.org"].contains(&name.to_lowercase().as_str()) {
        ask(system, call, "FSET postfix/mailname isdefault true")?;
        name = own;
    }
    if is_default(system, call, "mailname")? {
        set(system, call, "mailname", &name)?;
    }
    input(system, call, "high", "mailname")
}

/// The names that mail stays for.
fn destinations(system: &mut System<'_, '_>, call: &Call<'_>, kind: &str) -> Result<(), Stop> {
    let host = host(system).to_owned();
    let domain = domain(system).unwrap_or(NO_DOMAIN).to_owned();
    let name = get(system, call, "postfix/mailname")?;
    let name = if is_true(&name) { name } else { "localhost".to_owned() };
    let own = format!("localhost.{domain}");
    let list = match kind {
        // The comma that is one too many is the script's.
        "Internet Site" if name == host => format!("$myhostname, {name}, {own}, , localhost"),
        "Internet Site" => format!("$myhostname, {name}, {host}, {own}, localhost"),
        _ => {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if !name.chars().all(is_plain) {
                return Err(call.unsupported(format!("{name}, which Perl takes for a pattern")));
            }
            let list = format!("$myhostname, {host}, {own}, localhost");
            if is_below(&host, &name) { list } else { format!("{name}, {list}") }
        }
    };
    set(system, call, "destinations", &list)?;
    ask(system, call, "FSET postfix/destinations set true")?;
    let priority = if kind == "Local only" { "low" } else { "medium" };
    input(system, call, priority, "destinations")
}

/// Whether a name ends in another one, in which a dot stands for any character.
fn is_below(host: &str, name: &str) -> bool {
    let (host, name): (Vec<char>, Vec<char>) = (host.chars().collect(), name.chars().collect());
    let Some(at) = host.len().checked_sub(name.len()) else { return false };
    let is_end = host[at..].iter().zip(&name).all(|(one, other)| *other == '.' || one == other);
    is_end && (at == 0 || host[at - 1] == '.')
}

/// The image's whole name.
fn host<'n>(system: &'n System<'_, '_>) -> &'n str {
    system.assembly.request.hostname.unwrap_or("localhost")
}

fn is_default(system: &mut System<'_, '_>, call: &Call<'_>, name: &str) -> Result<bool, Stop> {
    let (_, flag) = ask(system, call, &format!("FGET postfix/{name} isdefault"))?;
    Ok(flag == "true")
}

fn set(system: &mut System<'_, '_>, call: &Call<'_>, name: &str, value: &str) -> Result<(), Stop> {
    ask(system, call, &format!("SET postfix/{name} {value}")).map(drop)
}

fn input(
    system: &mut System<'_, '_>,
    call: &Call<'_>,
    priority: &str,
    name: &str,
) -> Result<(), Stop> {
    ask(system, call, &format!("INPUT {priority} postfix/{name}")).map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cvmkit_shell::evaluation::Start;

    use super::*;
    use crate::packages::debian::commands::perl;
    use crate::packages::debian::commands::tests::machine;
    use crate::packages::debian::tests::package;
    use crate::rootfs;

    const TEMPLATES: &str = "\
Template: postfix/main_mailer_type\nType: select\nChoices: No configuration, Internet Site, Internet with smarthost, \
Satellite system, Local only\nDefault: Internet Site\nDescription: d\n
Template: postfix/mailname\nType: string\nDefault: /etc/mailname\nDescription: d\n
Template: postfix/destinations\nType: string\nDescription: d\n
Template: postfix/relayhost\nType: string\nDescription: d\n
Template: postfix/procmail\nType: boolean\nDescription: d\n
Template: postfix/protocols\nType: select\nChoices: all, ipv6, ipv4\nDescription: d\n
Template: postfix/recipient_delim\nType: string\nDefault: +\nDescription: d\n
Template: postfix/mynetworks\nType: string\nDefault: 127.0.0.0/8\nDescription: d\n
Template: postfix/mailbox_limit\nType: string\nDefault: 0\nDescription: d\n
Template: postfix/root_address\nType: string\nDefault:\nDescription: d\n";

    fn answered(hostname: &str, files: &[(&str, &str)], answers: &[(&str, &str)]) -> [String; 6] {
        let request = rootfs::Request { hostname: Some(hostname), ..rootfs::Request::default() };
        let mut assembly = machine(&request, files);
        let packages = [package("debconf", "", &[])];
        let mut system = System::new(&mut assembly, &packages, "amd64");
        let of = |(name, value): &(&str, &str)| (format!("postfix/{name}"), (*value).to_owned());
        system.answer(answers.iter().map(of).collect::<BTreeMap<_, _>>());
        system.debconf.load(TEMPLATES.as_bytes()).unwrap();
        let finished = perl::run(&mut system, config, "config", &Start::default()).unwrap();
        assert_eq!(finished.status, 0);
        ["main_mailer_type", "mailname", "destinations", "relayhost", "procmail", "protocols"].map(
            |name| {
                let line = format!("GET postfix/{name}");
                crate::packages::debian::commands::debconf::command(&mut system.debconf, &line)
                    .unwrap()
                    .1
            },
        )
    }

    /// As the script itself answers under the noninteractive frontend.
    #[test]
    fn the_answers_are_the_script_s() {
        let site = "Internet Site";
        let own = "$myhostname, localhost, localhost.localdomain, , localhost";
        assert_eq!(answered("localhost", &[], &[]), [site, "localhost", own, "", "false", "all"]);
        let files = [("/etc/mailname", "m.org\n"), ("/usr/bin/procmail", "+x")];
        let list = "$myhostname, m.org, h.example.org, localhost.example.org, localhost";
        let answers = answered("h.example.org", &files, &[]);
        assert_eq!(answers, [site, "m.org", list, "", "true", "all"]);
        let kind = "Satellite system";
        let answers = answered(
            "h.example.org",
            &files[..1],
            &[("main_mailer_type", kind), ("mailname", "org")],
        );
        let list = "$myhostname, h.example.org, localhost.example.org, localhost";
        assert_eq!(answers, [kind, "org", list, "smtp.example.org", "false", "all"]);
        let answers = answered("localhost", &[("/etc/postfix/main.cf", "")], &[]);
        assert_eq!(answers, [NONE, "/etc/mailname", "", "", "", ""]);
    }
}
