//! Writes `seeds/TARGET/NAME`: small valid inputs, made by the writers of the product where there
//! are any. The same files on every run.

#![expect(clippy::disallowed_methods, reason = "seeds are plain files beside this package")]

#[path = "make_seeds/archives.rs"]
mod archives;
#[path = "make_seeds/corim.rs"]
mod corim;
#[path = "make_seeds/scripts.rs"]
mod scripts;
#[expect(dead_code, reason = "tests change what it makes")]
#[path = "../../crates/measure/tests/small_uki/mod.rs"]
mod small_uki;

use std::fs;
use std::path::Path;

use cvmkit_attest::export::corim::CorimFile;
use cvmkit_attest::output::{Manifest, Sums};
use cvmkit_attest::values::ReferenceValues;
use cvmkit_debian::deb::Deb;
use cvmkit_debian::openpgp::{self, Keyring, OpenPgpError, Policy};
use cvmkit_debian::release::{PinPriority, Release};
use cvmkit_debian::triggers;
use cvmkit_debian::version::Version;
use cvmkit_debian::{deb822, packages, relation, resolver};
use cvmkit_engine::definition::Project;
use cvmkit_engine::kernel::ModuleInfo;
use cvmkit_engine::kernel::index::Index;
use cvmkit_engine::lock::Lock;
use cvmkit_formats::archive::tar;
use cvmkit_formats::compression::{Compression, decompress};
use cvmkit_formats::gpt::{self, Guid, spec};
use cvmkit_formats::pe::{Headers, spec as pe, uki};
use cvmkit_formats::tree::{Device, Inode, Meta, Node, Tree};
use cvmkit_formats::{cpio, fat, squashfs, verity};
use cvmkit_measure::event::log::Log;
use cvmkit_measure::event::{Bank, RegisterSet};
use cvmkit_measure::firmware::{Firmware, TABLE_FOOTER_GUID, TDX_METADATA_GUID};
use cvmkit_measure::linux;
use cvmkit_measure::se;
use cvmkit_measure::snp::id_block::{IdAuthentication, IdBlock, PrivateKey, sign};
use cvmkit_measure::snp::policy::GuestPolicy;
use cvmkit_measure::snp::report::Report;
use cvmkit_measure::stage0;
use cvmkit_measure::tdx::mrtd::{self, Rule};
use cvmkit_measure::tdx::quote::Quote;
use cvmkit_measure::tpm::Uki;
use cvmkit_measure::uefi;
use cvmkit_measure::uefi::variable_store::Variables;
use cvmkit_measure::uefi::variables::{GLOBAL_VARIABLE, IMAGE_SECURITY_DATABASE, SecureBoot, X509};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromZeros as _, IntoBytes as _};

const CONTROL: &str = "Package: a\nVersion: 1:2.0-3\nArchitecture: amd64\nDepends: b (>= 1) | c\n";
/// `gEfiAuthenticatedVariableGuid` and `gEfiSystemNvDataFvGuid` (EDK2), as they lie in flash.
const AUTHENTICATED_VARIABLES: [u8; 16] =
    *b"\x78\x2c\xf3\xaa\x7b\x94\x9a\x43\xa1\x80\x2e\x14\x4e\xc3\x77\x92";
const NV_DATA_VOLUME: [u8; 16] =
    *b"\x8d\x2b\xf1\xff\x96\x76\x8b\x4c\xa9\x85\x27\x47\x07\x5b\x4f\x50";

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The fixtures of the crate that measures; their folder says where they are from.
macro_rules! measured {
    ($name:literal) => {
        include_bytes!(concat!("../../crates/measure/tests/fixtures/", $name))
    };
}

