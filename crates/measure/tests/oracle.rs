//! sev-snp-measure answers the same, for every firmware at hand and some made up.
//!
//! The tool is found by `CVMKIT_SNP_MEASURE` or in `PATH`; Debian's firmware as `debian_firmware`
//! says, and more is named by `CVMKIT_FIRMWARE`, separated by colons.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "runs the oracle, found by the environment, on files it can open"
)]

mod debian_firmware;
mod ovmf_image;
mod snp_measure;

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cvmkit_measure::firmware::{self, Firmware};
use cvmkit_measure::kernel_hashes::KernelHashes;
use cvmkit_measure::sev;
use cvmkit_measure::snp::{
    self, Guest, GuestFeatures, Mode, SvsmGuest, VCPU_TYPES, VcpuType, Vmm, VmmType,
};
use ovmf_image::{OvmfImage, SECTIONS};

/// One invocation of the tool, as values.
#[derive(Clone, Debug)]
struct Case {
    mode: &'static str,
    firmware: PathBuf,
    /// With the bytes of firmware variables.
    svsm: Option<(PathBuf, u64)>,
    vmm: &'static str,
    vcpu_type: &'static str,
    vcpus: u32,
    features: u64,
    kernel: Option<Kernel>,
    /// Give the digest of the firmware beside the firmware.
    by_hash: bool,
}

