//! The `config` and `postinst` of krb5-config 2.7: the realm of an image, and its `/etc/krb5.conf`.
//!
//! No name server is asked in a build: a realm is the definition's, that of `/etc/krb5.conf`, or the one of the
//! image's domain, and nothing is found of servers.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::{FileType, Files as _};

use super::questions::{ask, domain, get, is_true};
use crate::packages::debian::commands::System;

const CONFIGURATION: &str = "/etc/krb5.conf";
const TEMPLATE: &str = "/usr/share/kerberos-configs/krb5.conf.template";
const NEW: &str = "/etc/krb5.conf.dpkg-new";

/// The realms that the template has.
const REALMS: [&str; 10] = [
    "1TS.ORG",
    "ANDREW.CMU.EDU",
    "ATHENA.MIT.EDU",
    "CS.CMU.EDU",
    "CSAIL.MIT.EDU",
    "DEMENTIA.ORG",
    "IHTFP.ORG",
    "UTORONTO.CA",
    "ZONE.MIT.EDU",
    "stanford.edu",
];

/// The realms of domains, and of all below them where there is a dot.
const DOMAINS: [(&str, &str); 12] = [
    (".CSAIL.MIT.EDU", "CSAIL.MIT.EDU"),
    (".MEDIA.MIT.EDU", "MEDIA-LAB.MIT.EDU"),
    (".MIT.EDU", "ATHENA.MIT.EDU"),
    (".SLAC.STANFORD.EDU", "SLAC.STANFORD.EDU"),
    (".STANFORD.EDU", "stanford.edu"),
    (".TORONTO.EDU", "UTORONTO.CA"),
    (".UTORONTO.CA", "UTORONTO.CA"),
    (".WHOI.EDU", "ATHENA.MIT.EDU"),
    ("CSAIL.MIT.EDU", "CSAIL.MIT.EDU"),
    ("MEDIA.MIT.EDU", "MEDIA-LAB.MIT.EDU"),
    ("MIT.EDU", "ATHENA.MIT.EDU"),
    ("WHOI.EDU", "ATHENA.MIT.EDU"),
];

/// White space of Perl's `\s`, in bytes.
fn is_blank(character: char) -> bool {
    character.is_ascii_whitespace() || character == '\u{b}'
}

/// A section of krb5.conf(5) as Perl's `...` finds it: from its head to that of another one, with both lines.
struct Section {
    name: &'static str,
    /// Whether the head of another one has its `]`, and no letter of the name counts in another case.
    is_strict: bool,
    is_open: bool,
}

impl Section {
    fn new(name: &'static str, is_strict: bool) -> Self {
        Self { name, is_strict, is_open: false }
    }

    fn has(&mut self, line: &str) -> bool {
        let head = line.trim_start_matches(is_blank).strip_prefix('[');
        if self.is_open {
            self.is_open = !head.is_some_and(|head| self.ends_at(head));
            return true;
        }
        self.is_open = head.is_some_and(|head| {
            let behind = head.split_at_checked(self.name.len());
            behind.is_some_and(|(name, rest)| {
                name.eq_ignore_ascii_case(self.name) && rest.starts_with(']')
            })
        });
        self.is_open
    }

    fn ends_at(&self, head: &str) -> bool {
        if self.is_strict {
            return !head.starts_with(self.name) && head.contains(']');
        }
        let name = head.get(..self.name.len());
        !name.is_some_and(|name| name.eq_ignore_ascii_case(self.name))
    }
}

/// What is known of realms.
struct Known {
    realms: BTreeSet<String>,
    domains: BTreeMap<String, String>,
    /// The default realm.
    default: String,
}

impl Known {
    fn of_template() -> Self {
        let domains = DOMAINS.iter().map(|(domain, realm)| ((*domain).into(), (*realm).into()));
        Self {
            realms: REALMS.iter().map(|realm| (*realm).to_owned()).collect(),
            domains: domains.collect(),
            default: String::new(),
        }
    }

