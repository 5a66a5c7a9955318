//! Predicted registers of a TPM, without a boot: what two real logs have, what `systemd-measure`
//! says, and what a change moves. The boots are in `crates/cli/tests/boots/vtpm`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod small_uki;

use std::collections::BTreeSet;

use cvmkit_formats::digest::Digests;
use cvmkit_measure::event::log::Log;
use cvmkit_measure::event::{Bank, PcrIndex, Register, RegisterSet};
use cvmkit_measure::firmware::behaviour::Behaviour;
use cvmkit_measure::guid::Guid;
use cvmkit_measure::linux::KernelVersion;
use cvmkit_measure::tpm::{
    self, DirectKernel, Disk, Error, Firmware, PHASES, Prediction, Uki, Unknown,
};
use cvmkit_measure::uefi::boot_option::{self, LoadOption, attributes};
use cvmkit_measure::uefi::device_path::Node;
use cvmkit_measure::uefi::medium::{DiskBus, FirmwareBy, Medium};
use cvmkit_measure::uefi::variables::SecureBoot;
use small_uki::SmallUki;

/// Boots of Debian's OVMF 2025.02 under QEMU 7.2 with swtpm; `fixtures/event_logs/README.md`.
const UKI_LOG: &[u8] = include_bytes!("fixtures/event_logs/uki.bin");
const UKI_PCRS: &str = include_str!("fixtures/event_logs/uki.pcrs.txt");
const DIRECT_LOG: &[u8] = include_bytes!("fixtures/event_logs/direct.bin");
const DIRECT_PCRS: &str = include_str!("fixtures/event_logs/direct.pcrs.txt");

const COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1";

/// The firmware of those boots: no Secure Boot, nothing known of PCR 0 and 1.
fn firmware() -> Firmware {
    Firmware {
        behaviour: Behaviour::OVMF_2025_02,
        secure_boot: SecureBoot::default(),
        pinned: Default::default(),
    }
}

/// What machines of this project's tests have.
const WRITABLE: Medium = Medium {
    is_writable: Some(true),
    bus: Some(DiskBus::VirtioBlk),
    firmware_by: Some(FirmwareBy::Pflash),
};
const READ_ONLY: Medium = Medium { is_writable: Some(false), ..WRITABLE };

const BARE_DISK: Disk<'_> = Disk { partition_table: None, medium: WRITABLE, loader_is_file: false };

fn predicted(uki: &Uki) -> Prediction {
    tpm::disk_boot(&firmware(), uki, &BARE_DISK).unwrap()
}

fn direct(command_line: &str) -> Prediction {
    let nothing = Digests::of(b"");
    let direct = DirectKernel {
        kernel: nothing,
        signatures: &[],
        kernel_version: Some(KernelVersion { major: 6, minor: 12 }),
        command_line: command_line.as_bytes(),
        initrd: nothing,
        medium: WRITABLE,
    };
    tpm::direct_boot(&firmware(), &direct).unwrap()
}

fn pcr(number: u8) -> PcrIndex {
    PcrIndex::new(number).unwrap()
}

/// The digests of a register in a log, in order.
fn logged(log: &[u8], bank: Bank, number: u8) -> Vec<String> {
    let log = Log::parse(log, RegisterSet::Tpm).unwrap();
    let observed = log.observed(bank).unwrap();
    let of_register = observed.events().iter().filter(|e| e.register == Register::Pcr(pcr(number)));
    of_register.map(|event| event.digest.to_string()).collect()
}

/// The same of a prediction.
fn listed(prediction: &Prediction, bank: Bank, number: u8) -> Vec<String> {
    let events = prediction.events.0.iter().filter(|event| event.pcr == pcr(number));
    let digest = |digests: &Digests| match bank {
        Bank::Sha256 => digests.sha256.to_string(),
        Bank::Sha384 => digests.sha384.to_string(),
    };
    events.map(|event| digest(&event.digests)).collect()
}

/// A value of `PCR256 <number> <digits>` lines.
fn read_in_the_guest(text: &str, number: u8) -> String {
    let start = format!("PCR256 {number} ");
    text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().to_lowercase()
}

