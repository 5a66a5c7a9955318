//! An image of a few files, made of invented inputs with the engine's own writers, and described by
//! hand.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use cvmkit_attest::output::{
    Artifact, ImageRecord, InputsRecord, MachineFileRecord, Manifest, PackageRecord,
    PartitionRecord, PartsRecord, Role, RootRecord,
};
use cvmkit_attest::profile::{self, Boot, Features, Profile, Technology};
use cvmkit_attest::values::{ReferenceValue, ReferenceValues};
use cvmkit_engine::content::Content;
use cvmkit_engine::definition::{Definition, Project};
use cvmkit_engine::image::{self, Image, InitrdParts, Parts, RootExtent};
use cvmkit_engine::kernel::Module;
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::gpt::Guid;
use cvmkit_formats::pe;
use cvmkit_formats::tree::{Inode, Meta, Tree};
use cvmkit_formats::verity;
use cvmkit_host::files::Staging;
use cvmkit_host::timestamp::Timestamp;
use cvmkit_measure::claim::{Evidence, EvidenceCode, Word};
use cvmkit_measure::firmware::Firmware;
use cvmkit_measure::kernel_hashes::KernelHashes;
use cvmkit_measure::snp::{self, Guest, GuestFeatures, Vmm};

use crate::ovmf_image::OvmfImage;

pub(crate) const STAGE1: &[u8] = b"\x7fELF stage 1";
const OS_RELEASE: &str = "ID=debian\nIMAGE_ID=\"tiny\"\nIMAGE_VERSION=\"1\"\n";
pub(crate) const RELEASE: &str = "6.12.1-tiny";

/// Name, version and architecture of what the image says it is made of.
const PACKAGES: [(&str, &str, &str); 2] = [("noise", "1.2-3", "amd64"), ("words", "7", "all")];

/// A stanza of dpkg's `status`.
fn stanza((name, version, architecture): (&str, &str, &str)) -> String {
    format!(
        "Package: {name}\nStatus: install ok installed\nArchitecture: {architecture}\n\
         Version: {version}\nDescription: of no use\n of any kind\n\n"
    )
}

fn package((name, version, architecture): (&str, &str, &str)) -> PackageRecord {
    PackageRecord {
        name: name.into(),
        version: version.into(),
        architecture: architecture.into(),
        sha256: Sha256::of(name.as_bytes()),
        local: None,
    }
}

/// The time of everything in the image.
pub(crate) const TIMESTAMP: Timestamp = Timestamp(1_700_000_000);

/// A change of bytes.
type Change = Box<dyn Fn(&mut Vec<u8>)>;

/// What is not as a build makes it.
#[derive(Default)]
pub(crate) struct Alteration {
    /// Another initramfs.
    pub(crate) initrd: Option<Vec<u8>>,
    /// Changes the bytes of the root file system.
    pub(crate) root: Option<Change>,
    /// Changes what is in the root file system.
    pub(crate) tree: Option<fn(&mut Tree<Content>)>,
    /// Another release that the UKI says of its kernel.
    pub(crate) release: Option<&'static str>,
}

/// How the image boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Disk,
    Direct,
}

/// An image in a folder that goes with the test.
pub(crate) struct Tiny {
    /// Goes when the value is dropped.
    _folder: tempfile::TempDir,
    out: PathBuf,
    whole: BTreeMap<String, Vec<u8>>,
}

impl Tiny {
    pub(crate) fn new(kind: Kind) -> Self {
        Self::altered(kind, &Alteration::default())
    }

    /// An image of other parts, described as it is.
    pub(crate) fn altered(kind: Kind, alteration: &Alteration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let definition = definition(kind);
        let out = folder.path().join("out");
        let staging = Staging::new(&out).unwrap();
        let image = write(&definition, alteration, &staging);
        let names: Vec<String> = image.files.iter().map(|file| file.name.clone()).collect();
        staging.publish(&names, &[]).unwrap();
        let mut tiny = Self { _folder: folder, out, whole: BTreeMap::new() };
        tiny.put("OVMF.fd", &OvmfImage::default().bytes());
        tiny.put("reference-values.json", &json(&tiny.values()));
        tiny.put("manifest.json", &json(&tiny.description(&definition, &image)));
        tiny.seal_sums();
        for name in tiny.names() {
            tiny.whole.insert(name.clone(), tiny.get(&name));
        }
        tiny
    }

