//! A host that tries everything: each boot ends in the right image or in a panic that names what was
//! tried, with no code of the host, no prompt, and no ready marker with a changed command line.
//!
//! Every test shows that what the host did reached the guest, and says what the same did to the
//! image of before: cvmkit's of commit 32ebb55, which had neither `efi=noruntime` nor `--` on its
//! command line, and a stage 1 that took every command line. Every attack of these tests was tried on it;
//! where it failed there too, the test says so. `docs/threat-model.md` lists the attacks.
//!
//! Oracles: OVMF, systemd-stub, Linux and systemd in QEMU. As many machines run at once as libtest has
//! threads; one that an emulator starves of its timer starts anew.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "runs processes, found by the environment, on files it makes"
)]

mod disks;
mod machine;
#[path = "../rig/mod.rs"]
mod rig;
mod variables;

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cvmkit_measure::uefi::variable_store::Variables;

use disks::{EXTRA, HOST};
use machine::{Machine, PANIC, option, said, told};
use rig::{Image, READY, found, skip};

/// What each line of stage 1 starts with when the boot ends there.
const FATAL: &str = "cvmkit-stage1: fatal: ";

/// What stage 1 says when it has the root.
const ROOT: &str = "cvmkit-stage1: squashfs root, roothash=";

/// Signs of somebody who waits for orders: getty, login, bash, sulogin, systemd's own.
const PROMPTS: [&str; 6] =
    ["login:", "Password:", "bash-", "root@", "Give root password", "Press Enter for maintenance"];

/// `SystemdOptions` belongs to 8cf2644b-4b0b-428f-9387-6d876050dc67.
const OF_SYSTEMD: [u8; 16] = [
    0x4b, 0x64, 0xf2, 0x8c, 0x0b, 0x4b, 0x8f, 0x42, 0x93, 0x87, 0x6d, 0x87, 0x60, 0x50, 0xdc, 0x67,
];

/// A host: the image that it attacks, and a place for its files.
struct Host {
    folder: tempfile::TempDir,
    image: &'static Image,
}