#[test]
fn registers_that_need_no_image_are_those_of_real_boots() {
    let uki = SmallUki::new(257).read().unwrap();
    let boots = [
        (predicted(&uki), UKI_LOG, UKI_PCRS, &[2, 3, 5, 6, 7, 8, 12, 13, 14][..]),
        (direct(COMMAND_LINE), DIRECT_LOG, DIRECT_PCRS, &[2, 3, 5, 6, 7, 8, 11, 12, 13, 14]),
    ];
    for (prediction, log, pcrs, numbers) in boots {
        let bank = prediction.pcrs_sha256();
        for &number in numbers {
            let value = bank[&pcr(number)].to_string();
            assert_eq!(value, read_in_the_guest(pcrs, number), "PCR {number}");
            for bank in [Bank::Sha256, Bank::Sha384] {
                assert_eq!(listed(&prediction, bank, number), logged(log, bank, number));
            }
        }
    }
}

/// In these registers an image or a kernel decides one event, and the rest is known.
#[test]
fn events_around_images_are_those_of_real_boots() {
    let mut uki = SmallUki::new(257);
    uki.set(".splash", None);
    uki.set(".pcrpkey", None);
    let (disk, kernel) = (predicted(&uki.read().unwrap()), direct(COMMAND_LINE));
    let rows = [
        // Action, separator, [image], [kernel]
        (&disk, UKI_LOG, 4, &[0, 1][..], 4),
        // [kernel], action, separator
        (&kernel, DIRECT_LOG, 4, &[1, 2], 3),
        // Command line, [initrd]
        (&disk, UKI_LOG, 9, &[0], 2),
        (&kernel, DIRECT_LOG, 9, &[0], 2),
        // The names of .linux, .osrel, .cmdline, .initrd, .uname and .sbat, each before its
        // contents, of which the command line's are known.
        (&disk, UKI_LOG, 11, &[0, 2, 4, 5, 6, 8, 10], 12),
    ];
    for (prediction, log, number, known, count) in rows {
        for bank in [Bank::Sha256, Bank::Sha384] {
            let (expected, found) = (listed(prediction, bank, number), logged(log, bank, number));
            assert_eq!((expected.len(), found.len()), (count, count), "PCR {number}");
            for &at in known {
                assert_eq!(expected[at], found[at], "PCR {number}, event {at}");
            }
        }
    }
}

/// `Boot####` of OVMF 2025.02: its menu, a virtio disk, its shell.
#[test]
fn boot_options_are_those_of_real_boots() {
    let volume = Guid::new(0x7cb8bdc9_f8eb_4f34_aaea_3ee4af6516a1);
    let application = |name: &str, attributes, file| LoadOption {
        attributes,
        description: name.into(),
        file_path: vec![Node::FirmwareVolume(volume), Node::FirmwareFile(Guid::new(file))],
        optional_data: Vec::new(),
    };
    let hidden = attributes::ACTIVE | attributes::HIDDEN | attributes::CATEGORY_APP;
    let menu = application("UiApp", hidden, 0x462caa21_7614_4503_836e_8ab6f4662331);
    let shell = application(
        "EFI Internal Shell",
        attributes::ACTIVE,
        0x7c04a583_9e3e_4f1c_ad65_e05268d0b4d1,
    );
    let disk = LoadOption {
        attributes: attributes::ACTIVE,
        description: "UEFI Non-Block Boot Device".into(),
        file_path: vec![Node::PciRoot { uid: 0 }, Node::Pci { device: 1, function: 0 }],
        optional_data: Guid::new(0x8108ac4e_9f11_4d59_850e_e21a522c59b2).0.to_vec(),
    };
    let [menu, disk, shell] = [(0, menu), (1, disk), (2, shell)]
        .map(|(number, option)| boot_option::option_event(number, &option));
    let uki = [boot_option::order_event(&[1, 0, 2]), disk, menu.clone(), shell];
    let direct = [boot_option::order_event(&[0]), menu];
    for (events, log) in [(&uki[..], UKI_LOG), (&direct, DIRECT_LOG)] {
        // Four events of ACPI tables come before, the separator after.
        let found = &logged(log, Bank::Sha384, 1)[4..];
        let expected = events.iter().map(|event| event.digests.sha384.to_string());
        assert_eq!(expected.collect::<Vec<_>>(), found[..found.len() - 1]);
    }
}

