//! `cvmkit plan` names exactly the registers that an edit changes.
//!
//! Every edit is made for real, on files that are put together by ukify, and measured before and
//! after: SNP by sev-snp-measure, TPM and TDX by the commands whose predictions boots have proven.
//! What differs must be what the plan named. Two edits are made to the definition and built.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "runs processes, found by the environment, on files it makes"
)]

mod rig;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cvmkit_engine::image;
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::pe::Headers;
use cvmkit_measure::firmware::{Firmware, TdvfSectionType};
use rig::{ESP, Image, ROOT, ROOT_VERITY, cvmkit, found, oracle, run, skip};
use serde_json::Value;

/// The parts of a machine and its image, as files and words.
#[derive(Clone)]
struct Parts {
    kernel: Vec<u8>,
    initrd: Vec<u8>,
    command_line: String,
    stub: Vec<u8>,
    snp_firmware: Vec<u8>,
    td_firmware: Vec<u8>,
    vcpus: u32,
    vcpu_type: &'static str,
}

/// Values by register.
type Registers = BTreeMap<String, String>;

impl Parts {
    fn of(image: &Image, stub: &Path) -> Self {
        let read = |ending: &str| fs::read(image.file(ending)).unwrap();
        Self {
            kernel: read(".vmlinuz"),
            initrd: read(".initrd"),
            command_line: image.text(".cmdline"),
            stub: fs::read(stub).unwrap(),
            snp_firmware: read("OVMF.amdsev.fd"),
            td_firmware: read("OVMF.fd"),
            vcpus: 1,
            vcpu_type: "EPYC-v4",
        }
    }

    /// Another initrd, of another length.
    fn edit_initrd(&mut self) {
        let at = self.initrd.len() / 3;
        flip(&mut self.initrd, at);
        self.initrd.extend([0; 4]);
    }

    /// The root hash of another root file system.
    fn edit_root_hash(&mut self) {
        let (before, hash) = self.command_line.split_once("roothash=").unwrap();
        let other = if hash.starts_with('0') { '1' } else { '0' };
        self.command_line = format!("{before}roothash={other}{}", &hash[1..]);
    }

    /// Every register: `snp`, `mrtd`, `rtmr0`, `pcr4`.
    fn measured(&self, image: &Image) -> Registers {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let kernel = file("kernel", &self.kernel);
        let initrd = file("initrd", &self.initrd);
        let mut registers = self.snp(&kernel, &initrd, &file("snp.fd", &self.snp_firmware));
        registers.extend(self.td(&kernel, &initrd, &file("td.fd", &self.td_firmware)));
        let uki = folder.path().join("image.efi");
        let mut ukify = Command::new(found("ukify").unwrap());
        ukify.arg("build").arg("--linux").arg(&kernel).arg("--initrd").arg(&initrd);
        ukify.arg("--stub").arg(file("stub", &self.stub)).arg("--output").arg(&uki);
        ukify.arg(format!("--cmdline={}", self.command_line));
        ukify.args(["--os-release=ID=test", "--uname=6.12"]);
        run(&mut ukify).answer();
        let (_, rest) = self.command_line.split_once("roothash=").unwrap();
        registers.extend(tpm(&uki, &disk_with(&uki, &rest[..64], image, folder.path())));
        registers
    }

    fn snp(&self, kernel: &Path, initrd: &Path, firmware: &Path) -> Registers {
        let vcpus = self.vcpus.to_string();
        let words = ["--mode", "snp", "--vcpus", &vcpus, "--vcpu-type", self.vcpu_type];
        let mut line: Vec<_> = words.iter().map(Into::into).collect();
        line.extend(["--ovmf".into(), firmware.as_os_str().to_owned()]);
        line.extend(["--kernel".into(), kernel.as_os_str().to_owned()]);
        line.extend(["--initrd".into(), initrd.as_os_str().to_owned()]);
        line.extend(["--append".into(), self.command_line.clone().into()]);
        line.extend(["--guest-features".into(), "0x1".into()]);
        let digest = oracle("sev-snp-measure", line).unwrap().answer();
        BTreeMap::from([("launch-digest".to_owned(), digest.trim().to_owned())])
    }

