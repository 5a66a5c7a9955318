//! `SHA256SUMS` and the manifest: what the folder says about itself.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_attest::output::{
    Artifact, MANIFEST_FILE, Manifest, REFERENCE_FILE, Role, SCHEMA, SUMS_FILE, Sums,
};
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::source::Source;
use cvmkit_host::versioned;
use serde::Serialize;

use super::error::in_one_line;
use super::examination::Examination;
use super::folder::{Digests, Folder};
use super::subject::ARCHITECTURE;
use super::{Check, VerifyError};
use crate::definition::Seed;
use crate::describe::json;
use crate::image::RootFormat;

/// Roles that every image has.
const REQUIRED: [Role; 6] = [
    Role::Disk,
    Role::Kernel,
    Role::Initrd,
    Role::CommandLine,
    Role::RootHash,
    Role::ReferenceValues,
];

/// What was read of the description. What could not be is none, and why is beside it.
pub(super) struct Described {
    pub(super) sums_bytes: Option<Vec<u8>>,
    sums: Result<Sums, String>,
    pub(super) manifest: Option<Manifest>,
    manifest_bytes: Option<Vec<u8>>,
    malformed: String,
}

impl Described {
    /// Reads sums and manifest, and opens every file that one of them names.
    pub(super) fn read(folder: &mut Folder) -> Result<Self, VerifyError> {
        folder.open(SUMS_FILE)?;
        folder.open(MANIFEST_FILE)?;
        if folder.sources().next().is_none() {
            let why = "there is neither manifest.json nor SHA256SUMS";
            return Err(VerifyError::NoImage { folder: folder.path().to_owned(), why });
        }
        let sums_bytes = folder.text(SUMS_FILE)?;
        let sums = match &sums_bytes {
            Some(bytes) => str::from_utf8(bytes)
                .map_err(|error| error.to_string())
                .and_then(|text| Sums::parse(text).map_err(|error| error.to_string())),
            None => Err(folder.absence(SUMS_FILE).to_owned()),
        };
        let manifest_bytes = folder.text(MANIFEST_FILE)?;
        let manifest = match &manifest_bytes {
            Some(bytes) => {
                versioned::json(bytes, MANIFEST_FILE).map_err(|error| in_one_line(&error))
            }
            None => Err(folder.absence(MANIFEST_FILE).to_owned()),
        };
        let (manifest, malformed) = match manifest {
            Ok(manifest) => (Some(manifest), String::new()),
            Err(why) => (None, why),
        };
        let described = Self { sums_bytes, sums, manifest, manifest_bytes, malformed };
        for name in described.names() {
            folder.open(&name)?;
        }
        Ok(described)
    }

    fn artifacts(&self) -> &[Artifact] {
        self.manifest.as_ref().map_or(&[], |manifest| &manifest.artifacts)
    }

    /// The files that sums or manifest name.
    fn names(&self) -> BTreeSet<String> {
        let summed = self.sums.iter().flat_map(Sums::names).map(str::to_owned);
        let named = self.artifacts().iter().map(|artifact| artifact.name.clone());
        summed.chain(named).collect()
    }

    /// What is in the folder and belongs to no image, and what is checked no further.
    pub(super) fn notes(&self, folder: &Folder) -> Vec<String> {
        let known = self.names();
        let extra = folder
            .listed()
            .filter(|name| !known.contains(*name) && ![SUMS_FILE, MANIFEST_FILE].contains(name))
            .map(|name| format!("`{name}` is not part of the image: nothing covers it"));
        let opaque = self.artifacts().iter().filter(|it| Role::of_name(&it.role).is_none());
        let opaque = opaque.map(|artifact| {
            let Artifact { name, role, .. } = artifact;
            format!("`{name}` has the role `{role}`: its length and digest are checked, no more")
        });
        extra.chain(opaque).collect()
    }
}

