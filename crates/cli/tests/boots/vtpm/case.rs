//! One boot: what boots, in which machine, and the prediction from the files alone.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use cvmkit_attest::predict::Booted;
use cvmkit_formats::digest::Digests;
use cvmkit_measure::event::RegisterSet;
use cvmkit_measure::event::log::Log;
use cvmkit_measure::firmware::behaviour::Behaviour;
use cvmkit_measure::firmware::behaviour::{FirmwareBuild, KnownFirmware};
use cvmkit_measure::firmware::layout::Layout;
use cvmkit_measure::linux::{self, SetupHeader};
use cvmkit_measure::tdx;
use cvmkit_measure::tpm::{self, DirectKernel, Disk, Error, Prediction};
use cvmkit_measure::uefi::medium::{DiskBus, FirmwareBy};
use cvmkit_measure::uefi::variables::SecureBoot;
use cvmkit_measure::uefi::{self, gpt, image, variable_store};

use super::inputs::{COMMAND_LINE, Inputs, StubOf, Uki};
use super::machine::{MEMORY, Machine};
use crate::rig::run;

/// Where firmware is from: edk2 2022.11, 2025.02 and 2026.08.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Release {
    /// What this machine has installed, on Debian 12.
    Bookworm,
    Trixie,
    Forky,
}

/// What firmware has in its variables, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variables {
    /// One image, without flash for variables.
    InMemory,
    /// Empty flash.
    Flash,
    /// Firmware with Secure Boot, and no keys.
    NoKeys,
    /// The same of the build that forbids data pages to be executed, where the release has one.
    StrictNoKeys,
    /// One image of the package for machines without confidential computing, without flash.
    Legacy,
    /// The same with Debian's test keys.
    Enrolled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Firmware {
    release: Release,
    variables: Variables,
}

/// The disk of a unified kernel image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// A FAT file system and nothing else.
    Fat,
    /// An EFI system partition among two.
    Gpt,
    /// The same, with a file where systemd-stub expects a folder.
    GptWithLoaderFile,
    /// The same, that can't be written.
    GptReadOnly,
}

pub(crate) struct Case {
    pub(crate) firmware: Firmware,
    cpus: u32,
    /// None for a kernel that QEMU hands over.
    disk: Option<(Uki, Medium)>,
    /// How the machine has its disk.
    bus: DiskBus,
    /// Whether a machine whose kernel QEMU hands over has a disk as well, that it can write to.
    spare_disk: bool,
    /// Of such a kernel.
    command_line: &'static str,
}

impl Case {
    pub(crate) fn disk(firmware: Firmware, uki: Uki, medium: Medium) -> Self {
        Self { disk: Some((uki, medium)), ..Self::direct(firmware) }
    }

    pub(crate) fn direct(firmware: Firmware) -> Self {
        Self {
            firmware,
            cpus: 1,
            disk: None,
            bus: DiskBus::VirtioBlk,
            spare_disk: false,
            command_line: COMMAND_LINE,
        }
    }

    pub(crate) fn with_command_line(self, command_line: &'static str) -> Self {
        Self { command_line, ..self }
    }

    pub(crate) fn on(self, bus: DiskBus) -> Self {
        Self { bus, ..self }
    }

    /// A kernel that QEMU hands over, in a machine that has a disk as well.
    pub(crate) fn beside_a_disk(self) -> Self {
        Self { spare_disk: true, ..self }
    }

    /// The machine, as predictions know it.
    pub(crate) fn booted(&self) -> Booted {
        Booted {
            firmware: match self.firmware.release {
                Release::Bookworm => FirmwareBuild::Ovmf202211,
                Release::Trixie => FirmwareBuild::Ovmf202502,
                Release::Forky => FirmwareBuild::Ovmf202608,
            },
            secure_boot: self.firmware.secure_boot(),
            firmware_by: self.firmware.given_by(),
            stub: self.disk.map(|(uki, _)| uki.stub_version()),
            read_only: self.disk.is_some_and(|(_, medium)| medium == Medium::GptReadOnly),
            bus: (self.disk.is_some() || self.spare_disk).then_some(self.bus),
        }
    }

    /// What is known of the file of its firmware, of which nothing else is said.
    pub(crate) fn known_firmware(&self, inputs: &Inputs) -> KnownFirmware {
        KnownFirmware::of_file(&fs::read(self.firmware.image(inputs)).unwrap()).unwrap()
    }

