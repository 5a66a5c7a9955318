//! QEMU: which one, the command line that describes the machine, and the accelerator it can use.
//!
//! The machine is a q35 with one virtio disk, one virtio network card that reaches nothing but the
//! host's forwarded port, and the console on the first serial port. Nothing of the host's QEMU
//! configuration is read.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cvmkit_formats::architecture::Architecture;
use cvmkit_host::files::{self, cannot};
use cvmkit_measure::uefi::medium::{DiskBus, Medium};

use super::error::BootError;
use super::outcome::Accelerator;
use super::process::{self, Guarded};
use super::request::Request;

/// That of the guests. Another one needs a trial guest, a console and an event log's place of its own.
const ARCHITECTURE: Architecture = Architecture::X86_64;

/// The oldest QEMU that emulates Linux 6.12 reliably: 7.2 crashes about one boot in six.
const OLDEST: u32 = 10;

/// Runs 64-bit code, `lock cmpxchg16b` and a hot loop, then prints its command line; the source is
/// `canary.s` beside it.
const CANARY: &[u8] = include_bytes!("canary.bin");

/// How long the trial guest may take: emulated it needs 0.2 s, on working hardware less.
const TRIAL: Duration = Duration::from_secs(3);

/// A QEMU that is new enough.
#[derive(Clone, Debug)]
pub(super) struct Qemu {
    pub(super) path: PathBuf,
    /// As printed, such as `10.0.2`.
    pub(super) version: String,
    folders: Vec<PathBuf>,
}

impl Qemu {
    /// The QEMU asked for, or the first of that name on the search path.
    pub(super) fn find(request: &Request) -> Result<Self, BootError> {
        let (path, version) = locate(request.qemu.as_deref(), &request.search_path)?;
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major < Some(OLDEST) {
            return Err(BootError::OldQemu { path, found: version, oldest: OLDEST });
        }
        Ok(Self { path, version, folders: request.search_path.clone() })
    }

    /// Starts a machine. QEMU's own temporary files go to `scratch`.
    pub(super) fn start(
        &self,
        arguments: &[OsString],
        scratch: &Path,
    ) -> Result<Guarded, BootError> {
        let mut command = process::bound(&self.path, &self.folders);
        command.args(arguments).env("TMPDIR", scratch);
        Guarded::start(&mut command, &self.path)
    }

    /// KVM when a trial guest runs on it, else emulation and why.
    ///
    /// That `/dev/kvm` exists proves little: nested KVM may lack an instruction that Linux needs,
    /// or interpret every one. So a guest of 256 bytes has to do both in time.
    pub(super) fn accelerator(&self, scratch: &Path) -> Result<Accelerator, BootError> {
        let device = Path::new("/dev/kvm");
        if let Err(error) = std::fs::File::options().read(true).write(true).open(device) {
            let reason = format!("`{}` cannot be opened: {error}", device.display());
            return Ok(Accelerator::Tcg { reason });
        }
        let canary = scratch.join("canary.bin");
        files::replace(&canary, CANARY)?;
        let word = "the trial guest ran";
        let mut arguments = machine(&Accelerator::Kvm, 128, 1);
        arguments.extend(["-kernel".into(), canary.into(), "-append".into(), word.into()]);
        let mut child = self.start(&arguments, scratch)?;
        let ran = prints(&mut child, word, TRIAL);
        let complaint = child.end();
        Ok(match (ran, complaint.lines().next()) {
            (true, _) => Accelerator::Kvm,
            (false, Some(line)) => {
                Accelerator::Tcg { reason: format!("the trial guest failed on /dev/kvm: {line}") }
            }
            (false, None) => Accelerator::Tcg {
                reason: format!("the trial guest took over {} s on /dev/kvm", TRIAL.as_secs()),
            },
        })
    }
}

/// True if the child prints the word in time.
fn prints(child: &mut Guarded, word: &str, time: Duration) -> bool {
    let Some(mut stdout) = child.stdout() else { return false };
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buf = [0; 256];
        while let Ok(n @ 1..) = stdout.read(&mut buf) {
            if send.send(buf.get(..n).unwrap_or_default().to_vec()).is_err() {
                return;
            }
        }
    });
    let started = Instant::now();
    let mut seen = Vec::new();
    while let Some(left) = time.checked_sub(started.elapsed()) {
        match receive.recv_timeout(left) {
            Ok(bytes) => seen.extend(bytes),
            Err(_) => return false,
        }
        if seen.windows(word.len()).any(|window| window == word.as_bytes()) {
            return true;
        }
    }
    false
}

