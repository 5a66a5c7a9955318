//! How much memory a file of somebody else can take: of every reader, with one as long as it takes and
//! in the shape that costs most, with a longer one, and with one without an end.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "watches the program while it runs, on large files of its own"
)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::measure_tdx::kernel;
use crate::program::Folder;
use crate::small_uki::SmallUki;
use crate::tdvf_image::{EDK2_MEMORY, empty_variables, whole_firmware};
use crate::tiny_image::TinyImage;

/// MiB that may be resident at once.
const MOST: u64 = 512;

/// Bytes that a description of an image may have.
const DESCRIPTION: usize = 8 << 20;

/// Bytes that a lock may have.
const LOCK: usize = 48 << 20;

/// Bytes that an observation may have.
const OBSERVED: usize = 4 << 20;

/// Bytes that a definition or a profile may have.
const TEXT: usize = 2 << 20;

/// Runs the program and answers its exit code, what it said, and the most MiB of it that were resident
/// (`VmHWM`, proc_pid_status(5)), which the kernel keeps for as long as it runs.
fn run(folder: &Folder, line: &str) -> (Option<i32>, String, u64) {
    let said = folder.path("said");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cvmkit"));
    command.args(line.split(' ')).current_dir(folder.path("")).env("NO_COLOR", "1");
    command.env("CVMKIT_STORE", folder.path("store"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said).unwrap());
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        // Until the program has its own name, the memory shown is still that of this process: execve(2)
        // wakes it a moment before it takes another memory.
        let text = if text.starts_with("Name:\tcvmkit\n") { text } else { String::new() };
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let seen = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        peak = seen.unwrap_or(0).max(peak);
        match child.try_wait().unwrap() {
            Some(ended) => break ended,
            None => std::thread::sleep(Duration::from_micros(500)),
        }
    };
    (ended.code(), String::from_utf8_lossy(&fs::read(said).unwrap()).into_owned(), peak >> 10)
}

/// What a line may answer, and that it takes no more than it may; answers the MiB that it took.
#[track_caller]
fn is_bounded(folder: &Folder, line: &str, codes: &[i32]) -> u64 {
    let (code, said, peak) = run(folder, line);
    let said: String = said.chars().take(300).collect();
    eprintln!("{peak} MiB, exit {code:?}: {line}: {said}");
    assert!(peak < MOST, "{line}: {peak} MiB");
    assert!(code.is_some_and(|code| codes.contains(&code)), "{line}: {code:?} {said}");
    peak
}

/// A text of about `len` bytes: the head, as many of the items as there is room for, the tail.
fn filled(head: &str, item: impl Fn(usize) -> String, tail: &str, len: usize) -> Vec<u8> {
    let mut text = head.to_owned();
    for at in 0.. {
        let item = item(at);
        if text.len() + item.len() + tail.len() > len {
            break;
        }
        text.push_str(&item);
        text.push(',');
    }
    text.pop();
    text.push_str(tail);
    text.into_bytes()
}

/// Of any JSON: each value of the list is a tree of its own.
fn tree(head: &str, tail: &str, len: usize) -> Vec<u8> {
    filled(head, |_| "{\"a\":0}".to_owned(), tail, len)
}

/// A file of zeros without blocks on the disk.
fn sparse(folder: &Folder, name: &str, len: u64) {
    File::create(folder.path(name)).unwrap().set_len(len).unwrap();
}

fn image() -> TinyImage {
    TinyImage::new().uki(&SmallUki::new(257)).finish()
}