#[derive(Clone, Debug)]
struct Kernel {
    kernel: PathBuf,
    initrd: Option<PathBuf>,
    append: Option<&'static str>,
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Case {
    fn arguments(&self) -> Vec<String> {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let mut arguments = vec![
            ("--mode", self.mode.to_owned()),
            ("--ovmf", path(&self.firmware)),
            ("--vmm-type", self.vmm.to_owned()),
            ("--vcpu-type", self.vcpu_type.to_owned()),
            ("--vcpus", self.vcpus.to_string()),
            ("--guest-features", format!("{:#x}", self.features)),
        ];
        if let Some((svsm, vars)) = &self.svsm {
            arguments.extend([("--svsm", path(svsm)), ("--vars-size", vars.to_string())]);
        }
        if let Some(Kernel { kernel, initrd, append }) = &self.kernel {
            arguments.push(("--kernel", path(kernel)));
            arguments.extend(initrd.as_ref().map(|initrd| ("--initrd", path(initrd))));
            arguments.extend(append.map(|append| ("--append", append.to_owned())));
        }
        if self.by_hash {
            let image = read(&self.firmware);
            let digest = snp::firmware_digest(&Firmware::of_end(&image).unwrap());
            arguments.push(("--snp-ovmf-hash", digest.to_string()));
        }
        arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    fn digest(&self) -> Result<String, String> {
        let image = read(&self.firmware);
        let parse = |image| Firmware::of_end(image).map_err(|error| error.to_string());
        let firmware = parse(&image)?;
        let vcpu = self.vcpu_type.parse::<VcpuType>().unwrap().signature();
        let vmm = self.vmm.parse::<VmmType>().unwrap().with(Some(vcpu)).unwrap();
        let kernel = self.kernel.as_ref().map(|Kernel { kernel, initrd, append }| {
            let initrd = initrd.as_deref().map(read);
            let append = append.unwrap_or_default().as_bytes();
            KernelHashes::from_bytes(&read(kernel), initrd.as_deref(), append).unwrap()
        });
        let digest = match self.mode.parse::<Mode>().unwrap() {
            Mode::Sev => sev::launch(&firmware, kernel.as_ref()).map(|l| l.digest().to_string()),
            Mode::SevEs => sev::launch_es(&firmware, vmm, kernel.as_ref(), self.vcpus)
                .map(|launch| launch.digest().to_string()),
            Mode::SnpOvmfHash => Ok(snp::firmware_digest(&firmware).to_string()),
            Mode::SnpSvsm => {
                let (svsm, vars_size) = self.svsm.as_ref().unwrap();
                let svsm = read(svsm);
                let guest = SvsmGuest { vcpu, vars_size: *vars_size };
                snp::launch_svsm(&firmware, &parse(&svsm)?, &guest, self.vcpus)
                    .map(|launch| launch.digest().to_string())
            }
            _ => self.snp_digest(&firmware, vmm, kernel),
        };
        digest.map_err(|error| error.to_string())
    }

    fn snp_digest(
        &self,
        firmware: &Firmware<'_>,
        vmm: Vmm,
        kernel: Option<KernelHashes>,
    ) -> Result<String, snp::Error> {
        let firmware_digest = self.by_hash.then(|| snp::firmware_digest(firmware));
        let guest = Guest { vmm, features: GuestFeatures(self.features), kernel, firmware_digest };
        let launch = snp::launch(firmware, &guest, self.vcpus)?;
        let digest = launch.digest().to_string();
        let shared = snp::digests(firmware, &guest, &[1, self.vcpus, self.vcpus + 1])?;
        assert_eq!(shared[&self.vcpus].to_string(), digest);
        Ok(digest)
    }
}

fn ask(interpreter: &Path, cases: &[Case]) -> Vec<Result<String, String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sev_snp_measure.py");
    let mut tool = Command::new(interpreter)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = tool.stdin.take().unwrap();
    let lines: Vec<_> =
        cases.iter().map(|case| serde_json::to_string(&case.arguments()).unwrap()).collect();
    let writer = std::thread::spawn(move || input.write_all((lines.join("\n") + "\n").as_bytes()));
    let output = tool.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = text
        .lines()
        .map(|line| match line.split_once(' ') {
            Some(("ok", digest)) => Ok(digest.to_owned()),
            _ => Err(line.to_owned()),
        })
        .collect();
    assert_eq!(answers.len(), cases.len());
    answers
}

/// Where this crate refuses what the tool measures, and why it should.
fn may_refuse(reason: &str) -> bool {
    let reasons = [
        // The tool measures an SEV-SNP guest that can't start.
        firmware::Error::NoSevMetadata.to_string(),
        // The tool measures kernel hashes the firmware never reads.
        "the firmware does not support kernel hashes".to_owned(),
        "the firmware reads its table of kernel hashes at".to_owned(),
    ];
    reasons.iter().any(|known| reason.starts_with(known))
}

/// Compares every case; answers how many digests were equal, and how many both refused.
fn compare(interpreter: &Path, cases: &[Case]) -> [usize; 2] {
    let [mut equal, mut refused] = [0, 0];
    for (case, expected) in cases.iter().zip(ask(interpreter, cases)) {
        match (case.digest(), expected) {
            (Ok(found), Ok(expected)) => {
                assert_eq!(found, expected, "{case:?}");
                equal += 1;
            }
            (Err(reason), Ok(_)) => assert!(may_refuse(&reason), "{reason}: {case:?}"),
            (Err(_), Err(_)) => refused += 1,
            (Ok(found), Err(why)) => panic!("{found}, but the tool says {why}: {case:?}"),
        }
    }
    [equal, refused]
}

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn kernels(&self) -> Vec<Option<Kernel>> {
        let kernel = self.put("kernel", &[0xc3; 70_000]);
        let initrd = self.put("initrd", b"an initrd of an odd length");
        let empty = self.put("empty", b"");
        let long = "root=/dev/vda quiet console=ttyS0 init=/sbin/init \u{e9} trailing ";
        vec![
            None,
            Some(Kernel {
                kernel: kernel.clone(),
                initrd: Some(initrd.clone()),
                append: Some(long),
            }),
            Some(Kernel { kernel: kernel.clone(), initrd: None, append: None }),
            Some(Kernel { kernel, initrd: Some(empty.clone()), append: Some("") }),
            Some(Kernel { kernel: empty, initrd: Some(initrd), append: Some("quiet\n") }),
        ]
    }

