//! Katana's `expected-measurement.json`.
//!
//! The shape: `measurement`, `boot_mode`, `components`, `vm_config` and `notes`, for one SEV-SNP
//! machine; `components` names the files of the image, and the command line itself. Later releases
//! of Katana publish the value of `measurement` alone, as a line of text. Oracle: what the script
//! below writes.
//!
//! Source: dojoengine/katana 7fb8a41 (2026-01): `tee/scripts/calculate-measurement.sh`; its
//! successor is `misc/AMDSEV` of 678ba9d (2026-07).

use cvmkit_host::files;
use serde::Serialize;

use super::document::{Document, json, single};
use super::error::ExportError;
use super::machine::{ExpectedMachine, platforms};
use super::request::Shape;
use super::source::ExportSource;
use crate::output::{OutputFolder, Role};
use crate::profile::{Boot, Technology};

/// `boot_mode` of a kernel that QEMU hands over, and of a disk.
const DIRECT_KERNEL: &str = "direct_kernel";
const UEFI_DISK: &str = "uefi_disk";

#[derive(Serialize)]
struct Expected {
    measurement: String,
    boot_mode: &'static str,
    components: Components,
    vm_config: VmConfig,
    notes: String,
}

#[derive(Serialize)]
struct Components {
    ovmf: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initrd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmdline: Option<String>,
}

#[derive(Serialize)]
struct VmConfig {
    vcpus: u32,
    vcpu_type: String,
}

/// The measurement of one machine.
pub(super) fn document(
    subject: &ExportSource,
    machines: &[&ExpectedMachine],
) -> Result<Document, ExportError> {
    let shape = Shape::Katana;
    let guests: Vec<&ExpectedMachine> = machines
        .iter()
        .copied()
        .filter(|machine| {
            machine.platform() == Technology::SevSnp && machine.value.vcpu_type.is_some()
        })
        .collect();
    if guests.is_empty() {
        return Err(ExportError::NoPlace {
            shape,
            platforms: platforms(machines),
            carries: "the launch digest of a guest of `sev-snp` with a vCPU type",
            add: "a profile of `sev-snp`, such as `qemu-snp`,",
        });
    }
    let machine = single(shape, &guests)?;
    let lacks = |what| machine.missing(shape, what);
    let is_direct = machine.value.boot == Boot::Direct;
    let expected = Expected {
        measurement: machine.needed_launch_digest(shape)?.to_string(),
        boot_mode: if is_direct { DIRECT_KERNEL } else { UEFI_DISK },
        components: components(subject, machine, is_direct)?,
        vm_config: VmConfig {
            vcpus: machine.value.vcpus.ok_or_else(|| lacks("vcpus"))?,
            vcpu_type: machine.value.vcpu_type.clone().ok_or_else(|| lacks("vcpu-type"))?,
        },
        notes: notes(machine, is_direct),
    };
    json(&expected, &[machine], Vec::new())
}

/// What is measured, in words, and that it is a debug image.
fn notes(machine: &ExpectedMachine, is_direct: bool) -> String {
    let measured = match is_direct {
        true => "firmware, kernel, initrd and command line are measured",
        false => "the firmware is measured and nothing on the disk",
    };
    match machine.mark() {
        Some(mark) => format!("{mark}, never to be accepted in production: {measured}"),
        None => measured.to_owned(),
    }
}

/// What a machine is started with.
fn components(
    subject: &ExportSource,
    machine: &ExpectedMachine,
    is_direct: bool,
) -> Result<Components, ExportError> {
    let firmware = machine.value.firmware.clone();
    let ovmf = firmware.ok_or_else(|| machine.missing(Shape::Katana, "firmware"))?;
    if !is_direct {
        return Ok(Components { ovmf, kernel: None, initrd: None, cmdline: None });
    }
    let folder = subject.folder(Shape::Katana, "names of the image's files")?;
    let output = OutputFolder::read(folder)?;
    Ok(Components {
        ovmf,
        kernel: Some(output.name(Role::Kernel)?.to_owned()),
        initrd: Some(output.name(Role::Initrd)?.to_owned()),
        cmdline: Some(files::read_text(&output.file(Role::CommandLine)?)?),
    })
}