/// The QEMU asked for, or the first of that name in `folders`, and its version.
pub(super) fn locate(
    asked_for: Option<&Path>,
    folders: &[PathBuf],
) -> Result<(PathBuf, String), BootError> {
    let (name, package) = ARCHITECTURE.qemu();
    let path = match asked_for {
        Some(path) => path.is_file().then(|| path.to_owned()),
        None => process::find(name, folders),
    };
    let path = path.ok_or_else(|| BootError::MissingTool {
        what: asked_for
            .map_or_else(|| name.into(), |path| format!("the QEMU `{}`", path.display())),
        package,
    })?;
    let printed = process::version(&path)?;
    match version(&printed) {
        Some(version) => Ok((path, version)),
        None => Err(BootError::NotQemu { path, printed }),
    }
}

/// The version in `QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)`.
fn version(printed: &str) -> Option<String> {
    let rest = printed.lines().next()?.strip_prefix("QEMU emulator version ")?;
    let version = rest.split_ascii_whitespace().next()?;
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
}

/// A machine without anything to boot from.
fn machine(accelerator: &Accelerator, memory_mib: u32, vcpus: u32) -> Vec<OsString> {
    let (accel, cpu) = match accelerator {
        Accelerator::Kvm => ("kvm", "host"),
        // Five-level page tables only cost an emulated guest time.
        Accelerator::Tcg { .. } => (emulation(vcpus, host_processors()), "max,la57=off"),
    };
    let (memory, vcpus) = (memory_mib.to_string(), vcpus.to_string());
    [
        "-no-user-config",
        "-nodefaults",
        "-no-reboot",
        "-display",
        "none",
        "-machine",
        ARCHITECTURE.qemu_machine(),
        "-accel",
        accel,
        "-cpu",
        cpu,
        "-m",
        &memory,
        "-smp",
        &vcpus,
        "-chardev",
        "stdio,id=console",
        "-serial",
        "chardev:console",
    ]
    .map(OsString::from)
    .into()
}

/// How QEMU emulates processors. With a thread for each of more than the host can run at once, a guest's timer
/// can be late for good: Linux 6.12 with eight on a host with two stood still until its boot was given up.
fn emulation(vcpus: u32, host_processors: usize) -> &'static str {
    match usize::try_from(vcpus).is_ok_and(|vcpus| vcpus <= host_processors) {
        true => "tcg,thread=multi",
        false => "tcg,thread=single",
    }
}

/// One, if the host does not say.
fn host_processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The disk of the machines of [`arguments`], which the guest may write to: what it writes is dropped.
pub const MEDIUM: Medium =
    Medium { is_writable: Some(true), bus: Some(DiskBus::VirtioBlk), firmware_by: None };

/// The whole machine of a request, except firmware and TPM.
pub(super) fn arguments(
    request: &Request,
    accelerator: &Accelerator,
    host_port: Option<u16>,
) -> Result<Vec<OsString>, BootError> {
    let mut arguments = machine(accelerator, request.memory_mib, request.vcpus);
    if let Some(disk) = &request.disk {
        let disk = absolute(disk)?;
        // QEMU's own loader of a direct kernel takes the first place.
        let device = match request.direct {
            Some(_) => "virtio-blk-pci,drive=disk",
            None => "virtio-blk-pci,drive=disk,bootindex=0",
        };
        arguments.extend([
            "-drive".into(),
            option("if=none,id=disk,format=raw,snapshot=on,file=", &disk, ""),
            "-device".into(),
            device.into(),
        ]);
    }
    if let Some(direct) = &request.direct {
        arguments.extend(["-kernel".into(), absolute(&direct.kernel)?.into()]);
        if let Some(initrd) = &direct.initrd {
            arguments.extend(["-initrd".into(), absolute(initrd)?.into()]);
        }
        arguments.extend(["-append".into(), OsString::from(&direct.cmdline)]);
    }
    let forward = match (&request.http_get, host_port) {
        (Some(http), Some(port)) => format!(",hostfwd=tcp:127.0.0.1:{port}-:{}", http.port),
        _ => String::new(),
    };
    arguments.extend([
        "-netdev".into(),
        format!("user,id=net,restrict=on{forward}").into(),
        "-device".into(),
        // No option ROM: the card is not there to boot from.
        "virtio-net-pci,netdev=net,romfile=".into(),
    ]);
    Ok(arguments)
}

