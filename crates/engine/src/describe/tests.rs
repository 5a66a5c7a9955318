//! What describes an image is of the files as they were written.

use cvmkit_attest::values::SCHEMA;
use cvmkit_formats::verity::RootHash;
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::files::Published;

use super::*;
use crate::build::sample::Bench;
use crate::definition::sample as definitions;
use crate::image::{ImageFile, Partition};
use crate::lock::LockedPackage;
use crate::lock::sample::{lock, package};

fn values() -> ReferenceValues {
    ReferenceValues { schema: SCHEMA, debug: false, profiles: Vec::new(), values: Vec::new() }
}

fn machine_file(name: &str, role: Role) -> MachineFile {
    let origin = format!("origin of {name}");
    let local = (role == Role::Firmware).then(|| "debs/f.deb".to_owned());
    MachineFile { name: name.into(), role, bytes: name.as_bytes().to_vec(), origin, local }
}

/// An image of two files, which are not what they are called.
fn image() -> Image {
    let partition = |name: &str, byte: u8| Partition {
        name: name.into(),
        type_guid: Guid::from_text_order([byte; 16]),
        unique_guid: Guid::from_text_order([byte + 1; 16]),
        offset: 1 << 20,
        len: 4096,
    };
    let file = |name: &str, role| ImageFile { name: name.into(), role };
    Image {
        root_hash: RootHash::new(vec![0xab; 32]),
        command_line: "roothash=ab quiet".into(),
        partitions: vec![partition("root", 1), partition("root-verity", 3)],
        files: vec![file("tiny_1.raw", Role::Disk), file("tiny_1.cmdline", Role::CommandLine)],
    }
}

/// Describes the image in a folder, and answers what it holds then.
fn described(bench: &Bench, files: &[MachineFile], out: &Path) -> Described {
    let (inputs, image) = (bench.inputs(), image());
    let staging = Staging::new(out).unwrap();
    for file in &image.files {
        image::stage(&staging, &file.name, file.name.as_bytes()).unwrap();
    }
    for file in files {
        image::stage(&staging, &file.name, &file.bytes).unwrap();
    }
    let description = Description {
        definition: &bench.definition,
        lock: &bench.lock,
        image: &image,
        parts: inputs.parts(b"stage 1", b""),
        machine_files: files,
        local_stub: Some("debs/s.deb".into()),
        timestamp: inputs.timestamp,
        version: "9.8",
        definition_digest: inputs.definition_digest(),
        lock_digest: inputs.lock_digest(),
        stage1: Sha256::of(b"stage 1"),
        notices: &[],
    };
    let described = write(&description, &values(), &staging).unwrap();
    assert_eq!(staging.publish(&described.files, &[]).unwrap(), Published::AtOnce);
    described
}

#[test]
fn what_was_written_is_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let other = LockedPackage { roles: vec!["root:v".into()], ..package("q") };
    let stub = LockedPackage { roles: vec!["stub".into()], ..package("s") };
    let text = definitions::text("", "[verity]\nsalt = \"00ff\"\ndata-block-size = 1024");
    let bench = Bench::of(&text, &[], None, lock(vec![package("p"), other, stub]));
    let files = [
        machine_file("v.fd", Role::FirmwareVariables),
        machine_file("one.fd", Role::Firmware),
        machine_file("two.fd", Role::Firmware),
    ];
    let Described { manifest, sums, identity, files: staged } = described(&bench, &files, &out);
    assert_eq!(Manifest::read(&out).unwrap(), manifest);
    assert_eq!(ReferenceValues::read(&out.join(REFERENCE_FILE)).unwrap(), values());
    let text = files::read_text(&out.join(SUMS_FILE)).unwrap();
    assert_eq!((sums.to_string(), identity), (text.clone(), Sha256::of(text.as_bytes())));
    assert_eq!(Sums::parse(&text).unwrap().mismatches(&out).unwrap().len(), 0);

    let listed: Vec<_> = manifest
        .artifacts
        .iter()
        .map(|of| (of.name.as_str(), of.role.as_str(), of.media_type.as_str()))
        .collect();
    let bytes = "application/octet-stream";
    assert_eq!(
        listed,
        [
            ("tiny_1.raw", "disk", "application/vnd.efi.img"),
            ("tiny_1.cmdline", "command-line", "text/plain"),
            ("v.fd", "firmware-variables", bytes),
            ("one.fd", "firmware", bytes),
            ("two.fd", "firmware", bytes),
            ("reference-values.json", "reference-values", "application/json"),
        ]
    );
    for artifact in &manifest.artifacts {
        let bytes = files::read(&out.join(&artifact.name)).unwrap();
        assert_eq!((artifact.size, artifact.sha256), (bytes.len() as u64, Sha256::of(&bytes)));
    }
    // Every file has a sum but the sums themselves, which are staged last.
    let mut names: Vec<&str> = manifest.artifacts.iter().map(|of| of.name.as_str()).collect();
    names.push(MANIFEST_FILE);
    names.sort_unstable();
    assert_eq!(sums.names().collect::<Vec<_>>(), names);
    assert_eq!(staged.split_last().unwrap().1, names);
    assert_eq!(staged.last().unwrap(), SUMS_FILE);
}

