//! The header of a kernel is patched as QEMU patches it, and the digest is that of the result; the
//! memory of a TD is the memory QEMU gives.
//!
//! QEMU is asked over fw_cfg, without a guest that runs. A kernel of a
//! Debian package, named by `CVMKIT_KERNEL`, has the digests that real boots logged.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "runs the oracle, found by the environment, on files it can open"
)]

mod tdvf_image;

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use cvmkit_formats::digest::{Digests, Sha256};
use cvmkit_formats::source::Source;
use cvmkit_measure::event::log::Log;
use cvmkit_measure::event::{Bank, BankDigest, EventType, RegisterSet};
use cvmkit_measure::firmware::Firmware;
use cvmkit_measure::linux::{self, Boot, Error, SetupHeader, q35_below_4g};
use cvmkit_measure::tdx::hob::TdHob;
use cvmkit_measure::uefi::image;
use tdvf_image::{EDK2_MEMORY, firmware};

const MIB: u64 = 1 << 20;

/// A bzImage that is a PE image too, with nothing in it.
#[derive(Clone, Copy)]
struct Kernel {
    version: u16,
    loadflags: u8,
    xloadflags: u16,
    initrd_addr_max: u32,
    setup_sects: u8,
    len: usize,
}

const KERNEL: Kernel = Kernel {
    version: 0x20f,
    loadflags: 1,
    xloadflags: 0x29,
    initrd_addr_max: 0x7fff_ffff,
    setup_sects: 3,
    len: 0x3000,
};

impl Kernel {
    fn bytes(self) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            (0..self.len).map(|at| u8::try_from(at / 3 % 251).unwrap()).collect();
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &[0; 0x250]);
        put(0, b"MZ");
        put(0x3c, &[0x40]);
        // A PE32+ header: machine, one section, size of the optional header, characteristics.
        put(0x40, b"PE\0\0\x64\x86\x01\0");
        put(0x54, &[0xf0, 0, 0x0e, 2, 0x0b, 2]);
        // Alignments, size of the image and of the headers, number of directories.
        for (at, value) in
            [(0x78, 0x1000), (0x7c, 0x200), (0x90, 0x4000), (0x94, 0x400), (0xc4, 16_u32)]
        {
            put(at, &value.to_le_bytes());
        }
        put(0x9c, &[10, 0]);
        let raw = u32::try_from(self.len - 0x400).unwrap();
        put(0x148, b".text\0\0\0");
        for (at, value) in [(0x150, raw), (0x154, 0x1000), (0x158, raw), (0x15c, 0x400_u32)] {
            put(at, &value.to_le_bytes());
        }
        put(0x1f1, &[self.setup_sects]);
        put(0x1fe, &[0x55, 0xaa, 0xeb, 0x6a]);
        put(0x202, b"HdrS");
        put(0x206, &self.version.to_le_bytes());
        put(0x211, &[self.loadflags]);
        put(0x22c, &self.initrd_addr_max.to_le_bytes());
        put(0x236, &self.xloadflags.to_le_bytes());
        bytes
    }
}

/// A QEMU whose guest is stopped before its first instruction, waiting for commands.
struct Qemu {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Qemu {
    fn new(program: &Path, kernel: &Path, initrd: Option<&Path>, boot: &Boot<'_>) -> Self {
        let mut command = Command::new(program);
        command.args(["-machine", "q35", "-accel", "tcg", "-S", "-nodefaults", "-display", "none"]);
        command.args(["-m", &format!("{}M", boot.memory / MIB), "-qtest", "stdio", "-kernel"]);
        command.arg(kernel).args(["-append", str::from_utf8(boot.command_line).unwrap()]);
        if let Some(initrd) = initrd {
            command.arg("-initrd").arg(initrd);
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, input, output }
    }

    /// The answers to some commands; none if QEMU ends before.
    fn ask(&mut self, commands: &str) -> Option<Vec<String>> {
        self.input.write_all(commands.as_bytes()).ok()?;
        let answers = commands.lines().map(|_| {
            loop {
                let mut line = String::new();
                if self.output.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                // Other lines are not answers, but tell of interrupts.
                if let Some(answer) = line.strip_prefix("OK") {
                    return Some(answer.trim().to_owned());
                }
            }
        });
        answers.collect()
    }

