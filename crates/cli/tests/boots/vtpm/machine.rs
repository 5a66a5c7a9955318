//! One machine with a TPM, and what its guest reports.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cvmkit_measure::event::{Bank, PcrIndex};

/// After which a boot has failed; one takes about ten seconds.
const PATIENCE: Duration = Duration::from_secs(300);

/// Bytes of memory.
pub(crate) const MEMORY: u64 = 512 << 20;

/// What the guest read.
pub(crate) struct Report {
    /// In lower case.
    pub(crate) pcrs: BTreeMap<(Bank, PcrIndex), String>,
    pub(crate) log: Vec<u8>,
}

/// A machine to start.
pub(crate) struct Machine {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) vcpus: u32,
    /// Arguments beside those that every machine has.
    pub(crate) arguments: Vec<OsString>,
}

/// A process that does not outlive the test.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Machine {
    /// Boots to the end.
    pub(crate) fn run(&self) -> Report {
        let folder = self.folder.path();
        let _tpm = start_tpm(folder);
        let serial = folder.join("serial");
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
        // As `cvmkit boot` does: with more threads than processors a guest's timer can be late for good.
        let host = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = if self.vcpus as usize <= host { "multi" } else { "single" };
        command.args(["-accel", &format!("tcg,thread={threads}"), "-cpu", "max"]);
        command.args(["-smp", &self.vcpus.to_string()]);
        command.args(["-m", &format!("{}M", MEMORY >> 20)]);
        command.arg("-serial").arg(text("file:", &serial));
        command.arg("-chardev").arg(text("socket,id=tpm,path=", &folder.join("tpm.sock")));
        command.args(["-tpmdev", "emulator,id=tpm0,chardev=tpm"]);
        command.args(["-device", "tpm-crb,tpmdev=tpm0"]).args(&self.arguments);
        let said = finish(&mut command);
        let console = String::from_utf8_lossy(&fs::read(&serial).unwrap_or_default()).into_owned();
        read(&console).unwrap_or_else(|| panic!("no report\n{said}\n{console}"))
    }
}

fn text(before: &str, path: &Path) -> OsString {
    let mut text = OsString::from(before);
    text.push(path);
    text
}

/// `swtpm` with fresh state: the banks are SHA-1, SHA-256, SHA-384 and SHA-512.
fn start_tpm(folder: &Path) -> Guarded {
    let (state, socket) = (folder.join("tpm"), folder.join("tpm.sock"));
    fs::create_dir_all(&state).unwrap();
    let mut command = Command::new("swtpm");
    command.args(["socket", "--tpm2", "--terminate", "--tpmstate"]).arg(text("dir=", &state));
    command.arg("--ctrl").arg(text("type=unixio,path=", &socket));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let tpm = Guarded(command.spawn().unwrap());
    let started = Instant::now();
    while !socket.exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "swtpm does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    tpm
}

/// Runs the emulator to its end; answers what it complained about.
fn finish(command: &mut Command) -> String {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = Guarded(command.spawn().unwrap());
    let started = Instant::now();
    while child.0.try_wait().unwrap().is_none() {
        if started.elapsed() > PATIENCE {
            return format!("no end after {} seconds", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut words = String::new();
    let stderr = child.0.stderr.take();
    let _ = stderr.unwrap().read_to_string(&mut words);
    words
}

/// What the script in the initrd prints.
fn read(console: &str) -> Option<Report> {
    let lines = || console.lines().map(|line| line.trim_end_matches('\r'));
    let mut pcrs = BTreeMap::new();
    for line in lines() {
        if let ["PCR", bank, pcr, value] = line.split(' ').collect::<Vec<_>>().as_slice() {
            let bank = if *bank == "sha256" { Bank::Sha256 } else { Bank::Sha384 };
            pcrs.insert((bank, PcrIndex::new(pcr.parse().ok()?)?), value.to_lowercase());
        }
    }
    let log = lines().skip_while(|line| *line != "LOG").skip(1).take_while(|line| *line != "END");
    let log = from_base64(&log.collect::<String>())?;
    (pcrs.len() == 48 && lines().any(|line| line == "END")).then_some(Report { pcrs, log })
}

/// RFC 4648, section 4.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0usize, 0);
    for digit in text.trim_end_matches('=').chars() {
        bits = bits << 6 | DIGITS.find(digit)?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}
