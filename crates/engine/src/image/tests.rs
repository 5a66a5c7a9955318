//! Images of a few files, written here and read back by the decoders of their formats.
#![expect(clippy::disallowed_methods, reason = "the test reads what was staged")]

use std::fs;

use cvmkit_formats::architecture::Architecture;
use cvmkit_formats::compression::{Compression, decompress};
use cvmkit_formats::gpt::{self, Guid};
use cvmkit_formats::pe::Headers;
use cvmkit_formats::source::{Window, read_all};
use cvmkit_formats::tree::{Inode, Meta, Node, Tree};
use cvmkit_formats::{cpio, fat, verity};
use cvmkit_host::fault::{Diagnosis, Fault};
use cvmkit_host::timestamp::Timestamp;

use super::disk::Lengths;
use super::*;
use crate::content::Content;
use crate::definition::{Definition, Project, Seed};
use crate::kernel::Module;

const TIMESTAMP: Timestamp = Timestamp(1_700_000_000);
const RELEASE: &str = "6.12.1-tiny";
const SEED: [u8; 16] = [7; 16];
const MIB: u64 = 1 << 20;

fn definition(more: &str) -> Definition {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "id = \"tiny\"\nversion = \"1\"\narchitecture = \"x86-64\"\n\
         seed = \"07070707-0707-0707-0707-070707070707\"\n[[sources]]\nsuites = [\"trixie\"]\n\
         [kernel]\ncommand-line = [\"quiet\", \"x=y\"]\n{more}\n"
    );
    fs::write(folder.path().join("image.toml"), text).unwrap();
    Project::open(folder.path()).unwrap().definition(None).unwrap()
}

/// The words that every production image has, and those of the definition.
const WORDS: &str = "efi=noruntime systemd.import_credentials=no quiet x=y";

const DISK: &str = "[boot]\nkind = \"disk\"";
const DIRECT: &str = "[boot]\nkind = \"direct\"";

fn tree() -> Tree<Content> {
    let folder = Meta::root(0o755, TIMESTAMP.0);
    let mut tree = Tree::new(folder.clone());
    tree.make_directories(b"etc", &folder).unwrap();
    let file = Inode::file(Meta::root(0o644, TIMESTAMP.0), Content::from("root file system"));
    tree.put(b"etc/text", file).unwrap();
    tree
}

/// A PE32+ image of one section (Microsoft "PE Format"), as a stub and as a kernel.
fn pe() -> Vec<u8> {
    let mut image = vec![0; 0x600];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x3c, &0x40_u32.to_le_bytes());
    put(0x40, b"PE\0\0");
    put(0x44, &0x8664_u16.to_le_bytes()); // Machine
    put(0x46, &1_u16.to_le_bytes()); // NumberOfSections
    put(0x54, &240_u16.to_le_bytes()); // SizeOfOptionalHeader
    put(0x56, &0x0226_u16.to_le_bytes()); // Characteristics
    let optional = 0x58;
    put(optional, &0x20b_u16.to_le_bytes()); // Magic
    put(optional + 16, &0x1000_u32.to_le_bytes()); // AddressOfEntryPoint
    put(optional + 24, &0x1_4000_0000_u64.to_le_bytes()); // ImageBase
    put(optional + 32, &0x1000_u32.to_le_bytes()); // SectionAlignment
    put(optional + 36, &0x200_u32.to_le_bytes()); // FileAlignment
    put(optional + 56, &0x2000_u32.to_le_bytes()); // SizeOfImage
    put(optional + 60, &0x600_u32.to_le_bytes()); // SizeOfHeaders
    put(optional + 68, &10_u16.to_le_bytes()); // Subsystem: EFI application
    put(optional + 108, &16_u32.to_le_bytes()); // NumberOfRvaAndSizes
    let section = optional + 240;
    put(section, b".text");
    put(section + 8, &0x1000_u32.to_le_bytes()); // VirtualSize
    put(section + 12, &0x1000_u32.to_le_bytes()); // VirtualAddress
    put(section + 16, &0x1000_u32.to_le_bytes()); // SizeOfRawData
    put(section + 20, &0x600_u32.to_le_bytes()); // PointerToRawData
    put(section + 36, &0x6000_0020_u32.to_le_bytes()); // Characteristics
    image.extend((0..0x1000_u32).map(|at| at.to_le_bytes()[0]));
    image
}