    /// An item of fw_cfg: port 0x510 selects it, port 0x511 gives it byte by byte (QEMU,
    /// `docs/specs/fw_cfg.rst`).
    fn item(&mut self, key: u16, len: usize) -> Option<Vec<u8>> {
        let commands = format!("outw 0x510 {key:#x}\n{}", "inb 0x511\n".repeat(len));
        let answers = self.ask(&commands)?;
        let byte = |answer: &String| {
            u8::from_str_radix(answer.trim_start_matches("0x"), 16).unwrap_or_else(|error| {
                panic!("{answer}: {error}");
            })
        };
        Some(answers.iter().skip(1).map(byte).collect())
    }

    /// `FW_CFG_SETUP_SIZE` and as many bytes of `FW_CFG_SETUP_DATA`, 8 KiB at most.
    fn setup(&mut self) -> Option<Vec<u8>> {
        let size = self.item(0x17, 4)?;
        let size = u32::from_le_bytes(size.try_into().ok()?);
        self.item(0x18, usize::try_from(size).ok()?.min(8192))
    }
}

/// A file of fw_cfg by its name: item 0x19 lists them.
fn file(qemu: &mut Qemu, name: &str) -> Option<Vec<u8>> {
    let count = u32::from_be_bytes(qemu.item(0x19, 4)?.try_into().ok()?);
    let directory = qemu.item(0x19, 4 + 64 * usize::try_from(count).ok()?)?;
    let entry = directory[4..].chunks(64).find(|entry| {
        entry[8..].strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
    })?;
    let size = u32::from_be_bytes(entry[..4].try_into().ok()?);
    let key = u16::from_be_bytes(entry[4..6].try_into().ok()?);
    qemu.item(key, usize::try_from(size).ok()?)
}

/// The memory that a TD HOB lists is the memory that the same machine without TDX has.
#[test]
fn the_td_hob_lists_qemu_s_memory() {
    let Some(program) = qemu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let kernel_path = folder.path().join("kernel");
    fs::write(&kernel_path, KERNEL.bytes()).unwrap();
    let image = firmware(0x3000, &[0; 0x1000], &EDK2_MEMORY);
    let parsed = Firmware::of_end(&image).unwrap();
    for memory in [512, 1024, 2048, 2815, 2816, 3072, 8192] {
        let memory = memory * MIB;
        let boot = Boot { memory, initrd: None, command_line: b"" };
        let mut qemu = Qemu::new(&program, &kernel_path, None, &boot);
        let e820 = file(&mut qemu, "etc/e820").expect("QEMU has the file");
        // Address, length and type (ACPI 6.5, section 15); type 1 is memory.
        let memory_of = |entry: &[u8]| {
            let field = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().unwrap());
            (entry[16] == 1).then(|| (field(0), field(8)))
        };
        let expected: Vec<_> = e820.chunks(20).filter_map(memory_of).collect();
        let mut listed: Vec<(u64, u64)> = Vec::new();
        for range in TdHob::q35(&parsed, memory).unwrap().ranges() {
            match listed.last_mut() {
                Some((start, len)) if *start + *len == range.gpa.0 => *len += range.size,
                _ => listed.push((range.gpa.0, range.size)),
            }
        }
        assert_eq!(listed, expected, "{memory:#x}");
    }
}

fn qemu() -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&folders)
        .map(|folder| folder.join("qemu-system-x86_64"))
        .find(|path| path.is_file());
    if found.is_none() {
        let message = "qemu-system-x86_64 is not installed";
        assert!(env::var("CVMKIT_ORACLES").as_deref() != Ok("require"), "{message}");
        eprintln!("SKIPPED: {message}");
    }
    found
}

