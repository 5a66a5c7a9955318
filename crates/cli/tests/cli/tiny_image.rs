//! The folder of an image of a few kilobytes: a UKI and what `cvmkit build` would say of it.

use cvmkit_formats::digest::Sha256;
use serde_json::{Value, json};

use crate::program::Folder;
use crate::small_disk;
use crate::small_uki::SmallUki;

/// What the folder is called.
pub(crate) const OUT: &str = "out";

/// A folder with an image in it.
pub(crate) struct TinyImage {
    pub(crate) folder: Folder,
    files: Vec<(&'static str, &'static str)>,
    firmware: Option<&'static str>,
}

impl TinyImage {
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        cvmkit_host::files::make_folder(&folder.path(OUT)).unwrap();
        Self { folder, files: Vec::new(), firmware: None }
    }

    /// Adds a file of this role.
    pub(crate) fn file(mut self, role: &'static str, name: &'static str, bytes: &[u8]) -> Self {
        self.folder.put(&format!("{OUT}/{name}"), bytes);
        if role == "firmware" {
            self.firmware = Some(name);
        }
        self.files.push((role, name));
        self
    }

    /// Adds a UKI on a disk without a partition table.
    pub(crate) fn uki(self, uki: &SmallUki) -> Self {
        let image = uki.image();
        let disk = small_disk::file_system(&[(small_disk::DEFAULT_PATH, &image)]);
        self.file("uki", "tiny.efi", &image).file("disk", "tiny.raw", &disk)
    }

    /// Writes the manifest.
    pub(crate) fn finish(self) -> Self {
        let hash = Sha256::of(b"").to_string();
        let artifact = |(role, name): &(&str, &str)| {
            json!({
                "name": name, "role": role, "media-type": "application/octet-stream", "size": 0,
                "sha256": hash,
            })
        };
        let mut manifest = json!({
            "schema": 3,
            "cvmkit": "0.0.0",
            "image": {
                "id": "tiny", "version": "0", "debug": false, "architecture": "x86-64",
                "command-line": "", "seed": "00000000-0000-0000-0000-000000000000",
                "timestamp": "2026-01-01T00:00:00Z",
            },
            "inputs": {
                "definition": hash, "lock": hash, "stage1": hash,
                "parts": { "root": hash, "kernel": hash, "initrd": hash, "stub": hash, "os-release": hash },
            },
            "root": {
                "format": "squashfs", "root-hash": hash, "salt": "", "uuid": "",
                "algorithm": "sha256",
                "data-block-size": 4096, "hash-block-size": 4096,
            },
            "partitions": [],
            "artifacts": self.files.iter().map(artifact).collect::<Vec<Value>>(),
            "packages": [],
        });
        if let Some(firmware) = self.firmware {
            manifest["firmware"] = firmware.into();
        }
        self.folder.put(&format!("{OUT}/manifest.json"), manifest.to_string().as_bytes());
        self
    }
}
