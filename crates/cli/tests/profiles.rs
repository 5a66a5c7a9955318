//! Every platform profile in one definition, built for real.
//!
//! What `build` writes is held against sev-snp-measure, against the commands whose predictions boots
//! have proven, and against itself by `verify`. A profile of the user's own has ACPI tables that a
//! stock QEMU made, after which no QEMU is needed.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "runs processes, found by the environment, on files it makes"
)]

mod rig;

use std::fs;
use std::path::{Path, PathBuf};

use cvmkit_attest::profile::BUILT_IN;
use cvmkit_formats::digest::Sha256;
use rig::{Image, cvmkit, found, oracle, run, skip};
use serde_json::Value;

/// Firmware with SEV metadata, kernel hashes and TDVF metadata.
fn firmware() -> Option<PathBuf> {
    let folder = std::env::var_os("CVMKIT_FORKY").map(PathBuf::from);
    let path = folder.map(|folder| folder.join("firmware/usr/share/ovmf/OVMF.fd"));
    let path = path.filter(|path| path.is_file());
    if path.is_none() {
        skip("CVMKIT_FORKY names no unpacked firmware");
    }
    path
}

/// A copy of the minimal recipe with these platforms and files, locked and built.
struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new(image: &Image, files: &[(&str, Vec<u8>)], platforms: &str) -> Self {
        let project = Self { folder: rig::open_folder() };
        let recipe = project.recipe();
        rig::copy_folder(&image.recipe, &recipe);
        for (name, bytes) in files {
            fs::write(recipe.join(name), bytes).unwrap();
        }
        let path = recipe.join("image.toml");
        let text = fs::read_to_string(&path).unwrap();
        let start = text.find("[[platforms]]").unwrap();
        let end = text.find("[[overlays]]").unwrap();
        let text = format!("{}{platforms}\n{}", &text[..start], &text[end..]);
        fs::write(&path, text).unwrap();
        let lock = cvmkit(["lock".as_ref(), recipe.as_os_str()])
            .args(["--accept-expired", "forky"])
            .output();
        assert!(lock.unwrap().status.success());
        let mut build = cvmkit(["build".as_ref(), recipe.as_os_str()]);
        run(build.arg("--out").arg(project.out())).answer();
        project
    }

    fn recipe(&self) -> PathBuf {
        self.folder.path().join("recipe")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn values(&self) -> Vec<Value> {
        let text = fs::read(self.out().join("reference-values.json")).unwrap();
        let all: Value = serde_json::from_slice(&text).unwrap();
        all["values"].as_array().unwrap().clone()
    }
}

/// What the image calls its root hash: a file of a machine has to get another name.
const ROOT_HASH_FILE: &str = "minimal_0.1.0.roothash";

/// `[[platforms]]` of a profile, with more keys.
fn platform(profile: &str, more: &str) -> String {
    format!("[[platforms]]\nprofile = \"{profile}\"\n{more}\n")
}

fn file(path: &str, bytes: &[u8]) -> String {
    format!("{{ path = \"{path}\", sha256 = \"{}\" }}", Sha256::of(bytes))
}

/// Register by name, of the SHA-384 bank.
fn register<'a>(value: &'a Value, name: &str) -> &'a str {
    value["registers"]["sha384"][name].as_str().unwrap_or_else(|| panic!("{name}: {value:#}"))
}