/// Every file that the sums name has its sum, and every file of the manifest is named.
pub(super) fn sums(described: &Described, folder: &Folder, digests: &Digests) -> Examination {
    let mut examination = Examination::new(Check::Sums);
    let sums = match &described.sums {
        Ok(sums) => sums,
        Err(why) => {
            examination.find(SUMS_FILE, "the sums", "lines of `DIGEST  NAME`", why);
            examination.skip("the digests of the files", "the sums can't be read");
            return examination;
        }
    };
    let text = described.sums_bytes.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    if let Some((line, flaw)) = sums.flaw(&text) {
        let expected = "lines of `DIGEST  NAME`, in byte order of the names, each ended by LF";
        examination.find(SUMS_FILE, format!("{SUMS_FILE}:{line}: {flaw}"), expected, flaw);
    }
    for name in sums.names() {
        let (expected, found) = (sums.get(name), digests.get(name));
        if expected.as_ref() == found {
            continue;
        }
        let expected = expected.map(|digest| digest.to_string()).unwrap_or_default();
        let absence = folder.absence(name).to_owned();
        let found = found.map_or(absence, ToString::to_string);
        examination.find(name, "its SHA-256, by SHA256SUMS", expected, found);
    }
    let listed: BTreeSet<&str> = sums.names().collect();
    if described.manifest.is_some() {
        let artifacts = described.artifacts().iter().map(|artifact| artifact.name.as_str());
        let described: BTreeSet<&str> = artifacts.chain([MANIFEST_FILE]).collect();
        for name in described.difference(&listed) {
            examination.find(SUMS_FILE, "the files it covers", format!("`{name}`"), "no sum of it");
        }
        for name in listed.difference(&described) {
            let expected = "files that the manifest lists";
            examination.find(SUMS_FILE, "the files it covers", expected, format!("`{name}`"));
        }
    }
    examination.detail = format!("{} files, {} bytes", listed.len(), folder.total());
    examination
}

/// The manifest is one, and says of its files what is true.
pub(super) fn manifest(described: &Described, folder: &Folder, digests: &Digests) -> Examination {
    let mut examination = Examination::new(Check::Manifest);
    let Some(manifest) = &described.manifest else {
        let expected = format!("a manifest of schema {SCHEMA}");
        examination.find(MANIFEST_FILE, "the manifest", expected, &described.malformed);
        return examination;
    };
    let architecture = manifest.image.architecture.as_str();
    examination.expect(MANIFEST_FILE, "architecture", ARCHITECTURE.name(), architecture);
    let format = manifest.root.format.as_str();
    if RootFormat::of_name(format).is_none() {
        examination.expect(MANIFEST_FILE, "root.format", RootFormat::Squashfs.name(), format);
    }
    let seed = manifest.image.seed.parse::<Seed>().map(|seed| seed.to_string());
    if seed.as_deref() != Ok(manifest.image.seed.as_str()) {
        let found = format!("`{}`", manifest.image.seed);
        examination.find(MANIFEST_FILE, "image.seed", "a UUID in lower case", found);
    }
    let bytes = described.manifest_bytes.as_deref().unwrap_or_default();
    form(&mut examination, MANIFEST_FILE, manifest, bytes);
    roles(&mut examination, manifest);
    for artifact in &manifest.artifacts {
        file(&mut examination, artifact, described, folder, digests);
    }
    machine_files(&mut examination, manifest);
    let (files, packages) = (manifest.artifacts.len(), manifest.packages.len());
    examination.detail = format!("schema {SCHEMA}, {files} files, {packages} packages");
    examination
}