    fn td(&self, kernel: &Path, initrd: &Path, firmware: &Path) -> Registers {
        let mut command = cvmkit(["measure", "tdx", "--format", "json", "--memory", "2G"]);
        command.arg("--firmware").arg(firmware).arg("--kernel").arg(kernel);
        command.arg("--initrd").arg(initrd).arg("--append").arg(&self.command_line);
        // An edited firmware is no known one, and measures as it did.
        command.args(["--layout", "edk2-stable202502", "--secure-boot", "absent"]);
        command.args(["--acpi-from-qemu", "--vcpus", &self.vcpus.to_string()]);
        let said: Value = serde_json::from_str(&run(&mut command).answer()).unwrap();
        let names = ["mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"];
        names.map(|name| (name.to_owned(), said[name].as_str().unwrap().to_owned())).into()
    }
}

/// A copy of the image's disk for another UKI and its root hash, by sgdisk and mtools: the GUIDs of the
/// partitions are the halves of the root hash (UAPI.2).
fn disk_with(uki: &Path, root_hash: &str, image: &Image, folder: &Path) -> PathBuf {
    let disk = folder.join("disk.raw");
    fs::copy(image.file(".raw"), &disk).unwrap();
    let partitions = image.partitions().unwrap();
    let mut sgdisk = Command::new(found("sgdisk").unwrap());
    for (kind, half) in [(ROOT, &root_hash[..32]), (ROOT_VERITY, &root_hash[32..])] {
        let number = partitions.iter().position(|partition| partition.kind == kind).unwrap() + 1;
        let parts = [&half[..8], &half[8..12], &half[12..16], &half[16..20], &half[20..]];
        sgdisk.arg(format!("--partition-guid={number}:{}", parts.join("-")));
    }
    run(sgdisk.arg(&disk)).answer();
    let esp = partitions.iter().find(|partition| partition.kind == ESP).unwrap();
    let mut mcopy = Command::new(found("mcopy").unwrap());
    mcopy.arg("-i").arg(format!("{}@@{}", disk.display(), esp.start)).arg("-o").arg(uki);
    run(mcopy.arg("::/EFI/BOOT/BOOTX64.EFI")).answer();
    disk
}

/// The PCRs that are predicted.
fn tpm(uki: &Path, disk: &Path) -> Registers {
    let mut command = cvmkit(["measure", "tpm", "--format", "json", "--uki"]);
    command.arg(uki).arg("--disk").arg(disk).args(["--firmware-behaviour", "ovmf-2025.02"]);
    let said: Value = serde_json::from_str(&run(&mut command).answer()).unwrap();
    let pcrs = said["pcrs"].as_array().unwrap().iter();
    let value =
        |pcr: &Value| Some((format!("pcr{}", pcr["pcr"]), pcr.get("value")?.as_str()?.to_owned()));
    pcrs.filter_map(value).collect()
}

/// What the plan names for an edit, in the machines with one vCPU.
fn planned(image: &Image, edit: &str) -> BTreeSet<String> {
    let mut command = cvmkit(["plan", "--format", "json", "--edit", edit, "--with"]);
    command.arg(&image.out).arg(&image.recipe);
    let plan: Value = serde_json::from_str(&run(&mut command).answer()).unwrap();
    assert_eq!(plan["changes"], Value::Array(Vec::new()), "the image is as its definition says");
    let mut named = BTreeSet::new();
    for machine in plan["changed-machines"].as_array().unwrap() {
        let from = machine["from"].as_str().unwrap();
        let has_vcpus = from.contains("vCPU");
        if has_vcpus && !from.contains("1 vCPU") || from.contains("4G") {
            continue;
        }
        for key in ["registers", "not-predicted"] {
            let names = machine.get(key).and_then(Value::as_array).into_iter().flatten();
            named.extend(names.map(|name| name.as_str().unwrap().to_owned()));
        }
    }
    named
}

fn changed(before: &Registers, after: &Registers) -> BTreeSet<String> {
    assert!(before.keys().eq(after.keys()), "{before:?} {after:?}");
    let differing = before.iter().filter(|(name, value)| after[*name] != **value);
    differing.map(|(name, _)| name.clone()).collect()
}

fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1;
}