    fn can_write(&self) -> bool {
        match self.disk {
            Some((_, medium)) => medium != Medium::GptReadOnly,
            None => self.spare_disk,
        }
    }

    pub(crate) fn on_two_processors(self) -> Self {
        Self { cpus: 2, ..self }
    }

    /// Makes the files.
    pub(crate) fn prepare(&self, inputs: &'static Inputs) -> Prepared {
        let folder = tempfile::tempdir().unwrap();
        let secure_boot = matches!(self.firmware.variables, Variables::Enrolled);
        let (mut arguments, secure_boot_state) = self.firmware.arguments(inputs, folder.path());
        let boot = match self.disk {
            Some((uki, medium)) => {
                let uki = uki.signed(secure_boot);
                let (boot, drive) = disk_boot(inputs, folder.path(), &uki, medium);
                arguments.extend(["-drive".into(), drive]);
                arguments.extend(devices(self.bus));
                boot
            }
            None => {
                let kernel = if secure_boot {
                    let signed = folder.path().join("vmlinuz");
                    inputs.sign(&inputs.kernel, &signed);
                    signed
                } else {
                    inputs.kernel.clone()
                };
                arguments.extend(["-kernel".into(), kernel.clone().into()]);
                arguments.extend(["-initrd".into(), inputs.initrd.clone().into()]);
                arguments.extend(["-append".into(), self.command_line.into()]);
                if self.spare_disk {
                    let disk = folder.path().join("spare.img");
                    // With a file system: of a kernel from QEMU that decides PCR 5 too.
                    write_disk(&disk, &inputs.initrd, Medium::Gpt);
                    arguments.extend(["-drive".into(), drive(&disk, "snapshot=on")]);
                    arguments.extend(devices(self.bus));
                }
                let (initrd, command_line) = (inputs.initrd.clone(), self.command_line);
                Boot::Direct { kernel, initrd, command_line }
            }
        };
        let firmware = tpm::Firmware {
            behaviour: self.firmware.behaviour(),
            secure_boot: secure_boot_state,
            pinned: None,
        };
        let patches = self.firmware.release == Release::Bookworm;
        let medium = uefi::medium::Medium {
            is_writable: Some(self.can_write()),
            bus: Some(self.bus),
            firmware_by: Some(self.firmware.given_by()),
        };
        Prepared {
            machine: Machine { folder, vcpus: self.cpus, arguments },
            firmware,
            boot,
            patches,
            medium,
        }
    }
}

/// A boot with its files.
pub(crate) struct Prepared {
    machine: Machine,
    firmware: tpm::Firmware,
    boot: Boot,
    /// Whether the firmware takes the kernel as QEMU patches it.
    patches: bool,
    /// How the machine has its disk and its firmware.
    medium: uefi::medium::Medium,
}

enum Boot {
    Disk { uki: PathBuf, disk: PathBuf, medium: Medium },
    Direct { kernel: PathBuf, initrd: PathBuf, command_line: &'static str },
}

impl Prepared {
    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The same, with PCR 0 and 1 from the log of another boot of the machine.
    pub(crate) fn pinned_by(mut self, log: &[u8]) -> Self {
        let log = Log::parse(log, RegisterSet::Tpm).unwrap();
        self.firmware.pinned = Some(tpm::pinned(&log).unwrap());
        self
    }

    /// From the files, by the product.
    pub(crate) fn prediction(&self) -> Result<Prediction, Error> {
        self.predict(matches!(self.boot, Boot::Disk { medium: Medium::GptWithLoaderFile, .. }))
    }