    /// What a configuration says, and nothing of the template.
    fn of_configuration(text: &str) -> Self {
        let mut known =
            Self { realms: BTreeSet::new(), domains: BTreeMap::new(), default: String::new() };
        let mut defaults = Section::new("libdefaults", true);
        let mut realms = Section::new("realms", false);
        let mut domains = Section::new("domain_realm", true);
        let bare = |text: &str| text.replace(is_blank, "");
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut parts = line.split('=');
            let (key, value) = (parts.next().unwrap_or_default(), parts.next());
            if defaults.has(line) && value.is_some() && !key.is_empty() && !key.contains(';') {
                let key = bare(key);
                if key.contains("default-realm") || key.contains("default_realm") {
                    known.default = bare(value.unwrap_or_default());
                }
            }
            if realms.has(line)
                && let Some(value) = value
                && value.trim_start_matches(is_blank).starts_with('{')
            {
                let name = key.trim_matches(is_blank);
                if !name.is_empty() && !name.contains(is_blank) {
                    known.realms.insert(name.to_owned());
                }
            }
            // Perl's `split` drops what is empty at the end.
            let more = parts.any(|part| !part.is_empty());
            if domains.has(line)
                && let Some(value) = value.filter(|value| !value.is_empty() && !more)
            {
                known.domains.insert(bare(key).to_ascii_uppercase(), bare(value));
            }
        }
        known
    }

    /// The realm of a domain: its own, that of a domain above it, or its name.
    ///
    /// # Errors
    /// Several domains that it is below: which of them counts is up to the order of Perl's hash.
    fn realm_of(&self, domain: &str) -> Result<String, String> {
        let domain = domain.to_ascii_uppercase();
        if let Some(realm) = self.domains.get(&domain) {
            return Ok(realm.clone());
        }
        let above = |name: &str| {
            let domains = self.domains.iter().filter(|(domain, _)| domain.starts_with('.'));
            let above = domains.filter(|(domain, _)| name.contains(domain.as_str()));
            above.map(|(_, realm)| realm.clone()).collect::<BTreeSet<String>>()
        };
        let realms = above(&domain);
        let Some(realm) = realms.first() else { return Ok(domain) };
        // The realm that was found is looked up as well.
        match realms.len() > 1 || above(realm).iter().any(|other| other != realm) {
            true => Err(format!("the domain {domain}, which is of several realms")),
            false => Ok(realm.clone()),
        }
    }
}

/// The configuration, if it is there.
fn configuration(system: &System<'_, '_>, call: &Call<'_>) -> Result<Option<String>, Stop> {
    let Ok(text) = system.read(CONFIGURATION.as_bytes()) else { return Ok(None) };
    let refused = |_| call.unsupported(format!("{CONFIGURATION}, which is not UTF-8"));
    String::from_utf8(text).map(Some).map_err(refused)
}

/// `config`: asks for the realm, and for its servers where the realm is none of the configuration's.
pub(super) fn config(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    ask(system, call, "SETTITLE krb5-config/title")?;
    let mut known = Known::of_template();
    if get(system, call, "krb5-config/read_conf")? == "true"
        && let Some(text) = configuration(system, call)?
    {
        known = Known::of_configuration(&text);
    }
    let mut realm = known.default.clone();
    if !is_true(&realm) {
        realm = get(system, call, "krb5-config/default_realm")?;
    }
    if !is_true(&realm) {
        let domain = domain(system).unwrap_or_default().to_owned();
        realm = known.realm_of(&domain).map_err(|why| call.unsupported(why))?;
    }
    if is_true(&realm) {
        if system.executable(b"/usr/bin/host").is_none() {
            return Ok(0);
        }
        ask(system, call, &format!("SET krb5-config/default_realm {realm}"))?;
    }
    ask(system, call, "INPUT critical krb5-config/default_realm")?;
    let realm = get(system, call, "krb5-config/default_realm")?;
    let before = get(system, call, "krb5-config/add_servers_realm")?;
    if is_true(&before) && before != realm {
        for question in ["add_servers", "kerberos_servers", "admin_server"] {
            ask(system, call, &format!("RESET krb5-config/{question}"))?;
        }
    }
    if !known.realms.contains(&realm) {
        ask_servers(system, call, &realm, &before)?;
    }
    ask(system, call, "SET krb5-config/read_conf false")?;
    Ok(0)
}

