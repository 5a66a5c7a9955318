//! emacs-package-install of emacsen-common 3.0: packages for Emacs, in an image without Emacs.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::{FileError, Files as _};

use crate::packages::debian::commands::System;

/// Which editors are installed: a file each.
const FLAVORS: &str = "/var/lib/emacsen-common/state/flavor/installed";

/// Which packages are ready to be set up for them: a file each.
const READY: &str = "/var/lib/emacsen-common/state/package/installed";

/// What packages bring: `install/NAME` is run for each editor, and `compat/NAME` says that it runs for nothing else.
const PACKAGES: &str = "/usr/lib/emacsen-common/packages";

/// `emacs-package-install (--preinst|--postinst) PACKAGE`.
pub(super) fn package_install(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let [when, package] = call.arguments() else {
        return Err(call.unsupported("a package of the old style"));
    };
    let package = String::from_utf8_lossy(package).into_owned();
    let mark = format!("{READY}/{package}");
    match when.as_slice() {
        b"--preinst" => match system.remove(mark.as_bytes()) {
            Ok(()) | Err(FileError::NotFound) => Ok(0),
            Err(error) => Ok(call.fail("cannot unlink", mark.as_bytes(), error)),
        },
        b"--postinst" => {
            let flavors = system.list(FLAVORS.as_bytes()).unwrap_or_default();
            if !flavors.is_empty() {
                return Err(call.unsupported("an image with Emacs, which compiles packages"));
            }
            if let Some(old) = of_the_old_style(system, &package) {
                return Err(call.unsupported(format!("{old}, a package of the old style")));
            }
            if system.status(mark.as_bytes(), true).is_ok() {
                return Ok(0);
            }
            match system.write(mark.as_bytes(), b"", 0o644) {
                Ok(()) => Ok(0),
                Err(error) => Ok(call.fail("cannot touch", mark.as_bytes(), error)),
            }
        }
        _ => Err(call.unsupported("these words")),
    }
}

/// This package or another that is run without any editor, if there is one.
fn of_the_old_style(system: &System<'_, '_>, package: &str) -> Option<String> {
    let install = system.list(format!("{PACKAGES}/install").as_bytes()).unwrap_or_default();
    let names = install.iter().map(|name| String::from_utf8_lossy(name).into_owned());
    names
        .chain([package.to_owned()])
        .find(|name| system.status(format!("{PACKAGES}/compat/{name}").as_bytes(), true).is_err())
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    const PROGRAM: &str = "/usr/lib/emacsen-common/emacs-package-install";
    const READY: &str = "/var/lib/emacsen-common/state/package/installed";

    #[test]
    fn without_emacs_a_package_is_marked_as_ready() {
        let files = [
            (PROGRAM, "+x"),
            ("/usr/bin/chmod", "+x"),
            ("/usr/lib/emacsen-common/packages/compat/flim", ""),
            ("/usr/lib/emacsen-common/packages/install/flim", "+x"),
            ("/var/lib/emacsen-common/state/package/installed/", ""),
            ("/var/lib/emacsen-common/state/flavor/installed/", ""),
        ];
        let script = format!(
            "chmod 755 {PROGRAM}; {PROGRAM} --postinst flim; ls {READY}; {PROGRAM} --preinst flim; {PROGRAM} --preinst flim; ls {READY}"
        );
        assert_eq!(output(&files, &script), "flim\n");
        let postinst = format!("chmod 755 {PROGRAM}; {PROGRAM} --postinst flim");
        for more in [
            "/usr/lib/emacsen-common/packages/install/old",
            "/var/lib/emacsen-common/state/flavor/installed/emacs",
        ] {
            let files = [&files[..], &[(more, "")]].concat();
            assert!(stop(&files, &postinst).contains("emacs-package-install"), "{more}");
        }
        assert!(
            stop(&files, &format!("chmod 755 {PROGRAM}; {PROGRAM} flim")).contains("old style")
        );
    }
}
