//! `update-perl-sax-parsers` of libxml-sax-perl 1.02: which parsers of XML Perl has, as files of one parser each that
//! are put together with ucf.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;
use crate::packages::debian::commands::words::shown;

const FOLDER: &str = "/var/lib/libxml-sax-perl/ParserDetails.d";

/// Parsers whose only feature is that they know of namespaces: those of libxml-sax-perl 1.02 and libxml-libxml-perl
/// 2.0134. Of any other its module would have to be asked.
const PARSERS: [&str; 3] = ["XML::LibXML::SAX", "XML::LibXML::SAX::Parser", "XML::SAX::PurePerl"];

const FEATURE: &str = "http://xml.org/sax/features/namespaces";

enum Action {
    Add(String),
    Remove(String),
    Update,
}

/// `update-perl-sax-parsers [--quiet] --add PARSER [--priority N] | --remove PARSER [--priority N] | --update`.
pub(super) fn update(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let (mut action, mut priority, mut is_quiet) = (None, 50, false);
    let mut words = call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned());
    while let Some(word) = words.next() {
        match word.as_str() {
            "--add" => action = words.next().map(Action::Add),
            "--remove" => action = words.next().map(Action::Remove),
            "--update" => action = Some(Action::Update),
            "--quiet" => is_quiet = true,
            "--priority" => {
                let number = words.next().and_then(|word| word.parse::<u32>().ok());
                priority = number.ok_or_else(|| call.unsupported("this priority"))?;
            }
            _ => return Err(call.unsupported(shown(call.arguments()))),
        }
    }
    let file = |parser: &str| match priority {
        0 => format!("{FOLDER}/{parser}"),
        priority => format!("{FOLDER}/{priority}-{parser}"),
    };
    let say = |call: &mut Call<'_>, what: String| {
        if !is_quiet {
            call.print(format!("update-perl-sax-parsers: {what}...\n").as_bytes());
        }
    };
    match action {
        Some(Action::Add(parser)) => {
            if !PARSERS.contains(&parser.as_str()) {
                return Err(call.unsupported(format!("the features of {parser}")));
            }
            say(call, format!("Registering Perl SAX parser {parser} with priority {priority}"));
            let (file, text) = (file(&parser), format!("[{parser}]\n{FEATURE} = 1\n\n\n"));
            // There may be none.
            let _ = system.remove(file.as_bytes());
            match system.write(file.as_bytes(), text.as_bytes(), 0o666 & !call.umask()) {
                Ok(()) => Ok(0),
                Err(error) => Ok(call.fail("Cannot write to", file.as_bytes(), error)),
            }
        }
        Some(Action::Remove(parser)) => {
            say(call, format!("Unregistering Perl SAX parser {parser} with priority {priority}"));
            // There may be none.
            let _ = system.remove(file(&parser).as_bytes());
            Ok(0)
        }
        Some(Action::Update) => {
            say(call, "Updating overall Perl SAX parser modules info file".to_owned());
            put_together(system, call)
        }
        None => Err(call.unsupported(shown(call.arguments()))),
    }
}

fn put_together(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const NEW: &str = "/tmp/ParserDetails.ini";
    const WORDS: [&str; 6] = [
        "ucf",
        "--debconf-ok",
        "--sum-file",
        "/var/lib/libxml-sax-perl/ParserDetails.ini.md5sum",
        NEW,
        "/etc/perl/XML/SAX/ParserDetails.ini",
    ];
    let names = match system.list(FOLDER.as_bytes()) {
        Ok(names) => names,
        Err(error) => return Ok(call.fail("Cannot access", FOLDER.as_bytes(), error)),
    };
    let mut text = Vec::new();
    for name in names {
        let path = [FOLDER.as_bytes(), &name].join(&b'/');
        match system.read(&path) {
            Ok(part) => text.extend(part),
            Err(error) => return Ok(call.fail("Cannot read from", &path, error)),
        }
    }
    if system.status(NEW.as_bytes(), false).is_ok() {
        return Err(call.unsupported(format!("a system with {NEW}")));
    }
    if let Err(error) = system.write(NEW.as_bytes(), &text, 0o644) {
        return Ok(call.fail("", NEW.as_bytes(), error));
    }
    // What ucf answers is not looked at.
    call.run(system, &WORDS.map(|word| word.as_bytes().to_vec()))?;
    match system.remove(NEW.as_bytes()) {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("unlink", NEW.as_bytes(), error)),
    }
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    const PROGRAM: (&str, &str) = ("/usr/bin/update-perl-sax-parsers", "#!/usr/bin/perl\n");

    /// What the program writes for the same parsers.
    #[test]
    fn parsers_of_perl_are_put_together() {
        let files = [
            PROGRAM,
            ("/usr/bin/cp", "+x"),
            ("/usr/bin/ucf", "#!/bin/sh\necho ucf $2 $3; cp $4 $5\n"),
            ("/var/lib/libxml-sax-perl/ParserDetails.d/", ""),
            ("/etc/perl/XML/SAX/", ""),
        ];
        let script = "umask 022; update-perl-sax-parsers --quiet --add XML::SAX::PurePerl --priority 10; \
                      update-perl-sax-parsers --add XML::LibXML::SAX; update-perl-sax-parsers --add XML::LibXML::SAX::Parser --priority 0; \
                      update-perl-sax-parsers --remove XML::LibXML::SAX::Parser --priority 0; update-perl-sax-parsers --update; \
                      cat /etc/perl/XML/SAX/ParserDetails.ini; ls /tmp /var/lib/libxml-sax-perl/ParserDetails.d";
        let of = |name: &str| format!("[{name}]\nhttp://xml.org/sax/features/namespaces = 1\n\n\n");
        let says = |what: &str| format!("update-perl-sax-parsers: {what}...\n");
        let expected = says("Registering Perl SAX parser XML::LibXML::SAX with priority 50")
            + &says("Registering Perl SAX parser XML::LibXML::SAX::Parser with priority 0")
            + &says("Unregistering Perl SAX parser XML::LibXML::SAX::Parser with priority 0")
            + &says("Updating overall Perl SAX parser modules info file")
            + "ucf --sum-file /var/lib/libxml-sax-perl/ParserDetails.ini.md5sum\n"
            + &of("XML::SAX::PurePerl")
            + &of("XML::LibXML::SAX")
            + "/tmp:\n\n/var/lib/libxml-sax-perl/ParserDetails.d:\n10-XML::SAX::PurePerl\n50-XML::LibXML::SAX\n";
        assert_eq!(output(&files, script), expected);
        let script = "update-perl-sax-parsers --add XML::SAX::Expat";
        assert!(stop(&files, script).contains("the features of XML::SAX::Expat"));
        assert!(stop(&files, "update-perl-sax-parsers --test").contains("--test"));
    }
}