#[test]
fn reference_values_have_a_bound() {
    let image = image();
    let folder = &image.folder;
    let values = "{\"schema\":3,\"debug\":false,\"profiles\":[],\"values\":[";
    let value = "{\"profile\":\"x\",\"profile-version\":1,\"platform\":\"tpm\",\"vmm\":\"qemu\",\
                 \"boot\":\"direct\"";
    let of_registers = format!("{values}{value},\"registers\":{{\"sha256\":{{");
    let digest =
        format!("{value},\"registers\":{{\"sha256\":{{\"pcr4\":\"{}\"}}}}}}", "0".repeat(64));
    for (name, bytes) in [
        ("small", filled(values, |_| format!("{value}}}"), "]}", DESCRIPTION)),
        ("real", filled(values, |_| digest.clone(), "]}", DESCRIPTION)),
        ("registers", filled(&of_registers, |at| format!("\"{at}\":\"\""), "}}}]}", DESCRIPTION)),
        ("tree", tree("{\"schema\":3,\"x\":[", "]}", DESCRIPTION)),
        ("long", tree("{\"schema\":3,\"x\":[", "]}", 100 << 20)),
    ] {
        folder.put(name, &bytes);
        for line in [format!("export {name} --as rvps"), format!("compare pcrs --with {name}")] {
            folder.put("pcrs", format!("pcr4={}\n", "0".repeat(64)).as_bytes());
            is_bounded(folder, &line, &[0, 1, 2]);
        }
    }
    is_bounded(folder, "export /dev/zero --as rvps", &[2]);
    is_bounded(folder, "compare pcrs --with /dev/zero", &[2]);
}

#[test]
fn a_manifest_has_a_bound() {
    let image = image();
    let folder = &image.folder;
    let manifest = String::from_utf8(folder.get("out/manifest.json")).unwrap();
    let (head, tail) = manifest.split_once("\"packages\":[").unwrap();
    let head = format!("{head}\"packages\":[");
    let package = format!(
        "{{\"name\":\"a\",\"version\":\"1\",\"architecture\":\"b\",\"sha256\":\"{}\"}}",
        "0".repeat(64)
    );
    for bytes in [
        filled(&head, |_| package.clone(), tail, DESCRIPTION),
        tree("{\"schema\":3,\"x\":[", "]}", DESCRIPTION),
        tree("{\"schema\":3,\"x\":[", "]}", 100 << 20),
    ] {
        folder.put("out/manifest.json", &bytes);
        for line in ["measure image out", "verify out", "measure tpm out", "export out --as rvps"] {
            is_bounded(folder, line, &[0, 1, 2]);
        }
    }
    // Sums, and reference values as `verify` reads them.
    folder.put("out/manifest.json", manifest.as_bytes());
    let sum = |at: usize| format!("{}  {at}\n", "0".repeat(64));
    let sums: String = (0..DESCRIPTION / 75).map(sum).collect();
    folder.put("out/SHA256SUMS", sums.as_bytes());
    is_bounded(folder, "verify out", &[0, 1, 2]);
}

#[test]
fn observations_have_a_bound() {
    let image = image();
    let folder = &image.folder;
    folder.put("values", b"{\"schema\":3,\"debug\":false,\"profiles\":[],\"values\":[]}");
    // An event of a log in the old form: PCR, type, SHA-1, length.
    let mut log = Vec::new();
    while log.len() + 32 < OBSERVED {
        log.extend([4, 0, 0, 0, 4, 0, 0, 0]);
        log.extend([1; 20]);
        log.extend([0; 4]);
    }
    for (name, bytes) in [
        ("tree", tree("{\"registers\":[", "]}", OBSERVED)),
        ("long", tree("{\"registers\":[", "]}", 60 << 20)),
        ("log", log),
    ] {
        folder.put(name, &bytes);
        is_bounded(folder, &format!("compare {name} --with out"), &[1, 2]);
        is_bounded(folder, &format!("compare {name} --with values"), &[1, 2]);
    }
    is_bounded(folder, "compare /dev/zero --with out", &[2]);
}

