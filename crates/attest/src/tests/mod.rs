//! What the tests of several modules share: small images, disks, firmware and recorded logs.

#![allow(dead_code, reason = "the fixtures of other crates have more than is needed here")]

#[path = "../../../measure/tests/bzimage/mod.rs"]
pub(crate) mod bzimage;
#[path = "../../../measure/tests/event_logs/mod.rs"]
pub(crate) mod event_logs;
pub(crate) mod image;
#[path = "../../../measure/tests/ovmf_image/mod.rs"]
pub(crate) mod ovmf_image;
#[path = "../../../measure/tests/se_image/mod.rs"]
pub(crate) mod se_image;
#[path = "../../../cli/tests/cli/small_disk.rs"]
pub(crate) mod small_disk;
#[path = "../../../measure/tests/small_uki/mod.rs"]
pub(crate) mod small_uki;
#[path = "../../../measure/tests/tdvf_image/mod.rs"]
pub(crate) mod tdvf_image;

#[expect(clippy::disallowed_methods, reason = "the environment names the firmware")]
#[path = "../../../measure/tests/debian_firmware/mod.rs"]
pub(crate) mod debian_firmware;

use std::path::{Path, PathBuf};

use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, in_one_line};
use cvmkit_host::files;
use serde_json::{Value, json};

use crate::output::{MANIFEST_FILE, SCHEMA};

/// What the image of [`Folder::image`] boots with.
pub(crate) const COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1";

/// The initrd of that image.
pub(crate) const INITRD: &[u8] = b"an initrd of 23 bytes..";

/// A folder that is removed when the test ends.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        files::replace(&path, bytes).unwrap();
        path
    }

    /// Makes it an output folder with these files: name, role and contents.
    pub(crate) fn output(files: &[(&str, &str, &[u8])]) -> Self {
        let folder = Self::new();
        for (name, _, bytes) in files {
            folder.put(name, bytes);
        }
        let roles: Vec<_> = files.iter().map(|(name, role, _)| (*name, *role)).collect();
        folder.put(MANIFEST_FILE, manifest(&roles).to_string().as_bytes());
        folder
    }

    /// The output folder of an image that boots directly, and from a disk with a partition table, with
    /// the stub of systemd 257.
    pub(crate) fn image() -> Self {
        let uki = small_uki::SmallUki::new(257).image();
        let disk = small_disk::partitioned(&[(small_disk::DEFAULT_PATH, &uki)]);
        Self::output(&[
            ("a.raw", "disk", &disk),
            ("a.efi", "uki", &uki),
            ("a.vmlinuz", "kernel", &bzimage::efi_kernel()),
            ("a.initrd", "initrd", INITRD),
            ("a.cmdline", "command-line", COMMAND_LINE.as_bytes()),
        ])
    }
}

/// A manifest that lists files of these names and roles.
pub(crate) fn manifest(files: &[(&str, &str)]) -> Value {
    let zero = Sha256::ZERO.to_string();
    let artifact = |(name, role): &(&str, &str)| json!({ "name": name, "role": role, "media-type": "x/y", "size": 1, "sha256": zero });
    json!({
        "schema": SCHEMA,
        "cvmkit": "1",
        "image": {
            "id": "a", "version": "1", "debug": false, "architecture": "x86-64",
            "command-line": "quiet", "seed": "s", "timestamp": "2026-01-01T00:00:00Z",
        },
        "inputs": {
            "definition": zero, "lock": zero, "stage1": zero,
            "parts": { "root": zero, "kernel": zero, "initrd": zero, "stub": zero, "os-release": zero },
        },
        "root": {
            "format": "squashfs", "root-hash": "00", "salt": "00", "uuid": "u", "algorithm": "sha256",
            "data-block-size": 4096, "hash-block-size": 4096,
        },
        "partitions": [],
        "artifacts": files.iter().map(artifact).collect::<Vec<_>>(),
        "packages": [],
    })
}

/// The error with its causes, and the hint, each on a line.
pub(crate) fn said(error: &impl Diagnosis) -> String {
    format!("{}\n{}", in_one_line(error), error.hint().unwrap_or_default())
}