impl Host {
    /// None, loudly, if a tool is missing.
    fn new() -> Option<Self> {
        let tools = ["qemu-system-x86_64", "mkfs.vfat", "mmd", "mcopy", "mke2fs", "busybox"];
        for tool in tools {
            if found(tool).is_none() {
                skip(&format!("{tool} is not installed"));
                return None;
            }
        }
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Some(Self { folder, image: Image::minimal() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// QEMU loads kernel and initrd, with words before and behind the command line.
    fn direct(&self, before: &str, behind: &str) -> Vec<OsString> {
        let line = format!("{before}{}{behind}", self.image.text(".cmdline"));
        let mut arguments: Vec<OsString> =
            vec!["-kernel".into(), self.image.file(".vmlinuz").into()];
        arguments.extend(["-initrd".into(), self.image.file(".initrd").into()]);
        arguments.extend(["-append".into(), line.into()]);
        arguments
    }

    /// OVMF with a fresh store of variables.
    fn firmware(&self) -> Vec<OsString> {
        let [code, variables] = ["CODE", "VARS"]
            .map(|part| PathBuf::from(format!("/usr/share/OVMF/OVMF_{part}_4M.fd")));
        let own = self.path("variables.fd");
        if !own.exists() {
            fs::copy(variables, &own).unwrap();
        }
        let code = option("if=pflash,unit=0,format=raw,readonly=on,file=", &code);
        let own = option("if=pflash,unit=1,format=raw,file=", &own);
        vec!["-drive".into(), code, "-drive".into(), own]
    }

    /// OVMF, and a host's ESP that it boots: the image's own UKI with these files beside it.
    fn esp(&self, files: &[(&str, &[u8])]) -> Vec<OsString> {
        let esp = self.path("esp.img");
        disks::esp(self.image, files, &esp);
        let mut arguments = self.firmware();
        arguments.extend(disk("esp", &esp, "virtio-blk-pci,bootindex=0"));
        arguments.extend(self.image_disk());
        arguments
    }

    fn image_disk(&self) -> Vec<OsString> {
        disk("image", &self.image.file(".raw"), "virtio-blk-pci,bootindex=1")
    }
}

/// A disk that the guest may write to and that stays as it is.
fn disk(name: &str, file: &Path, device: &str) -> Vec<OsString> {
    let drive = option(&format!("if=none,id={name},format=raw,snapshot=on,file="), file);
    vec!["-drive".into(), drive, "-device".into(), format!("{device},drive={name}").into()]
}

/// Nobody waits for orders, and nothing of the host ran.
#[track_caller]
fn is_closed(console: &str) {
    let said = said(console);
    assert!(!said.contains(HOST), "{console}");
    for prompt in PROMPTS {
        assert!(!said.contains(prompt), "{prompt}:\n{console}");
    }
}

/// Stage 1 ends the boot with one line that has this in it.
#[track_caller]
fn is_refused(machine: Machine, reason: &str) -> String {
    let console = machine.panic();
    let said = said(&console);
    let line = said.lines().find(|line| line.contains(FATAL));
    assert!(line.is_some_and(|line| line.contains(reason)), "no `{reason}`:\n{console}");
    assert!(!said.contains("cvmkit: ready"), "{console}");
    assert!(!said.contains("systemd["), "systemd never ran:\n{console}");
    is_closed(&console);
    console
}

/// The right image comes up, and is listened to for a little longer.
#[track_caller]
fn is_right(machine: &mut Machine, image: &Image) {
    machine.wait(READY);
    machine.listen(Duration::from_secs(2));
    let console = machine.console();
    let root = format!("{ROOT}{}", image.text(".roothash").trim());
    assert!(console.contains(&root), "{console}");
    assert!(!console.contains(PANIC), "{console}");
    is_closed(console);
}

/// The kernel was told this.
#[track_caller]
fn was_told(console: &str, words: &str) {
    assert!(told(console, words), "the kernel was never told `{words}`:\n{console}");
}

fn stub() -> Option<PathBuf> {
    let stub = env::var_os("CVMKIT_STUB").map(PathBuf::from).filter(|path| path.is_file());
    if stub.is_none() {
        skip("CVMKIT_STUB names no systemd stub");
    }
    stub
}

fn smbios(line: &str) -> [OsString; 2] {
    ["-smbios".into(), format!("type=11,value={}", line.replace(',', ",,")).into()]
}

/// Before: the disk was mounted over `/usr/lib/cvmkit`, and `HOST CODE RUNS` came in place of the
/// ready marker. Linux said `Registered efivars operations`: every variable was there, so also those
/// of hibernation, of a reset and of the boot loader. The options of the mount are systemd's own.
#[test]
fn variables_of_the_firmware_are_no_command_line() {
    let Some(host) = Host::new() else { return };
    let options = "systemd.mount-extra=/dev/vdb:/usr/lib/cvmkit:ext4:\
                   ro,x-systemd.before=cvmkit-ready.service,x-systemd.device-timeout=60";
    let mut arguments = host.firmware();
    let flash = host.path("variables.fd");
    let mut bytes = fs::read(&flash).unwrap();
    variables::add(&mut bytes, OF_SYSTEMD, "SystemdOptions", &variables::utf16(options));
    fs::write(&flash, bytes).unwrap();
    disks::ext4(&[("ready", &disks::script())], &host.path("host.img"));
    arguments.extend(host.image_disk());
    arguments.extend(disk("host", &host.path("host.img"), "virtio-blk-pci"));
    let mut machine = Machine::start(arguments);
    is_right(&mut machine, host.image);
    // This very store was in use: firmware has written into it, and kept the host's variable.
    let store = Variables::read(&fs::read(&flash).unwrap()).unwrap();
    let find =
        |wanted: &str| store.iter().find(|(_, name, _)| *name == wanted).map(|found| found.2);
    assert!(find("BootOrder").is_some(), "firmware has chosen what to boot");
    assert_eq!(find("SystemdOptions"), Some(variables::utf16(options).as_slice()));
    let console = machine.console();
    assert!(console.contains("[vdb]"), "the disk was there:\n{console}");
    assert!(!console.contains("EXT4-fs (vdb"), "{console}");
    assert!(console.contains("efi: EFI v2"), "the firmware is UEFI:\n{console}");
    assert!(!console.contains("Registered efivars operations"), "no variable exists:\n{console}");
}

/// The stub takes the words of a boot option instead of its own command line, without Secure Boot.
/// These are the image's own and one more. Before: `root@(none):/#` on the serial console.
#[test]
fn a_word_of_a_boot_option_is_refused() {
    let Some(host) = Host::new() else { return };
    let Some(partitions) = host.image.partitions() else { return };
    let line = format!("{} init=/bin/bash", host.image.text(".cmdline"));
    let mut arguments = host.firmware();
    let flash = host.path("variables.fd");
    let mut bytes = fs::read(&flash).unwrap();
    let option = variables::boot_option(&partitions, "\\EFI\\BOOT\\BOOTX64.EFI", &line);
    variables::add(&mut bytes, variables::GLOBAL, "Boot0007", &option);
    variables::add(&mut bytes, variables::GLOBAL, "BootOrder", &7_u16.to_le_bytes());
    fs::write(&flash, bytes).unwrap();
    // QEMU's own order would come before the one of the variables.
    arguments.extend(disk("image", &host.image.file(".raw"), "virtio-blk-pci"));
    let console = is_refused(Machine::start(arguments), "`init=/bin/bash`");
    was_told(&console, "-- init=/bin/bash");
}

/// Before: `root@(none):/#` on the serial console.
#[test]
fn a_word_of_an_smbios_string_is_refused() {
    let Some(host) = Host::new() else { return };
    let mut arguments = host.firmware();
    arguments.extend(host.image_disk());
    arguments.extend(smbios("io.systemd.stub.kernel-cmdline-extra=init=/bin/bash"));
    let console = is_refused(Machine::start(arguments), "`init=/bin/bash`");
    was_told(&console, "-- init=/bin/bash");
}

/// With `rdinit=` the kernel passes by the initramfs, and stage 1 with it: NVMe, virtio-fs and ext4
/// are built into Debian's cloud kernel. Before: the kernel mounted the host's disk and ran its
/// init. The command line of the image ends in `--`, so that the kernel does not take the words.
#[test]
fn words_for_the_kernel_do_not_pass_by_stage_1() {
    let Some(host) = Host::new() else { return };
    let words = "rdinit=/none root=/dev/nvme0n1 rootfstype=ext4 rootwait init=/sbin/init";
    disks::root(&host.path("root.img"));
    let mut arguments = host.firmware();
    arguments.extend(host.image_disk());
    arguments.extend(disk("root", &host.path("root.img"), "nvme,serial=1"));
    arguments.extend(smbios(&format!("io.systemd.stub.kernel-cmdline-extra={words}")));
    let console = is_refused(Machine::start(arguments), "`rdinit=/none`");
    was_told(&console, words);
    assert!(console.contains("nvme nvme0: pci function"), "the disk was there:\n{console}");
}

/// Before: `root@(none):/#` on the serial console.
#[test]
fn a_word_of_an_addon_is_refused() {
    let (Some(host), Some(stub)) = (Host::new(), stub()) else { return };
    let addon = disks::addon(&stub, "init=/bin/bash");
    let path = format!("{EXTRA}/hostile.addon.efi");
    let arguments = host.esp(&[(&path, &addon)]);
    let console = is_refused(Machine::start(arguments), "`init=/bin/bash`");
    was_told(&console, "-- init=/bin/bash");
}

/// Before: nothing read it, and nothing said that it was there.
#[test]
fn a_credential_of_the_esp_is_refused() {
    let Some(host) = Host::new() else { return };
    let line = format!("w /dev/console - - - - {HOST}\n");
    let path = format!("{EXTRA}/tmpfiles.extra.cred");
    let arguments = host.esp(&[(&path, line.as_bytes()), ("loader/credentials/a.cred", b"x")]);
    let reason = "`/.extra/credentials`, `/.extra/credentials/tmpfiles.extra.cred`";
    let console = is_refused(Machine::start(arguments), reason);
    assert!(console.contains("/.extra/global_credentials/a.cred`"), "{console}");
}

/// Before: nothing read it, and nothing said that it was there.
#[test]
fn extensions_of_the_esp_are_refused() {
    let Some(host) = Host::new() else { return };
    let sysext = host.path("sysext.img");
    disks::ext4(&[("usr/lib/cvmkit/ready", &disks::script())], &sysext);
    let [raw, confext] = ["a.raw", "b.confext.raw"].map(|name| format!("{EXTRA}/{name}"));
    let sysext = fs::read(&sysext).unwrap();
    let arguments = host.esp(&[(&raw, &sysext), (&confext, b"x")]);
    let console = is_refused(Machine::start(arguments), "/.extra/sysext/a.raw`");
    assert!(console.contains("`/.extra/confext/b.confext.raw`"), "{console}");
}

/// By SMBIOS, by fw_cfg. The image of before had `systemd.import_credentials=no` too; with `=yes` behind
/// it the line was on its console (ADR 5). The vendor's name comes from the same tables, so they
/// reached the guest.
#[test]
fn credentials_of_the_machine_are_not_taken() {
    let Some(host) = Host::new() else { return };
    let line = format!("w /dev/console - - - - {HOST}");
    let mut arguments = host.direct("", "");
    arguments.extend(host.image_disk());
    arguments.extend(smbios(&format!("io.systemd.credential:tmpfiles.extra={line}")));
    arguments.extend(["-smbios".into(), "type=1,manufacturer=HOSTILE".into()]);
    let credential = "name=opt/io.systemd.credentials/tmpfiles.extra,string=";
    arguments.extend(["-fw_cfg".into(), format!("{credential}{line}").into()]);
    let mut machine = Machine::start(arguments);
    is_right(&mut machine, host.image);
    assert!(machine.console().contains("DMI: HOSTILE"), "{}", machine.console());
}

/// Without kernel hashes nothing but stage 1 knows. Before: `root@(none):/#` on the serial console.
#[test]
fn a_word_that_qemu_adds_is_refused() {
    let Some(host) = Host::new() else { return };
    for (before, behind) in [("", " init=/bin/bash"), ("init=/bin/bash ", "")] {
        let mut arguments = host.direct(before, behind);
        arguments.extend(host.image_disk());
        let console = is_refused(Machine::start(arguments), "`init=/bin/bash`");
        was_told(&console, "init=/bin/bash");
    }
}

/// OVMF adds `initrd=initrd` to the command line of a kernel that QEMU hands it: the installed one
/// behind it, that of forky before it.
#[test]
fn the_word_of_the_loader_is_no_attack() {
    let Some(host) = Host::new() else { return };
    let Some(forky) = env::var_os("CVMKIT_FORKY").map(PathBuf::from) else {
        return skip("CVMKIT_FORKY names no unpacked firmware");
    };
    let later: Vec<OsString> =
        vec!["-bios".into(), forky.join("firmware/usr/share/ovmf/OVMF.fd").into()];
    let line = host.image.text(".cmdline");
    let cases = [
        (host.firmware(), format!("{line} initrd=initrd")),
        (later, format!("initrd=initrd {line}")),
    ];
    for (mut arguments, line) in cases {
        arguments.extend(host.direct("", ""));
        arguments.extend(host.image_disk());
        let mut machine = Machine::start(arguments);
        machine.wait(ROOT);
        was_told(machine.console(), &line);
    }
}

/// Verity makes the contents safe whichever is taken; stage 1 takes none, as that of before.
#[test]
fn two_disks_with_the_same_partitions_are_refused() {
    let Some(host) = Host::new() else { return };
    let mut arguments = host.direct("", "");
    arguments.extend(host.image_disk());
    arguments.extend(disk("twin", &host.image.file(".raw"), "virtio-blk-pci"));
    let console = is_refused(Machine::start(arguments), "expected one, found two: vd");
    assert!(console.contains("vdb: vdb1 vdb2"), "{console}");
}

/// The disk holds something else as soon as stage 1 has its root: what was not read yet is refused
/// by dm-verity, as it was before.
#[test]
fn a_disk_that_is_swapped_while_the_guest_runs_is_noticed() {
    let Some(host) = Host::new() else { return };
    let Some(partitions) = host.image.partitions() else { return };
    let own = host.path("image.raw");
    fs::copy(host.image.file(".raw"), &own).unwrap();
    let mut arguments = host.direct("", "");
    let drive = option("if=none,id=image,format=raw,cache=none,file=", &own);
    arguments.extend(["-drive".into(), drive]);
    arguments.extend(["-device".into(), "virtio-blk-pci,drive=image".into()]);
    let mut machine = Machine::start(arguments);
    machine.wait(ROOT);
    let root = partitions.iter().find(|partition| partition.kind == rig::ROOT).unwrap();
    let file = File::options().write(true).open(&own).unwrap();
    file.write_all_at(&vec![0x5a; usize::try_from(root.size).unwrap()], root.start).unwrap();
    file.sync_all().unwrap();
    let console = machine.panic();
    assert!(console.contains("verity"), "{console}");
    assert!(!said(&console).contains("cvmkit: ready"), "{console}");
    is_closed(&console);
}

/// Partitions that systemd's generator mounts by their types, on the image's own disk, where it looks
/// for them after a boot by UEFI: /home, /srv, /var, swap, a second ESP, XBOOTLDR. On each of them, and
/// on a disk of its own: modules, firmware, extensions, rules and programs, where the guest would
/// look for its own. The image of before had no generator either; the same image with it mounted vda4
/// and vda5 and took vda7 for swap. It left /var, which is memory, and /boot, which is not empty.
#[test]
fn disks_of_the_host_are_left_alone() {
    let Some(host) = Host::new() else { return };
    let Some(release) = release(host.image) else { return };
    let modules = format!("lib/modules/{release}/updates/virtio_rng.ko");
    let rule = format!("RUN+=\"/bin/sh -c 'echo {HOST} >/dev/console'\"\n");
    let files: [(&str, &[u8]); 8] = [
        (&modules, b"\x7fELF"),
        ("lib/firmware/hostile.bin", b"x"),
        ("lib/udev/rules.d/00-hostile.rules", rule.as_bytes()),
        ("etc/udev/rules.d/00-hostile.rules", rule.as_bytes()),
        ("lib/udev/hwdb.bin", b"KSLPHHRH"),
        ("extensions/a/usr/lib/cvmkit/ready", &disks::script()),
        ("lib/extensions/a/usr/lib/cvmkit/ready", &disks::script()),
        ("ready", &disks::script()),
    ];
    let foreign = host.path("foreign.img");
    disks::ext4(&files, &foreign);
    let Some(typed) = disks::with_typed_partitions(host.image, &host.path("typed"), &foreign)
    else {
        return;
    };
    let mut arguments = host.firmware();
    arguments.extend(disk("image", &typed.file(".raw"), "virtio-blk-pci,bootindex=1"));
    arguments.extend(disk("foreign", &foreign, "nvme,serial=modules"));
    arguments.extend(["-uuid".into(), disks::MACHINE.into()]);
    let mut machine = Machine::start(arguments);
    is_right(&mut machine, host.image);
    let console = machine.console();
    assert!(console.contains("vda: vda1 vda2 vda3 vda4 vda5 vda6 vda7 vda8 vda9"), "{console}");
    assert!(console.contains("nvme nvme0: pci function"), "{console}");
    assert!(!console.contains("EXT4-fs ("), "{console}");
    assert!(!console.contains(" swap on /dev/"), "{console}");
}

/// The kernel release, by the modules in the initramfs of the image.
fn release(image: &Image) -> Option<String> {
    let kernel = fs::read(image.file(".vmlinuz")).unwrap();
    let at = usize::from(u16::from_le_bytes([kernel[0x20e], kernel[0x20f]])) + 0x200;
    let text: Vec<u8> = kernel[at..].iter().copied().take_while(|byte| *byte > b' ').collect();
    String::from_utf8(text).ok()
}

/// What would be an entry point and is not tested by a boot, because Debian's kernel is built without it:
/// device trees, a boot configuration behind the initrd, a command line of its own, a debugger on
/// the console, programs that are asked for firmware, a default place to resume from. And what
/// Debian's kernel could do, but nothing in the root asks for: to start another kernel.
#[test]
fn the_kernel_has_no_further_entry_point() {
    let image = Image::minimal();
    let (Some(partitions), Some(release)) = (image.partitions(), release(image)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let partition = partitions.iter().find(|partition| partition.kind == rig::ROOT).unwrap();
    partition.copy(&image.file(".raw"), &root);
    let Some(listing) = rig::oracle("unsquashfs", ["-l".as_ref(), root.as_os_str()]) else {
        return;
    };
    let listing = listing.answer();
    assert!(listing.contains("/usr/lib/systemd/systemd\n"), "the list is of the root");
    let loads_kernels = listing.lines().find(|path| path.ends_with("/kexec"));
    assert_eq!(loads_kernels, None, "a program that starts another kernel");
    assert!(!image.text(".cmdline").contains("crashkernel"));
    let path = format!("boot/config-{release}");
    let arguments = ["-cat".as_ref(), root.as_os_str(), path.as_ref()];
    let Some(config) = rig::oracle("unsquashfs", arguments) else { return };
    let config = config.answer();
    for option in ["OF", "BOOT_CONFIG", "CMDLINE_BOOL", "KGDB", "FW_LOADER_USER_HELPER"] {
        let line = format!("# CONFIG_{option} is not set");
        assert!(config.lines().any(|found| found == line), "{line}");
    }
    for line in ["CONFIG_PM_STD_PARTITION=\"\"", "CONFIG_EXTRA_FIRMWARE=\"\""] {
        assert!(config.lines().any(|found| found == line), "{line}");
    }
}

/// The kernel answers a BREAK and `h`. It hears one only while somebody has the console open, which
/// PID 1 has again and again.
#[track_caller]
fn is_heard(machine: &mut Machine) {
    for _ in 0..60 {
        machine.sysrq(b'h');
        machine.listen(Duration::from_millis(700));
        if machine.said().contains("sysrq: HELP") {
            return;
        }
    }
    panic!("no BREAK was heard:\n{}", machine.console());
}

/// A BREAK reaches the kernel, which says so as long as it listens: until the image's own sysctl
/// settings are made. Then no key does anything: `b` would reset the machine, `h` would be answered. The
/// keyboard has the same keys, and is heard at any time. Before: `sysrq: Resetting` by the keyboard; a
/// BREAK was not heard either, as nobody had the console open.
#[test]
fn break_and_sysrq_do_nothing() {
    let Some(host) = Host::new() else { return };
    let mut arguments = host.direct("", "");
    arguments.extend(host.image_disk());
    let mut machine = Machine::start(arguments);
    machine.wait(ROOT);
    is_heard(&mut machine);
    machine.wait(READY);
    let before = machine.console().len();
    for key in *b"hbtcik" {
        machine.sysrq(key);
    }
    machine.press(&["alt", "sysrq", "b"], 1);
    machine.listen(Duration::from_secs(5));
    let after = &machine.console()[before..];
    assert!(!after.contains("sysrq"), "{after}");
    assert!(!after.contains(PANIC) && !after.contains("cvmkit: ready"), "{after}");
    is_closed(machine.console());
}

/// Names, passwords, the keys of bash and of systemd, and a keyboard. Nobody answers; what reaches
/// the kernel is shown by the BREAK that goes the same way. Before: nobody answered either, and
/// nothing restarted within these seconds, although `ctrl-alt-del.target` was there: that it is gone is
/// shown by `rootfs::tests::terminals`.
#[test]
fn the_console_has_nobody_to_talk_to() {
    let Some(host) = Host::new() else { return };
    let mut arguments = host.direct("", "");
    arguments.extend(host.image_disk());
    let mut machine = Machine::start(arguments);
    machine.wait(ROOT);
    machine.type_in(b"\r\nroot\r\n\x03\x04\r\n");
    is_heard(&mut machine);
    machine.wait(READY);
    let before = machine.console().len();
    machine.type_in(b"\r\nroot\r\n\r\nid\r\n\x03\x04\x1a\r\n");
    machine.press(&["ctrl", "alt", "f2"], 1);
    machine.press(&["ret"], 1);
    // More than 7 times within 2 seconds is the order to do it at once (`CtrlAltDelBurstAction=`).
    machine.press(&["ctrl", "alt", "delete"], 12);
    machine.listen(Duration::from_secs(8));
    let after = &machine.console()[before..];
    assert!(!after.contains("uid=") && !after.contains(PANIC), "{after}");
    assert!(!after.contains("eboot"), "ctrl-alt-del is no order: {after}");
    is_closed(machine.console());
}
