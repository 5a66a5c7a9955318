//! Why there is no `/etc/ld.so.cache`, checked.
//!
//! The loader of Debian's glibc searches `/lib/<triplet>`, `/usr/lib/<triplet>`, `/lib` and
//! `/usr/lib` by itself (`ld.so --help`, "system search path"), so a cache only saves a few
//! look-ups. It is needed when `/etc/ld.so.conf` names another folder that holds a library: that is
//! an error here.

use super::RootfsError;
use super::assembly::{Assembly, bare};

const CONFIGURATION: &str = "/etc/ld.so.conf";

/// Checks every folder the configuration names.
pub(crate) fn check(assembly: &Assembly<'_>) -> Result<(), RootfsError> {
    let mut folders = Vec::new();
    for path in configuration(assembly)? {
        let text = assembly.text(&path)?.unwrap_or_default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.starts_with('/') {
                folders.push((path.clone(), line.to_owned()));
            }
        }
    }
    for (path, folder) in folders {
        let mut names = assembly.names(&folder)?.into_iter();
        let library = names.find(|name| name.contains(".so"));
        if let Some(library) = library.filter(|_| !is_built_in(assembly, &folder)) {
            return Err(RootfsError::Unsupported {
                path: format!("{}/{library}", bare(&folder)),
                what: format!("a library that only a loader cache finds ({path} names its folder)"),
            });
        }
    }
    Ok(())
}

/// The main file and what its one kind of `include` names.
fn configuration(assembly: &Assembly<'_>) -> Result<Vec<String>, RootfsError> {
    let mut paths = vec![CONFIGURATION.to_owned()];
    let text = assembly.text(CONFIGURATION)?.unwrap_or_default();
    for (number, line) in (1..).zip(text.lines()) {
        let Some(pattern) = line.trim().strip_prefix("include ") else { continue };
        let folder = pattern.trim().strip_suffix("/*.conf").ok_or_else(|| RootfsError::Syntax {
            path: bare(CONFIGURATION).to_owned(),
            line: number,
            why: format!("include `{pattern}`: expected /folder/*.conf"),
        })?;
        let names = assembly.names(folder)?.into_iter().filter(|name| name.ends_with(".conf"));
        paths.extend(names.map(|name| format!("{folder}/{name}")));
    }
    Ok(paths)
}

fn is_built_in(assembly: &Assembly<'_>, folder: &str) -> bool {
    let real = assembly.tree.real_path(bare(folder).as_bytes()).unwrap_or_default();
    let real = String::from_utf8_lossy(&real).into_owned();
    real == "usr/lib"
        || real.strip_prefix("usr/lib/").is_some_and(|rest| {
            !rest.contains('/')
                && (rest.ends_with("-linux-gnu") || rest.ends_with("-linux-gnueabihf"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::{assembly, refused};

    const INCLUDE: &str = "include /etc/ld.so.conf.d/*.conf\n";

    /// ld.so(8): what `ld.so --help` calls the system search path needs no cache.
    #[test]
    fn a_library_where_the_loader_does_not_look_is_refused() {
        for (folder, files, is_refused) in [
            ("/opt/lib", &[("/opt/lib/libx.so.1", "")][..], true),
            ("/opt/lib", &[("/opt/lib/libx.so", "")], true),
            ("/opt/lib", &[("/opt/lib/libx.a", "")], false),
            ("/opt/lib", &[], false),
            ("/opt/lib", &[("/opt/lib", "-> ../usr/lib"), ("/usr/lib/libx.so", "")], false),
            ("/usr/lib", &[("/usr/lib/libx.so", "")], false),
            ("/usr/lib/x86_64-linux-gnu", &[("/usr/lib/x86_64-linux-gnu/libx.so", "")], false),
            (
                "/lib/arm-linux-gnueabihf",
                &[("/lib", "-> usr/lib"), ("/usr/lib/arm-linux-gnueabihf/libx.so", "")],
                false,
            ),
            ("/usr/lib/x", &[("/usr/lib/x/libx.so", "")], true),
            ("/usr/lib/a/x86_64-linux-gnu", &[("/usr/lib/a/x86_64-linux-gnu/libx.so", "")], true),
            ("/usr/local/lib", &[("/usr/local/lib/libx.so", "")], true),
            ("/usr/lib64", &[("/usr/lib64/libx.so", "")], true),
        ] {
            let request = Request::default();
            let own = format!("# a comment\n  {folder}  # another\n");
            let configuration =
                [("/etc/ld.so.conf", INCLUDE), ("/etc/ld.so.conf.d/x.conf", own.as_str())];
            let tree = assembly(&request, &[&configuration[..], files].concat());
            match is_refused {
                false => check(&tree).unwrap(),
                true => refused(
                    check(&tree),
                    "a library that only a loader cache finds (/etc/ld.so.conf.d/x.conf names its folder)",
                ),
            }
        }
    }

    #[test]
    fn the_main_file_and_what_it_includes_are_read() {
        let request = Request::default();
        let library = ("/opt/lib/libx.so", "");
        for (files, is_refused) in [
            (&[("/etc/ld.so.conf", "/opt/lib\n")][..], true),
            (&[("/etc/ld.so.conf", "#/opt/lib\n")], false),
            (&[("/etc/ld.so.conf", "opt/lib\n")], false),
            (&[("/etc/ld.so.conf.d/x.conf", "/opt/lib\n")], false),
            (&[("/etc/ld.so.conf", INCLUDE), ("/etc/ld.so.conf.d/x.txt", "/opt/lib\n")], false),
            (&[("/etc/ld.so.conf", "include  /a/*.conf\n"), ("/a/x.conf", "/opt/lib\n")], true),
        ] {
            let tree = assembly(&request, &[files, &[library]].concat());
            assert_eq!(check(&tree).is_err(), is_refused, "{files:?}");
        }
        let tree = assembly(&request, &[("/etc/ld.so.conf", "\ninclude /etc/x\n")]);
        refused(
            check(&tree),
            "`/etc/ld.so.conf`, line 2: include `/etc/x`: expected /folder/*.conf",
        );
        check(&assembly(&request, &[library])).unwrap();
    }
}