/// An image that was staged, with the bytes of its files.
struct Staged {
    image: Image,
    staging: Staging,
    _folder: tempfile::TempDir,
}

impl Staged {
    fn new(definition: &Definition, outline: Option<RootExtent>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::new(&folder.path().join("out")).unwrap();
        let pe = pe();
        let parts = Parts {
            definition,
            tree: &tree(),
            kernel: &pe,
            kernel_release: RELEASE,
            initrd: b"the initramfs",
            stub: &pe,
            os_release: b"ID=tiny\n",
            timestamp: TIMESTAMP,
        };
        let image = match outline {
            None => write(&parts, &staging),
            Some(root) => write_outline(&parts, root, &staging),
        };
        Self { image: image.unwrap(), staging, _folder: folder }
    }

    fn get(&self, role: Role) -> Vec<u8> {
        let file = self.image.files.iter().find(|file| file.role == role).unwrap();
        fs::read(self.staging.path(&file.name)).unwrap()
    }

    fn roles(&self) -> Vec<Role> {
        self.image.files.iter().map(|file| file.role).collect()
    }
}

fn lengths(esp: Option<u64>, root: u64, verity: u64) -> Lengths {
    Lengths { esp, root, verity }
}

fn table(lengths: Lengths, root_hash: Option<&RootHash>) -> Vec<Partition> {
    let table = disk::table(Architecture::X86_64, &Seed(SEED), lengths, root_hash).unwrap();
    let mut disk = Vec::new();
    table.plan.write(&mut disk).unwrap();
    disk.resize(usize::try_from(table.plan.len()).unwrap(), 0);
    let read = gpt::read(&disk).unwrap();
    assert_eq!(read.disk_guid, Guid::from_text_order(Seed(SEED).uuid("disk")));
    let attributes: Vec<u64> = read.partitions.iter().map(|entry| entry.attributes).collect();
    let read_only = gpt::spec::READ_ONLY;
    match lengths.esp {
        Some(_) => assert_eq!(attributes, [0, read_only, read_only]),
        None => assert_eq!(attributes, [read_only, read_only]),
    }
    let partition = |entry: gpt::Entry| Partition {
        name: entry.name.clone(),
        type_guid: entry.type_guid,
        unique_guid: entry.unique_guid,
        offset: entry.offset(),
        len: entry.len(),
    };
    read.partitions.into_iter().map(partition).collect()
}

/// UAPI.2, "Discoverable Partitions Specification": types by architecture, identities by the root hash.
#[test]
fn partitions_are_found_by_type_and_by_the_halves_of_the_root_hash() {
    let root_hash = RootHash::new((0..32).collect());
    let found = table(lengths(Some(4 * MIB), MIB, 8192), Some(&root_hash));
    let text = |guid: Guid| guid.to_string();
    let rows: Vec<_> = found
        .iter()
        .map(|one| (one.name.as_str(), text(one.type_guid), text(one.unique_guid), one.len))
        .collect();
    let esp = text(Guid::from_text_order(Seed(SEED).uuid("esp partition")));
    let own = |text: &str| text.to_owned();
    assert_eq!(
        rows,
        [
            ("esp", own("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"), esp, 4 * MIB),
            (
                "root",
                own("4f68bce3-e8cd-4db1-96e7-fbcaf984b709"),
                own("00010203-0405-0607-0809-0a0b0c0d0e0f"),
                MIB
            ),
            (
                "root-verity",
                own("2c7357ed-ebd2-46d9-aec1-23d437ec2bf5"),
                own("10111213-1415-1617-1819-1a1b1c1d1e1f"),
                8192
            ),
        ]
    );
    // One behind the other, in the order of the disk.
    assert!(found.windows(2).all(|two| two[0].offset + two[0].len <= two[1].offset), "{found:?}");
    let direct = table(lengths(None, MIB, 8192), Some(&root_hash));
    let names: Vec<&str> = direct.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["root", "root-verity"]);
    assert!(direct[0].offset < found[1].offset);
}