#[test]
fn a_manifest_says_what_the_image_is_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let other = LockedPackage { roles: vec!["root:v".into()], ..package("q") };
    let text = definitions::text("", "[verity]\nsalt = \"00ff\"\ndata-block-size = 1024");
    let bench = Bench::of(&text, &[], None, lock(vec![package("p"), other]));
    let files =
        [machine_file("v.fd", Role::FirmwareVariables), machine_file("f.fd", Role::Firmware)];
    let manifest = described(&bench, &files, &folder.path().join("out")).manifest;
    assert_eq!((manifest.schema, manifest.cvmkit.as_str()), (output::SCHEMA, "9.8"));
    let image = &manifest.image;
    assert_eq!(
        (image.id.as_str(), image.version.as_str(), image.variant.as_deref()),
        ("tiny", "1", None)
    );
    assert_eq!((image.debug, image.architecture.as_str()), (false, "x86-64"));
    assert_eq!(image.command_line, "roothash=ab quiet");
    assert_eq!(image.seed, "0e9a6fe0-68f6-408c-bbeb-136054d20445");
    assert_eq!(image.timestamp, Timestamp(7));
    let inputs = &manifest.inputs;
    assert_eq!(inputs.definition, bench.project.checksum_of(None));
    assert_eq!(inputs.lock, bench.lock.lock.part(None, &[]));
    assert_eq!((inputs.stage1, inputs.uki_stub), (Sha256::of(b"stage 1"), None));
    let recorded: Vec<_> = inputs
        .machine_files
        .iter()
        .map(|of| (of.name.as_str(), of.origin.as_str(), of.sha256, of.local.as_deref()))
        .collect();
    assert_eq!(
        recorded,
        [
            ("v.fd", "origin of v.fd", Sha256::of(b"v.fd"), None),
            ("f.fd", "origin of f.fd", Sha256::of(b"f.fd"), Some("debs/f.deb")),
        ]
    );
    assert_eq!(inputs.local_stub.as_deref(), Some("debs/s.deb"));
    assert_eq!(manifest.firmware.as_deref(), Some("f.fd"), "the first that is firmware");
    let root = &manifest.root;
    assert_eq!((root.format.as_str(), root.algorithm.as_str()), ("squashfs", "sha256"));
    assert_eq!((root.root_hash.as_str(), root.salt.as_str()), ("ab".repeat(32).as_str(), "00ff"));
    assert_eq!((root.data_block_size, root.hash_block_size), (1024, 4096));
    let uuid = Guid::from_text_order(bench.definition.verity.uuid).to_string();
    assert_eq!(root.uuid, uuid);
    let [first, second] = &manifest.partitions[..] else { panic!("{:?}", manifest.partitions) };
    assert_eq!((first.name.as_str(), second.name.as_str()), ("root", "root-verity"));
    assert_eq!(first.type_guid, "01010101-0101-0101-0101-010101010101");
    assert_eq!(first.uuid, "02020202-0202-0202-0202-020202020202");
    assert_eq!((first.offset, first.size), (1 << 20, 4096));
    // Of this image alone: the variant's package is not in it.
    let packages: Vec<_> = manifest.packages.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(packages, ["p"]);
    let [PackageRecord { version, architecture, sha256, .. }] = &manifest.packages[..] else {
        panic!("{packages:?}")
    };
    assert_eq!((version.as_str(), architecture.as_str(), *sha256), ("1", "all", Sha256::of(b"p")));
}

#[test]
fn a_variant_is_named_and_an_image_without_machines_has_no_firmware() {
    let folder = tempfile::tempdir().unwrap();
    let roles = vec!["root:d".to_owned()];
    let text = definitions::text("", "[variant.d]\ndebug = true");
    let bench =
        Bench::of(&text, &[], Some("d"), lock(vec![LockedPackage { roles, ..package("p") }]));
    let manifest = described(&bench, &[], &folder.path().join("out")).manifest;
    assert_eq!((manifest.image.variant.as_deref(), manifest.image.debug), (Some("d"), true));
    assert_eq!((manifest.firmware, manifest.inputs.machine_files), (None, Vec::new()));
    assert_eq!(manifest.packages.len(), 1);
}

#[test]
fn an_image_that_is_not_there_is_the_host_s_fault() {
    let folder = tempfile::tempdir().unwrap();
    let staging = Staging::new(&folder.path().join("out")).unwrap();
    let error = artifact(&staging, "none", Role::Disk).unwrap_err();
    let DescribeError::File(inner) = &error else { panic!("{error:?}") };
    assert_eq!((error.fault(), error.hint()), (inner.fault(), inner.hint()));
    image::stage(&staging, "x.efi", b"no PE image").unwrap();
    let error = stub_of(&staging.path("x.efi")).unwrap_err();
    let DescribeError::Image(inner) = &error else { panic!("{error:?}") };
    assert_eq!((error.fault(), error.hint()), (inner.fault(), inner.hint()));
}

/// The one form of a document, and the longest that its readers take.
#[test]
fn a_document_is_indented_and_no_longer_than_it_is_read() {
    let value = serde_json::json!({ "a": [1], "b": "x" });
    assert_eq!(json(&value).unwrap(), b"{\n  \"a\": [\n    1\n  ],\n  \"b\": \"x\"\n}\n");
    let longest = usize::try_from(DESCRIPTION_MAX).unwrap();
    let of = |len: usize| json(&"x".repeat(len - "\"\"\n".len()));
    assert_eq!(of(longest).unwrap().len(), longest);
    let error = of(longest + 1).unwrap_err();
    assert!(matches!(error, DescribeError::TooLong { found } if found == longest + 1), "{error:?}");
    assert_eq!(error.fault(), Fault::Definition);
    assert!(error.hint().unwrap().contains("fewer vCPU counts"));
    let unserialisable = json(&std::collections::BTreeMap::from([((1, 2), 3)])).unwrap_err();
    assert!(matches!(unserialisable, DescribeError::Unserialisable(_)));
    assert_eq!((unserialisable.fault(), unserialisable.hint()), (Fault::Bug, None));
}