/// A byte of the section's data.
fn in_section(firmware: &[u8], section: TdvfSectionType) -> usize {
    let parsed = Firmware::parse(firmware).unwrap();
    let data = parsed.tdvf_section(section).unwrap().data;
    data.as_ptr() as usize - firmware.as_ptr() as usize + data.len() / 3
}

/// The stub of the image's release; none, loudly, without the tools of the test.
fn stub() -> Option<PathBuf> {
    for tool in ["ukify", "sev-snp-measure", "qemu-system-x86_64"] {
        if found(tool).is_none() {
            skip(&format!("{tool} is not installed"));
            return None;
        }
    }
    let stub = env::var_os("CVMKIT_STUB").map(PathBuf::from);
    if stub.is_none() {
        skip("CVMKIT_STUB names no systemd stub");
    }
    stub
}

#[test]
fn one_byte_changes_exactly_the_registers_that_the_plan_names() {
    let Some(stub) = stub() else { return };
    let image = Image::minimal();
    let parts = Parts::of(image, &stub);
    let before = parts.measured(image);
    type Make = fn(&mut Parts);
    let edits: [(&str, Make); 8] = [
        // What the packages do that these are from: a kernel brings its modules, and nothing keeps its
        // length.
        ("kernel", |parts| {
            let at = parts.kernel.len() / 3;
            flip(&mut parts.kernel, at);
            parts.edit_initrd();
            parts.edit_root_hash();
        }),
        ("initrd", Parts::edit_initrd),
        ("command-line", |parts| {
            // The last parameter is before the end of parameters, and the initramfs has it too.
            let edited = parts.command_line.replace("=off --", "=ofx --");
            assert_ne!(edited, parts.command_line);
            parts.command_line = edited;
            let hash = parts.command_line.split(' ').next().unwrap();
            let built_for = parts.command_line.replace(hash, "roothash=");
            parts.initrd = image::initrd_for(&parts.initrd, &built_for).unwrap();
        }),
        ("stub", |parts| {
            let headers = Headers::read(&parts.stub).unwrap();
            let code = headers.section(".text").unwrap().raw_range();
            flip(&mut parts.stub, usize::try_from(code.start).unwrap() + 100);
            // Another version; ukify writes the table's first line itself.
            let version = b"~deb13u1";
            let at = parts.stub.windows(version.len()).position(|bytes| bytes == version).unwrap();
            flip(&mut parts.stub, at + version.len() - 1);
        }),
        ("firmware", |parts| {
            let at = in_section(&parts.td_firmware, TdvfSectionType::Bfv);
            flip(&mut parts.td_firmware, at);
            let at = parts.snp_firmware.len() / 3;
            flip(&mut parts.snp_firmware, at);
        }),
        ("firmware-variables", |parts| {
            let at = in_section(&parts.td_firmware, TdvfSectionType::Cfv);
            flip(&mut parts.td_firmware, at);
            flip(&mut parts.snp_firmware, 100);
        }),
        ("vcpus", |parts| parts.vcpus += 1),
        ("vcpu-type", |parts| parts.vcpu_type = "EPYC-Milan"),
    ];
    for (name, make) in edits {
        let mut edited = parts.clone();
        make(&mut edited);
        let changed = changed(&before, &edited.measured(image));
        assert!(!changed.is_empty(), "{name}: the edit reached nothing");
        let mut planned = planned(image, name);
        // PCR 1 has no value here; boots with one and two vCPUs show that it changes
        // (`boots/vtpm`, `a_log_pins_the_next_boot`).
        assert_eq!(planned.remove("pcr1"), name == "vcpus", "{name}");
        assert_eq!(planned, changed, "{name}");
    }
}

/// Registers by machine, of a file of reference values.
fn values(out: &Path) -> BTreeMap<String, Registers> {
    let text = fs::read(out.join("reference-values.json")).unwrap();
    let values: Value = serde_json::from_slice(&text).unwrap();
    let mut all = BTreeMap::new();
    for value in values["values"].as_array().unwrap() {
        let name = format!("{} {} {}", value["profile"], value["vcpus"], value["memory"]);
        let mut registers = Registers::new();
        let digest = value.get("launch-digest").and_then(Value::as_str);
        registers.extend(digest.map(|digest| ("launch-digest".to_owned(), digest.to_owned())));
        let banks = value.get("registers").and_then(Value::as_object).into_iter().flatten();
        for (_, bank) in banks {
            for (register, value) in bank.as_object().unwrap() {
                let value = value.as_str().unwrap();
                registers.entry(register.clone()).or_default().push_str(value);
            }
        }
        all.insert(name, registers);
    }
    all
}