/// The registers of which the SHA-256 bank differs.
fn differing(before: &Prediction, after: &Prediction) -> BTreeSet<u8> {
    let (before, after) = (before.pcrs_sha256(), after.pcrs_sha256());
    assert!(before.keys().eq(after.keys()));
    before.keys().filter(|pcr| before[pcr] != after[pcr]).map(|pcr| pcr.number()).collect()
}

#[test]
fn a_changed_byte_changes_its_registers_and_no_other() {
    let rows: [(&str, &[u8]); 6] = [
        (".linux", &[4, 11]),
        (".osrel", &[4, 9, 11]),
        (".cmdline", &[4, 9, 11]),
        (".initrd", &[4, 9, 11]),
        (".uname", &[4, 11]),
        (".pcrsig", &[4, 9]),
    ];
    let before = predicted(&SmallUki::new(257).read().unwrap());
    for (section, expected) in rows {
        let mut changed = SmallUki::new(257);
        changed.change(section);
        let after = predicted(&changed.read().unwrap());
        assert_eq!(differing(&before, &after), expected.iter().copied().collect(), "{section}");
    }
    let mut firmware = firmware();
    firmware.secure_boot.enabled = Some(false);
    let uki = SmallUki::new(257).read().unwrap();
    let after = tpm::disk_boot(&firmware, &uki, &BARE_DISK).unwrap();
    assert_eq!(differing(&before, &after), BTreeSet::from([7]));
    let table = Disk { partition_table: Some(b"table"), ..BARE_DISK };
    let after = tpm::disk_boot(&self::firmware(), &uki, &table).unwrap();
    assert_eq!(differing(&before, &after), BTreeSet::from([5]));
    let mut newer = self::firmware();
    newer.behaviour = Behaviour::OVMF_2026_08;
    let after = tpm::disk_boot(&newer, &uki, &BARE_DISK).unwrap();
    assert_eq!(differing(&before, &after), BTreeSet::from([5]));
    let after = tpm::disk_boot(&newer, &uki, &Disk { medium: READ_ONLY, ..BARE_DISK }).unwrap();
    assert_eq!(differing(&before, &after), BTreeSet::new());
    assert_eq!(differing(&before, &before.clone().at(&PHASES)), BTreeSet::from([11]));
}

#[test]
fn what_is_not_known_before_the_boot_is_refused() {
    let refusal = |uki: Result<Uki, Error>, disk: &Disk<'_>, secure_boot| {
        let mut firmware = firmware();
        firmware.secure_boot.enabled = Some(secure_boot);
        let boot = uki.and_then(|uki| tpm::disk_boot(&firmware, &uki, disk));
        boot.map_or_else(|error| error.to_string(), |_| "predicted".into())
    };
    let with_seed = Disk { partition_table: Some(b"table"), ..BARE_DISK };
    let without_seed =
        [Disk { medium: READ_ONLY, ..with_seed }, Disk { loader_is_file: true, ..with_seed }];
    let plain = |version| SmallUki::new(version).read();
    assert_eq!(refusal(plain(262), &BARE_DISK, false), "predicted");
    assert_eq!(refusal(plain(257), &with_seed, false), "predicted");
    for disk in without_seed {
        assert_eq!(refusal(plain(262), &disk, false), "predicted");
    }
    assert!(refusal(plain(262), &with_seed, false).contains("a secret of the machine"));
    assert!(refusal(plain(257), &BARE_DISK, true).contains("has a certificate of `db`"));
    assert!(refusal(plain(259), &BARE_DISK, false).starts_with("unknown systemd-stub 259: "));

    let with = |section: &'static str, contents: Option<&[u8]>| {
        let mut uki = SmallUki::new(262);
        uki.set(section, contents);
        refusal(uki.read(), &BARE_DISK, false)
    };
    assert!(with(".cmdline", Some(b"quiet")).contains("no `console=`"));
    assert_eq!(with(".cmdline", Some(b"console=hvc0\n")), "predicted");
    assert!(with(".cmdline", Some(b"console=\xff")).contains("not UTF-8 text from byte 8"));
    assert_eq!(with(".cmdline", None), "the image has no section `.cmdline`");
    assert_eq!(with(".linux", None), "the image has no section `.linux`");
}

