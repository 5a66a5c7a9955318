//! Boots: the verdicts against a stand-in for QEMU, then against QEMU itself with a guest of 256
//! bytes that prints its command line, and with UEFI firmware on an empty disk.

#![expect(clippy::disallowed_types, reason = "the tests call the tools they are checked against")]
#![expect(clippy::disallowed_methods, reason = "the tests prepare files in a folder of their own")]
#![expect(clippy::unwrap_used, reason = "a test ends where its premises do")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_vm::{
    Accelerator, BootError, HttpGet, Kvm, LinuxBoot, Outcome, Phase, Request, Spectator, Unwatched,
    Verdict, boot, command,
};

const CANARY: &[u8] = include_bytes!("../src/canary.bin");
const CANARY_SOURCE: &str = include_str!("../src/canary.s");

struct Bench {
    folder: tempfile::TempDir,
    request: Request,
}

impl Bench {
    /// A direct boot of the trial guest, emulated, that waits for `ready`.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let kernel = path("canary.bin");
        fs::write(&kernel, CANARY).unwrap();
        let mut request = Request::new(host_path(), path("scratch"), path("serial.log"));
        request.direct = Some(LinuxBoot { kernel, initrd: None, cmdline: "quiet".into() });
        request.until = vec!["ready".into()];
        request.timeout = Duration::from_secs(60);
        request.kvm = Kvm::Never;
        Self { folder, request }
    }

    /// As [`Bench::new`], with a shell script in QEMU's place. Its `$n` counts the starts.
    fn scripted(script: &str) -> Self {
        let mut bench = Self::new();
        let starts = bench.folder.path().join("starts");
        let text = format!("echo \"$*\" >>'{0}'\nn=$(wc -l <'{0}')\n{script}\n", starts.display(),);
        bench.request.qemu = Some(bench.stand_in("10.0.2", &text));
        bench
    }

    fn stand_in(&self, version: &str, script: &str) -> PathBuf {
        let path = self.folder.path().join("qemu-system-x86_64");
        let text = format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then\n\
             echo 'QEMU emulator version {version} (Debian)'; exit\nfi\n{script}"
        );
        let draft = self.folder.path().join("draft");
        fs::write(&draft, text).unwrap();
        // Written by a child: a file that this process holds open to write, or any child that
        // another test is just forking, cannot be executed ("Text file busy").
        let installed = Command::new("install").args(["-m", "755"]).args([&draft, &path]).status();
        assert!(installed.unwrap().success());
        path
    }

    fn boot(&self) -> Outcome {
        let outcome = boot(&self.request, &Unwatched).unwrap();
        let left = fs::read_dir(&self.request.scratch).unwrap().count();
        assert_eq!(left, 0, "the scratch folder is empty again");
        outcome
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.request.serial_log).unwrap()
    }

    fn starts(&self) -> usize {
        fs::read_to_string(self.folder.path().join("starts")).unwrap().lines().count()
    }
}

fn host_path() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
}

/// True when the tool is there; without it a loud skip, or a failure where oracles are required.
fn oracle(tool: &str) -> bool {
    let found = Path::new(tool).is_file() || host_path().iter().any(|at| at.join(tool).is_file());
    if !found {
        let required = std::env::var("CVMKIT_ORACLES").is_ok_and(|value| value == "require");
        assert!(!required, "{tool} is not installed");
        eprintln!("SKIPPED: {tool} is not installed");
    }
    found
}

#[test]
fn a_text_ends_the_boot() {
    let bench = Bench::scripted("echo 'Command line: ready'; printf 'now ready: '; exec sleep 100");
    let outcome = bench.boot();
    assert_eq!((&outcome.verdict, outcome.met), (&Verdict::Reached, true));
    assert_eq!(outcome.sightings[0].line, "now ready: ");
    assert_eq!(outcome.tail, ["Command line: ready"]);
    assert_eq!(bench.log(), "Command line: ready\nnow ready: ");
    assert_eq!((outcome.qemu_version.as_str(), outcome.retried), ("10.0.2", None));
    assert!(outcome.elapsed < Duration::from_secs(50), "the machine was stopped");
}

#[test]
fn every_text_must_come() {
    let mut bench = Bench::scripted("echo two; echo one; exit 0");
    bench.request.until = vec!["one".into(), "two".into()];
    assert!(bench.boot().met);
    bench.request.until.push("three".into());
    let outcome = bench.boot();
    assert_eq!((&outcome.verdict, outcome.met), (&Verdict::GuestExited, false));
    assert_eq!(outcome.missing, ["three"]);
}