fn main() {
    archives::write();
    texts();
    recipes();
    openpgp();
    write("corim", &corim::seeds());
    write("maintainer_script", &scripts::seeds());
    write("cpio", &[("initramfs", initramfs())]);
    write("squashfs", &[("gzip", image(squashfs::Compression::Gzip { level: 9 }))]);
    write("squashfs", &[("zstd", image(squashfs::Compression::Zstd { level: 1 }))]);
    write("fat", &[("fat16", volume(fat::Width::Fat16))]);
    write("gpt", &[("two-partitions", disk())]);
    write("gpt_event", &[("two-partitions", disk())]);
    write("pe", &[("application", application())]);
    write("uki", &[("stub", application())]);
    write("uki_measurements", &[("small", small_uki::SmallUki::new(257).image())]);
    write("variable_store", &[("keys", variable_store())]);
    write("verity", &[("sha256", hash_area(verity::Algorithm::Sha256))]);
    write("verity", &[("sha512", hash_area(verity::Algorithm::Sha512))]);
    write("stage1_partition", &[("first", [&[0, 1], &disk()[..]].concat())]);
    write("stage1_superblock", &[("sha256", superblock())]);
    write("event_log", &event_logs());
    write("firmware", &firmware());
    write("firmware", &[("tdvf", tdvf())]);
    write("linux_kernel", &[("bzimage", linux_kernel())]);
    write("quote", &quotes());
    write("report", &reports());
    write("se_header", &se_headers());
    write("stage0", &stage0());
    write("modinfo", &[("module", module())]);
    write("module_index", &[("aliases", index())]);
}

fn write(target: &str, seeds: &[(&str, Vec<u8>)]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&folder).expect("make the folder of a target");
    for (name, bytes) in seeds {
        assert!(is_read(target, name, bytes), "the decoder of {target} refuses {name}");
        fs::write(folder.join(name), bytes).expect("write a seed");
    }
}

/// Whether the decoder a seed is for takes it: a refused seed would leave the rest unvisited.
fn is_read(target: &str, name: &str, bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    match target {
        "compression" => {
            let compression = match name {
                "gzip" => Compression::Gzip,
                "xz" => Compression::Xz,
                _ => Compression::Zstd,
            };
            decompress(bytes, compression, 100).is_ok_and(|decoded| !decoded.is_empty())
        }
        "cpio" => cpio::read(bytes).is_ok(),
        "deb" => Deb::parse(bytes).is_ok_and(|deb| deb.control().is_ok()),
        "deb822" => deb822::paragraphs(&text).all(|stanza| stanza.is_ok()),
        "definition" => toml::from_str(&text).is_ok_and(|raw| {
            let project = Project { path: "image.toml".into(), raw };
            project.definitions().is_ok_and(|all| !all.is_empty())
        }),
        "event_log" => {
            let set = if name.starts_with("td") { RegisterSet::Td } else { RegisterSet::Tpm };
            let log = Log::parse(bytes, set);
            log.is_ok_and(|log| log.entries.len() > 10 && log.observed(Bank::Sha384).is_ok())
        }
        // Not the whole volume: `volume` has read it.
        "fat" => true,
        "firmware" if name == "tdvf" => Firmware::of_end(bytes)
            .is_ok_and(|firmware| mrtd::launch(&firmware, &Rule::of_qemu(9)).is_ok()),
        "firmware" => Firmware::of_end(bytes).is_ok_and(|firmware| firmware.sev_sections().is_ok()),
        "report" if name == "id-block" => IdBlock::decode(bytes).is_ok(),
        "report" if name == "id-auth" => IdAuthentication::decode(bytes).is_ok(),
        "report" => Report::parse(bytes).is_ok(),
        "se_header" => se::find(bytes).is_ok(),
        "stage0" if name == "table-loader" => {
            stage0::acpi_digest(bytes, None, |_| Some(b"")).is_ok()
        }
        "stage0" => stage0::split(bytes).is_ok(),
        "gpt" => gpt::read(bytes).is_ok(),
        "gpt_event" => uefi::gpt::data(bytes)
            .is_ok_and(|data| data.is_some_and(|data| data.len() == 92 + 8 + 2 * 128)),
        "corim" => CorimFile::read(bytes).is_ok(),
        // Some are clearsigned well, by the wrong key or with the wrong digest.
        "inrelease" => matches!(
            openpgp::verify(bytes, &Keyring::default(), &Policy::new(&[], 0)),
            Err(OpenPgpError::NoValidSignature(refused)) if !refused.is_empty()
        ),
        "keyring" => Keyring::default().add(bytes).is_ok(),
        // Behind the bytes that choose the machine.
        "linux_kernel" => linux::digests(&bytes[8..], &linux::SetupHeader::AsInFile).is_ok(),
        "lock" => Lock::parse(&text).is_ok(),
        "manifest" if name == "manifest" => serde_json::from_slice::<Manifest>(bytes).is_ok(),
        "manifest" => serde_json::from_slice::<ReferenceValues>(bytes).is_ok(),
        "modinfo" => ModuleInfo::parse(bytes).is_ok_and(|info| info.depends().count() == 2),
        "module_index" => Index::decode(bytes).is_ok(),
        "packages" | "resolver" => packages::Index::parse(bytes).is_ok_and(|index| {
            let priority = PinPriority::Default;
            let options = resolver::Options { architecture: "amd64", essential: true };
            let suite = resolver::Suite { id: "s", priority, index: &index };
            resolver::resolve(&[suite], &["a"], &options).is_ok()
        }),
        "pe" => Headers::read(bytes).is_ok(),
        "quote" => Quote::parse(bytes).is_ok_and(|quote| quote.check().is_ok()),
        "relation" => relation::parse(&text).is_ok(),
        "release" => Release::parse(&text).is_ok(),
        "triggers" => triggers::parse(bytes).is_err(),
        "maintainer_script" => scripts::is_read(bytes),
        "shell" => bytes[0] == 1 || cvmkit_shell::syntax::parse(bytes, Default::default()).is_ok(),
        "squashfs" => squashfs::read(bytes, &squashfs::Limits::default()).is_ok(),
        // Modules of a program: the targets alone can call them.
        "stage1_cmdline" | "stage1_partition" | "stage1_superblock" => true,
        "sums" => Sums::parse(&text).is_ok(),
        // An index of no image is read, and has none.
        "oci" => bytes.starts_with(b"{"),
        "tar" if name == "layer" => tar::members(bytes, &tar::Limits::default()).is_ok(),
        "tar" => tar::entries(bytes).is_ok(),
        "uki" => {
            uki::Plan::new(bytes, &[(".linux", 1)], &uki::Options { keep_nx_compat: true }).is_ok()
        }
        "uki_measurements" => Uki::read(bytes).is_ok_and(|uki| uki.sections.len() > 5),
        // Behind the bytes of a signature, which one of the keys made.
        "variable_store" => Variables::read(&bytes[8..])
            .is_ok_and(|all| SecureBoot::of(&all).authority(&bytes[..8]).is_some()),
        "verity" => verity::read(bytes).is_ok(),
        "version" => text.lines().all(|version| Version::parse(version).is_ok()),
        _ => false,
    }
}