    pub(crate) fn path(&self) -> &Path {
        &self.out
    }

    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path().join(name), bytes).unwrap();
    }

    pub(crate) fn len(&self, name: &str) -> u64 {
        fs::metadata(self.path().join(name)).unwrap().len()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn manifest(&self) -> Manifest {
        Manifest::read(self.path()).unwrap()
    }

    /// Changes the lowest bit of one byte, or changes it back.
    pub(crate) fn flip(&self, name: &str, at: u64) {
        let path = self.path().join(name);
        let file = fs::File::options().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        byte[0] ^= 1;
        file.write_all_at(&byte, at).unwrap();
    }

    /// Everything as it was.
    pub(crate) fn restore(&self) {
        for (name, bytes) in &self.whole {
            if self.get(name) != *bytes {
                self.put(name, bytes);
            }
        }
    }

    /// Changes what the manifest says, in its form, with the sums of that.
    pub(crate) fn describe(&self, change: impl FnOnce(&mut Manifest)) {
        let mut manifest = self.manifest();
        change(&mut manifest);
        self.put("manifest.json", &json(&manifest));
        self.seal_sums();
    }

    /// Writes manifest and sums for the files as they are.
    pub(crate) fn seal(&self) {
        if let Ok(mut manifest) = Manifest::read(self.path()) {
            for artifact in &mut manifest.artifacts {
                let bytes = self.get(&artifact.name);
                artifact.sha256 = Sha256::of(&bytes);
                artifact.size = bytes.len() as u64;
            }
            for firmware in &mut manifest.inputs.machine_files {
                firmware.sha256 = Sha256::of(&self.get("OVMF.fd"));
            }
            self.put("manifest.json", &json(&manifest));
        }
        self.seal_sums();
    }

    /// Writes the sums of the files as they are.
    pub(crate) fn seal_sums(&self) {
        let names = self.names().into_iter().filter(|name| name != "SHA256SUMS");
        let line = |name: String| format!("{}  {name}\n", Sha256::of(&self.get(&name)));
        let text: String = names.map(line).collect();
        self.put("SHA256SUMS", text.as_bytes());
    }

    /// Where these bytes start in the disk; the first sector tells them apart.
    pub(crate) fn find_in_disk(&self, bytes: &[u8]) -> u64 {
        let disk = self.get("tiny_1.raw");
        let at = disk.chunks(512).position(|sector| sector == &bytes[..512]).unwrap();
        at as u64 * 512
    }

    /// Where the used part of the hash partition ends: data of one level of hash blocks.
    pub(crate) fn end_of_hashes(&self) -> u64 {
        let hashes = self.manifest().partitions.pop().unwrap();
        hashes.offset + hashes.size
    }

    /// Where the first launch digest is in the reference values.
    pub(crate) fn digest_at(&self) -> u64 {
        let text = String::from_utf8(self.get("reference-values.json")).unwrap();
        text.find("\"launch-digest\": \"").unwrap() as u64 + 20
    }

    fn values(&self) -> ReferenceValues {
        let firmware = self.get("OVMF.fd");
        let (kernel, initrd) = (self.get("tiny_1.vmlinuz"), self.get("tiny_1.initrd"));
        let line = self.get("tiny_1.cmdline");
        let hashes = KernelHashes::from_bytes(&kernel, Some(&initrd), &line).unwrap();
        let vcpu = snp::VCPU_TYPES.iter().find(|known| known.name == "EPYC-v4").unwrap();
        let guest = Guest {
            features: GuestFeatures(1),
            kernel: Some(hashes),
            ..Guest::new(Vmm::Qemu { vcpu: vcpu.signature() })
        };
        let digests = snp::digests(&Firmware::parse(&firmware).unwrap(), &guest, &[1, 2]).unwrap();
        let value = |(vcpus, digest): (u32, snp::LaunchDigest)| ReferenceValue {
            profile: "qemu-snp".into(),
            profile_version: 1,
            platform: Technology::SevSnp,
            vmm: profile::Vmm::Qemu,
            vmm_version: None,
            boot: Boot::Direct,
            vcpus: Some(vcpus),
            vcpu_type: Some("EPYC-v4".into()),
            guest_features: Some(Features(1)),
            memory: None,
            firmware: Some("OVMF.fd".into()),
            variables: None,
            pinned: None,
            firmware_behaviour: None,
            firmware_layout: None,
            disk: None,
            launch_digest: Some(digest.to_string()),
            registers: BTreeMap::new(),
            secure_execution: None,
            conditions: BTreeMap::new(),
            disk_bus: None,
            firmware_by: None,
            compared_with: vec![Evidence::with(
                EvidenceCode::Oracle,
                [Word::of("sev-snp-measure-0.0.13")],
            )],
            not_predicted: BTreeMap::new(),
        };
        let profile = Profile {
            vcpus: vec![1, 2],
            firmware: Some("OVMF.fd".into()),
            ..Profile::built_in("qemu-snp").unwrap()
        };
        let values = digests.into_iter().map(value).collect();
        ReferenceValues { schema: 3, debug: false, profiles: vec![profile], values }
    }

    fn stub_digest(&self, image: &Image) -> Option<Sha256> {
        let uki = image.files.iter().find(|file| file.role == Role::Uki)?;
        let appended = [".linux", ".osrel", ".cmdline", ".initrd", ".uname"];
        let stub = pe::uki::stub_within(&self.get(&uki.name), &appended, 1 << 20).unwrap();
        Some(Sha256::of(&stub))
    }

    fn description(&self, definition: &Definition, image: &Image) -> Manifest {
        let files = image.files.iter().map(|file| (file.name.as_str(), file.role.name()));
        let beside = [("OVMF.fd", "firmware"), ("reference-values.json", "reference-values")];
        let artifact = |(name, role): (&str, &str)| Artifact {
            name: name.into(),
            role: role.into(),
            media_type: "application/octet-stream".into(),
            size: self.len(name),
            sha256: Sha256::of(&self.get(name)),
        };
        let sha256 = Sha256::of(&self.get("OVMF.fd"));
        let partition = |partition: &image::Partition| PartitionRecord {
            name: partition.name.clone(),
            type_guid: partition.type_guid.to_string(),
            uuid: partition.unique_guid.to_string(),
            offset: partition.offset,
            size: partition.len,
        };
        Manifest {
            schema: 3,
            cvmkit: "0.1.0".into(),
            image: ImageRecord {
                id: "tiny".into(),
                version: "1".into(),
                variant: None,
                debug: false,
                architecture: "x86-64".into(),
                command_line: image.command_line.clone(),
                seed: definition.seed.to_string(),
                timestamp: TIMESTAMP,
            },
            inputs: InputsRecord {
                definition: Sha256::of(b"definition"),
                lock: Sha256::of(b"lock"),
                stage1: Sha256::of(STAGE1),
                uki_stub: self.stub_digest(image),
                local_stub: None,
                parts: PartsRecord {
                    root: Sha256::of(b"root"),
                    kernel: Sha256::of(b"kernel"),
                    initrd: Sha256::of(b"initrd"),
                    stub: Sha256::of(b"stub"),
                    os_release: Sha256::of(b"os-release"),
                },
                machine_files: vec![MachineFileRecord {
                    name: "OVMF.fd".into(),
                    origin: "invented".into(),
                    sha256,
                    local: None,
                }],
            },
            firmware: Some("OVMF.fd".into()),
            root: RootRecord {
                format: "squashfs".into(),
                root_hash: image.root_hash.to_string(),
                salt: hex::encode(&definition.verity.salt),
                uuid: Guid::from_text_order(definition.verity.uuid).to_string(),
                algorithm: "sha256".into(),
                data_block_size: definition.verity.data_block_size,
                hash_block_size: definition.verity.hash_block_size,
                notices: Vec::new(),
            },
            partitions: image.partitions.iter().map(partition).collect(),
            artifacts: files.chain(beside).map(artifact).collect(),
            packages: PACKAGES.map(package).into(),
        }
    }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).unwrap();
    text.push(b'\n');
    text
}