#[test]
fn a_panic_is_a_no_unless_it_is_expected() {
    let line = "Kernel panic - not syncing: dm-verity device corrupted".to_owned();
    let mut bench = Bench::scripted(&format!("echo ready; echo '{line}'; exec sleep 100"));
    bench.request.until = vec!["never".into()];
    let outcome = bench.boot();
    assert_eq!((&outcome.verdict, outcome.met), (&Verdict::Panicked { line: line.clone() }, false));
    bench.request.expect_panic = true;
    assert!(!bench.boot().met, "a panic for another reason");
    bench.request.until = vec!["ready".into()];
    assert!(bench.boot().met);
    bench.request.until.clear();
    let outcome = bench.boot();
    assert_eq!((outcome.verdict, outcome.met), (Verdict::Panicked { line }, true));
    assert_eq!(outcome.retried, None);
}

#[test]
fn a_guest_that_boots_did_not_panic() {
    let mut bench = Bench::scripted("echo ready; exit 0");
    bench.request.expect_panic = true;
    let outcome = bench.boot();
    assert_eq!((outcome.verdict, outcome.met), (Verdict::GuestExited, false));
    bench.request.until.clear();
    assert!(!bench.boot().met);
}

#[test]
fn a_boot_with_a_failed_unit_is_a_no_unless_it_is_allowed() {
    let failed = "ssh.service [restarting, 21 restarts]";
    // The text is there before the line is: the rest of it counts.
    let mut bench = Bench::scripted(&format!(
        "printf 'cvmkit: ready '; sleep 0.3; echo '(failed units: 1: {failed})'; exec sleep 100"
    ));
    bench.request.until = vec!["cvmkit: ready".into()];
    let outcome = bench.boot();
    assert_eq!(outcome.verdict, Verdict::UnitsFailed { units: vec![failed.to_owned()] });
    assert!(!outcome.met);
    assert_eq!(outcome.sightings[0].line, format!("cvmkit: ready (failed units: 1: {failed})"));
    bench.request.allow_failed = true;
    let outcome = bench.boot();
    assert_eq!((&outcome.verdict, outcome.met), (&Verdict::Reached, true));
    assert_eq!(outcome.failed_units, [failed], "they are named all the same");

    let mut bench = Bench::scripted(
        "echo '[FAILED] Failed to start a.service - A.'; echo '[  OK  ] Reached b.target'; exec sleep 100",
    );
    bench.request.until = vec!["b.target".into()];
    assert!(
        matches!(bench.boot().verdict, Verdict::UnitsFailed { units } if units == ["a.service"])
    );
}

