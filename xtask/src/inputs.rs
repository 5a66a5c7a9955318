//! Real files that tests read besides their own: the firmware of three Debian releases, every build
//! of it that can measure a guest, the systemd stubs of two, ukify and a kernel of one, and the
//! firmware of the minimal image.
//!
//! Packages come from the host's own mirror through an apt with a state of its own below the target
//! folder, signed by the archive keys that the product embeds; nothing is installed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::{self, announce};
use crate::{Workspace, apt, demo};

/// A release of which packages are unpacked.
struct Suite {
    name: &'static str,
    /// Packages, and the folder that each is unpacked into.
    packages: &'static [(&'static str, &'static str)],
    /// Whether its kernel is unpacked too, into [`KERNEL_FOLDER`].
    kernel: bool,
    /// Files that must be there then.
    files: &'static [&'static str],
}

/// The oldest release whose firmware has metadata of SEV and TDX.
const BOOKWORM: Suite = Suite {
    name: "bookworm",
    packages: &[("ovmf", "firmware")],
    kernel: false,
    files: &[FIRMWARE],
};

/// The release whose systemd and kernel the recipes use.
const TRIXIE: Suite = Suite {
    name: "trixie",
    packages: &[
        ("systemd-boot-efi", "systemd"),
        ("systemd-ukify", "systemd"),
        ("ovmf", "firmware"),
    ],
    kernel: true,
    files: &[STUB, UKIFY, FIRMWARE],
};

/// The release whose firmware the recipes use, and what systemd will be.
const FORKY: Suite = Suite {
    name: "forky",
    packages: &[
        ("systemd-boot-efi", "systemd"),
        ("ovmf-generic", "firmware"),
        ("ovmf-amdsev", "firmware"),
        ("ovmf-inteltdx", "firmware"),
        ("ovmf-legacy", "firmware"),
    ],
    kernel: false,
    files: &[STUB, FIRMWARE, FIRMWARE_AMDSEV, FIRMWARE_INTELTDX, FIRMWARE_LEGACY],
};

/// The metapackage of the kernel.
const KERNEL: &str = "linux-image-cloud-amd64";

/// How the name of its file starts.
const KERNEL_FILE: &str = "vmlinuz-";

/// Where the packages put what is read.
const STUB: &str = "systemd/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const UKIFY: &str = "systemd/usr/bin/ukify";
const FIRMWARE: &str = "firmware/usr/share/ovmf/OVMF.fd";
const FIRMWARE_AMDSEV: &str = "firmware/usr/share/ovmf/OVMF.amdsev.fd";
const FIRMWARE_INTELTDX: &str = "firmware/usr/share/ovmf/OVMF.inteltdx.ms.fd";
const FIRMWARE_LEGACY: &str = "firmware/usr/share/ovmf/OVMF.legacy.fd";
const KERNEL_FOLDER: &str = "kernel";

/// Where the tool is started from.
const TOOLS: &str = "tools";

/// Written last with what is there, so that an interrupted download is done again, and one of other
/// packages too.
const DONE: &str = "complete";

/// What tests are told by their environment.
pub(crate) struct Inputs {
    bookworm: PathBuf,
    trixie: PathBuf,
    forky: PathBuf,
    firmware: PathBuf,
    store: PathBuf,
}

impl Inputs {
    /// Downloads and unpacks what is missing, and builds the minimal image by this program for its firmware.
    pub(crate) fn ensure(workspace: &Workspace, cvmkit: &Path) -> Result<Self> {
        announce("real inputs for the tests");
        let bookworm = BOOKWORM.ensure(workspace)?;
        let trixie = TRIXIE.ensure(workspace)?;
        let forky = FORKY.ensure(workspace)?;
        start_with_debian_python(&trixie)?;
        let store = match std::env::var_os("CVMKIT_STORE") {
            Some(store) => store.into(),
            None => workspace.target.join("oracles/store"),
        };
        let image = workspace.target.join("oracles/image");
        demo::build_image(workspace, cvmkit, &image, Some(&store))?;
        Ok(Self { bookworm, trixie, forky, firmware: demo::only(&image, "amdsev.fd")?, store })
    }

    /// Firmware that starts SEV-SNP guests with a kernel, and TDs.
    pub(crate) fn generic_firmware(&self) -> PathBuf {
        self.forky.join(FIRMWARE)
    }

    /// Tells a command where they are.
    pub(crate) fn tell(&self, command: &mut Command) -> Result<()> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.trixie.join(TOOLS)).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders)?);
        command.env("CVMKIT_BOOKWORM", &self.bookworm);
        command.env("CVMKIT_TRIXIE", &self.trixie).env("CVMKIT_FORKY", &self.forky);
        command.env("CVMKIT_STUB", self.trixie.join(STUB));
        let kernel = self.trixie.join(KERNEL_FOLDER);
        let boot = kernel.join("boot");
        let mut files = demo::list(&boot)?.into_iter();
        let file = files.find(|name| name.starts_with(KERNEL_FILE)).context("no kernel")?;
        command.env("CVMKIT_KERNEL", boot.join(file));
        command.env("CVMKIT_KERNEL_TREE", kernel);
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