/// Memory, initrd, command line and kernel, each in the ways that matter.
fn cases() -> Vec<(Kernel, u64, Option<u64>, &'static str)> {
    let mut cases = Vec::new();
    for memory in [512, 1024, 2047, 2048, 2815, 2816, 3072, 8192] {
        cases.push((KERNEL, memory, Some(1_028_327), "console=ttyS0 quiet"));
    }
    let high = Kernel { xloadflags: 2, ..KERNEL };
    for memory in [2815, 2816, 8192] {
        cases.push((high, memory, Some(5000), "quiet"));
    }
    let low = Kernel { initrd_addr_max: 0x37ff_ffff, xloadflags: 0, ..KERNEL };
    let old = Kernel { version: 0x20b, xloadflags: 2, ..low };
    let tiny = Kernel { setup_sects: 0, ..KERNEL };
    let long = Kernel { setup_sects: 20, ..KERNEL };
    for kernel in [low, old, Kernel { xloadflags: 2, ..low }, tiny, long] {
        cases.push((kernel, 3072, Some(4096), ""));
        cases.push((kernel, 128, None, "vga=0x317 quiet"));
    }
    for command_line in ["vga=normal", "vga=ext vga=1", "x vga=ask", "novga=012", "vga=99999"] {
        cases.push((KERNEL, 256, Some(1), command_line));
    }
    cases
}

#[test]
fn qemu_patches_the_header_like_this() {
    let Some(program) = qemu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [kernel_path, initrd_path] = ["kernel", "initrd"].map(|name| folder.path().join(name));
    for (kernel, memory, initrd, command_line) in cases() {
        let bytes = kernel.bytes();
        let boot = Boot { memory: memory * MIB, initrd, command_line: command_line.as_bytes() };
        fs::write(&kernel_path, &bytes).unwrap();
        let initrd_path = initrd.map(|size| {
            fs::write(&initrd_path, vec![0; usize::try_from(size).unwrap()]).unwrap();
            initrd_path.as_path()
        });
        let mut qemu = Qemu::new(&program, &kernel_path, initrd_path, &boot);
        let expected = qemu.setup().expect("QEMU answers");
        let found = linux::patched_header(&bytes, &boot).unwrap();
        assert_eq!(hex::encode(&found), hex::encode(&expected), "{boot:x?}");
        assert_ne!(found, bytes[..found.len()]);

        // The digest is of the file under this header, and of nothing else.
        let patched = [&expected[..], &bytes[expected.len()..]].concat();
        let digests = linux::digests(&bytes, &SetupHeader::Patched(boot)).unwrap();
        assert_eq!(digests, image::authenticode(&patched).unwrap());
        let plain = linux::digests(&bytes, &SetupHeader::AsInFile).unwrap();
        assert_eq!(plain, image::authenticode(&bytes).unwrap());
        assert_ne!(plain, digests);
    }
}