#[test]
fn a_spectator_sees_lines_and_phases() {
    #[derive(Default)]
    struct Seen(std::sync::Mutex<Vec<String>>);
    impl Spectator for Seen {
        fn phase(&self, phase: Phase) {
            self.0.lock().unwrap().push(format!("{phase:?}"));
        }
        fn line(&self, line: &str) {
            self.0.lock().unwrap().push(line.to_owned());
        }
    }
    let bench = Bench::scripted(
        "printf 'BdsDxe\\n[    0.000000] Linux version 6\\nsystemd[1]: \\033[1mready\\n'; exec sleep 100",
    );
    let seen = Seen::default();
    assert!(boot(&bench.request, &seen).unwrap().met);
    let seen = seen.0.into_inner().unwrap();
    let expected = [
        "Firmware",
        "BdsDxe",
        "[    0.000000] Linux version 6",
        "Kernel",
        "systemd[1]: ready",
        "Userspace",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn the_command_is_what_a_boot_starts() {
    let mut bench = Bench::scripted("echo ready");
    bench.request.until.clear(); // nothing needs to be expected of what is not started
    bench.request.direct.as_mut().unwrap().cmdline = "it's ready".into();
    bench.request.tpm = true;
    let typed = command(&bench.request).unwrap();
    assert!(typed.shell.contains(r"-append 'it'\''s ready'"), "{}", typed.shell);
    assert!(typed.shell.starts_with("tpm=$(mktemp -d)\nswtpm socket --tpm2"), "{}", typed.shell);
    assert!(!bench.folder.path().join("starts").exists(), "nothing was started");
    let left = fs::read_dir(&bench.request.scratch).unwrap().count();
    assert_eq!(left, 0, "the scratch folder is empty again");

    bench.request.tpm = false;
    let typed = command(&bench.request).unwrap();
    let ran = Command::new("sh").args(["-c", &typed.shell]).status().unwrap();
    assert!(ran.success(), "a shell takes it");
    bench.request.until = vec!["ready".into()];
    bench.boot();
    let starts = fs::read_to_string(bench.folder.path().join("starts")).unwrap();
    let starts: Vec<&str> = starts.lines().collect();
    assert_eq!(starts[0], starts[1], "what was printed, and what was booted");
}

#[test]
fn time_runs_out() {
    let mut bench = Bench::scripted("echo rea; exec sleep 100");
    bench.request.timeout = Duration::from_millis(1500);
    let outcome = bench.boot();
    assert_eq!((outcome.verdict, outcome.met), (Verdict::TimedOut, false));
    assert_eq!(outcome.tail, ["rea"]);
}

#[test]
fn a_double_fault_is_tried_once_more_and_reported() {
    let fault = "echo 'traps: PANIC: double fault, error_code: 0x0'\n\
                 echo 'Kernel panic - not syncing: Fatal exception in interrupt'\n";
    let bench = Bench::scripted(&format!("if [ $n = 2 ]; then echo ready; exit 0; fi\n{fault}"));
    let outcome = bench.boot();
    assert_eq!((&outcome.verdict, outcome.met), (&Verdict::Reached, true));
    assert_eq!(outcome.retried.unwrap(), "traps: PANIC: double fault, error_code: 0x0");
    assert_eq!(bench.starts(), 2);
    let log = bench.log();
    assert!(log.contains("error_code: 0x0 ---\nready"), "both attempts are in the log: {log}");

    let mut bench = Bench::scripted(fault);
    bench.request.expect_panic = true;
    bench.request.until.clear();
    let outcome = bench.boot();
    assert!(matches!(outcome.verdict, Verdict::EmulatorFault { .. }), "{:?}", outcome.verdict);
    assert!(!outcome.met, "the emulator's panic is not the one that was expected");
    assert_eq!(bench.starts(), 2);
}

#[test]
fn a_verity_panic_is_never_tried_again() {
    let bench = Bench::scripted(
        "echo 'device-mapper: verity: 254:0: data block 0 is corrupted'\n\
         echo 'traps: PANIC: double fault, error_code: 0x0'\n\
         echo 'Kernel panic - not syncing: dm-verity device corrupted'",
    );
    let outcome = bench.boot();
    assert!(matches!(outcome.verdict, Verdict::Panicked { .. }), "{:?}", outcome.verdict);
    assert_eq!(bench.starts(), 1);
}

#[test]
fn a_qemu_that_fails_is_no_verdict() {
    let bench = Bench::scripted("echo 'qemu: no such device' >&2; exit 1");
    let error = boot(&bench.request, &Unwatched).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("exit status: 1") && text.contains("no such device"), "{text}");
    assert_eq!(error.fault(), Fault::Environment);
}

#[test]
fn missing_and_old_tools_say_what_to_install() {
    let mut bench = Bench::new();
    bench.request.search_path = vec!["/nonexistent".into()];
    let error = boot(&bench.request, &Unwatched).unwrap_err();
    assert!(matches!(&error, BootError::MissingTool { package: "qemu-system-x86", .. }), "{error}");
    assert!(error.hint().unwrap().contains("qemu-system-x86"));

    bench.stand_in("7.2.22", "");
    bench.request.search_path = vec![bench.folder.path().to_owned()];
    let error = boot(&bench.request, &Unwatched).unwrap_err();
    assert!(error.to_string().contains("is QEMU 7.2.22, expected 10 or newer"), "{error}");
    assert!(error.hint().unwrap().contains("backports"));
    assert_eq!(error.fault(), Fault::Environment);
}

#[test]
fn pointless_requests_are_refused() {
    let check = |change: fn(&mut Request)| {
        let mut bench = Bench::scripted("echo ready");
        change(&mut bench.request);
        let error = boot(&bench.request, &Unwatched).unwrap_err();
        assert_eq!(error.fault(), Fault::Definition, "{error}");
    };
    check(|request| request.direct = None);
    check(|request| request.until.clear());
    check(|request| request.until.push(String::new()));
    check(|request| request.vcpus = 0);
    check(|request| request.event_log = true);
    check(|request| {
        // SeaBIOS boots a kernel of its own way.
        (request.event_log, request.tpm) = (true, true);
    });
    check(|request| request.http_get = Some(HttpGet { port: 80, path: "health".into() }));
    check(|request| {
        request.http_get = Some(HttpGet { port: 80, path: "/".into() });
        request.expect_panic = true;
    });
}

#[test]
fn an_http_answer_is_waited_for() {
    if !oracle("python3") {
        return;
    }
    // The stand-in finds the forwarded port among its arguments and serves this package's folder.
    let mut bench = Bench::scripted(
        "port=$(echo \"$*\" | sed 's/.*127.0.0.1:\\([0-9]*\\)-:8080.*/\\1/'); echo ready\n\
         exec python3 -m http.server --bind 127.0.0.1 $port 2>/dev/null",
    );
    bench.request.http_get = Some(HttpGet { port: 8080, path: "/Cargo.toml".into() });
    let outcome = bench.boot();
    assert_eq!((&outcome.verdict, outcome.met), (&Verdict::Reached, true));
    let answer = outcome.http_answer.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "[package]"));
    bench.request.http_get = Some(HttpGet { port: 8080, path: "/nothing".into() });
    bench.request.timeout = Duration::from_secs(5);
    let outcome = bench.boot();
    assert_eq!((&outcome.verdict, outcome.http_answer.unwrap().status), (&Verdict::TimedOut, 404));
}