    /// Fixtures and made-up images, small enough for many cases.
    fn small_firmware(&self) -> Vec<PathBuf> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let mut images =
            vec![fixtures.join("ovmf_AmdSev_suffix.bin"), fixtures.join("ovmf_OvmfX64_suffix.bin")];
        let base = OvmfImage::default();
        let mut other_order = SECTIONS.to_vec();
        other_order.reverse();
        other_order.push([0, 0, 4]);
        let variants = [
            base.clone(),
            OvmfImage { sections: Some(other_order), pages: 5, ..base.clone() },
            OvmfImage {
                hash_table: Some([0x81_0000, 176]),
                reset_vector: Some(0xfff0_1234),
                ..base.clone()
            },
            OvmfImage { hash_table: None, ..base.clone() },
            OvmfImage { hash_table: Some([0x90_0000, 0x400]), ..base.clone() },
            OvmfImage { sections: None, ..base.clone() },
            OvmfImage { reset_vector: None, ..base },
        ];
        let made_up = variants.iter().enumerate();
        images.extend(made_up.map(|(n, image)| self.put(&format!("{n}.fd"), &image.bytes())));
        images
    }
}

/// Every combination for small images: each input against each other.
fn small_cases(files: &Files) -> Vec<Case> {
    let kernels = files.kernels();
    let mut cases = Vec::new();
    // Those that sev-snp-measure 0.0.13 knows.
    let is_known = |vcpu: &&VcpuType| {
        vcpu.name == "EPYC-Turin" || (vcpu.since < (10, 1) && vcpu.name != "EPYC-Rome-v4")
    };
    let mut types = VCPU_TYPES.iter().filter(is_known).cycle();
    for firmware in files.small_firmware() {
        for (kernel, mode) in kernels.iter().flat_map(|kernel| {
            ["sev", "seves", "snp", "snp:ovmf-hash"].map(|mode| (kernel.clone(), mode))
        }) {
            for vmm in ["QEMU", "ec2", "gce"] {
                for (vcpus, features) in [(1, 0x1), (2, 0x21), (5, 0xffff_ffff_0000_0001)] {
                    let vcpu_type = types.next().unwrap().name;
                    let (firmware, kernel) = (firmware.clone(), kernel.clone());
                    let by_hash = mode == "snp" && vcpus == 5;
                    cases.push(Case {
                        mode,
                        firmware,
                        svsm: None,
                        vmm,
                        vcpu_type,
                        vcpus,
                        features,
                        kernel,
                        by_hash,
                    });
                }
            }
        }
    }
    cases
}

#[test]
fn small_images_have_the_oracle_s_digests() {
    let Some(interpreter) = snp_measure::interpreter() else { return };
    let files = Files { folder: tempfile::tempdir().unwrap() };
    let cases = small_cases(&files);
    let [equal, refused] = compare(&interpreter, &cases);
    let of = cases.len();
    eprintln!("COMPARED: SNP, small images: {equal} equal, {refused} refused by both, of {of}");
    assert!(equal > 900 && refused > 100, "{equal} equal, {refused} refused of {}", cases.len());
}

#[test]
fn made_up_svsms_have_the_oracle_s_digests() {
    let Some(interpreter) = snp_measure::interpreter() else { return };
    let files = Files { folder: tempfile::tempdir().unwrap() };
    let firmware = files.put("ovmf.fd", &OvmfImage::default().bytes());
    let sections = [[0, 0x9e000, 1], [0x9e000, 0x1000, 2], [0x9f000, 0x1000, 3]];
    let mut cases = Vec::new();
    for (pages, entry, vars) in [(2, 0, 0x1000), (3, 0x123, 540_672), (7, 0x1_0000, 0x20_0000)] {
        let sections = Some(sections.to_vec());
        let svsm = OvmfImage { pages, sections, svsm_entry: Some(entry), ..OvmfImage::default() };
        let svsm = files.put(&format!("svsm{pages}"), &svsm.bytes());
        for (vcpus, vcpu_type) in [(1, "EPYC-v4"), (2, "EPYC-Milan"), (9, "EPYC-Turin")] {
            let svsm = Some((svsm.clone(), vars));
            let (mode, vmm, features, by_hash) = ("snp:svsm", "QEMU", 1, false);
            cases.push(Case {
                mode,
                firmware: firmware.clone(),
                svsm,
                vmm,
                vcpu_type,
                vcpus,
                features,
                by_hash,
                kernel: None,
            });
        }
    }
    assert_eq!(compare(&interpreter, &cases), [9, 0]);
}