/// A document is written as a build writes it: no space, no field twice, nothing behind its end.
pub(super) fn form(
    examination: &mut Examination,
    file: &str,
    value: &impl Serialize,
    found: &[u8],
) {
    match json(value) {
        Ok(written) => {
            let shared = written.iter().zip(found).position(|(written, found)| written != found);
            let shorter = (written.len() != found.len()).then(|| written.len().min(found.len()));
            if let Some(at) = shared.or(shorter) {
                let line = found.iter().take(at).filter(|&&byte| byte == b'\n').count() + 1;
                let what = format!("{file}:{line}: its form at byte {at:#x}");
                let expected = "the fields once and in order, as a build writes them";
                examination.find(file, what, expected, "the same in another form");
            }
        }
        Err(error) => examination.find(file, "its form", "one that can be written again", error),
    }
}

/// Each role has one file, named after the image.
fn roles(examination: &mut Examination, manifest: &Manifest) {
    let mut counts: BTreeMap<Role, usize> = REQUIRED.iter().map(|role| (*role, 0)).collect();
    let has_esp = manifest.partitions.iter().any(|partition| partition.name == "esp");
    counts.extend(has_esp.then_some((Role::Uki, 0)));
    for role in manifest.artifacts.iter().filter_map(|artifact| Role::of_name(&artifact.role)) {
        *counts.entry(role).or_default() += 1;
    }
    for (role, count) in counts.into_iter().filter(|(role, _)| !role.is_of_machine()) {
        let what = format!("artifacts of role `{role}`");
        // An image without ESP boots directly and has no UKI.
        let expected = usize::from(role != Role::Uki || has_esp);
        if count != expected {
            examination.find(MANIFEST_FILE, what, expected, count);
        }
    }
    let image = &manifest.image;
    let variant = image.variant.iter().map(|variant| format!("_{variant}"));
    let stem = format!("{}_{}{}", image.id, image.version, variant.collect::<String>());
    for artifact in &manifest.artifacts {
        let expected = match Role::of_name(&artifact.role) {
            Some(Role::ReferenceValues) => REFERENCE_FILE.to_owned(),
            role => match role.and_then(Role::suffix) {
                Some(suffix) => format!("{stem}.{suffix}"),
                None => continue,
            },
        };
        if artifact.name != expected {
            let what = format!("name of the artifact of role `{}`", artifact.role);
            examination.find(MANIFEST_FILE, what, expected, &artifact.name);
        }
    }
}

/// One file has the length and the digest of the manifest.
fn file(
    examination: &mut Examination,
    artifact: &Artifact,
    described: &Described,
    folder: &Folder,
    digests: &Digests,
) {
    let name = artifact.name.as_str();
    let Some(source) = folder.source(name) else {
        let expected = format!("{} bytes", artifact.size);
        examination.find(name, "its length, by the manifest", expected, folder.absence(name));
        return;
    };
    if source.len() != artifact.size {
        let (expected, found) = (artifact.size, source.len());
        let of = |len| format!("{len} bytes");
        examination.find(name, "its length, by the manifest", of(expected), of(found));
    }
    let summed = described.sums.as_ref().ok().and_then(|sums| sums.get(name));
    // Where both say the same, a file with another digest is a finding already.
    if summed == Some(artifact.sha256) {
        return;
    }
    let found = digests.get(name).copied().unwrap_or(Sha256([0; 32]));
    examination.expect(name, "its SHA-256, by the manifest", artifact.sha256, found);
    if let Some(summed) = summed {
        let what = format!("SHA-256 of `{name}`, by SHA256SUMS and the manifest");
        examination.find(MANIFEST_FILE, what, summed, artifact.sha256);
    }
}

