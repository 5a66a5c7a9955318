//! Real files that tests read besides their own: the systemd stub and ukify of Debian 13, one of
//! its kernels, and the firmware of the minimal image.
//!
//! Packages come from the host's own mirror through an apt with a state of its own below the target
//! folder, signed by the archive keys that the product embeds; nothing is installed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::step::{self, announce};
use crate::{Workspace, apt, demo};

/// The release whose systemd and kernel the recipes use.
const SUITE: &str = "trixie";

/// The metapackage of the kernel.
const KERNEL: &str = "linux-image-cloud-amd64";

/// Where the packages put what is read.
const STUB: &str = "usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const UKIFY: &str = "usr/bin/ukify";

/// Where the tool is started from.
const TOOLS: &str = "tools";

/// Written last, so that an interrupted download is done again.
const DONE: &str = "complete";

/// What tests are told by their environment.
pub(crate) struct Inputs {
    folder: PathBuf,
    firmware: PathBuf,
    store: PathBuf,
}

impl Inputs {
    /// Downloads and unpacks what is missing, and builds the minimal image for its firmware.
    pub(crate) fn ensure(workspace: &Workspace) -> Result<Self> {
        announce("real inputs for the tests");
        let folder = workspace.target.join("oracles").join(SUITE);
        if !folder.join(DONE).is_file() {
            download(workspace, &folder)?;
        }
        start_with_debian_python(&folder)?;
        let store = match std::env::var_os("CVMKIT_STORE") {
            Some(store) => store.into(),
            None => workspace.target.join("oracles/store"),
        };
        let image = workspace.target.join("oracles/image");
        demo::build_image(workspace, &image, Some(&store))?;
        Ok(Self { folder, firmware: demo::only(&image, ".fd")?, store })
    }

    /// Tells a command where they are.
    pub(crate) fn tell(&self, command: &mut Command) -> Result<()> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.folder.join(TOOLS)).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders)?);
        command.env("CVMKIT_STUB", self.folder.join("systemd").join(STUB));
        command.env("CVMKIT_KERNEL_TREE", self.folder.join("kernel"));
        command.env("CVMKIT_STORE", &self.store);
        // Whoever has more firmware to test with says so.
        let named = std::env::var_os("CVMKIT_FIRMWARE").unwrap_or_default();
        let mut firmware: Vec<PathBuf> = std::env::split_paths(&named).collect();
        firmware.retain(|path| !path.as_os_str().is_empty());
        firmware.push(self.firmware.clone());
        command.env("CVMKIT_FIRMWARE", std::env::join_paths(firmware)?);
        Ok(())
    }
}

/// ukify takes the first `python3` of the `PATH`, which need not be the one that python3-pefile was
/// installed for.
fn start_with_debian_python(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let script = "#!/bin/sh\nexec /usr/bin/python3 \"${0%/*}/../systemd/usr/bin/ukify\" \"$@\"\n";
    fs::create_dir_all(folder.join(TOOLS))?;
    let tool = folder.join(TOOLS).join("ukify");
    fs::write(&tool, script)?;
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755))?;
    step::run(step::command(&tool, ["--version"]).env("PYTHONDONTWRITEBYTECODE", "1"))
}

/// Fetches the packages and unpacks them, into `systemd` and `kernel`.
fn download(workspace: &Workspace, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let debs = folder.join("debs");
    fs::create_dir_all(&debs)?;
    let apt = private_apt(workspace, &folder.join("apt"))?;
    step::run(apt("apt-get").args(["update", "-q"]))?;
    let shown = step::output(apt("apt-cache").args(["show", "--no-all-versions", KERNEL]))?;
    let kernel = depended_upon(&shown).with_context(|| format!("{KERNEL} depends on nothing"))?;
    let systemd = ["systemd-boot-efi", "systemd-ukify"];
    let mut get = apt("apt-get");
    step::run(get.args(["download", "-q", kernel]).args(systemd).current_dir(&debs))?;
    for name in demo::list(&debs)? {
        let package = name.split('_').next().unwrap_or_default();
        let to = if systemd.contains(&package) { "systemd" } else { "kernel" };
        let deb = debs.join(&name);
        step::run(step::command("dpkg-deb", ["-x"]).arg(&deb).arg(folder.join(to)))?;
    }
    for found in [Path::new("systemd").join(STUB), Path::new("systemd").join(UKIFY)] {
        fs::metadata(folder.join(&found)).with_context(|| format!("no `{}`", found.display()))?;
    }
    fs::remove_dir_all(folder.join("apt"))?;
    fs::write(folder.join(DONE), "")?;
    Ok(())
}

/// An apt of which sources, lists, caches and keys are its own.
fn private_apt(workspace: &Workspace, root: &Path) -> Result<impl Fn(&str) -> Command + use<>> {
    for folder in ["lists/partial", "cache/archives/partial", "parts"] {
        fs::create_dir_all(root.join(folder))?;
    }
    let keyring = root.join("keyring.gpg");
    fs::copy(workspace.root.join("crates/debian/keys/debian-archive-keyring.pgp"), &keyring)?;
    let source = format!("deb [signed-by={}] {} {SUITE} main\n", keyring.display(), apt::mirror()?);
    fs::write(root.join("sources.list"), source)?;
    fs::write(root.join("status"), "")?;
    let own = |name: &str, path: &str| {
        let mut option = OsString::from(format!("{name}="));
        option.push(root.join(path));
        option
    };
    let mut options = vec![
        own("Dir::Etc::sourcelist", "sources.list"),
        own("Dir::Etc::sourceparts", "parts"),
        own("Dir::Etc::preferencesparts", "parts"),
        own("Dir::State::lists", "lists"),
        own("Dir::State::status", "status"),
        own("Dir::Cache", "cache"),
    ];
    let fixed = [
        "Dir::Etc::preferences=/nonexistent",
        "APT::Architecture=amd64",
        "APT::Architectures=amd64",
        "APT::Sandbox::User=",
        "Acquire::Languages=none",
        "Acquire::Retries=3",
    ];
    options.extend(fixed.map(OsString::from));
    Ok(move |program: &str| {
        let arguments = options.iter().flat_map(|option| ["-o".into(), option.clone()]);
        let mut command = step::command(program, arguments);
        command.env("LC_ALL", "C");
        command
    })
}

/// The first package that a metapackage depends on.
fn depended_upon(stanza: &str) -> Option<&str> {
    let depends = stanza.lines().find_map(|line| line.strip_prefix("Depends: "))?;
    depends.split([' ', ',']).next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_what_its_metapackage_depends_on() {
        let stanza = "Package: linux-image-cloud-amd64\nPre-Depends: x\n\
                      Depends: linux-image-6.12.1+deb13-cloud-amd64 (= 6.12.1-1), y\n";
        assert_eq!(depended_upon(stanza), Some("linux-image-6.12.1+deb13-cloud-amd64"));
        assert_eq!(depended_upon("Package: x\n"), None);
    }
}