    /// From the files, by the product; for a disk that may be said to have a file named `loader`.
    pub(crate) fn predict(&self, loader_is_file: bool) -> Result<Prediction, Error> {
        match &self.boot {
            Boot::Disk { uki, disk, .. } => {
                let uki = tpm::Uki::read(&fs::read(uki).unwrap())?;
                let table = gpt::data(&fs::read(disk).unwrap()).unwrap();
                let disk =
                    Disk { partition_table: table.as_deref(), medium: self.medium, loader_is_file };
                tpm::disk_boot(&self.firmware, &uki, &disk)
            }
            Boot::Direct { kernel, initrd, command_line } => {
                let (kernel, initrd) = (fs::read(kernel).unwrap(), fs::read(initrd).unwrap());
                let header = match self.patches {
                    false => SetupHeader::AsInFile,
                    true => SetupHeader::Patched(linux::Boot {
                        memory: MEMORY,
                        initrd: Some(initrd.len() as u64),
                        command_line: command_line.as_bytes(),
                    }),
                };
                let direct = DirectKernel {
                    kernel: linux::digests(&kernel, &header).unwrap(),
                    signatures: &image::signatures(&kernel).unwrap(),
                    kernel_version: linux::version(&kernel),
                    command_line: command_line.as_bytes(),
                    initrd: Digests::of(&initrd),
                    medium: self.medium,
                };
                tpm::direct_boot(&self.firmware, &direct)
            }
        }
    }
}

impl Prepared {
    /// What a TD without a TPM would have of a boot from the disk; none of a direct boot.
    pub(crate) fn td_prediction(&self) -> Option<tdx::prediction::Prediction> {
        let Boot::Disk { uki, disk, medium } = &self.boot else { return None };
        let uki = tpm::Uki::read(&fs::read(uki).unwrap()).unwrap();
        let table = gpt::data(&fs::read(disk).unwrap()).unwrap();
        let layout = match self.firmware.behaviour {
            Behaviour::OVMF_2026_08 => Layout::of_edk2(2026, 8),
            _ => Layout::of_edk2(2025, 2),
        };
        let secure_boot = self.firmware.secure_boot.clone();
        let boot = tdx::disk::DiskBoot {
            firmware: tdx::disk::Firmware::Foreign { layout: layout.unwrap(), secure_boot },
            smbios: None,
            uki: &uki,
            disk: Disk {
                partition_table: table.as_deref(),
                medium: self.medium,
                loader_is_file: *medium == Medium::GptWithLoaderFile,
            },
            tpm: Some(false),
        };
        Some(boot.prediction().unwrap())
    }
}

impl Firmware {
    pub(crate) const fn new(release: Release) -> Self {
        Self { release, variables: Variables::InMemory }
    }

    pub(crate) const fn with(self, variables: Variables) -> Self {
        Self { variables, ..self }
    }

    /// How QEMU gives it to the machine.
    pub(crate) fn given_by(self) -> FirmwareBy {
        match self.variables {
            Variables::InMemory | Variables::Legacy => FirmwareBy::Bios,
            _ => FirmwareBy::Pflash,
        }
    }

    /// Whether Secure Boot is on; none of firmware that is built without it. Debian 12 builds it into all
    /// of its images.
    fn secure_boot(self) -> Option<bool> {
        match self.variables {
            Variables::Enrolled => Some(true),
            Variables::NoKeys | Variables::StrictNoKeys => Some(false),
            _ => (self.release == Release::Bookworm).then_some(false),
        }
    }

    /// The image, or its code if the variables are in flash.
    fn image(self, inputs: &Inputs) -> PathBuf {
        let path = match self.variables {
            Variables::InMemory => "ovmf/OVMF.fd",
            Variables::Legacy => "ovmf/OVMF.legacy.fd",
            Variables::Enrolled | Variables::NoKeys => "OVMF/OVMF_CODE_4M.secboot.fd",
            Variables::StrictNoKeys => "OVMF/OVMF_CODE_4M.secboot.strictnx.fd",
            Variables::Flash => "OVMF/OVMF_CODE_4M.fd",
        };
        self.file(inputs, path)
    }

    pub(crate) fn pins_pcr_0(self) -> bool {
        self.release != Release::Bookworm
    }

    fn behaviour(self) -> Behaviour {
        match self.release {
            Release::Bookworm | Release::Trixie => Behaviour::OVMF_2025_02,
            Release::Forky => Behaviour::OVMF_2026_08,
        }
    }

    fn file(self, inputs: &Inputs, path: &str) -> PathBuf {
        match self.release {
            Release::Bookworm => Path::new("/usr/share").join(path),
            Release::Trixie => inputs.firmware(StubOf::Trixie, path),
            Release::Forky => inputs.firmware(StubOf::Forky, path),
        }
    }

