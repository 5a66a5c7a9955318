//! Whether the initramfs holds what the build put there, and nothing else.
//!
//! systemd-stub packs what it finds on the ESP beside the UKI (credentials, system and configuration
//! extensions, initrds of addons) into further archives, which the kernel unpacks into the same
//! place. Nothing here or in the root reads them; their being there says that the host tries, so
//! the boot ends and names them. An addon may also replace `/init` itself: then this program does
//! not run, as with any other UKI, and only the measurement tells (`docs/threat-model.md`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Fatal;

/// What the build puts there (`cvmkit_engine::image`), besides the modules.
const OURS: [&str; 10] = [
    "/init",
    "/dev/console",
    "/etc/stage1/command-line",
    "/etc/stage1/modules",
    "/dev",
    "/etc/stage1",
    "/proc",
    "/run",
    "/sys",
    "/sysroot",
];

/// In every kernel (`usr/default_cpio_list` of Linux).
const OF_THE_KERNEL: &str = "/root";

/// What a stub adds to every boot: the UKI's own section `.osrel`, and from systemd 262 on a secret
/// that it keeps in a variable of the firmware. Nobody reads either.
const OF_THE_STUB: [&str; 2] = ["/.extra/os-release", "/.extra/boot-secret"];

/// A message names this many files at most.
const NAMED: usize = 5;

/// All that is in the initramfs: to be asked before anything is mounted over it.
pub(crate) fn list() -> Result<Vec<PathBuf>, Fatal> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/")];
    while let Some(folder) = folders.pop() {
        let failed = |e| format!("initramfs: {}: {e}", folder.display());
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_type().map_err(failed)?.is_dir() {
                folders.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Refuses everything but what was built in, the modules, and the folders they are in.
pub(crate) fn require(found: &[PathBuf], modules: &[String]) -> Result<(), Fatal> {
    let files = OURS.into_iter().chain([OF_THE_KERNEL]).chain(OF_THE_STUB);
    let files = files.chain(modules.iter().map(String::as_str)).map(Path::new);
    let known: BTreeSet<&Path> = files.flat_map(Path::ancestors).collect();
    let foreign: Vec<&PathBuf> =
        found.iter().filter(|path| !known.contains(path.as_path())).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let named: Vec<String> =
        foreign.iter().take(NAMED).map(|path| format!("`{}`", path.display())).collect();
    let more = match foreign.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = named.join(", ");
    Err(format!("initramfs: expected only what this image was built with, found {named}{more}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "/usr/lib/modules/6.12/kernel/a.ko";

    fn check(found: &[&str]) -> Result<(), Fatal> {
        let found: Vec<PathBuf> = found.iter().map(PathBuf::from).collect();
        require(&found, &[MODULE.to_owned()])
    }

    #[test]
    fn what_was_built_in_is_expected() {
        assert_eq!(check(&OURS), Ok(()));
        assert_eq!(check(&["/usr", "/usr/lib/modules", "/usr/lib/modules/6.12", MODULE]), Ok(()));
        assert_eq!(
            check(&["/root", "/.extra", "/.extra/os-release", "/.extra/boot-secret"]),
            Ok(())
        );
    }

    /// The folders and names that systemd-stub 257 and 262 use (`stub.c`, `cpio.c`).
    #[test]
    fn what_the_stub_finds_on_the_esp_is_named() {
        for name in [
            "/.extra/credentials",
            "/.extra/credentials/a.cred",
            "/.extra/global_credentials/a.cred",
            "/.extra/sysext/a.raw",
            "/.extra/global_sysext/a.raw",
            "/.extra/confext/a.confext.raw",
            "/.extra/global_confext/a.confext.raw",
            "/.extra/profile",
            "/.extra/tpm2-pcr-signature.json",
            "/.extra/tpm2-pcr-public-key.pem",
            "/initrd.image",
            "/kernel/firmware/acpi/dsdt.aml",
            "/etc/stage1/modules/x",
            "/usr/lib/modules/6.12/kernel/b.ko",
            "/root/x",
            "/init/x",
        ] {
            let refusal = check(&["/init", name]).unwrap_err();
            assert!(refusal.ends_with(&format!("found `{name}`")), "{refusal}");
        }
    }

    #[test]
    fn a_refusal_stays_a_line() {
        let many: Vec<String> = (0..9).map(|n| format!("/x{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(check(&many).unwrap_err().ends_with("`/x4` and 4 more"));
    }
}