/// One register that is not known takes no other with it.
#[test]
fn what_is_unknown_of_one_register_leaves_the_others() {
    let whole = predicted(&SmallUki::new(257).read().unwrap());
    let open = |prediction: &Prediction| -> Vec<(u8, Unknown)> {
        prediction.open.iter().map(|(pcr, reason)| (pcr.number(), *reason)).collect()
    };
    assert_eq!(open(&whole), []);
    // A machine's device tree: none fits on x86, unless the image says how machines are told.
    let with = |sections: &[&'static str]| {
        let mut uki = SmallUki::new(257);
        sections.iter().for_each(|section| uki.set(section, Some(b"a tree")));
        predicted(&uki.read().unwrap())
    };
    let without_ids = with(&[".dtbauto"]);
    assert_eq!(open(&without_ids), []);
    assert_eq!(listed(&without_ids, Bank::Sha256, 11), listed(&whole, Bank::Sha256, 11));
    let unknown = with(&[".dtbauto", ".hwids"]);
    assert_eq!(open(&unknown), [(11, Unknown::MachineSection(".dtbauto"))]);
    let updates = with(&[".efifw", ".hwids"]);
    assert_eq!(open(&updates), [(11, Unknown::MachineSection(".efifw"))]);
    assert_eq!(open(&with(&[".efifw"])), []);
    assert_eq!(listed(&unknown, Bank::Sha256, 11), Vec::<String>::new());
    assert_eq!(listed(&unknown, Bank::Sha256, 9), listed(&whole, Bank::Sha256, 9));
    assert!(!unknown.untouched.contains(&pcr(11)));

    let mut uki = SmallUki::new(257).read().unwrap();
    for (minor, is_known) in [(0, false), (1, true), (12, true)] {
        let found = KernelVersion { major: 6, minor };
        uki.kernel_version = Some(found);
        let expected = if is_known { vec![] } else { vec![(9, Unknown::OldKernel { found })] };
        assert_eq!(open(&predicted(&uki)), expected);
    }
    let mut newer = firmware();
    newer.behaviour = Behaviour::OVMF_2026_08;
    let uki = SmallUki::new(257).read().unwrap();
    let of = |medium| {
        let prediction = tpm::disk_boot(&newer, &uki, &Disk { medium, ..BARE_DISK }).unwrap();
        (open(&prediction), listed(&prediction, Bank::Sha256, 5).len())
    };
    // Separator, invocation, success; with another try before.
    assert_eq!(of(WRITABLE), (vec![], 5));
    assert_eq!(of(READ_ONLY), (vec![], 3));
    for bus in DiskBus::ALL.into_iter().skip(1) {
        assert_eq!(of(Medium { bus: Some(bus), ..WRITABLE }), (vec![], 3), "{bus}");
    }
    assert_eq!(of(Medium { bus: None, ..WRITABLE }), (vec![(5, Unknown::ExitBootServices)], 0));
}