fn texts() {
    let package = format!(
        "{CONTROL}Filename: pool/main/a/a_2.0-3_amd64.deb\nSize: 1\nSHA256: {DIGEST}\n\n\
         Package: b\nVersion: 1\nArchitecture: all\nEssential: yes\nMulti-Arch: foreign\n\
         Provides: c (= 2)\nBreaks: d (<< 1~)\nFilename: pool/main/b/b_1_all.deb\nSize: 1\n\
         SHA256: {DIGEST}\n"
    );
    let release = format!(
        "Origin: Debian\nSuite: stable\nCodename: trixie\nVersion: 13\n\
         Date: Sat, 12 Sep 2026 07:55:41 UTC\nValid-Until: Sat, 19 Sep 2026 07:55:41 UTC\n\
         Architectures: all amd64\nComponents: main\nAcquire-By-Hash: yes\nSHA256:\n \
         {DIGEST} 1 main/binary-amd64/Packages.xz\n"
    );
    let waits = "# why\ninterest-noawait /usr/share/man\ninterest ldconfig\nactivate x # y\n";
    let sums = format!("{DIGEST}  a.raw\n{DIGEST}  manifest.json\n");
    let line = format!("console=ttyS0 roothash={DIGEST} cvmkit.root_wait=5 init=/sbin/init -- x");
    let seeds: [(&str, &str, &str); 12] = [
        ("deb822", "control", CONTROL),
        ("deb822", "folded", "# c\nA: 1\n 2\n# c\n .\nB:\n\n\nC: 3\n"),
        ("packages", "two", &package),
        ("resolver", "two", &package),
        ("release", "stable", &release),
        (
            "relation",
            "all-forms",
            "a:any (>= 1:2-3) [amd64 i386] | b [!s390x], c (<< 1~), d:native",
        ),
        ("shell", "commands", include_str!("../../crates/shell/tests/cases/commands.sh")),
        (
            "shell",
            "commands-of-bash",
            concat!("\x01", include_str!("../../crates/shell/tests/cases/bash/commands.sh")),
        ),
        ("sums", "two", &sums),
        ("stage1_cmdline", "all-options", &line),
        ("triggers", "all-forms", waits),
        ("version", "two", "1:2.0~rc1+b-1\n1:2.0-1"),
    ];
    for (target, name, text) in seeds {
        write(target, &[(name, text.as_bytes().to_vec())]);
    }
}