impl Suite {
    /// Downloads and unpacks what is missing; answers where.
    fn ensure(&self, workspace: &Workspace) -> Result<PathBuf> {
        let folder = workspace.target.join("oracles").join(self.name);
        let wanted = format!("{:?} {}\n", self.packages, self.kernel);
        if fs::read_to_string(folder.join(DONE)).ok().as_ref() != Some(&wanted) {
            self.download(workspace, &folder)?;
            fs::write(folder.join(DONE), wanted)?;
        }
        Ok(folder)
    }

    /// Fetches the packages and unpacks them, each into its folder.
    fn download(&self, workspace: &Workspace, folder: &Path) -> Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        let debs = folder.join("debs");
        fs::create_dir_all(&debs)?;
        let apt = private_apt(workspace, &folder.join("apt"), self.name)?;
        update(&apt, self.name)?;
        let mut get = apt("apt-get");
        get.args(["download", "-q"]).args(self.packages.iter().map(|(package, _)| package));
        if self.kernel {
            let shown = step::output(apt("apt-cache").args(["show", "--no-all-versions", KERNEL]))?;
            let kernel =
                depended_upon(&shown).with_context(|| format!("{KERNEL} depends on nothing"))?;
            get.arg(kernel);
        }
        step::run(get.current_dir(&debs))?;
        for name in demo::list(&debs)? {
            let package = name.split('_').next().unwrap_or_default();
            let named = self.packages.iter().find(|(known, _)| *known == package);
            let to = folder.join(named.map_or(KERNEL_FOLDER, |(_, to)| to));
            step::run(step::command("dpkg-deb", ["-x"]).arg(debs.join(&name)).arg(to))?;
        }
        for found in self.files {
            fs::metadata(folder.join(found)).with_context(|| format!("no `{found}`"))?;
        }
        fs::remove_dir_all(folder.join("apt"))?;
        Ok(())
    }
}

/// The index of a suite's packages, as the archive has it.
pub(crate) fn package_index(workspace: &Workspace, suite: &str) -> Result<String> {
    let folder = workspace.target.join("campaign/apt");
    let apt = private_apt(workspace, &folder, suite)?;
    update(&apt, suite)?;
    let index = step::output(apt("apt-cache").arg("dumpavail"))?;
    fs::remove_dir_all(folder)?;
    Ok(index)
}

/// Fetches the lists of packages; of a suite that its archive has let expire too, loudly: its
/// signature still counts, and the tests pin the digests of what they read.
fn update(apt: impl Fn(&str) -> Command, suite: &str) -> Result<()> {
    let mut command = apt("apt-get");
    command.args(["update", "-q"]);
    let ended = step::attempt(&mut command)?;
    match ended.code {
        Some(0) => return Ok(()),
        _ if has_expired(&ended.stderr) => {}
        code => bail!("exit code {code:?} from: {}", step::shown(&command)),
    }
    println!("!! the mirror's suite `{suite}` has expired; accepted all the same");
    step::run(command.args(["-o", "Acquire::Check-Valid-Until=false"]))
}

/// True if apt refuses a suite for its age alone.
fn has_expired(stderr: &str) -> bool {
    let mut errors = stderr.lines().filter(|line| line.starts_with("E: ")).peekable();
    errors.peek().is_some() && errors.all(|line| line.contains(" is expired (invalid since "))
}

/// An apt of which sources, lists, caches and keys are its own.
fn private_apt(
    workspace: &Workspace,
    root: &Path,
    suite: &str,
) -> Result<impl Fn(&str) -> Command + use<>> {
    for folder in ["lists/partial", "cache/archives/partial", "parts"] {
        fs::create_dir_all(root.join(folder))?;
    }
    let keyring = root.join("keyring.gpg");
    fs::copy(workspace.root.join("crates/debian/keys/debian-archive-keyring.pgp"), &keyring)?;
    let source = format!("deb [signed-by={}] {} {suite} main\n", keyring.display(), apt::mirror()?);
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

    #[test]
    fn only_age_is_forgiven() {
        let expired = "E: Release file for http://mirror.example/debian/dists/x/InRelease is \
                       expired (invalid since 15d 0h 54min 10s). Updates for this repository will \
                       not be applied.\n";
        assert!(has_expired(expired));
        assert!(!has_expired(&format!("{expired}E: The repository is not signed.\n")));
        assert!(!has_expired(""));
    }
}
