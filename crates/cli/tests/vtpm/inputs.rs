//! What boots: the kernel of Debian 13, an initrd that reports, and unified kernel images.
//!
//! `CVMKIT_TRIXIE` and `CVMKIT_FORKY` name folders of unpacked packages: `systemd`, `firmware` and,
//! of Debian 13, `kernel`.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use cvmkit_formats::pe::uki::{Options, Plan};
use cvmkit_formats::source::Source;
use cvmkit_measure::tpm::StubVersion;

use crate::rig::{found, names, run, skip};

/// The command line of every boot: the console is serial, a panic ends the machine, and emulation
/// on a busy host does not look like broken hardware.
pub(crate) const COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1 no_timer_check";

/// Prints every register and the log, then ends the machine.
const INIT: &str = r#"#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t securityfs securityfs /sys/kernel/security
$b mount -t devtmpfs devtmpfs /dev
exec >/dev/ttyS0 2>&1
echo
for bank in sha256 sha384; do
    for pcr in /sys/class/tpm/tpm0/pcr-$bank/*; do
        echo "PCR $bank ${pcr##*/} $($b cat $pcr)"
    done
done
echo LOG
$b base64 /sys/kernel/security/tpm0/binary_bios_measurements
echo END
$b poweroff -f
"#;

/// Which release a stub is from: trixie has 257, forky 262.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StubOf {
    Trixie,
    Forky,
}

/// A unified kernel image to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uki {
    stub: StubOf,
    /// With every section that becomes a file of the initrd.
    extra: bool,
    /// With kernel, initrd and command line alone.
    bare: bool,
    /// Signed with the key of Debian's test variables.
    pub(crate) signed: bool,
}

impl Uki {
    pub(crate) const fn stub_version(self) -> StubVersion {
        match self.stub {
            StubOf::Trixie => StubVersion(257),
            StubOf::Forky => StubVersion(262),
        }
    }

    pub(crate) const fn new(stub: StubOf) -> Self {
        Self { stub, extra: false, bare: false, signed: false }
    }

    pub(crate) const fn signed(self, signed: bool) -> Self {
        Self { signed, ..self }
    }

    pub(crate) const fn with_extra_files(self) -> Self {
        Self { extra: true, ..self }
    }

    pub(crate) const fn bare(self) -> Self {
        Self { bare: true, ..self }
    }
}

/// Where everything is.
pub(crate) struct Inputs {
    trixie: PathBuf,
    forky: PathBuf,
    pub(crate) kernel: PathBuf,
    pub(crate) initrd: PathBuf,
    folder: tempfile::TempDir,
}