/// The three places that name files of machines agree.
fn machine_files(examination: &mut Examination, manifest: &Manifest) {
    let artifacts = manifest.artifacts.iter();
    let artifacts = artifacts.filter(|it| Role::of_name(&it.role).is_some_and(Role::is_of_machine));
    let listed: Vec<_> = artifacts.map(|artifact| (&artifact.name, artifact.sha256)).collect();
    let records = manifest.inputs.machine_files.iter();
    let recorded: Vec<_> = records.map(|record| (&record.name, record.sha256)).collect();
    if listed != recorded {
        let shown = |files: &[(&String, Sha256)]| {
            let files = files.iter().map(|(name, digest)| format!("`{name}` {digest}"));
            let files = files.collect::<Vec<_>>().join(", ");
            if files.is_empty() { "none".to_owned() } else { files }
        };
        let what = "inputs.machine-files";
        examination.find(MANIFEST_FILE, what, shown(&listed), shown(&recorded));
    }
    let shown = |name: Option<&str>| name.map_or("none".to_owned(), |name| format!("`{name}`"));
    let listed = shown(manifest.file(Role::Firmware));
    examination.expect(MANIFEST_FILE, "firmware", listed, shown(manifest.firmware.as_deref()));
}

#[cfg(test)]
mod tests {
    use cvmkit_attest::output::MachineFileRecord;
    use serde_json::json;

    use super::*;
    use crate::describe::sample;

    fn artifact(name: &str, role: &str) -> Artifact {
        Artifact {
            name: name.into(),
            role: role.into(),
            media_type: "m".into(),
            size: 1,
            sha256: Sha256::of(name.as_bytes()),
        }
    }

    /// What is found, each with what was expected.
    fn found(examine: impl FnOnce(&mut Examination)) -> Vec<String> {
        let mut examination = Examination::new(Check::Manifest);
        examine(&mut examination);
        let (_, findings) = examination.finish();
        let words = |it: super::super::Finding| {
            assert_eq!(it.file, MANIFEST_FILE);
            format!("{}: {}, expected {}", it.what, it.found, it.expected)
        };
        findings.into_iter().map(words).collect()
    }

    /// The files of an image that boots directly.
    fn direct() -> Manifest {
        let mut manifest = sample::manifest();
        manifest.artifacts = [
            ("tiny_1.raw", "disk"),
            ("tiny_1.vmlinuz", "kernel"),
            ("tiny_1.initrd", "initrd"),
            ("tiny_1.cmdline", "command-line"),
            ("tiny_1.roothash", "root-hash"),
            ("reference-values.json", "reference-values"),
        ]
        .map(|(name, role)| artifact(name, role))
        .into();
        manifest
    }

    #[test]
    fn each_role_has_one_file_and_a_uki_is_that_of_an_esp() {
        let of = |change: &dyn Fn(&mut Manifest)| {
            let mut manifest = direct();
            change(&mut manifest);
            found(|examination| roles(examination, &manifest))
        };
        let esp = |manifest: &mut Manifest| {
            let mut esp = manifest.partitions[0].clone();
            esp.name = "esp".into();
            manifest.partitions.insert(0, esp);
        };
        let uki = |manifest: &mut Manifest| manifest.artifacts.push(artifact("tiny_1.efi", "uki"));
        assert_eq!(of(&|_| ()), [""; 0]);
        assert_eq!(
            of(&|it| {
                esp(it);
                uki(it)
            }),
            [""; 0]
        );
        assert_eq!(of(&esp), ["artifacts of role `uki`: 0, expected 1"]);
        assert_eq!(of(&uki), ["artifacts of role `uki`: 1, expected 0"]);
        for at in 0..6 {
            let role = direct().artifacts[at].role.clone();
            let gone = of(&|it| drop(it.artifacts.remove(at)));
            assert_eq!(gone, [format!("artifacts of role `{role}`: 0, expected 1")]);
            let twice = of(&|it| it.artifacts.push(it.artifacts[at].clone()));
            assert_eq!(twice, [format!("artifacts of role `{role}`: 2, expected 1")]);
        }
        // A machine has as many files as it has, and what has another role is not judged.
        let more = |it: &mut Manifest| {
            it.artifacts.extend(
                ["firmware", "firmware", "event-log", "other"].map(|role| artifact(role, role)),
            );
        };
        assert_eq!(of(&more), [""; 0]);
    }