#[test]
fn before_the_root_hash_is_known_partitions_lie_where_they_will() {
    let root_hash = RootHash::new((0..32).collect());
    let known = table(lengths(Some(MIB), MIB, MIB), Some(&root_hash));
    let before = table(lengths(Some(MIB), MIB, MIB), None);
    let shorter = table(lengths(Some(MIB), 1, 1), None);
    let offsets = |found: &[Partition]| found.iter().map(|one| one.offset).collect::<Vec<u64>>();
    assert_eq!(offsets(&known), offsets(&before));
    assert_eq!(offsets(&known)[..2], offsets(&shorter)[..2], "what lies behind moves nothing");
    let ids: Vec<Guid> = before.iter().map(|one| one.unique_guid).collect();
    let seeded = |purpose| Guid::from_text_order(Seed(SEED).uuid(purpose));
    assert_eq!(
        ids,
        [seeded("esp partition"), seeded("root placeholder"), seeded("verity placeholder")]
    );
    let short = RootHash::new(vec![9; 31]);
    let refused = disk::table(Architecture::X86_64, &Seed(SEED), lengths(None, 1, 1), Some(&short));
    assert!(matches!(refused.map(|table| table.plan.len()), Err(gpt::Error::Invalid { .. })));
}

/// UEFI 2.11, section 3.5.1.1: a removable medium boots `\EFI\BOOT\BOOTX64.EFI`.
#[test]
fn the_esp_holds_the_uki_where_firmware_looks_for_it() {
    let tree = disk::esp_tree(Architecture::X86_64, TIMESTAMP, b"uki".as_slice()).unwrap();
    let paths: Vec<String> =
        tree.walk().into_iter().map(|(path, _)| String::from_utf8(path).unwrap()).collect();
    assert_eq!(paths, ["", "EFI", "EFI/BOOT", "EFI/BOOT/BOOTX64.EFI"]);
    let options = disk::esp_options(&Seed(SEED), TIMESTAMP);
    let digest = Seed(SEED).derive("esp volume id");
    assert_eq!(options.volume_id.to_le_bytes(), digest[..4]);
    assert_eq!((options.label.as_str(), options.timestamp), ("ESP", TIMESTAMP.0));
    let plan = fat::Plan::new(&tree, &options).unwrap();
    let mut bytes = Vec::new();
    plan.write(&mut bytes).unwrap();
    bytes.resize(usize::try_from(plan.len()).unwrap(), 0);
    let volume = fat::read(&bytes).unwrap();
    assert_eq!((volume.label.as_str(), volume.volume_id), ("ESP", options.volume_id));
    assert!(volume.lookup("EFI/BOOT/BOOTX64.EFI").is_some());
}