/// Asks for the servers of a realm; `before` is the one whose servers were asked for last.
fn ask_servers(
    system: &mut System<'_, '_>,
    call: &Call<'_>,
    realm: &str,
    before: &str,
) -> Result<(), Stop> {
    let (_, why) = ask(system, call, "METAGET krb5-config/no_dns Extended_description")?;
    ask(system, call, &format!("SUBST krb5-config/add_servers dns {why}"))?;
    if before != realm {
        ask(system, call, "SET krb5-config/add_servers true")?;
    }
    ask(system, call, "INPUT low krb5-config/add_servers")?;
    ask(system, call, &format!("SET krb5-config/add_servers_realm {realm}"))?;
    if get(system, call, "krb5-config/add_servers")? == "true" {
        ask(system, call, &format!("SUBST krb5-config/kerberos_servers realm {realm}"))?;
        ask(system, call, &format!("SUBST krb5-config/admin_server realm {realm}"))?;
        ask(system, call, "INPUT high krb5-config/kerberos_servers")?;
        ask(system, call, "INPUT high krb5-config/admin_server")?;
    }
    Ok(())
}

/// `postinst configure`: the template or the file that is there, with the realm and its servers.
pub(super) fn postinst(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    match call.arguments() {
        [action, version] if action == b"configure" && version.is_empty() => {}
        _ => return Err(call.unsupported("another call than that of a first installation")),
    }
    ask(system, call, "SET krb5-config/read_conf true")?;
    let realm = get(system, call, "krb5-config/default_realm")?;
    if system.target(CONFIGURATION.as_bytes()).is_ok() {
        return Ok(0);
    }
    let status = system.status(CONFIGURATION.as_bytes(), true);
    let is_file = status.is_ok_and(|status| status.file_type == FileType::Regular);
    if !is_file
        && let Err(error) = system.copy(TEMPLATE.as_bytes(), CONFIGURATION.as_bytes(), 0o644)
    {
        return Ok(call.fail("Unable to create", CONFIGURATION.as_bytes(), error));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !realm.chars().all(is_plain) || realm.starts_with('.') {
        return Err(call.unsupported(format!("the realm {realm}, which Perl takes for a pattern")));
    }
    let Some(text) = configuration(system, call)? else {
        return Err(call.unsupported(format!("{CONFIGURATION}, which can't be read")));
    };
    let (mut text, is_there) = with_realm(&text, &realm);
    if get(system, call, "krb5-config/add_servers")? == "true" && !is_there {
        let servers = get(system, call, "krb5-config/kerberos_servers")?;
        ask(system, call, "RESET krb5-config/kerberos_servers")?;
        if is_true(&servers) {
            let admin = get(system, call, "krb5-config/admin_server")?;
            ask(system, call, "RESET krb5-config/admin_server")?;
            text = text.replacen("[realms]", &section(&realm, &servers, &admin), 1);
        }
    }
    let written = system.write(NEW.as_bytes(), text.as_bytes(), 0o644);
    match written.and_then(|()| system.rename(NEW.as_bytes(), CONFIGURATION.as_bytes())) {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("Unable to rename", NEW.as_bytes(), error)),
    }
}

/// The head of the realms, with one more behind it.
fn section(realm: &str, servers: &str, admin: &str) -> String {
    let mut text = format!("[realms]\n\t{realm} = {{\n");
    for server in servers.split_whitespace() {
        text += &format!("\t\tkdc = {server}\n");
    }
    if is_true(admin) {
        text += &format!("\t\tadmin_server = {admin}\n");
    }
    text + "\t}"
}

