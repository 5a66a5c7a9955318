//! `cvmkit export --as dstack` of TDs: against dstack-mr, and what its verifier would refuse.

use cvmkit_formats::digest::Sha256;
use cvmkit_measure::firmware::Firmware;
use cvmkit_measure::linux::{self, SetupHeader};
use cvmkit_measure::tdx::mrtd::{self, Rule};
use cvmkit_measure::uefi::image::authenticode;
use serde_json::{Value, json};

use crate::measure_tdx;
use crate::program::Said;
use crate::tdvf_image::{EDK2_MEMORY, empty_variables, firmware, whole_firmware};
use crate::tiny_image::{OUT, TinyImage};

const LINE: &str = "console=ttyS0 dstack.rootfs_hash=\
                    5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a \
                    dstack.rootfs_size=490713088";

/// The document as it is of the firmware and the kernel that dstack-mr was given. That firmware had no
/// headers of firmware volumes, without which a file is taken for none here, so its MRTDs are others; that
/// kernel did not say its version, of which nothing is predicted here.
fn of_the_oracle(mut document: Vec<u8>) -> Vec<u8> {
    let mrtd = |image: &[u8], qemu| {
        let firmware = Firmware::of_end(image).unwrap();
        mrtd::launch(&firmware, &Rule::of_qemu(qemu)).unwrap().digest().0.0
    };
    // Of one pass and of two.
    for qemu in [9, 8] {
        let theirs = mrtd(&firmware(0x40_0000, &empty_variables(), &EDK2_MEMORY), qemu);
        let ours = mrtd(&fd(), qemu);
        let at = document.windows(ours.len()).position(|part| part == ours).unwrap();
        document[at..at + ours.len()].copy_from_slice(&theirs);
    }
    let mut silent = kernel();
    silent[0x20e..0x210].fill(0);
    silent[0x240..0x247].fill(0);
    let boot = linux::Boot { memory: 2 << 30, initrd: Some(9), command_line: LINE.as_bytes() };
    let digest = |kernel| linux::digests(&kernel, &SetupHeader::Patched(boot)).unwrap().sha384.0;
    let (ours, theirs) = (digest(kernel()), digest(silent));
    let at = document.windows(ours.len()).position(|part| part == ours).unwrap();
    document[at..at + ours.len()].copy_from_slice(&theirs);
    document
}

/// SHA-256 of what `dstack-mr tdx-measurement-cbor` of dstack 312dc60 writes of these files, with a
/// `metadata.json` that names them, [`LINE`] and the version 0.6.0.
const OF_DSTACK_MR: &str = "c18defdf72aa0ccf801c861b1cf2b56194101a48d54827271653bb0dfe9e2111";

/// A kernel with the flags of one with page tables of five levels, by which dstack-mr tells that
/// the initrd can be anywhere.
pub(crate) fn kernel() -> Vec<u8> {
    let mut bytes = measure_tdx::kernel();
    bytes[0x236] = 0x7f;
    bytes
}

/// Firmware with the variables and the memory of dstack's.
pub(crate) fn fd() -> Vec<u8> {
    whole_firmware(0x40_0000, &empty_variables(), &EDK2_MEMORY)
}

/// A profile of a TD that QEMU of this version starts, with firmware of this layout.
pub(crate) fn profile(name: &str, version: &str, layout: &str) -> Value {
    json!({
        "name": name, "version": 1, "technology": "tdx", "vmm": "qemu", "vmm-version": version,
        "boot": "direct", "firmware": "OVMF.fd", "firmware-layout": layout,
        "secure-boot": "absent", "vcpus": [1], "memory": ["2G"],
    })
}

/// A machine of a profile.
pub(crate) fn value(profile: &str, memory: &str) -> Value {
    json!({
        "profile": profile, "profile-version": 1, "platform": "tdx", "vmm": "qemu",
        "boot": "direct", "vcpus": 1, "memory": memory, "firmware": "OVMF.fd",
    })
}