#[test]
fn an_image_that_boots_from_its_disk_has_all_its_parts_on_it() {
    let definition = definition(DISK);
    let staged = Staged::new(&definition, None);
    let names: Vec<&str> = staged.image.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "tiny_1.raw",
            "tiny_1.efi",
            "tiny_1.vmlinuz",
            "tiny_1.initrd",
            "tiny_1.cmdline",
            "tiny_1.roothash"
        ]
    );
    let root_hash = &staged.image.root_hash;
    let line = format!("roothash={root_hash} {WORDS} --");
    assert_eq!(staged.image.command_line, line);
    assert_eq!(staged.get(Role::CommandLine), line.as_bytes());
    assert_eq!(staged.get(Role::RootHash), format!("{root_hash}\n").into_bytes());
    assert_eq!(staged.get(Role::Initrd), b"the initramfs");
    assert_eq!(staged.get(Role::Kernel), pe());

    let disk = staged.get(Role::Disk);
    let read = gpt::read(&disk).unwrap();
    let [esp, root, hashes] = read.partitions.as_slice() else { panic!("{:?}", read.partitions) };
    for (entry, written) in read.partitions.iter().zip(&staged.image.partitions) {
        assert_eq!((entry.offset(), entry.len()), (written.offset, written.len));
        assert_eq!((entry.unique_guid, &entry.name), (written.unique_guid, &written.name));
    }
    // The hash tree is of the root file system, and the command line promises its root.
    let options = verity_options(&definition);
    let data = Window::new(disk.as_slice(), root.offset(), root.len()).unwrap();
    let tree = Window::new(disk.as_slice(), hashes.offset(), hashes.len()).unwrap();
    let length = RootFormat::Squashfs.open(data).unwrap().layout();
    assert!(length.part(0).contains("superblock"));
    let plan = verity::Plan::new(staged.root_len(), &options).unwrap();
    plan.verify(&data, &tree, root_hash).unwrap();
    let found = RootFormat::Squashfs.open(data).unwrap().file(b"etc/text", 99).unwrap();
    assert_eq!(found, b"root file system");
    // The UKI on the ESP is the one beside the disk.
    let volume = Window::new(disk.as_slice(), esp.offset(), esp.len()).unwrap();
    let volume = fat::read(&volume).unwrap();
    let id = volume.lookup("EFI/BOOT/BOOTX64.EFI").unwrap();
    let Node::File(file) = &volume.tree.inode(id).node else { panic!() };
    let uki = staged.get(Role::Uki);
    assert_eq!(read_all(file, MIB).unwrap(), uki);
    let headers = Headers::read(&uki).unwrap();
    let section = |name: &str| {
        read_all(&headers.section(name).unwrap().contents(uki.as_slice()).unwrap(), MIB).unwrap()
    };
    for (name, contents) in [
        (".linux", pe()),
        (".osrel", b"ID=tiny\n".to_vec()),
        (".cmdline", line.into_bytes()),
        (".initrd", b"the initramfs".to_vec()),
        (".uname", RELEASE.as_bytes().to_vec()),
    ] {
        assert_eq!(section(name), contents, "{name}");
    }
    let other =
        Staged::new(&self::definition("[boot]\nkind = \"disk\"\n[verity]\nsalt = \"00\""), None);
    let other = other.get(Role::Uki);
    assert!(other != uki);
    assert_eq!(uki::stub_digest(&uki).unwrap(), uki::stub_digest(&other).unwrap());
    assert!(matches!(uki::stub_digest(&pe()), Err(ImageError::Uki(_))));
}

impl Staged {
    /// The root file system without the padding of its partition: what the hash tree covers.
    fn root_len(&self) -> u64 {
        self.image.partitions[self.image.partitions.len() - 2].len
    }
}

fn verity_options(definition: &Definition) -> verity::Options {
    let verity = &definition.verity;
    verity::Options {
        data_block_size: verity.data_block_size,
        hash_block_size: verity.hash_block_size,
        ..verity::Options::new(verity.salt.clone(), verity.uuid)
    }
}

#[test]
fn an_image_that_boots_directly_has_neither_esp_nor_uki() {
    let staged = Staged::new(&definition(DIRECT), None);
    assert_eq!(
        staged.roles(),
        [Role::Disk, Role::Kernel, Role::Initrd, Role::CommandLine, Role::RootHash]
    );
    let read = gpt::read(&staged.get(Role::Disk)).unwrap();
    let names: Vec<&str> = read.partitions.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["root", "root-verity"]);
}

#[test]
fn the_same_parts_give_the_same_bytes() {
    let definition = definition(DISK);
    let (one, other) = (Staged::new(&definition, None), Staged::new(&definition, None));
    for role in one.roles() {
        assert!(one.get(role) == other.get(role), "{role}");
    }
}