#[test]
fn another_firmware_is_planned_for_what_it_is() {
    let image = Image::minimal();
    let folder = rig::open_folder();
    let recipe = folder.path().join("recipe");
    rig::copy_folder(&image.recipe, &recipe);
    let mut firmware = fs::read(image.file("OVMF.fd")).unwrap();
    let at = in_section(&firmware, TdvfSectionType::Cfv);
    flip(&mut firmware, at);
    fs::write(recipe.join("OVMF.fd"), &firmware).unwrap();
    let path = recipe.join("image.toml");
    let text = fs::read_to_string(&path).unwrap();
    let from = "firmware = { package = \"ovmf\", path = \"/usr/share/ovmf/OVMF.fd\" }";
    let to = format!(
        "firmware = {{ path = \"OVMF.fd\", sha256 = \"{}\" }}\nsecure-boot = \"absent\"\n\
         firmware-layout = \"edk2-stable202502\"",
        Sha256::of(&firmware)
    );
    assert!(text.contains(from));
    fs::write(&path, text.replacen(from, &to, 1)).unwrap();
    let mut lock = cvmkit(["lock".as_ref(), recipe.as_os_str()]);
    run(lock.args(["--accept-expired", "forky", "--update"])).answer();
    let mut command = cvmkit(["plan", "--format", "json", "--with"]);
    let plan: Value =
        serde_json::from_str(&run(command.arg(&image.out).arg(&recipe)).answer()).unwrap();
    let is_td = |machine: &&Value| machine["from"].as_str().unwrap().starts_with("qemu-tdx");
    let tds: Vec<_> = plan["changed-machines"].as_array().unwrap().iter().filter(is_td).collect();
    assert_eq!(tds.len(), 6, "{plan:#}");
    for td in tds {
        // Its variables are another byte, its code is not.
        assert_eq!(td["not-predicted"], serde_json::json!(["rtmr0"]), "{td:#}");
        assert!(!td["registers"].to_string().contains("mrtd"), "{td:#}");
    }
}

#[test]
fn what_is_built_of_an_edited_definition_is_what_was_planned() {
    let image = Image::minimal();
    let folder = rig::open_folder();
    let edits = [
        ("\"panic=-1\"", "\"panic=-2\"", "changed: command line"),
        (
            "enable = [\"cvmkit-ready.service\"]",
            "enable = [\"cvmkit-ready.service\"]\nmask = [\"dbus.service\"]",
            "changed: root file system",
        ),
    ];
    for (at, (from, to, said)) in edits.into_iter().enumerate() {
        let recipe = folder.path().join(format!("recipe-{at}"));
        rig::copy_folder(&image.recipe, &recipe);
        let path = recipe.join("image.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let plan = |format: &str| {
            let mut command = cvmkit(["plan", "--offline", "--format", format, "--with"]);
            run(command.arg(&image.out).arg(&recipe)).answer()
        };
        let text = plan("text");
        assert!(text.contains(said), "{text}");
        let plan: Value = serde_json::from_str(&plan("json")).unwrap();
        let planned: BTreeSet<String> = plan["changed-machines"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|machine| machine["registers"].as_array().unwrap())
            .map(|name| name.as_str().unwrap().to_owned())
            .collect();

        // The packages are the same: only the checksum of the definition is another.
        run(cvmkit(["lock".as_ref(), recipe.as_os_str()]).args(["--accept-expired", "forky"]))
            .answer();
        let out = folder.path().join(format!("out-{at}"));
        let mut build = cvmkit(["build".as_ref(), recipe.as_os_str()]);
        run(build.arg("--offline").arg("--out").arg(&out)).answer();
        let (before, after) = (values(&image.out), values(&out));
        let built: BTreeSet<String> =
            before.iter().flat_map(|(name, was)| changed(was, &after[name])).collect();
        assert_eq!(planned, built, "{to}");
    }
}