#[test]
fn files_of_machines_have_a_bound() {
    let image = image();
    let folder = &image.folder;
    sparse(folder, "256M", (256 << 20) - 1);
    sparse(folder, "3G", 3 << 30);
    sparse(folder, "600M", 600 << 20);
    folder.put("kernel", &kernel());
    // What ends as firmware does: the GUID of its table, 48 bytes before the end.
    sparse(folder, "firmware", 3 << 30);
    let file = File::options().write(true).open(folder.path("firmware")).unwrap();
    let guid = *b"\xde\x82\xb5\x96\xb2\x1f\xf7\x45\xba\xea\xa3\x66\xc5\x5a\x08\x2d";
    file.write_all_at(&guid, (3 << 30) - 48).unwrap();
    folder.put("ovmf", &whole_firmware(0x40_0000, &empty_variables(), &EDK2_MEMORY));
    let snp = "measure snp --vcpus 1 --vcpu-type EPYC-v4 --ovmf";
    let tdx = "measure tdx --memory 2G --qemu-version 10.1 --kernel out/tiny.efi --append x \
               --layout edk2-stable202502 --secure-boot absent";
    let stage0 = "measure stage0 --memory 2G --machine q35";
    let mut most = 0;
    for line in [
        "measure se /dev/zero",
        "measure se 256M",
        "measure se 3G",
        &format!("{snp} /dev/zero"),
        &format!("{snp} 3G"),
        &format!("{tdx} --firmware /dev/zero"),
        &format!("{tdx} --firmware ovmf --initrd 600M"),
        &format!("{stage0} --kernel /dev/zero"),
        &format!("{stage0} --kernel 256M"),
        &format!("{stage0} --kernel kernel --initrd 600M"),
        "dump /dev/zero",
        "dump 3G",
        "profile /dev/zero",
        "measure image /dev/zero",
        &format!("verity verify /dev/zero /dev/zero {}", "00".repeat(32)),
        "dump firmware",
    ] {
        most = is_bounded(folder, line, &[0, 2]).max(most);
    }
    // A program that is never seen would take nothing.
    assert!(most >= 4, "{most} MiB");
}

/// What `dump` unpacks: many small files, and one that unpacks to more than it may.
#[test]
fn archives_have_a_bound() {
    let folder = Folder::new();
    // A regular file without contents (cpio, "newc"): 13 numbers, name, padding to 4 bytes.
    let entry = |at: usize| {
        let [inode, mode, name_len, check] = ["00000000", "000081a4", "00000008", "00000000"];
        let others = "0".repeat(9 * 8);
        format!("070701{inode}{mode}{others}{name_len}{check}{at:07x}\0\0\0")
    };
    let small: String = (0..(250 << 20) / 120).map(entry).collect();
    for (name, bytes) in [("small", small.as_bytes()), ("zeros", &vec![b'0'; 300 << 20][..])] {
        folder.put(name, bytes);
        let gzip = Command::new("gzip").arg("-1").arg(folder.path(name)).status();
        assert!(gzip.unwrap().success());
        is_bounded(&folder, &format!("dump {name}.gz"), &[0, 2]);
    }
}

#[test]
fn texts_have_a_bound() {
    let folder = Folder::new();
    for (name, bytes) in [
        ("list", filled("x = [", |_| "{a=0}".to_owned(), "]", TEXT)),
        ("long", filled("x = [", |_| "{a=0}".to_owned(), "]", 50 << 20)),
    ] {
        folder.put("image.toml", &bytes);
        folder.put(&format!("{name}.toml"), &bytes);
        is_bounded(&folder, "build", &[2]);
        is_bounded(&folder, "lock", &[2]);
        is_bounded(&folder, &format!("profile ./{name}.toml"), &[2]);
    }
    let minimal = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/minimal/");
    fs::copy(format!("{minimal}image.toml"), folder.path("image.toml")).unwrap();
    let lock = fs::read_to_string(format!("{minimal}image.lock")).unwrap();
    let head = lock.split_once("\n\n").unwrap().0;
    let of_lock = |len| filled(&format!("{head}\nx = ["), |_| "{a=0}".to_owned(), "]", len);
    // As many records as there is room for, and none that is right at the end.
    let records = filled(&lock, |at| format!("\n[[file]]\npath = \"{at}\"\n#"), "", LOCK);
    for bytes in [of_lock(900 << 10), of_lock(LOCK), of_lock(70 << 20), records] {
        folder.put("image.lock", &bytes);
        is_bounded(&folder, "build", &[2]);
    }
}