#[test]
fn an_outline_is_the_image_but_for_the_root_file_system() {
    for kind in [DISK, DIRECT] {
        let definition = definition(kind);
        let whole = Staged::new(&definition, None);
        let [root, hashes] = whole.image.partitions.last_chunk().unwrap();
        let extent = RootExtent {
            len: root.len,
            hashes_len: hashes.len,
            root_hash: whole.image.root_hash.clone(),
        };
        let outline = Staged::new(&definition, Some(extent));
        assert_eq!(outline.roles(), whole.roles());
        for role in whole.roles().into_iter().filter(|role| *role != Role::Disk) {
            assert!(outline.get(role) == whole.get(role), "{kind}: {role}");
        }
        let (disk, other) = (whole.get(Role::Disk), outline.get(Role::Disk));
        assert_eq!(disk.len(), other.len());
        let [start, end] =
            [root.offset, hashes.offset + hashes.len].map(|at| usize::try_from(at).unwrap());
        assert!(disk[..start] == other[..start] && disk[end..] == other[end..], "{kind}");
        assert!(other[start..end].iter().all(|&byte| byte == 0), "{kind}");
    }
}

#[test]
fn measured_files_are_those_that_were_staged() {
    let staged = Staged::new(&definition(DISK), None);
    staged.image.sync(&staged.staging).unwrap();
    let gone =
        Image { files: vec![ImageFile { name: "gone".into(), role: Role::Disk }], ..staged.image };
    assert!(gone.sync(&staged.staging).is_err());
    let beside = ImageFile { name: "gone".into(), role: Role::Kernel };
    Image { files: vec![beside], ..gone }.sync(&staged.staging).unwrap();
}

#[test]
fn a_command_line_loses_the_root_hash_that_it_starts_with() {
    for (line, hash, rest) in [
        ("roothash=ab quiet --", "ab", Some("roothash= quiet --")),
        ("roothash=ab", "ab", Some("roothash=")),
        ("roothash=abcd quiet", "ab", Some("roothash=cd quiet")),
        ("roothash=ab", "cd", None),
        ("quiet roothash=ab", "ab", None),
        (" roothash=ab", "ab", None),
        ("", "", None),
        ("roothash= quiet", "", Some("roothash= quiet")),
    ] {
        assert_eq!(without_root_hash(line, hash).as_deref(), rest, "{line}");
    }
    let definition = definition(DISK);
    let staged = Staged::new(&definition, None);
    let hash = staged.image.root_hash.to_string();
    let built_for = built_for(&definition);
    assert_eq!(built_for, format!("roothash= {WORDS} --"));
    assert_eq!(without_root_hash(&staged.image.command_line, &hash), Some(built_for));
}

fn initrd_parts<'a>(modules: &'a [Module], built_for: &'a str) -> InitrdParts<'a> {
    InitrdParts { stage1: b"stage 1", modules, built_for, timestamp: TIMESTAMP }
}

fn module(path: &str) -> Module {
    Module { name: "x".into(), path: path.into(), contents: path.as_bytes().to_vec() }
}

#[test]
fn the_initramfs_holds_stage_1_its_modules_and_its_command_line() {
    let modules = [module("/usr/lib/modules/6/b.ko"), module("/usr/lib/modules/6/a.ko")];
    let packed = initrd(&initrd_parts(&modules, "roothash= quiet --")).unwrap();
    let archive = decompress(&packed, Compression::Zstd, MIB).unwrap();
    let read = cpio::read(&archive).unwrap();
    let padding = &archive[usize::try_from(read.end).unwrap()..];
    assert!(padding.len() < 512 && padding.iter().all(|&byte| byte == 0));
    let rows: Vec<(String, u16, String)> = read
        .tree
        .walk()
        .into_iter()
        .map(|(path, id)| {
            let inode = read.tree.inode(id);
            assert_eq!((inode.meta.uid, inode.meta.gid, inode.meta.mtime), (0, 0, TIMESTAMP.0));
            let body = match &inode.node {
                Node::File(content) => String::from_utf8(read_all(content, MIB).unwrap()).unwrap(),
                Node::CharDevice(device) => format!("{}:{}", device.major, device.minor),
                Node::Directory(_) => "/".to_owned(),
                other => panic!("{other:?}"),
            };
            (String::from_utf8(path).unwrap(), inode.meta.mode, body)
        })
        .collect();
    let row = |path: &str, mode, body: &str| (path.to_owned(), mode, body.to_owned());
    let list = "/usr/lib/modules/6/b.ko\n/usr/lib/modules/6/a.ko\n";
    assert_eq!(
        rows,
        [
            row("", 0o755, "/"),
            row("dev", 0o755, "/"),
            row("dev/console", 0o600, "5:1"),
            row("etc", 0o755, "/"),
            row("etc/stage1", 0o755, "/"),
            row("etc/stage1/command-line", 0o644, "roothash= quiet --"),
            row("etc/stage1/modules", 0o644, list),
            row("init", 0o755, "stage 1"),
            row("proc", 0o755, "/"),
            row("run", 0o755, "/"),
            row("sys", 0o755, "/"),
            row("sysroot", 0o755, "/"),
            row("usr", 0o755, "/"),
            row("usr/lib", 0o755, "/"),
            row("usr/lib/modules", 0o755, "/"),
            row("usr/lib/modules/6", 0o755, "/"),
            row("usr/lib/modules/6/a.ko", 0o644, "/usr/lib/modules/6/a.ko"),
            row("usr/lib/modules/6/b.ko", 0o644, "/usr/lib/modules/6/b.ko"),
        ]
    );
}