fn definition(kind: Kind) -> Definition {
    let folder = tempfile::tempdir().unwrap();
    let boot = match kind {
        Kind::Disk => "disk",
        Kind::Direct => "direct",
    };
    let text = format!(
        "id = \"tiny\"\nversion = \"1\"\narchitecture = \"x86-64\"\n\
         seed = \"545dd802-c436-485d-9020-bca0403a1c61\"\n\
         [[sources]]\nsuites = [\"trixie\"]\n\
         [kernel]\ncommand-line = [\"quiet\"]\n[boot]\nkind = \"{boot}\"\n"
    );
    fs::write(folder.path().join("image.toml"), text).unwrap();
    Project::open(folder.path()).unwrap().definition(None).unwrap()
}

/// The initramfs of an image that boots from its disk.
pub(crate) fn initrd() -> Vec<u8> {
    initrd_of(&definition(Kind::Disk))
}

fn initrd_of(definition: &Definition) -> Vec<u8> {
    let path = format!("/usr/lib/modules/{RELEASE}/kernel/a.ko");
    let module = Module { name: "a".into(), path, contents: noise(3000) };
    let initrd = image::initrd(&InitrdParts {
        stage1: STAGE1,
        modules: &[module],
        built_for: &image::built_for(definition),
        timestamp: TIMESTAMP,
    });
    initrd.unwrap()
}