/// A configuration with this default realm, and whether it says something of that realm.
fn with_realm(text: &str, realm: &str) -> (String, bool) {
    let mut defaults = Section::new("libdefaults", false);
    let mut realms = Section::new("realms", false);
    let (mut changed, mut is_there) = (String::new(), false);
    for line in text.split_inclusive('\n') {
        if defaults.has(line) {
            if line.trim_start_matches(is_blank).starts_with(['#', ';']) {
                changed += line;
                continue;
            }
            if is_true(realm) && default_realm(line).is_some_and(|default| default != realm) {
                changed += &replaced(line, realm);
                continue;
            }
        }
        is_there |= realms.has(line) && begins(line, realm);
        changed += line;
    }
    (changed, is_there)
}

/// The value of `default_realm` in a line.
fn default_realm(line: &str) -> Option<&str> {
    const KEY: &str = "default_realm";
    line.match_indices(KEY).find_map(|(at, _)| {
        let before = line[..at].chars().next_back();
        let value = line[at + KEY.len()..].trim_start_matches(is_blank).strip_prefix('=')?;
        let value = value.trim_start_matches(is_blank).split(is_blank).next()?;
        let is_word = before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        (!is_word && !value.is_empty()).then_some(value)
    })
}

/// A line with another value of `default_realm`, whose name counts in any case.
fn replaced(line: &str, realm: &str) -> String {
    const KEY: &str = "default_realm";
    let lower = line.to_ascii_lowercase();
    let found = lower.match_indices(KEY).find_map(|(at, _)| {
        let behind = &line[at + KEY.len()..];
        let blanks = behind.len() - behind.trim_start_matches(is_blank).len();
        behind[blanks..].starts_with('=').then(|| (&line[..at], &behind[..blanks]))
    });
    let end = if line.ends_with('\n') { "\n" } else { "" };
    match found {
        Some((before, blanks)) => format!("{before}{KEY}{blanks}= {realm}{end}"),
        None => line.to_owned(),
    }
}