/// A launch of a shipped image: mode, VMM, vCPUs, vCPU type, guest features, whether the firmware
/// is given by its digest.
type Launch = (&'static str, &'static str, u32, &'static str, u64, bool);

const LAUNCHES: [Launch; 12] = [
    ("snp", "QEMU", 1, "EPYC-v4", 0x1, false),
    ("snp", "QEMU", 4, "EPYC-Genoa", 0x21, false),
    ("snp", "QEMU", 8, "EPYC-Turin", 0x1, true),
    ("snp", "ec2", 2, "EPYC-Milan", 0x1, false),
    ("snp", "gce", 3, "EPYC-Milan", 0x1, false),
    ("snp", "QEMU", 64, "EPYC-Rome", 0x1, false),
    ("snp", "ec2", 5, "EPYC-Genoa", 0x21, false),
    ("snp", "gce", 1, "EPYC-v4", 0x1, true),
    ("snp:ovmf-hash", "QEMU", 1, "EPYC", 0x1, false),
    ("seves", "QEMU", 2, "EPYC-Rome", 0x1, false),
    ("seves", "ec2", 1, "EPYC-Milan-v2", 0x1, false),
    ("sev", "QEMU", 1, "EPYC", 0x1, false),
];

/// The packages of which the firmware checks the digests of a kernel.
const TAKE_KERNELS: [&str; 3] = ["ovmf-generic", "ovmf-amdsev", "ovmf-legacy"];

/// Each mode to launch an image in, with each kernel.
fn shipped_cases(files: &Files, firmware: &Path) -> Vec<Case> {
    let kernels = files.kernels();
    let with = |kernel: &Option<Kernel>, launch: Launch| {
        let (mode, vmm, vcpus, vcpu_type, features, by_hash) = launch;
        let (firmware, kernel) = (firmware.to_owned(), kernel.clone());
        Case { mode, firmware, svsm: None, vmm, vcpu_type, vcpus, features, kernel, by_hash }
    };
    kernels.iter().flat_map(|kernel| LAUNCHES.map(|launch| with(kernel, launch))).collect()
}

#[test]
fn shipped_images_have_the_oracle_s_digests() {
    let Some(interpreter) = snp_measure::interpreter() else { return };
    let files = Files { folder: tempfile::tempdir().unwrap() };
    let (mut total, mut images) = (0, 0);
    for image in debian_firmware::images() {
        assert!(Firmware::of_end(&image.bytes).unwrap().sev_sections().is_ok());
        let cases = shipped_cases(&files, &image.path);
        let [equal, refused] = compare(&interpreter, &cases);
        let (name, of) = (image.package.name, cases.len());
        eprintln!("COMPARED: SNP, {name}: {equal} equal, {refused} refused by both, of {of}");
        // All without a kernel; with one, if the firmware looks at its digests.
        assert!(equal >= LAUNCHES.len(), "{name}");
        assert_eq!(equal == of, TAKE_KERNELS.contains(&name), "{name}");
        (total, images) = (total + equal, images + 1);
    }
    eprintln!("COMPARED: SNP, Debian's firmware: {total} equal, of {images} images");
    assert!(images < debian_firmware::PACKAGES.len() || total >= 200, "{total} cases");
}

/// Firmware that the environment names beside Debian's, and the code without variables of the host,
/// which has no metadata.
#[test]
fn other_images_have_the_oracle_s_digests() {
    let Some(interpreter) = snp_measure::interpreter() else { return };
    let files = Files { folder: tempfile::tempdir().unwrap() };
    let named = env::var_os("CVMKIT_FIRMWARE").unwrap_or_default();
    let named: Vec<_> = env::split_paths(&named).collect();
    let code = PathBuf::from("/usr/share/OVMF/OVMF_CODE_4M.fd");
    let found: Vec<_> = named.into_iter().chain([code]).filter(|path| path.is_file()).collect();
    if found.is_empty() {
        eprintln!("SKIPPED: no firmware in CVMKIT_FIRMWARE nor of the host");
    }
    for firmware in found {
        let cases = shipped_cases(&files, &firmware);
        let [equal, refused] = compare(&interpreter, &cases);
        let name = firmware.display();
        eprintln!("{name}: {equal} equal, {refused} refused by both, of {}", cases.len());
    }
}
