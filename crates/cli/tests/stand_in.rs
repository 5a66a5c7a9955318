//! `cvmkit boot` with a stand-in for QEMU: what is said of a boot that goes wrong, and while it runs.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "prepares a folder of its own")]
#![expect(clippy::disallowed_types, reason = "runs the program")]

mod rig;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rig::{Image, cvmkit, run};
use serde_json::Value;

/// A folder whose QEMU is a shell script.
struct StandIn {
    folder: tempfile::TempDir,
}

impl StandIn {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then\n\
             echo 'QEMU emulator version 10.0.2 (Debian)'; exit\nfi\n{script}\n"
        );
        let (draft, program) = (folder.path().join("draft"), Self::program(&folder));
        fs::write(&draft, text).unwrap();
        // Written by a child: what this process holds open to write can't be executed.
        run(Command::new("install").args(["-m", "755"]).args([&draft, &program])).answer();
        Self { folder }
    }

    fn program(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("qemu-system-x86_64")
    }

    fn boot(&self, arguments: &[&str]) -> Command {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = [self.folder.path().to_owned()].into_iter().chain(env::split_paths(&path));
        let mut command = cvmkit(["boot".as_ref(), Image::minimal().out.as_os_str()]);
        command.args(["--direct", "--no-kvm", "--serial-log"]).arg(self.folder.path().join("log"));
        command.args(arguments).env("PATH", env::join_paths(folders).unwrap());
        command
    }
}

const FAILED: &str =
    "echo 'cvmkit: ready (failed units: 1: ssh.service [restarting, 21 restarts])'";

#[test]
fn a_failed_unit_is_a_no_with_its_name() {
    let qemu = StandIn::new(&format!("{FAILED}; exec sleep 100"));
    let said = run(&mut qemu.boot(&["--until", "cvmkit: ready"]));
    assert_eq!(said.code, Some(1), "{said:?}");
    let failed = "not end as expected: failed units: ssh.service [restarting, 21 restarts]";
    for words in [failed, "--allow-failed"] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    let said = run(&mut qemu.boot(&["--until", "cvmkit: ready", "--allow-failed"]));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout.contains("[restarting, 21 restarts])\n"),
        "the whole line: {}",
        said.stdout
    );
}

#[test]
fn a_server_that_does_not_answer_is_named_with_the_units_that_failed() {
    let qemu = StandIn::new(&format!("{FAILED}; exec sleep 100"));
    let said = run(&mut qemu.boot(&["--http-get", "8080/", "--timeout", "3"]));
    assert_eq!(said.code, Some(1), "{said:?}");
    let words = "no answer on 8080/ in 3 s; failed units: ssh.service [restarting, 21 restarts]";
    assert!(said.stderr.contains(words), "{}", said.stderr);
}

/// Finds the forwarded port among its arguments, and serves there.
const SERVER: &str = r#"port=$(echo "$*" | sed 's/.*127.0.0.1:\([0-9]*\)-:8080.*/\1/')
exec python3 -c '
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/good" else 503)
        self.end_headers()
        self.wfile.write(b"I am \x1b[1mwell\n")
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
' $port"#;

#[test]
fn what_a_server_answers_is_shown() {
    let qemu = StandIn::new(SERVER);
    let said = run(&mut qemu.boot(&["--http-get", "8080/good"]));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("8080/good answered 200: I am well\n"), "{}", said.stdout);
    let said = run(&mut qemu.boot(&["--http-get", "8080/bad", "--timeout", "5"]));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("8080/bad answered 503: I am well\n"), "{}", said.stderr);
}

#[test]
fn the_console_is_shown_without_what_a_terminal_obeys() {
    let qemu =
        StandIn::new("printf 'one \\033[31mred\\033]0;x\\007\\r\\ntwo\\nready\\n'; exec sleep 100");
    let said = run(&mut qemu.boot(&["--until", "ready", "--console"]));
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), "one red\ntwo\nready\n"));
    let said = run(&mut qemu.boot(&["--until", "ready"]));
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "only if asked for");
}

#[test]
fn a_terminal_sees_the_phase() {
    if rig::found("script").is_none() {
        return rig::skip("script is not installed");
    }
    let qemu = StandIn::new(
        "sleep 1; echo '[    0.000000] Linux version 6'; sleep 1; echo 'systemd[1]: Hello'\n\
         sleep 1; echo ready; exec sleep 100",
    );
    let boot = qemu.boot(&["--until", "ready"]);
    let mut words = vec![boot.get_program().to_owned()];
    words.extend(boot.get_args().map(ToOwned::to_owned));
    let words: Vec<String> =
        words.iter().map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", &words.join(" "), "/dev/null"]).env("TERM", "xterm");
    for (name, value) in boot.get_envs() {
        script.env(name, value.unwrap_or_default());
    }
    let said = run(script.env("COLUMNS", "200"));
    assert_eq!(said.code, Some(0), "{said:?}");
    for phase in ["firmware", "kernel", "userspace"] {
        let words = format!("booting: {phase}; waiting for `ready`");
        assert!(said.stdout.contains(&words), "{words}: {:?}", said.stdout);
    }
}

#[test]
fn the_command_is_printed_and_nothing_started() {
    let qemu = StandIn::new("touch \"${0%/*}/started\"; echo started");
    let said = run(&mut qemu.boot(&["--print-command"]));
    let program = StandIn::program(&qemu.folder);
    let text = said.answer();
    assert!(text.starts_with(&format!("{} -no-user-config", program.display())), "{text}");
    assert!(!qemu.folder.path().join("started").exists());
    // A shell takes it as it is.
    let ran = run(Command::new("sh").args(["-c", &text]));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "started\n"));
    let json = run(qemu.boot(&["--print-command", "--format", "json"]).args(["--tpm"])).answer();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["command"][0], program.to_str().unwrap());
    assert!(json["shell"].as_str().unwrap().starts_with("tpm=$(mktemp -d)\nswtpm "), "{json}");
}

#[test]
fn an_event_log_needs_a_tpm_and_uefi_firmware() {
    let qemu = StandIn::new("echo ready");
    let log = ["--until", "ready", "--event-log", "x"];
    assert_eq!(run(&mut qemu.boot(&log)).code, Some(2), "--direct");
    let mut command = cvmkit(["boot".as_ref(), Image::minimal().out.as_os_str()]);
    let said = run(command.args(log));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("--tpm"), "{}", said.stderr);
}