impl Inputs {
    /// What is needed for every boot; none, loudly, if something is missing.
    pub(crate) fn get() -> Option<&'static Self> {
        static INPUTS: OnceLock<Option<Inputs>> = OnceLock::new();
        INPUTS.get_or_init(Self::find).as_ref()
    }

    fn find() -> Option<Self> {
        let tools =
            ["qemu-system-x86_64", "swtpm", "busybox", "cpio", "mformat", "mcopy", "sgdisk"];
        for tool in tools.into_iter().chain(["sbsign", "openssl"]) {
            if found(tool).is_none() {
                skip(&format!("{tool} is not installed"));
                return None;
            }
        }
        let [trixie, forky] = ["CVMKIT_TRIXIE", "CVMKIT_FORKY"].map(|variable| {
            let folder = env::var_os(variable).map(PathBuf::from);
            let folder = folder.filter(|folder| folder.join("firmware").is_dir());
            if folder.is_none() {
                skip(&format!("{variable} names no unpacked firmware"));
            }
            folder
        });
        let (trixie, forky) = (trixie?, forky?);
        let boot = trixie.join("kernel/boot");
        let kernel = names(&boot).into_iter().find(|name| name.starts_with("vmlinuz-"));
        let kernel = boot.join(kernel.expect("a kernel in the unpacked packages"));
        let folder = tempfile::tempdir().unwrap();
        let initrd = make_initrd(folder.path());
        Some(Self { trixie, forky, kernel, initrd, folder })
    }

    fn suite(&self, suite: StubOf) -> &Path {
        match suite {
            StubOf::Trixie => &self.trixie,
            StubOf::Forky => &self.forky,
        }
    }

    /// A file of Debian's firmware package.
    pub(crate) fn firmware(&self, suite: StubOf, path: &str) -> PathBuf {
        self.suite(suite).join("firmware/usr/share").join(path)
    }

    /// Makes an image.
    pub(crate) fn uki(&self, uki: &Uki, to: &Path) {
        let stub = "systemd/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
        let stub = fs::read(self.suite(uki.stub).join(stub)).unwrap();
        let kernel = fs::read(&self.kernel).unwrap();
        let mut initrd = fs::read(&self.initrd).unwrap();
        if uki.extra || uki.bare {
            // The kernel takes zeros between and behind archives; now the length is odd.
            initrd.push(0);
        }
        let mut sections: Vec<(&str, &[u8])> =
            vec![(".linux", &kernel), (".initrd", &initrd), (".cmdline", COMMAND_LINE.as_bytes())];
        if !uki.bare {
            sections.extend([(".osrel", &b"ID=test\nVERSION_ID=1\n"[..]), (".uname", b"6.12")]);
        }
        if uki.extra {
            sections.extend([
                (".pcrsig", &b"{\"sha256\":[]}"[..]),
                (".pcrpkey", b"-----BEGIN PUBLIC KEY-----\n"),
                (".profile", b"ID=main\n"),
            ]);
            sections.retain(|(name, _)| *name != ".cmdline");
            sections.push((".cmdline", b"\n console=ttyS0\tquiet  panic=-1 no_timer_check \n"));
        }
        let lengths: Vec<_> =
            sections.iter().map(|(name, bytes)| (*name, Source::len(*bytes))).collect();
        let plan = Plan::new(&stub, &lengths, &Options::for_kernel(&kernel).unwrap()).unwrap();
        let owned: Vec<(&str, Vec<u8>)> =
            sections.iter().map(|(name, bytes)| (*name, bytes.to_vec())).collect();
        let contents: Vec<(&str, &dyn Source)> =
            owned.iter().map(|(name, bytes)| (*name, bytes as &dyn Source)).collect();
        let mut image = Vec::new();
        plan.write(&contents, &mut image).unwrap();
        fs::write(to, image).unwrap();
    }

    /// Signs an image with the key that is enrolled in Debian's test variables of trixie and forky.
    pub(crate) fn sign(&self, image: &Path, to: &Path) {
        let [key, certificate] = ["key", "pem"]
            .map(|end| self.firmware(StubOf::Trixie, &format!("ovmf/PkKek-1-snakeoil.{end}")));
        let open = self.folder.path().join("key.pem");
        static ONCE: OnceLock<()> = OnceLock::new();
        ONCE.get_or_init(|| {
            let mut command = Command::new("openssl");
            command.args(["pkey", "-passin", "pass:snakeoil", "-in"]).arg(&key).arg("-out");
            run(command.arg(&open)).answer();
        });
        let mut command = Command::new("sbsign");
        command.arg("--key").arg(&open).arg("--cert").arg(&certificate);
        run(command.arg("--output").arg(to).arg(image)).answer();
    }
}

/// Busybox and a script, in an archive.
fn make_initrd(folder: &Path) -> PathBuf {
    let root = folder.join("initrd");
    for name in ["bin", "dev", "proc", "sys"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::copy(found("busybox").unwrap(), root.join("bin/busybox")).unwrap();
    fs::write(root.join("init"), INIT).unwrap();
    fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755)).unwrap();
    let archive = folder.join("initrd.cpio");
    let mut command = Command::new("sh");
    command.args(["-c", "find . | cpio --quiet -o -H newc"]).current_dir(&root);
    let status = command.stdin(Stdio::null()).stdout(File::create(&archive).unwrap()).status();
    assert!(status.unwrap().success());
    archive
}