#[test]
fn every_profile_has_its_values() {
    let Some(path) = firmware() else { return };
    let image = Image::minimal();
    let bytes = fs::read(&path).unwrap();
    let header = include_bytes!("../../measure/tests/fixtures/se_header.bin").to_vec();
    let log = include_bytes!("../../measure/tests/fixtures/event_logs/uki.bin").to_vec();
    let own = format!("firmware = {}", file("own.fd", &bytes));
    let platforms: String = BUILT_IN
        .iter()
        .map(|(name, _)| {
            platform(
                name,
                &match *name {
                    "qemu-snp" => format!("{own}\nvcpus = [1, 2]"),
                    "ec2-snp" | "gce-snp" => format!("{own}\nvcpus = [2]"),
                    "qemu-tdx-direct" | "qemu-tdx-uki" => format!("{own}\nmemory = [\"2G\"]"),
                    "gce-tdx" => own.clone(),
                    "qemu-vtpm" => format!("pinned = {}", file(ROOT_HASH_FILE, &log)),
                    "se" => format!("image = {}", file("se.img", &header)),
                    _ => String::new(),
                },
            )
        })
        .collect();
    let files = [("own.fd", bytes), ("se.img", header), (ROOT_HASH_FILE, log)];
    let project = Project::new(image, &files, &platforms);
    let values = project.values();
    assert_eq!(values.len(), 12, "{values:#?}");
    let of = |profile: &str| values.iter().find(|value| value["profile"] == profile).unwrap();

    what_is_digested_holds_no_prose(&project.out());
    launch_digests(&project, &path, &values);
    clouds_are_said_to_be_computed(&project);
    let tdx = measured_tdx(&project.out(), &["--firmware", path.to_str().unwrap(), "--mrtd-only"]);
    for profile in ["qemu-tdx-direct", "qemu-tdx-uki", "gce-tdx"] {
        let value = of(profile);
        assert_eq!(register(value, "mrtd"), tdx["mrtd"], "{profile}");
        assert!(value["not-predicted"]["rtmr0"]["code"].is_string(), "{profile}");
    }
    // What a register of a TPM holds is the same for who asks the command.
    let pcrs = [("qemu-vtpm", 11), ("azure-vtpm", 4), ("gce-vtpm", 9), ("nitro-tpm", 4)];
    for (profile, pcr) in pcrs {
        let value = of(profile);
        let bank = if profile == "nitro-tpm" { "sha384" } else { "sha256" };
        let mut command = cvmkit(["measure", "tpm", "--format", "json", "--bank", bank]);
        command.args(["--platform", profile]).arg(project.out());
        let said: Value = serde_json::from_str(&run(&mut command).answer()).unwrap();
        let expected = &said["pcrs"][pcr]["value"];
        assert_eq!(&value["registers"][bank][format!("pcr{pcr}")], expected, "{profile}");
        let is_open = value["not-predicted"]["pcr0"]["code"].is_string();
        assert!(expected.is_string() && is_open != (profile == "qemu-vtpm"), "{profile}");
    }
    assert!(rig::names(&project.out()).contains(&format!("2-{ROOT_HASH_FILE}")));
    // What the guest read when it wrote the log.
    let pinned = of("qemu-vtpm")["registers"]["sha256"].clone();
    let read = include_str!("../../measure/tests/fixtures/event_logs/uki.pcrs.txt");
    let value = pinned["pcr0"].as_str().unwrap().to_uppercase();
    assert!(read.to_uppercase().contains(&value), "PCR 0: {value}");
    // The log is of a boot from a disk without a partition table, and Boot0001 names the disk.
    let open = &of("qemu-vtpm")["not-predicted"]["pcr1"]["code"];
    assert_eq!(open, "pinned-from-other-disk");
    let header = of("se");
    let mut command = cvmkit(["measure", "se", "--format", "json"]);
    let said = run(command.arg(project.out().join("se.img"))).stdout;
    let tag = header["secure-execution"]["tag"].as_str().unwrap();
    assert!(tag.len() == 32 && said.contains(tag), "{tag}: {said}");

    // What a machine of each profile would report is what is expected. Where another machine would have
    // reported the same and more, the answer waits for the profile, and names it.
    for value in values.iter().filter(|value| !value["registers"].is_null()) {
        let observed = project.folder.path().join("registers.json");
        fs::write(&observed, value["registers"].to_string()).unwrap();
        let with = project.out().join("reference-values.json");
        let profile = value["profile"].as_str().unwrap();
        let compare = |more: &[&str]| {
            let mut compare = cvmkit(["compare".as_ref(), observed.as_os_str()]);
            run(compare.arg("--with").arg(&with).args(more))
        };
        let (without, named) = (compare(&[]), compare(&["--profile", profile]));
        assert_eq!(named.code, Some(0), "{profile}: {named:?}");
        let says = format!("fits as well: {profile}");
        let is_told = without.code == Some(2) && without.stdout.contains(&says);
        assert_eq!(is_told, profile == "nitro-tpm", "{profile}: {without:?}");
        assert!(is_told || without.code == Some(0), "{profile}: {without:?}");
    }

    let mut verify = cvmkit(["verify".as_ref(), project.out().as_os_str()]);
    assert!(run(&mut verify).answer().contains("12 values"));
    let mut again = cvmkit(["measure".as_ref(), "image".as_ref(), project.out().as_os_str()]);
    let again: Value =
        serde_json::from_str(&run(again.args(["--format", "json"])).answer()).unwrap();
    assert_eq!(again["values"], Value::Array(values));
}