#[test]
fn another_command_line_gives_the_initramfs_that_it_would_have_been_built_with() {
    let modules = [module("/usr/lib/modules/6/a.ko")];
    let made = |line: &str| initrd(&initrd_parts(&modules, line)).unwrap();
    let first = made("roothash= quiet --");
    assert!(initrd_for(&first, "roothash= debug --").unwrap() == made("roothash= debug --"));
    assert!(initrd_for(&first, "roothash= quiet --").unwrap() == first);
    assert!(first != made("roothash= debug --"));
    let garbage = initrd_for(b"no zstd", "x").unwrap_err();
    assert!(matches!(garbage, ImageError::Compress(_)), "{garbage:?}");
    let packed = zstd::encode_all(&b"no cpio"[..], 3).unwrap();
    let garbage = initrd_for(&packed, "x").unwrap_err();
    assert!(matches!(garbage, ImageError::Initrd(_)), "{garbage:?}");
    for (path, words) in [("/init/x.ko", "init"), ("/", "")] {
        let error = initrd(&initrd_parts(&[module(path)], "x")).unwrap_err();
        assert!(
            matches!(&error, ImageError::Tree(why) if why.to_string().contains(words)),
            "{error:?}"
        );
    }
}

#[test]
fn a_time_that_no_root_file_system_has_room_for_is_its_own_error() {
    let error = ImageError::from(RootError::Time(Timestamp(-1)));
    assert!(matches!(error, ImageError::Time(RootError::Time(Timestamp(-1)))), "{error:?}");
    let squashfs = RootFormat::Squashfs.open(Vec::new()).map(|root| root.names()).unwrap_err();
    assert!(matches!(ImageError::from(squashfs), ImageError::Root(RootError::Squashfs(_))));
}

#[test]
fn faults_are_of_the_definition_but_for_the_host() {
    let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
    let folder = tempfile::tempdir().unwrap();
    let file = cvmkit_host::files::read(&folder.path().join("gone")).unwrap_err();
    let (fault, hint) = (file.fault(), file.hint());
    let error = ImageError::File(file);
    assert_eq!((error.fault(), error.hint()), (fault, hint));
    assert_eq!(ImageError::Compress(full()).fault(), Fault::Environment);
    let tree = ImageError::Tree(cvmkit_formats::tree::TreeError::NotFound("x".into()));
    assert_eq!((tree.fault(), tree.hint()), (Fault::Definition, None));
    assert_eq!(ImageError::from(RootError::Time(TIMESTAMP)).fault(), Fault::Definition);
}

#[test]
fn what_is_staged_has_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let staging = Staging::new(&folder.path().join("out")).unwrap();
    stage(&staging, "x", b"bytes").unwrap();
    assert_eq!(fs::read(staging.path("x")).unwrap(), b"bytes");
    assert!(matches!(stage(&staging, "no/folder", b""), Err(ImageError::File(_))));
}