/// What QEMU does not start with is refused here as well.
#[test]
fn qemu_refuses_the_same_boots() {
    let Some(program) = qemu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [kernel_path, initrd_path] = ["kernel", "initrd"].map(|name| folder.path().join(name));
    let bytes = KERNEL.bytes();
    fs::write(&kernel_path, &bytes).unwrap();
    let room = 128 * MIB - 0x2_8000 - 1;
    let boots = [
        (Some(room - 1), "", true),
        (Some(room), "", false),
        (Some(room + 1), "", false),
        (None, "vga=12", true),
        (None, "vga=12x", false),
        (None, "vga=big", false),
        (None, "vga=", false),
    ];
    for (initrd, command_line, starts) in boots {
        if let Some(size) = initrd {
            fs::File::create(&initrd_path).unwrap().set_len(size).unwrap();
        }
        let boot = Boot { memory: 128 * MIB, initrd, command_line: command_line.as_bytes() };
        let mut qemu = Qemu::new(&program, &kernel_path, initrd.map(|_| &*initrd_path), &boot);
        let expected = qemu.setup();
        assert_eq!(expected.is_some(), starts, "{boot:?}");
        match (linux::patched_header(&bytes, &boot), expected) {
            (Ok(found), Some(expected)) => assert_eq!(found, expected),
            (Err(Error::InitrdTooLarge { .. } | Error::Vga { .. }), None) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn other_files_are_refused() {
    let refused = |bytes: &[u8]| linux::digests(bytes, &SetupHeader::AsInFile).unwrap_err();
    assert!(matches!(refused(b""), Error::NoHeader { .. }));
    let mut other = KERNEL.bytes();
    other[0x202] = b'h';
    assert!(refused(&other).to_string().contains("`hdrS` at 0x202, expected `HdrS`"));
    let old = Kernel { version: 0x202, ..KERNEL }.bytes();
    assert_eq!(
        refused(&old).to_string(),
        "the kernel has boot protocol 2.02, expected 2.03 or later"
    );
    let low = Kernel { loadflags: 0, ..KERNEL }.bytes();
    assert!(matches!(refused(&low), Error::NotHigh { found: 0 }));
    let short = Kernel { setup_sects: 200, ..KERNEL }.bytes();
    assert!(matches!(refused(&short), Error::Truncated { expected: 102_912, found: 0x3000 }));
    let mut no_stub = KERNEL.bytes();
    no_stub[..2].fill(0);
    assert!(matches!(refused(&no_stub), Error::Image(_)));
    let whole = KERNEL.bytes();
    for len in 0..0x1000 {
        let _ = linux::digests(&whole[..len], &SetupHeader::AsInFile);
    }
}

#[test]
fn memory_below_4_gib() {
    let split = 0xb000_0000;
    assert_eq!([1, split - 1, split, 8 << 30].map(q35_below_4g), [1, split - 1, 1 << 31, 1 << 31]);
}

/// linux-image-6.12.107+deb13-cloud-amd64 of Debian trixie, with an initrd of that size.
const DEBIAN_KERNEL: &str = "d1bc2c60a78ae6979736d081bc3c90e45ace6baf414f767dff588e319d3492bd";
const INITRD_SIZE: u64 = 1_028_327;

fn logged_kernel(log: &[u8]) -> Digests {
    let log = Log::parse(log, RegisterSet::Tpm).unwrap();
    let [sha256, sha384] = [Bank::Sha256, Bank::Sha384].map(|bank| {
        let observed = log.observed(bank).unwrap();
        let is_kernel = EventType::EV_EFI_BOOT_SERVICES_APPLICATION;
        observed.events().iter().find(|event| event.event_type == is_kernel).unwrap().digest
    });
    match (sha256, sha384) {
        (BankDigest::Sha256(sha256), BankDigest::Sha384(sha384)) => Digests { sha256, sha384 },
        other => panic!("{other:?}"),
    }
}

/// Older firmware measures the patched kernel, later firmware the file: what the logs say.
#[test]
fn a_real_kernel_has_the_logged_digests() {
    let named = env::var_os("CVMKIT_KERNEL").unwrap_or_default();
    let kernel = env::split_paths(&named)
        .filter_map(|path| fs::read(path).ok())
        .find(|bytes| Sha256::of(bytes).to_string() == DEBIAN_KERNEL);
    let Some(kernel) = kernel else {
        eprintln!("SKIPPED: CVMKIT_KERNEL names no file with SHA-256 {DEBIAN_KERNEL}");
        return;
    };
    let patched = |memory| {
        SetupHeader::Patched(Boot { memory, initrd: Some(INITRD_SIZE), command_line: b"quiet" })
    };
    let logs: [(&[u8], &[SetupHeader<'_>]); 4] = [
        (include_bytes!("fixtures/tdx/direct_2022.11_1g.bin"), &[patched(1 << 30)]),
        (
            include_bytes!("fixtures/tdx/direct_2022.11_8g.bin"),
            &[patched(2816 * MIB), patched(3 << 30), patched(8 << 30)],
        ),
        (include_bytes!("fixtures/tdx/direct_2025.02_1g.bin"), &[SetupHeader::AsInFile]),
        (include_bytes!("fixtures/tdx/direct_2026.08_1g.bin"), &[SetupHeader::AsInFile]),
    ];
    for (log, headers) in logs {
        for header in headers {
            assert_eq!(linux::digests(&kernel, header).unwrap(), logged_kernel(log));
        }
    }
    assert!(Source::len(&kernel) > 10 * MIB);
}
