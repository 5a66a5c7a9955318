//! What was changed since an image was built.

use std::collections::BTreeMap;

use cvmkit_attest::output::{MachineFileRecord, Manifest, PartsRecord, Role};
use cvmkit_formats::digest::Sha256;
use serde::Serialize;

use super::Edit;
use super::earlier::Earlier;
use super::image::PlannedImage;
use crate::build::Builder;
use crate::build::external::External;
use crate::build::inputs::Inputs;
use crate::describe::MachineFile;
use crate::image;

/// One thing that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// What differs, such as `package linux-image-cloud-amd64` or `command line`.
    pub what: String,
    /// What it was; none for something new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it will be; none for something that goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// The parts whose bytes only a build can know and whose inputs changed.
pub(super) fn of_parts(earlier: &Earlier, now: &PartsRecord) -> Vec<Edit> {
    let (was, is) = (&earlier.manifest.inputs.parts, now);
    let parts = [
        (Edit::Root, was.root != is.root),
        (Edit::Kernel, was.kernel != is.kernel),
        (Edit::Initrd, was.initrd != is.initrd),
        (Edit::OsRelease, was.os_release != is.os_release),
    ];
    parts.into_iter().filter(|(_, changed)| *changed).map(|(edit, _)| edit).collect()
}

/// The machines' own files that differ: firmware counts for its code and its
/// variables.
pub(super) fn of_machine_files(earlier: &Earlier, now: &PlannedImage) -> Vec<Edit> {
    let was = &earlier.manifest.inputs.machine_files;
    let differs = |file: &MachineFile| {
        let same = |record: &&MachineFileRecord| record.sha256 == Sha256::of(&file.bytes);
        file.role == Role::Firmware && !was.iter().any(|record| same(&record))
    };
    match now.machine_files().iter().any(differs) {
        true => vec![Edit::Firmware, Edit::FirmwareVariables],
        false => Vec::new(),
    }
}

/// Everything that is not as it was, in words.
pub(super) fn between(
    earlier: &Earlier,
    inputs: &Inputs<'_>,
    external: &External,
    builder: &Builder<'_>,
    now: &PartsRecord,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut note = |what: &str, from: Option<String>, to: Option<String>| {
        if from != to {
            changes.push(Change { what: what.to_owned(), from, to });
        }
    };
    let manifest = &earlier.manifest;
    let version = |text: &str| Some(text.to_owned());
    note("version of cvmkit", version(&manifest.cvmkit), version(builder.version));
    let line = &manifest.image.command_line;
    let was = image::without_root_hash(line, &manifest.root.root_hash);
    let was = was.unwrap_or_else(|| line.clone());
    note("command line", Some(was), Some(image::built_for(inputs.definition)));
    let digest = |digest: Sha256| Some(digest.to_string());
    note("stage 1", digest(manifest.inputs.stage1), digest(Sha256::of(builder.stage1)));
    note("systemd stub", digest(manifest.inputs.parts.stub), digest(now.stub));
    for (name, from, to) in packages(manifest, inputs) {
        note(&format!("package {name}"), from, to);
    }
    let was = &manifest.inputs.machine_files;
    let is: BTreeMap<&str, Sha256> = external
        .machines
        .files
        .iter()
        .map(|file| (file.name.as_str(), Sha256::of(&file.bytes)))
        .collect();
    for record in was {
        let now = is.get(record.name.as_str()).copied().and_then(digest);
        note(&record.name, digest(record.sha256), now);
    }
    for (name, sha256) in is {
        if !was.iter().any(|record| record.name == name) {
            note(name, None, digest(sha256));
        }
    }
    if earlier.values.profiles != external.machines.profiles {
        let names = |profiles: &[cvmkit_attest::profile::Profile]| {
            Some(profiles.iter().map(machine).collect::<Vec<_>>().join("; "))
        };
        note("platforms", names(&earlier.values.profiles), names(&external.machines.profiles));
    }
    let parts = of_parts(earlier, now);
    let packages_changed = changes.iter().any(|change| change.what.starts_with("package "));
    if parts.contains(&Edit::Root) && !packages_changed {
        let what = "root file system: files, users, units or other keys of the definition";
        changes.push(Change { what: what.to_owned(), from: None, to: None });
    }
    changes
}

/// The machines of a profile, in words.
fn machine(profile: &cvmkit_attest::profile::Profile) -> String {
    let list = |values: Vec<String>| values.join(", ");
    let mut words = vec![profile.name.clone()];
    if !profile.vcpus.is_empty() {
        words.push(format!("vCPUs {}", list(profile.vcpus.iter().map(u32::to_string).collect())));
    }
    words.extend((!profile.vcpu_types.is_empty()).then(|| list(profile.vcpu_types.clone())));
    words.extend(profile.guest_features.map(|features| features.to_string()));
    if !profile.memory.is_empty() {
        words.push(list(profile.memory.iter().map(ToString::to_string).collect()));
    }
    words.join(" ")
}

/// Name, version before and version now of each package that is not the same.
fn packages(
    manifest: &Manifest,
    inputs: &Inputs<'_>,
) -> Vec<(String, Option<String>, Option<String>)> {
    let was: BTreeMap<&str, (&str, Sha256)> = manifest
        .packages
        .iter()
        .map(|package| (package.name.as_str(), (package.version.as_str(), package.sha256)))
        .collect();
    let is: BTreeMap<&str, (&str, Sha256)> = inputs
        .lock
        .lock
        .packages_of(&inputs.root_role)
        .map(|package| (package.name.as_str(), (package.version.as_str(), package.sha256)))
        .collect();
    let names = was.keys().chain(is.keys().filter(|name| !was.contains_key(*name)));
    let changed = names.filter_map(|name| {
        let (from, to) = (was.get(name), is.get(name));
        if from.map(|(_, sha256)| sha256) == to.map(|(_, sha256)| sha256) {
            return None;
        }
        let same_version = from.map(|(version, _)| version) == to.map(|(version, _)| version);
        let shown = |package: Option<&(&str, Sha256)>| {
            package.map(|(version, sha256)| match same_version {
                true => format!("{version} ({sha256})"),
                false => (*version).to_owned(),
            })
        };
        Some(((*name).to_owned(), shown(from), shown(to)))
    });
    changed.collect()
}

#[cfg(test)]
mod tests;
