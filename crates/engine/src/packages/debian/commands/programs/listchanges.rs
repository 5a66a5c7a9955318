//! `debconf_helper.py` of apt-listchanges 4.8: its configuration, from the answers of debconf.
//!
//! It is a module of Python, and a copy of it in the package's `config`. A configuration that is there already ends
//! the evaluation.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;

/// How the words of a call say that it is meant.
pub(in super::super) fn is_meant(call: &Call<'_>, word: &str) -> bool {
    let is_of_package =
        call.variable("DPKG_MAINTSCRIPT_PACKAGE") == Some(b"apt-listchanges".as_slice());
    is_of_package
        && (word == "apt_listchanges.debconf_helper" || word.ends_with("/debconf-helper.py"))
}

/// `config FILE ..` asks, which changes nothing without a configuration; `postinst FILE ..` writes the answers.
pub(in super::super) fn helper(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    words: &[String],
) -> Result<u8, Stop> {
    let [step, file, ..] = words else { return Err(call.unsupported("these words")) };
    if system.status(&call.path(file.as_bytes()), true).is_ok() {
        return Err(call.unsupported(format!("{file}, which is there already")));
    }
    let text = match step.as_str() {
        "config" => return Ok(0),
        "postinst" => configuration(system),
        _ => return Err(call.unsupported("these words")),
    };
    if text.contains('%') {
        return Err(call.unsupported("an answer with `%`"));
    }
    let new = format!("{file}.new");
    match system.write(&call.path(new.as_bytes()), text.as_bytes(), 0o644) {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("", new.as_bytes(), error)),
    }
}

/// The file, as the module configparser writes it.
fn configuration(system: &mut System<'_, '_>) -> String {
    const DATABASE: &str = "/var/lib/apt/listchanges";
    let mut text = "[apt]\n".to_owned();
    let mut answer = |name: &str| system.debconf.read(&format!("apt-listchanges/{name}"));
    let mut set = |key: &str, value: &str| text += &format!("{key}={value}\n");
    let or_none = |value: String| if value.is_empty() { "none".to_owned() } else { value };
    let truth = |value: String| (value == "true").to_string();
    let frontend = answer("frontend");
    set("frontend", &frontend);
    if frontend != "none" {
        let which = answer("which");
        set("which", &which);
        if which != "news" {
            set("no_network", &truth(answer("no-network")));
        }
        let address = answer("email-address");
        set("email_address", &or_none(address.clone()));
        if !address.is_empty() {
            set("email_format", &answer("email-format"));
        }
        if frontend != "mail" {
            set("confirm", &truth(answer("confirm")));
        }
        for key in ["headers", "reverse"] {
            set(key, &truth(answer(key)));
        }
        set("save_seen", if answer("save-seen") == "true" { DATABASE } else { "none" });
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::debian::commands::tests::{machine, run};
    use crate::rootfs;

    const TEMPLATES: &str = "Template: apt-listchanges/frontend\nType: select\nChoices: pager, mail, none\n\
                             Default: pager\n\nTemplate: apt-listchanges/which\nType: select\n\
                             Choices: news, changelogs, both\nDefault: news\n\n\
                             Template: apt-listchanges/no-network\nType: boolean\nDefault: false\n\n\
                             Template: apt-listchanges/email-address\nType: string\nDefault: root\n\n\
                             Template: apt-listchanges/email-format\nType: select\nChoices: text, html\n\
                             Default: text\n\nTemplate: apt-listchanges/confirm\nType: boolean\nDefault: false\n\n\
                             Template: apt-listchanges/headers\nType: boolean\nDefault: false\n\n\
                             Template: apt-listchanges/reverse\nType: boolean\nDefault: false\n\n\
                             Template: apt-listchanges/save-seen\nType: boolean\nDefault: true\n";

    fn ran(script: &str) -> Result<String, String> {
        let request = rootfs::Request::default();
        let files = [("/usr/bin/python3", "+x"), ("/usr/lib/python3/dist-packages/debconf.py", "")];
        let mut assembly = machine(&request, &files);
        let mut system = System::new(&mut assembly, &[], "amd64");
        system.debconf.load(TEMPLATES.as_bytes()).unwrap();
        let script = format!("export DPKG_MAINTSCRIPT_PACKAGE=apt-listchanges; {script}");
        let finished = run(&mut system, &script).map_err(|stop| stop.to_string())?;
        Ok(String::from_utf8(finished.output).unwrap())
    }

    /// What python3 writes with the same answers.
    #[test]
    fn answers_are_its_configuration() {
        let script = "python3 -B -c 'import debconf' && python3 -B /tmp/x/debconf-helper.py config /etc/c configure ''; \
                      python3 -m apt_listchanges.debconf_helper postinst /etc/c ''; cat /etc/c.new; stat -c %a /etc/c.new";
        let expected = "[apt]\nfrontend=pager\nwhich=news\nemail_address=root\nemail_format=text\nconfirm=false\n\
                        headers=false\nreverse=false\nsave_seen=/var/lib/apt/listchanges\n\n644\n";
        assert_eq!(ran(script).as_deref(), Ok(expected));
        let helper = "python3 -m apt_listchanges.debconf_helper";
        for (script, why) in [
            (format!("echo >/etc/c; {helper} postinst /etc/c ''"), "there already"),
            (format!("{helper} other /etc/c ''"), "these words"),
            (format!("DPKG_MAINTSCRIPT_PACKAGE=p {helper} postinst /etc/c ''"), "the program -m"),
            ("python3 -c 'import os'".to_owned(), "the program -c"),
        ] {
            assert!(ran(&script).unwrap_err().contains(why), "{script}");
        }
    }

    #[test]
    fn a_module_that_is_not_there_is_not_imported() {
        use crate::packages::debian::commands::tests::output;

        let files = [("/usr/bin/python3", "+x")];
        assert_eq!(output(&files, "python3 -c 'import debconf' 2>/dev/null; echo $?"), "1\n");
    }
}