/// Rewording a message must change no identity: every text in a digested file is a code, a number, a
/// digest or a name, and the few that are more are what a user or a package wrote.
fn what_is_digested_holds_no_prose(out: &Path) {
    const VALUES: [&str; 3] = ["command-line", "origin", "devices"];
    fn check(key: &str, value: &Value) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(key, value)| check(key, value)),
            Value::Array(items) => items.iter().for_each(|item| check(key, item)),
            Value::String(text) if !VALUES.contains(&key) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "._+:~/=-".contains(c);
                assert!(text.chars().all(plain) && !text.contains("--"), "{key}: {text:?}");
            }
            _ => {}
        }
    }
    for name in ["reference-values.json", "manifest.json"] {
        let text = fs::read(out.join(name)).unwrap();
        check(name, &serde_json::from_slice(&text).unwrap());
    }
}

/// No machine of these clouds was asked: each command that shows the values says so, and of QEMU's none.
fn clouds_are_said_to_be_computed(project: &Project) {
    let words = "never compared with its hardware";
    for value in project.values().iter().filter(|value| value["platform"] == "sev-snp") {
        let code = &value["conditions"]["launch-digest"][0]["code"];
        assert_eq!(*code == "documented-rules", value["vmm"] != "qemu", "{value:#}");
    }
    let mut image = cvmkit(["measure".as_ref(), "image".as_ref(), project.out().as_os_str()]);
    let said = run(&mut image).answer();
    assert_eq!(said.matches(words).count(), 2, "{said}");
    let mut build = cvmkit(["build".as_ref(), project.recipe().as_os_str()]);
    let built = run(build.arg("--offline").arg("--out").arg(project.out()));
    for (name, _) in BUILT_IN {
        let is_noted = built.stderr.contains(&format!("note: {name}: computed by the rules"));
        let is_cloud = !name.starts_with("qemu") && !["se", "gce-tdx"].contains(&name);
        assert_eq!(is_noted, is_cloud, "{name}: {}", built.stderr);
    }
    assert!(built.answer().contains("(unchanged)"));
}

/// The digests of SNP, by sev-snp-measure.
fn launch_digests(project: &Project, firmware: &Path, values: &[Value]) {
    let part = |ending: &str| {
        let name = rig::names(&project.out()).into_iter().find(|name| name.ends_with(ending));
        project.out().join(name.unwrap())
    };
    let line = fs::read_to_string(part(".cmdline")).unwrap();
    for value in values.iter().filter(|value| value["platform"] == "sev-snp") {
        let vcpus = value["vcpus"].to_string();
        let vmm = value["vmm"].as_str().unwrap();
        let mut words = vec!["--mode".into(), "snp".into(), "--vcpus".into(), vcpus.into()];
        words.extend(["--ovmf".into(), firmware.as_os_str().to_owned()]);
        words.extend(["--guest-features".into(), "0x1".into(), "--vmm-type".into()]);
        words.push(if vmm == "qemu" { "QEMU".into() } else { vmm.into() });
        if vmm == "qemu" {
            words.extend(["--vcpu-type".into(), "EPYC-v4".into()]);
            words.extend(["--kernel".into(), part(".vmlinuz").into()]);
            words.extend(["--initrd".into(), part(".initrd").into()]);
            words.extend(["--append".into(), line.clone().into()]);
        }
        let Some(said) = oracle("sev-snp-measure", words) else { return };
        assert_eq!(value["launch-digest"], said.answer().trim(), "{value:#}");
    }
}

fn measured_tdx(out: &Path, words: &[&str]) -> Value {
    let part = |ending: &str| {
        let name = rig::names(out).into_iter().find(|name| name.ends_with(ending));
        out.join(name.unwrap())
    };
    let mut command = cvmkit(["measure", "tdx", "--format", "json"]);
    command.args(words);
    if words.contains(&"--mrtd-only") {
        command.args(["--qemu-version", "10.1"]);
    } else {
        command.arg("--kernel").arg(part(".vmlinuz")).arg("--initrd").arg(part(".initrd"));
        command.arg("--append").arg(fs::read_to_string(part(".cmdline")).unwrap());
    }
    serde_json::from_str(&run(&mut command).answer()).unwrap()
}