/// Whether a line begins what is said of a realm, in which a dot stands for any character.
fn begins(line: &str, realm: &str) -> bool {
    let line = line.trim_start_matches(is_blank);
    let mut rest = line.chars();
    let is_name = realm.chars().all(|one| {
        rest.next().is_some_and(|found| if one == '.' { found != '\n' } else { found == one })
    });
    let rest = rest.as_str().trim_start_matches(is_blank).strip_prefix('=');
    is_name && rest.is_some_and(|rest| rest.trim_start_matches(is_blank).starts_with('{'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cvmkit_shell::evaluation::Start;

    use super::*;
    use crate::packages::debian::commands::perl;
    use crate::packages::debian::commands::tests::machine;
    use crate::rootfs;

    const TEMPLATES: &str = "\
Template: krb5-config/title\nType: title\nDescription: t\n
Template: krb5-config/default_realm\nType: string\nDescription: r\n
Template: krb5-config/read_conf\nType: boolean\nDefault: true\nDescription: c\n
Template: krb5-config/add_servers_realm\nType: string\nDescription: s\n
Template: krb5-config/add_servers\nType: boolean\nDefault: false\nDescription: a ${dns}\n
Template: krb5-config/no_dns\nType: text\nDescription: n\n However,\n none.\n
Template: krb5-config/kerberos_servers\nType: string\nDescription: k\n
Template: krb5-config/admin_server\nType: string\nDescription: m\n";

    const CONF: &str = "[libdefaults]\n\tdefault_realm = ATHENA.MIT.EDU\n# default_realm = NO\n\n\
                        [realms]\n\tATHENA.MIT.EDU = {\n\t}\n\n[domain_realm]\n\t.mit.edu = ATHENA.MIT.EDU\n";

    /// The configuration that both scripts leave, with an own one or the template before them.
    fn left(own: Option<&str>, hostname: &str, answers: &[(&str, &str)]) -> String {
        let request = rootfs::Request { hostname: Some(hostname), ..rootfs::Request::default() };
        let own = own.map(|own| ("/etc/krb5.conf", own));
        let files =
            [("/usr/bin/host", "+x"), ("/usr/share/kerberos-configs/krb5.conf.template", CONF)];
        let files: Vec<(&str, &str)> = files.into_iter().chain(own).collect();
        let mut assembly = machine(&request, &files);
        let packages = [crate::packages::debian::tests::package("debconf", "", &[])];
        let mut system = System::new(&mut assembly, &packages, "amd64");
        let of =
            |(name, value): &(&str, &str)| (format!("krb5-config/{name}"), (*value).to_owned());
        system.answer(answers.iter().map(of).collect::<BTreeMap<_, _>>());
        system.debconf.load(TEMPLATES.as_bytes()).unwrap();
        for (file, program) in [("config", config as perl::Program), ("postinst", postinst)] {
            let arguments = vec![b"configure".to_vec(), Vec::new()];
            let start = Start { arguments, name: file.to_owned(), ..Start::default() };
            let finished = perl::run(&mut system, program, file, &start).unwrap();
            assert_eq!(finished.status, 0, "{}", String::from_utf8_lossy(&finished.errors));
        }
        String::from_utf8(system.read(CONFIGURATION.as_bytes()).unwrap()).unwrap()
    }

    /// As the two scripts leave it under the noninteractive frontend.
    #[test]
    fn the_realm_is_that_of_the_definition_or_of_the_domain() {
        assert_eq!(left(None, "localhost", &[]), CONF);
        assert_eq!(left(None, "h.mit.edu", &[]), CONF);
        let of = |realm: &str| CONF.replacen("ATHENA.MIT.EDU", realm, 1);
        assert_eq!(left(None, "h.example.org", &[]), of("EXAMPLE.ORG"));
        assert_eq!(left(None, "localhost", &[("default_realm", "EXAMPLE.COM")]), of("EXAMPLE.COM"));
        let answers = [
            ("default_realm", "EXAMPLE.COM"),
            ("kerberos_servers", "a.example.com  b.example.com"),
            ("admin_server", "a.example.com"),
        ];
        let section = "[realms]\n\tEXAMPLE.COM = {\n\t\tkdc = a.example.com\n\t\tkdc = \
                       b.example.com\n\t\tadmin_server = a.example.com\n\t}";
        let expected = of("EXAMPLE.COM").replace("[realms]", section);
        assert_eq!(left(None, "localhost", &answers), expected);
    }

    /// What somebody wrote stays, and the answer of the definition does not count against it.
    #[test]
    fn a_configuration_that_is_there_has_the_word() {
        let own = "[libdefaults]\n# default_realm = NO\n\tdefault_realm = OWN.ORG # x\n[realms]\n\
                   \tOWN.ORG = {\n\t\tkdc = k\n\t}\n[domain_realm]\n .own.org = OWN.ORG\n";
        assert_eq!(left(Some(own), "localhost", &[]), own);
        assert_eq!(left(Some(own), "localhost", &[("default_realm", "EXAMPLE.COM")]), own);
        let own = "[libdefaults]\n[domain_realm]\n .own.org = OWN.ORG\n";
        assert_eq!(left(Some(own), "a.own.org", &[]), own);
        let known = Known::of_configuration(own);
        assert_eq!(known.realm_of("a.own.org"), Ok("OWN.ORG".to_owned()));
        assert!(Known::of_template().realm_of("a.csail.mit.edu").is_err());
    }

    /// The parts of Perl's patterns that these two scripts use.
    #[test]
    fn lines_are_read_as_perl_reads_them() {
        assert_eq!(default_realm("\tdefault_realm=A B\n"), Some("A"));
        assert_eq!(default_realm("x_default_realm = A\n"), None);
        assert_eq!(replaced("  Default_Realm\t=  A # x\n", "B"), "  default_realm\t= B\n");
        assert!(begins("\tA.ORG ={\n", "A.ORG") && begins("AxORG = {", "A.ORG"));
        assert!(begins(" = {", "") && !begins("A.ORG = x", "A.ORG"));
        let mut section = Section::new("realms", false);
        let has =
            ["[realmsx]", "[REALMS]", "a", "[realmsx]", "[x", "b"].map(|one| section.has(one));
        assert_eq!(has, [false, true, true, true, true, false]);
    }
}
