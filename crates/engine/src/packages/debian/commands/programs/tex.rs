//! TeX Live 2024 with tex-common 6.19, and libpaper 2.2: what paper programs have, and what only TeX itself can make.
//!
//! Lists of files, maps of fonts, tables of languages, formats and the paper of each program are made where the image
//! runs, in the order in which the build tells their calls: without formats there is no TeX.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use super::left_out;
use crate::packages::debian::commands::System;
use crate::packages::debian::commands::system::Program;
use crate::packages::debian::commands::words::shown;

/// Programs that make data.
const NAMES: [&str; 4] = ["fmtutil", "mktexlsr", "update-language", "updmap-sys"];

/// The program of a name, if it is one of these.
pub(super) fn program(name: &[u8]) -> Option<Program> {
    Some(match name {
        b"paperconf" => paperconf,
        b"tl-paper" => tl_paper,
        name => {
            let is_known = NAMES.iter().any(|known| known.as_bytes() == name);
            return is_known.then_some(left_out::no_data as Program);
        }
    })
}

/// `paperconf`: the paper of the system, which is that of the locale `C` where nobody has chosen another.
fn paperconf(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const FILE: &[u8] = b"/etc/papersize";
    const VARIABLES: [&str; 5] = ["PAPERSIZE", "PAPERCONF", "LC_ALL", "LC_PAPER", "LANG"];
    let is_c = |value: &[u8]| [&b""[..], b"C", b"C.UTF-8", b"POSIX"].contains(&value);
    let chosen = VARIABLES.iter().any(|name| call.variable(name).is_some_and(|it| !is_c(it)));
    if !call.arguments().is_empty() || chosen || system.status(FILE, true).is_ok() {
        return Err(call.unsupported("a paper that somebody has chosen"));
    }
    call.print(b"a4\n");
    Ok(0)
}

/// `tl-paper get PROGRAM`, of a program that nobody has given a paper; `tl-paper set PROGRAM PAPER` gives it one.
fn tl_paper(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let words: Vec<String> =
        call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let file = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["set", _, _] => return left_out::no_data(system, call),
        ["get", "dvips"] => "dvips/config/config-paper.ps",
        ["get", "dvipdfmx"] => "dvipdfmx/dvipdfmx-paper.cfg",
        ["get", "xdvi"] => "xdvi/XDvi-paper",
        ["get", "pdftex"] => "tex/generic/tex-ini-files/pdftexconfig.tex",
        _ => return Err(call.unsupported(shown(call.arguments()))),
    };
    let files = ["/etc/texmf", "/var/lib/texmf"].map(|folder| format!("{folder}/{file}"));
    match files.iter().find(|file| system.status(file.as_bytes(), true).is_ok()) {
        Some(file) => Err(call.unsupported(format!("the paper of {file}"))),
        None => {
            call.print(b"a4\n");
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{data, output, stop};

    #[test]
    fn tex_is_made_where_the_image_runs() {
        let files = [
            ("/usr/bin/mktexlsr", "#!/bin/sh\nexit 1\n"),
            ("/usr/bin/fmtutil", "#!/usr/bin/perl\n"),
            ("/usr/bin/updmap-sys", "#!/bin/sh\nexit 1\n"),
            ("/usr/sbin/update-language", "#!/usr/bin/perl\n"),
            ("/usr/bin/tl-paper", "#!/usr/bin/perl\n"),
        ];
        let script = "set -e; update-language --quiet; mktexlsr /var/lib/texmf; updmap-sys --nohash; fmtutil --sys --all; \
                      tl-paper set dvips $(tl-paper get dvips)";
        let calls: Vec<String> = data(&files, script).into_iter().map(|one| one.call).collect();
        let expected = [
            "update-language --quiet",
            "mktexlsr /var/lib/texmf",
            "updmap-sys --nohash",
            "fmtutil --sys --all",
            "tl-paper set dvips a4",
        ];
        assert_eq!(calls, expected);
    }

    /// What tl-paper and paperconf say of fresh packages of Debian 13.
    #[test]
    fn paper_is_what_nobody_has_chosen() {
        let files = [("/usr/bin/paperconf", "+x"), ("/usr/bin/tl-paper", "#!/usr/bin/perl\n")];
        let script = "paperconf; for x in dvips dvipdfmx xdvi pdftex; do tl-paper get $x; done";
        assert_eq!(output(&files, script), "a4\n".repeat(5));
        for script in [
            "PAPERSIZE=a5 paperconf",
            "LC_ALL=en_US.UTF-8 paperconf",
            "paperconf -s",
            "echo >/etc/papersize; paperconf",
        ] {
            assert!(stop(&files, script).contains("has chosen"), "{script}");
        }
        let script =
            "mkdir -p /etc/texmf/xdvi; echo >/etc/texmf/xdvi/XDvi-paper; tl-paper get xdvi";
        assert!(stop(&files, script).contains("the paper of /etc/texmf/xdvi/XDvi-paper"));
        assert!(stop(&files, "tl-paper get context").contains("get context"));
    }
}