fn tree() -> Tree<Content> {
    let folder = Meta::root(0o755, TIMESTAMP.0);
    let mut tree = Tree::new(folder.clone());
    tree.make_directories(b"usr/lib", &folder).unwrap();
    tree.make_directories(b"etc", &folder).unwrap();
    let file = |content: Content| Inode::file(Meta::root(0o644, TIMESTAMP.0), content);
    tree.put(b"usr/lib/os-release", file(Content::from(OS_RELEASE))).unwrap();
    tree.put(b"usr/lib/noise", file(Content::from(noise(700_000)))).unwrap();
    tree.make_directories(b"var/lib/dpkg", &folder).unwrap();
    let status: String = PACKAGES.map(stanza).concat();
    tree.put(b"var/lib/dpkg/status", file(Content::from(status.as_str()))).unwrap();
    let target = Inode::symlink("../usr/lib/os-release", TIMESTAMP.0);
    tree.put(b"etc/os-release", target).unwrap();
    tree
}

fn write(definition: &Definition, alteration: &Alteration, staging: &Staging) -> Image {
    let initrd = alteration.initrd.clone().unwrap_or_else(|| initrd_of(definition));
    let mut tree = tree();
    alteration.tree.into_iter().for_each(|alter| alter(&mut tree));
    let parts = Parts {
        definition,
        tree: &tree,
        kernel: &kernel(),
        kernel_release: alteration.release.unwrap_or(RELEASE),
        initrd: &initrd,
        stub: &pe(),
        os_release: OS_RELEASE.as_bytes(),
        timestamp: TIMESTAMP,
    };
    let image = image::write(&parts, staging).unwrap();
    let Some(alter) = &alteration.root else { return image };
    // The root file system changes; all that follows from it is made anew.
    let [root, hashes] = [1, 2].map(|at| image.partitions[at].clone());
    let disk = fs::read(staging.path("tiny_1.raw")).unwrap();
    let at = |offset: u64| usize::try_from(offset).unwrap();
    let mut bytes = disk[at(root.offset)..at(root.offset + root.len)].to_vec();
    alter(&mut bytes);
    let verity = &definition.verity;
    let options = verity::Options::new(verity.salt.clone(), verity.uuid);
    let mut tree = Vec::new();
    let plan = verity::Plan::new(root.len, &options).unwrap();
    let root_hash = plan.write(&bytes, &mut tree).unwrap();
    let extent = RootExtent { len: root.len, hashes_len: hashes.len, root_hash };
    let image = image::write_outline(&parts, extent, staging).unwrap();
    let disk = fs::File::options().write(true).open(staging.path("tiny_1.raw")).unwrap();
    disk.write_all_at(&bytes, root.offset).unwrap();
    disk.write_all_at(&tree, hashes.offset).unwrap();
    image
}

/// A PE image that says its version where a bzImage does.
fn kernel() -> Vec<u8> {
    let mut image = pe();
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x20e..0x210].copy_from_slice(&0x0600u16.to_le_bytes());
    let text = format!("{RELEASE} (somebody@somewhere)\0");
    image[0x800..0x800 + text.len()].copy_from_slice(text.as_bytes());
    image
}

/// A PE32+ image of one section (Microsoft "PE Format").
fn pe() -> Vec<u8> {
    let mut image = vec![0; 0x600];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x3c, &0x40u32.to_le_bytes());
    put(0x40, b"PE\0\0");
    put(0x44, &0x8664u16.to_le_bytes()); // Machine
    put(0x46, &1u16.to_le_bytes()); // NumberOfSections
    put(0x54, &240u16.to_le_bytes()); // SizeOfOptionalHeader
    put(0x56, &0x0226u16.to_le_bytes()); // Characteristics
    let optional = 0x58;
    put(optional, &0x20bu16.to_le_bytes()); // Magic
    put(optional + 16, &0x1000u32.to_le_bytes()); // AddressOfEntryPoint
    put(optional + 24, &0x1_4000_0000u64.to_le_bytes()); // ImageBase
    put(optional + 32, &0x1000u32.to_le_bytes()); // SectionAlignment
    put(optional + 36, &0x200u32.to_le_bytes()); // FileAlignment
    put(optional + 56, &0x3000u32.to_le_bytes()); // SizeOfImage
    put(optional + 60, &0x600u32.to_le_bytes()); // SizeOfHeaders
    put(optional + 68, &10u16.to_le_bytes()); // Subsystem: EFI application
    put(optional + 108, &16u32.to_le_bytes()); // NumberOfRvaAndSizes
    let section = optional + 240;
    put(section, b".text");
    put(section + 8, &0x2000u32.to_le_bytes()); // VirtualSize
    put(section + 12, &0x1000u32.to_le_bytes()); // VirtualAddress
    put(section + 16, &0x2000u32.to_le_bytes()); // SizeOfRawData
    put(section + 20, &0x600u32.to_le_bytes()); // PointerToRawData
    put(section + 36, &0x6000_0020u32.to_le_bytes()); // Characteristics
    image.extend(noise(0x2000));
    image
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 7u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}