/// The definition and the start of the lock of a recipe, and what describes an image.
fn recipes() {
    let definition = include_bytes!("../../recipes/minimal/image.toml").to_vec();
    write("definition", &[("minimal", definition)]);
    let lock = format!(
        "format = 1\ndefinition = \"{DIGEST}\"\npackage-request = \"{DIGEST}\"\n\n\
         [[suite]]\nname = \"trixie\"\narchive = \"debian\"\ndate = \"2026-09-12T07:55:41Z\"\n\
         inrelease = \"{DIGEST}\"\nsigned-by = [\"04B54C3CDCA79751B16BC6B5225629DF75B188BD\"]\n\n\
         [[suite.indices]]\npath = \"main/binary-amd64/Packages.xz\"\nsize = 1\n\
         sha256 = \"{DIGEST}\"\n"
    );
    write("lock", &[("one-suite", lock.into_bytes())]);
    let manifest = format!(
        r#"{{"schema":3,"cvmkit":"0.1.0","image":{{"id":"a","version":"1","debug":false,
"architecture":"x86-64","command-line":"quiet",
"seed":"545dd802-c436-485d-9020-bca0403a1c61","timestamp":"2026-09-12T07:55:41Z"}},
"inputs":{{"definition":"{DIGEST}","lock":"{DIGEST}","stage1":"{DIGEST}","parts":{{
"root":"{DIGEST}","kernel":"{DIGEST}","initrd":"{DIGEST}","stub":"{DIGEST}","os-release":"{DIGEST}"}}}},
"root":{{"format":"squashfs","root-hash":"{DIGEST}","salt":"{DIGEST}",
"uuid":"545dd802-c436-485d-9020-bca0403a1c61","algorithm":"sha256",
"data-block-size":4096,"hash-block-size":4096}},"partitions":[],"artifacts":[],"packages":[]}}"#
    );
    let values = format!(
        r#"{{"schema":2,"profiles":[{{"name":"qemu-snp","version":1,"technology":"sev-snp",
"vmm":"qemu","boot":"direct","vcpus":[1],"vcpu-types":["EPYC-v4"]}}],"values":[{{
"profile":"qemu-snp","profile-version":1,"platform":"sev-snp","vmm":"qemu","boot":"direct","vcpus":1,
"vcpu-type":"EPYC-v4","guest-features":"0x1","firmware":"{DIGEST}","launch-digest":"00"}}]}}"#
    );
    let seeds = [("manifest", manifest.into_bytes()), ("reference-values", values.into_bytes())];
    write("manifest", &seeds);
}

/// The fixtures of the crate that verifies; their folder says how GnuPG made them.
fn openpgp() {
    macro_rules! fixture {
        ($name:literal) => {
            (
                $name,
                include_bytes!(concat!("../../crates/debian/tests/fixtures/openpgp/", $name))
                    .to_vec(),
            )
        };
    }
    let messages = [
        fixture!("good.asc"),
        fixture!("both.asc"),
        fixture!("expiring.asc"),
        fixture!("notation.asc"),
        fixture!("sha1.asc"),
        fixture!("other.asc"),
    ];
    write("inrelease", &messages);
    let keyrings = [
        fixture!("good.pgp"),
        fixture!("good.key.asc"),
        fixture!("sub.pgp"),
        fixture!("revoked.pgp"),
        fixture!("extended.pgp"),
    ];
    write("keyring", &keyrings);
}

