//! What decides each part of an image, as digests: so that a later plan knows what an edit reaches
//! without building.

use std::collections::BTreeSet;

use cvmkit_attest::output::PartsRecord;
use cvmkit_formats::digest::Sha256;
use serde::Serialize;

use super::inputs::Inputs;
use crate::definition::FileKind;
use crate::definition::raw::{RawBoot, RawDefinition};
use crate::lock::{LocalFile, LockedPackage};
use crate::packages::debian::{BASE_PACKAGE, KERNEL_PACKAGES};

/// How the names of kernels start.
const KERNEL_FILE: &str = "boot/vmlinuz-";

impl Inputs<'_> {
    /// The digests over what decides the parts.
    pub(crate) fn parts(&self, stage1: &[u8], stub: &[u8]) -> PartsRecord {
        let packages: Vec<&LockedPackage> = self.lock.lock.packages_of(&self.root_role).collect();
        let named = |wanted: &dyn Fn(&str) -> bool| -> Vec<Sha256> {
            let wanted = packages.iter().filter(|package| wanted(&package.name));
            wanted.map(|package| package.sha256).collect()
        };
        let mut kernel = named(&|name| name.starts_with(KERNEL_PACKAGES));
        let in_files = self.root_files().iter().any(|file| file.path.contains(KERNEL_FILE));
        let in_layers = !self.definition.layers.is_empty() || self.definition.base.is_some();
        if kernel.is_empty() || in_files || in_layers {
            // It comes in another way: then whatever changes the root may change it.
            kernel = named(&|_| true);
            kernel.push(digest(&self.root_files()));
        }
        let definition = self.definition;
        let identity = (&definition.id, &definition.version, &definition.variant, definition.debug);
        let time = self.timestamp;
        PartsRecord {
            root: digest(&(
                root_definition(self.raw()),
                named(&|_| true),
                self.lock.lock.ids(definition.variant.as_deref()),
                self.root_files(),
                identity,
                time,
            )),
            initrd: digest(&(&kernel, Sha256::of(stage1), &definition.modules, time)),
            kernel: digest(&kernel),
            stub: Sha256::of(stub),
            os_release: match in_layers {
                false => digest(&(identity, named(&|name| name == BASE_PACKAGE))),
                // Any of them may have the file.
                true => digest(&(identity, named(&|_| true), self.root_files())),
            },
        }
    }

    /// The local files that go into the root file system.
    fn root_files(&self) -> Vec<&LocalFile> {
        let single = self.definition.files.iter().filter_map(|file| match &file.kind {
            FileKind::Local(path, _) => Some(path.as_str()),
            _ => None,
        });
        let layers = self.definition.layers.iter().map(|layer| layer.source.as_str());
        let base = self.definition.base.iter().map(|base| base.oci.as_str());
        let single: BTreeSet<&str> = single.chain(layers).chain(base.clone()).collect();
        let in_overlay = |path: &str| {
            let overlays = self.definition.overlays.iter().map(|overlay| overlay.source.as_str());
            let mut folders = overlays.chain(base.clone());
            folders
                .any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
        };
        let files = self.local.iter();
        files.filter(|file| single.contains(file.path.as_str()) || in_overlay(&file.path)).collect()
    }
}

/// The part of a definition that decides about the root file system.
fn root_definition(raw: RawDefinition) -> RawDefinition {
    RawDefinition {
        mirrors: Vec::new(),
        outside_folders: Vec::new(),
        sources: Vec::new(),
        kernel: Default::default(),
        boot: RawBoot::default(),
        firmware: None,
        platforms: Vec::new(),
        variant: Default::default(),
        ..raw
    }
}

fn digest(value: &impl Serialize) -> Sha256 {
    Sha256::of(&serde_json::to_vec(value).expect("strings, numbers and sorted maps serialise"))
}