/// A path that starts with `/`, which no QEMU protocol prefix (`nbd:`) and no option does.
fn absolute(path: &Path) -> Result<PathBuf, BootError> {
    Ok(std::path::absolute(path).map_err(cannot("name", path))?)
}

/// One option value with a path in it; QEMU reads `,,` as a comma.
pub(super) fn option(before: &str, path: &Path, after: &str) -> OsString {
    let mut value = before.as_bytes().to_vec();
    for byte in path.as_os_str().as_bytes() {
        value.push(*byte);
        if *byte == b',' {
            value.push(b',');
        }
    }
    value.extend_from_slice(OsStr::new(after).as_bytes());
    OsString::from_vec(value)
}

#[cfg(test)]
impl Qemu {
    /// One that is not looked for.
    pub(super) fn of(path: PathBuf, version: &str) -> Self {
        Self { path, version: version.to_owned(), folders: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let debian = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright\n";
        assert_eq!(version(debian).as_deref(), Some("10.0.2"));
        assert_eq!(version("QEMU emulator version 7.2.22\n").as_deref(), Some("7.2.22"));
        assert_eq!(version("qemu-img version 10.0.2"), None);
        assert_eq!(version(""), None);
    }

    #[test]
    fn commas_in_paths_are_doubled() {
        assert_eq!(option("file=", Path::new("/a,b/c"), ",x"), "file=/a,,b/c,x");
    }

    /// The arguments of a request as one line.
    fn line(edit: impl Fn(&mut Request), port: Option<u16>) -> String {
        let mut request = Request::new(Vec::new(), "s".into(), "log".into());
        edit(&mut request);
        let tcg = Accelerator::Tcg { reason: String::new() };
        let words = arguments(&request, &tcg, port).unwrap();
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_disk_is_never_written_and_boots_first() {
        let disk = line(|it| it.disk = Some("/a,b.raw".into()), None);
        assert!(disk.contains("snapshot=on,file=/a,,b.raw"), "{disk}");
        assert!(disk.contains("virtio-blk-pci,drive=disk,bootindex=0"), "{disk}");
        assert!(disk.starts_with("-no-user-config -nodefaults -no-reboot"), "{disk}");
    }

    /// QEMU's loader of a direct kernel has the boot index that a disk would take from it.
    #[test]
    fn a_kernel_leaves_the_first_place_to_its_loader() {
        let kernel = super::super::request::LinuxBoot {
            kernel: "/k".into(),
            initrd: Some("/i".into()),
            cmdline: "a b".into(),
        };
        let with = |it: &mut Request| {
            it.disk = Some("/d".into());
            it.direct = Some(kernel.clone());
        };
        let direct = line(with, None);
        assert!(!direct.contains("bootindex"), "{direct}");
        assert!(direct.contains("-kernel /k -initrd /i -append a b"), "{direct}");
    }

    /// I12: the guest reaches nothing but the forwarded port.
    #[test]
    fn the_network_is_closed_but_for_one_port() {
        let get = super::super::request::HttpGet { port: 80, path: "/".into() };
        let ask = |it: &mut Request| it.http_get = Some(get.clone());
        assert!(line(|_| (), None).contains("-netdev user,id=net,restrict=on -device"));
        // Without a question nothing is forwarded, and without a port there is none to forward.
        assert!(!line(|_| (), Some(5000)).contains("hostfwd"));
        assert!(!line(ask, None).contains("hostfwd"));
        assert!(line(ask, Some(5000)).contains("restrict=on,hostfwd=tcp:127.0.0.1:5000-:80 "));
    }

    /// A program that prints this for `--version`.
    fn program(folder: &Path, name: &str, printed: &str) -> PathBuf {
        let path = folder.join(name);
        let script = format!("#!/bin/sh\necho '{printed}'\n");
        files::replace(&path, script.as_bytes()).unwrap();
        let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
        path
    }

    #[test]
    fn a_qemu_is_new_enough_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let of = |version: &str| format!("QEMU emulator version {version} (Debian)");
        let (name, package) = ARCHITECTURE.qemu();
        for (printed, expected) in [
            (of("10.0.2"), Ok("10.0.2")),
            (of("11.0.0-rc1"), Ok("11.0.0-rc1")),
            (of("9.2.4"), Err("is QEMU 9.2.4, expected 10 or newer")),
            (of("7.2.22"), Err("is QEMU 7.2.22, expected 10 or newer")),
            (of("x"), Err("does not name a QEMU version")),
            ("hello".into(), Err("does not name a QEMU version")),
        ] {
            let path = program(folder.path(), name, &printed);
            let request = Request::new(vec![folder.path().into()], "s".into(), "log".into());
            match (Qemu::find(&request), expected) {
                (Ok(qemu), Ok(version)) => {
                    assert_eq!((qemu.path, qemu.version.as_str()), (path, version));
                    assert_eq!(qemu.folders, request.search_path);
                }
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
                (found, _) => panic!("{printed}: {found:?}"),
            }
        }
        // The one that is asked for counts, wherever it is; the search path has none of another name.
        let other = program(folder.path(), "other", &of("12.1.0"));
        assert_eq!(locate(Some(&other), &[]).unwrap(), (other, "12.1.0".to_owned()));
        let missing = |asked: Option<&Path>| locate(asked, &[]).unwrap_err();
        let tool = |error: BootError| match error {
            BootError::MissingTool { what, package } => (what, package),
            error => panic!("{error}"),
        };
        assert_eq!(tool(missing(None)), (name.to_owned(), package));
        let what = "the QEMU `/no/such`".to_owned();
        assert_eq!(tool(missing(Some(Path::new("/no/such")))), (what, package));
        assert_eq!(
            tool(missing(Some(folder.path()))).0,
            format!("the QEMU `{}`", folder.path().display())
        );
    }

    #[test]
    fn a_word_is_waited_for_so_long() {
        let folder = tempfile::tempdir().unwrap();
        let prints = |script: &str, time| {
            let path = program(folder.path(), "q", "");
            files::replace(&path, format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
            let mode =
                <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
            std::fs::set_permissions(&path, mode).unwrap();
            let qemu = Qemu::of(path, "10");
            // Another test's child may have the file open for a moment, from before its `exec`.
            let mut started = (0..50).map(|_| {
                std::thread::sleep(Duration::from_millis(20));
                qemu.start(&[], folder.path())
            });
            let mut child = started.find_map(Result::ok).unwrap();
            prints(&mut child, "it ran", Duration::from_millis(time))
        };
        assert!(prints("echo a; printf 'it '; echo ran", 10_000), "in pieces");
        assert!(!prints("echo it ra", 10_000), "it has ended");
        let began = Instant::now();
        assert!(!prints("echo it; exec sleep 20", 200));
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    /// A machine has what the request says, and the accelerator decides about its processor.
    #[test]
    fn the_machine_is_that_of_the_request() {
        let words = |accelerator: &Accelerator| {
            let words = machine(accelerator, 128, 1);
            words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
        };
        let same = "-no-user-config -nodefaults -no-reboot -display none -machine q35 -accel";
        let rest = "-m 128 -smp 1 -chardev stdio,id=console -serial chardev:console";
        assert_eq!(words(&Accelerator::Kvm), format!("{same} kvm -cpu host {rest}"));
        let tcg = Accelerator::Tcg { reason: String::new() };
        assert_eq!(words(&tcg), format!("{same} tcg,thread=multi -cpu max,la57=off {rest}"));
        let emulated = [(2, 2), (3, 2), (8, 2)].map(|(vcpus, host)| emulation(vcpus, host));
        assert_eq!(emulated, ["tcg,thread=multi", "tcg,thread=single", "tcg,thread=single"]);
        // A relative path is made absolute, so that no `nbd:` is a protocol.
        let relative = line(|it| it.disk = Some("nbd:x".into()), None);
        let here = std::path::absolute("nbd:x").unwrap();
        assert!(relative.contains(&format!("file={} ", here.display())), "{relative}");
    }
}
