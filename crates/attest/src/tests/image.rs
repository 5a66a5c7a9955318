//! The folder of an image with its reference values: files are added by role, and are as small as their
//! formats allow.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::bzimage::efi_kernel;
use super::ovmf_image::OvmfImage;
use super::small_uki::SmallUki;
use super::tdvf_image::{EDK2_MEMORY, empty_variables, whole_firmware};
use super::{COMMAND_LINE, Folder, INITRD, manifest, small_disk};
use crate::output::{MANIFEST_FILE, REFERENCE_FILE};
use crate::values::SCHEMA;

/// The folder of an image, removed when it is dropped.
pub(crate) struct ImageFolder {
    folder: Folder,
    files: Vec<(&'static str, &'static str)>,
}

impl ImageFolder {
    pub(crate) fn new() -> Self {
        Self { folder: Folder::new(), files: Vec::new() }
    }

    /// With kernel, initrd and command line, as a VMM hands them over.
    pub(crate) fn direct() -> Self {
        Self::new()
            .file("kernel", "tiny.vmlinuz", &efi_kernel())
            .file("initrd", "tiny.initrd", INITRD)
            .file("command-line", "tiny.cmdline", COMMAND_LINE.as_bytes())
    }

    /// Adds a file of this role.
    pub(crate) fn file(mut self, role: &'static str, name: &'static str, bytes: &[u8]) -> Self {
        self.put(name, bytes);
        self.files.push((name, role));
        self
    }

    /// Adds a unified kernel image, on a disk that is one file system.
    pub(crate) fn uki(self) -> Self {
        let image = uki().image();
        let disk = small_disk::file_system(&[(small_disk::DEFAULT_PATH, &image)]);
        self.file("uki", "tiny.efi", &image).file("disk", "tiny.raw", &disk)
    }

    /// Adds the reference values of these profiles and machines.
    pub(crate) fn values(self, profiles: &[Value], values: &[Value]) -> Self {
        self.put(REFERENCE_FILE, reference_values(false, profiles, values).as_bytes());
        self
    }

    /// Writes the manifest, by which the files are found.
    pub(crate) fn finish(self) -> Self {
        let mut manifest = manifest(&self.files);
        if let Some((name, _)) = self.files.iter().find(|(_, role)| *role == "firmware") {
            manifest["firmware"] = (*name).into();
        }
        self.put(MANIFEST_FILE, manifest.to_string().as_bytes());
        self
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        self.folder.put(name, bytes);
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.root()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }
}

/// `reference-values.json` of a debug image, or of another.
pub(crate) fn reference_values(debug: bool, profiles: &[Value], values: &[Value]) -> String {
    json!({ "schema": SCHEMA, "debug": debug, "profiles": profiles, "values": values }).to_string()
}

/// One value of `reference-values.json`: `of` has its platform, VMM and boot, `more` what it has beyond.
pub(crate) fn value(profile: &str, of: [&str; 3], more: Value) -> Value {
    let [platform, vmm, boot] = of;
    let mut value = json!({
        "profile": profile, "profile-version": 1, "platform": platform, "vmm": vmm, "boot": boot,
    });
    let more = more.as_object().unwrap().clone();
    value.as_object_mut().unwrap().extend(more);
    value
}

/// The unified kernel image, whose sections are those of the UKI in the real log.
pub(crate) fn uki() -> SmallUki {
    let mut uki = SmallUki::new(257);
    [".splash", ".pcrpkey", ".pcrsig"].into_iter().for_each(|section| uki.set(section, None));
    uki
}

/// Firmware that starts TDs, with the memory and the variables of edk2 before its release of May 2025.
pub(crate) fn td_firmware() -> Vec<u8> {
    whole_firmware(0x40_0000, &empty_variables(), &EDK2_MEMORY)
}

/// Firmware that starts SEV-SNP guests, with a place for kernel hashes.
pub(crate) fn snp_firmware() -> Vec<u8> {
    OvmfImage::default().bytes()
}