    /// Arguments of QEMU, and what is in the variables.
    fn arguments(self, inputs: &Inputs, folder: &Path) -> (Vec<OsString>, SecureBoot) {
        let secure = matches!(
            self.variables,
            Variables::NoKeys | Variables::StrictNoKeys | Variables::Enrolled
        );
        let machine = if secure { "q35,smm=on" } else { "q35" };
        let mut arguments: Vec<OsString> = vec!["-machine".into(), machine.into()];
        let without_keys = SecureBoot { enabled: self.secure_boot(), ..SecureBoot::default() };
        if self.given_by() == FirmwareBy::Bios {
            arguments.extend(["-bios".into(), self.image(inputs).into()]);
            return (arguments, without_keys);
        }
        let template = match self.variables {
            Variables::Enrolled => "OVMF_VARS_4M.snakeoil.fd",
            _ => "OVMF_VARS_4M.fd",
        };
        let template = fs::read(self.file(inputs, &format!("OVMF/{template}"))).unwrap();
        let variables = folder.join("vars.fd");
        fs::write(&variables, &template).unwrap();
        let drive = |more: &str, path: &Path| {
            let mut text = OsString::from(format!("if=pflash,format=raw{more},file="));
            text.push(path);
            text
        };
        arguments.extend(["-drive".into(), drive(",readonly=on", &self.image(inputs))]);
        arguments.extend(["-drive".into(), drive("", &variables)]);
        if !secure {
            return (arguments, without_keys);
        }
        let guarded = ["driver=cfi.pflash01,property=secure,value=on", "ICH9-LPC.disable_s3=1"];
        arguments.extend(guarded.iter().flat_map(|value| ["-global".into(), value.into()]));
        let stored = variable_store::Variables::read(&template).unwrap();
        (arguments, SecureBoot::of(&stored))
    }
}

/// Makes the image and its disk.
fn disk_boot(inputs: &Inputs, folder: &Path, uki: &Uki, medium: Medium) -> (Boot, OsString) {
    let (unsigned, signed) = (folder.join("uki.efi"), folder.join("uki.signed.efi"));
    inputs.uki(uki, &unsigned);
    let image = if uki.signed {
        inputs.sign(&unsigned, &signed);
        signed
    } else {
        unsigned
    };
    let disk = folder.join("disk.img");
    write_disk(&disk, &image, medium);
    // Firmware and stub write to the disk; the prediction is of the file.
    let mode = if medium == Medium::GptReadOnly { "readonly=on" } else { "snapshot=on" };
    let drive = drive(&disk, mode);
    (Boot::Disk { uki: image, disk, medium }, drive)
}

fn drive(disk: &Path, mode: &str) -> OsString {
    let mut drive = OsString::from(format!("if=none,id=disk,format=raw,{mode},file="));
    drive.push(disk);
    drive
}

/// The controller of a bus and the disk on it.
fn devices(bus: DiskBus) -> Vec<OsString> {
    let devices: &[&str] = match bus {
        DiskBus::VirtioBlk => &["virtio-blk-pci,drive=disk"],
        DiskBus::VirtioScsi => &["virtio-scsi-pci", "scsi-hd,drive=disk"],
        DiskBus::Nvme => &["nvme,drive=disk,serial=1"],
        DiskBus::Usb => &["qemu-xhci", "usb-storage,drive=disk"],
        // A q35 machine has the controller.
        DiskBus::Ahci => &["ide-hd,drive=disk,bus=ide.0"],
    };
    devices.iter().flat_map(|device| ["-device".into(), OsString::from(device)]).collect()
}

/// A disk of 64 MiB with a FAT file system and the image in it, by tools of others.
fn write_disk(disk: &Path, image: &Path, medium: Medium) {
    const SIZE: u64 = 64 << 20;
    File::create(disk).unwrap().set_len(SIZE).unwrap();
    let partitioned = medium != Medium::Fat;
    let mut place = OsString::from(disk);
    if partitioned {
        let mut command = Command::new("sgdisk");
        // Entries 1 and 3, so that what is measured is not a prefix of the array.
        command.args(["-n", "1:2048:+60M", "-t", "1:ef00", "-n", "3:0:0", "-t", "3:8300"]);
        run(command.arg(disk)).answer();
        place.push("@@1M");
    }
    let mtools = |program: &str, words: &[&str]| {
        let mut command = Command::new(program);
        command.env("MTOOLS_SKIP_CHECK", "1").arg("-i").arg(&place).args(words);
        command
    };
    let sectors = if partitioned { "122880" } else { "131072" };
    run(&mut mtools("mformat", &["-F", "-T", sectors, "::"])).answer();
    run(&mut mtools("mmd", &["::/EFI", "::/EFI/BOOT"])).answer();
    run(mtools("mcopy", &[]).arg(image).arg("::/EFI/BOOT/BOOTX64.EFI")).answer();
    if medium == Medium::GptWithLoaderFile {
        let file = disk.with_extension("loader");
        fs::write(&file, "a file, so that systemd-stub keeps no random seed\n").unwrap();
        run(mtools("mcopy", &[]).arg(&file).arg("::/loader")).answer();
    }
}