#[test]
fn acpi_tables_that_a_profile_has_recorded_need_no_qemu() {
    if found("qemu-system-x86_64").is_none() {
        return skip("qemu-system-x86_64 is not installed");
    }
    let image = Image::minimal();
    let firmware = image.file("OVMF.fd");
    let of_qemu = |vcpus: &str| {
        let words = ["--memory", "3G", "--acpi-from-qemu", "--vcpus", vcpus, "--firmware"];
        measured_tdx(&image.out, &[&words[..], &[firmware.to_str().unwrap()]].concat())
    };
    let machines = ["1", "2"].map(of_qemu);
    let mut profile = String::from(
        "name = \"mine\"\nversion = 7\ntechnology = \"tdx\"\nvmm = \"qemu\"\nvmm-version = \"10.0\"\n\
         boot = \"direct\"\nvcpus = [1, 2, 4]\nmemory = [\"3G\"]\n",
    );
    for machine in &machines {
        let acpi = &machine["acpi"];
        profile += &format!(
            "[[acpi]]\nvcpus = {}\nmemory = \"3G\"\nloader = {}\nrsdp = {}\ntables = {}\n",
            machine["vcpus"], acpi["loader"], acpi["rsdp"], acpi["tables"]
        );
    }
    let bytes = fs::read(&firmware).unwrap();
    let own = format!("firmware = {}", file("own.fd", &bytes));
    let files = [("mine.toml", profile.into_bytes()), ("own.fd", bytes)];
    let project = Project::new(image, &files, &platform("./mine.toml", &own));
    let values = project.values();
    assert_eq!(values.len(), 3);
    for (value, machine) in values.iter().zip(&machines) {
        assert_eq!((&value["profile"], &value["profile-version"]), (&"mine".into(), &7.into()));
        assert_eq!(register(value, "rtmr0"), machine["rtmr0"], "{value:#}");
        assert_eq!(register(value, "mrtd"), machine["mrtd"]);
    }
    assert_eq!(values[2]["not-predicted"]["rtmr0"]["code"], "acpi-tables");

    // A profile is an input like any other.
    let path = project.recipe().join("mine.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("version = 7", "version = 8"))
        .unwrap();
    let mut build = cvmkit(["build".as_ref(), project.recipe().as_os_str()]);
    run(build.arg("--out").arg(project.out())).refused(2, &["`mine.toml`", "lock"]);
}

#[test]
fn profiles_are_listed_and_faults_named() {
    let list = run(&mut cvmkit(["profile"])).answer();
    for (name, text) in BUILT_IN {
        assert!(list.contains(name), "{list}");
        assert_eq!(run(&mut cvmkit(["profile", name])).answer(), text);
        let json = run(&mut cvmkit(["profile", name, "--format", "json"])).answer();
        let json: Value = serde_json::from_str(&json).unwrap();
        let is_computed = text.lines().next().unwrap().contains("; computed, not compared with");
        assert_eq!(json["condition"].is_string(), is_computed, "{name}");
    }
    run(&mut cvmkit(["profile", "qemu-sn"])).refused(2, &["`qemu-sn`", "did you mean `qemu-snp`?"]);
    let folder = rig::open_folder();
    let recipe = folder.path().join("recipe");
    rig::copy_folder(&Image::minimal().recipe, &recipe);
    let path = recipe.join("image.toml");
    let text = fs::read_to_string(&path).unwrap();
    for (more, words) in [
        (platform("qemu-tdx", ""), ["`qemu-tdx`", "did you mean `qemu-tdx-uki`?"]),
        (platform("ec2-snp", ""), ["`platforms.firmware` is missing", "Amazon"]),
        (platform("se", ""), ["`platforms.image` is missing", "sha256"]),
        (platform("qemu-snp", "memory = [\"2G\"]"), ["`memory` can't be", "only for"]),
        (
            platform("qemu-snp", "vcpu-types = [\"EPYC-v9\"]"),
            ["`vcpu-types` can't be", "EPYC-Milan"],
        ),
    ] {
        fs::write(&path, text.replacen("[[overlays]]", &format!("{more}[[overlays]]"), 1)).unwrap();
        run(&mut cvmkit(["plan".as_ref(), recipe.as_os_str()])).refused(2, &words);
    }
}