/// As `ukify --join-profile` joins them: sections for all, then those of each profile.
#[test]
fn a_profile_puts_its_sections_before_those_for_all() {
    let sections: [(&str, &[u8]); 7] = [
        (".linux", &SmallUki::new(257).contents(".linux")),
        (".cmdline", b"console=ttyS0 of all"),
        (".initrd", b"an initrd"),
        (".profile", b"ID=main"),
        (".profile", b"ID=other"),
        (".cmdline", b"console=ttyS0 of the other"),
        (".profile", b"ID=last"),
    ];
    let image = SmallUki::in_order(257, &sections);
    let of = |number| Uki::of_profile(&image, number).unwrap();
    let lines = [0, 1, 2].map(|number| of(number).command_line);
    assert_eq!(
        lines,
        ["console=ttyS0 of all", "console=ttyS0 of the other", "console=ttyS0 of all"]
    );
    assert_eq!(of(0), Uki::read(&image).unwrap());
    let section = |number: u32, name: &str| {
        let uki = of(number);
        let found = uki.sections.iter().find(|section| section.name == name);
        found.unwrap().digests
    };
    assert_eq!(section(1, ".profile"), Digests::of(b"ID=other"));
    assert_eq!(section(2, ".cmdline"), Digests::of(b"console=ttyS0 of all"));
    // The image is the same whichever boots; a profile that is not the first is told in PCR 12.
    let predictions = [0, 1].map(|number| predicted(&of(number)));
    assert_eq!(differing(&predictions[0], &predictions[1]), BTreeSet::from([9, 11, 12]));
    let number = Digests::of(b"1\0\0\0").sha256.to_string();
    assert_eq!(listed(&predictions[1], Bank::Sha256, 12), [number]);
    assert!(predictions[0].untouched.contains(&pcr(12)));
    let error = Uki::of_profile(&image, 3).unwrap_err().to_string();
    assert_eq!(error, "the image has no profile 3, expected one from 0 to 2");
    let twice = [&sections[..], &[(".cmdline", b"console=ttyS0 again")]].concat();
    let twice = SmallUki::in_order(257, &[&twice[..2], &twice[1..2], &twice[2..]].concat());
    assert!(matches!(Uki::read(&twice), Err(Error::RepeatedSection(".cmdline"))));
}

/// Foreign bytes: an error or an answer, never a panic.
#[test]
fn damaged_images_are_refused_or_read() {
    let image = SmallUki::new(257).image();
    for cut in (0..image.len()).step_by(97) {
        let _ = Uki::read(&image[..cut]);
    }
    for at in 0..0x800 {
        let mut damaged = image.clone();
        damaged[at] ^= 0xff;
        let _ = Uki::read(&damaged);
    }
}

