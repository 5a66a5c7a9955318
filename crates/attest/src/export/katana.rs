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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::note::DEBUG_MARK;
    use super::super::tests::fixture::{Values, machine_of};
    use super::*;
    use crate::tests::COMMAND_LINE;
    use crate::tests::image::{ImageFolder, snp_firmware, value};

    fn guest(boot: &str, more: Value) -> Value {
        let mut guest = value(
            "snp",
            ["sev-snp", "qemu", boot],
            json!({
                "vcpus": 2, "vcpu-type": "EPYC-v4", "firmware": "OVMF.fd",
                "launch-digest": "0a".repeat(48),
            }),
        );
        guest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        guest.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        guest
    }

    fn image(values: &[Value]) -> ImageFolder {
        ImageFolder::direct()
            .file("firmware", "OVMF.fd", &snp_firmware())
            .values(&[], values)
            .finish()
    }

    fn exported(folder: &std::path::Path) -> Result<Document, ExportError> {
        let source = ExportSource::open(folder).unwrap();
        let machines: Vec<&ExpectedMachine> = source.machines.iter().collect();
        document(&source, &machines)
    }

    fn written(folder: &std::path::Path) -> Value {
        serde_json::from_slice(&exported(folder).unwrap().bytes).unwrap()
    }

    /// What `tee/scripts/calculate-measurement.sh` writes of a guest whose kernel QEMU hands over.
    #[test]
    fn a_guest_that_boots_directly_names_its_files() {
        let folder = image(&[guest("direct", json!({}))]);
        assert_eq!(
            written(folder.path()),
            json!({
                "measurement": "0a".repeat(48),
                "boot_mode": "direct_kernel",
                "components": {
                    "ovmf": "OVMF.fd", "kernel": "tiny.vmlinuz", "initrd": "tiny.initrd",
                    "cmdline": COMMAND_LINE,
                },
                "vm_config": { "vcpus": 2, "vcpu_type": "EPYC-v4" },
                "notes": "firmware, kernel, initrd and command line are measured",
            })
        );
    }

    /// The firmware alone is measured: no file of the image is needed.
    #[test]
    fn a_guest_that_boots_from_a_disk_names_its_firmware() {
        let file = Values::of(&[guest("uki-disk", json!({}))]);
        let document = written(&file.path());
        assert_eq!(document["boot_mode"], "uefi_disk");
        assert_eq!(document["components"], json!({ "ovmf": "OVMF.fd" }));
        assert_eq!(document["notes"], "the firmware is measured and nothing on the disk");
        let file = Values::of(&[guest("direct", json!({}))]);
        let error = exported(&file.path()).unwrap_err();
        assert!(matches!(error, ExportError::NoFolder { shape: Shape::Katana, .. }), "{error}");
    }

    #[test]
    fn notes_say_of_a_debug_image_that_it_is_one() {
        let of = |debug| notes(&machine_of(debug, guest("direct", json!({}))), false);
        let measured = "the firmware is measured and nothing on the disk";
        assert_eq!(of(false), measured);
        assert_eq!(
            of(true),
            format!("{DEBUG_MARK}, never to be accepted in production: {measured}")
        );
    }

    #[test]
    fn each_value_that_the_shape_has_is_needed() {
        for (key, what) in
            [("launch-digest", "launch-digest"), ("vcpus", "vcpus"), ("firmware", "firmware")]
        {
            let folder = image(&[guest("direct", json!({ key: null }))]);
            let error = exported(folder.path()).unwrap_err();
            assert!(
                matches!(&error, ExportError::Missing { what: of, .. } if of == what),
                "{key}: {error}"
            );
        }
    }

    /// Machines of other platforms, and guests of clouds, whose vCPUs have no type, are passed over.
    #[test]
    fn the_one_guest_with_a_type_of_vcpu_is_exported() {
        let cloud = guest("uki-disk", json!({ "vmm": "ec2", "vcpu-type": null }));
        let tpm = value("tpm", ["tpm", "qemu", "uki-disk"], json!({}));
        let others = [cloud.clone(), tpm.clone()];
        let folder = image(&[cloud.clone(), guest("direct", json!({})), tpm.clone()]);
        let document = exported(folder.path()).unwrap();
        assert_eq!(document.machines, ["snp (qemu, direct boot, 2 vCPUs EPYC-v4, OVMF.fd)"]);
        let error = exported(image(&others).path()).unwrap_err();
        let ExportError::NoPlace { shape: Shape::Katana, platforms, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(platforms, &["sev-snp", "tpm"]);
        let two = [guest("direct", json!({})), guest("direct", json!({ "vcpus": 4 }))];
        let error = exported(image(&two).path()).unwrap_err();
        assert!(matches!(error, ExportError::SeveralMachines { shape: Shape::Katana, .. }));
    }

    #[test]
    fn an_image_without_a_file_of_the_boot_is_refused() {
        let folder = ImageFolder::new()
            .file("kernel", "tiny.vmlinuz", b"kernel")
            .values(&[], &[guest("direct", json!({}))])
            .finish();
        let error = exported(folder.path()).unwrap_err();
        let ExportError::NoFile(missing) = &error else { panic!("{error}") };
        assert_eq!(missing.role, Role::Initrd);
    }
}
