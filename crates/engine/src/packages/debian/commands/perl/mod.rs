//! Maintainer scripts that are Perl: a function stands for each, by the SHA-256 of its text.
//!
//! Nothing here reads Perl, so a script with another text is an error: its own version says what it does. Questions
//! are asked as `Debconf::Client::ConfModule` asks them. Oracle: the scripts themselves, run by perl 5.36.

mod krb5;
mod postfix;
mod questions;
mod slbackup;
mod wordlist;

use cvmkit_formats::digest::Sha256;
use cvmkit_shell::Stop;
use cvmkit_shell::commands::run_program;
use cvmkit_shell::evaluation::{Finished, Start};
use cvmkit_shell::world::{Invocation, World as _};

use super::System;
pub(super) use super::system::Program;

/// The steps that a script counts as: it goes through files as long as krb5.conf.
const WORK: u64 = 1000;

/// A script, and what stands for it.
struct Known {
    package: &'static str,
    /// The version of the package whose text this is.
    version: &'static str,
    file: &'static str,
    sha256: &'static str,
    program: Program,
}

impl Known {
    const fn new(
        package: &'static str,
        version: &'static str,
        file: &'static str,
        sha256: &'static str,
        program: Program,
    ) -> Self {
        Self { package, version, file, sha256, program }
    }
}

const KNOWN: [Known; 6] = [
    Known::new(
        "krb5-config",
        "2.7",
        "config",
        "2b484985e7a3bf9f38bfe807fd195d7a2f55f2869f0e05bc587bf7606d022688",
        krb5::config,
    ),
    Known::new(
        "krb5-config",
        "2.7",
        "postinst",
        "a5735bd836a35cee23fc122908a81db91624d612f0f011a3007591759dca91d6",
        krb5::postinst,
    ),
    Known::new(
        "postfix",
        "3.10.13-0+deb13u1",
        "config",
        "243d72775b3a800c8bf8f4692b22279ff629f2ae501f85624c5d7892a46bf5f8",
        postfix::config,
    ),
    Known::new(
        "slbackup",
        "0.0.12-14",
        "config",
        "172e7a597f4b55c5775bd5b865ed9793390198cfb6b229ea00110abe7219c1de",
        slbackup::config,
    ),
    Known::new(
        "slbackup",
        "0.0.12-14",
        "postinst",
        "3a35c30b89b31a43364881b1f878a21b6464082294ee11b0ba97f57f69543c82",
        slbackup::postinst,
    ),
    Known::new(
        "wamerican",
        "2020.12.07-4",
        "config",
        "b6711ad7172053067b2648fa2f6d346faced9c8ef2c6922f59bb69cb77e8f3bb",
        wordlist::config,
    ),
];

/// The function that stands for a script of a package.
///
/// # Errors
/// Why there is none, to follow "can't be evaluated".
pub(super) fn program(package: &str, file: &str, text: &[u8]) -> Result<Program, String> {
    let found = KNOWN.iter().filter(|known| known.package == package && known.file == file);
    let known: Vec<&Known> = found.collect();
    let sha256 = Sha256::of(text).to_string();
    match known.iter().find(|known| known.sha256 == sha256) {
        Some(known) => Ok(known.program),
        None if known.is_empty() => Err(String::new()),
        None => {
            let versions: Vec<&str> = known.iter().map(|known| known.version).collect();
            Err(format!(": it differs from that of version {}", versions.join(", ")))
        }
    }
}

/// Runs what stands for a script with its arguments and variables.
pub(super) fn run(
    system: &mut System<'_, '_>,
    program: Program,
    file: &str,
    start: &Start,
) -> Result<Finished, Stop> {
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let words = [vec![file.as_bytes().to_vec()], start.arguments.clone()].concat();
    system.work(WORK);
    let invocation = Invocation {
        script: &start.name,
        line: 1,
        words: &words,
        environment: &start.environment,
        directory: b"/",
        umask: start.umask,
        nested: 0,
        input: b"",
        output: &mut output,
        errors: &mut errors,
    };
    let ran = run_program(program, system, invocation)?;
    Ok(Finished { status: ran.status, output, errors })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_with_another_text_is_not_guessed() {
        let why = program("krb5-config", "config", b"#!/usr/bin/perl -w\n").err().unwrap();
        assert_eq!(why, ": it differs from that of version 2.7");
        assert_eq!(program("krb5-config", "preinst", b"").err().unwrap(), "");
        assert_eq!(program("other", "config", b"").err().unwrap(), "");
        for known in KNOWN {
            assert!(
                known.sha256.len() == 64 && known.sha256.bytes().all(|b| b.is_ascii_hexdigit())
            );
        }
    }
}