fn event_logs() -> [(&'static str, Vec<u8>); 4] {
    macro_rules! fixture {
        ($name:literal) => {
            include_bytes!(concat!("../../crates/measure/tests/fixtures/event_logs/", $name))
                .to_vec()
        };
    }
    [
        ("tpm-uki", fixture!("uki.bin")),
        ("tpm-direct", fixture!("direct.bin")),
        ("td-direct", fixture!("ccel_ovmf.bin")),
        ("td-uki", fixture!("ccel_gke_uki.bin")),
    ]
}

fn firmware() -> [(&'static str, Vec<u8>); 2] {
    macro_rules! fixture {
        ($name:literal) => {
            include_bytes!(concat!("../../crates/measure/tests/fixtures/", $name)).to_vec()
        };
    }
    [("amdsev", fixture!("ovmf_AmdSev_suffix.bin")), ("x64", fixture!("ovmf_OvmfX64_suffix.bin"))]
}

fn reports() -> [(&'static str, Vec<u8>); 4] {
    let pem = std::str::from_utf8(measured!("id_key_test.pem")).expect("PEM is text");
    let key = PrivateKey::from_pem("ID key", pem).expect("the fixture is a key");
    let turin = measured!("snp_report_turin.bin");
    let digest = Report::parse(turin).expect("the fixture is a report").measurement;
    let block = IdBlock::new(digest, GuestPolicy::default()).expect("the report is of a guest");
    [
        ("milan", measured!("snp_report_milan.bin").to_vec()),
        ("turin", turin.to_vec()),
        ("id-block", block.encode().to_vec()),
        ("id-auth", sign(&block, &key, Some(&key)).encode().to_vec()),
    ]
}

/// A header alone, and one whose numbers name a page of the image.
fn se_headers() -> [(&'static str, Vec<u8>); 2] {
    let header = measured!("se_header.bin").to_vec();
    let mut image = vec![0; 0x1000];
    image.extend_from_slice(&header);
    image[0x1030..0x1038].copy_from_slice(&0x1000_u64.to_be_bytes());
    [("header", header), ("image", image)]
}

/// One page of variables and one of code, in which the metadata is; a TD HOB and some memory.
fn tdvf() -> Vec<u8> {
    let mut image = vec![0x5a; 0x2000];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x1800, b"TDVF");
    for (at, word) in [(0x1804, 16 + 4 * 32_u32), (0x1808, 1), (0x180c, 4)] {
        put(at, &word.to_le_bytes());
    }
    let sections: [(u32, u32, u64, u64, u32, u32); 4] = [
        (0x1000, 0x1000, 0xffff_f000, 0x1000, 0, 1),
        (0, 0x1000, 0xffff_e000, 0x1000, 1, 0),
        (0, 0, 0x80_9000, 0x2000, 2, 0),
        (0, 0, 0x81_0000, 0x3000, 3, 0),
    ];
    for (number, (data, len, gpa, size, kind, attributes)) in sections.into_iter().enumerate() {
        let at = 0x1810 + 32 * number;
        put(at, &[data.to_le_bytes(), len.to_le_bytes()].concat());
        put(at + 8, &[gpa.to_le_bytes(), size.to_le_bytes()].concat());
        put(at + 24, &[kind.to_le_bytes(), attributes.to_le_bytes()].concat());
    }
    let table = 0x2000 - 32 - 40;
    put(table, &0x800_u32.to_le_bytes());
    put(table + 4, &22_u16.to_le_bytes());
    put(table + 6, &TDX_METADATA_GUID.0);
    put(table + 22, &40_u16.to_le_bytes());
    put(table + 24, &TABLE_FOOTER_GUID.0);
    image
}

/// The same PE image as elsewhere, with the setup header of a bzImage in its headers.
fn linux_kernel() -> Vec<u8> {
    let mut kernel = application();
    kernel.resize(kernel.len().max(0x800), 0);
    kernel[0x1f1] = 1;
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    kernel[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
    kernel[0x211] = 1;
    kernel[0x22c..0x230].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    // 1 GiB of memory and an initrd of 1 MiB.
    [&0x0400_0000_u32.to_le_bytes()[..], &0x10_0000_u32.to_le_bytes(), &kernel].concat()
}

/// A real quote without the certificates behind its signature, and the same as version 5.
fn quotes() -> [(&'static str, Vec<u8>); 2] {
    let json: serde_json::Value =
        serde_json::from_slice(measured!("tdx/quote.json")).expect("the fixture is JSON");
    let quote = hex(json["quote"].as_str().expect("the fixture has a quote"));
    let signature = [&64_u32.to_le_bytes()[..], &quote[636..700]].concat();
    let four = [&quote[..632], &signature].concat();
    let body = [&3_u16.to_le_bytes()[..], &648_u32.to_le_bytes(), &quote[48..632], &[7; 64]];
    let five = [&[5, 0], &quote[2..48], &body.concat(), &signature].concat();
    [("version-4", four), ("version-5", five)]
}

fn hex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn stage0() -> [(&'static str, Vec<u8>); 2] {
    let mut kernel = vec![0; 0x500];
    kernel[0x1f1] = 1;
    kernel[0x1fe..0x206].copy_from_slice(b"\x55\xaa\0\0HdrS");
    [("bzimage", kernel), ("table-loader", measured!("table_loader.bin").to_vec())]
}

fn tree() -> Tree<Vec<u8>> {
    let mut tree = Tree::new(Meta::root(0o755, 1_700_000_000));
    let put = |tree: &mut Tree<Vec<u8>>, path: &[u8], inode| {
        tree.put(path, inode).expect("paths are in order")
    };
    put(&mut tree, b"d", Inode::directory(Meta::root(0o755, 1)));
    let id = put(&mut tree, b"d/f", Inode::file(Meta::root(0o644, 2), b"contents".to_vec()));
    let console = Node::CharDevice(Device { major: 5, minor: 1 });
    put(&mut tree, b"d/null", Inode { meta: Meta::root(0o600, 3), node: console });
    put(&mut tree, b"s", Inode::symlink("d/f", 4));
    tree.link(b"h", id).expect("the name is new");
    tree
}

fn initramfs() -> Vec<u8> {
    let (tree, mut bytes) = (tree(), Vec::new());
    let plan = cpio::Plan::new(&tree, &cpio::Options::default()).expect("cpio holds the tree");
    plan.write(&mut bytes).expect("memory does not fail");
    bytes
}

fn image(compression: squashfs::Compression) -> Vec<u8> {
    let (mut tree, mut bytes) = (tree(), Vec::new());
    let f = tree.lookup(b"d/f").expect("it was put there");
    tree.meta_mut(f).xattrs.insert(b"user.note".to_vec(), b"x".to_vec());
    let blocks =
        Inode::file(Meta::root(0o644, 5), (0..5000u32).flat_map(u32::to_le_bytes).collect());
    tree.put(b"blocks", blocks).expect("the name is new");
    let options = squashfs::Options { block_size: 4096, compression, mkfs_time: 0 };
    let plan = squashfs::Plan::new(&tree, &options).expect("squashfs holds the tree");
    plan.write(&mut bytes).expect("memory does not fail");
    bytes
}

/// Without the zeros at its end, as the target takes it.
fn volume(width: fat::Width) -> Vec<u8> {
    let mut tree = Tree::new(Meta::root(0o755, 0));
    tree.make_directories(b"EFI/BOOT", &Meta::root(0o755, 0)).expect("the names are new");
    let file = Inode::file(Meta::root(0o644, 0), vec![0xcc; 600]);
    tree.put(b"EFI/BOOT/BOOTX64.EFI", file.clone()).expect("the name is new");
    tree.put(b"EFI/a_long name.efi", file).expect("the name is new");
    let options = fat::Options { width, label: "ESP".into(), ..fat::Options::default() };
    let plan = fat::Plan::new(&tree, &options).expect("FAT holds the tree");
    let mut bytes = Vec::new();
    plan.write(&mut bytes).expect("memory does not fail");
    fat::read(&bytes).expect("our own volume is read");
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end);
    bytes
}

fn disk() -> Vec<u8> {
    let partition = |name: &str, unique, first, last| gpt::Partition {
        type_guid: spec::ESP,
        unique_guid: Guid::from_u128(unique),
        name: name.into(),
        place: gpt::Place::At(gpt::Lba(first), gpt::Lba(last)),
        attributes: 0,
    };
    let partitions = [partition("esp", 1, 34, 35), partition("größe", 2, 36, 36)];
    let size = gpt::DiskSize::Exact(80 * 512);
    let options = gpt::Options { size, disk_guid: Guid::from_u128(3) };
    let plan = gpt::Plan::new(&partitions, &options).expect("they fit");
    let mut bytes = Vec::new();
    plan.write(&mut bytes).expect("memory does not fail");
    bytes
}

/// A PE32+ EFI application with two sections.
fn application() -> Vec<u8> {
    let mut optional = pe::OptionalHeader::new_zeroed();
    optional.magic = U16::new(pe::MAGIC_PE32_PLUS);
    optional.image_base = U64::new(0x1_4000_0000);
    optional.section_alignment = U32::new(0x1000);
    optional.file_alignment = U32::new(0x200);
    optional.headers_size = U32::new(0x600);
    optional.subsystem = U16::new(pe::EFI_APPLICATION);
    optional.dll_characteristics = U16::new(pe::NX_COMPAT);
    optional.directories = U32::new(16);
    optional.entry_point = U32::new(0x1000);
    optional.image_size = U32::new(0x3000);
    let section = |name: &str, address: u32, offset: u32| {
        let mut header = pe::SectionHeader::new_zeroed();
        header.name[..name.len()].copy_from_slice(name.as_bytes());
        header.virtual_size = U32::new(0x100);
        header.virtual_address = U32::new(address);
        header.raw_size = U32::new(0x200);
        header.raw_offset = U32::new(offset);
        header.characteristics = U32::new(pe::SECTION_READ | pe::SECTION_INITIALIZED_DATA);
        header
    };
    let mut file = pe::FileHeader::new_zeroed();
    file.machine = U16::new(0x8664);
    file.sections = U16::new(2);
    file.optional_header_size = U16::new(112 + 128);
    file.characteristics = U16::new(0x0226);
    let mut bytes = b"MZ".to_vec();
    bytes.resize(0x3c, 0);
    bytes.extend(0x40u32.to_le_bytes());
    bytes.extend(b"PE\0\0");
    bytes.extend_from_slice(file.as_bytes());
    bytes.extend_from_slice(optional.as_bytes());
    bytes.extend([0; 128]);
    bytes.extend_from_slice(section(".text", 0x1000, 0x600).as_bytes());
    bytes.extend_from_slice(section(".sbat", 0x2000, 0x800).as_bytes());
    bytes.resize(0xa00, 0);
    bytes
}

/// A store with a platform key, one certificate in `db` and a deleted variable, behind the bytes
/// that stand for the certificate. Layout: EDK2, `MdeModulePkg/Include/Guid/VariableFormat.h`.
fn variable_store() -> Vec<u8> {
    let certificate = b"an X.509";
    let variable = |state: u8, vendor: cvmkit_measure::guid::Guid, name: &str, data: &[u8]| {
        let name: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).expect("it is small").to_le_bytes();
        let mut bytes = [&[0xaa, 0x55, state][..], &[0; 33], &len(&name), &len(data)].concat();
        bytes.extend([&vendor.0[..], &name, data].concat());
        bytes.resize(bytes.len().next_multiple_of(4), 0xff);
        bytes
    };
    // EFI_SIGNATURE_LIST (UEFI 2.11, section 32.4.1): type, three sizes, an owner, the contents.
    let sizes = [28 + 16 + 8, 0, 16 + 8].map(u32::to_le_bytes).concat();
    let list = [&X509.0[..], &sizes, &[7; 16], certificate].concat();
    let variables = [
        variable(0x3c, GLOBAL_VARIABLE, "Gone", b"deleted"),
        variable(0x3f, GLOBAL_VARIABLE, "PK", &list),
        variable(0x3f, IMAGE_SECURITY_DATABASE, "db", &list),
    ];
    let mut store = [&AUTHENTICATED_VARIABLES[..], &[0; 12], &variables.concat()].concat();
    store.extend([0xff; 64]);
    let size = u32::try_from(store.len()).expect("it is small");
    store[16..20].copy_from_slice(&size.to_le_bytes());
    let mut volume = [&[0; 16][..], &NV_DATA_VOLUME].concat();
    volume.resize(72, 0);
    volume[48] = 72;
    [&certificate[..], &volume, &store].concat()
}

fn hash_area(algorithm: verity::Algorithm) -> Vec<u8> {
    let mut options = verity::Options::new(vec![7; 32], [1; 16]);
    (options.data_block_size, options.hash_block_size) = (512, 1024);
    options.algorithm = algorithm;
    let data = vec![3; 512 * 5];
    let plan = verity::Plan::new(data.len() as u64, &options).expect("the sizes are in range");
    let mut bytes = Vec::new();
    plan.write(&data, &mut bytes).expect("memory does not fail");
    bytes
}

/// Behind the sectors of the data and the hash partition.
fn superblock() -> Vec<u8> {
    let mut bytes = [5_u64.to_le_bytes(), 16_u64.to_le_bytes()].concat();
    bytes.extend_from_slice(&hash_area(verity::Algorithm::Sha256)[..512]);
    bytes
}

fn index() -> Vec<u8> {
    let mut index = Index::default();
    for (at, (key, value)) in [("pci:v*d*", "virtio_pci"), ("pci:v1", "nvme"), ("fs-ext4", "ext4")]
        .into_iter()
        .enumerate()
    {
        let priority = u32::try_from(at).expect("there are three");
        index.insert(key, value, priority).expect("all are ASCII");
    }
    index.encode().expect("it is small")
}

/// A relocatable ELF64 file (System V ABI) with `.modinfo`, one export and one import.
fn module() -> Vec<u8> {
    let info = b"license=GPL\0depends=a,b\0softdep=pre: c\0alias=pci:v1\0";
    let strings = b"\0.modinfo\0.symtab\0.strtab\0__ksymtab_f\0g\0";
    let symbol = |name: u32, section: u16| {
        let mut bytes = name.to_le_bytes().to_vec();
        bytes.extend([0x10, 0]);
        bytes.extend(section.to_le_bytes());
        bytes.extend([0; 16]);
        bytes
    };
    let symbols = [vec![0; 24], symbol(26, 1), symbol(38, 0)].concat();
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(64, 0);
    let mut place = |contents: &[u8]| {
        let at = bytes.len().next_multiple_of(8);
        bytes.resize(at, 0);
        bytes.extend(contents);
        [at as u64, contents.len() as u64]
    };
    let places = [place(info), place(&symbols), place(strings)];
    let table = bytes.len().next_multiple_of(8);
    bytes.resize(table + 64, 0);
    // Name, type, link, info and entry size: SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB.
    let heads: [[u32; 5]; 3] = [[1, 1, 0, 0, 0], [10, 2, 3, 1, 24], [18, 3, 0, 0, 0]];
    for ([name, kind, link, info, size], [offset, len]) in heads.into_iter().zip(places) {
        bytes.extend([name, kind].map(u32::to_le_bytes).concat());
        bytes.extend([0, 0, offset, len].map(u64::to_le_bytes).concat());
        bytes.extend([link, info].map(u32::to_le_bytes).concat());
        bytes.extend([1, u64::from(size)].map(u64::to_le_bytes).concat());
    }
    // ET_REL, EM_X86_64, EV_CURRENT; the section table; sizes and counts.
    bytes[16..24].copy_from_slice(&[1, 0, 62, 0, 1, 0, 0, 0]);
    bytes[40..48].copy_from_slice(&(table as u64).to_le_bytes());
    let counts: [u16; 6] = [64, 0, 0, 64, 4, 3];
    bytes[52..64].copy_from_slice(&counts.map(u16::to_le_bytes).concat());
    bytes
}