    #[test]
    fn a_file_is_named_after_its_image() {
        let of = |change: &dyn Fn(&mut Manifest)| {
            let mut manifest = direct();
            change(&mut manifest);
            found(|examination| roles(examination, &manifest))
        };
        let name = "name of the artifact of role";
        assert_eq!(
            of(&|it| it.artifacts[1].name = "tiny_1.bzimage".into()),
            [format!("{name} `kernel`: tiny_1.bzimage, expected tiny_1.vmlinuz")]
        );
        assert_eq!(
            of(&|it| it.artifacts[5].name = "values.json".into()),
            [format!("{name} `reference-values`: values.json, expected reference-values.json")]
        );
        let variant = of(&|it| it.image.variant = Some("debug".into()));
        assert_eq!(variant.len(), 5, "all that are named after it: {variant:?}");
        assert_eq!(variant[0], format!("{name} `disk`: tiny_1.raw, expected tiny_1_debug.raw"));
        assert_eq!(of(&|it| it.image.version = "2".into()).len(), 5);
    }

    #[test]
    fn the_places_that_name_files_of_machines_agree() {
        let of = |artifacts: &[(&str, &str)], records: &[&str], firmware: Option<&str>| {
            let mut manifest = direct();
            let artifacts = artifacts.iter().map(|(name, role)| artifact(name, role));
            manifest.artifacts.extend(artifacts);
            manifest.inputs.machine_files = records
                .iter()
                .map(|name| MachineFileRecord {
                    name: (*name).to_owned(),
                    origin: "o".into(),
                    sha256: Sha256::of(name.as_bytes()),
                    local: None,
                })
                .collect();
            manifest.firmware = firmware.map(str::to_owned);
            found(|examination| machine_files(examination, &manifest))
        };
        let (code, vars) = (("f.fd", "firmware"), ("v.fd", "firmware-variables"));
        let shown = |name: &str| format!("`{name}` {}", Sha256::of(name.as_bytes()));
        assert_eq!(of(&[], &[], None), [""; 0]);
        assert_eq!(of(&[vars, code], &["v.fd", "f.fd"], Some("f.fd")), [""; 0]);
        assert_eq!(
            of(&[vars, code], &["f.fd", "v.fd"], Some("f.fd")),
            [format!(
                "inputs.machine-files: {}, {}, expected {}, {}",
                shown("f.fd"),
                shown("v.fd"),
                shown("v.fd"),
                shown("f.fd")
            )]
        );
        assert_eq!(
            of(&[code], &[], Some("f.fd")),
            [format!("inputs.machine-files: none, expected {}", shown("f.fd"))]
        );
        assert_eq!(
            of(&[vars], &["v.fd"], Some("v.fd")),
            ["firmware: `v.fd`, expected none"],
            "variables are not firmware"
        );
        assert_eq!(of(&[code], &["f.fd"], None), ["firmware: none, expected `f.fd`"]);
    }

    /// A field twice, another order, a space, or more behind the end: the line and the byte are named.
    #[test]
    fn a_document_has_one_form() {
        let value = json!({ "a": 1, "b": 2 });
        let written = json(&value).unwrap();
        let of = |bytes: &[u8]| found(|it| form(it, MANIFEST_FILE, &value, bytes));
        assert_eq!(of(&written), [""; 0]);
        let at = |line: usize, byte: usize| {
            [format!(
                "manifest.json:{line}: its form at byte {byte:#x}: the same in another form, expected the \
                 fields once and in order, as a build writes them"
            )]
        };
        assert_eq!(of(b"{\"a\":1,\"b\":2}"), at(1, 1));
        assert_eq!(of(b"{\n  \"a\":  1,\n  \"b\": 2\n}\n"), at(2, 9));
        assert_eq!(
            of(&written[..written.len() - 1]),
            at(4, written.len() - 1),
            "its end is missing"
        );
        assert_eq!(of(&[&written[..], b" "].concat()), at(5, written.len()), "behind its end");
        assert_eq!(of(b""), at(1, 0));
    }
}