mod systemd_measure {
    //! The tool computes what the stub will extend, from the same sections.
    #![expect(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        reason = "runs the oracle, found by the environment, on files it can open"
    )]

    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};
    use std::{env, fs};

    use cvmkit_formats::digest::Sha256;
    use cvmkit_measure::event::Events;
    use cvmkit_measure::tpm::pcrsig;
    use serde_json::Value;

    use super::*;

    const TOOL: &str = "/usr/lib/systemd/systemd-measure";

    fn skip(what: &str) {
        let required = env::var("CVMKIT_ORACLES").is_ok_and(|value| value == "require");
        assert!(!required, "{what} is not installed, and CVMKIT_ORACLES=require");
        eprintln!("SKIPPED: {what} is not installed");
    }

    /// The tool, which sections its version knows, and a folder for files.
    struct Oracle {
        folder: tempfile::TempDir,
        help: String,
    }

    impl Oracle {
        fn new() -> Option<Self> {
            let Ok(help) = Command::new(TOOL).arg("--help").output() else {
                skip("systemd-measure");
                return None;
            };
            let help = String::from_utf8(help.stdout).unwrap();
            Some(Self { folder: tempfile::tempdir().unwrap(), help })
        }

        /// The option for a section that is measured, if this version has it.
        fn option(&self, section: &str) -> Option<String> {
            let option = format!("--{}=", section.trim_start_matches('.'));
            (section != ".pcrsig" && self.help.contains(&option)).then_some(option)
        }

        fn file(&self, name: &str) -> String {
            self.folder.path().join(name).to_str().unwrap().to_owned()
        }

        fn run(&self, uki: &SmallUki, verb: &str, more: &[String]) -> Value {
            let mut command = Command::new(TOOL);
            command.args([verb, "--json=short", "--bank=sha256", "--bank=sha384"]).args(more);
            for (section, contents) in uki.sections() {
                let Some(option) = self.option(section) else { continue };
                let file = self.file(section);
                fs::write(&file, contents).unwrap();
                command.arg(option + &file);
            }
            let output = command.output().unwrap();
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{verb}: {words}"))
        }

        /// What is measured of an image, with the sections that this version knows.
        fn known(&self, uki: &SmallUki) -> Uki {
            let mut uki = uki.read().unwrap();
            // `.sbat` is the stub's own, and no file of ours.
            uki.sections.retain(|s| s.name != ".sbat" && self.option(s.name).is_some());
            uki
        }
    }

    const MOMENTS: [&[&str]; 3] = [&[], &["enter-initrd"], &PHASES];

    fn phase_options() -> Vec<String> {
        MOMENTS.map(|phases| format!("--phase={}", non_empty(phases))).to_vec()
    }

    fn non_empty(phases: &[&str]) -> String {
        if phases.is_empty() { ":".into() } else { phases.join(":") }
    }

    #[test]
    fn says_the_same_of_pcr_11() {
        let Some(oracle) = Oracle::new() else { return };
        let mut few = SmallUki::new(257);
        for section in [".osrel", ".splash", ".uname", ".pcrpkey"] {
            few.set(section, None);
        }
        for (small, least) in [(SmallUki::new(257), 6), (few, 3)] {
            let answer = oracle.run(&small, "calculate", &phase_options());
            let uki = oracle.known(&small);
            assert!(uki.sections.len() >= least, "{:?}", uki.sections);
            for (at, phases) in MOMENTS.iter().enumerate() {
                let events = Events(uki.section_events());
                let prediction = Prediction { events, ..Prediction::default() }.at(phases);
                let hash = |bank: &str| answer[bank][at]["hash"].as_str().unwrap().to_owned();
                let ours = prediction.pcrs_sha256()[&pcr(11)].to_string();
                assert_eq!(ours, hash("sha256"), "{phases:?}");
                let ours = prediction.pcrs_sha384()[&pcr(11)].to_string();
                assert_eq!(ours, hash("sha384"), "{phases:?}");
            }
        }
    }

    /// A TPM that `systemd-measure sign` can ask for the digest of a policy.
    struct Tpm(Child);

    impl Tpm {
        fn start(folder: &Path) -> Option<(Self, String)> {
            let socket = folder.join("tpm");
            let control = folder.join("tpm.ctrl");
            let mut command = Command::new("swtpm");
            command.args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"]);
            command.arg("--tpmstate").arg(format!("dir={}", folder.display()));
            command.arg("--server").arg(format!("type=unixio,path={}", socket.display()));
            command.arg("--ctrl").arg(format!("type=unixio,path={}", control.display()));
            let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            let Ok(child) = child else {
                skip("swtpm");
                return None;
            };
            let tpm = Self(child);
            let started = Instant::now();
            while !control.exists() {
                assert!(started.elapsed() < Duration::from_secs(10), "swtpm does not listen");
                std::thread::sleep(Duration::from_millis(10));
            }
            Some((tpm, format!("--tpm2-device=swtpm:path={}", socket.display())))
        }
    }

    impl Drop for Tpm {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn openssl(arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("openssl").args(arguments).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "openssl {arguments:?}: {words}");
        output.stdout
    }

    #[test]
    fn signs_the_same_policies() {
        let small = SmallUki::new(257);
        let Some(oracle) = Oracle::new() else { return };
        let Some((_tpm, device)) = Tpm::start(oracle.folder.path()) else { return };
        if Command::new("openssl").arg("version").output().is_err() {
            return skip("openssl");
        }
        let [private, public, message] =
            ["private.pem", "public.pem", "message"].map(|name| oracle.file(name));
        openssl(&["genrsa", "-out", &private, "2048"]);
        openssl(&["rsa", "-in", &private, "-pubout", "-out", &public]);
        let mut options = phase_options();
        options.extend([
            format!("--private-key={private}"),
            format!("--public-key={public}"),
            device,
        ]);
        let theirs = oracle.run(&small, "sign", &options);

        let key =
            openssl(&["rsa", "-pubin", "-in", &public, "-RSAPublicKey_out", "-outform", "DER"]);
        let sign = |bank: Bank, policy: &[u8]| {
            fs::write(&message, policy).unwrap();
            Ok::<_, ()>(openssl(&["dgst", &format!("-{bank}"), "-sign", &private, &message]))
        };
        let uki = oracle.known(&small);
        let ours = pcrsig::sign(&uki, &MOMENTS, Sha256::of(&key), sign).unwrap();
        assert_eq!(serde_json::to_value(ours).unwrap(), theirs);
    }
}