fn image(line: &str, fd: &[u8], profiles: &[Value], values: &[Value]) -> TinyImage {
    let image = TinyImage::new()
        .file("firmware", "OVMF.fd", fd)
        .file("kernel", "tiny.vmlinuz", &kernel())
        .file("initrd", "tiny.initrd", b"an initrd")
        .file("command-line", "tiny.cmdline", line.as_bytes())
        .finish();
    let values = json!({ "schema": 3, "debug": false, "profiles": profiles, "values": values });
    image.folder.put(&format!("{OUT}/reference-values.json"), values.to_string().as_bytes());
    image
}

/// Of one machine with firmware of this layout.
fn of_layout(line: &str, fd: &[u8], layout: &str) -> TinyImage {
    image(line, fd, &[profile("td", "9.1", layout)], &[value("td", "2G")])
}

fn export(image: &TinyImage) -> Said {
    image.folder.cvmkit(&format!("export {OUT} --as dstack --out tdx.cbor"))
}

/// What is said of one machine with firmware of this layout.
fn refusal(line: &str, fd: &[u8], layout: &str) -> String {
    export(&of_layout(line, fd, layout)).refusal()
}

fn is_in(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn the_document_is_the_one_that_dstack_mr_writes() {
    for layout in ["edk2-stable202411", "edk2-stable202502"] {
        let image = of_layout(LINE, &fd(), layout);
        let said = export(&image);
        assert_eq!(said.stderr, "", "{layout}");
        assert!(said.answer().contains("  td (qemu, direct boot, 1 vCPU, 2G, OVMF.fd)\n"));
        let document = of_the_oracle(image.folder.get("tdx.cbor"));
        assert_eq!(Sha256::of(&document).to_string(), OF_DSTACK_MR, "{layout}");
    }
}

/// QEMU 10 offers the kernel as it is, and firmware of this layout takes it.
#[test]
fn a_kernel_that_no_qemu_patched_is_in_the_document_as_it_is_in_its_file() {
    let layout = "edk2-stable202502";
    let image = image(LINE, &fd(), &[profile("td", "10.1", layout)], &[value("td", "2G")]);
    let said = export(&image);
    assert_eq!(
        said.stderr,
        "note: td: QEMU 10.1 has this firmware measure the kernel as it is in its file, and so \
         does the document; under QEMU before 10 it differs\n"
    );
    said.answer();
    let digest = authenticode(&kernel()[..]).unwrap().sha384;
    let entry = [b"kernel_authenticode\x58\x30".as_slice(), &digest.0].concat();
    assert!(is_in(&image.folder.get("tdx.cbor"), &entry));
}

#[test]
fn machines_of_other_memory_are_noted_and_the_document_is_the_same() {
    let profiles = [profile("td", "9.1", "edk2-stable202411")];
    let memory = ["1G", "2G", "2560M", "2816M", "64G"];
    let image = image(LINE, &fd(), &profiles, &memory.map(|memory| value("td", memory)));
    let said = export(&image);
    insta::assert_snapshot!(said.stderr, @r#"
    note: td (qemu, direct boot, 1 vCPU, 1G, OVMF.fd): dstack's verifier takes 2 GiB, or 2.75 GiB and more, without the image's files
    note: td (qemu, direct boot, 1 vCPU, 2560M, OVMF.fd): dstack's verifier takes 2 GiB, or 2.75 GiB and more, without the image's files
    "#);
    said.answer();
    assert_eq!(Sha256::of(&of_the_oracle(image.folder.get("tdx.cbor"))).to_string(), OF_DSTACK_MR);
}

#[test]
fn what_no_guest_would_be_verified_with_is_refused() {
    let mut variables = empty_variables();
    variables[0x8_3fff] = 0;
    let other = whole_firmware(0x40_0000, &variables, &EDK2_MEMORY);
    let layout = "edk2-stable202411";
    let said = [
        refusal("console=ttyS0", &fd(), layout),
        refusal(LINE, &other, layout),
        refusal(LINE, &fd(), "edk2-stable202205"),
        refusal(LINE, &fd(), "edk2-stable202505"),
        refusal(LINE, &fd(), "edk2-stable202508"),
    ];
    insta::assert_snapshot!(said.join("\n"), @r#"
    exit 2
    error: dstack takes no image whose command line lacks `dstack.rootfs_hash=` and 64 hexadecimal digits
    hint: add the parameter to `[kernel] command-line`

    exit 2
    error: dstack's verifier would refuse every guest: it assumes that event 2 of RTMR 0 is configuration firmware volume (344bc51c980ba621aaa00da3ed7436f7d6e549197dfe699515dfa2c6583d95e6412af21c097d473155875ffd561d6790), and td (qemu, direct boot, 1 vCPU, 2G, OVMF.fd) measures configuration firmware volume (651220141df6f38cb5dfb2cc1c4dd4d69f20b14931cc8543195f871121fc8e04f3ec6f199760221717a0dcb7837cb98a)
    hint: use firmware of edk2 2024.11 to 2025.02 without Secure Boot and without variables, such as `OVMF.fd` of Debian's ovmf 2025.02

    exit 2
    error: dstack's verifier would refuse every guest: it assumes that event 14 of RTMR 0 is nothing, and td (qemu, direct boot, 1 vCPU, 2G, OVMF.fd) measures separator (394341b7182cd227c5c6b07ef8000cdfd86136c4292b8e576573ad7ed9ae41019f5818b4b971c9effc60e1ad9f1289f0)
    hint: use firmware of edk2 2024.11 to 2025.02 without Secure Boot and without variables, such as `OVMF.fd` of Debian's ovmf 2025.02

    exit 2
    error: dstack's verifier would refuse every guest: it assumes that event 3 of RTMR 0 is SecureBoot, not set (9dc3a1f80bcec915391dcda5ffbb15e7419f77eab462bbf72b42166fb70d50325e37b36f93537a863769bcf9bedae6fb), and td (qemu, direct boot, 1 vCPU, 2G, OVMF.fd) measures fw_cfg BootMenu (1dd6f7b457ad880d840d41c961283bab688e94e4b59359ea45686581e90feccea3c624b1226113f824f315eb60ae0a7c)
    hint: use firmware of edk2 2024.11 to 2025.02 without Secure Boot and without variables, such as `OVMF.fd` of Debian's ovmf 2025.02

    exit 2
    error: dstack's verifier would refuse every guest: it assumes that event 3 of RTMR 0 is SecureBoot, not set (9dc3a1f80bcec915391dcda5ffbb15e7419f77eab462bbf72b42166fb70d50325e37b36f93537a863769bcf9bedae6fb), and td (qemu, direct boot, 1 vCPU, 2G, OVMF.fd) measures fw_cfg BootMenu (1dd6f7b457ad880d840d41c961283bab688e94e4b59359ea45686581e90feccea3c624b1226113f824f315eb60ae0a7c)
    hint: use firmware of edk2 2024.11 to 2025.02 without Secure Boot and without variables, such as `OVMF.fd` of Debian's ovmf 2025.02
    "#);
}

#[test]
fn machines_that_are_not_of_one_document_are_refused() {
    let layout = "edk2-stable202502";
    let both = [profile("old", "9.1", layout), profile("new", "10.1", layout)];
    let mut disk = value("old", "2G");
    disk["boot"] = "uki-disk".into();
    let mut google = value("old", "2G");
    google["vmm"] = "gce".into();
    let said = [
        vec![value("old", "2G"), value("new", "2G")],
        vec![value("none", "2G")],
        vec![disk],
        vec![value("old", "2G"), google],
    ]
    .map(|values| export(&image(LINE, &fd(), &both, &values)).refusal());
    insta::assert_snapshot!(said.join("\n"), @r#"
    exit 2
    error: `dstack` has place for one machine, and there are:
        old (qemu, direct boot, 1 vCPU, 2G, OVMF.fd)
        new (qemu, direct boot, 1 vCPU, 2G, OVMF.fd)
    hint: choose with `--profile`, `--vcpus`, `--vcpu-type` and `--memory`

    exit 2
    error: `out` has machines of `none`, but no profile of that name
    hint: name the folder of an image that this version of cvmkit built, or its `reference-values.json`

    exit 2
    error: `dstack` has no place for a TD that boots from a disk: it carries what QEMU hands to a TD: kernel, initrd and command line
    hint: add a profile such as `qemu-tdx-direct` to the definition's `platforms`

    exit 2
    error: `dstack` has one document for each platform, and there are tdx of gce and tdx of qemu
    hint: choose with `--profile`
    "#);
}