#[test]
fn nothing_is_left_running() {
    let bench = Bench::scripted("echo $$; echo ready; exec sleep 1000");
    bench.boot();
    let pid = bench.log().lines().next().unwrap().to_owned();
    assert!(!Path::new("/proc").join(&pid).exists(), "process {pid} still runs");
}

#[test]
fn the_trial_guest_is_what_its_source_says() {
    if !oracle("as") || !oracle("objcopy") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("canary.s"), CANARY_SOURCE).unwrap();
    let run = |tool: &str, arguments: &str| {
        let mut command = Command::new(tool);
        command.args(arguments.split(' ')).current_dir(&folder);
        assert!(command.status().unwrap().success(), "{command:?}");
    };
    run("as", "--64 canary.s -o canary.o");
    run("objcopy", "-O binary -j .text canary.o canary.bin");
    assert_eq!(fs::read(path("canary.bin")).unwrap(), CANARY);
}

#[test]
fn qemu_boots_a_kernel_directly() {
    if !oracle("qemu-system-x86_64") {
        return;
    }
    let mut bench = Bench::new();
    let mut run = |cmdline: &str| {
        bench.request.direct.as_mut().unwrap().cmdline = cmdline.into();
        bench.boot()
    };
    let outcome = run("it is ready");
    assert_eq!((&outcome.verdict, outcome.met), (&Verdict::Reached, true), "{:?}", outcome.tail);
    let outcome = run("Command line: ready");
    assert_eq!(outcome.verdict, Verdict::GuestExited, "an echo is no evidence");
    let line = "Kernel panic - not syncing: trial";
    assert!(
        matches!(run(line).verdict, Verdict::Panicked { line: found } if found.ends_with(line))
    );
}

#[test]
fn kvm_is_used_only_after_a_trial() {
    if !oracle("qemu-system-x86_64") {
        return;
    }
    let mut bench = Bench::new();
    bench.request.kvm = Kvm::Auto;
    bench.request.direct.as_mut().unwrap().cmdline = "ready".into();
    let outcome = bench.boot();
    assert!(outcome.met, "whatever the host has, the guest runs: {:?}", outcome.tail);
    match outcome.accelerator {
        Accelerator::Tcg { reason } => assert!(!reason.is_empty()),
        other => assert_eq!(other, Accelerator::Kvm),
    }
}

#[test]
fn uefi_firmware_starts_and_the_disk_is_not_changed() {
    if !oracle("qemu-system-x86_64") || !oracle("/usr/share/OVMF/OVMF_CODE_4M.fd") {
        return;
    }
    let mut bench = Bench::new();
    let disk = bench.folder.path().join("an empty, blank disk.raw");
    fs::write(&disk, vec![0; 1 << 20]).unwrap();
    bench.request.direct = None;
    bench.request.disk = Some(disk.clone());
    bench.request.until = vec!["BdsDxe: failed to load Boot0001".into()];
    let outcome = bench.boot();
    assert!(outcome.met, "{:?}", outcome.tail);
    assert!(outcome.firmware.is_some());
    assert!(fs::read(&disk).unwrap() == vec![0; 1 << 20]);
}

#[test]
fn a_software_tpm_comes_and_goes_with_the_machine() {
    if !oracle("qemu-system-x86_64") || !oracle("swtpm") {
        return;
    }
    let mut bench = Bench::new();
    bench.request.tpm = true;
    bench.request.direct.as_mut().unwrap().cmdline = "ready".into();
    assert!(bench.boot().met);
    bench.request.direct.as_mut().unwrap().cmdline = "else".into();
    assert_eq!(bench.boot().verdict, Verdict::GuestExited);
}
