//! A manifest that tests are made of.

use cvmkit_attest::output::{
    Artifact, ImageRecord, InputsRecord, Manifest, PartitionRecord, PartsRecord, Role, RootRecord,
    SCHEMA,
};
use cvmkit_formats::digest::Sha256;
use cvmkit_host::timestamp::Timestamp;

/// What describes an image with a disk and nothing on it.
pub(crate) fn manifest() -> Manifest {
    let digest = |of: &str| Sha256::of(of.as_bytes());
    let root_hash = "0a".repeat(32);
    let partition = |name: &str, offset: u64, size: u64| PartitionRecord {
        name: name.into(),
        type_guid: "t".into(),
        uuid: "u".into(),
        offset,
        size,
    };
    Manifest {
        schema: SCHEMA,
        cvmkit: "1.0".into(),
        image: ImageRecord {
            id: "tiny".into(),
            version: "1".into(),
            variant: None,
            debug: false,
            architecture: "x86-64".into(),
            command_line: format!(
                "roothash={root_hash} efi=noruntime systemd.import_credentials=no --"
            ),
            seed: "0e9a6fe0-68f6-408c-bbeb-136054d20445".into(),
            timestamp: Timestamp(7),
        },
        inputs: inputs(),
        firmware: None,
        root: RootRecord {
            format: "squashfs".into(),
            root_hash,
            salt: String::new(),
            uuid: "0e9a6fe0-68f6-408c-bbeb-136054d20445".into(),
            algorithm: "sha256".into(),
            data_block_size: 4096,
            hash_block_size: 4096,
            notices: Vec::new(),
        },
        partitions: vec![
            partition("root", 1 << 20, 8192),
            partition("root-verity", 2 << 20, 12_288),
        ],
        artifacts: vec![Artifact {
            name: "tiny_1.raw".into(),
            role: Role::Disk.name().into(),
            media_type: Role::Disk.media_type().into(),
            size: 0,
            sha256: digest(""),
        }],
        packages: Vec::new(),
    }
}

fn inputs() -> InputsRecord {
    let digest = |of: &str| Sha256::of(of.as_bytes());
    InputsRecord {
        definition: digest("definition"),
        lock: digest("lock"),
        stage1: digest("stage 1"),
        uki_stub: None,
        local_stub: None,
        parts: PartsRecord {
            root: digest("root"),
            kernel: digest("kernel"),
            initrd: digest("initrd"),
            stub: digest("stub"),
            os_release: digest("os-release"),
        },
        machine_files: Vec::new(),
    }
}
